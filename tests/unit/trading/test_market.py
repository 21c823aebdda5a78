"""The market's newest word: quotes with their age, the closing of bars, boundaries each once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.bars import Bar, Timeframe
from krakked.domain.errors import Stale
from krakked.domain.ids import PairName
from krakked.domain.quotes import Quote
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.market_feed import RunningBar
from krakked.trading.market import Boundary, ClosedBar, Market

XBT, ETH = PairName("XBTUSD"), PairName("ETHUSD")
M1, M5, H1 = Timeframe.M1, Timeframe.M5, Timeframe.H1
GRACE_S = 2


def at(seconds: float) -> int:
    return int(seconds * NS_PER_SECOND)


def market(
    *pairs: PairName,
    timeframes: tuple[Timeframe, ...] = (M1,),
    start_s: int = 0,
    last_frame: Callable[[], float] = lambda: 0,
) -> Market:
    made = Market(
        pairs or (XBT,),
        timeframes,
        stale_after_s=60,
        grace_s=GRACE_S,
        now_ns=at(start_s),
        last_frame_ns=lambda: at(last_frame()),
    )
    made.on_connected()
    return made


def bar(start_s: int, close: int = 10) -> Bar:
    return Bar(start_s=start_s, open=10, high=99, low=1, close=close, volume=1, trades=1)


def update(
    start_s: int, close: int = 10, *, pair: PairName = XBT, timeframe: Timeframe = M1
) -> RunningBar:
    return RunningBar(pair=pair, timeframe=timeframe, bar=bar(start_s, close))


def quote(at_s: float, *, pair: PairName = XBT, bid: str = "100") -> Quote:
    return Quote(
        pair=pair,
        bid=Decimal(bid),
        ask=Decimal(bid) + 1,
        last=Decimal(bid),
        volume_24h_base=Decimal(1),
        at_ns=at(at_s),
    )


# quotes


def test_quote_is_the_newest_one() -> None:
    m = market()
    m.on_quote(quote(1, bid="100"))
    m.on_quote(quote(2, bid="101"))
    assert m.quote(XBT, at(3)).bid == 101


def test_quote_that_never_came_is_refused() -> None:
    with pytest.raises(Stale, match="XBTUSD: no quote received yet"):
        market().quote(XBT, at(0))


@pytest.mark.parametrize(("now_s", "is_stale"), [(61, False), (61.000000001, True), (600, True)])
def test_quote_older_than_the_tolerance_is_refused_and_not_before(
    now_s: float, is_stale: bool
) -> None:
    m = market()
    m.on_quote(quote(1))
    assert m.is_stale(XBT, at(now_s)) is is_stale
    if is_stale:
        with pytest.raises(Stale, match=r"last quote \d+ s ago"):
            m.quote(XBT, at(now_s))
    else:
        assert m.quote(XBT, at(now_s)).at_ns == at(1)


def test_quote_while_the_stream_is_down_is_refused_however_young() -> None:
    m = market()
    m.on_quote(quote(1))
    m.on_lost()
    assert m.is_stale(XBT, at(1))
    with pytest.raises(Stale, match="stream is down"):
        m.quote(XBT, at(1))
    m.on_connected()
    assert m.quote(XBT, at(1)).bid == 100


def test_market_before_its_stream_is_ready_has_no_price() -> None:
    m = Market((XBT,), (M1,), stale_after_s=60, grace_s=GRACE_S, now_ns=0)
    m.on_quote(quote(1))
    assert m.is_stale(XBT, at(1))


def test_stale_pairs_are_those_whose_quote_is_refused() -> None:
    m = market(XBT, ETH)
    m.on_quote(quote(1, pair=ETH))
    assert m.stale_pairs(at(2)) == (XBT,)
    assert m.stale_pairs(at(100)) == (XBT, ETH)


def test_quotes_for_valuation_stay_whatever_their_age() -> None:
    m = market()
    m.on_quote(quote(1))
    m.on_lost()
    assert m.quotes[XBT].bid == 100


def test_quiet_pair_is_not_stale_while_its_connection_lives() -> None:
    heard_s = [1.0]
    m = market(XBT, ETH, last_frame=lambda: heard_s[0])
    m.on_quote(quote(1))
    heard_s[0] = 3600
    assert not m.is_stale(XBT, at(3600))
    assert m.quote(XBT, at(3660)).at_ns == at(1)
    assert m.stale_pairs(at(3600)) == (ETH,)  # a connection vouches for no quote that never came


def test_connection_that_fell_silent_makes_its_quotes_stale_after_the_tolerance() -> None:
    m = market(last_frame=lambda: 100)
    m.on_quote(quote(1))
    assert not m.is_stale(XBT, at(160))
    assert m.is_stale(XBT, at(160.000000001))
    with pytest.raises(Stale, match="last quote 61 s ago"):
        m.quote(XBT, at(161))


def test_quote_of_the_connection_before_is_not_vouched_for_by_the_new_one() -> None:
    heard_s = [50.0]
    m = market(XBT, ETH, last_frame=lambda: heard_s[0])
    m.on_quote(quote(1))
    m.on_quote(quote(1, pair=ETH))
    m.on_lost()
    heard_s[0] = 200
    m.on_quote(quote(90, pair=ETH))
    m.on_connected()
    assert not m.is_stale(XBT, at(110))
    assert m.is_stale(XBT, at(110.1))
    assert not m.is_stale(ETH, at(200))


def test_connection_that_is_lost_again_and_again_vouches_for_nothing_it_did_not_tell() -> None:
    heard_s = [50.0]
    m = market(last_frame=lambda: heard_s[0])
    m.on_quote(quote(1))
    for second in (60, 70, 80):
        m.on_lost()
        m.on_connected()
        heard_s[0] = second
    assert not m.is_stale(XBT, at(110))
    assert m.is_stale(XBT, at(111))


# closing of bars


def test_bar_closes_when_a_later_one_starts_with_its_last_state() -> None:
    m = market()
    assert m.on_running_bar(update(0, 10)) is None
    assert m.on_running_bar(update(0, 11)) is None
    assert m.on_running_bar(update(60, 12)) == ClosedBar(XBT, M1, bar(0, 11))
    assert m.running(XBT, M1) == bar(60, 12)


def test_pair_that_only_values_has_a_quote_and_no_bars() -> None:
    m = market(XBT)
    m.on_quote(quote(0, pair=ETH))
    assert m.on_running_bar(update(0, pair=ETH)) is None
    assert m.on_running_bar(update(60, pair=ETH)) is None
    assert m.running(ETH, M1) is None
    assert m.on_clock(at(600)) == []
    assert ETH in m.quotes
    assert m.stale_pairs(at(0)) == (XBT,)


def test_bar_closes_when_a_much_later_one_starts() -> None:
    m = market()
    m.on_running_bar(update(0))
    closed = m.on_running_bar(update(600))
    assert closed is not None
    assert closed.bar.start_s == 0


def test_bar_closes_by_the_clock_after_its_grace_and_not_before() -> None:
    m = market()
    m.on_running_bar(update(0, 11))
    assert m.on_clock(at(60)) == []
    assert m.on_clock(at(60 + GRACE_S) - 1) == []
    assert m.on_clock(at(60 + GRACE_S)) == [ClosedBar(XBT, M1, bar(0, 11))]
    assert m.on_clock(at(60 + GRACE_S)) == []
    assert m.running(XBT, M1) is None


def test_update_of_a_bar_closed_by_the_clock_is_ignored() -> None:
    m = market()
    m.on_running_bar(update(0, 11))
    m.on_clock(at(62))
    assert m.on_running_bar(update(0, 99)) is None
    assert m.running(XBT, M1) is None
    assert m.on_running_bar(update(60, 12)) is None
    assert m.on_running_bar(update(120)) == ClosedBar(XBT, M1, bar(60, 12))


def test_update_of_a_bar_closed_by_a_later_one_is_ignored() -> None:
    m = market()
    m.on_running_bar(update(0))
    m.on_running_bar(update(60, 12))
    assert m.on_running_bar(update(0, 99)) is None
    assert m.running(XBT, M1) == bar(60, 12)


def test_update_that_is_older_than_the_running_bar_is_ignored() -> None:
    m = market()
    m.on_running_bar(update(120, 12))
    assert m.on_running_bar(update(60, 99)) is None
    assert m.running(XBT, M1) == bar(120, 12)


def test_bars_of_different_pairs_and_timeframes_close_apart() -> None:
    m = market(XBT, ETH, timeframes=(M1, M5))
    m.on_running_bar(update(0))
    m.on_running_bar(update(0, timeframe=M5))
    m.on_running_bar(update(0, pair=ETH))
    closed = m.on_running_bar(update(60))
    assert closed is not None
    assert (closed.pair, closed.timeframe) == (XBT, M1)
    assert m.running(XBT, M5) == bar(0)
    assert m.running(ETH, M1) == bar(0)
    assert [c.pair for c in m.on_clock(at(62))] == [ETH]


def test_bar_that_ran_while_the_stream_was_down_is_thrown_away() -> None:
    m = market()
    m.on_running_bar(update(0))
    m.on_lost()
    assert m.on_clock(at(62)) == []
    m.on_connected()
    assert m.on_clock(at(62)) == []
    assert m.on_running_bar(update(60)) is None


def test_clock_closes_nothing_while_the_stream_is_down() -> None:
    m = market()
    m.on_lost()
    m.on_running_bar(update(0))
    assert m.on_clock(at(62)) == []
    assert m.running(XBT, M1) == bar(0)


def test_bar_that_history_holds_is_not_closed_again() -> None:
    m = market()
    m.on_running_bar(update(0, 11))
    m.mark_closed(XBT, M1, 0)
    assert m.on_clock(at(62)) == []
    assert m.on_running_bar(update(60)) is None


def test_history_ahead_of_a_running_bar_is_never_undone() -> None:
    m = market()
    m.on_running_bar(update(0))
    m.mark_closed(XBT, M1, 120)
    assert m.on_running_bar(update(180)) is None
    assert m.on_running_bar(update(120, 99)) is None
    assert m.running(XBT, M1) == bar(180)


def test_history_older_than_what_is_closed_changes_nothing() -> None:
    m = market()
    m.mark_closed(XBT, M1, 120)
    m.mark_closed(XBT, M1, 60)
    assert m.on_running_bar(update(120)) is None
    assert m.running(XBT, M1) is None


# boundaries


def test_boundary_settles_early_when_all_pairs_closed_their_bar() -> None:
    m = market(XBT, ETH)
    for pair in (XBT, ETH):
        m.on_running_bar(update(0, pair=pair))
    m.on_running_bar(update(60))
    assert m.settled(at(60.1)) == []
    m.on_running_bar(update(60, pair=ETH))
    assert m.settled(at(60.2)) == [Boundary(M1, 60)]


def test_boundary_settles_by_the_clock_when_a_pair_stays_silent() -> None:
    m = market(XBT, ETH)
    m.on_running_bar(update(0))
    m.on_running_bar(update(60))
    assert m.settled(at(60 + GRACE_S) - 1) == []
    assert m.settled(at(60 + GRACE_S)) == [Boundary(M1, 60)]


def test_boundary_is_returned_once() -> None:
    m = market()
    m.on_running_bar(update(0))
    m.on_running_bar(update(60))
    assert m.settled(at(60.5)) == [Boundary(M1, 60)]
    assert m.settled(at(60.6)) == []
    assert m.settled(at(100)) == []


def test_boundary_of_an_interval_that_has_not_ended_is_never_settled() -> None:
    m = market()
    m.mark_closed(XBT, M1, 600)
    assert m.settled(at(59.999)) == []
    assert m.settled(at(60)) == [Boundary(M1, 60)]


def test_boundaries_that_were_missed_come_oldest_first_then_shortest_first() -> None:
    m = market(timeframes=(M5, M1))
    assert m.settled(at(620)) == [
        *(Boundary(M1, end_s) for end_s in (60, 120, 180, 240, 300)),
        Boundary(M5, 300),
        *(Boundary(M1, end_s) for end_s in (360, 420, 480, 540, 600)),
        Boundary(M5, 600),
    ]


def test_first_boundary_is_the_end_of_the_interval_the_engine_started_in() -> None:
    m = market(timeframes=(H1,), start_s=3 * 3600 + 17)
    assert m.settled(at(3 * 3600 + 30)) == []
    assert m.settled(at(4 * 3600 + GRACE_S)) == [Boundary(H1, 4 * 3600)]


def test_engine_started_on_a_boundary_waits_for_the_next() -> None:
    m = market(start_s=60)
    assert m.settled(at(60 + GRACE_S)) == []
    assert m.settled(at(120 + GRACE_S)) == [Boundary(M1, 120)]


def test_quiet_pair_holds_up_the_others_by_the_grace_and_no_longer() -> None:
    """Whatever the pairs do: after the grace there is nothing left to wait for."""
    m = market(XBT, ETH, timeframes=(M1, M5))
    for timeframe in (M1, M5):
        m.on_running_bar(update(240 if timeframe is M1 else 0, timeframe=timeframe))
    m.settled(at(250))
    m.on_running_bar(update(300))
    m.on_running_bar(update(300, timeframe=M5))
    assert m.settled(at(301)) == []
    assert m.next_deadline_ns() == at(300 + GRACE_S)
    assert m.settled(at(300 + GRACE_S)) == [Boundary(M1, 300), Boundary(M5, 300)]
    assert m.next_deadline_ns() == at(360 + GRACE_S)


def test_next_deadline_is_the_nearest_end_with_its_grace() -> None:
    m = market(timeframes=(H1, M1))
    assert m.next_deadline_ns() == at(60 + GRACE_S)
    m.settled(at(60 + GRACE_S))
    assert m.next_deadline_ns() == at(120 + GRACE_S)


@given(
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from(["xbt", "eth", "none"])), max_size=60)
)
def test_every_boundary_comes_once_and_every_closed_bar_is_closed_once(
    steps: list[tuple[int, str]],
) -> None:
    """Whatever the pace of frames and looks: none skipped, none repeated, none early."""
    m = market(XBT, ETH, timeframes=(M1, M5))
    now_s, boundaries, closed = 0, [], []
    for pause_s, who in steps:
        now_s += pause_s
        if who != "none":
            pair = XBT if who == "xbt" else ETH
            for timeframe in (M1, M5):
                start_s = now_s // timeframe.seconds * timeframe.seconds
                done = m.on_running_bar(update(start_s, pair=pair, timeframe=timeframe))
                closed.extend([done] if done else [])
        closed.extend(m.on_clock(at(now_s)))
        found = m.settled(at(now_s))
        assert all(b.end_s <= now_s for b in found)
        boundaries.extend(found)
    m.on_clock(at(now_s))
    for timeframe in (M1, M5):
        ends = [b.end_s for b in boundaries if b.timeframe is timeframe]
        due = [*range(timeframe.seconds, now_s - GRACE_S + 1, timeframe.seconds)]
        assert ends[: len(due)] == due
        assert len(ends) - len(due) <= 1
    names = [(c.pair, c.timeframe, c.bar.start_s) for c in closed]
    assert len(names) == len(set(names))
