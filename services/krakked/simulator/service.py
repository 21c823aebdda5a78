"""What a port of the venue serves, before it is HTTP or a socket: requests in, answers out.

Sockets of this machine and of simulated worlds lead here alike, so both meet the same venue with
the same faults. An answer that a fault has broken is an :class:`Outcome`; how that looks on the
wire is the carrier's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from krakked.sim.exchange.calls import PrivateRequest, RestAnswer
from krakked.sim.exchange.errors import TOO_MANY_REQUESTS
from krakked.sim.public import requests, rest
from krakked.sim.public.sessions import Role, Session
from krakked.simulator.request_faults import Outcome, RequestFaults
from krakked.simulator.venue import Connection, Venue


class PublicRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A public REST request."""

    path: str
    query: Mapping[str, str]
    query_text: str
    remote: str


class Service:
    """One venue behind one kind of host."""

    def __init__(self, venue: Venue, role: Role) -> None:
        self._venue = venue
        self._role = role
        self._faults = RequestFaults(venue)

    async def public(self, request: PublicRequest) -> bytes | Outcome:
        """Answer a public request."""
        if self._venue.faults.is_quiet:
            return self._answer_public(request)
        bare = PrivateRequest(
            path=request.path,
            api_key=None,
            api_sign=None,
            body=request.query_text.encode(),
            content_type="application/x-www-form-urlencoded",
        )
        asked = self._faults.asked(bare, is_public=True)
        return await self._faults.rest(asked, lambda: (self._answer_public(request), ()))

    def _answer_public(self, request: PublicRequest) -> bytes:
        now_ns = self._venue.catch_up()
        hub, subject = self._venue.hub, request.query.get("pair", request.path)
        if hub.gate.admits_request(request.remote, subject, now_ns):
            body = rest.answer(hub.data, request.path, request.query, now_ns)
        else:
            body = rest.refusal(TOO_MANY_REQUESTS)
        self._venue.settle(now_ns)
        return body

    def unknown(self) -> bytes:
        """The answer to a path that there is not."""
        return rest.answer(self._venue.hub.data, "", {}, 0)

    async def private(self, request: PrivateRequest) -> bytes | Outcome:
        """Answer a signed request."""
        if self._venue.faults.is_quiet:
            return self._handle(request).body

        def handle() -> tuple[bytes, Sequence[str]]:
            answer = self._handle(request)
            return answer.body, answer.order_ids

        return await self._faults.rest(self._faults.asked(request), handle)

    def _handle(self, request: PrivateRequest) -> RestAnswer:
        now_ns = self._venue.catch_up()
        answer = self._venue.exchange.private_rest(request, now_ns)
        self._venue.settle(now_ns)
        return answer

    # sockets

    def admits_connection(self, remote: str) -> bool:
        """Whether that address has not connected too often."""
        return self._venue.hub.gate.admits_connection(remote, self._venue.catch_up())

    def open(self) -> tuple[Session, bytes]:
        """A new session, and its first frame."""
        return self._venue.hub.open(self._role, self._venue.catch_up())

    def attach(self, session: Session, connection: Connection) -> None:
        """From now on frames of the session go there."""
        self._venue.connections[session] = connection

    def close(self, session: Session) -> None:
        """The connection is gone."""
        self._venue.connections.pop(session, None)
        self._venue.hub.close(session)

    async def hear(self, session: Session, connection: Connection, text: bytes | str) -> None:
        """Serve one text of a session."""
        venue = self._venue

        def handle() -> list[bytes]:
            return requests.receive(venue.hub, session, text, venue.catch_up())

        if venue.faults.is_quiet:
            frames = handle()
        else:
            frames = await self._faults.trading(session, text, handle)
        for frame in frames:
            connection.send(frame)
        venue.settle(venue.catch_up())
