"""One epoch of ownership, as the ledger keeps it.

An epoch is *restored* when the ledger is older than what has been done on the account: it was lost,
or another engine traded meanwhile. Its books catch up from the venue, and nothing that adds risk is
done before a person has said that he knows. What was not acknowledged stays so in later epochs.
"""

from __future__ import annotations

import msgspec


class Leadership(msgspec.Struct, frozen=True, kw_only=True):
    """Who owned the account when, and how it came to it."""

    epoch: int
    holder: str
    acquired_at_ns: int
    is_unclean: bool
    """Nobody could say what the owner before had under way."""
    is_restored: bool
    """The ledger was behind."""
    acknowledged_at_ns: int | None = None
    acknowledged_by: str | None = None

    @property
    def needs_acknowledgement(self) -> bool:
        """Whether a person must look before anything adds risk."""
        return self.is_restored and self.acknowledged_at_ns is None
