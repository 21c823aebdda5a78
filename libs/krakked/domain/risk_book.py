"""The risk book: the account as risk sees it, in maintained sums of the base currency.

Open buy orders count as if they were filled, so that two decisions never use one headroom; open
sells free nothing until they are fills. What the account holds beyond our sleeves is *manual*.
The book never changes: :meth:`RiskBook.reserve` makes the next one, as decisions go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from krakked.domain.ids import MANUAL, Asset, PairName, StrategyId
from krakked.domain.money import ONE, ZERO, round_nearest
from krakked.domain.orders import Journal, Order, Side
from krakked.domain.pairs import Pair
from krakked.domain.positions import Position, Sleeve

K = TypeVar("K")

EXPOSURE_DECIMALS: Final = 6
VOLATILITY_MULTIPLE: Final = 3
"""A position without a stop is taken to risk this many average true ranges."""


class Reservation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The headroom that one approved step takes, at the worst price it may get."""

    sleeve: Sleeve
    value: Decimal
    """Base currency."""
    risk: Decimal
    """Base currency lost if its stop is hit."""
    cash_quote: Decimal
    """Quote asset to pay, fee included."""


class Blocks(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that forbid adding risk."""

    kill_switch: bool = False
    halted: bool = False
    drift: bool = False
    feed_stale: bool = False
    unknown_pairs: frozenset[PairName] = frozenset()
    """Pairs with an order of which we do not know whether it exists."""
    stale_pairs: frozenset[PairName] = frozenset()
    drawdown_pct: Decimal = ZERO
    """Today's loss in percent of the day's baseline."""


class RiskBook(msgspec.Struct, frozen=True, kw_only=True):
    """Sums that every limit reads; values in the base currency."""

    base_currency: Asset
    equity: Decimal
    free_cash: Mapping[Asset, Decimal]
    """Units of each asset that no open buy order will take and no strategy holds as a position."""
    value_by_sleeve: Mapping[Sleeve, Decimal] = {}
    """Sleeves that hold more than dust or are buying."""
    value_by_asset: Mapping[Asset, Decimal] = {}
    value_by_strategy: Mapping[StrategyId, Decimal] = {}
    positions_by_strategy: Mapping[StrategyId, int] = {}
    open_risk: Decimal = ZERO
    """Lost if every stop is hit."""
    manual_by_asset: Mapping[Asset, Decimal] = {}
    blocks: Blocks = Blocks()

    def exposure(self, sleeve: Sleeve) -> Decimal:
        """The sleeve's share of equity, to the millionth."""
        value = self.value_by_sleeve.get(sleeve)
        if not value or self.equity <= 0:
            return ZERO
        return round_nearest(value / self.equity, EXPOSURE_DECIMALS)

    def reserve(self, reservation: Reservation, pair: Pair) -> RiskBook:
        """The book once that step is on its way; decisions after it see less headroom."""
        sleeve = reservation.sleeve
        owner = sleeve.strategy_id
        is_new = sleeve not in self.value_by_sleeve
        return msgspec.structs.replace(
            self,
            free_cash=_plus(self.free_cash, pair.quote, -reservation.cash_quote),
            value_by_sleeve=_plus(self.value_by_sleeve, sleeve, reservation.value),
            value_by_asset=_plus(self.value_by_asset, pair.base, reservation.value),
            value_by_strategy=_plus(self.value_by_strategy, owner, reservation.value),
            positions_by_strategy={
                **self.positions_by_strategy,
                owner: self.positions_by_strategy.get(owner, 0) + is_new,
            },
            open_risk=self.open_risk + reservation.risk,
        )


def _plus(amounts: Mapping[K, Decimal], key: K, change: Decimal) -> dict[K, Decimal]:
    return {**amounts, key: amounts.get(key, ZERO) + change}


# building it from the books


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine knows of its account: the input of :func:`risk_book`."""

    base_currency: Asset
    equity: Decimal
    totals: Mapping[Asset, Decimal]
    """What the ledger says is there, by asset."""
    prices: Mapping[Asset, Decimal]
    """Base currency for one unit; the base currency itself too."""
    pairs: Mapping[PairName, Pair]
    positions: Iterable[Position]
    orders: Iterable[Order] = ()
    """Live and pending ones."""
    stops: Mapping[Sleeve, Decimal] = {}
    volatility: Mapping[PairName, Decimal] = {}
    """Average true range in quote, for positions without a stop."""
    blocks: Blocks = Blocks()


class _Claim(msgspec.Struct, frozen=True, gc=False):
    """What one position or one open buy adds to the sums."""

    sleeve: Sleeve
    asset: Asset
    value: Decimal
    risk: Decimal


def risk_book(holdings: Holdings) -> RiskBook:
    """Sum up an account. An asset without a price counts as worth nothing (it is flagged)."""
    positions = [
        position for position in holdings.positions if position.sleeve.pair in holdings.pairs
    ]
    buys = [order for order in holdings.orders if _is_open_buy(order, holdings)]
    claims = [
        _position_claim(position, holdings)
        for position in positions
        if _is_open(position, holdings)
    ]
    claims += [_order_claim(order, holdings) for order in buys]
    by_sleeve: dict[Sleeve, Decimal] = {}
    by_asset: dict[Asset, Decimal] = {}
    by_strategy: dict[StrategyId, Decimal] = {}
    for claim in claims:
        _add(by_sleeve, claim.sleeve, claim.value)
        _add(by_asset, claim.asset, claim.value)
        _add(by_strategy, claim.sleeve.strategy_id, claim.value)
    counts: dict[StrategyId, int] = {}
    for sleeve in by_sleeve:
        counts[sleeve.strategy_id] = counts.get(sleeve.strategy_id, 0) + 1
    return RiskBook(
        base_currency=holdings.base_currency,
        equity=holdings.equity,
        free_cash=_free_cash(buys, positions, holdings),
        value_by_sleeve=by_sleeve,
        value_by_asset=by_asset,
        value_by_strategy=by_strategy,
        positions_by_strategy=counts,
        open_risk=sum((claim.risk for claim in claims), ZERO),
        manual_by_asset=_manual(positions, holdings),
        blocks=holdings.blocks,
    )


def distance_at_risk(
    price: Decimal, stop_price: Decimal | None, volatility: Decimal | None
) -> Decimal:
    """What one unit bought at ``price`` may lose, in quote: to its stop, or by usual movement.

    Without a stop and without a known volatility all of it is at risk.
    """
    if stop_price is not None:
        return max(price - stop_price, ZERO)
    if volatility is not None:
        return min(volatility * VOLATILITY_MULTIPLE, price)
    return price


def _add(amounts: dict[K, Decimal], key: K, change: Decimal) -> None:
    amounts[key] = amounts.get(key, ZERO) + change


def _is_open(position: Position, holdings: Holdings) -> bool:
    """Held by a strategy, and more than dust."""
    pair = holdings.pairs[position.sleeve.pair]
    return position.sleeve.strategy_id != MANUAL and position.quantity_base >= pair.quantity_min


def _is_open_buy(order: Order, holdings: Holdings) -> bool:
    request = order.request
    may_fill = order.is_live or order.journal is Journal.PENDING
    return request.side is Side.BUY and may_fill and request.pair in holdings.pairs


def _position_claim(position: Position, holdings: Holdings) -> _Claim:
    sleeve = position.sleeve
    pair = holdings.pairs[sleeve.pair]
    value = position.quantity_base * holdings.prices.get(pair.base, ZERO)
    return _Claim(sleeve, pair.base, value, _risk(sleeve, position.quantity_base, value, holdings))


def _order_claim(order: Order, holdings: Holdings) -> _Claim:
    request = order.request
    sleeve = Sleeve(request.strategy_id, request.pair)
    pair = holdings.pairs[request.pair]
    value = order.remaining_base * _worst_price(order, holdings) * _rate(pair, holdings)
    risk = _risk(sleeve, order.remaining_base, value, holdings)
    return _Claim(sleeve, pair.base, value, risk)


def _risk(sleeve: Sleeve, quantity: Decimal, value: Decimal, holdings: Holdings) -> Decimal:
    rate = _rate(holdings.pairs[sleeve.pair], holdings)
    if not quantity or not rate:
        return ZERO
    stop_price = holdings.stops.get(sleeve)
    volatility = holdings.volatility.get(sleeve.pair)
    return distance_at_risk(value / quantity / rate, stop_price, volatility) * quantity * rate


def _rate(pair: Pair, holdings: Holdings) -> Decimal:
    return holdings.prices.get(pair.quote, ZERO)


def _worst_price(order: Order, holdings: Holdings) -> Decimal:
    """What a unit may cost: the limit, or for a market order what the pair trades at."""
    if order.request.limit_price is not None:
        return order.request.limit_price
    pair = holdings.pairs[order.request.pair]
    rate = _rate(pair, holdings)
    return holdings.prices.get(pair.base, ZERO) / rate if rate else ZERO


def _free_cash(
    buys: Iterable[Order], positions: Iterable[Position], holdings: Holdings
) -> dict[Asset, Decimal]:
    """What strategies hold of an asset is theirs: no pair that is paid with it may spend it."""
    free = dict(holdings.totals)
    for position in positions:
        if position.sleeve.strategy_id != MANUAL:
            _add(free, holdings.pairs[position.sleeve.pair].base, -position.quantity_base)
    for order in buys:
        pair = holdings.pairs[order.request.pair]
        cost = order.remaining_base * _worst_price(order, holdings)
        _add(free, pair.quote, -cost * (ONE + pair.fee_taker_pct / 100))
    return free


def _manual(positions: Iterable[Position], holdings: Holdings) -> dict[Asset, Decimal]:
    """Value by asset of what no strategy owns, above dust, of assets that our pairs trade."""
    left = dict(holdings.totals)
    dust: dict[Asset, Decimal] = {}
    for pair in holdings.pairs.values():
        dust[pair.base] = min(pair.quantity_min, dust.get(pair.base, pair.quantity_min))
    for position in positions:
        if position.sleeve.strategy_id != MANUAL:
            _add(left, holdings.pairs[position.sleeve.pair].base, -position.quantity_base)
    return {
        asset: left[asset] * holdings.prices.get(asset, ZERO)
        for asset in sorted(dust)
        if left.get(asset, ZERO) >= dust[asset]
    }
