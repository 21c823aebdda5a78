"""The first pass of a start: the venue counts questions, so what is dear is asked where needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from krakked.adapters.kraken.transport import Call
from krakked.domain.ids import Asset
from krakked.domain.orders import Journal
from krakked.domain.portfolio import DriftKind
from krakked.simulator.faults import FaultKind

Play = Callable[..., Any]
D = Decimal
USD, XBT = Asset("USD"), Asset("XBT")
LOOK = ["OpenOrders", "BalanceEx"]


@contextmanager
def asked(world: Any) -> Iterator[list[str]]:
    """Methods of the private calls that are made meanwhile."""
    transport = world.rest.transport
    methods: list[str] = []
    private = transport.private

    async def noting(call: Call) -> Any:
        methods.append(call.method)
        return await private(call)

    transport.private = noting
    try:
        yield methods
    finally:
        transport.private = private


def test_first_pass_reads_executions_though_the_books_agree(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        await world.reconciler.catch_up()
        with asked(world) as methods:
            assert list(await world.reconciler.reconcile(is_first=True)) == []
        assert methods == [*LOOK, "TradesHistory"]

    play(scenario)


def test_execution_of_a_process_before_is_booked_without_the_venues_ledger(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.reconciler.catch_up()
        await world.submit(price=None)
        await world.restart()
        with asked(world) as methods:
            assert list(await world.reconciler.reconcile(is_first=True)) == []
        assert methods == [*LOOK, "TradesHistory", "QueryOrders"]
        assert len(world.fills()) == 1
        assert world.account.live_orders() == []

    play(scenario)


def test_deposit_is_found_in_the_ledger_and_the_books_are_held_against_the_first_look(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await world.reconciler.catch_up()
        await world.deposit(USD, "5")
        with asked(world) as methods:
            assert list(await world.reconciler.reconcile(is_first=True)) == []
        assert methods == [*LOOK, "TradesHistory", "Ledgers"]
        assert world.account.totals[USD] == D(10_005)

    play(scenario)


def test_what_nothing_explains_is_looked_at_once_more_before_it_counts(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.reconciler.catch_up()
        world.account.post(USD, D(1))
        with asked(world) as methods:
            (difference,) = await world.reconciler.reconcile(is_first=True)
        assert methods == [*LOOK, "TradesHistory", "Ledgers", *LOOK]
        assert difference.key == USD
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.LATE]
        world.account.post(USD, D(-1))
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)


def test_order_in_doubt_that_rests_is_found_by_the_look_alone(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.reconciler.catch_up()
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        order = await world.submit(price="50000")
        assert world.stored(order.request).journal is Journal.UNKNOWN
        with asked(world) as methods:
            assert list(await world.reconciler.reconcile(is_first=True)) == []
        assert methods == [*LOOK, "TradesHistory"]
        assert world.stored(order.request).journal is Journal.ACKED

    play(scenario)


def test_order_in_doubt_that_nobody_shows_is_left_to_the_passes_to_come(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.reconciler.catch_up()
        world.fault(FaultKind.REQUEST_LOST, "AddOrder")
        order = await world.submit(price="50000")
        with asked(world) as methods:
            assert list(await world.reconciler.reconcile(is_first=True)) == []
        assert "ClosedOrders" not in methods
        assert world.stored(order.request).journal is Journal.UNKNOWN
        assert world.account.unknown_pairs() == (order.request.pair,)
        await world.clock.sleep(30)
        await world.reconciler.reconcile()
        assert world.stored(order.request).journal is Journal.ABSENT

    play(scenario)
