"""What a start that takes long says it waits for: the true reason."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from krakked.domain.instants import Instant
from krakked.engine.leading import QUARANTINE, Leading
from krakked.ports.lease_store import LeaseRecord
from krakked.trading.owning import Me, Phase, State
from krakked.trading.timings import DEFAULT

HELD = LeaseRecord(
    holder="other_uid_1", duration_s=15, acquired_at_ns=0, renewed_at_ns=0, transitions=1, epoch=1
)
QUARANTINE_NS = 5 * 10**9


class Passing:
    """Time that only sleeping lets pass; remembers what was said meanwhile."""

    def __init__(self) -> None:
        self.at_ns = 0
        self.heard: list[str] = []
        self.leading: Leading | None = None

    def now(self) -> Instant:
        return Instant(least_ns=self.at_ns, most_ns=self.at_ns, wall_ns=self.at_ns)

    async def sleep(self, seconds: float) -> None:
        assert self.leading is not None
        self.heard.append(self.leading.waits_for())
        self.at_ns += int(seconds * 10**9)


def owning(phase: Phase, **fields: Any) -> State:
    state = State(me=Me(pod="a", uid="u", process="1"), timings=DEFAULT)
    return msgspec.structs.replace(state, phase=phase, **fields)


def leading(state: State | None, passing: Passing | None = None) -> Leading:
    passing = passing or Passing()
    made = Leading(cast("Any", SimpleNamespace(clock=passing)), lambda _: None)
    if state is not None:
        made._owner = cast("Any", SimpleNamespace(state=state, elapsed=passing))
    passing.leading = made
    return made


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (None, ""),
        (owning(Phase.CANDIDATE), "the lease"),
        (owning(Phase.CANDIDATE, record=HELD), "the lease, held by other_uid_1"),
        (owning(Phase.FROZEN, record=HELD), "the lease, held by other_uid_1"),
        (owning(Phase.RECONCILING), ""),
        (owning(Phase.RECONCILING, waits_for_quarantine=True), QUARANTINE),
        (owning(Phase.LEADING), ""),
    ],
)
def test_start_says_what_of_ownership_it_waits_for(state: State | None, told: str) -> None:
    assert leading(state).waits_for() == told


def test_fenced_start_says_what_a_person_can_do() -> None:
    told = leading(owning(Phase.FENCED, fenced_by="EAPI:Invalid nonce")).waits_for()
    assert told.startswith("a person: fenced (EAPI:Invalid nonce); `krakked unfence`")


def test_start_that_sits_out_its_quarantine_says_so_and_nothing_afterwards() -> None:
    passing = Passing()
    state = owning(Phase.RECONCILING, is_unclean=True, quarantine_until_least_ns=QUARANTINE_NS)
    made = leading(state, passing)
    asyncio.run(made.sit_out_quarantine())
    assert passing.heard == [QUARANTINE]
    assert passing.at_ns == QUARANTINE_NS
    assert made.waits_for() == ""


def test_start_that_is_broken_off_in_its_quarantine_waits_for_nothing_any_more() -> None:
    class Broken(Passing):
        async def sleep(self, seconds: float) -> None:
            raise asyncio.CancelledError(seconds)

    state = owning(Phase.RECONCILING, is_unclean=True, quarantine_until_least_ns=QUARANTINE_NS)
    made = leading(state, Broken())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(made.sit_out_quarantine())
    assert made.waits_for() == ""


def test_start_after_a_clean_stop_sits_out_nothing() -> None:
    passing = Passing()
    state = owning(Phase.RECONCILING, quarantine_until_least_ns=QUARANTINE_NS)
    asyncio.run(leading(state, passing).sit_out_quarantine())
    assert passing.heard == []
