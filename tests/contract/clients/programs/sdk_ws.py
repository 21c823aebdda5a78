"""python-kraken-sdk's SpotWSClient and SpotOrderBookClient against the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from kraken.spot import (  # type: ignore[import-not-found]  # in an environment of its own
    Market,
    SpotOrderBookClient,
    SpotWSClient,
)
from telling import Venue, play, tell  # type: ignore[import-not-found]  # beside this

SYMBOL = "BTC/USD"
UPDATES = 30
WAIT_S = 30
Message = dict[str, Any]
Matches = Callable[[Message], bool]


class Listener:
    """A client that keeps what it was told, and can be asked to wait for more."""

    def __init__(self, venue: Venue, *, private: bool = True) -> None:
        self.heard: list[Message] = []
        self._news = asyncio.Event()
        keys = {"key": venue.key, "secret": venue.secret} if private else {}
        urls = {"rest_url": venue.rest, "ws_url": venue.ws, "auth_ws_url": venue.ws_auth}
        self.client = SpotWSClient(**keys, **urls, callback=self._hear, no_public=private)

    async def start_private(self) -> None:
        """Connect and subscribe, as a connection that trades must in order to live."""
        await self.client.start()
        await self.client.subscribe(params={"channel": "executions"})
        await self.until(of("executions", "snapshot"))

    async def _hear(self, message: Message) -> None:
        self.heard.append(message)
        self._news.set()

    async def until(self, matches: Matches) -> Message:
        """The first message, heard already or not, that matches."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for message in self.heard:
                    if matches(message):
                        return message
                self._news.clear()
                await self._news.wait()

    async def answer(self, method: str, params: Message | None = None, req_id: int = 1) -> Message:
        """Send a request, wait for its answer."""
        message: Message = {"method": method, "req_id": req_id}
        if params is not None:
            message["params"] = params
        await self.client.send_message(message)
        return await self.until(lambda heard: heard.get("req_id") == req_id)


def of(channel: str, kind: str | None = None) -> Matches:
    """Messages of a channel, of one kind or of any."""
    return lambda heard: heard.get("channel") == channel and kind in (None, heard.get("type"))


def execution(exec_type: str, order_id: str) -> Matches:
    """A report of that kind about that order."""

    def matches(heard: Message) -> bool:
        return heard.get("channel") == "executions" and any(
            report["exec_type"] == exec_type and report["order_id"] == order_id
            for report in heard["data"]
        )

    return matches


async def channels(venue: Venue) -> None:
    listener = Listener(venue, private=False)
    await listener.client.start()
    tell("status", **await listener.until(of("status")))
    for channel, more in (
        ("ticker", {"symbol": [SYMBOL, "ETH/USD"]}),
        ("ohlc", {"symbol": [SYMBOL], "interval": 5}),
        ("trade", {"symbol": [SYMBOL], "snapshot": True}),
        ("book", {"symbol": [SYMBOL], "depth": 25}),
        ("instrument", {}),
    ):
        await listener.client.subscribe(params={"channel": channel, **more})
        tell(channel, **await listener.until(of(channel, "snapshot")))
    tell("heartbeat", **await listener.until(of("heartbeat")))
    tell("pong", **await listener.until(lambda heard: heard.get("method") == "pong"))
    tell("acks", acks=[heard for heard in listener.heard if heard.get("method") == "subscribe"])
    tell("subscriptions", known=listener.client.active_public_subscriptions)
    await listener.client.unsubscribe(params={"channel": "ticker", "symbol": [SYMBOL]})
    tell("left", **await listener.until(lambda heard: heard.get("method") == "unsubscribe"))
    await listener.client.close()


async def books(venue: Venue) -> None:
    """Books in motion: the client checks each checksum, and says so where it differs."""
    SpotOrderBookClient.WS_URL = venue.ws
    Market.URL = venue.rest  # it takes no address, nor does the Market that it makes for itself
    pairs = (SYMBOL, "ETH/USD", "DOGE/USD")
    updates = dict.fromkeys(pairs, 0)
    mismatches: list[str] = []
    enough = asyncio.Event()

    def heard(pair: str, message: Message) -> None:
        if "error" in message or not book.get(pair)["valid"]:
            mismatches.append(f"{pair}: {message}")
        updates[pair] += message.get("type") == "update"
        if min(updates.values()) >= UPDATES:
            enough.set()

    book = SpotOrderBookClient(depth=10, callback=heard)
    await book.start()
    await book.add_book(pairs=list(pairs))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(enough.wait(), WAIT_S)
    for pair in pairs:
        sides = {side: list(book.get(pair)[side])[:2] for side in ("bid", "ask")}
        tell("book", pair=pair, updates=updates[pair], **sides)
    tell("mismatches", mismatches=mismatches)
    await book.close()


async def executions(venue: Venue) -> None:
    """One order rests and is cancelled, one takes; balances follow."""
    listener = Listener(venue)
    await listener.client.start()
    await listener.client.subscribe(params={"channel": "executions", "snap_trades": True})
    tell("executions", **await listener.until(of("executions", "snapshot")))
    await listener.client.subscribe(params={"channel": "balances", "snapshot": True})
    tell("balances", **await listener.until(of("balances", "snapshot")))
    limit = {"order_type": "limit", "side": "buy", "order_qty": 0.001, "symbol": SYMBOL}
    made = await listener.answer("add_order", limit | {"limit_price": 10000.0}, 10)
    order_id = made["result"]["order_id"]
    await listener.until(execution("new", order_id))
    await listener.answer("cancel_order", {"order_id": [order_id]}, 11)
    await listener.until(execution("canceled", order_id))
    market = {"order_type": "market", "side": "buy", "order_qty": 0.01, "symbol": SYMBOL}
    taken = (await listener.answer("add_order", market, 12))["result"]["order_id"]
    await listener.until(execution("filled", taken))
    await listener.until(of("balances", "update"))
    messages = [heard for heard in listener.heard if heard.get("channel") == "executions"]
    tell("sequences", sequences=[message["sequence"] for message in messages])
    for message in messages:
        for report in message["data"]:
            which = {order_id: "resting", taken: "taking"}.get(report["order_id"])
            if which and message["type"] == "update":
                tell(which, **report)
    changes = [heard for heard in listener.heard if of("balances", "update")(heard)]
    tell("balance_changes", rows=[row for message in changes for row in message["data"]])
    await listener.client.close()


async def trading(venue: Venue) -> None:
    listener = Listener(venue)
    await listener.start_private()
    buy = {"order_type": "limit", "side": "buy", "order_qty": 0.001, "symbol": SYMBOL}
    made = await listener.answer(
        "add_order", buy | {"limit_price": 10000.5, "cl_ord_id": "from-sdk-ws"}, 20
    )
    tell("made", **made)
    tell(
        "validated",
        **await listener.answer("add_order", buy | {"limit_price": 1000.0, "validate": True}, 21),
    )
    amend = {"cl_ord_id": "from-sdk-ws", "order_qty": 0.002, "limit_price": 10001.0}
    tell("amended", **await listener.answer("amend_order", amend, 22))
    tell("canceled", **await listener.answer("cancel_order", {"cl_ord_id": ["from-sdk-ws"]}, 23))
    for step in range(2):
        await listener.answer("add_order", buy | {"limit_price": 10002.0 + step}, 24 + step)
    tell("dead_man", **await listener.answer("cancel_all_orders_after", {"timeout": 60}, 26))
    tell("disarmed", **await listener.answer("cancel_all_orders_after", {"timeout": 0}, 27))
    tell("all_canceled", **await listener.answer("cancel_all", None, 28))
    await listener.client.close()


async def batches(venue: Venue) -> None:
    listener = Listener(venue)
    await listener.start_private()
    buy = {"order_type": "limit", "side": "buy", "order_qty": 0.001}
    orders = [
        buy | {"limit_price": 10000.0 + step, "order_userref": 70 + step} for step in range(3)
    ]
    made = await listener.answer("batch_add", {"orders": orders, "symbol": SYMBOL}, 30)
    tell("made", **made)
    ids = [entry["order_id"] for entry in made["result"]]
    tell("canceled", **await listener.answer("batch_cancel", {"orders": ids[:2]}, 31))
    edit = {"order_id": ids[2], "symbol": SYMBOL, "order_qty": 0.002, "limit_price": 10005.0}
    tell("edited", old=ids[2], **await listener.answer("edit_order", edit, 32))
    tell("all_canceled", **await listener.answer("cancel_all", None, 33))
    await listener.client.close()


async def errors(venue: Venue) -> None:
    listener = Listener(venue)
    await listener.start_private()
    buy = {"order_type": "limit", "side": "buy", "order_qty": 0.001, "symbol": SYMBOL}
    buy["limit_price"] = 10000.0
    for number, (name, method, params) in enumerate(
        (
            ("no_funds", "add_order", buy | {"order_qty": 1000.0}),
            ("too_small", "add_order", buy | {"order_qty": 0.00001}),
            ("text_price", "add_order", buy | {"limit_price": "10000"}),
            ("post_only", "add_order", buy | {"limit_price": 500000.0, "post_only": True}),
            ("unknown_symbol", "add_order", buy | {"symbol": "NOPE/USD"}),
            ("unknown_order", "cancel_order", {"order_id": ["OAAAAA-AAAAA-AAAAAA"]}),
            ("two_unknown", "cancel_order", {"order_id": ["OAAAAA-AAAAA-AAAAAA"] * 2}),
        )
    ):
        tell(name, **await listener.answer(method, params, 40 + number))
    # the venue answers once for each order that was to be cancelled, all under one number
    await listener.until(lambda _: sum(heard.get("req_id") == 46 for heard in listener.heard) == 2)
    tell("answers", count=sum(heard.get("req_id") == 46 for heard in listener.heard))
    await listener.client.close()
    public = Listener(venue, private=False)
    await public.client.start()
    await public.client.subscribe(params={"channel": "instrument"})
    await public.until(of("instrument"))
    public.heard.clear()
    await public.client.subscribe(params={"channel": "book", "symbol": ["NOPE/USD"]})
    tell("subscribed", **await public.until(lambda heard: heard.get("method") == "subscribe"))
    await public.client.close()


async def dropped(venue: Venue) -> None:
    """The simulator drops every socket: the client connects and subscribes by itself."""
    listener = Listener(venue)
    await listener.start_private()
    listener.heard.clear()
    venue.admin("/faults", kind="ws-drop", now=True)
    tell("again", **await listener.until(of("executions", "snapshot")))
    await listener.client.close()


def enter(scene: Callable[[Venue], Awaitable[None]], venue: Venue) -> None:
    """Play on a loop of its own; the client logs what it will mend by itself."""
    logging.disable(logging.CRITICAL)

    async def main() -> None:
        await scene(venue)

    asyncio.run(main())


if __name__ == "__main__":
    scenes: dict[str, Callable[[Venue], Awaitable[None]]] = {
        "channels": channels,
        "books": books,
        "executions": executions,
        "trading": trading,
        "batches": batches,
        "errors": errors,
        "dropped": dropped,
    }
    play({name: partial(enter, scene) for name, scene in scenes.items()})
