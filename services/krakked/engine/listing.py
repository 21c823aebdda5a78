"""What the venue lists, looked at once at the start: the pairs to trade, and what values the rest.

Pairs are left out for what a person wrote, for their state, and for a turnover too small to trust
their prices; each is told with its reason. What is valued by pairs that are not traded needs their
quotes all the same, so those are streamed too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol

import msgspec

from krakked.domain.errors import BadInput
from krakked.domain.events import Event, EventName
from krakked.domain.ids import MANUAL, Asset, PairName
from krakked.domain.money import ZERO, plain, to_text
from krakked.domain.pairs import Pair
from krakked.domain.universe import Objection, Remark, Universe, UniverseRules, choose_universe
from krakked.domain.valuation import Valuation
from krakked.engine.asking import patiently
from krakked.engine.translating import strategy_of
from krakked.ports.clock import Clock
from krakked.ports.exchange import Balance, Exchange
from krakked.ports.ledger import Books
from krakked.ports.market_feed import MarketHistory, Ticker
from krakked.runtime.settings import Settings
from krakked.trading.compare import spot_totals

NAMED_MAX: Final = 12
"""More pairs than this are not worth a line's length."""


class Venue(Exchange, MarketHistory, Protocol):
    """What is asked for the account, and for the market."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the account holds, by our books and by the venue's word."""

    books: Books
    balances: Sequence[Balance]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's pairs as this run sees them."""

    pairs: Mapping[PairName, Pair]
    """All of them, those of the universe with this account's fees."""
    universe: Universe
    valuation: Valuation
    valuing: tuple[PairName, ...]
    """Pairs outside the universe whose quotes value what is held."""


async def read_listing(
    settings: Settings,
    venue: Venue,
    held: Held,
    clock: Clock,
    *,
    asks_turnover: bool,
    check: Callable[[Mapping[PairName, Pair]], None],
) -> Listing:
    """Ask the venue, and choose; ``check`` sees first what is listed, and may refuse.

    Raises:
        BadInput: no pair is left, or a pair that should value an asset does not.
    """
    pairs = dict(await patiently(clock, venue.pairs))
    check(pairs)
    valuation = valuation_of(settings, pairs)
    _check_valued(settings, valuation)
    turnovers: Mapping[PairName, Decimal] = {}
    if asks_turnover:
        turnovers = turnovers_of(await patiently(clock, venue.tickers), valuation)
    rules = universe_rules(settings, valuation, held.books, asks_turnover=asks_turnover)
    universe = choose_universe(rules, pairs, turnovers)
    if not universe.pairs:
        raise BadInput(f"universe: no pair is left{_why(universe)}; look at universe.*")
    fees = await patiently(clock, lambda: venue.fees(universe.pairs))
    for name, fee in fees.items():
        pairs[name] = msgspec.structs.replace(
            pairs[name], fee_taker_pct=fee.taker_pct, fee_maker_pct=fee.maker_pct
        )
    totals = {**held.books.totals, **spot_totals(held.balances)}
    return Listing(
        pairs=pairs,
        universe=universe,
        valuation=valuation,
        valuing=_valuing(
            valuation, [asset for asset, total in totals.items() if total], universe.pairs
        ),
    )


def valuation_of(settings: Settings, pairs: Mapping[PairName, Pair]) -> Valuation:
    """How the account is counted.

    Raises:
        BadInput: a pair that was named for an asset does not value it.
    """
    portfolio = settings.portfolio
    valuation = Valuation(
        Asset(portfolio.base_currency),
        pairs,
        chosen={Asset(asset): PairName(name) for asset, name in portfolio.valuation_pairs.items()},
        include=map(Asset, portfolio.include_assets),
        exclude=map(Asset, portfolio.exclude_assets),
    )
    for asset, problem in valuation.problems():
        raise BadInput(f"portfolio.valuation_pairs.{asset}: {problem}; name another pair, or none")
    return valuation


def _check_valued(settings: Settings, valuation: Valuation) -> None:
    """What pairs are paid with must have a worth, or no limit knows what it is a share of.

    Raises:
        BadInput: it has none, or no pair is paid with it.
    """
    quote, base = Asset(settings.universe.quote), valuation.base_currency
    if not any(pair.quote == quote for pair in valuation.pairs.values()):
        raise BadInput(f"universe.quote: the venue lists no pair quoted in {quote}; set another")
    if quote != base and not valuation.way(quote):
        raise BadInput(
            f"portfolio.base_currency: nothing values {quote} (universe.quote) in {base}: the "
            f"venue lists no pair of the two; set it to {quote}, or name a pair of {quote} in "
            "portfolio.valuation_pairs"
        )


def universe_rules(
    settings: Settings, valuation: Valuation, books: Books, *, asks_turnover: bool
) -> UniverseRules:
    """The settings, and what is held; a replay trades all its pairs, whatever they turned over."""
    universe = settings.universe
    chosen = [pair for strategy in settings.strategies.values() for pair in strategy.pairs]
    return UniverseRules(
        quote=Asset(universe.quote),
        include=frozenset(map(PairName, universe.include_pairs)),
        exclude=frozenset(map(PairName, universe.exclude_pairs)),
        named=frozenset(map(PairName, (*universe.include_pairs, *chosen))),
        turnover_min=universe.min_24h_volume_usd if asks_turnover else Decimal(0),
        uncounted=frozenset(
            pair.base for pair in valuation.pairs.values() if not valuation.counts(pair.base)
        ),
        held=frozenset(_held(books, valuation.pairs)),
    )


def _held(books: Books, pairs: Mapping[PairName, Pair]) -> Iterator[PairName]:
    """Where a position of a strategy can still be sold, or an order of ours may be filled."""
    for sleeve, position in books.positions.items():
        pair = pairs.get(sleeve.pair)
        is_ours = sleeve.strategy_id != MANUAL
        if is_ours and pair is not None and position.quantity_base >= pair.quantity_min:
            yield sleeve.pair
    for order in books.live_orders:
        yield order.request.pair


def turnovers_of(
    tickers: Mapping[PairName, Ticker], valuation: Valuation
) -> dict[PairName, Decimal]:
    """Of 24 hours in the base currency, as risk reckons it; without what nothing values."""
    prices = valuation.prices({name: ticker.last for name, ticker in tickers.items()})
    return {
        name: ticker.volume_24h_base * ticker.last * prices[valuation.pairs[name].quote]
        for name, ticker in tickers.items()
        if name in valuation.pairs and valuation.pairs[name].quote in prices
    }


def _valuing(
    valuation: Valuation, held: Sequence[Asset], traded: Sequence[PairName]
) -> tuple[PairName, ...]:
    """Also for assets that are not held yet but have a named pair: a deposit may come."""
    ways = [valuation.way(asset) for asset in (*held, *valuation.chosen) if valuation.counts(asset)]
    return tuple(sorted({name for way in ways for name in way} - set(traded)))


# telling


def remarks_as_events(listing: Listing, settings: Settings, now_ns: int) -> Iterator[Event]:
    """What was chosen; each pair that was left out and why; a warning for each that stays anyway.

    Whoever names the pairs he wants knows that the others are left out: they are only counted.
    """
    universe = listing.universe
    yield Event(name=EventName.UNIVERSE_CHOSEN, at_ns=now_ns, fields=_summary(universe))
    for remark in universe.left_out:
        if remark.why is not Objection.NOT_INCLUDED:
            yield Event(
                name=EventName.PAIR_LEFT_OUT,
                at_ns=now_ns,
                fields={"pair": remark.pair, "reason": remark.reason},
            )
    for remark in universe.kept:
        reason = f"{remark.pair} stays in the universe: {_staying(remark, settings)}"
        yield Event(
            name=EventName.CAUTION, at_ns=now_ns, fields={"pair": remark.pair, "reason": reason}
        )
    for reason in _overweight(settings, universe):
        yield Event(name=EventName.CAUTION, at_ns=now_ns, fields={"reason": reason})


def _overweight(settings: Settings, universe: Universe) -> Iterator[str]:
    """Strategies that want more than there is, in words."""
    for name, chosen in settings.strategies.items():
        pairs = [pair for pair in universe.pairs if not chosen.pairs or pair in chosen.pairs]
        share_of = strategy_of(name, chosen).rules.params.share_of
        wanted = sum(map(share_of, pairs), ZERO)
        if wanted > 1:
            yield (
                f"strategies.{name}: the weights of its {len(pairs)} pairs come to "
                f"{plain(wanted)} of equity, which is more than there is: not all are reached"
            )


def _summary(universe: Universe) -> dict[str, object]:
    left_out = Counter(remark.why.value for remark in universe.left_out)
    return {
        "pairs": len(universe.pairs),
        "names": list(universe.pairs),
        "left_out": len(universe.left_out),
        "because": dict(sorted(left_out.items())),
    }


def kept_in_words(listing: Listing, settings: Settings) -> tuple[str, ...]:
    """Each pair that stays although something speaks against it, and why."""
    return tuple(f"{kept.pair}: {_staying(kept, settings)}" for kept in listing.universe.kept)


def _staying(remark: Remark, settings: Settings) -> str:
    if not remark.why.is_of_the_moment:
        return f"{remark.reason}, but a position or an order is there; nothing is bought"
    least = to_text(settings.risk.min_liquidity_24h_usd)
    if remark.why is Objection.TURNOVER:
        return f"{remark.reason}; risk.min_liquidity_24h_usd ({least}) looks at each purchase"
    return f"{remark.reason}, but a position or an order is there"


def _why(universe: Universe) -> str:
    """The first pairs that were left out, in words."""
    said = [f"{remark.pair} {remark.reason}" for remark in universe.left_out[:NAMED_MAX]]
    more = len(universe.left_out) - len(said)
    return f" ({', '.join(said)}{f' and {more} more' if more else ''})" if said else ""
