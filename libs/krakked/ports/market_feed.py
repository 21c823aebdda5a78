"""The venue's market and account streams, and the history behind them.

The feed calls back on the event loop, in order, once per message; callbacks are synchronous and
quick. Streams are hints: what they miss is asked for by REST.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from krakked.domain.bars import Bar, Timeframe
from krakked.domain.fills import VenueTrade
from krakked.domain.ids import ClientOrderId, PairName, TradeId, VenueOrderId
from krakked.domain.orders import VenueStatus
from krakked.domain.pairs import PairRules, PairStatus
from krakked.domain.quotes import Quote


class RunningBar(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The state of a bar that may still change."""

    pair: PairName
    timeframe: Timeframe
    bar: Bar


class ExecutionHint(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to an order of the account: a fill (``trade_id``) or a change of state."""

    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId | None
    trade_id: TradeId | None
    trade: VenueTrade | None = None
    """The fill, where the stream tells all that the books need; None: it must be asked for."""
    status: VenueStatus
    filled_base: Decimal | None
    reason: str | None
    at_ns: int


class PairStatusChanged(msgspec.Struct, frozen=True):
    """The venue changed what it allows on a pair."""

    pair: PairName
    status: PairStatus


class PairRulesChanged(msgspec.Struct, frozen=True):
    """The venue told what an order on a pair must keep to; at first, and when it changed."""

    pair: PairName
    rules: PairRules


class SystemStatusChanged(msgspec.Struct, frozen=True):
    """The venue's own state changed (``online maintenance cancel_only post_only``)."""

    status: str


class StreamLost(msgspec.Struct, frozen=True):
    """A stream is down; what follows until :class:`StreamReady` may be missing."""

    private: bool
    reason: str


class StreamReady(msgspec.Struct, frozen=True):
    """A stream is subscribed (again): reconcile what the gap may hold."""

    private: bool


class MalformedFrame(msgspec.Struct, frozen=True):
    """A frame that could not be understood; counted and survived."""

    problem: str
    frame: str
    """Its first 200 characters."""


FeedMessage = (
    Quote
    | RunningBar
    | ExecutionHint
    | PairStatusChanged
    | PairRulesChanged
    | SystemStatusChanged
    | StreamLost
    | StreamReady
    | MalformedFrame
)


class MarketFeed(Protocol):
    """Live streams of a set of pairs."""

    async def run(
        self,
        pairs: Sequence[PairName],
        timeframes: Sequence[Timeframe],
        deliver: Callable[[FeedMessage], None],
    ) -> None:
        """Connect, subscribe, deliver, reconnect; until cancelled.

        The first two messages of interest are ``StreamReady`` for the public and the private
        stream.
        """
        ...

    def last_frame_ns(self, *, private: bool) -> int:
        """When the last frame of any kind (heartbeats too) arrived on that connection."""
        ...


class Ticker(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A pair's last 24 hours, asked for and not streamed."""

    last: Decimal
    """Price of the newest trade, in quote."""
    volume_24h_base: Decimal


class MarketHistory(Protocol):
    """What the venue's market was, by REST: tickers, and closed bars for backfill."""

    async def tickers(self) -> Mapping[PairName, Ticker]:
        """Every pair that has ever traded, by its canonical name."""
        ...

    async def closed_bars(
        self, pair: PairName, timeframe: Timeframe, *, since_s: int
    ) -> Sequence[Bar]:
        """Closed bars from ``since_s`` on, oldest first, at most 720; none without trades."""
        ...
