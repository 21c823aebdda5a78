"""The acting half of a cycle: gather, decide, record, apply; and the plans of exits.

Deciding is ``trading/cycle.py`` and ``trading/exits.py``, pure. Here the inputs are taken from the
account, the market and the bar store under the account's turn, and the whole result is durable
in one transaction before anything else happens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from krakked.domain.bars import BarKey, Bars, Timeframe
from krakked.domain.decisions import DecisionRecord, ExitRecord, NotEvaluated, Outcome
from krakked.domain.events import Event, EventName
from krakked.domain.ids import ClientOrderId, PairName
from krakked.domain.limits import Limits
from krakked.domain.money import ZERO
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import DriftKind, equity_of
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.risk_book import Blocks, Holdings, RiskBook, risk_book
from krakked.domain.strategies.base import Strategy
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.bar_store import BarStore
from krakked.ports.ledger import Transaction
from krakked.trading.cycle import (
    CycleInputs,
    CycleResult,
    DueSleeve,
    run_cycle,
    volatility,
    window_bars,
)
from krakked.trading.desk import Desk
from krakked.trading.execute import pending_orders
from krakked.trading.exits import ExitInputs, ExitSleeve, exit_plan, exit_records
from krakked.trading.market import Boundary
from krakked.trading.verdicts import missed

ROUNDS_MAX = 2
"""A cycle, and once more for the sleeves whose own orders were in the way."""
WAKES = (
    "stop",
    "flatten",
    "kill_switch",
    "parameters",
    "restart",
    "order_rejected",
    "order_ended",
    "fill",
)
"""What wakes a sleeve, the weightiest first: a strategy acts on having been stopped, and the fill
of that very stop comes after it. A cause that is not here weighs least."""
MISSED_BARS_MAX = 100_000
"""Longer absences are recorded as their newest part."""


class ConfiguredSleeve(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy on one pair, at its place in the configuration."""

    index: int
    strategy: Strategy
    sleeve: Sleeve
    is_enabled: bool = True
    skip: NotEvaluated | None = None
    """Why it is never decided on in this run."""


class Cycler:
    """Runs cycles over the configured sleeves."""

    def __init__(
        self,
        desk: Desk,
        store: BarStore,
        sleeves: Sequence[ConfiguredSleeve],
        limits: Limits,
    ) -> None:
        self._desk = desk
        self._store = store
        self._sleeves = tuple(sleeves)
        self._by_sleeve = {configured.sleeve: configured for configured in sleeves}
        self._limits = limits
        self._wakes: dict[Sleeve, str] = {}
        self._exits: dict[Sleeve, ExitRecord] = {}
        self._began_ns: int | None = None
        """When this process first decided: what closed before closed without an engine."""
        self.cancel_and_learn: Callable[[ClientOrderId], Awaitable[bool]] | None = None
        """Set by the engine: cancels an order that is in the way and learns its end."""

    def __repr__(self) -> str:
        return f"<Cycler {len(self._sleeves)} sleeves, {len(self._wakes)} woken>"

    def wake(self, sleeve: Sleeve, cause: str) -> None:
        """Something happened to a sleeve: it is asked at its next bar whatever its mask says.

        Of several causes it is told the weightiest.
        """
        before = self._wakes.get(sleeve)
        if before is None or _weight(cause) > _weight(before):
            self._wakes[sleeve] = cause

    # cycles

    async def run(self, boundary: Boundary, enqueue: Callable[[ExecutionPlan], None]) -> None:
        """Decide on every sleeve of that timeframe; recorded plans are handed to ``enqueue``."""
        self._began_ns = self._began_ns or self._desk.now_ns()
        due = [
            configured
            for configured in self._sleeves
            if boundary.timeframe in configured.strategy.timeframes
        ]
        for round_ in range(1, ROUNDS_MAX + 1):
            async with self._desk.recorder.turn:
                result = await self._decide_and_record(boundary, due, may_defer=round_ < ROUNDS_MAX)
            if result.plan is not None:
                enqueue(result.plan)
            if not result.cancels:
                return
            await self._clear_the_way(result.cancels)
            due = [self._by_sleeve[sleeve] for sleeve in result.deferred]

    async def _clear_the_way(self, orders: Sequence[ClientOrderId]) -> None:
        assert self.cancel_and_learn is not None
        for client_order_id in orders:
            await self.cancel_and_learn(client_order_id)

    async def _decide_and_record(
        self, boundary: Boundary, configured: Sequence[ConfiguredSleeve], *, may_defer: bool
    ) -> CycleResult:
        now_ns = self._desk.now_ns()
        due = self._due(boundary, configured, now_ns)
        gaps = self._gaps(due, now_ns)
        runs = {**self._desk.account.runs, **{_run_key(gap): gap for gap in gaps}}
        last = self._desk.account.last_plan
        inputs = CycleInputs(
            account=self._desk.account.fingerprint,
            epoch=self._desk.guard.epoch,
            sequence=1 if last is None else last[0] + 1,
            parent_id=None if last is None else last[1],
            now_ns=now_ns,
            rules=self._desk.rules,
            due=tuple(due),
            book=self.book(due),
            limits=self._limits,
            runs=runs,
            may_defer=may_defer,
            trace_id=f"{boundary.timeframe.value}-{boundary.end_s}",
        )
        result = run_cycle(inputs)
        # What happens while the ledger writes is for the next bar.
        wakes, self._wakes = self._wakes, {}
        await self._record(boundary, result, gaps)
        self._keep_wakes(wakes, result)
        return result

    def _keep_wakes(self, wakes: Mapping[Sleeve, str], result: CycleResult) -> None:
        """Sleeves without a verdict are still to be told."""
        told = {record.sleeve for record in result.records}
        for sleeve, cause in wakes.items():
            if sleeve not in told:
                self.wake(sleeve, cause)

    def _due(
        self, boundary: Boundary, configured: Sequence[ConfiguredSleeve], now_ns: int
    ) -> list[DueSleeve]:
        """Sleeves that have a bar of this boundary; a pair without trades has none."""
        windows: dict[tuple[object, ...], Bars] = {}
        account = self._desk.account
        prices = account.prices(self._desk.market.quotes)
        orders = account.orders_by_sleeve()
        result = []
        for item in configured:
            bars = self._window(item, boundary.timeframe, windows)
            if not len(bars):
                continue
            pair = account.pairs[item.sleeve.pair]
            result.append(
                DueSleeve(
                    index=item.index,
                    strategy=item.strategy,
                    bars=bars,
                    pair=pair,
                    position=account.position(item.sleeve),
                    state=account.sleeve_state(item.sleeve),
                    quote=self._fresh_quote(item.sleeve, now_ns),
                    base_rate=prices.get(pair.quote),
                    woken_by=self._wakes.get(item.sleeve, "bar"),
                    is_enabled=item.is_enabled,
                    skip=item.skip,
                    resting=tuple(orders.get(item.sleeve, ())),
                )
            )
        return result

    def _window(
        self,
        item: ConfiguredSleeve,
        timeframe: Timeframe,
        windows: dict[tuple[object, ...], Bars],
    ) -> Bars:
        """Sleeves that ask for the same window share it."""
        count = window_bars(item.strategy, self._limits)
        key = (item.sleeve.pair, count)
        if key not in windows:
            pair = item.sleeve.pair
            tick_size = self._desk.account.bar_tick(pair)
            windows[key] = self._store.last(pair, timeframe, count, tick_size)
        return windows[key]

    def _fresh_quote(self, sleeve: Sleeve, now_ns: int) -> Quote | None:
        if self._desk.market.is_stale(sleeve.pair, now_ns):
            return None
        return self._desk.market.quote(sleeve.pair, now_ns)

    def _gaps(self, due: Sequence[DueSleeve], now_ns: int) -> list[DecisionRecord]:
        """Bars between a sleeve's last verdict and this one: nobody decided on them."""
        gaps = []
        for item in due:
            previous = self._desk.account.runs.get((item.sleeve, item.key.timeframe.value))
            keys = _missed_keys(item, previous, self._store)
            for reason, missing in _by_reason(keys, self._began_ns or now_ns):
                previous = missed(item.sleeve, missing, reason, now_ns=now_ns, previous=previous)
                gaps.append(previous)
        return gaps

    # the account as risk sees it

    def book(self, due: Sequence[DueSleeve] = ()) -> RiskBook:
        """Sums over the account at the newest quotes."""
        account, market = self._desk.account, self._desk.market
        now_ns = self._desk.now_ns()
        prices = account.prices(market.quotes)
        totals = account.counted()
        equity, _ = equity_of(totals, prices)
        stale = market.stale_pairs(now_ns)
        return risk_book(
            Holdings(
                base_currency=account.base_currency,
                equity=equity,
                totals=totals,
                prices=prices,
                pairs=account.pairs,
                positions=account.positions.values(),
                orders=account.orders.values(),
                stops={
                    sleeve: state.stop_price
                    for sleeve, state in account.sleeves.items()
                    if state.stop_price is not None
                },
                volatility=self._volatility(due),
                blocks=Blocks(
                    kill_switch=account.kill_switch.active,
                    halted=account.halted,
                    drift=any(d.kind is DriftKind.UNEXPLAINED for d in account.drifts),
                    # Without a price of what is held, no limit knows what it is a share of.
                    feed_stale=not market.is_connected or bool(account.lost_value(prices)),
                    unknown_pairs=frozenset(account.unknown_pairs()),
                    stale_pairs=frozenset(stale),
                    drawdown_pct=account.day.drawdown_pct(equity) if account.day else ZERO,
                ),
            )
        )

    def _volatility(self, due: Sequence[DueSleeve]) -> dict[PairName, Decimal]:
        """For positions without a stop; only cycles need it, they hold the bars."""
        known = {item.sleeve.pair: volatility(item.bars, self._limits) for item in due}
        return {pair: value for pair, value in known.items() if value is not None}

    # recording

    async def _record(
        self, boundary: Boundary, result: CycleResult, gaps: Sequence[DecisionRecord]
    ) -> None:
        if not result.records and not gaps:
            return
        plan = result.plan
        orders = [] if plan is None else pending_orders(plan, self._desk.now_ns())

        def store(tx: Transaction) -> None:
            if plan is not None:
                tx.insert_plan(plan)
            for order in orders:
                tx.insert_order(order)
            for record in (*gaps, *result.records):
                tx.save_decision(record)
            for state in result.states:
                tx.save_sleeve(state)

        await self._desk.recorder.commit(store, *self._events(boundary, result))
        self._apply(result, gaps)
        for order in orders:
            self._desk.account.put_order(order)

    def _apply(self, result: CycleResult, gaps: Sequence[DecisionRecord]) -> None:
        account = self._desk.account
        for record in (*gaps, *result.records):
            account.runs[_run_key(record)] = record
        for state in result.states:
            account.sleeves[state.sleeve] = state
        if result.plan is not None:
            account.last_plan = (result.plan.sequence, result.plan.plan_id)

    def _events(self, boundary: Boundary, result: CycleResult) -> list[Event]:
        intents = sum(1 for record in result.records if record.intent is not None)
        events = [
            self._desk.recorder.event(
                EventName.STRATEGY_CYCLE,
                timeframe=boundary.timeframe.value,
                boundary_s=boundary.end_s,
                strategies=len({record.sleeve.strategy_id for record in result.records}),
                sleeves=len(result.records),
                intents=intents,
            )
        ]
        events += [self._decision_event(r) for r in result.records if _is_news(r)]
        if result.plan is not None:
            events.append(plan_event(self._desk, result.plan))
        return events

    def _decision_event(self, record: DecisionRecord) -> Event:
        return self._verdict_event(record, why=_why(record))

    def _verdict_event(self, record: DecisionRecord | ExitRecord, *, why: str) -> Event:
        limits = [check.limit.value for check in record.checks if not check.passed]
        name = EventName.RISK_BLOCK if limits else EventName.DECISION_MADE
        return self._desk.recorder.event(
            name,
            strategy_id=record.sleeve.strategy_id,
            pair=record.sleeve.pair,
            outcome=record.outcome.value,
            reason=", ".join(limits) if limits else why,
            plan_id=record.plan_id,
            decision_id=record.decision_id,
        )

    # exits

    async def make_exit(
        self, sleeves: Sequence[Sleeve], cause: str, principal: str
    ) -> ExecutionPlan | None:
        """A recorded plan that closes what the sleeves hold; None if they hold nothing to sell.

        Looked at again in the turn: a sleeve whose own plan has begun to sell it meanwhile is left
        to that plan, for two sales of one position would sell somebody else's coins.
        """
        async with self._desk.recorder.turn:
            free = [sleeve for sleeve in sleeves if not self._desk.account.sales_of(sleeve)]
            inputs = self._exit_inputs(self._listed(free, cause), cause, principal)
            result = exit_plan(inputs)
            records = exit_records(inputs, result, self._exits)
            if records:
                await self._record_exits(result.plan, records)
            return result.plan

    def _listed(self, sleeves: Sequence[Sleeve], cause: str) -> list[Sleeve]:
        """What the venue lists no more cannot be sold here; it holds up no other exit."""
        pairs, recorder = self._desk.account.pairs, self._desk.recorder
        for sleeve in sleeves:
            if sleeve.pair not in pairs:
                reason = f"{cause} of {sleeve.strategy_id}: the venue does not list {sleeve.pair}"
                recorder.publish(recorder.event(EventName.CAUTION, pair=sleeve.pair, reason=reason))
        return [sleeve for sleeve in sleeves if sleeve.pair in pairs]

    def _exit_inputs(self, sleeves: Sequence[Sleeve], cause: str, principal: str) -> ExitInputs:
        account = self._desk.account
        now_ns = self._desk.now_ns()
        last = account.last_plan
        return ExitInputs(
            account=account.fingerprint,
            epoch=self._desk.guard.epoch,
            sequence=1 if last is None else last[0] + 1,
            parent_id=None if last is None else last[1],
            now_ns=now_ns,
            rules=self._desk.rules,
            sleeves=self._exit_sleeves(sleeves),
            book=self.book(),
            limits=self._limits,
            cause=cause,
            principal=principal,
            trace_id=f"{cause}-{now_ns}",
        )

    def _exit_sleeves(self, sleeves: Sequence[Sleeve]) -> tuple[ExitSleeve, ...]:
        """Sleeves of one asset share what there is of it, in their order."""
        account = self._desk.account
        there = account.free_to_sell()
        found = []
        for index, sleeve in enumerate(sleeves):
            asset = account.pairs[sleeve.pair].base
            available = max(there.get(asset, ZERO), ZERO)
            exit_sleeve = self._exit_sleeve(index, sleeve, available)
            there[asset] = available - min(exit_sleeve.position.quantity_base, available)
            found.append(exit_sleeve)
        return tuple(found)

    def _exit_sleeve(self, index: int, sleeve: Sleeve, available_base: Decimal) -> ExitSleeve:
        account, market = self._desk.account, self._desk.market
        pair = account.pairs[sleeve.pair]
        return ExitSleeve(
            index=index,
            pair=pair,
            position=account.position(sleeve),
            available_base=available_base,
            quote=self._fresh_quote(sleeve, self._desk.now_ns()),
            base_rate=account.prices(market.quotes).get(pair.quote),
        )

    async def _record_exits(
        self, plan: ExecutionPlan | None, records: Sequence[ExitRecord]
    ) -> None:
        orders = [] if plan is None else pending_orders(plan, self._desk.now_ns())

        def store(tx: Transaction) -> None:
            if plan is not None:
                tx.insert_plan(plan)
            for order in orders:
                tx.insert_order(order)
            for record in records:
                tx.save_exit(record)

        events = [self._exit_event(record) for record in records if record.count == 1]
        if plan is not None:
            events.append(plan_event(self._desk, plan))
        await self._desk.recorder.commit(store, *events)
        self._exits.update({record.sleeve: record for record in records})
        if plan is None:
            return
        self._desk.account.last_plan = (plan.sequence, plan.plan_id)
        for order in orders:
            self._desk.account.put_order(order)
        for leg in plan.legs:
            self.wake(leg.action.sleeve, plan.cause)

    def _exit_event(self, record: ExitRecord) -> Event:
        return self._verdict_event(record, why=f"{record.cause} by {record.principal}")


def plan_event(desk: Desk, plan: ExecutionPlan) -> Event:
    """A plan was made."""
    return desk.recorder.event(
        EventName.PLAN_CREATED,
        plan_id=plan.plan_id,
        cause=plan.cause,
        principal=plan.principal,
        legs=len(plan.legs),
    )


def _weight(cause: str) -> int:
    return len(WAKES) - WAKES.index(cause) if cause in WAKES else 0


def _run_key(record: DecisionRecord) -> tuple[Sleeve, str]:
    return (record.sleeve, record.bar.timeframe.value)


def _is_news(record: DecisionRecord) -> bool:
    """What people want to hear of: deeds, and the first of a run of refusals."""
    if record.outcome in (Outcome.ACTED, Outcome.CLAMPED):
        return True
    return record.outcome is Outcome.REFUSED and record.count == 1


def _why(record: DecisionRecord) -> str:
    return record.intent.reason if record.intent is not None else ""


def _missed_keys(
    item: DueSleeve, previous: DecisionRecord | None, store: BarStore
) -> tuple[BarKey, ...]:
    """Bars after the last verdict and before the one that is due."""
    if previous is None:
        return ()
    key = item.key
    step_s = key.timeframe.seconds
    if previous.last_bar_start_s + step_s >= key.start_s:
        return ()
    bars = store.between(
        key.pair,
        key.timeframe,
        max(previous.last_bar_start_s + step_s, key.start_s - MISSED_BARS_MAX * step_s),
        key.start_s,
        item.bars.tick_size,
    )
    return tuple(BarKey(key.pair, key.timeframe, int(start_s)) for start_s in bars.start_s)


def _by_reason(
    keys: Sequence[BarKey], began_ns: int
) -> list[tuple[NotEvaluated, tuple[BarKey, ...]]]:
    """Missed bars, oldest first, by whether this process was there when they closed."""
    found: dict[NotEvaluated, list[BarKey]] = {}
    for key in keys:
        was_away = key.start_s * NS_PER_SECOND + key.timeframe.ns <= began_ns
        reason = NotEvaluated.RESTART_GAP if was_away else NotEvaluated.MARKET_DATA_GAP
        found.setdefault(reason, []).append(key)
    return [(reason, tuple(missing)) for reason, missing in found.items()]
