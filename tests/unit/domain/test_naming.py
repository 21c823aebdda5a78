"""What people type for pairs and strategies: every usual spelling, and nothing by guessing."""

from __future__ import annotations

import pytest

from krakked.domain.errors import Refused
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.naming import resolve_pair, resolve_strategy, standard_asset, standard_pair

PAIRS = tuple(
    map(PairName, ("XBTUSD", "ETHUSD", "XDGUSD", "ETHXBT", "XBTUSDT", "ADAUSD", "XTZUSD", "XBTEUR"))
)
STRATEGIES = tuple(map(StrategyId, ("trend", "reversion", "weights")))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("XBTUSD", "XBTUSD"),
        ("xbtusd", "XBTUSD"),
        (" XbtUsd ", "XBTUSD"),
        ("BTC/USD", "XBTUSD"),
        ("btc/usd", "XBTUSD"),
        ("XBT/USD", "XBTUSD"),
        ("BTC-USD", "XBTUSD"),
        ("BTCUSD", "XBTUSD"),
        ("XXBTZUSD", "XBTUSD"),
        ("XXBTZEUR", "XBTEUR"),
        ("XXBT/ZUSD", "XBTUSD"),
        ("BTC/USDT", "XBTUSDT"),
        ("BTCUSDT", "XBTUSDT"),
        ("ETH/BTC", "ETHXBT"),
        ("XETHXXBT", "ETHXBT"),
        ("DOGE/USD", "XDGUSD"),
        ("dogeusd", "XDGUSD"),
        ("XXDGZUSD", "XDGUSD"),
        ("xtz/usd", "XTZUSD"),
        ("ada/usd", "ADAUSD"),
    ],
)
def test_spelling_of_a_pair_is_understood(text: str, name: str) -> None:
    assert resolve_pair(text, PAIRS) == name


def test_pair_that_is_known_by_its_new_spelling_is_found_by_its_old_one() -> None:
    assert resolve_pair("XDGUSD", [PairName("DOGEUSD")]) == "DOGEUSD"


@pytest.mark.parametrize("text", ["FOO", "", "/", "USD", "XBT", "XBTUS", "USDXBT", "XBT/USD/EUR"])
def test_pair_that_nobody_knows_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is not known"):
        resolve_pair(text, PAIRS)


def test_refusal_names_the_nearest_pair() -> None:
    with pytest.raises(Refused, match=r"^pair 'XBTUSS' is not known; did you mean XBTUSD\?$"):
        resolve_pair("XBTUSS", PAIRS)


def test_refusal_without_a_near_name_lists_what_is_known() -> None:
    with pytest.raises(Refused, match=r"known: ADAUSD, ETHUSD$"):
        resolve_pair("???", [PairName("ETHUSD"), PairName("ADAUSD")])
    many = [PairName(f"A{n:02d}USD") for n in range(20)]
    with pytest.raises(Refused, match=r"A07USD, …$"):
        resolve_pair("???", many)


def test_refusal_where_nothing_is_known_says_so() -> None:
    with pytest.raises(Refused, match="pair 'XBTUSD' is not known: none is, so far"):
        resolve_pair("XBTUSD", ())


def test_exact_name_wins_over_another_spelling_of_it() -> None:
    both = (PairName("BTCUSD"), PairName("XBTUSD"))
    assert [resolve_pair(name, both) for name in both] == list(both)


def test_spelling_that_means_two_pairs_is_refused_with_both() -> None:
    with pytest.raises(Refused, match="may be BTCUSD or XBTUSD; write one of them"):
        resolve_pair("btc/usd", (PairName("XBTUSD"), PairName("BTCUSD")))


@pytest.mark.parametrize("text", ["trend", "Trend", " TREND "])
def test_strategy_is_found_in_any_case(text: str) -> None:
    assert resolve_strategy(text, STRATEGIES) == "trend"


def test_strategy_that_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refused, match=r"^strategy 'trendd' is not known; did you mean trend\?$"):
        resolve_strategy("trendd", STRATEGIES)


def test_strategies_that_differ_in_case_alone_must_be_written_exactly() -> None:
    both = (StrategyId("Trend"), StrategyId("trend"))
    assert resolve_strategy("trend", both) == "trend"
    with pytest.raises(Refused, match="may be Trend or trend"):
        resolve_strategy("TREND", both)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("XBTUSD", "XBTUSD"),
        (" btc/usd ", "XBTUSD"),
        ("BTC-USDT", "XBTUSDT"),
        ("BTCUSDT", "XBTUSDT"),
        ("XXBTZUSD", "XBTUSD"),
        ("DOGEUSD", "XDGUSD"),
        ("dogebtc", "XDGXBT"),
        ("ETHBTC", "ETHXBT"),
        ("XDGUSD", "XDGUSD"),
        ("WBTCUSD", "WBTCUSD"),
        ("1INCHEUR", "1INCHEUR"),
        ("FOO", "FOO"),
        ("", ""),
    ],
)
def test_pair_of_nobodys_list_has_one_name_however_it_is_spelled(text: str, name: str) -> None:
    assert standard_pair(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("btc", "XBT"), ("XXBT", "XBT"), ("ZUSD", "USD"), ("btc.f", "XBT.F"), ("FOO", "FOO")],
)
def test_asset_has_one_name_however_it_is_spelled(text: str, name: str) -> None:
    assert standard_asset(text) == name
