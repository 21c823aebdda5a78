"""The story: what happens, in short lines for a person at a terminal.

One line for each event that matters to somebody watching: bars, decisions, plans, orders, fills,
equity, and everything that needs attention. What repeats without news (refreshes, acknowledgements)
is left out; equity is told after fills and otherwise once an hour of the engine's own time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from krakked.domain.events import Event, EventName
from krakked.domain.times import DAY_S, NS_PER_SECOND, to_minute
from krakked.runtime.logs import CRITICAL, ERROR, INFO, LEVELS, WARNING

Fields: TypeAlias = Mapping[str, object]
Telling: TypeAlias = Callable[[Fields], str]

EQUITY_PAUSE_NS: Final = 3_600 * NS_PER_SECOND
_QUIET: Final = frozenset(
    {
        EventName.ORDER_ACKED,
        EventName.DEAD_MAN_REFRESHED,
        EventName.RECONCILED,
        EventName.STRATEGY_CYCLE,
        EventName.MALFORMED_FRAME,
        EventName.PAIR_LEFT_OUT,
    }
)
_COLOURS: Final = {INFO: "", WARNING: "\x1b[33m", ERROR: "\x1b[31m", CRITICAL: "\x1b[1;31m"}
_GREEN: Final = "\x1b[32m"
_PLAIN: Final = "\x1b[0m"
_WORD_WIDTH: Final = 9
_SAID_TWICE: Final = re.compile(r"_(\d+-[0-9a-f]+)_\1\b")
"""A holder's name outside of a cluster: the process stands for the pod's uid as well."""
_DIRECTED: Final = frozenset({"deposit", "withdrawal", "reward", "fee"})
"""Kinds of cash flow whose name says which way it goes."""


class Story:
    """Writes lines; :meth:`listen` takes every event."""

    def __init__(self, write: Callable[[str], None], *, is_coloured: bool = False) -> None:
        self._write = write
        self._is_coloured = is_coloured
        self._equity_due_ns = 0

    def listen(self, event: Event) -> None:
        """Tell it, if it is worth a line."""
        if event.name in _QUIET or _is_all_well(event):
            return
        if event.name is EventName.EQUITY_MARKED:
            if event.at_ns < self._equity_due_ns:
                return
            self._equity_due_ns = event.at_ns + EQUITY_PAUSE_NS
        if event.name is EventName.FILL_BOOKED:
            self._equity_due_ns = 0
        self._write(self._line(event))

    def _line(self, event: Event) -> str:
        line = line_of(event)
        colour = _colour(event.name) if self._is_coloured else ""
        return f"{colour}{line}{_PLAIN}" if colour else line


def line_of(event: Event) -> str:
    """``2026-11-23 08:53  fill      trend/XBTUSD bought 0.01 at 42000.1, fee 1.09 USD``."""
    if event.name in (EventName.STAGE_DONE, EventName.STAGE_FAILED):
        return _stage(event)
    word, telling = _TELLINGS.get(event.name, (event.name.value, _all_fields))
    told = _SAID_TWICE.sub(r"_\1", telling(event.fields))
    return f"{to_minute(event.at_ns)}  {word:<{_WORD_WIDTH}} {told}".rstrip()


def _is_all_well(event: Event) -> bool:
    """The venue says of everything that is open that it is; no pair was left out."""
    if event.name is EventName.UNIVERSE_CHOSEN:
        return not event.fields.get("left_out")
    said = [event.fields.get("status"), event.fields.get("venue_status")]
    return event.name is EventName.NOTICE and "online" in said


def _stage(event: Event) -> str:
    fields = event.fields
    if event.name is EventName.STAGE_FAILED:
        return f"[failed] {fields.get('stage')}  {fields.get('seconds')} s: {fields.get('reason')}"
    if "skipped" in fields:
        return f"[skipped] {fields.get('stage')}: {fields['skipped']}"
    seconds = fields.get("seconds", 0)
    shown = f"{seconds:.2f}" if isinstance(seconds, float) else str(seconds)
    return f"[ok] {fields.get('stage')}  {shown} s"


def _colour(name: EventName) -> str:
    if name is EventName.FILL_BOOKED:
        return _GREEN
    return _COLOURS.get(LEVELS[name], "")


def _universe(fields: Fields) -> str:
    because = fields.get("because")
    reasons = because.items() if isinstance(because, Mapping) else ()
    said = ", ".join(f"{count} {why}" for why, count in reasons)
    return (
        f"{fields.get('pairs')} pairs, {fields.get('left_out')} left out{f': {said}' * bool(said)}"
    )


def _bar(fields: Fields) -> str:
    return f"{fields.get('pair')} {fields.get('timeframe')} closed at {_amount(fields, 'close')}"


def _decision(fields: Fields) -> str:
    said = [str(fields[name]) for name in ("outcome", "intent", "reason") if fields.get(name)]
    return f"{_sleeve(fields)} {', '.join(said)}".rstrip()


def _plan(fields: Fields) -> str:
    orders = fields.get("orders", fields.get("legs", "?"))
    return f"{fields.get('plan_id')}: {orders} orders{_because(fields, 'cause')}"


def _risk_block(fields: Fields) -> str:
    return f"{_sleeve(fields)} {fields.get('outcome', 'refused')}{_because(fields, 'reason')}"


def _order(fields: Fields) -> str:
    price = fields.get("limit_price")
    at = f"at {_amount(fields, 'limit_price')}" if price is not None else "at market"
    what = f"{fields.get('side')} {_amount(fields, 'quantity_base')}"
    return f"{_sleeve(fields)} {what} {at}{_because(fields, 'kraken_error', 'reason')}"


def _end(fields: Fields) -> str:
    status = fields.get("status", "ended")
    filled = fields.get("filled_base")
    so_far = f", filled {_amount(fields, 'filled_base')}" if filled is not None else ""
    return f"{_sleeve(fields)} {status}{so_far}{_because(fields, 'reason')}"


def _fill(fields: Fields) -> str:
    verb = "bought" if fields.get("side") == "buy" else "sold"
    return (
        f"{_sleeve(fields)} {verb} {_amount(fields, 'quantity_base')} at "
        f"{_amount(fields, 'price')}, fee {fields.get('fee', '-')}"
        f"{_realized(fields) if verb == 'sold' else ''}"
    )


def _realized(fields: Fields) -> str:
    return f", realized {_cents(fields, 'realized_quote')}"


def _equity(fields: Fields) -> str:
    return (
        f"{_cents(fields, 'equity')} (cash {_cents(fields, 'cash')}, unrealized "
        f"{_cents(fields, 'unrealized')}{_unknown_cost(fields)}, "
        f"realized {_cents(fields, 'realized')})"
    )


def _unknown_cost(fields: Fields) -> str:
    """What counts as gain because nobody knows what it cost."""
    pairs = fields.get("unknown_cost")
    return (
        f" with {' '.join(map(str, pairs))} of unknown cost"
        if isinstance(pairs, list) and pairs
        else ""
    )


def _stop(fields: Fields) -> str:
    return (
        f"{_sleeve(fields)} bid {_amount(fields, 'bid')} has reached its stop "
        f"{_amount(fields, 'stop_price')}"
    )


def _stream(fields: Fields) -> str:
    return f"{fields.get('stream')} stream connected"


def _lost(fields: Fields) -> str:
    return f"{fields.get('stream')} stream lost{_because(fields, 'reason')}"


def _cash_flow(fields: Fields) -> str:
    """``deposit of 10000 USD``; what is not by itself an inflow or outflow has its sign."""
    kind, amount = str(fields.get("kind", "change")), _amount(fields, "amount")
    shown = amount.removeprefix("-") if kind in _DIRECTED else amount
    return f"{kind} of {shown} {fields.get('asset', '')}".rstrip()


def _day(fields: Fields) -> str:
    day = fields.get("day")
    named = to_minute(day * DAY_S * NS_PER_SECOND)[:10] if isinstance(day, int) else "?"
    return f"{named} begins with equity {_cents(fields, 'baseline_equity')}"


def _expired(fields: Fields) -> str:
    unsent = fields.get("unsent", "?")
    return f"{fields.get('plan_id')} grew too old, {unsent} of its orders not sent"


def _resolved(fields: Fields) -> str:
    outcome = fields.get("outcome")
    found = "the venue never had it" if outcome == "absent" else "the venue has it"
    return f"{_order(fields)}: in doubt no longer, {found}"


def _adopted(fields: Fields) -> str:
    return f"{_order(fields)}: {fields.get('reason')}"


def _command(verb: str) -> Telling:
    def tell(fields: Fields) -> str:
        who = fields.get("principal")
        said = fields.get("message") or verb
        return f"{_spaced(fields.get('command'))}{f' by {who}' if who else ''}: {said}"

    return tell


def _spaced(name: object) -> str:
    """``SetKillSwitch`` as ``set kill switch``."""
    text = str(name or "command")
    return "".join(f" {c.lower()}" if c.isupper() else c for c in text).strip()


def _notice(fields: Fields) -> str:
    """Each kind of notice in its own words."""
    if fields.get("reason"):
        return str(fields["reason"])
    if fields.get("venue_status"):
        return f"the venue is in {fields['venue_status']}"
    if fields.get("foreign_order"):
        return (
            f"order {fields['foreign_order']} at the venue is not krakked's: {fields.get('order')}"
        )
    pruned = fields.get("pruned")
    if isinstance(pruned, Mapping):
        gone = ", ".join(f"{count} {what}" for what, count in pruned.items())
        return f"old records removed: {gone}"
    if fields.get("status"):
        return f"{fields.get('pair')} is in {fields['status']} at the venue"
    return _all_fields(fields)


def _failed(fields: Fields) -> str:
    return f"task {fields.get('task')} failed{_because(fields, 'reason')}"


def _left_out(fields: Fields) -> str:
    return f"{fields.get('pair')} is left out{_because(fields, 'reason')}"


def _person(verb: str) -> Telling:
    def tell(fields: Fields) -> str:
        who = fields.get("principal")
        return f"{verb}{f' by {who}' if who else ''}{_because(fields, 'reason', 'cause')}"

    return tell


def _plain(words: str) -> Telling:
    return lambda fields: f"{words}{_because(fields, 'reason', 'difference', 'problem')}"


def _all_fields(fields: Fields) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)


def _sleeve(fields: Fields) -> str:
    strategy, pair = fields.get("strategy_id"), fields.get("pair")
    return f"{strategy}/{pair}" if strategy else str(pair)


def _because(fields: Fields, *names: str) -> str:
    reasons = [str(fields[name]) for name in names if fields.get(name)]
    return f": {reasons[0]}" if reasons else ""


def _amount(fields: Fields, name: str) -> str:
    value = _decimal(fields.get(name))
    if value is None:
        return str(fields.get(name, "-"))
    return f"{value.normalize():f}"


def _cents(fields: Fields, name: str) -> str:
    value = _decimal(fields.get(name))
    return str(fields.get(name, "-")) if value is None else f"{value:,.2f}"


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


_TELLINGS: Final[Mapping[EventName, tuple[str, Telling]]] = {
    EventName.UNIVERSE_CHOSEN: ("universe", _universe),
    EventName.BAR_CLOSED: ("bar", _bar),
    EventName.DECISION_MADE: ("decision", _decision),
    EventName.RISK_BLOCK: ("risk", _risk_block),
    EventName.PLAN_CREATED: ("plan", _plan),
    EventName.ORDER_SENT: ("order", _order),
    EventName.ORDER_REJECTED: ("rejected", _order),
    EventName.ORDER_ERROR: ("error", _order),
    EventName.ORDER_VALIDATED: ("checked", _order),
    EventName.ORDER_UNKNOWN: ("unknown", _order),
    EventName.ORDER_CANCEL_SENT: ("cancel", _order),
    EventName.ORDER_ENDED: ("ended", _end),
    EventName.FILL_BOOKED: ("fill", _fill),
    EventName.EQUITY_MARKED: ("equity", _equity),
    EventName.POSITION_STOPPED: ("stop", _stop),
    EventName.CASH_FLOW_BOOKED: ("flow", _cash_flow),
    EventName.DAY_ROLLED: ("day", _day),
    EventName.PLAN_EXPIRED: ("expired", _expired),
    EventName.ORDER_RESOLVED: ("resolved", _resolved),
    EventName.ORDER_ADOPTED: ("adopted", _adopted),
    EventName.ORDER_ACKED: ("accepted", _order),
    EventName.COMMAND_DONE: ("command", _command("done")),
    EventName.COMMAND_REFUSED: ("refused", _command("not done")),
    EventName.NOTICE: ("notice", _notice),
    EventName.CAUTION: ("caution", _notice),
    EventName.TASK_FAILED: ("FAILED", _failed),
    EventName.PAIR_LEFT_OUT: ("pair", _left_out),
    EventName.ENGINE_STARTED: ("engine", _plain("trading")),
    EventName.ENGINE_STOPPED: ("engine", _plain("stopped")),
    EventName.CONNECTION_RESTORED: ("stream", _stream),
    EventName.CONNECTION_LOST: ("stream", _lost),
    EventName.KILL_SWITCH_ACTIVATED: ("KILL", _person("kill switch on")),
    EventName.KILL_SWITCH_CLEARED: ("kill", _person("kill switch off")),
    EventName.HALTED: ("halt", _person("halted")),
    EventName.RESUMED: ("halt", _person("resumed")),
    EventName.DRIFT_FOUND: ("DRIFT", _plain("books and venue differ")),
    EventName.DRIFT_CLEARED: ("drift", _plain("books and venue agree again")),
    EventName.EXCHANGE_RETRIED: ("venue", _plain("asked again")),
    EventName.EXCHANGE_DEGRADED: ("venue", _plain("unreliable")),
    EventName.EXCHANGE_RESTORED: ("venue", _plain("reliable again")),
    EventName.MARKET_DATA_UNAVAILABLE: ("data", _plain("market data unavailable")),
    EventName.MARKET_DATA_RESTORED: ("data", _plain("market data back")),
    EventName.DEAD_MAN_REFRESHED: ("dead-man", _plain("refreshed")),
    EventName.RECONCILED: ("books", _plain("compared with the venue's")),
    EventName.STRATEGY_CYCLE: ("cycle", _all_fields),
    EventName.MALFORMED_FRAME: ("venue", _plain("sent what cannot be read")),
    EventName.DEAD_MAN_FAILED: ("dead-man", _plain("refresh failed")),
    EventName.DEAD_MAN_FIRED: ("DEAD-MAN", _plain("the venue has cancelled every order")),
    EventName.EXCHANGE_FENCED: ("FENCED", _plain("the venue knows a newer owner")),
}
"""How each event is told; stages have lines of their own."""
