"""The timing contract of ownership, as the settings say it (``trading/timings.py``)."""

from __future__ import annotations

from krakked.runtime.settings.models import Settings
from krakked.trading.timings import Timings


def timings_of(settings: Settings) -> Timings:
    """As they are written; the pace of a run is not in them."""
    leader, execution = settings.leader, settings.execution
    return Timings(
        lease_duration_s=leader.lease_duration_seconds,
        renew_deadline_s=leader.renew_deadline_seconds,
        retry_period_s=leader.retry_period_seconds,
        request_timeout_s=leader.request_timeout_seconds,
        margin_s=leader.margin_seconds,
        order_deadline_s=execution.deadline_seconds,
        clock_offset_max_s=leader.clock_offset_max_seconds,
        quarantine_s=leader.quarantine_seconds,
        dead_man_timeout_s=execution.dead_man_switch_seconds,
        dead_man_refresh_s=execution.dead_man_refresh_seconds,
        start_budget_s=leader.start_budget_seconds,
    )
