"""Where the bars of a ledger are: one folder for each ledger, never one for two.

What a simulated market told one run is the future of another that begins at the same instant, so
two databases in one folder must not share their bars. The database named as the manual names it
has ``market_data.ohlc_store.root_dir`` itself; any other has a folder with its own name in front;
a replay's is always beside its database. Only an absolute folder that a person chose is shared.
Which it was is kept with the books, so that reading verbs need no configuration to find it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from krakked.ports.ledger import Books, Transaction

USUAL_DATABASE: Final = "portfolio.db"
USUAL_FOLDER: Final = "bars"
BARS_CURSOR: Final = "bars_folder"
"""Kept among the cursors: relative to the database's folder where it is below it."""


def folder_of_bars(root: Path, database: Path, *, is_replay: bool = False) -> Path:
    """Of the ledger ``database``, as ``root`` (the setting) wants it."""
    if is_replay:
        return _named(database.parent / USUAL_FOLDER, database)
    if root.is_absolute():
        return root
    folder = database.parent / root
    return folder if database.name == USUAL_DATABASE else _named(folder, database)


def _named(folder: Path, database: Path) -> Path:
    """``other.db`` and ``bars`` are ``other.bars``."""
    return folder.with_name(f"{database.stem}.{folder.name}")


def books_with_folder(tx: Transaction, bars: Path, database: Path) -> Books:
    """Read the books, and keep with them where their bars are."""
    books = tx.books()
    folder, home = bars.absolute(), database.parent.absolute()
    kept = folder.relative_to(home) if folder.is_relative_to(home) else folder
    if books.cursors.get(BARS_CURSOR) != str(kept):
        tx.set_cursor(BARS_CURSOR, str(kept))
    return books


def kept_folder(cursor: str | None, database: Path) -> Path:
    """What the books say; where they say nothing yet, where it is usual."""
    if cursor is None:
        return folder_of_bars(Path(USUAL_FOLDER), database)
    return database.parent / cursor
