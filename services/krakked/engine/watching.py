"""Watching a running engine: the heartbeat that probes and gauges are fed from."""

from __future__ import annotations

from collections.abc import Sequence

from krakked.adapters.kraken.rest import KrakenRest
from krakked.domain.money import ZERO
from krakked.domain.orders import Journal
from krakked.domain.times import NS_PER_SECOND
from krakked.engine.given import Given
from krakked.engine.leading import Leading
from krakked.ports.market_feed import MarketFeed
from krakked.runtime.metrics import Figures
from krakked.trading.compare import standing
from krakked.trading.engine import Engine
from krakked.trading.marking import realized_today

BEAT_S = 1.0


class Heartbeat:
    """Turns with the engine's loop: shows that it turns, how late, and how the engine is."""

    def __init__(
        self,
        engine: Engine,
        rest: KrakenRest,
        feed: MarketFeed,
        *,
        leading: Leading,
        given: Given,
    ) -> None:
        self._is_refused = False
        self._engine = engine
        self._rest = rest
        self._feed = feed
        self._leading = leading
        self._mode = given.settings.execution.mode.value
        self._metrics = given.metrics
        self._health = given.health

    async def run(self, *, period_s: float) -> None:
        """Beat until cancelled; ``period_s`` is in the clock's seconds."""
        desk = self._engine.desk
        while True:
            asked_ns = desk.now_ns()
            await desk.clock.sleep(period_s)
            late_s = (desk.now_ns() - asked_ns) / NS_PER_SECOND - period_s
            self.beat(max(0.0, late_s))

    def beat(self, lag_s: float) -> None:
        """One beat."""
        self._health.beat()
        degraded = self._engine.degraded()
        self._health.set_degraded(degraded)
        self._show_ownership(self._engine.desk.guard.refusal_to_prove())
        self._metrics.show(self.figures(lag_s, degraded))

    def _show_ownership(self, refusal: str | None) -> None:
        """Fenced or frozen it is up and not ready; it may come back."""
        if refusal is not None:
            self._health.mark_not_ready(refusal)
        elif self._is_refused:
            self._health.mark_ready()
        self._is_refused = refusal is not None

    def figures(self, lag_s: float, degraded: Sequence[str]) -> Figures:
        """How the engine is now, for the gauges."""
        desk = self._engine.desk
        account, latest = desk.account, self._engine.marker.latest
        held = {
            sleeve: position.quantity_base
            for sleeve, position in account.positions.items()
            if position.quantity_base
        }
        live = account.live_orders()
        day = account.day
        owner = self._leading.shown()
        return Figures(
            mode=self._mode,
            is_ready=desk.guard.is_ready and desk.guard.refusal_to_prove() is None,
            is_fenced=desk.guard.fenced_by is not None,
            is_leader=owner.is_leader,
            epoch=owner.epoch,
            last_renew_ns=owner.last_renew_ns,
            authority_s=owner.authority_s,
            open_orders=len(live),
            orders_unknown=sum(1 for order in live if order.journal is Journal.UNKNOWN),
            stale_pairs=len(desk.market.stale_pairs(desk.now_ns())),
            mismatches=len(standing(account.drifts)),
            positions=held,
            positions_without_exit=len(account.without_exit()),
            daily_realized=realized_today(day, latest) if day and latest else None,
            daily_drawdown_pct=day.drawdown_pct(latest.equity) if day and latest else ZERO,
            rate_limit_headroom=self._rest.headroom_ratios(),
            last_message_ns={
                "public": self._feed.last_frame_ns(private=False),
                "private": self._feed.last_frame_ns(private=True),
            },
            loop_lag_s=lag_s,
            degraded=tuple(degraded),
        )
