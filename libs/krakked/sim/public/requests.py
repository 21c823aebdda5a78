"""What clients ask over WebSocket v2: ping, subscribe, unsubscribe, and trading.

Each symbol of a request is answered by an acknowledgement of its own; snapshots follow the
acknowledgements. A connection to one of two ports is as strict as the venue about which channels
that host serves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from krakked.domain.ids import PairName
from krakked.sim.exchange.errors import INVALID_SESSION, PERMISSION_DENIED
from krakked.sim.exchange.events import WireRow
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.keys import Permission
from krakked.sim.exchange.params import as_json
from krakked.sim.market.candles import INTERVALS_MIN
from krakked.sim.public.sessions import (
    ExecutionWishes,
    Hub,
    Request,
    Role,
    Session,
    Topic,
)
from krakked.sim.public.sessions import (
    stamped as stamped_at,
)

PUBLIC_ONLY: Final = (
    "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com"
)
PRIVATE_ONLY: Final = (
    "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com"
)
EXCEEDED: Final = b'{"Error":"Exceeded msg rate"}'
"""As clients have seen it: unlike any other frame."""
MALFORMED: Final = "Malformed request"
BOOK_DEPTHS: Final = (10, 25, 100, 500, 1000)
TRIGGERS: Final = ("trades", "bbo")
PUBLIC_CHANNELS: Final = ("ticker", "ohlc", "trade", "book", "instrument")
PRIVATE_CHANNELS: Final = ("executions", "balances")

UNSUBSCRIBED: Final = {
    "ticker": ("channel", "event_trigger", "symbol"),
    "ohlc": ("channel", "interval", "symbol"),
    "trade": ("channel", "symbol"),
    "book": ("channel", "depth", "snapshot", "symbol"),
    "instrument": ("channel",),
}
"""What the acknowledgement of an end repeats, by the documentation's examples."""
NEEDED: Final = {
    "executions": (Permission.QUERY_OPEN, Permission.QUERY_CLOSED),
    "balances": (Permission.QUERY_FUNDS, Permission.LEDGER),
}
"""The key behind the token needs one of these."""

Params: TypeAlias = Mapping[str, object]
Frame: TypeAlias = dict[str, object]
Shown: TypeAlias = tuple[Frame, ExecutionWishes, list[WireRow] | None]
"""The acknowledgement of a private subscription, what it asked for, the rows of its snapshot."""
_decoder: Final = msgspec.json.Decoder(Request, float_hook=Decimal)


class _Refusal(Exception):
    """Why a request, or one symbol of it, is not served."""

    def __init__(self, text: str, **fields: object) -> None:
        super().__init__(text)
        self.fields = fields


def receive(hub: Hub, session: Session, text: bytes | str, now_ns: int) -> list[bytes]:
    """Serve one text: the frames that answer it, to this session alone."""
    session.sent_ns = session.heard_ns = now_ns
    if not hub.gate.admits_message(session.messages, now_ns):
        return [EXCEEDED]
    try:
        request = _decoder.decode(text)
    except msgspec.MsgspecError:
        return [_stamped(hub, {"error": MALFORMED, "method": "error", "success": False}, now_ns)]
    try:
        return _serve(hub, session, request, now_ns)
    except _Refusal as refusal:
        return [_stamped(hub, _error(request, refusal), now_ns)]


def _stamped(hub: Hub, frame: Frame, now_ns: int) -> bytes:
    """An answer with the instants that every answer carries, by the venue's clock."""
    return stamped_at(frame, hub.data.exchange.told_ns(now_ns))


def _serve(hub: Hub, session: Session, request: Request, now_ns: int) -> list[bytes]:
    if request.method == "ping":
        return [_pong(hub, request, now_ns)]
    params: Params = {} if request.params is msgspec.UNSET else request.params
    if hub.data.exchange.is_trading_method(request.method):
        return _trade(hub, session, request, dict(params), now_ns)
    if request.method not in ("subscribe", "unsubscribe"):
        raise _Refusal("Unsupported event")
    channel = params.get("channel")
    if channel in PRIVATE_CHANNELS:
        return _private(hub, session, request, params, now_ns)
    if channel in PUBLIC_CHANNELS:
        return _public(hub, session, request, params, now_ns)
    raise _Refusal("Channel field must be a valid channel")


def _pong(hub: Hub, request: Request, now_ns: int) -> bytes:
    if request.params is not msgspec.UNSET:
        raise _Refusal("Unsupported field: 'params' for the given msg type: ping")
    return _stamped(hub, _head(request, "pong"), now_ns)


def _trade(hub: Hub, session: Session, request: Request, params: Frame, now_ns: int) -> list[bytes]:
    if session.role is Role.PUBLIC:
        raise _Refusal(PUBLIC_ONLY)
    answers = hub.data.exchange.ws_request(request.method, params, request.req_id, now_ns)
    return [_stamped(hub, frame, now_ns) for frame in answers]


def _public(
    hub: Hub, session: Session, request: Request, params: Params, now_ns: int
) -> list[bytes]:
    if session.role is Role.PRIVATE:
        raise _Refusal(PRIVATE_ONLY)
    acknowledgements: list[bytes] = []
    snapshots: list[bytes] = []
    for symbol in _symbols(params):
        try:
            topic, echo = _topic(hub, params, symbol)
            if request.method == "subscribe":
                wanted = _subscribe(hub, session, topic, params)
                frame = hub.snapshot(topic, now_ns) if wanted else None
                snapshots += [] if frame is None else [frame]
            else:
                _unsubscribe(hub, session, topic)
                echo = {name: echo[name] for name in UNSUBSCRIBED[topic.channel]}
        except _Refusal as refusal:
            frame_fields = _error(request, refusal) | ({"symbol": symbol} if symbol else {})
            acknowledgements.append(_stamped(hub, frame_fields, now_ns))
            continue
        acknowledgements.append(_stamped(hub, _success(request, echo), now_ns))
    return acknowledgements + snapshots


def _subscribe(hub: Hub, session: Session, topic: Topic, params: Params) -> bool:
    """Whether a snapshot is wanted."""
    if topic in session.topics:
        raise _Refusal("Already subscribed")
    wanted = _flag(params, "snapshot", default=topic.channel != "trade")
    if topic.channel == "ohlc":
        # the series must exist before the next trade, also for who wants no snapshot
        hub.data.tapes[PairName(topic.subject)].series(int(topic.detail))
    hub.subscribe(session, topic)
    if topic.channel == "book":
        hub.snapshot(topic, session.sent_ns)
    return wanted


def _unsubscribe(hub: Hub, session: Session, topic: Topic) -> None:
    if topic not in session.topics:
        raise _Refusal("Subscription Not Found")
    hub.unsubscribe(session, topic)


def _symbols(params: Params) -> list[str]:
    if params.get("channel") == "instrument":
        return [""]
    symbols = params.get("symbol")
    if not isinstance(symbols, list) or not symbols:
        raise _Refusal("Symbol(s) not found")
    return [as_json(symbol) for symbol in symbols]


def _topic(hub: Hub, params: Params, symbol: str) -> tuple[Topic, Frame]:
    """The topic, and what the acknowledgement says of it."""
    channel = str(params["channel"])
    if channel == "instrument":
        echo: Frame = {
            "channel": channel,
            "snapshot": _flag(params, "snapshot", default=True),
            "warnings": ["tick_size is deprecated, use price_increment"],
        }
        return Topic(channel, ""), echo
    tape = hub.data.by_symbol(symbol)
    if tape is None:
        raise _Refusal(f"Currency pair not supported {symbol}")
    detail, echo = _DETAILS[channel](params)
    echo["symbol"] = symbol
    if channel == "ohlc":
        echo["warnings"] = ["timestamp is deprecated, use interval_begin"]
    return Topic(channel, tape.pair.altname, detail), echo


def _ticker_detail(params: Params) -> tuple[str, Frame]:
    trigger = params.get("event_trigger", "trades")
    if trigger not in TRIGGERS:
        raise _Refusal("Event_trigger field must be one of trades, bbo")
    snapshot = _flag(params, "snapshot", default=True)
    return str(trigger), {"channel": "ticker", "event_trigger": trigger, "snapshot": snapshot}


def _ohlc_detail(params: Params) -> tuple[str, Frame]:
    interval = params.get("interval", 1)
    if type(interval) is not int or interval not in INTERVALS_MIN:
        raise _Refusal("Interval field is not a valid interval")
    echo: Frame = {
        "channel": "ohlc",
        "interval": interval,
        "snapshot": _flag(params, "snapshot", default=True),
    }
    return str(interval), echo


def _trade_detail(params: Params) -> tuple[str, Frame]:
    return "", {"channel": "trade", "snapshot": _flag(params, "snapshot", default=False)}


def _book_detail(params: Params) -> tuple[str, Frame]:
    depth = params.get("depth", 10)
    if type(depth) is not int or depth not in BOOK_DEPTHS:
        raise _Refusal("Subscription depth not supported")
    snapshot = _flag(params, "snapshot", default=True)
    return str(depth), {"channel": "book", "depth": depth, "snapshot": snapshot}


_DETAILS: Final[Mapping[str, Callable[[Params], tuple[str, Frame]]]] = {
    "ticker": _ticker_detail,
    "ohlc": _ohlc_detail,
    "trade": _trade_detail,
    "book": _book_detail,
}


def _private(
    hub: Hub, session: Session, request: Request, params: Params, now_ns: int
) -> list[bytes]:
    if session.role is Role.PUBLIC:
        raise _Refusal(PUBLIC_ONLY)
    token = params.get("token")
    if not isinstance(token, str):
        raise _Refusal("Token(s) not found")
    topic = _private_topic(hub, str(params["channel"]), token, now_ns)
    if request.method == "unsubscribe":
        _unsubscribe(hub, session, topic)
        return [_stamped(hub, _success(request, {"channel": topic.channel}), now_ns)]
    if topic in session.topics:
        raise _Refusal("Already subscribed")
    show = _show_balances if topic.channel == "balances" else _show_executions
    echo, wishes, rows = show(hub.data.exchange, topic.subject, params)
    hub.subscribe(session, topic)
    session.wishes[topic] = wishes
    session.tokens[topic] = token
    hub.data.exchange.session_opened(token)
    snapshot = [] if rows is None else [hub.private_snapshot(session, topic, rows, now_ns)]
    return [_stamped(hub, _success(request, echo), now_ns), *snapshot]


def _private_topic(hub: Hub, channel: str, token: str, now_ns: int) -> Topic:
    exchange = hub.data.exchange
    account = exchange.account_of_token(token, now_ns)
    if account is None:
        raise _Refusal(INVALID_SESSION, channel=channel, status="error")
    if not exchange.token_permits(token, NEEDED[channel]):
        raise _Refusal(PERMISSION_DENIED)
    return Topic(channel, account)


def _show_balances(exchange: Exchange, account: str, params: Params) -> Shown:
    wanted = _flag(params, "snapshot", default=True)
    echo: Frame = {"channel": "balances", "snapshot": wanted}
    return echo, ExecutionWishes(), exchange.balances_snapshot(account) if wanted else None


def _show_executions(exchange: Exchange, account: str, params: Params) -> Shown:
    wishes = ExecutionWishes(
        every_status=_flag(params, "order_status", default=True),
        rate_counter=_flag(params, "ratecounter", default=False),
    )
    orders = _flag(params, "snap_orders", default=True)
    trades = _flag(params, "snap_trades", default=False)
    echo: Frame = {
        "channel": "executions",
        "maxratecount": exchange.engine_counter_max(account),
        "snap_orders": orders,
        "snap_trades": trades,
    }
    rows = exchange.executions_snapshot(account, snap_orders=orders, snap_trades=trades)
    return echo, wishes, rows if orders or trades else None


def _flag(params: Params, name: str, *, default: bool) -> bool:
    value = params.get(name, default)
    if not isinstance(value, bool):
        raise _Refusal(f"{name.capitalize()} field must be a boolean")
    return value


def _head(request: Request, method: str) -> Frame:
    return {"method": method} | ({} if request.req_id is None else {"req_id": request.req_id})


def _success(request: Request, result: Frame) -> Frame:
    return _head(request, request.method) | {"result": result, "success": True}


def _error(request: Request, refusal: _Refusal) -> Frame:
    return _head(request, request.method) | {
        "error": str(refusal),
        "success": False,
        **refusal.fields,
    }
