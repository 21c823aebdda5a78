"""The ratchets hold the tree, and the ratchets themselves can fail."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

TEXT = """# kept
coverage_percent = 80.0
tests_per_source_line = 1.0
function_lines_median = 8
function_lines_p90 = 25
long_functions = ["libs/old.py::long"]
"""


def write_function(root: Path, name: str, lines: int) -> None:
    body = "\n".join("    x = 1" for _ in range(lines - 1))
    (root / "libs").mkdir(parents=True, exist_ok=True)
    (root / "libs" / f"{name}.py").write_text(f"def {name}():\n{body}\n")


def test_tree_keeps_its_ratchets(tree: Any, ratchets: ModuleType) -> None:
    numbers = ratchets.parse((tree.root / ratchets.FILE).read_text())
    assert ratchets.shape_findings(tree.root, numbers) == []


def test_no_ratchet_was_turned_back_since_an_earlier_commit(
    tree: Any, ratchets: ModuleType
) -> None:
    numbers = ratchets.parse((tree.root / ratchets.FILE).read_text())
    assert ratchets.history_findings(tree.root, numbers) == []


def test_function_of_seventy_lines_fits_and_one_more_does_not(
    tmp_path: Path, ratchets: ModuleType
) -> None:
    numbers = ratchets.parse(TEXT.replace("libs/old.py::long", "").replace('""', ""))
    write_function(tmp_path, "short", 70)
    assert not any("fit a screen" in f for f in ratchets.shape_findings(tmp_path, numbers))
    write_function(tmp_path, "long", 71)
    assert any(
        f.startswith("libs/long.py::long has 71 lines")
        for f in ratchets.shape_findings(tmp_path, numbers)
    )


def test_long_function_that_is_gone_must_leave_the_list(
    tmp_path: Path, ratchets: ModuleType
) -> None:
    findings = ratchets.shape_findings(tmp_path, ratchets.parse(TEXT))
    assert findings == ["libs/old.py::long is short now or gone: strike it off long_functions"]


def test_too_few_tests_and_too_long_a_median_are_findings(
    tmp_path: Path, ratchets: ModuleType
) -> None:
    write_function(tmp_path, "f", 30)
    findings = ratchets.shape_findings(tmp_path, ratchets.parse(TEXT))
    assert any(f.startswith("median function 30 lines") for f in findings)
    assert any(f.startswith("p90 function 30 lines") for f in findings)
    assert any(f.startswith("0.00 lines of test") for f in findings)


def test_lowered_floor_and_new_exception_are_findings(ratchets: ModuleType) -> None:
    before = ratchets.parse(TEXT)
    worse = TEXT.replace("80.0", "79.5").replace("= 25", "= 26").replace("[", '["n", ')
    now = ratchets.parse(worse)
    assert ratchets.slackened(now, before) == [
        "coverage_percent was 80.0, is 79.5",
        "function_lines_p90 was 25, is 26",
        "n was added to long_functions",
    ]
    assert ratchets.slackened(before, before) == []


def test_raised_numbers_are_written_and_comments_stay(ratchets: ModuleType) -> None:
    better = ratchets.parse(TEXT.replace("80.0", "91.5").replace("libs/old.py::long", "a::b"))
    assert ratchets.render(TEXT, better) == TEXT.replace("80.0", "91.5").replace(
        "libs/old.py::long", "a::b"
    )


def test_percentiles_are_those_of_the_sorted_lengths(ratchets: ModuleType) -> None:
    ordered = [ratchets.Function(str(n), n) for n in range(1, 11)]
    assert ratchets.percentile(ordered, 0.5) == 5
    assert ratchets.percentile(ordered, 0.9) == 9
    assert ratchets.percentile(ordered, 1.0) == 10
    assert ratchets.percentile([], 0.9) == 0
