"""``krakked simulator``: what a person types, what is printed, how it ends."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from krakked.cli.__main__ import root
from krakked.domain.candles import parse_rows
from krakked.domain.ids import PairName
from krakked.sim.market.synthetic import SyntheticMarket


def krakked(*arguments: str) -> Any:
    return CliRunner().invoke(root, ["simulator", *arguments])


def test_help_has_examples_and_exit_codes() -> None:
    for arguments in (["--help"], ["export-candles", "--help"]):
        shown = krakked(*arguments)
        assert shown.exit_code == 0
        assert "Example" in shown.output
        assert "Exit codes" in shown.output


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("--speed", "0"), 2, "--speed 0: write a number above 0, or max"),
        (("--speed", "fast"), 2, "--speed fast"),
        (("--market", "replay"), 2, "--market replay needs --candles DIR"),
        (("--market", "replay", "--candles", "nowhere"), 78, "nowhere: no such folder"),
        (("--listen", "x"), 2, "--listen x: write HOST:PORT"),
        (("--listen", "127.0.0.1:99999"), 2, "write HOST:PORT"),
        (("--balance", "FOO=1"), 78, "asset FOO is not known"),
        (("--balance", "USD"), 2, "--balance USD: write NAME=NUMBER"),
        (("--balance", "USD=1,USD=2"), 2, "--balance USD: given twice"),
        (("--market", "calm", "--candles", "."), 2, "--candles goes with --market replay"),
        (("--api-key", "a", "--query-key", "a"), 78, "key a is given for trading and for asking"),
        (("--balance", "USD=nan"), 2, "write NAME=NUMBER"),
        (("--balance", "USD=-5"), 2, "write NAME=NUMBER"),
        (("--balance", "USD=1e400"), 78, "balance USD=1E+400: give a number of at most 10^15"),
        (("--balance", "USD=1e30"), 78, "balance USD=1E+30: give a number of at most 10^15"),
        (("--balance", "USD=1000000000000001"), 78, "give a number of at most 10^15"),
        (("--balance", "XBT=1e-20"), 78, "balance XBT=1E-20: give a number of at most 10^15"),
        (("--balance", "XBT=1e-11"), 78, "balance XBT=1E-11: XBT has 10 decimals"),
        (("--balance", "USD.F=0.00001"), 78, "balance USD.F=0.00001: USD has 4 decimals"),
        (("--price", "XBTUSD=1e40"), 78, "--price XBTUSD=1E+40: give a number of at most 10^15"),
        (("--fault", "flood=0.1"), 2, "no kind flood (`krakked simulator --help` lists them)"),
        (("--fault", "answer-last=0.1"), 2, "did you mean answer-lost?"),
        (("--fault", "5xx=2"), 2, "write a probability from 0 to 1"),
        (("--fault", "5xx=0.1", "--fault", "5xx=0.2"), 2, "5xx is given twice"),
        (("--faults", "nowhere.yaml"), 78, "nowhere.yaml: No such file or directory"),
        (("--console", "--json"), 2, "leave one of them out"),
        (("--accounts", "nowhere.yaml"), 78, "--accounts nowhere.yaml: No such file"),
        (("--choice", "post_only_mode"), 2, "--choice post_only_mode: write NAME=VALUE"),
        (("--choice", "seed=1", "--choice", "seed=2"), 2, "each name once"),
        (("--choice", "market_band_pct=nan"), 78, "a number above 0, up to 100"),
        (("--choice", "market_band_pct=-5"), 78, "a number above 0, up to 100"),
        (("--choice", "concurrent_requests=-1"), 78, "Expected `int` >= 0"),
        (("--choice", "token_life_s=-1"), 78, "Expected `int` >= 0"),
        (("--choice", 'rest_costs={"Foo": 1}'), 78, "no private method Foo"),
        (("--choice", 'rest_costs={"Balance": -1}'), 78, "Expected `int` >= 0"),
        (("--choice", "rest_costs={Balance: 1}"), 2, "this is no JSON"),
        (("--choice", "fee_ladder=[]"), 78, "begins at volume_usd 0"),
        (
            (
                "--choice",
                'fee_ladder=[{"volume_usd": 0, "taker_pct": 101, "maker_pct": 0}]',
            ),
            78,
            "from 0 to 100",
        ),
        (("--choice", "colour=red"), 78, "--choice colour: there is no such choice"),
        (("--strict", "--tier", "none"), 2, "--strict limits what --tier none does not"),
        (("--strict", "--choice", "ohlc_since=never"), 78, "Invalid enum value 'never'"),
        (("--from", "2024-13-01"), 2, "--from 2024-13-01: not a date"),
        (("--api-secret", "c2VjcmV0"), 2, "--api-secret needs --api-key"),
        (("--api-key", "k", "--api-secret", "###"), 78, "not base64"),
        (("--pair", "NOPE"), 78, "pair NOPE is not known"),
        (("--price", "XBTUSD=0"), 78, "price"),
        (
            ("--pair", "XBTUSD", "--price", "ETHUSD=5"),
            78,
            "--price ETHUSD=5: not among the pairs that are listed (XBTUSD); add --pair ETHUSD",
        ),
        (("--to", "2026-01-01"), 2, "--to goes with --market replay, not synthetic"),
        (
            ("--market", "replay", "--candles", ".", "--from", "2024-02-01", "--to", "2024-01-01"),
            2,
            "exchange them",
        ),
    ],
)
def test_wrong_flags_are_one_line_and_a_code(
    arguments: tuple[str, ...], code: int, line: str
) -> None:
    shown = krakked("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *arguments)
    assert (shown.exit_code, line in shown.output) == (code, True), shown.output
    assert len(shown.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("1704067200,1,2,0.5,1.5,7,3\nrubbish\n", "XBTUSD_60.csv:2: "),
        ("1704067200,1,2,0.5,1.5,7,3\n1704063600,1,2,0.5,1.5,7,3\n", "sort the rows"),
        ("1704067200,1,2,0.5,1.5,7,3\n1704067200,1,2,0.5,1.5,7,3\n", "stands twice"),
        ("", "XBTUSD_60.csv: empty"),
    ],
)
def test_candles_that_cannot_be_used_are_named_with_file_and_line(
    tmp_path: Path, rows: str, line: str
) -> None:
    (tmp_path / "XBTUSD_60.csv").write_text(rows)
    shown = krakked("--market", "replay", "--candles", str(tmp_path), "--listen", "127.0.0.1:0")
    assert (shown.exit_code, line in shown.output) == (78, True), shown.output


def test_no_candles_in_the_range_name_the_range(tmp_path: Path) -> None:
    (tmp_path / "XBTUSD_60.csv").write_text("1704067200,1,2,0.5,1.5,7,3\n")
    folder = ("--market", "replay", "--candles", str(tmp_path))
    shown = krakked(*folder, "--from", "2025-01-01", "--to", "2025-01-31")
    assert shown.exit_code == 78
    assert "no candles between 2025-01-01 00:00 and 2025-01-31 23:59" in shown.output


def test_exported_candles_are_read_back_and_the_same_twice(tmp_path: Path) -> None:
    span = ("--from", "2024-02-27", "--to", "2024-03-01")
    for folder in ("a", "b"):
        flags = ("--pair", "XBTUSD", "--pair", "ETHUSD", "--out", str(tmp_path / folder))
        shown = krakked("export-candles", *span, *flags, "--gzip", "--json")
        assert shown.exit_code == 0
        assert [one["pair"] for one in json.loads(shown.output)] == ["XBTUSD", "ETHUSD"]
    name = "XBTUSD_60.csv.gz"
    data = (tmp_path / "a" / name).read_bytes()
    assert data == (tmp_path / "b" / name).read_bytes()
    lines = gzip.decompress(data).decode().splitlines()
    rows = list(parse_rows(lines, source=name, pair=PairName("XBTUSD"), step_s=3600))
    assert 90 <= len(rows) <= 96
    assert (rows[0].start_s, rows[-1].start_s) == (1_708_992_000, 1_709_337_600 - 3600)


def test_export_writes_over_no_file_and_then_writes_none(tmp_path: Path) -> None:
    recorded = tmp_path / "ETHUSD_60.csv"
    recorded.write_text("recorded")
    flags = ("--from", "2024-01-01", "--to", "2024-01-01", "--out", str(tmp_path))
    shown = krakked("export-candles", *flags, "--pair", "XBTUSD", "--pair", "ETHUSD")
    assert shown.exit_code == 74
    assert shown.output == (
        f"krakked: {recorded}: there already, and never overwritten; nothing was written: give "
        "another folder as --out, or remove what is there\n"
    )
    assert [path.read_text() for path in tmp_path.iterdir()] == ["recorded"]
    assert krakked("export-candles", *flags, "--pair", "XBTUSD").exit_code == 0
    again = krakked("export-candles", *flags, "--pair", "XBTUSD", "--pair", "ETHUSD")
    assert f"{tmp_path / 'XBTUSD_60.csv'} (and 1 more): there already" in again.output


@pytest.mark.parametrize(("there", "flags"), [("csv", ("--gzip",)), ("csv.gz", ())])
def test_export_writes_nothing_beside_the_same_candles_in_the_other_form(
    tmp_path: Path, there: str, flags: tuple[str, ...]
) -> None:
    recorded = tmp_path / f"XBTUSD_60.{there}"
    recorded.write_text("recorded")
    span = ("--from", "2024-01-01", "--to", "2024-01-01", "--out", str(tmp_path))
    shown = krakked("export-candles", *span, "--pair", "XBTUSD", *flags)
    assert shown.exit_code == 74
    assert f"{recorded}: there already" in shown.output
    assert list(tmp_path.iterdir()) == [recorded]


def test_export_writes_as_it_goes_and_leaves_no_part_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    class Stopped(Exception):
        pass

    def stop_later(self: Any, pair: Any, minutes: int, start_s: int, end_s: int) -> Any:
        (part,) = tmp_path.iterdir()
        written.append(part.stat().st_size)
        if len(written) == 20:
            raise Stopped
        return real(self, pair, minutes, start_s, end_s)

    real = SyntheticMarket.candles_between
    monkeypatch.setattr(SyntheticMarket, "candles_between", stop_later)
    span = ("--from", "2024-01-01", "--to", "2999-12-31", "--pair", "XBTUSD")
    shown = krakked("export-candles", *span, "--interval", "60", "--out", str(tmp_path))
    assert isinstance(shown.exception, Stopped)
    assert written[-1] > written[1] > 0
    assert list(tmp_path.iterdir()) == []


def test_another_seed_is_another_market(tmp_path: Path) -> None:
    span = ("--from", "2024-01-01", "--to", "2024-01-01", "--pair", "XBTUSD")
    texts = []
    for seed in ("1", "2"):
        krakked("export-candles", *span, "--seed", seed, "--out", str(tmp_path / seed))
        texts.append((tmp_path / seed / "XBTUSD_60.csv").read_text())
    assert texts[0] != texts[1]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    out = str(tmp_path / "file" / "folder")
    span = ("--from", "2024-01-01", "--to", "2024-01-01", "--pair", "XBTUSD")
    shown = krakked("export-candles", *span, "--out", out)
    assert (shown.exit_code, "cannot be written" in shown.output) == (74, True)


def test_pairs_to_export_are_known_by_each_spelling(tmp_path: Path) -> None:
    span = ("--from", "2024-01-01", "--to", "2024-01-01", "--out", str(tmp_path))
    pairs = ("--pair", "DOGE/USD", "--pair", "btcusd", "--pair", "XBTUSD")
    prices = ("--price", "doge-usd=0.5", "--price", "BTCUSD=50000")
    shown = krakked("export-candles", *span, *pairs, *prices, "--json")
    assert [one["pair"] for one in json.loads(shown.output)] == ["XDGUSD", "XBTUSD"]
    assert (tmp_path / "XDGUSD_60.csv").read_text().split(",")[1].startswith("0.")


def test_one_asset_in_two_spellings_is_given_twice() -> None:
    shown = krakked("--listen", "127.0.0.1:0", "--balance", "btc=1,XBT=2")
    assert (shown.exit_code, "--balance XBT: given twice" in shown.output) == (2, True)
