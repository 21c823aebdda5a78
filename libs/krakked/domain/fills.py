"""Fills, cash flows and lots: what the ledger is made of. Each is booked once, with its source."""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from krakked.domain.ids import (
    Asset,
    ClientOrderId,
    LedgerId,
    PairName,
    StrategyId,
    TradeId,
    VenueOrderId,
)
from krakked.domain.orders import Side


class Liquidity(enum.Enum):
    """Whether our order made or took."""

    MAKER = "maker"
    TAKER = "taker"


class VenueTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as the venue tells it; amounts, cost and fee are the venue's own."""

    trade_id: TradeId
    venue_order_id: VenueOrderId
    pair: PairName
    side: Side
    price: Decimal
    quantity_base: Decimal
    cost_quote: Decimal
    fee_amount: Decimal
    fee_asset: Asset
    liquidity: Liquidity
    at_ns: int


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution, booked to a sleeve; ``manual`` when no strategy of ours asked for it."""

    trade: VenueTrade
    strategy_id: StrategyId
    client_order_id: ClientOrderId | None
    fee_quote: Decimal
    """The fee in quote units, valued at the time of the trade."""
    realized_quote: Decimal
    """Profit this fill realized on its sleeve, its fee subtracted."""


class CashFlowKind(enum.Enum):
    """Why a balance changed without a trade."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    REWARD = "reward"
    TRANSFER = "transfer"
    ADJUSTMENT = "adjustment"
    FEE = "fee"


class CashFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the venue's ledger that is not a trade; not profit."""

    ledger_id: LedgerId
    kind: CashFlowKind
    asset: Asset
    amount: Decimal
    """Net change of the balance, the venue's fee subtracted."""
    fee: Decimal
    at_ns: int
    value_base: Decimal | None
    """In the base currency at that time; None where no price was known."""
    pair: PairName | None = None
    """Against the base currency: its sleeve ``manual`` takes or gives the coins, at that value.
    None: nothing trades them so, or they do not count, and only the account's total changes."""


class OpeningLot(msgspec.Struct, frozen=True, kw_only=True):
    """What the account held before krakked's books begin."""

    asset: Asset
    quantity: Decimal
    cost_base: Decimal | None
    """In the base currency; None if unknown."""
    at_ns: int
    pair: PairName | None = None
    """Against the base currency: its sleeve ``manual`` holds the lot, at no cost if that is
    unknown. None: nothing trades it so, and only the account's total does."""
