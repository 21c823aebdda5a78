"""What checkers look at, and where they say what they found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from krakked.adapters.sqlite.queries import SqliteQueries, open_queries
from krakked.domain.ids import ClientOrderId
from krakked.domain.orders import Order
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.orders import Trade
from krakked.simulator.options import ACCOUNT

if TYPE_CHECKING:
    from krakked.worlds.machine import Machine
    from krakked.worlds.world import World

EVERYTHING = 1_000_000


class Evidence:
    """See the module."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[str] = []

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

    def trades(self) -> list[Trade]:
        """Every execution of the account, oldest first."""
        return list(self.account.trades)

    # the engines

    def database_of(self, process: str) -> Path | None:
        """The ledger that a process writes, or wrote."""
        machine = next(m for m in self.world.machines if m.name == process.partition(".")[0])
        path = machine.databases.get(process)
        return path if path is not None and path.exists() else None

    def owner(self) -> Machine | None:
        """The machine whose engine trades now."""
        ready = [m for m in self.world.machines if m.is_trading]
        return ready[0] if len(ready) == 1 else None


@contextmanager
def reading(database: Path) -> Iterator[SqliteQueries]:
    """The committed state of a ledger."""
    with closing(open_queries(database)) as queries:
        yield queries


def orders_of(queries: SqliteQueries) -> Mapping[ClientOrderId, Order]:
    """All orders of a ledger."""
    return {order.request.client_order_id: order for order in queries.orders(limit=EVERYTHING)}
