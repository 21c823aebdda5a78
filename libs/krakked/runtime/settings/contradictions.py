"""What several settings may not say together: each rule looks at a whole configuration.

A rule answers with problems, never raises; the one who loads knows files and lines. The order of
the rules is the order of the lines that a person sees.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from krakked.domain.errors import BadInput
from krakked.domain.ids import MANUAL, StrategyId
from krakked.domain.orders import OrderType, TimeInForce
from krakked.domain.strategies import known_types
from krakked.runtime.lease_timings import timings_of
from krakked.runtime.settings.fields import Environment, Mode, Tier, VenueKind
from krakked.runtime.settings.known import dotted
from krakked.runtime.settings.models import Settings
from krakked.runtime.settings.problems import Problem

Rule: TypeAlias = Callable[[Settings], Iterator[Problem]]

UNNAMED: Final = "default"
"""What an account is called that nobody named."""
BACKOFF_MAX_S: Final = 300
"""The longest wait before a retry; whoever waits longer should be told, not retried."""
REFRESHES_PER_DEAD_MAN: Final = 4
POINTS_PER_COMPARISON: Final = 3
"""Of the venue's rate limit: open orders, balances, and executions that the stream told."""
DRAINS_PER_S: Final = {
    Tier.STARTER: Decimal("0.33"),
    Tier.INTERMEDIATE: Decimal("0.5"),
    Tier.PRO: Decimal(1),
}
"""Points of a key that come back each second; comparisons may take half, orders need the rest."""


NOT_YET: Final[Mapping[str, str]] = {
    "ui.enabled": "this version serves no HTTP API and no screens",
}
"""Settings that this version does not act on, and why: only their defaults are taken, for a setting
that is passed over in silence is worse than one that is refused."""


def contradictions(settings: Settings) -> list[Problem]:
    """Everything that does not go together; of several things on one setting, the first."""
    found = [problem for rule in RULES for problem in rule(settings)]
    first = {problem.path: problem for problem in reversed(found)}
    return [problem for problem in found if first[problem.path] is problem]


class InOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Two settings of one unit, of which one may not be above the other."""

    smaller: str
    larger: str
    unit: str
    why: str
    may_be_equal: bool = False
    is_larger_wrong: bool = False
    """Which of the two is named as the one to mend."""


IN_ORDER: Final = (
    InOrder(
        smaller="risk.max_risk_per_trade_pct",
        larger="risk.max_portfolio_risk_pct",
        unit="%",
        why="one trade could not risk more than all together",
        may_be_equal=True,
    ),
    InOrder(
        smaller="execution.deadline_seconds",
        larger="execution.order_ttl_seconds",
        unit="s",
        why="orders would end before they arrive",
    ),
    InOrder(
        smaller="execution.deadline_seconds",
        larger="venue.timeout_seconds",
        unit="s",
        why="orders would be given up while they may arrive",
        may_be_equal=True,
        is_larger_wrong=True,
    ),
    InOrder(
        smaller="market_data.ws.heartbeat_seconds",
        larger="market_data.ws.stale_tolerance_seconds",
        unit="s",
        why="a dead connection would look fresh",
    ),
)


def _in_order(settings: Settings) -> Iterator[Problem]:
    for rule in IN_ORDER:
        small, large = (attrgetter(path)(settings) for path in (rule.smaller, rule.larger))
        if small is not None and large is not None:
            is_kept = small <= large if rule.may_be_equal else small < large
            if not is_kept:
                yield _out_of_order(rule, small, large)


def _out_of_order(rule: InOrder, small: Decimal | float, large: Decimal | float) -> Problem:
    smaller, larger = f"{small:g} {rule.unit}", f"{large:g} {rule.unit}"
    if rule.is_larger_wrong:
        word = "less than" if rule.may_be_equal else "not above"
        said, remedy = f"{larger} is {word} {rule.smaller} ({smaller})", "raise the one or lower"
        return _problem(rule.larger, f"{said}: {rule.why}", f"{remedy} the other")
    word = "more than" if rule.may_be_equal else "not below"
    said, remedy = f"{smaller} is {word} {rule.larger} ({larger})", "lower the one or raise"
    return _problem(rule.smaller, f"{said}: {rule.why}", f"{remedy} the other")


def _strategy_limits(settings: Settings) -> Iterator[Problem]:
    ids = sorted(settings.strategies)
    for name, limit in settings.risk.max_per_strategy_pct.items():
        path = f"risk.max_per_strategy_pct.{name}"
        if name not in settings.strategies:
            yield _problem(path, "there is no strategy of that id", _nearest(name, ids))
            continue
        budget = settings.strategies[name].budget
        if budget is not None and budget > limit:
            rule = InOrder(
                smaller=f"strategies.{name}.budget",
                larger=path,
                unit="%",
                why="it could never be used up",
                may_be_equal=True,
            )
            yield _out_of_order(rule, budget, limit)


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


def _ownership(settings: Settings) -> Iterator[Problem]:
    """A file is taken from nobody that lives, however slow: there is no wait for D in it."""
    timings = timings_of(settings)
    is_contended = settings.leader.store == "kubernetes"
    for words in timings.problems() if is_contended else timings.problems_of_a_lock():
        what, _, remedy = words.partition("; ")
        yield _problem(remedy.split()[1], what, remedy)


def _api_server(settings: Settings) -> Iterator[Problem]:
    leader = settings.leader
    for name in ("namespace", "token_file"):
        is_given = getattr(leader, name) is not None
        if is_given != (leader.api_url is not None):
            what = "needs leader.api_url" if is_given else "is missing beside leader.api_url"
            yield _problem(f"leader.{name}", what, "give all three, or none in a pod")


def _rate_limit(settings: Settings) -> Iterator[Problem]:
    """Not of a simulator in this process: its pace stretches the interval, not its limits."""
    drain, seconds = DRAINS_PER_S.get(settings.venue.tier), settings.scheduler.portfolio_sync_sec
    if drain is None or settings.venue.rest_url is None:
        return
    least_s = math.ceil(POINTS_PER_COMPARISON * 2 / drain)
    if seconds < least_s:
        yield _problem(
            "scheduler.portfolio_sync_sec",
            f"{seconds:g} s is too short for venue.tier {settings.venue.tier.value}: a comparison "
            f"costs {POINTS_PER_COMPARISON} points of the venue's rate limit, of which {drain} "
            "come back each second, and half are for the rest",
            f"set it to {least_s} or more",
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
    if execution.default_order_type is OrderType.MARKET and execution.post_only:
        yield _problem(
            "execution.post_only",
            "an order that only makes cannot be a market order, which only takes",
            "set it to false, or execution.default_order_type to limit",
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


def _quotes(settings: Settings) -> Iterator[Problem]:
    """An altname ends with its quote asset, so this much is known without the venue."""
    quote = settings.universe.quote
    for name, strategy in settings.strategies.items():
        for pair in strategy.pairs:
            if not pair.endswith(quote):
                yield _problem(
                    f"strategies.{name}.pairs",
                    f"{pair} is not quoted in {quote} (universe.quote), so it is never traded",
                    f"name a pair that ends with {quote}, or set universe.quote",
                )


def _names(settings: Settings) -> Iterator[Problem]:
    """What is named in one place must be, or must not be, in another."""
    universe, portfolio = settings.universe, settings.portfolio
    yield from _in_both("universe.exclude_pairs", universe.exclude_pairs, universe.include_pairs)
    yield from _in_both(
        "portfolio.exclude_assets", portfolio.exclude_assets, portfolio.include_assets
    )
    for name, strategy in settings.strategies.items():
        path = f"strategies.{name}"
        if universe.include_pairs:
            yield from _missing(
                f"{path}.pairs", strategy.pairs, "universe.include_pairs", universe.include_pairs
            )
        for pair in strategy.pairs:
            if pair in universe.exclude_pairs:
                yield _problem(
                    f"{path}.pairs",
                    f"{pair} is in universe.exclude_pairs",
                    "remove it from one",
                )
        yield from _missing(
            f"{path}.timeframes",
            [timeframe.value for timeframe in strategy.timeframes],
            "market_data.timeframes",
            [timeframe.value for timeframe in settings.market_data.timeframes],
        )


def _in_both(path: str, names: Sequence[str], included: Sequence[str]) -> Iterator[Problem]:
    other = path.rpartition(".")[2].replace("exclude", "include")
    for name in names:
        if name in included:
            yield _problem(path, f"{name} is in {other} too", "remove it from one")


def _missing(
    path: str, names: Sequence[str], other: str, known: Sequence[str]
) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            yield _problem(path, f"{name} is not in {other}", "add it there or remove it here")


def _base_currency(settings: Settings) -> Iterator[Problem]:
    portfolio = settings.portfolio
    base = portfolio.base_currency
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
    if account.name == UNNAMED:
        yield _problem("account.confirm_name", "must repeat the account's name", "type it by hand")
    elif account.confirm_name != account.name:
        yield _problem(
            "account.confirm_name",
            f"the account's name ({account.name}) is not confirmed",
            f"type it once more: {account.name}",
        )


def _live_account(settings: Settings) -> Iterator[Problem]:
    if settings.environment is Environment.LIVE and settings.account.name == UNNAMED:
        yield _problem("account.name", "live needs a name for its account", "give it one")


def _ui(settings: Settings) -> Iterator[Problem]:
    if settings.ui.auth.enabled and settings.ui.auth.token is None:
        yield _problem(
            "ui.auth.token", "is missing while ui.auth.enabled", "set KRAKKED_UI__AUTH__TOKEN"
        )


def _reserved(settings: Settings) -> Iterator[Problem]:
    """Flattening, risk and the statistics leave alone what has this name."""
    if MANUAL in settings.strategies:
        yield _problem(
            f"strategies.{MANUAL}", "the name of what is traded by hand", "choose another"
        )


def _not_yet(settings: Settings) -> Iterator[Problem]:
    defaults = Settings()
    for path, what in NOT_YET.items():
        of = attrgetter(path)
        if of(settings) != of(defaults):
            yield _problem(path, what, "remove it")


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
            for line in str(error).splitlines():
                yield Problem(("strategies", name, place), line, "", shown="")


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
    _live_account,
    _live,
    _venue,
    _in_order,
    _strategy_limits,
    _dead_man,
    _ownership,
    _api_server,
    _rate_limit,
    _time_in_force,
    _backoff,
    _quotes,
    _names,
    _base_currency,
    _reserved,
    _strategies,
    _ui,
    _not_yet,
)
