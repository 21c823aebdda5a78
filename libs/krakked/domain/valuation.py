"""Valuation: what one unit of each asset is worth in the base currency, and what counts at all.

An asset is worth the mid of its own pair against the base currency, in either direction. Where a
person named another pair for it (``portfolio.valuation_pairs``), that one leads to another asset,
whose worth is found the same way: ETH by ETHXBT, then XBT by XBTUSD. An asset without a way has no
price: it counts nothing, and is flagged. What does not count (``include_assets``,
``exclude_assets``) has a price like any other; it is only left out of the sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from krakked.domain.ids import Asset, PairName
from krakked.domain.money import ONE
from krakked.domain.pairs import Pair


class Valuation:
    """How an account is valued; the same for its whole run."""

    def __init__(
        self,
        base_currency: Asset,
        pairs: Mapping[PairName, Pair],
        *,
        chosen: Mapping[Asset, PairName] | None = None,
        include: Iterable[Asset] = (),
        exclude: Iterable[Asset] = (),
    ) -> None:
        """``chosen``: pairs that a person named for assets; empty ``include``: all count."""
        self.base_currency = base_currency
        self.pairs = pairs
        self.chosen = dict(chosen or {})
        self._include = frozenset(include)
        self._exclude = frozenset(exclude)
        self._own_pairs = _own_pairs(base_currency, pairs)
        self._ways = {asset: self._find_way(asset) for asset in self.chosen}

    def __repr__(self) -> str:
        return f"<Valuation in {self.base_currency} by {len(self.pairs)} pairs>"

    def counts(self, asset: Asset) -> bool:
        """Whether equity and limits see it. The base currency always counts."""
        if asset == self.base_currency:
            return True
        return asset not in self._exclude and (not self._include or asset in self._include)

    def counted(self, totals: Mapping[Asset, Decimal]) -> dict[Asset, Decimal]:
        """Of these holdings, those that count."""
        return {asset: total for asset, total in totals.items() if self.counts(asset)}

    def prices(self, mids: Mapping[PairName, Decimal]) -> dict[Asset, Decimal]:
        """Base currency for one unit of each asset that ``mids`` give a way for."""
        prices = self._direct(mids)
        named = {asset: self._by_way(asset, mids) for asset in self.chosen}
        prices.update((asset, price) for asset, price in named.items() if price is not None)
        return prices

    def pair_of(self, asset: Asset) -> PairName | None:
        """The pair that trades an asset that counts for the base currency, if there is one."""
        if not self.counts(asset):
            return None
        wanted = (asset, self.base_currency)
        names = (name for name, pair in self.pairs.items() if (pair.base, pair.quote) == wanted)
        return min(names, default=None)

    def way(self, asset: Asset) -> tuple[PairName, ...]:
        """The pairs whose quotes value the asset, in order; empty: none is needed, or none do."""
        known = self._ways.get(asset)
        return self._find_way(asset) if known is None else known

    def _find_way(self, asset: Asset) -> tuple[PairName, ...]:
        way: list[PairName] = []
        while asset != self.base_currency:
            name = self.chosen.get(asset) or self._own_pairs.get(asset)
            pair = None if name is None else self.pairs.get(name)
            if pair is None or pair.name in way or asset not in (pair.base, pair.quote):
                return ()
            way.append(pair.name)
            asset = _other(pair, asset)
        return tuple(way)

    def problems(self) -> Iterator[tuple[Asset, str]]:
        """Named pairs that value nothing, and why."""
        for asset, name in sorted(self.chosen.items()):
            pair = self.pairs.get(name)
            if pair is None:
                yield asset, f"the venue does not list {name}"
            elif asset not in (pair.base, pair.quote):
                yield asset, f"{name} trades {pair.base} for {pair.quote}, not {asset}"
            elif not self.way(asset):
                yield asset, f"{name} leads to no pair against {self.base_currency}"

    def _direct(self, mids: Mapping[PairName, Decimal]) -> dict[Asset, Decimal]:
        prices = {self.base_currency: ONE}
        inverse = {}
        for name, mid in mids.items():
            pair = self.pairs.get(name)
            if pair is None or mid <= 0:
                continue
            if pair.quote == self.base_currency:
                prices[pair.base] = mid
            elif pair.base == self.base_currency:
                inverse[pair.quote] = ONE / mid
        return {**inverse, **prices}

    def _by_way(self, asset: Asset, mids: Mapping[PairName, Decimal]) -> Decimal | None:
        """None while a quote of the way is missing."""
        price = ONE
        for name in self._ways[asset]:
            pair, mid = self.pairs[name], mids.get(name)
            if mid is None or mid <= 0:
                return None
            price = price * mid if pair.base == asset else price / mid
            asset = _other(pair, asset)
        return price if asset == self.base_currency else None


def _own_pairs(base_currency: Asset, pairs: Mapping[PairName, Pair]) -> dict[Asset, PairName]:
    """Each asset's pair against the base currency, in the usual direction if there are both."""
    usual = {pair.base: name for name, pair in pairs.items() if pair.quote == base_currency}
    inverse = {pair.quote: name for name, pair in pairs.items() if pair.base == base_currency}
    return {**inverse, **usual}


def _other(pair: Pair, asset: Asset) -> Asset:
    return pair.quote if pair.base == asset else pair.base
