"""The deciding half of a cycle: closed bars in, verdicts and at most one plan out. Pure.

Every sleeve that is due gets one verdict, in the order of sleeve indices:

1. not evaluated, with the reason (disabled, stale, warming up, expired, …);
2. held, because its strategy knows that nothing can change at this bar;
3. else its strategy decides, and risk answers: held, acted, clamped or refused.

Sleeves own positions and nothing is netted between them, so two strategies on one pair may buy
and sell it in one plan; limits act on the sum. Headroom is reserved as decisions go, first come
first served by index; what a sale will free is not counted before it is a fill.

A sleeve with an order that rests, or that may still be sent, is not given a second one. If the
order works towards the wish, it goes on; if not, it is named in ``cancels`` and the sleeve in
``deferred``: it has no verdict yet, and is due again (same bar) once the order's end is known. In
the last round there is no again: the sleeve is not evaluated, because of that order.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from krakked.domain.bars import BarKey, Bars
from krakked.domain.decisions import DecisionRecord, NotEvaluated, Outcome
from krakked.domain.features import Features, latest_true_range, price_of_hundredths
from krakked.domain.ids import AccountFingerprint, ClientOrderId, PairName, PlanId
from krakked.domain.intents import Decision, Direction, Intent, IntentType, View
from krakked.domain.limits import LimitName, Limits
from krakked.domain.orders import Journal, LegKind, Order, Side
from krakked.domain.pairs import Pair
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Position, Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.risk import RiskContext, RiskDecision, Verdict, assess
from krakked.domain.risk_book import RiskBook
from krakked.domain.strategies.base import Strategy
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.legs import Draft, PlanHeader, buy_limit, make_plan
from krakked.trading.rules import ExecutionRules
from krakked.trading.verdicts import OUTCOMES, decision_id, joined


class DueSleeve(msgspec.Struct, frozen=True, kw_only=True):
    """A sleeve whose bar closed; everything that its verdict depends on."""

    index: int
    """Its place in the configuration; fixes the order of decisions."""
    strategy: Strategy
    bars: Bars
    """The newest closed bars (:func:`window_bars` of them), the one to decide on last."""
    pair: Pair
    position: Position
    state: SleeveState
    quote: Quote | None
    """None: stale."""
    base_rate: Decimal | None
    """Base currency for one unit of the pair's quote asset; None: unknown."""
    woken_by: str = "bar"
    """What happened to the sleeve since its last decision; ``bar``: nothing."""
    is_enabled: bool = True
    skip: NotEvaluated | None = None
    """A reason of the engine's not to decide (``not_owner``, ``restart_gap``)."""
    resting: tuple[Order, ...] = ()
    """Its own orders that rest at the venue, or may still be sent."""

    @property
    def sleeve(self) -> Sleeve:
        """Whose turn it is."""
        return self.position.sleeve

    @property
    def key(self) -> BarKey:
        """The bar to decide on."""
        return BarKey(self.bars.pair, self.bars.timeframe, int(self.bars.start_s[-1]))


class CycleInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a cycle depends on."""

    account: AccountFingerprint
    epoch: int
    """Of ownership; 0 where it is not contended."""
    sequence: int
    """Of the plan, should there be one."""
    parent_id: PlanId | None
    now_ns: int
    rules: ExecutionRules
    due: tuple[DueSleeve, ...]
    book: RiskBook
    limits: Limits
    runs: Mapping[tuple[Sleeve, str], DecisionRecord] = {}
    """The newest run by sleeve and timeframe name."""
    may_defer: bool = True
    """Whether there is another round for sleeves with an order in the way."""
    principal: str = "engine"
    trace_id: str = ""


class CycleResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a cycle decided; to be committed in one transaction."""

    plan: ExecutionPlan | None
    records: tuple[DecisionRecord, ...]
    """To save: new runs, and longer forms of known ones."""
    states: tuple[SleeveState, ...]
    cancels: tuple[ClientOrderId, ...]
    """Orders in the way of ``deferred`` sleeves: cancel, learn their end, run those again."""
    deferred: tuple[Sleeve, ...]
    book: RiskBook
    """With the headroom that the plan takes."""


def run_cycle(inputs: CycleInputs) -> CycleResult:
    """Decide on every due sleeve; equal inputs give equal plans, ids included."""
    cycle = _Cycle(inputs)
    for due in sorted(inputs.due, key=lambda due: due.index):
        cycle.visit(due)
    return cycle.result()


class _Cycle:
    """The working state of one cycle."""

    def __init__(self, inputs: CycleInputs) -> None:
        self._inputs = inputs
        self._book = inputs.book
        self._header = PlanHeader(
            account=inputs.account,
            epoch=inputs.epoch,
            sequence=inputs.sequence,
            parent_id=inputs.parent_id,
            now_ns=inputs.now_ns,
            cause="cycle",
            principal=inputs.principal,
            trace_id=inputs.trace_id,
        )
        self._bar: BarKey | None = None
        self._features: dict[tuple[str, PairName, str], Features] = {}
        self._drafts: list[Draft] = []
        self._records: list[DecisionRecord] = []
        self._states: list[SleeveState] = []
        self._cancels: list[ClientOrderId] = []
        self._deferred: list[Sleeve] = []

    def result(self) -> CycleResult:
        header = msgspec.structs.replace(self._header, bar=self._bar)
        return CycleResult(
            plan=make_plan(self._drafts, header, self._inputs.rules),
            records=tuple(self._records),
            states=tuple(self._states),
            cancels=tuple(self._cancels),
            deferred=tuple(self._deferred),
            book=self._book,
        )

    def visit(self, due: DueSleeve) -> None:
        """Give one sleeve its verdict; none if its newest bar has one already."""
        if not len(due.bars):
            return
        key = due.key
        previous = self._inputs.runs.get((due.sleeve, key.timeframe.value))
        if previous is not None and previous.last_bar_start_s >= key.start_s:
            return
        self._bar = self._bar or key
        reason = why_not_evaluated(due, key, self._inputs.now_ns)
        if reason is not None:
            self._pass_over(due, key, previous, Outcome.NOT_EVALUATED, reason)
            return
        features = self._features_of(due)
        woken_by = _woken_by(due, features, previous)
        if woken_by is None:
            self._pass_over(due, key, previous, Outcome.HELD, NotEvaluated.NOT_WOKEN)
            return
        view = _view(due, key, features, self._book, woken_by)
        self._decide(due, view, previous)

    def _features_of(self, due: DueSleeve) -> Features:
        """Once for all strategies of one kind and parameters on one pair."""
        cache_key = (due.strategy.hash, due.bars.pair, due.bars.timeframe.value)
        features = self._features.get(cache_key)
        if features is None:
            features = due.strategy.rules.features(due.bars)
            self._features[cache_key] = features
        return features

    def _pass_over(
        self,
        due: DueSleeve,
        key: BarKey,
        previous: DecisionRecord | None,
        outcome: Outcome,
        reason: NotEvaluated,
    ) -> None:
        record = self._record(due, key, outcome)
        record = msgspec.structs.replace(record, not_evaluated=reason)
        self._records.append(joined(previous, record))
        self._states.append(msgspec.structs.replace(due.state, last_bar_start_s=key.start_s))

    def _decide(self, due: DueSleeve, view: View, previous: DecisionRecord | None) -> None:
        decision = due.strategy.rules.decide(view, due.state.state)
        in_the_way = _in_the_way(due, decision.intent)
        if in_the_way:
            self._give_way(due, view, decision, in_the_way, previous)
            return
        answer = self._answer(due, view, decision.intent)
        outcome = Outcome.HELD if answer is None else OUTCOMES[answer.verdict]
        record = msgspec.structs.replace(
            self._record(due, view.key, outcome),
            woken_by=view.woken_by,
            intent=decision.intent,
            conditions=decision.conditions,
            checks=() if answer is None else answer.checks,
            plan_id=self._take(due, answer),
        )
        self._records.append(joined(previous, record))
        self._states.append(_next_state(due, view, decision, answer))

    def _give_way(
        self,
        due: DueSleeve,
        view: View,
        decision: Decision,
        in_the_way: list[Order],
        previous: DecisionRecord | None,
    ) -> None:
        """Not yet; or not at this bar: without another round, or beside a stop or a flatten."""
        is_protected = any(order.request.kind is LegKind.PROTECTIVE for order in in_the_way)
        if self._inputs.may_defer and not is_protected:
            self._cancels += [order.request.client_order_id for order in in_the_way]
            self._deferred.append(due.sleeve)
            return
        record = msgspec.structs.replace(
            self._record(due, view.key, Outcome.NOT_EVALUATED),
            not_evaluated=NotEvaluated.ORDER_IN_THE_WAY,
            woken_by=view.woken_by,
            intent=decision.intent,
            conditions=decision.conditions,
        )
        self._records.append(joined(previous, record))
        self._states.append(msgspec.structs.replace(due.state, last_bar_start_s=view.key.start_s))

    def _answer(self, due: DueSleeve, view: View, intent: Intent | None) -> RiskDecision | None:
        """Risk's word; None where there is nothing to ask, or an order is on its way."""
        if intent is None or _is_under_way(due, intent):
            return None
        context = _context(due, view, intent, self._inputs)
        return assess(intent, self._book, self._inputs.limits, due.pair, context)

    def _take(self, due: DueSleeve, answer: RiskDecision | None) -> PlanId | None:
        """Put an approved step into the plan and its headroom out of the book."""
        if answer is None or answer.action is None:
            return None
        self._drafts.append(
            Draft(
                index=due.index,
                action=answer.action,
                pair=due.pair,
                quote=due.quote,
                order_type=self._inputs.rules.order_type,
            )
        )
        if answer.reservation is not None:
            self._book = self._book.reserve(answer.reservation, due.pair)
        return self._header.plan_id

    def _record(self, due: DueSleeve, key: BarKey, outcome: Outcome) -> DecisionRecord:
        return DecisionRecord(
            decision_id=decision_id(due.sleeve, key),
            sleeve=due.sleeve,
            bar=key,
            last_bar_start_s=key.start_s,
            count=1,
            outcome=outcome,
            strategy_hash=due.strategy.hash,
            trace_id=self._inputs.trace_id,
            decided_at_ns=self._inputs.now_ns,
        )


# before deciding


def why_not_evaluated(due: DueSleeve, key: BarKey, now_ns: int) -> NotEvaluated | None:
    """The first reason not to decide on that bar, or None."""
    if due.skip is not None:
        return due.skip
    if not due.is_enabled:
        return NotEvaluated.DISABLED
    if len(due.bars) < due.strategy.warm_up_bars:
        return NotEvaluated.WARMING_UP
    # A bar is decided on until the next one should have closed.
    if now_ns >= key.start_s * NS_PER_SECOND + 2 * key.timeframe.ns:
        return NotEvaluated.EXPIRED
    if due.quote is None or not due.base_rate:
        return NotEvaluated.STALE
    return None


def _woken_by(due: DueSleeve, features: Features, previous: DecisionRecord | None) -> str | None:
    """Why to ask the strategy at this bar, or None. What was missed before is made up for."""
    if due.woken_by != "bar":
        return due.woken_by
    if previous is None or previous.outcome is Outcome.NOT_EVALUATED:
        return "restart"
    if previous.strategy_hash != due.strategy.hash:
        return "parameters"
    if due.state.is_unmet:
        return "unmet"
    return "bar" if due.strategy.wakes_at_last(features, len(due.bars)) else None


def _view(due: DueSleeve, key: BarKey, features: Features, book: RiskBook, woken_by: str) -> View:
    return View(
        strategy_id=due.strategy.strategy_id,
        pair=due.pair,
        key=key,
        bar=due.bars.bar(-1),
        features={name: int(column[-1]) for name, column in features.items()},
        position=due.position,
        exposure=book.exposure(due.sleeve),
        stop_price=due.state.stop_price,
        now_ns=key.start_s * NS_PER_SECOND + key.timeframe.ns,
        woken_by=woken_by,
    )


# orders that rest, or may still be sent


def _wanted_side(intent: Intent) -> Side | None:
    """What an order for this wish would do; None if it wants none."""
    if intent.type in (IntentType.ENTER, IntentType.INCREASE):
        return Side.BUY
    return None if intent.type is IntentType.HOLD else Side.SELL


def _in_the_way(due: DueSleeve, intent: Intent | None) -> list[Order]:
    """Orders that work against the wish; one that may not even exist holds up no exit."""
    if intent is None:
        return []
    side = _wanted_side(intent)
    if side is None and intent.direction is Direction.LONG:
        return []
    unwanted = Side.SELL if side is Side.BUY else Side.BUY
    return [
        order
        for order in due.resting
        if order.request.side is unwanted and order.journal is not Journal.UNKNOWN
    ]


def _is_under_way(due: DueSleeve, intent: Intent) -> bool:
    """Whether an order works towards the wish already.

    A sale in doubt counts: another beside it could sell twice. A purchase in doubt is risk's to
    name, which refuses a second one on that pair.
    """
    side = _wanted_side(intent)
    return any(
        order.request.side is side and (order.journal is not Journal.UNKNOWN or side is Side.SELL)
        for order in due.resting
    )


# asking risk, and afterwards


def _context(due: DueSleeve, view: View, intent: Intent, inputs: CycleInputs) -> RiskContext:
    quote, rate = due.quote, due.base_rate
    assert quote is not None
    assert rate is not None
    mid = quote.mid
    has_stop = intent.stop_price is not None or due.state.stop_price is not None
    return RiskContext(
        decision_id=decision_id(due.sleeve, view.key),
        position_base=due.position.quantity_base,
        price=mid,
        worst_price=buy_limit(mid, due.pair, inputs.rules),
        base_rate=rate,
        volatility=None if has_stop else volatility(due.bars, inputs.limits),
        volume_24h=quote.volume_24h_base * quote.last * rate,
        stop_price=due.state.stop_price,
    )


def window_bars(strategy: Strategy, limits: Limits) -> int:
    """How many of the newest bars a cycle needs of a sleeve: to warm up, and to size by volatility.

    More change no feature, and cost a little time.
    """
    return max(strategy.warm_up_bars, limits.volatility_lookback_bars + 1)


def volatility(bars: Bars, limits: Limits) -> Decimal | None:
    """Average true range in quote over ``volatility_lookback_bars``; None without enough bars."""
    hundredths = latest_true_range(bars, limits.volatility_lookback_bars)
    return None if hundredths is None else price_of_hundredths(hundredths, bars.tick_size)


def _next_state(
    due: DueSleeve, view: View, decision: Decision, answer: RiskDecision | None
) -> SleeveState:
    return msgspec.structs.replace(
        due.state,
        state=decision.state,
        stop_price=_next_stop(due, decision.intent, answer),
        is_unmet=_is_unmet(decision.intent, answer),
        last_bar_start_s=view.key.start_s,
    )


def _next_stop(
    due: DueSleeve, intent: Intent | None, answer: RiskDecision | None
) -> Decimal | None:
    """The stop moves with an approved step or a hold that names one, and goes with the position."""
    is_taken = answer is not None and answer.verdict is not Verdict.REFUSED
    if intent is not None and intent.stop_price is not None and is_taken:
        return intent.stop_price
    has_any = due.position.quantity_base > 0 or bool(due.resting)
    return due.state.stop_price if has_any else None


def _is_unmet(intent: Intent | None, answer: RiskDecision | None) -> bool:
    """Whether to ask again at the next bar: until a look finds nothing left to do.

    Dust that the venue would not take is not asked for again and again.
    """
    if answer is None:
        return intent is not None and intent.type is not IntentType.HOLD
    if answer.verdict is Verdict.NO_CHANGE:
        return False
    is_sale = intent is not None and _wanted_side(intent) is Side.SELL
    return not (is_sale and answer.violated == (LimitName.VENUE_MINIMUM,))
