"""One frame in, messages out; nothing that the venue can send is fatal."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.kraken.frames import ORDERS_MAX, FrameReader
from krakked.adapters.kraken.records import Reply
from krakked.domain.bars import Bar, Timeframe
from krakked.domain.ids import PairName
from krakked.domain.orders import VenueStatus
from krakked.domain.pairs import PairRules, PairStatus
from krakked.domain.quotes import Quote
from krakked.ports.market_feed import (
    ExecutionHint,
    MalformedFrame,
    PairRulesChanged,
    PairStatusChanged,
    RunningBar,
    SystemStatusChanged,
)

NOW_NS = 1_700_000_000_123_456_789
XBT = PairName("XBTUSD")
TICKER = {
    "symbol": "BTC/USD",
    "bid": 60100.1,
    "bid_qty": 740.0,
    "ask": 60100.2,
    "ask_qty": 1361.44813783,
    "last": 60100.1,
    "volume": 997.38983185,
    "vwap": 60000.0,
    "change_pct": -0.17,
    "timestamp": "2023-09-25T09:04:31.742648Z",
}
OHLC = {
    "symbol": "BTC/USD",
    "open": 60100.1,
    "high": 60100.9,
    "low": 60100.0,
    "close": 60100.2,
    "trades": 12,
    "volume": 3.92768066,
    "vwap": 60100.0,
    "interval_begin": "2023-10-04T16:25:00.000000000Z",
    "interval": 5,
    "timestamp": "2023-10-04T16:30:00.000000Z",
}
REPORT = {
    "order_id": "OK4GJX-KSTLS-7DZZO5",
    "exec_type": "new",
    "order_status": "new",
    "timestamp": "2023-09-22T10:33:05.709982Z",
}


@pytest.fixture
def make(kit: Any) -> Any:
    def make(**options: Any) -> FrameReader:
        names = [PairName("XBTUSD"), PairName("XDGUSD")]
        return FrameReader(kit.instruments(), names, **options)

    return make


@pytest.fixture
def reader(make: Any) -> FrameReader:
    return make()  # type: ignore[no-any-return]  # a fixture


def frame(channel: str, data: Any, **more: Any) -> str:
    return json.dumps({"channel": channel, "type": "update", "data": data, **more})


# ticker


def test_ticker_becomes_a_quote_stamped_with_when_it_was_received(reader: FrameReader) -> None:
    assert reader.feed(frame("ticker", [TICKER]), NOW_NS) == [
        Quote(
            pair=XBT,
            bid=Decimal("60100.1"),
            ask=Decimal("60100.2"),
            last=Decimal("60100.1"),
            volume_24h_base=Decimal("997.38983185"),
            at_ns=NOW_NS,
        )
    ]


def test_digits_of_a_quote_are_those_of_the_wire(reader: FrameReader) -> None:
    text = frame("ticker", [TICKER]).replace("60100.2", "60100.20000000000000004")
    with_zeros = frame("ticker", [TICKER]).replace("60100.2", "60100.2000")
    (long,) = reader.feed(text, NOW_NS)
    (padded,) = reader.feed(with_zeros, NOW_NS)
    assert isinstance(long, Quote)
    assert isinstance(padded, Quote)
    assert (str(long.ask), str(padded.ask)) == ("60100.20000000000000004", "60100.2000")


def test_order_of_keys_and_bytes_instead_of_text_do_not_matter(reader: FrameReader) -> None:
    backwards = dict(reversed(json.loads(frame("ticker", [TICKER])).items()))
    assert len(reader.feed(json.dumps(backwards).encode(), NOW_NS)) == 1


def test_several_rows_become_several_quotes_in_their_order(reader: FrameReader) -> None:
    doge = {**TICKER, "symbol": "DOGE/USD", "bid": 0.1000001, "ask": 0.1000002, "last": 0.1}
    messages = reader.feed(frame("ticker", [TICKER, doge]), NOW_NS)
    assert [message.pair for message in messages if isinstance(message, Quote)] == [
        "XBTUSD",
        "XDGUSD",
    ]


@pytest.mark.parametrize("field", ["bid", "ask", "last", "volume"])
@pytest.mark.parametrize("value", ['"NaN"', '"Infinity"', "-1", "1E+999999", "1e16", "1e-30"])
def test_quote_with_a_number_that_cannot_be_is_told_by_field_and_not_made(
    reader: FrameReader, field: str, value: str
) -> None:
    text = frame("ticker", [{**TICKER, field: "VALUE"}]).replace('"VALUE"', value)
    (message,) = reader.feed(text, NOW_NS)
    assert isinstance(message, MalformedFrame)
    assert message.problem.startswith(f"ticker BTC/USD: {field}: ")
    assert reader.malformed == 1


@pytest.mark.parametrize("field", ["bid", "ask", "last"])
def test_price_of_zero_is_no_price(reader: FrameReader, field: str) -> None:
    (message,) = reader.feed(frame("ticker", [{**TICKER, field: 0}]), NOW_NS)
    assert isinstance(message, MalformedFrame)


def test_bad_row_does_not_take_the_good_ones_with_it(reader: FrameReader) -> None:
    rows = [{**TICKER, "bid": -1}, TICKER]
    bad, good = reader.feed(frame("ticker", rows), NOW_NS)
    assert isinstance(bad, MalformedFrame)
    assert isinstance(good, Quote)


def test_pair_that_was_not_asked_for_is_told_and_survived(reader: FrameReader) -> None:
    (message,) = reader.feed(frame("ticker", [{**TICKER, "symbol": "ETH/BTC"}]), NOW_NS)
    assert isinstance(message, MalformedFrame)
    assert "not asked for" in message.problem


def test_fields_that_we_do_not_know_are_ignored(reader: FrameReader) -> None:
    text = frame("ticker", [{**TICKER, "mood": {"deep": [None, 1]}}], extra=[1, 2])
    assert isinstance(reader.feed(text, NOW_NS)[0], Quote)


@pytest.mark.parametrize("field", ["symbol", "bid", "ask", "last", "volume"])
def test_ticker_without_a_field_that_we_need_is_malformed(reader: FrameReader, field: str) -> None:
    row = {name: value for name, value in TICKER.items() if name != field}
    (message,) = reader.feed(frame("ticker", [row]), NOW_NS)
    assert isinstance(message, MalformedFrame)
    assert field in message.problem


# ohlc


def test_candle_becomes_the_running_bar_in_ticks(reader: FrameReader) -> None:
    assert reader.feed(frame("ohlc", [OHLC]), NOW_NS) == [
        RunningBar(
            pair=XBT,
            timeframe=Timeframe.M5,
            bar=Bar(
                start_s=1_696_436_700,
                open=601_001,
                high=601_009,
                low=601_000,
                close=601_002,
                volume=392_768_066,
                trades=12,
            ),
        )
    ]


def test_snapshot_of_candles_is_delivered_in_its_order(reader: FrameReader) -> None:
    earlier = {**OHLC, "interval_begin": "2023-10-04T16:20:00.000000000Z"}
    messages = reader.feed(frame("ohlc", [earlier, OHLC], type="snapshot"), NOW_NS)
    starts = [message.bar.start_s for message in messages if isinstance(message, RunningBar)]
    assert starts == [1_696_436_400, 1_696_436_700]


def test_candle_without_trades_is_no_bar(reader: FrameReader) -> None:
    assert reader.feed(frame("ohlc", [{**OHLC, "trades": 0}]), NOW_NS) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interval": 7}, "interval 7"),
        ({"interval_begin": "yesterday"}, "yesterday"),
        ({"interval_begin": "2023-10-04T16:25:00"}, "time zone"),
        ({"high": 60000.0}, "disagree"),
        ({"low": 0}, "low: 0"),
        ({"volume": -1}, "volume: -1"),
        ({"symbol": "XBT/USD"}, "not asked for"),
    ],
)
def test_candle_that_cannot_be_is_told_and_not_made(
    reader: FrameReader, changes: dict[str, Any], words: str
) -> None:
    (message,) = reader.feed(frame("ohlc", [{**OHLC, **changes}]), NOW_NS)
    assert isinstance(message, MalformedFrame)
    assert words in message.problem


# instrument and status


def instrument(*pairs: tuple[str, str]) -> str:
    rows = [{"symbol": symbol, "status": status, "base": "x"} for symbol, status in pairs]
    return frame("instrument", {"assets": [{"id": "USD"}], "pairs": rows})


def test_status_of_our_pairs_is_told_at_first_and_when_it_changes(reader: FrameReader) -> None:
    first = reader.feed(instrument(("BTC/USD", "online"), ("ETH/EUR", "delisted")), NOW_NS)
    same = reader.feed(instrument(("BTC/USD", "online")), NOW_NS)
    changed = reader.feed(instrument(("BTC/USD", "cancel_only")), NOW_NS)
    assert first == [PairStatusChanged(XBT, PairStatus.ONLINE)]
    assert same == []
    assert changed == [PairStatusChanged(XBT, PairStatus.CANCEL_ONLY)]


def test_pair_status_that_we_do_not_know_allows_nothing(reader: FrameReader) -> None:
    assert reader.feed(instrument(("BTC/USD", "work_in_progress")), NOW_NS) == [
        PairStatusChanged(XBT, PairStatus.MAINTENANCE)
    ]


def rules_frame(**fields: object) -> str:
    row = {"symbol": "BTC/USD", "status": "online", "qty_min": 0.0001, "cost_min": 0.5, **fields}
    return frame("instrument", {"pairs": [row, {**row, "symbol": "ETH/EUR", "qty_min": 9}]})


def test_rules_of_our_pairs_are_told_at_first_and_when_they_change(reader: FrameReader) -> None:
    first = reader.feed(rules_frame(qty_precision=8, cost_precision=5), NOW_NS)
    assert reader.feed(rules_frame(qty_precision=8, cost_precision=5), NOW_NS) == []
    raised = reader.feed(rules_frame(qty_min=2e-3, price_increment=0.1), NOW_NS)
    rules = PairRules(
        quantity_min=Decimal("0.0001"),
        cost_min=Decimal("0.5"),
        quantity_decimals=8,
        cost_decimals=5,
    )
    assert first == [PairStatusChanged(XBT, PairStatus.ONLINE), PairRulesChanged(XBT, rules)]
    assert raised == [
        PairRulesChanged(
            XBT,
            PairRules(
                quantity_min=Decimal("0.002"),
                cost_min=Decimal("0.5"),
                tick_size=Decimal("0.1"),
            ),
        )
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [("qty_min", -1), ("cost_min", 1e30), ("price_increment", 0), ("qty_precision", 99)],
)
def test_rule_that_cannot_be_is_told_and_not_taken(
    reader: FrameReader, field: str, value: object
) -> None:
    _, message = reader.feed(rules_frame(**{field: value}), NOW_NS)
    assert isinstance(message, MalformedFrame)
    assert field in message.problem


def test_update_of_assets_alone_says_nothing(reader: FrameReader) -> None:
    assert reader.feed(frame("instrument", {"assets": []}), NOW_NS) == []


def test_system_status_is_told_when_it_changes_and_by_the_public_stream_alone(make: Any) -> None:
    public, private = make(), make(private=True)

    def status(word: str) -> str:
        row = {"system": word, "connection_id": 13834774380200032777, "emergency": []}
        return frame("status", [row])

    assert public.feed(status("online"), NOW_NS) == [SystemStatusChanged("online")]
    assert public.feed(status("online"), NOW_NS) == []
    assert public.feed(status("maintenance"), NOW_NS) == [SystemStatusChanged("maintenance")]
    assert private.feed(status("maintenance"), NOW_NS) == []


def test_heartbeat_says_nothing_and_is_no_problem(reader: FrameReader) -> None:
    assert reader.feed('{"channel":"heartbeat"}', NOW_NS) == []
    assert (reader.frames, reader.malformed) == (1, 0)


# executions


def hints(reader: FrameReader, *rows: dict[str, Any], sequence: int | None = None) -> list[Any]:
    more = {} if sequence is None else {"sequence": sequence}
    return list(reader.feed(frame("executions", list(rows), **more), NOW_NS))


def test_report_of_a_fill_names_the_execution(reader: FrameReader) -> None:
    fill = {
        **REPORT,
        "cl_ord_id": "ours",
        "exec_type": "trade",
        "exec_id": "TGBB7L-HT5LX-J3BZ4A",
        "order_status": "partially_filled",
        "cum_qty": 0.00500000,
    }
    text = frame("executions", [fill]).replace("0.005", "0.00500000")
    assert reader.feed(text, NOW_NS) == [
        ExecutionHint(
            venue_order_id=REPORT["order_id"],  # type: ignore[arg-type]  # text of the wire
            client_order_id="ours",  # type: ignore[arg-type]  # text of the wire
            trade_id="TGBB7L-HT5LX-J3BZ4A",  # type: ignore[arg-type]  # text of the wire
            status=VenueStatus.OPEN,
            filled_base=Decimal("0.005"),
            reason=None,
            at_ns=1_695_378_785_709_982_000,
        )
    ]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending_new", VenueStatus.PENDING),
        ("new", VenueStatus.OPEN),
        ("partially_filled", VenueStatus.OPEN),
        ("filled", VenueStatus.CLOSED),
        ("canceled", VenueStatus.CANCELED),
        ("expired", VenueStatus.EXPIRED),
        (None, VenueStatus.OPEN),
    ],
)
def test_states_of_an_order_are_the_venues_words(
    reader: FrameReader, word: str | None, status: VenueStatus
) -> None:
    row = {**REPORT, "order_status": word}
    assert hints(reader, row)[0].status is status


def test_client_id_is_remembered_for_reports_that_leave_it_out(reader: FrameReader) -> None:
    first, then, last, after = (
        hints(reader, row)[0]
        for row in (
            {**REPORT, "cl_ord_id": "ours"},
            REPORT,
            {**REPORT, "order_status": "filled"},
            REPORT,
        )
    )
    assert [hint.client_order_id for hint in (first, then, last)] == ["ours"] * 3
    assert after.client_order_id is None


def test_memory_of_client_ids_is_bounded(reader: FrameReader) -> None:
    for number in range(ORDERS_MAX + 1):
        hints(reader, {**REPORT, "order_id": f"O{number}", "cl_ord_id": f"c{number}"})
    assert hints(reader, {**REPORT, "order_id": "O0"})[0].client_order_id is None
    assert hints(reader, {**REPORT, "order_id": "O1"})[0].client_order_id == "c1"


def test_reason_of_an_end_is_kept(reader: FrameReader) -> None:
    row = {**REPORT, "order_status": "canceled", "reason": "Post only order", "cum_qty": 0}
    (hint,) = hints(reader, row)
    assert (hint.reason, hint.filled_base) == ("Post only order", 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order_status": "dreaming"}, "dreaming"),
        ({"cum_qty": -1}, "cum_qty: -1"),
        ({"cum_qty": "NaN"}, "cum_qty: NaN"),
        ({"timestamp": "now"}, "now"),
    ],
)
def test_report_that_cannot_be_is_told_with_its_order(
    reader: FrameReader, changes: dict[str, Any], words: str
) -> None:
    (message,) = hints(reader, {**REPORT, **changes})
    assert isinstance(message, MalformedFrame)
    assert words in message.problem
    assert REPORT["order_id"] in message.problem


def test_sequence_without_holes_is_no_gap(reader: FrameReader) -> None:
    for number in range(1, 20):
        hints(reader, REPORT, sequence=number)
    assert reader.gap is None


def test_number_left_out_is_a_gap_and_the_report_still_counts(reader: FrameReader) -> None:
    hints(reader, REPORT, sequence=1)
    assert len(hints(reader, REPORT, sequence=3)) == 1
    assert reader.gap == "executions jumped from 1 to 3"


def test_number_told_twice_is_a_gap(reader: FrameReader) -> None:
    hints(reader, REPORT, sequence=5)
    hints(reader, REPORT, sequence=5)
    assert reader.gap is not None


def test_frame_that_could_not_be_read_shows_as_a_gap_at_the_next(reader: FrameReader) -> None:
    hints(reader, REPORT, sequence=1)
    reader.feed('{"channel":"executions","data":[{"order_id":5}],"sequence":2}', NOW_NS)
    hints(reader, REPORT, sequence=3)
    assert reader.gap == "executions jumped from 1 to 3"


def test_snapshot_begins_the_numbers_anew(reader: FrameReader) -> None:
    hints(reader, REPORT, sequence=7)
    reader.feed(
        json.dumps({"channel": "executions", "type": "snapshot", "data": [], "sequence": 1}), NOW_NS
    )
    hints(reader, REPORT, sequence=2)
    assert reader.gap is None


# replies and rubbish


def test_replies_go_to_whoever_asked(make: Any) -> None:
    heard: list[Reply] = []
    reader = make(on_reply=heard.append)
    text = (
        '{"method":"subscribe","req_id":3,"success":false,"symbol":"XBT/USD",'
        '"error":"Currency pair not supported XBT/USD","time_in":"2023-09-25T09:04:31.742599Z"}'
    )
    assert reader.feed(text, NOW_NS) == []
    assert heard[0].error == "Currency pair not supported XBT/USD"
    assert (heard[0].symbol, heard[0].req_id, heard[0].success) == ("XBT/USD", 3, False)


def test_pong_is_no_problem(reader: FrameReader) -> None:
    pong = '{"method":"pong","req_id":1,"time_in":"x","time_out":"y"}'
    assert reader.feed(pong, NOW_NS) == []
    assert reader.malformed == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rubbish",
        "{",
        "[]",
        "null",
        "5",
        '"text"',
        "{}",
        '{"Error":"Exceeded msg rate"}',
        '{"channel":"ticker"}',
        '{"channel":"ticker","data":{}}',
        '{"channel":"ticker","data":[5]}',
        '{"channel":"ticker","data":[{"symbol":"BTC/USD","bid":true}]}',
        '{"channel":7}',
        '{"channel":"executions","data":[{}]}',
        '{"channel":"instrument","data":[]}',
        '{"method":5}',
        "[" * 100_000,
        '{"channel":"ticker","data":' + "[" * 100_000,
        '{"new":' + "[" * 100_000 + "]" * 100_000 + ',"channel":"ticker","data":[]}',
        "\ud800",
    ],
)
def test_frame_that_is_no_frame_is_told_and_survived(reader: FrameReader, text: str) -> None:
    (message,) = reader.feed(text, NOW_NS)
    assert isinstance(message, MalformedFrame)
    assert len(message.frame) <= 200
    assert message.frame == text[:200]
    assert isinstance(reader.feed(frame("ticker", [TICKER]), NOW_NS)[0], Quote)


def test_bytes_that_are_no_utf8_are_told_and_survived(reader: FrameReader) -> None:
    (message,) = reader.feed(b'{"channel":"\xff\xfe"}', NOW_NS)
    assert isinstance(message, MalformedFrame)


def test_channel_that_we_do_not_know_is_named(reader: FrameReader) -> None:
    (message,) = reader.feed(frame("weather", []), NOW_NS)
    assert isinstance(message, MalformedFrame)
    assert message.problem == "unknown channel 'weather'"


def test_long_problem_is_cut(reader: FrameReader) -> None:
    (message,) = reader.feed(frame("x" * 5_000, []), NOW_NS)
    assert isinstance(message, MalformedFrame)
    assert len(message.problem) == 200


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(text: bytes) -> None:
    reader = FrameReader(SomeInstruments(), [])  # type: ignore[arg-type]  # no pair is asked for
    reader.feed(text, NOW_NS)
    assert reader.frames == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "channel": st.sampled_from(
                ["ticker", "ohlc", "executions", "instrument", "status", "heartbeat"]
            ),
            "data": JSON,
        },
        optional={"type": JSON, "sequence": JSON},
    )
)
def test_any_json_on_a_known_channel_is_survived(document: Any) -> None:
    reader = FrameReader(SomeInstruments(), [])  # type: ignore[arg-type]  # no pair is asked for
    assert all(isinstance(m, object) for m in reader.feed(json.dumps(document), NOW_NS))


class SomeInstruments:
    """Nobody asks it."""


def test_reader_shows_its_counts(reader: FrameReader) -> None:
    reader.feed("rubbish", NOW_NS)
    assert repr(reader) == "<FrameReader public frames=1 malformed=1>"


# executions that are told whole

TRADE = {
    **REPORT,
    "cl_ord_id": "ours",
    "exec_type": "trade",
    "exec_id": "TGBB7L-HT5LX-J3BZ4A",
    "order_status": "partially_filled",
    "symbol": "BTC/USD",
    "side": "sell",
    "last_qty": 0.005,
    "last_price": 26599.9,
    "liquidity_ind": "t",
    "cost": 132.9995,
    "cum_qty": 0.005,
    "fees": [{"asset": "USD", "qty": 0.3458}],
}


def test_fill_with_all_that_the_books_need_is_told_as_rest_would(reader: FrameReader) -> None:
    (hint,) = hints(reader, TRADE)
    assert hint.trade is not None
    shown = {name: str(getattr(hint.trade, name)) for name in hint.trade.__struct_fields__}
    assert shown == {
        "trade_id": "TGBB7L-HT5LX-J3BZ4A",
        "venue_order_id": "OK4GJX-KSTLS-7DZZO5",
        "pair": "XBTUSD",
        "side": "Side.SELL",
        "price": "26599.90000",
        "quantity_base": "0.00500000",
        "cost_quote": "132.99950",
        "fee_amount": "0.34580",
        "fee_asset": "USD",
        "liquidity": "Liquidity.TAKER",
        "at_ns": "1695378785709982000",
    }


@pytest.mark.parametrize("field", ["symbol", "last_qty", "last_price", "cost", "liquidity_ind"])
def test_fill_that_lacks_something_is_only_named(reader: FrameReader, field: str) -> None:
    (hint,) = hints(reader, {key: value for key, value in TRADE.items() if key != field})
    assert (hint.trade_id, hint.trade) == (TRADE["exec_id"], None)


@pytest.mark.parametrize(
    "changes",
    [
        {"fees": None},
        {"fees": []},
        {"fees": [{"asset": "USD"}]},
        {"fees": [{"asset": "BTC", "qty": 0.00001}]},
        {"fees": [{"asset": "USD", "qty": 0.2}, {"asset": "BTC", "qty": 0.00001}]},
        {"fees": [{"asset": "USD", "qty": 0.3457987}]},
        {"cost": 132.9995001},
        {"cost": 133.5},
        {"symbol": "XYZ/USD"},
        {"liquidity_ind": "x"},
        {"exec_type": "restated"},
    ],
)
def test_fill_that_is_not_told_as_rest_would_is_only_named(
    reader: FrameReader, changes: dict[str, Any]
) -> None:
    (hint,) = hints(reader, {**TRADE, **changes})
    assert (hint.trade_id, hint.trade) == (TRADE["exec_id"], None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"last_qty": 0}, "last_qty: 0"),
        ({"last_price": -5}, "last_price: -5"),
        ({"cost": "NaN"}, "cost: NaN"),
        ({"cost": "1E+9999"}, "cost"),
        ({"fees": [{"asset": "USD", "qty": -1}]}, "fees.qty: -1"),
        ({"side": "sideways"}, "sideways"),
    ],
)
def test_fill_with_an_amount_that_cannot_be_is_told_and_named_all_the_same(
    reader: FrameReader, changes: dict[str, Any], words: str
) -> None:
    problem, hint = hints(reader, {**TRADE, **changes})
    assert words in problem.problem
    assert (hint.trade_id, hint.trade) == (TRADE["exec_id"], None)


def test_fill_on_a_pair_that_is_not_watched_is_told_whole_as_well(kit: Any) -> None:
    reader = FrameReader(kit.instruments(), [], private=True)
    (hint,) = hints(reader, TRADE)
    assert hint.trade is not None


def test_cost_that_is_cut_to_what_the_venues_ledger_holds_is_taken(reader: FrameReader) -> None:
    doge = {**TRADE, "symbol": "DOGE/USD", "last_qty": 598.76368964, "last_price": 0.1011708}
    (hint,) = hints(reader, {**doge, "cost": 60.5774, "fees": [{"asset": "USD", "qty": 0.2423}]})
    assert hint.trade is not None
    assert str(hint.trade.cost_quote) == "60.577400000"
