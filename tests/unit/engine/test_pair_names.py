"""A pair that a setting names must be listed; the refusal names the one that was meant."""

from __future__ import annotations

from typing import Any

import pytest

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.universe import Objection, Remark, Universe
from krakked.engine import assembling
from krakked.engine.pair_names import check_pair_names
from krakked.runtime.settings import Settings

LISTED = tuple(map(PairName, ("ETHUSD", "ETHXBT", "XBTUSD", "XDGUSD")))


def written(path: tuple[str, ...]) -> str:
    return f"config.yaml:{len(path)}"


def check(**sections: Any) -> None:
    check_pair_names(Settings.model_validate(sections), LISTED, source_of=written)


def lines(**sections: Any) -> list[str]:
    with pytest.raises(BadInput) as refused:
        check(**sections)
    assert refused.value.exit_code == 78
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("DOGEUSD", "did you mean XDGUSD?"),
        ("BTCUSD", "did you mean XBTUSD?"),
        ("XXBTZUSD", "did you mean XBTUSD?"),
        ("XBTUDS", "did you mean XBTUSD?"),
        ("NOSUCH", "remove it"),
    ],
)
@pytest.mark.parametrize("setting", ["include_pairs", "exclude_pairs"])
def test_pair_list_with_an_unknown_name_is_refused_with_file_line_and_the_name_meant(
    setting: str, name: str, remedy: str
) -> None:
    assert lines(universe={setting: ["XBTUSD", name]}) == [
        f"config.yaml:2: universe.{setting}: the venue does not list {name}; {remedy}"
    ]


def test_pairs_of_strategies_and_of_valuation_are_looked_at_too() -> None:
    said = lines(
        strategies={"mine": {"type": "mean_reversion", "pairs": ["XBTUDS"]}},
        portfolio={"valuation_pairs": {"ETH": "ETHBTC"}},
    )
    assert said == [
        "config.yaml:3: strategies.mine.pairs: the venue does not list XBTUDS; "
        "did you mean XBTUSD?",
        "config.yaml:3: portfolio.valuation_pairs.ETH: the venue does not list ETHBTC; "
        "did you mean ETHXBT?",
    ]


def weighed(**weights: str) -> dict[str, Any]:
    return {"basket": {"type": "hold_target_weights", "params": {"weights": weights}}}


@pytest.mark.parametrize("spelled", ["XBTUDS", "xbtuds"])
def test_weight_of_a_pair_that_the_venue_does_not_list_is_refused_with_the_nearest(
    spelled: str,
) -> None:
    assert lines(strategies=weighed(ETHUSD="0.1", **{spelled: "0.1"})) == [
        f"config.yaml:5: strategies.basket.params.weights.{spelled}: the venue does not list "
        "XBTUDS; did you mean XBTUSD?"
    ]
    check(strategies=weighed(xbtusd="0.1"))


def test_weight_of_a_pair_that_the_strategy_does_not_trade_is_refused() -> None:
    pairs = tuple(map(PairName, ("ETHUSD", "XBTUSD")))
    resting = Remark(pair=PairName("ADAUSD"), why=Objection.TURNOVER, reason="said")
    universe = Universe(pairs=pairs, left_out=(resting,))

    def sleeves(strategies: dict[str, Any]) -> list[str]:
        settings = Settings.model_validate({"strategies": strategies})
        made = assembling.configured_sleeves(settings, universe, source_of=written)
        return [item.sleeve.pair for item in made]

    assert sleeves(weighed(XBTUSD="0.1", ADAUSD="0.2")) == ["ETHUSD", "XBTUSD"]
    with pytest.raises(BadInput) as refused:
        sleeves(weighed(XBTUSDT="0.1", SOLEUR="0.1"))
    assert str(refused.value).splitlines() == [
        "config.yaml:5: strategies.basket.params.weights.XBTUSDT: the strategy does not trade "
        "this pair; did you mean XBTUSD?",
        "config.yaml:5: strategies.basket.params.weights.SOLEUR: the strategy does not trade "
        "this pair; it trades ETHUSD, XBTUSD",
    ]
    only = weighed(XBTUSD="0.1")
    only["basket"]["pairs"] = ["ETHUSD"]
    with pytest.raises(BadInput, match="does not trade this pair; did you mean ETHUSD"):
        sleeves(only)


def test_names_that_the_venue_lists_are_fine_whatever_becomes_of_the_pair() -> None:
    check(
        universe={"include_pairs": ["XBTUSD", "ETHXBT"], "exclude_pairs": ["XDGUSD"]},
        portfolio={"valuation_pairs": {"ETH": "ETHXBT"}},
    )


def test_strategys_pair_outside_the_universe_is_refused_with_file_and_line() -> None:
    settings = Settings.model_validate(
        {"strategies": {"mine": {"type": "mean_reversion", "pairs": ["ETHUSD"]}}}
    )
    universe = Universe(pairs=(PairName("XBTUSD"),))
    with pytest.raises(BadInput) as refused:
        assembling.configured_sleeves(settings, universe, source_of=written)
    assert str(refused.value) == (
        "config.yaml:3: strategies.mine.pairs: ETHUSD not in the universe; it has XBTUSD"
    )
