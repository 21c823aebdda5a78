"""The start's look at the venue: what is asked, what comes of it, and what a person is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.domain.decisions import NotEvaluated
from krakked.domain.errors import BadInput
from krakked.domain.events import EventName
from krakked.domain.ids import MANUAL, Asset, PairName, StrategyId
from krakked.domain.pairs import Pair, PairStatus
from krakked.domain.positions import Position, Sleeve
from krakked.engine import assembling
from krakked.engine.listing import (
    Held,
    Listing,
    kept_in_words,
    read_listing,
    remarks_as_events,
)
from krakked.ports.exchange import Balance, Fees
from krakked.ports.market_feed import Ticker
from krakked.runtime.settings import Settings

D = Decimal
NAMES = ("XBTUSD", "ETHUSD", "ADAUSD", "ETHXBT", "ADAXBT")
PRICES = {"XBTUSD": "50000", "ETHUSD": "3000", "ADAUSD": "0.5", "ETHXBT": "0.06", "ADAXBT": "1"}
Look = Callable[..., Listing]


class Venue:
    """Five pairs, each of which turned over 10 of its base."""

    def __init__(self) -> None:
        self.volumes = dict.fromkeys(NAMES, D(10**6))
        self.statuses: dict[str, PairStatus] = {}
        self.unlisted: set[str] = set()
        self.held: dict[str, Decimal] = {"USD": D(10_000)}
        self.asked_tickers = 0

    async def pairs(self) -> Mapping[PairName, Pair]:
        return {
            PairName(name): Pair(
                name=PairName(name),
                base=Asset(name[:3]),
                quote=Asset(name[3:]),
                tick_size=D("0.1"),
                quantity_decimals=8,
                cost_decimals=5,
                quantity_min=D("0.001"),
                cost_min=D("0.5"),
                status=self.statuses.get(name, PairStatus.ONLINE),
            )
            for name in NAMES
            if name not in self.unlisted
        }

    async def tickers(self) -> Mapping[PairName, Ticker]:
        self.asked_tickers += 1
        return {
            PairName(name): Ticker(last=D(PRICES[name]), volume_24h_base=volume)
            for name, volume in self.volumes.items()
        }

    async def fees(self, pairs: Sequence[PairName]) -> Mapping[PairName, Fees]:
        return {pair: Fees(taker_pct=D("0.26"), maker_pct=D("0.16")) for pair in pairs}

    @property
    def balances(self) -> Sequence[Balance]:
        return [
            Balance(asset=Asset(asset), total=total, held=D(0))
            for asset, total in self.held.items()
        ]


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def look(venue: Venue) -> Look:
    """``look(positions=…, asks_turnover=…, section={…})``"""

    def look_at(
        positions: Sequence[Position] = (), *, asks_turnover: bool = True, **sections: Any
    ) -> Listing:
        books = SimpleNamespace(
            positions={position.sleeve: position for position in positions},
            live_orders=(),
            totals={},
        )
        return asyncio.run(
            read_listing(
                Settings.model_validate(sections),
                venue,  # type: ignore[arg-type]  # as much of a venue as a start asks
                Held(books=books, balances=venue.balances),  # type: ignore[arg-type]  # the same
                None,  # type: ignore[arg-type]  # nobody waits
                asks_turnover=asks_turnover,
                check=lambda _: None,
            )
        )

    return look_at


def events(listing: Listing, **sections: Any) -> list[tuple[EventName, Any]]:
    settings = Settings.model_validate(sections)
    return [(event.name, event.fields) for event in remarks_as_events(listing, settings, 7)]


def position(strategy: str, pair: str, quantity: str) -> Position:
    sleeve = Sleeve(StrategyId(strategy), PairName(pair))
    return Position(sleeve=sleeve, quantity_base=D(quantity), cost_quote=D(1))


# the universe


def test_universe_is_what_turned_over_enough_and_has_the_accounts_fees(
    look: Look, venue: Venue
) -> None:
    venue.volumes["ADAUSD"] = D(199_999)
    listing = look()
    assert listing.universe.pairs == ("ETHUSD", "XBTUSD")
    assert listing.pairs[PairName("XBTUSD")].fee_taker_pct == D("0.26")
    assert listing.pairs[PairName("ADAUSD")].fee_taker_pct == D("0.40")


def test_turnover_is_reckoned_in_the_base_currency_as_risk_does(look: Look, venue: Venue) -> None:
    venue.volumes |= {"ETHXBT": D(40), "ADAXBT": D(1)}
    # 40 ETH at 0.06 XBT are 2.4 XBT, at 50,000 USD: 120,000; 1 ADA at 1 XBT: 50,000.
    assert look(universe={"quote": "XBT"}).universe.pairs == ("ETHXBT",)


def test_each_pair_left_out_is_told_with_its_reason(look: Look, venue: Venue) -> None:
    venue.volumes["ADAUSD"] = D(1000)
    venue.statuses["ETHUSD"] = PairStatus.CANCEL_ONLY
    first, *others = events(look())
    assert first == (
        EventName.UNIVERSE_CHOSEN,
        {
            "pairs": 1,
            "names": ["XBTUSD"],
            "left_out": 2,
            "because": {"not online": 1, "turnover too small": 1},
        },
    )
    least = "universe.min_24h_volume_usd (100000)"
    assert others == [
        (
            EventName.PAIR_LEFT_OUT,
            {"pair": "ADAUSD", "reason": f"turned over 500 in 24 hours, less than {least}"},
        ),
        (EventName.PAIR_LEFT_OUT, {"pair": "ETHUSD", "reason": "the venue has it in cancel_only"}),
    ]


def test_pairs_that_were_not_included_are_only_counted(look: Look) -> None:
    chosen = {"include_pairs": ["XBTUSD"]}
    ((name, fields),) = events(look(universe=chosen), universe=chosen)
    assert name is EventName.UNIVERSE_CHOSEN
    assert fields["because"] == {"not included by name": 2}


def test_thin_pair_that_is_named_stays_with_a_warning_that_names_the_limit(
    look: Look, venue: Venue
) -> None:
    venue.volumes["ADAUSD"] = D(1000)
    for sections in (
        {"universe": {"include_pairs": ["ADAUSD"]}},
        {"strategies": {"mine": {"type": "mean_reversion", "pairs": ["ADAUSD"]}}},
    ):
        listing = look(**sections)
        assert "ADAUSD" in listing.universe.pairs
        (_, fields) = events(listing, **sections)[-1]
        assert fields["reason"] == (
            "ADAUSD stays in the universe: turned over 500 in 24 hours, less than "
            "universe.min_24h_volume_usd (100000); risk.min_liquidity_24h_usd (100000) looks at "
            "each purchase"
        )


def test_replay_trades_all_its_pairs_and_does_not_ask_for_turnover(
    look: Look, venue: Venue
) -> None:
    venue.volumes = {}
    assert look(asks_turnover=False).universe.pairs == ("ADAUSD", "ETHUSD", "XBTUSD")
    assert venue.asked_tickers == 0


def test_no_pair_left_is_one_clear_line_with_the_reasons(look: Look, venue: Venue) -> None:
    venue.volumes = dict.fromkeys(NAMES, D(0))
    with pytest.raises(BadInput) as refused:
        look(universe={"exclude_pairs": ["XBTUSD"]})
    assert str(refused.value).startswith("universe: no pair is left (ADAUSD turned over 0 in 24")
    assert str(refused.value).endswith(
        "XBTUSD named in universe.exclude_pairs); look at universe.*"
    )


@pytest.mark.parametrize(
    ("strategy", "quantity", "stays"),
    [("trend", "0.001", True), ("trend", "0.0009", False), (MANUAL, "5", False)],
)
def test_pair_with_a_position_that_can_be_sold_stays_watched(
    look: Look, strategy: str, quantity: str, stays: bool
) -> None:
    listing = look([position(strategy, "ADAUSD", quantity)], universe={"exclude_pairs": ["ADAUSD"]})
    assert ("ADAUSD" in listing.universe.pairs) is stays
    warnings = [fields for name, fields in events(listing) if name is EventName.CAUTION]
    assert bool(warnings) is stays


def test_sleeves_of_an_excluded_pair_that_is_held_buy_nothing(look: Look) -> None:
    sections = {
        "universe": {"exclude_pairs": ["ADAUSD"]},
        "strategies": {"trend": {"type": "trend_following"}},
    }
    listing = look([position("trend", "ADAUSD", "10")], **sections)
    sleeves = assembling.configured_sleeves(Settings.model_validate(sections), listing.universe)
    assert {item.sleeve.pair: item.skip for item in sleeves} == {
        "ADAUSD": NotEvaluated.NOT_IN_UNIVERSE,
        "ETHUSD": None,
        "XBTUSD": None,
    }


def test_strategys_pair_that_the_venue_has_closed_for_now_is_passed_over(
    look: Look, venue: Venue
) -> None:
    venue.statuses["ADAUSD"] = PairStatus.MAINTENANCE
    sections = {"strategies": {"mine": {"type": "mean_reversion", "pairs": ["ADAUSD", "XBTUSD"]}}}
    settings = Settings.model_validate(sections)
    sleeves = assembling.configured_sleeves(settings, look(**sections).universe)
    assert [item.sleeve.pair for item in sleeves] == ["XBTUSD"]


@pytest.mark.parametrize("universe", [{"exclude_pairs": ["ADAUSD"]}, {"exclude_pairs": ["SOLUSD"]}])
def test_strategys_pair_that_nobody_trades_is_refused(look: Look, universe: Any) -> None:
    pair = universe["exclude_pairs"][0]
    sections = {
        "universe": universe,
        "strategies": {"mine": {"type": "mean_reversion", "pairs": [pair]}},
    }
    with pytest.raises(BadInput, match=f"strategies.mine.pairs: {pair} not in the universe"):
        assembling.configured_sleeves(Settings.model_validate(sections), look(**sections).universe)


# what values the account


def test_quotes_are_streamed_of_what_values_an_asset_and_is_not_traded(
    look: Look, venue: Venue
) -> None:
    venue.held |= {"ETH": D(2), "ADA": D(5)}
    portfolio = {"valuation_pairs": {"ETH": "ETHXBT"}}
    listing = look(portfolio=portfolio, universe={"include_pairs": ["ETHUSD"]})
    assert listing.universe.pairs == ("ETHUSD",)
    assert listing.valuing == ("ADAUSD", "ETHXBT", "XBTUSD")
    mids = {PairName(name): D(price) for name, price in PRICES.items()}
    assert listing.valuation.prices(mids)[Asset("ETH")] == D("0.06") * 50_000


def test_nothing_more_is_streamed_for_what_does_not_count(look: Look, venue: Venue) -> None:
    venue.held |= {"ADA": D(5)}
    portfolio = {"exclude_assets": ["ADA"]}
    listing = look(portfolio=portfolio, universe={"include_pairs": ["ETHUSD"]})
    assert listing.valuing == ()


def test_asset_that_does_not_count_is_not_traded_either(look: Look) -> None:
    for portfolio in ({"exclude_assets": ["ADA"]}, {"include_assets": ["XBT", "ETH"]}):
        listing = look(portfolio=portfolio)
        assert listing.universe.pairs == ("ETHUSD", "XBTUSD")
        (remark,) = listing.universe.left_out
        assert remark.reason == "ADA does not count (portfolio.*_assets)"


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        (
            {"portfolio": {"base_currency": "EUR"}},
            "portfolio.base_currency: nothing values USD (universe.quote) in EUR: the venue lists "
            "no pair of the two; set it to USD, or name a pair of USD in portfolio.valuation_pairs",
        ),
        (
            {"portfolio": {"base_currency": "EUR"}, "universe": {"quote": "EUR"}},
            "universe.quote: the venue lists no pair quoted in EUR; set another",
        ),
    ],
)
def test_currency_that_nothing_values_is_refused_by_its_setting(
    look: Look, sections: dict[str, Any], line: str
) -> None:
    with pytest.raises(BadInput) as refused:
        look(**sections)
    assert (str(refused.value), refused.value.exit_code) == (line, 78)


def test_currency_that_is_valued_through_another_is_fine(look: Look) -> None:
    listing = look(universe={"quote": "XBT"})
    assert listing.universe.pairs == ("ADAXBT", "ETHXBT")


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ({"ETH": "ETHJPY"}, "portfolio.valuation_pairs.ETH: the venue does not list ETHJPY"),
        ({"ETH": "XBTUSD"}, "portfolio.valuation_pairs.ETH: XBTUSD trades XBT for USD, not ETH"),
        (
            {"ETH": "ETHXBT", "XBT": "ETHXBT"},
            "portfolio.valuation_pairs.ETH: ETHXBT leads to no pair against USD",
        ),
    ],
)
def test_named_pair_that_values_nothing_is_refused_at_the_start(
    look: Look, named: dict[str, str], line: str
) -> None:
    with pytest.raises(BadInput) as refused:
        look(portfolio={"valuation_pairs": named})
    assert str(refused.value) == f"{line}; name another pair, or none"
    assert refused.value.exit_code == 78


def test_pair_that_is_kept_is_named_with_what_speaks_against_it(look: Look) -> None:
    listing = look([position("trend", "ADAUSD", "10")], universe={"exclude_pairs": ["ADAUSD"]})
    (words,) = kept_in_words(listing, Settings())
    assert words.startswith("ADAUSD: named in universe.exclude_pairs")
    assert kept_in_words(look([]), Settings()) == ()


def test_weights_that_come_to_more_than_there_is_are_told(look: Look) -> None:
    def told(**params: Any) -> list[object]:
        basket = {"type": "hold_target_weights", "params": params}
        sections = {"strategies": {"basket": basket, "trend": {"type": "trend_following"}}}
        events = remarks_as_events(look(**sections), Settings.model_validate(sections), 0)
        return [event.fields["reason"] for event in events if event.name is EventName.CAUTION]

    assert told(weight="0.3", weights={"XBTUSD": "0.4"}) == []
    assert told(weight="0.35", weights={"XBTUSD": "0.4"}) == [
        "strategies.basket: the weights of its 3 pairs come to 1.1 of equity, which is more than "
        "there is: not all are reached"
    ]
