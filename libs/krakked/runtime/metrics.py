"""Metrics: what Prometheus scrapes, fed in one place.

Three ways lead in, and no other: events (:meth:`Metrics.listen`; ``spans.py`` reads durations off
them), figures that the engine shows once a heartbeat (:meth:`Metrics.show`), and what the adapters
of venue and ledger measure where it passes. Names
follow Prometheus' rules: prefix ``krakked_``, base units, ``_total`` for counters; no order or plan
id is ever a label. :data:`BARE_NAMES` leads from the short names that screens use to these.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)

from krakked.domain.events import Event, EventName
from krakked.domain.positions import Sleeve
from krakked.domain.times import NS_PER_SECOND
from krakked.runtime.spans import Spans
from krakked.runtime.version import version

Fields: TypeAlias = Mapping[str, object]
Series: TypeAlias = Mapping[tuple[str, ...], float]
"""What one gauge shows, by labels."""

BARE_NAMES: Final[Mapping[str, str]] = {
    "market_data_stale_pairs_count": "krakked_market_data_stale_pairs",
    "portfolio_drift_flag": "krakked_portfolio_drift",
    "kill_switch_active": "krakked_kill_switch_active",
    "plans_per_hour": "krakked_plans_total",
    "orders_per_hour": "krakked_orders_submitted_total",
    "order_error": "krakked_order_errors_total",
    "order_rejected": "krakked_orders_rejected_total",
    "equity": "krakked_account_equity",
    "daily_realized_pnl": "krakked_daily_realized_pnl",
    "daily_drawdown": "krakked_daily_drawdown_ratio",
    "intent_to_submit_seconds": "krakked_intent_to_submit_seconds",
    "plan_duration_seconds": "krakked_plan_duration_seconds",
}
"""The short name of a figure → the metric it is made of (``…_per_hour`` is its increase)."""

_SUBMIT_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
_WRITE_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine is at one moment, for gauges; ``None`` leaves a gauge as it was."""

    mode: str = ""
    is_ready: bool = False
    is_fenced: bool = False
    is_leader: bool = False
    epoch: int = 0
    last_renew_ns: int = 0
    """When the lease was renewed last, by the wall clock of who did it."""
    authority_s: float = 0
    """For how long the account is ours for certain."""
    open_orders: int = 0
    orders_unknown: int = 0
    stale_pairs: int = 0
    mismatches: int = 0
    positions: Mapping[Sleeve, Decimal] = {}
    """Quantity held by sleeve."""
    positions_without_exit: int = 0
    daily_realized: Decimal | None = None
    daily_drawdown_pct: Decimal | None = None
    rate_limit_headroom: Mapping[str, float] = {}
    """What is left of each counter, 0 to 1."""
    last_message_ns: Mapping[str, int] = {}
    """By feed."""
    loop_lag_s: float | None = None
    degraded: tuple[str, ...] = ()


class Metrics:
    """One registry with everything that the engine tells."""

    def __init__(
        self, *, environment: str, currency: str = "USD", component: str = "engine"
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there; else twice the series
        self.registry = CollectorRegistry(auto_describe=True)
        self._currency = currency
        self._lost: set[str] = set()
        self._shown: dict[Gauge, Series] = {}
        info = Info("krakked_build", "Which krakked this is", registry=self.registry)
        info.info({"component": component, "version": version(), "env": environment})
        self._define_orders()
        self._define_state()
        self._define_market()
        self._define_dead_man()
        self._define_venue()
        self._define_machine()
        self._on_event = self._table()
        self._spans = Spans(self)

    # in

    def listen(self, event: Event) -> None:
        """Count what happened, and how long it took."""
        self._spans.listen(event)
        count = self._on_event.get(event.name)
        if count is not None:
            count(event)

    def show(self, figures: Figures) -> None:
        """Set the gauges."""
        self._show_orders(figures)
        self._show_state(figures)
        self._show_market(figures)

    def observe_submit(self, seconds: float) -> None:
        """One order: from the decision to send it until the venue's answer."""
        self.order_submit.observe(seconds)

    def observe_intent_to_submit(self, seconds: float) -> None:
        """One order: from the plan that a strategy's wish became until it goes to the wire."""
        self.intent_to_submit.observe(seconds)

    def observe_plan(self, seconds: float) -> None:
        """One plan, carried out."""
        self.plan_duration.observe(seconds)

    def observe_reconcile(self, seconds: float) -> None:
        """One comparison of books and venue."""
        self.reconcile_duration.observe(seconds)

    def observe_write(self, seconds: float, *, failed: bool = False) -> None:
        """One transaction of the ledger; may be called from another thread."""
        self.sqlite_write.observe(seconds)
        if failed:
            self.sqlite_errors.labels(op="write").inc()

    def observe_clock_offset(self, seconds: float) -> None:
        """The venue's clock less ours."""
        self.clock_offset.set(seconds)

    def observe_renewal(self, seconds: float, failure: str | None) -> None:
        """One writing of the lease by its holder; ``failure``: why it was not taken."""
        self.leader_renewal.observe(seconds)
        if failure is not None:
            self.leader_renew_failures.labels(reason=failure).inc()

    def note_phase(self, before: str, phase: str) -> None:
        """Ownership left one phase for another."""
        self.leader_transitions.labels(before, phase).inc()
        self.engine_state.clear()
        self.engine_state.labels(phase).set(1)

    def count_veto(self, reason: str) -> None:
        """What was on its way to the venue was held back right before the wire."""
        self.guard_rejections.labels(reason=reason).inc()

    def watch_wal(self, size_bytes: Callable[[], int]) -> None:
        """Ask for the size of the ledger's log whenever the page is made."""
        self.wal_bytes.set_function(size_bytes)

    # in, from the venue's adapter: see krakked.adapters.kraken.observers.Observer

    def on_request(self, endpoint: str, seconds: float, outcome: str) -> None:
        """One HTTP call ended."""
        self.request_duration.labels(endpoint).observe(seconds)
        if outcome != "ok":
            self.request_errors.labels(endpoint, outcome).inc()

    def on_malformed(self, source: str, problem: str) -> None:  # noqa: ARG002 - the problem is for logs
        """A part of an answer or frame was not usable."""
        self.malformed_parts.labels(source=source).inc()

    def on_connection(self, stream: str, event: str, reason: str) -> None:  # noqa: ARG002 - the reason is for logs
        """A stream opened, became ready or was lost."""
        self.connection_changes.labels(stream=stream, event=event).inc()

    def on_subscription_refused(self, channel: str, symbol: str, reason: str) -> None:  # noqa: ARG002 - symbols and reasons are for logs
        """The venue does not serve a symbol on this channel."""
        self.subscriptions_refused.labels(channel=channel).inc()

    # out

    def page(self) -> bytes:
        """The page of ``/metrics``; may be called from another thread."""
        return generate_latest(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        """One sample by its full name; None if there is none yet."""
        return self.registry.get_sample_value(name, labels)

    # what there is

    def _define_orders(self) -> None:
        self.orders_submitted = self._counter(
            "orders_submitted", "Orders sent to the venue", "pair", "side", "type"
        )
        self.orders_rejected = self._counter(
            "orders_rejected", "Orders that the venue refused", "pair"
        )
        self.orders_filled = self._counter("orders_filled", "Orders filled whole", "pair", "side")
        self.order_errors = self._counter("order_errors", "Orders that failed on the way", "pair")
        self.fills = self._counter("fills", "Executions booked", "pair", "side")
        self.plans = self._counter("plans", "Plans made")
        self.plans_expired = self._counter("plans_expired", "Plans dropped for their age")
        self.risk_blocks = self._counter("risk_blocks", "Wishes that risk refused", "strategy_id")
        self.commands = self._counter("commands", "Commands of people", "command", "outcome")
        self.open_orders = self._gauge("open_orders", "Orders that may still be filled")
        self.orders_unknown = self._gauge("orders_unknown", "Orders sent without an answer")
        self.order_submit = self._histogram(
            "order_submit_duration_seconds", "From sending an order to its answer"
        )
        self.intent_to_submit = self._histogram(
            "intent_to_submit_seconds", "From a strategy's wish to the socket write"
        )
        self.plan_duration = self._histogram("plan_duration_seconds", "Carrying out one plan")

    def _define_state(self) -> None:
        self.engine_ready = self._gauge("engine_ready", "1 while plans are carried out")
        self.engine_mode = self._gauge("engine_mode", "1 for the mode it runs in", "mode")
        self.engine_fenced = self._gauge("engine_fenced", "1 if a newer engine has the account")
        self.is_leader = self._gauge("leader_is_leader", "1 while this engine owns the account")
        self.leader_epoch = self._gauge("leader_epoch", "Epoch of ownership")
        self.leader_renewed = self._gauge(
            "leader_last_renew_timestamp_seconds", "The lease was renewed last"
        )
        self.leader_authority = self._gauge(
            "leader_authority_remaining_seconds", "For which the account is ours for certain"
        )
        self.engine_state = self._gauge("engine_state", "1 for its phase of ownership", "state")
        self.leader_transitions = self._counter(
            "leader_transitions", "Phases of ownership left for others", "from", "to"
        )
        self.leader_renewal = self._histogram(
            "leader_renew_duration_seconds", "Writing the lease anew, answered or not"
        )
        self.leader_renew_failures = self._counter(
            "leader_renew_failures", "Renewals of the lease that were not taken", "reason"
        )
        self.guard_rejections = self._counter(
            "submit_guard_rejections", "Held back right before the wire", "reason"
        )
        self.degraded = self._gauge("engine_degraded", "1 for each thing out of order", "what")
        self.kill_switch = self._gauge("kill_switch_active", "1 while it stops new risk")
        self.drift = self._gauge("portfolio_drift", "1 while books and venue disagree")
        self.equity = self._gauge("account_equity", "Value of the account", "currency")
        self.cash = self._gauge("account_cash", "Cash of the account", "currency")
        self.unrealized = self._gauge("pnl_unrealized", "Profit not realized", "currency")
        self.realized = self._gauge("pnl_realized", "Profit since the books began", "currency")
        self.daily_realized = self._gauge("daily_realized_pnl", "Profit today", "currency")
        self.daily_drawdown = self._gauge("daily_drawdown_ratio", "Loss today, of its start")
        self.positions = self._gauge("position_quantity", "Held", "strategy_id", "pair")
        self.without_exit = self._gauge("positions_without_exit", "Positions without a stop")
        self.stops = self._counter("positions_stopped", "Positions closed at their stop")

    def _define_market(self) -> None:
        self.stale_pairs = self._gauge("market_data_stale_pairs", "Pairs too old to decide on")
        self.last_message = self._gauge(
            "market_data_last_message_timestamp_seconds", "Newest frame", "feed"
        )
        self.bars = self._counter("bars_closed", "Closed bars", "timeframe")
        self.reconnects = self._counter("ws_reconnects", "Connections made anew", "feed")
        self.malformed = self._counter("ws_malformed_frames", "Frames not understood")
        self.unavailable = self._counter("market_data_unavailable", "Bars not to be had")

    def _define_dead_man(self) -> None:
        self.dead_man_armed = self._gauge("deadman_armed", "1 while the venue's timer runs")
        self.dead_man_refreshed = self._gauge(
            "deadman_last_refresh_timestamp_seconds", "Wound up last"
        )
        self.dead_man_expires = self._gauge(
            "deadman_expires_timestamp_seconds", "When the venue cancels all"
        )
        self.dead_man_fired = self._counter("deadman_fired", "Times the venue cancelled all")
        self.dead_man_failures = self._counter("deadman_refresh_failures", "Refreshes that failed")

    def _define_venue(self) -> None:
        self.request_duration = self._histogram(
            "exchange_request_duration_seconds", "Calls of the venue", "endpoint"
        )
        self.request_errors = self._counter(
            "exchange_errors", "Calls that failed", "endpoint", "code"
        )
        self.headroom = self._gauge(
            "exchange_ratelimit_headroom_ratio", "Left of a counter", "counter"
        )
        self.clock_offset = self._gauge(
            "exchange_clock_offset_seconds", "The venue's clock less ours"
        )
        self.fenced = self._counter("exchange_fenced", "Times the venue saw a newer owner's nonce")
        self.degradations = self._counter("exchange_degraded", "Times it became unreliable")
        self.malformed_parts = self._counter(
            "exchange_malformed_parts", "Parts of answers not usable", "source"
        )
        self.connection_changes = self._counter(
            "exchange_connection_changes", "Streams opened, ready, lost", "stream", "event"
        )
        self.subscriptions_refused = self._counter(
            "exchange_subscriptions_refused", "Symbols not served", "channel"
        )
        self.reconciled = self._gauge(
            "reconcile_last_success_timestamp_seconds", "Books and venue compared last"
        )
        self.mismatches = self._gauge("reconcile_mismatches", "Differences that stand")
        self.reconcile_duration = self._histogram(
            "reconcile_duration_seconds", "Comparing books and venue"
        )

    def _define_machine(self) -> None:
        self.loop_lag = self._gauge("event_loop_lag_seconds", "How late the loop wakes")
        self.sqlite_write = Histogram(
            "krakked_sqlite_write_duration_seconds",
            "One transaction",
            registry=self.registry,
            buckets=_WRITE_BUCKETS_S,
        )
        self.sqlite_errors = self._counter("sqlite_errors", "Transactions that failed", "op")
        sqlite = Info("krakked_sqlite", "The library under the ledger", registry=self.registry)
        sqlite.info({"version": sqlite3.sqlite_version})
        self.wal_bytes = self._gauge("sqlite_wal_bytes", "Size of the write-ahead log")

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"krakked_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"krakked_{name}", what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(
            f"krakked_{name}", what, labels, registry=self.registry, buckets=_SUBMIT_BUCKETS_S
        )

    # what events count

    def _table(self) -> Mapping[EventName, Callable[[Event], None]]:
        return {
            EventName.BAR_CLOSED: lambda e: self.bars.labels(_text(e, "timeframe")).inc(),
            EventName.PLAN_CREATED: lambda _: self.plans.inc(),
            EventName.PLAN_EXPIRED: lambda _: self.plans_expired.inc(),
            EventName.RISK_BLOCK: lambda e: self.risk_blocks.labels(_text(e, "strategy_id")).inc(),
            EventName.ORDER_SENT: self._count_sent,
            EventName.ORDER_REJECTED: lambda e: self.orders_rejected.labels(_text(e, "pair")).inc(),
            EventName.ORDER_ERROR: lambda e: self.order_errors.labels(_text(e, "pair")).inc(),
            EventName.ORDER_ENDED: self._count_ended,
            EventName.FILL_BOOKED: self._count_fill,
            EventName.POSITION_STOPPED: lambda _: self.stops.inc(),
            EventName.KILL_SWITCH_ACTIVATED: lambda _: self.kill_switch.set(1),
            EventName.KILL_SWITCH_CLEARED: lambda _: self.kill_switch.set(0),
            EventName.DRIFT_FOUND: lambda _: self.drift.set(1),
            EventName.DRIFT_CLEARED: lambda _: self.drift.set(0),
            EventName.RECONCILED: lambda e: self.reconciled.set(_seconds(e)),
            EventName.MARKET_DATA_UNAVAILABLE: lambda _: self.unavailable.inc(),
            EventName.MALFORMED_FRAME: lambda _: self.malformed.inc(),
            EventName.CONNECTION_LOST: lambda e: self._lost.add(_text(e, "stream")),
            EventName.CONNECTION_RESTORED: self._count_restored,
            EventName.DEAD_MAN_REFRESHED: self._note_refresh,
            EventName.DEAD_MAN_FAILED: lambda _: self.dead_man_failures.inc(),
            EventName.DEAD_MAN_FIRED: self._note_fired,
            EventName.EXCHANGE_FENCED: lambda _: self.fenced.inc(),
            EventName.EXCHANGE_DEGRADED: lambda _: self.degradations.inc(),
            EventName.EQUITY_MARKED: self._note_equity,
            EventName.COMMAND_DONE: lambda e: self._count_command(e, "done"),
            EventName.COMMAND_REFUSED: lambda e: self._count_command(e, "refused"),
        }

    def _count_sent(self, event: Event) -> None:
        kind = "market" if event.fields.get("limit_price") is None else "limit"
        self.orders_submitted.labels(_text(event, "pair"), _text(event, "side"), kind).inc()

    def _count_ended(self, event: Event) -> None:
        if event.fields.get("status") == "filled":
            self.orders_filled.labels(_text(event, "pair"), _text(event, "side")).inc()

    def _count_fill(self, event: Event) -> None:
        self.fills.labels(_text(event, "pair"), _text(event, "side")).inc()

    def _count_restored(self, event: Event) -> None:
        """The first time is no reconnect."""
        stream = _text(event, "stream")
        if stream in self._lost:
            self._lost.discard(stream)
            self.reconnects.labels(stream).inc()

    def _count_command(self, event: Event, outcome: str) -> None:
        self.commands.labels(_text(event, "command"), outcome).inc()

    def _note_refresh(self, event: Event) -> None:
        expires_s = _number(event, "expires_at_s")
        self.dead_man_refreshed.set(_seconds(event))
        self.dead_man_expires.set(expires_s)
        self.dead_man_armed.set(1 if expires_s else 0)

    def _note_fired(self, _: Event) -> None:
        self.dead_man_fired.inc()
        self.dead_man_armed.set(0)

    def _note_equity(self, event: Event) -> None:
        for gauge, name in (
            (self.equity, "equity"),
            (self.cash, "cash"),
            (self.unrealized, "unrealized"),
            (self.realized, "realized"),
        ):
            gauge.labels(self._currency).set(_number(event, name))

    # what figures set

    def _show_orders(self, figures: Figures) -> None:
        self.open_orders.set(figures.open_orders)
        self.orders_unknown.set(figures.orders_unknown)
        self.mismatches.set(figures.mismatches)
        self.without_exit.set(figures.positions_without_exit)
        held = figures.positions.items()
        self._show_only(
            self.positions, {(at.strategy_id, at.pair): float(held_base) for at, held_base in held}
        )

    def _show_state(self, figures: Figures) -> None:
        self.engine_ready.set(figures.is_ready)
        self.engine_fenced.set(figures.is_fenced)
        self.is_leader.set(figures.is_leader)
        self.leader_epoch.set(figures.epoch)
        self.leader_renewed.set(figures.last_renew_ns / NS_PER_SECOND)
        self.leader_authority.set(figures.authority_s)
        self._show_only(self.engine_mode, {(figures.mode,): 1})
        self._show_only(self.degraded, {(what,): 1 for what in figures.degraded})
        if figures.daily_realized is not None:
            self.daily_realized.labels(self._currency).set(float(figures.daily_realized))
        if figures.daily_drawdown_pct is not None:
            self.daily_drawdown.set(float(figures.daily_drawdown_pct / 100))

    def _show_only(self, gauge: Gauge, series: Series) -> None:
        """These and no others; what has not changed costs nothing, for most of it never does."""
        before = self._shown.get(gauge, {})
        for labels in before.keys() - series.keys():
            gauge.remove(*labels)
        for labels, value in series.items():
            if before.get(labels) != value:
                gauge.labels(*labels).set(value)
        self._shown[gauge] = series

    def _show_market(self, figures: Figures) -> None:
        self.stale_pairs.set(figures.stale_pairs)
        for feed, at_ns in figures.last_message_ns.items():
            self.last_message.labels(feed).set(at_ns / NS_PER_SECOND)
        for counter, left in figures.rate_limit_headroom.items():
            self.headroom.labels(counter).set(left)
        if figures.loop_lag_s is not None:
            self.loop_lag.set(figures.loop_lag_s)


def _text(event: Event, name: str) -> str:
    return str(event.fields.get(name) or "none")


def _number(event: Event, name: str) -> float:
    return float(str(event.fields.get(name) or 0))


def _seconds(event: Event) -> float:
    return event.at_ns / NS_PER_SECOND
