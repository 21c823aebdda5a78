"""Writes of the lease are timed and counted; nothing else about the lease changes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from krakked.engine.measuring import FAILURES, MeasuredLeases
from krakked.ports.lease_store import (
    LeaseConflict,
    LeaseEvent,
    LeaseEventKind,
    LeaseMissing,
    LeaseRecord,
    LeaseUnreachable,
)
from krakked.sim.leases import DirectLeaseStore, SimLeases

Told = list[tuple[float, str | None]]


class Watch:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.at_ns = 10**18

    def now_ns(self) -> int:
        return self.at_ns

    async def sleep(self, seconds: float) -> None:
        self.at_ns += int(seconds * 10**9)


class Slow(DirectLeaseStore):
    """Takes its time for each write, and may fail it."""

    def __init__(self, leases: SimLeases, watch: Watch) -> None:
        super().__init__(leases)
        self.watch = watch
        self.takes_s = 0.25
        self.error: Exception | None = None
        self.is_closed = False

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        await self.watch.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        return await super().replace(record)

    async def close(self) -> None:
        self.is_closed = True
        await super().close()


@pytest.fixture
def leases() -> SimLeases:
    made = SimLeases(exists=False)
    made.create(is_first=True)
    return made


@pytest.fixture
def slow(leases: SimLeases) -> Slow:
    return Slow(leases, Watch())


def measured(slow: Slow) -> tuple[MeasuredLeases, Told]:
    told: Told = []
    return MeasuredLeases(slow, slow.watch, lambda *one: told.append(one)), told


def test_write_is_passed_on_and_its_time_is_told(slow: Slow) -> None:
    async def main() -> None:
        store, told = measured(slow)
        record = await store.read()
        assert told == []
        written = await store.replace(msgspec.structs.replace(record, holder="a_u_1"))
        assert written.holder == "a_u_1"
        assert (await store.read()).holder == "a_u_1"
        assert told == [(0.25, None)]

    asyncio.run(main())


@pytest.mark.parametrize("kind", FAILURES)
def test_write_that_fails_is_told_with_its_reason_and_fails_all_the_same(
    slow: Slow, kind: type[Exception]
) -> None:
    async def main() -> None:
        store, told = measured(slow)
        slow.error = kind("no")
        with pytest.raises(kind):
            await store.replace(await store.read())
        assert told == [(0.25, FAILURES[kind])]  # type: ignore[index]  # a key of the same table

    asyncio.run(main())


def test_every_way_in_which_a_write_can_fail_has_a_label() -> None:
    assert set(FAILURES) == {LeaseUnreachable, LeaseConflict, LeaseMissing}
    assert len(set(FAILURES.values())) == 3


def test_clock_that_is_set_back_during_a_write_gives_no_negative_time(slow: Slow) -> None:
    async def main() -> None:
        store, told = measured(slow)
        slow.takes_s = -30.0
        await store.replace(await store.read())
        assert told == [(0.0, None)]

    asyncio.run(main())


def test_events_and_the_end_reach_the_store_below(slow: Slow, leases: SimLeases) -> None:
    async def main() -> None:
        store, told = measured(slow)
        event = LeaseEvent(
            kind=LeaseEventKind.LEADER_ELECTED, reason="first", holder="a_u_1", at_ns=1
        )
        await store.announce(event)
        await store.close()
        assert (leases.events, slow.is_closed, told) == ([event], True, [])

    asyncio.run(main())
