"""What several settings may not say together; each rule once broken and once kept."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Any

import pytest

from krakked.adapters.kraken.rate_limit import REST_LIMITS
from krakked.runtime.settings import Environment, Settings
from krakked.runtime.settings.contradictions import (
    DRAINS_PER_S,
    IN_ORDER,
    NOT_YET,
    RULES,
    InOrder,
)

DEV, PAPER, LIVE = Environment.DEV, Environment.PAPER, Environment.LIVE

READY = """
account: {name: main, confirm_name: main}
execution: {mode: live, allow_live_trading: true}
"""


def without_source(line: str) -> str:
    """The line without the place where its setting was written."""
    line = re.sub(r"^KRAKKED_\w+: ", "", line)
    return re.sub(r" \(default[ a-z]*\):", ":", line)


@pytest.mark.parametrize(
    ("environment", "given", "line"),
    [
        (
            DEV,
            {"execution.mode": "live"},
            "execution.mode: live is not possible in environment dev; start with --env live, or "
            "set it to paper or dry_run",
        ),
        (
            PAPER,
            {"execution.mode": "live"},
            "execution.mode: live is not possible in environment paper; start with --env live, "
            "or set it to paper or dry_run",
        ),
        (
            LIVE,
            {"account.name": "main", "execution.mode": "paper"},
            "execution.mode: environment live knows dry_run and live only; start with --env "
            "paper, or set it to dry_run",
        ),
        (
            PAPER,
            {"venue.kind": "kraken"},
            "venue.kind: paper orders would be placed at Kraken; set it to simulator, "
            "or execution.validate_only to true: they are only checked then",
        ),
        (
            DEV,
            {"venue.rest_url": "http://localhost:1"},
            "venue.ws_url: is missing; give all three addresses of the venue",
        ),
        (
            PAPER,
            {"venue.rest_url": "null", "venue.ws_url": "null", "venue.ws_auth_url": "null"},
            "venue.rest_url: is missing; give all three addresses of the venue",
        ),
        (
            PAPER,
            {"venue.rest_url": "https://API.kraken.com:443/"},
            "venue.rest_url: https://API.kraken.com:443 is Kraken's own, and venue.kind is "
            "simulator: orders that are meant for practice would be placed for money; give the "
            "simulator's address",
        ),
        (
            LIVE,
            {"account.name": "main", "venue.admin_url": "http://localhost:1"},
            "venue.admin_url: Kraken has no admin API; remove it",
        ),
        (
            DEV,
            {"risk.max_risk_per_trade_pct": "11"},
            "risk.max_risk_per_trade_pct: 11 % is more than risk.max_portfolio_risk_pct (10 %): "
            "one trade could not risk more than all together; lower the one or raise the other",
        ),
        (
            DEV,
            {"risk.max_per_strategy_pct": "{trnd: 3}"},
            "risk.max_per_strategy_pct.trnd: there is no strategy of that id; the nearest known "
            "one is trend",
        ),
        (
            DEV,
            {"risk.max_per_strategy_pct": "{trend: 3}", "strategies.trend.budget": "4"},
            "strategies.trend.budget: 4 % is more than risk.max_per_strategy_pct.trend (3 %): it "
            "could never be used up; lower the one or raise the other",
        ),
        (
            DEV,
            {"execution.dead_man_refresh_seconds": "16"},
            "execution.dead_man_refresh_seconds: 16 s is more than a quarter of "
            "execution.dead_man_switch_seconds (60 s); set it to 15 or less",
        ),
        (
            DEV,
            {
                "execution.deadline_seconds": "10",
                "execution.order_ttl_seconds": "10",
                "leader.quarantine_seconds": "11",
            },
            "execution.deadline_seconds: 10 s is not below execution.order_ttl_seconds (10 s): "
            "orders would end before they arrive; lower the one or raise the other",
        ),
        (
            DEV,
            {"venue.timeout_seconds": "2"},
            "venue.timeout_seconds: 2 s is less than execution.deadline_seconds (3 s): orders "
            "would be given up while they may arrive; raise the one or lower the other",
        ),
        (
            DEV,
            {"execution.time_in_force": "GTD", "execution.order_ttl_seconds": "null"},
            "execution.time_in_force: GTD needs an end, and execution.order_ttl_seconds is null; "
            "set execution.order_ttl_seconds, or use GTC",
        ),
        (
            DEV,
            {"execution.time_in_force": "IOC", "execution.post_only": "true"},
            "execution.post_only: an order that only makes cannot be IOC, which only takes; set "
            "it to false, or execution.time_in_force to GTC",
        ),
        (
            DEV,
            {"execution.default_order_type": "market", "execution.post_only": "true"},
            "execution.post_only: an order that only makes cannot be a market order, which only "
            "takes; set it to false, or execution.default_order_type to limit",
        ),
        (
            DEV,
            {"execution.max_retries": "10"},
            "execution.max_retries: the last of 10 retries would wait 1024 s, more than 300 s; "
            "lower it, or execution.retry_backoff_factor",
        ),
        (
            DEV,
            {"market_data.ws.heartbeat_seconds": "60"},
            "market_data.ws.heartbeat_seconds: 60 s is not below "
            "market_data.ws.stale_tolerance_seconds (60 s): a dead connection would look fresh; "
            "lower the one or raise the other",
        ),
        (
            DEV,
            {"universe.include_pairs": "[XBTUSD]", "universe.exclude_pairs": "[XBTUSD]"},
            "universe.exclude_pairs: XBTUSD is in include_pairs too; remove it from one",
        ),
        (
            DEV,
            {"universe.include_pairs": "[XBTUSD]", "strategies.trend.pairs": "[ETHUSD]"},
            "strategies.trend.pairs: ETHUSD is not in universe.include_pairs; add it there or "
            "remove it here",
        ),
        (
            DEV,
            {"universe.exclude_pairs": "[ETHUSD]", "strategies.trend.pairs": "[ETHUSD]"},
            "strategies.trend.pairs: ETHUSD is in universe.exclude_pairs; remove it from one",
        ),
        (
            DEV,
            {"strategies.trend.pairs": "[XBTUDS]"},
            "strategies.trend.pairs: XBTUDS is not quoted in USD (universe.quote), so it is never "
            "traded; name a pair that ends with USD, or set universe.quote",
        ),
        (
            DEV,
            {"portfolio.include_assets": "[XBT]", "portfolio.exclude_assets": "[XBT]"},
            "portfolio.exclude_assets: XBT is in include_assets too; remove it from one",
        ),
        (
            DEV,
            {"portfolio.exclude_assets": "[USD]"},
            "portfolio.exclude_assets: USD is portfolio.base_currency, which always counts; "
            "remove it",
        ),
        (
            DEV,
            {"portfolio.valuation_pairs": "{USD: XBTUSD}"},
            "portfolio.valuation_pairs.USD: USD is portfolio.base_currency, which values the "
            "others; remove it",
        ),
        (
            DEV,
            {"strategies.trend.timeframes": "[1d]"},
            "strategies.trend.timeframes: 1d is not in market_data.timeframes; add it there or "
            "remove it here",
        ),
        (
            DEV,
            {"ui.auth.enabled": "true"},
            "ui.auth.token: is missing while ui.auth.enabled; set KRAKKED_UI__AUTH__TOKEN",
        ),
    ],
)
def test_contradiction_is_refused_with_its_remedy(
    configuration: Any, environment: Environment, given: dict[str, str], line: str
) -> None:
    for name, value in given.items():
        configuration.environ["KRAKKED_" + name.upper().replace(".", "__")] = value
    assert [without_source(said) for said in configuration.refusal(environment)] == [line]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (
            {"execution.allow_live_trading": "false"},
            "execution.allow_live_trading: mode live needs it; set it to true, or use dry_run",
        ),
        (
            {"execution.validate_only": "true"},
            "execution.validate_only: mode live places orders for money; set it to false",
        ),
        (
            {"execution.dead_man_switch_seconds": "null"},
            "execution.dead_man_switch_seconds: live does not run without the dead-man switch; "
            "set it to 60",
        ),
        (
            {"account.confirm_name": "other"},
            "account.confirm_name: the account's name (main) is not confirmed; type it once "
            "more: main",
        ),
        (
            {"account.confirm_name": "null"},
            "account.confirm_name: the account's name (main) is not confirmed; type it once "
            "more: main",
        ),
    ],
)
def test_live_is_refused_while_one_of_its_locks_is_closed(
    configuration: Any, broken: dict[str, str], line: str
) -> None:
    configuration.write(READY)
    configuration.flags.update(broken)
    configuration.flags = {
        name: None if value == "null" else value for name, value in configuration.flags.items()
    }
    assert configuration.refusal(LIVE) == [f"command line: {line}"]


def test_account_that_nobody_named_is_refused_with_both_places_for_its_name(
    configuration: Any,
) -> None:
    configuration.write("execution: {mode: live, allow_live_trading: true}")
    configuration.flags = {"account.name": "default", "account.confirm_name": "default"}
    assert configuration.refusal(LIVE) == [
        "command line: account.name: live needs a name for its account; give it one",
        "command line: account.confirm_name: must repeat the account's name; type it by hand",
    ]


def test_live_is_refused_at_a_simulator(configuration: Any) -> None:
    configuration.write(READY)
    configuration.flags["venue.kind"] = "simulator"
    first, *addresses = configuration.refusal(LIVE)
    assert first == "command line: venue.kind: mode live trades at Kraken only; set it to kraken"
    assert len(addresses) == 3
    assert all("is Kraken's own" in line for line in addresses)


def test_live_on_its_defaults_plans_without_orders(configuration: Any) -> None:
    configuration.write("account: {name: main}")
    assert configuration.load(LIVE).settings.execution.mode.value == "dry_run"


@pytest.mark.parametrize(
    "given",
    [
        {"venue.kind": "kraken", "execution.mode": "dry_run"},
        {"venue.kind": "kraken", "execution.validate_only": "true"},
        {"execution.mode": "dry_run", "execution.validate_only": "true"},
        {"execution.dead_man_switch_seconds": "null"},
        {"execution.dead_man_switch_seconds": "64", "execution.dead_man_refresh_seconds": "16"},
        {"execution.order_ttl_seconds": "null", "execution.deadline_seconds": "4"},
        {"execution.deadline_seconds": "10", "leader.quarantine_seconds": "11"},
        {"execution.max_retries": "0", "execution.retry_backoff_seconds": "1000"},
        {"execution.max_retries": "8"},
        {"risk.max_per_strategy_pct": "{trend: 5}", "strategies.trend.budget": "5"},
        {"market_data.timeframes": "[1h, 1d]", "strategies.trend.timeframes": "[1h, 1d]"},
        {"ui.auth.enabled": "true", "ui.auth.token": "abc"},
        {"universe.include_pairs": "[XBTUSD]", "strategies.trend.pairs": "[XBTUSD]"},
    ],
)
def test_what_goes_together_is_not_refused(configuration: Any, given: dict[str, str]) -> None:
    for name, value in given.items():
        configuration.environ["KRAKKED_" + name.upper().replace(".", "__")] = value
    configuration.load(PAPER)


def test_strategy_with_the_name_of_what_is_traded_by_hand_is_refused(configuration: Any) -> None:
    configuration.write("strategies:\n  manual:\n    type: trend_following\n")
    assert configuration.refusal() == [
        "config.yaml:3: strategies.manual: the name of what is traded by hand; choose another"
    ]


def test_unknown_type_of_strategy_names_the_nearest(configuration: Any) -> None:
    configuration.write("strategies:\n  mine:\n    type: trend_folowing\n")
    assert configuration.refusal() == [
        "config.yaml:3: strategies.mine.type: there is no type 'trend_folowing'; did you mean "
        "'trend_following'?"
    ]


def test_unknown_parameter_of_a_strategy_is_refused_with_its_line(configuration: Any) -> None:
    configuration.write("strategies:\n  trend:\n    params:\n      fast_bar: 3\n")
    (said,) = configuration.refusal()
    assert said.startswith("config.yaml:4: strategies.trend.params: there is no parameter")
    assert said.endswith("did you mean 'fast_bars'?")


def test_parameter_out_of_bounds_is_refused(configuration: Any) -> None:
    configuration.write("strategies:\n  trend:\n    params:\n      fast_bars: 0\n")
    (said,) = configuration.refusal()
    assert said.startswith("config.yaml:4: strategies.trend.params")


def test_contradictions_are_all_told_at_once_each_at_its_line(configuration: Any) -> None:
    configuration.write(
        "risk:\n  max_risk_per_trade_pct: 50\nexecution:\n  dead_man_refresh_seconds: 50\n"
    )
    assert [line.split(": ")[0] for line in configuration.refusal()] == [
        "config.yaml:2",
        "config.yaml:4",
    ]


@pytest.mark.parametrize("rule", IN_ORDER, ids=lambda rule: f"{rule.smaller}-{rule.larger}")
def test_settings_in_order_are_refused_above_and_taken_where_they_may_be_equal(
    configuration: Any, rule: InOrder
) -> None:
    for name in (rule.smaller, rule.larger):
        configuration.flags[name] = "10"
    configuration.flags["leader.quarantine_seconds"] = "11"  # no shorter than a deadline
    if rule.may_be_equal:
        configuration.load()
    else:
        (said,) = configuration.refusal()
        assert rule.why in said


@pytest.mark.parametrize(("tier", "least_s"), [("starter", 19), ("intermediate", 12), ("pro", 6)])
def test_comparisons_that_would_use_up_the_rate_limit_are_refused(
    configuration: Any, tier: str, least_s: int
) -> None:
    configuration.flags |= {
        "venue.tier": tier,
        "scheduler.portfolio_sync_sec": str(least_s - 1),
    }
    (said,) = configuration.refusal(PAPER)
    assert f"scheduler.portfolio_sync_sec: {least_s - 1} s is too short for venue.tier {tier}" in (
        said
    )
    assert said.endswith(f"; set it to {least_s} or more")
    configuration.flags["scheduler.portfolio_sync_sec"] = str(least_s)
    configuration.load(PAPER)


@pytest.mark.parametrize(("environment", "tier"), [(DEV, "starter"), (PAPER, "none")])
def test_comparisons_are_as_often_as_anybody_likes_where_no_limit_is_in_the_way(
    configuration: Any, environment: Environment, tier: str
) -> None:
    configuration.flags |= {"venue.tier": tier, "scheduler.portfolio_sync_sec": "1"}
    configuration.load(environment)


def test_points_that_come_back_are_those_of_the_adapter() -> None:
    drains = {tier.value: limit.drain_centi for tier, limit in REST_LIMITS.items()}
    assert {tier.value: 100 * drain for tier, drain in DRAINS_PER_S.items()} == drains


def test_every_rule_is_silent_on_the_defaults(configuration: Any) -> None:
    settings = configuration.load().settings
    assert [list(rule(settings)) for rule in RULES] == [[]] * len(RULES)


@pytest.mark.parametrize("path", NOT_YET)
def test_setting_that_is_not_acted_on_is_refused_and_says_why(
    configuration: Any, path: str
) -> None:
    default = attrgetter(path)(Settings())
    assert default is False, "give another value than its default here"
    configuration.flags[path] = "true"
    (said,) = configuration.refusal()
    assert said.endswith(f"{path}: {NOT_YET[path]}; remove it")
