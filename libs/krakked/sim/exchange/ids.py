"""Ids of orders, trades, ledger rows, amends and tokens: from a counter and the seed, nothing else.

Two runs with one seed make the same ids in the same order, whatever the time or the hash seed.
They look like the venue's: ``OXXXXX-XXXXX-XXXXXX``, with the first letter telling the kind.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

IdKind: TypeAlias = Literal["order", "trade", "ledger", "amend", "funding", "token"]
_FIRST_LETTER: Final[dict[IdKind, str]] = {
    "order": "O",
    "trade": "T",
    "ledger": "L",
    "amend": "T",
    "funding": "Q",
    "token": "",
}


class IdSource:
    """One counter per kind; the counters are state that a restart must restore."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._last: dict[str, int] = dict.fromkeys(_FIRST_LETTER, 0)

    def __repr__(self) -> str:
        return f"<IdSource seed={self._seed} {self._last}>"

    def next(self, kind: IdKind) -> str:
        """The next id of that kind."""
        text = self._draw(kind, 10)
        return f"{_FIRST_LETTER[kind]}{text[:5]}-{text[5:10]}-{text[10:16]}"

    def token(self) -> str:
        """A long text that opens a private session."""
        return self._draw("token", 25)

    def count(self, kind: IdKind) -> int:
        """How many of that kind were made: the number of the newest one."""
        return self._last[kind]

    def counters(self) -> dict[str, int]:
        """How many of each kind were made."""
        return dict(self._last)

    def resume(self, counters: Mapping[str, int]) -> None:
        """Go on after that many; never backwards."""
        for kind, last in counters.items():
            self._last[kind] = max(self._last[kind], last)

    def _draw(self, kind: IdKind, size: int) -> str:
        self._last[kind] += 1
        text = f"{self._seed}|{kind}|{self._last[kind]}"
        digest = hashlib.blake2b(text.encode(), digest_size=size).digest()
        return base64.b32encode(digest).decode()
