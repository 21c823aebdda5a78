"""WebSocket v2 without the socket: sessions that take texts and the frames that answer them.

A :class:`Hub` knows who subscribed to what. Told what happened, it makes each public frame once
and says which sessions it goes to; private rows are numbered per subscription, from one with the
snapshot. Moving bytes is the server's business, and so are heartbeats, of which the hub only says
who is due.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND, to_rfc3339
from krakked.sim.exchange.events import (
    BookChanged,
    ExchangeEvent,
    PrivateMessage,
    PublicTrade,
    WireRow,
)
from krakked.sim.exchange.limits import Counter
from krakked.sim.public import frames
from krakked.sim.public.gate import Gate
from krakked.sim.public.market_data import MarketData
from krakked.sim.public.tape import Tape
from krakked.sim.wire import encode

HEARTBEAT_NS: Final = NS_PER_SECOND
FIRST_CONNECTION: Final = 13_834_774_380_200_032_777
OHLC_SNAPSHOT: Final = 12
TRADE_SNAPSHOT: Final = 50

OPEN_CLOSE: Final = ("new", "trade", "filled", "canceled", "expired")
"""What is told of executions to who does not want every change of status."""

PrivateChannel: TypeAlias = Literal["executions", "balances"]


class Role(enum.Enum):
    """Which host of the venue a port stands for; ``BOTH`` is the lenient one."""

    PUBLIC = "public"
    PRIVATE = "private"
    BOTH = "both"


class Topic(msgspec.Struct, frozen=True, gc=False):
    """What can be subscribed to."""

    channel: str
    subject: str
    """A pair, an account, or nothing."""
    detail: str = ""
    """Interval, depth or trigger."""


class Request(msgspec.Struct, frozen=True):
    """One text from a client; amounts in ``params`` keep their text as decimals."""

    method: str
    params: dict[str, object] | msgspec.UnsetType = msgspec.UNSET
    req_id: int | None = None


class ExecutionWishes(msgspec.Struct, frozen=True, gc=False):
    """What a subscription to ``executions`` asked for."""

    every_status: bool = True
    """Also transitions between opening and closing."""
    rate_counter: bool = False


class Session:
    """One connection."""

    def __init__(self, number: int, role: Role, now_ns: int) -> None:
        self.connection_id = FIRST_CONNECTION + number
        self.role = role
        self.wishes: dict[Topic, ExecutionWishes] = {}
        self.messages = Counter()
        self.heard_ns = now_ns
        """When it last said something."""
        self.private_ns = now_ns
        """When it last had a private subscription."""
        self.topics: dict[Topic, None] = {}
        self.sequences: dict[Topic, int] = {}
        self.tokens: dict[Topic, str] = {}
        self.sent_ns = now_ns

    def __repr__(self) -> str:
        return f"<Session {self.connection_id} {self.role.value}, {len(self.topics)} topics>"


_USUAL: Final = ExecutionWishes()
Delivery: TypeAlias = tuple[Session, bytes]
Best: TypeAlias = tuple[tuple[Decimal, Decimal] | None, tuple[Decimal, Decimal] | None]


class Hub:
    """See the module."""

    def __init__(self, data: MarketData, gate: Gate | None = None) -> None:
        self.data = data
        self.gate = gate or Gate()
        self.sessions: dict[Session, None] = {}
        self._opened = 0
        self._subscribers: dict[Topic, dict[Session, None]] = {}
        self._views: dict[Topic, frames.BookView] = {}
        self._quotes: dict[PairName, Best] = {}
        """What subscribers to changes of the best prices know of them."""

    def __repr__(self) -> str:
        return f"<Hub {len(self.sessions)} sessions, {len(self._subscribers)} topics>"

    def open(self, role: Role, now_ns: int) -> tuple[Session, bytes]:
        """A new connection, and its first frame."""
        self._opened += 1
        session = Session(self._opened, role, now_ns)
        self.sessions[session] = None
        return session, self._status(session)

    def close(self, session: Session) -> None:
        """The connection is gone."""
        self.sessions.pop(session, None)
        for topic in tuple(session.topics):
            self.unsubscribe(session, topic)

    def subscribe(self, session: Session, topic: Topic) -> None:
        """From now on the session gets the topic's frames."""
        session.topics[topic] = None
        self._subscribers.setdefault(topic, {})[session] = None
        if topic.detail == "bbo" and PairName(topic.subject) not in self._quotes:
            self._quotes[PairName(topic.subject)] = self._best(PairName(topic.subject))

    def unsubscribe(self, session: Session, topic: Topic) -> None:
        """No more of them."""
        session.topics.pop(topic, None)
        session.sequences.pop(topic, None)
        session.wishes.pop(topic, None)
        token = session.tokens.pop(topic, None)
        if token is not None:
            self.data.exchange.session_closed(token)
        subscribers = self._subscribers.get(topic, {})
        subscribers.pop(session, None)
        if not subscribers:
            self._subscribers.pop(topic, None)
            self._forget(topic)

    def _forget(self, topic: Topic) -> None:
        """Nobody wants it any more."""
        self._views.pop(topic, None)
        if topic.detail == "bbo":
            self._quotes.pop(PairName(topic.subject), None)

    def publish(self, events: Sequence[ExchangeEvent], now_ns: int) -> list[Delivery]:
        """What happened, as frames for whom it concerns, in order."""
        deliveries: list[Delivery] = []
        traded: dict[PairName, list[PublicTrade]] = {}
        moved: dict[PairName, None] = {}
        for event in events:
            match event:
                case PublicTrade():
                    traded.setdefault(event.pair, []).append(event)
                    deliveries += self._candles(event, now_ns)
                case BookChanged():
                    moved[event.pair] = None
                case PrivateMessage():
                    deliveries += self._private(event)
        self.data.note_books(events)
        for pair, prints in traded.items():
            deliveries += self._trades(pair, prints)
            deliveries += self._ticker(pair, "trades", now_ns)
        for pair in {**traded, **moved}:
            deliveries += self._bbo(pair, now_ns)
        for pair in moved:
            deliveries += self._books(pair, now_ns)
        return self._sent(deliveries, now_ns)

    def announce_system_status(self, now_ns: int) -> list[Delivery]:
        """The system's state changed: everybody is told."""
        return self._sent([(each, self._status(each)) for each in self.sessions], now_ns)

    def announce_pair_status(self, pair: PairName, now_ns: int) -> list[Delivery]:
        """What a pair allows changed."""
        tape = self.data.tapes[pair]
        status = self.data.exchange.pair_status(pair).value
        topic = Topic("instrument", "")
        frame = frames.instrument("update", (), [(tape.pair, status)])
        return self._sent(self._to(topic, frame), now_ns)

    def heartbeats(self, now_ns: int) -> list[Delivery]:
        """Sessions with a subscription that have heard nothing for a second."""
        due = [
            (session, frames.HEARTBEAT)
            for session in self.sessions
            if session.topics and now_ns - session.sent_ns >= HEARTBEAT_NS
        ]
        return self._sent(due, now_ns)

    def idle(self, now_ns: int) -> list[Session]:
        """Connections that the venue would close now."""
        idle_ns = self.gate.limits.idle_s * NS_PER_SECOND
        if not idle_ns:
            return []
        for session in self.sessions:
            if session.tokens:
                session.private_ns = now_ns
        return [each for each in self.sessions if _is_idle(each, now_ns - idle_ns)]

    def snapshot(self, topic: Topic, now_ns: int) -> bytes | None:
        """The state of a public topic as a newcomer needs it."""
        if topic.channel == "instrument":
            return self._instruments()
        tape = self.data.tapes[PairName(topic.subject)]
        match topic.channel:
            case "ticker":
                return self._ticker_frame("snapshot", tape, now_ns)
            case "ohlc":
                series = tape.series(int(topic.detail))
                rows = series.newest(OHLC_SNAPSHOT)
                return frames.ohlc("snapshot", tape.pair, series, rows, self._told_ns(now_ns))
            case "trade":
                newest = tape.trades.newest(TRADE_SNAPSHOT)
                return frames.trades("snapshot", tape.pair, newest)
            case _:
                assert topic.channel == "book", "these are all the public channels"
                return self._view(topic, now_ns).snapshot(self._told_ns(now_ns))

    def private_snapshot(
        self, session: Session, topic: Topic, rows: list[WireRow], now_ns: int
    ) -> bytes:
        """The first message of a private subscription."""
        session.sent_ns = now_ns
        return _numbered(session, topic, "snapshot", rows)

    def _told_ns(self, now_ns: int) -> int:
        """By the clock that the venue shows."""
        return self.data.exchange.told_ns(now_ns)

    def _status(self, session: Session) -> bytes:
        return frames.status(self.data.exchange.system_status().value, session.connection_id)

    def _to(self, topic: Topic, frame: bytes | None) -> list[Delivery]:
        if frame is None:
            return []
        return [(session, frame) for session in self._subscribers.get(topic, ())]

    def _sent(self, deliveries: list[Delivery], now_ns: int) -> list[Delivery]:
        for session, _ in deliveries:
            session.sent_ns = now_ns
        return deliveries

    def _candles(self, trade: PublicTrade, now_ns: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        tape = self.data.tapes[trade.pair]
        for series, row in tape.add(trade):
            topic = Topic("ohlc", trade.pair, str(series.minutes))
            if topic in self._subscribers:
                frame = frames.ohlc("update", tape.pair, series, (row,), self._told_ns(now_ns))
                deliveries += self._to(topic, frame)
        return deliveries

    def _trades(self, pair: PairName, prints: Iterable[PublicTrade]) -> list[Delivery]:
        topic = Topic("trade", pair)
        if topic not in self._subscribers:
            return []
        return self._to(topic, frames.trades("update", self.data.tapes[pair].pair, prints))

    def _ticker(self, pair: PairName, trigger: str, now_ns: int) -> list[Delivery]:
        topic = Topic("ticker", pair, trigger)
        if topic not in self._subscribers:
            return []
        return self._to(topic, self._ticker_frame("update", self.data.tapes[pair], now_ns))

    def _ticker_frame(self, kind: str, tape: Tape, now_ns: int) -> bytes | None:
        figures = tape.figures(now_ns)
        if figures is None:
            return None
        told_ns = self._told_ns(now_ns)
        return frames.ticker(kind, tape.pair, figures, self.data.quotes(tape), told_ns)

    def _bbo(self, pair: PairName, now_ns: int) -> list[Delivery]:
        """Tickers for those who want every change of the best prices."""
        if Topic("ticker", pair, "bbo") not in self._subscribers:
            return []
        quotes = self._best(pair)
        if quotes == self._quotes.get(pair):
            return []
        self._quotes[pair] = quotes
        return self._ticker(pair, "bbo", now_ns)

    def _best(self, pair: PairName) -> Best:
        """Price and size of the best bid and ask: how old they are is no change of them."""
        bid, ask = self.data.quotes(self.data.tapes[pair])
        return (
            None if bid is None else (bid.price, bid.quantity_base),
            None if ask is None else (ask.price, ask.quantity_base),
        )

    def _books(self, pair: PairName, now_ns: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        for topic, view in self._views.items():
            if topic.subject == pair:
                deliveries += self._to(topic, self._refresh(view, now_ns))
        return deliveries

    def _view(self, topic: Topic, now_ns: int) -> frames.BookView:
        found = self._views.get(topic)
        if found is None:
            pair = self.data.tapes[PairName(topic.subject)].pair
            found = self._views[topic] = frames.BookView(pair, int(topic.detail))
            self._refresh(found, now_ns)
        return found

    def _refresh(self, view: frames.BookView, now_ns: int) -> bytes | None:
        bids, asks = self.data.exchange.depth(view.pair.altname, view.depth)
        return view.update(bids, asks, self._told_ns(now_ns))

    def _private(self, message: PrivateMessage) -> list[Delivery]:
        topic = Topic(message.channel, message.account)
        deliveries: list[Delivery] = []
        for session in self._subscribers.get(topic, ()):
            rows = self._wished(session, topic, message)
            if rows:
                deliveries.append((session, _numbered(session, topic, "update", rows)))
        return deliveries

    def _wished(self, session: Session, topic: Topic, message: PrivateMessage) -> list[WireRow]:
        wishes = session.wishes.get(topic, _USUAL)
        rows = list(message.data)
        if not wishes.every_status:
            rows = [row for row in rows if row["exec_type"] in OPEN_CLOSE]
        if wishes.rate_counter:
            count = self.data.exchange.rate_count
            rows = [row | {"ratecount": count(message.account, row)} for row in rows]
        return rows

    def _instruments(self) -> bytes:
        exchange = self.data.exchange
        pairs = [
            (tape.pair, exchange.pair_status(name).value) for name, tape in self.data.tapes.items()
        ]
        return frames.instrument("snapshot", self.data.assets.values(), pairs)


def _numbered(session: Session, topic: Topic, kind: str, rows: list[WireRow]) -> bytes:
    sequence = session.sequences.get(topic, 0) + 1
    session.sequences[topic] = sequence
    return encode({"channel": topic.channel, "type": kind, "data": rows, "sequence": sequence})


def _is_idle(session: Session, since_ns: int) -> bool:
    """Nothing subscribed and nothing said; on the private host, nothing private subscribed."""
    if session.role is Role.PRIVATE and not session.tokens:
        return session.private_ns <= since_ns
    return not session.topics and session.heard_ns <= since_ns


def stamped(frame: dict[str, object], now_ns: int) -> bytes:
    """An answer with the two instants that every answer carries."""
    instant = to_rfc3339(now_ns)
    return encode(frame | {"time_in": instant, "time_out": instant})
