"""Risk, limit by limit: what it approves, cuts, refuses, and that it names all it met."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

import krakked.domain.plans as plans_module
from krakked.domain.ids import Asset, PairName, StrategyId
from krakked.domain.intents import Direction, Intent, IntentType
from krakked.domain.limits import LimitCheck, LimitName, Limits
from krakked.domain.orders import LegKind
from krakked.domain.pairs import Pair, PairStatus
from krakked.domain.plans import ActionType, ApprovedAction
from krakked.domain.positions import Sleeve
from krakked.domain.risk import RiskDecision, Verdict, assess, refuse_without_price
from krakked.domain.risk_book import Blocks, RiskBook
from krakked.domain.risk_rules import RiskContext

USD, XBT = Asset("USD"), Asset("XBT")
TREND = Sleeve(StrategyId("trend"), PairName("XBTUSD"))
OTHER = Sleeve(StrategyId("other"), PairName("XBTUSD"))
ETH = Sleeve(StrategyId("trend"), PairName("ETHUSD"))
PAIR = Pair(
    name=PairName("XBTUSD"),
    base=XBT,
    quote=USD,
    tick_size=Decimal("0.1"),
    quantity_decimals=8,
    cost_decimals=5,
    quantity_min=Decimal("0.0001"),
    cost_min=Decimal("0.5"),
    fee_taker_pct=Decimal("0.25"),
)
BOOK = RiskBook(base_currency=USD, equity=Decimal(10_000), free_cash={USD: Decimal(10_000)})
LIMITS = Limits(max_per_asset_pct=Decimal(50), max_risk_per_trade_pct=Decimal(5))
ADDING_BLOCKS = {
    LimitName.KILL_SWITCH: Blocks(kill_switch=True),
    LimitName.HALTED: Blocks(halted=True),
    LimitName.DRIFT: Blocks(drift=True),
    LimitName.STALE: Blocks(stale_pairs=frozenset({PAIR.name})),
    LimitName.UNKNOWN_ORDER: Blocks(unknown_pairs=frozenset({PAIR.name})),
    LimitName.MAX_DAILY_DRAWDOWN_PCT: Blocks(drawdown_pct=Decimal(10)),
}


def intent(
    kind: IntentType = IntentType.ENTER,
    *,
    target: str | None = "0.05",
    stop: str | None = "190",
    confidence: str = "1",
    sleeve: Sleeve = TREND,
) -> Intent:
    return Intent(
        sleeve=sleeve,
        direction=Direction.FLAT if kind is IntentType.EXIT else Direction.LONG,
        type=kind,
        target_exposure=None if target is None else Decimal(target),
        stop_price=None if stop is None else Decimal(stop),
        confidence=Decimal(confidence),
        bar=None,
        generated_at_ns=0,
    )


def context(**changes: object) -> RiskContext:
    """Nothing held, 200 USD a unit at a worst of 200, liquid."""
    plain = RiskContext(
        decision_id="d",
        position_base=Decimal(0),
        price=Decimal(200),
        volume_24h=Decimal(1_000_000),
    )
    return msgspec.structs.replace(plain, **changes)


def book(**changes: object) -> RiskBook:
    return msgspec.structs.replace(BOOK, **changes)


def limits(**changes: object) -> Limits:
    return msgspec.structs.replace(LIMITS, **changes)


def ask(
    wish: Intent,
    *,
    on: RiskBook = BOOK,
    within: Limits = LIMITS,
    pair: Pair = PAIR,
    at: RiskContext | None = None,
) -> RiskDecision:
    return assess(wish, on, within, pair, at or context())


def bought(answer: RiskDecision) -> Decimal:
    return Decimal(0) if answer.action is None else answer.action.change_base


def check_of(answer: RiskDecision, limit: LimitName) -> LimitCheck:
    (check,) = [check for check in answer.checks if check.limit is limit]
    return check


# sizes


def test_entry_by_share_of_equity_buys_that_share_at_the_mid() -> None:
    answer = ask(intent(target="0.05"), at=context(worst_price=Decimal(201)))
    assert answer.verdict is Verdict.APPROVED
    assert answer.action is not None
    assert answer.action.target_base == Decimal("2.5")
    assert answer.action.target_notional_base_currency == Decimal(500)
    assert answer.action.type is ActionType.OPEN
    assert answer.action.kind is LegKind.ENTRY
    assert answer.action.stop_price == Decimal(190)
    assert answer.action.decision_id == "d"
    assert answer.violated == ()


def test_entry_sized_by_the_stop_loses_the_allowed_risk_when_it_is_hit() -> None:
    answer = ask(intent(target=None, stop="190"), within=limits(max_risk_per_trade_pct=Decimal(1)))
    assert bought(answer) == Decimal(10)  # 10 units lose 10 USD each: 1 % of 10,000


def test_entry_sized_by_the_stop_counts_the_worst_price() -> None:
    answer = ask(
        intent(target=None, stop="190"),
        within=limits(max_risk_per_trade_pct=Decimal(1)),
        at=context(worst_price=Decimal("202.5")),
    )
    assert bought(answer) == Decimal(8)  # 12.5 USD each


def test_entry_sized_by_the_stop_is_scaled_by_confidence() -> None:
    answer = ask(
        intent(target=None, stop="190", confidence="0.3"),
        within=limits(max_risk_per_trade_pct=Decimal(1)),
    )
    assert bought(answer) == Decimal(3)


def test_entry_without_a_stop_is_sized_by_three_true_ranges() -> None:
    answer = ask(
        intent(target=None, stop=None),
        within=limits(max_risk_per_trade_pct=Decimal(1)),
        at=context(volatility=Decimal(5)),
    )
    assert bought(answer) == Decimal("6.66666666")


def test_entry_without_stop_and_volatility_takes_all_of_it_for_at_risk() -> None:
    answer = ask(intent(target=None, stop=None), within=limits(max_risk_per_trade_pct=Decimal(1)))
    assert bought(answer) == Decimal("0.5")


def test_size_is_rounded_down_to_lots() -> None:
    answer = ask(intent(target="0.05"), at=context(price=Decimal("299.99")))
    assert bought(answer) == Decimal("1.66672222")


def test_size_of_a_pair_quoted_in_another_asset_is_converted() -> None:
    pair = msgspec.structs.replace(PAIR, quote=Asset("EUR"))
    answer = ask(
        intent(target="0.05"),
        pair=pair,
        on=book(free_cash={Asset("EUR"): Decimal(1_000)}),
        at=context(base_rate=Decimal("1.25")),
    )
    assert bought(answer) == Decimal(2)  # 500 USD are 400 EUR
    assert check_of(answer, LimitName.FREE_CASH).unit == "EUR"


def test_increase_buys_only_what_is_missing() -> None:
    answer = ask(intent(IntentType.INCREASE), at=context(position_base=Decimal(1)))
    assert answer.action is not None
    assert answer.action.current_base == Decimal(1)
    assert answer.action.target_base == Decimal("2.5")
    assert answer.action.type is ActionType.INCREASE


def test_increase_beyond_the_target_already_changes_nothing() -> None:
    answer = ask(intent(IntentType.INCREASE), at=context(position_base=Decimal(3)))
    assert answer.verdict is Verdict.NO_CHANGE
    assert answer.action is None


def test_wish_that_is_met_already_changes_nothing_whatever_blocks() -> None:
    blocked = book(blocks=Blocks(kill_switch=True))
    answer = ask(intent(IntentType.INCREASE), on=blocked, at=context(position_base=Decimal(3)))
    assert answer.verdict is Verdict.NO_CHANGE


def test_wish_that_is_met_already_with_a_stop_above_the_price_is_refused() -> None:
    at = context(position_base=Decimal(3))
    answer = ask(intent(IntentType.INCREASE, stop="201"), at=at)
    assert answer.verdict is Verdict.REFUSED


def test_increase_by_less_than_an_order_is_worth_changes_nothing() -> None:
    answer = ask(intent(IntentType.INCREASE), at=context(position_base=Decimal("2.41")))
    assert answer.verdict is Verdict.NO_CHANGE


def test_increase_of_the_smallest_position_by_too_little_changes_nothing() -> None:
    held = PAIR.quantity_min
    answer = ask(intent(IntentType.INCREASE, target="0.000002"), at=context(position_base=held))
    assert answer.verdict is Verdict.NO_CHANGE


def test_entry_over_dust_counts_as_opening() -> None:
    answer = ask(intent(), at=context(position_base=Decimal("0.00005")))
    assert answer.action is not None
    assert answer.action.type is ActionType.OPEN
    assert answer.action.target_base <= Decimal("2.5")


# each limit cuts


CUTS: Mapping[str, tuple[RiskBook, Limits, LimitName, Decimal]] = {
    "risk per trade": (
        BOOK,
        limits(max_risk_per_trade_pct=Decimal("0.1")),
        LimitName.MAX_RISK_PER_TRADE_PCT,
        Decimal(1),  # 10 USD of risk, 10 USD a unit
    ),
    "risk of the portfolio": (
        book(open_risk=Decimal(985)),
        LIMITS,
        LimitName.MAX_PORTFOLIO_RISK_PCT,
        Decimal("1.5"),
    ),
    "one asset over all sleeves": (
        book(value_by_asset={XBT: Decimal(4_800)}),
        LIMITS,
        LimitName.MAX_PER_ASSET_PCT,
        Decimal(1),
    ),
    "one asset held by hand": (
        book(manual_by_asset={XBT: Decimal(4_900)}),
        LIMITS,
        LimitName.MAX_PER_ASSET_PCT,
        Decimal("0.5"),
    ),
    "one strategy": (
        book(value_by_strategy={TREND.strategy_id: Decimal(600)}),
        limits(max_per_strategy_pct={"trend": Decimal(8)}),
        LimitName.MAX_PER_STRATEGY_PCT,
        Decimal(1),
    ),
    "cash with the fee": (
        book(free_cash={USD: Decimal(401)}),
        LIMITS,
        LimitName.FREE_CASH,
        Decimal(2),
    ),
}


@pytest.mark.parametrize("case", list(CUTS))
def test_entry_above_a_maximum_is_cut_to_what_is_left_of_it(case: str) -> None:
    on, within, limit, quantity = CUTS[case]
    answer = ask(intent(), on=on, within=within)
    assert answer.verdict is Verdict.CLAMPED
    assert answer.violated == (limit,)
    assert bought(answer) == quantity


def test_check_of_a_cut_tells_wanted_had_allowed_and_headroom() -> None:
    answer = ask(intent(), on=book(value_by_asset={XBT: Decimal(4_800)}))
    check = check_of(answer, LimitName.MAX_PER_ASSET_PCT)
    assert (check.wanted, check.had, check.allowed, check.unit) == (500, 4_800, 5_000, "USD")
    assert check.headroom == 200
    assert not check.passed


def test_asset_held_by_hand_is_left_out_where_it_is_not_included() -> None:
    answer = ask(
        intent(),
        on=book(manual_by_asset={XBT: Decimal(4_900)}),
        within=limits(include_manual_positions=False),
    )
    assert answer.verdict is Verdict.APPROVED


def test_limit_of_another_strategy_does_not_bind() -> None:
    answer = ask(intent(), within=limits(max_per_strategy_pct={"other": Decimal(0)}))
    assert answer.verdict is Verdict.APPROVED


def test_several_limits_in_the_way_are_all_named_and_the_tightest_wins() -> None:
    answer = ask(
        intent(),
        on=book(value_by_asset={XBT: Decimal(4_800)}, free_cash={USD: Decimal("100.25")}),
        within=limits(max_risk_per_trade_pct=Decimal("0.2")),
    )
    assert answer.verdict is Verdict.CLAMPED
    assert answer.violated == (
        LimitName.MAX_RISK_PER_TRADE_PCT,
        LimitName.MAX_PER_ASSET_PCT,
        LimitName.FREE_CASH,
    )
    assert bought(answer) == Decimal("0.5")


def test_maximum_that_is_broken_already_leaves_nothing() -> None:
    answer = ask(intent(), on=book(value_by_asset={XBT: Decimal(5_200)}))
    assert answer.verdict is Verdict.REFUSED
    assert answer.violated == (LimitName.MAX_PER_ASSET_PCT,)
    assert check_of(answer, LimitName.MAX_PER_ASSET_PCT).headroom == -200


def test_cut_below_the_smallest_order_is_refused_naming_both() -> None:
    answer = ask(intent(), on=book(value_by_asset={XBT: Decimal(4_990)}))
    assert answer.verdict is Verdict.REFUSED
    assert answer.violated == (LimitName.MAX_PER_ASSET_PCT, LimitName.MIN_ORDER_NOTIONAL_USD)


def test_increase_counts_the_risk_that_the_position_has_already() -> None:
    answer = ask(
        intent(IntentType.INCREASE),
        within=limits(max_risk_per_trade_pct=Decimal("0.2")),
        at=context(position_base=Decimal("1.5"), stop_price=Decimal(190)),
    )
    assert check_of(answer, LimitName.MAX_RISK_PER_TRADE_PCT).had == 15
    assert bought(answer) == Decimal("0.5")


def test_purchase_exactly_up_to_a_limit_is_approved_whole() -> None:
    answer = ask(intent(), on=book(value_by_asset={XBT: Decimal(4_500)}))
    assert answer.verdict is Verdict.APPROVED
    assert check_of(answer, LimitName.MAX_PER_ASSET_PCT).headroom == 500


# counts


def open_sleeves(*sleeves: Sleeve) -> dict[Sleeve, Decimal]:
    return {sleeve: Decimal(100) for sleeve in sleeves}


def test_entry_with_as_many_positions_as_allowed_is_refused() -> None:
    full = book(value_by_sleeve=open_sleeves(OTHER, ETH))
    answer = ask(intent(), on=full, within=limits(max_open_positions=2))
    assert answer.verdict is Verdict.REFUSED
    assert answer.violated == (LimitName.MAX_OPEN_POSITIONS,)
    check = check_of(answer, LimitName.MAX_OPEN_POSITIONS)
    assert (check.wanted, check.had, check.allowed, check.unit) == (1, 2, 2, "positions")


def test_increase_of_an_open_position_takes_no_place() -> None:
    full = book(value_by_sleeve=open_sleeves(OTHER, TREND))
    answer = ask(
        intent(IntentType.INCREASE),
        on=full,
        within=limits(max_open_positions=2),
        at=context(position_base=Decimal(1)),
    )
    assert answer.verdict is Verdict.APPROVED


def test_assets_held_by_hand_take_places_where_they_are_included() -> None:
    by_hand = book(manual_by_asset={Asset("ETH"): Decimal(50), Asset("SOL"): Decimal(50)})
    assert ask(intent(), on=by_hand, within=limits(max_open_positions=2)).action is None
    left_out = limits(max_open_positions=2, include_manual_positions=False)
    assert ask(intent(), on=by_hand, within=left_out).action is not None


def test_strategy_with_all_its_positions_open_is_refused_another() -> None:
    answer = ask(
        intent(),
        on=book(positions_by_strategy={TREND.strategy_id: 1}),
        within=limits(max_positions={"trend": 1}),
    )
    assert answer.violated == (LimitName.MAX_POSITIONS_PER_STRATEGY,)
    assert answer.verdict is Verdict.REFUSED


# facts that block adding


@pytest.mark.parametrize("limit", list(ADDING_BLOCKS), ids=lambda limit: limit.value)
def test_fact_that_blocks_refuses_to_add_and_is_named(limit: LimitName) -> None:
    answer = ask(intent(), on=book(blocks=ADDING_BLOCKS[limit]))
    assert answer.verdict is Verdict.REFUSED
    assert answer.violated == (limit,)


@pytest.mark.parametrize("limit", list(ADDING_BLOCKS), ids=lambda limit: limit.value)
def test_fact_that_blocks_adding_lets_a_position_be_sold(limit: LimitName) -> None:
    answer = ask(
        intent(IntentType.EXIT),
        on=book(blocks=ADDING_BLOCKS[limit]),
        at=context(position_base=Decimal(2)),
    )
    assert answer.verdict is Verdict.APPROVED
    assert bought(answer) == -2


def test_blocks_on_other_pairs_do_not_bind() -> None:
    others = frozenset({PairName("ETHUSD")})
    answer = ask(intent(), on=book(blocks=Blocks(stale_pairs=others, unknown_pairs=others)))
    assert answer.verdict is Verdict.APPROVED


def test_stale_feed_blocks_every_pair() -> None:
    answer = ask(intent(), on=book(blocks=Blocks(feed_stale=True)))
    assert answer.violated == (LimitName.STALE,)


@pytest.mark.parametrize("changes", [{"price": None}, {"base_rate": None}])
def test_entry_without_a_price_or_rate_is_refused_as_stale(changes: dict[str, object]) -> None:
    answer = ask(intent(), at=context(**changes))
    assert answer.verdict is Verdict.REFUSED
    assert answer.violated == (LimitName.STALE,)


def test_all_facts_at_once_are_all_named() -> None:
    blocks = Blocks(kill_switch=True, halted=True, drift=True, feed_stale=True)
    answer = ask(intent(), on=book(blocks=blocks), at=context(volume_24h=Decimal(1)))
    assert answer.violated == (
        LimitName.KILL_SWITCH,
        LimitName.HALTED,
        LimitName.DRIFT,
        LimitName.STALE,
        LimitName.MIN_LIQUIDITY_24H_USD,
    )


def test_drawdown_just_below_its_limit_lets_add() -> None:
    answer = ask(intent(), on=book(blocks=Blocks(drawdown_pct=Decimal("9.99"))))
    assert answer.verdict is Verdict.APPROVED


def test_thin_market_blocks_adding_and_tells_the_shortfall() -> None:
    answer = ask(intent(), at=context(volume_24h=Decimal(99_999)))
    assert answer.violated == (LimitName.MIN_LIQUIDITY_24H_USD,)
    assert check_of(answer, LimitName.MIN_LIQUIDITY_24H_USD).headroom == -1


@pytest.mark.parametrize("stop", ["200", "250"])
def test_stop_at_or_above_the_price_is_refused(stop: str) -> None:
    for target in ("0.05", None):
        answer = ask(intent(stop=stop, target=target))
        assert answer.verdict is Verdict.REFUSED
        assert LimitName.STOP_PRICE in answer.violated


@pytest.mark.parametrize("status", list(PairStatus), ids=lambda status: status.value)
def test_pair_status_decides_what_may_be_done(status: PairStatus) -> None:
    pair = msgspec.structs.replace(PAIR, status=status)
    adds = ask(intent(), pair=pair)
    sells = ask(intent(IntentType.EXIT), pair=pair, at=context(position_base=Decimal(1)))
    may_trade = status in (PairStatus.ONLINE, PairStatus.POST_ONLY, PairStatus.LIMIT_ONLY)
    assert (adds.action is not None) is may_trade
    assert (sells.action is not None) is (may_trade or status is PairStatus.REDUCE_ONLY)
    assert may_trade or adds.violated == (LimitName.PAIR_STATUS,)


# minima


def test_entry_below_the_venue_minimum_is_refused() -> None:
    pair = msgspec.structs.replace(PAIR, quantity_min=Decimal(3))
    answer = ask(intent(), pair=pair)
    assert answer.verdict is Verdict.REFUSED
    assert answer.violated == (LimitName.VENUE_MINIMUM,)


def test_entry_below_the_venue_minimum_cost_is_refused() -> None:
    pair = msgspec.structs.replace(PAIR, cost_min=Decimal(501))
    assert ask(intent(), pair=pair).violated == (LimitName.VENUE_MINIMUM,)


def test_entry_below_our_own_minimum_is_refused() -> None:
    answer = ask(intent(target="0.0019"))
    assert answer.violated == (LimitName.MIN_ORDER_NOTIONAL_USD,)
    check = check_of(answer, LimitName.MIN_ORDER_NOTIONAL_USD)
    assert (check.had, check.allowed, check.headroom) == (19, 20, -1)


def test_entry_of_nothing_is_refused_not_approved() -> None:
    assert ask(intent(target="0")).verdict is Verdict.REFUSED


def test_account_without_equity_buys_nothing() -> None:
    answer = ask(intent(), on=book(equity=Decimal(-5)))
    assert answer.verdict is Verdict.REFUSED


# reducing


def test_exit_sells_all_that_the_sleeve_holds() -> None:
    answer = ask(intent(IntentType.EXIT), at=context(position_base=Decimal("2.5")))
    assert answer.action is not None
    assert (answer.action.type, answer.action.kind) == (ActionType.CLOSE, LegKind.EXIT)
    assert (answer.action.change_base, answer.action.target_base) == (Decimal("-2.5"), 0)
    assert answer.reservation is None


def test_exit_leaves_what_no_lot_can_hold() -> None:
    answer = ask(intent(IntentType.EXIT), at=context(position_base=Decimal("2.000000005")))
    assert answer.action is not None
    assert answer.action.change_base == -2
    assert answer.action.type is ActionType.CLOSE


def test_smallest_position_that_the_venue_sells_is_a_position() -> None:
    smallest = PAIR.quantity_min
    more = ask(intent(IntentType.INCREASE), at=context(position_base=smallest))
    less = ask(intent(IntentType.REDUCE, target="0.000002"), at=context(position_base=Decimal(1)))
    assert more.action is not None
    assert more.action.type is ActionType.INCREASE
    assert less.action is not None
    assert less.action.target_base == smallest
    assert less.action.type is ActionType.REDUCE


def test_exit_of_nothing_changes_nothing() -> None:
    assert ask(intent(IntentType.EXIT)).verdict is Verdict.NO_CHANGE


def test_exit_of_dust_is_refused_by_the_venue_minimum() -> None:
    answer = ask(intent(IntentType.EXIT), at=context(position_base=Decimal("0.00009")))
    assert answer.verdict is Verdict.REFUSED
    assert answer.violated == (LimitName.VENUE_MINIMUM,)


def test_exit_without_a_price_is_approved() -> None:
    answer = ask(
        intent(IntentType.EXIT),
        at=context(position_base=Decimal(2), price=None, base_rate=None),
    )
    assert bought(answer) == -2


def test_exit_below_our_own_minimum_is_approved() -> None:
    answer = ask(intent(IntentType.EXIT), at=context(position_base=Decimal("0.01")))
    assert answer.verdict is Verdict.APPROVED


def test_exit_keeps_the_kind_that_it_is_given() -> None:
    at = context(position_base=Decimal(2), kind=LegKind.PROTECTIVE)
    answer = ask(intent(IntentType.EXIT), at=at)
    assert answer.action is not None
    assert answer.action.kind is LegKind.PROTECTIVE


def test_reduce_sells_down_to_the_share() -> None:
    answer = ask(intent(IntentType.REDUCE, target="0.02"), at=context(position_base=Decimal("2.5")))
    assert answer.action is not None
    assert answer.action.target_base == Decimal(1)
    assert answer.action.type is ActionType.REDUCE


def test_reduce_above_what_is_held_never_buys() -> None:
    answer = ask(intent(IntentType.REDUCE, target="0.2"), at=context(position_base=Decimal(1)))
    assert answer.verdict is Verdict.NO_CHANGE


def test_reduce_by_less_than_the_venue_takes_changes_nothing() -> None:
    at = context(position_base=Decimal("2.50005"))
    assert ask(intent(IntentType.REDUCE), at=at).verdict is Verdict.NO_CHANGE


def test_sale_without_a_price_that_needs_one_is_refused_as_stale() -> None:
    answer = refuse_without_price()
    assert (answer.verdict, answer.violated) == (Verdict.REFUSED, (LimitName.STALE,))


# keeping


def test_hold_changes_nothing_and_shows_the_headroom_of_every_limit() -> None:
    on = book(value_by_asset={XBT: Decimal(4_800)}, open_risk=Decimal(300))
    within = limits(max_per_strategy_pct={"trend": Decimal(9)}, max_positions={"trend": 3})
    answer = ask(intent(IntentType.HOLD), on=on, within=within)
    assert answer.verdict is Verdict.NO_CHANGE
    assert answer.violated == ()
    shown = {check.limit: check.headroom for check in answer.checks}
    assert shown[LimitName.MAX_PER_ASSET_PCT] == 200
    assert shown[LimitName.MAX_PORTFOLIO_RISK_PCT] == 700
    assert shown[LimitName.MAX_PER_STRATEGY_PCT] == 900
    assert shown[LimitName.FREE_CASH] == 10_000
    minima = {LimitName.STOP_PRICE, LimitName.VENUE_MINIMUM, LimitName.MIN_ORDER_NOTIONAL_USD}
    assert set(shown) == set(LimitName) - minima - {LimitName.ORDER_SIZE, LimitName.HELD_BY_ACCOUNT}


def test_hold_shows_a_block_that_a_wish_would_meet() -> None:
    answer = ask(intent(IntentType.HOLD), on=book(blocks=Blocks(kill_switch=True)))
    assert answer.verdict is Verdict.NO_CHANGE
    assert answer.violated == (LimitName.KILL_SWITCH,)


# coins that are worth next to nothing

SIZE_MAX = Decimal(2**63 - 1).scaleb(-8)


def cheap(price: str) -> RiskContext:
    return context(price=Decimal(price), volume_24h=Decimal(10) ** 9)


@pytest.mark.parametrize("price", ["0.000000001", "1E-15", "1E-18"])
def test_purchase_of_more_units_than_an_order_can_carry_is_cut_with_the_reason(price: str) -> None:
    wish = intent(target="0.05", stop=None)
    within = limits(max_risk_per_trade_pct=Decimal(100), max_portfolio_risk_pct=Decimal(100))
    pair = msgspec.structs.replace(PAIR, tick_size=Decimal("1E-18"), cost_min=Decimal(0))
    within = msgspec.structs.replace(within, min_order_notional_usd=Decimal(0))
    answer = ask(wish, within=within, pair=pair, at=cheap(price))
    assert answer.verdict is Verdict.CLAMPED
    assert bought(answer) == SIZE_MAX
    check = check_of(answer, LimitName.ORDER_SIZE)
    assert (check.allowed, check.unit, check.passed) == (SIZE_MAX, "XBT", False)
    assert check.wanted == Decimal(500) / Decimal(price)
    assert int(bought(answer).scaleb(8)) < 2**63


def test_purchase_whose_largest_order_is_not_worth_placing_is_refused_with_both_reasons() -> None:
    wish = intent(target="0.05", stop=None)
    within = limits(max_risk_per_trade_pct=Decimal(100), max_portfolio_risk_pct=Decimal(100))
    answer = ask(wish, within=within, at=cheap("1E-18"))
    assert answer.verdict is Verdict.REFUSED
    assert {LimitName.ORDER_SIZE, LimitName.MIN_ORDER_NOTIONAL_USD} <= set(answer.violated)


@pytest.mark.parametrize(
    ("over", "verdict"), [("0", Verdict.APPROVED), ("0.00000001", Verdict.CLAMPED)]
)
def test_sale_of_more_units_than_an_order_can_carry_sells_what_it_can(
    over: str, verdict: Verdict
) -> None:
    held = SIZE_MAX + Decimal(over)
    answer = ask(intent(IntentType.EXIT), at=context(position_base=held, price=Decimal("1E-8")))
    assert answer.verdict is verdict
    assert bought(answer) == -SIZE_MAX
    assert (LimitName.ORDER_SIZE in answer.violated) is (verdict is Verdict.CLAMPED)


# positions that say more than there is


@pytest.mark.parametrize(
    ("available", "sold", "verdict"),
    [
        ("1", "1", Verdict.APPROVED),
        ("2.5", "1", Verdict.APPROVED),
        ("0.99999999", "0.99999999", Verdict.CLAMPED),
        ("0.4000000019", "0.4", Verdict.CLAMPED),
    ],
)
def test_sale_of_more_than_the_account_has_sells_what_there_is_and_names_it(
    available: str, sold: str, verdict: Verdict
) -> None:
    at = context(position_base=Decimal(1), available_base=Decimal(available))
    answer = ask(intent(IntentType.EXIT), at=at)
    assert answer.verdict is verdict
    assert bought(answer) == -Decimal(sold)
    assert (LimitName.HELD_BY_ACCOUNT in answer.violated) is (verdict is Verdict.CLAMPED)


@pytest.mark.parametrize("available", ["0", "0.00000001"])
def test_sale_of_what_is_not_there_is_refused_with_what_is(available: str) -> None:
    at = context(position_base=Decimal(1), available_base=Decimal(available))
    answer = ask(intent(IntentType.EXIT), at=at)
    assert answer.verdict is Verdict.REFUSED
    assert {LimitName.HELD_BY_ACCOUNT, LimitName.VENUE_MINIMUM} <= set(answer.violated)
    check = check_of(answer, LimitName.HELD_BY_ACCOUNT)
    assert (check.wanted, check.allowed) == (1, Decimal(available))


def test_size_of_an_order_is_bounded_by_any_amount_there_can_be() -> None:
    whole = msgspec.structs.replace(PAIR, quantity_decimals=0)
    assert whole.quantity_max == Decimal(10) ** 15
    assert PAIR.quantity_below(PAIR.quantity_max) == PAIR.quantity_max


# headroom is reserved


def test_reservation_takes_value_risk_and_cash_at_the_worst_price() -> None:
    answer = ask(intent(), at=context(worst_price=Decimal(202)))
    assert answer.reservation is not None
    after = BOOK.reserve(answer.reservation, PAIR)
    assert after.value_by_sleeve == {TREND: Decimal(505)}
    assert after.value_by_asset == {XBT: Decimal(505)}
    assert after.value_by_strategy == {TREND.strategy_id: Decimal(505)}
    assert after.positions_by_strategy == {TREND.strategy_id: 1}
    assert after.open_risk == Decimal(30)
    assert after.free_cash == {USD: Decimal(10_000) - Decimal("506.2625")}
    assert BOOK.value_by_sleeve == {}


def test_second_wish_of_one_cycle_sees_what_the_first_one_took() -> None:
    within = limits(max_per_asset_pct=Decimal(8))
    first = ask(intent(), within=within)
    assert first.reservation is not None
    second = ask(intent(sleeve=OTHER), within=within, on=BOOK.reserve(first.reservation, PAIR))
    assert bought(first) == Decimal("2.5")
    assert bought(second) == Decimal("1.5")


def test_reservation_on_an_open_sleeve_takes_no_second_place() -> None:
    answer = ask(intent())
    assert answer.reservation is not None
    twice = BOOK.reserve(answer.reservation, PAIR).reserve(answer.reservation, PAIR)
    assert twice.positions_by_strategy == {TREND.strategy_id: 1}
    assert twice.value_by_sleeve == {TREND: Decimal(1000)}


# nothing else approves


def test_approval_is_made_in_risk_alone() -> None:
    """The type checker hides the constructor; nobody may reach around it at run time either."""
    libs = Path(plans_module.__file__).parents[2]
    roots = [libs, libs.parent / "services"]
    users = [
        path.relative_to(libs.parent).as_posix()
        for root in roots
        for path in sorted(root.rglob("*.py"))
        if _makes_approvals(path.read_text(encoding="utf-8"))
    ]
    assert users == ["libs/krakked/domain/risk.py"]


def _makes_approvals(source: str) -> bool:
    """Whether the class is used as a value (called, aliased, passed on), not as an annotation."""
    if "ApprovedAction" not in source:
        return False
    tree = ast.parse(source)
    annotations = {
        id(inner)
        for node in ast.walk(tree)
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if annotation is not None
        for inner in ast.walk(annotation)
    }
    return any(
        isinstance(node, ast.Name) and node.id == "ApprovedAction" and id(node) not in annotations
        for node in ast.walk(tree)
    )


def test_type_checker_refuses_what_risk_has_not_approved(tmp_path: Path) -> None:
    """Neither an approval of one's own nor a leg without one passes the checker."""
    snippet = tmp_path / "shortcut.py"
    snippet.write_text(
        "from krakked.domain.orders import OrderRequest\n"
        "from krakked.domain.plans import ApprovedAction, PlanLeg\n"
        "def shortcut(request: OrderRequest, name: str) -> None:\n"
        "    ApprovedAction(sleeve=name)\n"
        "    ApprovedAction()\n"
        "    PlanLeg(request=request)\n"
        "    PlanLeg(action=name, request=request)\n"
    )
    root = Path(plans_module.__file__).parents[3]
    mypy = [sys.executable, "-m", "mypy", "--follow-imports=silent", str(snippet)]
    done = subprocess.run(mypy, cwd=root, capture_output=True, text=True, check=False)
    refused = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(refused) == 4, done.stdout
    assert [line.split(":")[1] for line in refused] == ["4", "5", "6", "7"]


def test_approval_survives_storage() -> None:
    action = ask(intent()).action
    assert action is not None
    assert msgspec.json.decode(msgspec.json.encode(action), type=ApprovedAction) == action


# without a price


def test_reduce_to_a_share_without_a_price_changes_nothing() -> None:
    at = context(position_base=Decimal(2), price=None)
    assert ask(intent(IntentType.REDUCE), at=at).verdict is Verdict.NO_CHANGE


def test_hold_without_a_price_shows_the_facts_alone() -> None:
    answer = ask(intent(IntentType.HOLD), at=context(price=None))
    assert answer.verdict is Verdict.NO_CHANGE
    assert answer.violated == (LimitName.STALE,)
    assert LimitName.MAX_PER_ASSET_PCT not in {check.limit for check in answer.checks}
