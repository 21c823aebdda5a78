"""Requests that something happens to, over REST or the WebSocket: lost, late, refused, doubled.

A fault before a request is handled may stand in for the answer, or act upon the exchange and let
the request meet the consequences. One after it takes the answer away, or puts another in its
place. Where nothing can go wrong, a request costs nothing here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange import errors
from krakked.sim.exchange.calls import PrivateRequest
from krakked.sim.exchange.params import Params, parse_body
from krakked.sim.fault_kinds import FaultKind, Strikes, of_place
from krakked.sim.public.sessions import Request, Session, stamped
from krakked.sim.wire import encode
from krakked.simulator import acts
from krakked.simulator.faults import REST_NAMES, Armed, Asked
from krakked.simulator.venue import Venue

_SPELLINGS: Final = (
    (errors.ORDER_MINIMUM, errors.ORDER_MINIMUM_ARGUMENTS),
    (errors.REST_RATE, "EGeneral:Too many requests"),
    (errors.TICK_SIZE, "EOrder:Invalid price:Invalid price argument"),
    (errors.UNKNOWN_ORDER, "EOrder:Invalid order"),
    (errors.UNKNOWN_PAIR, "EQuery:Invalid asset pair"),
)
OTHER_SPELLINGS: Final = dict(_SPELLINGS) | {b: a for a, b in _SPELLINGS}
"""Refusals that were seen in two forms, each with the other one."""


class Broken(enum.Enum):
    """What comes back in place of an answer."""

    LOST = enum.auto()
    GATEWAY = enum.auto()


class Outcome(msgspec.Struct, frozen=True):
    """A broken answer, or the venue's words in place of its own."""

    broken: Broken | None = None
    status: int = 502
    error: str = ""


class Envelope(msgspec.Struct):
    """As much of an answer as tells whether it is a refusal."""

    error: list[str] = []


Words: TypeAlias = Callable[[Armed, int], str]


def _throttled(fault: Armed, now_ns: int) -> str:
    return str(errors.throttled((now_ns + acts.seconds_ns(fault)) // NS_PER_SECOND))


def _said(text: str) -> Words:
    return lambda _fault, _now_ns: text


def _chosen(fault: Armed, _now_ns: int) -> str:
    return fault.given("text")


_WORDS: Final[dict[FaultKind, Words]] = {
    FaultKind.BUSY: _said("EService:Busy"),
    FaultKind.BUSY_AFTER: _said("EService:Busy"),
    FaultKind.UNAVAILABLE: _said(errors.UNAVAILABLE),
    FaultKind.UNAVAILABLE_AFTER: _said(errors.UNAVAILABLE),
    FaultKind.THROTTLED: _throttled,
    FaultKind.THROTTLED_AFTER: _throttled,
    FaultKind.ERROR: _chosen,
    FaultKind.ERROR_AFTER: _chosen,
}
_REST_ONLY: Final = (
    FaultKind.SERVER_ERROR,
    FaultKind.SERVER_ERROR_AFTER,
    FaultKind.FOREIGN_NONCE,
    FaultKind.RATE_LIMIT,
    FaultKind.OTHER_SPELLING,
)


class RequestFaults:
    """What happens to the requests of one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    async def before(self, asked: Asked) -> Outcome | None:
        """Let happen what happens first; an outcome means that the request is not handled."""
        for kind in of_place(Strikes.BEFORE):
            fault = self._draw(kind, asked)
            if fault is None:
                continue
            if kind is FaultKind.DELAY:
                await self._wait(fault)
            elif kind in acts.BEFORE:
                acts.BEFORE[kind](self._venue, fault, asked, self._venue.catch_up())
            else:
                return self._instead(fault)
        return None

    async def after(
        self, asked: Asked, errors_said: Sequence[str], order_ids: Sequence[str]
    ) -> Outcome | None:
        """Let happen what follows; an outcome stands in for the answer."""
        outcome = None
        for kind in of_place(Strikes.AFTER):
            if kind is FaultKind.OTHER_SPELLING and not any(map(_other, errors_said)):
                continue
            fault = self._draw(kind, asked)
            if fault is None:
                continue
            if kind in acts.AFTER:
                self._act_after(fault, order_ids)
            elif kind is FaultKind.ANSWER_DELAY:
                await self._wait(fault)
            elif kind is FaultKind.OTHER_SPELLING:
                outcome = outcome or Outcome(error=_other(errors_said[0]))
            else:
                outcome = outcome or self._instead(fault)
        return outcome

    def _draw(self, kind: FaultKind, asked: Asked) -> Armed | None:
        if kind in _REST_ONLY and len(asked.names) > 1:
            return None
        if not self._venue.faults.may_strike(kind):
            return None
        if kind in acts.LIMITS and not self._is_limited(asked):
            return None
        return self._venue.faults.draw(kind, asked)

    def _is_limited(self, asked: Asked) -> bool:
        mischief = self._venue.exchange.mischief(self._venue.catch_up())
        return asked.account is not None and mischief.is_limited(asked.account)

    def _act_after(self, fault: Armed, order_ids: Sequence[str]) -> None:
        acts.AFTER[fault.kind](self._venue, fault, order_ids, self._venue.catch_up())

    def _instead(self, fault: Armed) -> Outcome:
        if fault.kind in _WORDS:
            told_ns = self._venue.exchange.told_ns(self._venue.clock.now_ns())
            return Outcome(error=_WORDS[fault.kind](fault, told_ns))
        if fault.kind in (FaultKind.REQUEST_LOST, FaultKind.ANSWER_LOST):
            return Outcome(Broken.LOST)
        return Outcome(Broken.GATEWAY, status=int(fault.given("status")))

    async def _wait(self, fault: Armed) -> None:
        self._venue.settle(self._venue.catch_up())
        await self._venue.clock.sleep(float(fault.given("seconds")))

    # REST

    def asked(self, request: PrivateRequest, *, is_public: bool = False) -> Asked:
        """A REST request as faults see it; of a public one the query is the body."""
        mischief = self._venue.exchange.mischief(self._venue.catch_up())
        return Asked(
            names=(request.path.rpartition("/")[2],),
            body=request.body,
            is_public=is_public,
            params=parse_body(request.body, request.content_type),
            account=mischief.account_of_key(request.api_key),
            api_key=request.api_key,
        )

    async def rest(
        self, asked: Asked, handle: Callable[[], tuple[bytes, Sequence[str]]]
    ) -> bytes | Outcome:
        """Serve a REST request; ``handle`` answers with a body and the orders that it made."""
        outcome = await self.before(asked)
        if outcome is None:
            body, order_ids = handle()
            said = msgspec.json.decode(body, type=Envelope).error
            outcome = await self.after(asked, said, order_ids)
            self._venue.settle(self._venue.catch_up())
            if outcome is None:
                return body
        if outcome.broken is None:
            return encode({"error": [outcome.error]})
        return outcome

    # WebSocket

    async def trading(
        self, session: Session, text: bytes | str, handle: Callable[[], list[bytes]]
    ) -> list[bytes]:
        """Serve a text of a session; only trading can go wrong here."""
        request = self._trading_request(text)
        if request is None:
            return handle()
        params = {} if request.params is msgspec.UNSET else request.params
        asked = self._asked_over_socket(request.method, params, text)
        outcome = await self.before(asked)
        if outcome is None:
            frames = handle()
            outcome = await self.after(asked, (), _made(frames))
            if outcome is None:
                return frames
        if outcome.broken is not None:
            return []
        head = {"error": outcome.error, "method": request.method, "success": False}
        if request.req_id is not None:
            head["req_id"] = request.req_id
        session.sent_ns = self._venue.clock.now_ns()
        return [stamped(head, self._venue.exchange.told_ns(session.sent_ns))]

    def _trading_request(self, text: bytes | str) -> Request | None:
        try:
            request = msgspec.json.decode(text, type=Request)
        except msgspec.MsgspecError:
            return None
        return request if self._venue.exchange.is_trading_method(request.method) else None

    def _asked_over_socket(
        self, method: str, params: dict[str, object], text: bytes | str
    ) -> Asked:
        exchange, now_ns = self._venue.exchange, self._venue.catch_up()
        return Asked(
            names=(method, REST_NAMES.get(method, method)),
            body=text.encode() if isinstance(text, str) else text,
            params=Params(params),
            account=exchange.account_of_token(str(params.get("token")), now_ns),
        )


class _Made(msgspec.Struct):
    order_id: str = ""


class _Acknowledged(msgspec.Struct):
    result: _Made | list[_Made] | None = None


def _made(frames: Sequence[bytes]) -> list[str]:
    """Orders that these answers tell of."""
    found: list[str] = []
    for frame in frames:
        result = msgspec.json.decode(frame, type=_Acknowledged).result
        rows = result if isinstance(result, list) else [] if result is None else [result]
        found += [row.order_id for row in rows if row.order_id]
    return found


def _other(error: str) -> str:
    """The same refusal in its other spelling; empty if it has one only."""
    return OTHER_SPELLINGS.get(error, "")
