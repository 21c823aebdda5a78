"""One engine's acting parts on the real ledger, against the real simulator by the real adapter.

Everything runs in one process on a loop whose time is simulated: the venue listens on loopback
sockets, the ledger is a file, and half a minute of patience takes no time. Every scenario ends
with the books checked: what is in memory is what is in the ledger, and the ledger's projections
follow from its rows; unless the scenario says otherwise, they equal the venue to the last digit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import msgspec
import pytest

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.network import AiohttpNetwork, Bounds
from krakked.adapters.kraken.nonces import Nonces
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import RestSettings, Transport
from krakked.adapters.kraken.websocket import FeedSettings, KrakenFeed
from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.adapters.sqlite import projections
from krakked.adapters.sqlite.ledger import SqliteLedger, open_ledger
from krakked.adapters.sqlite.queries import SqliteQueries, open_queries
from krakked.adapters.system.clock import LoopClock
from krakked.domain.bars import Timeframe
from krakked.domain.events import Event, EventName
from krakked.domain.fills import Fill
from krakked.domain.ids import (
    Asset,
    ClientOrderId,
    PairName,
    StrategyId,
    VenueOrderId,
    account_fingerprint,
    client_order_id,
    plan_id,
)
from krakked.domain.limits import Limits
from krakked.domain.orders import (
    Journal,
    LegKind,
    Order,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from krakked.domain.plans import ActionType, ApprovedAction, ExecutionPlan, PlanLeg
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.times import NS_PER_SECOND
from krakked.engine.venues import Pace, open_nonces
from krakked.ports.clock import Clock
from krakked.ports.ledger import Identity
from krakked.ports.market_feed import ExecutionHint, FeedMessage, StreamReady
from krakked.runtime.simulated_time import SimulatedTimeLoop, run
from krakked.sim.exchange.limits import Tier as SimulatorTier
from krakked.simulator import RunningSimulator, start
from krakked.simulator.faults import Armed, FaultKind
from krakked.simulator.options import ACCOUNT, ApiKey, SimulatorOptions, default_key
from krakked.trading.account import Account
from krakked.trading.adopting import Adopter
from krakked.trading.breaker import Breaker
from krakked.trading.compare import compare_balances
from krakked.trading.control import Control, Hands
from krakked.trading.cycling import Cycler
from krakked.trading.dead_man import DeadMan
from krakked.trading.desk import Desk
from krakked.trading.execute import Executor, pending_orders
from krakked.trading.fills import FillBooker
from krakked.trading.guard import Guard
from krakked.trading.market import Market
from krakked.trading.marking import Marker
from krakked.trading.order_queue import OrderQueue
from krakked.trading.reconcile import Reconciler
from krakked.trading.recording import Recorder
from krakked.trading.rules import ExecutionRules
from krakked.trading.stopping import Stopper

START_NS = 1_700_000_000 * NS_PER_SECOND
XBTUSD = PairName("XBTUSD")
USD, XBT = Asset("USD"), Asset("XBT")
FINGERPRINT = account_fingerprint(venue="simulator", account="test")
IDENTITY = Identity(environment="dev", venue="simulator", account=FINGERPRINT, base_currency=USD)
LONG_S = 10.0**9
PRICE = Decimal(60_000)
USERREF = 77
SLEEVE = Sleeve(StrategyId("trend"), XBTUSD)

World: TypeAlias = "TradingWorld"
Scenario: TypeAlias = Callable[["TradingWorld"], Awaitable[None]]


class TradingWorld:
    """One engine's parts; :meth:`restart` makes them anew from the ledger, as a start does."""

    def __init__(
        self,
        simulator: RunningSimulator,
        folder: Path,
        clock: LoopClock,
        rules: ExecutionRules,
    ) -> None:
        self.simulator = simulator
        self.clock = clock
        self.rules = rules
        self.events: list[Event] = []
        self.wakes: list[tuple[Sleeve, str]] = []
        self.lookups_wanted = 0
        self.drifts_found: list[str] = []
        self.inconsistencies: list[str] = []
        self.clock_of_nonces: Clock = clock
        self.is_healthy = True
        self.dead_man_fired = 0
        self.stops = 0
        self.enqueued: list[ExecutionPlan] = []
        self._path = folder / "portfolio.db"
        self._bars = folder / "bars"
        self._sequence = 0

    # opening and closing

    async def open(self) -> None:
        """As a starting engine does, up to trading."""
        self.ledger: SqliteLedger = open_ledger(
            self._path, IDENTITY, clock=self.clock, threaded=False
        )
        self.nonces = await open_nonces(
            self.ledger, self.clock_of_nonces, Pace(start_ns=START_NS, speed=1.0)
        )
        self.rest = self.adapter(self.simulator.trade_key)
        self.account = Account(
            self.ledger.run(lambda tx: tx.books()),
            fingerprint=FINGERPRINT,
            base_currency=USD,
            pairs=dict(await self.rest.pairs()),
        )
        self.market = Market(
            (XBTUSD,), (Timeframe.M1,), stale_after_s=60, grace_s=2, now_ns=self.clock.now_ns()
        )
        self.guard = Guard(self.account)
        self.guard.is_ready = True
        self.recorder = Recorder(
            self.ledger, self.clock, [self.events.append], userrefs={SLEEVE.strategy_id: USERREF}
        )
        self.desk = Desk(
            exchange=self.rest,
            account=self.account,
            market=self.market,
            guard=self.guard,
            recorder=self.recorder,
            clock=self.clock,
            rules=self.rules,
        )
        self._assemble()

    def _assemble(self) -> None:
        desk = self.desk
        self.booker = FillBooker(
            desk,
            adopter=Adopter(desk, [SLEEVE.strategy_id]),
            on_wake=self._on_wake,
            on_inconsistent=self._on_inconsistent,
        )
        self.reconciler = Reconciler(desk, self.booker, on_drift=self._on_drift)
        self.executor = Executor(
            desk,
            on_unknown=self._on_unknown,
            on_wake=self._on_wake,
            on_gone=self.booker.ask_about_end,
        )
        self.breaker = Breaker(desk, self.executor)
        self.marker = self.marker_of()
        self.dead_man = DeadMan(desk, is_healthy=lambda: self.is_healthy, on_fired=self._on_fired)
        self.store = ParquetBarStore(self._bars)
        self.stopper = Stopper(
            desk,
            self.executor,
            make_exit=Cycler(desk, self.store, (), Limits()).make_exit,
            enqueue=self.enqueued.append,
        )
        self.control = Control(
            desk,
            self.executor,
            self.breaker,
            self.stopper,
            Hands(
                resolve=self.reconciler.resolve_by_hand,
                stop=self._on_stop,
                status=lambda: {"stops": self.stops},
                strategies=(StrategyId("trend"), StrategyId("reversion")),
            ),
        )

    def marker_of(self, *, day_boundary_s: int = 0) -> Marker:
        """Trips at a loss of ten percent a day."""
        return Marker(
            self.desk,
            day_boundary_s=day_boundary_s,
            drawdown_max_pct=Decimal(10),
            trip=self.breaker.trip,
        )

    async def _on_drift(self, what: str) -> None:
        self.drifts_found.append(what)

    async def _on_inconsistent(self, what: str) -> None:
        self.inconsistencies.append(what)

    async def _on_fired(self) -> None:
        self.dead_man_fired += 1
        self.reconciler.request()

    def _on_wake(self, sleeve: Sleeve, why: str) -> None:
        self.wakes.append((sleeve, why))

    def _on_unknown(self) -> None:
        self.lookups_wanted += 1

    def _on_stop(self) -> None:
        self.stops += 1

    async def close(self) -> None:
        """Let go of everything; the venue goes on."""
        await self.rest.close()
        await self.ledger.close()
        self.store.close()

    async def restart(self) -> None:
        """A new process: nothing is known but what the ledger holds."""
        await self.close()
        await self.open()

    def adapter(self, key: ApiKey, *, epoch: int = 0) -> KrakenRest:
        """A client of the venue; nonces go on from where those of its epoch stood."""
        settings = RestSettings(url=self.simulator.rest_url, tier=Tier.PRO)
        network = AiohttpNetwork(Bounds(keepalive_s=LONG_S))
        credentials = Credentials(key.key, key.secret)
        nonces = Nonces(self.clock, epoch=epoch) if epoch else self.nonces
        return KrakenRest(
            Transport(
                settings,
                self.clock,
                trade=credentials,
                query=credentials,
                nonces=nonces,
                network=network,
            )
        )

    # what a strategy and a person would do

    async def plan(self, *requests: dict[str, Any], cause: str = "cycle") -> ExecutionPlan:
        """A recorded plan with one leg for each of ``requests`` (see :meth:`request`)."""
        self._sequence += 1
        sequence = self._sequence
        legs = tuple(
            _leg(self.request(sequence, leg, **fields)) for leg, fields in enumerate(requests)
        )
        now_ns = self.clock.now_ns()
        plan = ExecutionPlan(
            plan_id=plan_id(FINGERPRINT, 1, sequence),
            parent_id=None,
            sequence=sequence,
            bar=None,
            cause=cause,
            principal="engine",
            created_at_ns=now_ns,
            expires_at_ns=now_ns + int(self.rules.max_plan_age_s * NS_PER_SECOND),
            legs=legs,
        )
        orders = pending_orders(plan, now_ns)

        def store(tx: Any) -> None:
            tx.insert_plan(plan)
            for order in orders:
                tx.insert_order(order)

        async with self.recorder.turn:
            await self.recorder.commit(store)
            for order in orders:
                self.account.put_order(order)
            self.account.last_plan = (sequence, plan.plan_id)
        return plan

    def request(
        self,
        sequence: int,
        leg: int,
        *,
        side: Side = Side.BUY,
        quantity: str = "0.01",
        price: str | None = "50000.0",
        kind: LegKind = LegKind.ENTRY,
        strategy: str = "trend",
    ) -> OrderRequest:
        """A limit order far from the market by default; ``price=None`` makes a market order."""
        return OrderRequest(
            client_order_id=client_order_id(
                FINGERPRINT, StrategyId(strategy), plan_id(FINGERPRINT, 1, sequence), leg, 0
            ),
            plan_id=plan_id(FINGERPRINT, 1, sequence),
            leg=leg,
            revision=0,
            strategy_id=StrategyId(strategy),
            pair=XBTUSD,
            kind=kind,
            side=side,
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            quantity_base=Decimal(quantity),
            limit_price=None if price is None else Decimal(price),
            time_in_force=TimeInForce.GTC,
            expire_at_ns=None,
        )

    async def execute(self, plan: ExecutionPlan, executor: Executor | None = None) -> None:
        """Send the plan's orders, by a queue of its own, until each has an answer."""
        queue = OrderQueue(executor or self.executor)
        queue.put(plan)
        await queue.work()

    async def submit(self, **fields: Any) -> Order:
        """Plan and execute one order; as the ledger knows it then."""
        plan = await self.plan(fields)
        await self.execute(plan)
        return self.stored(plan.legs[0].request)

    async def bought(self, quantity: str = "0.01", **fields: Any) -> Order:
        """Buy at the market, and book it."""
        order = await self.submit(quantity=quantity, price=None, **fields)
        assert list(await self.reconciler.reconcile()) == []
        return self.stored(order.request)

    def fault(self, kind: FaultKind, method: str | None = None, **more: Any) -> None:
        """Arm one fault at the venue."""
        self.simulator.faults.arm(Armed(kind=kind, method=method, **more))

    def stand_at(self, price: str) -> None:
        """Move the still market; it trades there within ten seconds."""
        self.simulator.market.set_price(XBTUSD, Decimal(price))  # type: ignore[attr-defined]  # calm markets can

    def price_is(self, mid: str) -> None:
        """What the ticker says of XBTUSD; the venue's market stays where it is."""
        price = Decimal(mid)
        self.market.on_quote(
            Quote(
                pair=XBTUSD,
                bid=price,
                ask=price,
                last=price,
                volume_24h_base=Decimal(1),
                at_ns=self.clock.now_ns(),
            )
        )

    def hide_orders(self) -> Callable[[], None]:
        """The venue shows no order by its id and finds none by ours; the answer ends that."""
        rest: Any = self.rest

        async def none_by_id(_ids: Any) -> dict[str, Any]:
            return {}

        async def none_by_client_id(_client_id: Any, _since_ns: int) -> None:
            return None

        rest.orders, rest.find_order = none_by_id, none_by_client_id

        def show() -> None:
            del rest.orders, rest.find_order

        return show

    async def somebody_buys(self) -> None:
        """An order that is not of ours is filled on the account."""
        request = msgspec.structs.replace(
            self.request(99, 0, price=None), client_order_id=ClientOrderId("by-hand")
        )
        await self.rest.add_order(request, deadline_at_ns=self.clock.now_ns() + 9 * NS_PER_SECOND)

    async def deposit(self, asset: Asset, amount: str) -> None:
        """Somebody pays money in (a negative amount: takes it out)."""
        exchange, now_ns = self.simulator.exchange, self.clock.now_ns()
        if Decimal(amount) > 0:
            exchange.deposit(ACCOUNT, asset, Decimal(amount), now_ns)
        else:
            exchange.withdraw(ACCOUNT, asset, -Decimal(amount), now_ns)
        self.simulator.settle()

    # what is known

    def stored(self, request: OrderRequest) -> Order:
        """The order as the ledger holds it."""
        order = self.ledger.run(lambda tx: tx.order(request.client_order_id))
        assert order is not None
        return order

    @contextlib.contextmanager
    def _queries(self) -> Any:
        queries = open_queries(self._path)
        try:
            yield queries
        finally:
            queries.close()

    def fills(self) -> list[Fill]:
        """Booked executions."""
        with self._queries() as queries:
            found: list[Fill] = list(queries.fills(limit=1000))
        return found

    def ask(self, question: Callable[[SqliteQueries], Any]) -> Any:
        """Something of the ledger's readers."""
        with self._queries() as queries:
            return question(queries)

    def history(self, order: Order) -> list[Journal]:
        """The journal states that an order went through, as they were recorded."""
        changes = self.ask(lambda q: list(q.order_history(order.request.client_order_id)))
        return [Journal(change.journal) for change in changes]

    def names(self) -> list[EventName]:
        """What happened, in order."""
        return [event.name for event in self.events]

    def count(self, name: EventName) -> int:
        """How often something happened."""
        return self.names().count(name)

    async def venue_orders(self) -> dict[VenueOrderId, Any]:
        """Every order that the venue ever took, open or ended."""
        open_now = {order.venue_order_id: order for order in await self.rest.open_orders()}
        return {o.venue_order_id: o for o in await self.rest.closed_orders(0)} | open_now

    # streams

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """The account stream is up, and its hints are followed up."""
        settings = FeedSettings(
            public_url=self.simulator.ws_url, private_url=self.simulator.ws_auth_url, silence_s=0
        )
        feed = KrakenFeed(settings, self.rest, self.clock, Random(1))
        ready = asyncio.Event()

        def deliver(message: FeedMessage) -> None:
            if isinstance(message, ExecutionHint):
                self.booker.on_hint(message)
            elif isinstance(message, StreamReady) and message.private:
                ready.set()
                self.reconciler.request()

        tasks = [
            asyncio.create_task(feed.run((XBTUSD,), (Timeframe.M1,), deliver)),
            asyncio.create_task(self.booker.run()),
        ]
        await ready.wait()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # checks

    def check_books(self, *, agree: bool) -> None:
        """Memory, ledger and venue say the same."""
        books = self.ledger.run(lambda tx: tx.books())
        account = self.account
        assert account.positions == books.positions
        assert _without_zeros(account.totals) == _without_zeros(books.totals)
        assert account.net_flows == books.net_flows
        assert account.cursors == books.cursors
        assert account.day == books.day
        assert account.kill_switch == books.kill_switch
        assert account.shut_down == books.shut_down
        assert account.halted == (books.halted or books.shut_down is not None)
        assert list(account.drifts) == list(books.drifts)
        ours = {order.request.client_order_id: order for order in books.live_orders}
        assert account.orders == ours
        connection = self.ledger._connection
        assert connection is not None
        assert projections.check_projections(connection.execute) == []
        if agree:
            held = self.simulator.exchange.balances(ACCOUNT)
            theirs = {name: held[name] for name in held if "." not in name}  # wallets: not ours
            assert compare_balances(account.totals, theirs) == []


def _without_zeros(totals: Any) -> dict[Asset, Decimal]:
    return {asset: total for asset, total in totals.items() if total}


def _leg(request: OrderRequest) -> PlanLeg:
    is_buy = request.side is Side.BUY
    action = ApprovedAction(  # type: ignore[call-arg]  # risk has its own tests
        sleeve=Sleeve(request.strategy_id, request.pair),
        type=ActionType.OPEN if is_buy else ActionType.CLOSE,
        kind=request.kind,
        current_base=Decimal(0),
        target_base=request.quantity_base if is_buy else Decimal(0),
        target_notional_base_currency=request.quantity_base * PRICE,
        stop_price=None,
        decision_id="",
    )
    return PlanLeg(action=action, request=request)


Play: TypeAlias = Callable[..., TradingWorld]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """``play(scenario, agree=…, rules=…, balances=…)`` runs it whole; the world as it ended."""

    def play_scenario(
        scenario: Scenario,
        *,
        agree: bool = True,
        rules: ExecutionRules | None = None,
        balances: dict[Asset, Decimal] | None = None,
        speaks_first: bool = True,
    ) -> TradingWorld:
        async def main() -> TradingWorld:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, SimulatedTimeLoop)
            clock = LoopClock(loop)
            simulator = await start(
                SimulatorOptions(
                    admin=None,
                    market="calm",
                    pairs=(XBTUSD,),
                    speed=None,
                    tier=SimulatorTier.PRO,
                    balances=balances or {USD: Decimal(10_000)},
                    trade_key=default_key("trade"),
                    heartbeats=False,
                ),
                clock=clock,
            )
            world = TradingWorld(simulator, tmp_path, clock, rules or ExecutionRules())
            await world.open()
            try:
                if speaks_first:
                    await world.reconciler.catch_up()
                await scenario(world)
                world.check_books(agree=agree)
            finally:
                await world.close()
                await simulator.stop()
            return world

        return run(main(), start_ns=START_NS, speed=None)

    return play_scenario
