"""The timing contract of ownership: the durations that must fit each other, and their check.

    D  lease_duration_s      in the record; how long a candidate waits    (integer, 5 at least)
    R  renew_deadline_s      authority after the sending of the last good renewal
    P  retry_period_s        from renewal to renewal, from look to look
    τ  request_timeout_s     one call to the lease
    δ  order_deadline_s      after so long the venue itself refuses an order
    ε  clock_offset_max_s    furthest the venue's clock may be from ours
    Q  quarantine_s          a new owner after an unclean takeover sends nothing
    C  dead_man_timeout_s    the venue cancels everything after so long without a sign of us
    r  dead_man_refresh_s    how often it gets one
    B  start_budget_s        start and reconciliation of a new owner

Safety, ``R + δ + ε < D``: the last order that an old owner may send is dead at the venue before
any candidate's wait ends. Liveness, ``D + P + B + Q < C − r``: an unclean failover ends before the
dead-man switch fires, so resting orders survive a crash.

Where the lease is a file behind a lock of the kernel, nobody waits for D: a lock is free when its
owner is dead, and is never taken from one that lives. There the last order of an owner that died
is waited out by ``Q ≥ δ + ε`` alone, and a restart must fit ``P + B + Q < C − r``.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Final

import msgspec

from krakked.domain.times import NS_PER_SECOND

_SETTINGS: Final = {
    "D": "leader.lease_duration_seconds",
    "R": "leader.renew_deadline_seconds",
    "P": "leader.retry_period_seconds",
    "τ": "leader.request_timeout_seconds",
    "m": "leader.margin_seconds",
    "δ": "execution.deadline_seconds",
    "ε": "leader.clock_offset_max_seconds",
    "Q": "leader.quarantine_seconds",
    "C": "execution.dead_man_switch_seconds",
    "r": "execution.dead_man_refresh_seconds",
    "B": "leader.start_budget_seconds",
}
"""Symbols of the contract, by the settings that a person changes."""
_RENEWALS_MIN_FACTOR: Final = Decimal("1.2")
_DURATION_MIN_S: Final = 5
_CALLS_IN_DEADLINE: Final = 3
_REFRESHES_IN_TIMEOUT: Final = 4
_RESTART: Final = ("P", "B", "Q")
"""From a look at the lease to the first order of who takes it after an unclean end."""
_WATCHDOG_SHARE: Final = 2
"""The watchdog bites after one part in so many of what lies between R and D."""


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """The contract; see the module for the symbols."""

    lease_duration_s: int = 15
    renew_deadline_s: float = 10
    retry_period_s: float = 2
    request_timeout_s: float = 3
    margin_s: float = 1
    """Before the end of authority nothing is written to a socket any more."""
    order_deadline_s: float = 3
    clock_offset_max_s: float = 1
    quarantine_s: float = 5
    dead_man_timeout_s: float | None = 60
    """None: there is no dead-man switch, hence nothing that a failover must be quicker than."""
    dead_man_refresh_s: float = 15
    start_budget_s: float = 15
    release_s: float = 10
    """How long a stopping owner tries to release its lease."""

    @property
    def renew_deadline_ns(self) -> int:
        """R."""
        return _ns(self.renew_deadline_s)

    @property
    def retry_period_ns(self) -> int:
        """P."""
        return _ns(self.retry_period_s)

    @property
    def margin_ns(self) -> int:
        """How long before its end authority counts as over."""
        return _ns(self.margin_s)

    @property
    def quarantine_ns(self) -> int:
        """Q."""
        return _ns(self.quarantine_s)

    @property
    def release_ns(self) -> int:
        """How long a release is tried."""
        return _ns(self.release_s)

    @property
    def watchdog_ns(self) -> int:
        """From the sending of a good renewal to the end of a hung process: ``R + ½(D − R)``."""
        duration_ns = self.lease_duration_s * NS_PER_SECOND
        return self.renew_deadline_ns + (duration_ns - self.renew_deadline_ns) // _WATCHDOG_SHARE

    def failover_ns(self) -> int:
        """``D + P + B + Q``: longest that an account is without an owner that trades."""
        parts_s = (self.retry_period_s, self.start_budget_s, self.quarantine_s)
        return self.lease_duration_s * NS_PER_SECOND + sum(map(_ns, parts_s))

    def problems(self) -> tuple[str, ...]:
        """Every broken rule with its numbers and what to change; none: the contract holds."""
        return tuple(self._problems())

    def problems_of_a_lock(self) -> tuple[str, ...]:
        """Those alone that matter where nobody can take a lease from a living owner."""
        return tuple(self._problems(is_waited_out=False))

    def _problems(self, *, is_waited_out: bool = True) -> Iterator[str]:
        yield from self._problems_of_signs()
        yield from self._problems_of_safety()
        if is_waited_out:
            yield from self._problems_of_waiting()
        yield from self._problems_of_calls()
        yield from self._problems_of_liveness(("D", *_RESTART) if is_waited_out else _RESTART)

    def _problems_of_signs(self) -> Iterator[str]:
        for symbol, value in self._values().items():
            if value < 0 or (value == 0 and symbol not in ("ε", "Q", "B", "m")):
                yield f"{symbol} must be above 0: {value} is not; raise {_SETTINGS[symbol]}"

    def _problems_of_waiting(self) -> Iterator[str]:
        v = self._values()
        if v["D"] < _DURATION_MIN_S:
            yield f"D ≥ {_DURATION_MIN_S}: {v['D']} is below it; raise {_SETTINGS['D']}"
        whole = _shown(v["R"] + v["δ"] + v["ε"])
        if whole >= v["D"]:
            yield (
                f"R + δ + ε < D: {v['R']} + {v['δ']} + {v['ε']} = {whole} is not below {v['D']}; "
                f"{_lower_or_raise('R', 'D')}"
            )

    def _problems_of_safety(self) -> Iterator[str]:
        v = self._values()
        if v["R"] >= v["D"]:
            yield f"R < D: {v['R']} is not below {v['D']}; {_lower_or_raise('R', 'D')}"
        if v["Q"] < v["δ"] + v["ε"]:
            yield (
                f"Q ≥ δ + ε: {v['Q']} is below {v['δ']} + {v['ε']} = {_shown(v['δ'] + v['ε'])}; "
                f"raise {_SETTINGS['Q']}"
            )

    def _problems_of_calls(self) -> Iterator[str]:
        v = self._values()
        if v["R"] <= _RENEWALS_MIN_FACTOR * v["P"]:
            yield (
                f"R > {_RENEWALS_MIN_FACTOR}·P: {v['R']} is not above {_RENEWALS_MIN_FACTOR} × "
                f"{v['P']} = {_shown(_RENEWALS_MIN_FACTOR * v['P'])}; {_lower_or_raise('P', 'R')}"
            )
        if v["P"] + v["m"] >= v["R"]:
            yield (
                f"P + margin < R: {v['P']} + {v['m']} = {_shown(v['P'] + v['m'])} is not below "
                f"{v['R']}; {_lower_or_raise('m', 'R')}"
            )
        if _CALLS_IN_DEADLINE * v["τ"] > v["R"]:
            yield (
                f"τ ≤ R/{_CALLS_IN_DEADLINE}: {v['τ']} is above {v['R']} / {_CALLS_IN_DEADLINE}; "
                f"{_lower_or_raise('τ', 'R')}"
            )

    def _problems_of_liveness(self, parts: tuple[str, ...]) -> Iterator[str]:
        v = self._values()
        if "C" not in v:
            return
        if _REFRESHES_IN_TIMEOUT * v["r"] > v["C"]:
            yield (
                f"r ≤ C/{_REFRESHES_IN_TIMEOUT}: {v['r']} is above {v['C']} / "
                f"{_REFRESHES_IN_TIMEOUT}; {_lower_or_raise('r', 'C')}"
            )
            return
        whole = _shown(sum((v[part] for part in parts), Decimal(0)))
        left = _shown(v["C"] - v["r"])
        if whole >= left:
            symbols, numbers = " + ".join(parts), " + ".join(str(v[part]) for part in parts)
            yield (
                f"{symbols} < C − r: {numbers} = {whole} is not below {v['C']} − {v['r']} = "
                f"{left}; {_lower_or_raise('B', 'C')}"
            )

    def _values(self) -> dict[str, Decimal]:
        values = {
            "D": self.lease_duration_s,
            "R": self.renew_deadline_s,
            "P": self.retry_period_s,
            "τ": self.request_timeout_s,
            "m": self.margin_s,
            "δ": self.order_deadline_s,
            "ε": self.clock_offset_max_s,
            "Q": self.quarantine_s,
            "B": self.start_budget_s,
        }
        if self.dead_man_timeout_s is not None:
            values |= {"C": self.dead_man_timeout_s, "r": self.dead_man_refresh_s}
        return {symbol: _shown(Decimal(str(value))) for symbol, value in values.items()}


DEFAULT: Final = Timings()
QUICK: Final = Timings(
    lease_duration_s=5,
    renew_deadline_s=1.5,
    retry_period_s=1,
    request_timeout_s=0.5,
    margin_s=0.2,
    order_deadline_s=3,
    clock_offset_max_s=0.4,
    quarantine_s=3.5,
    dead_man_timeout_s=24,
    dead_man_refresh_s=4,
    start_budget_s=8,
    release_s=3,
)
"""For tests with real processes: as short as both inequalities allow. The deadline is 3 s because
the venue takes none nearer than 2 s, and getting there takes its time."""


def replay(bar_s: int) -> Timings:
    """The profile of a replay in lock step, whose clock jumps from bar to bar.

    Renewals and refreshes come once a bar. Both inequalities hold but for the liveness one, which
    has no meaning where nobody waits to take over: there is no dead-man contract in it.
    """
    return Timings(
        lease_duration_s=8 * bar_s + 8,
        renew_deadline_s=4 * bar_s,
        retry_period_s=bar_s,
        request_timeout_s=bar_s,
        dead_man_timeout_s=None,
        dead_man_refresh_s=bar_s,
    )


NAMED: Final = {"default": DEFAULT, "quick": QUICK, "replay": replay(60)}
"""By the names that people use for them."""


@cache  # of few different numbers, and asked for at each look at the lease
def _ns(seconds: float) -> int:
    return int(Decimal(str(seconds)) * NS_PER_SECOND)


def _shown(value: Decimal) -> Decimal:
    """Without zeros that say nothing: ``10``, not ``10.0``."""
    short = value.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


def _lower_or_raise(down: str, up: str) -> str:
    return f"lower {_SETTINGS[down]} or raise {_SETTINGS[up]}"
