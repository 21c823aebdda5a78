"""Stops and flattening: closing positions now, each by a plan of its own.

The engine watches every quote, and closes a position whose stop the bid has reached. A stop is
position data and survives restarts. What it does beside a sale of the sleeve that has not ended:

waits to be sent, on its way, unknown   nothing: it may be selling already; asked again later
rests, the strategy's own exit          cancels it, learns its end and sells what is left: it may
                                        rest above the market for as long as the market falls
rests, protective                       leaves it ``PATIENCE_NS`` to fill, then the same

If an exit ends with the position still held, the next quote triggers the stop anew. Where no order
is placed (``dry_run``, ``validate_only``) that is always so, and a plan for it is shown once a bar.
A person's flatten whose sale could not be sent, never arrived, was refused, or ended with a part
unsold is owed and made anew so, also after a restart (``owing.py``); of a stop's sale the stop
itself sells the rest. Between two exits of one sleeve is a pause that grows while the venue refuses
them (``refusals.py``). What is less than the venue takes is dust: risk refuses its sale once, it is
shown apart, and asked again when holding, rules or price have changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from krakked.domain.errors import Ambiguous, Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.ids import MANUAL, ClientOrderId, PairName, StrategyId
from krakked.domain.money import ZERO, plain
from krakked.domain.orders import Journal, LegKind, Order, Side
from krakked.domain.pairs import PairRules
from krakked.domain.plans import ExecutionPlan
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.risk_rules import venue_minimum
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.account import Account
from krakked.trading.desk import Desk
from krakked.trading.execute import Executor
from krakked.trading.owing import FLATTEN, Owed
from krakked.trading.recording import order_fields

MakeExit = Callable[[Sequence[Sleeve], str, str], Awaitable[ExecutionPlan | None]]
"""(sleeves, cause, principal) to a recorded plan that closes them."""
PATIENCE_NS = 30 * NS_PER_SECOND
"""For a protective sale that rests; then it is made anew at the price of the moment."""
END_POLLS_MAX = 50
END_POLL_S = 0.1


def triggered(account: Account, quote: Quote) -> list[Sleeve]:
    """Sleeves of that pair whose position must be closed at this quote."""
    return [
        sleeve
        for sleeve, state in account.sleeves.items()
        if sleeve.pair == quote.pair
        and state.stop_price is not None
        and quote.bid <= state.stop_price
        and account.position(sleeve).quantity_base > 0
    ]


def _may_be_replaced(sale: Order, now_ns: int) -> bool:
    """It rests at the venue, and need not be the fastest way out."""
    if sale.journal is not Journal.ACKED:
        return False
    if sale.request.kind is not LegKind.PROTECTIVE:
        return True
    return now_ns - (sale.acked_at_ns or sale.created_at_ns) >= PATIENCE_NS


def _spoken(sleeve: Sleeve) -> str:
    return f"{sleeve.strategy_id} {sleeve.pair}"


class Stopper:
    """Closes positions: at their stops, and when a person says so."""

    def __init__(
        self,
        desk: Desk,
        executor: Executor,
        *,
        make_exit: MakeExit,
        enqueue: Callable[[ExecutionPlan], None],
    ) -> None:
        self._desk = desk
        self._executor = executor
        self._make_exit = make_exit
        self._enqueue = enqueue
        self._due: dict[Sleeve, Quote] = {}
        self._tried_at_ns: dict[Sleeve, int] = {}
        self._shown: dict[Sleeve, tuple[Decimal | None, int]] = {}
        """Where nothing is placed: the stop and the bar of the newest plan."""
        self._dust: dict[Sleeve, tuple[Decimal, PairRules]] = {}
        """What was held, and by which rules, when a sale was answered with dust."""
        self._owed = Owed(desk)
        self._is_due = asyncio.Event()

    def on_quote(self, quote: Quote) -> None:
        """Look whether it reaches a stop; :meth:`run` acts."""
        owed = [sleeve for sleeve in self._owed.sleeves if sleeve.pair == quote.pair]
        for sleeve in (*triggered(self._desk.account, quote), *owed):
            if self._may_try(sleeve, quote.at_ns) and not self._is_known_dust(sleeve, quote):
                self._due[sleeve] = quote
                self._is_due.set()

    @property
    def owed(self) -> tuple[Sleeve, ...]:
        """What a person wanted closed, and whose sale could not be sent yet."""
        return self._owed.sleeves

    def owed_in_words(self) -> list[str]:
        """The same for people, with who asked."""
        return [f"{_spoken(one)} for {self._owed.principal(one)}" for one in self.owed]

    def refused_in_words(self) -> list[str]:
        """Sleeves that hold what the venue does not let them sell, and its last word."""
        held = (one for one in sorted(self._desk.account.positions) if self._holds(one))
        found = ((one, self._executor.refusals.of(one)) for one in held)
        return [
            f"{_spoken(one)}: refused {refusal.count} in a row, at last: {refusal.reason}"
            for one, refusal in found
            if refusal is not None and self._smallest_sale(one) <= self._held(one)
        ]

    def dust_in_words(self) -> list[str]:
        """Sleeves that hold less than the venue lets anybody sell: kept, and not tried again."""
        found = (
            (one, self._held(one), self._smallest_sale(one))
            for one in sorted(self._desk.account.positions)
            if one.strategy_id != MANUAL and self._holds(one)
        )
        return [
            f"{_spoken(one)}: {plain(held)} of at least {plain(smallest)}"
            for one, held, smallest in found
            if held < smallest
        ]

    def _held(self, sleeve: Sleeve) -> Decimal:
        return self._desk.account.position(sleeve).quantity_base

    def _smallest_sale(self, sleeve: Sleeve) -> Decimal:
        """At the newest bid; zero of a pair that is not listed, where nothing is known."""
        pair = self._desk.account.pairs.get(sleeve.pair)
        quote = self._desk.market.quotes.get(sleeve.pair)
        return ZERO if pair is None else venue_minimum(pair, None if quote is None else quote.bid)

    def _is_known_dust(self, sleeve: Sleeve, quote: Quote) -> bool:
        """Risk said so once of this much by these rules: asking again changes nothing."""
        pair = self._desk.account.pairs.get(sleeve.pair)
        held = self._held(sleeve)
        if pair is None or held >= venue_minimum(pair, quote.bid):
            return False
        return self._dust.get(sleeve) == (held, pair.rules)

    def _note_dust(self, sleeve: Sleeve, quote: Quote) -> None:
        """Risk is about to say so, for the record."""
        pair, held = self._desk.account.pairs.get(sleeve.pair), self._held(sleeve)
        if pair is not None and held < venue_minimum(pair, quote.bid):
            self._dust[sleeve] = (held, pair.rules)

    def _holds(self, sleeve: Sleeve) -> bool:
        return self._desk.account.position(sleeve).quantity_base > 0

    def _may_try(self, sleeve: Sleeve, now_ns: int) -> bool:
        if sleeve.pair in self._executor.rules_in_doubt:
            return False
        pause_ns = self._executor.refusals.pause_ns(sleeve)
        if now_ns - self._tried_at_ns.get(sleeve, 0) < pause_ns:
            return False
        return self._desk.rules.places_orders or self._shown.get(sleeve) != self._moment(sleeve)

    def _moment(self, sleeve: Sleeve) -> tuple[Decimal | None, int]:
        state = self._desk.account.sleeve_state(sleeve)
        return state.stop_price, state.last_bar_start_s

    async def run(self) -> None:
        """Close what is due, until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            due, self._due = self._due, {}
            for sleeve, quote in due.items():
                await self._stop(sleeve, quote)

    async def _stop(self, sleeve: Sleeve, quote: Quote) -> None:
        self._tried_at_ns[sleeve] = self._desk.now_ns()
        self._shown[sleeve] = self._moment(sleeve)
        state = self._desk.account.sleeve_state(sleeve)
        if self._must_wait(sleeve):
            return
        self._note_dust(sleeve, quote)
        principal = self._owed.principal(sleeve)
        if principal:
            await self.close([sleeve], cause=FLATTEN, principal=principal)
            return
        if state.stop_price is None:
            return
        await self._desk.recorder.record(
            self._desk.recorder.event(
                EventName.POSITION_STOPPED,
                strategy_id=sleeve.strategy_id,
                pair=sleeve.pair,
                bid=str(quote.bid),
                stop_price=str(state.stop_price),
            )
        )
        await self.close([sleeve], cause="stop", principal="engine")

    def _has_resting_sale(self, sleeve: Sleeve) -> bool:
        return any(
            order.journal is not Journal.PENDING for order in self._desk.account.sales_of(sleeve)
        )

    def _must_wait(self, sleeve: Sleeve) -> bool:
        """A sale of it is under way that a stop leaves alone."""
        now_ns = self._desk.now_ns()
        sales = self._desk.account.sales_of(sleeve)
        return any(not _may_be_replaced(order, now_ns) for order in sales)

    async def flatten(
        self, *, pair: PairName | None, strategy_id: StrategyId | None, principal: str
    ) -> int:
        """Close what matches; how many positions.

        A purchase on its way counts as a position: it may have been made before it is cancelled.
        """
        account = self._desk.account
        held = {sleeve for sleeve, one in account.positions.items() if one.quantity_base > 0}
        sleeves = [
            sleeve
            for sleeve in sorted(held | account.orders_by_sleeve().keys())
            if sleeve.strategy_id != MANUAL
            and (pair is None or sleeve.pair == pair)
            and (strategy_id is None or sleeve.strategy_id == strategy_id)
        ]
        return await self.close(sleeves, cause=FLATTEN, principal=principal)

    async def close(self, sleeves: Sequence[Sleeve], *, cause: str, principal: str) -> int:
        """Cancel what the sleeves have at the venue or on its way, learn its end, then close them.

        A sleeve whose sale is still under way is left out: selling beside it could sell twice.
        """
        for sleeve in sleeves:
            for order in self._desk.account.orders_of(sleeve):
                if order.journal is Journal.PENDING and order.request.side is Side.SELL:
                    continue
                await self.cancel_and_learn(order.request.client_order_id)
        clear = [
            sleeve
            for sleeve in sleeves
            if self._holds(sleeve) and not self._desk.account.sales_of(sleeve)
        ]
        plan = await self._make_exit(clear, cause, principal)
        for sleeve in sleeves:
            if not self._has_resting_sale(sleeve):
                await self._owed.settle(sleeve)
        if plan is None:
            return 0
        self._enqueue(plan)
        return len(plan.legs)

    async def cancel_and_learn(self, client_order_id: ClientOrderId) -> bool:
        """Cancel one order and wait for its end; whether it ended in time.

        Its last fills are booked by then: an order leaves only when every fill of it is booked.
        """
        order = self._desk.account.order(client_order_id)
        if order is None:
            return True
        try:
            await self._executor.cancel(order)
        except (Transient, Ambiguous, Permanent) as error:
            self._desk.recorder.publish(
                self._desk.recorder.event(
                    EventName.ORDER_ERROR,
                    **order_fields(
                        order.request,
                        kraken_order_id=order.venue_order_id,
                        kraken_error=str(error),
                    ),
                )
            )
        for _ in range(END_POLLS_MAX):
            if self._desk.account.order(client_order_id) is None:
                return True
            await self._desk.clock.sleep(END_POLL_S)
        return False
