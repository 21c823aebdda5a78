"""The kill switch: stops what adds risk, never what reduces it; sticky until a person clears it."""

from __future__ import annotations

import enum

import msgspec

STAYS_ON = (
    "the kill switch stays on, and nothing that adds risk is sent until "
    '`krakked kill-switch off --reason "..."`'
)
"""What a person must hear who goes on after a halt."""


class KillSwitchCause(enum.Enum):
    """What tripped it."""

    MANUAL = "manual"
    DAILY_DRAWDOWN = "daily_drawdown"
    DRIFT = "drift"
    INCONSISTENCY = "inconsistency"


class KillSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """Its state."""

    active: bool = False
    cause: KillSwitchCause | None = None
    reason: str = ""
    principal: str = ""
    changed_at_ns: int = 0
