"""What ``krakked simulator`` prints: where it is, its keys, and what to try first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from krakked.domain.times import DAY_S, NS_PER_SECOND, to_minute

if TYPE_CHECKING:
    from krakked.simulator import RunningSimulator


def remark(running: RunningSimulator) -> None:
    """What is not played of what was given; on standard error, for either kind of reader."""
    for words in running.remarks():
        click.echo(f"krakked: {words}", err=True)


def announce(running: RunningSimulator) -> None:
    """For people."""
    options = running.options
    speed = "max" if options.speed is None else f"{options.speed:g}"
    click.echo(
        f"simulator: {options.market} market, {len(running.pairs)} pairs, "
        f"seed {options.seed}, speed {speed}"
    )
    rows = _addresses(running)
    width = max(14, max(map(len, rows)) + 1)
    for name, text in rows.items():
        click.echo(f"  {name.ljust(width)}{text}")
    click.echo("Try:")
    for line in (_curl(running), _ccxt(running), _engine(running)):
        click.echo(f"  {line}")
    click.echo("Ctrl-C stops it.")
    say_late(running)


def announce_json(running: RunningSimulator) -> None:
    """For programs: one line."""
    import msgspec

    options = running.options
    row = {"market": options.market, "pairs": running.pairs, "seed": options.seed}
    click.echo(msgspec.json.encode(row | _addresses(running)).decode())
    say_late(running)


def say_late(running: RunningSimulator) -> None:
    """A replay that starts long before its candles do."""
    from_s, first_ns = running.options.from_s, running.first_trade_ns
    if from_s is None or first_ns is None or first_ns < (from_s + DAY_S) * NS_PER_SECOND:
        return
    click.echo(
        f"the candles begin to trade at {to_minute(first_ns)}, after --from "
        f"{to_minute(from_s * NS_PER_SECOND)}: nothing happens before",
        err=True,
    )


def say_over(running: RunningSimulator) -> None:
    """A replay has nothing more to play."""
    click.echo(f"the market of {len(running.pairs)} pairs is over; still serving", err=True)


def _curl(running: RunningSimulator) -> str:
    return f"curl '{running.rest_url}/0/public/Ticker?pair={running.pairs[0]}'"


def _ccxt(running: RunningSimulator) -> str:
    """Somebody else's client, unchanged."""
    key, url = running.options.trade_key, running.rest_url
    urls = f"'urls': {{'api': {{'public': '{url}', 'private': '{url}'}}}}"
    client = f"ccxt.kraken({{{urls}, 'apiKey': '{key.key}', 'secret': '{key.secret}'}})"
    return f'python -c "import ccxt; print({client}.fetch_balance())"'


def _engine(running: RunningSimulator) -> str:
    """An engine that trades here, in another process."""
    key = running.options.trade_key
    flags = [f"--venue {running.rest_url}"]
    if running.admin_url is not None:
        flags.append(f"--venue-admin {running.admin_url}")
    if running.ws_auth_url != running.ws_url:
        flags.append(f"--set venue.ws_auth_url={running.ws_auth_url}")
    keys = f"KRAKEN_API_KEY={key.key} KRAKEN_API_SECRET={key.secret}"
    return f"{keys} krakked run --env paper {' '.join(flags)}"


def _addresses(running: RunningSimulator) -> dict[str, str]:
    rows = {"rest_url": running.rest_url, "ws_url": running.ws_url}
    rows["ws_auth_url"] = running.ws_auth_url
    if running.admin_url is not None:
        rows["admin_url"] = running.admin_url
    for role, key in (("trade", running.options.trade_key), ("query", running.options.query_key)):
        if key is not None:
            rows |= {f"{role}_key": key.key, f"{role}_secret": key.secret}
    for account in running.options.accounts:
        for number, key in enumerate(account.keys, start=1):
            rows[f"{account.name}_key_{number}"] = key.key
            rows[f"{account.name}_secret_{number}"] = key.secret
    return rows
