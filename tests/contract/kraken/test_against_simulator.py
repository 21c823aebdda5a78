"""The adapter against the simulated venue, over sockets, in virtual time: what the ports promise.

Both were written from the same facts by different hands, so what passes here is at least agreed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.errors import ORDER_MINIMUM, POST_ONLY
from krakked.adapters.kraken.network import AiohttpNetwork, Bounds
from krakked.adapters.kraken.nonces import Nonces
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import Call, RestSettings, Transport
from krakked.adapters.kraken.websocket import FeedSettings, KrakenFeed
from krakked.adapters.system.clock import LoopClock
from krakked.domain.bars import Timeframe
from krakked.domain.errors import (
    Ambiguous,
    BadKey,
    Fenced,
    MissingPermission,
    Permanent,
)
from krakked.domain.ids import Asset, ClientOrderId, PairName, PlanId, StrategyId, VenueOrderId
from krakked.domain.orders import LegKind, OrderRequest, OrderType, Side, TimeInForce, VenueStatus
from krakked.domain.pairs import PairStatus
from krakked.domain.quotes import Quote
from krakked.ports.exchange import Amend
from krakked.ports.market_feed import (
    ExecutionHint,
    FeedMessage,
    MalformedFrame,
    PairStatusChanged,
    RunningBar,
    StreamLost,
    StreamReady,
    SystemStatusChanged,
)
from krakked.runtime.simulated_time import SimulatedTimeLoop, run
from krakked.sim.exchange.limits import Tier as VenueTier
from krakked.simulator.faults import Armed, FaultKind
from krakked.simulator.options import SimulatorOptions, default_key
from krakked.simulator.server import RunningSimulator, start

XBT = PairName("XBTUSD")
ETH = PairName("ETHUSD")
PRICES = {XBT: Decimal(50_000), ETH: Decimal(2_000)}
S = 10**9
START_NS = 1_700_000_000 * S


class World:
    """One simulated venue and one adapter to it."""

    def __init__(self, simulator: RunningSimulator, rest: KrakenRest, clock: LoopClock) -> None:
        self.simulator = simulator
        self.rest = rest
        self.clock = clock
        self.delivered: list[FeedMessage] = []
        self._orders = 0

    def of(self, *kinds: type) -> list[Any]:
        return [message for message in self.delivered if isinstance(message, kinds)]

    def order(self, price: str | None, quantity: str = "0.01", **changes: Any) -> OrderRequest:
        """A buy of XBTUSD; without a price at market."""
        self._orders += 1
        fields: dict[str, Any] = {
            "client_order_id": ClientOrderId(str(uuid.UUID(int=self._orders))),
            "plan_id": PlanId("p"),
            "leg": 0,
            "revision": 0,
            "strategy_id": StrategyId("s"),
            "pair": XBT,
            "kind": LegKind.ENTRY,
            "side": Side.BUY,
            "type": OrderType.MARKET if price is None else OrderType.LIMIT,
            "quantity_base": Decimal(quantity),
            "limit_price": None if price is None else Decimal(price),
            "time_in_force": TimeInForce.GTC,
            "expire_at_ns": None,
        }
        return OrderRequest(**{**fields, **changes})

    async def add(self, request: OrderRequest, within_s: int = 9) -> VenueOrderId:
        deadline = self.clock.now_ns() + within_s * S
        return await self.rest.add_order(request, deadline_at_ns=deadline)

    def transport(
        self, trade: Credentials, *, nonces: Nonces | None = None, **bounds: Any
    ) -> Transport:
        """Another client of the same venue."""
        address = RestSettings(url=self.simulator.rest_url, tier=Tier.NONE)
        network = AiohttpNetwork(Bounds(**bounds))
        return Transport(address, self.clock, trade=trade, nonces=nonces, network=network)

    async def follow(self, work: Awaitable[None]) -> None:
        """Do ``work`` while the streams are up, and look a little longer."""
        feed = KrakenFeed(
            FeedSettings(public_url=self.simulator.ws_url, private_url=self.simulator.ws_auth_url),
            self.rest,
            self.clock,
            Random(1),
        )
        running = asyncio.create_task(
            feed.run([XBT, ETH], [Timeframe.M1, Timeframe.H1], self.delivered.append)
        )
        while len(self.of(StreamReady)) < 2:
            await self.clock.sleep(0.05)
        await work
        await self.clock.sleep(30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


Script = Callable[[World], Awaitable[None]]


def credentials(key: Any) -> Credentials:
    return Credentials(key.key, key.secret)


@pytest.fixture
def world() -> Callable[..., None]:
    """Run a script against a fresh venue."""

    def world(script: Script, *, tier: VenueTier = VenueTier.NONE, **options: Any) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, SimulatedTimeLoop)
            clock = LoopClock(loop)
            chosen = SimulatorOptions(
                **{
                    "market": "calm",
                    "pairs": tuple(PRICES),
                    "prices": PRICES,
                    "balances": {Asset("USD"): Decimal(100_000), Asset("XBT"): Decimal(2)},
                    "tier": tier,
                    "query_key": default_key("query"),
                    "admin": None,
                    **options,
                }
            )
            simulator = await start(chosen, clock=clock)
            transport = Transport(
                RestSettings(url=simulator.rest_url, tier=Tier(tier.value)),
                clock,
                trade=credentials(simulator.trade_key),
                query=credentials(simulator.query_key),
            )
            rest = KrakenRest(transport)
            try:
                await script(World(simulator, rest, clock))
            finally:
                await rest.close()
                await simulator.stop()

        run(main(), start_ns=START_NS, speed=None)

    return world


# orders


def test_resting_order_is_open_found_and_cancelled_by_either_id(world: Any) -> None:
    async def script(w: World) -> None:
        for by_client_id in (True, False):
            request = w.order("40000")
            order_id = await w.add(request)
            (order,) = await w.rest.open_orders()
            assert (order.venue_order_id, order.client_order_id) == (
                order_id,
                request.client_order_id,
            )
            assert (order.pair, order.side, order.status) == (XBT, Side.BUY, VenueStatus.OPEN)
            assert (order.quantity_base, order.limit_price) == (Decimal("0.01"), Decimal(40_000))
            assert await w.rest.find_order(request.client_order_id, START_NS) == order
            gone = request.client_order_id if by_client_id else order_id
            assert await w.rest.cancel_order(gone) is True
            assert await w.rest.cancel_order(gone) is False
            assert await w.rest.open_orders() == []
            ended = await w.rest.find_order(request.client_order_id, START_NS)
            assert ended is not None
            assert ended.status is VenueStatus.CANCELED
            assert ended.closed_at_ns is not None

    world(script)


def test_order_holds_its_funds_while_it_rests(world: Any) -> None:
    async def script(w: World) -> None:
        await w.add(w.order("40000", "0.1"))
        usd = next(b for b in await w.rest.balances() if b.asset == "USD")
        assert usd.total == 100_000
        assert usd.held >= 4_000

    world(script)


def test_market_order_fills_and_every_amount_agrees(world: Any) -> None:
    async def script(w: World) -> None:
        await w.clock.sleep(5)
        order_id = await w.add(w.order(None, "0.01"))
        order = (await w.rest.orders([order_id]))[order_id]
        assert order.status is VenueStatus.CLOSED
        trades = await w.rest.trades_since(START_NS)
        assert trades == await w.rest.trades([trade.trade_id for trade in trades])
        assert {trade.venue_order_id for trade in trades} == {order_id}
        assert {trade.fee_asset for trade in trades} == {"USD"}
        assert sum(trade.quantity_base for trade in trades) == order.filled_base
        assert sum(trade.cost_quote for trade in trades) == order.cost_quote
        rows = [row for row in await w.rest.ledger_since(START_NS) if row.type == "trade"]
        change = {
            asset: sum(row.amount - row.fee for row in rows if row.asset == asset)
            for asset in ("USD", "XBT")
        }
        totals = {b.asset: b.total for b in await w.rest.balances()}
        assert totals[Asset("USD")] == 100_000 + change["USD"]
        assert totals[Asset("XBT")] == 2 + change["XBT"]
        assert change["XBT"] == order.filled_base

    world(script)


@pytest.mark.parametrize(
    ("price", "changes", "code"),
    [
        ("40000", {"quantity_base": Decimal("0.00001")}, ORDER_MINIMUM),
        ("40000.05", {}, "EOrder:Tick size check failed"),
        ("40000", {"quantity_base": Decimal(5)}, "EOrder:Insufficient funds"),
        ("60000", {"post_only": True}, POST_ONLY),
    ],
)
def test_order_that_cannot_be_is_refused_by_the_venues_code(
    world: Any, price: str, changes: dict[str, Any], code: str
) -> None:
    async def script(w: World) -> None:
        with pytest.raises(Permanent) as caught:
            await w.add(w.order(price, **changes))
        assert caught.value.code == code
        assert await w.rest.open_orders() == []

    world(script)


def test_validated_order_leaves_no_trace(world: Any) -> None:
    async def script(w: World) -> None:
        deadline = w.clock.now_ns() + 9 * S
        await w.rest.validate_order(w.order("40000"), deadline_at_ns=deadline)
        assert await w.rest.open_orders() == []

    world(script)


def test_order_good_till_a_date_ends_by_itself(world: Any) -> None:
    async def script(w: World) -> None:
        expire_at_ns = w.clock.now_ns() + 60 * S
        gtd = w.order("40000", time_in_force=TimeInForce.GTD, expire_at_ns=expire_at_ns)
        order_id = await w.add(gtd)
        await w.clock.sleep(61)
        order = (await w.rest.orders([order_id]))[order_id]
        assert order.status is VenueStatus.EXPIRED
        assert [o.venue_order_id for o in await w.rest.closed_orders(START_NS)] == [order_id]

    world(script)


def test_immediate_or_cancel_leaves_nothing_open(world: Any) -> None:
    async def script(w: World) -> None:
        order_id = await w.add(w.order("40000", time_in_force=TimeInForce.IOC))
        order = (await w.rest.orders([order_id]))[order_id]
        assert order.status.is_final
        assert order.filled_base == 0

    world(script)


def test_same_client_id_twice_is_in_doubt_and_found(world: Any) -> None:
    async def script(w: World) -> None:
        request = w.order("40000")
        order_id = await w.add(request)
        with pytest.raises(Ambiguous):
            await w.add(request)
        found = await w.rest.find_order(request.client_order_id, START_NS)
        assert found is not None
        assert found.venue_order_id == order_id
        assert len(await w.rest.open_orders()) == 1

    world(script)


def test_cancelling_all_tells_how_many(world: Any) -> None:
    async def script(w: World) -> None:
        for _ in range(3):
            await w.add(w.order("40000"))
        assert await w.rest.cancel_all() == 3
        assert await w.rest.open_orders() == []

    world(script)


def test_dead_man_cancels_when_it_is_not_refreshed(world: Any) -> None:
    async def script(w: World) -> None:
        await w.add(w.order("40000"))
        reply = await w.rest.refresh_dead_man(60)
        assert reply.trigger_at_ns == w.clock.now_ns() + 60 * S
        await w.clock.sleep(59)
        assert len(await w.rest.open_orders()) == 1
        await w.clock.sleep(2)
        assert await w.rest.open_orders() == []
        assert (await w.rest.refresh_dead_man(0)).trigger_at_ns is None

    world(script)


# doubt


@pytest.mark.parametrize("kind", [FaultKind.ANSWER_LOST, FaultKind.SERVER_ERROR_AFTER])
def test_order_whose_answer_was_lost_is_in_doubt_and_found_by_our_id(
    world: Any, kind: FaultKind
) -> None:
    async def script(w: World) -> None:
        w.simulator.faults.arm(Armed(kind=kind, method="AddOrder"))
        request = w.order("40000")
        with pytest.raises(Ambiguous):
            await w.add(request)
        found = await w.rest.find_order(request.client_order_id, START_NS)
        assert found is not None
        assert [o.client_order_id for o in await w.rest.open_orders()] == [request.client_order_id]

    world(script)


@pytest.mark.parametrize("kind", [FaultKind.REQUEST_LOST, FaultKind.SERVER_ERROR])
def test_order_that_was_lost_on_its_way_is_in_doubt_and_not_found(
    world: Any, kind: FaultKind
) -> None:
    async def script(w: World) -> None:
        w.simulator.faults.arm(Armed(kind=kind, method="AddOrder"))
        request = w.order("40000")
        with pytest.raises(Ambiguous):
            await w.add(request)
        assert await w.rest.find_order(request.client_order_id, START_NS) is None

    world(script)


def test_order_whose_answer_was_lost_is_found_though_it_filled_at_once(world: Any) -> None:
    async def script(w: World) -> None:
        await w.clock.sleep(5)
        w.simulator.faults.arm(Armed(kind=FaultKind.ANSWER_LOST, method="AddOrder"))
        request = w.order(None)
        with pytest.raises(Ambiguous):
            await w.add(request)
        found = await w.rest.find_order(request.client_order_id, START_NS)
        assert found is not None
        assert found.status is VenueStatus.CLOSED

    world(script)


def test_order_that_becomes_visible_late_is_not_found_at_first(world: Any) -> None:
    async def script(w: World) -> None:
        w.simulator.faults.arm(Armed(kind=FaultKind.LATE_VISIBILITY, seconds=5))
        request = w.order("40000")
        order_id = await w.add(request)
        assert await w.rest.find_order(request.client_order_id, START_NS) is None
        assert await w.rest.orders([order_id]) == {}
        await w.clock.sleep(6)
        assert await w.rest.find_order(request.client_order_id, START_NS) is not None
        assert list(await w.rest.orders([order_id])) == [order_id]

    world(script)


# histories


def test_histories_of_many_pages_have_every_row_once_and_in_order(world: Any) -> None:
    async def script(w: World) -> None:
        await w.clock.sleep(5)
        placed = []
        for number in range(120):
            side = Side.SELL if number % 2 else Side.BUY
            placed.append(await w.add(w.order(None, "0.001", side=side)))
            await w.clock.sleep(0.3)
        closed = await w.rest.closed_orders(START_NS)
        assert [order.venue_order_id for order in closed] == placed
        trades = await w.rest.trades_since(START_NS)
        assert len(trades) >= 120
        assert len({trade.trade_id for trade in trades}) == len(trades)
        assert [trade.at_ns for trade in trades] == sorted(trade.at_ns for trade in trades)
        assert list(dict.fromkeys(trade.venue_order_id for trade in trades)) == placed
        rows = await w.rest.ledger_since(START_NS)
        assert len([row for row in rows if row.type == "trade"]) == 2 * len(trades)
        later = trades[70].at_ns
        assert list(await w.rest.trades_since(later)) == [t for t in trades if t.at_ns >= later]

    world(script)


def test_tickers_tell_what_each_pair_turned_over_as_its_stream_does(world: Any) -> None:
    async def script(w: World) -> None:
        async def nothing() -> None:
            return

        await w.follow(nothing())
        tickers = await w.rest.tickers()
        assert set(tickers) == set(await w.rest.pairs())
        newest = [quote for quote in w.of(Quote) if quote.pair == XBT][-1]
        # the stream speaks when the best prices change: its last trade may be an older one
        assert abs(tickers[XBT].last - newest.last) <= newest.ask - newest.bid
        assert abs(tickers[XBT].volume_24h_base - newest.volume_24h_base) < 1
        assert tickers[XBT].volume_24h_base > 0

    world(script)


def test_bars_are_closed_whole_and_on_the_tick(world: Any) -> None:
    async def script(w: World) -> None:
        await w.clock.sleep(600)
        now_s = w.clock.now_ns() // S
        bars = await w.rest.closed_bars(XBT, Timeframe.M1, since_s=now_s - 600)
        assert [bar.start_s % 60 for bar in bars] == [0] * len(bars)
        assert 8 <= len(bars) <= 10
        assert all(bar.start_s + 60 <= now_s for bar in bars)
        assert all(bar.trades > 0 for bar in bars)
        pair = (await w.rest.pairs())[XBT]
        assert abs(bars[-1].close * pair.tick_size - 50_000) < 100

    world(script)


# keys


def test_keys_tell_what_they_may(world: Any) -> None:
    async def script(w: World) -> None:
        trade, query = [await w.rest.key_facts(role) for role in w.rest.key_roles]
        assert {"modify-trades", "close-trades"} <= trade.permissions
        assert "modify-trades" not in query.permissions
        assert {"query-funds", "query-ledger", "create-ws-token"} <= query.permissions
        assert trade.account == query.account != ""

    world(script)


def test_query_key_cannot_trade(world: Any) -> None:
    async def script(w: World) -> None:
        other = KrakenRest(w.transport(credentials(w.simulator.query_key)))
        with pytest.raises(MissingPermission):
            await other.cancel_all()
        await other.close()

    world(script)


@pytest.mark.parametrize("part", ["key", "secret"])
def test_wrong_key_is_told_from_everything_else(world: Any, part: str) -> None:
    async def script(w: World) -> None:
        right, wrong = w.simulator.trade_key, default_key("wrong")
        key = wrong.key if part == "key" else right.key
        secret = wrong.secret if part == "secret" else right.secret
        other = KrakenRest(w.transport(Credentials(key, secret)))
        with pytest.raises(BadKey):
            await other.balances()
        await other.close()

    world(script)


def test_owner_of_an_earlier_epoch_is_fenced_by_a_later_one(world: Any) -> None:
    async def script(w: World) -> None:
        key = credentials(w.simulator.trade_key)
        old = KrakenRest(w.transport(key, nonces=Nonces(w.clock, epoch=4)))
        new = KrakenRest(w.transport(key, nonces=Nonces(w.clock, epoch=5)))
        await old.refresh_dead_man(60)
        await new.refresh_dead_man(60)
        await w.clock.sleep(3_600)
        deadline = w.clock.now_ns() + 9 * S
        with pytest.raises(Fenced):
            await old.add_order(w.order("40000"), deadline_at_ns=deadline)
        with pytest.raises(Fenced):
            await old.cancel_all()
        assert await new.open_orders() == []
        await old.close()
        await new.close()

    world(script)


# limits


@pytest.mark.parametrize("tier", [VenueTier.STARTER, VenueTier.INTERMEDIATE, VenueTier.PRO])
def test_our_limiter_never_lets_the_venue_refuse(world: Any, tier: VenueTier) -> None:
    async def script(w: World) -> None:
        await w.rest.instruments()
        for _ in range(10):
            await w.rest.trades_since(START_NS)
            await w.rest.balances()
            await w.rest.open_orders()
            await w.rest.refresh_dead_man(60)

    world(script, tier=tier)


def test_our_limiter_never_lets_the_engine_refuse_quick_cancels(world: Any) -> None:
    async def script(w: World) -> None:
        for _ in range(40):
            request = w.order("40000")
            await w.add(request, within_s=55)
            assert await w.rest.cancel_order(request.client_order_id) is True

    world(script, tier=VenueTier.STARTER)


# streams


def test_streams_tell_quotes_bars_status_and_what_became_of_orders(world: Any) -> None:
    async def script(w: World) -> None:
        placed: list[VenueOrderId] = []

        async def trade() -> None:
            placed.append(await w.add(w.order(None)))

        await w.follow(trade())
        assert {quote.pair for quote in w.of(Quote)} == {XBT, ETH}
        assert {(bar.pair, bar.timeframe) for bar in w.of(RunningBar)} == {
            (pair, timeframe) for pair in (XBT, ETH) for timeframe in (Timeframe.M1, Timeframe.H1)
        }
        assert w.of(SystemStatusChanged) == [SystemStatusChanged("online")]
        assert {m.pair for m in w.of(PairStatusChanged) if m.status is PairStatus.ONLINE} == {
            XBT,
            ETH,
        }
        assert w.of(MalformedFrame) == []
        hints = w.of(ExecutionHint)
        assert hints[-1].status is VenueStatus.CLOSED
        told = [hint.trade_id for hint in hints if hint.trade_id]
        trades = await w.rest.trades_since(START_NS)
        assert told == [trade.trade_id for trade in trades]
        assert {hint.venue_order_id for hint in hints} == set(placed)

    world(script)


def test_bars_of_the_stream_are_those_of_history(world: Any) -> None:
    async def script(w: World) -> None:
        async def wait() -> None:
            await w.clock.sleep(200)

        await w.follow(wait())
        history = await w.rest.closed_bars(XBT, Timeframe.M1, since_s=START_NS // S)
        last_seen = {
            message.bar.start_s: message.bar
            for message in w.of(RunningBar)
            if message.pair == XBT and message.timeframe is Timeframe.M1
        }
        assert len(history) >= 2
        assert [last_seen[bar.start_s] for bar in history] == list(history)

    world(script)


def test_open_orders_are_told_again_after_a_drop(world: Any) -> None:
    async def script(w: World) -> None:
        async def drop() -> None:
            await w.add(w.order("40000"))
            await w.clock.sleep(1)
            w.simulator._venue.drop_all()

        await w.follow(drop())
        assert sorted(lost.private for lost in w.of(StreamLost)) == [False, True]
        assert len(w.of(StreamReady)) == 4
        after = w.delivered[w.delivered.index(w.of(StreamLost)[-1]) :]
        hints = [message for message in after if isinstance(message, ExecutionHint)]
        assert [hint.status for hint in hints] == [VenueStatus.OPEN]

    world(script)


def test_fill_whose_report_was_dropped_is_not_lost(world: Any) -> None:
    async def script(w: World) -> None:
        async def trade() -> None:
            w.simulator.faults.arm(Armed(kind=FaultKind.WS_DROP))
            await w.add(w.order(None))

        await w.follow(trade())
        private = [m for m in w.of(StreamReady, StreamLost) if m.private]
        assert [type(m) for m in private] == [StreamReady, StreamLost, StreamReady]
        assert len(await w.rest.trades_since(START_NS)) >= 1

    world(script)


def test_hosts_that_are_not_interchangeable_are_used_as_they_must(world: Any) -> None:
    async def script(w: World) -> None:
        assert w.simulator.ws_url != w.simulator.ws_auth_url

        async def trade() -> None:
            await w.add(w.order(None))

        await w.follow(trade())
        assert w.of(Quote)
        assert w.of(ExecutionHint)
        assert w.of(StreamLost) == []

    world(script, listen_private="127.0.0.1:0")


def test_status_of_a_pair_that_changes_is_told(world: Any) -> None:
    async def script(w: World) -> None:
        async def change() -> None:
            venue = w.simulator._venue
            venue.exchange.set_pair_status(XBT, PairStatus.CANCEL_ONLY)
            venue.deliver(venue.hub.announce_pair_status(XBT, w.clock.now_ns()))

        await w.follow(change())
        statuses = [m.status for m in w.of(PairStatusChanged) if m.pair == XBT]
        assert statuses[-1] is PairStatus.CANCEL_ONLY
        assert (await w.rest.pairs())[XBT].status is PairStatus.CANCEL_ONLY

    world(script)


@pytest.mark.parametrize("history", ["TradesHistory", "Ledgers", "ClosedOrders"])
def test_rows_that_arrive_between_two_pages_are_neither_skipped_nor_repeated(
    world: Any, history: str
) -> None:
    async def read(w: World) -> list[tuple[str, int]]:
        match history:
            case "TradesHistory":
                return [(t.trade_id, t.at_ns) for t in await w.rest.trades_since(START_NS)]
            case "Ledgers":
                return [(row.ledger_id, row.at_ns) for row in await w.rest.ledger_since(START_NS)]
            case _:
                orders = await w.rest.closed_orders(START_NS)
                return [(o.venue_order_id, o.closed_at_ns or 0) for o in orders]

    async def script(w: World) -> None:
        await w.clock.sleep(5)
        for number in range(120):
            side = Side.SELL if number % 2 else Side.BUY
            await w.add(w.order(None, "0.001", side=side))
        before = await read(w)
        assert len(before) >= 120
        transport: Any = w.rest.transport
        private, pages = transport.private, []

        async def with_news_before_each_page(call: Call) -> Any:
            if call.method == history:
                pages.append(call)
                for _ in range(7):
                    await w.add(w.order(None, "0.001"))
            return await private(call)

        transport.private = with_news_before_each_page
        during = await read(w)
        del transport.private
        assert len(pages) >= 3
        assert len(set(during)) == len(during), "none repeated"
        assert [row for row in during if row in set(before)] == before, "none skipped"
        assert [at_ns for _, at_ns in during] == sorted(at_ns for _, at_ns in during)
        after = await read(w)
        assert set(during) < set(after)
        assert [row for row in after if row in set(during)] == during, "no hole among them either"
        gone = [row for row in after if row not in set(during)]
        assert all(row[1] >= during[-1][1] for row in gone), "what is missing is newer than all"

    world(script)


# amending


def test_amended_order_keeps_its_ids_and_stands_at_its_new_price_and_size(world: Any) -> None:
    async def script(w: World) -> None:
        request = w.order("40000")
        order_id = await w.add(request)
        amend = Amend(
            order_id=order_id,
            pair=XBT,
            limit_price=Decimal("40500.0"),
            quantity_base=Decimal("0.02"),
        )
        assert await w.rest.amend_order(amend, deadline_at_ns=w.clock.now_ns() + 9 * S) is True
        (after,) = await w.rest.open_orders()
        assert (after.venue_order_id, after.client_order_id) == (order_id, request.client_order_id)
        assert (after.limit_price, after.quantity_base) == (Decimal("40500.0"), Decimal("0.02"))

    world(script)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"limit_price": Decimal("60000.0"), "post_only": True}, POST_ONLY),
        ({"quantity_base": Decimal("0.00001")}, ORDER_MINIMUM),
        ({"quantity_base": Decimal(1_000)}, "EOrder:Insufficient funds"),
        ({}, "EGeneral:Invalid arguments:order_qty"),
    ],
)
def test_amend_that_cannot_be_is_refused_by_the_venues_code_and_changes_nothing(
    world: Any, changes: dict[str, Any], code: str
) -> None:
    async def script(w: World) -> None:
        order_id = await w.add(w.order("40000"))
        before = await w.rest.open_orders()
        with pytest.raises(Permanent) as caught:
            await w.rest.amend_order(
                Amend(order_id=order_id, pair=XBT, **changes),
                deadline_at_ns=w.clock.now_ns() + 9 * S,
            )
        assert caught.value.code == code
        assert await w.rest.open_orders() == before

    world(script)


@pytest.mark.parametrize("method", ["AmendOrder", "CancelOrder"])
@pytest.mark.parametrize("is_spelled_otherwise", [False, True])
def test_order_that_is_gone_is_told_as_such_in_both_spellings(
    world: Any, method: str, is_spelled_otherwise: bool
) -> None:
    async def script(w: World) -> None:
        order_id = await w.add(w.order("40000"))
        assert await w.rest.cancel_all() == 1
        if is_spelled_otherwise:
            w.simulator.faults.arm(Armed(kind=FaultKind.OTHER_SPELLING, method=method))
        if method == "AmendOrder":
            amend = Amend(order_id=order_id, pair=XBT, limit_price=Decimal("40500.0"))
            assert await w.rest.amend_order(amend, deadline_at_ns=w.clock.now_ns() + 9 * S) is False
        else:
            assert await w.rest.cancel_order(order_id) is False
        assert not w.simulator.faults.armed

    world(script)


def test_our_limiter_never_lets_the_engine_refuse_quick_amends(world: Any) -> None:
    async def script(w: World) -> None:
        order_id = await w.add(w.order("40000"))
        for turn in range(30):
            amend = Amend(order_id=order_id, pair=XBT, limit_price=Decimal(40_001 + turn))
            await w.rest.amend_order(amend, deadline_at_ns=w.clock.now_ns() + 60 * S)
            await w.clock.sleep(turn % 3 * 5)
        assert await w.rest.cancel_order(order_id) is True

    world(script, tier=VenueTier.STARTER)
