"""Later layers win, name by name, and every value knows where it was written."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from krakked.domain.bars import Timeframe
from krakked.domain.errors import BadInput
from krakked.domain.orders import OrderType, TimeInForce
from krakked.runtime.settings import (
    Environment,
    Loaded,
    Mode,
    Settings,
    VenueKind,
    load_settings,
)

Load = Callable[..., Loaded]

LIVE = """
account: {name: main, confirm_name: main}
execution: {mode: live, allow_live_trading: true}
"""


def test_defaults_of_dev_are_a_simulator_here_and_three_strategies(load: Load) -> None:
    settings = load().settings
    assert settings.environment is Environment.DEV
    assert settings.execution.mode is Mode.PAPER
    assert settings.venue.kind is VenueKind.SIMULATOR
    assert settings.venue.rest_url is None
    assert settings.simulator.speed == 60
    assert settings.simulator.balances == {"USD": Decimal(10_000)}
    assert list(settings.strategies) == ["trend", "reversion", "basket"]


def test_defaults_of_paper_are_a_simulator_by_address(load: Load) -> None:
    settings = load(environment=Environment.PAPER).settings
    assert settings.venue.kind is VenueKind.SIMULATOR
    assert settings.venue.rest_url == "http://127.0.0.1:8700"
    # `krakked simulator` serves both WebSockets there, unless it is given a second port.
    assert settings.venue.ws_url == settings.venue.ws_auth_url == "ws://127.0.0.1:8700/v2"
    assert settings.venue.admin_url is None
    assert settings.execution.mode is Mode.PAPER


def test_defaults_of_live_plan_without_orders_and_trade_nothing(load: Load) -> None:
    settings = load("account: {name: main}", environment=Environment.LIVE).settings
    assert settings.execution.mode is Mode.DRY_RUN
    assert settings.venue.kind is VenueKind.KRAKEN
    assert settings.venue.rest_url == "https://api.kraken.com"
    assert settings.strategies == {}


def test_numbers_of_the_contract_are_the_defaults(load: Load) -> None:
    settings = load().settings
    risk, execution = settings.risk, settings.execution
    assert (risk.max_risk_per_trade_pct, risk.max_portfolio_risk_pct) == (1, 10)
    assert (risk.max_open_positions, risk.max_per_asset_pct) == (10, 5)
    assert (risk.max_daily_drawdown_pct, risk.volatility_lookback_bars) == (10, 20)
    assert risk.kill_switch_on_drift is True
    assert risk.include_manual_positions is True
    assert risk.min_liquidity_24h_usd == 100_000
    assert execution.default_order_type is OrderType.LIMIT
    assert execution.time_in_force is TimeInForce.GTC
    assert (execution.max_slippage_bps, execution.max_retries) == (50, 3)
    assert (execution.retry_backoff_seconds, execution.retry_backoff_factor) == (2, 2)
    assert (execution.max_concurrent_orders, execution.min_order_notional_usd) == (10, 20)
    assert (execution.dead_man_switch_seconds, execution.dead_man_refresh_seconds) == (60, 15)
    assert execution.allow_live_trading is False
    assert settings.market_data.ws.stale_tolerance_seconds == 60
    assert settings.portfolio.reconciliation_tolerance == 1
    assert (settings.ui.host, settings.ui.port) == ("127.0.0.1", 8080)
    assert settings.health.port == 8081


def test_overlay_wins_over_the_common_file(configuration: Any) -> None:
    configuration.write("execution: {max_retries: 5, post_only: true}")
    configuration.write("execution: {max_retries: 7}", "config.dev.yaml")
    execution = configuration.load().settings.execution
    assert (execution.max_retries, execution.post_only) == (7, True)


def test_overlay_of_another_environment_is_not_read(configuration: Any) -> None:
    configuration.write("execution: {max_retries: 7}", "config.paper.yaml")
    assert configuration.load().settings.execution.max_retries == 3


def test_runtime_overlay_wins_over_the_environments(configuration: Any) -> None:
    configuration.write("risk: {max_open_positions: 4}", "config.dev.yaml")
    configuration.write("risk: {max_open_positions: 2}", "config.runtime.yaml")
    assert configuration.load().settings.risk.max_open_positions == 2


def test_variable_wins_over_files_and_flag_over_variable(configuration: Any) -> None:
    configuration.write("risk: {max_open_positions: 4}", "config.runtime.yaml")
    configuration.environ["KRAKKED_RISK__MAX_OPEN_POSITIONS"] = "3"
    assert configuration.load().settings.risk.max_open_positions == 3
    configuration.flags["risk.max_open_positions"] = "1"
    assert configuration.load().settings.risk.max_open_positions == 1


def test_sources_name_file_and_line_variable_flag_and_default(configuration: Any) -> None:
    configuration.write("risk:\n  max_open_positions: 4\n  max_per_asset_pct: 6\n")
    configuration.environ["KRAKKED_RISK__MAX_PER_ASSET_PCT"] = "3"
    configuration.flags["simulator.seed"] = 9
    sources = {name: source for name, _, source in configuration.load().rows()}
    assert sources["risk.max_open_positions"] == f"{configuration.folder}/config.yaml:2"
    assert sources["risk.max_per_asset_pct"] == "KRAKKED_RISK__MAX_PER_ASSET_PCT"
    assert sources["simulator.seed"] == "command line"
    assert sources["risk.day_boundary"] == "default"
    assert sources["strategies.trend.type"] == "default of dev"


def test_files_that_were_read_are_named_weakest_first(configuration: Any) -> None:
    configuration.write("").write("", "config.runtime.yaml").write("", "config.dev.yaml")
    names = [path.name for path in configuration.load().files]
    assert names == ["config.yaml", "config.dev.yaml", "config.runtime.yaml"]


def test_lists_are_replaced_and_mappings_are_merged(configuration: Any) -> None:
    configuration.write(
        "universe: {include_pairs: [XBTUSD, ETHUSD]}\nsimulator: {balances: {USD: 5, XBT: 1}}"
    )
    configuration.write(
        "universe: {include_pairs: [SOLUSD]}\nsimulator: {balances: {USD: 7}}", "config.dev.yaml"
    )
    settings = configuration.load().settings
    assert settings.universe.include_pairs == ("SOLUSD",)
    assert settings.simulator.balances == {"USD": Decimal(7), "XBT": Decimal(1)}


def test_mapping_replaced_by_null_and_given_again_is_merged_anew(configuration: Any) -> None:
    configuration.write("simulator: {balances: {USD: 5, XBT: 1}}")
    configuration.write("simulator: {balances: {}}", "config.dev.yaml")
    configuration.write("simulator: {balances: {ETH: 2}}", "config.runtime.yaml")
    assert configuration.load().settings.simulator.balances == {"ETH": Decimal(2)}


def test_strategy_of_the_defaults_can_be_switched_off(load: Load) -> None:
    settings = load("strategies: {trend: {enabled: false}}").settings
    assert settings.strategies["trend"].enabled is False
    assert settings.strategies["trend"].type == "trend_following"
    assert settings.strategies["reversion"].enabled is True


def test_section_without_anything_below_says_nothing(load: Load) -> None:
    assert load("risk:\nexecution: {}\n").settings == load().settings


def test_empty_file_and_missing_folder_of_files_are_fine(load: Load) -> None:
    nothing = load_settings(Environment.DEV, config_dir=None, overrides={}, environ={})
    assert nothing.settings == load("").settings
    assert nothing.files == ()


def test_named_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder; create it or give another --config-dir"):
        load_settings(Environment.DEV, config_dir=tmp_path / "no", overrides={}, environ={})


def test_decimals_of_a_file_are_exact(load: Load) -> None:
    settings = load("risk: {max_risk_per_trade_pct: 0.1}\nsimulator: {balances: {USD: 0.3}}")
    assert settings.settings.risk.max_risk_per_trade_pct == Decimal("0.1")
    assert settings.settings.simulator.balances["USD"] == Decimal("0.3")


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        ("KRAKKED_EXECUTION__POST_ONLY", "true", ("execution", "post_only"), True),
        ("KRAKKED_EXECUTION__MODE", "dry_run", ("execution", "mode"), Mode.DRY_RUN),
        ("KRAKKED_HEALTH__PORT", "null", ("health", "port"), None),
        ("KRAKKED_HEALTH__HOST", "0.0.0.0", ("health", "host"), "0.0.0.0"),  # noqa: S104 - what a pod needs
        ("KRAKKED_ACCOUNT__NAME", "a12", ("account", "name"), "a12"),
        ("KRAKKED_SIMULATOR__SPEED", "max", ("simulator", "speed"), None),
        ("KRAKKED_SIMULATOR__SPEED", "2.5", ("simulator", "speed"), Decimal("2.5")),
        ("KRAKKED_SIMULATOR__BALANCES__XBT", "1.5", ("simulator", "balances"), "XBT"),
        (
            "KRAKKED_UNIVERSE__INCLUDE_PAIRS",
            "[XBTUSD, ETHUSD]",
            ("universe", "include_pairs"),
            ("XBTUSD", "ETHUSD"),
        ),
        (
            "KRAKKED_MARKET_DATA__TIMEFRAMES",
            "[1h, 1d]",
            ("market_data", "timeframes"),
            (Timeframe.H1, Timeframe.D1),
        ),
    ],
)
def test_variable_sets_a_value_of_each_kind(
    load: Load, name: str, text: str, path: tuple[str, str], expected: object
) -> None:
    settings = load(environ={name: text}).settings
    value = getattr(getattr(settings, path[0]), path[1])
    assert (value == expected) or (isinstance(value, dict) and expected in value)


def test_variable_reaches_into_one_strategy(load: Load) -> None:
    settings = load(environ={"KRAKKED_STRATEGIES__TREND__MAX_POSITIONS": "2"}).settings
    assert settings.strategies["trend"].max_positions == 2


def test_variables_of_other_programs_and_reserved_ones_are_left_alone(load: Load) -> None:
    environ = {"HOME": "/", "KRAKEN_API_KEY": "x", "KRAKKED_ENV": "dev", "KRAKKED_CONFIG_DIR": "x"}
    assert load(environ=environ).sources.keys() == load().sources.keys()


def test_secret_is_taken_as_it_is_and_never_shown(load: Load) -> None:
    environ = {"KRAKKED_UI__AUTH__ENABLED": "true", "KRAKKED_UI__AUTH__TOKEN": "[{abc: secret"}
    loaded = load(environ=environ)
    token = loaded.settings.ui.auth.token
    assert token is not None
    assert token.get_secret_value() == "[{abc: secret"
    assert "abc" not in f"{loaded.rows()!r} {loaded.settings!r} {loaded!r}"


def test_rows_hold_every_setting_once_in_plain_values(load: Load) -> None:
    rows = load().rows()
    names = [name for name, _, _ in rows]
    assert len(names) == len(set(names)) > 90
    values = {name: value for name, value, _ in rows}
    assert values["market_data.timeframes"] == ["1h"]
    assert values["execution.max_slippage_bps"] == "50"
    assert values["execution.mode"] == "paper"


def test_live_with_all_its_flags_loads(load: Load) -> None:
    settings = load(LIVE, environment=Environment.LIVE).settings
    assert settings.execution.mode is Mode.LIVE


def test_region_allows_spot_only(load: Load) -> None:
    region = load().settings.region
    assert [region.supports_margin, region.supports_futures, region.supports_staking] == [False] * 3
    assert region.default_quote == "USD"


def test_settings_cannot_be_changed_afterwards(load: Load) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().settings.risk.max_open_positions = 1000  # type: ignore[misc]  # that is the point


def test_settings_of_two_loads_share_no_mutable_default() -> None:
    one, other = Settings(), Settings()
    one.strategies["x"] = None  # type: ignore[assignment]  # a vandal
    assert other.strategies == {}
