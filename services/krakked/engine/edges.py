"""What a run opens of the world outside: network, disk, control socket, threads.

The machine's own stand here. A simulated world hands in others, and everything between the edges
is the same code, composed by the same root.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from krakked.adapters.kraken.network import AiohttpNetwork, Bounds, Network
from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.adapters.sqlite.ledger import Observe, open_ledger
from krakked.ports.bar_store import BarStore
from krakked.ports.clock import Clock
from krakked.ports.ledger import Identity, Ledger
from krakked.runtime import control_socket

T = TypeVar("T")


class OpenLedger(Ledger, Protocol):
    """The ledger, and how it does."""

    @property
    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        ...

    def writer_problem(self) -> str | None:
        """Why nothing gets written any more; None if it does."""
        ...


class ClosableBarStore(BarStore, Protocol):
    """A store that is let go of at the end."""

    def close(self) -> None:
        """Write what is not written yet."""
        ...


class Edges(Protocol):
    """Ways out of the process."""

    def network(self, bounds: Bounds) -> Network:
        """To the venue."""
        ...

    def ledger(
        self, path: Path, identity: Identity, *, clock: Clock, observe: Observe
    ) -> OpenLedger:
        """Open or create it (``open_ledger``)."""
        ...

    def bar_store(self, root: Path) -> ClosableBarStore:
        """Where closed bars are kept."""
        ...

    def doors(
        self, path: Path, handle: control_socket.Handle
    ) -> AbstractAsyncContextManager[object]:
        """How a person's commands come in, as long as the context lasts."""
        ...

    async def beside(self, work: Callable[[], T]) -> T:
        """Do something long without holding the loop up."""
        ...


class MachineEdges:
    """Those of this machine."""

    def __init__(self, *, uses_threads: bool) -> None:
        self._uses_threads = uses_threads

    def network(self, bounds: Bounds) -> Network:
        """To the venue."""
        return AiohttpNetwork(bounds)

    def ledger(
        self, path: Path, identity: Identity, *, clock: Clock, observe: Observe
    ) -> OpenLedger:
        """Open or create it."""
        threaded = self._uses_threads
        return open_ledger(path, identity, clock=clock, threaded=threaded, observe=observe)

    def bar_store(self, root: Path) -> ParquetBarStore:
        """Where closed bars are kept."""
        return ParquetBarStore(root)

    def doors(
        self, path: Path, handle: control_socket.Handle
    ) -> AbstractAsyncContextManager[object]:
        """How a person's commands come in, as long as the context lasts."""
        return control_socket.serve(path, handle)

    async def beside(self, work: Callable[[], T]) -> T:
        """In a thread; in lock step at once."""
        return await asyncio.to_thread(work) if self._uses_threads else work()
