"""An order at the venue: what was asked (:class:`OrderAsk`), what lives (:class:`Order`), and the
rows it leaves (:class:`Trade`, :class:`LedgerRow`).

    pending (scheduled) → open → closed (all filled) | canceled | expired

An open order with a trigger waits outside the book until its reference price has come to it; an
iceberg shows a part of itself there. The forms of order are data (:data:`FORMS`). An ask is checked
and final; only matching changes an order, and rows are never changed at all.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from krakked.domain.ids import Asset, ClientOrderId, LedgerId, PairName, TradeId, VenueOrderId
from krakked.domain.money import ZERO
from krakked.domain.orders import Side, VenueStatus
from krakked.sim.exchange.prices import Price


class TimeInForce(enum.Enum):
    """How long the unfilled rest stands."""

    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


TriggerKind: TypeAlias = Literal["stop", "profit", "trail"]
"""The price comes from the bad side, from the good side, or turns back by so much."""
Reference: TypeAlias = Literal["last", "index"]
SelfTrade: TypeAlias = Literal["cancel_newest", "cancel_oldest", "cancel_both"]
"""Who goes when two orders of one account would trade with each other."""


class OrderForm(msgspec.Struct, frozen=True, kw_only=True):
    """What sets one ``ordertype`` apart from another."""

    name: str
    priced: bool
    """Has a limit price."""
    rests: bool
    """May wait in the book."""
    trigger: TriggerKind | None = None
    iceberg: bool = False

    @property
    def postable(self) -> bool:
        """Whether it can be told never to take."""
        return self.rests and self.trigger is None

    @property
    def lasts(self) -> bool:
        """Whether it can be open longer than an instant."""
        return self.rests or self.trigger is not None


def _triggered(name: str, trigger: TriggerKind) -> tuple[OrderForm, OrderForm]:
    return (
        OrderForm(name=name, priced=False, rests=False, trigger=trigger),
        OrderForm(name=f"{name}-limit", priced=True, rests=True, trigger=trigger),
    )


FORMS: Final[dict[str, OrderForm]] = {
    form.name: form
    for form in (
        OrderForm(name="market", priced=False, rests=False),
        OrderForm(name="limit", priced=True, rests=True),
        OrderForm(name="iceberg", priced=True, rests=True, iceberg=True),
        *_triggered("stop-loss", "stop"),
        *_triggered("take-profit", "profit"),
        *_triggered("trailing-stop", "trail"),
    )
}


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What sets a waiting order off."""

    price: Price
    """For a trailing stop the distance from the best price so far, always above zero."""
    reference: Reference = "last"
    limit: Price | None = None
    """Of a trailing stop: how far from the trigger the limit lies."""


class CloseAsk(msgspec.Struct, frozen=True, kw_only=True):
    """The order that each fill of another makes, of its size and on the other side."""

    form: OrderForm
    trigger: Trigger | None = None
    limit: Price | None = None


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
    trigger: Trigger | None = None
    trigger_price: Decimal | None = None
    """Where the trigger lies now; that of a trailing stop moves on."""
    display_base: Decimal | None = None
    """What an iceberg shows."""
    self_trade: SelfTrade = "cancel_newest"
    close: CloseAsk | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    fee_in_base: bool = False
    cl_ord_id: ClientOrderId | None = None
    userref: int | None = None
    start_ns: int = 0
    expire_ns: int = 0
    deadline_ns: int | None = None


class AmendAsk(msgspec.Struct, frozen=True, kw_only=True):
    """A change to an open order; None leaves a thing as it is."""

    quantity_base: Decimal | None = None
    display_base: Decimal | None = None
    limit: Price | None = None
    trigger: Price | None = None
    post_only: bool = False
    deadline_ns: int | None = None


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """What an order was after one change of it; the first is what it was born as."""

    amend_id: str
    kind: Literal["original", "user"]
    quantity_base: Decimal
    remaining_base: Decimal
    display_base: Decimal | None
    limit_price: Decimal | None
    trigger_price: Decimal | None
    post_only: bool
    at_ns: int


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
    worth_quote: Decimal = ZERO
    """Sum of price × quantity of its fills, to the last digit."""
    fee_quote: Decimal = ZERO
    fee_usd: Decimal = ZERO
    trades: list[TradeId] = msgspec.field(default_factory=list)
    amended: bool = False
    closed_ns: int = 0
    closed_number: int = 0
    """Order of ending within its account."""
    reason: str | None = None
    trigger: Trigger | None = None
    trigger_price: Decimal | None = None
    peak_price: Decimal | None = None
    """The best price a trailing stop has seen."""
    triggered_ns: int = 0
    """When it was set off; 0 as long as it waits."""
    display_base: Decimal | None = None
    shown_base: Decimal = ZERO
    """What an iceberg shows of its rest."""
    opened_by: VenueOrderId | None = None
    """The order whose fill made this one."""
    amendments: list[Amendment] = msgspec.field(default_factory=list)

    @property
    def remaining_base(self) -> Decimal:
        """Not filled yet."""
        return self.quantity_base - self.filled_base

    @property
    def average_price(self) -> Decimal:
        """Of its fills by their quantity; zero before the first."""
        return self.worth_quote / self.filled_base if self.filled_base else ZERO

    @property
    def visible_base(self) -> Decimal:
        """What of the rest stands in the book for all to see."""
        return self.remaining_base if self.display_base is None else self.shown_base

    @property
    def hidden_base(self) -> Decimal:
        """What stands behind that."""
        return ZERO if self.display_base is None else self.remaining_base - self.shown_base

    @property
    def waits(self) -> bool:
        """It has a trigger that was not reached yet."""
        return self.trigger is not None and not self.triggered_ns

    @property
    def worst_known_price(self) -> Decimal | None:
        """At what price its rest is held for: its limit, or the trigger it waits for."""
        if self.limit_price is not None:
            return self.limit_price
        return self.trigger_price if self.waits else None

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
