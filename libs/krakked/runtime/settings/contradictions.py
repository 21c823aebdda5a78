"""What several settings may not say together: each rule looks at a whole configuration.

A rule answers with problems, never raises; the one who loads knows files and lines. The order of
the rules is the order of the lines that a person sees.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from krakked.domain.errors import BadInput
from krakked.domain.ids import StrategyId
from krakked.domain.orders import TimeInForce
from krakked.domain.strategies import known_types
from krakked.runtime.settings.known import dotted
from krakked.runtime.settings.models import Environment, Mode, Settings, VenueKind
from krakked.runtime.settings.problems import Problem

Rule: TypeAlias = Callable[[Settings], Iterator[Problem]]

BACKOFF_MAX_S: Final = 300
"""The longest wait before a retry; whoever waits longer should be told, not retried."""
REFRESHES_PER_DEAD_MAN: Final = 4


NOT_YET: Final = (
    "ui.enabled",
)
"""Settings that this version does not act on: only their defaults are taken, for a setting that is
passed over in silence is worse than one that is refused."""


def contradictions(settings: Settings) -> list[Problem]:
    """Everything that does not go together; of several things on one setting, the first."""
    found = [problem for rule in RULES for problem in rule(settings)]
    first = {problem.path: problem for problem in reversed(found)}
    return [problem for problem in found if first[problem.path] is problem]


def _risk_per_trade(settings: Settings) -> Iterator[Problem]:
    risk = settings.risk
    if risk.max_risk_per_trade_pct > risk.max_portfolio_risk_pct:
        yield _problem(
            "risk.max_risk_per_trade_pct",
            f"{risk.max_risk_per_trade_pct} % on one trade is more than all trades together may "
            f"risk (risk.max_portfolio_risk_pct {risk.max_portfolio_risk_pct} %)",
            "lower the one or raise the other",
        )


def _strategy_limits(settings: Settings) -> Iterator[Problem]:
    ids = sorted(settings.strategies)
    for name, limit in settings.risk.max_per_strategy_pct.items():
        path = f"risk.max_per_strategy_pct.{name}"
        if name not in settings.strategies:
            yield _problem(path, "there is no strategy of that id", _nearest(name, ids))
            continue
        budget = settings.strategies[name].budget
        if budget is not None and budget > limit:
            yield _problem(
                f"strategies.{name}.budget",
                f"{budget} % is more than {path} allows ({limit} %)",
                "lower the one or raise the other",
            )


def _dead_man(settings: Settings) -> Iterator[Problem]:
    execution = settings.execution
    timeout = execution.dead_man_switch_seconds
    if timeout is None:
        return
    if execution.dead_man_refresh_seconds * REFRESHES_PER_DEAD_MAN > timeout:
        yield _problem(
            "execution.dead_man_refresh_seconds",
            f"{execution.dead_man_refresh_seconds:g} s is more than a quarter of "
            f"execution.dead_man_switch_seconds ({timeout} s)",
            f"set it to {timeout / REFRESHES_PER_DEAD_MAN:g} or less",
        )


def _deadline(settings: Settings) -> Iterator[Problem]:
    execution = settings.execution
    if execution.order_ttl_seconds is not None and (
        execution.deadline_seconds >= execution.order_ttl_seconds
    ):
        yield _problem(
            "execution.deadline_seconds",
            f"{execution.deadline_seconds:g} s is not below execution.order_ttl_seconds "
            f"({execution.order_ttl_seconds} s): orders would end before they arrive",
            "lower the one or raise the other",
        )
    if execution.deadline_seconds > settings.venue.timeout_seconds:
        yield _problem(
            "venue.timeout_seconds",
            f"{settings.venue.timeout_seconds:g} s ends before execution.deadline_seconds "
            f"({execution.deadline_seconds:g} s): orders would be given up while they may arrive",
            "raise the one or lower the other",
        )


def _time_in_force(settings: Settings) -> Iterator[Problem]:
    execution = settings.execution
    if execution.time_in_force is TimeInForce.GTD and execution.order_ttl_seconds is None:
        yield _problem(
            "execution.time_in_force",
            "GTD needs an end, and execution.order_ttl_seconds is null",
            "set execution.order_ttl_seconds, or use GTC",
        )
    if execution.time_in_force is TimeInForce.IOC and execution.post_only:
        yield _problem(
            "execution.post_only",
            "an order that only makes cannot be IOC, which only takes",
            "set it to false, or execution.time_in_force to GTC",
        )


def _backoff(settings: Settings) -> Iterator[Problem]:
    execution = settings.execution
    if execution.max_retries == 0:
        return
    longest = execution.retry_backoff_seconds * execution.retry_backoff_factor ** (
        execution.max_retries - 1
    )
    if longest > BACKOFF_MAX_S:
        yield _problem(
            "execution.max_retries",
            f"the last of {execution.max_retries} retries would wait {longest:g} s, more than "
            f"{BACKOFF_MAX_S} s",
            "lower it, or execution.retry_backoff_factor",
        )


def _stream(settings: Settings) -> Iterator[Problem]:
    stream = settings.market_data.ws
    if stream.heartbeat_seconds >= stream.stale_tolerance_seconds:
        yield _problem(
            "market_data.ws.heartbeat_seconds",
            f"{stream.heartbeat_seconds:g} s is not below market_data.ws.stale_tolerance_seconds "
            f"({stream.stale_tolerance_seconds:g} s): a dead connection would look fresh",
            "lower the one or raise the other",
        )


def _pairs(settings: Settings) -> Iterator[Problem]:
    universe = settings.universe
    for pair in universe.include_pairs:
        if pair in universe.exclude_pairs:
            yield _problem(
                "universe.exclude_pairs", f"{pair} is in include_pairs too", "remove it from one"
            )
    for name, strategy in settings.strategies.items():
        for pair in strategy.pairs:
            if universe.include_pairs and pair not in universe.include_pairs:
                yield _problem(
                    f"strategies.{name}.pairs",
                    f"{pair} is not in universe.include_pairs",
                    "add it there or remove it here",
                )


def _counted_assets(settings: Settings) -> Iterator[Problem]:
    portfolio = settings.portfolio
    base = portfolio.base_currency
    for asset in portfolio.exclude_assets:
        if asset in portfolio.include_assets:
            yield _problem(
                "portfolio.exclude_assets",
                f"{asset} is in include_assets too",
                "remove it from one",
            )
    if base in portfolio.exclude_assets:
        yield _problem(
            "portfolio.exclude_assets",
            f"{base} is portfolio.base_currency, which always counts",
            "remove it",
        )
    if base in portfolio.valuation_pairs:
        yield _problem(
            f"portfolio.valuation_pairs.{base}",
            f"{base} is portfolio.base_currency, which values the others",
            "remove it",
        )


def _timeframes(settings: Settings) -> Iterator[Problem]:
    kept = settings.market_data.timeframes
    for name, strategy in settings.strategies.items():
        for timeframe in strategy.timeframes:
            if timeframe not in kept:
                yield _problem(
                    f"strategies.{name}.timeframes",
                    f"{timeframe.value} is not in market_data.timeframes",
                    "add it there or remove it here",
                )


def _venue(settings: Settings) -> Iterator[Problem]:
    venue = settings.venue
    if venue.kind is VenueKind.KRAKEN and venue.admin_url is not None:
        yield _problem("venue.admin_url", "Kraken has no admin API", "remove it")
    addresses = {
        "venue.rest_url": venue.rest_url,
        "venue.ws_url": venue.ws_url,
        "venue.ws_auth_url": venue.ws_auth_url,
    }
    for name, address in addresses.items():
        if venue.kind is VenueKind.SIMULATOR and _is_krakens(address):
            yield _problem(
                name,
                f"{address} is Kraken's own, and venue.kind is simulator: orders that are meant "
                "for practice would be placed for money",
                "give the simulator's address",
            )
    missing = [name for name, address in addresses.items() if address is None]
    is_inside = settings.environment is Environment.DEV and venue.kind is VenueKind.SIMULATOR
    if missing and not (is_inside and len(missing) == len(addresses)):
        yield _problem(missing[0], "is missing", "give all three addresses of the venue")


def _is_krakens(address: str | None) -> bool:
    host = urlsplit(address or "").hostname or ""
    return host == "kraken.com" or host.endswith(".kraken.com")


def _mode(settings: Settings) -> Iterator[Problem]:
    mode, environment = settings.execution.mode, settings.environment
    if mode is Mode.LIVE and environment is not Environment.LIVE:
        yield _problem(
            "execution.mode",
            f"live is not possible in environment {environment.value}",
            "start with --env live, or set it to paper or dry_run",
        )
    if mode is Mode.PAPER and environment is Environment.LIVE:
        yield _problem(
            "execution.mode",
            "environment live knows dry_run and live only",
            "start with --env paper, or set it to dry_run",
        )
    if (
        mode is Mode.PAPER
        and environment is not Environment.LIVE
        and settings.venue.kind is VenueKind.KRAKEN
        and not settings.execution.validate_only
    ):
        yield _problem(
            "venue.kind",
            "paper orders would be placed at Kraken",
            "set it to simulator, or execution.validate_only to true: they are only checked then",
        )


def _live(settings: Settings) -> Iterator[Problem]:
    execution, account = settings.execution, settings.account
    if execution.mode is not Mode.LIVE or settings.environment is not Environment.LIVE:
        return
    if settings.venue.kind is not VenueKind.KRAKEN:
        yield _problem("venue.kind", "mode live trades at Kraken only", "set it to kraken")
    if not execution.allow_live_trading:
        yield _problem(
            "execution.allow_live_trading", "mode live needs it", "set it to true, or use dry_run"
        )
    if execution.validate_only:
        yield _problem(
            "execution.validate_only", "mode live places orders for money", "set it to false"
        )
    if execution.dead_man_switch_seconds is None:
        yield _problem(
            "execution.dead_man_switch_seconds",
            "live does not run without the dead-man switch",
            "set it to 60",
        )
    if account.confirm_name != account.name:
        yield _problem(
            "account.confirm_name",
            f"the account's name ({account.name}) is not confirmed",
            f"type it once more: {account.name}",
        )


def _live_account(settings: Settings) -> Iterator[Problem]:
    if settings.environment is Environment.LIVE and settings.account.name == "default":
        yield _problem("account.name", "live needs a name for its account", "give it one")


def _ui(settings: Settings) -> Iterator[Problem]:
    if settings.ui.auth.enabled and settings.ui.auth.token is None:
        yield _problem(
            "ui.auth.token", "is missing while ui.auth.enabled", "set KRAKKED_UI__AUTH__TOKEN"
        )


def _not_yet(settings: Settings) -> Iterator[Problem]:
    defaults = Settings()
    for path in NOT_YET:
        of = attrgetter(path)
        if of(settings) != of(defaults):
            yield _problem(path, "this version does not act on it yet", "remove it")


def _strategies(settings: Settings) -> Iterator[Problem]:
    """Unknown types, unknown parameters, parameters out of bounds: the builder knows them."""
    if not settings.strategies:
        return
    from krakked.domain.strategies import build  # late: arrays come with it

    for name, strategy in settings.strategies.items():
        try:
            build(StrategyId(name), strategy.type, strategy.params, timeframes=strategy.timeframes)
        except BadInput as error:
            place = "type" if strategy.type not in known_types() else "params"
            yield Problem(("strategies", name, place), str(error), "", shown="")


def _problem(path: str, what: str, remedy: str) -> Problem:
    return Problem(tuple(path.split(".")), what, remedy)


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"the nearest known one is {close[0]}"
    return (
        f"known are {', '.join(names)}"
        if names
        else f"configure it as {dotted(('strategies', name))}"
    )


RULES: Final[tuple[Rule, ...]] = (
    _mode,
    _live,
    _live_account,
    _venue,
    _risk_per_trade,
    _strategy_limits,
    _dead_man,
    _deadline,
    _time_in_force,
    _backoff,
    _stream,
    _pairs,
    _counted_assets,
    _timeframes,
    _strategies,
    _ui,
    _not_yet,
)
