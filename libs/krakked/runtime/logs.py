"""Logs: one line for each thing that happened, JSON for machines, coloured for a terminal.

Everything goes through one formatter, also what libraries say. The names of events are
``domain.events.EventName``; the table below gives each its level. The time on a line is the
engine's own clock, which in a replay is not this machine's. What looks like a key is never
written, wherever it turns up: known secrets are cut out of every text, tracebacks included.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from krakked.domain.events import Event, EventName
from krakked.domain.times import to_rfc3339

DEBUG, INFO, WARNING = logging.DEBUG, logging.INFO, logging.WARNING
ERROR, CRITICAL = logging.ERROR, logging.CRITICAL

LEVELS: Final[Mapping[EventName, int]] = {
    EventName.ENGINE_STARTED: INFO,
    EventName.ENGINE_STOPPED: INFO,
    EventName.STAGE_DONE: INFO,
    EventName.STAGE_FAILED: CRITICAL,
    EventName.TASK_FAILED: CRITICAL,
    EventName.UNIVERSE_CHOSEN: INFO,
    EventName.PAIR_LEFT_OUT: INFO,
    EventName.BAR_CLOSED: DEBUG,
    EventName.STRATEGY_CYCLE: INFO,
    EventName.DECISION_MADE: DEBUG,
    EventName.RISK_BLOCK: WARNING,
    EventName.PLAN_CREATED: INFO,
    EventName.PLAN_EXPIRED: WARNING,
    EventName.ORDER_SENT: INFO,
    EventName.ORDER_ACKED: DEBUG,
    EventName.ORDER_REJECTED: ERROR,
    EventName.ORDER_VALIDATED: INFO,
    EventName.ORDER_UNKNOWN: ERROR,
    EventName.ORDER_RESOLVED: WARNING,
    EventName.ORDER_ADOPTED: WARNING,
    EventName.ORDER_CANCEL_SENT: INFO,
    EventName.ORDER_ENDED: INFO,
    EventName.ORDER_ERROR: ERROR,
    EventName.FILL_BOOKED: INFO,
    EventName.CASH_FLOW_BOOKED: INFO,
    EventName.POSITION_STOPPED: WARNING,
    EventName.KILL_SWITCH_ACTIVATED: CRITICAL,
    EventName.KILL_SWITCH_CLEARED: WARNING,
    EventName.HALTED: WARNING,
    EventName.RESUMED: WARNING,
    EventName.DRIFT_FOUND: ERROR,
    EventName.DRIFT_CLEARED: WARNING,
    EventName.RECONCILED: DEBUG,
    EventName.MARKET_DATA_UNAVAILABLE: WARNING,
    EventName.MARKET_DATA_RESTORED: INFO,
    EventName.MALFORMED_FRAME: WARNING,
    EventName.CONNECTION_LOST: WARNING,
    EventName.CONNECTION_RESTORED: INFO,
    EventName.DEAD_MAN_REFRESHED: DEBUG,
    EventName.DEAD_MAN_FAILED: ERROR,
    EventName.DEAD_MAN_FIRED: CRITICAL,
    EventName.EXCHANGE_FENCED: CRITICAL,
    EventName.EXCHANGE_RETRIED: WARNING,
    EventName.EXCHANGE_DEGRADED: ERROR,
    EventName.EXCHANGE_RESTORED: INFO,
    EventName.EQUITY_MARKED: DEBUG,
    EventName.DAY_ROLLED: INFO,
    EventName.COMMAND_DONE: INFO,
    EventName.COMMAND_REFUSED: WARNING,
    EventName.NOTICE: INFO,
    EventName.CAUTION: WARNING,
}
"""How loud each event is: fatal checks and the kill switch are critical."""

_LEVEL_NAMES: Final = {
    DEBUG: "debug",
    INFO: "info",
    WARNING: "warning",
    ERROR: "error",
    CRITICAL: "critical",
}
_LIBRARIES: Final = {
    "aiohttp.access": WARNING,
    "aiohttp.server": WARNING,
    "aiosqlite": WARNING,
    "asyncio": WARNING,
    "redis": WARNING,
    "rq": INFO,
    "uvicorn.access": WARNING,
}
"""Libraries that talk too much below this level, or have handlers of their own."""

HIDDEN: Final = "**********"
_SECRET_NAMES: Final = re.compile(
    r"secret|token|password|passwd|api[-_]?key|api[-_]?sign|authorization|signature", re.IGNORECASE
)
_LOOKS_LIKE_KEY: Final = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/]{54,}={0,2}(?![\w+/=-])")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]+")
_SECRET_MIN: Final = 8
"""A shorter text is no secret, and cutting it out would spoil the line."""


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to write."""

    level: str = "info"
    format: str = "auto"
    environment: str = "dev"
    secrets: tuple[str, ...] = ()
    """Texts that are cut out wherever they turn up."""


def is_pretty(options: LogOptions, stream: TextIO) -> bool:
    """Whether lines are for eyes."""
    return options.format == "pretty" or (options.format == "auto" and stream.isatty())


def configure(
    options: LogOptions, *, now_ns: Callable[[], int], stream: TextIO | None = None
) -> None:
    """Send everything through one formatter to ``stream`` (standard output).

    Args:
        options: how to write.
        now_ns: the clock whose time stands on the lines.
        stream: where to.
    """
    out = sys.stdout if stream is None else stream
    shared = _shared(options, now_ns)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(options, out),
            ],
        )
    )
    level = getattr(logging, options.level.upper())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    _tame_libraries(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def event_listener() -> Callable[[Event], None]:
    """Writes events as log lines; one below the level costs a comparison.

    Take it after :func:`configure`.
    """
    logger = structlog.stdlib.get_logger("krakked")
    threshold = logging.getLogger("krakked").getEffectiveLevel()

    def listen(event: Event) -> None:
        level = LEVELS[event.name]
        if level >= threshold:
            logger.log(level, event.name.value, **_fields(event))

    return listen


def _fields(event: Event) -> dict[str, object]:
    fields = {name: value for name, value in event.fields.items() if value is not None}
    if event.sequence:
        fields["sequence"] = event.sequence
    fields["at_ns"] = event.at_ns
    return fields


def _shared(options: LogOptions, now_ns: Callable[[], int]) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        _Stamp(options.environment, now_ns),
        structlog.processors.format_exc_info,
        structlog.processors.StackInfoRenderer(),
        Redactor(options.secrets),
    ]


def _rendering(options: LogOptions, stream: TextIO) -> list[Processor]:
    if is_pretty(options, stream):
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)]
    return [_to_json]


def _to_json(_: WrappedLogger, __: str, event_dict: EventDict) -> str:
    return msgspec.json.encode(event_dict, enc_hook=str).decode()


class _Stamp:
    """Puts time and environment on each line; an event keeps the time at which it happened."""

    def __init__(self, environment: str, now_ns: Callable[[], int]) -> None:
        self._environment = environment
        self._now_ns = now_ns

    def __call__(self, _: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
        at_ns = event_dict.pop("at_ns", None)
        stamped = {
            "time": to_rfc3339(at_ns if isinstance(at_ns, int) else self._now_ns()),
            "level": event_dict.pop("level", ""),
            "event": event_dict.pop("event", ""),
            "env": self._environment,
        }
        return {**stamped, **event_dict}


class Redactor:
    """Takes out secrets: by the name of a field, by their text, and by their looks."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {text for text in secrets if len(text) >= _SECRET_MIN}
        self._secrets = sorted(known, key=len, reverse=True)  # one may begin like another

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._secrets)} secrets>"

    def __call__(self, _: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
        """As a processor of log lines."""
        return {name: self.value(name, value) for name, value in event_dict.items()}

    def value(self, name: str, value: object) -> object:
        """The value of a field of that name, fit to be seen."""
        if value is None or isinstance(value, bool):
            return value
        if _SECRET_NAMES.search(name):
            return HIDDEN
        if isinstance(value, Mapping):
            return {str(key): self.value(str(key), item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value("", item) for item in value]
        return value if isinstance(value, (int, float)) else self.text(str(value))

    def text(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _LOOKS_LIKE_KEY.sub(_hide_unless_digest, text)


def _hide_unless_digest(found: re.Match[str]) -> str:
    return found[0] if _HEXADECIMAL.fullmatch(found[0]) else HIDDEN


def _tame_libraries(level: int) -> None:
    for name in [*_LIBRARIES, "uvicorn", "uvicorn.error", "aiohttp"]:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level, _LIBRARIES.get(name, level)))
    logging.captureWarnings(True)


def level_name(name: EventName) -> str:
    """``critical`` and so on, for documents and tests."""
    return _LEVEL_NAMES[LEVELS[name]]
