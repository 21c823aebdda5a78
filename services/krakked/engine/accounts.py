"""Whose account the keys open: one database, one account, whatever the configuration calls it.

The venue tells a mark of the account with each key. It is kept with the books when they first meet,
so that keys of another account are refused by name before their balances look like drift. A new key
of the same account is a rotation (``docs/how-to/changing-the-keys.md``). Where the venue tells no
mark, a new key can only be said, not judged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from krakked.domain.errors import BadInput
from krakked.ports.ledger import Transaction

ACCOUNT_CURSOR: Final = "venue_account"
KEY_CURSOR: Final = "trade_key"
CANNOT_JUDGE: Final = (
    "the trade key is a new one, and the venue does not tell whose account it opens; stop at once "
    "if it is not the account of these books"
)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a start sees of the account."""

    account: str
    """The venue's mark of it; empty if it tells none."""
    key: str
    """Stands for the trade key."""


def meet_account(tx: Transaction, seen: Seen, database: Path) -> str | None:
    """Keep with the books whose they are; a word of caution if one is due.

    Books that hold nothing yet are nobody's: keys may be exchanged until something is booked.

    Raises:
        BadInput: the books in ``database`` are another account's.
    """
    books = tx.books()
    known = {} if books.is_empty else books.cursors
    before = known.get(ACCOUNT_CURSOR, "")
    if before and seen.account and before != seen.account:
        raise BadInput(
            f"the API keys open another account at the venue than the one that the books in "
            f"{database} belong to: give the keys of that account, or another --db-path"
        )
    is_new_key = known.get(KEY_CURSOR, seen.key) != seen.key
    for name, value in ((ACCOUNT_CURSOR, seen.account), (KEY_CURSOR, seen.key)):
        if value and books.cursors.get(name) != value:
            tx.set_cursor(name, value)
    return CANNOT_JUDGE if is_new_key and not (before and seen.account) else None
