"""Bar closed to first AddOrder on the wire: 50 pairs × 4 strategies; budget 50 ms at p99.

The real parts: cycler, risk, ledger (SQLite, threaded, synchronous=FULL), executor, REST over a
socket, signed. The far end is a small HTTP server in a process of its own that notes when each
arrived and refuses the order, so that every sleeve wishes again at the next bar. The ratio is to a
bare signed POST by the same HTTP library to the same server. The last order is told apart: orders
leave one at a time, so it stands for the length of the queue.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import aiohttp
from aiohttp import web

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import RestSettings, Transport
from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.adapters.sqlite.ledger import open_ledger
from krakked.adapters.system.clock import SystemClock
from krakked.domain.bars import Bar, Timeframe
from krakked.domain.ids import Asset, PairName, StrategyId, account_fingerprint
from krakked.domain.limits import Limits
from krakked.domain.plans import ExecutionPlan
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.strategies import build
from krakked.ports.ledger import Identity
from krakked.trading.account import Account
from krakked.trading.cycling import ConfiguredSleeve, Cycler
from krakked.trading.desk import Desk
from krakked.trading.execute import Executor
from krakked.trading.guard import Guard
from krakked.trading.market import Boundary, Market
from krakked.trading.order_queue import OrderQueue
from krakked.trading.recording import Recorder
from krakked.trading.rules import ExecutionRules

PAIRS, CYCLES, BARE_POSTS, BUDGET_MS = 50, 40, 400, 50
HOUR_S = 3600
SECRET = base64.b64encode(b"benchmark" * 7).decode()
STRATEGIES = (
    ("trend", "trend_following", {}),
    ("slow", "trend_following", {"slow_bars": 90}),
    ("reversion", "mean_reversion", {}),
    ("basket", "hold_target_weights", {}),
)


def serve() -> None:
    """The far end; prints its port, then answers until its standard input closes."""
    arrivals: list[float] = []

    async def add_order(request: web.Request) -> web.Response:
        arrivals.append(time.monotonic())
        await request.read()
        return web.json_response({"error": ["EOrder:Insufficient funds"]})

    async def taken(_: web.Request) -> web.Response:
        answer = web.json_response(list(arrivals))
        arrivals.clear()
        return answer

    async def public(request: web.Request) -> web.Response:
        names = [f"A{number:02}" for number in range(PAIRS)]
        if request.path.endswith("Assets"):
            rows = {name: {"altname": name, "decimals": 8} for name in [*names, "USD"]}
        else:
            rows = {f"{name}USD": pair_row(name) for name in names}
        return web.json_response({"error": [], "result": rows})

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/0/private/AddOrder", add_order)
        app.router.add_get("/arrivals", taken)
        app.router.add_get("/0/public/{method}", public)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await runner.cleanup()

    asyncio.run(main())


def pair_row(name: str) -> dict[str, object]:
    return {
        "altname": f"{name}USD",
        "wsname": f"{name}/USD",
        "base": name,
        "quote": "USD",
        "pair_decimals": 2,
        "lot_decimals": 8,
        "cost_decimals": 5,
        "ordermin": "0.001",
        "costmin": "0.5",
        "tick_size": "0.01",
        "status": "online",
        "fees": [],
        "fees_maker": [],
    }


class Bench:
    """One engine's deciding and sending parts over a temporary folder."""

    def __init__(self, rest: KrakenRest, desk: Desk, store: ParquetBarStore, names: list[PairName]):
        self.rest, self.desk, self.store, self.names = rest, desk, store, names
        self.chance = random.Random(7)
        self.price = {name: 10_000 + 97 * i for i, name in enumerate(names)}
        self.start_s = (time.time_ns() // 10**9 // HOUR_S - 400) * HOUR_S
        sleeves = [
            ConfiguredSleeve(
                index=index,
                strategy=build(StrategyId(owner), kind, params),
                sleeve=Sleeve(StrategyId(owner), name),
            )
            for index, (owner, kind, params, name) in enumerate(
                (*strategy, name) for strategy in STRATEGIES for name in names
            )
        ]
        limits = Limits(
            max_open_positions=1000,
            max_portfolio_risk_pct=Decimal(100),
            max_per_asset_pct=Decimal(100),
            min_liquidity_24h_usd=Decimal(0),
        )
        self.cycler = Cycler(desk, store, sleeves, limits)
        executor = Executor(desk, on_unknown=lambda: None, on_wake=lambda _sleeve, _why: None)
        self.queue = OrderQueue(executor)

    def bars(self, name: PairName, count: int) -> list[Bar]:
        rows = []
        for _ in range(count):
            before = self.price[name]
            after = max(100, before + self.chance.randint(-60, 60))
            self.price[name] = after
            rows.append(
                Bar(
                    start_s=self.start_s + HOUR_S * len(rows),
                    open=before,
                    high=max(before, after) + 5,
                    low=min(before, after) - 5,
                    close=after,
                    volume=10**10,
                    trades=10,
                )
            )
        return rows

    def history(self) -> None:
        for name in self.names:
            self.store.insert(
                name, Timeframe.H1, Decimal("0.01"), self.bars(name, 400 - CYCLES - 1)
            )
        self.start_s += HOUR_S * (400 - CYCLES - 1)

    def quotes(self) -> None:
        for name in self.names:
            mid = Decimal(self.price[name]).scaleb(-2)
            self.desk.market.on_quote(
                Quote(
                    pair=name,
                    bid=mid - Decimal("0.01"),
                    ask=mid + Decimal("0.01"),
                    last=mid,
                    volume_24h_base=Decimal(10**6),
                    at_ns=self.desk.now_ns(),
                )
            )

    async def cycle(self) -> tuple[float, int]:
        """When the last bar of the boundary closed, and how many orders followed."""
        closed = {name: self.bars(name, 1) for name in self.names}
        self.quotes()
        plans: list[ExecutionPlan] = []
        began_s = time.monotonic()
        for name, rows in closed.items():
            self.store.append(name, Timeframe.H1, Decimal("0.01"), rows)
        self.start_s += HOUR_S
        await self.cycler.run(Boundary(Timeframe.H1, self.start_s), plans.append)
        for plan in plans:
            self.queue.put(plan)
        await self.queue.work()
        return began_s, sum(len(plan.legs) for plan in plans)


class BenchClock(SystemClock):
    """The machine's clock, moved so that each cycle's bars have just closed."""

    def __init__(self) -> None:
        self.offset_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.offset_ns


async def bare_posts(url: str) -> list[float]:
    """Milliseconds of signed POSTs by the HTTP library alone, until the answer is read."""
    key = Credentials("bench", SECRET)
    took = []
    async with aiohttp.ClientSession() as session:
        for nonce in range(1, BARE_POSTS + 1):
            body = f"nonce={nonce}&pair=A00USD&type=buy&ordertype=limit&price=100.00&volume=1.0"
            began_s = time.monotonic()
            headers = {
                "API-Key": key.key,
                "API-Sign": key.sign("/0/private/AddOrder", nonce, body),
                "Content-Type": "application/x-www-form-urlencoded",
            }
            async with session.post(
                f"{url}/0/private/AddOrder", data=body, headers=headers
            ) as answer:
                await answer.read()
            took.append((time.monotonic() - began_s) * 1000)
        await session.get(f"{url}/arrivals")
    return took


async def measure(url: str, folder: Path) -> None:
    clock = BenchClock()
    fingerprint = account_fingerprint(venue="simulator", account="bench")
    identity = Identity(
        environment="dev", venue="simulator", account=fingerprint, base_currency=Asset("USD")
    )
    ledger = open_ledger(folder / "bench.db", identity, clock=clock, threaded=True)
    rest = KrakenRest(
        Transport(RestSettings(url=url, tier=Tier.NONE), clock, trade=Credentials("bench", SECRET))
    )
    pairs = dict(await rest.pairs())
    account = Account(
        await ledger.write(lambda tx: tx.books()),
        fingerprint=fingerprint,
        base_currency=Asset("USD"),
        pairs=pairs,
    )
    account.totals[Asset("USD")] = Decimal(10**7)
    guard = Guard(account)
    guard.is_ready = True
    market = Market(
        sorted(pairs), [Timeframe.H1], stale_after_s=60, grace_s=2, now_ns=clock.now_ns()
    )
    market.on_connected()
    desk = Desk(
        exchange=rest,
        account=account,
        market=market,
        guard=guard,
        recorder=Recorder(ledger, clock, ()),
        clock=clock,
        rules=ExecutionRules(max_concurrent_orders=1000),
    )
    bench = Bench(rest, desk, ParquetBarStore(folder / "bars"), sorted(pairs))
    bench.history()
    bare = await bare_posts(url)
    first, last, orders = [], [], []
    async with aiohttp.ClientSession() as session:
        for number in range(CYCLES + 3):
            clock.offset_ns = (bench.start_s + HOUR_S) * 10**9 - time.time_ns()
            began_s, count = await bench.cycle()
            async with session.get(f"{url}/arrivals") as answer:
                arrived = json.loads(await answer.read())
            if number >= 3 and arrived:
                first.append((arrived[0] - began_s) * 1000)
                last.append((arrived[-1] - began_s) * 1000)
                orders.append(count)
    await rest.close()
    await ledger.close()
    bench.store.close()
    report(first, last, orders, bare)


def report(first: list[float], last: list[float], orders: list[int], bare: list[float]) -> None:
    def p99(values: list[float]) -> float:
        return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]

    middle = statistics.median
    print(f"{PAIRS} pairs x {len(STRATEGIES)} strategies, {len(first)} cycles, ms")
    print(f"{'':34}{'p50':>9}{'p99':>9}{'budget':>9}")
    print(f"{'bar closed -> first AddOrder':34}{middle(first):9.1f}{p99(first):9.1f}{BUDGET_MS:9}")
    print(f"{'bar closed -> last AddOrder':34}{middle(last):9.1f}{p99(last):9.1f}")
    print(f"{'bare signed POST, with its answer':34}{middle(bare):9.2f}{p99(bare):9.2f}")
    print(f"first AddOrder / bare POST: {middle(first) / middle(bare):.1f}")
    spread = [(b - a) / max(1, n - 1) for a, b, n in zip(first, last, orders, strict=True)]
    print(f"orders in a cycle: {middle(orders):.0f}; one more order costs {middle(spread):.2f} ms")


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(url, Path(folder)))
    finally:
        server.stdin.close()
        server.wait(timeout=10)


if __name__ == "__main__":
    serve() if "--serve" in sys.argv else main()
