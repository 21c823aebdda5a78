"""A market that was heard of: books that prove themselves, trades once, candles that grow."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.mirrored import MirroredTrade
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.candles import INTERVALS_MIN, Candle
from krakked.sim.market.following import BookBroken, BookTold, FollowMarket, PairPast, SourceBook
from krakked.sim.public.checksum import book_checksum
from krakked.sim.public.tape import Tape

XBTUSD = PairName("XBTUSD")
PAIR = PAIRS[XBTUSD]
START_S = 1_700_006_400  # a whole number of hours
START_NS = START_S * NS_PER_SECOND
D = Decimal
Rows = list[tuple[str, str]]


def levels(rows: Iterable[tuple[str, str]]) -> list[tuple[Decimal, Decimal]]:
    return [(D(price), D(size)) for price, size in rows]


def checksum(bids: Rows, asks: Rows) -> int:
    return book_checksum(levels(asks), levels(bids), price_decimals=1, quantity_decimals=8)


def snapshot(bids: Rows, asks: Rows) -> BookTold:
    return BookTold(
        is_snapshot=True, bids=levels(bids), asks=levels(asks), checksum=checksum(bids, asks)
    )


def change(bids: Rows, asks: Rows, *, then: tuple[Rows, Rows]) -> BookTold:
    return BookTold(
        is_snapshot=False, bids=levels(bids), asks=levels(asks), checksum=checksum(*then)
    )


BIDS: Rows = [("100.0", "1"), ("99.0", "2"), ("98.0", "3")]
ASKS: Rows = [("101.0", "1"), ("102.0", "2")]


def trade(after_s: float, price: str = "100.0", size: str = "0.5", number: int = 1) -> Any:
    return MirroredTrade(
        price=D(price),
        quantity_base=D(size),
        taker_side=Side.BUY,
        order_type="market",
        trade_id=number,
        at_ns=START_NS + int(after_s * NS_PER_SECOND),
    )


def candle(before_min: int, minutes: int, volume: str = "6") -> Candle:
    return Candle(
        start_s=START_S - before_min * 60,
        minutes=minutes,
        open=D(90),
        high=D(110),
        low=D(80),
        close=D(95),
        volume=D(volume),
        trades=3,
        vwap=D(100),
    )


def market(trades: Iterable[Any] = (), candles: dict[int, list[Candle]] | None = None) -> Any:
    rows = {minutes: (candles or {}).get(minutes, []) for minutes in INTERVALS_MIN}
    asked_ns = dict.fromkeys(INTERVALS_MIN, START_NS)
    past = PairPast(trades=list(trades), candles=rows, candles_ns=asked_ns)
    return FollowMarket(pairs={XBTUSD: PAIR}, pasts={XBTUSD: past}, depth=10, start_ns=START_NS)


@pytest.fixture
def exchange() -> Exchange:
    options = ExchangeOptions(prints_own_trades=False)
    return Exchange(pairs={XBTUSD: PAIR}, options=options, now_ns=START_NS)


def shown(exchange: Exchange) -> list[Rows]:
    sides = exchange.depth(XBTUSD, 10)
    return [[(str(one.price), str(one.quantity_base)) for one in side] for side in sides]


# books


def test_a_book_follows_changes_and_is_cut_to_its_depth() -> None:
    book = SourceBook(PAIR, 3)
    book.take(snapshot(BIDS, ASKS))
    then = ([("100.5", "4"), ("100.0", "1"), ("99.0", "2.5")], [("102.0", "2")])
    told = change([("100.5", "4"), ("99.0", "2.5")], [("101.0", "0")], then=then)
    bids, asks = book.take(told)
    assert book.levels(Side.BUY) == levels(then[0])
    assert book.levels(Side.SELL) == levels(then[1])
    assert bids == [(D("100.5"), D(4)), (D("99.0"), D("2.5")), (D("98.0"), None)]
    assert asks == [(D("101.0"), D(0))]


def test_the_last_of_two_changes_of_one_price_counts() -> None:
    book = SourceBook(PAIR, 3)
    book.take(snapshot(BIDS, ASKS))
    told = change([("100.0", "0"), ("100.0", "7")], [], then=([("100.0", "7"), *BIDS[1:]], ASKS))
    assert book.take(told)[0] == [(D("100.0"), D(7))]


def test_a_sum_that_disagrees_breaks_the_book_until_the_next_snapshot() -> None:
    book = SourceBook(PAIR, 3)
    book.take(snapshot(BIDS, ASKS))
    wrong = change([("100.0", "5")], [], then=(BIDS, ASKS))
    with pytest.raises(BookBroken, match="XBTUSD: sum"):
        book.take(wrong)
    assert not book.is_known
    with pytest.raises(BookBroken, match="before the book"):
        book.take(change([], [], then=(BIDS, ASKS)))
    book.take(snapshot(BIDS, ASKS))
    assert book.is_known


def test_a_book_that_crosses_itself_is_none() -> None:
    with pytest.raises(BookBroken, match=r"bid 101\.0 is not below 101\.0"):
        SourceBook(PAIR, 3).take(snapshot([("101.0", "1")], ASKS))


def test_a_broken_change_leaves_the_exchange_as_it_was(exchange: Exchange) -> None:
    followed = market()
    followed.hear_book(XBTUSD, snapshot(BIDS, ASKS), START_NS)
    followed.step(START_NS, exchange)
    with pytest.raises(BookBroken):
        followed.hear_book(XBTUSD, change([("100.0", "9")], [], then=(BIDS, ASKS)), START_NS)
    followed.step(START_NS, exchange)
    assert shown(exchange) == [BIDS, ASKS]
    assert not followed.knows_books()


# playing


def test_what_was_heard_is_played_in_order_when_its_instant_has_come(exchange: Exchange) -> None:
    followed = market()
    followed.hear_book(XBTUSD, snapshot(BIDS, ASKS), START_NS + 5)
    followed.hear_trades(XBTUSD, [trade(0, number=7)], START_NS + 5)
    assert followed.next_event_ns() == START_NS + 5
    followed.step(START_NS + 4, exchange)
    assert shown(exchange) == [[], []]
    followed.step(START_NS + 5, exchange)
    assert shown(exchange) == [BIDS, ASKS]
    assert exchange.last_trade_id(XBTUSD) == 10_000_000  # ours count from there, its are lower
    last = exchange.last_trade(XBTUSD)
    assert last is not None
    assert last.trade_id == 7


def test_a_market_that_is_followed_is_never_over(exchange: Exchange) -> None:
    followed = market()
    first_ns = followed.next_event_ns()
    followed.step(first_ns, exchange)
    assert followed.next_event_ns() > first_ns > START_NS


def test_a_trade_that_was_heard_before_is_dropped_but_not_its_neighbour() -> None:
    followed = market(trades=[trade(-1, number=3)])
    assert followed.last_trade(XBTUSD) == (START_NS - NS_PER_SECOND, 3)
    heard = [trade(-2, number=2), trade(-1, number=3), trade(-1, number=4), trade(1, number=5)]
    assert followed.hear_trades(XBTUSD, heard, START_NS) == 2
    assert followed.hear_trades(XBTUSD, heard, START_NS) == 0


def test_a_source_that_numbers_its_trades_anew_is_heard() -> None:
    followed = market(trades=[trade(-1, number=900)])
    assert followed.hear_trades(XBTUSD, [trade(1, number=1)], START_NS) == 1


def test_a_missed_trade_that_was_heard_under_another_number_is_heard_once() -> None:
    followed = market(trades=[trade(-1, number=900)])
    missed = [trade(-1, number=1), trade(-1, "99.0", number=2), trade(1, number=3)]
    assert followed.hear_missed(XBTUSD, missed, START_NS) == 2


def test_a_trade_from_a_clock_ahead_of_ours_is_of_now(exchange: Exchange) -> None:
    followed = market()
    followed.hear_trades(XBTUSD, [trade(3)], START_NS)
    followed.step(START_NS, exchange)
    last = exchange.last_trade(XBTUSD)
    assert last is not None
    assert last.at_ns == START_NS


def test_its_prices_cannot_be_moved() -> None:
    with pytest.raises(BadInput, match="follows another venue"):
        market().set_price(XBTUSD, D(5))


# the past


def test_candles_of_the_past_grow_by_trades_that_are_not_in_them_yet(exchange: Exchange) -> None:
    followed = market(
        trades=[trade(-30, "97.0", number=1), trade(0, "98.0", "2", 2)],
        candles={1: [candle(0, 1)], 60: [candle(60, 60)]},
    )
    tape = Tape(PAIR, followed, START_NS, 2)
    followed.hear_trades(XBTUSD, [trade(1, "130.0", "2", 3)], START_NS + 9)
    followed.step(START_NS + 9 * NS_PER_SECOND, exchange)
    (told,) = [event for event in exchange.drain() if isinstance(event, PublicTrade)]
    tape.add(told)
    (minute,) = tape.series(1).newest(10)  # the trades before the start were in it
    assert (minute.high, minute.close, minute.volume, minute.trades) == (130, 130, 8, 4)
    assert minute.vwap == (D(600) + D(260)) / 8
    old, new = tape.series(60).newest(10)
    assert (old.high, old.volume, old.vwap) == (110, 6, 100)
    assert (new.start_s, new.open, new.low, new.volume, new.vwap) == (START_S, 130, 130, 2, 130)


def test_trades_between_the_candles_and_the_start_are_in_the_candles_too() -> None:
    late = [trade(-30, "97.0", "1", 1), trade(5, "98.0", "2", 2), trade(9, "99.0", "1", 3)]
    followed = market(trades=late, candles={60: [candle(0, 60)]})
    tape = Tape(PAIR, followed, START_NS + 10 * NS_PER_SECOND, 3)
    (hour,) = tape.series(60).newest(10)
    assert (hour.close, hour.volume, hour.trades) == (99, 6 + 3, 3 + 2)


def test_the_last_day_is_known_by_candles_up_to_the_trades_and_by_trades_from_there() -> None:
    five = [candle(5 * number, 5) for number in (289, 288, 100, 2, 1)]
    trades = [trade(-400, "97.0", "1", 1), trade(-200, "99.0", "1", 2)]
    followed = market(trades=trades, candles={5: five})
    candles, counts_ns = followed.day_before(XBTUSD, START_NS)
    assert [each.start_s for each in candles] == [
        START_S - 300 * number for number in (288, 100, 2)
    ]
    assert counts_ns == START_NS - 300 * NS_PER_SECOND
    tape = Tape(PAIR, followed, START_NS, 2)
    figures = tape.figures(START_NS - 1)
    assert figures is not None
    assert figures.volume[1] == 3 * 6 + 1
    assert figures.count[1] == 3 * 3 + 1
    assert (figures.last, figures.high[1], figures.low[1]) == (99, 110, 80)
    assert [each.trade_id for each in tape.trades] == [1, 2]


def test_where_trades_do_not_reach_back_to_a_candles_start_the_candle_stands_for_them() -> None:
    forming = msgspec.structs.replace(candle(0, 5), start_s=START_S)
    followed = market(trades=[trade(60, number=2)], candles={5: [candle(5, 5), forming]})
    candles, counts_ns = followed.day_before(XBTUSD, START_NS + 90 * NS_PER_SECOND)
    assert len(candles) == 2
    assert counts_ns > START_NS + 60 * NS_PER_SECOND


def test_trades_of_the_starts_own_instant_are_of_the_past_and_not_lost() -> None:
    followed = market(trades=[trade(-1, number=1), trade(0, number=2)])
    found = followed.prints_before(XBTUSD, 0, START_NS)
    assert [item.at_ns for item in found] == [START_NS - NS_PER_SECOND, START_NS]
    assert len(followed.prints_before(XBTUSD, 0, START_NS - 1)) == 1
