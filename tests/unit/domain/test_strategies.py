"""Each bundled strategy on crafted bars; how strategies are built, described and hashed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakked.domain import strategies
from krakked.domain.bars import BarKey, Bars, Timeframe
from krakked.domain.errors import BadInput
from krakked.domain.ids import Asset, PairName, StrategyId
from krakked.domain.intents import Condition, Decision, Direction, IntentType, View
from krakked.domain.pairs import Pair
from krakked.domain.positions import Position, Sleeve
from krakked.domain.strategies import build, known_types, parameters_schema
from krakked.domain.strategies.base import Strategy
from krakked.domain.strategies.checks import check_strategy
from krakked.domain.strategies.stops import StopParameters, ended_early, stop_below

MakeBars = Callable[..., Bars]

PAIR = Pair(
    name=PairName("XBTUSD"),
    base=Asset("XBT"),
    quote=Asset("USD"),
    tick_size=Decimal("0.1"),
    quantity_decimals=8,
    cost_decimals=5,
    quantity_min=Decimal("0.0001"),
    cost_min=Decimal("0.5"),
)
SMALL: dict[str, dict[str, object]] = {
    "trend_following": {"fast_bars": 2, "slow_bars": 5, "atr_bars": 4, "stop_atr": 2},
    "mean_reversion": {"window_bars": 8, "entry_z": "1.5", "atr_bars": 4},
    "hold_target_weights": {"rebalance_bars": 6},
}


def strategy(type_name: str, **params: object) -> Strategy:
    return build(StrategyId("mine"), type_name, {**SMALL[type_name], **params})


def decide(
    made: Strategy,
    bars: Bars,
    *,
    held: str = "0",
    state: Mapping[str, object] | None = None,
    woken_by: str = "bar",
    exposure: str = "0",
) -> Decision:
    """What the strategy says at the last bar."""
    features = made.rules.features(bars)
    sleeve = Sleeve(made.strategy_id, PAIR.name)
    view = View(
        strategy_id=made.strategy_id,
        pair=PAIR,
        key=BarKey(bars.pair, bars.timeframe, int(bars.start_s[-1])),
        bar=bars.bar(len(bars) - 1),
        features={name: int(values[-1]) for name, values in features.items()},
        position=Position(sleeve=sleeve, quantity_base=Decimal(held)),
        exposure=Decimal(exposure),
        stop_price=None,
        now_ns=1,
        woken_by=woken_by,
    )
    return made.rules.decide(view, state or {})


def wanted(decision: Decision) -> tuple[IntentType, Direction]:
    assert decision.intent is not None
    return decision.intent.type, decision.intent.direction


def conditions(decision: Decision) -> dict[str, bool]:
    return {condition.name: condition.passed for condition in decision.conditions}


RISING = [1000] * 6 + [1010, 1020, 1030]
FALLING = [1000] * 6 + [990, 980, 970]

# trend following


def test_trend_when_fast_average_is_above_slow_enters_with_a_stop_below(
    make_bars: MakeBars,
) -> None:
    decision = decide(strategy("trend_following"), make_bars(RISING, wick=5))
    assert wanted(decision) == (IntentType.ENTER, Direction.LONG)
    assert decision.intent is not None
    # true ranges of the last four bars: 10, 20, 20, 20; mean 17.5 ticks, twice that below 1030
    assert decision.intent.stop_price == Decimal("99.5")
    assert decision.intent.target_exposure == Decimal("0.02")
    assert conditions(decision) == {"fast_average": True, "stretch_not_stopped": True}


def test_trend_when_fast_average_is_below_slow_stays_flat_and_says_why(
    make_bars: MakeBars,
) -> None:
    decision = decide(strategy("trend_following"), make_bars(FALLING))
    assert wanted(decision) == (IntentType.HOLD, Direction.FLAT)
    fast = decision.conditions[0]
    assert (fast.value, fast.operator, fast.threshold) == (
        Decimal("97.5"),
        ">",
        Decimal("98.8"),
    )
    assert not fast.passed


def test_trend_when_averages_are_equal_is_no_trend(make_bars: MakeBars) -> None:
    decision = decide(strategy("trend_following"), make_bars([1000] * 9))
    assert wanted(decision) == (IntentType.HOLD, Direction.FLAT)


def test_trend_holding_in_an_upward_stretch_keeps_its_stop(make_bars: MakeBars) -> None:
    decision = decide(strategy("trend_following"), make_bars(RISING), held="0.01")
    assert wanted(decision) == (IntentType.HOLD, Direction.LONG)
    assert decision.intent is not None
    assert decision.intent.stop_price is None
    assert decision.state == {"held": True, "done": False}


def test_trend_holding_when_the_averages_cross_down_exits(make_bars: MakeBars) -> None:
    decision = decide(strategy("trend_following"), make_bars(FALLING), held="0.01")
    assert wanted(decision) == (IntentType.EXIT, Direction.FLAT)


def test_trend_holding_dust_enters_as_if_flat(make_bars: MakeBars) -> None:
    decision = decide(strategy("trend_following"), make_bars(RISING), held="0.00000001")
    assert wanted(decision) == (IntentType.ENTER, Direction.LONG)


def test_trend_stopped_out_does_not_enter_again_in_the_same_stretch(make_bars: MakeBars) -> None:
    made = strategy("trend_following")
    bars = make_bars(RISING)
    stopped = decide(made, bars, state={"held": True, "done": False}, woken_by="fill")
    assert wanted(stopped) == (IntentType.HOLD, Direction.FLAT)
    assert conditions(stopped)["stretch_not_stopped"] is False
    later = decide(made, bars, state=stopped.state, woken_by="unmet")
    assert wanted(later) == (IntentType.HOLD, Direction.FLAT)


def test_trend_stopped_before_it_was_asked_again_does_not_enter_again(
    make_bars: MakeBars,
) -> None:
    decision = decide(strategy("trend_following"), make_bars(RISING), woken_by="stop")
    assert wanted(decision) == (IntentType.HOLD, Direction.FLAT)


def test_trend_after_a_downward_cross_forgets_the_stop(make_bars: MakeBars) -> None:
    made = strategy("trend_following")
    down = decide(made, make_bars(FALLING), state={"held": False, "done": True})
    assert down.state == {"held": False, "done": False}
    assert wanted(decide(made, make_bars(RISING), state=down.state))[0] is IntentType.ENTER


def test_trend_sold_at_the_cross_may_enter_at_the_next_one(make_bars: MakeBars) -> None:
    made = strategy("trend_following")
    down = decide(made, make_bars(FALLING), held="0.01", state={"held": True, "done": False})
    assert wanted(decide(made, make_bars(RISING), state=down.state))[0] is IntentType.ENTER


def test_trend_stop_never_falls_below_one_tick(make_bars: MakeBars) -> None:
    made = strategy("trend_following", stop_atr=50)
    decision = decide(made, make_bars([100] * 6 + [110, 120, 130], wick=50))
    assert decision.intent is not None
    assert decision.intent.stop_price == Decimal("0.1")


def test_trend_without_target_exposure_leaves_the_size_to_risk(make_bars: MakeBars) -> None:
    made = strategy("trend_following", target_exposure=None)
    decision = decide(made, make_bars(RISING))
    assert decision.intent is not None
    assert decision.intent.target_exposure is None


def test_trend_wakes_at_crosses_only(make_bars: MakeBars) -> None:
    made = strategy("trend_following")
    bars = make_bars([1000] * 8 + [1010, 1020, 1030, 1040, 1000, 960, 950])
    features = made.rules.features(bars)
    awake = [i for i in range(8, len(bars)) if made.wake(features, len(bars))[i]]
    ups = features["up"].tolist()
    assert awake == [i for i in range(8, len(bars)) if ups[i] != ups[i - 1]]
    assert len(awake) == 2


# mean reversion

QUIET = [1000, 1002, 998, 1001, 999, 1002, 998]


def test_reversion_far_below_the_mean_enters_with_a_stop(make_bars: MakeBars) -> None:
    decision = decide(strategy("mean_reversion"), make_bars([*QUIET, 980], wick=1))
    assert wanted(decision) == (IntentType.ENTER, Direction.LONG)
    assert decision.intent is not None
    # true ranges of the last four bars: 4, 5, 6, 20; mean 8.75 ticks, five times that below 980
    assert decision.intent.stop_price == Decimal("93.7")
    assert conditions(decision)["z_score"] is True


def test_reversion_exactly_at_the_entry_score_enters(make_bars: MakeBars) -> None:
    made = strategy("mean_reversion", window_bars=5, entry_z=2, atr_bars=4)
    decision = decide(made, make_bars([1000] * 5 + [990]))
    assert decision.conditions[0].value == Decimal(-2)
    assert wanted(decision)[0] is IntentType.ENTER


def test_reversion_exactly_at_the_exit_score_exits(make_bars: MakeBars) -> None:
    made = strategy("mean_reversion", window_bars=5, exit_z=-2, atr_bars=4)
    decision = decide(made, make_bars([1000] * 5 + [1010]), held="1")
    assert decision.conditions[1].value == Decimal(2)
    assert wanted(decision)[0] is IntentType.EXIT


def test_reversion_near_the_mean_stays_flat_and_shows_the_distance(make_bars: MakeBars) -> None:
    decision = decide(strategy("mean_reversion"), make_bars([*QUIET, 999]))
    assert wanted(decision) == (IntentType.HOLD, Direction.FLAT)
    score = decision.conditions[0]
    assert score.threshold == Decimal("-1.5")
    assert score.value > score.threshold


def test_reversion_holding_below_the_mean_keeps(make_bars: MakeBars) -> None:
    decision = decide(strategy("mean_reversion"), make_bars([*QUIET, 999]), held="0.01")
    assert wanted(decision) == (IntentType.HOLD, Direction.LONG)
    assert decision.state == {"held": True, "stopped": False}


def test_reversion_holding_back_at_the_mean_exits(make_bars: MakeBars) -> None:
    decision = decide(strategy("mean_reversion"), make_bars([*QUIET, 1003]), held="0.01")
    assert wanted(decision) == (IntentType.EXIT, Direction.FLAT)
    assert conditions(decision)["z_score_back"] is True
    assert decision.state == {"held": False, "stopped": False}


def test_reversion_stopped_out_waits_until_the_price_was_back_once(make_bars: MakeBars) -> None:
    made = strategy("mean_reversion")
    dip, back = make_bars([*QUIET, 980]), make_bars([*QUIET, 1003])
    stopped = decide(made, dip, state={"held": True, "stopped": False}, woken_by="stop")
    assert wanted(stopped) == (IntentType.HOLD, Direction.FLAT)
    again = decide(made, dip, state=stopped.state)
    assert wanted(again) == (IntentType.HOLD, Direction.FLAT)
    risen = decide(made, back, state=again.state)
    assert wanted(decide(made, dip, state=risen.state))[0] is IntentType.ENTER


@pytest.mark.parametrize(
    ("state", "woken_by"),
    [({"held": True, "stopped": False}, "fill"), ({}, "stop"), ({"stopped": True}, "bar")],
)
def test_reversion_knows_a_stop_by_its_wake_or_by_what_is_gone(
    state: dict[str, object], woken_by: str, make_bars: MakeBars
) -> None:
    dip = make_bars([*QUIET, 980])
    decision = decide(strategy("mean_reversion"), dip, state=state, woken_by=woken_by)
    assert wanted(decision) == (IntentType.HOLD, Direction.FLAT)
    assert conditions(decision)["dip_not_stopped"] is False


def test_reversion_stop_never_falls_below_one_tick(make_bars: MakeBars) -> None:
    made = strategy("mean_reversion", stop_atr=50)
    decision = decide(made, make_bars([*QUIET, 700], wick=300))
    assert decision.intent is not None
    assert decision.intent.stop_price == Decimal("0.1")


def test_reversion_where_nothing_moves_wants_nothing(make_bars: MakeBars) -> None:
    decision = decide(strategy("mean_reversion"), make_bars([1000] * 9))
    assert wanted(decision) == (IntentType.HOLD, Direction.FLAT)


# hold target weights

MIDNIGHT = [1000] * 7  # the seventh bar starts at 06:00, a multiple of six hours
BETWEEN = [1000] * 9


def test_weights_never_balanced_are_bought_at_once(make_bars: MakeBars) -> None:
    decision = decide(strategy("hold_target_weights"), make_bars(BETWEEN))
    assert wanted(decision) == (IntentType.ENTER, Direction.LONG)
    assert decision.intent is not None
    assert decision.intent.target_exposure == Decimal("0.015")
    assert decision.state == {"balanced": False}


def test_weights_between_two_looks_are_left_alone(make_bars: MakeBars) -> None:
    decision = decide(
        strategy("hold_target_weights"),
        make_bars(BETWEEN),
        held="1",
        exposure="0.03",
        state={"balanced": True},
    )
    assert wanted(decision) == (IntentType.HOLD, Direction.LONG)
    assert decision.state == {"balanced": True}


@pytest.mark.parametrize(
    ("exposure", "kind"),
    [
        ("0.0119", IntentType.INCREASE),
        ("0.012", IntentType.HOLD),
        ("0.018", IntentType.HOLD),
        ("0.0181", IntentType.REDUCE),
    ],
)
def test_weights_at_a_look_outside_the_band_go_back_to_the_target(
    exposure: str, kind: IntentType, make_bars: MakeBars
) -> None:
    made = strategy("hold_target_weights", band="0.2")
    decision = decide(
        made, make_bars(MIDNIGHT), held="1", exposure=exposure, state={"balanced": True}
    )
    assert wanted(decision)[0] is kind
    assert decision.state == {"balanced": kind is IntentType.HOLD}
    assert conditions(decision) == {
        "time_to_look": True,
        "share_low": kind is IntentType.INCREASE,
        "share_high": kind is IntentType.REDUCE,
    }


def test_weights_not_yet_reached_are_wished_for_again_at_the_next_bar(
    make_bars: MakeBars,
) -> None:
    decision = decide(
        strategy("hold_target_weights"),
        make_bars(BETWEEN),
        held="1",
        exposure="0.001",
        state={"balanced": False},
        woken_by="unmet",
    )
    assert wanted(decision)[0] is IntentType.INCREASE


def test_weights_of_single_pairs_win_over_the_common_one(make_bars: MakeBars) -> None:
    made = strategy("hold_target_weights", weights={"XBTUSD": "0.04"})
    decision = decide(made, make_bars(BETWEEN))
    assert decision.intent is not None
    assert decision.intent.target_exposure == Decimal("0.04")


def test_weights_of_pairs_in_small_letters_are_of_the_same_pairs(make_bars: MakeBars) -> None:
    made = strategy("hold_target_weights", weights={" xbtusd": "0.04"})
    assert made.rules.params.named_pairs == ("XBTUSD",)
    decision = decide(made, make_bars(BETWEEN))
    assert decision.intent is not None
    assert decision.intent.target_exposure == Decimal("0.04")


def test_weights_are_looked_at_in_the_first_bar_after_a_gap(make_bars: MakeBars) -> None:
    made = strategy("hold_target_weights", rebalance_bars=24)
    day = 86_400
    starts = [0, 3600, day - 3600, day + 3 * 3600, day + 4 * 3600]
    features = made.rules.features(make_bars([10] * 5, starts=starts))
    assert features["due"].tolist() == [1, 0, 0, 1, 0]


# every bundled strategy


@pytest.mark.parametrize(
    ("type_name", "params", "bars"),
    [
        ("trend_following", {"slow_bars": 50, "atr_bars": 20}, 51),
        ("trend_following", {"slow_bars": 50, "atr_bars": 60}, 61),
        ("mean_reversion", {"window_bars": 30, "atr_bars": 20}, 31),
        ("mean_reversion", {"window_bars": 30, "atr_bars": 60}, 61),
        ("hold_target_weights", {}, 2),
    ],
)
def test_warm_up_is_the_longest_look_back_and_the_bar_before(
    type_name: str, params: dict[str, object], bars: int, random_walk: MakeBars
) -> None:
    made = strategy(type_name, **params)
    assert made.warm_up_bars == bars
    assert check_strategy(made, random_walk(4, 400), random.Random(4)) == []


@pytest.mark.parametrize("type_name", known_types())
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_bundled_strategy_on_random_walks_keeps_every_promise(
    type_name: str, seed: int, random_walk: MakeBars
) -> None:
    bars = random_walk(seed, 260)
    assert check_strategy(strategy(type_name), bars, random.Random(seed)) == []


@pytest.mark.parametrize("type_name", known_types())
def test_bundled_strategy_with_defaults_keeps_every_promise(
    type_name: str, random_walk: MakeBars
) -> None:
    made = build(StrategyId("mine"), type_name, {})
    assert check_strategy(made, random_walk(1, 900), random.Random(1)) == []


@pytest.mark.parametrize("type_name", known_types())
def test_bundled_strategy_by_default_runs_hourly_and_cites_its_source(type_name: str) -> None:
    made = build(StrategyId("mine"), type_name, {})
    assert made.timeframes == (Timeframe.H1,)
    assert made.type == type_name
    assert "19" in made.rules.source


@pytest.mark.parametrize("type_name", known_types())
def test_bundled_strategy_describes_every_parameter(type_name: str) -> None:
    schema: dict[str, Any] = parameters_schema(type_name)
    (described,) = schema["$defs"].values()
    for name, field in described["properties"].items():
        assert field["description"], name


@pytest.mark.parametrize("type_name", known_types())
def test_state_of_a_bundled_strategy_survives_storage(type_name: str, make_bars: MakeBars) -> None:
    decision = decide(strategy(type_name), make_bars([*QUIET, 980, 970, 990]))
    stored = msgspec.json.decode(msgspec.json.encode(decision.state))
    assert stored == decision.state


# building


def test_build_of_an_unknown_type_names_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"strategies\.mine\.type: .*did you mean 'trend_following'"):
        build(StrategyId("mine"), "trend_folowing", {})


def test_build_of_a_type_like_no_other_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="known are trend_following, mean_reversion"):
        build(StrategyId("mine"), "xyz", {})


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"fast_bar": 5}, r"no parameter 'fast_bar'; did you mean 'fast_bars'"),
        ({"fast_bars": 1}, r"Expected `int` >= 2 - at `\$\.fast_bars`"),
        ({"fast_bars": "many"}, r"at `\$\.fast_bars`"),
        ({"fast_bars": 60, "slow_bars": 50}, "fast_bars 60 must be less than slow_bars 50"),
        ({"fast_bars": 50, "slow_bars": 50}, "fast_bars 50 must be less than slow_bars 50"),
        ({"stop_atr": "0.4"}, r"stop_atr: 0\.4 is not between 0\.5 and 50"),
        ({"stop_atr": 51}, "51 is not between"),
        ({"target_exposure": "1.01"}, "1.01 is not between 0 and 1"),
        ({"target_exposure": "NaN"}, "NaN is not between 0 and 1"),
    ],
)
def test_build_with_a_bad_parameter_says_which_and_why(
    params: dict[str, object], problem: str
) -> None:
    with pytest.raises(BadInput, match=r"^strategies\.mine\.params") as caught:
        build(StrategyId("mine"), "trend_following", params)
    assert caught.match(problem)


def test_build_tells_all_bad_parameters_a_line_each() -> None:
    params = {"fast_bar": 5, "slow_bars": "many", "stop_atr": "0.4", "fast_bars": 60}
    with pytest.raises(BadInput) as caught:
        build(StrategyId("mine"), "trend_following", params)
    where = "strategies.mine.params"
    assert str(caught.value).splitlines() == [
        f"{where}: there is no parameter 'fast_bar'; did you mean 'fast_bars'?",
        f"{where}: Expected `int`, got `str` - at `$.slow_bars`",
        f"{where}.stop_atr: 0.4 is not between 0.5 and 50",
    ]


@pytest.mark.parametrize(
    ("type_name", "params", "problem"),
    [
        ("mean_reversion", {"entry_z": 1, "exit_z": 1}, "exit_z 1 must be less than entry_z 1"),
        ("hold_target_weights", {"weights": {"XBTUSD": 2}}, r"weights\.XBTUSD is 2"),
        ("hold_target_weights", {"weights": {"XBTUSD": "NaN"}}, r"weights\.XBTUSD is NaN"),
        ("hold_target_weights", {"weights": {"XBTUSD": "-NaN"}}, r"weights\.XBTUSD is -NaN"),
        ("hold_target_weights", {"weights": {"XBTUSD": "sNaN"}}, r"weights\.XBTUSD is sNaN"),
        ("hold_target_weights", {"weights": {"XBTUSD": "Infinity"}}, r"weights\.XBTUSD is Infin"),
        ("hold_target_weights", {"weights": {"BTC/USD": 0}}, r"weights\.BTC/USD: expected the al"),
        (
            "hold_target_weights",
            {"weights": {"XBTUSD": 0, "xbtusd": 1}},
            r"weights\.XBTUSD stands twice; remove one",
        ),
    ],
)
def test_build_with_contradictory_parameters_is_refused(
    type_name: str, params: dict[str, object], problem: str
) -> None:
    with pytest.raises(BadInput, match=problem):
        build(StrategyId("mine"), type_name, params)


def test_build_takes_numbers_as_people_write_them() -> None:
    made = build(StrategyId("mine"), "trend_following", {"stop_atr": 2.5, "fast_bars": "7"})
    assert (
        made.rules.params
        == build(
            StrategyId("mine"), "trend_following", {"stop_atr": "2.5", "fast_bars": 7}
        ).rules.params
    )


def test_build_with_timeframes_runs_on_those() -> None:
    made = build(StrategyId("mine"), "mean_reversion", {}, timeframes=[Timeframe.H4])
    assert made.timeframes == (Timeframe.H4,)


def test_hash_is_of_code_and_parameters_not_of_the_name() -> None:
    one = build(StrategyId("one"), "trend_following", {})
    two = build(StrategyId("two"), "trend_following", {})
    other = build(StrategyId("one"), "trend_following", {"fast_bars": 13})
    another = build(StrategyId("one"), "mean_reversion", {})
    assert one.hash == two.hash
    assert len({one.hash, other.hash, another.hash}) == 3


@pytest.mark.parametrize("shared", ["features", "strategies.base", "strategies.stops"])
def test_hash_changes_with_what_the_rules_are_made_with(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build(StrategyId("one"), "trend_following", {}).hash
    true_source = strategies._source
    monkeypatch.setattr(
        strategies,
        "_source",
        lambda part: true_source(part) + "#" * (part.__name__ == f"krakked.domain.{shared}"),
    )
    assert build(StrategyId("one"), "trend_following", {}).hash != before


# stops


def _properties(type_name: str) -> Any:
    schema: Any = parameters_schema(type_name)
    (described,) = schema["$defs"].values()
    return described["properties"]


@pytest.mark.parametrize("name", ["trend_following", "mean_reversion"])
def test_entries_with_a_stop_share_their_parameters_and_bounds(name: str) -> None:
    first, second = (_properties(type_name) for type_name in ("trend_following", name))
    for field in ("atr_bars", "stop_atr", "target_exposure"):
        bare = [
            {k: v for k, v in found[field].items() if k != "default"} for found in (first, second)
        ]
        assert bare[0] == bare[1]
    with pytest.raises(BadInput, match=r"stop_atr: 0\.4 is not between 0\.5 and 50"):
        build(StrategyId("mine"), name, {"stop_atr": "0.4"})
    with pytest.raises(BadInput, match="atr_bars"):
        build(StrategyId("mine"), name, {"atr_bars": 1})


def test_strategies_with_stops_keep_defaults_of_their_own() -> None:
    trend, reversion = (
        build(StrategyId("mine"), name, {}).rules.params
        for name in ("trend_following", "mean_reversion")
    )
    assert isinstance(trend, StopParameters)
    assert isinstance(reversion, StopParameters)
    assert (trend.stop_atr, trend.target_exposure) == (4, Decimal("0.02"))
    assert (reversion.stop_atr, reversion.target_exposure) == (5, Decimal("0.01"))


@pytest.mark.parametrize(
    ("close", "range_hundredths", "stop_atr", "stop"),
    [
        (500_000, 10_000, "4", "49960.0"),
        (500_000, 10_050, "0.5", "49995.0"),
        (500_000, 0, "4", "49999.9"),
        (500_000, 10_000, "0.5", "49995.0"),
        (3, 10_000, "4", "0.1"),
    ],
)
def test_stop_stands_some_true_ranges_below_the_close_and_never_under_a_tick(
    close: int, range_hundredths: int, stop_atr: str, stop: str
) -> None:
    view = SimpleNamespace(
        features={"atr": range_hundredths},
        bar=SimpleNamespace(close=close),
        pair=SimpleNamespace(tick_size=Decimal("0.1")),
    )
    assert stop_below(view, Decimal(stop_atr)) == Decimal(stop)  # type: ignore[arg-type]  # as much of a view as it reads


@pytest.mark.parametrize(
    ("holding", "woken_by", "state", "early"),
    [
        (False, "bar", {}, False),
        (False, "bar", {"held": True}, True),
        (False, "stop", {}, True),
        (True, "stop", {"held": True}, False),
        (True, "bar", {"done": True}, True),
        (False, "bar", {"stopped": True}, False),
    ],
)
def test_what_is_gone_without_the_strategys_wish_ended_early(
    holding: bool, woken_by: str, state: dict[str, object], early: bool
) -> None:
    view = SimpleNamespace(is_holding=holding, woken_by=woken_by)
    assert ended_early(view, state, "done") is early  # type: ignore[arg-type]  # as much of a view as it reads


# conditions


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        (">", False, False, True),
        (">=", False, True, True),
        ("<", True, False, False),
        ("<=", True, True, False),
        ("==", False, True, False),
    ],
)
def test_condition_compares_its_value_with_its_threshold(
    operator: str, below: bool, equal: bool, above: bool
) -> None:
    passed = [Condition("c", Decimal(value), operator, Decimal(2)).passed for value in (1, 2, 3)]
    assert passed == [below, equal, above]
