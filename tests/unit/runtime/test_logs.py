"""One line for each event, by one formatter, without secrets."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog

from krakked.domain.events import Event, EventName
from krakked.runtime import logs
from krakked.runtime.logs import LogOptions, Redactor

NOW_NS = 1_767_225_600_123_456_789
SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
DIGEST = "ab" * 32


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging is one for the process: leave it as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def configured(**options: Any) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(LogOptions(**options), now_ns=lambda: NOW_NS, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def event(name: EventName, **fields: object) -> Event:
    return Event(name=name, at_ns=NOW_NS, fields=fields)


def test_event_becomes_one_json_line_with_the_documents_names() -> None:
    stream = configured(environment="paper")
    logs.event_listener()(
        event(EventName.RISK_BLOCK, pair="XBTUSD", strategy_id="trend", reason="max_per_asset_pct")
    )
    assert lines(stream) == [
        {
            "time": "2026-01-01T00:00:00.123456Z",
            "level": "warning",
            "event": "risk_block",
            "env": "paper",
            "pair": "XBTUSD",
            "strategy_id": "trend",
            "reason": "max_per_asset_pct",
        }
    ]


def test_identifying_fields_keep_their_names_and_empty_ones_are_left_out() -> None:
    stream = configured()
    logs.event_listener()(
        event(
            EventName.ORDER_SENT,
            plan_id="000001-x",
            local_order_id="1-2",
            kraken_order_id=None,
            strategy_id="trend",
            userref=7,
        )
    )
    (line,) = lines(stream)
    assert {"plan_id", "local_order_id", "strategy_id", "userref", "env"} < set(line)
    assert "kraken_order_id" not in line


def test_event_keeps_its_own_time_and_its_outbox_number() -> None:
    stream = configured()
    logs.event_listener()(
        Event(name=EventName.HALTED, at_ns=NOW_NS - 10**9, fields={}, sequence=42)
    )
    (line,) = lines(stream)
    assert line["time"] == "2025-12-31T23:59:59.123456Z"
    assert line["sequence"] == 42
    assert "at_ns" not in line


def test_every_event_has_a_level() -> None:
    assert set(logs.LEVELS) == set(EventName)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        (EventName.STRATEGY_CYCLE, "info"),
        (EventName.RISK_BLOCK, "warning"),
        (EventName.ORDER_ERROR, "error"),
        (EventName.KILL_SWITCH_ACTIVATED, "critical"),
        (EventName.MARKET_DATA_UNAVAILABLE, "warning"),
        (EventName.STAGE_FAILED, "critical"),
        (EventName.TASK_FAILED, "critical"),
        (EventName.DEAD_MAN_FIRED, "critical"),
        (EventName.BAR_CLOSED, "debug"),
    ],
)
def test_levels_are_those_of_the_document(name: EventName, level: str) -> None:
    assert logs.level_name(name) == level


def test_event_below_the_level_is_not_written() -> None:
    stream = configured(level="warning")
    listen = logs.event_listener()
    listen(event(EventName.FILL_BOOKED))
    listen(event(EventName.HALTED))
    assert [line["event"] for line in lines(stream)] == ["halted"]


def test_debug_shows_bars() -> None:
    stream = configured(level="debug")
    logs.event_listener()(event(EventName.BAR_CLOSED, pair="XBTUSD"))
    assert lines(stream)[0]["event"] == "bar_closed"


def test_libraries_speak_through_the_same_formatter() -> None:
    stream = configured()
    logging.getLogger("aiohttp.server").error("bad %s", "request")
    logging.getLogger("uvicorn.error").warning("slow")
    logging.getLogger("rq.worker").info("job done")
    assert [(x["logger"], x["level"], x["event"]) for x in lines(stream)] == [
        ("aiohttp.server", "error", "bad request"),
        ("uvicorn.error", "warning", "slow"),
        ("rq.worker", "info", "job done"),
    ]
    assert {line["time"] for line in lines(stream)} == {"2026-01-01T00:00:00.123456Z"}


def test_chatty_libraries_are_held_to_warnings() -> None:
    stream = configured(level="debug")
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("asyncio").debug("poll took long")
    assert stream.getvalue() == ""


def test_warnings_of_python_become_lines() -> None:
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)
    assert "old" in lines(stream)[0]["event"]


def test_handlers_of_libraries_are_taken_away() -> None:
    own = logging.StreamHandler(io.StringIO())
    logging.getLogger("uvicorn").addHandler(own)
    configured()
    assert logging.getLogger("uvicorn").handlers == []


def test_traceback_is_one_line_without_secrets() -> None:
    stream = configured(secrets=("geheimes-wort",))
    try:
        int("key geheimes-wort is bad")
    except ValueError:
        structlog.stdlib.get_logger("krakked").exception("order_error")
    (line,) = lines(stream)
    assert "Traceback" in line["exception"]
    assert "key ********** is bad" in line["exception"]
    assert "geheimes-wort" not in stream.getvalue()


def test_exception_of_a_library_is_redacted_too() -> None:
    stream = configured(secrets=("geheimes-wort",))
    try:
        int("geheimes-wort")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("failed")
    assert "geheimes-wort" not in stream.getvalue()
    assert "Traceback" in lines(stream)[0]["exception"]


def test_bound_context_stands_on_each_line() -> None:
    stream = configured()
    with structlog.contextvars.bound_contextvars(plan_id="000001-x"):
        structlog.stdlib.get_logger("krakked").info("notice")
    structlog.stdlib.get_logger("krakked").info("notice")
    assert ["plan_id" in line for line in lines(stream)] == [True, False]


def test_pipe_gets_json_and_terminal_gets_colour() -> None:
    assert not logs.is_pretty(LogOptions(), io.StringIO())
    assert logs.is_pretty(LogOptions(), Terminal())
    assert not logs.is_pretty(LogOptions(format="json"), Terminal())
    assert logs.is_pretty(LogOptions(format="pretty"), io.StringIO())


def test_pretty_lines_are_for_eyes() -> None:
    terminal = Terminal()
    logs.configure(LogOptions(), now_ns=lambda: NOW_NS, stream=terminal)
    logs.event_listener()(event(EventName.HALTED, reason="news"))
    text = terminal.getvalue()
    assert "halted" in text
    assert "\x1b[" in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_values_that_json_does_not_know_become_text() -> None:
    stream = configured()
    logs.event_listener()(
        event(EventName.NOTICE, amount=Decimal("1.10"), names=("a", 1), more={"b": Decimal(2)})
    )
    (line,) = lines(stream)
    assert (line["amount"], line["names"], line["more"]) == ("1.10", ["a", 1], {"b": "2"})


@pytest.mark.parametrize(
    "name",
    [
        "api_secret",
        "API-Key",
        "apikey",
        "token",
        "ws_token",
        "password",
        "Authorization",
        "api_sign",
    ],
)
def test_field_with_the_name_of_a_secret_is_hidden(name: str) -> None:
    assert Redactor().value(name, "x") == "**********"
    assert Redactor().value("headers", {name: "x"}) == {name: "**********"}
    assert Redactor().value(name, None) is None


def test_text_that_looks_like_a_key_is_hidden_wherever_it_stands() -> None:
    redactor = Redactor()
    assert redactor.text(f"sent {SECRET}, got 401") == "sent **********, got 401"
    assert redactor.value("list", [f"a {SECRET}"]) == ["a **********"]


def test_digests_ids_and_addresses_are_not_taken_for_keys() -> None:
    redactor = Redactor()
    for text in (DIGEST, "OQCLML-BW3P3-BUCMWZ", "6d1b345e-2821-40e2-ad83-4ecb18a06876"):
        assert redactor.text(f"digest {text}") == f"digest {text}"
    address = "https://api.kraken.com/0/private/AddOrder"
    assert redactor.text(address) == address


def test_known_secret_is_cut_out_whole_and_short_ones_are_left() -> None:
    redactor = Redactor(["longer-secret", "longer-secret-still", "abc"])
    assert redactor.text("abc longer-secret") == "abc **********"
    assert redactor.text("x longer-secret-still y") == "x ********** y"
    assert repr(redactor) == "<Redactor of 2 secrets>"


def test_numbers_and_truth_keep_their_types() -> None:
    redactor = Redactor()
    assert redactor.value("count", 3) == 3
    assert redactor.value("flag", True) is True
    assert redactor.value("ratio", 0.5) == 0.5
