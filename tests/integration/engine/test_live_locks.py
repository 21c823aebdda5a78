"""Live starts only when every lock is open: each closed one is a line, and all come at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(120)

OPEN = {
    "execution.mode": "live",
    "execution.allow_live_trading": "true",
    "account.name": "main",
    "account.confirm_name": "main",
    # Nobody listens there: what gets past the locks must not reach a venue.
    "venue.rest_url": "http://127.0.0.1:9",
    "venue.ws_url": "ws://127.0.0.1:9",
    "venue.ws_auth_url": "ws://127.0.0.1:9",
}
KEYS = {"KRAKEN_API_KEY": "key", "KRAKEN_API_SECRET": "c2VjcmV0"}
NO_FLAG = (
    "krakked: execution.allow_live_trading (default): mode live needs it; set it to true, or use "
    "dry_run"
)
NO_CONFIRMATION = (
    "krakked: account.confirm_name (default): the account's name (main) is not confirmed; type it "
    "once more: main"
)
NO_NAME = "krakked: account.name (default): live needs a name for its account; give it one"
NO_REPEAT = (
    "krakked: account.confirm_name (default): must repeat the account's name; type it by hand"
)
NO_KEYS = (
    "krakked: no API keys: set KRAKEN_API_KEY and KRAKEN_API_SECRET, or venue.keys_dir, or run "
    "`krakked secrets set`"
)
NO_KEYS_BESIDE = NO_KEYS.replace("keys: ", "keys; ", 1)


def start(krakked: Any, *closed: str, keys: bool) -> tuple[int, list[str]]:
    """Exit code and what it said, with these locks closed; nothing else is said, nothing made."""
    flags = [f"{name}={value}" for name, value in OPEN.items() if name not in closed]
    arguments = [part for flag in flags for part in ("--set", flag)]
    done = krakked.run("run", "--env", "live", *arguments, **(KEYS if keys else {}))
    assert not (krakked.folder / "portfolio.db").exists()
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip().splitlines()


@pytest.mark.parametrize(
    ("closed", "line"),
    [
        ("execution.allow_live_trading", NO_FLAG),
        ("account.confirm_name", NO_CONFIRMATION),
    ],
)
def test_one_closed_lock_is_one_line_and_exit_code_78(krakked: Any, closed: str, line: str) -> None:
    assert start(krakked, closed, keys=True) == (78, [line])


def test_missing_keys_alone_are_one_line_and_exit_code_77(krakked: Any) -> None:
    assert start(krakked, keys=False) == (77, [NO_KEYS])


@pytest.mark.parametrize("environment", ["paper", "live"])
def test_missing_keys_are_exit_code_77_in_paper_and_in_dry_run_of_live(
    krakked: Any, environment: str
) -> None:
    done = krakked.run("run", "--env", environment, "--set", "account.name=main")
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (77, NO_KEYS)


def test_all_closed_locks_are_told_at_once(krakked: Any) -> None:
    locks = ("execution.allow_live_trading", "account.confirm_name", "account.name")
    assert start(krakked, *locks, keys=False) == (78, [NO_NAME, NO_FLAG, NO_REPEAT, NO_KEYS_BESIDE])
    assert start(krakked, *locks, keys=True) == (78, [NO_NAME, NO_FLAG, NO_REPEAT])


def test_keys_that_are_in_a_folder_are_not_called_missing(krakked: Any, tmp_path: Path) -> None:
    krakked.folder.joinpath("config.yaml").write_text(f"venue: {{keys_dir: {tmp_path}}}\n")
    flags = ("--config-dir", str(krakked.folder), "--set", "execution.mode=live")
    done = krakked.run("run", "--env", "live", *flags)
    assert done.returncode == 78
    assert "no API keys" not in done.stderr


def test_mode_that_is_not_live_plans_and_needs_neither_flag_nor_confirmation(krakked: Any) -> None:
    locks = ("execution.mode", "execution.allow_live_trading", "account.confirm_name")
    flags = [f"{name}={value}" for name, value in OPEN.items() if name not in locks]
    arguments = [part for flag in flags for part in ("--set", flag)]
    done = krakked.run("run", "--env", "live", *arguments, **KEYS)
    # Past the locks, to a venue that is not there.
    assert done.returncode == 69, done.stderr


def test_live_is_refused_in_every_other_environment(krakked: Any) -> None:
    for environment in ("dev", "paper"):
        done = krakked.run("run", "--env", environment, "--set", "execution.mode=live", **KEYS)
        assert done.returncode == 78
        assert done.stderr.strip().splitlines() == [
            "krakked: command line: execution.mode: live is not possible in environment "
            f"{environment}; start with --env live, or set it to paper or dry_run"
        ]
