"""What a fill does to an account: cost, fee, two ledger rows, volume, hold, and the rows that tell.

    cost = price × quantity, cut to the quote asset's ledger precision
    fee  = cost × rate, rounded half up; never more than the order's hold set aside for it

So no account can owe. A trade's cost and fee are exactly the amounts of its ledger rows, unless it
shall tell them finer than a ledger can hold them (``trade_costs``).
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from krakked.domain.ids import Asset, LedgerId, TradeId
from krakked.domain.money import ZERO, round_down, round_nearest, round_up
from krakked.domain.orders import Side
from krakked.sim.exchange import executions
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.book import MatchPlan
from krakked.sim.exchange.core import Core, FillToClose, Market
from krakked.sim.exchange.fees import PERCENT, FeeTier, fee_of, tier_index
from krakked.sim.exchange.orders import LedgerRow, Order, OrderAsk, Trade


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order's half of a match."""

    price: Decimal
    quantity_base: Decimal
    maker: bool
    trade_id: int


class Charge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one fill costs."""

    cost_quote: Decimal
    """As it is told; so are the fees."""
    fee_asset: Asset
    fee_amount: Decimal
    fee_quote: Decimal
    paid_quote: Decimal
    """What the ledger says of the cost."""
    paid_fee: Decimal
    """And of the fee, in its asset."""


def fee_tier(core: Core, account: Account) -> FeeTier:
    """The account's rates now."""
    ladder = core.options.fee_ladder
    return ladder[tier_index(ladder, account.volume.total(core.now_ns))]


def hold_asset(market: Market, order: Order) -> Asset:
    """What an order sets aside: quote for a buy, base for a sell."""
    return market.quote if order.ask.side is Side.BUY else market.base


def amount_to_hold(
    market: Market, ask: OrderAsk, limit: Decimal | None, remaining: Decimal, fee_pct: Decimal
) -> Decimal:
    """Enough for ``remaining`` at the limit (or trigger) with the taker's fee, rounded up."""
    fee = fee_pct * PERCENT
    if ask.side is Side.BUY:
        if limit is None:
            return ZERO
        worth = remaining * limit
        return round_up(worth if ask.fee_in_base else worth + worth * fee, market.quote_decimals)
    whole = remaining + remaining * fee if ask.fee_in_base else remaining
    return round_up(whole, market.base_decimals)


def hold_amount(market: Market, order: Order) -> Decimal:
    """What this order must hold for its rest."""
    return amount_to_hold(
        market, order.ask, order.worst_known_price, order.remaining_base, order.hold_fee_pct
    )


def refresh_hold(market: Market, account: Account, order: Order) -> None:
    """Make the hold fit what is left of the order."""
    amount = ZERO if order.is_done else hold_amount(market, order)
    account.set_hold(order, hold_asset(market, order), amount)


def book_fill(core: Core, order: Order, fill: Fill) -> Trade:
    """Book one fill of one order and tell it."""
    market = core.markets[order.ask.pair]
    account = core.accounts[order.account]
    order.filled_base += fill.quantity_base
    assert order.filled_base <= order.quantity_base, "no order is filled beyond its size"
    refresh_hold(market, account, order)
    trade = _trade(core, market, account, order, fill)
    order.cost_quote += trade.cost_quote
    order.worth_quote += fill.price * fill.quantity_base
    order.fee_quote += trade.fee_quote
    order.fee_usd += trade.fee_usd
    order.trades.append(trade.trade_txid)
    account.trades.append(trade.trade_txid, trade.at_ns, trade)
    account.volume.add(trade.at_ns, trade.volume_usd)
    core.changes.note("trade", trade.trade_txid)
    core.changes.note("order", order.order_id)
    if order.ask.close is not None:
        market.closes.append(
            FillToClose(order=order, quantity_base=fill.quantity_base, price=fill.price)
        )
    core.tell(account.name, "executions", executions.traded(market, order, trade))
    for row_id in trade.ledgers:
        tell_balance(core, account, row_id)
    return trade


def tell_balance(core: Core, account: Account, ledger_id: LedgerId) -> None:
    """Tell one ledger row on the ``balances`` channel."""
    row = account.ledger.get(ledger_id)
    assert row is not None, "told after it was posted"
    core.tell(account.name, "balances", executions.balance(core.assets[row.asset], row))


def _trade(core: Core, market: Market, account: Account, order: Order, fill: Fill) -> Trade:
    charge = _charge(core, market, account, order, fill)
    txid = TradeId(core.ids.next("trade"))
    ledgers = _post(core, order, fill, charge, txid)
    return Trade(
        number=len(account.trades),
        trade_txid=txid,
        order_id=order.order_id,
        account=account.name,
        pair=market.name,
        side=order.ask.side,
        form=order.ask.form.name,
        price=fill.price,
        quantity_base=fill.quantity_base,
        cost_quote=charge.cost_quote,
        fee_quote=charge.fee_quote,
        fee_asset=charge.fee_asset,
        fee_amount=charge.fee_amount,
        fee_usd=core.worth_usd(market.quote, charge.fee_quote),
        maker=fill.maker,
        trade_id=fill.trade_id,
        at_ns=core.now_ns,
        volume_usd=core.worth_usd(market.quote, charge.cost_quote),
        ledgers=ledgers,
    )


def _charge(core: Core, market: Market, account: Account, order: Order, fill: Fill) -> Charge:
    cost = _told_cost(market, fill)
    paid = cost_of(market, fill.price, fill.quantity_base)
    tier = fee_tier(core, account)
    pct = min(tier.maker_pct if fill.maker else tier.taker_pct, order.hold_fee_pct)
    fee_quote = fee_of(cost, pct, market.told_decimals)
    if order.ask.fee_in_base:
        fee_base = fee_of(fill.quantity_base, pct, market.base_decimals)
        room = _room(account, market.base, order.ask.side, fill.quantity_base)
        return Charge(
            cost_quote=cost,
            fee_asset=market.base,
            fee_amount=min(fee_base, room),
            fee_quote=fee_quote,
            paid_quote=paid,
            paid_fee=min(fee_base, room),
        )
    room = _room(account, market.quote, order.ask.side.opposite, paid)
    fee_quote = min(fee_quote, room)
    return Charge(
        cost_quote=cost,
        fee_asset=market.quote,
        fee_amount=fee_quote,
        fee_quote=fee_quote,
        paid_quote=paid,
        paid_fee=min(fee_of(paid, pct, market.quote_decimals), room),
    )


def _told_cost(market: Market, fill: Fill) -> Decimal:
    if market.told_decimals == market.quote_decimals:
        return cost_of(market, fill.price, fill.quantity_base)
    return round_nearest(fill.price * fill.quantity_base, market.told_decimals)


def _room(account: Account, asset: Asset, side: Side, amount: Decimal) -> Decimal:
    """What a fee in ``asset`` may be at most: all that no other order holds, after the fill.

    ``side`` says whether the fill brings the asset (buy) or takes it.
    """
    return account.available(asset) + side.sign * amount


def cost_of(market: Market, price: Decimal, quantity_base: Decimal) -> Decimal:
    """Price × quantity, cut to what the ledger can hold."""
    return round_down(price * quantity_base, market.quote_decimals)


def market_buy_cost(market: Market, found: MatchPlan, ask: OrderAsk, pct: Decimal) -> Decimal:
    """Exactly what the fills of this plan will charge in quote."""
    costs = [cost_of(market, piece.price, piece.quantity_base) for piece in found.slices]
    fees = ZERO
    if not ask.fee_in_base:
        fees = sum((fee_of(cost, pct, market.quote_decimals) for cost in costs), ZERO)
    return sum(costs, ZERO) + fees


def _post(
    core: Core, order: Order, fill: Fill, charge: Charge, txid: TradeId
) -> tuple[LedgerId, ...]:
    """Two rows, what was given first."""
    market, account = core.markets[order.ask.pair], core.accounts[order.account]
    side = order.ask.side
    base = (market.base, side.sign * fill.quantity_base)
    quote = (market.quote, -side.sign * charge.paid_quote)
    rows: list[LedgerRow] = []
    for asset, amount in (quote, base) if side is Side.BUY else (base, quote):
        fee = charge.paid_fee if asset == charge.fee_asset else ZERO
        rows.append(core.post(account, "trade", txid, asset, (amount, fee)))
    return tuple(row.ledger_id for row in rows)
