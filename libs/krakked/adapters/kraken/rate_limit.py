"""Waits before the venue would say no: calling on past a limit only prolongs the refusal.

Two counters that fill with calls and drain with time, by the account's tier:

- REST, per API key: one point a call, four for history, none for placing and cancelling orders;
- engine, per pair: one point for an order, up to four for amending a young one, up to eight for
  cancelling it; amending makes it young again.

Both stay one point below the venue's threshold: our clock is not the venue's, and the dead-man's
refresh must never stand in line. Public calls are spaced by pair. Whatever the venue says about a
limit all the same (:meth:`RateLimiter.rest_tripped`) fills our counter to the brim and beyond: it
knows of calls that we do not, as those of a process before us.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.errors import Transient
from krakked.domain.ids import ClientOrderId, PairName, VenueOrderId
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock

_UNITS_PER_POINT: Final = 100 * NS_PER_SECOND
"""So that hundredths of a point per second are whole units per nanosecond: nothing is rounded."""
_RESERVE_POINTS: Final = 1
_PUBLIC_SPACING_NS: Final = NS_PER_SECOND
_ADD_POINTS: Final = 1
_AMEND_POINTS: Final = 1
_AMEND_PENALTY: Final = ((5, 3), (10, 2), (15, 1))
"""Further points for amending an order that is younger than so many seconds."""
_CANCEL_POINTS: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
"""Points for cancelling an order that is younger than so many seconds."""
_YOUNG_NS: Final = _CANCEL_POINTS[-1][0] * NS_PER_SECOND

_HISTORY: Final = frozenset({"Ledgers", "QueryLedgers", "TradesHistory", "ClosedOrders"})
_FREE: Final = frozenset({"AddOrder", "AmendOrder", "CancelOrder", "CancelAll"})
_UNDELAYED: Final = frozenset({"CancelAllOrdersAfter"})


class Tier(enum.Enum):
    """Verification level of the account; ``none`` knows no limits."""

    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"
    NONE = "none"


class Limit(msgspec.Struct, frozen=True):
    """A counter's threshold in points, and how many hundredths of one drain in a second."""

    points_max: int
    drain_centi: int


REST_LIMITS: Final = {
    Tier.STARTER: Limit(15, 33),
    Tier.INTERMEDIATE: Limit(20, 50),
    Tier.PRO: Limit(20, 100),
}
ENGINE_LIMITS: Final = {
    Tier.STARTER: Limit(60, 100),
    Tier.INTERMEDIATE: Limit(125, 234),
    Tier.PRO: Limit(180, 375),
}


class Counter:
    """Points that drain with time."""

    __slots__ = ("_at_ns", "_limit", "_units")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._units = 0
        self._at_ns = 0

    def __repr__(self) -> str:
        return f"<Counter {self._units / _UNITS_PER_POINT:.2f} of {self._limit.points_max}>"

    def wait_ns(self, points: int, now_ns: int) -> int:
        """How long until so many points more fit; 0 is now."""
        self._drain(now_ns)
        room = max(points, self._limit.points_max - _RESERVE_POINTS)
        excess = self._units + (points - room) * _UNITS_PER_POINT
        return max(0, -(-excess // self._limit.drain_centi))

    def charge(self, points: int, now_ns: int) -> None:
        """Add points, whatever the threshold."""
        self._drain(now_ns)
        self._units += points * _UNITS_PER_POINT

    def fill(self, now_ns: int, *, beyond: int = 0) -> None:
        """The venue refused a call that costs so much, and charged it all the same.

        It had less room than that: with the call it is no further beyond the brim than the call
        costs, whoever filled it. Waiting for less would have the next call refused as well, and
        each refused call costs what it would have cost.
        """
        self._drain(now_ns)
        brim = self._limit.points_max + beyond
        self._units = max(self._units, brim * _UNITS_PER_POINT)

    @property
    def points_max(self) -> int:
        """The venue's threshold."""
        return self._limit.points_max

    def headroom(self, now_ns: int) -> Decimal:
        """Points left below the venue's threshold; negative above it."""
        self._drain(now_ns)
        return self._limit.points_max - Decimal(self._units) / _UNITS_PER_POINT

    def _drain(self, now_ns: int) -> None:
        # A clock that steps back neither drains nor fills. From there on its seconds are real ones
        # again, and the venue's counter drains in those: waiting until the clock is where it was
        # would hold up exits for as long as it was wrong.
        gone = max(0, now_ns - self._at_ns) * self._limit.drain_centi
        self._units = max(0, self._units - gone)
        self._at_ns = now_ns


class Headroom(msgspec.Struct, frozen=True):
    """Points left below the venue's thresholds, by key role and by pair."""

    rest: Mapping[str, Decimal]
    engine: Mapping[PairName, Decimal]


class _YoungOrder(msgspec.Struct, frozen=True):
    pair: PairName
    at_ns: int


class RateLimiter:
    """The limits of one account as one process sees them."""

    def __init__(self, tier: Tier, clock: Clock, *, history_points: int = 4) -> None:
        self._tier = tier
        self._clock = clock
        self._history_points = history_points
        self._rest: dict[str, Counter] = {}
        self._engine: dict[PairName, Counter] = {}
        self._young: dict[str, _YoungOrder] = {}
        self._public_at_ns: dict[str, int] = {}
        self._full_at_ns: int | None = None
        self.waited_ns = 0
        """How long calls of an account have stood in line for room, all told."""

    def __repr__(self) -> str:
        return f"<RateLimiter {self._tier.value} rest={self._rest} engine={self._engine}>"

    async def before_private(self, key_role: str, method: str) -> None:
        """Wait until the REST counter of that key has room for the call, and charge it."""
        counter = self._rest_counter(key_role)
        points = self._points(method)
        if counter is not None and points:
            await self._take(counter, points, waits=method not in _UNDELAYED)

    async def before_add(self, pair: PairName, *, not_after_ns: int | None = None) -> None:
        """Wait until the engine counter of the pair has room for a new order, and charge it.

        Raises:
            Transient: there is none before that instant; nothing was charged, and orders for other
                pairs need not stand behind this one.
        """
        await self._take_in_time("AddOrder", pair, _ADD_POINTS, not_after_ns)

    async def before_amend(
        self,
        order_id: ClientOrderId | VenueOrderId,
        pair: PairName,
        *,
        not_after_ns: int | None = None,
    ) -> None:
        """The same for amending; one that is not known as young has the fixed point only.

        Raises:
            Transient: as :meth:`before_add`.
        """
        young = self._young.get(order_id)
        penalty = 0 if young is None else amend_penalty(self._clock.now_ns() - young.at_ns)
        await self._take_in_time("AmendOrder", pair, _AMEND_POINTS + penalty, not_after_ns)

    async def _take_in_time(
        self, method: str, pair: PairName, points: int, not_after_ns: int | None
    ) -> None:
        counter = self._engine_counter(pair)
        if counter is None:
            return
        now_ns = self._clock.now_ns()
        wait_ns = counter.wait_ns(points, now_ns)
        if wait_ns and not_after_ns is not None and now_ns + wait_ns > not_after_ns:
            wait_s = wait_ns / NS_PER_SECOND
            raise Transient(
                f"{method}: not sent, no room for {pair} in the rate limit for {wait_s:.1f} s",
                retry_after_s=wait_s,
            )
        await self._take(counter, points, waits=True)

    async def before_cancel(self, order_id: ClientOrderId | VenueOrderId) -> None:
        """The same for cancelling; an order that is not known as young costs nothing."""
        young = self._young.get(order_id)
        counter = None if young is None else self._engine_counter(young.pair)
        if young is None or counter is None:
            return
        points = cancel_points(self._clock.now_ns() - young.at_ns)
        await self._take(counter, points, waits=True)

    def before_cancel_all(self) -> None:
        """Charge for every young order; the venue takes this call even above the threshold."""
        now_ns = self._clock.now_ns()
        # An order stands here under both of its ids.
        for young in {id(order): order for order in self._young.values()}.values():
            counter = self._engine_counter(young.pair)
            if counter is not None:
                counter.charge(cancel_points(now_ns - young.at_ns), now_ns)

    async def before_public(self, subject: str) -> None:
        """Space calls on one subject (a pair, or a method without one)."""
        if self._tier is Tier.NONE:
            return
        now_ns = self._clock.now_ns()
        at_ns = max(now_ns, self._public_at_ns.get(subject, 0))
        self._public_at_ns[subject] = at_ns + _PUBLIC_SPACING_NS
        if at_ns > now_ns:
            await self._clock.sleep((at_ns - now_ns) / NS_PER_SECOND)

    def added(self, pair: PairName, *ids: str) -> None:
        """An order lives under these ids: cancelling it soon will be dear."""
        if self._tier is Tier.NONE:
            return
        now_ns = self._clock.now_ns()
        self._forget_old(now_ns)
        young = _YoungOrder(pair, now_ns)
        for order_id in ids:
            self._young[order_id] = young

    def amended(self, pair: PairName, order_id: ClientOrderId | VenueOrderId) -> None:
        """An order is as young again as on its first day, by whatever id it is called."""
        known = self._young.get(order_id)
        others = [each for each, young in self._young.items() if young is known]
        self.added(pair, order_id, *others)

    def seen(self, pair: PairName, opened_at_ns: int, *ids: ClientOrderId | VenueOrderId) -> None:
        """The venue tells of an open order: another process, or another hand, may have placed it.

        What is known of it already stays: an order counts once, whatever it is called by.
        """
        now_ns = self._clock.now_ns()
        if self._tier is Tier.NONE or now_ns - opened_at_ns >= _YOUNG_NS:
            return
        known = next((self._young[order_id] for order_id in ids if order_id in self._young), None)
        young = known or _YoungOrder(pair, opened_at_ns)
        self._forget_old(now_ns)
        for order_id in ids:
            self._young[order_id] = young

    def pair_of(self, order_id: ClientOrderId | VenueOrderId) -> PairName | None:
        """Of an order that is young; None of others."""
        young = self._young.get(order_id)
        return None if young is None else young.pair

    def were_full(self, at_ns: int) -> None:
        """Somebody may have asked with our keys until then, as much as the venue takes.

        For a process that follows another: counting on room that is surely there costs less than
        a refusal, and bounds how long all that it must ask takes.
        """
        self._full_at_ns = at_ns

    def rest_tripped(self, key_role: str, method: str) -> None:
        """The venue refused that call of that key for its rate."""
        counter = self._rest_counter(key_role)
        if counter is not None:
            counter.fill(self._clock.now_ns(), beyond=self._points(method))

    def engine_tripped(self, pair: PairName) -> None:
        """The venue refused an order of that pair, or the cancelling of one, for its rate."""
        counter = self._engine_counter(pair)
        if counter is not None:
            counter.fill(self._clock.now_ns())

    def headroom(self) -> Headroom:
        """What is left now."""
        now_ns = self._clock.now_ns()
        return Headroom(
            rest={role: counter.headroom(now_ns) for role, counter in self._rest.items()},
            engine={pair: counter.headroom(now_ns) for pair, counter in self._engine.items()},
        )

    def headroom_ratios(self) -> dict[str, float]:
        """What is left of each counter, 1 for untouched; ``rest/<role>`` and ``engine/<pair>``."""
        now_ns = self._clock.now_ns()
        counters = {
            **{f"rest/{role}": counter for role, counter in self._rest.items()},
            **{f"engine/{pair}": counter for pair, counter in self._engine.items()},
        }
        return {
            name: float(counter.headroom(now_ns) / counter.points_max)
            for name, counter in counters.items()
        }

    async def _take(self, counter: Counter, points: int, *, waits: bool) -> None:
        # Looked at again after each wait: others may have been quicker.
        while waits and (wait_ns := counter.wait_ns(points, self._clock.now_ns())) > 0:
            began_ns = self._clock.now_ns()
            try:
                await self._clock.sleep(wait_ns / NS_PER_SECOND)
            finally:  # whoever gives up has waited too
                self.waited_ns += self._clock.now_ns() - began_ns
        counter.charge(points, self._clock.now_ns())

    def _points(self, method: str) -> int:
        if method in _FREE:
            return 0
        return self._history_points if method in _HISTORY else 1

    def _rest_counter(self, key_role: str) -> Counter | None:
        limit = REST_LIMITS.get(self._tier)
        if limit is None:
            return None
        if key_role not in self._rest:
            counter = self._rest[key_role] = Counter(limit)
            if self._full_at_ns is not None:
                counter.fill(self._full_at_ns)
        return self._rest[key_role]

    def _engine_counter(self, pair: PairName) -> Counter | None:
        limit = ENGINE_LIMITS.get(self._tier)
        return None if limit is None else self._engine.setdefault(pair, Counter(limit))

    def _forget_old(self, now_ns: int) -> None:
        for order_id, young in list(self._young.items()):
            if now_ns - young.at_ns >= _YOUNG_NS:
                del self._young[order_id]


def room_s(tier: Tier, points: int) -> float:
    """How long after the last call of others a REST counter surely has room for so many points."""
    limit = REST_LIMITS.get(tier)
    return 0.0 if limit is None else (points + _RESERVE_POINTS) * 100 / limit.drain_centi


def amend_penalty(age_ns: int) -> int:
    """What amending an order of that age costs beside the fixed point."""
    return next((more for age_s, more in _AMEND_PENALTY if age_ns < age_s * NS_PER_SECOND), 0)


def cancel_points(age_ns: int) -> int:
    """What cancelling an order of that age costs."""
    return next((points for age_s, points in _CANCEL_POINTS if age_ns < age_s * NS_PER_SECOND), 0)
