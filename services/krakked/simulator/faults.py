"""Faults on purpose: once, when armed by a person or a test, or with a probability from a seed.

What is drawn depends on the order of requests alone, so that a run in lock step meets the same
faults every time.

    request-lost      the connection closes before the request is handled
    answer-lost       it is handled, and the connection closes without an answer
    5xx               a gateway answers 502, nothing is handled
    5xx-after         it is handled, and a gateway answers 502
    ws-drop           the connection closes in place of a message
    late-visibility   queries do not find a new order for some seconds
"""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec


class FaultKind(enum.Enum):
    """See the module."""

    REQUEST_LOST = "request-lost"
    ANSWER_LOST = "answer-lost"
    SERVER_ERROR = "5xx"
    SERVER_ERROR_AFTER = "5xx-after"
    WS_DROP = "ws-drop"
    LATE_VISIBILITY = "late-visibility"


OF_REQUESTS: Final = (
    FaultKind.REQUEST_LOST,
    FaultKind.ANSWER_LOST,
    FaultKind.SERVER_ERROR,
    FaultKind.SERVER_ERROR_AFTER,
)
DEFAULT_LATE_S: Final = 5


class Armed(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that happens to the next matching requests, or messages."""

    kind: FaultKind
    method: str | None = None
    """``AddOrder``; None: any private one."""
    count: int = 1
    seconds: int = DEFAULT_LATE_S
    """Of late visibility."""


class Faults:
    """What goes wrong next."""

    def __init__(self, probabilities: Mapping[FaultKind, Decimal], seed: int) -> None:
        self._random = random.Random(f"faults {seed}")  # noqa: S311 - chance of a simulation
        self.probabilities = dict(probabilities)
        self.armed: list[Armed] = []
        self.happened: dict[FaultKind, int] = {}

    def __repr__(self) -> str:
        return f"<Faults {self.probabilities} armed {self.armed} happened {self.happened}>"

    def arm(self, fault: Armed) -> None:
        """Let it happen to the next matching ones."""
        self.armed.append(fault)

    def reseed(self, seed: int) -> None:
        """Start drawing anew."""
        self._random = random.Random(f"faults {seed}")  # noqa: S311 - chance of a simulation

    def of_request(self, method: str) -> FaultKind | None:
        """What happens to this request, if anything."""
        for kind in OF_REQUESTS:
            if self._draw(kind, method) is not None:
                return kind
        return None

    def of_message(self) -> bool:
        """Whether the connection drops in place of the message."""
        return self._draw(FaultKind.WS_DROP, None) is not None

    def of_new_order(self) -> int | None:
        """For how many seconds the order is not found, if it is late."""
        found = self._draw(FaultKind.LATE_VISIBILITY, "AddOrder")
        return None if found is None else found.seconds

    def _draw(self, kind: FaultKind, method: str | None) -> Armed | None:
        found = self._take(kind, method)
        if found is None and self._strikes(kind):
            found = Armed(kind=kind)
        if found is not None:
            self.happened[kind] = self.happened.get(kind, 0) + 1
        return found

    def _take(self, kind: FaultKind, method: str | None) -> Armed | None:
        for index, fault in enumerate(self.armed):
            if fault.kind is kind and fault.method in (None, method):
                if fault.count > 1:
                    self.armed[index] = msgspec.structs.replace(fault, count=fault.count - 1)
                else:
                    del self.armed[index]
                return fault
        return None

    def _strikes(self, kind: FaultKind) -> bool:
        probability = self.probabilities.get(kind)
        return bool(probability) and self._random.random() < float(probability or 0)
