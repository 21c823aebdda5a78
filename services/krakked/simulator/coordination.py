r"""A process that stands for a Kubernetes API server: leases and events, and an admin port.

    python -m krakked.simulator.coordination --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
        --lease namespace/name [--state FILE]

It prints one line of JSON with both addresses once they are open, and ends with SIGTERM or SIGINT.
With a file for its state whatever it answered outlives it, however it ends, as with the real one.
The admin port (loopback, no token) has

    GET  /state                         leases, events, switches, calls so far
    POST /switches                      fields of ``sim.kubernetes_api.Switches``; the rest: as new
    POST /leases  {namespace, name}     make it (again)
    POST /delete  {namespace, name}     delete it
    POST /change  {namespace, name, annotations, spec}     as a person with kubectl
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from krakked.adapters.system.clock import SystemClock
from krakked.domain.errors import BadInput
from krakked.ports.clock import Clock
from krakked.sim.kubernetes_api import Asked, JsonObject, KeptApi, KubernetesApi, Switches
from krakked.simulator.options import parse_address

_LONG_S: Final = 10.0**6
_SHUTDOWN_S: Final = 0.1


class LeaseAct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the admin port takes about one lease."""

    namespace: str
    name: str
    annotations: dict[str, str | None] = {}
    spec: JsonObject = {}


class SwitchAct(Switches, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong; for the client with one token, if it is named."""

    token: str | None = None


class State:
    """The file with what an API server keeps; without one everything ends with the process."""

    def __init__(self, api: KubernetesApi, path: Path | None) -> None:
        self._api = api
        self._path = path
        self._kept = 0

    def restore(self) -> None:
        """Go on with what the file has, if it exists.

        Raises:
            BadInput: it cannot be read.
        """
        if self._path is None or not self._path.exists():
            return
        try:
            self._api.restore(msgspec.json.decode(self._path.read_bytes(), type=KeptApi))
        except (OSError, msgspec.DecodeError) as error:
            raise BadInput(f"state {self._path}: {error}") from error

    def keep(self) -> None:
        """What is new, on the disk before anybody hears that it was done."""
        if self._path is None or self._kept == self._api.changes:
            return
        self._kept = self._api.changes
        made = self._path.with_name(f"{self._path.name}.new")
        with made.open("wb") as file:
            file.write(msgspec.json.encode(self._api.kept()))
            file.flush()
            os.fsync(file.fileno())
        made.replace(self._path)


class Coordination:
    """Both ports of one fake API server."""

    def __init__(self, api: KubernetesApi, clock: Clock, state: Path | None = None) -> None:
        self.api = api
        self._state_file = State(api, state)
        self.url = self.admin_url = ""
        self._clock = clock
        self._runners: list[web.AppRunner] = []

    async def start(self, listen: str, admin: str) -> None:
        """Open both ports, on the state there is.

        Raises:
            BadInput: an address or a state that cannot be used.
        """
        self._state_file.restore()
        served = web.Application()
        served.router.add_route("*", "/{path:.*}", self._serve)
        self.url = await self._open(served, listen, "listen")
        self.admin_url = await self._open(self._admin(), admin, "admin")

    async def stop(self) -> None:
        """Close both."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def _open(self, application: web.Application, address: str, option: str) -> str:
        host, port = parse_address(address, option)
        runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=_SHUTDOWN_S, handle_signals=False
        )
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise BadInput(f"{option} {address}: {error.strerror}", exit_code=74) from error
        bound = runner.addresses[0]
        return f"http://{bound[0]}:{bound[1]}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        answered = self.api.handle(
            Asked(
                verb=request.method,
                path=request.path,
                authorization=request.headers.get("Authorization", ""),
                body=await request.read(),
            )
        )
        self._state_file.keep()
        if answered.never:
            await self._clock.sleep(_LONG_S)
        if answered.delay_s:
            await self._clock.sleep(answered.delay_s)
        if answered.breaks and request.transport is not None:
            request.transport.abort()
        return web.Response(
            status=answered.status or 500, body=answered.body, content_type="application/json"
        )

    def _admin(self) -> web.Application:
        application = web.Application()
        application.router.add_route("GET", "/state", self._state)
        for path, act in (
            ("/switches", self._switch),
            ("/leases", self._create),
            ("/delete", self._delete),
            ("/change", self._change),
        ):
            application.router.add_route("POST", path, self._mendable(act))
        return application

    def _mendable(
        self, act: Callable[[bytes], object]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            try:
                done = act(await request.read())
            except (msgspec.DecodeError, BadInput) as problem:
                return web.Response(status=400, text=f"{problem}\n")
            self._state_file.keep()
            return _json(done)

        return handler

    async def _state(self, _: web.Request) -> web.Response:
        api = self.api
        return _json(
            {
                "leases": api.leases(),
                "events": api.events,
                "calls": api.calls,
                "switches": api.switches,
                "by_token": api.by_token,
            }
        )

    def _switch(self, body: bytes) -> object:
        act = msgspec.json.decode(body, type=SwitchAct)
        fields = {name: getattr(act, name) for name in Switches.__struct_fields__}
        if act.token is None:
            self.api.switches = Switches(**fields)
        else:
            self.api.by_token[act.token] = Switches(**fields)
        return fields

    def _create(self, body: bytes) -> object:
        act = msgspec.json.decode(body, type=LeaseAct)
        return self.api.create(act.namespace, act.name)

    def _delete(self, body: bytes) -> object:
        act = msgspec.json.decode(body, type=LeaseAct)
        self.api.delete(act.namespace, act.name)
        return {}

    def _change(self, body: bytes) -> object:
        act = msgspec.json.decode(body, type=LeaseAct)
        if self.api.lease(act.namespace, act.name) is None:
            raise BadInput(f"there is no lease {act.namespace}/{act.name}")
        return self.api.change(
            act.namespace, act.name, annotations=dict(act.annotations), spec=act.spec
        )


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="krakked.simulator.coordination", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0", help="host:port of the API")
    parser.add_argument("--admin", default="127.0.0.1:0", help="host:port of the admin port")
    parser.add_argument("--lease", action="append", default=[], help="namespace/name to begin with")
    parser.add_argument("--token", action="append", default=[], help="accepted; default: any")
    parser.add_argument("--state", type=Path, help="a file that keeps what was written")
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> None:
    api = KubernetesApi()
    api.switches.tokens = tuple(options.token)
    for lease in options.lease:
        namespace, _, name = lease.partition("/")
        api.create(namespace, name)
    server = Coordination(api, SystemClock(), options.state)
    await server.start(options.listen, options.admin)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    line = msgspec.json.encode({"api": server.url, "admin": server.admin_url}).decode()
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    try:
        await stopped.wait()
    finally:
        await server.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; the exit code."""
    try:
        asyncio.run(_run(_options(sys.argv[1:] if arguments is None else arguments)))
    except BadInput as problem:
        sys.stderr.write(f"krakked: {problem}\n")
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
