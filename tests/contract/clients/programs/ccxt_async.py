"""ccxt's asynchronous side plays the scenes of the synchronous one, and some at the same time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import ccxt.async_support  # type: ignore[import-not-found]  # lives in an environment of its own
from ccxt_rest import SCENES, SYMBOL, settings  # type: ignore[import-not-found]  # beside this
from telling import Venue, play, tell  # type: ignore[import-not-found]  # beside this


class Awaited:
    """An asynchronous exchange whose calls are waited for, so that scenes read the same."""

    def __init__(self, api: Any, loop: asyncio.AbstractEventLoop) -> None:
        object.__setattr__(self, "api", api)
        object.__setattr__(self, "loop", loop)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.api, name)
        return partial(self.wait, member) if callable(member) else member

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.api, name, value)

    def wait(self, member: Callable[..., Any], *args: object, **named: object) -> Any:
        given = member(*args, **named)
        return self.loop.run_until_complete(given) if inspect.isawaitable(given) else given


def enter(scene: Callable[[Any, Venue], None], venue: Venue) -> None:
    """Play with the asynchronous side, on a loop of its own."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    api = ccxt.async_support.kraken(settings(venue) | {"asyncio_loop": loop})
    try:
        scene(Awaited(api, loop), venue)
    finally:
        loop.run_until_complete(api.close())


def at_once(api: Any, venue: Venue) -> None:
    """Public requests side by side, as only this side can."""

    async def books() -> list[Any]:
        await api.api.load_markets()
        symbols = (SYMBOL, "ETH/USD", "SOL/USD", "ADA/USD")
        return await asyncio.gather(*(api.api.fetch_order_book(symbol) for symbol in symbols))

    for book in api.loop.run_until_complete(books()):
        tell("book", symbol=book["symbol"], bid=book["bids"][0][0], ask=book["asks"][0][0])


if __name__ == "__main__":
    scenes = {**SCENES, "at_once": at_once}
    play({name: partial(enter, scene) for name, scene in scenes.items()})
