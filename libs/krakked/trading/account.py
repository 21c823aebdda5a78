"""The account as the engine knows it: positions, holdings, live orders, all from the ledger.

Held in memory so that decisions cost microseconds; every change is durable in the ledger before
it is made here, and the whole is rebuilt from there at each start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from krakked.domain.fills import CashFlow
from krakked.domain.ids import (
    MANUAL,
    AccountFingerprint,
    Asset,
    ClientOrderId,
    PairName,
    PlanId,
    VenueOrderId,
)
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.money import ONE, ZERO
from krakked.domain.orders import Journal, Order, Side
from krakked.domain.pairs import Pair
from krakked.domain.portfolio import Day, Drift, SleeveState, Snapshot, equity_of
from krakked.domain.positions import Position, Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.valuation import Valuation
from krakked.ports.ledger import Books
from krakked.trading.booking import Booking

VALUED_CURSOR = "valued_assets"
"""Keeps what had a value, so that a restart without its price does not take it for lost."""


class Account:
    """One account's working state; the ledger is the truth."""

    def __init__(
        self,
        books: Books,
        *,
        fingerprint: AccountFingerprint,
        base_currency: Asset,
        pairs: Mapping[PairName, Pair],
        valuation: Valuation | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self.base_currency = base_currency
        self.pairs = dict(pairs)
        self._bar_ticks = {name: pair.tick_size for name, pair in pairs.items()}
        self.valuation = valuation or Valuation(base_currency, pairs)
        self.positions: dict[Sleeve, Position] = dict(books.positions)
        self.totals: dict[Asset, Decimal] = dict(books.totals)
        self.orders: dict[ClientOrderId, Order] = {
            order.request.client_order_id: order for order in books.live_orders
        }
        self.sleeves: dict[Sleeve, SleeveState] = dict(books.sleeves)
        self.runs = dict(books.runs)
        self.kill_switch: KillSwitch = books.kill_switch
        self.shut_down = books.shut_down
        self.halted = books.halted or books.shut_down is not None
        """By whichever of the two; a resume ends both."""
        self.last_plan: tuple[int, PlanId] | None = books.last_plan
        self.day: Day | None = books.day
        self.cursors: dict[str, str] = dict(books.cursors)
        self.drifts: tuple[Drift, ...] = tuple(books.drifts)
        self.net_flows = books.net_flows
        self._by_venue_id = {
            order.venue_order_id: client_id
            for client_id, order in self.orders.items()
            if order.venue_order_id is not None
        }

    def __repr__(self) -> str:
        held = sum(1 for position in self.positions.values() if not position.is_flat)
        return f"<Account {self.fingerprint}: {held} positions, {len(self.orders)} orders>"

    @property
    def halt_in_words(self) -> str:
        """Why nothing adds risk, where that is so."""
        return "halted" if self.shut_down is None else self.shut_down.words

    def bar_tick(self, name: PairName) -> Decimal:
        """Step of a pair's bars: the first that was known, whatever orders keep to since."""
        return self._bar_ticks.setdefault(name, self.pairs[name].tick_size)

    # orders

    def order(
        self, client_id: ClientOrderId | None, venue_id: VenueOrderId | None = None
    ) -> Order | None:
        """A live order, by whichever id is known."""
        if client_id is not None and client_id in self.orders:
            return self.orders[client_id]
        known = self._by_venue_id.get(venue_id) if venue_id is not None else None
        return self.orders.get(known) if known is not None else None

    def put_order(self, order: Order) -> None:
        """Keep the newest knowledge of an order; ended ones leave."""
        client_id = order.request.client_order_id
        if order.is_live or order.journal is Journal.PENDING:
            self.orders[client_id] = order
            if order.venue_order_id is not None:
                self._by_venue_id[order.venue_order_id] = client_id
            return
        self.orders.pop(client_id, None)
        if order.venue_order_id is not None:
            self._by_venue_id.pop(order.venue_order_id, None)

    def live_orders(self) -> list[Order]:
        """Orders that may exist at the venue, in the order they were made."""
        return [order for order in self.orders.values() if order.is_live]

    def orders_by_sleeve(self) -> dict[Sleeve, list[Order]]:
        """What rests at the venue or may still be sent, by its sleeve."""
        found: dict[Sleeve, list[Order]] = {}
        for order in self.orders.values():
            sleeve = Sleeve(order.request.strategy_id, order.request.pair)
            found.setdefault(sleeve, []).append(order)
        return found

    def orders_of(self, sleeve: Sleeve) -> list[Order]:
        """What rests at the venue or may still be sent of one sleeve."""
        return self.orders_by_sleeve().get(sleeve, [])

    def sales_of(self, sleeve: Sleeve) -> list[Order]:
        """Sales of one sleeve that wait to be sent, or may rest at the venue."""
        return [order for order in self.orders_of(sleeve) if order.request.side is Side.SELL]

    def unknown_pairs(self) -> tuple[PairName, ...]:
        """Pairs blocked by an order of which we do not know whether it exists."""
        return tuple(
            sorted({o.request.pair for o in self.orders.values() if o.journal is Journal.UNKNOWN})
        )

    # positions and holdings

    def position(self, sleeve: Sleeve) -> Position:
        """What a sleeve holds; flat if nothing was ever booked."""
        return self.positions.get(sleeve) or Position(sleeve=sleeve)

    def sleeve_state(self, sleeve: Sleeve) -> SleeveState:
        """What is kept of a sleeve between wakes."""
        return self.sleeves.get(sleeve) or SleeveState(sleeve=sleeve)

    def put_booking(self, booking: Booking) -> None:
        """Apply one booked execution (it is in the ledger already)."""
        self.positions[booking.position.sleeve] = booking.position
        for asset, change in booking.postings:
            self.totals[asset] = self.totals.get(asset, ZERO) + change
        if booking.order is not None:
            self.put_order(booking.order)

    def put_flow(self, flow: CashFlow, position: Position | None) -> None:
        """Apply one booked cash flow, with the position that it moved (it is in the ledger)."""
        self.post(flow.asset, flow.amount)
        self.net_flows += flow.value_base or ZERO
        if position is not None:
            self.positions[position.sleeve] = position

    def post(self, asset: Asset, change: Decimal) -> None:
        """Change what is held of an asset, and no position."""
        self.totals[asset] = self.totals.get(asset, ZERO) + change

    # valuation

    def prices(self, quotes: Mapping[PairName, Quote]) -> dict[Asset, Decimal]:
        """Base currency for one unit of each asset that quotes lead to."""
        return self.valuation.prices({name: quote.mid for name, quote in quotes.items()})

    def counted(self) -> dict[Asset, Decimal]:
        """What is held of the assets that equity and limits see."""
        return self.valuation.counted(self.totals)

    def lost_value(self, prices: Mapping[Asset, Decimal]) -> tuple[Asset, ...]:
        """Held assets that had a value when last marked and have none at these prices."""
        had = self.cursors.get(VALUED_CURSOR, "").split(",")
        return tuple(
            asset
            for asset in map(Asset, had)
            if self.totals.get(asset) and self.valuation.counts(asset) and asset not in prices
        )

    def valued(self, prices: Mapping[Asset, Decimal]) -> str:
        """Held assets that have a value, or had one, as the cursor keeps them."""
        found = {asset for asset, total in self.counted().items() if total and asset in prices}
        return ",".join(sorted(found.union(self.lost_value(prices))))

    def worth(self, asset: Asset, quotes: Mapping[PairName, Quote]) -> Decimal | None:
        """What one unit adds to equity: nothing if it does not count; None if nobody knows."""
        if not self.valuation.counts(asset):
            return ZERO
        return self.prices(quotes).get(asset)

    def snapshot(self, quotes: Mapping[PairName, Quote], now_ns: int) -> Snapshot:
        """The account in the base currency at the newest mids."""
        prices = self.prices(quotes)
        counted = self.counted()
        equity, unvalued = equity_of(counted, prices)
        return Snapshot(
            at_ns=now_ns,
            equity=equity,
            cash=self.totals.get(self.base_currency, ZERO),
            realized=self._in_base(prices, ((p, p.realized_quote) for p in self._all())),
            unrealized=self._unrealized(prices),
            fees=self._in_base(prices, ((p, p.fees_quote) for p in self._all())),
            net_flows=self.net_flows,
            unvalued=unvalued,
            values={
                asset: total * prices[asset]
                for asset, total in sorted(counted.items())
                if total and asset in prices
            },
        )

    def overdrawn(self) -> dict[Asset, Decimal]:
        """Of which assets strategies hold more than the account, and by how much.

        A fee in a third asset, or a purchase paid with one, comes out of no sleeve's position: it
        is ``manual``'s, and where that has too little, a sleeve cannot sell all that it holds. So
        it is where somebody took out what a strategy holds.
        """
        held: dict[Asset, Decimal] = {}
        for position in self.positions.values():
            pair = self.pairs.get(position.sleeve.pair)
            if pair is not None and position.sleeve.strategy_id != MANUAL:
                held[pair.base] = held.get(pair.base, ZERO) + position.quantity_base
        return {
            asset: quantity - self.totals.get(asset, ZERO)
            for asset, quantity in sorted(held.items())
            if quantity > self.totals.get(asset, ZERO)
        }

    def without_exit(self) -> list[Sleeve]:
        """What strategies hold without a stop; what a person holds is watched by that person."""
        return [
            sleeve
            for sleeve, position in self.positions.items()
            if position.quantity_base
            and sleeve.strategy_id != MANUAL
            and self.sleeve_state(sleeve).stop_price is None
        ]

    def free_to_sell(self) -> dict[Asset, Decimal]:
        """What there is of each asset beside what open orders of ours will take."""
        free = dict(self.totals)
        for order in self.orders.values():
            request = order.request
            pair = self.pairs.get(request.pair)
            if pair is None:
                continue
            if request.side is Side.SELL:
                free[pair.base] = free.get(pair.base, ZERO) - order.remaining_base
            elif request.limit_price is not None:
                cost = order.remaining_base * request.limit_price
                free[pair.quote] = free.get(pair.quote, ZERO) - cost * (
                    ONE + pair.fee_taker_pct / 100
                )
        return free

    def of_unknown_cost(self) -> tuple[PairName, ...]:
        """Pairs with a position that counts as gain in part, for nobody knows what it cost."""
        found = {one.sleeve.pair for one in self.positions.values() if one.has_unknown_cost}
        return tuple(sorted(found))

    def _all(self) -> Iterable[Position]:
        return self.positions.values()

    def _in_base(
        self, prices: Mapping[Asset, Decimal], amounts: Iterable[tuple[Position, Decimal]]
    ) -> Decimal:
        total = ZERO
        for position, amount in amounts:
            pair = self.pairs.get(position.sleeve.pair)
            if pair is not None:
                total += amount * prices.get(pair.quote, ZERO)
        return total

    def _unrealized(self, prices: Mapping[Asset, Decimal]) -> Decimal:
        total = ZERO
        for position in self.positions.values():
            pair = self.pairs.get(position.sleeve.pair)
            if pair is None or pair.base not in prices or not self.valuation.counts(pair.base):
                continue
            quote_price = prices.get(pair.quote, ZERO)
            total += position.quantity_base * prices[pair.base] - position.cost_quote * quote_price
        return total
