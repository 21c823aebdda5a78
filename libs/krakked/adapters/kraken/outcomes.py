"""What an answer of the venue, or none, says about a call: the table, and nothing beside it.

``ERRORS`` has a row for each error text, ``BREAKS`` one for each way in which a call ends without
an answer that can be read. A row says what the answer means; what that is for the caller, an
exception, follows from the meaning and from the call (:func:`outcome`). ``docs/order-outcomes.md``
is made of the same rows, and a test walks them against the simulated venue.

``IN_DOUBT`` is the meaning that matters: after a call that changes something it says nothing about
whether it was done, so it becomes ``Ambiguous``; after a question it is merely ``Transient``.
Words that the table does not know (``UNHEARD``) say nothing about what was done either: a change
that they answer is in doubt, a question is refused.
"""

from __future__ import annotations

import enum
import sys
from typing import Final

import msgspec

ORDER_MINIMUM: Final = "EOrder:Order minimum not met"
"""One code for both live spellings."""
POST_ONLY: Final = "EOrder:Post only order"
"""A post-only order would have crossed; the venue may also accept and cancel it for this reason."""
UNKNOWN_ORDER: Final = "EOrder:Unknown order"
INVALID_ORDER: Final = "EOrder:Invalid order"
GONE: Final = (UNKNOWN_ORDER, INVALID_ORDER)
"""The order that is to be cancelled, amended or shown: the venue has none by that id."""
INVALID_ARGUMENTS: Final = "EGeneral:Invalid arguments"
REST_RATE: Final = "EAPI:Rate limit exceeded"
ENGINE_RATE: Final = "EOrder:Rate limit exceeded"


class Act(enum.Enum):
    """The calls that change something, by the venue's names."""

    ADD = "AddOrder"
    AMEND = "AmendOrder"
    CANCEL = "CancelOrder"
    CANCEL_ALL = "CancelAll"
    DEAD_MAN = "CancelAllOrdersAfter"


MUTATIONS: Final = frozenset(act.value for act in Act)


class Meaning(enum.Enum):
    """What an answer says about the call; graver ones first."""

    NONCE = "the nonce was not above the last one seen on the key"
    IN_DOUBT = "it may have been done"
    UNHEARD = "words that nobody knows: it may have been done"
    CLIENT_ID = "an order may live under this id already"
    BAD_KEY = "the credentials are wrong"
    PERMISSION = "the key may not do this"
    NO = "not done, and would be refused again"
    LATER = "not done; may be asked again after a while"


class Error(msgspec.Struct, frozen=True):
    """One error text, by its beginning; the longest row that fits is the one that counts."""

    start: str
    meaning: Meaning
    doc: str
    retry_s: float | None = None
    """How long to wait where the venue does not say."""


_IN_DOUBT = Meaning.IN_DOUBT
_LATER = Meaning.LATER
_NO = Meaning.NO

ERRORS: Final = (
    Error("EAPI:Invalid nonce", Meaning.NONCE, "somebody has used a higher one"),
    # It may have been done.
    Error("EGeneral:Internal error", _IN_DOUBT, "the venue's own trouble", 1.0),
    Error("EService:", _IN_DOUBT, "any other word about the service", 1.0),
    Error("EService:Unavailable", _IN_DOUBT, "the engine or the API is away", 5.0),
    Error("EService:Busy", _IN_DOUBT, "overloaded; seen after acceptance", 1.0),
    Error(
        "EService:Deadline elapsed", _IN_DOUBT, "not matched by contract; looked up all the same"
    ),
    Error("EDatabase:", _IN_DOUBT, "the venue's own trouble", 1.0),
    Error("EGeneral:Invalid arguments:cl_ord_id", Meaning.CLIENT_ID, "the id is taken"),
    # Credentials.
    Error("EAPI:Invalid key", Meaning.BAD_KEY, "no such key"),
    Error("EAPI:Invalid signature", Meaning.BAD_KEY, "not signed with its secret"),
    Error("EGeneral:Permission denied", Meaning.PERMISSION, "not granted to the key"),
    # Not done; later.
    Error(
        "EGeneral:Invalid arguments:deadline", _LATER, "clocks apart; the next try has a new one"
    ),
    Error("EGeneral:Temporary lockout", _LATER, "too many bad keys or nonces", 900.0),
    Error("EGeneral:Too many requests", _LATER, "REST counter, or the edge", 5.0),
    Error(REST_RATE, _LATER, "REST counter of the key", 5.0),
    Error("EAuth:Rate limit exceeded", _LATER, "edge limiter", 5.0),
    Error("EAuth:Too many requests", _LATER, "edge limiter", 5.0),
    Error("EService:Throttled", _LATER, "too many at once; names the instant to come back", 1.0),
    Error("EService:Market in", _LATER, "cancel_only, post_only or limit_only mode", 30.0),
    Error(ENGINE_RATE, _LATER, "engine counter of the pair", 3.0),
    Error("EOrder:Domain rate limit exceeded", _LATER, "counter of the domain", 5.0),
    Error("ESession:Invalid session", _LATER, "the stream's token has ended"),
    # Not done, and would be refused again.
    Error(INVALID_ARGUMENTS, _NO, "malformed, or below a minimum"),
    Error("EGeneral:Unknown method", _NO, "no such call"),
    Error("EAPI:Bad request", _NO, "malformed"),
    Error("EQuery:Unknown asset", _NO, "no such asset or pair"),
    Error("EQuery:Invalid asset pair", _NO, "no such pair"),
    Error("EOrder:Orders limit exceeded", _NO, "too many open orders"),
    Error("EOrder:Scheduled orders limit exceeded", _NO, "too many"),
    Error("EOrder:Positions limit exceeded", _NO, "too many"),
    Error("EOrder:Insufficient funds", _NO, "free balance, fees included"),
    Error(ORDER_MINIMUM, _NO, "quantity"),
    Error("EOrder:Cost minimum not met", _NO, "quantity times price"),
    Error("EOrder:Tick size check failed", _NO, "price"),
    Error("EOrder:Invalid price", _NO, "price"),
    Error(UNKNOWN_ORDER, _NO, "a cancel or amend: it is gone, and asked about"),
    Error(INVALID_ORDER, _NO, "the same, in its other spelling"),
    Error(POST_ONLY, _NO, "would have taken"),
    Error("EOrder:Reduce only", _NO, "margin"),
    Error("EOrder:Margin", _NO, "margin"),
    Error("EOrder:Cannot open", _NO, "margin"),
    Error("EOrder:Unknown position", _NO, "margin"),
    Error("EAccount:Invalid permissions", _NO, "region"),
    Error("EAuth:Account", _NO, "disabled, or not confirmed"),
    Error("ETrade:", _NO, "the account may not trade"),
    Error("EBM:limit exceeded", _NO, "a limit of the account"),
    Error("EFunding:", _NO, "no business of orders"),
)
"""Each longer than nothing, which is how ``ELSE`` begins."""

ELSE: Final = Error("", Meaning.UNHEARD, "not in the table")
"""A venue finds new words for what went wrong after it acted as well as before."""


class Broken(enum.Enum):
    """How a call ends without an answer of the venue, as far as the caller can tell."""

    NOT_SENT = "not sent: we held it back"
    NOT_CONNECTED = "no connection: not a byte has left"
    NO_ANSWER = "a byte may have left, and no whole answer came back"
    EDGE_LIMIT = "HTTP 429: the edge turns it away"
    NO_RESULT = "an answer, and neither an error nor a result of the venue in it"
    UNREADABLE = "a result that cannot be what was asked for"


class Break(msgspec.Struct, frozen=True):
    """One way in which a call breaks."""

    way: str
    broken: Broken


BROKEN: Final = {
    Broken.NOT_SENT: _LATER,
    Broken.NOT_CONNECTED: _LATER,
    Broken.NO_ANSWER: _IN_DOUBT,
    Broken.EDGE_LIMIT: _LATER,
    Broken.NO_RESULT: _IN_DOUBT,
    Broken.UNREADABLE: _IN_DOUBT,
}

BREAKS: Final = (
    Break("the rate limit has no room before the deadline", Broken.NOT_SENT),
    Break("its turn comes too late for the deadline", Broken.NOT_SENT),
    Break("the guard before the socket says no", Broken.NOT_SENT),
    Break("connected too late for the deadline", Broken.NOT_SENT),
    Break("the guard says no once it is connected", Broken.NOT_SENT),
    Break("the connection is refused", Broken.NOT_CONNECTED),
    Break("the name does not resolve", Broken.NOT_CONNECTED),
    Break("TLS cannot be agreed on", Broken.NOT_CONNECTED),
    Break("connecting takes too long", Broken.NOT_CONNECTED),
    Break("reset before the request is read", Broken.NO_ANSWER),
    Break("reset while the request is read", Broken.NO_ANSWER),
    Break("reset after the request was handled", Broken.NO_ANSWER),
    Break("silence, and the venue never saw the request", Broken.NO_ANSWER),
    Break("silence, and the request was handled", Broken.NO_ANSWER),
    Break("half an answer", Broken.NO_ANSWER),
    Break("an answer larger than the bound", Broken.NO_ANSWER),
    Break("no HTTP at all", Broken.NO_ANSWER),
    Break("HTTP 429", Broken.EDGE_LIMIT),
    Break("HTTP 307, a redirect", Broken.NO_RESULT),
    Break("HTTP 400, an edge's page", Broken.NO_RESULT),
    Break("HTTP 403, an edge's page", Broken.NO_RESULT),
    Break("HTTP 404, an edge's page", Broken.NO_RESULT),
    Break("HTTP 500, an edge's page", Broken.NO_RESULT),
    Break("HTTP 502, an edge's page", Broken.NO_RESULT),
    Break("HTTP 503, an edge's page", Broken.NO_RESULT),
    Break("HTTP 504, an edge's page", Broken.NO_RESULT),
    Break("HTTP 520, an edge's page", Broken.NO_RESULT),
    Break("HTTP 522, an edge's page", Broken.NO_RESULT),
    Break("HTTP 524, an edge's page", Broken.NO_RESULT),
    Break("HTTP 502 around a whole result", Broken.NO_RESULT),
    Break("HTTP 200, an edge's page", Broken.NO_RESULT),
    Break("HTTP 200, nothing in it", Broken.NO_RESULT),
    Break("HTTP 200, no JSON", Broken.NO_RESULT),
    Break("HTTP 200, JSON of another shape", Broken.NO_RESULT),
    Break("HTTP 200, no result", Broken.NO_RESULT),
    Break("HTTP 200, a warning and no result", Broken.NO_RESULT),
    Break("HTTP 200, an empty result", Broken.UNREADABLE),
    Break("HTTP 200, a result of another shape", Broken.UNREADABLE),
)


def error_of(code: str) -> Error:
    """The row of an error text."""
    known = [row for row in ERRORS if code.startswith(row.start)]
    return max(known, key=lambda row: len(row.start), default=ELSE)


OUTCOMES: Final = {
    Meaning.NONCE: "Fenced",
    Meaning.IN_DOUBT: "Ambiguous",
    Meaning.UNHEARD: "Ambiguous",
    Meaning.CLIENT_ID: "Ambiguous",
    Meaning.BAD_KEY: "BadKey",
    Meaning.PERMISSION: "MissingPermission",
    Meaning.NO: "Permanent",
    Meaning.LATER: "Transient",
}
"""The exception that a call which changes something ends in, by its name."""
QUESTION_OUTCOMES: Final = {
    **OUTCOMES,
    Meaning.NONCE: "Transient",
    Meaning.IN_DOUBT: "Transient",
    Meaning.UNHEARD: "Permanent",
    Meaning.CLIENT_ID: "Permanent",
}
"""The same for a call that only asks."""


def as_markdown() -> str:
    """Both tables as the document shows them."""
    errors = [
        f"| {_named(row.start)} | {row.doc} | {row.meaning.value} | {_classes(row.meaning)} "
        f"| {_seconds(row.retry_s)} |"
        for row in ERRORS
    ]
    breaks = [
        f"| {row.way} | {row.broken.value} | {_classes(BROKEN[row.broken])} |" for row in BREAKS
    ]
    return "\n".join(
        [
            "### What the venue says",
            "",
            "| it begins with | what it is about | so the call | an order | a question | wait |",
            "|---|---|---|---|---|---|",
            *errors,
            f"| anything else | {ELSE.doc} | {ELSE.meaning.value} | {_classes(ELSE.meaning)} | – |",
            "",
            "### What becomes of a call on its way",
            "",
            "| what happens | what that tells | an order | a question |",
            "|---|---|---|---|",
            *breaks,
        ]
    )


def _named(start: str) -> str:
    return f"`{start}`"


def _classes(meaning: Meaning) -> str:
    return f"`{OUTCOMES[meaning]}` | `{QUESTION_OUTCOMES[meaning]}`"


def _seconds(retry_s: float | None) -> str:
    return "–" if retry_s is None else f"{retry_s:g} s"


if __name__ == "__main__":
    sys.stdout.write(as_markdown() + "\n")
