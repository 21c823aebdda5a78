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
    """One trading day: its number since 1970 by ``risk.day_boundary``, and where it began.

    A flow is neither gain nor loss of it, of whatever kind: it waits in ``net_flows`` until the
    next mark, which moves the baseline in the proportion in which the flow moved equity (see
    :class:`Falls`). Both are kept with the day, so a process that dies between changes nothing.
    """

    day: int
    baseline_equity: Decimal
    """What the day began with, in the proportion of the flows since."""
    net_flows: Decimal = ZERO
    """What came in less what went out since the last mark, and is not in the baseline yet."""
    realized_at_start: Decimal = ZERO

    def drawdown_pct(self, equity: Decimal) -> Decimal:
        """Loss since the baseline in percent of it, flows excluded; 0 when there is none."""
        if self.baseline_equity <= 0:
            return ZERO
        fallen = self.baseline_equity - (equity - self.net_flows)
        return max(ZERO, fallen * 100 / self.baseline_equity)

    def marked(self, equity: Decimal) -> Day:
        """With the flows since the last mark in its baseline; ``equity`` has them already."""
        if not self.net_flows:
            return self
        baseline = _scaled(self.baseline_equity, equity - self.net_flows, equity)
        return msgspec.structs.replace(self, baseline_equity=baseline, net_flows=ZERO)


class Falls:
    """How far the account fell from its peak at most; money that comes or goes is no part of it.

    At each mark ``before`` is the equity less what came in since the last one (negative: went
    out), which is what the account would be worth without those flows::

        peak = max(peak, before)
        fall = (peak - before) / peak * 100
        peak = peak * equity / before        (after a flow, from then on)

    So a flow changes peak and equity by the same factor, and no fall: a deposit does not make one
    look smaller, nor does a withdrawal make it larger, as it would if the flow were added to the
    peak. It is exact where a mark is taken as soon as a flow is booked.
    """

    def __init__(self) -> None:
        self.peak = ZERO
        self.deepest_pct = ZERO
        self._net_flows: Decimal | None = None

    def note(self, snapshot: Snapshot) -> None:
        """A mark: how far it is below the peak, and what flows since the last did to that."""
        flows = ZERO if self._net_flows is None else snapshot.net_flows - self._net_flows
        self._net_flows = snapshot.net_flows
        before = snapshot.equity - flows
        self.peak = max(self.peak, before)
        if self.peak > 0:
            self.deepest_pct = max(self.deepest_pct, (self.peak - before) * 100 / self.peak)
        if flows:
            self.peak = _scaled(self.peak, before, snapshot.equity)


def _scaled(peak: Decimal, before: Decimal, equity: Decimal) -> Decimal:
    """A peak in the proportion in which a flow changed the equity; anew where there was none."""
    if before <= 0 or equity <= 0 or before == peak:
        return equity
    return peak * equity / before


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
