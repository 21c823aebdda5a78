"""Time goes on: orders start and expire, dead-man timers fire, hidden orders come to light.

Each thing happens at its own instant, however large the step. While the exchange is in maintenance
nothing does; on return whoever had armed a dead-man timer loses all orders, and what else was
missed is made up for then.
"""

from __future__ import annotations

from krakked.domain.ids import VenueOrderId
from krakked.domain.orders import VenueStatus
from krakked.sim.exchange import checks, house, matching, waiting
from krakked.sim.exchange.agenda import Due
from krakked.sim.exchange.core import Core, SystemStatus
from krakked.sim.exchange.errors import VenueError
from krakked.sim.exchange.orders import Order


def advance(core: Core, now_ns: int) -> None:
    """Keep every appointment up to now, in order."""
    if core.system_status is not SystemStatus.MAINTENANCE:
        due = core.agenda.first()
        while due is not None and due.at_ns <= now_ns:
            core.agenda.pop()
            core.move_to(due.at_ns)
            if still_holds(core, due):
                _keep(core, due)
                waiting.settle_all(core)
            due = core.agenda.first()
    core.move_to(now_ns)


def next_event_ns(core: Core) -> int | None:
    """The next appointment that still holds; none while in maintenance."""
    if core.system_status is SystemStatus.MAINTENANCE:
        return None
    due = core.agenda.first()
    while due is not None and not still_holds(core, due):
        core.agenda.pop()
        due = core.agenda.first()
    return None if due is None else due.at_ns


def return_from_maintenance(core: Core) -> None:
    """Armed dead-man timers fire at once, before anything else that was missed."""
    for account in core.accounts.values():
        if account.dead_man_ns is not None:
            _fire_dead_man(core, account.name)
    advance(core, core.now_ns)
    for market in core.markets.values():
        house.arrives(core, market)
        waiting.look_again(core, market)


def still_holds(core: Core, due: Due) -> bool:
    """Whether an appointment was overtaken by something else."""
    account = core.accounts[due.account]
    order_id = VenueOrderId(due.ref)
    match due.kind:
        case "dead_man":
            return account.dead_man_ns == due.at_ns
        case "reveal":
            return account.hidden.get(order_id) == due.at_ns
        case "start":
            return order_id in account.open
        case "expire":
            order = account.open.get(order_id)
            return order is not None and order.ask.expire_ns == due.at_ns


def _keep(core: Core, due: Due) -> None:
    account = core.accounts[due.account]
    order_id = VenueOrderId(due.ref)
    match due.kind:
        case "dead_man":
            _fire_dead_man(core, due.account)
        case "reveal":
            del account.hidden[order_id]
        case "start":
            _start(core, account.open[order_id])
        case "expire":
            order = account.open[order_id]
            matching.withdraw(core, order, matching.EXPIRED, VenueStatus.EXPIRED)


def _start(core: Core, order: Order) -> None:
    """A scheduled order comes to the engine, if that takes such orders now."""
    try:
        checks.check_mode(core, core.markets[order.ask.pair], order.ask)
    except VenueError as error:
        matching.cancel(core, order, str(error).partition(":")[2])
    else:
        matching.activate(core, order)


def _fire_dead_man(core: Core, name: str) -> None:
    """Cancel everything; the timer stays off until it is set again."""
    account = core.accounts[name]
    account.dead_man_ns = None
    core.changes.note("account", name)
    matching.cancel_all(core, account, matching.DEAD_MAN)
