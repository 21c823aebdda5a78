"""How long an account is without an owner that trades, where the venue limits what may be asked.

The venue counts the questions of a key, whoever asks: those of the owner that died count against
the one that follows it. In these worlds owners are struck one after the other, at the worst of
times: when the counter is as full as the venue lets it be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.rate_limit import Tier, room_s
from krakked.engine.promises import START_POINTS, start_s, takeover_s
from krakked.sim.exchange.limits import LIMITS
from krakked.sim.exchange.limits import Tier as VenueTier
from krakked.trading.timings import DEFAULT
from krakked.worlds.host import QUERY_KEY
from krakked.worlds.recipe import Behaviour, Recipe
from krakked.worlds.tape import Call
from krakked.worlds.world import World

PROMISE_S = takeover_s(DEFAULT, Tier.INTERMEDIATE)
LEDGER = 4
"""Points for the venue's ledger, which an engine on a new volume must read."""
AWAY_S = 30.0
"""A machine that stays down so long leaves its turn to another one."""
LOOK_S = 0.1
FIRST_STRIKE_S = 65.0
HISTORY = ("TradesHistory", "Ledgers", "ClosedOrders")
RATE = "EAPI:Rate limit exceeded"
STARTED = "engine_started"


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """One takeover: when the owner ended, when somebody traded again, what was asked between."""

    at_s: float
    seconds: float
    asked: tuple[Call, ...]

    @property
    def methods(self) -> list[str]:
        """With the query key, in their order."""
        return [call.method for call in self.asked if call.key == QUERY_KEY.key]

    @property
    def points(self) -> int:
        """What the venue counted for them."""
        return sum(4 if method in HISTORY else 1 for method in self.methods)

    @property
    def refused(self) -> list[str]:
        """Methods of calls for which there was no room."""
        return [call.method for call in self.asked if RATE in call.errors]


class Striking:
    """A world whose owners are struck, some seconds after each has begun to trade."""

    def __init__(
        self, recipe: Recipe, *, gap_s: float, strikes: int, is_full: bool, away_s: float
    ) -> None:
        self.world = World(recipe, say=self._hear)
        # Not by chance.
        self.world._back_off_s = (  # type: ignore[method-assign]
            lambda machine: away_s  # noqa: ARG005 - called by that name
        )
        self._gap_s, self._left, self._is_full = gap_s, strikes, is_full
        self._started: list[float] = []
        self._ended: list[float] = []
        self.loop = self.world.loop
        self.loop.call_later(FIRST_STRIKE_S, self._strike)

    def _hear(self, line: str) -> None:
        if f" {STARTED}" in line:
            self._started.append(float(line.split()[0]))
            if self._ended and self._left:
                self.loop.call_later(self._gap_s, self._strike)

    def _strike(self) -> None:
        owner = next((one for one in self.world.machines if one.is_trading), None)
        if owner is None:
            self.loop.call_later(LOOK_S, self._strike)
            return
        self._left -= 1
        if self._is_full:
            self._fill_counter()
        owner.kill()
        self._ended.append(self.loop.time())

    def _fill_counter(self) -> None:
        """As full as calls that are taken can make it."""
        exchange: Any = self.world.host.exchange
        limits = LIMITS[self.world.recipe.tier]
        assert limits is not None
        counter = exchange._keys.get(QUERY_KEY.key).counter
        counter.value(limits.rest_decay_centi, self.loop.now_ns())
        counter.charge(limits.rest_max, ceiling=limits.rest_max)

    def run(self) -> list[Struck]:
        outcome = self.world.run()
        assert outcome.violations == ()
        found = []
        for at_s in self._ended:
            again_s = next(one for one in self._started if one > at_s)
            found.append(self._struck(at_s, again_s))
        return found

    def _struck(self, at_s: float, again_s: float) -> Struck:
        first_ns = self.loop.now_ns() - int(self.loop.time() * 10**9)
        asked = [
            call
            for call in self.world.tape.calls
            if at_s < (call.at_ns - first_ns) / 10**9 <= again_s
        ]
        return Struck(at_s=at_s, seconds=again_s - at_s, asked=tuple(asked))


def struck(
    tier: Tier,
    *,
    engines: int = 3,
    gap_s: float = 5.0,
    strikes: int = 1,
    is_full: bool = False,
    away_s: float = AWAY_S,
) -> Sequence[Struck]:
    """What became of each strike; with three engines one always waits."""
    recipe = Recipe(
        seed=3,
        engines=engines,
        play_s=FIRST_STRIKE_S + strikes * (gap_s + PROMISE_S + AWAY_S),
        clock_offsets_s=(0.0,) * engines,
        tier=VenueTier(tier.value),
        behaviour=Behaviour(timings="default"),
    )
    return Striking(recipe, gap_s=gap_s, strikes=strikes, is_full=is_full, away_s=away_s).run()


def shown(found: Sequence[Struck]) -> list[tuple[float, int, list[str]]]:
    return [(round(one.seconds, 1), one.points, one.refused) for one in found]


# what a start asks


def test_takeover_asks_for_each_thing_once_and_reads_one_history() -> None:
    one = struck(Tier.NONE, strikes=3)[-1]
    assert one.methods == [
        "GetApiKeyInfo",
        "BalanceEx",
        "TradeVolume",
        "GetWebSocketsToken",
        "OpenOrders",
        "BalanceEx",
        "TradesHistory",
    ]
    assert one.points == START_POINTS - 1  # no order behind the executions is unknown


def test_takeover_arms_the_dead_man_first_and_looks_when_the_quarantine_is_over() -> None:
    (one,) = struck(Tier.NONE)
    methods = [call.method for call in one.asked]
    assert methods.index("CancelAllOrdersAfter") < methods.index("OpenOrders")
    looked = one.asked[methods.index("OpenOrders")]
    took = one.asked[methods.index("GetApiKeyInfo")]
    assert looked.at_ns - took.at_ns >= (DEFAULT.quarantine_s - 1) * 10**9


# how long it takes


@pytest.mark.parametrize("tier", [Tier.PRO, Tier.INTERMEDIATE, Tier.STARTER])
def test_takeover_from_an_owner_that_had_used_up_the_limits_keeps_the_promise(tier: Tier) -> None:
    found = struck(tier, is_full=True, strikes=4)
    assert [one.refused for one in found] == [[], [], [], []]
    assert {one.points for one in found} <= {START_POINTS - 1, START_POINTS, START_POINTS + LEDGER}
    for one in found:
        more_s = room_s(tier, one.points) - room_s(tier, START_POINTS)
        assert one.seconds <= takeover_s(DEFAULT, tier) + max(0.0, more_s), shown(found)


@pytest.mark.parametrize("gap_s", [0.5, 5.0, 15.0])
@pytest.mark.parametrize("away_s", [1.0, AWAY_S])
def test_owners_killed_soon_after_they_started_are_followed_within_the_promise(
    gap_s: float, away_s: float
) -> None:
    found = struck(Tier.INTERMEDIATE, gap_s=gap_s, strikes=5, away_s=away_s)
    assert len(found) == 5
    assert max(one.seconds for one in found) <= PROMISE_S, shown(found)


def test_start_on_its_own_files_with_the_limits_used_up_is_refused_once_and_in_time() -> None:
    away_s = 1.0
    found = struck(Tier.INTERMEDIATE, engines=1, is_full=True, strikes=2, away_s=away_s)
    bound_s = away_s + start_s(DEFAULT, Tier.INTERMEDIATE, is_unclean=True)
    assert max(one.seconds for one in found) <= min(bound_s, PROMISE_S), shown(found)
    assert [one.refused for one in found] == [["GetApiKeyInfo"], ["GetApiKeyInfo"]]


def test_takeover_where_the_limits_have_room_waits_for_nothing_but_lease_and_quarantine() -> None:
    found = struck(Tier.PRO, strikes=3, gap_s=40.0)
    waits_s = DEFAULT.lease_duration_s + DEFAULT.retry_period_s + DEFAULT.quarantine_s
    assert max(one.seconds for one in found) <= waits_s + 1, shown(found)
