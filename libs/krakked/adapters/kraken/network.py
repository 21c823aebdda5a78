"""What the adapter needs of a network: requests that are answered, and sockets that carry frames.

Everything above (signing, nonces, limits, what an answer means) is the same whether bytes travel
over aiohttp or through a simulated world; everything below is here. Failures say the one thing
that counts: whether a byte may have reached the venue. Connecting takes its time (half of a
request's at most), so a caller may hand over a last question, asked once a connection stands and
before a byte is written: what it raises is raised, and nothing has left.

Redirects are not followed (they would carry a signature elsewhere), proxies of the environment are
not used, and no answer may be larger than a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final, Protocol, TypeAlias

import aiohttp
import msgspec
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

_USER_AGENT: Final = "krakked"
_CONNECTIONS_MAX: Final = 16
_CLOSE_TIMEOUT_S: Final = 1.0
"""A venue that is silent will not answer a farewell either."""
_OVER: Final = frozenset(
    {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED}
)


LastQuestion: TypeAlias = Callable[[], None]
"""Raises what keeps a request from being written."""


def no_question() -> None:
    """Whatever has changed meanwhile."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request."""

    verb: str
    url: str
    params: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    content_type: str
    body: bytes


class NotConnected(Exception):
    """No byte of it has left; says why."""


class NoAnswer(Exception):
    """It may have arrived, and nothing understandable came back; says why."""


class Broken(Exception):
    """A socket is over; says why."""


class Silent(Broken):
    """Nothing came over it in the time given."""


class Socket(Protocol):
    """One WebSocket connection that stands."""

    async def send(self, text: str) -> None:
        """Hand one frame over.

        Raises:
            Broken: it did not go out.
        """
        ...

    async def receive(self, deadline: float | None) -> str | bytes:
        """The next frame; ``deadline`` is on the loop's time line, None for ever.

        Raises:
            Silent: nothing came until then.
            Broken: the other end closed it, or it failed.
        """
        ...

    async def close(self) -> None:
        """Let go of it; never raises."""
        ...


class Network(Protocol):
    """Ways to the venue."""

    async def request(self, request: Request, ask: LastQuestion = no_question) -> Answer:
        """Send it once; ``ask`` is asked when all that may take time before the write is done.

        Raises:
            NotConnected, NoAnswer: see there. And what ``ask`` raises: no byte of it has left.
        """
        ...

    async def connect(self, url: str, *, timeout_s: float, frame_bytes_max: int) -> Socket:
        """Open a WebSocket.

        Raises:
            NotConnected: nobody took it, or not in time.
        """
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for the venue, and how much to take from it."""

    timeout_s: float = 10.0
    """A whole request, from connecting to the last byte; half of it at most for connecting."""
    keepalive_s: float = 15.0
    """Shorter than the venue's, so that no request is written into a connection that is closing."""
    answer_bytes_max: int = 32 * 1024 * 1024


_ASKED: Final[ContextVar[LastQuestion]] = ContextVar("_ASKED", default=no_question)
"""The last question of the request that this task sends."""


class _AskingConnector(aiohttp.TCPConnector):
    """Asks once the connection stands, new or kept: what follows writes without waiting."""

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as it is there
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            _ASKED.get()()
        except BaseException:
            connection.release()
            raise
        return connection


class AiohttpNetwork:
    """The real one: one session, opened when first used, inside a running loop."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._opened: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"<AiohttpNetwork {'open' if self._is_open else 'closed'}>"

    @property
    def _is_open(self) -> bool:
        return self._opened is not None and not self._opened.closed

    async def request(self, request: Request, ask: LastQuestion = no_question) -> Answer:
        """Send it once."""
        asked = _ASKED.set(ask)
        try:
            return await self._request(request)
        finally:
            _ASKED.reset(asked)

    async def _request(self, request: Request) -> Answer:
        try:
            async with self._session().request(
                request.verb,
                request.url,
                params=request.params,
                data=None if request.body is None else request.body.encode(),
                headers=request.headers,
                allow_redirects=False,
            ) as response:
                content = await _bounded(response, self._bounds.answer_bytes_max)
                return Answer(response.status, response.content_type, content)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotConnected(_words(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(_words(error)) from error

    async def connect(self, url: str, *, timeout_s: float, frame_bytes_max: int) -> Socket:
        """Open a WebSocket."""
        try:
            async with asyncio.timeout(timeout_s):
                socket = await self._session().ws_connect(
                    url,
                    max_msg_size=frame_bytes_max,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT_S),
                )
        except (aiohttp.ClientError, OSError) as error:  # a time-out is an OSError
            raise NotConnected(_words(error)) from error
        return _AiohttpSocket(socket)

    async def close(self) -> None:
        """Let go of all connections."""
        if self._opened is not None:
            await self._opened.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None or self._opened.closed:
            bounds = self._bounds
            self._opened = aiohttp.ClientSession(
                connector=_AskingConnector(
                    limit=_CONNECTIONS_MAX, keepalive_timeout=bounds.keepalive_s
                ),
                timeout=aiohttp.ClientTimeout(total=bounds.timeout_s, connect=bounds.timeout_s / 2),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": _USER_AGENT},
                trust_env=False,
            )
        return self._opened


class _AiohttpSocket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            raise Broken(f"cannot send: {_words(error)}") from error

    async def receive(self, deadline: float | None) -> str | bytes:
        try:
            async with asyncio.timeout_at(deadline):
                message = await self._socket.receive()
        except TimeoutError:
            raise Silent("nothing was received for too long") from None
        if message.type in _OVER:
            raise Broken(f"closed by the venue (code {self._socket.close_code})")
        if message.type is aiohttp.WSMsgType.ERROR:
            raise Broken(f"broken: {message.data}")
        assert isinstance(message.data, str | bytes)
        return message.data

    async def close(self) -> None:
        await self._socket.close()


async def _bounded(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    chunks = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > bytes_max:
            response.close()
            raise aiohttp.ClientPayloadError(f"more than {bytes_max} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
