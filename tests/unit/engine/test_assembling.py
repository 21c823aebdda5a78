"""One engine from its parts: what is kept, and who trades where."""

from __future__ import annotations

from typing import Any

import pytest

from krakked.domain.decisions import NotEvaluated
from krakked.domain.ids import PairName
from krakked.domain.universe import Objection, Remark, Universe
from krakked.engine.assembling import configured_sleeves, timeframes_of
from krakked.runtime.settings import Settings

XBTUSD, ETHUSD = PairName("XBTUSD"), PairName("ETHUSD")


def settings(**sections: dict[str, Any]) -> Settings:
    """The defaults, but for these."""
    return Settings.model_validate(sections)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [(["1h"], ["1h"]), (["1d", "1m", "1h", "1m"], ["1m", "1h", "1d"]), ([], ["1h"])],
)
def test_every_timeframe_of_the_market_data_is_kept_shortest_first(
    kept: list[str], expected: list[str]
) -> None:
    chosen = settings(market_data={"timeframes": kept})
    assert [timeframe.value for timeframe in timeframes_of(chosen)] == expected


def test_strategies_stand_in_the_order_of_the_configuration_on_each_pair() -> None:
    chosen = settings(
        strategies={
            "second": {"type": "trend_following"},
            "first": {"type": "mean_reversion", "pairs": ["XBTUSD"], "enabled": False},
        }
    )
    sleeves = configured_sleeves(chosen, Universe(pairs=(ETHUSD, XBTUSD)))
    assert [(s.index, s.sleeve.strategy_id, s.sleeve.pair, s.is_enabled) for s in sleeves] == [
        (0, "second", "ETHUSD", True),
        (1, "second", "XBTUSD", True),
        (2, "first", "XBTUSD", False),
    ]


@pytest.mark.parametrize(
    ("why", "skip"),
    [
        (Objection.EXCLUDED, NotEvaluated.NOT_IN_UNIVERSE),
        (Objection.NOT_INCLUDED, NotEvaluated.NOT_IN_UNIVERSE),
        (Objection.TURNOVER, None),
        (Objection.STATUS, None),
    ],
)
def test_pair_that_is_only_watched_buys_nothing_if_a_person_chose_so(
    why: Objection, skip: NotEvaluated | None
) -> None:
    chosen = settings(strategies={"trend": {"type": "trend_following"}})
    remark = Remark(pair=XBTUSD, why=why, reason="said")
    (sleeve,) = configured_sleeves(chosen, Universe(pairs=(XBTUSD,), kept=(remark,)))
    assert (sleeve.is_enabled, sleeve.skip) == (True, skip)
