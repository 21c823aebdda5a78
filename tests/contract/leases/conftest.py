"""The three lease stores, each with the hands of a person who can make, delete and steal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from krakked.adapters.kubernetes.leases import ApiServer, KubernetesLeases
from krakked.adapters.system.clock import SystemClock
from krakked.adapters.system.lease_file import LeaseFile, make_lease_file
from krakked.ports.lease_store import LeaseRecord, LeaseStore
from krakked.sim.kubernetes_api import KubernetesApi
from krakked.sim.leases import DirectLeaseStore, SimLeases
from krakked.simulator.coordination import Coordination

T = TypeVar("T")
NAMESPACE, NAME = "trading", "krakked-engine"


class Subject:
    """One place where a lease is kept; stores are opened on it like by one process each."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._stores: list[LeaseStore] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def open(self) -> LeaseStore:
        store = self._open()
        self._stores.append(store)
        return store

    def close(self) -> None:
        for store in self._stores:
            self.run(store.close())
            self.run(store.close())

    def read(self, store: LeaseStore) -> LeaseRecord:
        return self.run(store.read())

    def replace(self, store: LeaseStore, record: LeaseRecord, **changes: Any) -> LeaseRecord:
        return self.run(store.replace(msgspec.structs.replace(record, **changes)))

    def _open(self) -> LeaseStore:
        raise NotImplementedError

    def delete(self) -> None:
        raise NotImplementedError

    def make_again(self) -> None:
        raise NotImplementedError


class InMemory(Subject):
    def __init__(self, runner: asyncio.Runner, _: Path) -> None:
        super().__init__(runner)
        self.leases = SimLeases(exists=False)
        self.leases.create()

    def _open(self) -> LeaseStore:
        return DirectLeaseStore(self.leases)

    def delete(self) -> None:
        self.leases.delete()

    def make_again(self) -> None:
        self.leases.create()


class InFile(Subject):
    threaded = True

    def __init__(self, runner: asyncio.Runner, folder: Path) -> None:
        super().__init__(runner)
        self.path = folder / "portfolio.db.lease"
        self._made = 0
        self.make_again()

    def _open(self) -> LeaseStore:
        return LeaseFile(self.path, timeout_s=5, threaded=self.threaded)

    def delete(self) -> None:
        self.path.unlink()

    def make_again(self) -> None:
        self._made += 1
        make_lease_file(self.path, uid=f"made-{self._made}")


class InFileInline(InFile):
    threaded = False


class InKubernetes(Subject):
    def __init__(self, runner: asyncio.Runner, folder: Path) -> None:
        super().__init__(runner)
        self.api = KubernetesApi()
        self.token_file = folder / "token"
        self.token_file.write_text("a-token\n")
        self.make_again()
        self.server = Coordination(self.api, SystemClock())
        self.run(self.server.start("127.0.0.1:0", "127.0.0.1:0"))

    def _open(self, timeout_s: float = 5) -> KubernetesLeases:
        server = ApiServer(url=self.server.url, namespace=NAMESPACE, token_file=self.token_file)
        return KubernetesLeases(server, NAME, SystemClock(), timeout_s=timeout_s)

    def impatient(self) -> KubernetesLeases:
        store = self._open(timeout_s=0.05)
        self._stores.append(store)
        return store

    def close(self) -> None:
        super().close()
        self.run(self.server.stop())

    def delete(self) -> None:
        self.api.delete(NAMESPACE, NAME)

    def make_again(self) -> None:
        self.api.create(NAMESPACE, NAME)


SUBJECTS: dict[str, Callable[[asyncio.Runner, Path], Subject]] = {
    "memory": InMemory,
    "file": InFile,
    "file inline": InFileInline,
    "kubernetes": InKubernetes,
}


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(params=SUBJECTS)
def subject(
    request: pytest.FixtureRequest, runner: asyncio.Runner, tmp_path: Path
) -> Iterator[Subject]:
    made = SUBJECTS[request.param](runner, tmp_path)
    yield made
    made.close()


@pytest.fixture
def in_file(runner: asyncio.Runner, tmp_path: Path) -> Iterator[InFile]:
    made = InFile(runner, tmp_path)
    yield made
    made.close()


@pytest.fixture
def in_kubernetes(runner: asyncio.Runner, tmp_path: Path) -> Iterator[InKubernetes]:
    made = InKubernetes(runner, tmp_path)
    yield made
    made.close()
