"""Feeding: every message of the streams goes to whom it concerns, synchronously, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from krakked.domain.bars import Timeframe
from krakked.domain.events import EventName
from krakked.domain.ids import PairName
from krakked.domain.quotes import Quote
from krakked.domain.times import NS_PER_SECOND, to_minute
from krakked.ports.bar_store import BarStore
from krakked.ports.market_feed import (
    ExecutionHint,
    FeedMessage,
    MalformedFrame,
    PairRulesChanged,
    PairStatusChanged,
    RunningBar,
    StreamLost,
    StreamReady,
    SystemStatusChanged,
)
from krakked.trading.desk import Desk
from krakked.trading.market import ClosedBar
from krakked.trading.outages import venue_outage
from krakked.trading.pair_rules import learn_rules

Notice: TypeAlias = PairStatusChanged | PairRulesChanged | SystemStatusChanged | MalformedFrame


class Listeners(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told what."""

    on_quote: Callable[[Quote], None]
    on_hint: Callable[[ExecutionHint], None]
    on_bar: Callable[[], None]
    """A bar may have closed: look at the boundaries."""
    on_gap: Callable[[bool], None]
    """A stream is back (private or not): what happened meanwhile must be asked for."""


def _none(key: tuple[PairName, Timeframe]) -> Holes:
    return Holes(pair=key[0], timeframe=key[1])


class Holes(msgspec.Struct, frozen=True, kw_only=True):
    """Stretches of one pair without a bar: nobody traded, or nobody recorded it."""

    pair: PairName
    timeframe: Timeframe
    holes: int = 0
    bars: int = 0
    """That are missing in all of them."""

    def plus(self, bars: int) -> Holes:
        """One more, of so many bars."""
        return msgspec.structs.replace(self, holes=self.holes + 1, bars=self.bars + bars)


class Feeder:
    """Takes the feed's messages; keeps the market current and the closed bars stored."""

    def __init__(self, desk: Desk, store: BarStore, listeners: Listeners) -> None:
        self._desk = desk
        self._store = store
        self._listeners = listeners
        self._closed_venue = venue_outage(desk, "status")
        self._holes: dict[tuple[PairName, Timeframe], Holes] = {}
        self.bars_closed = 0
        self.is_ready = {False: False, True: False}
        """By private or not: subscribed now."""

    def deliver(self, message: FeedMessage) -> None:
        """Take one message."""
        match message:
            case Quote():
                self._desk.market.on_quote(message)
                self._listeners.on_quote(message)
            case RunningBar():
                closed = self._desk.market.on_running_bar(message)
                if closed is not None:
                    self.store(closed)
                self._listeners.on_bar()
            case ExecutionHint():
                self._listeners.on_hint(message)
            case StreamReady() | StreamLost():
                self._on_stream(message)
            case _:
                self._on_notice(message)

    def close_due(self) -> None:
        """Close bars whose end the clock has passed."""
        for closed in self._desk.market.on_clock(self._desk.now_ns()):
            self.store(closed)

    def store(self, closed: ClosedBar) -> None:
        """Keep a closed bar and say so."""
        tick_size = self._desk.account.bar_tick(closed.pair)
        if not self._store.append(closed.pair, closed.timeframe, tick_size, [closed.bar]):
            return
        self.bars_closed += 1
        self._tell(
            EventName.BAR_CLOSED,
            pair=closed.pair,
            timeframe=closed.timeframe.value,
            start_s=closed.bar.start_s,
            close=str(tick_size * closed.bar.close),
        )
        if closed.missing:
            self._note_hole(closed)

    def _note_hole(self, closed: ClosedBar) -> None:
        """Told once it is over, for only then is it known how long it was."""
        key = (closed.pair, closed.timeframe)
        self._holes[key] = self._holes.get(key, _none(key)).plus(closed.missing)
        end_s = closed.bar.start_s
        from_s = end_s - closed.missing * closed.timeframe.seconds
        span = f"{to_minute(from_s * NS_PER_SECOND)} to {to_minute(end_s * NS_PER_SECOND)} UTC"
        self._tell(
            EventName.NOTICE,
            pair=closed.pair,
            timeframe=closed.timeframe.value,
            missing=closed.missing,
            reason=f"{closed.pair} has no {closed.timeframe.value} bar from {span}",
        )

    def holes(self) -> tuple[Holes, ...]:
        """Of each pair that has any, the one that goes on now included."""
        found = dict(self._holes)
        for key, missing in self._desk.market.missing_since_last_bar().items():
            if missing:
                found[key] = found.get(key, _none(key)).plus(missing)
        return tuple(found[key] for key in sorted(found))

    def _on_stream(self, message: StreamReady | StreamLost) -> None:
        is_ready = isinstance(message, StreamReady)
        self.is_ready[message.private] = is_ready
        stream = "private" if message.private else "public"
        if not message.private:
            market = self._desk.market
            market.on_connected() if is_ready else market.on_lost()
        if isinstance(message, StreamLost):
            self._tell(EventName.CONNECTION_LOST, stream=stream, reason=message.reason)
            return
        self._tell(EventName.CONNECTION_RESTORED, stream=stream)
        self._listeners.on_gap(message.private)

    def _on_notice(self, message: Notice) -> None:
        match message:
            case PairStatusChanged(pair, status):
                pairs = self._desk.account.pairs
                if pair in pairs:
                    pairs[pair] = msgspec.structs.replace(pairs[pair], status=status)
                self._tell(EventName.NOTICE, pair=pair, status=status.value)
            case PairRulesChanged(pair, rules):
                learn_rules(self._desk, pair, rules)
            case SystemStatusChanged(status):
                self._on_venue_status(status)
            case MalformedFrame(problem, frame):
                self._tell(EventName.MALFORMED_FRAME, problem=problem, frame=frame)

    def _on_venue_status(self, status: str) -> None:
        self._desk.guard.venue_status = status
        self._tell(EventName.NOTICE, venue_status=status)
        if status == "online":
            self._closed_venue.end()
        else:
            self._closed_venue.begin(f"the venue is in {status}", venue_status=status)

    def _tell(self, name: EventName, **fields: object) -> None:
        self._desk.recorder.publish(self._desk.recorder.event(name, **fields))
