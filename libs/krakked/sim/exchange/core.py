"""The state of one exchange, as the functions around it share it: pairs, books, accounts, ids,
the agenda, and what is to be told to the outside.

Instants are whole microseconds here, so that both spellings of the wire (RFC 3339 and decimal
seconds) carry them without loss.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec

from krakked.domain.ids import Asset, LedgerId, PairName
from krakked.domain.money import ZERO
from krakked.domain.orders import Side
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.agenda import Agenda
from krakked.sim.exchange.book import Book
from krakked.sim.exchange.changes import Changes
from krakked.sim.exchange.events import (
    BookChanged,
    ExchangeEvent,
    PrivateMessage,
    PublicTrade,
    WireRow,
)
from krakked.sim.exchange.ids import IdSource
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.orders import LedgerRow, Order, Reference
from krakked.sim.exchange.pairs import ASSETS, VenueAsset, VenuePair, variants
from krakked.sim.exchange.triggers import Watch

MICROSECOND_NS: Final = 1_000
FIRST_TRADE_ID: Final = 10_000_001
"""Of the first trade made here; what is told of the past before it counts down from there."""
DOLLARS: Final = (Asset("USD"), Asset("USDT"))
"""Counted as one dollar each."""


class SystemStatus(enum.Enum):
    """What the whole exchange allows."""

    ONLINE = "online"
    MAINTENANCE = "maintenance"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"


class PairMode(enum.Enum):
    """What one pair allows: every word that the venue has for it."""

    ONLINE = "online"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"
    MAINTENANCE = "maintenance"
    WORK_IN_PROGRESS = "work_in_progress"
    DELISTED = "delisted"

    @property
    def only_cancels(self) -> bool:
        """No order may come, and none may change. How the venue refuses one on a pair that is not
        in service is not recorded; here it does as in ``cancel_only``: nothing is in doubt.
        """
        return self in _ONLY_CANCELS


_ONLY_CANCELS: Final = (
    PairMode.CANCEL_ONLY,
    PairMode.MAINTENANCE,
    PairMode.WORK_IN_PROGRESS,
    PairMode.DELISTED,
)


class FillToClose(msgspec.Struct, frozen=True, kw_only=True):
    """A fill that makes another order, as soon as its own match is over."""

    order: Order
    quantity_base: Decimal
    price: Decimal


class Market:
    """One pair: its rules, its book, its last price, its mode."""

    def __init__(self, pair: VenuePair, options: ExchangeOptions) -> None:
        self.pair = pair
        self.book = Book(house_first=options.house_first)
        self.status = PairMode.ONLINE
        self.last_trade: PublicTrade | None = None
        self.trade_count = FIRST_TRADE_ID - 1
        self.quote_decimals = min(pair.cost_decimals, pair.quote.decimals)
        """To which costs and fees are kept: as precise as the ledger of the quote asset."""
        is_finer = options.trade_costs == "recorded"
        self.told_decimals = pair.cost_decimals if is_finer else self.quote_decimals
        """To which trades and orders tell them."""
        self.base_decimals = pair.base.decimals
        self.stored_price: Decimal | None = None
        """The last price before a restart: what waits was looking at it."""
        self.watch = Watch()
        """Orders that wait for a price."""
        self.unseen: list[Decimal] = []
        """Prices on the tape that they have not seen yet."""
        self.closes: list[FillToClose] = []

    def __repr__(self) -> str:
        return f"<Market {self.pair.altname} {self.status.value} {self.book!r}>"

    @property
    def name(self) -> PairName:
        """Canonical."""
        return self.pair.altname

    @property
    def base(self) -> Asset:
        """What is traded."""
        return self.pair.base.altname

    @property
    def quote(self) -> Asset:
        """What it is paid with."""
        return self.pair.quote.altname

    def next_trade_id(self) -> int:
        """Trade ids count up per pair."""
        self.trade_count += 1
        return self.trade_count

    def mid(self) -> Decimal | None:
        """Half way between best bid and best ask, or the one there is."""
        found = [self.book.best(side) for side in (Side.BUY, Side.SELL)]
        prices = [price for price in found if price is not None]
        return sum(prices, ZERO) / len(prices) if prices else None

    def reference(self) -> Decimal | None:
        """The last price, or the middle before any trade."""
        return self.mid() if self.last_price is None else self.last_price

    @property
    def last_price(self) -> Decimal | None:
        """Of the newest trade, also of one before a restart."""
        return self.stored_price if self.last_trade is None else self.last_trade.price

    def price_of(self, reference: Reference) -> Decimal | None:
        """What triggers look at; the index of the wider market is modelled as the middle here."""
        return self.reference() if reference == "last" else self.mid() or self.reference()


class Core:
    """Everything that the functions of this package act upon."""

    def __init__(
        self, pairs: Mapping[PairName, VenuePair], options: ExchangeOptions, now_ns: int
    ) -> None:
        self.options = options
        self.now_ns = now_ns
        self.clock_offset_ns = 0
        """How far the clock is ahead that the venue shows; what happens goes by ``now_ns``."""
        self.system_status = SystemStatus.ONLINE
        self.markets = {name: Market(pair, options) for name, pair in pairs.items()}
        self.assets = _assets(pairs)
        self.accounts: dict[str, Account] = {}
        self.ids = IdSource(options.seed)
        self.agenda = Agenda()
        self.changes = Changes()
        self._names = spellings(pairs.values(), wsnames=options.accepts_wsname)
        self._events: list[ExchangeEvent] = []
        self._changed_books: dict[PairName, None] = {}
        self._priority = 0

    def __repr__(self) -> str:
        return f"<Core {self.system_status.value}, {len(self.accounts)} accounts>"

    def move_to(self, now_ns: int) -> None:
        """Time goes on; an earlier instant than the last is taken for the last."""
        self.now_ns = max(self.now_ns, now_ns - now_ns % MICROSECOND_NS)

    @property
    def told_ns(self) -> int:
        """What the venue's clock shows."""
        return self.now_ns + self.clock_offset_ns

    def next_priority(self) -> int:
        """Rank in time of an order at its price."""
        self._priority += 1
        return self._priority

    def resume_priority(self, last: int) -> None:
        """Go on after that rank; never backwards."""
        self._priority = max(self._priority, last)

    def market(self, spelling: str) -> Market | None:
        """The market a client names by id, altname or v2 symbol."""
        name = self._names.get(spelling)
        return None if name is None else self.markets[name]

    def tell(self, account: str, channel: Literal["executions", "balances"], row: WireRow) -> None:
        """Leave a private message."""
        self._events.append(PrivateMessage(account=account, channel=channel, data=(row,)))

    def print_trade(self, trade: PublicTrade) -> None:
        """Leave a print on the tape, later than the one before: what pages by instants counts on
        it, and recorded prints of one sweep lie some microseconds apart.
        """
        market = self.markets[trade.pair]
        last = market.last_trade
        if last is not None and trade.at_ns <= last.at_ns:
            trade = msgspec.structs.replace(trade, at_ns=last.at_ns + MICROSECOND_NS)
        market.last_trade = trade
        if market.watch.of("last"):
            market.unseen.append(trade.price)
        self._events.append(trade)

    def book_changed(self, pair: PairName) -> None:
        """Say so once per drain."""
        if pair not in self._changed_books:
            self._changed_books[pair] = None
            self._events.append(BookChanged(pair=pair, at_ns=self.now_ns))

    def drain(self) -> list[ExchangeEvent]:
        """All that was left since the last call."""
        events, self._events = self._events, []
        self._changed_books.clear()
        return events

    def post(
        self, account: Account, kind: str, ref_id: str, asset: Asset, amounts: tuple[Decimal, ...]
    ) -> LedgerRow:
        """Change one balance by a ledger row; ``amounts`` is amount and fee.

        A kind may have a second word after a slash: ``earn/reward``.
        """
        kind, _, subtype = kind.partition("/")
        amount, fee = amounts
        ledger_id = LedgerId(self.ids.next("ledger"))
        row = LedgerRow(
            number=len(account.ledger),
            ledger_id=ledger_id,
            account=account.name,
            ref_id=ref_id,
            at_ns=self.now_ns,
            type=kind,
            asset=asset,
            amount=amount,
            fee=fee,
            balance=account.balance(asset) + amount - fee,
            subtype=subtype,
        )
        account.post(row)
        self.changes.note("ledger", ledger_id)
        self.changes.note("balance", f"{account.name}/{asset}")
        return row

    def worth_usd(self, asset: Asset, amount: Decimal) -> Decimal:
        """Roughly, by the last prices; zero if no pair tells. Every wallet counts alike."""
        asset = Asset(asset.partition(".")[0])
        if asset in DOLLARS:
            return amount
        for name in (PairName(f"{asset}USD"), PairName(f"{asset}USDT")):
            market = self.markets.get(name)
            price = market.reference() if market is not None else None
            if price is not None:
                return amount * price
        return ZERO


def _assets(pairs: Mapping[PairName, VenuePair]) -> dict[Asset, VenueAsset]:
    found: dict[Asset, VenueAsset] = dict(ASSETS)
    for pair in pairs.values():
        for asset in (pair.base, pair.quote):
            found[asset.altname] = asset
    for asset in tuple(found.values()):
        found |= {variant.altname: variant for variant in variants(asset)}
    return found


def spellings(pairs: Iterable[VenuePair], *, wsnames: bool) -> dict[str, PairName]:
    """Every spelling under which REST knows a pair."""
    return {
        spelling: pair.altname
        for pair in pairs
        for spelling in (pair.id, pair.altname, pair.symbol, *([pair.wsname] if wsnames else ()))
    }


def altnames(assets: Sequence[VenueAsset]) -> dict[str, Asset]:
    """Every spelling of an asset; a symbol means the wallet that trades."""
    spellings = {asset.symbol: asset.altname for asset in assets if asset.wallet == "main"}
    return spellings | {
        spelling: asset.altname for asset in assets for spelling in (asset.id, asset.altname)
    }
