"""A person's shutdown over the end of a process: what the next start makes of it.

Where the lease is kept in Kubernetes the container is restarted by nobody's wish: it becomes owner
as always, so that the dead-man switch stays wound up, what rests and the stops are looked after and
the books are compared, but it adds no risk until `krakked resume`. With a lease in a file a person
has started the engine, and the shutdown is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from krakked.domain.commands import Shutdown
from krakked.domain.events import Event, EventName
from krakked.domain.shutdown import ShutDown
from krakked.runtime.settings import Settings

if TYPE_CHECKING:
    from krakked.engine.edges import OpenLedger
    from krakked.ports.ledger import Transaction

STARTED_AGAIN: Final = "the engine was started again"
PRINCIPAL: Final = "engine"


def stays_down(settings: Settings) -> bool:
    """Whether a start is nobody's word that it shall trade again."""
    return settings.leader.store == "kubernetes"


async def shut_down(ledger: OpenLedger, command: Shutdown, now_ns: int) -> None:
    """Put it on record, for who has no account yet."""
    found = ShutDown(principal=command.principal, reason=command.reason, at_ns=now_ns)
    fields: dict[str, object] = {
        "principal": command.principal,
        "reason": found.words,
        "cause": "shutdown",
    }

    def work(tx: Transaction) -> None:
        tx.save_shutdown(found)
        tx.add_event(Event(name=EventName.HALTED, at_ns=now_ns, fields=fields))

    await ledger.write(work)


async def start_again(ledger: OpenLedger, now_ns: int) -> None:
    """A person started it: a shutdown that stands is over; a halt is not."""

    def work(tx: Transaction) -> None:
        books = tx.books()
        if books.shut_down is None:
            return
        tx.end_shutdown(principal=PRINCIPAL, at_ns=now_ns)
        if not books.halted:
            fields: dict[str, object] = {"principal": PRINCIPAL, "reason": STARTED_AGAIN}
            tx.add_event(Event(name=EventName.RESUMED, at_ns=now_ns, fields=fields))

    await ledger.write(work)
