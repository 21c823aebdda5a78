"""Legs and exits: every detail of an order, and closing positions outside a cycle."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.ids import AccountFingerprint, Asset, PairName, StrategyId
from krakked.domain.limits import LimitName, Limits
from krakked.domain.orders import LegKind, OrderRequest, OrderType, Side, TimeInForce
from krakked.domain.pairs import Pair, PairStatus
from krakked.domain.plans import ActionType, ExecutionPlan
from krakked.domain.positions import Position, Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.risk import Verdict
from krakked.domain.risk_book import Blocks, RiskBook
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.exits import ExitInputs, ExitResult, ExitSleeve, exit_plan
from krakked.trading.legs import buy_limit, sell_limit
from krakked.trading.rules import ExecutionRules

USD = Asset("USD")
NOW_NS = 1_600_000_000 * NS_PER_SECOND
BLOCKED = Blocks(kill_switch=True, halted=True, drift=True, feed_stale=True)


@pytest.fixture
def quote(pair: Pair) -> Quote:
    return Quote(
        pair=pair.name,
        bid=Decimal("99.9"),
        ask=Decimal("100.1"),
        last=Decimal(100),
        volume_24h_base=Decimal(0),
        at_ns=NOW_NS,
    )


def held(pair: Pair, quantity: str = "2", *, owner: str = "trend", **changes: object) -> ExitSleeve:
    sleeve = Sleeve(StrategyId(owner), pair.name)
    plain = ExitSleeve(
        index=0,
        pair=pair,
        position=Position(sleeve=sleeve, quantity_base=Decimal(quantity)),
        base_rate=Decimal(1),
    )
    return msgspec.structs.replace(plain, **changes)


def close(*sleeves: ExitSleeve, **changes: object) -> ExitResult:
    plain = ExitInputs(
        epoch=1,
        account=AccountFingerprint("0a1b2c3d"),
        sequence=3,
        parent_id=None,
        now_ns=NOW_NS,
        rules=ExecutionRules(max_slippage_bps=100),
        sleeves=sleeves,
        book=RiskBook(base_currency=USD, equity=Decimal(100), free_cash={}, blocks=BLOCKED),
        limits=Limits(),
        cause="stop",
    )
    return exit_plan(msgspec.structs.replace(plain, **changes))


def the_plan(result: ExitResult) -> ExecutionPlan:
    assert result.plan is not None
    return result.plan


def the_request(result: ExitResult) -> OrderRequest:
    (leg,) = the_plan(result).legs
    return leg.request


# exits


def test_stop_sells_the_whole_position_at_the_market_whatever_blocks(pair: Pair) -> None:
    request = the_request(close(held(pair)))
    assert (request.side, request.type) == (Side.SELL, OrderType.MARKET)
    assert request.kind is LegKind.PROTECTIVE
    assert request.quantity_base == 2
    assert request.limit_price is None
    assert request.expire_at_ns is None


def test_flatten_makes_protective_legs_in_a_persons_name(pair: Pair) -> None:
    plan = the_plan(close(held(pair), cause="flatten", principal="anna"))
    (leg,) = plan.legs
    assert (leg.request.kind, leg.action.type) == (LegKind.PROTECTIVE, ActionType.CLOSE)
    assert (plan.cause, plan.principal, plan.bar) == ("flatten", "anna", None)
    assert leg.action.decision_id == f"trend/{pair.name}/flatten/{NOW_NS}"


def test_exits_are_numbered_by_sleeve_index(pair: Pair) -> None:
    late, early = held(pair, owner="late", index=2), held(pair, owner="early", index=1)
    plan = the_plan(close(late, early))
    assert [leg.request.strategy_id for leg in plan.legs] == ["early", "late"]
    assert close(late, early) == close(early, late)


def test_exit_of_dust_is_refused_as_data_and_the_others_go_on(pair: Pair) -> None:
    dust = held(pair, "0.00001", owner="dust")
    result = close(dust, held(pair, owner="real", index=1))
    answers = {sleeve.strategy_id: answer for sleeve, answer in result.answers}
    assert answers[StrategyId("dust")].violated == (LimitName.VENUE_MINIMUM,)
    assert answers[StrategyId("real")].verdict is Verdict.APPROVED
    assert the_request(result).strategy_id == "real"


def test_exit_of_flat_sleeves_makes_no_plan(pair: Pair) -> None:
    result = close(held(pair, "0"))
    assert result.plan is None
    assert result.answers[0][1].verdict is Verdict.NO_CHANGE


def test_exit_by_limit_stands_at_the_slippage_cap(pair: Pair, quote: Quote) -> None:
    request = the_request(close(held(pair, quote=quote), order_type=OrderType.LIMIT))
    assert (request.type, request.limit_price) == (OrderType.LIMIT, Decimal(99))


@pytest.mark.parametrize("status", [PairStatus.LIMIT_ONLY, PairStatus.POST_ONLY])
def test_exit_on_a_pair_that_takes_limits_only_is_a_limit_order(
    status: PairStatus, pair: Pair, quote: Quote
) -> None:
    narrow = msgspec.structs.replace(pair, status=status)
    request = the_request(close(held(narrow, quote=quote)))
    assert request.type is OrderType.LIMIT
    assert request.post_only is (status is PairStatus.POST_ONLY)


def test_exit_that_needs_a_price_and_has_none_is_refused_as_stale(pair: Pair) -> None:
    narrow = msgspec.structs.replace(pair, status=PairStatus.LIMIT_ONLY)
    result = close(held(narrow))
    assert result.plan is None
    assert result.answers[0][1].violated == (LimitName.STALE,)


def test_exit_on_a_pair_that_takes_no_orders_is_refused(pair: Pair) -> None:
    shut = msgspec.structs.replace(pair, status=PairStatus.CANCEL_ONLY)
    assert close(held(shut)).answers[0][1].violated == (LimitName.PAIR_STATUS,)


def test_protective_leg_is_not_post_only_by_setting(pair: Pair, quote: Quote) -> None:
    rules = ExecutionRules(post_only=True)
    sleeve = held(pair, quote=quote)
    for cause in ("stop", "flatten"):
        request = the_request(close(sleeve, rules=rules, order_type=OrderType.LIMIT, cause=cause))
        assert not request.post_only


# the life of an order


def lifetime(pair: Pair, quote: Quote, rules: ExecutionRules) -> tuple[TimeInForce, int | None]:
    request = the_request(close(held(pair, quote=quote), rules=rules, order_type=OrderType.LIMIT))
    return request.time_in_force, request.expire_at_ns


def test_limit_order_ends_by_itself_in_whole_seconds_never_early(pair: Pair, quote: Quote) -> None:
    rules = ExecutionRules(order_ttl_s=0.5)
    assert lifetime(pair, quote, rules) == (TimeInForce.GTD, NOW_NS + NS_PER_SECOND)


def test_limit_order_without_a_ttl_rests(pair: Pair, quote: Quote) -> None:
    assert lifetime(pair, quote, ExecutionRules(order_ttl_s=0)) == (TimeInForce.GTC, None)


def test_immediate_order_has_no_end_of_its_own(pair: Pair, quote: Quote) -> None:
    rules = ExecutionRules(time_in_force=TimeInForce.IOC)
    assert lifetime(pair, quote, rules) == (TimeInForce.IOC, None)


@pytest.mark.parametrize(
    ("order_ttl_s", "expected"),
    [
        (900, (TimeInForce.GTD, NOW_NS + 900 * NS_PER_SECOND)),
        (0, (TimeInForce.GTC, None)),
    ],
)
def test_post_only_order_cannot_be_immediate_and_ends_as_resting_ones_do(
    order_ttl_s: float, expected: tuple[TimeInForce, int | None], pair: Pair, quote: Quote
) -> None:
    shut = msgspec.structs.replace(pair, status=PairStatus.POST_ONLY)
    rules = ExecutionRules(time_in_force=TimeInForce.IOC, order_ttl_s=order_ttl_s)
    assert lifetime(shut, quote, rules) == expected


# prices


def test_post_only_sale_never_crosses_the_book(pair: Pair, quote: Quote) -> None:
    takes_no_other = msgspec.structs.replace(pair, status=PairStatus.POST_ONLY)
    request = the_request(
        close(
            held(takes_no_other, quote=quote),
            rules=ExecutionRules(max_slippage_bps=100),
            order_type=OrderType.LIMIT,
        )
    )
    assert request.limit_price == quote.ask


prices = st.decimals(Decimal("0.5"), Decimal(100_000), places=2)
ticks = st.sampled_from([Decimal("0.1"), Decimal("0.01"), Decimal("0.5"), Decimal("0.25")])


@given(prices, ticks, st.integers(0, 1000))
def test_limit_prices_are_on_the_tick_and_never_beyond_the_cap(
    mid: Decimal, tick: Decimal, slippage_bps: int
) -> None:
    rules = ExecutionRules(max_slippage_bps=slippage_bps)
    pair = Pair(
        name=PairName("XBTUSD"),
        base=Asset("XBT"),
        quote=USD,
        tick_size=tick,
        quantity_decimals=8,
        cost_decimals=5,
        quantity_min=Decimal("0.0001"),
        cost_min=Decimal("0.5"),
    )
    buy, sell = buy_limit(mid, pair, rules), sell_limit(mid, pair, rules)
    cap = mid * slippage_bps / 10_000
    assert buy % tick == 0
    assert sell % tick == 0
    assert mid + cap - tick < buy <= mid + cap
    assert mid - cap <= sell < mid - cap + tick
