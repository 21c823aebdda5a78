"""Events: what happened, past tense, a closed set; they leave through the outbox.

The value is the name in logs, on the stream and for people; the document's names
(``strategy_cycle risk_block order_error kill_switch_activated market_data_unavailable``) are kept.
"""

from __future__ import annotations

import enum

import msgspec


class EventName(enum.Enum):
    """Every event; a log line carries one of these."""

    ENGINE_STARTED = "engine_started"
    ENGINE_STOPPED = "engine_stopped"
    STAGE_DONE = "stage_done"
    STAGE_FAILED = "stage_failed"
    TASK_FAILED = "task_failed"
    UNIVERSE_CHOSEN = "universe_chosen"
    PAIR_LEFT_OUT = "pair_left_out"
    BAR_CLOSED = "bar_closed"
    STRATEGY_CYCLE = "strategy_cycle"
    DECISION_MADE = "decision_made"
    RISK_BLOCK = "risk_block"
    PLAN_CREATED = "plan_created"
    PLAN_EXPIRED = "plan_expired"
    ORDER_SENT = "order_sent"
    ORDER_ACKED = "order_acked"
    ORDER_REJECTED = "order_rejected"
    ORDER_VALIDATED = "order_validated"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_RESOLVED = "order_resolved"
    ORDER_ADOPTED = "order_adopted"
    ORDER_CANCEL_SENT = "order_cancel_sent"
    ORDER_ENDED = "order_ended"
    ORDER_ERROR = "order_error"
    FILL_BOOKED = "fill_booked"
    CASH_FLOW_BOOKED = "cash_flow_booked"
    POSITION_STOPPED = "position_stopped"
    KILL_SWITCH_ACTIVATED = "kill_switch_activated"
    KILL_SWITCH_CLEARED = "kill_switch_cleared"
    HALTED = "halted"
    RESUMED = "resumed"
    DRIFT_FOUND = "drift_found"
    DRIFT_CLEARED = "drift_cleared"
    RECONCILED = "reconciled"
    MARKET_DATA_UNAVAILABLE = "market_data_unavailable"
    MARKET_DATA_RESTORED = "market_data_restored"
    MALFORMED_FRAME = "malformed_frame"
    CONNECTION_LOST = "connection_lost"
    CONNECTION_RESTORED = "connection_restored"
    DEAD_MAN_REFRESHED = "dead_man_refreshed"
    DEAD_MAN_FAILED = "dead_man_failed"
    DEAD_MAN_FIRED = "dead_man_fired"
    EXCHANGE_FENCED = "exchange_fenced"
    EXCHANGE_RETRIED = "exchange_retried"
    EXCHANGE_DEGRADED = "exchange_degraded"
    EXCHANGE_RESTORED = "exchange_restored"
    EQUITY_MARKED = "equity_marked"
    DAY_ROLLED = "day_rolled"
    COMMAND_DONE = "command_done"
    COMMAND_REFUSED = "command_refused"
    NOTICE = "notice"
    CAUTION = "caution"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    name: EventName
    at_ns: int
    fields: dict[str, object]
    """Ids by the document's names: plan_id local_order_id kraken_order_id strategy_id pair."""
    sequence: int = 0
    """Outbox sequence; 0 before it is stored."""
