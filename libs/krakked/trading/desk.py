"""The desk: what every acting part works with, made once by the composition root."""

from __future__ import annotations

import msgspec

from krakked.ports.clock import Clock
from krakked.ports.exchange import Exchange
from krakked.trading.account import Account
from krakked.trading.guard import Guard
from krakked.trading.market import Market
from krakked.trading.recording import Recorder
from krakked.trading.rules import ExecutionRules


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """One account, one venue, one ledger, one clock."""

    exchange: Exchange
    account: Account
    market: Market
    guard: Guard
    recorder: Recorder
    clock: Clock
    rules: ExecutionRules

    def now_ns(self) -> int:
        """The clock's instant."""
        return self.clock.now_ns()
