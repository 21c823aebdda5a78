"""Safeguards between what the venue did and what is on record of it, each taken away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from tests.sim.mutants.mixtures import (
    CANCEL_ALL,
    DEAF,
    FLAKY,
    HALT_CANCEL,
    KILL_OFF,
    KILL_ON,
    RESTING,
    TAKING,
    at_bars,
    behaving,
    commanding,
    faults,
    happening,
    mixed,
    weather,
)
from tests.sim.mutants.patching import Mutant, Patch, around, passage, value

from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.sqlite import connections
from krakked.domain.errors import Ambiguous, Transient
from krakked.domain.fills import VenueTrade
from krakked.domain.ids import VenueOrderId
from krakked.domain.orders import Journal, Order
from krakked.sim.fault_kinds import FaultKind
from krakked.trading import cursors, fills
from krakked.trading.execute import Executor
from krakked.trading.fills import FillBooker
from krakked.trading.reconcile import Reconciler
from krakked.worlds.recipe import What

Step = Callable[..., Awaitable[Any]]
LOST = weather(order_answer_lost=0.5)
STUCK = weather(request_stuck=0.15, stuck_max_s=5.0)
PIECES = faults({FaultKind.PARTIAL_FILL: 0.6, FaultKind.THIN_BOOK: 0.6})


def _unflushed(pragmas: object) -> object:
    assert isinstance(pragmas, tuple)
    weaker = tuple(one.replace("synchronous = FULL", "synchronous = NORMAL") for one in pragmas)
    assert weaker != pragmas, "nothing is flushed by these anyway"
    return weaker


async def _true(*_: object) -> bool:
    return True


async def _only_open(
    self: KrakenRest, client_order_id: str, since_ns: int, wanted: dict[str, str]
) -> object:
    del since_ns, wanted
    return {
        str(order.venue_order_id): order
        for order in await self.open_orders()
        if order.client_order_id == client_order_id
    }


async def _by_order(
    true: Step, self: FillBooker, trades: Sequence[VenueTrade], *rest: object
) -> object:
    """Books the first execution of each order only."""
    seen: set[VenueOrderId] = self.__dict__.setdefault("mutant_seen", set())
    first: list[VenueTrade] = []
    for trade in trades:
        if trade.venue_order_id not in seen:
            seen.add(trade.venue_order_id)
            first.append(trade)
    return await true(self, first, *rest)


async def _cursor_first(
    true: Step,
    self: FillBooker,
    trades: Sequence[VenueTrade],
    client_ids: object,
    cursor: str | None = None,
) -> object:
    """Saves the cursor, and books afterwards."""
    if cursor is not None:
        desk = self._desk
        async with desk.recorder.turn:
            await desk.recorder.commit(lambda tx: tx.set_cursor(cursors.TRADES_CURSOR, cursor))
            desk.account.cursors[cursors.TRADES_CURSOR] = cursor
        await desk.clock.sleep(0.05)
    return await true(self, trades, client_ids, None)


def _own_fee(true: Callable[..., object], trade: VenueTrade, **facts: object) -> object:
    """Reckons the fee."""
    fee = (trade.cost_quote * 40 / 10_000).quantize(trade.fee_amount)
    return true(msgspec.structs.replace(trade, fee_amount=fee), **facts)


async def _done_anyhow(true: Step, self: Executor, order: Order, order_id: str) -> bool:
    """Takes an order for cancelled when the cancel did not come back."""
    try:
        return bool(await true(self, order, order_id))
    except (Transient, Ambiguous):
        ended = msgspec.structs.replace(
            order, journal=Journal.DONE, ended_at_ns=self._clock.now_ns()
        )
        async with self._recorder.turn:
            await self._put(ended)
        return True


MUTANTS = (
    Mutant(
        name="absent at once",
        breaks="An order is absent only when the venue cannot take or show it any more.",
        patches=(value(Reconciler, "_is_late_visibility_over", _true),),
        mixture=mixed(LOST, STUCK, faults({FaultKind.LATE_VISIBILITY: 0.8})),
    ),
    Mutant(
        name="doubt ends by our own clock",
        breaks="Absent only when the venue's own clock is past deadline and late visibility.",
        patches=(
            passage(
                Reconciler,
                "_is_late_visibility_over",
                "return await self._desk.exchange.venue_time_ns() >= over_ns",
                "return True",
            ),
        ),
        mixture=mixed(
            RESTING,
            weather(order_answer_lost=0.7),
            faults({FaultKind.LATE_VISIBILITY: 1.0}),
            at_bars(What.CLOCK_STEP, 2, after_s=(0.8, 4.0), seconds=(25.0, 30.0)),
        ),
    ),
    Mutant(
        name="closed orders are ignored",
        breaks="An order in doubt is looked up in open orders, closed orders and executions.",
        patches=(
            passage(
                KrakenRest,
                "_rows_of",
                "        if found:\n            return found\n",
                "        return found\n",
            ),
        ),
        mixture=mixed(
            RESTING,
            FLAKY,
            weather(order_answer_lost=0.7),
            faults({FaultKind.LATE_VISIBILITY: 1.0}),
            commanding(KILL_ON, 3, after_bar_s=(0.5, 4.0)),
            commanding(KILL_OFF, 3),
        ),
    ),
    Mutant(
        name="orphans are forgotten",
        breaks="An order whose sender died before its answer is looked up by the next one.",
        patches=(value(Reconciler, "_is_orphan", lambda *_: False),),
        mixture=mixed(
            RESTING,
            behaving(order_ttl_s=900),
            at_bars(What.KILL, 3, after_s=(0.7, 1.3)),
        ),
    ),
    Mutant(
        name="commits are not flushed",
        breaks="What was committed is there after a power cut.",
        patches=(Patch(owner=connections, name="_WRITER_PRAGMAS", make=_unflushed),),
        mixture=mixed(
            RESTING,
            behaving(order_ttl_s=900),
            at_bars(What.POWER_LOSS, 3, after_s=(0.7, 4.0)),
        ),
    ),
    Mutant(
        name="nothing is reconciled",
        breaks="The books are compared with the venue's after each gap, and again and again.",
        patches=(
            value(Reconciler, "request", lambda _: None),
            value(Reconciler, "_pause_s", lambda _: 1e6),
        ),
        mixture=mixed(LOST),
    ),
    Mutant(
        name="one fill an order",
        breaks="Executions are told apart by their own ids, not by their order's.",
        patches=(around(FillBooker, "_book_new", _by_order),),
        mixture=mixed(PIECES),
    ),
    Mutant(
        name="cursor before the books",
        breaks="The cursor is saved in the transaction that books.",
        patches=(
            around(FillBooker, "_book_new", _cursor_first),
            value(cursors, "CURSOR_OVERLAP_NS", 0),
        ),
        mixture=mixed(TAKING, DEAF, happening(What.KILL_AFTER_COMMIT, 6, numbers=(1, 30))),
    ),
    Mutant(
        name="fees are reckoned",
        breaks="Amounts, cost and fee are the venue's own.",
        patches=(around(fills, "book", _own_fee),),
        mixture=mixed(RESTING),
    ),
    Mutant(
        name="done before all is booked",
        breaks="An order is done when the venue told its end and every fill of it is booked.",
        patches=(passage(fills, "settled", " and order.filled_base == report.filled_base", ""),),
        mixture=mixed(
            PIECES, DEAF, behaving(order_type="limit", time_in_force="GTC", post_only=False)
        ),
    ),
    Mutant(
        name="a cancel in doubt was done",
        breaks="An order rests until the venue says that it does not.",
        patches=(around(Executor, "_ask_to_cancel", _done_anyhow),),
        mixture=mixed(
            RESTING,
            weather(request_lost=0.4),
            commanding(HALT_CANCEL, 2),
            commanding(CANCEL_ALL, 3),
        ),
    ),
    Mutant(
        name="a cancelled order is tried again",
        breaks="Who asked for a cancel and found nothing at the venue relies on that.",
        patches=(
            passage(
                Executor, "_mark_not_sent", "order.cancel_requested_at_ns is not None", "False"
            ),
        ),
        mixture=mixed(
            TAKING,
            faults({FaultKind.THROTTLED: 0.5, FaultKind.DELAY: 0.8}),
            commanding(CANCEL_ALL, 6, after_bar_s=(0.0, 6.0)),
        ),
    ),
)
