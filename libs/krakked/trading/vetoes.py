"""Why an order is held back right before the wire: a reason to count by, and words for people.

Reasons are few and closed, for they are a label of ``krakked_submit_guard_rejections_total``; words
may name orders, epochs and offsets, and go into the journal.
"""

from __future__ import annotations

import enum

import msgspec


class VetoReason(enum.Enum):
    """By which safeguard."""

    LEASE_EXPIRED = "lease_expired"
    """Nobody can say any more whether the account is ours: authority ran out, or is frozen."""
    NOT_OWNER = "not_owner"
    """Not leading yet, or no longer."""
    FENCED = "fenced"
    """By the venue, which saw a newer owner, or by a person."""
    STOPPING = "stopping"
    STARTING = "starting"
    VENUE_STATUS = "venue_status"
    CLOCK = "clock"
    PLAN_EXPIRED = "plan_expired"
    KILL_SWITCH = "kill_switch"
    HALTED = "halted"
    UNKNOWN_ORDER = "unknown_order"
    """The pair has an order of which nobody knows what became."""
    UNACKNOWLEDGED = "unacknowledged"
    """The ledger was behind the account, and no person has looked yet."""
    DEAD_MAN = "dead_man"


class Veto(msgspec.Struct, frozen=True):
    """One order that is not sent."""

    reason: VetoReason
    words: str
