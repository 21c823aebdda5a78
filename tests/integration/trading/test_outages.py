"""What goes away is told once, and its return with how long it was away; and every event exists."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from krakked.domain.events import EventName
from krakked.domain.ids import PairName
from krakked.ports.market_feed import SystemStatusChanged
from krakked.trading.feeding import Feeder, Listeners
from krakked.trading.outages import MarketDataWatch, Outage, venue_outage

Play = Callable[..., Any]
XBTUSD = PairName("XBTUSD")
ROOT = Path(__file__).parents[3]
TABLES = {"domain/events.py", "runtime/logs.py", "runtime/metrics.py", "runtime/story.py"}
"""Where events are named for what they are, and not because they happened."""


def told(world: Any, name: EventName) -> list[dict[str, Any]]:
    return [event.fields for event in world.events if event.name is name]


def feeder(world: Any) -> Feeder:
    return Feeder(
        world.desk,
        world.store,
        Listeners(
            on_quote=lambda _: None,
            on_hint=lambda _: None,
            on_bar=lambda: None,
            on_gap=lambda _: None,
        ),
    )


def test_outage_is_told_once_and_its_end_with_the_duration(play: Play) -> None:
    async def scenario(world: Any) -> None:
        outage: Outage = venue_outage(world.desk, "answers")
        outage.end()
        outage.begin("no answer")
        await world.clock.sleep(12.5)
        outage.begin("no answer either")
        assert outage.is_on
        outage.end()
        outage.end()
        assert told(world, EventName.EXCHANGE_DEGRADED) == [
            {"what": "answers", "reason": "no answer"}
        ]
        assert told(world, EventName.EXCHANGE_RESTORED) == [{"what": "answers", "lasted_s": 12.5}]
        assert not outage.is_on

    play(scenario)


def test_second_outage_counts_from_its_own_beginning(play: Play) -> None:
    async def scenario(world: Any) -> None:
        outage = venue_outage(world.desk, "answers")
        for seconds in (5, 2):
            outage.begin("away")
            await world.clock.sleep(seconds)
            outage.end()
            await world.clock.sleep(100)
        lasted = [fields["lasted_s"] for fields in told(world, EventName.EXCHANGE_RESTORED)]
        assert lasted == [5, 2]

    play(scenario)


def test_pair_that_goes_stale_and_comes_back_is_told_with_its_duration(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = MarketDataWatch(world.desk, [XBTUSD])
        world.market.on_connected()
        world.price_is("60000")
        watch.look()
        await world.clock.sleep(60)
        watch.look()
        assert told(world, EventName.MARKET_DATA_UNAVAILABLE) == []
        await world.clock.sleep(1)
        watch.look()
        watch.look()
        (lost,) = told(world, EventName.MARKET_DATA_UNAVAILABLE)
        assert lost == {"what": "XBTUSD", "pair": "XBTUSD", "reason": "the last quote is too old"}
        await world.clock.sleep(30)
        world.price_is("60000")
        watch.look()
        (restored,) = told(world, EventName.MARKET_DATA_RESTORED)
        assert restored == {"what": "XBTUSD", "lasted_s": 30}

    play(scenario)


def test_stream_that_is_down_is_one_loss_and_not_one_for_each_pair(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = MarketDataWatch(world.desk, [XBTUSD])
        world.market.on_connected()
        world.price_is("60000")
        world.market.on_lost()
        watch.look()
        await world.clock.sleep(20)
        watch.look()
        (lost,) = told(world, EventName.MARKET_DATA_UNAVAILABLE)
        assert lost["what"] == "the market stream"
        world.market.on_connected()
        watch.look()
        (restored,) = told(world, EventName.MARKET_DATA_RESTORED)
        assert restored == {"what": "the market stream", "lasted_s": 20}

    play(scenario)


@pytest.mark.parametrize("status", ["maintenance", "cancel_only", "post_only"])
def test_venue_that_closes_and_opens_again_is_degraded_in_between(play: Play, status: str) -> None:
    async def scenario(world: Any) -> None:
        fed = feeder(world)
        fed.deliver(SystemStatusChanged("online"))
        fed.deliver(SystemStatusChanged(status))
        await world.clock.sleep(90)
        fed.deliver(SystemStatusChanged("online"))
        (lost,) = told(world, EventName.EXCHANGE_DEGRADED)
        assert (lost["what"], lost["venue_status"]) == ("status", status)
        (restored,) = told(world, EventName.EXCHANGE_RESTORED)
        assert restored == {"what": "status", "lasted_s": 90}

    play(scenario)


# the list of events


def names_in(source: str) -> set[str]:
    """``EventName.X`` for every X that the code names."""
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "EventName"
    }


def producers() -> Iterator[Path]:
    for root in ("libs/krakked", "services/krakked"):
        folder = ROOT / root
        for path in sorted(folder.rglob("*.py")):
            if path.relative_to(folder).as_posix() not in TABLES:
                yield path


def test_every_event_of_the_list_is_told_by_something() -> None:
    produced: set[str] = set()
    for path in producers():
        produced |= names_in(path.read_text(encoding="utf-8"))
    assert [name.name for name in EventName if name.name not in produced] == []


def test_events_that_are_only_listed_count_as_told_by_nobody() -> None:
    assert names_in("EventName.HALTED\nOther.RESUMED\nTABLE = {EventName.NOTICE: 1}") == {
        "HALTED",
        "NOTICE",
    }
    looked_at = set(producers())
    assert ROOT / "libs/krakked/trading/engine.py" in looked_at
    assert not looked_at & {ROOT / "libs/krakked" / table for table in TABLES}


@pytest.mark.parametrize(
    "name",
    [
        "strategy_cycle",
        "risk_block",
        "order_error",
        "kill_switch_activated",
        "market_data_unavailable",
    ],
)
def test_names_that_people_were_promised_are_kept(name: str) -> None:
    assert EventName(name).value == name
