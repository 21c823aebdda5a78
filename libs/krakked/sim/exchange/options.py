"""Choices of one simulated exchange, where the venue is undocumented or contradicts itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from krakked.sim.exchange.errors import ORDER_MINIMUM
from krakked.sim.exchange.fees import STANDARD, FeeTier

Count = Annotated[int, msgspec.Meta(ge=0)]


class ExchangeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are the venue's behaviour as recorded in 2026."""

    seed: Count = 1
    """Of ids; nothing else here is drawn."""
    prints_own_trades: bool = True
    """Whether trades of accounts with the house appear on the tape. False in a replay, so that
    the tape stays the recorded one."""
    house_first: bool = True
    """At one price the house stands in front of the accounts (False: behind them)."""
    post_only_mode: Literal["reject", "cancel"] = "reject"
    """A post-only order that would take: refused with an error, or accepted and canceled."""
    has_index: bool = True
    """Whether triggers can look at an index (here: the middle of the book); else refused."""
    ws_fill_or_kill: bool = True
    """Whether WebSocket takes ``fok``: pages of the venue's documentation differ."""
    batch_cancel_answer: Literal["live", "documented"] = "live"
    """``orders_cancelled`` beside the result as recorded, or ``count`` inside as documented."""
    market_band_pct: Decimal = Decimal(10)
    """How far from the best price a market order may go, in percent; the rest is canceled."""
    history_cost: Count = 4
    """Points of Ledgers, QueryLedgers, TradesHistory and ClosedOrders on the REST counter."""
    rest_costs: Mapping[str, Count] = {}
    """Points of methods that shall cost something else, by name."""
    concurrent_requests: Count = 0
    """Private REST requests of one key at a time, before ``EService: Throttled``; 0: any number.
    Only an account with rate limits is throttled."""
    request_ms: Count = 200
    """How long one of them counts as being under way."""
    ohlc_since: Literal["inclusive", "exclusive"] = "inclusive"
    """Whether the candle that opens at ``since`` is in the answer; sources disagree."""
    pair_fees: Literal["ladder", "first", "none"] = "ladder"
    """What AssetPairs says of fees: all tiers (2025), the first one (2026-08), nothing (2026-09).
    TradeVolume always tells the account's own."""
    accepts_wsname: bool = False
    """Whether REST and WebSocket know ``XBT/USD``: for years they did, in 2026-09 they do not."""
    order_minimum_error: str = ORDER_MINIMUM
    """Two spellings were seen live."""
    trade_costs: Literal["ledger", "recorded"] = "ledger"
    """What trades and orders tell of costs and fees: what the ledger took, or, as recorded, to the
    pair's cost decimals, which are finer than a ledger in dollars."""
    fee_ladder: tuple[FeeTier, ...] = STANDARD
    lockout_failures: Count = 20
    """Bad credentials or nonces on one key within a minute before it is locked out; 0: never."""
    token_life_s: Count = 900
    """A WebSocket token must be used within this."""
