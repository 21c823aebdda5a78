"""Following another venue: its public stream kept up, told to the market, and its loss shown.

    ask rules and past → connect → subscribe → books and missed trades → following
        → lost → pause → connect …

The source is lost when the connection ends or is refused, when nothing at all arrives for a while
(:attr:`SourceOptions.silence_s`), when what arrives is old (``late_s``), or when no market data
came for long (``quiet_s``) and its REST shows another book than the stream did. Then matching
freezes: the system's status becomes ``cancel_only``, which every client of the venue understands
(orders may be looked at and taken back, none is placed), and the last book stands still. Once
found again, missed trades are put on the tape without filling anything, whole books replace the
old ones, and the status is the source's own.

A book whose sum does not agree is subscribed anew, and its pair is ``cancel_only`` meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Final

import msgspec

from krakked.adapters.kraken.network import Broken, NotConnected, Silent, Socket
from krakked.adapters.kraken.reconnecting import Backoff, ConnectBudget
from krakked.adapters.kraken.records import InstrumentFrame, Reply, StatusFrame
from krakked.adapters.kraken.subscriptions import Subscriptions
from krakked.adapters.kraken.wire import pair_status
from krakked.domain.errors import BadInput, KrakkedError
from krakked.domain.ids import PairName
from krakked.domain.pairs import PairStatus
from krakked.domain.times import NS_PER_SECOND, from_rfc3339, to_rfc3339
from krakked.ports.clock import Clock
from krakked.runtime.exit_codes import ExitCode
from krakked.sim.exchange.core import SystemStatus
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.mirrored import MirroredTrade
from krakked.sim.exchange.pairs import PAIRS, VenuePair
from krakked.sim.market.following import BookBroken, FollowMarket
from krakked.simulator.options import SimulatorOptions, SourceOptions
from krakked.simulator.source import (
    NONSENSE,
    BookFrame,
    Source,
    SourceFrame,
    TradeFrame,
    book_told,
    decode,
    pasts_of,
    trade_told,
)
from krakked.simulator.unreachable import in_words
from krakked.simulator.venue import Venue

BOOK_DEPTH: Final = 500
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
BROKEN_MAX: Final = 3
"""Sums of one pair that disagree in a row before the whole connection is given up."""


class SourceLost(Exception):
    """The source cannot be followed now; says why."""


async def open_source(options: SimulatorOptions, clock: Clock) -> Follower:
    """Ask the source for rules and past; the stream is not opened yet.

    Raises:
        BadInput: it cannot be reached, tells nonsense, or lives at another time.
    """
    source = Source(options.source.rest, clock)
    try:
        with _one_line(f"--source-rest {options.source.rest}"):
            return await _asked(source, options, clock)
    except BadInput:
        await source.close()
        raise


async def _asked(source: Source, options: SimulatorOptions, clock: Clock) -> Follower:
    _check_clock(await source.offset_ns(), options.source)
    await source.learn_pairs()
    pairs = _chosen(source.pairs, options)
    pasts = await pasts_of(source, pairs)
    now_ns = clock.now_ns()
    market = FollowMarket(pairs=pairs, pasts=pasts, depth=BOOK_DEPTH, start_ns=now_ns)
    rng = Random(options.seed)  # noqa: S311 - jitter, not a secret
    return Follower(source, market, pairs, settings=options.source, clock=clock, rng=rng)


@contextlib.contextmanager
def _one_line(flag: str) -> Iterator[None]:
    try:
        yield
    except BadInput:
        raise
    except (KrakkedError, SourceLost, *NONSENSE) as error:
        raise BadInput(
            f"{flag}: cannot be followed: {in_words(error)}; start it, or give another address",
            exit_code=ExitCode.VENUE_UNREACHABLE,
        ) from error


def _check_clock(offset_ns: int, settings: SourceOptions) -> None:
    offset_s = offset_ns / NS_PER_SECOND
    if abs(offset_s) > settings.clock_s:
        raise BadInput(
            f"--source-rest {settings.rest}: its clock is {offset_s:+.0f} s from this one's; "
            "follow a venue that runs at --speed 1, and synchronise the clocks",
            exit_code=ExitCode.CLOCK,
        )


def _chosen(
    listed: Mapping[PairName, VenuePair], options: SimulatorOptions
) -> dict[PairName, VenuePair]:
    missing = [name for name in options.pairs if name not in listed]
    if missing:
        raise BadInput(f"--pair {missing[0]}: the source does not list it; leave it out")
    names = options.pairs or tuple(name for name in PAIRS if name in listed)
    if not names:
        raise BadInput(f"the source lists none of {', '.join(PAIRS)}; name pairs with --pair")
    return {name: listed[name] for name in names}


class Follower:
    """See the module."""

    def __init__(
        self,
        source: Source,
        market: FollowMarket,
        pairs: Mapping[PairName, VenuePair],
        *,
        settings: SourceOptions,
        clock: Clock,
        rng: Random,
    ) -> None:
        self.market = market
        self.pairs = pairs
        self._source = source
        self._settings = settings
        self._clock = clock
        self._symbols = {pair.symbol: name for name, pair in pairs.items()}
        self._statuses = {name: source.status(name) for name in pairs}
        self._system = SystemStatus.ONLINE
        self._applied = SystemStatus.ONLINE
        """What was made of it here last."""
        self._backoff = Backoff(rng, base_s=settings.backoff_s, max_s=settings.backoff_max_s)
        self._budget = ConnectBudget()
        self._venue: Venue | None = None
        self._socket: Socket | None = None
        self._wanted = Subscriptions()
        self._early: list[tuple[PairName, MirroredTrade]] | None = []
        """Trades that came before the books stood; None once they do."""
        self._broken: dict[PairName, int] = {}
        """How often in a row a pair's book did not hold."""
        self._broken_ns = 0
        self._outgoing: list[str] = []
        self._data_ns = 0
        """When market data arrived last."""
        self._since_ns = 0
        self._reason = "not connected yet"
        self.is_following = False
        self.losses = 0

    def __repr__(self) -> str:
        state = "following" if self.is_following else self._reason
        return f"<Follower {self._source.rest_url} {state}>"

    def state(self) -> dict[str, object]:
        """For people and tests: whether the source is there, since when, and if not, why."""
        return {
            "rest_url": self._settings.rest,
            "ws_url": self._settings.ws,
            "following": self.is_following,
            "since": to_rfc3339(self._since_ns),
            "reason": "" if self.is_following else self._reason,
            "losses": self.losses,
        }

    def prepare(self, exchange: Exchange) -> None:
        """Trades are numbered as the source numbers them."""
        for name in self.pairs:
            _, trade_id = self.market.last_trade(name)
            exchange.mirror(name, self._clock.now_ns()).resume(trade_id)

    def attach(self, venue: Venue) -> None:
        """The world that is told of it."""
        self._venue = venue
        venue.source_state = self.state
        for name, status in self._statuses.items():
            venue.exchange.set_pair_status(name, status)

    async def begin(self) -> None:
        """Follow for the first time.

        Raises:
            BadInput: it cannot be followed.
        """
        with _one_line(f"--source-ws {self._settings.ws}"):
            await self._open()

    async def run(self) -> None:
        """Go on following, until cancelled."""
        while True:
            try:
                if not self.is_following:
                    await self._pause()
                    await self._open()
                await self._listen()
            except SourceLost as lost:
                await self._lose(str(lost))

    async def close(self) -> None:
        """Let go of all connections."""
        if self._socket is not None:
            await self._socket.close()
        await self._source.close()

    # a life of the connection

    async def _pause(self) -> None:
        pause_s = self._backoff.pause_s()
        wait_ns = self._budget.reserve(self._clock.now_ns() + int(pause_s * NS_PER_SECOND))
        await self._clock.sleep(pause_s + wait_ns / NS_PER_SECOND)
        self._freeze()  # somebody may have switched the venue on meanwhile

    async def _open(self) -> None:
        """Connect, subscribe, take books and missed trades.

        Raises:
            SourceLost: something of it did not work.
        """
        self._early = []
        self._broken.clear()
        self._wanted = _wanted([pair.symbol for pair in self.pairs.values()])
        self._socket = await self._connected()
        try:
            async with asyncio.timeout(self._settings.subscribe_s):
                await self._subscribe(self._socket)
                await self._make_up()
        except TimeoutError:
            raise SourceLost("it did not give all books in time") from None
        self._found()

    async def _connected(self) -> Socket:
        try:
            return await self._source.transport.network.connect(
                self._settings.ws,
                timeout_s=self._settings.connect_s,
                frame_bytes_max=FRAME_BYTES_MAX,
            )
        except NotConnected as error:
            raise SourceLost(f"not connected: {in_words(error)}") from error

    async def _subscribe(self, socket: Socket) -> None:
        for text in self._wanted.messages():
            await _send(socket, text)
        while not (self._wanted.is_complete and self.market.knows_books()):
            self._take(await self._next())
            await self._send_outgoing(socket)
            if self._wanted.refusals:
                refusal = self._wanted.refusals[0]
                raise SourceLost(f"{refusal.channel} {refusal.symbol} refused: {refusal.reason}")

    async def _make_up(self) -> None:
        """Trades between the last one that was heard and the first one of this connection."""
        now_ns = self._at().clock.now_ns
        for name in self.pairs:
            since_ns, _ = self.market.last_trade(name)
            try:
                missed = await self._source.missed(name, since_ns)
            except (KrakkedError, *NONSENSE) as error:
                raise SourceLost(in_words(error)) from error
            self.market.hear_missed(name, missed, now_ns())
        for name, trade in self._early or ():
            self.market.hear_trades(name, [trade], now_ns())
        self._early = None

    async def _listen(self) -> None:
        while True:
            self._take(await self._next())
            assert self._socket is not None, "opened before"
            await self._send_outgoing(self._socket)
            await self._doubt()

    async def _next(self) -> str | bytes:
        assert self._socket is not None, "opened before"
        silence_s = self._settings.silence_s or None
        deadline = silence_s and asyncio.get_running_loop().time() + silence_s
        try:
            return await self._socket.receive(deadline)
        except Silent:
            raise SourceLost(f"nothing was received for {silence_s} s") from None
        except Broken as broken:
            raise SourceLost(str(broken)) from broken

    async def _doubt(self) -> None:
        """The stream lives and says nothing of the market: is it quiet, or deaf?"""
        self._check_mended()
        quiet_ns = int(self._settings.quiet_s * NS_PER_SECOND)
        if not quiet_ns or self._clock.now_ns() - self._data_ns < quiet_ns:
            return
        for name in self.pairs:
            try:
                shown = await self._source.best(name)
            except (KrakkedError, *NONSENSE) as error:
                raise SourceLost(in_words(error)) from error
            if shown != self.market.book(name).best():
                raise SourceLost(f"its stream is silent, and its {name} is elsewhere by now")
        self._data_ns = self._clock.now_ns()

    # frames

    def _take(self, text: str | bytes) -> None:
        """One frame; what it tells is played, stored and told on at once.

        Raises:
            SourceLost: it is no frame, or old.
        """
        try:
            frame = decode(text)
            if isinstance(frame, Reply):
                self._wanted.on_reply(frame)
            elif frame is not None:
                self._hear(frame)
        except NONSENSE as error:
            raise SourceLost(f"a frame cannot be understood: {error}") from error
        self._settle()

    def _hear(self, frame: SourceFrame) -> None:
        match frame:
            case BookFrame():
                self._hear_book(frame)
            case TradeFrame():
                self._hear_trades(frame)
            case StatusFrame():
                for row in frame.data:
                    self._hear_system(row.system)
            case InstrumentFrame():
                for pair in frame.data.pairs:
                    self._hear_pair(pair.symbol, pair_status(pair.status))
            case _:  # a heartbeat
                return

    def _hear_book(self, frame: BookFrame) -> None:
        for row in frame.data:
            name = self._symbols.get(row.symbol)
            if name is None:
                continue
            self._note_data(row.timestamp)
            told = book_told(frame, row)
            if not told.is_snapshot and not self.market.book(name).is_known:
                continue  # of the book that broke; the new one is on its way
            try:
                self.market.hear_book(name, told, self._at().clock.now_ns())
            except BookBroken as broken:
                self._resubscribe(name, row.symbol, broken)
            else:
                self._mend(name, is_snapshot=told.is_snapshot)

    def _hear_trades(self, frame: TradeFrame) -> None:
        for row in frame.data:
            name = self._symbols.get(row.symbol)
            if name is None:
                continue
            self._note_data(row.timestamp)
            trade = trade_told(row, matches=self._early is None)
            if self._early is None:
                self.market.hear_trades(name, [trade], self._at().clock.now_ns())
            else:
                self._early.append((name, trade))

    def _note_data(self, timestamp: str) -> None:
        self._data_ns = now_ns = self._clock.now_ns()
        if not timestamp or not self._settings.late_s:
            return
        late_s = (now_ns - from_rfc3339(timestamp)) / NS_PER_SECOND
        if late_s > self._settings.late_s:
            raise SourceLost(f"its data is {late_s:.0f} s old")

    def _hear_system(self, word: str) -> None:
        try:
            self._system = SystemStatus(word)
        except ValueError:  # a word that nobody knows allows nothing new
            self._system = SystemStatus.CANCEL_ONLY
        if self.is_following:
            self._apply(self._system)

    def _hear_pair(self, symbol: str, status: PairStatus) -> None:
        name = self._symbols.get(symbol)
        if name is not None and self._statuses[name] is not status:
            self._statuses[name] = status
            if not self._broken.get(name):
                self._apply_pair(name, status)

    # a book that broke

    def _resubscribe(self, name: PairName, symbol: str, broken: BookBroken) -> None:
        self._broken[name] = self._broken.get(name, 0) + 1
        if self._broken[name] > BROKEN_MAX:
            raise SourceLost(f"its books do not hold: {broken}")
        self._broken_ns = self._clock.now_ns()
        self._apply_pair(name, PairStatus.CANCEL_ONLY)
        params = {"channel": "book", "symbol": [symbol], "depth": BOOK_DEPTH}
        for method in ("unsubscribe", "subscribe"):
            text = msgspec.json.encode({"method": method, "params": params}).decode()
            self._outgoing.append(text)

    def _mend(self, name: PairName, *, is_snapshot: bool) -> None:
        """The new book opens the pair again; a change that agrees with it ends the matter."""
        if not self._broken.get(name):
            return
        if is_snapshot:
            self._apply_pair(name, self._statuses[name])
        else:
            del self._broken[name]

    def _check_mended(self) -> None:
        late_ns = int(self._settings.subscribe_s * NS_PER_SECOND)
        if not self.market.knows_books() and self._clock.now_ns() - self._broken_ns > late_ns:
            raise SourceLost("it did not give a book again in time")

    async def _send_outgoing(self, socket: Socket) -> None:
        while self._outgoing:
            await _send(socket, self._outgoing.pop(0))

    # what is shown of it here

    def _found(self) -> None:
        self.is_following = True
        self._since_ns = self._data_ns = self._clock.now_ns()
        self._apply(self._system)
        self._settle()

    async def _lose(self, reason: str) -> None:
        now_ns = self._clock.now_ns()
        lasted_ns = now_ns - self._since_ns if self.is_following else 0
        self._backoff.ended(lasted_ns / NS_PER_SECOND)
        if self.is_following:
            self.losses += 1
            self._since_ns = now_ns
        self.is_following, self._reason = False, reason
        self._outgoing.clear()
        self.market.forget_books()
        self._freeze()
        if self._socket is not None:
            await self._socket.close()

    def _freeze(self) -> None:
        """Nothing is placed and nothing is matched, whoever switched the venue on."""
        if self._at().exchange.system_status() is not SystemStatus.MAINTENANCE:
            self._applied = self._at().exchange.system_status()
            self._apply(SystemStatus.CANCEL_ONLY)

    def _apply(self, status: SystemStatus) -> None:
        """Show it; what somebody else has set here since stays as it is."""
        venue = self._at()
        if venue.exchange.system_status() is not self._applied or status is self._applied:
            return
        now_ns = venue.catch_up()
        venue.exchange.set_system_status(status, now_ns)
        self._applied = status
        venue.deliver(venue.hub.announce_system_status(now_ns))
        venue.settle(now_ns)

    def _apply_pair(self, name: PairName, status: PairStatus) -> None:
        venue = self._at()
        if venue.exchange.pair_status(name).value != status.value:
            venue.exchange.set_pair_status(name, status)
            venue.deliver(venue.hub.announce_pair_status(name, self._clock.now_ns()))

    def _settle(self) -> None:
        venue = self._at()
        venue.settle(venue.catch_up())

    def _at(self) -> Venue:
        assert self._venue is not None, "attached before it follows"
        return self._venue


def _wanted(symbols: Sequence[str]) -> Subscriptions:
    wanted = Subscriptions()
    wanted.add("instrument")
    wanted.add("book", symbols, {"depth": BOOK_DEPTH})
    wanted.add("trade", symbols, {"snapshot": False})
    return wanted


async def _send(socket: Socket, text: str) -> None:
    try:
        await socket.send(text)
    except Broken as broken:
        raise SourceLost(str(broken)) from broken
