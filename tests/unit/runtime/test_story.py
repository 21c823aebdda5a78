"""The story at a terminal: short lines, nothing twice, trouble in colour."""

from __future__ import annotations

import pytest

from krakked.domain.events import Event, EventName
from krakked.runtime.logs import LEVELS, WARNING
from krakked.runtime.story import Story, line_of

NOON_NS = 1_767_268_800_000_000_000
HOUR_NS = 3_600_000_000_000
ORDER = {
    "plan_id": "000001-x",
    "local_order_id": "1-2",
    "strategy_id": "trend",
    "pair": "XBTUSD",
    "side": "buy",
    "quantity_base": "0.01000000",
    "limit_price": "42000.10",
}


def event(name: EventName, at_ns: int = NOON_NS, **fields: object) -> Event:
    return Event(name=name, at_ns=at_ns, fields=fields)


def told(*events: Event, is_coloured: bool = False) -> list[str]:
    lines: list[str] = []
    story = Story(lines.append, is_coloured=is_coloured)
    for one in events:
        story.listen(one)
    return lines


@pytest.mark.parametrize(
    ("name", "fields", "line"),
    [
        (
            EventName.BAR_CLOSED,
            {"pair": "XBTUSD", "timeframe": "1h", "start_s": 0, "close": "42000.10"},
            "bar       XBTUSD 1h closed at 42000.1",
        ),
        (
            EventName.DECISION_MADE,
            {
                "strategy_id": "trend",
                "pair": "XBTUSD",
                "outcome": "acted",
                "reason": "fast average above slow",
            },
            "decision  trend/XBTUSD acted, fast average above slow",
        ),
        (
            EventName.RISK_BLOCK,
            {
                "strategy_id": "trend",
                "pair": "XBTUSD",
                "outcome": "clamped",
                "reason": "max_per_asset_pct",
            },
            "risk      trend/XBTUSD clamped: max_per_asset_pct",
        ),
        (
            EventName.PLAN_CREATED,
            {"plan_id": "000001-x", "legs": 2, "cause": "cycle"},
            "plan      000001-x: 2 orders: cycle",
        ),
        (EventName.ORDER_SENT, ORDER, "order     trend/XBTUSD buy 0.01 at 42000.1"),
        (
            EventName.ORDER_SENT,
            {**ORDER, "limit_price": None},
            "order     trend/XBTUSD buy 0.01 at market",
        ),
        (
            EventName.ORDER_REJECTED,
            {**ORDER, "kraken_error": "EOrder:Insufficient funds"},
            "rejected  trend/XBTUSD buy 0.01 at 42000.1: EOrder:Insufficient funds",
        ),
        (
            EventName.ORDER_ENDED,
            {**ORDER, "status": "canceled", "filled_base": "0", "reason": "superseded"},
            "ended     trend/XBTUSD canceled, filled 0: superseded",
        ),
        (
            EventName.FILL_BOOKED,
            {**ORDER, "price": "41999.0", "fee": "1.09 USD", "realized_quote": "-1.09"},
            "fill      trend/XBTUSD bought 0.01 at 41999, fee 1.09 USD",
        ),
        (
            EventName.FILL_BOOKED,
            {**ORDER, "side": "sell", "price": "43000", "fee": "1 USD", "realized_quote": "8.911"},
            "fill      trend/XBTUSD sold 0.01 at 43000, fee 1 USD, realized 8.91",
        ),
        (
            EventName.EQUITY_MARKED,
            {"equity": "10012.5", "cash": "9000", "unrealized": "12.5", "realized": "0"},
            "equity    10,012.50 (cash 9,000.00, unrealized 12.50, realized 0.00)",
        ),
        (
            EventName.EQUITY_MARKED,
            {
                "equity": "10012.5",
                "cash": "9000",
                "unrealized": "912.5",
                "realized": "0",
                "unknown_cost": ["ETHUSD", "XBTUSD"],
            },
            "equity    10,012.50 (cash 9,000.00, unrealized 912.50 with ETHUSD XBTUSD of unknown "
            "cost, realized 0.00)",
        ),
        (
            EventName.POSITION_STOPPED,
            {"strategy_id": "trend", "pair": "XBTUSD", "bid": "40000.0", "stop_price": "40100"},
            "stop      trend/XBTUSD bid 40000 has reached its stop 40100",
        ),
        (EventName.CONNECTION_RESTORED, {"stream": "public"}, "stream    public stream connected"),
        (
            EventName.CONNECTION_LOST,
            {"stream": "private", "reason": "silent for 10 s"},
            "stream    private stream lost: silent for 10 s",
        ),
        (
            EventName.KILL_SWITCH_ACTIVATED,
            {"cause": "manual", "reason": "news", "principal": "ann@home"},
            "KILL      kill switch on by ann@home: news",
        ),
        (EventName.HALTED, {"principal": "ann@home", "reason": ""}, "halt      halted by ann@home"),
        (
            EventName.DRIFT_FOUND,
            {"difference": "balance XBT: ours 1, theirs 2"},
            "DRIFT     books and venue differ: balance XBT: ours 1, theirs 2",
        ),
        (EventName.ENGINE_STARTED, {}, "engine    trading"),
        (
            EventName.NOTICE,
            {"pair": "XBTUSD", "status": "cancel_only"},
            "notice    XBTUSD is in cancel_only at the venue",
        ),
        (
            EventName.NOTICE,
            {"venue_status": "maintenance"},
            "notice    the venue is in maintenance",
        ),
        (
            EventName.NOTICE,
            {"foreign_order": "O1", "order": "buy 1 XBTUSD"},
            "notice    order O1 at the venue is not krakked's: buy 1 XBTUSD",
        ),
        (
            EventName.NOTICE,
            {"pruned": {"snapshots": 12, "events": 3}},
            "notice    old records removed: 12 snapshots, 3 events",
        ),
        (EventName.CAUTION, {"pair": "XBTUSD", "reason": "look"}, "caution   look"),
        (
            EventName.CASH_FLOW_BOOKED,
            {"kind": "deposit", "asset": "USD", "amount": "10000.0000", "ledger_id": "L1"},
            "flow      deposit of 10000 USD",
        ),
        (
            EventName.CASH_FLOW_BOOKED,
            {"kind": "withdrawal", "asset": "XBT", "amount": "-0.5", "ledger_id": "L2"},
            "flow      withdrawal of 0.5 XBT",
        ),
        (
            EventName.CASH_FLOW_BOOKED,
            {"kind": "adjustment", "asset": "XBT", "amount": "-0.5", "ledger_id": "L2"},
            "flow      adjustment of -0.5 XBT",
        ),
        (
            EventName.DAY_ROLLED,
            {"day": 20454, "baseline_equity": "10012.5"},
            "day       2026-01-01 begins with equity 10,012.50",
        ),
        (
            EventName.PLAN_EXPIRED,
            {"plan_id": "000001-x", "cause": "cycle", "legs": 3, "unsent": 2},
            "expired   000001-x grew too old, 2 of its orders not sent",
        ),
        (
            EventName.ORDER_RESOLVED,
            {**ORDER, "outcome": "absent"},
            "resolved  trend/XBTUSD buy 0.01 at 42000.1: in doubt no longer, the venue never",
        ),
        (
            EventName.ORDER_ADOPTED,
            {**ORDER, "reason": "placed by an owner with another ledger"},
            "adopted   trend/XBTUSD buy 0.01 at 42000.1: placed by an owner with another ledger",
        ),
        (
            EventName.COMMAND_DONE,
            {"command": "SetKillSwitch", "principal": "ann@home", "message": "it is on"},
            "command   set kill switch by ann@home: it is on",
        ),
        (
            EventName.COMMAND_REFUSED,
            {"command": "Cancel", "principal": "ann@home", "message": "no such order"},
            "refused   cancel by ann@home: no such order",
        ),
        (
            EventName.TASK_FAILED,
            {"task": "feed", "reason": "no route"},
            "FAILED    task feed failed: no route",
        ),
    ],
)
def test_event_is_told_in_one_short_line(
    name: EventName, fields: dict[str, object], line: str
) -> None:
    assert line_of(event(name, **fields)).startswith(f"2026-01-01 12:00  {line}")


@pytest.mark.parametrize(
    ("name", "fields", "line"),
    [
        (EventName.STAGE_DONE, {"stage": "database", "seconds": 0.1234}, "[ok] database  0.12 s"),
        (
            EventName.STAGE_DONE,
            {"stage": "keys valid", "seconds": 0.0, "skipped": "paper has no Kraken keys"},
            "[skipped] keys valid: paper has no Kraken keys",
        ),
        (
            EventName.STAGE_FAILED,
            {"stage": "venue reachable", "seconds": 5.0, "reason": "no route"},
            "[failed] venue reachable  5.0 s: no route",
        ),
    ],
)
def test_stage_is_told_without_the_clock(
    name: EventName, fields: dict[str, object], line: str
) -> None:
    assert line_of(event(name, **fields)) == line


def test_every_event_can_be_told_even_with_no_fields_at_all() -> None:
    for name in EventName:
        line = line_of(event(name))
        assert line == line.rstrip()
        assert "\n" not in line


def test_no_event_is_told_by_the_names_of_its_fields() -> None:
    fields = {"some_field": "1", "another_field": "2"}
    raw = [
        name.value
        for name in EventName
        if "some_field" in line_of(event(name, **fields)) and told(event(name, **fields))
    ]
    # What nobody foresaw of those two is shown rather than hidden.
    assert raw == ["notice", "caution"], "give it a telling of its own"


def test_what_repeats_without_news_is_left_out() -> None:
    quiet = [
        event(EventName.ORDER_ACKED, **ORDER),
        event(EventName.DEAD_MAN_REFRESHED),
        event(EventName.RECONCILED),
        event(EventName.STRATEGY_CYCLE),
        event(EventName.NOTICE, pair="XBTUSD", status="online"),
        event(EventName.NOTICE, venue_status="online"),
    ]
    assert told(*quiet) == []


def test_nothing_that_needs_attention_is_left_out() -> None:
    loud = [name for name in EventName if LEVELS[name] >= WARNING]
    missing = [n for n in loud if not told(event(n)) and n is not EventName.MALFORMED_FRAME]
    assert missing == []


def test_universe_is_told_with_the_number_of_each_reason_when_pairs_are_left_out() -> None:
    fields = {"pairs": 3, "left_out": 5, "because": {"not online": 1, "turnover too small": 4}}
    (line,) = told(event(EventName.UNIVERSE_CHOSEN, **fields))
    assert line.endswith("universe  3 pairs, 5 left out: 1 not online, 4 turnover too small")
    assert told(event(EventName.UNIVERSE_CHOSEN, pairs=3, left_out=0, because={})) == []
    assert told(event(EventName.PAIR_LEFT_OUT, pair="ADAUSD", reason="named")) == []


def test_order_that_was_only_checked_is_told_as_such() -> None:
    (line,) = told(event(EventName.ORDER_VALIDATED, **ORDER, reason="nothing was placed"))
    assert " checked " in line
    assert line.endswith(": nothing was placed")


def test_venue_that_is_not_online_is_told() -> None:
    assert len(told(event(EventName.NOTICE, venue_status="maintenance"))) == 1


def test_equity_is_told_once_an_hour() -> None:
    marks = [
        event(EventName.EQUITY_MARKED, NOON_NS + minutes * HOUR_NS // 60, equity=str(minutes))
        for minutes in (0, 1, 59, 60, 61, 121)
    ]
    assert [line.split()[3] for line in told(*marks)] == ["0.00", "60.00", "121.00"]


def test_equity_is_told_again_after_a_fill() -> None:
    mark = event(EventName.EQUITY_MARKED, equity="1")
    words = [line.split()[2] for line in told(mark, event(EventName.FILL_BOOKED, **ORDER), mark)]
    assert words == ["equity", "fill", "equity"]


def test_colour_marks_fills_and_trouble_and_nothing_else() -> None:
    lines = told(
        event(EventName.FILL_BOOKED, **ORDER),
        event(EventName.HALTED),
        event(EventName.ORDER_ERROR, **ORDER),
        event(EventName.KILL_SWITCH_ACTIVATED),
        event(EventName.ORDER_SENT, **ORDER),
        is_coloured=True,
    )
    starts = ["\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1;31m"]
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=False))
    assert all(line.endswith("\x1b[0m") for line in lines[:4])
    assert "\x1b" not in lines[4]


def test_story_without_colour_has_no_escapes() -> None:
    assert "\x1b" not in "".join(told(event(EventName.KILL_SWITCH_ACTIVATED)))


@pytest.mark.parametrize(
    ("holder", "shown"),
    [
        ("vm_812-18a9f_812-18a9f", "vm_812-18a9f"),
        ("vm_812-18a9f_813-18a9f", "vm_812-18a9f_813-18a9f"),
        ("krakked-0_5d7e_812-18a9f", "krakked-0_5d7e_812-18a9f"),
    ],
)
def test_holder_whose_process_stands_for_its_uid_is_named_without_saying_it_twice(
    holder: str, shown: str
) -> None:
    reason = f"{holder} owns the account, epoch 2"
    told = line_of(Event(name=EventName.NOTICE, at_ns=0, fields={"reason": reason}))
    assert told.endswith(f" {shown} owns the account, epoch 2")
