"""Answers recorded from the venue and printed in its documentation, through the whole adapter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.network import Answer
from krakked.adapters.kraken.observers import Silent
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import Call, RestSettings, Transport
from krakked.domain.bars import Timeframe
from krakked.domain.errors import KrakkedError, Permanent
from krakked.domain.fills import Liquidity
from krakked.domain.ids import ClientOrderId, PairName, PlanId, StrategyId, TradeId, VenueOrderId
from krakked.domain.money import to_text
from krakked.domain.orders import LegKind, OrderRequest, OrderType, Side, TimeInForce, VenueStatus
from krakked.domain.pairs import PairStatus
from krakked.ports.exchange import Fees
from krakked.ports.market_feed import Ticker

Recorded = Callable[[str], str]
ASSETS = "XChange/marketdata/example-assets-data.json"
PAIRS = "XChange/marketdata/example-assetpairs-data.json"
XBT = PairName("XBTUSD")


class StillClock:
    def now_ns(self) -> int:
        return 1_700_000_000 * 10**9

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits here")


class Replaying(Transport):
    """Everything of the transport but the socket."""

    def __init__(self, bodies: dict[str, str]) -> None:
        key = Credentials("KEY", "c2VjcmV0")
        super().__init__(RestSettings(tier=Tier.NONE), StillClock(), trade=key)
        self._bodies = bodies

    async def _send(self, _: Any, call: Call) -> Answer:
        return Answer(200, "application/json", self._bodies[call.method].encode())


class Listening(Silent):
    """Keeps what was told of malformed answers."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def on_malformed(self, source: str, problem: str) -> None:
        self._told.append(f"{source} {problem}")


def body(text: str) -> str:
    """The JSON of a recorded file; some begin with the request they answer."""
    return text[text.index("{") :]


@pytest.fixture
def ask(recorded: Recorded) -> Callable[..., Any]:
    """What ``work`` makes of a recorded answer to ``method``."""

    def ask(method: str, name: str, work: Callable[[KrakenRest], Awaitable[Any]]) -> Any:
        listed = {"Assets": recorded(ASSETS), "AssetPairs": recorded(PAIRS)}
        bodies = {**listed, method: body(recorded(name))}

        async def main() -> Any:
            return await work(KrakenRest(Replaying(bodies)))

        return asyncio.run(main())

    return ask


# orders


@pytest.mark.parametrize(
    "name",
    [
        "XChange/trading/example-openorders-data.json",
        "XChange/trading/example-openorders-in-transaction-currency-data.json",
        "Kraken.Net/JsonResponses/SpotTrading/GetOpenOrdersAsync.txt",
        "Kraken.Net/Endpoints/Spot/Trading/GetOpenOrders.txt",
        "kraken-async-rs/rest_open_orders.json",
    ],
)
def test_recorded_open_orders_are_read_to_the_last_digit(
    ask: Any, recorded: Recorded, name: str
) -> None:
    orders = ask("OpenOrders", name, lambda rest: rest.open_orders())
    rows = json.loads(body(recorded(name)))["result"]["open"]
    assert [order.venue_order_id for order in orders] == list(rows)
    for order in orders:
        row = rows[order.venue_order_id]
        numbers = (order.quantity_base, order.filled_base, order.cost_quote, order.fee_quote)
        written = [row["vol"], row["vol_exec"], row["cost"], row["fee"]]
        assert [to_text(number) for number in numbers] == written
        assert order.status is VenueStatus.OPEN
        if order.type == "limit":
            assert to_text(order.limit_price) == row["descr"]["price"]


def test_recorded_open_orders_carry_client_ids_or_none(ask: Any) -> None:
    orders = ask(
        "OpenOrders", "kraken-async-rs/rest_open_orders.json", lambda rest: rest.open_orders()
    )
    ids = [order.client_order_id for order in orders]
    assert ids[0] == "some-uuid"
    assert None in ids


@pytest.mark.parametrize(
    "name",
    [
        "Kraken.Net/JsonResponses/SpotTrading/GetClosedOrdersAsync.txt",
        "Kraken.Net/Endpoints/Spot/Trading/GetClosedOrders.txt",
    ],
)
def test_recorded_closed_orders_are_read_oldest_first(
    ask: Any, recorded: Recorded, name: str
) -> None:
    orders = ask("ClosedOrders", name, _one_page)
    rows = json.loads(body(recorded(name)))["result"]["closed"]
    assert {order.venue_order_id for order in orders} == set(rows)
    times = [order.closed_at_ns for order in orders]
    assert times == sorted(times)
    assert all(order.status.is_final for order in orders)


async def _one_page(rest: KrakenRest) -> Any:
    # A page of a longer history: the same page for ever would be no progress.
    transport = rest.transport
    assert isinstance(transport, Replaying)
    page = json.loads(transport._bodies["ClosedOrders"])
    page["result"]["count"] = len(page["result"]["closed"])
    transport._bodies["ClosedOrders"] = json.dumps(page)
    return await rest.closed_orders(0)


@pytest.mark.parametrize(
    ("name", "order_id", "status", "kind"),
    [
        (
            "XChange/order/example-market-ask-order.json",
            "OHR2QC-2XDSQ-WHOFMW",
            VenueStatus.CLOSED,
            "market",
        ),
        (
            "Kraken.Net/JsonResponses/SpotTrading/GetOrderAsync.txt",
            "OBCMZD-JIEE7-77TH3F",
            VenueStatus.CLOSED,
            "limit",
        ),
        (
            "Kraken.Net/Endpoints/Spot/Trading/GetOrders.txt",
            "OBCMZD-JIEE7-77TH3F",
            VenueStatus.CLOSED,
            "stop-loss-limit",
        ),
        (
            "Kraken.Net/Endpoints/Spot/Trading/GetOrders2.txt",
            "OICRC3-KX7OB-QB2B2S",
            VenueStatus.CANCELED,
            "trailing-stop",
        ),
        (
            "kraken-async-rs/rest_query_order_info.json",
            "P8E9L2-ITMSU-UGBBRE",
            VenueStatus.CANCELED,
            "limit",
        ),
    ],
)
def test_recorded_orders_of_any_type_and_end_are_read(
    ask: Any, name: str, order_id: str, status: VenueStatus, kind: str
) -> None:
    orders = ask("QueryOrders", name, lambda rest: rest.orders([VenueOrderId(order_id)]))
    order = orders[VenueOrderId(order_id)]
    assert (order.status, order.type) == (status, kind)
    assert order.closed_at_ns > order.opened_at_ns


def test_recorded_end_with_seven_decimals_is_exact(ask: Any) -> None:
    orders = ask(
        "QueryOrders",
        "kraken-async-rs/rest_query_order_info.json",
        lambda rest: rest.orders([VenueOrderId("P8E9L2-ITMSU-UGBBRE")]),
    )
    (order,) = orders.values()
    assert order.opened_at_ns == 1_699_792_641_584_501_700
    assert order.closed_at_ns == 1_699_792_641_705_669_000
    assert order.reason == "Order replaced"


@pytest.mark.parametrize(
    "name",
    [
        "XChange/trading/example-addorder-response-data.json",
        "XChange/trading/example-order-data.json",
        "Kraken.Net/JsonResponses/SpotTrading/PlaceOrderAsync.txt",
        "Kraken.Net/Endpoints/Spot/Trading/PlaceOrder.txt",
        "kraken-async-rs/rest_add_order.json",
    ],
)
def test_recorded_answer_to_an_order_names_it(
    recorded: Recorded, name: str, some_order: Any
) -> None:
    text = body(recorded(name))
    rest_of = Replaying({"AddOrder": text})

    async def main() -> Any:
        deadline = StillClock().now_ns() + 9 * 10**9
        return await KrakenRest(rest_of).add_order(some_order, deadline_at_ns=deadline)

    assert asyncio.run(main()) == json.loads(text)["result"]["txid"][0]


@pytest.fixture
def some_order() -> Any:
    return OrderRequest(
        client_order_id=ClientOrderId("6d1b345e-2821-40e2-ad83-4ecb18a06876"),
        plan_id=PlanId("p"),
        leg=0,
        revision=0,
        strategy_id=StrategyId("s"),
        pair=XBT,
        kind=LegKind.ENTRY,
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity_base=Decimal(1),
        limit_price=None,
        time_in_force=TimeInForce.IOC,
        expire_at_ns=None,
    )


def test_recorded_cancels_and_dead_man_are_read(ask: Any) -> None:
    order_id = VenueOrderId("OABCDE-FGHIJ-KLMNOP")
    for name in (
        "XChange/trading/example-cancelorder-data.json",
        "Kraken.Net/JsonResponses/SpotTrading/CancelOrderAsync.txt",
        "Kraken.Net/Endpoints/Spot/Trading/CancelOrder.txt",
        "kraken-async-rs/rest_cancel_order.json",
    ):
        assert ask("CancelOrder", name, lambda rest: rest.cancel_order(order_id)) is True
    for name, count in (
        ("Kraken.Net/Endpoints/Spot/Trading/CancelAllOrders.txt", 1),
        ("kraken-async-rs/rest_cancel_all_orders.json", 4),
    ):
        assert ask("CancelAll", name, lambda rest: rest.cancel_all()) == count
    for name in (
        "Kraken.Net/Endpoints/Spot/Trading/CancelAllOrdersAfter.txt",
        "kraken-async-rs/rest_cancel_all_orders_after.json",
    ):
        reply = ask("CancelAllOrdersAfter", name, lambda rest: rest.refresh_dead_man(60))
        assert reply.trigger_at_ns == 1_679_679_776 * 10**9


# tickers


def test_recorded_tickers_are_read_with_their_last_24_hours(ask: Any) -> None:
    name = "Kraken.Net/Endpoints/Spot/ExchangeData/GetTicker.txt"
    tickers = ask("Ticker", name, lambda rest: rest.tickers())
    assert tickers == {
        XBT: Ticker(last=Decimal("30303.20000"), volume_24h_base=Decimal("4412.73601799"))
    }


@pytest.mark.parametrize(
    "name",
    [
        "Kraken.Net/JsonResponses/SpotExchangeData/GetTickerAsync.txt",
        "Kraken.Net/JsonResponses/SpotExchangeData/GetTickersAsync.txt",
        "XChange/marketdata/example-ticker-data.json",
        "kraken-async-rs/rest_ticker_information.json",
    ],
)
def test_recorded_tickers_of_all_shapes_are_read(ask: Any, recorded: Recorded, name: str) -> None:
    tickers = ask("Ticker", name, lambda rest: rest.tickers())
    rows = json.loads(body(recorded(name)))["result"]
    told = {(Decimal(row["c"][0]), Decimal(row["v"][1])) for row in rows.values()}
    assert tickers
    assert {(ticker.last, ticker.volume_24h_base) for ticker in tickers.values()} <= told


@pytest.mark.parametrize(
    "row",
    [
        '{"c": ["NaN", "1"], "v": ["1", "2"]}',
        '{"c": ["1", "1"], "v": ["1", "-2"]}',
        '{"c": ["1", "1"], "v": ["1", "1E+999999"]}',
        '{"c": ["1"], "v": ["1", "2"]}',
        '{"v": ["1", "2"]}',
        "7",
    ],
)
def test_ticker_that_cannot_be_is_counted_and_costs_no_other_pair(
    recorded: Recorded, row: str
) -> None:
    good = '{"c": ["5.0", "1"], "v": ["1", "2"]}'
    answer = f'{{"error": [], "result": {{"XETHZUSD": {row}, "XXBTZUSD": {good}, "NEW": {good}}}}}'
    transport = Replaying(
        {"Assets": recorded(ASSETS), "AssetPairs": recorded(PAIRS), "Ticker": answer}
    )
    told: list[str] = []
    transport.observer = Listening(told)
    tickers = asyncio.run(KrakenRest(transport).tickers())
    assert set(tickers) == {XBT}
    assert [line[:15] for line in told if line.startswith("Ticker")] == ["Ticker XETHZUSD"]


# trades and ledgers


@pytest.mark.parametrize(
    "name",
    [
        "XChange/trading/example-tradehistory-data.json",
        "XChange/trading/example-tradehistory-icn.json",
        "Kraken.Net/Endpoints/Spot/Trading/GetUserTrades.txt",
    ],
)
def test_recorded_trades_are_read_whatever_their_age(
    ask: Any, recorded: Recorded, name: str
) -> None:
    trades = ask("TradesHistory", name, lambda rest: rest.trades_since(0))
    rows = json.loads(body(recorded(name)))["result"]["trades"]
    assert {trade.trade_id for trade in trades} == set(rows)
    for trade in trades:
        row = rows[trade.trade_id]
        assert [
            to_text(number)
            for number in (trade.price, trade.quantity_base, trade.cost_quote, trade.fee_amount)
        ] == [row["price"], row["vol"], row["cost"], row["fee"]]


@pytest.mark.parametrize(
    ("name", "trade_id", "pair", "fee_asset", "liquidity"),
    [
        (
            "Kraken.Net/Endpoints/Spot/Trading/GetUserTradeDetails.txt",
            "THVRQM-33VKH-UCI7BS",
            "XBTUSD",
            "USD",
            Liquidity.MAKER,
        ),
        (
            "Kraken.Net/JsonResponses/SpotTrading/GetUserTradeDetailsAsync.txt",
            "THVRQM-33VKH-UCI7BS",
            "XBTUSD",
            "USD",
            Liquidity.TAKER,
        ),
        (
            "kraken-async-rs/rest_query_trades_info.json",
            "X2Q49U-F3M8J-7HK49O",
            "RNDRUSD",
            "USD",
            Liquidity.MAKER,
        ),
    ],
)
def test_recorded_trade_has_its_canonical_pair_and_fee_asset(
    ask: Any, name: str, trade_id: str, pair: str, fee_asset: str, liquidity: Liquidity
) -> None:
    trades = ask("QueryTrades", name, lambda rest: rest.trades([TradeId(trade_id)]))
    trade = next(trade for trade in trades if trade.trade_id == trade_id)
    assert (trade.pair, trade.fee_asset, trade.liquidity) == (pair, fee_asset, liquidity)


def test_recorded_fifty_trades_are_a_page_of_their_history(recorded: Recorded) -> None:
    name = "Kraken.Net/JsonResponses/SpotTrading/GetUserTradesAsync.txt"
    page = json.loads(body(recorded(name)))
    assert len(page["result"]["trades"]) == 50
    assert page["result"].get("count", 51) > 50


@pytest.mark.parametrize(
    "name",
    [
        "XChange/account/example-ledgerinfo-data.json",
        "Kraken.Net/Endpoints/Spot/Account/GetLedgerInfo.txt",
    ],
)
def test_recorded_ledgers_are_read(ask: Any, recorded: Recorded, name: str) -> None:
    ledger = ask("Ledgers", name, lambda rest: rest.ledger_since(0))
    rows = json.loads(body(recorded(name)))["result"]["ledger"]
    assert {row.ledger_id for row in ledger} == set(rows)
    assert [row.at_ns for row in ledger] == sorted(row.at_ns for row in ledger)
    for row in ledger:
        assert str(row.amount) == rows[row.ledger_id]["amount"]
        assert row.type == rows[row.ledger_id]["type"]


# the account


def test_recorded_balances_tell_staked_from_spot(ask: Any) -> None:
    balances = ask(
        "BalanceEx", "kraken-async-rs/rest_extended_balance.json", lambda rest: rest.balances()
    )
    atom = {b.kind: b for b in balances if b.asset == "ATOM"}
    assert set(atom) == {"spot", "S"}
    assert atom["spot"].total == Decimal("14.50385601")
    assert atom["spot"].held == Decimal("3.92433600")


def test_recorded_balances_as_bare_numbers_are_exact(ask: Any) -> None:
    name = "Kraken.Net/Endpoints/Spot/Account/GetAvailableBalances.txt"
    usd, xbt = ask("BalanceEx", name, lambda rest: rest.balances())
    assert (usd.asset, usd.total, usd.held) == ("USD", Decimal("25435.21"), Decimal("8249.76"))
    assert (xbt.asset, xbt.total) == ("XBT", Decimal("1.2435"))


@pytest.mark.parametrize(
    ("name", "fees"),
    [
        ("XChange/account/example-tradevolume-data.json", Fees(Decimal("0.3"), Decimal("0.16"))),
        ("Kraken.Net/Endpoints/Spot/Account/GetTradeVolume.txt", Fees(Decimal("0.1"), Decimal(0))),
        (
            "Kraken.Net/JsonResponses/SpotAccount/GetTradeVolumeAsync.txt",
            Fees(Decimal("0.1"), Decimal(0)),
        ),
        (
            "kraken-async-rs/rest_trade_volume_per_pair.json",
            Fees(Decimal("0.26"), Decimal("0.16")),
        ),
    ],
)
def test_recorded_fees_are_the_accounts(ask: Any, name: str, fees: Fees) -> None:
    assert ask("TradeVolume", name, lambda rest: rest.fees([XBT])) == {XBT: fees}


def test_recorded_fees_of_no_pair_are_none(ask: Any) -> None:
    name = "kraken-async-rs/rest_trade_volume.json"
    assert ask("TradeVolume", name, lambda rest: rest.fees([XBT])) == {}


def test_recorded_fees_of_all_pairs_are_named_canonically(ask: Any) -> None:
    name = "XChange/account/example-tradevolume-data-2.json"
    fees = ask("TradeVolume", name, lambda rest: rest.fees([XBT]))
    assert len(fees) == 70
    assert XBT in fees
    assert "XXBTZUSD" not in fees


def test_recorded_key_tells_its_permissions(ask: Any) -> None:
    name = "Kraken.Net/Endpoints/Spot/Account/GetApiKeyInfo.txt"
    facts = ask("GetApiKeyInfo", name, lambda rest: rest.key_facts("trade"))
    assert {"modify-trades", "close-trades", "create-ws-token"} <= facts.permissions
    assert facts.account


@pytest.mark.parametrize(
    "name",
    [
        "XChange/account/example-krakenWebsocketToken-data.json",
        "kraken-async-rs/rest_websockets_token.json",
    ],
)
def test_recorded_token_is_read(ask: Any, recorded: Recorded, name: str) -> None:
    token = ask("GetWebSocketsToken", name, lambda rest: rest.websocket_token())
    assert token.reveal() == json.loads(recorded(name))["result"]["token"]


# the venue


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("XChange/marketdata/example-servertime-data.json", 1_391_835_876),
        ("kraken-async-rs/rest_server_time.json", 1_688_669_448),
    ],
)
def test_recorded_time_is_read(ask: Any, name: str, seconds: int) -> None:
    assert ask("Time", name, lambda rest: rest.venue_time_ns()) == seconds * 10**9


@pytest.mark.parametrize(
    "name",
    [
        "Kraken.Net/Endpoints/Spot/ExchangeData/GetSystemStatus.txt",
        "Kraken.Net/JsonResponses/SpotExchangeData/GetSystemStatusAsync.txt",
        "kraken-async-rs/rest_system_status.json",
    ],
)
def test_recorded_status_is_read(ask: Any, name: str) -> None:
    assert ask("SystemStatus", name, lambda rest: rest.system_status()) == "online"


@pytest.mark.parametrize(
    "name",
    [
        "kraken-async-rs/rest_tradable_asset_pairs.json",
        "Kraken.Net/Endpoints/Spot/ExchangeData/GetSymbols.txt",
        "Kraken.Net/JsonResponses/SpotExchangeData/GetSymbolsAsync.txt",
    ],
)
def test_recorded_pairs_are_read_with_their_rules(ask: Any, recorded: Recorded, name: str) -> None:
    pairs = ask("AssetPairs", name, lambda rest: rest.pairs())
    rows = json.loads(body(recorded(name)))["result"]
    assert [pair.name for pair in pairs.values()] == [row["altname"] for row in rows.values()]
    for row in rows.values():
        pair = pairs[row["altname"]]
        assert pair.status is PairStatus.ONLINE
        assert pair.quantity_decimals == row["lot_decimals"]
        assert str(pair.quantity_min) == row["ordermin"]


def test_recorded_pairs_of_old_times_are_all_read(ask: Any, recorded: Recorded) -> None:
    async def work(rest: KrakenRest) -> Any:
        return await rest.instruments()

    instruments = ask("AssetPairs", PAIRS, work)
    rows = json.loads(recorded(PAIRS))["result"]
    listed = [row for row in rows.values() if not row["altname"].endswith(".d")]
    assert instruments.problems == []
    assert len(instruments.pairs) == len(listed)
    assert instruments.name_of("XXBTZUSD") == "XBTUSD"
    assert instruments.name_of("BTC/USD") == "XBTUSD"
    assert instruments.symbol(PairName("XDGXBT")) == "DOGE/BTC"
    assert instruments.pair(XBT).fee_taker_pct == Decimal("0.26")


@pytest.mark.parametrize(
    "name",
    ["kraken-async-rs/rest_ohlc_data.json", "XChange/marketdata/example-ohlc-data.json"],
)
def test_recorded_bars_are_read_without_the_forming_one(
    ask: Any, recorded: Recorded, name: str
) -> None:
    bars = ask("OHLC", name, lambda rest: rest.closed_bars(XBT, Timeframe.M1, since_s=0))
    result = json.loads(body(recorded(name)))["result"]
    rows = result["XXBTZUSD"]
    traded = [row for row in rows[:-1] if row[7] and row[0] <= result["last"]]
    assert [bar.start_s for bar in bars] == [row[0] for row in traded]
    assert all(bar.problem() is None for bar in bars)
    tick = Decimal("0.1")
    assert bars[0].open == round(Decimal(traded[0][1]) / tick)
    assert bars[0].volume == int(Decimal(traded[0][6]) * 10**8)


def test_documented_error_with_http_200_is_permanent(ask: Any, recorded: Recorded) -> None:
    lines = recorded("kraken-docs-examples/guides_Spot_REST_Introduction.jsonl").splitlines()
    transport = Replaying({"BalanceEx": lines[1]})

    async def main() -> KrakkedError:
        with pytest.raises(Permanent) as caught:
            await transport.private(Call(method="BalanceEx"))
        return caught.value

    error = asyncio.run(main())
    assert isinstance(error, Permanent)
    assert error.code == "EGeneral:Invalid arguments:ordertype"


def test_documented_signature_is_ours(recorded: Recorded) -> None:
    (golden,) = json.loads(recorded("golden/api_sign.json"))
    credentials = Credentials("key", golden["secret"])
    signature = credentials.sign(golden["path"], int(golden["nonce"]), golden["body"])
    assert signature == golden["api_sign"]
