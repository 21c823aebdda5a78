"""How to trade: the ``execution.*`` settings as plain numbers, for code below the settings."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from krakked.domain.money import ZERO
from krakked.domain.orders import OrderType, TimeInForce
from krakked.domain.times import NS_PER_SECOND


class ExecutionRules(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds of the engine's clock; see ``docs/configuration.md`` for reasons."""

    sends_orders: bool = True
    """False in ``dry_run``: plans are made and recorded, nothing reaches the wire."""
    validates_only: bool = False
    """Every order is only checked by the venue: none is placed, none is ever live."""
    order_type: OrderType = OrderType.LIMIT
    max_slippage_bps: Decimal = Decimal(50)
    """Furthest a limit price may stand from the mid, in hundredths of a percent."""
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    order_ttl_s: float = 300
    """A resting order ends by itself (GTD at the venue); 0: rests until superseded."""
    deadline_s: float = 3
    """The venue refuses a submission that reaches matching later than this (REST: 2 to 60)."""
    max_plan_age_s: float = 60
    max_concurrent_orders: int = 10
    max_retries: int = 3
    retry_backoff_s: float = 2
    retry_backoff_factor: float = 2
    late_visibility_s: float = 20
    """How long after its deadline an order may still appear in the venue's queries."""
    drift_patience_s: float = 30
    """How long a difference may stand before it is drift."""
    reconciliation_tolerance: Decimal = ZERO
    """Worth of a balance's difference, in the base currency, up to which it is no drift."""
    tracks_manual_trades: bool = True
    """Executions of other people's orders go to ``manual``; False: they are the account's flows."""
    reconcile_interval_s: float = 60
    dead_man_timeout_s: int | None = 60
    dead_man_refresh_s: float = 15
    liveness_s: float = 10
    """Order loop and ledger count as alive for so long after they were last seen to move."""
    cancel_on_shutdown: bool = False

    @property
    def places_orders(self) -> bool:
        """Whether an order can come of a plan, and a fill of an order."""
        return self.sends_orders and not self.validates_only

    def pause_s(self, attempt: int, retry_after_s: float | None) -> float:
        """How long to wait before asking again: by rule, or longer if the venue says so."""
        pause = self.retry_backoff_s * self.retry_backoff_factor**attempt
        return max(pause, retry_after_s or 0.0)

    def pause_ns(self, attempt: int, retry_after_s: float | None) -> int:
        """The same in nanoseconds."""
        return int(self.pause_s(attempt, retry_after_s) * NS_PER_SECOND)
