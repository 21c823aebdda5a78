"""An order at the venue: what was asked (:class:`OrderAsk`), what lives (:class:`Order`), and the
rows it leaves (:class:`Trade`, :class:`LedgerRow`).

    pending (scheduled) → open → closed (all filled) | canceled | expired

The forms of order are data (:data:`FORMS`). An ask is checked and final; only matching changes an
order, and rows are never changed at all.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final, Literal

import msgspec

from krakked.domain.ids import Asset, ClientOrderId, LedgerId, PairName, TradeId, VenueOrderId
from krakked.domain.money import ZERO
from krakked.domain.orders import Side, VenueStatus


class TimeInForce(enum.Enum):
    """How long the unfilled rest stands."""

    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class OrderForm(msgspec.Struct, frozen=True, kw_only=True):
    """What sets one ``ordertype`` apart from another."""

    name: Literal["market", "limit"]
    priced: bool
    """Has a limit price."""
    rests: bool
    """May wait in the book."""


FORMS: Final[dict[str, OrderForm]] = {
    form.name: form
    for form in (
        OrderForm(name="market", priced=False, rests=False),
        OrderForm(name="limit", priced=True, rests=True),
    )
}


class OrderAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One order as asked, with every argument understood."""

    pair: PairName
    side: Side
    form: OrderForm
    quantity_base: Decimal
    """Zero while ``budget_quote`` decides it."""
    budget_quote: Decimal | None = None
    """A market buy for this much quote (``viqc``)."""
    limit_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    fee_in_base: bool = False
    cl_ord_id: ClientOrderId | None = None
    userref: int | None = None
    start_ns: int = 0
    expire_ns: int = 0
    deadline_ns: int | None = None


class AmendAsk(msgspec.Struct, frozen=True, kw_only=True):
    """A change to a resting order; None leaves a thing as it is."""

    quantity_base: Decimal | None = None
    limit_price: Decimal | None = None
    post_only: bool = False
    deadline_ns: int | None = None


class Order(msgspec.Struct, kw_only=True):
    """One order that was accepted; matching alone changes it."""

    number: int
    """Order of acceptance over all accounts."""
    order_id: VenueOrderId
    account: str
    ask: OrderAsk
    status: VenueStatus
    quantity_base: Decimal
    limit_price: Decimal | None
    """For a market order None; the price band is not shown."""
    opened_ns: int
    touched_ns: int
    """Created or last amended: the age that penalties look at."""
    priority: int
    """Rank in time at one price; a new one after an amend that loses it."""
    hold_fee_pct: Decimal
    """The fee rate its hold allows for; no fill pays more."""
    hold: Decimal = ZERO
    """Set aside of the quote (buy) or base (sell) balance for the rest."""
    filled_base: Decimal = ZERO
    cost_quote: Decimal = ZERO
    fee_quote: Decimal = ZERO
    fee_usd: Decimal = ZERO
    trades: list[TradeId] = msgspec.field(default_factory=list)
    amended: bool = False
    closed_ns: int = 0
    closed_number: int = 0
    """Order of ending within its account."""
    reason: str | None = None

    @property
    def remaining_base(self) -> Decimal:
        """Not filled yet."""
        return self.quantity_base - self.filled_base

    @property
    def is_done(self) -> bool:
        """No fill can follow."""
        return self.status.is_final


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One fill of one order."""

    number: int
    trade_txid: TradeId
    order_id: VenueOrderId
    account: str
    pair: PairName
    side: Side
    form: str
    price: Decimal
    quantity_base: Decimal
    cost_quote: Decimal
    fee_quote: Decimal
    """The fee, in quote; worth of it if it was taken in base."""
    fee_asset: Asset
    fee_amount: Decimal
    fee_usd: Decimal
    maker: bool
    trade_id: int
    at_ns: int
    volume_usd: Decimal
    """What it adds to the thirty-day volume."""
    ledgers: tuple[LedgerId, ...]


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one balance: Δ = amount − fee."""

    number: int
    ledger_id: LedgerId
    account: str
    ref_id: str
    at_ns: int
    type: str
    asset: Asset
    amount: Decimal
    fee: Decimal
    balance: Decimal
    """After it."""
    subtype: str = ""
