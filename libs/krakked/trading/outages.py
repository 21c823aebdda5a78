"""Outages: something the engine lives on is away, and it is told once when it goes and comes back.

What failed is noticed where it is used; this only keeps since when it is away, so that a loss is
one event however often it shows itself, and the return says how long it lasted.
"""

from __future__ import annotations

from collections.abc import Iterable

from krakked.domain.events import EventName
from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.desk import Desk


class Outage:
    """Whether one thing is away, and since when."""

    def __init__(self, desk: Desk, *, lost: EventName, restored: EventName, what: str) -> None:
        self._desk = desk
        self._lost = lost
        self._restored = restored
        self._what = what
        self.since_ns: int | None = None

    def __repr__(self) -> str:
        return f"<Outage of {self._what}: {'on' if self.is_on else 'off'}>"

    @property
    def is_on(self) -> bool:
        """Whether it is away now."""
        return self.since_ns is not None

    def begin(self, reason: str, **fields: object) -> None:
        """It is away; told unless it was already."""
        if self.since_ns is None:
            self.since_ns = self._desk.now_ns()
            self._tell(self._lost, reason=reason, **fields)

    def end(self) -> None:
        """It is there; told with how long it was not, if it was away."""
        if self.since_ns is not None:
            lasted_s = (self._desk.now_ns() - self.since_ns) / NS_PER_SECOND
            self.since_ns = None
            self._tell(self._restored, lasted_s=round(lasted_s, 3))

    def _tell(self, name: EventName, **fields: object) -> None:
        recorder = self._desk.recorder
        recorder.publish(recorder.event(name, what=self._what, **fields))


class MarketDataWatch:
    """Looks whether prices may be believed: the stream as a whole, then pair by pair."""

    def __init__(self, desk: Desk, pairs: Iterable[PairName]) -> None:
        self._desk = desk
        self._stream = _market_data(desk, "the market stream")
        self._by_pair = {pair: _market_data(desk, pair) for pair in pairs}

    def look(self) -> None:
        """Tell what went stale or came back since the last look."""
        market = self._desk.market
        if not market.is_connected:
            # No pair is looked at: one loss is told once, and not for each of them.
            self._stream.begin("the market stream is down")
            return
        self._stream.end()
        stale = set(market.stale_pairs(self._desk.now_ns()))
        for pair, outage in self._by_pair.items():
            if pair in stale:
                outage.begin("the last quote is too old", pair=pair)
            else:
                outage.end()


def _market_data(desk: Desk, what: str) -> Outage:
    return Outage(
        desk,
        lost=EventName.MARKET_DATA_UNAVAILABLE,
        restored=EventName.MARKET_DATA_RESTORED,
        what=what,
    )


def history_outage(desk: Desk) -> Outage:
    """Of the closed bars that the venue is asked for."""
    return _market_data(desk, "history")


def venue_outage(desk: Desk, what: str) -> Outage:
    """Of the venue as one that can be traded at."""
    return Outage(
        desk,
        lost=EventName.EXCHANGE_DEGRADED,
        restored=EventName.EXCHANGE_RESTORED,
        what=what,
    )


class FailuresInARow:
    """Orders and cancels that fail one after the other make the venue unreliable.

    It is told once there are more than ``max_retries`` of them, whichever orders they were about.
    An answer ends it, also one that says no; so does a while without another failure, for the
    orders that failed may be given up and no other may come.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.outage = venue_outage(desk, "orders")
        self.count = 0
        self._quiet_at_ns = 0

    def failed(self, error: Exception, pause_ns: int) -> None:
        """One more, to be tried again after that pause if at all."""
        self.count += 1
        self._quiet_at_ns = self._desk.now_ns() + 2 * pause_ns
        if self.count > self._desk.rules.max_retries:
            self.outage.begin(str(error))

    def answered(self) -> None:
        """The venue spoke, whatever it said."""
        self.count = 0
        self.outage.end()

    def look(self) -> None:
        """End it if nothing has failed for a while; the venue answers otherwise."""
        if self.outage.is_on and self._desk.now_ns() > self._quiet_at_ns:
            self.answered()
