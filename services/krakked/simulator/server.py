"""Starting and stopping one simulator, in a process of its own or inside the engine's.

options = SimulatorOptions(market="synthetic", speed=60)
start_ns = opening_ns(options, otherwise_ns=...)    # the instant the loop has to begin at
running = await start(options, clock=LoopClock(loop))
... running.rest_url, running.ws_url, running.ws_auth_url, running.trade_key ...
await running.stop()
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import msgspec
from aiohttp import web

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.ports.clock import Clock
from krakked.runtime.exit_codes import ExitCode
from krakked.sim.exchange.events import ExchangeEvent
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.keys import ALL_PERMISSIONS, QUERY_PERMISSIONS
from krakked.sim.exchange.limits import Tier
from krakked.sim.market.replaying import ReplayMarket
from krakked.sim.public.gate import OPEN, Gate
from krakked.sim.public.market_data import MarketData
from krakked.sim.public.sessions import Hub, Role
from krakked.simulator import acts, console, standing
from krakked.simulator.admin import Admin
from krakked.simulator.covering import Uncovered, uncovered
from krakked.simulator.faults import Faults
from krakked.simulator.following import Follower, open_source
from krakked.simulator.markets import RecordedMarket, build_market, unused_files
from krakked.simulator.options import (
    ACCOUNT,
    AccountKey,
    AccountOptions,
    ApiKey,
    SimulatorOptions,
    check,
    exchange_options,
    parse_address,
)
from krakked.simulator.store import StateStore
from krakked.simulator.venue import Driver, Venue, beat
from krakked.simulator.wires import Wires

_KEEP_ALIVE_S: Final = 30 * 86_400.0
"""Idle connections stay: at full speed a minute without a request is no time at all."""
_SHUTDOWN_S: Final = 1.0


class RunningSimulator:
    """A simulator that serves; made by :func:`start`."""

    def __init__(
        self, options: SimulatorOptions, venue: Venue, follower: Follower | None = None
    ) -> None:
        self.options = options
        self.exchange = venue.exchange
        self.market = venue.market
        self.pairs = tuple(venue.hub.data.tapes)
        self.rest_url = self.ws_url = self.ws_auth_url = ""
        """REST base without ``/0``; WebSocket addresses with ``/v2``."""
        self.admin_url: str | None = None
        self._venue = venue
        self._follower = follower
        self._driver = Driver(venue)
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.AppRunner] = []

    def __repr__(self) -> str:
        return f"<RunningSimulator {self.rest_url} {self._venue!r}>"

    @property
    def account(self) -> str:
        """The one account."""
        return ACCOUNT

    @property
    def trade_key(self) -> ApiKey:
        """May do everything."""
        return self.options.trade_key

    @property
    def query_key(self) -> ApiKey:
        """May ask; the trade key where there is no second one."""
        return self.options.query_key or self.options.trade_key

    @property
    def first_trade_ns(self) -> int | None:
        """Of a replay: when its candles begin to trade."""
        return self.market.first_trade_ns if isinstance(self.market, ReplayMarket) else None

    def unquoted(self) -> tuple[PairName, ...]:
        """Pairs that show no price now: of a replay, those whose candles begin later."""
        data = self._venue.hub.data
        return tuple(pair for pair, tape in data.tapes.items() if None in data.quotes(tape))

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose."""
        return self._venue.faults

    def remarks(self) -> list[str]:
        """What a person may take for played, and is not."""
        return unused_files(self.options, self.pairs)

    def uncovered(self) -> tuple[Uncovered, ...]:
        """Pairs of a replay whose candles are not there for the whole of what was asked for."""
        if not isinstance(self.market, RecordedMarket):
            return ()
        return uncovered(self.market.files, self.options.from_s, self.options.to_s)

    async def market_over(self) -> None:
        """Return when the market has nothing more to play: a replay's end."""
        await self._driver.over.wait()

    def watch(self, say: Callable[[str], object]) -> None:
        """From now on every trade and every change of an order is a line."""
        pairs = {name: tape.pair for name, tape in self._venue.hub.data.tapes.items()}

        def watcher(events: Sequence[ExchangeEvent], now_ns: int) -> None:
            for line in console.lines(events, now_ns, pairs):
                say(line)

        self._venue.watchers.append(watcher)

    def settle(self) -> None:
        """Tell and store what was done to ``exchange`` directly (tests)."""
        self._venue.settle(self._venue.catch_up())

    async def failed(self) -> None:
        """Raise what a task of the simulator died of, when it does."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Close all connections, store the last state.

        Raises:
            LedgerFailed: it cannot be stored.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._follower is not None:
            await self._follower.close()
        self._venue.drop_all()
        for runner in self._runners:
            await runner.cleanup()
        self._venue.close()

    async def open_ports(self) -> None:
        """Serve."""
        options = self.options
        role = Role.BOTH if options.listen_private is None else Role.PUBLIC
        address = await self._serve(options.listen, "--listen", self._wires(role))
        self.rest_url, self.ws_url = f"http://{address}", f"ws://{address}/v2"
        self.ws_auth_url = self.ws_url
        if options.listen_private is not None:
            private = self._wires(Role.PRIVATE)
            address = await self._serve(options.listen_private, "--listen-private", private)
            self.ws_auth_url = f"ws://{address}/v2"
        if options.admin is not None:
            _require_loopback(options.admin)
            admin = Admin(self._venue, options.speed).application()
            self.admin_url = f"http://{await self._serve(options.admin, '--admin', admin)}"

    def run_tasks(self) -> None:
        """Let time happen."""
        self._run(self._driver.run(), "simulator driver")
        if self.options.heartbeats:
            self._run(beat(self._venue), "simulator heartbeats")
        if self._follower is not None:
            self._run(self._follower.run(), "simulator follower")

    def _run(self, work: Coroutine[object, object, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def _wires(self, role: Role) -> web.Application:
        return Wires(self._venue, role).application()

    async def _serve(self, address: str, flag: str, application: web.Application) -> str:
        host, port = parse_address(address, flag)
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=_KEEP_ALIVE_S,
            shutdown_timeout=_SHUTDOWN_S,
        )
        self._runners.append(runner)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise _cannot_listen(error, flag, address) from error
        bound = runner.addresses[0]
        return f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"


async def start(options: SimulatorOptions, *, clock: Clock) -> RunningSimulator:
    """Build the world and serve it on the running loop.

    Raises:
        BadInput: options, candles, state file, source or ports that cannot be used; nothing is
            left open.
    """
    check(options)
    follower = await open_source(options, clock) if options.market == "follow" else None
    try:
        venue = _world(options, clock, follower)
    except BadInput:
        if follower is not None:
            await follower.close()
        raise
    running = RunningSimulator(options, venue, follower)
    try:
        venue.settle(venue.catch_up())
        if follower is not None:
            await follower.begin()
        await running.open_ports()
    except BadInput:
        await running.stop()
        raise
    running.run_tasks()
    return running


def _world(options: SimulatorOptions, clock: Clock, follower: Follower | None) -> Venue:
    """Market, accounts and what is known of them, nothing of it served yet."""
    now_ns = clock.now_ns()
    if follower is None:
        market, pairs = build_market(options, now_ns)
    else:
        market, pairs = follower.market, follower.pairs
    store = None if options.state is None else StateStore(options.state)
    exchange = Exchange(pairs=pairs, options=exchange_options(options), now_ns=now_ns)
    _people(exchange, options, store, now_ns)
    if follower is not None:
        follower.prepare(exchange)
    venue = Venue(
        exchange=exchange,
        market=market,
        hub=Hub(
            MarketData(pairs=pairs, market=market, exchange=exchange, now_ns=now_ns),
            _gate(options),
        ),
        faults=Faults(options.faults, options.fault_seed, options.fault_mixture),
        clock=clock,
        store=store,
    )
    if follower is not None:
        follower.attach(venue)
    if store is not None:
        _resume(venue, store, now_ns)
    return venue


def _resume(venue: Venue, store: StateStore, now_ns: int) -> None:
    """Maintenance and closed pairs go on where they were."""
    try:
        acts.resume(venue, standing.stored(store.rows()), now_ns)
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadInput(
            f"{store!r}: {error}; move the file away to start anew", exit_code=ExitCode.DATABASE
        ) from error


def _gate(options: SimulatorOptions) -> Gate:
    return Gate(OPEN if options.tier is Tier.NONE else options.gate)


def _people(
    exchange: Exchange, options: SimulatorOptions, store: StateStore | None, now_ns: int
) -> None:
    """The accounts and their keys: from the state file, else as the options say."""
    if store is not None:
        exchange.restore(store.rows())
    for account in (_main_account(options), *options.accounts):
        if not exchange.has_account(account.name):
            exchange.open_account(
                account.name, deposits=account.balances, tier=account.tier, now_ns=now_ns
            )
        for key in account.keys:
            exchange.add_key(
                account.name,
                key=key.key,
                secret=key.secret,
                permissions=key.permissions,
                nonce_window=key.nonce_window,
            )


def _main_account(options: SimulatorOptions) -> AccountOptions:
    keys = (
        (options.trade_key, ALL_PERMISSIONS),
        (options.query_key, QUERY_PERMISSIONS),
    )
    return AccountOptions(
        name=ACCOUNT,
        balances=options.balances,
        tier=options.tier,
        keys=tuple(
            AccountKey(key=key.key, secret=key.secret, permissions=permissions)
            for key, permissions in keys
            if key is not None
        ),
    )


def _require_loopback(address: str) -> None:
    host, _ = parse_address(address, "--admin")
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        raise BadInput(f"--admin {address}: it needs no key, so it serves loopback only")


def _cannot_listen(error: OSError, flag: str, address: str) -> BadInput:
    if error.errno == errno.EADDRINUSE:
        what = "the port is taken; stop the other program, or give another port (0: any free one)"
    else:
        what = f"cannot listen: {error.strerror or error}"
    return BadInput(f"{flag} {address}: {what}", exit_code=ExitCode.OCCUPIED)
