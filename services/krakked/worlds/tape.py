"""The venue's own tape: every signed call that reached it, and everything that happened to orders.

Nothing that an engine believes is on it. Checkers compare engines with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from krakked.adapters.kraken.nonces import epoch_of
from krakked.sim.exchange.events import ExchangeEvent


class _Envelope(msgspec.Struct):
    error: list[str] = []
    result: msgspec.Raw = msgspec.Raw(b"null")


class Call(msgspec.Struct, kw_only=True):
    """One signed request that arrived."""

    at_ns: int
    sender: str
    """The process that sent it, alive or not by now."""
    method: str
    key: str
    form: dict[str, str]
    errors: tuple[str, ...] = ()
    is_done: bool = False
    """The venue has answered it without an error."""
    result: msgspec.Raw = msgspec.Raw(b"null")
    late_s: float = 0.0
    """By how much its plan had expired when it arrived (a checker's note)."""

    @property
    def epoch(self) -> int:
        """Of ownership, as its nonce carries it."""
        return epoch_of(int(self.form["nonce"]))


class Tape:
    """See the module."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.events: list[tuple[int, ExchangeEvent]] = []
        self.watchers: list[Callable[[Call], None]] = []
        """See each call when it arrives."""

    def arrived(self, call: Call) -> Call:
        """A request is at the venue's door."""
        self.calls.append(call)
        for watch in self.watchers:
            watch(call)
        return call

    def answered(self, call: Call, body: bytes | None) -> None:
        """What the venue said to it; None: a fault stood in for an answer."""
        if body is None:
            return
        envelope = msgspec.json.decode(body, type=_Envelope)
        call.errors = tuple(envelope.error)
        call.is_done = not envelope.error
        call.result = envelope.result

    def happened(self, events: Sequence[ExchangeEvent], now_ns: int) -> None:
        """The exchange moved."""
        self.events.extend((now_ns, event) for event in events)
