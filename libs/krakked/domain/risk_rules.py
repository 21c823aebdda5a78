"""The rules of risk, one small function each, as data: what was wanted, had, allowed.

*Gates* are facts that forbid adding. *Caps* are maxima that leave room for some quantity.
*Minima* say what an order must amount to. All values are in the base currency, at the worst price
that an order may get, so that no limit is passed even by the worst fill.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.ids import Asset
from krakked.domain.intents import Intent
from krakked.domain.limits import LimitCheck, LimitName, Limits
from krakked.domain.money import ONE, ZERO, round_up
from krakked.domain.orders import LegKind
from krakked.domain.pairs import Pair, PairStatus
from krakked.domain.positions import Sleeve
from krakked.domain.risk_book import Reservation, RiskBook, distance_at_risk

_ADDING_ALLOWED: Final = frozenset({PairStatus.ONLINE, PairStatus.POST_ONLY, PairStatus.LIMIT_ONLY})
_REDUCING_ALLOWED: Final = _ADDING_ALLOWED | {PairStatus.REDUCE_ONLY}


class RiskContext(msgspec.Struct, frozen=True, kw_only=True):
    """The moment of one wish: what its sleeve holds and what its pair trades at."""

    decision_id: str
    position_base: Decimal
    """What the sleeve holds now."""
    price: Decimal | None
    """Mid, in quote; None when it is stale."""
    worst_price: Decimal | None = None
    """The most a unit may cost (the buy's limit price); None: the mid."""
    base_rate: Decimal | None = ONE
    """Base currency for one unit of the pair's quote asset."""
    volatility: Decimal | None = None
    """Average true range over ``volatility_lookback_bars``, in quote."""
    volume_24h: Decimal = ZERO
    """Traded in the last 24 hours, in the base currency."""
    stop_price: Decimal | None = None
    """Of the position held already."""
    available_base: Decimal | None = None
    """What the account really has for a sale; None: what the sleeve holds."""
    kind: LegKind | None = None
    """For a leg that is more than an entry or an exit; None: by its direction."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase before it is cut: its quantity, and what one unit costs, weighs and risks."""

    sleeve: Sleeve
    asset: Asset
    quote_asset: Asset
    quantity: Decimal
    worst_price: Decimal
    rate: Decimal
    distance: Decimal
    """Quote units that one unit loses when its stop is hit."""
    cash_per_unit: Decimal
    """Quote units to pay for one unit, fee included."""
    risk_held: Decimal
    """Base currency at risk in the sleeve already."""

    @classmethod
    def of(cls, intent: Intent, pair: Pair, context: RiskContext) -> Wish:
        """The wish without its quantity. The price must be known."""
        assert context.price is not None
        rate = context.base_rate or ZERO
        worst = max(context.worst_price or context.price, context.price)
        stop_held = intent.stop_price or context.stop_price
        held = distance_at_risk(context.price, stop_held, context.volatility)
        return cls(
            sleeve=intent.sleeve,
            asset=pair.base,
            quote_asset=pair.quote,
            quantity=ZERO,
            worst_price=worst,
            rate=rate,
            distance=distance_at_risk(worst, intent.stop_price, context.volatility),
            cash_per_unit=worst * (ONE + pair.fee_taker_pct / 100),
            risk_held=held * context.position_base * rate,
        )

    def reservation(self, quantity: Decimal) -> Reservation:
        """What buying ``quantity`` takes from the book."""
        return Reservation(
            sleeve=self.sleeve,
            value=quantity * self.worst_price * self.rate,
            risk=quantity * self.distance * self.rate,
            cash_quote=quantity * self.cash_per_unit,
        )


class Bound(msgspec.Struct, frozen=True, gc=False):
    """A maximum, and the quantity it leaves room for."""

    check: LimitCheck
    quantity_max: Decimal


# gates


def gates(
    book: RiskBook,
    limits: Limits,
    pair: Pair,
    context: RiskContext,
    *,
    stop_price: Decimal | None,
) -> tuple[LimitCheck, ...]:
    """Every fact that may forbid adding risk, holding or not."""
    blocks = book.blocks
    is_stale = blocks.feed_stale or context.price is None or not context.base_rate
    checks = [
        _fact(LimitName.KILL_SWITCH, blocks.kill_switch),
        _fact(LimitName.HALTED, blocks.halted),
        _fact(LimitName.DRIFT, blocks.drift),
        stale_check(is_stale=is_stale or pair.name in blocks.stale_pairs),
        _fact(LimitName.UNKNOWN_ORDER, pair.name in blocks.unknown_pairs),
        _fact(LimitName.PAIR_STATUS, pair.status not in _ADDING_ALLOWED),
        _drawdown(book, limits),
        _liquidity(book, limits, context),
    ]
    if stop_price is not None and context.price is not None:
        checks.append(_stop_below(stop_price, context.price, pair))
    return tuple(checks)


def stale_check(*, is_stale: bool) -> LimitCheck:
    """Whether prices are too old to decide on."""
    return _fact(LimitName.STALE, is_stale)


def _fact(limit: LimitName, is_true: bool) -> LimitCheck:
    return LimitCheck(
        limit=limit,
        wanted=ZERO,
        had=ONE if is_true else ZERO,
        allowed=ZERO,
        unit="bool",
        passed=not is_true,
    )


def _drawdown(book: RiskBook, limits: Limits) -> LimitCheck:
    had, allowed = book.blocks.drawdown_pct, limits.max_daily_drawdown_pct
    return LimitCheck(
        limit=LimitName.MAX_DAILY_DRAWDOWN_PCT,
        wanted=ZERO,
        had=had,
        allowed=allowed,
        unit="%",
        passed=had < allowed,
    )


def _liquidity(book: RiskBook, limits: Limits, context: RiskContext) -> LimitCheck:
    return _minimum(
        LimitName.MIN_LIQUIDITY_24H_USD,
        had=context.volume_24h,
        allowed=limits.min_liquidity_24h_usd,
        unit=book.base_currency,
    )


def _stop_below(stop_price: Decimal, price: Decimal, pair: Pair) -> LimitCheck:
    return LimitCheck(
        limit=LimitName.STOP_PRICE,
        wanted=stop_price,
        had=ZERO,
        allowed=price,
        unit=pair.quote,
        passed=stop_price < price,
    )


# caps


def caps(wish: Wish, book: RiskBook, limits: Limits) -> tuple[Bound, ...]:
    """Every maximum that this purchase meets, with the room it leaves."""
    return (
        *_risk_caps(wish, book, limits),
        *_count_caps(wish, book, limits),
        *_value_caps(wish, book, limits),
        _cash_cap(wish, book),
    )


def _risk_caps(wish: Wish, book: RiskBook, limits: Limits) -> tuple[Bound, ...]:
    per_unit = wish.distance * wish.rate
    per_trade = _share(limits.max_risk_per_trade_pct, book)
    in_all = _share(limits.max_portfolio_risk_pct, book)
    unit = book.base_currency
    return (
        _bound(
            LimitName.MAX_RISK_PER_TRADE_PCT,
            wish.quantity,
            per_unit,
            wish.risk_held,
            per_trade,
            unit,
        ),
        _bound(
            LimitName.MAX_PORTFOLIO_RISK_PCT, wish.quantity, per_unit, book.open_risk, in_all, unit
        ),
    )


def _value_caps(wish: Wish, book: RiskBook, limits: Limits) -> list[Bound]:
    per_unit = wish.worst_price * wish.rate
    unit = book.base_currency
    in_asset = asset_value(wish.asset, book, limits)
    allowed = _share(limits.max_per_asset_pct, book)
    bounds = [_bound(LimitName.MAX_PER_ASSET_PCT, wish.quantity, per_unit, in_asset, allowed, unit)]
    owner = wish.sleeve.strategy_id
    budget_pct = limits.max_per_strategy_pct.get(owner)
    if budget_pct is not None:
        had = book.value_by_strategy.get(owner, ZERO)
        budget = _share(budget_pct, book)
        bounds.append(
            _bound(LimitName.MAX_PER_STRATEGY_PCT, wish.quantity, per_unit, had, budget, unit)
        )
    return bounds


def _cash_cap(wish: Wish, book: RiskBook) -> Bound:
    free = book.free_cash.get(wish.quote_asset, ZERO)
    return _bound(
        LimitName.FREE_CASH, wish.quantity, wish.cash_per_unit, ZERO, free, wish.quote_asset
    )


def _count_caps(wish: Wish, book: RiskBook, limits: Limits) -> list[Bound]:
    is_new = wish.quantity > 0 and wish.sleeve not in book.value_by_sleeve
    counts = [
        (LimitName.MAX_OPEN_POSITIONS, open_positions(book, limits), limits.max_open_positions)
    ]
    owner = wish.sleeve.strategy_id
    if owner in limits.max_positions:
        held = book.positions_by_strategy.get(owner, 0)
        counts.append((LimitName.MAX_POSITIONS_PER_STRATEGY, held, limits.max_positions[owner]))
    return [
        _count_bound(limit, wish.quantity, is_new=is_new, had=had, allowed=allowed)
        for limit, had, allowed in counts
    ]


def _count_bound(
    limit: LimitName, quantity: Decimal, *, is_new: bool, had: int, allowed: int
) -> Bound:
    passed = not is_new or had + 1 <= allowed
    check = LimitCheck(
        limit=limit,
        wanted=Decimal(int(is_new)),
        had=Decimal(had),
        allowed=Decimal(allowed),
        unit="positions",
        passed=passed,
    )
    return Bound(check, quantity if passed else ZERO)


def _bound(
    limit: LimitName,
    quantity: Decimal,
    per_unit: Decimal,
    had: Decimal,
    allowed: Decimal,
    unit: str,
) -> Bound:
    """A maximum on something of which one unit of the asset takes ``per_unit``."""
    wanted = quantity * per_unit
    passed = had + wanted <= allowed
    check = LimitCheck(
        limit=limit, wanted=wanted, had=had, allowed=allowed, unit=unit, passed=passed
    )
    if passed:
        return Bound(check, quantity)
    return Bound(check, (allowed - had) / per_unit if had < allowed else ZERO)


def _share(percent: Decimal, book: RiskBook) -> Decimal:
    return max(book.equity, ZERO) * percent / 100


def asset_value(asset: Asset, book: RiskBook, limits: Limits) -> Decimal:
    """Value held and being bought of an asset, over all sleeves, and by hand if included."""
    value = book.value_by_asset.get(asset, ZERO)
    if limits.include_manual_positions:
        value += book.manual_by_asset.get(asset, ZERO)
    return value


def open_positions(book: RiskBook, limits: Limits) -> int:
    """Sleeves that hold or are buying, and assets held by hand if included."""
    by_hand = len(book.manual_by_asset) if limits.include_manual_positions else 0
    return len(book.value_by_sleeve) + by_hand


def size_bounds(quantity: Decimal, pair: Pair) -> tuple[Bound, ...]:
    """What one order can carry, where that is less than wanted: no rule, so no headroom is told."""
    if quantity <= pair.quantity_max:
        return ()
    check = LimitCheck(
        limit=LimitName.ORDER_SIZE,
        wanted=quantity,
        had=ZERO,
        allowed=pair.quantity_max,
        unit=pair.base,
        passed=False,
    )
    return (Bound(check, pair.quantity_max),)


def sale_bounds(quantity: Decimal, pair: Pair, context: RiskContext) -> tuple[Bound, ...]:
    """What a sale cannot be more than: what there is, and what one order can carry."""
    bounds = size_bounds(quantity, pair)
    available = context.available_base
    if available is None or quantity <= available:
        return bounds
    check = LimitCheck(
        limit=LimitName.HELD_BY_ACCOUNT,
        wanted=quantity,
        had=ZERO,
        allowed=available,
        unit=pair.base,
        passed=False,
    )
    return (Bound(check, available), *bounds)


# minima


def order_minima(
    quantity: Decimal, limits: Limits, pair: Pair, context: RiskContext
) -> tuple[LimitCheck, ...]:
    """What a purchase must amount to: the venue's minimum and ours."""
    price, rate = context.price or ZERO, context.base_rate or ZERO
    return (
        _venue_minimum(quantity, pair, context),
        _minimum(
            LimitName.MIN_ORDER_NOTIONAL_USD,
            had=quantity * price * rate,
            allowed=limits.min_order_notional_usd,
            unit="USD",
        ),
    )


def venue_checks(quantity: Decimal, pair: Pair, context: RiskContext) -> tuple[LimitCheck, ...]:
    """All that can stand in the way of a sale: the venue itself."""
    return (
        _fact(LimitName.PAIR_STATUS, pair.status not in _REDUCING_ALLOWED),
        _venue_minimum(quantity, pair, context),
    )


def _venue_minimum(quantity: Decimal, pair: Pair, context: RiskContext) -> LimitCheck:
    return _minimum(
        LimitName.VENUE_MINIMUM,
        had=quantity,
        allowed=venue_minimum(pair, context.price),
        unit=pair.base,
    )


def venue_minimum(pair: Pair, price: Decimal | None) -> Decimal:
    """Smallest quantity that the venue takes: by size, and by cost at ``price``."""
    if not price:
        return pair.quantity_min
    return max(pair.quantity_min, round_up(pair.cost_min / price, pair.quantity_decimals))


def smallest_change(limits: Limits, pair: Pair, context: RiskContext) -> Decimal:
    """Smallest purchase worth an order: the venue's minimum and our own."""
    price, rate = context.price or ZERO, context.base_rate or ZERO
    ours = limits.min_order_notional_usd / (price * rate) if price * rate else ZERO
    return max(venue_minimum(pair, context.price), ours)


def _minimum(limit: LimitName, *, had: Decimal, allowed: Decimal, unit: str) -> LimitCheck:
    return LimitCheck(
        limit=limit, wanted=ZERO, had=had, allowed=allowed, unit=unit, passed=had >= allowed
    )


# keeping


def standing(
    intent: Intent, book: RiskBook, limits: Limits, pair: Pair, context: RiskContext
) -> tuple[LimitCheck, ...]:
    """Every limit as it stands when nothing is bought: the headroom."""
    facts = gates(book, limits, pair, context, stop_price=None)
    if context.price is None or not context.base_rate:
        return facts
    bounds = caps(Wish.of(intent, pair, context), book, limits)
    return (*facts, *(bound.check for bound in bounds))
