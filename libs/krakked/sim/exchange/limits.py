"""Counters that fill with each call and drain with time, by the account's tier.

Two kinds: one per API key for REST calls, and one per account and pair for the matching engine,
where young orders are dear to amend or cancel. Points are whole units of 10^-11, so that each of
the venue's rates (0.33 to 3.75 a second) is a whole number of units per nanosecond and no
rounding builds up.
"""

from __future__ import annotations

import enum
from collections import deque
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from krakked.domain.times import NS_PER_SECOND

UNITS_PER_POINT: Final = 10**11
OVERDRAFT_POINTS: Final = 5
"""How far calls that go on after a refusal can push a REST counter above its maximum."""


class Tier(enum.Enum):
    """Verification level of an account; ``none`` knows no limits."""

    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"
    NONE = "none"


class TierLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Rates are in hundredths of a point per second, which is units per nanosecond."""

    rest_max: int
    rest_decay_centi: int
    engine_max: int
    engine_decay_centi: int
    open_orders_per_pair: int


LIMITS: Final[dict[Tier, TierLimits | None]] = {
    Tier.STARTER: TierLimits(
        rest_max=15,
        rest_decay_centi=33,
        engine_max=60,
        engine_decay_centi=100,
        open_orders_per_pair=60,
    ),
    Tier.INTERMEDIATE: TierLimits(
        rest_max=20,
        rest_decay_centi=50,
        engine_max=125,
        engine_decay_centi=234,
        open_orders_per_pair=80,
    ),
    Tier.PRO: TierLimits(
        rest_max=20,
        rest_decay_centi=100,
        engine_max=180,
        engine_decay_centi=375,
        open_orders_per_pair=225,
    ),
    Tier.NONE: None,
}

Points: TypeAlias = int | Decimal
"""Whole ones, or halves of a batch."""
ADD_POINTS: Final = 1
EDIT_POINTS: Final = 1
EDIT_PENALTY: Final = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))
AMEND_POINTS: Final = 1
AMEND_PENALTY: Final = ((5, 3), (10, 2), (15, 1))
CANCEL_PENALTY: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))


def penalty(table: tuple[tuple[int, int], ...], age_ns: int) -> int:
    """Extra points for touching an order of that age (since its creation or last amend)."""
    for age_s, points in table:
        if age_ns < age_s * NS_PER_SECOND:
            return points
    return 0


class Counter:
    """Drains by ``decay_centi`` hundredths of a point each second, never below nothing."""

    __slots__ = ("_at_ns", "_units")

    def __init__(self) -> None:
        self._units = 0
        self._at_ns = 0

    def __repr__(self) -> str:
        return f"<Counter {self._units / UNITS_PER_POINT:.2f} at {self._at_ns}>"

    def value(self, decay_centi: int, now_ns: int) -> Decimal:
        """Points now."""
        self._drain(decay_centi, now_ns)
        return Decimal(self._units) / UNITS_PER_POINT

    def admits(self, points: Points, maximum: int, decay_centi: int, now_ns: int) -> bool:
        """Whether that many more stay within the maximum."""
        self._drain(decay_centi, now_ns)
        return self._units + int(points * UNITS_PER_POINT) <= maximum * UNITS_PER_POINT

    def charge(self, points: Points, ceiling: int | None = None) -> None:
        """Add points, up to the ceiling if there is one. Drain first (:meth:`admits` does)."""
        self._units += int(points * UNITS_PER_POINT)
        if ceiling is not None:
            self._units = min(self._units, ceiling * UNITS_PER_POINT)

    def fill(self, maximum: int) -> None:
        """Raise it to the maximum, if it is lower. Drain first (:meth:`value` does)."""
        self._units = max(self._units, maximum * UNITS_PER_POINT)

    def _drain(self, decay_centi: int, now_ns: int) -> None:
        gone = (now_ns - self._at_ns) * decay_centi
        self._units = max(0, self._units - gone)
        self._at_ns = now_ns


class UnderWay:
    """Calls that have begun and not ended, each taking the same time."""

    __slots__ = ("_ends_ns",)

    def __init__(self) -> None:
        self._ends_ns: deque[int] = deque()

    def __repr__(self) -> str:
        return f"<UnderWay {len(self._ends_ns)}>"

    def begin(self, maximum: int, length_ns: int, now_ns: int) -> int | None:
        """Begin one more; if there are too many, when the first of them ends."""
        ends_ns = self._ends_ns
        while ends_ns and ends_ns[0] <= now_ns:
            ends_ns.popleft()
        if maximum and len(ends_ns) >= maximum:
            return ends_ns[0]
        ends_ns.append(now_ns + length_ns)
        return None


def admit_rest_call(counter: Counter, limits: TierLimits | None, cost: int, now_ns: int) -> bool:
    """Charge one REST call; a refused one is charged too, which prolongs the refusal."""
    if limits is None or cost == 0:
        return True
    admitted = counter.admits(cost, limits.rest_max, limits.rest_decay_centi, now_ns)
    counter.charge(cost, ceiling=limits.rest_max + OVERDRAFT_POINTS)
    return admitted


def admit_engine_call(
    counter: Counter, limits: TierLimits | None, points: Points, now_ns: int
) -> bool:
    """Charge one engine call if it fits below the threshold."""
    if limits is None:
        return True
    if not counter.admits(points, limits.engine_max, limits.engine_decay_centi, now_ns):
        return False
    counter.charge(points)
    return True


def charge_engine(counter: Counter, limits: TierLimits | None, points: int, now_ns: int) -> None:
    """Charge an engine call that is never refused (cancelling many)."""
    if limits is not None:
        counter.value(limits.engine_decay_centi, now_ns)
        counter.charge(points)
