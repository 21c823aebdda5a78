"""What goes out for each question and order, and what comes back as."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.adapters.kraken.errors import ORDER_MINIMUM, Malformed
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest, order_form
from krakked.adapters.kraken.transport import RestSettings, Transport
from krakked.domain.bars import Timeframe
from krakked.domain.errors import Ambiguous, Permanent, Transient
from krakked.domain.ids import ClientOrderId, PairName, PlanId, StrategyId, TradeId, VenueOrderId
from krakked.domain.orders import LegKind, OrderRequest, OrderType, Side, TimeInForce, VenueStatus
from krakked.domain.pairs import PairStatus
from krakked.ports.exchange import DeadManReply, Exchange, Fees
from krakked.ports.market_feed import MarketHistory

XBT = PairName("XBTUSD")
CLIENT_ID = ClientOrderId("6d1b345e-2821-40e2-ad83-4ecb18a06876")
ORDER_ID = VenueOrderId("OABCDE-FGHIJ-KLMNOP")
S = 10**9


@pytest.fixture
def venue(kit: Any) -> Any:
    return kit.FakeVenue()


@pytest.fixture
def talk(kit: Any, venue: Any) -> Callable[..., Any]:
    """Run ``work(rest)`` against the scripted venue; returns its result."""

    def talk(
        work: Callable[[KrakenRest], Awaitable[Any]], *, tier: Tier = Tier.NONE, **settings: Any
    ) -> Any:
        async def main() -> Any:
            async with venue.serve() as url:
                transport = Transport(
                    RestSettings(url=url, tier=tier, **settings),
                    kit.clock(),
                    trade=kit.credentials("TRADE-KEY"),
                    query=kit.credentials("QUERY-KEY"),
                    observer=kit.Listener(),
                )
                rest = KrakenRest(transport)
                try:
                    return await work(rest)
                finally:
                    await rest.close()

        return kit.run(main())

    return talk


def request(**changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "client_order_id": CLIENT_ID,
        "plan_id": PlanId("000001-abc"),
        "leg": 0,
        "revision": 0,
        "strategy_id": StrategyId("trend"),
        "pair": XBT,
        "kind": LegKind.ENTRY,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity_base": Decimal("0.00010000"),
        "limit_price": Decimal("37500.0"),
        "time_in_force": TimeInForce.GTC,
        "expire_at_ns": None,
    }
    return OrderRequest(**{**fields, **changes})


def order_row(status: str = "open", **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "refid": None,
        "userref": None,
        "cl_ord_id": CLIENT_ID,
        "status": status,
        "opentm": 1_699_999_990.5,
        "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "37500.0"},
        "vol": "0.0001",
        "vol_exec": "0",
        "cost": "0",
        "fee": "0",
        "oflags": "fciq",
    }
    if status != "open":
        row["closetm"] = 1_699_999_995.1234567
        row["reason"] = None
    return {**row, **changes}


def trade_row(time: float, **changes: Any) -> dict[str, Any]:
    row = {
        "ordertxid": ORDER_ID,
        "pair": "XXBTZUSD",
        "time": time,
        "type": "buy",
        "price": "37500.0",
        "cost": "3.75",
        "fee": "0.015",
        "vol": "0.0001",
        "maker": False,
    }
    return {**row, **changes}


def test_adapter_is_an_exchange_and_a_market_history() -> None:
    exchange: type[Exchange] = KrakenRest
    history: type[MarketHistory] = KrakenRest
    assert exchange is history


# placing


def test_limit_order_goes_out_with_everything_it_needs(venue: Any, talk: Any, kit: Any) -> None:
    venue.answer("AddOrder", {"descr": {"order": "x"}, "txid": [ORDER_ID]})
    deadline = kit.START_NS + 3 * S
    assert talk(lambda rest: rest.add_order(request(), deadline_at_ns=deadline)) == ORDER_ID
    (call,) = venue.calls("AddOrder")
    assert {name: value for name, value in call.fields.items() if name != "nonce"} == {
        "ordertype": "limit",
        "type": "buy",
        "volume": "0.00010000",
        "pair": "XBTUSD",
        "price": "37500.0",
        "timeinforce": "GTC",
        "cl_ord_id": CLIENT_ID,
        "oflags": "fciq",
        "deadline": "2023-11-14T22:13:23.000000Z",
    }


def test_fee_is_asked_for_in_quote_and_post_only_beside_it() -> None:
    assert order_form(request(), 0)["oflags"] == "fciq"
    assert order_form(request(side=Side.SELL, post_only=True), 0)["oflags"] == "fciq,post"


def test_market_order_has_no_price_and_no_time_in_force() -> None:
    form = order_form(request(type=OrderType.MARKET, limit_price=None), 0)
    assert form["ordertype"] == "market"
    assert "price" not in form
    assert "timeinforce" not in form


def test_order_good_till_a_date_names_it_in_whole_seconds() -> None:
    gtd = request(time_in_force=TimeInForce.GTD, expire_at_ns=1_700_000_600 * S + 999)
    form = order_form(gtd, 0)
    assert (form["timeinforce"], form["expiretm"]) == ("GTD", "1700000600")


def test_small_amounts_are_written_without_an_exponent() -> None:
    form = order_form(request(quantity_base=Decimal("1E-8"), limit_price=Decimal("1E+3")), 0)
    assert (form["volume"], form["price"]) == ("0.00000001", "1000")


def test_limit_order_without_a_price_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        order_form(request(limit_price=None), 0)


@pytest.mark.parametrize("left_s", [-1.0, 0.0, 1.9])
def test_order_whose_deadline_is_nearer_than_the_venue_takes_is_not_sent(
    venue: Any, talk: Any, kit: Any, left_s: float
) -> None:
    async def work(rest: KrakenRest) -> None:
        with pytest.raises(Transient, match="not sent"):
            await rest.add_order(request(), deadline_at_ns=kit.START_NS + int(left_s * S))

    talk(work)
    assert venue.calls("AddOrder") == []


def test_order_that_waited_too_long_for_its_turn_is_not_sent(
    venue: Any, talk: Any, kit: Any
) -> None:
    async def work(rest: KrakenRest) -> None:
        rest.transport.limits.engine_tripped(XBT)
        with pytest.raises(Transient, match="not sent"):
            await rest.add_order(request(), deadline_at_ns=kit.START_NS + 3 * S)

    talk(work, tier=Tier.STARTER)
    assert venue.calls("AddOrder") == []


@pytest.mark.parametrize(
    "answer",
    [{"descr": {"order": "x"}}, {"txid": []}, {"txid": "O"}, {"txid": [5]}, [], "x"],
)
def test_answer_that_names_no_order_is_in_doubt(
    venue: Any, talk: Any, kit: Any, answer: Any
) -> None:
    venue.answer("AddOrder", answer)

    async def work(rest: KrakenRest) -> None:
        with pytest.raises(Ambiguous):
            await rest.add_order(request(), deadline_at_ns=kit.START_NS + 9 * S)

    talk(work)
    assert len(venue.calls("AddOrder")) == 1


@pytest.mark.parametrize(
    "text",
    ["EOrder:Order minimum not met", "EGeneral:Invalid arguments:volume minimum not met"],
)
def test_order_below_the_minimum_is_refused_by_one_code(
    venue: Any, talk: Any, kit: Any, text: str
) -> None:
    venue.answer("AddOrder", kit.refusal(text))

    async def work(rest: KrakenRest) -> str:
        with pytest.raises(Permanent) as caught:
            await rest.add_order(request(), deadline_at_ns=kit.START_NS + 9 * S)
        return caught.value.code

    assert talk(work) == ORDER_MINIMUM


def test_engine_limit_that_the_venue_names_fills_the_counter_of_that_pair(
    venue: Any, talk: Any, kit: Any
) -> None:
    venue.answer("AddOrder", kit.refusal("EOrder:Rate limit exceeded"))

    async def work(rest: KrakenRest) -> Any:
        with pytest.raises(Transient):
            await rest.add_order(request(), deadline_at_ns=kit.START_NS + 9 * S)
        return rest.headroom().engine

    assert talk(work, tier=Tier.PRO)[XBT] <= 0


def test_cancel_soon_after_an_order_is_charged_by_its_youth(
    venue: Any, talk: Any, kit: Any
) -> None:
    venue.answer("AddOrder", {"txid": [ORDER_ID]})
    venue.answer("CancelOrder", {"count": 1})

    async def work(rest: KrakenRest) -> Any:
        await rest.add_order(request(), deadline_at_ns=kit.START_NS + 9 * S)
        await rest.cancel_order(ORDER_ID)
        return rest.headroom().engine

    assert talk(work, tier=Tier.PRO)[XBT] == 180 - 1 - 8


def test_cancel_after_a_lost_answer_is_charged_under_our_own_id(
    venue: Any, talk: Any, kit: Any
) -> None:
    venue.answer("AddOrder", kit.HANG_UP)
    venue.answer("CancelOrder", {"count": 1})

    async def work(rest: KrakenRest) -> Any:
        with pytest.raises(Ambiguous):
            await rest.add_order(request(), deadline_at_ns=kit.START_NS + 9 * S)
        await rest.cancel_order(CLIENT_ID)
        return rest.headroom().engine

    assert talk(work, tier=Tier.PRO)[XBT] == 180 - 1 - 8


def test_cancel_that_the_venue_refuses_for_its_rate_fills_the_counter_of_the_pair(
    venue: Any, talk: Any, kit: Any
) -> None:
    venue.answer("CancelOrder", kit.refusal("EOrder:Rate limit exceeded"))

    async def work(rest: KrakenRest) -> Any:
        with pytest.raises(Transient):
            await rest.cancel_order(ORDER_ID, pair=XBT)
        return rest.headroom().engine

    assert talk(work, tier=Tier.PRO)[XBT] <= 0


def test_cancel_without_a_pair_knows_that_of_an_order_placed_lately(
    venue: Any, talk: Any, kit: Any
) -> None:
    venue.answer("AddOrder", {"txid": [ORDER_ID]})
    venue.answer("CancelOrder", kit.refusal("EOrder:Rate limit exceeded"))

    async def work(rest: KrakenRest) -> Any:
        await rest.add_order(request(), deadline_at_ns=kit.START_NS + 9 * S)
        with pytest.raises(Transient):
            await rest.cancel_order(ORDER_ID)
        return rest.headroom().engine

    assert talk(work, tier=Tier.PRO)[XBT] <= 0


@pytest.mark.parametrize("order_id", [ORDER_ID, CLIENT_ID])
@pytest.mark.parametrize(("age_s", "points"), [(2, 8), (60, 2), (299, 1), (300, 0)])
def test_cancel_of_an_order_that_an_earlier_process_placed_is_charged_by_its_youth(
    venue: Any, talk: Any, kit: Any, order_id: Any, age_s: int, points: int
) -> None:
    opened_s = kit.START_NS // S - age_s
    venue.answer("OpenOrders", {"open": {ORDER_ID: order_row(opentm=opened_s)}})
    venue.answer("CancelOrder", {"count": 1})

    async def work(rest: KrakenRest) -> Any:
        await rest.open_orders()
        await rest.cancel_order(order_id)
        return rest.headroom().engine.get(XBT, 180)

    assert talk(work, tier=Tier.PRO) == 180 - points


def test_validated_order_is_not_placed(venue: Any, talk: Any, kit: Any) -> None:
    venue.answer("AddOrder", {"descr": {"order": "x"}})
    deadline = kit.START_NS + 9 * S
    talk(lambda rest: rest.validate_order(request(), deadline_at_ns=deadline))
    assert venue.calls("AddOrder")[0].fields["validate"] == "true"


# cancelling and the dead-man


@pytest.mark.parametrize(
    ("order_id", "field"),
    [
        (ORDER_ID, "txid"),
        (CLIENT_ID, "cl_ord_id"),
        (ClientOrderId("free-text-18-chars"), "cl_ord_id"),
    ],
)
def test_cancel_names_the_order_by_the_right_field(
    venue: Any, talk: Any, order_id: Any, field: str
) -> None:
    venue.answer("CancelOrder", {"count": 1})
    assert talk(lambda rest: rest.cancel_order(order_id)) is True
    (call,) = venue.calls("CancelOrder")
    assert call.fields[field] == order_id
    assert len(call.fields) == 2


@pytest.mark.parametrize("text", ["EOrder:Unknown order", "EOrder: Unknown order"])
def test_cancel_of_an_order_that_is_gone_says_so(
    venue: Any, talk: Any, kit: Any, text: str
) -> None:
    venue.answer("CancelOrder", kit.refusal(text))
    assert talk(lambda rest: rest.cancel_order(ORDER_ID)) is False


def test_cancel_of_nothing_says_so(venue: Any, talk: Any) -> None:
    venue.answer("CancelOrder", {"count": 0})
    assert talk(lambda rest: rest.cancel_order(ORDER_ID)) is False


def test_cancel_that_was_not_answered_is_in_doubt(venue: Any, talk: Any, kit: Any) -> None:
    venue.answer("CancelOrder", kit.HANG_UP)

    async def work(rest: KrakenRest) -> None:
        with pytest.raises(Ambiguous):
            await rest.cancel_order(ORDER_ID)

    talk(work)


def test_cancelling_all_tells_how_many(venue: Any, talk: Any) -> None:
    venue.answer("CancelAll", {"count": 4})
    assert talk(lambda rest: rest.cancel_all()) == 4


def test_dead_man_tells_when_it_will_act_by_the_venues_word(venue: Any, talk: Any) -> None:
    venue.answer(
        "CancelAllOrdersAfter",
        {"currentTime": "2023-03-24T17:41:56Z", "triggerTime": "2023-03-24T17:42:56Z"},
    )
    reply = talk(lambda rest: rest.refresh_dead_man(60))
    assert reply == DeadManReply(1_679_679_776 * S, now_ns=1_679_679_716 * S)
    assert venue.calls("CancelAllOrdersAfter")[0].fields["timeout"] == "60"


@pytest.mark.parametrize("trigger", ["0", "2023-03-24T17:41:56Z", None])
def test_disarmed_dead_man_never_acts(venue: Any, talk: Any, trigger: Any) -> None:
    answer = {"currentTime": "2023-03-24T17:41:56Z", "triggerTime": trigger}
    venue.answer("CancelAllOrdersAfter", answer)
    assert talk(lambda rest: rest.refresh_dead_man(0)) == DeadManReply(None)


def test_dead_man_answer_without_sense_is_in_doubt(venue: Any, talk: Any) -> None:
    venue.answer("CancelAllOrdersAfter", {"currentTime": "x", "triggerTime": "tomorrow"})

    async def work(rest: KrakenRest) -> None:
        with pytest.raises(Ambiguous, match="tomorrow"):
            await rest.refresh_dead_man(60)

    talk(work)


# the venue


def test_venue_time_and_status(venue: Any, talk: Any) -> None:
    venue.answer("Time", {"unixtime": 1_688_669_448, "rfc1123": "Thu, 06 Jul 23 18:50:48 +0000"})
    venue.answer("SystemStatus", {"status": "post_only", "timestamp": "2024-01-24T11:45:46Z"})

    async def work(rest: KrakenRest) -> Any:
        return await rest.venue_time_ns(), await rest.system_status()

    assert talk(work) == (1_688_669_448 * S, "post_only")


def test_keys_are_checked_each_by_itself(venue: Any, talk: Any) -> None:
    venue.answer(
        "GetApiKeyInfo",
        {"permissions": ["modify-trades"], "nonce": "1", "iban": "AA00 N84G 0000"},
        {"permissions": ["query-funds", "query-ledger"], "iban": "AA00 N84G 0000"},
        {"permissions": []},
    )

    async def work(rest: KrakenRest) -> Any:
        assert rest.key_roles == ("trade", "query")
        return [await rest.key_facts(role) for role in ("trade", "query", "query")]

    trade, query, unnamed = talk(work)
    assert trade.permissions == {"modify-trades"}
    assert query.permissions == {"query-funds", "query-ledger"}
    assert trade.account == query.account != ""
    assert "N84G" not in trade.account
    assert unnamed.account == ""
    keys = [call.headers["API-Key"] for call in venue.calls("GetApiKeyInfo")]
    assert keys == ["TRADE-KEY", "QUERY-KEY", "QUERY-KEY"]


def test_pairs_stand_under_canonical_names_with_their_status(talk: Any) -> None:
    pairs = talk(lambda rest: rest.pairs())
    assert list(pairs) == ["XBTUSD", "XDGUSD", "ETHXBT"]
    assert pairs["ETHXBT"].status is PairStatus.CANCEL_ONLY
    assert pairs["XDGUSD"].tick_size == Decimal("0.0000001")


def test_pair_that_cannot_be_is_told_and_the_others_are_there(
    venue: Any, talk: Any, kit: Any
) -> None:
    good = venue.script["AssetPairs"][0]
    venue.answer("AssetPairs", {**good, "BAD": {**good["XDGUSD"], "tick_size": "NaN"}})

    async def work(rest: KrakenRest) -> Any:
        return list(await rest.pairs()), rest.transport.observer

    names, observer = talk(work)
    assert "XBTUSD" in names
    assert observer.malformed[0][0] == "AssetPairs"
    assert "tick_size" in observer.malformed[0][1]


def test_names_are_asked_for_once_and_again_only_when_pairs_are(venue: Any, talk: Any) -> None:
    venue.answer("BalanceEx", {})

    async def work(rest: KrakenRest) -> None:
        await asyncio.gather(rest.balances(), rest.balances(), rest.balances())
        assert len(venue.calls("AssetPairs")) == 1
        await rest.pairs()

    talk(work)
    assert len(venue.calls("AssetPairs")) == 2


def test_bars_are_asked_for_from_one_before_and_cut_to_what_was_asked(
    venue: Any, talk: Any
) -> None:
    rows = [
        [1_699_992_000 + 3_600 * n, "100.0", "101.0", "99.0", "100.5", "100.0", "1.5", n]
        for n in range(4)
    ]
    venue.answer("OHLC", {"BTC/USD": rows, "last": rows[-2][0]})

    async def work(rest: KrakenRest) -> Any:
        return await rest.closed_bars(XBT, Timeframe.H1, since_s=1_699_992_000)

    bars = talk(work)
    # The first has no trades, the last is still forming.
    assert [bar.start_s for bar in bars] == [1_699_995_600, 1_699_999_200]
    assert bars[0].close == 1005
    (call,) = venue.calls("OHLC")
    assert call.fields == {"pair": "XBTUSD", "interval": "60", "since": "1699988400"}


def test_bars_are_the_newest_seven_hundred_and_twenty_at_most(venue: Any, talk: Any) -> None:
    rows = [[60 * n, "100.0", "101.0", "99.0", "100.5", "100.0", "1", 1] for n in range(1, 800)]
    venue.answer("OHLC", {"XXBTZUSD": rows, "last": rows[-2][0]})
    bars = talk(lambda rest: rest.closed_bars(XBT, Timeframe.M1, since_s=0))
    assert [len(bars), bars[-1].start_s] == [720, rows[-2][0]]


def test_bar_that_cannot_be_is_told_and_left_out(venue: Any, talk: Any) -> None:
    rows = [[60 * n, "100.0", "101.0", "99.0", "100.5", "100.0", "1.5", 1] for n in range(1, 5)]
    rows[1][2] = "NaN"
    venue.answer("OHLC", {"XXBTZUSD": rows, "last": 180})

    async def work(rest: KrakenRest) -> Any:
        return await rest.closed_bars(XBT, Timeframe.M1, since_s=0), rest.transport.observer

    bars, observer = talk(work)
    assert [bar.start_s for bar in bars] == [60, 180]
    assert observer.malformed == [("OHLC", "bar at 120: high: NaN is not finite")]


@pytest.mark.parametrize("answer", [{"last": 1}, {"A": [], "B": [], "last": 1}, [], {"A": [[1]]}])
def test_bars_that_are_none_are_an_error_that_may_pass(venue: Any, talk: Any, answer: Any) -> None:
    venue.answer("OHLC", answer)

    async def work(rest: KrakenRest) -> None:
        with pytest.raises(Malformed):
            await rest.closed_bars(XBT, Timeframe.M1, since_s=0)

    talk(work)


# the account


def test_fees_are_asked_for_by_pair_and_given_by_pair(venue: Any, talk: Any) -> None:
    venue.answer(
        "TradeVolume",
        {
            "currency": "ZUSD",
            "volume": "1.0",
            "fees": {"XXBTZUSD": {"fee": "0.2600", "minfee": "0.1", "nextfee": None}},
            "fees_maker": {"XXBTZUSD": {"fee": "0.1600"}},
        },
    )
    fees = talk(lambda rest: rest.fees([XBT, PairName("XDGUSD")]))
    assert fees == {XBT: Fees(Decimal("0.26"), Decimal("0.16"))}
    assert venue.calls("TradeVolume")[0].fields["pair"] == "XBTUSD,XDGUSD"


@pytest.mark.parametrize("fees", [None, {}])
def test_fees_that_the_venue_does_not_say_are_none(venue: Any, talk: Any, fees: Any) -> None:
    venue.answer("TradeVolume", {"currency": "ZUSD", "volume": "1", "fees": fees})
    assert talk(lambda rest: rest.fees([XBT])) == {}


def test_fees_of_no_pair_need_no_question(venue: Any, talk: Any) -> None:
    assert talk(lambda rest: rest.fees([])) == {}
    assert venue.requests == []


def test_balances_tell_spot_from_what_cannot_be_spent(venue: Any, talk: Any) -> None:
    venue.answer(
        "BalanceEx",
        {
            "ZUSD": {"balance": "10000.0000", "hold_trade": "250.5"},
            "XBT.F": {"balance": "0.5", "hold_trade": "0"},
        },
    )
    usd, earning = talk(lambda rest: rest.balances())
    assert (usd.asset, usd.total, usd.held, usd.kind) == (
        "USD",
        Decimal(10000),
        Decimal("250.5"),
        "spot",
    )
    assert (earning.asset, earning.kind) == ("XBT", "F")


@pytest.mark.parametrize("value", ["NaN", "-5", "1E+99", "Infinity"])
def test_balance_that_cannot_be_refuses_the_whole_answer(venue: Any, talk: Any, value: str) -> None:
    venue.answer("BalanceEx", {"ZUSD": {"balance": "1"}, "XXBT": {"balance": value}})

    async def work(rest: KrakenRest) -> Any:
        with pytest.raises(Malformed, match="balance of XXBT"):
            await rest.balances()
        return rest.transport.observer.malformed  # type: ignore[attr-defined]  # a listener

    assert talk(work)[0][0] == "BalanceEx"


def test_open_orders_are_all_of_the_accounts(venue: Any, talk: Any) -> None:
    venue.answer("OpenOrders", {"open": {"O1": order_row(), "O2": order_row(cl_ord_id=None)}})
    orders = talk(lambda rest: rest.open_orders())
    assert [order.venue_order_id for order in orders] == ["O1", "O2"]
    assert [order.client_order_id for order in orders] == [CLIENT_ID, None]


def test_order_is_found_among_the_open_ones(venue: Any, talk: Any, kit: Any) -> None:
    venue.answer("OpenOrders", {"open": {ORDER_ID: order_row()}})
    found = talk(lambda rest: rest.find_order(CLIENT_ID, kit.START_NS))
    assert found.venue_order_id == ORDER_ID
    assert venue.calls("OpenOrders")[0].fields["cl_ord_id"] == CLIENT_ID
    assert venue.calls("ClosedOrders") == []


def test_order_is_found_among_the_closed_ones(venue: Any, talk: Any, kit: Any) -> None:
    venue.answer("OpenOrders", {"open": {}})
    venue.answer("ClosedOrders", {"closed": {ORDER_ID: order_row("closed")}, "count": 1})
    found = talk(lambda rest: rest.find_order(CLIENT_ID, kit.START_NS))
    assert found.status is VenueStatus.CLOSED
    fields = venue.calls("ClosedOrders")[0].fields
    assert fields["cl_ord_id"] == CLIENT_ID
    assert fields["closetime"] == "both"
    assert fields["start"] == "1699999999"


def test_order_that_is_nowhere_is_none(venue: Any, talk: Any, kit: Any) -> None:
    venue.answer("OpenOrders", {"open": {}})
    venue.answer("ClosedOrders", {"closed": {}})
    assert talk(lambda rest: rest.find_order(CLIENT_ID, kit.START_NS)) is None


def test_order_is_matched_here_when_the_venue_answers_with_others(
    venue: Any, talk: Any, kit: Any
) -> None:
    bare = CLIENT_ID.replace("-", "").upper()
    rows = {"O1": order_row(cl_ord_id="other"), "O2": order_row(cl_ord_id=bare), "O3": order_row()}
    venue.answer("OpenOrders", {"open": {**rows, "O0": order_row(cl_ord_id=None)}})
    found = talk(lambda rest: rest.find_order(CLIENT_ID, kit.START_NS))
    assert found.venue_order_id == "O2"


def test_order_is_found_though_the_venue_disputes_the_form_of_its_id(
    venue: Any, talk: Any, kit: Any
) -> None:
    venue.answer(
        "OpenOrders",
        kit.refusal("EGeneral:Invalid arguments:cl_ord_id"),
        {"open": {"O1": order_row(cl_ord_id="other"), ORDER_ID: order_row()}},
    )
    found = talk(lambda rest: rest.find_order(CLIENT_ID, kit.START_NS))
    assert found.venue_order_id == ORDER_ID
    assert "cl_ord_id" not in venue.calls("OpenOrders")[1].fields


def test_closed_order_is_found_among_all_when_the_venue_disputes_its_id(
    venue: Any, talk: Any, kit: Any
) -> None:
    def closed(call: Any) -> Any:
        if "cl_ord_id" in call.fields:
            return kit.refusal("EGeneral:Invalid arguments:cl_ord_id")
        return {
            "closed": {"O1": order_row("closed", cl_ord_id="other"), ORDER_ID: order_row("closed")}
        }

    venue.answer("OpenOrders", {"open": {}})
    venue.answer("ClosedOrders", closed)
    found = talk(lambda rest: rest.find_order(CLIENT_ID, kit.START_NS))
    assert found.venue_order_id == ORDER_ID


def test_orders_are_asked_for_fifty_at_a_time(venue: Any, talk: Any) -> None:
    venue.answer(
        "QueryOrders",
        lambda call: {order_id: order_row() for order_id in call.fields["txid"].split(",")},
    )
    ids = [VenueOrderId(f"O{number}") for number in range(120)]
    assert list(talk(lambda rest: rest.orders(ids))) == ids
    sizes = [len(call.fields["txid"].split(",")) for call in venue.calls("QueryOrders")]
    assert sizes == [50, 50, 20]


def test_unknown_order_hides_no_other(venue: Any, talk: Any, kit: Any) -> None:
    def answer(call: Any) -> Any:
        ids = call.fields["txid"].split(",")
        if "GONE" in ids:
            return kit.refusal("EOrder:Unknown order")
        return {order_id: order_row() for order_id in ids}

    venue.answer("QueryOrders", answer)
    ids = [VenueOrderId(name) for name in ("O1", "O2", "GONE", "O3", "O4")]
    assert list(talk(lambda rest: rest.orders(ids))) == ["O1", "O2", "O3", "O4"]


def test_other_refusals_of_a_query_are_told(venue: Any, talk: Any, kit: Any) -> None:
    venue.answer("QueryOrders", kit.refusal("EGeneral:Invalid arguments"))

    async def work(rest: KrakenRest) -> None:
        with pytest.raises(Permanent):
            await rest.orders([ORDER_ID])

    talk(work)


def test_no_ids_need_no_question(venue: Any, talk: Any) -> None:
    async def work(rest: KrakenRest) -> Any:
        return await rest.orders([]), await rest.trades([])

    assert talk(work) == ({}, [])
    assert venue.calls("QueryOrders") == []
    assert venue.calls("QueryTrades") == []


def test_closed_orders_come_oldest_first_and_none_that_ended_before(
    venue: Any, talk: Any, kit: Any
) -> None:
    def ended(seconds: float) -> dict[str, Any]:
        return order_row("canceled", closetm=kit.START_NS / S + seconds)

    venue.answer("ClosedOrders", {"closed": {"O3": ended(5), "O2": ended(2), "O1": ended(-0.5)}})
    orders = talk(lambda rest: rest.closed_orders(kit.START_NS))
    assert [order.venue_order_id for order in orders] == ["O2", "O3"]
    fields = venue.calls("ClosedOrders")[0].fields
    assert (fields["closetime"], fields["start"]) == ("close", "1699999999")
    assert fields["consolidate_taker"] == "false"


def test_trades_since_come_unconsolidated_oldest_first_over_all_pages(
    venue: Any, talk: Any, kit: Any
) -> None:
    start_s = kit.START_NS // S
    newest_first = {f"T{n}": trade_row(start_s + n) for n in range(60, -3, -1)}

    def page(call: Any) -> Any:
        ids = list(newest_first)
        ids = ids[ids.index(call.fields["end"]) :] if "end" in call.fields else ids
        shown = {trade_id: newest_first[trade_id] for trade_id in ids[:25]}
        return {"trades": shown, "count": len(ids)}

    venue.answer("TradesHistory", page)
    trades = talk(lambda rest: rest.trades_since(kit.START_NS))
    assert [trade.trade_id for trade in trades] == [f"T{n}" for n in range(61)]
    calls = venue.calls("TradesHistory")
    assert [call.fields.get("end") for call in calls] == [None, "T36", "T12"]
    assert {call.fields["consolidate_taker"] for call in calls} == {"false"}
    assert {call.fields["start"] for call in calls} == {str(start_s - 1)}


def test_trades_of_all_time_name_no_start(venue: Any, talk: Any) -> None:
    venue.answer("TradesHistory", {"trades": {}, "count": 0})
    assert talk(lambda rest: rest.trades_since(0)) == []
    assert "start" not in venue.calls("TradesHistory")[0].fields


def test_trades_by_id_are_asked_for_twenty_at_a_time(venue: Any, talk: Any) -> None:
    venue.answer(
        "QueryTrades",
        lambda call: {
            trade_id: trade_row(1_700_000_000.5) for trade_id in call.fields["txid"].split(",")
        },
    )
    ids = [TradeId(f"T{number:02}") for number in range(45)]
    trades = talk(lambda rest: rest.trades(ids))
    assert sorted(trade.trade_id for trade in trades) == ids
    assert len(venue.calls("QueryTrades")) == 3


@pytest.mark.parametrize(("field", "value"), [("price", "NaN"), ("vol", "-1"), ("fee", "1E+50")])
def test_trade_that_cannot_be_refuses_the_whole_answer(
    venue: Any, talk: Any, field: str, value: str
) -> None:
    rows = {"T1": trade_row(1_700_000_001.0), "T2": trade_row(1_700_000_002.0, **{field: value})}
    venue.answer("TradesHistory", {"trades": rows, "count": 2})

    async def work(rest: KrakenRest) -> None:
        with pytest.raises(Malformed, match=f"{field}: "):
            await rest.trades_since(0)

    talk(work)


def test_ledger_rows_come_oldest_first_and_those_of_one_instant_as_they_happened(
    venue: Any, talk: Any, kit: Any
) -> None:
    def row(seconds: float, amount: str) -> dict[str, Any]:
        return {
            "refid": "R",
            "time": kit.START_NS / S + seconds,
            "type": "trade",
            "subtype": "",
            "aclass": "currency",
            "asset": "ZUSD",
            "amount": amount,
            "fee": "0",
            "balance": "1",
        }

    rows = {"L4": row(2, "4"), "L3": row(1, "3"), "L2": row(1, "-2"), "L1": row(-1, "1")}
    venue.answer("Ledgers", {"ledger": rows, "count": 4})
    ledger = talk(lambda rest: rest.ledger_since(kit.START_NS))
    assert [(entry.ledger_id, entry.amount) for entry in ledger] == [
        ("L2", Decimal(-2)),
        ("L3", Decimal(3)),
        ("L4", Decimal(4)),
    ]


def test_token_is_taken_with_the_query_key_and_shown_nowhere(venue: Any, talk: Any) -> None:
    venue.answer("GetWebSocketsToken", {"token": "SECRET-TOKEN", "expires": 900})

    async def work(rest: KrakenRest) -> Any:
        return await rest.websocket_token(), repr(rest)

    token, shown = talk(work)
    assert token.reveal() == "SECRET-TOKEN"
    assert "SECRET-TOKEN" not in repr(token) + shown
    assert venue.calls("GetWebSocketsToken")[0].headers["API-Key"] == "QUERY-KEY"
