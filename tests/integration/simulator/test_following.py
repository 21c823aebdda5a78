"""A simulator that follows another one, in lock step: what it shows, how orders fare, and what
happens when the source is lost, lies, or stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from krakked.adapters.system.clock import LoopClock
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.runtime import simulated_time
from krakked.runtime.simulated_time import SimulatedTimeLoop
from krakked.sim.exchange.core import PairMode, SystemStatus
from krakked.simulator import RunningSimulator, SimulatorOptions, start
from krakked.simulator.options import SourceOptions

XBTUSD, ETHUSD = PairName("XBTUSD"), PairName("ETHUSD")
SOURCE = SimulatorOptions(market="calm", speed=None, pairs=(XBTUSD, ETHUSD))
LIVELY = SimulatorOptions(market="synthetic", speed=None, pairs=(XBTUSD,))
NOWHERE = SourceOptions(rest="http://127.0.0.1:9", ws="ws://127.0.0.1:9/v2")
Scene = Callable[["Pair"], Awaitable[Any]]


class Pair:
    """A source, its follower, and a client of each."""

    def __init__(self, client: Any, http: aiohttp.ClientSession) -> None:
        self._client = client
        self._http = http
        self.source_runs: RunningSimulator | None = None
        self.follower_runs: RunningSimulator | None = None

    @property
    def source(self) -> Any:
        return self._client(self.source_runs, self._http)

    async def start_source(self, options: SimulatorOptions) -> None:
        self.source_runs = await start(options, clock=_clock())

    async def start_follower(self, **changes: Any) -> Any:
        assert self.source_runs is not None
        urls = {"rest": self.source_runs.rest_url, "ws": self.source_runs.ws_url}
        source = SourceOptions(**urls, **changes.pop("source", {}))
        options = SimulatorOptions(market="follow", speed=None, source=source, **changes)
        self.follower_runs = await start(options, clock=_clock())
        self.follower = self._client(self.follower_runs, self._http)
        return self.follower

    async def stop_source(self) -> str:
        """Its address, for the next one."""
        assert self.source_runs is not None
        address = self.source_runs.rest_url.removeprefix("http://")
        await self.source_runs.stop()
        self.source_runs = None
        return address

    async def both(self, method: str, **query: object) -> tuple[Any, Any]:
        mine = (await self.follower.get(method, **query))["result"]
        return (await self.source.get(method, **query))["result"], mine

    async def following(self) -> bool:
        return bool((await self.follower.admin("/state"))["source"]["following"])

    async def stop(self) -> None:
        for running in (self.follower_runs, self.source_runs):
            if running is not None:
                await running.stop()


def _clock() -> LoopClock:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedTimeLoop)
    return LoopClock(loop)


@asynccontextmanager
async def _stage(client: Any, options: SimulatorOptions) -> AsyncIterator[Pair]:
    connector = aiohttp.TCPConnector(keepalive_timeout=1e8)
    async with aiohttp.ClientSession(connector=connector) as http:
        pair = Pair(client, http)
        await pair.start_source(options)
        try:
            yield pair
        finally:
            await pair.stop()


@pytest.fixture
def follow(stage: Any) -> Callable[..., Any]:
    """Play a scene against a source and a follower of it."""

    def run(scene: Scene, options: SimulatorOptions = SOURCE, **changes: Any) -> Any:
        async def main() -> Any:
            async with _stage(stage.client, options) as pair:
                await pair.start_follower(**changes)
                return await scene(pair)

        return simulated_time.run(main(), start_ns=stage.start_ns, speed=None)

    return run


def prices(depth: Any) -> Any:
    """Levels without the instants at which they changed: those are each venue's own."""
    (book,) = depth.values()
    return {side: [level[:2] for level in levels] for side, levels in book.items()}


# what it shows


def test_book_trades_candles_and_rules_are_the_sources(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        await asyncio.sleep(1800)
        for method, query in (
            ("Trades", {}),
            ("Trades", {"count": 3}),
            ("OHLC", {"interval": 1}),
            ("OHLC", {"interval": 60}),
            ("OHLC", {"interval": 21600}),
            ("AssetPairs", {}),
        ):
            theirs, mine = await pair.both(method, pair="XBTUSD", **query)
            assert mine == theirs, (method, query)
        theirs, mine = await pair.both("Depth", pair="XBTUSD", count=500)
        assert prices(mine) == prices(theirs)
        theirs, mine = await pair.both("Assets")
        assert mine == theirs
        assert len(mine) == 2

    follow(scene, LIVELY)


def test_the_ticker_of_today_is_the_sources_and_of_the_day_nearly(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        await asyncio.sleep(600)
        theirs, mine = (rows["XXBTZUSD"] for rows in await pair.both("Ticker", pair="XBTUSD"))
        for field in ("a", "b", "c", "h", "o"):
            assert mine[field] == theirs[field]
        assert (mine["v"][0], mine["t"][0]) == (theirs["v"][0], theirs["t"][0])
        share = Decimal(mine["v"][1]) / Decimal(theirs["v"][1])
        assert Decimal("0.98") < share <= 1  # the day's far end goes by candles of five minutes

    follow(scene, LIVELY)


def test_streams_of_the_follower_tell_what_those_of_the_source_tell(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        async with pair.source.socket() as there, pair.follower.socket() as here:
            for channel in ("trade", "book"):
                for socket in (there, here):
                    await socket.subscribe(channel, symbol=["BTC/USD"], snapshot=False)
            for channel in ("trade", "book"):
                theirs, mine = await there.until(channel), await here.until(channel)
                assert mine["data"][0] | {"timestamp": 0} == theirs["data"][0] | {"timestamp": 0}

    follow(scene, LIVELY)


# orders


def test_an_order_takes_real_liquidity_which_comes_back_with_its_level(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        theirs, _ = await pair.both("Depth", pair="XBTUSD", count=5)
        best = theirs["XXBTZUSD"]["asks"][0]
        answer = await pair.follower.buy("0.01")
        (txid,) = answer["result"]["txid"]
        row = (await pair.follower.post("QueryOrders", txid=txid))["result"][txid]
        assert (row["status"], row["price"]) == ("closed", best[0])
        after, mine = await pair.both("Depth", pair="XBTUSD", count=5)
        left = Decimal(mine["XXBTZUSD"]["asks"][0][1])
        assert left == Decimal(best[1]) - Decimal("0.01")
        assert prices(after) == prices(theirs)  # the source feels nothing
        while prices(after) == prices(theirs):
            await asyncio.sleep(10)
            after, mine = await pair.both("Depth", pair="XBTUSD", count=5)
        assert prices(mine) == prices(after)

    follow(scene, LIVELY)


def test_a_resting_order_fills_by_trades_and_only_after_its_queue(follow: Any) -> None:
    calm = msgspec.structs.replace(SOURCE, pairs=(XBTUSD,))

    async def scene(pair: Pair) -> None:
        theirs, _ = await pair.both("Depth", pair="XBTUSD", count=1)
        price, size, _ = theirs["XXBTZUSD"]["bids"][0]
        wish = {"ordertype": "limit", "price": price}
        (txid,) = (await pair.follower.buy("0.004", **wish))["result"]["txid"]

        async def filled() -> Decimal:
            row = (await pair.follower.post("QueryOrders", txid=txid))["result"][txid]
            return Decimal(row["vol_exec"])

        # the source refills its book after each trade, so only trades shorten the queue
        each = Decimal("0.00833333")
        sales = int(Decimal(size) / each)
        await asyncio.sleep(20 * (sales - 2))
        assert await filled() == 0
        await asyncio.sleep(20 * 4)
        assert await filled() == Decimal("0.004")
        trades = (await pair.follower.post("TradesHistory"))["result"]["trades"]
        (trade,) = trades.values()
        assert (trade["price"], trade["maker"]) == (price, True)
        there, here = await pair.both("Trades", pair="XBTUSD")
        assert here == there  # own fills are not on the tape

    follow(scene, calm, balances={"USD": Decimal(10_000)})


# the source is lost


def test_a_lost_source_freezes_matching_and_shows_and_its_return_ends_that(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        follower = pair.follower
        best = (await follower.get("Depth", pair="XBTUSD", count=1))["result"]["XXBTZUSD"]
        wish = {"ordertype": "limit", "price": "30000.0"}
        (resting,) = (await follower.buy("0.01", **wish))["result"]["txid"]
        async with follower.socket() as socket:
            await socket.subscribe("instrument")
            address = await pair.stop_source()
            assert (await socket.until("status"))["data"][0]["system"] == "cancel_only"
        status = (await follower.get("SystemStatus"))["result"]["status"]
        assert status == "cancel_only"
        state = (await follower.admin("/state"))["source"]
        assert (state["following"], state["losses"]) == (False, 1)
        assert state["reason"]
        refused = await follower.buy("0.01")
        assert refused["error"] == ["EService:Market in cancel_only mode"]
        await asyncio.sleep(120)
        still = (await follower.get("Depth", pair="XBTUSD", count=1))["result"]["XXBTZUSD"]
        assert [row[:2] for row in still["asks"]] == [row[:2] for row in best["asks"]]
        assert (await follower.post("CancelOrder", txid=resting))["result"]["count"] == 1

        await pair.start_source(msgspec.structs.replace(LIVELY, listen=address))
        await asyncio.sleep(60)
        assert await pair.following()
        assert (await follower.get("SystemStatus"))["result"]["status"] == "online"
        theirs, mine = await pair.both("Depth", pair="XBTUSD", count=500)
        assert prices(mine) == prices(theirs)
        theirs, mine = await pair.both("Trades", pair="XBTUSD", count=20)
        (there,), (here,) = (
            [rows for key, rows in result.items() if key != "last"] for result in (theirs, mine)
        )
        assert [row[:6] for row in here] == [row[:6] for row in there]  # none missed, none twice
        assert (await follower.buy("0.01"))["error"] == []

    follow(scene, LIVELY)


def test_what_the_market_did_while_the_source_was_lost_fills_nothing_but_by_the_book(
    follow: Any,
) -> None:
    """Trades that were missed are told; an order that the new book crosses is filled by that."""
    calm = msgspec.structs.replace(SOURCE, pairs=(XBTUSD,))

    async def scene(pair: Pair) -> None:
        follower = pair.follower
        wishes = [{"ordertype": "limit", "price": price} for price in ("59000.0", "50000.0")]
        near, far = [(await follower.buy("0.01", **wish))["result"]["txid"][0] for wish in wishes]
        address = await pair.stop_source()
        await pair.start_source(
            msgspec.structs.replace(calm, listen=address, prices={XBTUSD: Decimal(55_000)})
        )
        await asyncio.sleep(90)
        rows = (await follower.post("QueryOrders", txid=f"{near},{far}"))["result"]
        assert (rows[near]["status"], rows[near]["price"]) == ("closed", "59000.00000")
        assert rows[far]["status"] == "open"

    follow(scene, calm)


def test_a_source_that_is_silent_is_lost(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        await asyncio.sleep(30)
        assert await pair.following()
        assert pair.source_runs is not None
        for task in pair.source_runs._tasks:  # its sockets stay, and say nothing any more
            task.cancel()
        await asyncio.sleep(9)
        assert await pair.following()
        await asyncio.sleep(2)
        assert (await state_of(pair))["losses"] == 1

    follow(scene)


def test_a_quiet_source_is_believed_while_its_rest_shows_the_same_book(follow: Any) -> None:
    calm = msgspec.structs.replace(SOURCE, pairs=(XBTUSD,))

    async def scene(pair: Pair) -> None:
        await asyncio.sleep(120)  # it trades every ten seconds
        assert await pair.following()
        assert (await state_of(pair))["losses"] == 0

    follow(scene, calm, source={"quiet_s": 3.0})


def test_a_stream_that_is_deaf_while_the_book_moves_is_lost(follow: Any) -> None:
    """Its heart beats, and of the market it says nothing any more."""

    async def scene(pair: Pair) -> None:
        source = pair.source_runs
        assert source is not None
        source._venue.hub._subscribers.clear()
        beats = [
            asyncio.create_task(beat(connection))
            for connection in source._venue.connections.values()
        ]
        await asyncio.sleep(55)
        assert (await state_of(pair))["losses"] == 0
        await asyncio.sleep(10)
        state = await state_of(pair)
        assert (state["losses"], state["following"]) == (1, True)
        for task in beats:
            task.cancel()

    async def beat(connection: Any) -> None:
        while True:
            await asyncio.sleep(1)
            connection.send(b'{"channel":"heartbeat"}')

    follow(scene, LIVELY)


def test_data_that_arrives_old_is_no_market(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        await pair.source.admin("/faults", {"kind": "clock-offset", "seconds": -60, "now": True})
        await asyncio.sleep(60)
        await pair.source.buy(ordertype="limit", price="59000.5")  # its book moves
        await asyncio.sleep(5)
        state = await state_of(pair)
        assert state["losses"] >= 1
        assert "s old" in state["reason"]

    follow(scene)


async def state_of(pair: Pair) -> Any:
    return (await pair.follower.admin("/state"))["source"]


# the source lies, or changes its mind


def test_a_wrong_sum_gets_the_book_anew_and_the_pair_waits_for_it(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        async with pair.follower.socket() as socket:
            await socket.subscribe("instrument")
            await socket.until("instrument")
            await pair.source.admin("/faults", {"kind": "wrong-checksum"})
            told = [(await socket.until("instrument"))["data"]["pairs"][0] for _ in range(2)]
        assert [row["status"] for row in told] == ["cancel_only", "online"]
        assert len({row["symbol"] for row in told}) == 1
        await asyncio.sleep(60)
        assert (await state_of(pair))["losses"] == 0
        theirs, mine = await pair.both("Depth", pair="XBTUSD", count=500)
        assert prices(mine) == prices(theirs)

    follow(scene, LIVELY)


def test_a_frame_that_cannot_be_understood_ends_the_connection_and_it_comes_back(
    follow: Any,
) -> None:
    async def scene(pair: Pair) -> None:
        await pair.source.admin("/faults", {"kind": "malformed-frame"})
        await asyncio.sleep(30)
        assert (await state_of(pair))["losses"] == 1
        assert await pair.following()
        theirs, mine = await pair.both("Trades", pair="XBTUSD")
        assert mine == theirs

    follow(scene)


def test_statuses_of_the_source_and_of_its_pairs_are_taken_over(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        await pair.source.admin("/status", {"system": "post_only"})
        await pair.source.admin("/status", {"pair": "ETHUSD", "status": "limit_only"})
        await asyncio.sleep(1)
        assert pair.follower_runs is not None
        exchange = pair.follower_runs.exchange
        assert exchange.system_status() is SystemStatus.POST_ONLY
        assert exchange.pair_status(ETHUSD) is PairMode.LIMIT_ONLY
        await pair.source.admin("/status", {"system": "online"})
        await asyncio.sleep(1)
        assert exchange.system_status() is SystemStatus.ONLINE

    follow(scene)


def test_maintenance_that_a_person_has_set_here_outlasts_a_loss(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        await pair.follower.admin("/status", {"system": "maintenance"})
        address = await pair.stop_source()
        await asyncio.sleep(5)
        await pair.start_source(msgspec.structs.replace(SOURCE, listen=address))
        await asyncio.sleep(60)
        assert await pair.following()
        assert (await pair.follower.get("SystemStatus"))["result"]["status"] == "maintenance"

    follow(scene)


# starting


def test_the_account_survives_and_its_orders_queue_anew(
    follow: Any, stage: Any, tmp_path: Path
) -> None:
    async def scene(pair: Pair) -> None:
        wish = {"ordertype": "limit", "price": "30000.0"}
        (txid,) = (await pair.follower.buy("0.01", **wish))["result"]["txid"]
        nonce = pair.follower.nonce
        assert pair.follower_runs is not None
        await pair.follower_runs.stop()
        await asyncio.sleep(600)
        again = await pair.start_follower(state=tmp_path / "paper.state")
        again.nonce = nonce
        assert list((await again.post("OpenOrders"))["result"]["open"]) == [txid]
        theirs, mine = await pair.both("Trades", pair="XBTUSD")
        assert mine == theirs

    follow(scene, state=tmp_path / "paper.state")


def test_only_wanted_pairs_are_followed_and_unknown_ones_are_named(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        assert pair.follower_runs is not None
        assert pair.follower_runs.pairs == (ETHUSD,)
        with pytest.raises(BadInput, match="--pair SOLUSD: the source does not list it"):
            await pair.start_follower(pairs=(PairName("SOLUSD"),))

    follow(scene, pairs=(ETHUSD,))


def test_a_source_at_another_time_is_refused_with_the_exit_code_of_clocks(follow: Any) -> None:
    async def scene(pair: Pair) -> None:
        await pair.source.admin("/faults", {"kind": "clock-offset", "seconds": -600, "now": True})
        with pytest.raises(BadInput, match="its clock is -600 s from this one's") as refused:
            await pair.start_follower()
        assert refused.value.exit_code == 76

    follow(scene)


def test_a_stream_that_cannot_be_opened_is_one_line_and_leaves_nothing_open(
    follow: Any, tmp_path: Path
) -> None:
    state = tmp_path / "paper.state"

    async def scene(pair: Pair) -> None:
        assert pair.source_runs is not None
        source = SourceOptions(rest=pair.source_runs.rest_url, ws=NOWHERE.ws)
        options = SimulatorOptions(market="follow", speed=None, source=source, state=state)
        for _ in range(2):  # the lock on the state file was let go
            with pytest.raises(
                BadInput, match=r"--source-ws ws://127\.0\.0\.1:9/v2: cannot"
            ) as refused:
                await start(options, clock=_clock())
            assert refused.value.exit_code == 69

    follow(scene)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prices": {XBTUSD: Decimal(1)}}, "leave --price out"),
        ({"from_s": 1}, "leave --from and --to out"),
        ({"source": SourceOptions(rest="127.0.0.1:8700")}, "write http://HOST:PORT"),
        ({"source": SourceOptions(rest=NOWHERE.rest, ws="http://x")}, "write ws://HOST:PORT"),
    ],
)
def test_options_that_a_follower_cannot_mean_are_refused(
    stage: Any, changes: dict[str, Any], words: str
) -> None:
    options = SimulatorOptions(market="follow", speed=None, **({"source": NOWHERE} | changes))
    with pytest.raises(BadInput, match=words):
        stage.play(None, options)
