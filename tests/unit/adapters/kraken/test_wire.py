"""Numbers stay what was written or are refused by name; every spelling leads to one name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.kraken.records import (
    AssetInfo,
    BalanceInfo,
    Candle,
    Envelope,
    FeeInfo,
    LedgerInfo,
    OrderInfo,
    PairInfo,
    TradeInfo,
    VolumeInfo,
)
from krakked.adapters.kraken.wire import (
    Instruments,
    balance_from,
    bar_from,
    candles_of,
    closed_bars_from,
    fees_from,
    instant_ns,
    ledger_row_from,
    not_negative,
    order_from,
    positive,
    trade_from,
)
from krakked.domain.bars import Bar
from krakked.domain.fills import Liquidity
from krakked.domain.ids import PairName
from krakked.domain.money import BadAmount
from krakked.domain.orders import Side, VenueStatus
from krakked.domain.pairs import PairStatus
from krakked.ports.exchange import Fees

XBT = PairName("XBTUSD")


@pytest.fixture
def instruments(kit: Any) -> Instruments:
    return kit.instruments()  # type: ignore[no-any-return]  # a fixture of conftest


def decode(kind: Any, text: str) -> Any:
    return msgspec.json.decode(text, type=kind)


# exactness


@pytest.mark.parametrize(
    "text",
    ["0.00044780", "26500.0", "997038.98383185", "1E-8", "0.1000", "12345678901234567.123456789"],
)
@pytest.mark.parametrize("quoted", [True, False])
def test_number_on_the_wire_keeps_every_digit_and_trailing_zero(text: str, quoted: bool) -> None:
    written = f'"{text}"' if quoted else text
    value = decode(BalanceInfo, f'{{"balance": {written}}}').balance
    assert value.as_tuple() == Decimal(text).as_tuple()


@given(st.decimals(min_value=0, max_value=10**15, places=10))
def test_any_amount_survives_the_wire_exactly(value: Decimal) -> None:
    text = format(value, "f")
    assert decode(BalanceInfo, f'{{"balance": {text}}}').balance.as_tuple() == value.as_tuple()


@pytest.mark.parametrize(
    "text", ['"NaN"', '"Infinity"', '"-Infinity"', "1E+999999", "1e16", '"sNaN"', "1e-19", "-1"]
)
def test_number_that_cannot_be_is_refused_with_its_field(text: str) -> None:
    value = decode(BalanceInfo, f'{{"balance": {text}}}').balance
    with pytest.raises(BadAmount, match="balance of ZUSD"):
        not_negative(value, "balance of ZUSD")


def test_zero_is_an_amount_but_no_price() -> None:
    assert not_negative(Decimal("0.00"), "vol") == 0
    with pytest.raises(BadAmount, match=r"price: 0\.00 is not positive"):
        positive(Decimal("0.00"), "price")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1705260547.4728658", 1_705_260_547_472_865_800),
        ("1688667796.8802", 1_688_667_796_880_200_000),
        ("1699792641.705669", 1_699_792_641_705_669_000),
        ("1688464484", 1_688_464_484_000_000_000),
    ],
)
def test_times_with_four_to_seven_decimals_are_exact(text: str, ns: int) -> None:
    assert instant_ns(Decimal(text), "time") == ns


@pytest.mark.parametrize("text", ["NaN", "1E+999999", "-5"])
def test_time_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadAmount, match="closetm"):
        instant_ns(Decimal(text), "closetm")


def test_envelope_without_error_list_or_result_is_readable() -> None:
    assert decode(Envelope, "{}") == Envelope()
    assert bytes(decode(Envelope, '{"error":[],"result":{"a": 1.50}}').result) == b'{"a": 1.50}'


# names


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("XXBTZUSD", "XBTUSD"),
        ("XBTUSD", "XBTUSD"),
        ("BTC/USD", "XBTUSD"),
        ("XDGUSD", "XDGUSD"),
        ("DOGE/USD", "XDGUSD"),
        ("ETH/BTC", "ETHXBT"),
        ("XETHXXBT", "ETHXBT"),
        ("XBT/USD", None),
        ("NOPE", None),
    ],
)
def test_every_spelling_but_wsname_leads_to_the_canonical_name(
    instruments: Instruments, spelling: str, name: str | None
) -> None:
    assert instruments.name_of(spelling) == name


def test_v2_symbols_say_btc_and_doge(instruments: Instruments) -> None:
    symbols = [instruments.symbol(name) for name in instruments.pairs]
    assert symbols == ["BTC/USD", "DOGE/USD", "ETH/BTC"]


@pytest.mark.parametrize(
    ("code", "asset", "kind"),
    [
        ("XXBT", "XBT", "spot"),
        ("ZUSD", "USD", "spot"),
        ("XBT.F", "XBT", "F"),
        ("ETH2.S", "ETH2", "S"),
        ("USD.HOLD", "USD", "HOLD"),
        ("XXBT.M", "XBT", "M"),
        ("NEWCOIN", "NEWCOIN", "spot"),
    ],
)
def test_asset_codes_lose_their_prefix_and_tell_their_suffix(
    instruments: Instruments, code: str, asset: str, kind: str
) -> None:
    assert instruments.asset(code) == (asset, kind)


def test_pair_has_the_rules_of_its_row(instruments: Instruments) -> None:
    row = decode(
        PairInfo,
        '{"altname":"XBTUSD","base":"XXBT","quote":"ZUSD","pair_decimals":1,"lot_decimals":8,'
        '"cost_decimals":5,"ordermin":"0.00005","costmin":"0.5","tick_size":"0.1",'
        '"status":"post_only","fees":[],"fees_maker":[],"brand_new":{"deep":[1]}}',
    )
    assets = {"XXBT": AssetInfo("XBT"), "ZUSD": AssetInfo("USD")}
    pair = Instruments(assets, {"XXBTZUSD": row}).pair(XBT)
    assert (pair.base, pair.quote) == ("XBT", "USD")
    assert (pair.quantity_decimals, pair.cost_decimals) == (8, 5)
    assert (pair.quantity_min, pair.cost_min) == (Decimal("0.00005"), Decimal("0.5"))
    assert pair.tick_size == Decimal("0.1")
    assert pair.status is PairStatus.POST_ONLY


def pair_row(**changes: Any) -> PairInfo:
    fields: dict[str, Any] = {
        "altname": "XBTUSD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
    }
    return PairInfo(**{**fields, **changes})


def test_pair_without_tick_size_steps_by_its_decimals() -> None:
    assert Instruments({}, {"P": pair_row()}).pair(XBT).tick_size == Decimal("0.1")


def test_fees_of_a_pair_are_the_first_rung_where_the_venue_lists_a_ladder() -> None:
    rungs = [(Decimal(0), Decimal("0.26")), (Decimal(50_000), Decimal("0.24"))]
    both = pair_row(fees=rungs, fees_maker=[(Decimal(0), Decimal("0.16"))])
    pair = Instruments({}, {"P": both}).pair(XBT)
    assert (pair.fee_taker_pct, pair.fee_maker_pct) == (Decimal("0.26"), Decimal("0.16"))


def test_pair_with_takers_ladder_only_charges_makers_the_same() -> None:
    pair = Instruments({}, {"P": pair_row(fees=[(Decimal(0), Decimal("0.2"))])}).pair(XBT)
    assert pair.fee_maker_pct == Decimal("0.2")


@pytest.mark.parametrize("empty", [[], None])
def test_fees_of_a_pair_are_the_documented_ones_where_the_ladder_is_empty(empty: Any) -> None:
    pair = Instruments({}, {"P": pair_row(fees=empty, fees_maker=empty)}).pair(XBT)
    assert (pair.fee_taker_pct, pair.fee_maker_pct) == (Decimal("0.40"), Decimal("0.25"))


def test_status_that_we_do_not_know_allows_nothing() -> None:
    pair = Instruments({}, {"P": pair_row(status="work_in_progress")}).pair(XBT)
    assert pair.status is PairStatus.MAINTENANCE


@pytest.mark.parametrize(
    "changes",
    [
        {"tick_size": Decimal("NaN")},
        {"tick_size": Decimal(0)},
        {"ordermin": Decimal(-1)},
        {"costmin": Decimal("Infinity")},
        {"pair_decimals": 10**9},
        {"lot_decimals": -1},
        {"fees": [(Decimal(0), Decimal("1E+99"))]},
    ],
)
def test_pair_with_rules_that_cannot_be_is_left_out_and_told(changes: dict[str, Any]) -> None:
    rows = {"BAD": pair_row(**changes), "GOOD": pair_row(altname="ETHUSD", base="XETH")}
    instruments = Instruments({}, rows)
    assert list(instruments.pairs) == ["ETHUSD"]
    assert len(instruments.problems) == 1
    assert instruments.problems[0].startswith("BAD: ")


def test_dark_pools_of_old_listings_do_not_take_the_symbol_of_their_pair() -> None:
    rows = {"XXBTZUSD.d": pair_row(altname="XBTUSD.d"), "XXBTZUSD": pair_row()}
    assets = {"XXBT": AssetInfo("XBT"), "ZUSD": AssetInfo("USD")}
    assert Instruments(assets, rows).name_of("BTC/USD") == "XBTUSD"


@pytest.mark.parametrize(
    ("pair", "quote"),
    [("XXBTZUSD", "USD"), ("MATICUSD", "USD"), ("XXMRXXBT", "XBT"), ("GONEZUSD", "USD")],
)
def test_quote_asset_of_a_pair_is_known_even_when_it_is_listed_no_more(
    instruments: Instruments, pair: str, quote: str
) -> None:
    assert instruments.quote_of(pair) == quote


def test_quote_asset_is_the_longest_that_ends_the_name() -> None:
    assets = {code: AssetInfo(code) for code in ("I", "AI", "DAI", "X")}
    assert Instruments(assets, {}).quote_of("GONEDAI") == "DAI"


def test_quote_asset_that_cannot_be_known_is_an_error(instruments: Instruments) -> None:
    with pytest.raises(ValueError, match="quote asset"):
        instruments.quote_of("ABCXYZ")


# orders, trades, ledger rows


ORDER = """{"refid": null, "userref": null, "cl_ord_id": "abc", "status": "canceled",
 "opentm": 1705260547.4728658, "starttm": 0, "expiretm": 0,
 "descr": {"pair": "XBTUSD", "aclass": "forex", "type": "sell", "ordertype": "limit",
  "price": "27500.0", "price2": "0", "leverage": "none", "order": "x", "close": ""},
 "vol": "1.25000000", "vol_exec": "0.25000000", "cost": "4.8507000000000", "fee": "0.01261",
 "price": "27500.0", "stopprice": "0.00000", "limitprice": "0.00000", "misc": "partial",
 "oflags": "fciq", "reason": "User requested", "closetm": 1705260600.1234, "sender_sub_id": "z"}"""


def order(instruments: Instruments, **changes: Any) -> Any:
    fields = msgspec.json.decode(ORDER)
    fields["opentm"], fields["closetm"] = "1705260547.4728658", "1705260600.1234"
    for name, value in changes.items():
        target = fields["descr"] if name in fields["descr"] and name != "price" else fields
        target[name] = value
    return order_from("OABC", msgspec.convert(fields, OrderInfo, strict=False), instruments)


def test_order_is_read_with_its_fills_its_end_and_exact_times(instruments: Instruments) -> None:
    info = decode(OrderInfo, ORDER)
    report = order_from("OABC", info, instruments)
    assert report.venue_order_id == "OABC"
    assert report.client_order_id == "abc"
    assert (report.pair, report.side, report.type) == (XBT, Side.SELL, "limit")
    assert report.status is VenueStatus.CANCELED
    assert (report.quantity_base, report.filled_base) == (Decimal("1.25"), Decimal("0.25"))
    assert report.cost_quote == Decimal("4.8507")
    assert report.limit_price == Decimal("27500.0")
    assert report.opened_at_ns == 1_705_260_547_472_865_800
    assert report.closed_at_ns == 1_705_260_600_123_400_000
    assert report.reason == "User requested"


def test_pair_of_an_order_may_be_spelled_in_any_way(instruments: Instruments) -> None:
    for spelling in ("XBTUSD", "XXBTZUSD", "BTC/USD"):
        assert order(instruments, pair=spelling).pair == XBT


def test_order_of_a_pair_that_is_gone_keeps_its_name(instruments: Instruments) -> None:
    assert order(instruments, pair="LUNAUSD").pair == "LUNAUSD"


@pytest.mark.parametrize("cl_ord_id", [None, ""])
def test_order_without_client_id_is_nobodys(instruments: Instruments, cl_ord_id: Any) -> None:
    assert order(instruments, cl_ord_id=cl_ord_id).client_order_id is None


def test_price_of_a_market_order_is_none(instruments: Instruments) -> None:
    assert order(instruments, ordertype="market").limit_price is None


def test_trailing_stop_of_somebody_else_does_not_disturb(instruments: Instruments) -> None:
    fields = msgspec.json.decode(ORDER)
    fields["descr"].update(ordertype="trailing-stop", price="+1.0000%")
    text = msgspec.json.encode(fields)
    report = order_from("O", msgspec.json.decode(text, type=OrderInfo), instruments)
    assert report.limit_price is None
    assert report.type == "trailing-stop"


@pytest.mark.parametrize(
    ("field", "value"),
    [("vol", "NaN"), ("vol_exec", "-1"), ("cost", "1E+99"), ("fee", "Infinity"), ("opentm", "NaN")],
)
def test_order_with_a_number_that_cannot_be_names_the_field(
    instruments: Instruments, field: str, value: str
) -> None:
    with pytest.raises(BadAmount, match=f"^{field}: "):
        order(instruments, **{field: value})


@pytest.mark.parametrize(("field", "value"), [("status", "sleeping"), ("type", "hold")])
def test_order_with_a_word_that_we_do_not_know_is_refused(
    instruments: Instruments, field: str, value: str
) -> None:
    with pytest.raises(ValueError, match=value):
        order(instruments, **{field: value})


TRADE = """{"ordertxid": "OQCLML", "postxid": "TKH2SE", "pair": "XXBTZUSD", "aclass": "forex",
 "time": 1688667796.8802, "type": "buy", "ordertype": "limit", "price": "30010.00000",
 "cost": "600.20000", "fee": "1.00000", "vol": "0.02000000", "margin": "0.00000", "leverage": "0",
 "misc": "", "trade_id": 40274859, "maker": true, "ledgers": ["L1", "L2"]}"""


def test_trade_names_its_pair_by_id_and_pays_its_fee_in_quote(instruments: Instruments) -> None:
    trade = trade_from("TABC", decode(TradeInfo, TRADE), instruments)
    assert (trade.trade_id, trade.venue_order_id) == ("TABC", "OQCLML")
    assert (trade.pair, trade.side) == (XBT, Side.BUY)
    assert (trade.price, trade.quantity_base) == (Decimal(30010), Decimal("0.02"))
    assert (trade.cost_quote, trade.fee_amount, trade.fee_asset) == (
        Decimal("600.2"),
        Decimal(1),
        "USD",
    )
    assert trade.liquidity is Liquidity.MAKER
    assert trade.at_ns == 1_688_667_796_880_200_000


@pytest.mark.parametrize(
    ("field", "value"),
    [("price", "0"), ("vol", "0"), ("cost", "-1"), ("fee", "NaN"), ("time", "1E+30")],
)
def test_trade_with_a_number_that_cannot_be_names_the_field(
    instruments: Instruments, field: str, value: str
) -> None:
    info = msgspec.structs.replace(decode(TradeInfo, TRADE), **{field: Decimal(value)})
    with pytest.raises(BadAmount, match=f"^{field}: "):
        trade_from("T", info, instruments)


def ledger_info(**changes: Any) -> LedgerInfo:
    fields: dict[str, Any] = {
        "refid": "R",
        "time": Decimal("1688464484.1787"),
        "type": "trade",
        "asset": "ZUSD",
        "amount": Decimal("-24.5000"),
        "fee": Decimal("0.0490"),
        "balance": Decimal("459567.9171"),
    }
    return LedgerInfo(**{**fields, **changes})


def test_ledger_row_may_take_away_and_tells_the_kind_of_balance(instruments: Instruments) -> None:
    row = ledger_row_from("LABC", ledger_info(asset="XBT.F", subtype="autoallocation"), instruments)
    assert (row.asset, row.kind) == ("XBT", "F")
    assert (row.amount, row.fee) == (Decimal("-24.5"), Decimal("0.049"))
    assert row.subtype == "autoallocation"
    assert row.at_ns == 1_688_464_484_178_700_000


@pytest.mark.parametrize(
    ("field", "value"), [("amount", "NaN"), ("fee", "-0.1"), ("balance", "-1"), ("time", "-1")]
)
def test_ledger_row_with_a_number_that_cannot_be_names_the_field(
    instruments: Instruments, field: str, value: str
) -> None:
    with pytest.raises(BadAmount, match=f"^{field}: "):
        ledger_row_from("L", ledger_info(**{field: Decimal(value)}), instruments)


def test_balance_says_total_and_held(instruments: Instruments) -> None:
    info = decode(BalanceInfo, '{"balance": 25435.21, "hold_trade": "8249.76", "credit": "1"}')
    balance = balance_from("ZUSD", info, instruments)
    assert (balance.asset, balance.kind) == ("USD", "spot")
    assert (balance.total, balance.held) == (Decimal("25435.21"), Decimal("8249.76"))


def test_fees_are_named_canonically_and_fall_back_to_the_takers(instruments: Instruments) -> None:
    info = VolumeInfo(
        fees={"XXBTZUSD": FeeInfo(Decimal("0.1000")), "XDGUSD": FeeInfo(Decimal("0.2"))},
        fees_maker={"XXBTZUSD": FeeInfo(Decimal("0.0000"))},
    )
    assert fees_from(info, instruments) == {
        "XBTUSD": Fees(Decimal("0.1"), Decimal(0)),
        "XDGUSD": Fees(Decimal("0.2"), Decimal("0.2")),
    }


def test_fees_are_empty_where_the_venue_does_not_say(instruments: Instruments) -> None:
    assert fees_from(VolumeInfo(fees=None, fees_maker=None), instruments) == {}
    assert fees_from(VolumeInfo(fees={"GONE": FeeInfo(Decimal(1))}), instruments) == {}


# bars


def candle(time: int, count: int = 5, **changes: str) -> Candle:
    names = ("open", "high", "low", "close", "vwap", "volume")
    values = {"open": "100.0", "high": "101.0", "low": "99.5", "close": "100.5", "vwap": "100"}
    fields = {**values, "volume": "1.50000000", **changes}
    row = [time, *(fields[name] for name in names), count]
    return msgspec.convert(row, Candle)


def closed(rows: list[Candle], last_s: int, since_s: int = 0) -> tuple[list[Bar], list[str]]:
    problems: list[str] = []
    bars = closed_bars_from(
        rows, last_s, since_s=since_s, tick_size=Decimal("0.1"), on_problem=problems.append
    )
    return bars, problems


def test_bar_is_in_whole_ticks_and_whole_parts_of_the_base() -> None:
    bars, _ = closed([candle(60), candle(120)], 60)
    assert bars == [
        Bar(start_s=60, open=1000, high=1010, low=995, close=1005, volume=150_000_000, trades=5)
    ]


def test_forming_row_is_left_out() -> None:
    bars, _ = closed([candle(60), candle(120), candle(180)], 120)
    assert [bar.start_s for bar in bars] == [60, 120]


def test_final_row_is_forming_though_the_venue_counts_it_as_committed() -> None:
    bars, _ = closed([candle(60), candle(120)], 120)
    assert [bar.start_s for bar in bars] == [60]


def test_row_later_than_the_last_committed_is_left_out_though_it_is_not_the_final_one() -> None:
    bars, _ = closed([candle(60), candle(120), candle(180)], 60)
    assert [bar.start_s for bar in bars] == [60]


def test_quiet_intervals_that_the_venue_fills_in_are_no_bars() -> None:
    bars, problems = closed([candle(60), candle(120, count=0, volume="0"), candle(180)], 120)
    assert [bar.start_s for bar in bars] == [60]
    assert problems == []


def test_bars_before_the_wanted_start_are_left_out() -> None:
    bars, _ = closed([candle(60), candle(120), candle(180), candle(240)], 180, since_s=120)
    assert [bar.start_s for bar in bars] == [120, 180]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"high": "NaN"}, "high"),
        ({"low": "0"}, "low"),
        ({"close": "Infinity"}, "close"),
        ({"volume": "-1"}, "volume"),
        ({"high": "99.0"}, "disagree"),
    ],
)
def test_row_that_cannot_be_a_bar_is_told_and_the_others_count(
    changes: dict[str, str], words: str
) -> None:
    bars, problems = closed([candle(60, **changes), candle(120), candle(180)], 120)
    assert [bar.start_s for bar in bars] == [120]
    assert words in problems[0]
    assert problems[0].startswith("bar at 60: ")


def test_price_of_more_ticks_than_64_bits_is_refused() -> None:
    with pytest.raises(BadAmount, match=r"open: .* more ticks"):
        bar_from(0, candle(0, open="1E+15"), Decimal("1E-10"), trades=1)


def test_price_off_the_tick_is_the_nearest_tick() -> None:
    bar = bar_from(0, candle(0, open="100.06", high="101.04"), Decimal("0.1"), trades=1)
    assert (bar.open, bar.high) == (1001, 1010)


def test_volume_beyond_what_a_bar_can_hold_is_the_most_it_can() -> None:
    bar = bar_from(0, candle(0, volume="900000000000000"), Decimal("0.1"), trades=1)
    assert bar.volume == 2**62


def raw(**keys: str) -> dict[str, msgspec.Raw]:
    return {key: msgspec.Raw(text.encode()) for key, text in keys.items()}


def test_rows_stand_under_whatever_key_the_venue_chose() -> None:
    row = '[[60,"1","2","1","2","1.5","0.5",3,"a field of next year"]]'
    for key in ("XXBTZUSD", "BTC/USD", "XBTUSD"):
        rows, last_s = candles_of(raw(**{key: row, "last": "60"}))
        assert (rows[0].time, rows[0].count, last_s) == (60, 3, 60)


@pytest.mark.parametrize(
    "keys", [{"last": "1"}, {"A": "[]", "B": "[]", "last": "1"}, {"A": "[]"}, {}]
)
def test_answer_without_exactly_one_pair_is_refused(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected one pair"):
        candles_of(raw(**keys))
