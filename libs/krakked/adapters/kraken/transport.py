"""Calls to the venue, and what can happen to one on its way.

Private calls go out one at a time per key, so that nonces arrive in order. What changes something
uses the trade key, what asks uses the query key; one key may be both. A call that did not come back
with an answer of the venue is in doubt if it may have changed something and a byte of it may have
left; refused connections are the one case in which none has.

API errors arrive with HTTP 200, so ``error`` is read whatever the status says; pages of the edge in
front of the venue are told by content type. How bytes travel is ``network.py``'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias
from urllib.parse import urlencode

import msgspec

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.errors import (
    ENGINE_RATE,
    REST_RATE,
    Broken,
    NonceRefused,
    RateRefused,
    Verdict,
    broken,
    error_from,
    failures,
)
from krakked.adapters.kraken.network import (
    AiohttpNetwork,
    Answer,
    Bounds,
    Network,
    NoAnswer,
    NotConnected,
    Request,
)
from krakked.adapters.kraken.nonces import Nonces
from krakked.adapters.kraken.observers import Observer, Silent
from krakked.adapters.kraken.outcomes import MUTATIONS
from krakked.adapters.kraken.rate_limit import RateLimiter, Tier
from krakked.adapters.kraken.records import Envelope
from krakked.domain.errors import BadKey, KrakkedError, Transient
from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock

TRADE: Final = "trade"
QUERY: Final = "query"
_TOO_MANY_REQUESTS: Final = 429
_ERRORS_FROM: Final = 300
NONCE_PAUSE_S: Final = 15.0
NONCE_PAUSE_MAX_S: Final = 240.0
_NULL: Final = b"null"
_ENVELOPE: Final = msgspec.json.Decoder(Envelope)


class RestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the venue is and how long to wait for it."""

    url: str = "https://api.kraken.com"
    tier: Tier = Tier.STARTER
    history_points: int = 4
    """REST points of a history call; 2 by older documents."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One private call."""

    method: str
    form: dict[str, str] = {}
    role: str = ""
    """Which key; chosen by the method if empty."""
    pair: PairName | None = None
    not_after_ns: int | None = None
    """Not sent at all once this instant has passed (waiting for limits takes time)."""

    @property
    def mutates(self) -> bool:
        """Whether a lost answer leaves something in doubt."""
        return self.method in MUTATIONS


Permit: TypeAlias = Callable[[Call], str | None]
"""Why that call must not be sent now, or None."""


def permitted(call: Call) -> str | None:
    """Everything may be sent."""
    del call
    return None


class _Lane:
    """One API key and the calls that queue for it."""

    def __init__(self, credentials: Credentials, role: str) -> None:
        self.credentials = credentials
        self.role = role
        self.turn = asyncio.Lock()
        self._refused = 0
        """Calls in a row whose nonce was refused, the fresh one too."""
        self._rests_until_ns = 0

    def note_refused(self, now_ns: int) -> None:
        """Somebody uses the key with higher nonces: ask less and less often.

        The venue locks a key out after a score of such calls, for everybody who uses it.
        """
        pause_s = min(NONCE_PAUSE_S * 2**self._refused, NONCE_PAUSE_MAX_S)
        self._refused += 1
        self._rests_until_ns = now_ns + int(pause_s * NS_PER_SECOND)

    def note_taken(self) -> None:
        """A nonce of ours is good again."""
        self._refused = self._rests_until_ns = 0

    def check_rested(self, method: str, now_ns: int) -> None:
        """Raise what keeps a call from being sent now."""
        left_s = (self._rests_until_ns - now_ns) / NS_PER_SECOND
        if left_s > 0:
            raise Transient(
                f"{method}: not sent, somebody else uses the {self.role} key: its nonces are"
                f" higher than ours; asked again in {left_s:.0f} s",
                retry_after_s=left_s,
            )


class Transport:
    """Calls to the venue; raises by what the caller must do (``domain/errors.py``)."""

    def __init__(  # noqa: PLR0913 - by name, each another piece of the outside
        self,
        settings: RestSettings,
        clock: Clock,
        *,
        trade: Credentials | None = None,
        query: Credentials | None = None,
        nonces: Nonces | None = None,
        observer: Observer | None = None,
        network: Network | None = None,
    ) -> None:
        self.clock = clock
        self.network = network or AiohttpNetwork(Bounds())
        self.observer = observer or Silent()
        self.limits = RateLimiter(settings.tier, clock, history_points=settings.history_points)
        self.nonces = nonces or Nonces(clock)
        self.permit: Permit = permitted
        """Asked right before what changes something is written to the socket.

        And before a connection is made for it, which would be made in vain.
        """
        self._settings = settings
        self._lanes = _lanes(trade, query)

    def __repr__(self) -> str:
        keys = ", ".join(f"{role}={lane.credentials}" for role, lane in self._lanes.items())
        return f"<Transport {self._settings.url} {self.network} {keys}>"

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles that have a key."""
        return tuple(self._lanes)

    @property
    def key_roles(self) -> tuple[str, ...]:
        """Each key once, by its first role."""
        return tuple(dict.fromkeys(lane.role for lane in self._lanes.values()))

    async def close(self) -> None:
        """Let go of all connections."""
        await self.network.close()

    async def public(
        self, method: str, params: dict[str, str] | None = None, *, subject: str | None = None
    ) -> msgspec.Raw:
        """The result of a public call; calls on one ``subject`` (a pair) are spaced."""
        await self.limits.before_public(subject or method)
        with self._observed(method):
            call = Call(method=method)
            url = f"{self._settings.url}/0/public/{method}"
            answer = await self._send(Request(verb="GET", url=url, params=params or {}), call)
            return self._result(answer, call, QUERY)

    async def private(self, call: Call) -> msgspec.Raw:
        """The result of a signed call; a question refused for its rate is put once more."""
        lane = self._lane(call)
        try:
            return await self._in_line(lane, call)
        except RateRefused:
            # Somebody filled the counter, as a process before us: the limiter knows better now.
            return await self._in_line(lane, call)

    async def _in_line(self, lane: _Lane, call: Call) -> msgspec.Raw:
        await self.limits.before_private(lane.role, call.method)
        async with lane.turn:
            lane.check_rested(call.method, self.clock.now_ns())
            answer = await self._twice(lane, call)
            lane.note_taken()
            return answer

    async def _twice(self, lane: _Lane, call: Call) -> msgspec.Raw:
        """Another program may have used the query key; the trade key is fenced instead."""
        try:
            return await self._signed(lane, call)
        except NonceRefused:
            pass
        try:
            return await self._signed(lane, call)
        except NonceRefused:
            lane.note_refused(self.clock.now_ns())
            raise

    async def _signed(self, lane: _Lane, call: Call) -> msgspec.Raw:
        await self.nonces.prepare(lane.credentials.key)
        self._check_in_time(call)
        path = f"/0/private/{call.method}"
        nonce = self.nonces.next(lane.credentials.key)
        body = urlencode({"nonce": str(nonce), **call.form})
        headers = {
            "API-Key": lane.credentials.key,
            "API-Sign": lane.credentials.sign(path, nonce, body),
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        }
        with self._observed(call.method):
            self._check(call)
            url = self._settings.url + path
            request = Request(verb="POST", url=url, headers=headers, body=body)
            answer = await self._send(request, call)
            return self._result(answer, call, lane.role)

    async def _send(self, request: Request, call: Call) -> Answer:
        try:
            return await self.network.request(request, lambda: self._check(call))
        except NotConnected as error:
            raise _broken(Broken.NOT_CONNECTED, call, f"not connected: {error}") from error
        except NoAnswer as error:
            raise _broken(Broken.NO_ANSWER, call, f"no answer: {error}") from error

    def _result(self, answer: Answer, call: Call, role: str) -> msgspec.Raw:
        envelope = _envelope(answer)
        errors = [] if envelope is None else failures(envelope.error)
        if errors:
            raise self._refusal(Verdict(errors, self.clock.now_ns()), call, role)
        if answer.status == _TOO_MANY_REQUESTS:
            raise _broken(Broken.EDGE_LIMIT, call, f"HTTP {answer.status}")
        if envelope is None or answer.status >= _ERRORS_FROM or bytes(envelope.result) == _NULL:
            what = f"HTTP {answer.status}, {answer.content_type}, {len(answer.body)} bytes"
            raise _broken(Broken.NO_RESULT, call, f"{what}, no result in it")
        return envelope.result

    def _refusal(self, verdict: Verdict, call: Call, role: str) -> KrakkedError:
        if verdict.code == REST_RATE:
            self.limits.rest_tripped(role, call.method)
        if verdict.code == ENGINE_RATE and call.pair is not None:
            self.limits.engine_tripped(call.pair)
        return error_from(
            verdict, method=call.method, mutates=call.mutates, on_trade_key=role == TRADE
        )

    def _lane(self, call: Call) -> _Lane:
        role = call.role or (TRADE if call.mutates else QUERY)
        lane = self._lanes.get(role)
        if lane is None:
            raise BadKey(f"{call.method}: there is no API key to {role} with")
        return lane

    def _check(self, call: Call) -> None:
        """Raise what keeps it from being written now."""
        self._check_in_time(call)
        self._check_permitted(call)

    def _check_permitted(self, call: Call) -> None:
        refusal = self.permit(call) if call.mutates else None
        if refusal is not None:
            raise _broken(Broken.NOT_SENT, call, f"not sent: {refusal}")

    def _check_in_time(self, call: Call) -> None:
        late_ns = self.clock.now_ns() - (call.not_after_ns or self.clock.now_ns())
        if late_ns > 0:
            late_s = late_ns / NS_PER_SECOND
            what = f"not sent, {late_s:.3f} s too late for its deadline"
            raise _broken(Broken.NOT_SENT, call, what)

    @contextlib.contextmanager
    def _observed(self, method: str) -> Iterator[None]:
        started_ns = self.clock.now_ns()
        outcome = "cancelled"
        try:
            yield
            outcome = "ok"
        except KrakkedError as error:
            outcome = type(error).__name__.lower()
            raise
        finally:
            elapsed_s = (self.clock.now_ns() - started_ns) / NS_PER_SECOND
            self.observer.on_request(method, elapsed_s, outcome)


def _lanes(trade: Credentials | None, query: Credentials | None) -> dict[str, _Lane]:
    """Keys by role; one key for both is one queue with the rules of the trade key."""
    lanes = {}
    if trade is not None:
        lanes[TRADE] = lanes[QUERY] = _Lane(trade, TRADE)
    if query is not None and (trade is None or query.key != trade.key):
        lanes[QUERY] = _Lane(query, QUERY)
    return lanes


def _broken(how: Broken, call: Call, what: str) -> KrakkedError:
    return broken(how, f"{call.method}: {what}", mutates=call.mutates)


def _envelope(answer: Answer) -> Envelope | None:
    if answer.content_type != "application/json":
        return None
    try:
        return _ENVELOPE.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
