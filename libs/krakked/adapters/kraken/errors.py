"""From what the venue said, or from its silence, to the exception that tells the caller what to do.

Error texts are ``<E|W><Category>:<description>[:<extra>]``; a list may hold several, and ``W…`` is
a warning, not a failure. What each of them means, and what it means when none comes back, is the
table in ``outcomes.py``; here it is read, by the longest beginning that fits and the gravest of
several.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from krakked.adapters.kraken.outcomes import (
    BROKEN,
    ENGINE_RATE,
    GONE,
    INVALID_ARGUMENTS,
    ORDER_MINIMUM,
    POST_ONLY,
    REST_RATE,
    UNKNOWN_ORDER,
    Broken,
    Meaning,
    error_of,
)
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

__all__ = [
    "ENGINE_RATE",
    "GONE",
    "INVALID_ARGUMENTS",
    "ORDER_MINIMUM",
    "POST_ONLY",
    "REST_RATE",
    "UNKNOWN_ORDER",
    "Broken",
    "Malformed",
    "NonceRefused",
    "Unreachable",
    "Verdict",
    "broken",
    "error_from",
    "failures",
    "lost",
]


class Malformed(Transient):
    """The venue answered a question with something that cannot be its answer."""


class NonceRefused(Transient):
    """The venue has seen a higher nonce on the query key: once more with a fresh one."""


class RateRefused(Transient):
    """The key has asked too much: once more when there is room, which the rate limiter knows."""


class Unreachable(Transient):
    """Nothing of the venue's own came back: the address, the network, or the edge before it."""


_GRAVITY: Final = {meaning: rank for rank, meaning in enumerate(Meaning)}
_SPELLINGS: Final = {"EGeneral:Invalid arguments:volume minimum not met": ORDER_MINIMUM}
_TIMESTAMP: Final = re.compile(r"\d{10,}")
_EDGE_WAIT_S: Final = 5.0


class Verdict:
    """The reading of one list of errors: the gravest of them, and when to ask again."""

    __slots__ = ("code", "meaning", "retry_after_s", "text")

    def __init__(self, errors: Sequence[str], now_ns: int) -> None:
        self.text = "; ".join(errors)
        rows = [(code, error_of(code)) for code in map(_canonical, errors)]
        self.code, row = min(rows, key=lambda found: _GRAVITY[found[1].meaning])
        self.meaning = row.meaning
        told_s = _told_wait_s(self.code, now_ns)
        self.retry_after_s = row.retry_s if told_s is None else told_s


def failures(errors: Sequence[str]) -> list[str]:
    """The errors without the warnings."""
    return [text for text in errors if not text.startswith("W")]


def error_from(verdict: Verdict, *, method: str, mutates: bool, on_trade_key: bool) -> KrakkedError:
    """The exception for what the venue said."""
    message = f"{method}: {verdict.text}"
    match verdict.meaning:
        case Meaning.NONCE:
            return Fenced(message, code=verdict.code) if on_trade_key else NonceRefused(message)
        case Meaning.IN_DOUBT:
            return lost(message, mutates=mutates, retry_after_s=verdict.retry_after_s)
        case Meaning.LATER if verdict.code == REST_RATE and not mutates:
            return RateRefused(message, retry_after_s=verdict.retry_after_s)
        case Meaning.LATER:
            return Transient(message, retry_after_s=verdict.retry_after_s)
        case Meaning.UNHEARD | Meaning.CLIENT_ID if mutates:
            return Ambiguous(message)
        case (
            Meaning.UNHEARD | Meaning.CLIENT_ID | Meaning.BAD_KEY | Meaning.PERMISSION | Meaning.NO
        ):
            return _NO_BY_MEANING.get(verdict.meaning, Permanent)(message, code=verdict.code)


_NO_BY_MEANING: Final[dict[Meaning, type[Permanent]]] = {
    Meaning.BAD_KEY: BadKey,
    Meaning.PERMISSION: MissingPermission,
}


def broken(how: Broken, message: str, *, mutates: bool) -> KrakkedError:
    """The exception for a call that ended without an answer of the venue."""
    if BROKEN[how] is Meaning.IN_DOUBT and mutates:
        return Ambiguous(message)
    if how is Broken.UNREADABLE:
        return Malformed(message)
    if how is Broken.EDGE_LIMIT:
        return Transient(message, retry_after_s=_EDGE_WAIT_S)
    return Transient(message) if how is Broken.NOT_SENT else Unreachable(message)


def lost(message: str, *, mutates: bool, retry_after_s: float | None = None) -> KrakkedError:
    """No usable answer: in doubt if it may have changed something."""
    return Ambiguous(message) if mutates else Transient(message, retry_after_s=retry_after_s)


def _canonical(text: str) -> str:
    code = ":".join(part.strip() for part in text.split(":"))
    return next((to for start, to in _SPELLINGS.items() if code.startswith(start)), code)


def _told_wait_s(code: str, now_ns: int) -> float | None:
    """``EService: Throttled: [unix seconds]`` names the instant from which to try again."""
    stamp = _TIMESTAMP.search(code) if code.startswith("EService:Throttled") else None
    if stamp is None:
        return None
    return max(0.0, int(stamp.group()) - now_ns / NS_PER_SECOND)
