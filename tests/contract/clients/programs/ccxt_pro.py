"""ccxt's websocket side (ccxt.pro) against the simulator: channels, and trading over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar

import ccxt.pro  # type: ignore[import-not-found]  # lives in an environment of its own
from ccxt_rest import LOW, SYMBOL, settings  # type: ignore[import-not-found]  # beside this
from telling import Venue, play, tell  # type: ignore[import-not-found]  # beside this

UPDATES = 20
PARTS = ("price", "amount")
Scene = Callable[[Any, Venue], Awaitable[None]]


async def channels(api: Any, venue: Venue) -> None:
    """The public ones, each until it has shown something."""
    tell("ticker", **await api.watch_ticker(SYMBOL))
    tell("trades", trades=await api.watch_trades(SYMBOL))
    tell("candles", candles=await api.watch_ohlcv(SYMBOL, "1m"))


class Checking(ccxt.pro.kraken):  # type: ignore[misc]  # its base is known in its environment only
    """Sums the book that ccxt holds after each frame, with ccxt's own functions.

    Its own check reads the frame's numbers as floats, which have lost their last zeros, so they
    are written at the pair's decimals here; all else is ccxt's.
    """

    sums: ClassVar[list[list[int]]] = []

    def handle_order_book(self, client: Any, message: Any) -> None:
        super().handle_order_book(client, message)
        data = message["data"][0]
        book, market = self.orderbooks[data["symbol"]], self.market(data["symbol"])
        decimals = [self.precision_from_string(f"{market['precision'][of]:.10f}") for of in PARTS]
        text = "".join(
            self.format_number(f"{number:.{digits}f}")
            for side in ("asks", "bids")
            for level in book[side][:10]
            for number, digits in zip(level, decimals, strict=True)
        )
        self.sums.append([data["checksum"], self.crc32(text, False)])


async def books(api: Any, venue: Venue) -> None:
    """Books in motion, with everything that ccxt makes of their updates."""
    await api.load_markets()
    for _ in range(UPDATES):
        for symbol in (SYMBOL, "DOGE/USD"):
            book = await api.watch_order_book(symbol, 10)
            tell("book", symbol=symbol, bids=book["bids"][:2], asks=book["asks"][:2])
    tell("sums", sums=Checking.sums)


async def still_book(api: Any, venue: Venue) -> None:
    """The market stands still but for our own trade; REST and the channel must then agree."""
    await api.watch_order_book(SYMBOL, 25)
    await api.create_order(SYMBOL, "market", "buy", 0.02)
    book = await api.watch_order_book(SYMBOL, 25)
    tell("channel", bids=book["bids"][:10], asks=book["asks"][:10])
    book = await api.fetch_order_book(SYMBOL, 10)
    tell("rest", bids=[row[:2] for row in book["bids"]], asks=[row[:2] for row in book["asks"]])


async def checksum(api: Any, venue: Venue) -> None:
    """ccxt's own check, which it leaves off unless asked: in Python it cannot run at all."""
    problems: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, told: problems.append(repr(told["exception"])))
    api.options["watchOrderBook"]["checksum"] = True
    try:
        await asyncio.wait_for(api.watch_order_book("ETH/USD"), 2)
    except TimeoutError:
        tell("not_checked", problems=problems)


async def executions(api: Any, venue: Venue) -> None:
    """An order's life as the channel tells it, a fill, and the balance after it."""
    await api.load_markets()
    orders = asyncio.create_task(api.watch_orders())
    await asyncio.sleep(0.3)
    made = await api.create_order_ws(SYMBOL, "limit", "buy", 0.001, LOW)
    tell("made", **made)
    seen: list[str] = []
    while "canceled" not in seen:
        for order in await orders:
            if order["id"] == made["id"] and order["status"] not in seen:
                seen.append(order["status"])
                tell("order", **order)
                if order["status"] == "open":
                    await api.cancel_order_ws(made["id"])
        orders = asyncio.create_task(api.watch_orders())
    orders.cancel()


async def fills(api: Any, venue: Venue) -> None:
    """A purchase, in the channels of trades and of balances."""
    before = (await api.watch_balance())["BTC"]["total"]
    made = await api.create_order_ws(SYMBOL, "market", "buy", 0.01)
    found: list[Any] = []
    while not found:
        trades = await api.watch_my_trades(SYMBOL)
        found = [trade for trade in trades if trade["order"] == made["id"]]
    tell("trade", **found[0])
    after = api.balance["spot"]["BTC"]["total"]
    while after == before:
        after = (await api.watch_balance())["BTC"]["total"]
    tell("balance", before=before, after=after)


async def trading(api: Any, venue: Venue) -> None:
    made = [
        await api.create_order_ws(SYMBOL, "limit", "buy", 0.001, LOW + step, params)
        for step, params in enumerate(({"clientOrderId": "from-pro"}, {}, {"postOnly": True}, {}))
    ]
    tell("made", ids=[order["id"] for order in made])
    edited = await api.edit_order_ws(made[0]["id"], SYMBOL, "limit", "buy", 0.002, LOW + 9)
    tell("edited", **edited)
    tell("after_edit", **await api.fetch_order(made[0]["id"]))
    tell("canceled", answer=await api.cancel_order_ws(made[0]["id"]))
    tell("two_canceled", answer=await api.cancel_orders_ws([made[1]["id"], made[2]["id"]]))
    tell("all_canceled", answer=await api.cancel_all_orders_ws())
    tell("left", count=len(await api.fetch_open_orders(SYMBOL)))


async def refusal(act: Awaitable[Any]) -> dict[str, str]:
    """The kind of error that ccxt made of an answer, and what it says."""
    try:
        return {"error": "none", "says": str(await act)}
    except (ccxt.BaseError, AttributeError, TypeError) as error:
        return {"error": type(error).__name__, "says": str(error)}


async def errors(api: Any, venue: Venue) -> None:
    enter = partial(api.create_order_ws, SYMBOL, "limit", "buy")
    tell("no_funds", **await refusal(enter(1000, LOW)))
    tell("too_small", **await refusal(enter(0.00001, LOW)))
    tell("post_only", **await refusal(enter(0.001, LOW * 50, {"postOnly": True})))
    tell("unknown_order", **await refusal(api.cancel_order_ws("OAAAAA-AAAAA-AAAAAA")))
    asks_only = settings(venue, asks_only=True)
    api.apiKey, api.secret = asks_only["apiKey"], asks_only["secret"]
    api.clients[api.urls["api"]["ws"]["private"]].subscriptions.clear()  # forget the token
    tell("may_not_trade", **await refusal(enter(0.001, LOW)))


async def dropped(api: Any, venue: Venue) -> None:
    """The simulator drops every socket: ccxt says so, and the next watch connects anew."""
    await api.watch_ticker(SYMBOL)
    waiting = asyncio.create_task(api.watch_order_book("ETH/USD"))
    await waiting
    waiting = asyncio.create_task(api.watch_trades("SOL/USD"))
    await waiting
    while True:
        waiting = asyncio.create_task(api.watch_trades("SOL/USD"))
        await asyncio.sleep(0.05)
        if not waiting.done():
            break
    venue.admin("/faults", kind="ws-drop", now=True)
    tell("dropped", **await refusal(waiting))
    book = await api.watch_order_book("ETH/USD")
    tell("again", bid=book["bids"][0][0], ask=book["asks"][0][0])


def enter(scene: Scene, venue: Venue) -> None:
    """Play with a client of its own."""

    async def main() -> None:
        urls = settings(venue)["urls"]
        urls["api"]["ws"] = {
            "public": venue.ws,
            "private": venue.ws_auth,
            "publicV2": f"{venue.ws}/v2",
            "privateV2": f"{venue.ws_auth}/v2",
        }
        api = Checking(settings(venue) | {"urls": urls})
        try:
            await scene(api, venue)
        finally:
            await api.close()

    asyncio.run(main())


if __name__ == "__main__":
    scenes: dict[str, Scene] = {
        "channels": channels,
        "books": books,
        "still_book": still_book,
        "checksum": checksum,
        "executions": executions,
        "fills": fills,
        "trading": trading,
        "errors": errors,
        "dropped": dropped,
    }
    play({name: partial(enter, scene) for name, scene in scenes.items()})
