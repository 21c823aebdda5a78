"""The venue's account side: orders, and what the account holds.

Every method raises by what the caller must do (``domain/errors.py``): ``Transient`` (nothing was
done, try later), ``Ambiguous`` (only the five that change something), ``Permanent``, ``BadKey``,
``MissingPermission``, ``Fenced``. Amounts are the venue's own, names are canonical.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from krakked.domain.fills import VenueTrade
from krakked.domain.ids import Asset, ClientOrderId, LedgerId, PairName, TradeId, VenueOrderId
from krakked.domain.orders import OrderRequest, VenueOrder
from krakked.domain.pairs import Pair


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One asset; ``total`` includes what open orders hold. Earn balances are apart (``kind``)."""

    asset: Asset
    total: Decimal
    held: Decimal
    kind: str = "spot"
    """``spot``, or the venue's suffix (``F``, ``S``, ``M``, ``B``, …): shown, never spendable."""


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the venue's ledger; the balance changed by ``amount − fee``."""

    ledger_id: LedgerId
    reference_id: str
    type: str
    """``trade deposit withdrawal transfer reward staking adjustment …``."""
    subtype: str
    asset: Asset
    amount: Decimal
    fee: Decimal
    balance: Decimal
    at_ns: int
    kind: str = "spot"


class Fees(msgspec.Struct, frozen=True):
    """The account's fee of one pair, in percent of cost."""

    taker_pct: Decimal
    maker_pct: Decimal


class DeadManReply(msgspec.Struct, frozen=True):
    """When all the account's orders will be cancelled; None: disarmed."""

    trigger_at_ns: int | None
    now_ns: int | None = None
    """The venue's clock with this answer, if it told it."""


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, as the venue knows it."""

    permissions: frozenset[str]
    """In the venue's words."""
    account: str = ""
    """Stands for the account that it belongs to, whatever becomes of the key; empty: not told."""


class Amend(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an open order, which keeps its ids and fills; None: as it is.

    Less of it keeps its place; more of it or another price goes to the end of the queue.
    """

    order_id: ClientOrderId | VenueOrderId
    pair: PairName
    quantity_base: Decimal | None = None
    """The new whole, what is filled included; below that the rest is cancelled."""
    limit_price: Decimal | None = None
    post_only: bool = False
    """Of this change alone: refused if it would take."""


class Exchange(Protocol):
    """One account at the venue."""

    # What changes something: Ambiguous is possible.
    async def add_order(self, request: OrderRequest, *, deadline_at_ns: int) -> VenueOrderId:
        """Send one order, once. After ``deadline_at_ns`` the venue refuses it."""
        ...

    async def amend_order(self, amend: Amend, *, deadline_at_ns: int) -> bool:
        """Change an open order where it stands; False if the venue has none open by that id.

        What an ``Ambiguous`` one did is seen in the order itself. Nothing in ``trading`` amends
        yet: a sleeve that changes its mind cancels and decides anew.
        """
        ...

    async def validate_order(self, request: OrderRequest, *, deadline_at_ns: int) -> None:
        """Have the venue check an order without placing it; returns if it would be taken."""
        ...

    async def cancel_order(
        self, order_id: ClientOrderId | VenueOrderId, *, pair: PairName | None = None
    ) -> bool:
        """Cancel one order; False if the venue has none open by that id (ask what became of it).

        Its ``pair`` is for the venue's limits, which are by pair.
        """
        ...

    async def cancel_all(self) -> int:
        """Cancel every open order of the account; how many."""
        ...

    async def refresh_dead_man(self, timeout_s: int) -> DeadManReply:
        """(Re)arm CancelAllOrdersAfter; 0 disarms."""
        ...

    # What asks.
    async def venue_time_ns(self) -> int:
        """The venue's clock, whole seconds."""
        ...

    async def system_status(self) -> str:
        """``online``, ``maintenance``, ``cancel_only`` or ``post_only``."""
        ...

    @property
    def key_roles(self) -> tuple[str, ...]:
        """``trade``, and ``query`` where there is a second key."""
        ...

    async def key_facts(self, role: str) -> KeyFacts:
        """What the venue knows of the key with that role."""
        ...

    async def pairs(self) -> Mapping[PairName, Pair]:
        """All pairs that the venue lists, under canonical names."""
        ...

    async def fees(self, pairs: Sequence[PairName]) -> Mapping[PairName, Fees]:
        """The account's fees; empty where the venue does not say."""
        ...

    async def balances(self) -> Sequence[Balance]:
        """What the account holds now."""
        ...

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Every open order of the account, ours or not."""
        ...

    async def find_order(self, client_order_id: ClientOrderId, since_ns: int) -> VenueOrder | None:
        """Look an order up by our id: open orders, then closed ones since ``since_ns``.

        None says only that it is not visible *now*; late visibility is the caller's concern.
        """
        ...

    async def orders(self, ids: Sequence[VenueOrderId]) -> Mapping[VenueOrderId, VenueOrder]:
        """Orders by the venue's id, whatever their state."""
        ...

    async def closed_orders(self, since_ns: int) -> Sequence[VenueOrder]:
        """Orders that ended at or after ``since_ns``, oldest first, all pages."""
        ...

    async def trades(self, ids: Sequence[TradeId]) -> Sequence[VenueTrade]:
        """Executions by id."""
        ...

    async def trades_since(self, since_ns: int) -> Sequence[VenueTrade]:
        """Executions at or after ``since_ns``, oldest first; none skipped or repeated."""
        ...

    async def ledger_since(self, since_ns: int) -> Sequence[LedgerRow]:
        """Ledger rows at or after ``since_ns``, oldest first, all pages."""
        ...
