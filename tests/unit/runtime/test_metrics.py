"""Metrics: fed by events, figures and durations; named as Prometheus wants them."""

from __future__ import annotations

import re
import sqlite3
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from krakked.adapters.kraken.observers import Observer
from krakked.domain.events import Event, EventName
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.positions import Sleeve
from krakked.runtime.metrics import BARE_NAMES, Figures, Metrics

AT_NS = 1_767_225_600_500_000_000
TREND = Sleeve(StrategyId("trend"), PairName("XBTUSD"))
BASKET = Sleeve(StrategyId("basket"), PairName("ETHUSD"))

USED_BY_ALERTS = (
    "krakked_build_info",
    "krakked_leader_is_leader",
    "krakked_leader_epoch",
    "krakked_leader_last_renew_timestamp_seconds",
    "krakked_leader_authority_remaining_seconds",
    "krakked_leader_renew_duration_seconds",
    "krakked_leader_renew_failures_total",
    "krakked_leader_transitions_total",
    "krakked_engine_state",
    "krakked_submit_guard_rejections_total",
    "krakked_exchange_fenced_total",
    "krakked_deadman_armed",
    "krakked_deadman_last_refresh_timestamp_seconds",
    "krakked_deadman_fired_total",
    "krakked_open_orders",
    "krakked_engine_mode",
    "krakked_orders_unknown",
    "krakked_reconcile_mismatches",
    "krakked_reconcile_last_success_timestamp_seconds",
    "krakked_orders_rejected_total",
    "krakked_orders_submitted_total",
    "krakked_order_submit_duration_seconds",
    "krakked_kill_switch_active",
    "krakked_market_data_last_message_timestamp_seconds",
    "krakked_exchange_clock_offset_seconds",
    "krakked_event_loop_lag_seconds",
    "krakked_sqlite_wal_bytes",
    "krakked_sqlite_errors_total",
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(environment="paper")


def event(name: EventName, **fields: object) -> Event:
    return Event(name=name, at_ns=AT_NS, fields=fields)


def names_of(metrics: Metrics) -> set[str]:
    """The names as they stand on the page, counters with their ending."""
    page = metrics.page().decode()
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(page)
    }


@pytest.mark.parametrize(
    ("name", "fields", "sample", "labels"),
    [
        (EventName.PLAN_CREATED, {"plan_id": "x"}, "krakked_plans_total", {}),
        (EventName.PLAN_EXPIRED, {}, "krakked_plans_expired_total", {}),
        (EventName.EXCHANGE_FENCED, {"reason": "x"}, "krakked_exchange_fenced_total", {}),
        (
            EventName.RISK_BLOCK,
            {"strategy_id": "trend", "pair": "XBTUSD", "reason": "drift"},
            "krakked_risk_blocks_total",
            {"strategy_id": "trend"},
        ),
        (
            EventName.ORDER_SENT,
            {"pair": "XBTUSD", "side": "buy", "limit_price": "1"},
            "krakked_orders_submitted_total",
            {"pair": "XBTUSD", "side": "buy", "type": "limit"},
        ),
        (
            EventName.ORDER_SENT,
            {"pair": "XBTUSD", "side": "sell", "limit_price": None},
            "krakked_orders_submitted_total",
            {"pair": "XBTUSD", "side": "sell", "type": "market"},
        ),
        (
            EventName.ORDER_REJECTED,
            {"pair": "XBTUSD"},
            "krakked_orders_rejected_total",
            {"pair": "XBTUSD"},
        ),
        (
            EventName.ORDER_ERROR,
            {"local_order_id": "x"},
            "krakked_order_errors_total",
            {"pair": "none"},
        ),
        (
            EventName.ORDER_ENDED,
            {"pair": "XBTUSD", "side": "buy", "status": "filled"},
            "krakked_orders_filled_total",
            {"pair": "XBTUSD", "side": "buy"},
        ),
        (
            EventName.FILL_BOOKED,
            {"pair": "XBTUSD", "side": "buy"},
            "krakked_fills_total",
            {"pair": "XBTUSD", "side": "buy"},
        ),
        (
            EventName.BAR_CLOSED,
            {"timeframe": "1h"},
            "krakked_bars_closed_total",
            {"timeframe": "1h"},
        ),
        (EventName.POSITION_STOPPED, {}, "krakked_positions_stopped_total", {}),
        (EventName.MALFORMED_FRAME, {}, "krakked_ws_malformed_frames_total", {}),
        (EventName.MARKET_DATA_UNAVAILABLE, {}, "krakked_market_data_unavailable_total", {}),
        (EventName.DEAD_MAN_FAILED, {}, "krakked_deadman_refresh_failures_total", {}),
        (EventName.DEAD_MAN_FIRED, {}, "krakked_deadman_fired_total", {}),
        (EventName.EXCHANGE_DEGRADED, {}, "krakked_exchange_degraded_total", {}),
        (
            EventName.COMMAND_DONE,
            {"command": "Halt"},
            "krakked_commands_total",
            {"command": "Halt", "outcome": "done"},
        ),
        (
            EventName.COMMAND_REFUSED,
            {"command": "Halt"},
            "krakked_commands_total",
            {"command": "Halt", "outcome": "refused"},
        ),
    ],
)
def test_event_is_counted_once(
    metrics: Metrics,
    name: EventName,
    fields: dict[str, object],
    sample: str,
    labels: dict[str, str],
) -> None:
    metrics.listen(event(name, **fields))
    assert metrics.value(sample, **labels) == 1
    metrics.listen(event(name, **fields))
    assert metrics.value(sample, **labels) == 2


def test_order_that_ends_unfilled_is_not_counted_as_filled(metrics: Metrics) -> None:
    metrics.listen(event(EventName.ORDER_ENDED, pair="X", side="buy", status="canceled"))
    assert metrics.value("krakked_orders_filled_total", pair="X", side="buy") is None


@pytest.mark.parametrize(
    ("on", "off", "sample"),
    [
        (
            EventName.KILL_SWITCH_ACTIVATED,
            EventName.KILL_SWITCH_CLEARED,
            "krakked_kill_switch_active",
        ),
        (EventName.DRIFT_FOUND, EventName.DRIFT_CLEARED, "krakked_portfolio_drift"),
    ],
)
def test_flag_goes_on_and_off(metrics: Metrics, on: EventName, off: EventName, sample: str) -> None:
    assert metrics.value(sample) == 0
    metrics.listen(event(on))
    assert metrics.value(sample) == 1
    metrics.listen(event(off))
    assert metrics.value(sample) == 0


def test_first_connection_is_no_reconnect(metrics: Metrics) -> None:
    metrics.listen(event(EventName.CONNECTION_RESTORED, stream="public"))
    assert metrics.value("krakked_ws_reconnects_total", feed="public") is None
    metrics.listen(event(EventName.CONNECTION_LOST, stream="public"))
    metrics.listen(event(EventName.CONNECTION_RESTORED, stream="private"))
    metrics.listen(event(EventName.CONNECTION_RESTORED, stream="public"))
    assert metrics.value("krakked_ws_reconnects_total", feed="public") == 1
    assert metrics.value("krakked_ws_reconnects_total", feed="private") is None


def test_dead_man_is_armed_by_a_refresh_and_gone_when_it_fired(metrics: Metrics) -> None:
    assert metrics.value("krakked_deadman_armed") == 0
    metrics.listen(event(EventName.DEAD_MAN_REFRESHED, expires_at_s=1_767_225_660))
    assert metrics.value("krakked_deadman_armed") == 1
    assert metrics.value("krakked_deadman_expires_timestamp_seconds") == 1_767_225_660
    assert metrics.value("krakked_deadman_last_refresh_timestamp_seconds") == 1_767_225_600.5
    metrics.listen(event(EventName.DEAD_MAN_FIRED))
    assert metrics.value("krakked_deadman_armed") == 0


def test_dead_man_that_was_disarmed_is_not_armed(metrics: Metrics) -> None:
    metrics.listen(event(EventName.DEAD_MAN_REFRESHED, expires_at_s=0))
    assert metrics.value("krakked_deadman_armed") == 0


def test_equity_is_told_by_currency(metrics: Metrics) -> None:
    metrics.listen(
        event(
            EventName.EQUITY_MARKED, equity="10012.5", cash="9000", unrealized="-3", realized="15.5"
        )
    )
    assert metrics.value("krakked_account_equity", currency="USD") == 10012.5
    assert metrics.value("krakked_account_cash", currency="USD") == 9000
    assert metrics.value("krakked_pnl_unrealized", currency="USD") == -3
    assert metrics.value("krakked_pnl_realized", currency="USD") == 15.5


def test_reconciliation_leaves_its_time(metrics: Metrics) -> None:
    metrics.listen(event(EventName.RECONCILED))
    sample = "krakked_reconcile_last_success_timestamp_seconds"
    assert metrics.value(sample) == 1_767_225_600.5


def test_event_that_counts_nothing_is_heard_without_harm(metrics: Metrics) -> None:
    for name in EventName:
        metrics.listen(event(name))


def test_figures_set_the_gauges(metrics: Metrics) -> None:
    metrics.show(
        Figures(
            mode="paper",
            is_ready=True,
            open_orders=3,
            orders_unknown=1,
            stale_pairs=2,
            mismatches=4,
            positions={TREND: Decimal("0.5"), BASKET: Decimal(2)},
            positions_without_exit=1,
            daily_realized=Decimal("-1.5"),
            daily_drawdown_pct=Decimal("2.5"),
            rate_limit_headroom={"rest": 0.75},
            last_message_ns={"public": AT_NS},
            loop_lag_s=0.01,
            degraded=("exchange",),
        )
    )
    expected = {
        ("krakked_open_orders",): 3,
        ("krakked_orders_unknown",): 1,
        ("krakked_market_data_stale_pairs",): 2,
        ("krakked_reconcile_mismatches",): 4,
        ("krakked_positions_without_exit",): 1,
        ("krakked_engine_ready",): 1,
        ("krakked_engine_fenced",): 0,
        ("krakked_daily_drawdown_ratio",): 0.025,
        ("krakked_event_loop_lag_seconds",): 0.01,
    }
    for (sample,), value in expected.items():
        assert metrics.value(sample) == value, sample
    assert metrics.value("krakked_engine_mode", mode="paper") == 1
    assert metrics.value("krakked_daily_realized_pnl", currency="USD") == -1.5
    assert metrics.value("krakked_engine_degraded", what="exchange") == 1
    assert metrics.value("krakked_exchange_ratelimit_headroom_ratio", counter="rest") == 0.75
    assert (
        metrics.value("krakked_market_data_last_message_timestamp_seconds", feed="public")
        == 1_767_225_600.5
    )


def test_position_that_was_closed_and_trouble_that_passed_leave_the_page(
    metrics: Metrics,
) -> None:
    metrics.show(Figures(mode="paper", positions={TREND: Decimal(1)}, degraded=("exchange",)))
    metrics.show(Figures(mode="dry_run", positions={BASKET: Decimal(2)}))
    quantity = "krakked_position_quantity"
    assert metrics.value(quantity, strategy_id="trend", pair="XBTUSD") is None
    assert metrics.value(quantity, strategy_id="basket", pair="ETHUSD") == 2
    assert metrics.value("krakked_engine_mode", mode="paper") is None
    assert metrics.value("krakked_engine_degraded", what="exchange") is None


def test_position_is_shown_as_it_is_now_however_often_it_changes_and_comes_back(
    metrics: Metrics,
) -> None:
    for quantity in (Decimal(1), Decimal(1), Decimal(3), None, Decimal(1), None, Decimal(1)):
        held = {} if quantity is None else {TREND: quantity, BASKET: Decimal(5)}
        metrics.show(Figures(mode="paper", positions=held))
        for strategy_id, pair, shown in (
            ("trend", "XBTUSD", quantity),
            ("basket", "ETHUSD", None if quantity is None else Decimal(5)),
        ):
            name = "krakked_position_quantity"
            assert metrics.value(name, strategy_id=strategy_id, pair=pair) == shown


def test_figure_that_is_not_known_leaves_its_gauge(metrics: Metrics) -> None:
    metrics.show(Figures(mode="paper", loop_lag_s=0.5, daily_realized=Decimal(7)))
    metrics.show(Figures(mode="paper"))
    assert metrics.value("krakked_event_loop_lag_seconds") == 0.5
    assert metrics.value("krakked_daily_realized_pnl", currency="USD") == 7


def test_offset_of_the_clock_is_the_last_one_told(metrics: Metrics) -> None:
    metrics.observe_clock_offset(0.5)
    metrics.observe_clock_offset(-0.25)
    assert metrics.value("krakked_exchange_clock_offset_seconds") == -0.25


def test_size_of_the_log_is_asked_for_with_each_page(metrics: Metrics) -> None:
    sizes = [4096, 8192]
    metrics.watch_wal(lambda: sizes.pop(0))
    assert metrics.value("krakked_sqlite_wal_bytes") == 4096
    assert b"krakked_sqlite_wal_bytes 8192.0" in metrics.page()


def test_library_under_the_ledger_is_named(metrics: Metrics) -> None:
    assert metrics.value("krakked_sqlite_info", version=sqlite3.sqlite_version) == 1


def test_durations_are_read_off_events(metrics: Metrics) -> None:
    metrics.listen(event(EventName.PLAN_CREATED, plan_id="p", legs=1))
    metrics.listen(event(EventName.ORDER_SENT, plan_id="p", local_order_id="o", pair="XBTUSD"))
    metrics.listen(event(EventName.ORDER_ACKED, plan_id="p", local_order_id="o"))
    metrics.listen(event(EventName.RECONCILED, differences=0, seconds=0.25))
    for sample in ("order_submit_duration", "intent_to_submit", "plan_duration"):
        assert metrics.value(f"krakked_{sample}_seconds_count") == 1, sample
    assert metrics.value("krakked_reconcile_duration_seconds_sum") == 0.25


def test_durations_fall_into_buckets(metrics: Metrics) -> None:
    metrics.observe_submit(0.03)
    metrics.observe_intent_to_submit(0.004)
    metrics.observe_plan(0.3)
    metrics.observe_reconcile(1.5)
    metrics.observe_write(0.0015)
    for sample, bound in (
        ("krakked_order_submit_duration_seconds", "0.05"),
        ("krakked_intent_to_submit_seconds", "0.005"),
        ("krakked_plan_duration_seconds", "0.5"),
        ("krakked_reconcile_duration_seconds", "2.0"),
        ("krakked_sqlite_write_duration_seconds", "0.002"),
    ):
        assert metrics.value(f"{sample}_bucket", le=bound) == 1, sample
        assert metrics.value(f"{sample}_count") == 1, sample


def test_failed_write_is_counted(metrics: Metrics) -> None:
    metrics.observe_write(0.1)
    assert metrics.value("krakked_sqlite_errors_total", op="write") is None
    metrics.observe_write(0.1, failed=True)
    assert metrics.value("krakked_sqlite_errors_total", op="write") == 1


def test_adapter_of_the_venue_is_heard(metrics: Metrics) -> None:
    observer: Observer = metrics
    observer.on_request("AddOrder", 0.03, "ok")
    observer.on_request("AddOrder", 0.03, "transient")
    observer.on_malformed("rest", "not a number")
    observer.on_connection("public", "lost", "silent for 10 s")
    observer.on_subscription_refused("ticker", "XBT/USD", "no")
    count = "krakked_exchange_request_duration_seconds_count"
    assert metrics.value(count, endpoint="AddOrder") == 2
    errors = "krakked_exchange_errors_total"
    assert metrics.value(errors, endpoint="AddOrder", code="transient") == 1
    assert metrics.value(errors, endpoint="AddOrder", code="ok") is None
    assert metrics.value("krakked_exchange_malformed_parts_total", source="rest") == 1
    changes = "krakked_exchange_connection_changes_total"
    assert metrics.value(changes, stream="public", event="lost") == 1
    assert metrics.value("krakked_exchange_subscriptions_refused_total", channel="ticker") == 1


def test_short_names_lead_to_metrics_that_there_are(metrics: Metrics) -> None:
    assert set(BARE_NAMES.values()) <= names_of(metrics)
    assert {
        "market_data_stale_pairs_count",
        "portfolio_drift_flag",
        "kill_switch_active",
        "order_error",
        "order_rejected",
    } <= set(BARE_NAMES)


def test_metrics_that_alerts_read_are_there(metrics: Metrics) -> None:
    assert set(USED_BY_ALERTS) <= names_of(metrics)
    assert (
        metrics.value("krakked_build_info", component="engine", version="0.7.0", env="paper") == 1
    )


def test_names_keep_the_rules(metrics: Metrics) -> None:
    for family in metrics.registry.collect():
        assert re.fullmatch(r"krakked_[a-z0-9_]+", family.name), family.name
        assert family.documentation
        assert not family.name.endswith(("_ms", "_milliseconds", "_percent", "_count"))
        assert not (family.type == "gauge" and family.name.endswith("_total"))
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_no_label_can_grow_without_bound(metrics: Metrics) -> None:
    for name in EventName:
        metrics.listen(
            event(
                name,
                plan_id="000001-secret",
                local_order_id="local-secret",
                kraken_order_id="O-secret",
                trade_id="T-secret",
                reason="secret",
            )
        )
    assert "secret" not in metrics.page().decode()


def test_page_has_no_created_series(metrics: Metrics) -> None:
    metrics.listen(event(EventName.PLAN_CREATED))
    assert "_created" not in metrics.page().decode()


def test_renewals_leave_their_time_and_what_stood_in_their_way(metrics: Metrics) -> None:
    metrics.observe_renewal(0.25, None)
    metrics.observe_renewal(3.0, "unreachable")
    assert metrics.value("krakked_leader_renew_duration_seconds_count") == 2
    assert metrics.value("krakked_leader_renew_duration_seconds_sum") == 3.25
    failures = "krakked_leader_renew_failures_total"
    assert metrics.value(failures, reason="unreachable") == 1
    assert metrics.value(failures, reason="conflict") is None


def test_phase_is_one_at_a_time_and_its_changes_add_up(metrics: Metrics) -> None:
    for before, phase in (("leading", "frozen"), ("frozen", "leading"), ("leading", "frozen")):
        metrics.note_phase(before, phase)
    assert metrics.value("krakked_engine_state", state="frozen") == 1
    assert metrics.value("krakked_engine_state", state="leading") is None
    moved = metrics.registry.get_sample_value
    name = "krakked_leader_transitions_total"
    assert moved(name, {"from": "leading", "to": "frozen"}) == 2
    assert moved(name, {"from": "frozen", "to": "leading"}) == 1


def test_what_is_held_back_before_the_wire_is_counted_by_its_reason(metrics: Metrics) -> None:
    for reason in ("lease_expired", "clock", "lease_expired"):
        metrics.count_veto(reason)
    name = "krakked_submit_guard_rejections_total"
    assert metrics.value(name, reason="lease_expired") == 2
    assert metrics.value(name, reason="clock") == 1


def test_figures_show_who_owns_the_account_and_for_how_long(metrics: Metrics) -> None:
    metrics.show(Figures(is_leader=True, epoch=7, last_renew_ns=AT_NS, authority_s=8.5))
    assert metrics.value("krakked_leader_is_leader") == 1
    assert metrics.value("krakked_leader_epoch") == 7
    assert metrics.value("krakked_leader_last_renew_timestamp_seconds") == AT_NS / 10**9
    assert metrics.value("krakked_leader_authority_remaining_seconds") == 8.5
