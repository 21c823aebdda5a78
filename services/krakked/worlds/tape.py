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
    handled_ns: int = 0
    """When the exchange itself took it up; 0: a fault kept it away."""
    errors: tuple[str, ...] = ()
    """The exchange's own, whatever was said in the end."""
    is_done: bool = False
    """The exchange did it, whatever was said in the end."""
    result: msgspec.Raw = msgspec.Raw(b"null")
    said: tuple[str, ...] | None = None
    """The errors that were sent back; None: no answer was."""
    is_heard: bool = False
    """What was sent back reached who asked, while he waited."""

    @property
    def epoch(self) -> int:
        """Of ownership, as its nonce carries it."""
        return epoch_of(int(self.form["nonce"]))


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """A change that a process writes to its line, whether or not it will ever arrive."""

    sender: str
    method: str
    epoch: int


class Tape:
    """See the module."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.events: list[tuple[int, ExchangeEvent]] = []
        self.watchers: list[Callable[[Call], None]] = []
        """See each call when it arrives."""
        self.witnesses: list[Callable[[Call], None]] = []
        """See each call when the exchange has done it, or has refused to."""
        self.porters: list[Callable[[Departure], None]] = []
        """See each change in the very step in which its sender writes it."""
        self._by_body: dict[bytes, Call] = {}

    def left(self, departure: Departure) -> None:
        """A process writes a change."""
        for see in self.porters:
            see(departure)

    def arrived(self, call: Call, body: bytes) -> Call:
        """A request is at the venue's door."""
        self.calls.append(call)
        self._by_body[body] = call
        for watch in self.watchers:
            watch(call)
        return call

    def handled(self, body: bytes, answer: bytes, now_ns: int) -> None:
        """What the exchange made of it."""
        call = self._by_body[body]
        envelope = msgspec.json.decode(answer, type=_Envelope)
        call.handled_ns = now_ns
        call.errors = tuple(envelope.error)
        call.is_done = not envelope.error
        call.result = envelope.result
        for see in self.witnesses:
            see(call)

    def answered(self, call: Call, body: bytes | None) -> None:
        """What was sent back; None: a fault stood in for an answer."""
        if body is not None:
            call.said = tuple(msgspec.json.decode(body, type=_Envelope).error)

    def heard(self, body: bytes) -> None:
        """It came to who had asked."""
        self._by_body[body].is_heard = True

    def happened(self, events: Sequence[ExchangeEvent], now_ns: int) -> None:
        """The exchange moved."""
        self.events.extend((now_ns, event) for event in events)
