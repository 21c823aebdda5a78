"""A run that ends by itself: after one cycle, after a duration, or with the last candle."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack

from krakked.engine.given import Given
from krakked.runtime.supervisor import Supervisor
from krakked.simulator import RunningSimulator
from krakked.trading.engine import Engine

AFTER_LAST_CANDLE_S = 60.0
ONCE_PAUSE_S = 0.5


class Ending:
    """Asks the supervisor for a stop when it is time."""

    def __init__(
        self, given: Given, supervisor: Supervisor, engine: Engine, stack: AsyncExitStack
    ) -> None:
        self._given = given
        self._supervisor = supervisor
        self._engine = engine
        self._stack = stack

    def arrange(self, simulator: RunningSimulator | None) -> None:
        """Whatever was asked for."""
        options = self._given.options
        if options.once:
            self._supervisor.start("one cycle", self._wait_for_one_cycle())
        if options.duration_s is not None:
            self._after_real_seconds(float(options.duration_s))
        if simulator is not None and options.candles is not None:
            self._supervisor.start("end of candles", self._wait_for_candles(simulator))

    def _after_real_seconds(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        timer = threading.Timer(
            seconds,
            loop.call_soon_threadsafe,
            (self._supervisor.request_stop, "the duration is over"),
        )
        timer.daemon = True
        timer.start()
        self._stack.callback(timer.cancel)

    async def _wait_for_one_cycle(self) -> None:
        """Until the first plans are carried out and what they filled is booked."""
        engine = self._engine
        await engine.first_cycle_done.wait()
        while engine.has_work or not engine.booker.is_idle:
            await self._given.clock.sleep(ONCE_PAUSE_S * self._given.pace.factor)
        await self._given.clock.sleep(ONCE_PAUSE_S * self._given.pace.factor)
        self._supervisor.request_stop("one cycle is done")
        await asyncio.Event().wait()

    async def _wait_for_candles(self, simulator: RunningSimulator) -> None:
        """After the last candle the engine gets time to close its bar and to trade on it."""
        await simulator.market_over()
        await self._given.clock.sleep(AFTER_LAST_CANDLE_S)
        self._supervisor.request_stop("the candles are over")
        await asyncio.Event().wait()
