"""What checkers look at, and where they say what they found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from krakked.adapters.sqlite.queries import SqliteQueries, open_queries
from krakked.domain.ids import ClientOrderId, VenueOrderId
from krakked.domain.orders import LegKind, Order
from krakked.domain.plans import ExecutionPlan
from krakked.runtime.settings import Settings
from krakked.sim.exchange import orders as venue
from krakked.sim.exchange.accounts import Account
from krakked.simulator.options import ACCOUNT
from krakked.worlds.configuration import loaded_for
from krakked.worlds.recipe import What
from krakked.worlds.tape import Call

if TYPE_CHECKING:
    from krakked.worlds.machine import Machine
    from krakked.worlds.world import World

EVERYTHING = 1_000_000


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """An order at the venue's door, with what its sender had on record of it at that moment."""

    call: Call
    order: Order
    plan: ExecutionPlan
    database: Path
    accepted: venue.Order | None = None
    """As the venue has it; None: it does not."""

    @property
    def adds_risk(self) -> bool:
        """Whether it may make a position larger."""
        return self.order.request.kind is LegKind.ENTRY

    @property
    def name(self) -> str:
        """For people: what it is, and by which plan."""
        request = self.order.request
        words = f"{request.kind.value} {request.client_order_id}"
        return f"{words} ({request.strategy_id} {request.pair}, plan {self.plan.sequence})"


class _Added(msgspec.Struct):
    txid: list[str] = []


class Evidence:
    """See the module."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[str] = []
        self.submissions: list[Submission] = []
        """Those of which their sender had a record, in the order in which they arrived."""
        self._readers: dict[Path, SqliteQueries] = {}
        self._open: list[SqliteQueries] = []

    def violated(self, rule: str, what: str) -> None:
        """Note that a rule does not hold."""
        said = f"{rule}: {what}"
        self.world.trace.tell("checker", "VIOLATION", said=said)
        self.violations.append(said)

    # the venue

    @property
    def account(self) -> Account:
        """As the venue has it."""
        return self.world.host.exchange.account(ACCOUNT)

    def trades(self) -> list[venue.Trade]:
        """Every execution of the account, oldest first."""
        return list(self.account.trades)

    def accepted(self) -> list[Submission]:
        """Those that the venue took, each with its order there, in the order of acceptance."""
        found = []
        for submission in self.submissions:
            call = submission.call
            if call.is_done:
                (order_id,) = msgspec.json.decode(call.result, type=_Added).txid
                order = self.account.orders[VenueOrderId(order_id)]
                found.append(msgspec.structs.replace(submission, accepted=order))
        return sorted(found, key=lambda one: one.call.handled_ns)

    # the engines

    @property
    def settings(self) -> Settings:
        """Of all engines of the world."""
        recipe = self.world.recipe
        return loaded_for(recipe.behaviour, recipe.tier).settings

    def ledger_of(self, submission: Submission) -> object:
        """The same for submissions that stand in one ledger, process by process."""
        name = submission.call.sender.partition(".")[0]
        return submission.database if self.has_lost_volume(name) else name

    def has_lost_volume(self, machine: str) -> bool:
        """That machine knows nothing of what it did before."""
        return any(
            happening.what is What.LOSE_VOLUME
            and self.world.machines[happening.machine].name == machine
            for happening in self.world.recipe.happenings
        )

    @property
    def is_traded_by_hand(self) -> bool:
        """The person's own executions may be booked before the money that they were paid with."""
        return any(one.what is What.HAND_ORDER for one in self.world.recipe.happenings)

    @property
    def has_one_ledger(self) -> bool:
        """Everything that ever was done is in one ledger, in its order."""
        (first, *others) = self.world.machines
        return not others and not self.has_lost_volume(first.name)

    def machine_of(self, process: str) -> Machine:
        """Where that process ran."""
        return next(m for m in self.world.machines if m.name == process.partition(".")[0])

    def database_of(self, process: str) -> Path | None:
        """The ledger that a process writes, or wrote."""
        path = self.machine_of(process).databases.get(process)
        return path if path is not None and path.exists() else None

    def reader(self, database: Path) -> SqliteQueries:
        """The committed state of a ledger, now and whenever it is asked later."""
        found = self._readers.get(database)
        if found is None:
            is_written = _has_writer(database)
            found = open_queries(database)
            self._open.append(found)
            if is_written:  # what nobody writes is read as it stood when it was opened
                self._readers[database] = found
        return found

    def owner(self) -> Machine | None:
        """The machine whose engine trades now."""
        ready = [m for m in self.world.machines if m.is_trading]
        return ready[0] if len(ready) == 1 else None

    def let_go(self) -> None:
        """The world is over: close the files."""
        for queries in self._open:
            queries.close()
        self._open.clear()
        self._readers.clear()


def _has_writer(database: Path) -> bool:
    return database.with_name(database.name + "-wal").exists()


def orders_of(queries: SqliteQueries) -> Mapping[ClientOrderId, Order]:
    """All orders of a ledger."""
    return {order.request.client_order_id: order for order in queries.orders(limit=EVERYTHING)}
