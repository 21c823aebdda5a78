"""The account as a whole: equity, snapshots, the trading day, and drift."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from krakked.domain.ids import Asset
from krakked.domain.money import ZERO
from krakked.domain.positions import Sleeve


class SleeveState(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a sleeve between wakes; the position is a projection of fills, apart."""

    sleeve: Sleeve
    state: dict[str, object] = {}
    """The strategy's own plain data."""
    stop_price: Decimal | None = None
    """Watched on every quote while the position is held."""
    is_unmet: bool = False
    """Its wish was refused, clamped or not filled: asked again at every bar."""
    last_bar_start_s: int = 0
    """The newest bar that has a verdict."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The account at one instant, in the base currency (phase 3's ``PortfolioSnapshot``)."""

    at_ns: int
    equity: Decimal
    cash: Decimal
    realized: Decimal
    """Since the books began, fees subtracted."""
    unrealized: Decimal
    fees: Decimal
    net_flows: Decimal
    unvalued: tuple[Asset, ...] = ()
    """Assets without a price: counted as zero, and flagged."""
    values: dict[str, Decimal] = {}
    """By asset."""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One trading day: its number since 1970 by ``risk.day_boundary``, and where it began."""

    day: int
    baseline_equity: Decimal
    net_flows: Decimal = ZERO
    """Deposits less withdrawals since the baseline: neither gain nor loss."""
    realized_at_start: Decimal = ZERO

    def drawdown_pct(self, equity: Decimal) -> Decimal:
        """Loss since the baseline in percent of it, flows excluded; 0 when there is none."""
        base = self.baseline_equity + self.net_flows
        if base <= 0:
            return ZERO
        return max(ZERO, (base - equity) * 100 / base)


class DriftKind(enum.Enum):
    """What a difference between our books and the venue is taken for."""

    LATE = "late"
    """Young enough to become explained by itself."""
    FOREIGN = "foreign"
    """Somebody else's open order: shown, and no difference of the books."""
    TOLERATED = "tolerated"
    """A balance that differs by no more than ``portfolio.reconciliation_tolerance`` is worth."""
    UNEXPLAINED = "unexplained"
    """Past its time: drift."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in which our books and the venue's disagree."""

    subject: str
    """``balance``, ``open_order``, ``fill``, ``fee``, ``cost``."""
    key: str
    """Asset, client order id or trade id."""
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.subject} {self.key}: ours {self.ours}, theirs {self.theirs}"


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A difference, its kind, and since when it stands."""

    difference: Difference
    kind: DriftKind
    since_ns: int


def equity_of(
    totals: Mapping[Asset, Decimal], prices: Mapping[Asset, Decimal]
) -> tuple[Decimal, tuple[Asset, ...]]:
    """Value of the holdings at ``prices`` (base currency for one unit), and what has no price."""
    equity = ZERO
    unvalued = []
    for asset in sorted(totals):
        if not totals[asset]:
            continue
        price = prices.get(asset)
        if price is None:
            unvalued.append(asset)
        else:
            equity += totals[asset] * price
    return equity, tuple(unvalued)
