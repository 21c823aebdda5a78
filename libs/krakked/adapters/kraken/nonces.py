"""Nonces: the venue accepts a call only with a number above all it has seen on that key.

    nonce = (200,000 + epoch) · 10^13 + max(last + 1, unix milliseconds)

The epoch of ownership is the leading digits, so that the venue itself refuses an older owner,
whatever the clocks say; the base of 200,000 lies above nanosecond nonces that other programs may
have used on the key; the rest grows with the clock and by one within a millisecond. Counters are
per key: one process, one key.

A process that starts again, on a clock that may have stepped back, must go on above what its
predecessor sent. So ticks are reserved ahead in blocks: the end of a block is durable before the
first number of it is used, and the next process begins behind it. What is kept names a key by its
fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from krakked.ports.clock import Clock

EPOCH_BASE: Final = 200_000
TICKS_PER_EPOCH: Final = 10**13
_NONCE_MAX: Final = 2**63 - 1
EPOCH_MAX: Final = 500_000
"""No epoch that a person asks for may lie higher: what is left of the 63 bits is for later ones."""
_NS_PER_MS: Final = 1_000_000
BLOCK_TICKS: Final = 60_000
"""A minute of milliseconds: one write a minute for each key, and no more lost by a crash."""
_FINGERPRINT_LENGTH: Final = 16

Reserve: TypeAlias = Callable[[str, int], Awaitable[None]]
"""Returns when it is durable that ticks of a key, named by its fingerprint, may reach so far."""


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


def fingerprint(key: str) -> str:
    """Stands for an API key where the key itself has no business."""
    return hashlib.sha256(key.encode()).hexdigest()[:_FINGERPRINT_LENGTH]


class Nonces:
    """The nonces of this process, by API key."""

    def __init__(
        self,
        clock: Clock,
        *,
        epoch: int = 0,
        floors: Mapping[str, int] | None = None,
        reserve: Reserve | None = None,
        block: int = BLOCK_TICKS,
    ) -> None:
        """Begin above ``floors``.

        Args:
            clock: its milliseconds are the ticks, as long as it is ahead of them.
            epoch: of ownership.
            floors: by fingerprint, how far the ticks of earlier processes may have come.
            reserve: makes a new floor durable; without it nothing outlives the process.
            block: how many ticks are reserved at once.
        """
        assert block > 0, f"a block of {block} ticks"
        self._clock = clock
        self._epoch = epoch
        self._last = dict(floors or {})
        self._reserve = reserve
        self._reserved = dict(self._last)
        self._block = block

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

    async def prepare(self, key: str) -> None:
        """See to it that the next number of ``key`` is reserved; one caller a key at a time."""
        name = fingerprint(key)
        tick = self._tick(name)
        if self._reserve is None or tick <= self._reserved.get(name, 0):
            return
        until = tick + self._block
        await self._reserve(name, until)
        self._reserved[name] = until

    def next(self, key: str) -> int:
        """A number above every one given for ``key`` before."""
        name = fingerprint(key)
        tick = self._tick(name)
        if self._reserve is not None:
            # The clock may have jumped since the block was reserved; growing is all that counts.
            tick = min(tick, self._reserved.get(name, 0))
            assert tick > self._last.get(name, 0), "a nonce was taken that is not reserved"
        self._last[name] = tick
        return nonce_of(self._epoch, tick)

    def _tick(self, name: str) -> int:
        return max(self._last.get(name, 0) + 1, self._clock.now_ns() // _NS_PER_MS)
