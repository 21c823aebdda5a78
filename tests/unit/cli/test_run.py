"""From flags to run options; and nothing starts that cannot."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from krakked.adapters.sqlite.ledger import open_ledger
from krakked.domain.fills import OpeningLot
from krakked.domain.ids import Asset, PairName
from krakked.engine import __main__ as engine
from krakked.engine.opening import Known
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Environment
from krakked.sim.fault_kinds import FaultKind

Krakked = Callable[..., Result]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """What the engine was asked to run; it only takes note, and ends with 3."""
    options: list[RunOptions] = []

    def run(given: RunOptions) -> int:
        options.append(given)
        return 3

    monkeypatch.setattr(engine, "run", run)
    return options


def test_run_without_flags_is_dev_in_this_folder(krakked: Krakked, asked: list[RunOptions]) -> None:
    assert krakked("run").exit_code == 3
    assert asked == [
        RunOptions(
            environment=Environment.DEV,
            db_path=Path("portfolio.db"),
            is_db_path_given=False,
            config_dir=None,
        )
    ]


def test_flags_become_options_and_settings(
    krakked: Krakked, asked: list[RunOptions], folder: Path
) -> None:
    (folder / "candles").mkdir()
    (folder / "etc").mkdir()
    krakked(
        *("run", "--env", "dev", "--candles", "candles", "--speed", "max", "--seed", "7"),
        *("--from", "2019-01-01", "--to", "2021-12-31", "--db-path", "x.db"),
        *("--config-dir", "etc", "--set", "execution.mode=dry_run", "--duration", "2.5"),
        *("--fault", "answer-lost=0.01", "--fault", "5xx=0.5", "--strict"),
        *("--set", "universe.include_pairs=[XBTUSD]"),
    )
    assert asked == [
        RunOptions(
            environment=Environment.DEV,
            db_path=Path("x.db"),
            is_db_path_given=True,
            config_dir=Path("etc"),
            overrides={
                "execution.mode": "dry_run",
                "universe.include_pairs": ["XBTUSD"],
                "simulator.speed": "max",
                "simulator.seed": 7,
                "simulator.market": "replay",
            },
            candles=Path("candles"),
            start_s=1_546_300_800,
            end_s=1_640_995_200,
            duration_s=Decimal("2.5"),
            pace_flags=("--speed", "--seed"),
            faults={"answer-lost": Decimal("0.01"), "5xx": Decimal("0.5")},
            is_strict=True,
        )
    ]


@pytest.mark.parametrize("verb", ["run", "run-once"])
def test_a_venue_is_all_the_addresses_of_a_simulator(
    krakked: Krakked, asked: list[RunOptions], verb: str
) -> None:
    krakked(verb, "--env", "paper", "--venue", "http://127.0.0.1:8700/")
    krakked(verb, "--venue", "https://sim.example", "--venue-admin", "http://127.0.0.1:8701")
    assert [options.overrides for options in asked] == [
        {
            "venue.rest_url": "http://127.0.0.1:8700",
            "venue.ws_url": "ws://127.0.0.1:8700/v2",
            "venue.ws_auth_url": "ws://127.0.0.1:8700/v2",
        },
        {
            "venue.rest_url": "https://sim.example",
            "venue.ws_url": "wss://sim.example/v2",
            "venue.ws_auth_url": "wss://sim.example/v2",
            "venue.admin_url": "http://127.0.0.1:8701",
        },
    ]


def test_a_setting_goes_before_the_venue(krakked: Krakked, asked: list[RunOptions]) -> None:
    own = "ws://127.0.0.1:8702/v2"
    krakked("run", "--venue", "http://127.0.0.1:8700", "--set", f"venue.ws_auth_url={own}")
    assert asked[0].overrides["venue.ws_auth_url"] == own
    assert asked[0].overrides["venue.ws_url"] == "ws://127.0.0.1:8700/v2"


def test_last_day_is_included_whole(
    krakked: Krakked, asked: list[RunOptions], folder: Path
) -> None:
    krakked("run", "--candles", ".", "--from", "2020-02-29", "--to", "2020-02-29")
    (options,) = asked
    assert options.start_s is not None
    assert options.end_s == options.start_s + 86_400


def test_database_from_the_variable_counts_as_given(
    krakked: Krakked, asked: list[RunOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKKED_DB_PATH", "elsewhere.db")
    krakked("run")
    assert (asked[0].db_path, asked[0].is_db_path_given) == (Path("elsewhere.db"), True)


def test_environment_comes_from_the_variable_and_the_flag_wins(
    krakked: Krakked, asked: list[RunOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKKED_ENV", "paper")
    krakked("run")
    krakked("run", "--env", "live")
    assert [options.environment.value for options in asked] == ["paper", "live"]


def test_folder_of_the_platform_is_used_where_it_is(
    krakked: Krakked, asked: list[RunOptions], folder: Path
) -> None:
    usual = folder / "home" / ".config" / "krakked"
    usual.mkdir(parents=True)
    krakked("run")
    assert asked[0].config_dir == usual


def test_run_once_is_one_cycle_and_takes_no_live(
    krakked: Krakked, asked: list[RunOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    krakked("run-once", "--env", "paper")
    assert (asked[0].once, asked[0].environment) == (True, Environment.PAPER)
    assert krakked("run-once", "--env", "live").exit_code == ExitCode.USAGE
    monkeypatch.setenv("KRAKKED_ENV", "live")
    krakked("run-once")
    assert asked[1].environment is Environment.DEV


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (
            ("--from", "2020-01-01"),
            ExitCode.USAGE,
            "--from and --to need --candles: they say which part is replayed",
        ),
        (
            ("--candles", ".", "--from", "2020-02-01", "--to", "2020-01-01"),
            ExitCode.USAGE,
            "--from 2020-02-01 is after --to 2020-01-01; exchange them",
        ),
        (
            ("--candles", ".", "--from", "01.02.2020"),
            ExitCode.USAGE,
            "--from 01.02.2020: not a date; write it as 2020-03-12",
        ),
        (
            ("--candles", ".", "--to", "2020-02-30"),
            ExitCode.USAGE,
            "--to 2020-02-30: not a date; write it as 2020-03-12",
        ),
        (
            ("--candles", "nowhere"),
            ExitCode.CONFIGURATION,
            "--candles nowhere: no such folder; it must hold files like XBTUSD_60.csv.gz",
        ),
        (
            ("--set", "execution.mode"),
            ExitCode.USAGE,
            "--set execution.mode: not of the form SETTING=VALUE; write e.g. --set "
            "execution.mode=dry_run",
        ),
        (
            ("--set", "universe.include_pairs=[XBT"),
            ExitCode.USAGE,
            "--set universe.include_pairs: '[XBT' is neither a list nor a mapping",
        ),
        (
            ("--venue", "127.0.0.1:8700"),
            ExitCode.USAGE,
            "--venue 127.0.0.1:8700: write http://HOST:PORT, as in http://127.0.0.1:8700",
        ),
        (
            ("--venue", "http://127.0.0.1:8700/0/public"),
            ExitCode.USAGE,
            "--venue http://127.0.0.1:8700/0/public: write http://HOST:PORT, as in "
            "http://127.0.0.1:8700",
        ),
        (
            ("--venue", "http://[::1:8700"),
            ExitCode.USAGE,
            "--venue http://[::1:8700: write http://HOST:PORT, as in http://127.0.0.1:8700",
        ),
        (
            ("--venue", "http://127.0.0.1:1", "--venue-admin", "ws://127.0.0.1:2"),
            ExitCode.USAGE,
            "--venue-admin ws://127.0.0.1:2: write http://HOST:PORT, as in http://127.0.0.1:8700",
        ),
        (
            ("--venue-admin", "http://127.0.0.1:8701"),
            ExitCode.USAGE,
            "--venue-admin goes with --venue; give that too",
        ),
        (
            ("--env", "live", "--venue", "http://127.0.0.1:8700"),
            ExitCode.USAGE,
            "--venue is for dev and paper: live trades at Kraken; leave it out",
        ),
        (
            ("--fault", "gremlins=0.1"),
            ExitCode.USAGE,
            "--fault gremlins=0.1: no kind gremlins (`krakked simulator --help` lists them)",
        ),
    ],
)
def test_flags_that_cannot_be_used_are_one_line(
    krakked: Krakked,
    asked: list[RunOptions],
    flags: tuple[str, ...],
    code: ExitCode,
    words: str,
) -> None:
    result = krakked("run", *flags)
    assert result.exit_code == code
    assert result.stderr == f"krakked: {words}\n"
    assert asked == []


@pytest.mark.parametrize("chance", ["", "x", "-0.1", "1.1", "NaN"])
def test_probability_that_is_none_is_refused(
    krakked: Krakked, asked: list[RunOptions], chance: str
) -> None:
    assert krakked("run", "--fault", f"5xx={chance}").exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "flags",
    [
        ("--env", "prod"),
        ("--seed", "-1"),
        ("--seed", "x"),
        *(("--duration", text) for text in ("0", "-1", "nan", "-nan", "inf", "1e300")),
    ],
)
def test_flag_out_of_its_range_is_wrong_use(
    krakked: Krakked, asked: list[RunOptions], flags: tuple[str, ...]
) -> None:
    assert krakked("run", *flags).exit_code == ExitCode.USAGE


def test_every_kind_of_fault_can_be_given_to_run(krakked: Krakked, asked: list[RunOptions]) -> None:
    flags = [text for kind in FaultKind for text in ("--fault", f"{kind.value}=0.1")]
    krakked("run", *flags)
    assert list(asked[0].faults) == [kind.value for kind in FaultKind]


def test_file_of_faults_is_handed_on_and_checked_before_anything_starts(
    krakked: Krakked, asked: list[RunOptions], tmp_path: Path
) -> None:
    mixture = tmp_path / "bad-day.yaml"
    mixture.write_text("faults:\n  - {kind: busy, probability: 0.1}\n")
    krakked("run", "--faults", str(mixture))
    assert asked[0].faults_file == mixture
    mixture.write_text("faults:\n  - {kind: busyy}\n")
    shown = krakked("run", "--faults", str(mixture))
    assert shown.exit_code == ExitCode.CONFIGURATION
    assert f"{mixture}:2: Invalid enum value 'busyy'" in shown.stderr
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("environ", "flags", "words"),
    [
        ({"KRAKKED_EXECUTION__MODE": "live"}, (), "live is not possible in environment dev"),
        ({"KRAKKED_NONSENSE": "1"}, (), "KRAKKED_NONSENSE: unknown variable"),
        ({}, ("--set", "simulator.sped=3"), "the nearest known one is simulator.speed"),
        ({}, ("--speed", "fast"), "simulator.speed: 'fast' is wrong; expected a number or `max`"),
        ({}, ("--config-dir", "nowhere"), "nowhere: no such folder"),
        ({}, ("--env", "live"), "account.name (default): live needs a name for its account"),
    ],
)
def test_configuration_that_cannot_be_used_starts_nothing(
    krakked: Krakked,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    flags: tuple[str, ...],
    words: str,
) -> None:
    """The true engine is asked here: it refuses before it opens anything."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = krakked("run", *flags)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert words in result.stderr
    assert list(folder.iterdir()) == []


ELSEWHERE = tuple(
    text
    for name, address in (
        ("rest_url", "http://127.0.0.1:9"),
        ("ws_url", "ws://127.0.0.1:9/v2"),
        ("ws_auth_url", "ws://127.0.0.1:9/v2"),
    )
    for text in ("--set", f"venue.{name}={address}")
)


@pytest.mark.parametrize(
    "venue",
    [("--env", "paper"), ("--env", "live"), ELSEWHERE, ("--venue", "http://127.0.0.1:9")],
)
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--candles", "."), "--candles replays on a simulator"),
        (("--candles", ".", "--from", "2020-01-01"), "--candles replays on a simulator"),
        (("--fault", "5xx=0.1"), "--fault makes faults in a simulator"),
        (("--faults", "mixture.yaml"), "--faults makes faults in a simulator"),
        (("--speed", "max"), "--speed is the clock of a simulator"),
        (("--seed", "7"), "--seed makes the market of a simulator"),
    ],
)
def test_what_needs_a_simulator_is_refused_where_another_venue_would_be_traded_at(
    krakked: Krakked,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    venue: tuple[str, ...],
    flags: tuple[str, ...],
    words: str,
) -> None:
    """The true engine is asked: it must not come as far as a ledger or a connection."""
    (folder / "mixture.yaml").write_text("faults:\n  - {kind: busy, probability: 0.1}\n")
    monkeypatch.setenv("KRAKEN_API_KEY", "key")
    monkeypatch.setenv("KRAKEN_API_SECRET", "c2VjcmV0")
    monkeypatch.setattr(engine, "_run_on", lambda *_: pytest.fail("it would trade"))
    result = krakked("run", *venue, *flags)
    assert result.stderr == (
        f"krakked: {words} of this process: only --env dev without venue.rest_url\n"
    )
    assert result.exit_code == ExitCode.USAGE
    assert [path.name for path in folder.iterdir()] == ["mixture.yaml"]


def test_setting_of_the_simulator_may_stand_unused(
    krakked: Krakked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKEN_API_KEY", "key")
    monkeypatch.setenv("KRAKEN_API_SECRET", "c2VjcmV0")
    monkeypatch.setattr(engine, "_run_on", lambda *_: 3)
    assert krakked("run", *ELSEWHERE, "--set", "simulator.seed=7").exit_code == 3


class Books:
    """Stands in for the engine in ``portfolio init``."""

    def __init__(self) -> None:
        self.options: RunOptions | None = None
        self.was_confirmed: bool | None = None
        self.known: Known | None = None

    def book(self, options: RunOptions, *, confirm: Callable[[Any], bool], known: Known) -> int:
        self.options, self.known, self.was_confirmed = options, known, None
        lots = [
            OpeningLot(asset=Asset("USD"), quantity=Decimal(500), cost_base=Decimal(500), at_ns=1),
            OpeningLot(asset=Asset("XBT"), quantity=Decimal("0.5"), cost_base=None, at_ns=1),
            OpeningLot(
                asset=Asset("ETH"),
                quantity=Decimal(2),
                cost_base=Decimal(5000),
                at_ns=1,
                pair=PairName("ETHUSD"),
            ),
        ]
        self.was_confirmed = confirm(lots)
        return 0 if self.was_confirmed else 4


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    standing = Books()
    monkeypatch.setattr(engine, "book_opening_lots", standing.book)
    return standing


def test_opening_balances_are_shown_before_they_are_booked(krakked: Krakked, books: Books) -> None:
    result = krakked("portfolio", "init", "--env", "paper", input="y\n")
    assert (result.exit_code, books.was_confirmed) == (0, True)
    lines = result.stdout.splitlines()
    assert [re.split(r"  +", line)[:4] for line in lines[:4]] == [
        ["asset", "quantity", "cost", "cost is"],
        ["USD", "500", "500.00", "its amount"],
        ["XBT", "0.5", "-", "unknown: no price, or it does not count"],
        ["ETH", "2", "5000.00", "a guess: the newest price; --cost ETH=PRICE|unknown says better"],
    ]


def test_opening_balances_are_of_the_environment_of_the_database_unless_one_is_named(
    krakked: Krakked, books: Books, folder: Path, records: Any
) -> None:
    path = folder / "paper.db"
    identity = msgspec.structs.replace(records.IDENTITY, environment="paper")
    opened = open_ledger(path, identity, clock=records.FixedClock(), threaded=False)
    asyncio.run(opened.close())
    at = ("--db-path", str(path), "--yes")
    assert krakked("portfolio", "init", *at).exit_code == 0
    assert books.options is not None
    assert books.options.environment is Environment.PAPER
    assert krakked("portfolio", "init", "--env", "dev", *at).exit_code == 0
    assert books.options.environment is Environment.DEV


def test_opening_balances_are_asked_for_at_the_venue_that_is_named(
    krakked: Krakked, books: Books
) -> None:
    venue = ("--venue", "http://127.0.0.1:8700", "--venue-admin", "http://127.0.0.1:8701")
    assert krakked("portfolio", "init", "--env", "paper", "--yes", *venue).exit_code == 0
    assert books.options is not None
    given = {name: url for name, url in books.options.overrides.items() if "venue" in name}
    assert given == {
        "venue.rest_url": "http://127.0.0.1:8700",
        "venue.ws_url": "ws://127.0.0.1:8700/v2",
        "venue.ws_auth_url": "ws://127.0.0.1:8700/v2",
        "venue.admin_url": "http://127.0.0.1:8701",
    }


def test_opening_balances_of_live_are_kraken_s_and_of_no_other_venue(
    krakked: Krakked, books: Books
) -> None:
    result = krakked("portfolio", "init", "--env", "live", "--venue", "http://127.0.0.1:8700")
    assert (result.exit_code, books.options) == (ExitCode.USAGE, None)
    assert "--venue is for dev and paper" in result.stderr


def test_cost_and_date_that_a_person_knows_go_to_the_books_and_are_shown_as_given(
    krakked: Krakked, books: Books
) -> None:
    flags = ("--cost", "ETH=2500", "--cost", "xbt=unknown", "--date", "2024-03-01", "--yes")
    result = krakked("portfolio", "init", *flags)
    assert result.exit_code == 0
    at_ns = 1_709_251_200 * 10**9
    prices = {Asset("ETH"): Decimal(2500), Asset("XBT"): None}
    assert books.known == Known(prices=prices, at_ns=at_ns)
    sources = {
        line.split()[0]: re.split(r"  +", line)[3] for line in result.stdout.splitlines()[1:4]
    }
    assert sources == {"USD": "its amount", "XBT": "unknown, as given", "ETH": "as given"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--cost", "ETH"), "--cost ETH: expected an asset and the price of one unit, like XBT="),
        (("--cost", "ETH=-5"), "--cost ETH=-5: expected an asset and the price"),
        (("--cost", "ETH=NaN"), "--cost ETH=NaN: expected an asset and the price"),
        (("--date", "yesterday"), "--date yesterday: not a date; write it as 2020-03-12"),
        (("--date", "2999-01-01"), "--date 2999-01-01: is still to come"),
    ],
)
def test_cost_or_date_that_cannot_be_is_refused_before_anything_starts(
    krakked: Krakked, books: Books, flags: tuple[str, str], words: str
) -> None:
    result = krakked("portfolio", "init", "--yes", *flags)
    assert (result.exit_code, books.known) == (ExitCode.USAGE, None)
    assert result.stderr.startswith(f"krakked: {words}")


def test_opening_balances_are_not_booked_without_a_yes(krakked: Krakked, books: Books) -> None:
    for said in ("n\n", "\n"):
        result = krakked("portfolio", "init", input=said)
        assert (result.exit_code, books.was_confirmed) == (4, False)
        assert result.stderr.splitlines()[-1] == "krakked: not agreed to; nothing was booked"
        assert "booked: " not in result.stdout
    unanswered = krakked("portfolio", "init", input="")
    assert unanswered.exit_code == ExitCode.USAGE
    assert unanswered.stderr.splitlines()[-1].endswith("at a terminal, or say --yes")
    assert krakked("portfolio", "init", "--yes").exit_code == 0
    assert books.was_confirmed is True


def test_opening_balances_that_were_booked_are_told(krakked: Krakked, books: Books) -> None:
    result = krakked("portfolio", "init", "--yes")
    assert result.stdout.splitlines()[-1] == "booked: 3 opening balances; the books begin"
    told = json.loads(krakked("portfolio", "init", "--yes", "--json").stdout)
    assert [(lot["asset"], lot["quantity"]) for lot in told["booked"]] == [
        ("USD", "500"),
        ("XBT", "0.5"),
        ("ETH", "2"),
    ]


def test_log_of_booking_stays_out_of_its_answer(krakked: Krakked, books: Books) -> None:
    krakked("portfolio", "init", "--yes")
    assert books.options is not None
    assert books.options.keeps_stdout_for_answer


def test_opening_balances_may_be_booked_in_live(krakked: Krakked, books: Books) -> None:
    krakked("portfolio", "init", "--env", "live", "--yes", "--db-path", "live.db")
    assert books.options is not None
    assert books.options.environment is Environment.LIVE
    assert books.options.db_path == Path("live.db")
    assert books.options.once is False
    assert books.options.overrides == {"health.port": None}
