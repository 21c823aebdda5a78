"""Two connections kept up over real sockets: every way to lose one leads back to being ready."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import RestSettings, Transport
from krakked.adapters.kraken.websocket import FeedSettings, KrakenFeed
from krakked.domain.bars import Timeframe
from krakked.domain.ids import PairName
from krakked.domain.quotes import Quote
from krakked.ports.market_feed import (
    ExecutionHint,
    FeedMessage,
    MalformedFrame,
    MarketFeed,
    RunningBar,
    StreamLost,
    StreamReady,
    SystemStatusChanged,
)

PAIRS = [PairName("XBTUSD"), PairName("XDGUSD")]
TIMEFRAMES = [Timeframe.M1, Timeframe.H1]
PUBLIC_REQUESTS = 4
TOKEN = "SECRET-TOKEN-OF-THE-SESSION"
TICKER = {
    "channel": "ticker",
    "type": "update",
    "data": [{"symbol": "BTC/USD", "bid": 1.5, "ask": 1.6, "last": 1.5, "volume": 10.0}],
}
CANDLE = {
    "channel": "ohlc",
    "type": "update",
    "data": [
        {
            "symbol": "BTC/USD",
            "open": 1.5,
            "high": 1.5,
            "low": 1.5,
            "close": 1.5,
            "trades": 1,
            "volume": 1.0,
            "interval": 1,
            "interval_begin": "2023-11-14T22:13:00Z",
        }
    ],
}


def report(sequence: int, **changes: Any) -> dict[str, Any]:
    row = {
        "order_id": "O1",
        "exec_type": "new",
        "order_status": "new",
        "timestamp": "2023-11-14T22:13:00Z",
        **changes,
    }
    return {"channel": "executions", "type": "update", "data": [row], "sequence": sequence}


class Watch:
    """One run of a feed: what it delivered, and when."""

    def __init__(self, feed: KrakenFeed, observer: Any, clock: Any) -> None:
        self.feed = feed
        self.observer = observer
        self.clock = clock
        self.delivered: list[FeedMessage] = []

    def deliver(self, message: FeedMessage) -> None:
        self.delivered.append(message)

    def of(self, *kinds: type) -> list[Any]:
        return [message for message in self.delivered if isinstance(message, kinds)]

    @property
    def states(self) -> list[str]:
        """``ready public``, ``lost private`` …, in order."""
        return [
            f"{'ready' if isinstance(m, StreamReady) else 'lost'} "
            f"{'private' if m.private else 'public'}"
            for m in self.of(StreamReady, StreamLost)
        ]


def is_private(socket: Any) -> bool:
    return any(m["params"].get("channel") == "executions" for m in socket.received if "params" in m)


async def accept_all(socket: Any) -> None:
    """Confirm the four requests of the public stream or the one of the private."""
    message = await socket.next()
    assert message is not None
    await socket.confirm(message)
    if message["params"]["channel"] != "executions":
        await socket.confirm_all(PUBLIC_REQUESTS - 1)


async def stay(socket: Any) -> None:
    while await socket.next() is not None:
        pass


@pytest.fixture
def venue(kit: Any) -> Any:
    venue = kit.FakeVenue()
    venue.answer("GetWebSocketsToken", {"token": TOKEN, "expires": 900})
    return venue


@pytest.fixture
def watch(kit: Any, venue: Any) -> Callable[..., Watch]:
    """Run a feed against the scripted venue while ``script(watch)`` runs."""

    def watch(
        script: Callable[[Watch], Awaitable[None]],
        *,
        has_key: bool = True,
        pairs: list[PairName] = PAIRS,
        **settings: Any,
    ) -> Watch:
        async def main() -> Watch:
            async with venue.serve() as url:
                clock, observer = kit.clock(), kit.Listener()
                transport = Transport(
                    RestSettings(url=url, tier=Tier.NONE),
                    clock,
                    query=kit.credentials("QUERY-KEY") if has_key else None,
                    observer=observer,
                )
                rest = KrakenRest(transport)
                socket_url = url.replace("http", "ws") + "/v2"
                addresses = {"public_url": socket_url, "private_url": socket_url}
                feed = KrakenFeed(
                    FeedSettings(**{**addresses, "silence_s": 0.0, **settings}),
                    rest,
                    clock,
                    Random(1),
                )
                watched = Watch(feed, observer, clock)
                running = asyncio.create_task(feed.run(pairs, TIMEFRAMES, watched.deliver))
                scripted = asyncio.create_task(script(watched))  # type: ignore[arg-type]  # async functions only
                await asyncio.wait({running, scripted}, return_when=asyncio.FIRST_COMPLETED)
                running.cancel()
                scripted.cancel()
                ended = await asyncio.gather(running, scripted, return_exceptions=True)
                await rest.close()
                for error in ended:
                    if isinstance(error, Exception):
                        raise error
                return watched

        result = kit.run(main())
        assert isinstance(result, Watch)
        return result

    return watch


async def a_second(watched: Watch) -> None:
    await watched.clock.sleep(1)


async def a_minute(watched: Watch) -> None:
    await watched.clock.sleep(60)


def test_feed_is_a_market_feed() -> None:
    feed: type[MarketFeed] = KrakenFeed
    assert feed


# opening


def test_both_streams_become_ready_once_every_symbol_was_confirmed(watch: Any, venue: Any) -> None:
    watched = watch(a_second)
    assert sorted(watched.states) == ["ready private", "ready public"]
    public = next(socket for socket in venue.sockets if not is_private(socket))
    assert [m["params"]["channel"] for m in public.received] == [
        "instrument",
        "ticker",
        "ohlc",
        "ohlc",
    ]
    assert public.received[1]["params"]["symbol"] == ["BTC/USD", "DOGE/USD"]


def test_stream_is_not_ready_while_a_confirmation_is_missing(watch: Any, venue: Any) -> None:
    async def slow(socket: Any) -> None:
        message = await socket.next()
        if message["params"]["channel"] == "executions":
            await socket.confirm(message)
            await stay(socket)
            return
        await socket.confirm(message)
        await socket.confirm_all(PUBLIC_REQUESTS - 2)
        await stay(socket)

    venue.on_socket = slow
    assert watch(a_second).states == ["ready private"]


def test_private_stream_is_opened_with_a_token_of_the_query_key(watch: Any, venue: Any) -> None:
    watch(a_second)
    private = next(socket for socket in venue.sockets if is_private(socket))
    assert private.received[0]["params"] == {
        "channel": "executions",
        "token": TOKEN,
        "snap_orders": True,
        "snap_trades": False,
    }
    assert venue.calls("GetWebSocketsToken")[0].headers["API-Key"] == "QUERY-KEY"


def test_without_a_key_there_is_a_public_stream_only(watch: Any, venue: Any) -> None:
    assert watch(a_second, has_key=False).states == ["ready public"]
    assert venue.calls("GetWebSocketsToken") == []


def test_messages_are_delivered_in_the_order_of_their_frames(watch: Any, venue: Any) -> None:
    async def talkative(socket: Any) -> None:
        await accept_all(socket)
        if is_private(socket):
            await socket.send(report(1, cl_ord_id="ours"))
        else:
            for _ in range(3):
                await socket.send(TICKER)
                await socket.send(CANDLE)
        await stay(socket)

    venue.on_socket = talkative
    watched = watch(a_second)
    kinds = [type(message) for message in watched.of(Quote, RunningBar)]
    assert kinds == [Quote, RunningBar] * 3
    assert [hint.client_order_id for hint in watched.of(ExecutionHint)] == ["ours"]


def test_snapshot_before_the_last_confirmation_is_delivered(watch: Any, venue: Any) -> None:
    async def early(socket: Any) -> None:
        message = await socket.next()
        if message["params"]["channel"] == "executions":
            await socket.send(report(1))
            await socket.confirm(message)
        else:
            await socket.confirm(message)
            await socket.send(TICKER)
            await socket.confirm_all(PUBLIC_REQUESTS - 1)
        await stay(socket)

    venue.on_socket = early
    watched = watch(a_second)
    assert len(watched.of(Quote)) == 1
    assert len(watched.of(ExecutionHint)) == 1


def test_refused_symbol_is_told_and_the_stream_is_ready_with_the_rest(
    watch: Any, venue: Any
) -> None:
    async def choosy(socket: Any) -> None:
        while (message := await socket.next()) is not None:
            if message["params"]["channel"] != "ticker":
                await socket.confirm(message)
                continue
            reason = "Currency pair not supported DOGE/USD"
            refused = {"success": False, "symbol": "DOGE/USD", "error": reason}
            number = message["req_id"]
            await socket.send({"method": "subscribe", "req_id": number, **refused})
            message["params"]["symbol"] = ["BTC/USD"]
            await socket.confirm(message)

    venue.on_socket = choosy
    watched = watch(a_second)
    assert "ready public" in watched.states
    reason = "Currency pair not supported DOGE/USD"
    assert watched.observer.refused == [("ticker", "DOGE/USD", reason)]
    assert [m.problem for m in watched.of(MalformedFrame)] == [f"ticker DOGE/USD refused: {reason}"]


def test_pair_that_the_venue_does_not_list_is_told_and_not_asked_for(
    watch: Any, venue: Any
) -> None:
    watched = watch(a_second, pairs=[PairName("XBTUSD"), PairName("GONEUSD")])
    assert "ready public" in watched.states
    assert [refused[1] for refused in watched.observer.refused] == ["GONEUSD"]
    public = next(socket for socket in venue.sockets if not is_private(socket))
    assert public.received[1]["params"]["symbol"] == ["BTC/USD"]


# losing and finding again


def test_closed_connection_is_lost_and_at_once_opened_anew(watch: Any, venue: Any) -> None:
    async def short(socket: Any) -> None:
        await accept_all(socket)
        if is_private(socket) or len(venue.sockets) > 2:
            await stay(socket)

    venue.on_socket = short
    watched = watch(a_second)
    public = [state for state in watched.states if "public" in state]
    assert public == ["ready public", "lost public", "ready public"]
    (lost,) = watched.of(StreamLost)
    assert lost.reason == "closed by the venue (code 1000)"


def test_everything_is_subscribed_anew_on_a_new_connection(watch: Any, venue: Any) -> None:
    async def once(socket: Any) -> None:
        await accept_all(socket)
        if socket.number > 1:
            await stay(socket)

    venue.on_socket = once
    watch(a_second)
    public = [socket for socket in venue.sockets if not is_private(socket)]
    assert len(public) == 2
    assert public[0].received == public[1].received


def test_new_private_connection_asks_for_a_new_token(watch: Any, venue: Any) -> None:
    async def once(socket: Any) -> None:
        await accept_all(socket)
        if socket.number > 1:
            await stay(socket)

    venue.on_socket = once
    watch(a_second)
    assert len(venue.calls("GetWebSocketsToken")) == 2


def test_silence_is_a_lost_connection_after_the_set_seconds(watch: Any, venue: Any) -> None:
    async def mute(socket: Any) -> None:
        await accept_all(socket)
        await stay(socket)

    venue.on_socket = mute
    lost_at: list[int] = []

    async def script(watched: Watch) -> None:
        started_ns = watched.clock.now_ns()
        while not watched.of(StreamLost):
            await watched.clock.sleep(0.25)
        lost_at.append(watched.clock.now_ns() - started_ns)

    watched = watch(script, silence_s=10.0)
    assert lost_at[0] / 1e9 == pytest.approx(10, abs=0.5)
    assert watched.of(StreamLost)[0].reason == "nothing was received for too long"


def test_heartbeats_keep_a_connection(watch: Any, venue: Any) -> None:
    async def beating(socket: Any) -> None:
        await accept_all(socket)
        while True:
            await asyncio.sleep(1)
            await socket.send('{"channel":"heartbeat"}')

    venue.on_socket = beating
    assert sorted(watch(a_minute, silence_s=10.0).states) == ["ready private", "ready public"]


def test_silence_does_not_matter_where_the_watch_is_off(watch: Any, venue: Any) -> None:
    async def mute(socket: Any) -> None:
        await accept_all(socket)
        await stay(socket)

    venue.on_socket = mute

    async def a_year(watched: Watch) -> None:
        await watched.clock.sleep(365 * 86_400)

    assert sorted(watch(a_year, silence_s=0.0).states) == ["ready private", "ready public"]


def test_confirmations_that_do_not_come_are_a_lost_connection(watch: Any, venue: Any) -> None:
    venue.on_socket = stay
    watched = watch(a_minute, has_key=False, subscribe_timeout_s=5.0)
    assert watched.states == ["lost public"]
    assert len(venue.sockets) > 1


def test_skipped_report_is_a_lost_stream_although_the_connection_stands(
    watch: Any, venue: Any
) -> None:
    async def skipping(socket: Any) -> None:
        await accept_all(socket)
        if is_private(socket) and len([s for s in venue.sockets if is_private(s)]) == 1:
            await socket.send(report(1))
            await socket.send(report(3))
        await stay(socket)

    venue.on_socket = skipping
    watched = watch(a_second)
    private = [state for state in watched.states if "private" in state]
    assert private == ["ready private", "lost private", "ready private"]
    assert watched.of(StreamLost)[0].reason == "executions jumped from 1 to 3"
    assert len(watched.of(ExecutionHint)) == 2


def test_connection_that_is_given_up_is_closed(watch: Any, venue: Any) -> None:
    closed: list[int] = []

    async def skipping(socket: Any) -> None:
        await accept_all(socket)
        if is_private(socket) and not closed:
            await socket.send(report(1))
            await socket.send(report(3))
        await stay(socket)
        closed.append(socket.number)

    venue.on_socket = skipping
    while_running: list[int] = []

    async def script(watched: Watch) -> None:
        await watched.clock.sleep(1)
        while_running.extend(closed)

    watch(script)
    assert len(while_running) == 1


def test_handshake_that_is_not_answered_is_given_up_after_the_set_seconds(
    watch: Any, venue: Any
) -> None:
    lost_at_s: list[float] = []

    async def script(watched: Watch) -> None:
        started_ns = watched.clock.now_ns()
        while not watched.of(StreamLost):
            await watched.clock.sleep(0.25)
        lost_at_s.append((watched.clock.now_ns() - started_ns) / 1e9)

    venue.answers_handshakes = False
    watched = watch(script, has_key=False, connect_timeout_s=3.0)
    assert lost_at_s[0] == pytest.approx(3, abs=0.5)
    assert watched.of(StreamLost)[0].reason == "not connected: TimeoutError"


def test_address_that_takes_no_connection_is_told_after_a_few_tries(watch: Any, venue: Any) -> None:
    told: list[Any] = []

    async def script(watched: Watch) -> None:
        assert watched.feed.problem() is None
        while len(watched.of(StreamLost)) < 1:
            await watched.clock.sleep(0.25)
        told.append(watched.feed.is_nobody_there.is_set())
        await watched.feed.is_nobody_there.wait()
        told.append(watched.feed.problem())
        venue.answers_handshakes = True
        while not watched.of(StreamReady):
            await watched.clock.sleep(0.25)
        told.append(watched.feed.problem())

    venue.answers_handshakes = False
    watch(script, has_key=False, connect_timeout_s=1.0)
    assert told == [False, (False, "not connected: TimeoutError"), None]


def test_refused_session_is_tried_again_with_a_new_token(watch: Any, venue: Any) -> None:
    async def picky(socket: Any) -> None:
        message = await socket.next()
        if message["params"]["channel"] != "executions":
            await socket.confirm(message)
            await socket.confirm_all(PUBLIC_REQUESTS - 1)
        elif len(venue.calls("GetWebSocketsToken")) == 1:
            refused = {"success": False, "error": "ESession:Invalid session"}
            await socket.send({"method": "subscribe", "req_id": message["req_id"], **refused})
        else:
            await socket.confirm(message)
        await stay(socket)

    venue.on_socket = picky
    watched = watch(a_second)
    assert [s for s in watched.states if "private" in s] == ["lost private", "ready private"]
    assert watched.of(StreamLost)[0].reason == "executions refused: ESession:Invalid session"


@pytest.mark.parametrize(
    "text", ["EGeneral:Permission denied", "EAPI:Invalid key", "EService:Unavailable"]
)
def test_token_that_is_not_given_is_asked_for_until_it_is(
    watch: Any, venue: Any, kit: Any, text: str
) -> None:
    refused = [kit.refusal(text) for _ in range(3)]
    venue.answer("GetWebSocketsToken", *refused, {"token": TOKEN})
    watched = watch(a_minute)
    assert [s for s in watched.states if "private" in s] == ["lost private", "ready private"]
    assert text in watched.of(StreamLost)[0].reason


def test_venue_that_is_away_is_told_once_and_tried_until_it_is_back(watch: Any, venue: Any) -> None:
    attempts = 0

    async def away(socket: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts > 5:
            await socket.accept()

    venue.on_socket = away
    watched = watch(a_minute, has_key=False)
    assert watched.states == ["lost public", "ready public"]
    lost = [event for event in watched.observer.connections if event[1] == "lost"]
    assert len(lost) == 5


def test_pauses_between_failing_attempts_grow(watch: Any, venue: Any) -> None:
    at_ns: list[int] = []

    async def failing(socket: Any) -> None:
        at_ns.append(round(asyncio.get_running_loop().time() * 1e9))

    venue.on_socket = failing

    async def an_hour(watched: Watch) -> None:
        await watched.clock.sleep(3_600)

    watch(an_hour, has_key=False)
    pauses = [(b - a) / 1e9 for a, b in itertools.pairwise(at_ns)]
    assert pauses[0] < 0.1
    assert max(pauses[:3]) <= 1.1
    assert max(pauses) <= 31
    assert sum(pauses[-50:]) / 50 > 8


def test_attempts_never_pass_the_venues_cap_however_quick_the_backoff(
    watch: Any, venue: Any
) -> None:
    at_s: list[float] = []

    async def failing(socket: Any) -> None:
        at_s.append(asyncio.get_running_loop().time())

    venue.on_socket = failing

    async def an_hour(watched: Watch) -> None:
        await watched.clock.sleep(3_600)

    watch(an_hour, backoff_s=0.01, backoff_max_s=0.01)
    assert len(at_s) > 150
    for index in range(150, len(at_s)):
        assert at_s[index] - at_s[index - 150] >= 600


def test_maintenance_makes_attempts_at_least_five_seconds_apart(watch: Any, venue: Any) -> None:
    at_s: list[float] = []

    async def closed_for_maintenance(socket: Any) -> None:
        at_s.append(asyncio.get_running_loop().time())
        await socket.send({"channel": "status", "data": [{"system": "maintenance"}]})

    venue.on_socket = closed_for_maintenance
    watched = watch(a_minute, has_key=False, backoff_max_s=1.0)
    assert watched.of(SystemStatusChanged)[0].status == "maintenance"
    pauses = [b - a for a, b in itertools.pairwise(at_s)]
    assert min(pauses) >= 5
    assert len(at_s) > 8


def test_streams_are_lost_and_found_apart(watch: Any, venue: Any) -> None:
    async def private_fails(socket: Any) -> None:
        await accept_all(socket)
        if not is_private(socket):
            await stay(socket)

    venue.on_socket = private_fails
    watched = watch(a_minute)
    assert [s for s in watched.states if "public" in s] == ["ready public"]
    assert watched.states.count("lost private") > 3


# surviving


@pytest.mark.parametrize(
    "text",
    ["rubbish", '{"channel":"weather","data":[]}', json.dumps({**TICKER, "data": [{"bid": 1}]})],
)
def test_malformed_frame_is_told_and_the_connection_goes_on(
    watch: Any, venue: Any, text: str
) -> None:
    async def muddled(socket: Any) -> None:
        await accept_all(socket)
        if not is_private(socket):
            await socket.send(text)
            await socket.send(TICKER)
        await stay(socket)

    venue.on_socket = muddled
    watched = watch(a_second)
    assert [message.frame for message in watched.of(MalformedFrame)] == [text]
    assert len(watched.of(Quote)) == 1
    assert watched.of(StreamLost) == []
    assert [source for source, _ in watched.observer.malformed] == ["public"]


def test_token_that_the_venue_sends_back_is_not_shown(watch: Any, venue: Any) -> None:
    async def echoing(socket: Any) -> None:
        await accept_all(socket)
        if is_private(socket):
            await socket.send(json.dumps({"channel": f"echo {TOKEN}", "token": TOKEN}))
        await stay(socket)

    venue.on_socket = echoing
    (message,) = watch(a_second).of(MalformedFrame)
    assert TOKEN not in message.frame + message.problem
    assert "***" in message.frame


def test_frames_in_binary_are_read_too(watch: Any, venue: Any) -> None:
    async def binary(socket: Any) -> None:
        await accept_all(socket)
        if not is_private(socket):
            await socket.response.send_bytes(json.dumps(TICKER).encode())
        await stay(socket)

    venue.on_socket = binary
    assert len(watch(a_second).of(Quote)) == 1


def test_frame_larger_than_the_bound_is_a_lost_connection_and_no_memory(
    watch: Any, venue: Any
) -> None:
    async def huge(socket: Any) -> None:
        await accept_all(socket)
        if socket.number == 0:
            await socket.send("x" * 100_000)
        await stay(socket)

    venue.on_socket = huge
    watched = watch(a_second, has_key=False, frame_bytes_max=50_000)
    assert watched.states == ["ready public", "lost public", "ready public"]


def test_error_of_whoever_listens_is_not_taken_for_a_lost_connection(
    watch: Any, venue: Any
) -> None:
    async def script(watched: Watch) -> None:
        def broken(message: FeedMessage) -> None:
            raise OSError("disk full")

        watched.deliver = broken  # type: ignore[method-assign]  # breaks the listener
        await watched.feed.run(PAIRS, TIMEFRAMES, broken)

    with pytest.raises(ExceptionGroup) as caught:
        watch(script, has_key=False)
    assert "disk full" in str(caught.value.exceptions)


# pings and times


def test_pings_go_out_with_their_period_and_none_by_default(watch: Any, venue: Any) -> None:
    watch(a_minute, has_key=False, ping_s=10.0)
    pings = [m for socket in venue.sockets for m in socket.received if m["method"] == "ping"]
    assert len(pings) == 5
    venue.sockets.clear()
    watch(a_minute, has_key=False)
    assert [m["method"] for m in venue.sockets[0].received] == ["subscribe"] * PUBLIC_REQUESTS


def test_pongs_keep_a_silent_connection(watch: Any, venue: Any) -> None:
    watched = watch(a_minute, has_key=False, ping_s=4.0, silence_s=5.0)
    assert watched.states == ["ready public"]


def test_time_of_the_last_frame_is_known_by_stream(watch: Any, venue: Any, kit: Any) -> None:
    seen: list[tuple[int, int]] = []

    async def late(socket: Any) -> None:
        await accept_all(socket)
        await asyncio.sleep(30)
        if not is_private(socket):
            await socket.send('{"channel":"heartbeat"}')
        await stay(socket)

    async def script(watched: Watch) -> None:
        feed = watched.feed
        seen.append((feed.last_frame_ns(private=False), feed.last_frame_ns(private=True)))
        await watched.clock.sleep(60)
        seen.append((feed.last_frame_ns(private=False), feed.last_frame_ns(private=True)))

    venue.on_socket = late
    watch(script)
    assert seen[0] == (0, 0)
    public_ns, private_ns = seen[1]
    assert public_ns - kit.START_NS == pytest.approx(30e9, abs=1e9)
    assert private_ns - kit.START_NS < 1e9


def test_observer_hears_of_each_life_of_a_connection(watch: Any, venue: Any) -> None:
    async def once(socket: Any) -> None:
        await accept_all(socket)
        if socket.number > 0:
            await stay(socket)

    venue.on_socket = once
    watched = watch(a_second, has_key=False)
    assert watched.observer.connections == [
        ("public", "opened", ""),
        ("public", "ready", ""),
        ("public", "lost", "closed by the venue (code 1000)"),
        ("public", "opened", ""),
        ("public", "ready", ""),
    ]


def test_two_runs_with_one_seed_connect_at_the_same_instants(watch: Any, venue: Any) -> None:
    def attempts() -> list[int]:
        at_ns: list[int] = []

        async def failing(socket: Any) -> None:
            at_ns.append(round(asyncio.get_running_loop().time() * 1e6))

        venue.on_socket = failing
        watch(a_minute)
        return at_ns

    assert attempts() == attempts()


def test_state_of_the_feed_is_shown(watch: Any) -> None:
    watched = watch(a_second)
    assert "public ready" in repr(watched.feed)
    assert TOKEN not in repr(watched.feed)
