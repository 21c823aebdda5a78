"""The venue's refusals, in its own words.

Everything below :mod:`rest` raises :class:`VenueError`; the envelope carries its text. A refusal
leaves no trace but the counters it charged.
"""

from __future__ import annotations

from typing import Final

UNKNOWN_METHOD: Final = "EGeneral:Unknown method"
PERMISSION_DENIED: Final = "EGeneral:Permission denied"
LOCKOUT: Final = "EGeneral:Temporary lockout"
INVALID_KEY: Final = "EAPI:Invalid key"
INVALID_SIGNATURE: Final = "EAPI:Invalid signature"
INVALID_NONCE: Final = "EAPI:Invalid nonce"
TOO_MANY_REQUESTS: Final = "EGeneral:Too many requests"
REST_RATE: Final = "EAPI:Rate limit exceeded"
UNAVAILABLE: Final = "EService:Unavailable"
DEADLINE: Final = "EService:Deadline elapsed"
UNKNOWN_PAIR: Final = "EQuery:Unknown asset pair"
UNKNOWN_ASSET: Final = "EQuery:Unknown asset"
ENGINE_RATE: Final = "EOrder:Rate limit exceeded"
ORDERS_LIMIT: Final = "EOrder:Orders limit exceeded"
INSUFFICIENT_FUNDS: Final = "EOrder:Insufficient funds"
ORDER_MINIMUM: Final = "EOrder:Order minimum not met"
ORDER_MINIMUM_ARGUMENTS: Final = "EGeneral:Invalid arguments:volume minimum not met"
COST_MINIMUM: Final = "EOrder:Cost minimum not met"
INVALID_PRICE: Final = "EOrder:Invalid price"
INVALID_ORDER: Final = "EOrder:Invalid order"
UNKNOWN_POSITION: Final = "EOrder:Unknown position"
INDEX_UNAVAILABLE: Final = "EGeneral:Invalid arguments:Index unavailable"
TICK_SIZE: Final = "EOrder:Tick size check failed"
UNKNOWN_ORDER: Final = "EOrder:Unknown order"
POST_ONLY: Final = "EOrder:Post only order"
INVALID_SESSION: Final = "ESession:Invalid session"
CLIENT_ID_TAKEN: Final = "EGeneral:Invalid arguments:cl_ord_id not unique"


class VenueError(Exception):
    """The request is refused with this text."""


def invalid(field: str) -> VenueError:
    """A malformed or missing argument, named."""
    return VenueError(f"EGeneral:Invalid arguments:{field}")


def throttled(until_s: int) -> VenueError:
    """Too many requests at a time; after that unix second there is room."""
    return VenueError(f"EService: Throttled: {until_s}")


def market_mode(mode: str) -> VenueError:
    """The market is in a mode that forbids this."""
    return VenueError(f"EService:Market in {mode} mode")
