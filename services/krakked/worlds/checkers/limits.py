"""The venue's own account, played again: did it ever hold or promise more than it may?

places     an entry is taken only while fewer orders than allowed are open
per asset  what is held and being bought of an asset stays below its share of equity
positions  so does the number of sleeves that hold or are buying
short      no sleeve sells, or offers, more than it holds
lifetime   what rests ends by itself, as soon as the settings say

Everything is by the venue's clock and prices. Who an order belongs to is on record with its sender.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.ids import Asset, PairName
from krakked.domain.money import ZERO
from krakked.domain.orders import Side
from krakked.domain.positions import Sleeve
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.orders import LedgerRow, Order, TimeInForce, Trade
from krakked.sim.exchange.pairs import PAIRS
from krakked.worlds.checkers.evidence import Evidence, Submission

QUOTE: Final = Asset("USD")
SLACK: Final = Decimal("1.05")
"""Prices move between a decision and the fill; limits are kept by those of the decision."""
LIFETIME_SLACK_S: Final = 75
"""An order counts its life from the plan, which may be a minute old; and clocks differ."""


class Moment(msgspec.Struct, frozen=True):
    """One thing that happened in the account; ordered as it happened."""

    at_ns: int
    order_number: int
    rank: int
    number: int
    play: Callable[[], None]


class Limits:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._begin(ZERO)

    def _begin(self, cash: Decimal) -> None:
        self._open: dict[str, Submission] = {}
        self._filled: dict[str, Decimal] = {}
        self._held: dict[Sleeve, Decimal] = {}
        self._prices: dict[PairName, Decimal] = {}
        self._cash = cash

    def look_back(self) -> None:
        """From the first order to the last."""
        trades = self._evidence.trades()
        spent = sum((t.side.sign * t.cost_quote + t.fee_quote for t in trades), ZERO)
        moved = sum((row.amount for row in self._flows()), ZERO)
        self._begin(self._evidence.account.balance(QUOTE) + spent - moved)
        moments = sorted(self._moments(), key=lambda m: (m.at_ns, m.order_number, m.rank, m.number))
        for moment in moments:
            moment.play()

    def _flows(self) -> list[LedgerRow]:
        return [
            row
            for row in self._evidence.account.ledger
            if row.asset == QUOTE and row.type in ("deposit", "withdrawal")
        ]

    def _moments(self) -> Iterator[Moment]:
        for row in self._flows():
            yield Moment(row.at_ns, 0, 0, row.number, _later(self._move, row))
        trades: dict[str, list[Trade]] = {}
        orders = self._evidence.account.orders
        for trade in self._evidence.trades():
            if orders[trade.order_id].ask.cl_ord_id is None:
                yield Moment(trade.at_ns, 0, 0, trade.number, _later(self._pay, trade))
            trades.setdefault(trade.order_id, []).append(trade)
        for submission in self._evidence.accepted():
            order = submission.accepted
            assert order is not None, "it was accepted"
            own = trades.get(order.order_id, [])
            yield Moment(order.opened_ns, order.number, 0, 0, _later(self._enter, submission, own))
            for trade in own:
                done = _later(self._fill, submission, trade)
                yield Moment(trade.at_ns, order.number, 1, trade.number, done)
            if order.is_done:
                left = _later(self._leave, submission)
                yield Moment(order.closed_ns, order.number, 2, 0, left)

    # what happens

    def _enter(self, submission: Submission, trades: list[Trade]) -> None:
        order = _of(submission)
        price = order.limit_price or (trades[0].price if trades else None)
        if price is not None:
            self._prices[order.ask.pair] = price
        self._look_at_lifetime(submission, order)
        if order.ask.side is Side.SELL:
            self._look_at_sale(submission, order)
        elif submission.adds_risk:
            self._look_at_places(submission)
        self._open[order.order_id] = submission
        self._filled[order.order_id] = ZERO
        if submission.adds_risk and price is not None:
            self._look_at_asset(submission, order.ask.pair)
            self._look_at_positions(submission)

    def _move(self, row: LedgerRow) -> None:
        self._cash += row.amount

    def _fill(self, submission: Submission, trade: Trade) -> None:
        sleeve, sign = _sleeve(submission), trade.side.sign
        self._held[sleeve] = self._held.get(sleeve, ZERO) + sign * trade.quantity_base
        self._pay(trade)
        self._filled[trade.order_id] += trade.quantity_base
        self._prices[trade.pair] = trade.price
        if self._held[sleeve] < 0:
            said = f"{submission.name} sold {-self._held[sleeve]} more than its sleeve had"
            self._evidence.violated("short", said)

    def _pay(self, trade: Trade) -> None:
        self._cash -= trade.side.sign * trade.cost_quote + trade.fee_quote

    def _leave(self, submission: Submission) -> None:
        self._open.pop(_of(submission).order_id, None)

    # what must hold

    def _look_at_lifetime(self, submission: Submission, order: Order) -> None:
        ttl_s = self._evidence.settings.execution.order_ttl_seconds
        if order.limit_price is None or order.ask.time_in_force is TimeInForce.IOC or not ttl_s:
            return
        lasts_s = (order.ask.expire_ns - order.opened_ns) / NS_PER_SECOND
        if order.ask.expire_ns == 0 or lasts_s > ttl_s + LIFETIME_SLACK_S:
            said = f"{submission.name} would rest for {lasts_s:.0f} s, and not for {ttl_s} s"
            self._evidence.violated("lifetime", said)

    def _look_at_sale(self, submission: Submission, order: Order) -> None:
        sleeve = _sleeve(submission)
        offered = sum(
            (self._rest(o) for o in self._open.values() if _sells(o) and _sleeve(o) == sleeve), ZERO
        )
        left = self._held.get(sleeve, ZERO) - offered - order.quantity_base
        if left < 0:
            said = f"{submission.name} offers {-left} more than its sleeve has"
            self._evidence.violated("short", said)

    def _look_at_places(self, submission: Submission) -> None:
        most = self._evidence.settings.execution.max_concurrent_orders
        if len(self._open) >= most:
            said = f"{submission.name} was taken while {len(self._open)} of {most} were open"
            self._evidence.violated("places", said)

    def _look_at_asset(self, submission: Submission, pair: PairName) -> None:
        price = self._prices[pair]
        held = sum((n for sleeve, n in self._held.items() if sleeve.pair == pair), ZERO)
        bought = [o for o in self._open.values() if not _sells(o) and _of(o).ask.pair == pair]
        value = held * price + sum(
            (self._rest(o) * (_of(o).limit_price or price) for o in bought), ZERO
        )
        share = self._evidence.settings.risk.max_per_asset_pct / 100
        if value > self._equity() * share * SLACK:
            said = f"with {submission.name} {value:.0f} of {pair}, of {self._equity():.0f} in all"
            self._evidence.violated("per asset", said)

    def _look_at_positions(self, submission: Submission) -> None:
        most = self._evidence.settings.risk.max_open_positions
        least = {name: pair.order_min for name, pair in PAIRS.items()}
        taken = {sleeve for sleeve, n in self._held.items() if n >= least[sleeve.pair]}
        taken |= {_sleeve(o) for o in self._open.values() if not _sells(o)}
        if len(taken) > most:
            said = f"with {submission.name} {len(taken)} sleeves hold or buy, of {most}"
            self._evidence.violated("positions", said)

    def _rest(self, submission: Submission) -> Decimal:
        order = _of(submission)
        return order.quantity_base - self._filled[order.order_id]

    def _equity(self) -> Decimal:
        held = (n * self._prices[sleeve.pair] for sleeve, n in self._held.items() if n)
        return self._cash + sum(held, ZERO)


def _of(submission: Submission) -> Order:
    assert submission.accepted is not None, "it was accepted"
    return submission.accepted


def _sells(submission: Submission) -> bool:
    return submission.order.request.side is Side.SELL


def _sleeve(submission: Submission) -> Sleeve:
    request = submission.order.request
    return Sleeve(request.strategy_id, request.pair)


def _later(work: Callable[..., None], *args: object) -> Callable[[], None]:
    return lambda: work(*args)
