"""What to subscribe to on a connection, and which of it the venue has confirmed.

Requests name up to fifty symbols; replies come one per symbol, matched by request and symbol. A
symbol that the venue refuses is reported and left out. A request refused as a whole, or without a
single symbol accepted, means that the connection cannot do its work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from krakked.adapters.kraken.auth import SessionToken
from krakked.adapters.kraken.records import Reply
from krakked.domain.bars import Timeframe

BATCH_MAX: Final = 50
"""Symbols in one request."""


class Refusal(msgspec.Struct, frozen=True):
    """The venue does not serve this; ``symbol`` is empty if it means the whole request."""

    channel: str
    symbol: str
    reason: str


class _Request:
    """One subscription request and the symbols that still wait for their reply."""

    def __init__(self, channel: str, params: dict[str, object], symbols: Sequence[str]) -> None:
        self.channel = channel
        self.params = params
        self.pending: dict[str, None] = dict.fromkeys(symbols or [""])
        self.accepted = 0

    def answered_by(self, symbol: str) -> list[str]:
        """What a reply that names ``symbol`` answers; one that names none answers all."""
        if symbol in self.pending:
            return [symbol]
        return list(self.pending) if not symbol or "" in self.pending else []


class Subscriptions:
    """The requests of one connection, in order."""

    def __init__(self) -> None:
        self._requests: dict[int, _Request] = {}
        self.refusals: list[Refusal] = []

    def __repr__(self) -> str:
        waiting = sum(len(request.pending) for request in self._requests.values())
        return f"<Subscriptions {len(self._requests)} requests, {waiting} replies to come>"

    def add(
        self, channel: str, symbols: Sequence[str] = (), params: dict[str, object] | None = None
    ) -> None:
        """Ask for a channel, in as many requests as the symbols need."""
        fields = {"channel": channel, **(params or {})}
        batches = [symbols[i : i + BATCH_MAX] for i in range(0, len(symbols), BATCH_MAX)]
        for batch in batches or [()]:
            named = {**fields, "symbol": list(batch)} if batch else fields
            request = _Request(channel, named, batch)
            self._requests[len(self._requests) + 1] = request

    def messages(self) -> list[str]:
        """The requests as frames to send."""
        return [
            msgspec.json.encode(
                {"method": "subscribe", "params": request.params, "req_id": request_id}
            ).decode()
            for request_id, request in self._requests.items()
        ]

    @property
    def is_complete(self) -> bool:
        """Every symbol of every request has its reply."""
        return not any(request.pending for request in self._requests.values())

    def failure(self) -> str | None:
        """Why the connection cannot do its work, or None."""
        for request in self._requests.values():
            if not request.pending and not request.accepted:
                reasons = [r.reason for r in self.refusals if r.channel == request.channel]
                return f"{request.channel} refused: {reasons[-1]}"
        return None

    def on_reply(self, reply: Reply) -> None:
        """Take a reply; one that answers nothing we wait for is ignored."""
        request = self._request_of(reply)
        if request is None:
            return
        symbol = reply.symbol or (reply.result.symbol if reply.result else "")
        answered = request.answered_by(symbol)
        for name in answered:
            del request.pending[name]
        if reply.success:
            request.accepted += len(answered)
        else:
            reason = reply.error or "no reason given"
            self.refusals += [Refusal(request.channel, name, reason) for name in answered]

    def _request_of(self, reply: Reply) -> _Request | None:
        if reply.req_id is not None:
            found = self._requests.get(reply.req_id)
            return found if found is not None and found.pending else None
        channel = reply.result.channel if reply.result else ""
        waiting = (r for r in self._requests.values() if r.pending)
        return next((r for r in waiting if not channel or r.channel == channel), None)


def public_subscriptions(symbols: Sequence[str], timeframes: Iterable[Timeframe]) -> Subscriptions:
    """Quotes, running bars, and what the venue allows on each pair.

    The ticker follows the book (``bbo``), not trades: between two trades the best bid and ask move,
    and a limit price made from an old one is wrong.
    """
    wanted = Subscriptions()
    wanted.add("instrument")
    wanted.add("ticker", symbols, {"event_trigger": "bbo", "snapshot": True})
    for timeframe in timeframes:
        wanted.add("ohlc", symbols, {"interval": timeframe.minutes, "snapshot": True})
    return wanted


def private_subscriptions(token: SessionToken) -> Subscriptions:
    """Reports on the account's orders; open ones first. Old trades are asked for by REST."""
    wanted = Subscriptions()
    params: dict[str, object] = {
        "token": token.reveal(),
        "snap_orders": True,
        "snap_trades": False,
    }
    wanted.add("executions", (), params)
    return wanted
