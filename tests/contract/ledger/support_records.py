"""Records for tests of the ledger: plausible wholes, of which a test replaces what it is about."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec

from krakked.domain.bars import BarKey, Timeframe
from krakked.domain.decisions import DecisionRecord, Outcome
from krakked.domain.events import Event, EventName
from krakked.domain.fills import CashFlow, CashFlowKind, Fill, Liquidity, OpeningLot, VenueTrade
from krakked.domain.ids import (
    AccountFingerprint,
    Asset,
    ClientOrderId,
    LedgerId,
    PairName,
    PlanId,
    StrategyId,
    TradeId,
    VenueOrderId,
)
from krakked.domain.intents import Condition, Direction, Intent, IntentType
from krakked.domain.orders import (
    Journal,
    LegKind,
    Order,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from krakked.domain.plans import ActionType, ApprovedAction, ExecutionPlan, PlanLeg
from krakked.domain.positions import Position, Sleeve, apply
from krakked.domain.risk import LimitCheck, LimitName
from krakked.ports.ledger import Identity, Transaction

R = TypeVar("R", bound=msgspec.Struct)

HOUR_S = 3_600
NOON_NS = 1_700_000_000_000_000_000
XBTUSD = PairName("XBTUSD")
XBT, USD = Asset("XBT"), Asset("USD")
SLEEVE = Sleeve(StrategyId("trend"), XBTUSD)
PLAN = PlanId("000001-aaaaaaaaaa")
ORDER = ClientOrderId("aabbccdd-0000-0000-0000-000000000001")
IDENTITY = Identity(
    environment="dev",
    venue="simulator",
    account=AccountFingerprint("aabbccdd"),
    base_currency=USD,
)


class FixedClock:
    """A clock that stands where a test put it."""

    def __init__(self) -> None:
        self.at_ns = NOON_NS

    def now_ns(self) -> int:
        return self.at_ns

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


def changed(record: R, **changes: object) -> R:
    return msgspec.structs.replace(record, **changes)


def request(**changes: object) -> OrderRequest:
    return changed(
        OrderRequest(
            client_order_id=ORDER,
            plan_id=PLAN,
            leg=0,
            revision=0,
            strategy_id=SLEEVE.strategy_id,
            pair=XBTUSD,
            kind=LegKind.ENTRY,
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity_base=Decimal("0.01000000"),
            limit_price=Decimal("37000.1"),
            time_in_force=TimeInForce.GTD,
            expire_at_ns=NOON_NS + 1,
            post_only=True,
        ),
        **changes,
    )


def order(number: int = 1, **changes: object) -> Order:
    client_order_id = ClientOrderId(f"aabbccdd-0000-0000-0000-{number:012d}")
    asked = request(client_order_id=client_order_id, leg=number - 1)
    return changed(Order(request=asked, journal=Journal.PENDING, created_at_ns=NOON_NS), **changes)


def plan(number: int = 1, **changes: object) -> ExecutionPlan:
    action = ApprovedAction(  # type: ignore[call-arg]  # risk has its own tests
        sleeve=SLEEVE,
        type=ActionType.OPEN,
        kind=LegKind.ENTRY,
        current_base=Decimal(0),
        target_base=Decimal("0.01"),
        target_notional_base_currency=Decimal("370.001"),
        stop_price=Decimal("35000.0"),
        decision_id="trend/XBTUSD/1h/1700000000",
    )
    return changed(
        ExecutionPlan(
            plan_id=PLAN if number == 1 else PlanId(f"{number:06d}-aaaaaaaaaa"),
            parent_id=None,
            sequence=number,
            bar=BarKey(XBTUSD, Timeframe.H1, 1_699_999_200),
            cause="cycle",
            principal="engine",
            created_at_ns=NOON_NS,
            expires_at_ns=NOON_NS + 60,
            legs=(PlanLeg(action=action, request=request()),),
            trace_id="t1",
        ),
        **changes,
    )


def trade(number: int = 1, **changes: object) -> VenueTrade:
    return changed(
        VenueTrade(
            trade_id=TradeId(f"T{number:05d}"),
            venue_order_id=VenueOrderId("O00001"),
            pair=XBTUSD,
            side=Side.BUY,
            price=Decimal("37000.1"),
            quantity_base=Decimal("0.01000000"),
            cost_quote=Decimal("370.00100"),
            fee_amount=Decimal("0.96200"),
            fee_asset=USD,
            liquidity=Liquidity.TAKER,
            at_ns=NOON_NS + number,
        ),
        **changes,
    )


class Booker:
    """Books trades as the engine does: the position is the domain's, kept from fill to fill."""

    def __init__(self) -> None:
        self.positions: dict[Sleeve, Position] = {}

    def book(self, transaction: Transaction, executed: VenueTrade, *, base: Asset = XBT) -> bool:
        before = self.positions.get(SLEEVE, Position(sleeve=SLEEVE))
        in_base = executed.fee_amount if executed.fee_asset == base else Decimal(0)
        fee_quote = in_base * executed.price if in_base else executed.fee_amount
        after, realized = apply(before, executed, fee_quote=fee_quote, fee_in_base=in_base)
        fill = Fill(
            trade=executed,
            strategy_id=SLEEVE.strategy_id,
            client_order_id=ORDER,
            fee_quote=fee_quote,
            realized_quote=realized,
        )
        is_new = transaction.insert_fill(fill, position=after, base=base, quote=USD)
        if is_new:
            self.positions[SLEEVE] = after
        return is_new


def flow(number: int = 1, **changes: object) -> CashFlow:
    return changed(
        CashFlow(
            ledger_id=LedgerId(f"L{number:05d}"),
            kind=CashFlowKind.DEPOSIT,
            asset=USD,
            amount=Decimal("10000.0000"),
            fee=Decimal(0),
            at_ns=NOON_NS,
            value_base=Decimal("10000.0000"),
        ),
        **changes,
    )


def lot(**changes: object) -> OpeningLot:
    base = OpeningLot(asset=XBT, quantity=Decimal("1.5"), cost_base=Decimal(45000), at_ns=NOON_NS)
    return changed(base, **changes)


def decision(bar: int = 0, *, last: int | None = None, **changes: object) -> DecisionRecord:
    """A hold on the bar of that number, or a run up to the bar ``last``."""
    start_s = 1_699_999_200 + bar * HOUR_S
    end = bar if last is None else last
    return changed(
        DecisionRecord(
            decision_id=f"trend/XBTUSD/1h/{start_s}",
            sleeve=SLEEVE,
            bar=BarKey(XBTUSD, Timeframe.H1, start_s),
            last_bar_start_s=1_699_999_200 + end * HOUR_S,
            count=end - bar + 1,
            outcome=Outcome.HELD,
            conditions=(Condition("fast_above_slow", Decimal("-1.25"), ">", Decimal(0)),),
            decided_at_ns=NOON_NS + end,
        ),
        **changes,
    )


def refusal(bar: int = 0) -> DecisionRecord:
    base = decision(bar)
    intent = Intent(
        sleeve=SLEEVE,
        direction=Direction.LONG,
        type=IntentType.ENTER,
        target_exposure=Decimal("0.05"),
        stop_price=Decimal(35000),
        reason="cross",
        bar=base.bar,
        generated_at_ns=NOON_NS,
    )
    check = LimitCheck(
        limit=LimitName.FREE_CASH,
        wanted=Decimal("500.10"),
        had=Decimal(0),
        allowed=Decimal(20),
        unit="USD",
        passed=False,
    )
    return changed(base, outcome=Outcome.REFUSED, intent=intent, checks=(check,), plan_id=PLAN)


def event(number: int = 1, **fields: object) -> Event:
    return Event(name=EventName.FILL_BOOKED, at_ns=NOON_NS + number, fields=fields)
