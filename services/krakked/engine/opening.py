"""The first start on an account, and ``krakked portfolio init``.

A fresh account (deposits only) explains itself from the venue's ledger. One that has traded
before needs a person: what it holds is booked as opening lots, and krakked's own books begin.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal

import msgspec

from krakked.domain.errors import BadInput, Refused, Transient
from krakked.domain.fills import OpeningLot, VenueTrade
from krakked.domain.ids import Asset, is_ours
from krakked.domain.orders import VenueOrder
from krakked.domain.times import NS_PER_SECOND
from krakked.domain.valuation import Valuation
from krakked.engine.asking import patiently
from krakked.ports.clock import Clock
from krakked.ports.exchange import Exchange
from krakked.ports.ledger import Transaction
from krakked.ports.market_feed import MarketHistory
from krakked.runtime.exit_codes import ExitCode
from krakked.trading.compare import spot_totals
from krakked.trading.cursors import BOOKS_BEGAN_CURSOR, LEDGER_CURSOR, TRADES_CURSOR
from krakked.trading.engine import Engine

SLACK_S = 2.0
"""More than this machine's clock may be from the venue's."""
QUIET_TRIES_MAX = 10
CHUNK = 50
LOOKED_AT_MAX = 1_000
"""Orders behind the newest trades that are looked at for one of ours."""


async def begin_books(engine: Engine, *, on_ours: Callable[[], Awaitable[None]]) -> None:
    """Make sure that the books of a new ledger may begin with nothing.

    Where an engine of ours with another ledger owned the account before (this volume is new), they
    begin with the account itself: all that it ever did is read from the venue. The lease tells, or,
    if that is new as well, orders of ours in the account's history; then ``on_ours`` is called.

    Raises:
        BadInput: the account has traded before, and not by us.
    """
    account = engine.desk.account
    if BOOKS_BEGAN_CURSOR in account.cursors:
        return
    trades = () if engine.desk.guard.was_behind else await _trades(engine)
    if not engine.desk.guard.was_behind and await _has_ours(engine, trades):
        await on_ours()
    elif trades:
        raise BadInput(
            "this account has traded before krakked's books begin: run `krakked portfolio init`, "
            "which shows what it holds and books it as opening balances"
        )
    async with engine.desk.recorder.turn:
        await engine.desk.recorder.commit(lambda tx: tx.set_cursor(BOOKS_BEGAN_CURSOR, "0"))
        account.cursors[BOOKS_BEGAN_CURSOR] = "0"


async def _trades(engine: Engine) -> Sequence[VenueTrade]:
    desk = engine.desk
    return await patiently(desk.clock, lambda: desk.exchange.trades_since(0))


async def _has_ours(engine: Engine, trades: Sequence[VenueTrade]) -> bool:
    """Whether an order of ours is open, or is behind one of the account's newest trades."""
    desk, ours = engine.desk, engine.desk.account.fingerprint
    rest = await patiently(desk.clock, desk.exchange.open_orders)
    if any(is_ours(order.client_order_id, ours) for order in rest):
        return True
    newest_first = dict.fromkeys(trade.venue_order_id for trade in reversed(trades))
    ids = list(newest_first)[:LOOKED_AT_MAX]
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        found = await patiently(desk.clock, functools.partial(desk.exchange.orders, chunk))
        if any(is_ours(order.client_order_id, ours) for order in found.values()):
            return True
    return False


def check_foreign(foreign: Sequence[VenueOrder], *, is_live: bool, is_acknowledged: bool) -> None:
    """The dead-man is the account's: in live it may cancel what somebody else placed.

    Raises:
        BadInput: there are such orders, and nobody said that he knows.
    """
    if not foreign or not is_live or is_acknowledged:
        return
    ids = ", ".join(sorted(order.venue_order_id for order in foreign))
    raise BadInput(
        f"{len(foreign)} open {'order' if len(foreign) == 1 else 'orders'} on this account not "
        f"placed by krakked ({ids}), which an outage of krakked would cancel (the dead-man switch "
        "is the whole account's): cancel them, or start with --acknowledge-foreign-orders"
    )


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a person knows of what the account holds."""

    prices: Mapping[Asset, Decimal | None] = {}
    """Paid for one unit, in the base currency; None: he knows that he does not know."""
    at_ns: int | None = None
    """Since when it is held; None: since now."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What the account holds, and since when."""

    totals: Mapping[Asset, Decimal]
    at_ns: int
    """Whatever moves the account at this instant of the venue's or later is not in it."""


async def find_holding(exchange: Exchange, clock: Clock, *, slack_s: float = SLACK_S) -> Holding:
    """What the account holds, read while nothing moved it.

    A deposit beside the reading would be in the balance and in the flows to come, or in neither:
    so the venue's ledger is read after the balances, and both again if it tells of anything new.

    Raises:
        Transient: the account does not come to rest.
    """
    for _ in range(QUIET_TRIES_MAX):
        at_ns = clock.now_ns() - int(slack_s * NS_PER_SECOND)
        balances = await exchange.balances()
        if not await exchange.ledger_since(at_ns):
            return Holding(totals=spot_totals(balances), at_ns=at_ns)
        await clock.sleep(slack_s)
    raise Transient(
        "the account moves while it is read (deposits, trades, rewards): stop what moves it, and "
        "run `krakked portfolio init` again"
    )


async def find_lots(
    holding: Holding,
    history: MarketHistory,
    valuation: Valuation,
    *,
    known: Known | None = None,
) -> tuple[OpeningLot, ...]:
    """Opening lots of what the account holds; nothing is booked.

    Its cost is what a person says, else a guess: the newest price, where there is one. What does
    not count has no cost: equity never had it, so it cannot have lost it.

    Raises:
        BadInput: a cost was given for what has none to give.
    """
    known = known or Known()
    tickers = await history.tickers()
    prices = valuation.prices({name: ticker.last for name, ticker in tickers.items()})
    held = {asset: quantity for asset, quantity in sorted(holding.totals.items()) if quantity}
    _check_known(known, held, valuation)
    lots = []
    for asset, quantity in held.items():
        price = {**prices, **known.prices}.get(asset) if valuation.counts(asset) else None
        cost = None if price is None else quantity * price
        pair = valuation.pair_of(asset)
        at_ns = holding.at_ns if known.at_ns is None else known.at_ns
        lots.append(
            OpeningLot(asset=asset, quantity=quantity, cost_base=cost, at_ns=at_ns, pair=pair)
        )
    return tuple(lots)


def _check_known(known: Known, held: Collection[Asset], valuation: Valuation) -> None:
    for asset in known.prices:
        if asset not in held:
            what = f"the account holds none; it holds {', '.join(held) or 'nothing'}"
        elif asset == valuation.base_currency:
            what = "costs are counted in it; leave it out"
        elif not valuation.counts(asset):
            what = "it does not count (portfolio.*_assets), so it has no cost; leave it out"
        else:
            continue
        raise BadInput(f"--cost {asset}: {what}", exit_code=ExitCode.USAGE)


def check_unbegun(tx: Transaction) -> None:
    """Before anybody is asked.

    Raises:
        Refused: the books have begun already.
    """
    if not tx.books().is_empty:
        raise Refused("the books have begun already; opening balances are booked once")


def book_lots(tx: Transaction, lots: Sequence[OpeningLot], at_ns: int) -> None:
    """Begin the books with these lots: what was before that instant is in them.

    Raises:
        Refused: the books have begun already.
    """
    check_unbegun(tx)
    for lot in lots:
        tx.insert_opening_lot(lot)
    for cursor in (BOOKS_BEGAN_CURSOR, TRADES_CURSOR, LEDGER_CURSOR):
        tx.set_cursor(cursor, str(at_ns))
