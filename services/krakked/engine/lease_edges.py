"""Where a run finds its lease, its clocks and its watchdog: this machine's, a pod's, or its own.

A run whose time is not the machine's has its lease to itself: nobody else can trade in it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Protocol

from krakked.adapters.kubernetes.leases import ApiServer, KubernetesLeases, api_server_of
from krakked.adapters.system.elapsed import ClockElapsed, MachineElapsed
from krakked.adapters.system.lease_file import LeaseFile, make_lease_file, path_beside
from krakked.adapters.system.watchdog import NoWatchdog, ProcessWatchdog
from krakked.engine.places import Places
from krakked.ports.clock import Clock
from krakked.ports.elapsed import Elapsed
from krakked.ports.lease_store import LeaseStore
from krakked.ports.watchdog import Watchdog
from krakked.runtime.settings import Settings
from krakked.sim.leases import DirectLeaseStore, SimLeases
from krakked.trading.owning import Me
from krakked.trading.timings import Timings


class LeaseEdges(Protocol):
    """What ownership needs of the outside."""

    def store(
        self, settings: Settings, places: Places, clock: Clock, timings: Timings, *, is_first: bool
    ) -> LeaseStore:
        """The lease; ``is_first``: the ledger knows no owner before us."""
        ...

    def me(self, clock: Clock) -> Me:
        """Who this process is."""
        ...

    def elapsed(self, clock: Clock) -> Elapsed:
        """Its clocks."""
        ...

    def watchdog(self) -> Watchdog:
        """What ends it when it hangs."""
        ...


class OwnLease:
    """Of a run that nobody can compete with."""

    def store(
        self, settings: Settings, places: Places, clock: Clock, timings: Timings, *, is_first: bool
    ) -> LeaseStore:
        """A new one in memory."""
        del settings, places, clock, timings, is_first
        leases = SimLeases(exists=False)
        leases.create(is_first=True)
        return DirectLeaseStore(leases)

    def me(self, clock: Clock) -> Me:
        """Nobody in particular."""
        del clock
        return Me(pod="run", uid="own", process="1")

    def elapsed(self, clock: Clock) -> Elapsed:
        """The run's own time line."""
        return ClockElapsed(clock)

    def watchdog(self) -> Watchdog:
        """None."""
        return NoWatchdog()


class MachineLease:
    """Of a process on this machine or in a pod; on a faster clock without a watchdog."""

    def __init__(self, environ: Mapping[str, str], *, is_real_time: bool) -> None:
        self._environ = environ
        self._is_real_time = is_real_time

    def store(
        self, settings: Settings, places: Places, clock: Clock, timings: Timings, *, is_first: bool
    ) -> LeaseStore:
        """As ``leader.store`` says."""
        if settings.leader.store == "kubernetes":
            server = _api_server(settings, self._environ)
            name, timeout_s = settings.leader.lease_name, timings.request_timeout_s
            return KubernetesLeases(server, name, clock, timeout_s=timeout_s)
        path = path_beside(places.database)
        make_lease_file(path, uid=self.me(clock).process, is_first=is_first)
        return LeaseFile(path, timeout_s=timings.request_timeout_s)

    def me(self, clock: Clock) -> Me:
        """Pod and its uid by the downward API (``POD_NAME``, ``POD_UID``), else the machine."""
        process = f"{os.getpid()}-{clock.now_ns():x}"
        pod = self._environ.get("POD_NAME") or socket.gethostname()
        return Me(pod=pod, uid=self._environ.get("POD_UID") or process, process=process)

    def elapsed(self, clock: Clock) -> Elapsed:
        """Of this machine, if its time is the run's."""
        return MachineElapsed() if self._is_real_time else ClockElapsed(clock)

    def watchdog(self) -> Watchdog:
        """Of this process."""
        return ProcessWatchdog() if self._is_real_time else NoWatchdog()


def _api_server(settings: Settings, environ: Mapping[str, str]) -> ApiServer:
    leader = settings.leader
    if leader.api_url is None:
        return api_server_of(environ)
    assert leader.namespace is not None, "checked with the settings"
    assert leader.token_file is not None, "checked with the settings"
    return ApiServer(url=leader.api_url, namespace=leader.namespace, token_file=leader.token_file)
