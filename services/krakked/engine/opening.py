"""The first start on an account, and ``krakked portfolio init``.

A fresh account (deposits only) explains itself from the venue's ledger. One that has traded
before needs a person: what it holds is booked as opening lots, and krakked's own books begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from krakked.domain.bars import Timeframe
from krakked.domain.errors import BadInput, Refused, Transient
from krakked.domain.fills import OpeningLot
from krakked.domain.ids import Asset, PairName
from krakked.domain.money import ONE, price_from_ticks
from krakked.domain.pairs import Pair
from krakked.domain.portfolio import Difference
from krakked.domain.times import NS_PER_SECOND
from krakked.engine.asking import patiently
from krakked.ports.exchange import Exchange
from krakked.ports.ledger import Transaction
from krakked.ports.market_feed import MarketHistory
from krakked.trading.compare import spot_totals
from krakked.trading.engine import Engine
from krakked.trading.reconcile import BOOKS_BEGAN_CURSOR, LEDGER_CURSOR, TRADES_CURSOR

AGREE_TRIES_MAX = 40
AGREE_PAUSE_S = 1.0
PRICE_AGE_MAX_S = 48 * 3600


async def begin_books(engine: Engine) -> None:
    """Make sure that the books of a new ledger may begin with nothing.

    Raises:
        BadInput: the account has traded before.
    """
    account = engine.desk.account
    if BOOKS_BEGAN_CURSOR in account.cursors:
        return
    if await patiently(engine.desk.clock, lambda: engine.desk.exchange.trades_since(0)):
        raise BadInput(
            "this account has traded before krakked's books begin: run `krakked portfolio init`, "
            "which shows what it holds and books it as opening balances"
        )
    async with engine.desk.recorder.turn:
        await engine.desk.recorder.commit(lambda tx: tx.set_cursor(BOOKS_BEGAN_CURSOR, "0"))
        account.cursors[BOOKS_BEGAN_CURSOR] = "0"


async def agree(engine: Engine) -> Sequence[Difference]:
    """Reconcile until the books agree with the venue, or what differs has become drift."""
    differences: Sequence[Difference] = ()
    await patiently(engine.desk.clock, engine.reconciler.catch_up)
    for _ in range(AGREE_TRIES_MAX):
        try:
            differences = await engine.reconciler.reconcile()
        except Transient as error:
            await engine.desk.clock.sleep(error.retry_after_s or AGREE_PAUSE_S)
            continue
        if not differences:
            break
        await engine.desk.clock.sleep(AGREE_PAUSE_S)
    return differences


async def find_lots(
    exchange: Exchange,
    history: MarketHistory,
    pairs: Mapping[PairName, Pair],
    *,
    base_currency: Asset,
    now_ns: int,
) -> tuple[OpeningLot, ...]:
    """What the account holds now, at the newest price where there is one; nothing is booked."""
    totals = spot_totals(await exchange.balances())
    lots = []
    for asset, quantity in sorted(totals.items()):
        if not quantity:
            continue
        price = await _price(asset, history, pairs, base_currency=base_currency, now_ns=now_ns)
        cost = None if price is None else quantity * price
        lots.append(OpeningLot(asset=asset, quantity=quantity, cost_base=cost, at_ns=now_ns))
    return tuple(lots)


async def _price(
    asset: Asset,
    history: MarketHistory,
    pairs: Mapping[PairName, Pair],
    *,
    base_currency: Asset,
    now_ns: int,
) -> Decimal | None:
    """The close of the newest hour in the base currency; None where no pair tells it."""
    if asset == base_currency:
        return ONE
    for name, pair in sorted(pairs.items()):
        if pair.base == asset and pair.quote == base_currency:
            since_s = now_ns // NS_PER_SECOND - PRICE_AGE_MAX_S
            bars = await history.closed_bars(name, Timeframe.H1, since_s=since_s)
            return price_from_ticks(bars[-1].close, pair.tick_size) if bars else None
    return None


def book_lots(tx: Transaction, lots: Sequence[OpeningLot], now_ns: int) -> None:
    """Begin the books with these lots: what was before them is in them.

    Raises:
        Refused: the books have begun already.
    """
    if not tx.books().is_empty:
        raise Refused("the books have begun already; opening balances are booked once")
    for lot in lots:
        tx.insert_opening_lot(lot)
    for cursor in (BOOKS_BEGAN_CURSOR, TRADES_CURSOR, LEDGER_CURSOR):
        tx.set_cursor(cursor, str(now_ns))
