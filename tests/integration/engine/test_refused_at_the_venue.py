"""What only the venue can tell is refused at the start: names, keys, accounts, and its absence.

The venue is a simulator in the test's own process, so that its keys may lack what they like; the
engine is the command itself, and what a person sees is its last line.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from krakked.adapters.system.clock import SystemClock
from krakked.sim.exchange.keys import ALL_PERMISSIONS, QUERY_PERMISSIONS, Permission
from krakked.sim.exchange.limits import Tier
from krakked.simulator import RunningSimulator, start
from krakked.simulator.options import ApiKey, SimulatorOptions, default_key

pytestmark = pytest.mark.timeout(200)
KEY = default_key("a-key-of-the-test")
ALIEN = default_key("a-key-of-another-account")
OPTIONS = SimulatorOptions(market="calm", trade_key=KEY, tier=Tier.NONE)
QUIET = {
    "market_data.backfill_bars": "2",
    "universe.include_pairs": "[XBTUSD]",
    "universe.min_24h_volume_usd": "0",
    "venue.tier": "none",
}
Prepare = Callable[[RunningSimulator], None]


def environ(trade: ApiKey, query: ApiKey | None = None) -> dict[str, str]:
    given = {"KRAKEN_API_KEY": trade.key, "KRAKEN_API_SECRET": trade.secret}
    if query is not None:
        given |= {"KRAKEN_QUERY_KEY": query.key, "KRAKEN_QUERY_SECRET": query.secret}
    return given


def flags(running: RunningSimulator, **other: str) -> list[str]:
    urls = {name: getattr(running, name) for name in ("rest_url", "ws_url", "ws_auth_url")}
    given = QUIET | {f"venue.{name}": url for name, url in urls.items()} | other
    return [text for name, value in given.items() for text in ("--set", f"{name}={value}")]


def run_beside(
    krakked: Any, prepare: Prepare, *runs: tuple[dict[str, str], dict[str, str]]
) -> list[Any]:
    """Run the command once for each (settings, variables) against one venue."""

    async def main() -> list[Any]:
        running = await start(OPTIONS, clock=SystemClock())
        prepare(running)
        try:
            return [
                await asyncio.to_thread(
                    krakked.run,
                    *("run", "--env", "paper", "--duration", "0.2"),
                    *flags(running, **settings),
                    **variables,
                )
                for settings, variables in runs
            ]
        finally:
            await running.stop()

    return asyncio.run(main())


def line_of(done: Any) -> str:
    """The one line of a refusal."""
    said = [line for line in done.stderr.splitlines() if line.startswith("krakked: ")]
    assert len(said) == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
    return str(said[0].removeprefix("krakked: "))


def nothing(_: RunningSimulator) -> None:
    """The venue as it is."""


def lacking(*permissions: Permission) -> Prepare:
    def prepare(running: RunningSimulator) -> None:
        running.exchange.add_key(
            running.account,
            key=KEY.key,
            secret=KEY.secret,
            permissions=ALL_PERMISSIONS - set(permissions),
        )

    return prepare


# keys


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        (Permission.MODIFY, "may not 'create & modify orders' (modify-trades); tick it at the "),
        (Permission.QUERY_CLOSED, "may not 'query closed orders & trades' (query-closed-trades);"),
        (Permission.WS_TOKEN, "may not 'access WebSockets API' (create-ws-token); tick it at the"),
    ],
)
def test_key_that_lacks_a_permission_is_refused_at_the_start(
    krakked: Any, permission: Permission, words: str
) -> None:
    (done,) = run_beside(krakked, lacking(permission), ({}, environ(KEY)))
    assert (done.returncode, line_of(done)[: 16 + len(words)]) == (77, f"KRAKEN_API_KEY: {words}")


def test_wrong_key_and_wrong_secret_are_told_apart_by_variable(krakked: Any) -> None:
    wrong_secret = ApiKey(key=KEY.key, secret=ALIEN.secret)
    unknown, unsigned, unknown_query = run_beside(
        krakked,
        nothing,
        ({}, environ(ALIEN)),
        ({}, environ(wrong_secret)),
        ({}, environ(KEY, ALIEN)),
    )
    assert {done.returncode for done in (unknown, unsigned, unknown_query)} == {77}
    assert line_of(unknown).startswith("KRAKEN_API_KEY: the venue does not know this key (")
    assert line_of(unsigned).startswith("KRAKEN_API_SECRET: does not belong to its key (")
    assert line_of(unknown_query).startswith("KRAKEN_QUERY_KEY: the venue does not know this key")


def open_another_account(running: RunningSimulator) -> None:
    exchange, tier = running.exchange, running.options.tier
    now_ns = SystemClock().now_ns()
    exchange.open_account("another", deposits={}, tier=tier, now_ns=now_ns)
    exchange.add_key("another", key=ALIEN.key, secret=ALIEN.secret, permissions=ALL_PERMISSIONS)
    rotated = default_key("a-new-key")
    exchange.add_key(
        running.account, key=rotated.key, secret=rotated.secret, permissions=ALL_PERMISSIONS
    )


@pytest.mark.long
def test_keys_of_another_account_are_refused_and_new_ones_of_the_same_are_taken(
    krakked: Any,
) -> None:
    first, alien, mixed, rotated = run_beside(
        krakked,
        open_another_account,
        ({}, environ(KEY)),
        ({}, environ(ALIEN)),
        ({}, environ(KEY, ALIEN)),
        ({}, environ(default_key("a-new-key"))),
    )
    assert first.returncode == 0, first.stderr
    assert alien.returncode == 78
    assert line_of(alien).startswith("the API keys open another account at the venue than the one")
    assert "portfolio.db" in line_of(alien)
    assert mixed.returncode == 77
    assert line_of(mixed).startswith("KRAKEN_QUERY_KEY: of another account than KRAKEN_API_KEY")
    assert rotated.returncode == 0, rotated.stderr


def test_query_key_with_only_its_permissions_is_enough_to_ask(krakked: Any) -> None:
    def add(running: RunningSimulator) -> None:
        running.exchange.add_key(
            running.account, key=ALIEN.key, secret=ALIEN.secret, permissions=QUERY_PERMISSIONS
        )

    (done,) = run_beside(krakked, add, ({}, environ(KEY, ALIEN)))
    assert done.returncode == 0, done.stderr


# addresses


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_venue_that_is_not_there_is_told_by_address_and_setting(krakked: Any) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    (krakked.folder / "etc").mkdir()
    (krakked.folder / "etc" / "config.yaml").write_text(f"venue:\n  rest_url: {url}\n")
    done = krakked.run("run", "--env", "paper", "--config-dir", "etc", **environ(KEY))
    assert done.returncode == 69
    # the overlay of paper names the address too, but what is written counts
    assert line_of(done).startswith(
        f"etc/config.yaml:2: venue.rest_url: {url} does not answer (SystemStatus: not connected: "
    )
    assert line_of(done).endswith("; check the address, the network, and whether the venue is up")


def test_stream_that_is_not_there_is_told_by_address_and_setting(krakked: Any) -> None:
    url, setting = f"ws://127.0.0.1:{closed_port()}/v2", "ws_auth_url"
    variable = f"KRAKKED_VENUE__{setting.upper()}"

    async def main() -> Any:
        running = await start(OPTIONS, clock=SystemClock())
        given = flags(running)
        index = given.index(f"venue.{setting}={getattr(running, setting)}")
        del given[index - 1 : index + 1]
        try:
            return await asyncio.to_thread(
                krakked.run, "run", "--env", "paper", *given, **environ(KEY), **{variable: url}
            )
        finally:
            await running.stop()

    done = asyncio.run(main())
    assert done.returncode == 69
    assert line_of(done).startswith(
        f"{variable}: venue.{setting}: {url} does not answer (not connected: "
    )


# names


@pytest.mark.parametrize(
    ("setting", "names", "remedy"),
    [
        ("universe.exclude_pairs", "[NOSUCH]", "NOSUCH; remove it"),
        ("universe.exclude_pairs", "[DOGEUSD]", "DOGEUSD; did you mean XDGUSD?"),
        ("universe.include_pairs", "[XBTUSD,XBTUDS]", "XBTUDS; did you mean XBTUSD?"),
        ("strategies.trend.pairs", "[XTBUSD]", "XTBUSD; did you mean XBTUSD?"),
    ],
)
def test_pair_that_the_venue_does_not_list_is_refused(
    krakked: Any, setting: str, names: str, remedy: str
) -> None:
    done = krakked.run("run", "--set", f"{setting}={names}")
    assert (done.returncode, line_of(done)) == (
        78,
        f"command line: {setting}: the venue does not list {remedy}",
    )
