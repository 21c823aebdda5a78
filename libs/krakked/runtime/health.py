"""Probes and metrics over HTTP: ``/livez /readyz /startupz /metrics``, apart from the engine.

The server runs in a thread and an event loop of its own, so that a busy engine shows as the age of
its heartbeat and not as a probe that times out. *Live* means: the loop beats, its registered checks
pass, and the clock has not jumped. *Ready* means: started and recovered. Trouble with the venue is
neither: it makes the engine ``degraded``, which the body says with status 200.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from aiohttp import web

from krakked.domain.errors import BadInput
from krakked.domain.times import NS_PER_SECOND
from krakked.runtime.exit_codes import ExitCode

HEARTBEAT_MAX_S: Final = 15.0
CLOCK_JUMP_MAX_S: Final = 60.0
START_TIMEOUT_S: Final = 5.0

Check = Callable[[], str | None]
"""What is wrong, or None; called from the server's thread."""
Respond = Callable[[web.Request], Awaitable[web.Response]]


class HealthState:
    """How the engine is; written by its loop, read by the server's thread."""

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int],
        elapsed_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin to live now.

        Args:
            wall_ns: this machine's wall clock.
            elapsed_s: this machine's stopwatch.
        """
        self._lock = threading.Lock()
        self._wall_ns = wall_ns
        self._elapsed_s = elapsed_s
        self._checks: tuple[Check, ...] = ()
        self._began = (wall_ns() / NS_PER_SECOND, elapsed_s())
        self._beat_s = elapsed_s()
        self._is_started = False
        self._not_ready: str | None = "starting"
        self._degraded: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<HealthState live: {not self.live()}, ready: {not self.ready()}>"

    def beat(self) -> None:
        """The engine's loop turns."""
        with self._lock:
            self._beat_s = self._elapsed_s()

    def add_check(self, check: Check) -> None:
        """Make ``check`` a further condition of being live."""
        with self._lock:
            self._checks = (*self._checks, check)

    def mark_started(self) -> None:
        """The process is up and has its database."""
        with self._lock:
            self._is_started = True

    def mark_ready(self) -> None:
        """The books were compared with the venue's; trading goes on."""
        with self._lock:
            self._not_ready = None

    def mark_not_ready(self, reason: str) -> None:
        """No new plans for now."""
        with self._lock:
            self._not_ready = reason

    def set_degraded(self, names: Sequence[str]) -> None:
        """What does not work as it should while the engine goes on."""
        with self._lock:
            self._degraded = tuple(names)

    def started(self) -> list[str]:
        """Why the start is not over; empty when it is."""
        with self._lock:
            return [] if self._is_started else ["starting"]

    def live(self) -> list[str]:
        """Why the process should be killed; empty when it should not."""
        with self._lock:
            age_s = self._elapsed_s() - self._beat_s
            checks = self._checks
        problems = [self._jump(), *(check() for check in checks)]
        if age_s >= HEARTBEAT_MAX_S:
            problems.insert(0, f"the loop has not turned for {age_s:.0f} s")
        return [problem for problem in problems if problem is not None]

    def ready(self) -> list[str]:
        """Why no plans are carried out; empty when they are."""
        with self._lock:
            return [] if self._not_ready is None else [self._not_ready]

    def degraded(self) -> tuple[str, ...]:
        """See :meth:`set_degraded`."""
        with self._lock:
            return self._degraded

    def heartbeat_age_s(self) -> float:
        """Since the loop last turned."""
        with self._lock:
            return self._elapsed_s() - self._beat_s

    def _jump(self) -> str | None:
        wall_s, elapsed_s = self._began
        drift_s = (self._wall_ns() / NS_PER_SECOND - wall_s) - (self._elapsed_s() - elapsed_s)
        if abs(drift_s) < CLOCK_JUMP_MAX_S:
            return None
        return f"the wall clock has jumped by {drift_s:.0f} s"


class HealthServer:
    """Serves the probes until :meth:`stop`."""

    def __init__(
        self, state: HealthState, *, host: str, port: int, metrics: Callable[[], bytes]
    ) -> None:
        """Take the address; nothing listens before :meth:`start`.

        Args:
            state: what the probes tell.
            host: where to listen.
            port: 0 takes any free one.
            metrics: the page of ``/metrics``, made in the server's thread.
        """
        self._state = state
        self._host = host
        self._port = port
        self._metrics = metrics
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)
        self._is_up = threading.Event()
        self._failure: OSError | None = None

    def __repr__(self) -> str:
        return f"<HealthServer {self.url}>"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        """Listen; returns when it does.

        Raises:
            BadInput: the port is taken, or the address is not ours.
        """
        self._thread.start()
        is_up = self._is_up.wait(START_TIMEOUT_S)
        if self._failure is not None:
            self._thread.join()
            reason = os.strerror(self._failure.errno or 0).lower()
            raise BadInput(
                f"health.port {self._port} on {self._host}: {reason}; stop what listens there, or "
                "set health.port (0 takes any free one)",
                exit_code=ExitCode.OCCUPIED,
            ) from self._failure
        assert is_up, "the health server's thread does not start"

    def stop(self) -> None:
        """Close the door and wait for the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._open())
        except OSError as error:
            self._failure = error
            self._loop.run_until_complete(self._close())
        else:
            self._is_up.set()
            self._loop.run_forever()
            self._loop.run_until_complete(self._close())
        finally:
            self._is_up.set()
            self._loop.close()

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get("/livez", self._probe(self._state.live))
        app.router.add_get("/readyz", self._probe(self._state.ready))
        app.router.add_get("/startupz", self._probe(self._state.started))
        app.router.add_get("/metrics", self._on_metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _probe(self, problems: Callable[[], list[str]]) -> Respond:
        async def respond(_: web.Request) -> web.Response:
            found = problems()
            body = {
                "ok": not found,
                "problems": found,
                "degraded": self._state.degraded(),
                "heartbeat_age_seconds": round(self._state.heartbeat_age_s(), 3),
            }
            return web.Response(
                body=msgspec.json.encode(body),
                status=503 if found else 200,
                content_type="application/json",
            )

        return respond

    async def _on_metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )
