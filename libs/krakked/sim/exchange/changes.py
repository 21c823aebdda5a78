"""Which rows of the exchange's state changed since someone last asked, so that a service can store
them one by one instead of all of them at once.

Nothing is recorded before the first question, which is answered with everything: a run that
persists nothing pays nothing.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

RowKind: TypeAlias = Literal["meta", "account", "key", "balance", "order", "trade", "ledger"]
RowKey: TypeAlias = tuple[RowKind, str]


class Changes:
    """The names of changed rows, in the order in which they first changed."""

    def __init__(self) -> None:
        self._listening = False
        self._keys: dict[RowKey, None] = {}

    def __repr__(self) -> str:
        return f"<Changes {len(self._keys) if self._listening else 'nobody asks'}>"

    @property
    def listening(self) -> bool:
        """Whether anyone asked before."""
        return self._listening

    def note(self, kind: RowKind, row_id: str) -> None:
        """That row is new or different."""
        if self._listening:
            self._keys[kind, row_id] = None

    def take(self) -> list[RowKey]:
        """Everything noted since the last call, and listen from now on."""
        self._listening = True
        keys = list(self._keys)
        self._keys.clear()
        return keys
