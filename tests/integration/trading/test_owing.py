"""A person's flatten that could not be carried out is owed: durable, made anew, and settled."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.domain.errors import LedgerFailed, Permanent, Transient
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.orders import Journal
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.simulator.faults import FaultKind

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")
TREND = Sleeve(StrategyId("trend"), XBTUSD)


def bid(world: Any, price: str) -> None:
    quote = Quote(
        pair=XBTUSD,
        bid=D(price),
        ask=D(price) + 10,
        last=D(price),
        volume_24h_base=D(1000),
        at_ns=world.clock.now_ns(),
    )
    world.market.on_quote(quote)
    world.stopper.on_quote(quote)


@contextlib.asynccontextmanager
async def watching(world: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(world.stopper.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def unreached(*_: Any, **__: Any) -> None:
    raise Transient("AddOrder: no connection")


async def asked(world: Any, cause: str = "flatten") -> Any:
    """Somebody's sale, planned and not sent."""
    world.market.on_connected()
    await world.bought("0.01")
    await world.stopper.close([TREND], cause=cause, principal="ada")
    (leg,) = world.enqueued[0].legs
    return leg.request


async def given_up(world: Any, cause: str = "flatten") -> Any:
    """It cannot be sent while its plan is fresh."""
    request = await asked(world, cause)
    world.rest.add_order = unreached
    await world.execute(world.enqueued[0])
    del world.rest.add_order
    assert world.stored(request).journal is Journal.DROPPED
    return request


async def made_anew(world: Any) -> Any:
    """The next quote brings another sale, in the same person's name."""
    made = len(world.enqueued)
    async with watching(world):
        bid(world, "60000")
        await world.clock.sleep(1)
    (plan,) = world.enqueued[made:]
    assert (plan.cause, plan.principal) == ("flatten", "ada")
    return plan


async def is_sold(world: Any, plan: Any) -> None:
    await world.execute(plan)
    assert list(await world.reconciler.reconcile()) == []
    assert world.account.position(TREND).is_flat
    assert world.stopper.owed == ()


async def restarted(world: Any) -> None:
    """As a start does: what was planned and not sent is dropped."""
    await world.restart()
    await world.clock.sleep(30)
    world.market.on_connected()
    await world.executor.drop_pending()


def test_owed_flatten_survives_a_restart_and_is_made_anew(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await given_up(world)
        await restarted(world)
        assert world.stopper.owed == (TREND,)
        await is_sold(world, await made_anew(world))

    play(scenario)


def test_flatten_that_was_planned_and_never_sent_is_owed_by_the_next_process(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await asked(world)
        assert world.stopper.owed == ()
        await restarted(world)
        assert world.stopper.owed == (TREND,)
        await is_sold(world, await made_anew(world))

    play(scenario)


def test_flatten_that_an_engine_dropped_while_it_stopped_is_owed_by_the_next(play: Play) -> None:
    async def scenario(world: Any) -> None:
        request = await asked(world)
        world.guard.is_stopping = True
        world.rest.add_order = unreached
        await world.clock.sleep(world.rules.max_plan_age_s + 1)
        await world.execute(world.enqueued[0])
        assert world.stored(request).journal is Journal.DROPPED
        await restarted(world)
        assert world.stopper.owed == (TREND,)

    play(scenario)


def test_flatten_whose_sale_never_arrived_is_owed_once_that_is_certain(play: Play) -> None:
    async def scenario(world: Any) -> None:
        request = await asked(world)
        world.fault(FaultKind.REQUEST_LOST, "AddOrder")
        await world.execute(world.enqueued[0])
        assert world.stopper.owed == (), "in doubt: it may be selling"
        await world.clock.sleep(30)
        await world.reconciler.reconcile()
        assert world.stored(request).journal is Journal.ABSENT
        assert world.stopper.owed == (TREND,)
        await is_sold(world, await made_anew(world))

    play(scenario)


def test_stop_that_was_given_up_is_not_owed_to_anybody(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await given_up(world, "stop")
        assert world.stopper.owed == ()
        await restarted(world)
        assert world.stopper.owed == ()

    play(scenario)


def test_fenced_engine_owes_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await asked(world)
        world.guard.fenced_by = "a newer owner"
        await world.execute(world.enqueued[0])
        assert world.stopper.owed == ()

    play(scenario)


def test_settled_flatten_is_not_made_a_third_time_after_another_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await given_up(world)
        await is_sold(world, await made_anew(world))
        made = len(world.enqueued)
        await restarted(world)
        world._sequence = 100  # beyond the plans that the exits made
        await world.bought("0.01")
        async with watching(world):
            bid(world, "60000")
            await world.clock.sleep(10)
        assert world.stopper.owed == ()
        assert len(world.enqueued) == made, "a new position is nobody's debt"

    play(scenario)


def test_debt_is_in_the_transaction_that_drops_its_sale(play: Play) -> None:
    async def scenario(world: Any) -> None:
        request = await asked(world)
        write = world.ledger.write

        async def fails(work: Any) -> Any:
            def done(tx: Any) -> Any:
                result = work(tx)
                order = tx.order(request.client_order_id)
                if order.journal is Journal.DROPPED:
                    assert "ada" in tx.books().cursors.values()
                    raise LedgerFailed("the disk gave up")
                return result

            return await write(done)

        world.ledger.write = fails
        with pytest.raises(LedgerFailed):
            await world.executor.drop_pending()
        del world.ledger.write
        assert world.stopper.owed == ()
        assert world.stored(request).journal is Journal.PENDING
        await restarted(world)
        assert world.stopper.owed == (TREND,)

    play(scenario)


def refusing(world: Any) -> list[int]:
    """From now on the venue takes no order; when it was asked."""
    asked_ns: list[int] = []

    async def refuse(*_: Any, **__: Any) -> None:
        asked_ns.append(world.clock.now_ns())
        raise Permanent("EOrder:Insufficient funds", code="EOrder:Insufficient funds")

    world.rest.add_order = refuse
    return asked_ns


async def quotes(world: Any, seconds: int, price: str = "60000") -> None:
    """One a second; every sale that comes of them is sent."""
    sent = len(world.enqueued)
    async with watching(world):
        for _ in range(seconds):
            bid(world, price)
            await world.clock.sleep(1)
            for plan in world.enqueued[sent:]:
                await world.execute(plan)
            sent = len(world.enqueued)


def test_flatten_whose_sale_is_refused_is_owed_and_made_when_the_venue_takes_it(play: Play) -> None:
    async def scenario(world: Any) -> None:
        request = await asked(world)
        refusing(world)
        await world.execute(world.enqueued[0])
        assert world.stored(request).journal is Journal.REJECTED
        assert world.stopper.owed_in_words() == ["trend XBTUSD for ada"]
        assert world.stopper.refused_in_words() == [
            "trend XBTUSD: refused 1 in a row, at last: EOrder:Insufficient funds"
        ]
        await restarted(world)
        assert world.stopper.owed == (TREND,)
        await is_sold(world, await made_anew(world))
        assert world.stopper.refused_in_words() == []

    play(scenario)


def test_refused_sale_is_tried_at_growing_distances_and_without_end(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await asked(world)
        asked_ns = refusing(world)
        await world.execute(world.enqueued[0])
        await quotes(world, 400)
        seconds = [(b - a) // 10**9 for a, b in itertools.pairwise(asked_ns)][1:]
        assert seconds[:4] == [20, 40, 60, 60]
        assert len(asked_ns) <= 10
        assert world.stopper.owed == (TREND,)
        del world.rest.add_order
        await quotes(world, 70)
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.position(TREND).is_flat
        assert world.stopper.owed == ()

    play(scenario)


def test_stop_whose_sale_is_refused_is_no_debt_and_does_not_hammer_either(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.market.on_connected()
        await world.bought("0.01")
        state = SleeveState(sleeve=TREND, stop_price=D(58_000))
        world.ledger.run(lambda tx: tx.save_sleeve(state))
        world.account.sleeves[TREND] = state
        asked_ns = refusing(world)
        await quotes(world, 200, "57000")
        assert len(asked_ns) == 6
        assert world.stopper.owed == ()
        assert "refused 6 in a row" in world.stopper.refused_in_words()[0]

    play(scenario)


# a sale that ends with a part unsold


async def cut_short(world: Any, cause: str = "flatten") -> Any:
    """The market takes a third of it, and the venue cancels the rest."""
    request = await asked(world, cause)
    world.fault(FaultKind.THIN_BOOK, "AddOrder", sizes=("30%",))
    await world.execute(world.enqueued[0])
    await world.reconciler.reconcile()
    order = world.stored(request)
    assert order.journal is Journal.DONE
    assert D(0) < order.filled_base < request.quantity_base
    return request


def test_flatten_whose_sale_ends_partly_unsold_is_owed_until_all_is_sold(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await cut_short(world)
        assert world.stopper.owed == (TREND,)
        assert world.stopper.owed_in_words() == ["trend XBTUSD for ada"]
        await world.clock.sleep(15)  # others trade, and offer more
        world.market.on_connected()
        plan = await made_anew(world)
        assert plan.legs[0].request.quantity_base == D("0.007")
        await is_sold(world, plan)

    play(scenario)


def test_flatten_that_ended_partly_unsold_is_known_to_be_owed_after_a_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await cut_short(world)
        await restarted(world)
        assert world.stopper.owed == (TREND,)
        await is_sold(world, await made_anew(world))

    play(scenario)


def test_rest_of_a_stops_sale_is_no_debt_for_the_stop_is_still_there(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await cut_short(world, "stop")
        assert world.stopper.owed == ()

    play(scenario)


@pytest.mark.parametrize(("is_stopping", "owed"), [(False, ()), (True, (TREND,))])
def test_sale_that_a_person_cancels_is_wanted_no_more_and_one_that_a_stop_cancels_is(
    play: Play, is_stopping: bool, owed: tuple[Sleeve, ...]
) -> None:
    async def scenario(world: Any) -> None:
        request = await asked(world)
        world.fault(FaultKind.THIN_BOOK, "AddOrder", sizes=("30%",))
        await world.execute(world.enqueued[0])
        sale = msgspec.structs.replace(
            world.stored(request), cancel_requested_at_ns=world.clock.now_ns()
        )
        world.ledger.run(lambda tx: tx.update_order(sale, at_ns=world.clock.now_ns()))
        world.account.put_order(sale)
        world.guard.is_stopping = is_stopping
        await world.reconciler.reconcile()
        assert world.stored(request).journal is Journal.DONE
        assert world.stopper.owed == owed

    play(scenario)


def test_sale_that_was_made_whole_leaves_no_debt(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await asked(world)
        await world.execute(world.enqueued[0])
        await world.reconciler.reconcile()
        assert world.account.position(TREND).is_flat
        assert world.stopper.owed == ()

    play(scenario)
