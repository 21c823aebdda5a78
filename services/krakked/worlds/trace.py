"""What a world tells when it is asked to: one line for each thing that happened, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from krakked.worlds.branches import MARK, gone

FATE: Final = "fate"
Say: TypeAlias = Callable[[str], None]


class Trace:
    """Lines with the world's time; kept, and said if somebody listens."""

    def __init__(self, elapsed_us: Callable[[], int], say: Say | None = None) -> None:
        self._elapsed_us = elapsed_us
        self._say = say
        self.marks: dict[str, int] = {}
        """How often each thing has happened, by name."""

    def tell(self, who: str, what: str, /, **fields: object) -> None:
        """One thing. What fate orders is no mark: it may find nothing to do it to."""
        marks = () if who == FATE else (what, *(MARK + name for name in gone(what, fields)))
        for mark in marks:
            self.marks[mark] = self.marks.get(mark, 0) + 1
        if self._say is not None:
            words = " ".join(f"{name}={value}" for name, value in fields.items())
            seconds = self._elapsed_us() / 1_000_000
            self._say(f"{seconds:10.6f} {who:<8} {what} {words}".rstrip())
