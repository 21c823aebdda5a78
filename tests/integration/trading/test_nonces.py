"""An engine that starts again is not taken for a stranger: its nonces go on above what it sent."""

from __future__ import annotations

from typing import Any

from krakked.adapters.kraken.nonces import fingerprint
from krakked.domain.times import NS_PER_SECOND

HOUR_S = 3_600


class Late:
    """A clock that was set back."""

    def __init__(self, clock: Any, seconds: int) -> None:
        self._clock = clock
        self._back_ns = seconds * NS_PER_SECOND

    def now_ns(self) -> int:
        return self._clock.now_ns() - self._back_ns

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


async def many_calls(world: Any) -> None:
    """More than one in each millisecond, for time stands still between them."""
    for _ in range(3):
        await world.rest.balances()
        assert await world.dead_man.refresh()


def test_restart_at_the_same_instant_is_not_fenced_by_itself(play: Any) -> None:
    async def scenario(world: Any) -> None:
        for _ in range(2):
            await many_calls(world)
            before_ns = world.clock.now_ns()
            await world.restart()
            assert world.clock.now_ns() == before_ns
        await many_calls(world)
        assert world.guard.fenced_by is None

    play(scenario)


def test_restart_on_a_clock_that_stepped_back_an_hour_is_not_fenced(play: Any) -> None:
    async def scenario(world: Any) -> None:
        await many_calls(world)
        world.clock_of_nonces = Late(world.clock, HOUR_S)
        await world.restart()
        await many_calls(world)
        assert world.guard.fenced_by is None

    play(scenario)


def test_floor_in_the_ledger_lies_above_all_that_was_sent(play: Any) -> None:
    async def scenario(world: Any) -> None:
        await many_calls(world)
        key = world.simulator.trade_key.key
        floors = world.ledger.run(lambda tx: tx.nonce_floors())
        assert list(floors) == [fingerprint(key)]
        await world.nonces.prepare(key)
        assert world.nonces.next(key) % 10**13 <= floors[fingerprint(key)]

    play(scenario)


def test_many_calls_in_one_minute_cost_one_write(play: Any) -> None:
    async def scenario(world: Any) -> None:
        await many_calls(world)
        before = world.ledger.run(lambda tx: tx.nonce_floors())
        await world.clock.sleep(30)
        await many_calls(world)
        assert world.ledger.run(lambda tx: tx.nonce_floors()) == before

    play(scenario)
