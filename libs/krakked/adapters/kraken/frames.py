"""WebSocket frames become feed messages: synchronous, no I/O, one reader per connection.

A frame is decoded by type in one pass, chosen by its ``channel``; everything that is not a frame of
a known channel takes the slow way: a reply to a request, or something to be told and survived.
Nothing is taken from a row with a number that cannot be; the other rows of its frame count.

An execution is told whole only where the row holds exactly what REST would tell of it; else it is
named, and must be asked for.

``executions`` are numbered per subscription. A number left out means that reports are missing:
the reader then names the gap (:attr:`FrameReader.gap`), and whoever holds the connection must
subscribe anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from krakked.adapters.kraken.records import (
    ExecutionRow,
    ExecutionsFrame,
    HeartbeatFrame,
    InstrumentFrame,
    OhlcFrame,
    Reply,
    StatusFrame,
    TickerFrame,
    TickerRow,
    WsCandle,
)
from krakked.adapters.kraken.wire import (
    Instruments,
    bar_from,
    not_negative,
    pair_status,
    positive,
    rules_from,
)
from krakked.domain.bars import Timeframe, timeframe_of_minutes
from krakked.domain.fills import Liquidity, VenueTrade
from krakked.domain.ids import ClientOrderId, PairName, TradeId, VenueOrderId
from krakked.domain.money import quantum
from krakked.domain.orders import Side, VenueStatus
from krakked.domain.pairs import Pair, PairRules, PairStatus
from krakked.domain.quotes import Quote
from krakked.domain.times import NS_PER_SECOND, from_rfc3339
from krakked.ports.market_feed import (
    ExecutionHint,
    FeedMessage,
    MalformedFrame,
    PairRulesChanged,
    PairStatusChanged,
    RunningBar,
    SystemStatusChanged,
)

SHOWN_MAX: Final = 200
"""Characters of a malformed frame that are told."""
ORDERS_MAX: Final = 10_000
"""Open orders whose client ids are remembered; far more than an account may have."""
COST_SLACK: Final = 1000
"""Cost may be off price × size by one part in so many: it is cut to what the venue's ledger holds,
which is coarser than some pairs' costs."""

_STATUS_BY_WORD: Final = {
    "pending_new": VenueStatus.PENDING,
    "new": VenueStatus.OPEN,
    "partially_filled": VenueStatus.OPEN,
    "filled": VenueStatus.CLOSED,
    "canceled": VenueStatus.CANCELED,
    "expired": VenueStatus.EXPIRED,
}
_LIQUIDITY: Final = {"m": Liquidity.MAKER, "t": Liquidity.TAKER}
_KNOWN_CHANNELS: Final = frozenset(
    {"ticker", "ohlc", "instrument", "status", "executions", "heartbeat"}
)
Frame: TypeAlias = (
    TickerFrame | OhlcFrame | ExecutionsFrame | HeartbeatFrame | InstrumentFrame | StatusFrame
)
_FRAME: Final[msgspec.json.Decoder[Frame]] = msgspec.json.Decoder(Frame)
_REPLY: Final = msgspec.json.Decoder(Reply)


class FrameReader:
    """Turns the frames of one connection into messages, in order."""

    def __init__(
        self,
        instruments: Instruments,
        pairs: Iterable[PairName],
        *,
        private: bool = False,
        on_reply: Callable[[Reply], None] = lambda _: None,
    ) -> None:
        self._instruments = instruments
        self._pairs = {instruments.symbol(name): name for name in pairs}
        self._tick_sizes = {name: instruments.bar_tick(name) for name in self._pairs.values()}
        self._private = private
        self._on_reply = on_reply
        self._system = ""
        self._statuses: dict[PairName, PairStatus] = {}
        self._rules: dict[PairName, PairRules] = {}
        self._client_ids: dict[str, ClientOrderId] = {}
        self._sequence: int | None = None
        self.gap: str | None = None
        """Why reports of the account may be missing, once they may."""
        self.frames = 0
        self.malformed = 0

    def __repr__(self) -> str:
        stream = "private" if self._private else "public"
        return f"<FrameReader {stream} frames={self.frames} malformed={self.malformed}>"

    def feed(self, text: str | bytes, now_ns: int) -> list[FeedMessage]:
        """What one frame says; ``now_ns`` is when it was received."""
        self.frames += 1
        try:
            frame = _FRAME.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return self._other(text, error)
        if isinstance(frame, TickerFrame):
            return self._quotes(frame, text, now_ns)
        return self._rarer(frame, text)

    def _rarer(
        self,
        frame: OhlcFrame | ExecutionsFrame | HeartbeatFrame | InstrumentFrame | StatusFrame,
        text: str | bytes,
    ) -> list[FeedMessage]:
        match frame:
            case OhlcFrame():
                return self._bars(frame, text)
            case ExecutionsFrame():
                return self._executions(frame, text)
            case HeartbeatFrame():
                return []
            case InstrumentFrame():
                return [*self._pair_statuses(frame), *self._pair_rules(frame, text)]
            case StatusFrame():
                return self._system_status(frame)

    # public channels

    def _quotes(self, frame: TickerFrame, text: str | bytes, now_ns: int) -> list[FeedMessage]:
        messages: list[FeedMessage] = []
        for row in frame.data:
            try:
                messages.append(quote_from(row, self._pair(row.symbol), now_ns))
            except ValueError as error:
                messages.append(self._malformed(f"ticker {row.symbol}: {error}", text))
        return messages

    def _bars(self, frame: OhlcFrame, text: str | bytes) -> list[FeedMessage]:
        messages: list[FeedMessage] = []
        for row in frame.data:
            # A quiet interval is no bar.
            if row.trades == 0:
                continue
            try:
                messages.append(self._bar(row))
            except ValueError as error:
                messages.append(self._malformed(f"ohlc {row.symbol}: {error}", text))
        return messages

    def _bar(self, row: WsCandle) -> RunningBar:
        pair = self._pair(row.symbol)
        start_s = from_rfc3339(row.interval_begin) // NS_PER_SECOND
        bar = bar_from(start_s, row, self._tick_sizes[pair], trades=row.trades)
        return RunningBar(pair=pair, timeframe=_timeframe(row.interval), bar=bar)

    def _pair_statuses(self, frame: InstrumentFrame) -> list[FeedMessage]:
        messages: list[FeedMessage] = []
        for row in frame.data.pairs:
            # All pairs of the venue come here, not only ours.
            pair = self._pairs.get(row.symbol)
            status = pair_status(row.status)
            if pair is not None and self._statuses.get(pair) is not status:
                self._statuses[pair] = status
                messages.append(PairStatusChanged(pair, status))
        return messages

    def _pair_rules(self, frame: InstrumentFrame, text: str | bytes) -> list[FeedMessage]:
        """Minima are raised while a pair is held; what makes no sense is told and not taken."""
        messages: list[FeedMessage] = []
        for row in frame.data.pairs:
            pair = self._pairs.get(row.symbol)
            if pair is None:
                continue
            try:
                rules = rules_from(row)
            except ValueError as error:
                messages.append(self._malformed(f"instrument {row.symbol}: {error}", text))
                continue
            if not rules.is_empty and self._rules.get(pair) != rules:
                self._rules[pair] = rules
                messages.append(PairRulesChanged(pair, rules))
        return messages

    def _system_status(self, frame: StatusFrame) -> list[FeedMessage]:
        # Both connections tell it; one voice is enough.
        if self._private or not frame.data or frame.data[-1].system == self._system:
            return []
        self._system = frame.data[-1].system
        return [SystemStatusChanged(self._system)]

    # the account

    def _executions(self, frame: ExecutionsFrame, text: str | bytes) -> list[FeedMessage]:
        self._follow_sequence(frame)
        messages: list[FeedMessage] = []
        for row in frame.data:
            try:
                messages.append(self._hint(row, self._trade(row, text, messages)))
            except ValueError as error:
                messages.append(self._malformed(f"executions {row.order_id}: {error}", text))
        return messages

    def _trade(
        self, row: ExecutionRow, text: str | bytes, messages: list[FeedMessage]
    ) -> VenueTrade | None:
        """An amount that cannot be is told; REST is asked for the execution all the same."""
        try:
            return trade_of(row, self._instruments)
        except ValueError as error:
            messages.append(self._malformed(f"executions {row.order_id}: {error}", text))
            return None

    def _follow_sequence(self, frame: ExecutionsFrame) -> None:
        if frame.sequence is None:
            return
        expected = None if self._sequence is None else self._sequence + 1
        if frame.type != "snapshot" and expected is not None and frame.sequence != expected:
            self.gap = f"executions jumped from {self._sequence} to {frame.sequence}"
        self._sequence = frame.sequence

    def _hint(self, row: ExecutionRow, trade: VenueTrade | None) -> ExecutionHint:
        status = _STATUS_BY_WORD.get(row.order_status or "new")
        if status is None:
            raise ValueError(f"order_status {row.order_status!r} is unknown")
        return ExecutionHint(
            venue_order_id=VenueOrderId(row.order_id),
            client_order_id=self._client_id(row, is_final=status.is_final),
            trade_id=TradeId(row.exec_id) if row.exec_id else None,
            trade=trade,
            status=status,
            filled_base=None if row.cum_qty is None else not_negative(row.cum_qty, "cum_qty"),
            reason=row.reason or None,
            at_ns=from_rfc3339(row.timestamp),
        )

    def _client_id(self, row: ExecutionRow, *, is_final: bool) -> ClientOrderId | None:
        """Updates name only what changed, so our id is remembered until the order has ended."""
        known = self._client_ids.pop(row.order_id, None)
        client_id = ClientOrderId(row.cl_ord_id) if row.cl_ord_id else known
        if client_id is not None and not is_final:
            self._client_ids[row.order_id] = client_id
            if len(self._client_ids) > ORDERS_MAX:
                del self._client_ids[next(iter(self._client_ids))]
        return client_id

    # everything else

    def _other(self, text: str | bytes, error: Exception) -> list[FeedMessage]:
        """Three cases: a reply to a request, a channel that we do not know, and rubbish."""
        try:
            reply = _REPLY.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return [self._malformed(str(error), text)]
        if reply.method:
            self._on_reply(reply)
            return []
        if reply.channel and reply.channel not in _KNOWN_CHANNELS:
            return [self._malformed(f"unknown channel {reply.channel!r}", text)]
        return [self._malformed(str(error), text)]

    def _malformed(self, problem: str, text: str | bytes) -> MalformedFrame:
        self.malformed += 1
        head = text[:SHOWN_MAX]
        shown = head if isinstance(head, str) else head.decode(errors="replace")
        return MalformedFrame(problem[:SHOWN_MAX], shown)

    def _pair(self, symbol: str) -> PairName:
        pair = self._pairs.get(symbol)
        if pair is None:
            raise ValueError("a pair that was not asked for")
        return pair


def quote_from(row: TickerRow, pair: PairName, now_ns: int) -> Quote:
    """A quote.

    Raises:
        BadAmount: a number cannot be; names its field.
    """
    return Quote(
        pair=pair,
        bid=positive(row.bid, "bid"),
        ask=positive(row.ask, "ask"),
        last=positive(row.last, "last"),
        volume_24h_base=not_negative(row.volume, "volume"),
        at_ns=now_ns,
    )


def trade_of(row: ExecutionRow, instruments: Instruments) -> VenueTrade | None:
    """The execution, if the row tells exactly what REST would.

    REST tells fees in the quote asset, and cost and fee to the pair's decimals; a row that lacks
    something, is finer, or whose price × size is not its cost, is left to it.

    Raises:
        ValueError: a number or word cannot be.
    """
    name = instruments.name_of(row.symbol or "") if row.exec_type == "trade" else None
    if not row.exec_id or name is None or row.liquidity_ind not in _LIQUIDITY:
        return None
    pair = instruments.pair(name)
    amounts = _amounts(row)
    fee = _only_fee(row, instruments, pair)
    if amounts is None or fee is None:
        return None
    price, size, cost = amounts
    if not (_is_whole(cost, pair) and _is_whole(fee, pair)):
        return None
    if abs(price * size - cost) > max(cost / COST_SLACK, quantum(pair.cost_decimals)):
        return None
    return VenueTrade(
        trade_id=TradeId(row.exec_id),
        venue_order_id=VenueOrderId(row.order_id),
        pair=name,
        side=Side(row.side),
        price=_padded(price, pair.cost_decimals),
        quantity_base=_padded(size, pair.quantity_decimals),
        cost_quote=_padded(cost, pair.cost_decimals),
        fee_amount=_padded(fee, pair.cost_decimals),
        fee_asset=pair.quote,
        liquidity=_LIQUIDITY[row.liquidity_ind],
        at_ns=from_rfc3339(row.timestamp),
    )


def _amounts(row: ExecutionRow) -> tuple[Decimal, Decimal, Decimal] | None:
    """Price, size and cost; None if one is missing."""
    if row.last_price is None or row.last_qty is None or row.cost is None:
        return None
    return (
        positive(row.last_price, "last_price"),
        positive(row.last_qty, "last_qty"),
        not_negative(row.cost, "cost"),
    )


def _only_fee(row: ExecutionRow, instruments: Instruments, pair: Pair) -> Decimal | None:
    """The fee, if there is exactly one and it is in the quote asset."""
    fees = row.fees or []
    if len(fees) != 1 or fees[0].qty is None:
        return None
    if instruments.asset_of_code(fees[0].asset) != pair.quote:
        return None
    return not_negative(fees[0].qty, "fees.qty")


def _padded(amount: Decimal, decimals: int) -> Decimal:
    """With REST's trailing zeros, so that a fill is the same text whoever told it."""
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int), "bounded above"
    return amount.quantize(quantum(max(decimals, -exponent)))


def _is_whole(amount: Decimal, pair: Pair) -> bool:
    """Whether it has no more decimals than REST tells."""
    return not amount % quantum(pair.cost_decimals)


def _timeframe(minutes: int) -> Timeframe:
    try:
        return timeframe_of_minutes(minutes)
    except KeyError:
        raise ValueError(f"interval {minutes} is none of ours") from None
