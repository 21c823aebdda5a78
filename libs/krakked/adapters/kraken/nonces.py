"""Nonces: the venue accepts a call only with a number above all it has seen on that key.

    nonce = (200,000 + epoch) · 10^13 + max(last + 1, unix milliseconds)

The epoch of ownership is the leading digits, so that the venue itself refuses an older owner,
whatever the clocks say; the base of 200,000 lies above nanosecond nonces that other programs may
have used on the key; the rest grows with the clock and by one within a millisecond. Counters are
per key: one process, one key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from krakked.ports.clock import Clock

EPOCH_BASE: Final = 200_000
TICKS_PER_EPOCH: Final = 10**13
_NONCE_MAX: Final = 2**63 - 1
_NS_PER_MS: Final = 1_000_000


def nonce_of(epoch: int, tick: int) -> int:
    """The number on the wire for the ``tick``-th instant of ``epoch``."""
    assert epoch >= 0, f"epoch {epoch} is negative"
    assert 0 < tick < TICKS_PER_EPOCH, f"tick {tick} would run into the next epoch"
    nonce = (EPOCH_BASE + epoch) * TICKS_PER_EPOCH + tick
    assert nonce <= _NONCE_MAX, f"epoch {epoch} is beyond what 63 bits hold"
    return nonce


def epoch_of(nonce: int) -> int:
    """The epoch that a nonce of ours carries."""
    return nonce // TICKS_PER_EPOCH - EPOCH_BASE


class Nonces:
    """The nonces of this process, by API key.

    ``last`` holds ticks (the part below the epoch) of an earlier run, ``on_advance(key, tick)``
    hears of each new one before it is used.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        epoch: int = 0,
        last: Mapping[str, int] | None = None,
        on_advance: Callable[[str, int], None] | None = None,
    ) -> None:
        self._clock = clock
        self._epoch = epoch
        self._last = dict(last or {})
        self._on_advance = on_advance

    def __repr__(self) -> str:
        return f"<Nonces epoch={self._epoch} keys={len(self._last)}>"

    @property
    def epoch(self) -> int:
        """The epoch that the next nonce carries."""
        return self._epoch

    def enter_epoch(self, epoch: int) -> None:
        """Carry a later epoch from now on."""
        assert epoch >= self._epoch, f"epoch {epoch} is before {self._epoch}"
        self._epoch = epoch

    def next(self, key: str) -> int:
        """A number above every one given for ``key`` before."""
        tick = max(self._last.get(key, 0) + 1, self._clock.now_ns() // _NS_PER_MS)
        self._last[key] = tick
        if self._on_advance is not None:
            self._on_advance(key, tick)
        return nonce_of(self._epoch, tick)
