"""Which pairs are traded, and the reason of each that is not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.ids import Asset, PairName
from krakked.domain.pairs import Pair, PairStatus
from krakked.domain.universe import Objection, Universe, UniverseRules, choose_universe

D = Decimal
USD, XBT = Asset("USD"), Asset("XBT")
XBTUSD, ETHUSD, ADAUSD, ETHXBT = (
    PairName(name) for name in ("XBTUSD", "ETHUSD", "ADAUSD", "ETHXBT")
)
MUCH = dict.fromkeys((XBTUSD, ETHUSD, ADAUSD, ETHXBT), D(10**7))
Choose = Callable[..., Universe]


def named(*names: str) -> frozenset[PairName]:
    return frozenset(map(PairName, names))


@pytest.fixture
def choose() -> Choose:
    """``choose(turnovers=…, statuses=…, rule=…)`` of four pairs."""

    def choose_of_four(
        turnovers: dict[PairName, Decimal] | None = None,
        statuses: dict[PairName, PairStatus] | None = None,
        **rules: Any,
    ) -> Universe:
        listed = {
            name: Pair(
                name=name,
                base=Asset(name[:3]),
                quote=Asset(name[3:]),
                tick_size=D("0.1"),
                quantity_decimals=8,
                cost_decimals=5,
                quantity_min=D("0.001"),
                cost_min=D("0.5"),
                status=(statuses or {}).get(name, PairStatus.ONLINE),
            )
            for name in (XBTUSD, ETHUSD, ADAUSD, ETHXBT)
        }
        given = {"quote": USD, "turnover_min": D(100_000), **rules}
        return choose_universe(UniverseRules(**given), listed, {**MUCH, **(turnovers or {})})

    return choose_of_four


def reasons(universe: Universe) -> dict[str, str]:
    return {remark.pair: remark.reason for remark in universe.left_out}


def test_every_online_pair_of_the_quote_asset_with_turnover_is_in(choose: Choose) -> None:
    universe = choose()
    assert universe.pairs == (ADAUSD, ETHUSD, XBTUSD)
    assert (universe.left_out, universe.kept) == ((), ())


@pytest.mark.parametrize(
    ("turnover", "stays"), [("99999.99", False), ("100000", True), ("100000.01", True)]
)
def test_pair_needs_the_turnover_that_is_asked_for(
    choose: Choose, turnover: str, stays: bool
) -> None:
    universe = choose({ADAUSD: D(turnover)})
    assert (ADAUSD in universe.pairs) is stays
    assert (universe.left_out == ()) is stays


def test_thin_pair_is_left_out_with_what_it_turned_over(choose: Choose) -> None:
    universe = choose({ADAUSD: D("5000.4")})
    assert reasons(universe) == {
        ADAUSD: "turned over 5000 in 24 hours, less than universe.min_24h_volume_usd (100000)"
    }
    assert universe.left_out[0].why is Objection.TURNOVER


def test_pair_without_a_known_turnover_is_left_out(choose: Choose) -> None:
    universe = choose(quote=XBT, turnovers={ETHXBT: D(0)})
    assert universe.pairs == ()
    rules = UniverseRules(quote=USD, turnover_min=D(1))
    listed = {XBTUSD: _one(XBTUSD)}
    (remark,) = choose_universe(rules, listed, {}).left_out
    assert remark.reason.startswith("the venue tells no turnover")


def _one(name: PairName) -> Pair:
    return Pair(
        name=name,
        base=Asset(name[:3]),
        quote=Asset(name[3:]),
        tick_size=D("0.1"),
        quantity_decimals=8,
        cost_decimals=5,
        quantity_min=D("0.001"),
        cost_min=D("0.5"),
    )


def test_where_no_turnover_is_asked_for_none_is_needed() -> None:
    listed = {XBTUSD: _one(XBTUSD)}
    assert choose_universe(UniverseRules(quote=USD), listed, {}).pairs == (XBTUSD,)


def test_thin_pair_that_somebody_named_stays_with_a_remark(choose: Choose) -> None:
    universe = choose({ADAUSD: D(0)}, named=named("ADAUSD"))
    assert ADAUSD in universe.pairs
    assert [(kept.pair, kept.why) for kept in universe.kept] == [(ADAUSD, Objection.TURNOVER)]
    assert universe.exits_only == frozenset()


def test_only_named_pairs_are_in_where_any_is_included(choose: Choose) -> None:
    universe = choose(include=named("XBTUSD", "ETHUSD"))
    assert universe.pairs == (ETHUSD, XBTUSD)
    assert reasons(universe) == {ADAUSD: "not named in universe.include_pairs"}


def test_excluded_pair_is_out_and_says_so(choose: Choose) -> None:
    universe = choose(exclude=named("XBTUSD"))
    assert universe.pairs == (ADAUSD, ETHUSD)
    assert reasons(universe) == {XBTUSD: "named in universe.exclude_pairs"}


def test_name_that_the_venue_does_not_list_is_told(choose: Choose) -> None:
    universe = choose(include=named("XBTUSD", "XBTUSDD"), exclude=named("LUNAUSD"))
    assert universe.pairs == (XBTUSD,)
    unlisted = [r.pair for r in universe.left_out if r.why is Objection.UNLISTED]
    assert unlisted == ["LUNAUSD", "XBTUSDD"]


def test_pair_of_another_quote_is_not_worth_a_word_unless_it_was_named(choose: Choose) -> None:
    assert ETHXBT not in reasons(choose())
    said = reasons(choose(include=named("XBTUSD", "ETHXBT"), named=named("XBTUSD", "ETHXBT")))
    assert said[ETHXBT] == "quoted in XBT, universe.quote is USD"


@pytest.mark.parametrize("status", [status for status in PairStatus if status.value != "online"])
def test_pair_that_is_not_online_is_left_out_though_it_was_named(
    choose: Choose, status: PairStatus
) -> None:
    universe = choose(statuses={ADAUSD: status}, named=named("ADAUSD"))
    assert reasons(universe) == {ADAUSD: f"the venue has it in {status.value}"}


def test_pair_of_an_asset_that_does_not_count_is_left_out(choose: Choose) -> None:
    universe = choose(uncounted=frozenset({XBT}))
    assert reasons(universe) == {XBTUSD: "XBT does not count (portfolio.*_assets)"}


@pytest.mark.parametrize(
    ("rules", "exits_only"),
    [
        ({"exclude": named("ADAUSD")}, True),
        ({"include": named("XBTUSD")}, True),
        ({"uncounted": frozenset({Asset("ADA")})}, True),
        ({"quote": XBT}, True),
        ({"turnovers": {ADAUSD: D(0)}}, False),
        ({"statuses": {ADAUSD: PairStatus.CANCEL_ONLY}}, False),
    ],
)
def test_pair_stays_watched_while_something_of_ours_is_there(
    choose: Choose, rules: dict[str, Any], exits_only: bool
) -> None:
    universe = choose(held=named("ADAUSD"), **rules)
    assert ADAUSD in universe.pairs
    assert ADAUSD not in reasons(universe)
    assert (ADAUSD in universe.exits_only) is exits_only


def test_a_persons_choice_is_the_reason_before_the_markets_state(choose: Choose) -> None:
    universe = choose({ADAUSD: D(0)}, exclude=named("ADAUSD"))
    assert universe.left_out[0].why is Objection.EXCLUDED
