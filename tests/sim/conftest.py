"""Pieces of a world, each for itself: a loop, a venue on it, a line to it, a disk."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
import structlog

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.network import Answer, Bounds, Request
from krakked.adapters.kraken.nonces import nonce_of
from krakked.adapters.sqlite.ledger import open_ledger
from krakked.domain.ids import Asset, PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.ledger import Books
from krakked.worlds.disk import Disk, WorldLedger
from krakked.worlds.host import REST_URL, TRADE_KEY, Host, HostRecipe
from krakked.worlds.loop import PROCESS, Process, WorldLoop
from krakked.worlds.network import Link, WorldNetwork
from krakked.worlds.tape import Tape

START_NS = 1_767_571_200 * NS_PER_SECOND


class Lab:
    """A loop, and processes on it."""

    def __init__(self, order: Random | None = None) -> None:
        self.loop = WorldLoop(start_ns=START_NS, order=order)
        self._started: list[asyncio.Task[Any]] = []
        asyncio.set_event_loop(self.loop)

    def start(
        self, work: Coroutine[Any, Any, Any], process: Process | None = None
    ) -> asyncio.Task[Any]:
        """Let it run, as a doing of that process."""
        self._started.append(self.loop.create_task(work, context=self.context(process)))
        return self._started[-1]

    def context(self, process: Process | None) -> contextvars.Context:
        context = contextvars.Context()
        context.run(PROCESS.set, process)
        return context

    def pass_(self, seconds: float) -> None:
        """Let so much of the world's time go by."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def bury(self) -> None:
        """What a dead process would still do at the end of the test is nobody's business."""
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # dead on purpose
            with contextlib.suppress(BaseException):
                task.get_coro().close()
        asyncio.set_event_loop(None)
        self.loop.close()


class Town:
    """A venue, and a machine with a line to it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.tape = Tape()
        recipe = HostRecipe(
            seed=1,
            prices={PairName("XBTUSD"): Decimal(60_000)},
            balances={Asset("USD"): Decimal(100_000)},
        )
        self.host = Host(lab.loop, recipe, self.tape)
        self.host.open()
        self.link = Link(lab.loop, self.host, Random("the line"), "a")
        self._nonces = 0

    def network(self, sender: str = "a.1", timeout_s: float = 10.0) -> WorldNetwork:
        return WorldNetwork(self.link, Bounds(timeout_s=timeout_s), sender)

    def signed(self, method: str, *, epoch: int = 0, **form: str) -> Request:
        """As the adapter signs it."""
        self._nonces += 1
        path, nonce = f"/0/private/{method}", nonce_of(epoch, self._nonces)
        body = urlencode({"nonce": str(nonce), **form})
        signature = Credentials(TRADE_KEY.key, TRADE_KEY.secret).sign(path, nonce, body)
        headers = {"API-Key": TRADE_KEY.key, "API-Sign": signature}
        return Request(verb="POST", url=REST_URL + path, headers=headers, body=body)

    def order(self, client_id: str, **form: str) -> Request:
        """A buy that rests far below the market."""
        asked = {
            "cl_ord_id": client_id,
            "pair": "XBTUSD",
            "type": "buy",
            "ordertype": "limit",
            "price": "50000",
            "volume": "0.01",
        }
        return self.signed("AddOrder", **{**asked, **form})

    def ask(self, request: Request, **named: Any) -> Answer:
        answer = self.lab.run(self.network(**named).request(request))
        assert isinstance(answer, Answer)
        return answer


class Shelf:
    """A disk, and the ledgers that processes open on it one after another."""

    def __init__(self, lab: Lab, root: Path, records: ModuleType) -> None:
        self.lab = lab
        self.records = records
        self.disk = Disk(root, Random("the disk"))
        self._opened: list[WorldLedger] = []

    def open(self) -> WorldLedger:
        ledger = open_ledger(
            self.disk.database,
            self.records.IDENTITY,
            clock=self.records.FixedClock(),
            threaded=False,
        )
        self._opened.append(WorldLedger(ledger, self.disk))
        return self._opened[-1]

    def books(self) -> Books:
        """What a process that starts now finds."""
        found = self.lab.run(self.open().write(lambda transaction: transaction.books()))
        assert isinstance(found, Books)
        return found

    def close(self) -> None:
        for ledger in self._opened:
            ledger.let_go()


@pytest.fixture
def make_lab() -> Iterator[Callable[..., Lab]]:
    made: list[Lab] = []

    def make(order: Random | None = None) -> Lab:
        made.append(Lab(order))
        return made[-1]

    yield make
    for lab in made:
        lab.bury()


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab()


@pytest.fixture
def town(lab: Lab) -> Town:
    return Town(lab)


@pytest.fixture
def shelf(lab: Lab, tmp_path: Path, records: ModuleType) -> Iterator[Shelf]:
    shelf = Shelf(lab, tmp_path / "disk", records)
    yield shelf
    shelf.close()


@pytest.fixture
def process() -> Process:
    return Process("a.1")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Worlds silence the log of engines; other tests may want theirs."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session", autouse=True)
def settled() -> Iterator[None]:
    """What is there before the first world stays: collecting a world need not look at it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
