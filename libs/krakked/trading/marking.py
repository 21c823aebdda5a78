"""Marking: what the account is worth now, the day's baseline, and the daily drawdown.

The day changes at ``risk.day_boundary``; its baseline is the equity at its first mark and is
kept in the ledger, so that a restart over midnight changes nothing.

An asset that was worth something and has no price now is not lost: until it has one again, or a
person leaves it out of the portfolio, no drawdown is judged, no day begins, and nothing is bought.

Money that comes or goes is neither gain nor loss. When a flow is to be booked the account is
marked before, so that what it lost so far is judged by what it had, and again after: that moves the
baseline in the proportion in which the flow moved equity, and a fall in percent stays what it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from krakked.domain.events import EventName
from krakked.domain.ids import Asset
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.portfolio import Day, Falls, Snapshot
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.ports.ledger import Transaction
from krakked.trading.account import VALUED_CURSOR
from krakked.trading.desk import Desk


class Marker:
    """Marks the account to the market; trips the kill switch at the daily limit."""

    def __init__(
        self,
        desk: Desk,
        *,
        day_boundary_s: int,
        drawdown_max_pct: Decimal,
        trip: Callable[[KillSwitchCause, str], Awaitable[None]],
        on_new_day: Callable[[], None] = lambda: None,
    ) -> None:
        self._desk = desk
        self._trip = trip
        self._on_new_day = on_new_day
        self._day_boundary_s = day_boundary_s
        self._drawdown_max_pct = drawdown_max_pct
        self.latest: Snapshot | None = None
        self.lost: tuple[Asset, ...] = ()
        """Held, valued before, and without a price at the last mark."""
        self.falls = Falls()
        """Since this process began."""

    def day_of(self, now_ns: int) -> int:
        """The number of the trading day at that instant."""
        return (now_ns // NS_PER_SECOND - self._day_boundary_s) // DAY_S

    def is_new_day(self, now_ns: int) -> bool:
        """Whether the day of the last mark is over."""
        day = self._desk.account.day
        return day is None or day.day != self.day_of(now_ns)

    async def mark(self) -> Snapshot:
        """Value the account, roll the day, check its drawdown; the snapshot is recorded."""
        async with self._desk.recorder.turn:
            # Inside the turn: a flow is in the equity and in the day's flows, or in neither.
            account = self._desk.account
            before = account.day
            self._note_lost(account.prices(self._desk.market.quotes))
            snapshot = account.snapshot(self._desk.market.quotes, self._desk.now_ns())
            await self._store(snapshot)
            is_new_day = _number(before) != _number(account.day) and before is not None
        self.latest = snapshot
        if not self.lost:
            self.falls.note(snapshot)
            await self._check_drawdown(snapshot)
        if is_new_day:
            self._on_new_day()
        return snapshot

    async def mark_around_flow(self) -> None:
        """Mark if that was done before: what a start finds in the venue's ledger was there."""
        if self.latest is not None:
            await self.mark()

    def _note_lost(self, prices: Mapping[Asset, Decimal]) -> None:
        """A price that is missing is no loss: it is told, and nothing is concluded from it."""
        lost = self._desk.account.lost_value(prices)
        recorder = self._desk.recorder
        if lost and lost != self.lost:
            reason = f"no price for {', '.join(lost)}: drawdown is not judged, nothing is bought"
            recorder.publish(recorder.event(EventName.CAUTION, reason=reason))
        self.lost = lost

    async def _store(self, snapshot: Snapshot) -> None:
        account = self._desk.account
        today = self.day_of(snapshot.at_ns)
        day = account.day
        events = [
            self._desk.recorder.event(
                EventName.EQUITY_MARKED,
                equity=str(snapshot.equity),
                cash=str(snapshot.cash),
                unrealized=str(snapshot.unrealized),
                realized=str(snapshot.realized),
                unknown_cost=list(account.of_unknown_cost()),
            )
        ]
        if day is None or (day.day != today and not self.lost):
            day = Day(
                day=today, baseline_equity=snapshot.equity, realized_at_start=snapshot.realized
            )
            events.append(
                self._desk.recorder.event(
                    EventName.DAY_ROLLED, day=today, baseline_equity=str(snapshot.equity)
                )
            )
        elif not self.lost:
            day = day.marked(snapshot.equity)
        rolled = day
        valued = account.valued(account.prices(self._desk.market.quotes))
        is_news = valued != account.cursors.get(VALUED_CURSOR, "")

        def store(tx: Transaction) -> None:
            tx.insert_snapshot(snapshot)
            tx.save_day(rolled)
            if is_news:
                tx.set_cursor(VALUED_CURSOR, valued)

        await self._desk.recorder.commit(store, *events)
        account.day = rolled
        if is_news:
            account.cursors[VALUED_CURSOR] = valued

    async def _check_drawdown(self, snapshot: Snapshot) -> None:
        account = self._desk.account
        assert account.day is not None
        fall_pct = account.day.drawdown_pct(snapshot.equity)
        if fall_pct < self._drawdown_max_pct or account.kill_switch.active:
            return
        await self._trip(
            KillSwitchCause.DAILY_DRAWDOWN,
            f"down {fall_pct:.2f} % today, the limit is {self._drawdown_max_pct} %",
        )


def _number(day: Day | None) -> int | None:
    return None if day is None else day.day


def realized_today(day: Day, snapshot: Snapshot) -> Decimal:
    """Profit realized since the day began."""
    return snapshot.realized - day.realized_at_start
