"""The table of outcomes, walked against the simulated venue: each row, each call that changes it.

A row of ``outcomes.py`` is made to happen: the venue's words by its faults, the breaks of the wire
by an *edge* that stands between adapter and venue and reads, forwards, cuts or says something else.
Each case asks for two things: the class that the adapter raises, and what the venue really did.
Where the venue may have acted, no case may end in ``Transient``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.errors import Unreachable
from krakked.adapters.kraken.network import AiohttpNetwork, Bounds
from krakked.adapters.kraken.nonces import Nonces
from krakked.adapters.kraken.outcomes import (
    BREAKS,
    BROKEN,
    ELSE,
    ERRORS,
    GONE,
    MUTATIONS,
    OUTCOMES,
    Act,
    Broken,
    Error,
    Meaning,
    error_of,
)
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import Call, RestSettings, Transport
from krakked.adapters.system.clock import LoopClock
from krakked.domain import errors as domain_errors
from krakked.domain.errors import Ambiguous, Fenced, KrakkedError, Transient
from krakked.domain.ids import Asset, ClientOrderId, PairName, PlanId, StrategyId
from krakked.domain.orders import LegKind, OrderRequest, OrderType, Side, TimeInForce
from krakked.ports.exchange import Amend
from krakked.runtime.simulated_time import SimulatedTimeLoop, run
from krakked.sim.exchange.limits import Tier as VenueTier
from krakked.simulator.faults import Armed, FaultKind
from krakked.simulator.options import SimulatorOptions, default_key
from krakked.simulator.server import RunningSimulator, start

XBT = PairName("XBTUSD")
S = 10**9
START_NS = 1_700_000_000 * S
ANSWER_BYTES_MAX = 50_000
DEAD_MAN_S = 20
PRICE, OTHER_PRICE = Decimal(40_000), Decimal(41_000)
ACTS = list(Act)
IN_TIME = [Act.ADD, Act.AMEND]
"""Calls that carry a deadline."""


def order(number: int) -> OrderRequest:
    """A buy that rests far below the market."""
    return OrderRequest(
        client_order_id=ClientOrderId(str(uuid.UUID(int=number))),
        plan_id=PlanId("p"),
        leg=0,
        revision=0,
        strategy_id=StrategyId("s"),
        pair=XBT,
        kind=LegKind.ENTRY,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity_base=Decimal("0.01"),
        limit_price=PRICE,
        time_in_force=TimeInForce.GTC,
        expire_at_ns=None,
    )


RESTING, NEW = order(1), order(2)


# what stands between


class Seen(msgspec.Struct):
    """A request, whole."""

    head: bytes
    body: bytes


Play = Callable[["Edge", Seen, asyncio.StreamWriter], Awaitable[None]]


class Edge:
    """Takes requests in the venue's place; one method meets ``play``, all others pass."""

    def __init__(self, venue: RunningSimulator, act: Act) -> None:
        host, port = venue.rest_url.removeprefix("http://").split(":")
        self._venue = (host, int(port))
        self._act = act
        self.play: Play = passes
        self.asked = 0
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            seen = await self._read(reader)
            if f"/0/private/{self._act.value} ".encode() not in seen.head:
                await passes(self, seen, writer)
            else:
                self.asked += 1
                await self.play(self, seen, writer)
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Seen:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if b"content-length:" in line]
        size = int(lengths[0].split(b":")[1]) if lengths else 0
        return Seen(head, await reader.readexactly(size))

    async def ask(self, seen: Seen) -> bytes:
        """Have the venue handle it; its answer, whole."""
        reader, writer = await asyncio.open_connection(*self._venue)
        first, rest = seen.head.split(b"\r\n", 1)
        writer.write(first + b"\r\nConnection: close\r\n" + rest + seen.body)
        answer = await reader.read()
        writer.close()
        return answer


async def passes(edge: Edge, seen: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(await edge.ask(seen))
    await writer.drain()


def resets(*, handled: bool) -> Play:
    async def play(edge: Edge, seen: Seen, writer: asyncio.StreamWriter) -> None:
        if handled:
            await edge.ask(seen)
        writer.transport.abort()

    return play


def is_silent(*, handled: bool) -> Play:
    async def play(edge: Edge, seen: Seen, writer: asyncio.StreamWriter) -> None:
        if handled:
            await edge.ask(seen)
        await asyncio.sleep(3_600)

    return play


def changes(change: Callable[[bytes], bytes]) -> Play:
    """The venue handles it, and its answer comes changed."""

    async def play(edge: Edge, seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(change(await edge.ask(seen)))
        await writer.drain()

    return play


def says(status: int, kind: str, body: str, more: str = "", *, handled: bool) -> Play:
    """Somebody else's answer, whether or not the venue has handled the request."""

    async def play(edge: Edge, seen: Seen, writer: asyncio.StreamWriter) -> None:
        if handled:
            await edge.ask(seen)
        writer.write(
            f"HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\n{more}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
        )
        await writer.drain()

    return play


class Way(msgspec.Struct, frozen=True):
    """How one row of ``BREAKS`` is made to happen."""

    play: Play
    handled: bool = False


HTML = "<html><title>error</title></html>"


def page(status: int) -> list[Way]:
    """An edge's page, before the venue has handled the request and after."""
    kinds = [(status, "text/html", HTML, handled) for handled in (False, True)]
    return [Way(says(*rest, handled=handled), handled) for *rest, handled in kinds]


def json(text: str) -> list[Way]:
    """That as an answer with status 200, before and after."""
    said = [says(200, "application/json", text, handled=handled) for handled in (False, True)]
    return [Way(said[0], handled=False), Way(said[1], handled=True)]


WAYS: dict[str, list[Way]] = {
    "reset after the request was handled": [Way(resets(handled=True), handled=True)],
    "silence, and the venue never saw the request": [Way(is_silent(handled=False))],
    "silence, and the request was handled": [Way(is_silent(handled=True), handled=True)],
    "half an answer": [Way(changes(lambda raw: raw[: len(raw) - 9]), handled=True)],
    "an answer larger than the bound": [
        Way(says(200, "application/json", "x" * 2 * ANSWER_BYTES_MAX, handled=True), handled=True)
    ],
    "no HTTP at all": [Way(changes(lambda _: b"\x15\x03\x01\r\n\r\n"), handled=True)],
    "HTTP 429": [Way(says(429, "text/html", HTML, handled=False))],
    "HTTP 307, a redirect": [
        Way(says(307, "text/html", "", "Location: /0/private/Elsewhere\r\n", handled=False))
    ],
    **{
        f"HTTP {status}, an edge's page": page(status)
        for status in (400, 403, 404, 500, 502, 503, 504, 520, 522, 524)
    },
    "HTTP 502 around a whole result": [
        Way(changes(lambda raw: raw.replace(b" 200 OK", b" 502 Bad", 1)), handled=True)
    ],
    "HTTP 200, an edge's page": page(200),
    "HTTP 200, nothing in it": json(""),
    "HTTP 200, no JSON": json("{nonsense"),
    "HTTP 200, JSON of another shape": json("[]"),
    "HTTP 200, no result": json('{"error":[]}'),
    "HTTP 200, a warning and no result": json('{"error":["WGeneral:Danger"]}'),
    "HTTP 200, an empty result": json('{"error":[],"result":{}}'),
    "HTTP 200, a result of another shape": json('{"error":[],"result":["done"]}'),
}
RESETS = {"reset before the request is read": 0, "reset while the request is read": 12}
"""Bytes of it that are read."""
UNCONNECTED = [row.way for row in BREAKS if row.broken is Broken.NOT_CONNECTED]
UNSENT = [row.way for row in BREAKS if row.broken is Broken.NOT_SENT]


# one venue, one adapter, one call


class Scene:
    """A venue with one resting order, and what one call to it may change."""

    def __init__(self, simulator: RunningSimulator, clock: LoopClock, act: Act) -> None:
        self.simulator = simulator
        self.clock = clock
        self.act = act
        self.edge = Edge(simulator, act)
        self._nonces = Nonces(clock)
        self._opened: list[KrakenRest] = []
        self.direct = self.adapter(simulator.rest_url)

    def adapter(self, url: str, tier: Tier = Tier.NONE) -> KrakenRest:
        """A client of the venue with that address; all of them share their nonces."""
        trade, query = self.simulator.trade_key, self.simulator.query_key
        rest = KrakenRest(
            Transport(
                RestSettings(url=url, tier=tier),
                self.clock,
                trade=Credentials(trade.key, trade.secret),
                query=Credentials(query.key, query.secret),
                nonces=self._nonces,
                network=AiohttpNetwork(Bounds(timeout_s=4, answer_bytes_max=ANSWER_BYTES_MAX)),
            )
        )
        self._opened.append(rest)
        return rest

    async def close(self) -> None:
        for rest in self._opened:
            await rest.close()

    async def call(self, rest: KrakenRest, within_s: int = 30) -> object:
        """The call of this scene."""
        deadline_at_ns = self.clock.now_ns() + within_s * S
        match self.act:
            case Act.ADD:
                return await rest.add_order(NEW, deadline_at_ns=deadline_at_ns)
            case Act.AMEND:
                amend = Amend(order_id=RESTING.client_order_id, pair=XBT, limit_price=OTHER_PRICE)
                return await rest.amend_order(amend, deadline_at_ns=deadline_at_ns)
            case Act.CANCEL:
                return await rest.cancel_order(RESTING.client_order_id, pair=XBT)
            case Act.CANCEL_ALL:
                return await rest.cancel_all()
            case Act.DEAD_MAN:
                return await rest.refresh_dead_man(DEAD_MAN_S)

    async def is_done(self) -> bool:
        """Whether the venue has done it, by what can be seen there."""
        if self.act is Act.DEAD_MAN:
            await self.clock.sleep(DEAD_MAN_S + 1)
        orders = {found.client_order_id: found for found in await self.direct.open_orders()}
        resting = orders.get(RESTING.client_order_id)
        match self.act:
            case Act.ADD:
                return NEW.client_order_id in orders
            case Act.AMEND:
                assert resting is not None
                return resting.limit_price == OTHER_PRICE
            case _:
                return resting is None

    async def failed(self, rest: KrakenRest, within_s: int = 30) -> KrakkedError | object:
        """The error that the call ends in, or its result if it has one."""
        try:
            return await self.call(rest, within_s)
        except KrakkedError as error:
            return error


Script = Callable[[Scene], Awaitable[None]]


@pytest.fixture
def scene() -> Callable[[Act, Script], None]:
    """Run a script against a fresh venue."""

    def play(act: Act, script: Script) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, SimulatedTimeLoop)
            clock = LoopClock(loop)
            options = SimulatorOptions(
                market="calm",
                pairs=(XBT,),
                prices={XBT: Decimal(50_000)},
                balances={Asset("USD"): Decimal(100_000)},
                tier=VenueTier.NONE,
                query_key=default_key("query"),
                admin=None,
                heartbeats=False,
            )
            simulator = await start(options, clock=clock)
            found = Scene(simulator, clock, act)
            try:
                await found.direct.add_order(RESTING, deadline_at_ns=clock.now_ns() + 30 * S)
                await script(found)
            finally:
                await found.close()
                await simulator.stop()

        run(main(), start_ns=START_NS, speed=None)

    return play


def expected_of(meaning: Meaning) -> type[KrakkedError]:
    """The class that the table names."""
    found = getattr(domain_errors, OUTCOMES[meaning])
    assert issubclass(found, KrakkedError)
    return found


async def check(scene: Scene, got: object, meaning: Meaning, *, done: bool) -> None:
    """The class, the venue's truth, and the one rule above all."""
    was_done = await scene.is_done()
    assert was_done is done
    expected = expected_of(meaning)
    assert isinstance(got, expected), f"{got!r}"
    assert type(got) in (expected, Unreachable)
    if was_done:
        assert isinstance(got, Ambiguous), "done, and called not done"


# what the venue says


def gone(row: Error, act: Act) -> bool:
    """Of an order that is gone a cancel and an amend say so, and fail in nothing."""
    return row.start in GONE and act in (Act.CANCEL, Act.AMEND)


UNHEARD = ("EGeneral:Something new", "EOrder:Something new", "EOther:Something")
WALKED = (*ERRORS, *(Error(text, ELSE.meaning, ELSE.doc) for text in UNHEARD))
"""With words that no row is for."""


@pytest.mark.parametrize("row", WALKED, ids=lambda row: row.start)
def test_error_of_the_table_ends_in_its_class_for_each_call_and_nothing_was_done(
    scene: Any, row: Error
) -> None:
    async def script(s: Scene) -> None:
        for act in ACTS:
            s.act = act
            s.simulator.faults.arm(Armed(kind=FaultKind.ERROR, method=act.value, text=row.start))
            got = await s.failed(s.direct)
            assert not s.simulator.faults.armed
            if gone(row, act):
                assert got is False
                assert await s.is_done() is False
            else:
                await check(s, got, row.meaning, done=False)

    scene(Act.ADD, script)


IN_DOUBT = [row for row in WALKED if OUTCOMES[row.meaning] == "Ambiguous"]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
@pytest.mark.parametrize("row", IN_DOUBT, ids=lambda row: row.start)
def test_error_that_leaves_a_doubt_ends_in_the_same_class_where_it_was_done(
    scene: Any, row: Error, act: Act
) -> None:
    async def script(s: Scene) -> None:
        s.simulator.faults.arm(Armed(kind=FaultKind.ERROR_AFTER, method=act.value, text=row.start))
        await check(s, await s.failed(s.direct), row.meaning, done=True)

    scene(act, script)


VENUES_OWN = {
    FaultKind.BUSY: Ambiguous,
    FaultKind.UNAVAILABLE: Ambiguous,
    FaultKind.THROTTLED: Transient,
    FaultKind.FOREIGN_NONCE: Fenced,
    FaultKind.REQUEST_LOST: Ambiguous,
    FaultKind.SERVER_ERROR: Ambiguous,
}
"""Nothing was done."""
VENUES_OWN_AFTER = (
    FaultKind.BUSY_AFTER,
    FaultKind.UNAVAILABLE_AFTER,
    FaultKind.ANSWER_LOST,
    FaultKind.SERVER_ERROR_AFTER,
)
"""It was done."""


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
@pytest.mark.parametrize("kind", VENUES_OWN, ids=lambda kind: kind.value)
def test_venue_that_fails_in_its_own_words_before_handling(
    scene: Any, kind: FaultKind, act: Act
) -> None:
    async def script(s: Scene) -> None:
        s.simulator.faults.arm(Armed(kind=kind, method=act.value))
        assert type(await s.failed(s.direct)) is VENUES_OWN[kind]
        assert await s.is_done() is False

    scene(act, script)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
@pytest.mark.parametrize("kind", VENUES_OWN_AFTER, ids=lambda kind: kind.value)
def test_venue_that_fails_in_its_own_words_after_handling_is_in_doubt(
    scene: Any, kind: FaultKind, act: Act
) -> None:
    async def script(s: Scene) -> None:
        s.simulator.faults.arm(Armed(kind=kind, method=act.value))
        assert type(await s.failed(s.direct)) is Ambiguous
        assert await s.is_done() is True

    scene(act, script)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
def test_throttled_call_is_taken_for_not_done_even_where_the_venue_broke_its_word(
    scene: Any, act: Act
) -> None:
    """The venue promises it; whoever is lied to sees the order when the books are compared."""

    async def script(s: Scene) -> None:
        s.simulator.faults.arm(Armed(kind=FaultKind.THROTTLED_AFTER, method=act.value))
        assert type(await s.failed(s.direct)) is Transient
        assert await s.is_done() is True

    scene(act, script)


# what becomes of a call on its way


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
@pytest.mark.parametrize("way", WAYS)
def test_break_of_the_table_ends_in_its_class_whatever_the_venue_did(
    scene: Any, way: str, act: Act
) -> None:
    (row,) = [row for row in BREAKS if row.way == way]
    for one in WAYS[way]:

        async def script(s: Scene, one: Way = one) -> None:
            s.edge.play = one.play
            async with s.edge.serve() as address:
                got = await s.failed(s.adapter(f"http://{address}"))
            assert s.edge.asked == 1, "asked once, and never again by itself"
            await check(s, got, BROKEN[row.broken], done=one.handled)

        scene(act, script)


@contextlib.asynccontextmanager
async def resetting(bytes_read: int) -> AsyncIterator[str]:
    """Whoever connects is cut off after so many bytes."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(bytes_read)
        writer.transport.abort()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
@pytest.mark.parametrize("way", RESETS)
def test_connection_that_is_reset_at_once_is_in_doubt_though_nothing_was_done(
    scene: Any, way: str, act: Act
) -> None:
    async def script(s: Scene) -> None:
        async with resetting(RESETS[way]) as address:
            got = await s.failed(s.adapter(f"http://{address}"))
        await check(s, got, Meaning.IN_DOUBT, done=False)

    scene(act, script)


async def nobody(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@contextlib.asynccontextmanager
async def unconnected(way: str) -> AsyncIterator[str]:
    """An address that cannot be reached, for the reason that the row names."""
    if way == "the connection is refused":
        yield "http://127.0.0.1:9"
        return
    if way == "the name does not resolve":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)
            yield "http://venue.invalid"
        return

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if way == "TLS cannot be agreed on":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
        await reader.read()  # whoever waits for more gives up first
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"https://{host}:{port}"
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
@pytest.mark.parametrize("way", UNCONNECTED)
def test_call_that_never_connects_is_certainly_not_done(scene: Any, way: str, act: Act) -> None:
    async def script(s: Scene) -> None:
        async with unconnected(way) as address:
            got = await s.failed(s.adapter(address))
        assert type(got) is Unreachable
        assert "not connected" in str(got)
        await check(s, got, Meaning.LATER, done=False)

    scene(act, script)


@pytest.mark.parametrize("act", IN_TIME, ids=lambda act: act.value)
def test_call_that_the_rate_limit_holds_past_its_deadline_is_not_sent(scene: Any, act: Act) -> None:
    async def script(s: Scene) -> None:
        rest = s.adapter(s.simulator.rest_url, Tier.STARTER)
        rest.transport.limits.engine_tripped(XBT)
        got = await s.failed(rest, within_s=3)
        assert "no room for XBTUSD" in str(got)
        await check(s, got, Meaning.LATER, done=False)

    scene(act, script)


@pytest.mark.parametrize("act", IN_TIME, ids=lambda act: act.value)
def test_call_whose_turn_comes_too_late_for_its_deadline_is_not_sent(scene: Any, act: Act) -> None:
    async def script(s: Scene) -> None:
        rest = s.direct
        s.simulator.faults.arm(Armed(kind=FaultKind.ANSWER_DELAY, method="CancelAll", seconds=3))
        busy = asyncio.create_task(rest.transport.private(Call(method="CancelAll")))
        await s.clock.sleep(0.5)
        got = await s.failed(rest, within_s=3)
        await busy
        assert "too late for its deadline" in str(got)
        assert type(got) is Transient
        orders = await rest.open_orders()
        assert orders == [], "what the other call cancelled, and nothing new"

    scene(act, script)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
def test_call_that_the_guard_holds_back_is_not_sent(scene: Any, act: Act) -> None:
    async def script(s: Scene) -> None:
        async with s.edge.serve() as address:
            rest = s.adapter(f"http://{address}")
            rest.transport.permit = lambda call: f"no authority for {call.method}"
            got = await s.failed(rest)
        assert s.edge.asked == 0
        assert f"no authority for {act.value}" in str(got)
        await check(s, got, Meaning.LATER, done=False)

    scene(act, script)


@contextlib.contextmanager
def slow_to_connect(seconds: float) -> Iterator[None]:
    """Names resolve to this machine so late; it is part of connecting, as TCP and TLS are."""

    async def late(_: str, port: int, **__: object) -> list[object]:
        await asyncio.sleep(seconds)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "getaddrinfo", late)
        yield


def by_name(address: str) -> str:
    """The same place, by a name that has to be resolved."""
    return f"http://{address}".replace("127.0.0.1", "venue.invalid")


@pytest.mark.parametrize("act", IN_TIME, ids=lambda act: act.value)
def test_call_that_is_connected_too_late_for_its_deadline_is_not_sent(scene: Any, act: Act) -> None:
    async def script(s: Scene) -> None:
        async with s.edge.serve() as address:
            with slow_to_connect(1.5):
                got = await s.failed(s.adapter(by_name(address)), within_s=3)
        assert s.edge.asked == 0
        assert "too late for its deadline" in str(got)
        assert type(got) is Transient
        await check(s, got, Meaning.LATER, done=False)

    scene(act, script)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
def test_call_that_the_guard_holds_back_once_it_is_connected_is_not_sent(
    scene: Any, act: Act
) -> None:
    async def script(s: Scene) -> None:
        until_ns = s.clock.now_ns() + S
        async with s.edge.serve() as address:
            rest = s.adapter(by_name(address))
            rest.transport.permit = lambda _: "no more" if s.clock.now_ns() > until_ns else None
            with slow_to_connect(1.5):
                got = await s.failed(rest)
        assert s.edge.asked == 0
        assert "not sent: no more" in str(got)
        assert type(got) is Transient
        await check(s, got, Meaning.LATER, done=False)

    scene(act, script)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.value)
def test_call_that_is_answered_was_done(scene: Any, act: Act) -> None:
    """Else the cases above could not tell what the venue did."""

    async def script(s: Scene) -> None:
        async with s.edge.serve() as address:
            got = await s.failed(s.adapter(f"http://{address}"))
        assert not isinstance(got, KrakkedError)
        assert got
        assert s.edge.asked == 1
        assert await s.is_done() is True

    scene(act, script)


# the table itself


def test_every_row_of_the_table_has_a_case() -> None:
    assert {*WAYS, *RESETS, *UNCONNECTED, *UNSENT} == {row.way for row in BREAKS}
    assert set(BROKEN) == set(Broken)
    assert len({row.start for row in ERRORS}) == len(ERRORS)
    assert all(row.start for row in ERRORS)
    assert {error_of(text) for text in (*UNHEARD, "")} == {ELSE}
    assert OUTCOMES[ELSE.meaning] == "Ambiguous"
    assert len(UNSENT) == 5
    assert len(UNCONNECTED) == 4


def test_every_call_that_changes_something_is_one_of_the_table() -> None:
    assert {act.value for act in Act} == MUTATIONS
    changing = {"AddOrder", "AmendOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter"}
    assert changing == MUTATIONS


def test_only_what_certainly_never_reached_the_venue_is_called_not_done() -> None:
    certain = {Broken.NOT_SENT, Broken.NOT_CONNECTED, Broken.EDGE_LIMIT}
    assert {how for how, meaning in BROKEN.items() if meaning is Meaning.LATER} == certain
