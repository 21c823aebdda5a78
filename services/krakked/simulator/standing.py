"""What a person or a fault has set the venue and its pairs to, and when that ends by itself.

Kept beside the exchange's own rows, so that maintenance and closed pairs outlive the process: a
row for the system and one for each pair that is not simply online. What a followed source has set
is not here: it is heard anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from krakked.sim.exchange.core import SystemStatus

StoredRow: TypeAlias = tuple[str, str, dict[str, object]]
KIND: Final = "status"
SYSTEM: Final = "system"
"""The name of the row that is no pair's."""


class Standing(msgspec.Struct, frozen=True):
    """One status."""

    status: str
    until_ns: int | None = None
    """When it ends by itself."""


class Standings:
    """See the module."""

    def __init__(self) -> None:
        self._rows: dict[str, Standing] = {}
        self._changed: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Standings {self._rows}>"

    def set(self, name: str, status: str, until_ns: int | None) -> None:
        """The system, or a pair, has another status."""
        self._rows[name] = Standing(status, until_ns)
        self._changed[name] = None

    def ends(self, name: str, at_ns: int) -> bool:
        """Whether it is over then; something else may have been set meanwhile."""
        return name in self._rows and self._rows[name].until_ns == at_ns

    def changes(self) -> list[tuple[str, str, dict[str, object] | None]]:
        """Rows since the last call; None where nothing is to be remembered any more."""
        names, self._changed = list(self._changed), {}
        return [(KIND, name, self._row(name)) for name in names]

    def _row(self, name: str) -> dict[str, object] | None:
        row = self._rows[name]
        is_usual = row.status == SystemStatus.ONLINE.value and row.until_ns is None
        return None if is_usual else msgspec.structs.asdict(row)


def stored(rows: Iterable[StoredRow]) -> dict[str, Standing]:
    """Those among the rows of a file.

    Raises:
        msgspec.ValidationError: a row that no simulator has written.
    """
    return {name: msgspec.convert(row, Standing) for kind, name, row in rows if kind == KIND}
