"""One run of the engine: started in named stages, watched, and stopped (``stopping.py``).

A run *by hand* is the same without strategies: it takes the account as every start does, carries
one command of a person out, and lets go (``by_hand.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from krakked.adapters.kraken.nonces import Nonces, fingerprint
from krakked.adapters.kraken.outcomes import Act
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import Call
from krakked.adapters.sqlite.connections import caution
from krakked.domain.commands import Acknowledge, Command, Reply, Shutdown, Unfence
from krakked.domain.errors import (
    BadInput,
    Fenced,
    KrakkedError,
    LedgerFailed,
    LedgerInUse,
    Refused,
    Transient,
)
from krakked.domain.events import Event, EventName
from krakked.domain.fills import OpeningLot
from krakked.domain.ids import Asset, ClientOrderId, PairName, StrategyId, is_ours
from krakked.domain.orders import VenueOrder
from krakked.domain.portfolio import Difference
from krakked.engine import (
    assembling,
    draining,
    opening,
    promises,
    reporting,
    stopping,
    telling,
    translating,
    venues,
)
from krakked.engine.accounts import Seen, meet_account
from krakked.engine.asking import agree, patiently
from krakked.engine.by_hand import BUYS_AGAIN, ByHand, lease_patience_s, rules_by_hand
from krakked.engine.contact import Contact
from krakked.engine.edges import OpenLedger
from krakked.engine.ending import Ending
from krakked.engine.given import Given
from krakked.engine.keys import KeyNames, check_keys
from krakked.engine.leading import Leading
from krakked.engine.listing import (
    Held,
    Listing,
    read_listing,
    remarks_as_events,
    valuation_of,
)
from krakked.engine.offsets import LOOK_S, ClockOffset
from krakked.engine.pair_names import check_pair_names
from krakked.engine.venues import Addresses
from krakked.engine.watching import BEAT_S, Heartbeat
from krakked.runtime.bar_folders import books_with_folder
from krakked.runtime.control_socket import Handle
from krakked.runtime.exit_codes import ExitCode, of_error
from krakked.runtime.lease_timings import timings_of
from krakked.runtime.settings import Mode
from krakked.runtime.stages import Stages
from krakked.runtime.supervisor import Supervisor
from krakked.simulator import RunningSimulator, start
from krakked.trading.account import Account
from krakked.trading.control import GOES_ON, Control, Hands
from krakked.trading.cycling import Cycler
from krakked.trading.desk import Desk
from krakked.trading.engine import QUOTE_PATIENCE_S, Engine
from krakked.trading.guard import Guard
from krakked.trading.market import Market
from krakked.trading.proving import Prover
from krakked.trading.recording import Recorder
from krakked.trading.retention import Pruned, Retention
from krakked.trading.rules import ExecutionRules

T = TypeVar("T")

ARM_TRIES_MAX = 5
ARM_PAUSE_S = 1.0
LITTLE_ROOM = 5
"""Points that no more than one question about the past needs, beside the reserve."""
LONG_S = 10.0**9
"""A candidate waits until the account is free, however long."""
FILES_LOOK_S = 1.0
FEED_BY_HAND_S = 5.0
"""A person in a hurry does not wait longer for market data."""
CLOCK_BY_HAND = "this clock is {:+.1f} s from the venue's: beyond the bound no order is sent"
DECIDING = ("cycles", "history", "mark")
"""Tasks that only a run that trades has."""
BEHIND = (
    "the database is older than what was done on this account: nothing that adds risk is sent "
    "until `krakked acknowledge`"
)


class Run:
    """Opens everything in stages and closes it in the reverse order."""

    def __init__(self, given: Given, supervisor: Supervisor, stack: AsyncExitStack) -> None:
        self.given = given
        self.supervisor = supervisor
        self.simulator: RunningSimulator | None = None
        self.engine: Engine | None = None
        self.by_hand: ByHand | None = None
        """A person's command that it is for; None: it trades."""
        self._stack = stack
        self.began_ns = given.clock.now_ns()
        self.rest: KrakenRest | None = None
        self._waits_for_files = False
        self.leading = Leading(given, self._tell)
        self._stages = Stages(
            listen=self._tell,
            now_ns=given.clock.now_ns,
            elapsed_s=given.stopwatch_s,
            patience=None if given.pace.speed is None else given.pace.patience,
            waits_for=self._waits_for,
        )

    def _tell(self, event: Event) -> None:
        for listener in self.given.listeners:
            listener(event)

    def _waits_for(self) -> str:
        """Files or lease; or the rate limit, if there is room for hardly a question."""
        if self._waits_for_files:
            return f"another krakked, which has {self.given.places.database}"
        if lease := self.leading.waits_for():
            return lease
        room = () if self.rest is None else self.rest.headroom().rest.values()
        return "the venue's rate limit" if min(room, default=LITTLE_ROOM) < LITTLE_ROOM else ""

    async def stage(
        self,
        name: str,
        work: Awaitable[T],
        *,
        timeout_s: float = 15.0,
        why: Callable[[], KrakkedError | None] = lambda: None,
    ) -> T:
        """Time-outs are real time: on a faster clock they take more of its seconds."""
        limit_s = timeout_s * self.given.pace.patience
        return await self._stages.run(name, work, timeout_s=limit_s, why=why)

    def _warn(self, words: str | None) -> None:
        if words is not None:
            now_ns = self.given.clock.now_ns()
            self._tell(Event(name=EventName.CAUTION, at_ns=now_ns, fields={"reason": words}))

    # start

    async def start(self) -> Engine:
        """All stages up to a trading engine."""
        addresses, ledger = await self._open_venue_and_ledger()
        await self._own(ledger)
        rest = await self._open_rest(addresses, ledger)
        contact = Contact(addresses, self.given.settings, self.given.source_of)
        await self.stage("venue reachable", contact.told(self._check_venue(rest)))
        await self.stage("keys valid", contact.told(self._check_keys(addresses, rest, ledger)))
        await self.stage("clock offset", contact.told(self._check_clock(rest)))
        if self._offset.newest_s and self.by_hand is not None:
            self._warn(CLOCK_BY_HAND.format(-self._offset.newest_s))
        self.listing = await self.stage("pairs", contact.told(self._read_listing(rest, ledger)))
        engine = await self._assemble(addresses, ledger, rest)
        self.engine = engine
        await self.stage("dead-man", contact.told(self._arm_dead_man(engine)))
        await self._open_market(engine, contact)
        await self.stage("reconcile", contact.told(self._open_books(engine)), timeout_s=120)
        await self.stage("ownership", self._lead(engine), timeout_s=LONG_S)
        engine.desk.guard.is_ready = True
        self._start_tasks(engine)
        if not self.given.is_lock_step and self.by_hand is None:
            self.supervisor.start("retention", self._retention(ledger).run())
            self.supervisor.start("proof", self._prover(engine).run())
        control = await self._open_doors(engine)
        if self.by_hand is None:
            self._show_health(engine, rest)
        else:
            deed = self.by_hand.run(control, engine, self.supervisor.request_stop)
            self.supervisor.start("command", deed)
        engine.desk.recorder.publish(engine.desk.recorder.event(EventName.ENGINE_STARTED))
        return engine

    async def _open_market(self, engine: Engine, contact: Contact) -> None:
        """By hand it can be done without: market data may be away, and executions come by REST."""
        if self.by_hand is not None:
            await self.stage("streams", self._try_feed(engine), timeout_s=2 * FEED_BY_HAND_S)
            return
        engine.check_history(str(self.given.places.bars))
        await self.stage("warm-up", contact.told(engine.load_history()), timeout_s=300)
        await self.stage(
            "streams",
            self._start_feed(engine, contact),
            timeout_s=30,
            why=lambda: contact.of_streams(self._feed),
        )

    def _start_tasks(self, engine: Engine) -> None:
        """All that is not running yet; by hand nothing that decides or watches."""
        left_out = self.supervisor.task_names if self.by_hand is None else (
            *self.supervisor.task_names, *DECIDING
        )  # fmt: skip
        for name, work in engine.tasks().items():
            if name in left_out:
                work.close()
            else:
                self.supervisor.start(name, work)

    async def initialize(
        self, confirm: Callable[[Sequence[OpeningLot]], bool], known: opening.Known
    ) -> int:
        """``krakked portfolio init``: book what the account holds as opening lots, if confirmed."""
        try:
            is_wanted = await self._initialize(confirm, known)
        except Fenced as error:
            await self.leading.end_early(error)
            raise
        finally:
            await self.leading.release()
            await self.supervisor.stop("lease")
        return ExitCode.DONE if is_wanted else ExitCode.REFUSED

    async def _initialize(
        self, confirm: Callable[[Sequence[OpeningLot]], bool], known: opening.Known
    ) -> bool:
        addresses, ledger = await self._open_venue_and_ledger()
        await ledger.write(opening.check_unbegun)
        await self._own(ledger)
        rest = await self._open_rest(addresses, ledger)
        contact = Contact(addresses, self.given.settings, self.given.source_of)
        await self.stage("venue reachable", contact.told(self._check_venue(rest)))
        await self.stage("keys valid", contact.told(self._check_keys(addresses, rest, ledger)))
        await self.stage("clock offset", contact.told(self._check_clock(rest)))
        pairs = await self.stage("pairs", contact.told(rest.pairs()))
        self._check_names(pairs)
        slack_s = opening.SLACK_S * self.given.pace.factor
        holding = await opening.find_holding(rest, self.given.clock, slack_s=slack_s)
        valuation = valuation_of(self.given.settings, pairs)
        lots = await opening.find_lots(holding, rest, valuation, known=known)
        is_wanted = confirm(lots)
        if is_wanted:
            await ledger.write(lambda tx: opening.book_lots(tx, lots, holding.at_ns))
        return is_wanted

    async def _own(self, ledger: OpenLedger) -> None:
        """Nothing is asked of the account before the lease is ours and its epoch durable."""
        self._stack.push_async_callback(self.leading.close)
        await self.leading.compete(ledger)
        self.supervisor.start("lease", self.leading.run())
        handle = functools.partial(self._handle_waiting, ledger)
        async with self.given.edges.doors(self.given.places.control_socket, handle):
            await self.stage(
                "lease",
                self.leading.acquired(waits_for_person=self.by_hand is None),
                timeout_s=self._lease_patience_s(),
                why=self._why_no_lease,
            )

    async def _handle_waiting(self, ledger: OpenLedger, command: Command) -> Reply:
        """A shutdown of who waits stands as well, should it be the one that is started next."""
        if isinstance(command, Shutdown):
            await draining.shut_down(ledger, command, self.given.clock.now_ns())
        return await self.leading.handle_waiting(command, self._stop_by_hand)

    async def _lead(self, engine: Engine) -> None:
        """After anything but a clean release the books are compared again before we trade."""

        async def look() -> None:
            await agree(engine, waits_for_unknown=False)

        await self.leading.settle(self._looked_at, look)
        self.leading.stands(engine)
        if engine.desk.guard.needs_acknowledgement:
            self._warn(BEHIND)

    def _lease_patience_s(self) -> float:
        return LONG_S if self.by_hand is None else lease_patience_s(self.given.settings)

    def _why_no_lease(self) -> KrakkedError:
        waits_for = self.leading.waits_for() or "the lease"
        return Refused(
            f"nothing was done: this would need {waits_for}; give the command to that engine, or "
            "end it first"
        )

    def _stop_by_hand(self) -> None:
        self.supervisor.request_stop("a person's command")

    def _unfence(self, command: Unfence) -> str:
        ok, words = self.leading.unfence(command)
        if not ok:
            raise Refused(words)
        return words

    async def _acknowledge(self, command: Acknowledge) -> str:
        if not await self.leading.acknowledge(command.principal):
            raise Refused("there is nothing to acknowledge: the ledger knew all that was done")
        return "acknowledged: risk may be added again"

    async def _open_doors(self, engine: Engine) -> Control:
        """What lets people in: the control socket."""
        control = Control(
            engine.desk,
            engine.executor,
            engine.breaker,
            engine.stopper,
            Hands(
                resolve=engine.reconciler.resolve_by_hand,
                stop=self._stop_by_hand,
                stays_down=draining.stays_down(self.given.settings),
                status=lambda: {**self.leading.figures(), **engine.status()},
                unfence=self._unfence,
                acknowledge=self._acknowledge,
                strategies=tuple(map(StrategyId, self.given.settings.strategies)),
                buys_again=GOES_ON if self.by_hand is None else BUYS_AGAIN,
            ),
        )
        await self._stack.enter_async_context(
            self.given.edges.doors(self.given.places.control_socket, self._answering(control))
        )
        return control

    def _answering(self, control: Control) -> Handle:
        """A command that meets a broken ledger ends the engine, as everything else does."""

        async def handle(command: Command) -> Reply:
            try:
                return await control.handle(command)
            except LedgerFailed as error:
                self.supervisor.request_stop(f"a command failed: {error}", of_error(error))
                return Reply(command_id=command.command_id, ok=False, message=str(error))

        return handle

    def _show_health(self, engine: Engine, rest: KrakenRest) -> None:
        """What lets probes in: the heartbeat behind them."""
        self.given.health.mark_ready()
        if not self.given.is_lock_step:
            heartbeat = Heartbeat(engine, rest, self._feed, leading=self.leading, given=self.given)
            factor = self.given.pace.factor
            self.supervisor.start("heartbeat", heartbeat.run(period_s=BEAT_S * factor))
            self.supervisor.start("clock offset", self._offset.run(period_s=LOOK_S * factor))

    def _retention(self, ledger: OpenLedger) -> Retention:
        return Retention(
            ledger,
            self.given.clock,
            snapshot_days=self.given.settings.portfolio.snapshot_retention_days,
            tell=self._tell_pruned,
        )

    def _tell_pruned(self, pruned: Pruned) -> None:
        now_ns = self.given.clock.now_ns()
        gone: dict[str, object] = {what: rows for what, rows in pruned.rows().items() if rows}
        if gone:
            self._tell(Event(name=EventName.NOTICE, at_ns=now_ns, fields={"pruned": gone}))

    async def _open_venue_and_ledger(self) -> tuple[Addresses, OpenLedger]:
        """The ledger's lock comes before the simulator: whoever is refused it touches nothing."""
        await self.stage("config", self.given.clock.sleep(0))  # read and checked before the loop
        if not venues.is_in_process(self.given.settings):
            addresses = await self.stage("secrets", self._read_secrets())
            return addresses, await self.stage(
                "database", self._open_ledger(), timeout_s=self._patience_s()
            )
        self._stages.skip("secrets", "the simulator in this process has keys of its own")
        ledger = await self.stage("database", self._open_ledger(), timeout_s=self._patience_s())
        return await self.stage("venue", self._open_simulator()), ledger

    def _patience_s(self) -> float:
        """For the database: migrations take their time, and a candidate waits without end."""
        return LONG_S if self.given.settings.leader.waits else 300

    async def _read_secrets(self) -> Addresses:
        return venues.addresses_of_settings(self.given.settings, self.given.keys)

    async def _open_simulator(self) -> Addresses:
        settings = self.given.settings
        options = venues.simulator_options(
            settings,
            self.given.options,
            state=self.given.places.simulator_state,
            is_lock_step=self.given.is_lock_step,
        )
        self.simulator = await start(options, clock=self.given.clock)
        self._stack.push_async_exit(self._close_simulator)
        self.supervisor.start("simulator", self._simulator_fails(self.simulator))
        for words in self.simulator.remarks():
            self._warn(words)
            telling.aside(self.given.options, words)
        now_ns = self.given.clock.now_ns()
        telling.tell_uncovered(self.simulator, self.given.options, self._tell, now_ns)
        return venues.addresses_of_simulator(
            self.simulator.rest_url, self.simulator.ws_url, options, settings
        )

    async def _simulator_fails(self, simulator: RunningSimulator) -> None:
        """A venue whose disk is full answers nothing any more: the run ends with its words."""
        await simulator.failed()

    async def _close_simulator(
        self, _: type[BaseException] | None, error: BaseException | None, __: object
    ) -> None:
        """What ended the run counts, not that the same full disk takes no last state either."""
        assert self.simulator is not None
        await self.supervisor.stop("simulator")
        try:
            await self.simulator.stop()
        except LedgerFailed:
            if error is None and self.supervisor.exit_code == ExitCode.DONE:
                raise

    async def _free_ledger(self) -> OpenLedger:
        """A candidate may wait for the files of the one before."""
        while True:
            try:
                return self.given.edges.ledger(
                    self.given.places.database,
                    translating.identity_of(self.given.settings),
                    clock=self.given.clock,
                    observe=self.given.metrics.observe_write,
                )
            except LedgerInUse:
                if self.by_hand is not None or not self.given.settings.leader.waits:
                    raise
                self._waits_for_files = True
            await self.given.clock.sleep(FILES_LOOK_S * self.given.pace.factor)

    async def _open_ledger(self) -> OpenLedger:
        ledger = await self._free_ledger()
        self._waits_for_files = False
        self._stack.push_async_callback(ledger.close)
        self.given.metrics.watch_wal(lambda: ledger.wal_bytes)
        self.given.health.add_check(ledger.writer_problem)
        self.given.health.mark_started()
        self._warn(caution())
        return ledger

    def _permit(self, call: Call) -> str | None:
        """Why that call must not be written to the socket now, after it waited for its turn."""
        refusal = self.leading.permit(call)
        if refusal is not None or self.engine is None:
            return refusal
        if call.method == Act.DEAD_MAN.value:
            return self.engine.dead_man.refusal()
        if call.method == Act.ADD.value:
            return self._refusal_of_order(self.engine.desk, call)
        return None

    def _refusal_of_order(self, desk: Desk, call: Call) -> str | None:
        """The guard has seen it, and it waited since: for the limits, its turn, a connection.

        Its plan's age is not asked about again: its own deadline bounds the wait.
        """
        order = desk.account.order(ClientOrderId(call.form.get("cl_ord_id", "")))
        now_ns = desk.now_ns()
        if order is None:
            return None
        veto = desk.guard.veto(order, plan_expires_at_ns=now_ns + 1, now_ns=now_ns)
        if veto is None:
            return None
        desk.guard.held_back(veto)
        return veto.words

    async def _open_rest(self, addresses: Addresses, ledger: OpenLedger) -> KrakenRest:
        given = self.given
        rest = venues.open_rest(
            addresses,
            given.clock,
            nonces=await self._open_nonces(ledger),
            network=given.edges.network(venues.bounds_of(given.settings, given.pace)),
            observer=given.metrics,
        )
        self._stack.push_async_callback(rest.close)
        rest.transport.permit = self._permit
        if silent_ns := self.leading.owner.state.silent_ns:
            rest.transport.limits.were_full(given.clock.now_ns() - silent_ns)
        if given.settings.leader.store == "kubernetes" and self.by_hand is None:
            self._warn(promises.caution_of(timings_of(given.settings), addresses.tier))
        self.rest = rest
        self._feed = venues.open_feed(addresses, given.settings, rest, given.clock, pace=given.pace)
        return rest

    async def _open_nonces(self, ledger: OpenLedger) -> Nonces:
        nonces = await venues.open_nonces(ledger, self.given.clock, self.given.pace)
        self.leading.guard_nonces(nonces)
        return nonces

    async def _check_venue(self, rest: KrakenRest) -> None:
        status = await rest.system_status()
        if status != "online":
            raise Transient(f"the venue is in {status}; start again when it is online")

    async def _check_keys(self, addresses: Addresses, rest: KrakenRest, ledger: OpenLedger) -> None:
        is_dry = self.given.settings.execution.mode is Mode.DRY_RUN
        names = KeyNames(addresses.keys_from)
        self._looked = looked = await check_keys(
            rest, self.given.clock, places_orders=not is_dry, names=names
        )
        seen = Seen(account=looked.account, key=fingerprint(addresses.trade.key))
        database = self.given.places.database
        caution = await ledger.write(lambda tx: meet_account(tx, seen, database))
        for words in (*looked.cautions, caution):
            self._warn(words)

    async def _check_clock(self, rest: KrakenRest) -> None:
        given = self.given
        self._offset = ClockOffset(rest, given.clock, given.metrics.observe_clock_offset)
        offset_s = await self._offset.measure()
        if abs(offset_s) > self._offset_max_s() and self.by_hand is None:
            raise BadInput(
                f"the clock of this machine is {-offset_s:+.0f} s from the venue's; "
                "synchronise it (NTP), orders carry deadlines",
                exit_code=ExitCode.CLOCK,
            )

    def _offset_max_s(self) -> float:
        """As the timing contract counts with it; a machine is late by more on a faster clock."""
        return self.given.settings.leader.clock_offset_max_seconds * self.given.pace.factor

    async def _read_listing(self, rest: KrakenRest, ledger: OpenLedger) -> Listing:
        """What may be traded, each pair that may not with its reason."""
        given = self.given
        listing = await read_listing(
            given.settings,
            rest,
            Held(books=await ledger.write(lambda tx: tx.books()), balances=self._looked.balances),
            given.clock,
            asks_turnover=given.options.candles is None,
            check=self._check_names,
        )
        for event in remarks_as_events(listing, given.settings, given.clock.now_ns()):
            self._tell(event)
        return listing

    def _check_names(self, listed: Collection[PairName]) -> None:
        """A replay lists the pairs it has candles of; the others are known all the same."""
        settings = self.given.settings
        known = {*listed, *venues.known_pairs(settings)}
        check_pair_names(settings, known, source_of=self.given.source_of)

    async def _assemble(
        self,
        addresses: Addresses,
        ledger: OpenLedger,
        rest: KrakenRest,
    ) -> Engine:
        del addresses
        settings, clock = self.given.settings, self.given.clock
        sleeves = () if self.by_hand is not None else assembling.configured_sleeves(
            settings, self.listing.universe, source_of=self.given.source_of
        )  # fmt: skip
        timeframes = assembling.timeframes_of(settings)
        bar_s = timeframes[0].seconds if self.given.is_lock_step else None
        places = self.given.places
        if self.by_hand is None and not draining.stays_down(settings):
            await draining.start_again(ledger, clock.now_ns())
        books = await ledger.write(lambda tx: books_with_folder(tx, places.bars, places.database))
        if self.by_hand is None and books.shut_down is not None:
            self._warn(f"{books.shut_down.words}: until then nothing adds risk")
        account = Account(
            books,
            fingerprint=translating.fingerprint_of(settings),
            base_currency=Asset(settings.portfolio.base_currency),
            pairs=self.listing.pairs,
            valuation=self.listing.valuation,
        )
        desk = Desk(
            exchange=rest,
            account=account,
            market=Market(
                self.listing.universe.pairs,
                timeframes,
                stale_after_s=settings.market_data.ws.stale_tolerance_seconds
                * self.given.pace.factor,
                grace_s=settings.market_data.bar_close_grace_seconds,
                now_ns=clock.now_ns(),
                last_frame_ns=lambda: self._feed.last_frame_ns(private=False),
            ),
            guard=Guard(account),
            recorder=Recorder(
                ledger, clock, self.given.listeners, userrefs=translating.userrefs_of(settings)
            ),
            clock=clock,
            rules=self._rules(bar_s),
        )
        self._offset.watch(desk.guard, most_s=self._offset_max_s())
        store = self.given.edges.bar_store(places.bars)
        self._stack.callback(store.close)
        cycler = Cycler(desk, store, sleeves, translating.limits_of(settings))
        return Engine(
            desk,
            feed=self._feed,
            history=rest,
            store=store,
            cycler=cycler,
            options=assembling.options_of(self.given, self.listing, timeframes),
        )

    def _rules(self, bar_s: int | None) -> ExecutionRules:
        rules = translating.rules_of(
            self.given.settings,
            replay_bar_s=bar_s,
            speed=self.given.pace.factor,
            is_venue_apart=self.given.pace.read_at_s is not None,
        )
        return rules if self.by_hand is None else rules_by_hand(rules)

    async def _try_feed(self, engine: Engine) -> None:
        self.supervisor.start("feed", engine.feed_task())
        patience_s = FEED_BY_HAND_S * self.given.pace.patience
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await engine.wait_until_fed(patience_s=patience_s)
        if missing := engine.missing():
            self._warn(f"without {missing}: market orders need none, the venue tells executions")

    async def _start_feed(self, engine: Engine, contact: Contact) -> None:
        """A connection that is lost is waited for; one that nobody ever took is told.

        In a replay the market goes on meanwhile: what waits for a quote misses bars, so that a pair
        whose candles begin later is not waited for, and no other one longer than a live start does.
        """
        self.supervisor.start("feed", engine.feed_task())
        patience_s = QUOTE_PATIENCE_S * self.given.pace.factor
        without = () if self.simulator is None else self.simulator.unquoted()
        fed = asyncio.ensure_future(engine.wait_until_fed(patience_s=patience_s, without=without))
        alone = asyncio.ensure_future(self._feed.is_nobody_there.wait())
        try:
            await asyncio.wait((fed, alone), return_when=asyncio.FIRST_COMPLETED)
            if not fed.done():
                problem = contact.of_streams(self._feed)
                assert problem is not None, "it was refused for a reason"
                raise problem
            fed.result()
        finally:
            fed.cancel()
            alone.cancel()

    async def _open_books(self, engine: Engine) -> None:
        await opening.begin_books(engine, on_ours=self.leading.found_ours)
        await engine.executor.drop_pending()
        # A look before that had to be made again, and the venue counts questions.
        await self.leading.sit_out_quarantine()
        self._looked_at = self.leading.begin_look()
        await agree(engine, waits_for_unknown=False, is_first=True)
        self._check_foreign(engine.reconciler.foreign)
        await self._prover(engine).look()
        snapshot = await engine.marker.mark()
        self.books_at_start = reporting.beginning_of(
            engine.desk.account, self.given.places.database, snapshot
        )

    def _prover(self, engine: Engine) -> Prover:
        return Prover(
            engine.desk, prove=self._prove_ledger, on_inconsistent=engine.on_inconsistency
        )

    async def _prove_ledger(self) -> Sequence[Difference]:
        """Over a reader of its own, and beside the loop: a large ledger takes its time."""
        database = self.given.places.database
        return await self.given.edges.beside(lambda: reporting.projection_differences(database))

    async def _arm_dead_man(self, engine: Engine) -> None:
        """The first call that only an owner may make: it fences whoever was before us."""
        self.leading.watch(engine.desk.guard)
        await self._meet_foreign(engine)
        for _ in range(ARM_TRIES_MAX):
            if await engine.dead_man.refresh() or engine.desk.rules.dead_man_timeout_s is None:
                self.leading.took_dead_man(engine)
                self.supervisor.start("dead-man", engine.dead_man.run())
                return
            if engine.desk.guard.fenced_by is not None:
                raise Fenced(f"another engine has the account: {engine.desk.guard.fenced_by}")
            await self.given.clock.sleep(ARM_PAUSE_S)
        raise Transient("the venue does not arm the dead-man switch; start again")

    async def _meet_foreign(self, engine: Engine) -> None:
        """Before the switch is armed: if we end again, it would cancel what is not ours."""
        if self.given.settings.execution.mode is not Mode.LIVE or self.by_hand is not None:
            return
        ours = engine.desk.account.fingerprint
        rests = await patiently(self.given.clock, engine.desk.exchange.open_orders)
        self._check_foreign([one for one in rests if not is_ours(one.client_order_id, ours)])

    def _check_foreign(self, foreign: Sequence[VenueOrder]) -> None:
        if self.by_hand is not None:
            return  # it arms no switch that would cancel them
        opening.check_foreign(
            foreign,
            is_live=self.given.settings.execution.mode is Mode.LIVE,
            is_acknowledged=self.given.options.acknowledges_foreign_orders,
        )

    def arrange_end(self) -> None:
        """Stop by itself where that was asked for."""
        assert self.engine is not None
        if self.by_hand is not None:
            return
        Ending(self.given, self.supervisor, self.engine, self._stack).arrange(self.simulator)

    async def stop(self) -> reporting.Report | None:
        """In named stages as well; what the run did."""
        assert self.engine is not None
        assert self.rest is not None
        return await stopping.stop(self, self.engine, self.rest)
