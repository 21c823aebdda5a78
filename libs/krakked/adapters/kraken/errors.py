"""What the venue's error texts mean for the caller: one table, read by the longest prefix.

``<E|W><Category>:<description>[:<extra>]``; a list may hold several, and ``W…`` is a warning, not a
failure. ``IN_DOUBT`` is the row that matters: after an order request such an answer says nothing
about whether the order lives, so it becomes ``Ambiguous``; after a read it is merely ``Transient``.
What the table does not know is a plain no, but for the categories that report on the venue's own
health.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Final

from krakked.domain.errors import (
    Ambiguous,
    BadKey,
    Fenced,
    KrakkedError,
    MissingPermission,
    Permanent,
    Transient,
)
from krakked.domain.times import NS_PER_SECOND

ORDER_MINIMUM: Final = "EOrder:Order minimum not met"
"""One code for both live spellings."""
POST_ONLY: Final = "EOrder:Post only order"
"""A post-only order would have crossed; the venue may also accept and cancel it for this reason."""
UNKNOWN_ORDER: Final = "EOrder:Unknown order"
INVALID_ARGUMENTS: Final = "EGeneral:Invalid arguments"
REST_RATE: Final = "EAPI:Rate limit exceeded"
ENGINE_RATE: Final = "EOrder:Rate limit exceeded"


class Malformed(Transient):
    """The venue answered a question with something that cannot be its answer."""


class NonceRefused(Transient):
    """The venue has seen a higher nonce on the query key: once more with a fresh one."""


class Unreachable(Transient):
    """Nothing of the venue's own came back: the address, the network, or the edge before it."""


class Meaning(enum.Enum):
    """What an error text says about the call; graver ones first."""

    NONCE = enum.auto()
    """The nonce was not above the last one seen on the key."""
    IN_DOUBT = enum.auto()
    """It may have been done."""
    CLIENT_ID = enum.auto()
    """An order may live under this id already: sent before, and its answer was lost."""
    BAD_KEY = enum.auto()
    PERMISSION = enum.auto()
    NO = enum.auto()
    """Not done, and would be refused again."""
    LATER = enum.auto()
    """Not done; may be asked again after a while."""


_GRAVITY: Final = {meaning: rank for rank, meaning in enumerate(Meaning)}

_TABLE: Final[dict[str, tuple[Meaning, float | None]]] = {
    "EAPI:Invalid nonce": (Meaning.NONCE, None),
    # It may have been done.
    "EGeneral:Internal error": (Meaning.IN_DOUBT, 1.0),
    "EService:": (Meaning.IN_DOUBT, 1.0),
    "EService:Unavailable": (Meaning.IN_DOUBT, 5.0),
    "EService:Busy": (Meaning.IN_DOUBT, 1.0),
    "EService:Deadline elapsed": (Meaning.IN_DOUBT, None),
    "EDatabase:": (Meaning.IN_DOUBT, 1.0),
    "EGeneral:Invalid arguments:cl_ord_id": (Meaning.CLIENT_ID, None),
    # Not done: our clock and the venue's are apart for a moment; the next try has a new deadline.
    "EGeneral:Invalid arguments:deadline": (Meaning.LATER, None),
    # Credentials.
    "EAPI:Invalid key": (Meaning.BAD_KEY, None),
    "EAPI:Invalid signature": (Meaning.BAD_KEY, None),
    "EGeneral:Permission denied": (Meaning.PERMISSION, None),
    # Not done; later.
    "EGeneral:Temporary lockout": (Meaning.LATER, 900.0),
    "EGeneral:Too many requests": (Meaning.LATER, 5.0),
    REST_RATE: (Meaning.LATER, 5.0),
    "EAuth:Rate limit exceeded": (Meaning.LATER, 5.0),
    "EAuth:Too many requests": (Meaning.LATER, 5.0),
    "EService:Throttled": (Meaning.LATER, 1.0),
    "EService:Market in": (Meaning.LATER, 30.0),
    ENGINE_RATE: (Meaning.LATER, 3.0),
    "EOrder:Domain rate limit exceeded": (Meaning.LATER, 5.0),
    "ESession:Invalid session": (Meaning.LATER, None),
}
_SPELLINGS: Final = {"EGeneral:Invalid arguments:volume minimum not met": ORDER_MINIMUM}
_TIMESTAMP: Final = re.compile(r"\d{10,}")


class Verdict:
    """The reading of one list of errors: the gravest of them, and when to ask again."""

    __slots__ = ("code", "meaning", "retry_after_s", "text")

    def __init__(self, errors: Sequence[str], now_ns: int) -> None:
        self.text = "; ".join(errors)
        codes = [_canonical(text) for text in errors]
        rows = [(code, *_row(code)) for code in codes]
        self.code, self.meaning, retry_s = min(rows, key=lambda row: _GRAVITY[row[1]])
        told_s = _told_wait_s(self.code, now_ns)
        self.retry_after_s = retry_s if told_s is None else told_s


def failures(errors: Sequence[str]) -> list[str]:
    """The errors without the warnings."""
    return [text for text in errors if not text.startswith("W")]


def error_from(verdict: Verdict, *, method: str, mutates: bool, on_trade_key: bool) -> KrakkedError:
    """The exception that tells the caller what to do."""
    message = f"{method}: {verdict.text}"
    match verdict.meaning:
        case Meaning.NONCE:
            return Fenced(message, code=verdict.code) if on_trade_key else NonceRefused(message)
        case Meaning.IN_DOUBT:
            return lost(message, mutates=mutates, retry_after_s=verdict.retry_after_s)
        case Meaning.LATER:
            return Transient(message, retry_after_s=verdict.retry_after_s)
        case Meaning.CLIENT_ID if mutates:
            return Ambiguous(message)
        case Meaning.CLIENT_ID | Meaning.BAD_KEY | Meaning.PERMISSION | Meaning.NO:
            return _NO_BY_MEANING.get(verdict.meaning, Permanent)(message, code=verdict.code)


_NO_BY_MEANING: Final[dict[Meaning, type[Permanent]]] = {
    Meaning.BAD_KEY: BadKey,
    Meaning.PERMISSION: MissingPermission,
}


def lost(message: str, *, mutates: bool, retry_after_s: float | None = None) -> KrakkedError:
    """No usable answer: in doubt if it may have changed something."""
    return Ambiguous(message) if mutates else Transient(message, retry_after_s=retry_after_s)


def _canonical(text: str) -> str:
    code = ":".join(part.strip() for part in text.split(":"))
    return next((to for start, to in _SPELLINGS.items() if code.startswith(start)), code)


def _row(code: str) -> tuple[Meaning, float | None]:
    known = max((start for start in _TABLE if code.startswith(start)), key=len, default=None)
    return (Meaning.NO, None) if known is None else _TABLE[known]


def _told_wait_s(code: str, now_ns: int) -> float | None:
    """``EService: Throttled: [unix seconds]`` names the instant from which to try again."""
    stamp = _TIMESTAMP.search(code) if code.startswith("EService:Throttled") else None
    if stamp is None:
        return None
    return max(0.0, int(stamp.group()) - now_ns / NS_PER_SECOND)
