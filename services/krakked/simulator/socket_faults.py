"""Frames that something happens to on their way out of one connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

from krakked.sim.fault_kinds import FaultKind, Strikes, of_place
from krakked.simulator import acts
from krakked.simulator.faults import Armed, Faults, Told

_CHANNEL: Final = re.compile(rb'\{"channel":"(\w+)"')
_CHECKSUM: Final = re.compile(rb'"checksum":(\d+)')
_MEBIBYTE: Final = 1024 * 1024


class Struck(Protocol):
    """The connection, as far as a fault needs it."""

    def break_off(self) -> None:
        """Close without a word, once all before it is written."""
        ...

    def deafen(self) -> None:
        """Neither hear nor speak any more."""
        ...

    def stall(self, until_ns: int) -> None:
        """Say nothing before that instant."""
        ...

    def now_ns(self) -> int:
        """The instant it is."""
        ...


Twist: TypeAlias = Callable[["FrameFaults", Armed, bytes], list[bytes]]


class FrameFaults:
    """What becomes of the frames of one connection."""

    def __init__(self, faults: Faults, connection: Struck) -> None:
        self._faults = faults
        self._connection = connection
        self._held: list[bytes] = []
        """Waits for the frame that it comes after."""

    def __repr__(self) -> str:
        return f"<FrameFaults {len(self._held)} held back>"

    def through(self, frame: bytes) -> list[bytes]:
        """What is sent in place of a frame."""
        if self._faults.is_quiet and not self._held:
            return [frame]
        held, self._held = self._held, []
        return [*self._struck(frame), *held]

    def _struck(self, frame: bytes) -> list[bytes]:
        found = _CHANNEL.match(frame)
        if found is None:
            return [frame]
        told = Told(found.group(1).decode(), frame)
        for kind in of_place(Strikes.FRAME):
            fault = self._faults.draw(kind, told)
            if fault is not None:
                return _TWISTS[kind](self, fault, frame)
        return [frame]

    def drop(self, _fault: Armed, _frame: bytes) -> list[bytes]:
        """The connection closes in its place."""
        self._connection.break_off()
        return []

    def deafen(self, _fault: Armed, _frame: bytes) -> list[bytes]:
        """Nothing from here on."""
        self._connection.deafen()
        return []

    def stall(self, fault: Armed, frame: bytes) -> list[bytes]:
        """It and the following come later."""
        self._connection.stall(self._connection.now_ns() + acts.seconds_ns(fault))
        return [frame]

    def hold(self, _fault: Armed, frame: bytes) -> list[bytes]:
        """It comes after the next one."""
        self._held.append(frame)
        return []


def _wrong_checksum(_line: FrameFaults, _fault: Armed, frame: bytes) -> list[bytes]:
    return [_CHECKSUM.sub(lambda found: b'"checksum":%d' % (int(found.group(1)) ^ 1), frame)]


def _oversized(_line: FrameFaults, fault: Armed, frame: bytes) -> list[bytes]:
    padding = b"x" * (int(fault.given("mebibytes")) * _MEBIBYTE)
    return [frame[:-1] + b',"padding":"' + padding + b'"}']


_TWISTS: Final[Mapping[FaultKind, Twist]] = {
    FaultKind.WS_DROP: FrameFaults.drop,
    FaultKind.WS_HALF_OPEN: FrameFaults.deafen,
    FaultKind.WS_STALL: FrameFaults.stall,
    FaultKind.SEQUENCE_GAP: lambda _line, _fault, _frame: [],
    FaultKind.DUPLICATE: lambda _line, _fault, frame: [frame, frame],
    FaultKind.REORDER: FrameFaults.hold,
    FaultKind.WRONG_CHECKSUM: _wrong_checksum,
    FaultKind.MALFORMED_FRAME: lambda _line, _fault, frame: [frame[: len(frame) // 2]],
    FaultKind.OVERSIZED_FRAME: _oversized,
}
