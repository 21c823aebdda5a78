"""The engine's loops over one desk: bars to plans, plans to orders, hints to fills, and watches.

Each loop is a task with a human name; the composition root supervises them and ends the engine
when one of them fails, for recovering is starting. They meet in the account, whose ``turn`` one
of them holds at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine, Sequence
from decimal import Decimal

import msgspec

from krakked.domain.bars import Bars, Timeframe, gaps
from krakked.domain.errors import Ambiguous, BadInput, Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.portfolio import Drift, DriftKind
from krakked.domain.times import NS_PER_SECOND, to_rfc3339
from krakked.ports.bar_store import BarStore
from krakked.ports.market_feed import MarketFeed, MarketHistory
from krakked.trading.adopting import Adopter
from krakked.trading.breaker import Breaker
from krakked.trading.compare import of_kinds, standing
from krakked.trading.control import set_halted
from krakked.trading.cycling import Cycler
from krakked.trading.dead_man import DeadMan
from krakked.trading.desk import Desk
from krakked.trading.execute import Executor
from krakked.trading.feeding import Feeder, Listeners
from krakked.trading.fills import FillBooker
from krakked.trading.market import Boundary
from krakked.trading.marking import Marker
from krakked.trading.order_queue import OrderQueue
from krakked.trading.outages import MarketDataWatch, history_outage
from krakked.trading.reconcile import Reconciler
from krakked.trading.stopping import Stopper

QUOTE_PATIENCE_S = 10.0
"""The venue tells a quote with the subscription, if it has one."""


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root decides."""

    pairs: tuple[PairName, ...]
    timeframes: tuple[Timeframe, ...]
    strategies: tuple[StrategyId, ...] = ()
    """Whose orders may be found at the venue without being on record."""
    valuing: tuple[PairName, ...] = ()
    """Pairs that are not traded, whose quotes value what is held."""
    kept: tuple[str, ...] = ()
    """Pairs that are watched for what is held there, with what speaks against them, in words."""
    backfill_bars: int = 720
    mark_interval_s: float = 60
    day_boundary_s: int = 0
    drawdown_max_pct: Decimal = Decimal(10)
    kill_switch_on_drift: bool = True
    clock_look_s: float = 1
    """How often the clock is looked at for bars whose end has passed."""
    is_paced_by_bars: bool = False
    """The replay profile: reconcile and mark once per bar instead of by the clock."""
    halts_when_dead_man_fires: bool = False
    """In live: what the venue has cancelled is not placed again before a person said so."""


class Engine:
    """One account, traded."""

    def __init__(
        self,
        desk: Desk,
        *,
        feed: MarketFeed,
        history: MarketHistory,
        store: BarStore,
        cycler: Cycler,
        options: EngineOptions,
    ) -> None:
        self.desk = desk
        self.options = options
        self.first_cycle_done = asyncio.Event()
        self._looks = asyncio.Event()
        self._gap_in_bars = asyncio.Event()
        self._feed = feed
        self._history = history
        self._store = store
        self.cycler = cycler
        self.booker = FillBooker(
            desk,
            adopter=Adopter(desk, options.strategies),
            on_wake=cycler.wake,
            on_inconsistent=self.on_inconsistency,
        )
        self.reconciler = Reconciler(desk, self.booker, on_drift=self._on_drift)
        self.executor = Executor(
            desk,
            on_unknown=self.reconciler.request,
            on_wake=cycler.wake,
            on_gone=self.booker.ask_about_end,
        )
        self.reconciler.on_answered = self.executor.failures.look
        self.order_queue = OrderQueue(self.executor)
        self.breaker = Breaker(desk, self.executor)
        self.marker = Marker(
            desk,
            day_boundary_s=options.day_boundary_s,
            drawdown_max_pct=options.drawdown_max_pct,
            trip=self.breaker.trip,
            on_new_day=store.compact,
        )
        self.reconciler.around_flow = self.marker.mark_around_flow
        self.dead_man = DeadMan(desk, is_healthy=self._is_healthy, on_fired=self._on_dead_man_fired)
        self.stopper = Stopper(
            desk, self.executor, make_exit=cycler.make_exit, enqueue=self.order_queue.put
        )
        cycler.cancel_and_learn = self.stopper.cancel_and_learn
        self.feeder = Feeder(
            desk,
            store,
            Listeners(
                on_quote=self.stopper.on_quote,
                on_hint=self.booker.on_hint,
                on_bar=self._looks.set,
                on_gap=self._on_gap,
            ),
        )
        self._market_data = MarketDataWatch(desk, options.pairs)
        self._history_outage = history_outage(desk)

    # start

    def check_history(self, kept_in: str) -> None:
        """Whoever decides on a bar that has not begun looks ahead, and no later one is ever new.

        Raises:
            BadInput: the bars kept are another run's.
        """
        for pair in self.options.pairs:
            for timeframe in self.options.timeframes:
                self._check_past(pair, timeframe, kept_in)

    async def load_history(self) -> None:
        """Fetch the closed bars that the store lacks."""
        for pair in self.options.pairs:
            for timeframe in self.options.timeframes:
                await self._backfill(pair, timeframe)

    async def _backfill(self, pair: PairName, timeframe: Timeframe) -> None:
        now_s = self.desk.now_ns() // NS_PER_SECOND
        tick_size = self.desk.account.bar_tick(pair)
        oldest_s = now_s - self.options.backfill_bars * timeframe.seconds
        kept = self._store.between(pair, timeframe, oldest_s, now_s, tick_size)
        since_s = first_hole_s(kept, oldest_s)
        if since_s + timeframe.seconds > now_s:
            return
        rows = await self._history.closed_bars(pair, timeframe, since_s=since_s)
        closed = [bar for bar in rows if bar.start_s + timeframe.seconds <= now_s]
        self._store.insert(pair, timeframe, tick_size, closed)
        if closed:
            self.desk.market.mark_closed(pair, timeframe, closed[-1].start_s)

    def _check_past(self, pair: PairName, timeframe: Timeframe, kept_in: str) -> None:
        now_s = self.desk.now_ns() // NS_PER_SECOND
        newest_s = self._store.newest_start_s(pair, timeframe)
        if newest_s is not None and newest_s > now_s:
            raise BadInput(
                f"{kept_in}: the {timeframe.value} bars of {pair} reach to "
                f"{to_rfc3339(newest_s * NS_PER_SECOND)}, and now it is "
                f"{to_rfc3339(now_s * NS_PER_SECOND)}: they are of another run; remove that "
                "folder, or give another --db-path"
            )

    async def wait_until_fed(
        self, *, patience_s: float = QUOTE_PATIENCE_S, without: Collection[PairName] = ()
    ) -> None:
        """Return when both streams are subscribed and every pair has a quote, or is done waiting.

        A pair of which the venue shows no price (one side of its book is empty) holds up no other:
        it is stale, and waits for its first quote while the engine trades. ``without`` names those
        that are known to have none, which are not waited for.
        """
        while not all(self.feeder.is_ready.values()):
            await self.desk.clock.sleep(0.02)
        until_ns = self.desk.now_ns() + int(patience_s * NS_PER_SECOND)
        while set(self._missing_quotes()).difference(without) and self.desk.now_ns() < until_ns:
            await self.desk.clock.sleep(0.02)
        for pair in self._missing_quotes():
            reason = f"no quote of {pair}: it is not traded before there is one"
            self.desk.recorder.publish(
                self.desk.recorder.event(EventName.CAUTION, pair=pair, reason=reason)
            )

    def _missing_quotes(self) -> list[PairName]:
        wanted = (*self.options.pairs, *self.options.valuing)
        return [pair for pair in wanted if pair not in self.desk.market.quotes]

    def missing(self) -> str:
        """What :meth:`wait_until_fed` still waits for, in words."""
        streams = [
            "the private stream" if private else "the public stream"
            for private, is_ready in self.feeder.is_ready.items()
            if not is_ready
        ]
        return ", ".join([*streams, *(f"a quote of {pair}" for pair in self._missing_quotes())])

    # tasks

    def feed_task(self) -> Coroutine[object, object, None]:
        """The streams; started before the others, for they wait for it."""
        pairs = (*self.options.pairs, *self.options.valuing)
        return self._feed.run(pairs, self.options.timeframes, self.feeder.deliver)

    def tasks(self) -> dict[str, Coroutine[object, object, None]]:
        """Everything else, by name; started when the books agree."""
        tasks = {
            "cycles": self._watch_boundaries(),
            "orders": self.order_queue.run(),
            "fills": self.booker.run(),
            "stops": self.stopper.run(),
            "history": self._mend_gaps(),
            "reconcile": self.reconciler.run(),
            "dead-man": self.dead_man.run(),
            "kill switch": self.breaker.run(),
            "pair rules": self.executor.rules_in_doubt.run(),
        }
        if not self.options.is_paced_by_bars:
            tasks["mark"] = self._mark_by_clock()
        return tasks

    async def _watch_boundaries(self) -> None:
        await self._first_cycle()
        self.first_cycle_done.set()
        while True:
            await self._wait_for_look()
            self._market_data.look()
            self.feeder.close_due()
            for boundary in self.desk.market.settled(self.desk.now_ns()):
                await self._on_boundary(boundary)

    async def _wait_for_look(self) -> None:
        now_ns = self.desk.now_ns()
        until_deadline_s = (self.desk.market.next_deadline_ns() - now_ns) / NS_PER_SECOND
        if not self.options.is_paced_by_bars:
            until_deadline_s = min(until_deadline_s, self.options.clock_look_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until_deadline_s)):
                await self._looks.wait()
        self._looks.clear()

    async def _first_cycle(self) -> None:
        """A restart wakes every sleeve on the newest closed bar that has no verdict yet."""
        now_s = self.desk.now_ns() // NS_PER_SECOND
        for timeframe in self.options.timeframes:
            end_s = now_s // timeframe.seconds * timeframe.seconds
            await self._run_cycle(Boundary(timeframe, end_s))

    async def _on_boundary(self, boundary: Boundary) -> None:
        """The account is valued, the day rolled and its loss judged before anybody decides."""
        if self.options.is_paced_by_bars or self.marker.is_new_day(self.desk.now_ns()):
            await self.marker.mark()
        await self._run_cycle(boundary)
        if self.options.is_paced_by_bars:
            self.reconciler.request()

    async def _run_cycle(self, boundary: Boundary) -> None:
        await self.cycler.run(boundary, self.order_queue.put)

    def _is_healthy(self) -> bool:
        """The order loop has nothing to do, or has looked at it lately."""
        return self.order_queue.busy_s < self.desk.rules.liveness_s

    @property
    def has_work(self) -> bool:
        """An order waits or is being sent."""
        return not self.order_queue.is_empty

    async def _on_drift(self, what: str) -> None:
        """Nobody knows why the books differ from the venue's: no new risk until a person looks."""
        if self.options.kill_switch_on_drift:
            await self.breaker.trip(KillSwitchCause.DRIFT, f"drift: {what}")

    async def on_inconsistency(self, what: str) -> None:
        """What we know contradicts itself: whatever rests on it may be wrong."""
        await self.breaker.trip(KillSwitchCause.INCONSISTENCY, f"inconsistent: {what}")

    async def _on_dead_man_fired(self) -> None:
        """The venue has cancelled what rested: learn it now; with money, a person looks first."""
        self.reconciler.request()
        if not self.options.halts_when_dead_man_fires or self.desk.account.halted:
            return
        reason = "the dead-man switch fired: nothing is placed again until `krakked resume`"
        await set_halted(self.desk, True, principal="engine", reason=reason)

    def _on_gap(self, private: bool) -> None:
        if not private:
            self._gap_in_bars.set()
        self.reconciler.request()

    async def _mend_gaps(self) -> None:
        """After the public stream was away, fetch the bars it did not show."""
        rules, failures = self.desk.rules, 0
        while True:
            await self._gap_in_bars.wait()
            self._gap_in_bars.clear()
            try:
                await self.load_history()
            except (Transient, Permanent) as error:
                self._history_outage.begin(str(error))
                wanted_s = error.retry_after_s if isinstance(error, Transient) else None
                await self.desk.clock.sleep(
                    rules.pause_s(min(failures, rules.max_retries), wanted_s)
                )
                failures += 1
                self._gap_in_bars.set()
            else:
                failures = 0
                self._history_outage.end()

    async def _mark_by_clock(self) -> None:
        while True:
            await self.marker.mark()
            await self.desk.clock.sleep(self.options.mark_interval_s)

    # stop

    async def drain(self) -> None:
        """Stop making plans; wait for what is under way; cancel what rests if so configured."""
        self.desk.guard.is_stopping = True
        while self.has_work:
            await self.desk.clock.sleep(0.02)
        if self.desk.rules.cancel_on_shutdown:
            for order in self.desk.account.live_orders():
                with contextlib.suppress(Transient, Ambiguous, Permanent):
                    await self.executor.cancel(order)

    # status

    def status(self) -> dict[str, object]:
        """How the engine is, for people and probes."""
        account, market, now_ns = self.desk.account, self.desk.market, self.desk.now_ns()
        latest = self.marker.latest
        return {
            "now": to_rfc3339(now_ns, decimals=0),
            "ready": self.desk.guard.is_ready and self.desk.guard.refusal_to_prove() is None,
            "fenced": self.desk.guard.fenced_by,
            "halted": account.halted,
            "shut_down": None if account.shut_down is None else account.shut_down.words,
            "kill_switch": account.kill_switch.reason if account.kill_switch.active else None,
            "drift": _shown(account.drifts, DriftKind.LATE, DriftKind.UNEXPLAINED),
            "tolerated": _shown(account.drifts, DriftKind.TOLERATED),
            "equity": None if latest is None else str(latest.equity),
            "equity_at": None if latest is None else to_rfc3339(latest.at_ns, decimals=0),
            "positions": sum(not position.is_flat for position in account.positions.values()),
            "stale_pairs": list(market.stale_pairs(now_ns)),
            "kept_pairs": list(self.options.kept),
            "without_price": sorted({*self.marker.lost, *(latest.unvalued if latest else ())}),
            "overdrawn": [f"{asset} {amount}" for asset, amount in account.overdrawn().items()],
            "open_orders": len(account.live_orders()),
            "unknown_orders": list(account.unknown_pairs()),
            "foreign_orders": _shown(account.drifts, DriftKind.FOREIGN),
            "streams": {
                "public": self.feeder.is_ready[False],
                "private": self.feeder.is_ready[True],
            },
            "dead_man_expires_at": None
            if self.dead_man.expires_at_ns is None
            else to_rfc3339(self.dead_man.expires_at_ns, decimals=0),
            "flatten_owed": self.stopper.owed_in_words(),
            "refused_sales": self.stopper.refused_in_words(),
            "dust": self.stopper.dust_in_words(),
            "degraded": self.degraded(),
        }

    def degraded(self) -> list[str]:
        """What does not work as it should while the engine goes on."""
        now_ns = self.desk.now_ns()
        facts = {
            "fenced": self.desk.guard.fenced_by is not None,
            "market_data": bool(self.desk.market.stale_pairs(now_ns)),
            "streams": not all(self.feeder.is_ready.values()),
            "valuation": bool(self.marker.lost),
            "exchange": self.desk.guard.venue_status != "online"
            or self.reconciler.outage.is_on
            or self.executor.failures.outage.is_on,
            "dead_man": bool(self.dead_man.failures)
            or self.dead_man.is_withheld
            or not self.desk.guard.is_dead_man_trusted(now_ns),
            "clock": not self.desk.guard.is_clock_trusted,
            "orders_unknown": bool(self.desk.account.unknown_pairs()),
            "shut_down": self.desk.account.shut_down is not None,
            "drift": bool(standing(self.desk.account.drifts)),
            "flatten_owed": bool(self.stopper.owed),
            "refused_sales": bool(self.stopper.refused_in_words()),
        }
        return [name for name, is_so in facts.items() if is_so]


def _shown(drifts: Sequence[Drift], *kinds: DriftKind) -> list[str]:
    return [str(drift.difference) for drift in of_kinds(drifts, *kinds)]


def first_hole_s(kept: Bars, oldest_s: int) -> int:
    """Where to fetch from: the start of the first bar that is missing since ``oldest_s``.

    What looks like a hole may be a stretch without trades; asking again costs one call a start.
    """
    step_s = kept.timeframe.seconds
    if not len(kept) or int(kept.start_s[0]) >= oldest_s + step_s:
        return oldest_s
    holes = gaps(kept)
    return holes[0].start_s if holes else int(kept.start_s[-1]) + step_s
