"""What an asset is worth: by its own pair, by a named way, or nobody knows; and what counts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from krakked.domain.ids import Asset, PairName
from krakked.domain.pairs import Pair
from krakked.domain.valuation import Valuation

D = Decimal
USD, XBT, ETH, JPY, EUR = (Asset(code) for code in ("USD", "XBT", "ETH", "JPY", "EUR"))
XBTUSD, ETHUSD, ETHXBT, USDJPY, ETHEUR, XBTEUR = (
    PairName(name) for name in ("XBTUSD", "ETHUSD", "ETHXBT", "USDJPY", "ETHEUR", "XBTEUR")
)
Listed = Callable[..., dict[PairName, Pair]]


@pytest.fixture
def listed() -> Listed:
    """Pairs by names of six letters."""

    def listed_pairs(*names: PairName) -> dict[PairName, Pair]:
        return {
            name: Pair(
                name=name,
                base=Asset(name[:3]),
                quote=Asset(name[3:]),
                tick_size=D("0.1"),
                quantity_decimals=8,
                cost_decimals=5,
                quantity_min=D("0.001"),
                cost_min=D("0.5"),
            )
            for name in names
        }

    return listed_pairs


def test_asset_is_worth_the_mid_of_its_own_pair(listed: Listed) -> None:
    valuation = Valuation(USD, listed(XBTUSD, ETHUSD, ETHXBT))
    prices = valuation.prices({XBTUSD: D(50_000), ETHXBT: D("0.06")})
    assert prices == {USD: 1, XBT: 50_000}
    assert (valuation.way(XBT), valuation.way(USD)) == ((XBTUSD,), ())


def test_pair_in_the_other_direction_values_its_quote(listed: Listed) -> None:
    valuation = Valuation(USD, listed(USDJPY))
    assert valuation.prices({USDJPY: D(160)}) == {USD: 1, JPY: D("0.00625")}
    assert valuation.way(JPY) == (USDJPY,)


def test_pair_of_an_asset_trades_it_for_the_base_currency_and_for_nothing_else(
    listed: Listed,
) -> None:
    other = PairName("XBTUSD.X")
    pairs = listed(XBTUSD, ETHXBT, ETHEUR, USDJPY)
    for names in ((XBTUSD, other), (other, XBTUSD)):
        valuation = Valuation(USD, {**dict.fromkeys(names, pairs[XBTUSD]), **pairs})
        assert valuation.pair_of(XBT) == XBTUSD
        assert [valuation.pair_of(asset) for asset in (ETH, USD, JPY)] == [None, None, None]


def test_asset_that_does_not_count_has_no_pair(listed: Listed) -> None:
    assert Valuation(USD, listed(XBTUSD), exclude=[XBT]).pair_of(XBT) is None


def test_usual_direction_is_taken_where_there_are_both(listed: Listed) -> None:
    both = (USDJPY, PairName("JPYUSD"))
    for names in (both, both[::-1]):
        valuation = Valuation(USD, listed(*names))
        mids = {name: D(160) if name == USDJPY else D("0.00626") for name in names}
        assert valuation.prices(mids)[JPY] == D("0.00626")
        assert valuation.way(JPY) == ("JPYUSD",)


def test_named_pair_leads_to_another_asset_whose_worth_is_found(listed: Listed) -> None:
    valuation = Valuation(USD, listed(XBTUSD, ETHXBT), chosen={ETH: ETHXBT})
    assert valuation.way(ETH) == (ETHXBT, XBTUSD)
    assert valuation.prices({XBTUSD: D(50_000), ETHXBT: D("0.06")})[ETH] == 3000
    assert list(valuation.problems()) == []


def test_named_pair_comes_before_the_assets_own(listed: Listed) -> None:
    valuation = Valuation(USD, listed(XBTUSD, ETHUSD, ETHXBT), chosen={ETH: ETHXBT})
    mids = {XBTUSD: D(50_000), ETHXBT: D("0.06"), ETHUSD: D(2900)}
    assert valuation.prices(mids)[ETH] == 3000


def test_own_pair_stands_in_while_a_quote_of_the_named_way_is_missing(listed: Listed) -> None:
    valuation = Valuation(USD, listed(XBTUSD, ETHUSD, ETHXBT), chosen={ETH: ETHXBT})
    assert valuation.prices({XBTUSD: D(50_000), ETHUSD: D(2900)})[ETH] == 2900
    assert ETH not in valuation.prices({XBTUSD: D(50_000)})


def test_named_way_may_be_walked_against_a_pairs_direction(listed: Listed) -> None:
    valuation = Valuation(USD, listed(XBTUSD, XBTEUR), chosen={EUR: XBTEUR})
    assert valuation.way(EUR) == (XBTEUR, XBTUSD)
    assert valuation.prices({XBTUSD: D(50_000), XBTEUR: D(40_000)})[EUR] == D("1.25")


def test_named_ways_are_chained(listed: Listed) -> None:
    chosen = {ETH: ETHEUR, EUR: XBTEUR}
    valuation = Valuation(USD, listed(XBTUSD, ETHEUR, XBTEUR), chosen=chosen)
    assert valuation.way(ETH) == (ETHEUR, XBTEUR, XBTUSD)
    mids = {ETHEUR: D(2400), XBTEUR: D(40_000), XBTUSD: D(50_000)}
    assert valuation.prices(mids)[ETH] == 3000


@pytest.mark.parametrize("mid", ["0", "-1"])
def test_price_that_cannot_be_values_nothing(listed: Listed, mid: str) -> None:
    valuation = Valuation(USD, listed(XBTUSD, ETHXBT, USDJPY), chosen={ETH: ETHXBT})
    mids = dict.fromkeys((XBTUSD, ETHXBT, USDJPY), D(mid))
    assert valuation.prices(mids) == {USD: 1}


@pytest.mark.parametrize(
    ("names", "chosen", "problem"),
    [
        ((XBTUSD,), {ETH: ETHXBT}, (ETH, "the venue does not list ETHXBT")),
        ((XBTUSD,), {ETH: XBTUSD}, (ETH, "XBTUSD trades XBT for USD, not ETH")),
        ((ETHEUR,), {ETH: ETHEUR}, (ETH, "ETHEUR leads to no pair against USD")),
        (
            (ETHXBT,),
            {ETH: ETHXBT, XBT: ETHXBT},
            (ETH, "ETHXBT leads to no pair against USD"),
        ),
    ],
)
def test_named_pair_that_values_nothing_is_a_problem(
    listed: Listed, names: tuple[PairName, ...], chosen: dict[Asset, PairName], problem: object
) -> None:
    valuation = Valuation(USD, listed(*names), chosen=chosen)
    assert next(valuation.problems()) == problem
    assert valuation.way(ETH) == ()
    assert ETH not in valuation.prices(dict.fromkeys(names, D(1)))


@pytest.mark.parametrize(
    ("include", "exclude", "counted"),
    [
        ((), (), {USD, XBT, ETH}),
        ((), (XBT,), {USD, ETH}),
        ((XBT,), (), {USD, XBT}),
        ((XBT, ETH), (ETH,), {USD, XBT}),
        ((), (USD,), {USD, XBT, ETH}),
    ],
)
def test_base_currency_always_counts_and_the_rest_as_named(
    listed: Listed,
    include: tuple[Asset, ...],
    exclude: tuple[Asset, ...],
    counted: set[Asset],
) -> None:
    valuation = Valuation(USD, listed(XBTUSD), include=include, exclude=exclude)
    assert set(valuation.counted({USD: D(1), XBT: D(2), ETH: D(3)})) == counted


def test_what_does_not_count_has_a_price_all_the_same(listed: Listed) -> None:
    valuation = Valuation(USD, listed(XBTUSD), exclude=[XBT])
    assert valuation.prices({XBTUSD: D(7)})[XBT] == 7
    assert valuation.way(XBT) == (XBTUSD,)
