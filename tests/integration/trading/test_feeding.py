"""Messages of the streams reach whom they concern; closed bars are stored once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from krakked.domain.bars import Bar, Timeframe
from krakked.domain.events import EventName
from krakked.domain.ids import PairName
from krakked.domain.pairs import PairRules, PairStatus
from krakked.domain.quotes import Quote
from krakked.domain.times import NS_PER_SECOND, to_minute
from krakked.ports.market_feed import (
    ExecutionHint,
    MalformedFrame,
    PairRulesChanged,
    PairStatusChanged,
    RunningBar,
    StreamLost,
    StreamReady,
    SystemStatusChanged,
)
from krakked.trading.feeding import Feeder, Holes, Listeners

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")
M1 = Timeframe.M1


class Heard:
    """What the listeners were told."""

    def __init__(self, world: Any) -> None:
        self.quotes: list[Quote] = []
        self.hints: list[ExecutionHint] = []
        self.bars = 0
        self.gaps: list[bool] = []
        listeners = Listeners(
            on_quote=self.quotes.append,
            on_hint=self.hints.append,
            on_bar=self._on_bar,
            on_gap=self.gaps.append,
        )
        self.feeder = Feeder(world.desk, world.store, listeners)

    def _on_bar(self) -> None:
        self.bars += 1


def running(start_s: int, close: int = 600_000) -> RunningBar:
    bar = Bar(start_s=start_s, open=600_000, high=700_000, low=1, close=close, volume=1, trades=1)
    return RunningBar(pair=XBTUSD, timeframe=M1, bar=bar)


def stored(world: Any) -> list[tuple[int, int]]:
    bars = world.store.last(XBTUSD, M1, 10, D("0.1"))
    return [(bars.bar(i).start_s, bars.bar(i).close) for i in range(len(bars))]


def minute(world: Any) -> int:
    return int(world.clock.now_ns() // NS_PER_SECOND // 60 * 60)


def test_bar_that_closes_is_stored_and_told_at_its_price(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        heard.feeder.deliver(StreamReady(private=False))
        start_s = minute(world)
        heard.feeder.deliver(running(start_s, 601_234))
        assert stored(world) == []
        heard.feeder.deliver(running(start_s + 60))
        assert stored(world) == [(start_s, 601_234)]
        (event,) = [e for e in world.events if e.name is EventName.BAR_CLOSED]
        assert event.fields["close"] == "60123.4"
        assert (heard.bars, heard.feeder.bars_closed) == (2, 1)

    play(scenario)


def test_bar_is_closed_by_the_clock_when_its_market_falls_silent(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        heard.feeder.deliver(StreamReady(private=False))
        start_s = minute(world)
        heard.feeder.deliver(running(start_s))
        heard.feeder.close_due()
        assert stored(world) == []
        await world.clock.sleep(62)
        heard.feeder.close_due()
        heard.feeder.close_due()
        assert stored(world) == [(start_s, 600_000)]
        heard.feeder.deliver(running(start_s, 999))
        assert stored(world) == [(start_s, 600_000)]
        assert heard.feeder.bars_closed == 1

    play(scenario)


def test_bar_that_the_store_holds_is_not_counted_again(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        start_s = minute(world)
        world.store.append(XBTUSD, M1, D("0.1"), [running(start_s).bar])
        heard.feeder.deliver(StreamReady(private=False))
        heard.feeder.deliver(running(start_s))
        heard.feeder.deliver(running(start_s + 60))
        assert stored(world) == [(start_s, 600_000)]
        assert heard.feeder.bars_closed == 0
        assert world.count(EventName.BAR_CLOSED) == 0

    play(scenario)


def test_quote_reaches_the_market_before_its_listener(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        heard.feeder.deliver(StreamReady(private=False))
        quote = Quote(
            pair=XBTUSD,
            bid=D(1),
            ask=D(2),
            last=D(1),
            volume_24h_base=D(1),
            at_ns=world.clock.now_ns(),
        )
        heard.feeder.deliver(quote)
        assert heard.quotes == [quote]
        assert world.market.quote(XBTUSD, world.clock.now_ns()) is quote

    play(scenario)


def test_streams_that_come_and_go_are_told_and_leave_a_gap_to_mend(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        for private in (False, True):
            heard.feeder.deliver(StreamReady(private=private))
        assert heard.gaps == [False, True]
        heard.feeder.deliver(running(minute(world)))
        heard.feeder.deliver(StreamLost(private=True, reason="closed"))
        assert world.market.is_connected
        heard.feeder.deliver(StreamLost(private=False, reason="closed"))
        assert not world.market.is_connected
        assert world.market.running(XBTUSD, M1) is None
        assert heard.feeder.is_ready == {False: False, True: False}
        heard.feeder.deliver(StreamReady(private=False))
        assert heard.gaps == [False, True, False]
        assert world.count(EventName.CONNECTION_LOST) == 2
        assert world.count(EventName.CONNECTION_RESTORED) == 3

    play(scenario)


def test_status_of_venue_and_pair_take_effect_at_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        heard.feeder.deliver(SystemStatusChanged("cancel_only"))
        assert world.guard.venue_status == "cancel_only"
        assert (await world.submit()).reason == "the venue is in cancel_only"
        heard.feeder.deliver(SystemStatusChanged("online"))
        heard.feeder.deliver(PairStatusChanged(XBTUSD, PairStatus.POST_ONLY))
        assert world.account.pairs[XBTUSD].status is PairStatus.POST_ONLY
        heard.feeder.deliver(PairStatusChanged(PairName("NOSUCH"), PairStatus.ONLINE))
        assert "NOSUCH" not in world.account.pairs

    play(scenario)


def test_rules_of_a_pair_take_effect_at_once_and_its_bars_keep_their_step(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        before = world.account.pairs[XBTUSD]
        heard.feeder.deliver(PairRulesChanged(XBTUSD, before.rules))
        assert world.count(EventName.NOTICE) == 0
        told = PairRules(quantity_min=D("0.02"), cost_min=D(5), tick_size=D("0.5"))
        heard.feeder.deliver(PairRulesChanged(XBTUSD, told))
        after = world.account.pairs[XBTUSD]
        assert (after.quantity_min, after.cost_min, after.tick_size) == (D("0.02"), D(5), D("0.5"))
        assert after.quantity_decimals == before.quantity_decimals
        assert after.fee_taker_pct == before.fee_taker_pct
        (event,) = [e for e in world.events if e.name is EventName.NOTICE]
        for words in ("quantity_min 0.00005 -> 0.02", "cost_min 0.5 -> 5", "tick_size 0.1 -> 0.5"):
            assert words in event.fields["reason"]
        # A bar of 60000 is 600,000 ticks of the step that this run began with.
        start_s = minute(world)
        heard.feeder.deliver(running(start_s))
        heard.feeder.deliver(running(start_s + 60))
        assert stored(world) == [(start_s, 600_000)]
        heard.feeder.deliver(PairRulesChanged(PairName("NOSUCH"), told))
        assert "NOSUCH" not in world.account.pairs

    play(scenario)


def test_malformed_frame_is_told_and_survived(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        heard.feeder.deliver(MalformedFrame("not JSON", "{"))
        (event,) = [e for e in world.events if e.name is EventName.MALFORMED_FRAME]
        assert event.fields == {"problem": "not JSON", "frame": "{"}

    play(scenario)


def test_hours_without_a_bar_are_told_once_they_are_over_and_counted(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        heard.feeder.deliver(StreamReady(private=False))
        start_s = minute(world)
        world.market.mark_closed(XBTUSD, M1, start_s - 60)
        for offset_s in (0, 60, 240, 300):
            heard.feeder.deliver(running(start_s + offset_s))
        heard.feeder.deliver(running(start_s + 360))
        (event,) = [e for e in world.events if "missing" in e.fields]
        assert (event.name, event.fields["missing"]) == (EventName.NOTICE, 2)
        first, last = (to_minute((start_s + after_s) * NS_PER_SECOND) for after_s in (120, 240))
        assert event.fields["reason"] == f"XBTUSD has no 1m bar from {first} to {last} UTC"
        assert heard.feeder.holes() == (Holes(pair=XBTUSD, timeframe=M1, holes=1, bars=2),)

    play(scenario)


def test_hole_that_goes_on_is_counted_too_and_the_past_before_the_start_is_not(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard = Heard(world)
        heard.feeder.deliver(StreamReady(private=False))
        world.market.mark_closed(XBTUSD, M1, minute(world) - 6000)
        assert heard.feeder.holes() == ()
        await world.clock.sleep(200)
        assert len(world.market.settled(world.clock.now_ns())) == 3
        (hole,) = heard.feeder.holes()
        assert (hole.holes, hole.bars) == (1, 3)
        heard.feeder.deliver(running(minute(world)))
        heard.feeder.deliver(running(minute(world) + 60))
        assert heard.feeder.holes() == (hole,)

    play(scenario)
