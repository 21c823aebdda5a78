"""Frames printed in the venue's documentation, and those recorded by others, through the reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.adapters.kraken.frames import FrameReader
from krakked.adapters.kraken.records import AssetInfo, PairInfo, Reply
from krakked.adapters.kraken.wire import Instruments
from krakked.domain.bars import Timeframe
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

Recorded = Callable[[str], str]
DOCS = "kraken-docs-examples/websocket_v2_"
NOW_NS = 1_700_000_000 * 10**9


def pair(base: str, quote: str, tick: str) -> PairInfo:
    return PairInfo(
        altname=base + quote,
        base=base,
        quote=quote,
        pair_decimals=1,
        lot_decimals=8,
        cost_decimals=5,
        tick_size=Decimal(tick),
    )


INSTRUMENTS = Instruments(
    {"XBT": AssetInfo("XBT"), "USD": AssetInfo("USD")},
    {
        "1": pair("XBT", "USD", "0.1"),
        "2": pair("ALGO", "USD", "0.00001"),
        "3": pair("MATIC", "USD", "0.0001"),
        "4": pair("ETH", "USDT", "0.00001"),
        "5": pair("MATIC", "GBP", "0.0001"),
    },
)


class Read:
    """All frames of one recorded file, read in order."""

    def __init__(self, lines: list[str]) -> None:
        self.replies: list[Reply] = []
        self.reader = FrameReader(
            INSTRUMENTS, list(INSTRUMENTS.pairs), on_reply=self.replies.append
        )
        self.messages = [m for line in lines for m in self.reader.feed(line, NOW_NS)]

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]


@pytest.fixture
def read(recorded: Recorded) -> Callable[[str], Read]:
    """What the venue sends in a documented exchange (requests of the client left out)."""

    def read(name: str) -> Read:
        lines = recorded(f"{DOCS}{name}.jsonl").splitlines()
        return Read([line for line in lines if line and "params" not in json.loads(line)])

    return read


def test_documented_ticker_frames_are_quotes(read: Any) -> None:
    result = read("Ticker_Level_1_")
    snapshot, update = result.of(Quote)
    assert (snapshot.pair, snapshot.bid, snapshot.ask) == (
        "ALGOUSD",
        Decimal("0.10025"),
        Decimal("0.10036"),
    )
    assert update.ask == Decimal("0.10035")
    assert str(update.volume_24h_base) == "997038.98383185"
    assert result.of(MalformedFrame) == []
    assert [reply.success for reply in result.replies] == [True, True]


def test_documented_candles_are_running_bars(read: Any) -> None:
    result = read("Candles_OHLC_")
    bars = result.of(RunningBar)
    assert [bar.pair for bar in bars] == ["ALGOUSD", "ALGOUSD", "MATICUSD"]
    assert {bar.timeframe for bar in bars} == {Timeframe.M5}
    assert (bars[1].bar.open, bars[1].bar.high, bars[1].bar.trades) == (9875, 9880, 13)
    assert bars[1].bar.start_s - bars[0].bar.start_s == 300
    assert result.of(MalformedFrame) == []
    confirmed = [(r.result.channel, r.result.symbol, r.result.interval) for r in result.replies]
    assert ("ohlc", "MATIC/USD", 5) in confirmed


def test_documented_instruments_tell_the_status_of_pairs(read: Any) -> None:
    result = read("Instruments")
    assert result.of(PairStatusChanged) == [
        PairStatusChanged(PairName("XBTUSD"), PairStatus.ONLINE),
        PairStatusChanged(PairName("MATICGBP"), PairStatus.ONLINE),
    ]
    assert result.of(MalformedFrame) == []


def test_documented_instruments_tell_the_rules_of_pairs(read: Any) -> None:
    first, second = read("Instruments").of(PairRulesChanged)
    assert (first.pair, second.pair) == ("XBTUSD", "MATICGBP")
    assert second.rules == PairRules(
        tick_size=Decimal("0.0001"),
        quantity_decimals=8,
        cost_decimals=6,
        quantity_min=Decimal(4),
        cost_min=Decimal("0.43"),
    )


def test_documented_executions_are_hints_without_a_gap(read: Any) -> None:
    result = read("Executions")
    hints = result.of(ExecutionHint)
    assert [hint.status for hint in hints] == [
        VenueStatus.PENDING,
        VenueStatus.OPEN,
        VenueStatus.OPEN,
    ]
    assert hints[2].trade_id == "TGBB7L-HT5LX-J3BZ4A"
    assert hints[2].trade is not None
    assert (hints[2].trade.cost_quote, hints[2].trade.fee_amount) == (
        Decimal("132.9995"),
        Decimal("0.3458"),
    )
    assert hints[2].filled_base == Decimal("0.005")
    assert {hint.venue_order_id for hint in hints} == {"OK4GJX-KSTLS-7DZZO5"}
    assert result.reader.gap is None
    assert result.of(MalformedFrame) == []


def test_documented_status_heartbeat_and_pong_are_no_problem(read: Any) -> None:
    assert read("Status").messages == [SystemStatusChanged("online")]
    assert read("Heartbeat").messages == []
    pong = read("Ping")
    assert pong.replies[-1].method == "pong"
    assert pong.messages == []


@pytest.mark.parametrize(
    "name",
    ["Trades", "Book_Level_2_", "Balances", "Orders_Level_3_"],
)
def test_documented_frames_of_channels_that_we_do_not_use_are_survived(
    read: Any, name: str
) -> None:
    result = read(name)
    assert result.of(MalformedFrame)
    assert {m.problem.split()[0] for m in result.of(MalformedFrame)} == {"unknown"}
    assert len(result.messages) == len(result.of(MalformedFrame))


@pytest.mark.parametrize(
    "name",
    [
        "Add_Order",
        "Amend_Order",
        "Cancel_All",
        "Cancel_on_Disconnect",
        "Cancel_Order",
        "Edit_Order",
    ],
)
def test_documented_replies_to_requests_are_replies(read: Any, name: str) -> None:
    result = read(name)
    assert result.replies
    assert result.messages == []


@pytest.mark.parametrize(("name", "kind"), [("Ticker", Quote), ("Kline", RunningBar)])
def test_frames_recorded_by_another_client_are_read(
    recorded: Recorded, name: str, kind: type
) -> None:
    text = recorded(f"Kraken.Net/Subscriptions/Spot/{name}.txt")
    updates = re.findall(r"^= *\n(.*?)(?=^[><=]|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    result = Read(updates)
    assert len(result.of(kind)) == len(updates) > 0
    assert {message.pair for message in result.of(kind)} == {"ETHUSDT"}


def test_book_updates_recorded_live_are_survived(recorded: Recorded) -> None:
    lines = recorded("python-kraken-sdk/share/orderbook-v2.first100.json")
    updates = json.loads(lines)
    frames = updates if isinstance(updates, list) else list(updates.values())
    result = Read([json.dumps(frame) for frame in frames])
    assert len(result.messages) == len(frames)
