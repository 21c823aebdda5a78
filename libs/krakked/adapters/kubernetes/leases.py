"""A Lease of Kubernetes by three calls: GET and PUT of the lease, POST of an event.

Each call ends within its time-out, the second try after a refused token included. The token is read
from its file again at least once a minute and whenever it is refused, because it is rotated under a
running pod. Proxies of the environment are not used, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from krakked.adapters.kubernetes.lease_objects import (
    JsonObject,
    event_object,
    object_of,
    record_of,
)
from krakked.domain.errors import BadInput
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock
from krakked.ports.lease_store import (
    LeaseConflict,
    LeaseEvent,
    LeaseMissing,
    LeaseRecord,
    LeaseUnreachable,
)

TOKEN_AGE_MAX_NS: Final = 60 * NS_PER_SECOND
_MOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_REFUSED_FROM: Final = 300
_WORDS_MAX: Final = 200


class ApiServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API server is, and how it knows us."""

    url: str
    namespace: str
    token_file: Path
    ca_file: Path | None = None
    """None: as this machine trusts."""


def api_server_of(environ: Mapping[str, str], *, mount: Path = _MOUNT) -> ApiServer:
    """As every pod finds it.

    Raises:
        BadInput: this is no pod, or it was given no account.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    namespace = mount / "namespace"
    if not host or not port or not namespace.is_file():
        raise BadInput(
            "leader.store kubernetes: this is no pod with a service account (no "
            f"KUBERNETES_SERVICE_HOST, or no {namespace}); set leader.store to file, or give the "
            "pod its account (automountServiceAccountToken)"
        )
    bracketed = f"[{host}]" if ":" in host else host
    return ApiServer(
        url=f"https://{bracketed}:{port}",
        namespace=namespace.read_text(encoding="utf-8").strip(),
        token_file=mount / "token",
        ca_file=mount / "ca.crt",
    )


class _Token:
    """The bearer token, as fresh as its file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._text = ""
        self._read_at_ns: int | None = None

    def text(self) -> str:
        """Read again if it is a minute old, or the clock went back."""
        now_ns = self._clock.now_ns()
        age_ns = None if self._read_at_ns is None else now_ns - self._read_at_ns
        if age_ns is None or not 0 <= age_ns < TOKEN_AGE_MAX_NS:
            self._text = self._path.read_text(encoding="utf-8").strip()
            self._read_at_ns = now_ns
        return self._text

    def forget(self) -> None:
        """It was refused."""
        self._read_at_ns = None


class KubernetesLeases:
    """Implements ``krakked.ports.lease_store.LeaseStore``."""

    def __init__(self, server: ApiServer, name: str, clock: Clock, *, timeout_s: float) -> None:
        """Open nothing yet; ``name`` is the lease's, which somebody else has made."""
        self._server = server
        self._name = name
        self._timeout_s = timeout_s
        self._token = _Token(server.token_file, clock)
        self._session: aiohttp.ClientSession | None = None
        self._newest: JsonObject = {}
        """As it was read or written last; what we do not know in it is kept."""

    def __repr__(self) -> str:
        return f"<KubernetesLeases {self._server.url} {self._server.namespace}/{self._name}>"

    async def read(self) -> LeaseRecord:
        """GET."""
        return self._keep(await self._call("GET", self._path(), None))

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """PUT, with the version that was read."""
        newest = record_of(self._newest)
        if (record.uid, record.version) != (newest.uid, newest.version):
            raise LeaseConflict(f"version {record.version} is not the one read last")
        return self._keep(await self._call("PUT", self._path(), object_of(record, self._newest)))

    async def announce(self, event: LeaseEvent) -> None:
        """POST."""
        body = event_object(
            event,
            namespace=self._server.namespace,
            lease=self._name,
            uid=record_of(self._newest).uid,
        )
        await self._call("POST", f"/api/v1/namespaces/{self._server.namespace}/events", body)

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _path(self) -> str:
        namespace = self._server.namespace
        return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{self._name}"

    def _keep(self, lease: JsonObject) -> LeaseRecord:
        self._newest = lease
        return record_of(lease)

    async def _call(self, verb: str, path: str, body: JsonObject | None) -> JsonObject:
        what = f"{verb} {path}"
        try:
            async with asyncio.timeout(self._timeout_s):
                status, content = await self._send(verb, path, body)
                if status == _UNAUTHORIZED:
                    self._token.forget()
                    status, content = await self._send(verb, path, body)
        except TimeoutError as error:
            raise LeaseUnreachable(f"{what}: no answer in {self._timeout_s:g} s") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            await self.close()  # the authority's certificate may have been rotated
            raise LeaseUnreachable(f"{what}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise LeaseUnreachable(f"{what}: {type(error).__name__} {error}") from error
        return _result(what, status, content)

    async def _send(self, verb: str, path: str, body: JsonObject | None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._token.text()}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        async with self._opened().request(
            verb,
            self._server.url + path,
            data=None if body is None else msgspec.json.encode(body),
            headers=headers,
            allow_redirects=False,
        ) as response:
            return response.status, await response.read()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._trust(), limit=4),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "krakked"},
                trust_env=False,
            )
        return self._session

    def _trust(self) -> ssl.SSLContext | bool:
        if self._server.ca_file is None:
            return True
        return ssl.create_default_context(cafile=self._server.ca_file)


def _result(what: str, status: int, content: bytes) -> JsonObject:
    if status == _NOT_FOUND:
        raise LeaseMissing(f"{what}: there is none")
    if status == _CONFLICT:
        raise LeaseConflict(f"{what}: replaced since it was read")
    try:
        answer = msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = {}
    if status >= _REFUSED_FROM:
        words = str(answer.get("message", ""))[:_WORDS_MAX]
        raise LeaseUnreachable(f"{what}: HTTP {status} {words}".rstrip())
    if not answer:
        raise LeaseUnreachable(f"{what}: HTTP {status}, and no object in it")
    return answer
