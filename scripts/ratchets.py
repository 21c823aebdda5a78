"""Ratchets: numbers about the code that may get better, and never worse.

They stand in ``.ci/ratchets.toml``. ``check`` holds the tree against them, ``coverage`` holds the
last measured run against its floor, ``raise`` writes better numbers down once the code has them,
``report`` prints. A number that was better in an earlier commit is a failure too: lowering a floor
is no way to pass.
"""

from __future__ import annotations

import ast
import math
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FILE: Final = ".ci/ratchets.toml"
LONG_LINES: Final = 70
"""A function above this does not fit a screen."""
LOOK_TWICE_LINES: Final = 500
"""A file above this is printed, not refused."""
MARGIN_PERCENT: Final = 0.5
"""`raise` leaves the coverage floor this far below the measurement: runs differ by a few lines."""

NUMBERS: Final = {
    "coverage_percent": 1,
    "tests_per_source_line": 1,
    "function_lines_median": -1,
    "function_lines_p90": -1,
}
"""Each number of the file, and whether more of it (1) or less (-1) is better."""


@dataclass(frozen=True)
class Function:
    """One function and its length, from ``def`` to its last line."""

    name: str
    lines: int


@dataclass(frozen=True)
class Ratchets:
    """What the file holds."""

    coverage_percent: float
    tests_per_source_line: float
    function_lines_median: int
    function_lines_p90: int
    long_functions: tuple[str, ...]


def parse(text: str) -> Ratchets:
    """Read the file's text."""
    table = tomllib.loads(text)
    return Ratchets(**{**table, "long_functions": tuple(table["long_functions"])})


def python_files(root: Path, *folders: str) -> list[Path]:
    """All modules under the folders, in order of their names."""
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


def functions(root: Path, path: Path) -> Iterator[Function]:
    """The functions of one module, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{path.relative_to(root).as_posix()}::{node.name}"
            yield Function(name, (node.end_lineno or node.lineno) - node.lineno + 1)


def source_functions(root: Path) -> list[Function]:
    """Every function that ships, shortest first."""
    found = [f for path in python_files(root, "libs", "services") for f in functions(root, path)]
    return sorted(found, key=lambda f: (f.lines, f.name))


def percentile(ordered: Sequence[Function], share: float) -> int:
    """The length that this share of the functions does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)].lines if ordered else 0


def line_count(paths: Sequence[Path]) -> int:
    """Lines that are not blank."""
    return sum(
        1
        for path in paths
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    )


def tests_per_source_line(root: Path) -> float:
    """How much test there is for a line of source."""
    source = line_count(python_files(root, "libs", "services"))
    return line_count(python_files(root, "tests")) / source if source else math.inf


def shape_findings(root: Path, ratchets: Ratchets) -> list[str]:
    """Where functions have become longer, or tests fewer, than they may."""
    ordered = source_functions(root)
    median, p90 = percentile(ordered, 0.5), percentile(ordered, 0.9)
    ratio = tests_per_source_line(root)
    long = {f.name: f.lines for f in ordered if f.lines > LONG_LINES}
    found = [
        f"{name} has {lines} lines; {LONG_LINES} fit a screen: split it"
        for name, lines in sorted(long.items())
        if name not in ratchets.long_functions
    ]
    found += [
        f"{name} is short now or gone: strike it off long_functions"
        for name in ratchets.long_functions
        if name not in long
    ]
    if median > ratchets.function_lines_median:
        found.append(f"median function {median} lines; at most {ratchets.function_lines_median}")
    if p90 > ratchets.function_lines_p90:
        found.append(f"p90 function {p90} lines; at most {ratchets.function_lines_p90}")
    if ratio < ratchets.tests_per_source_line:
        found.append(
            f"{ratio:.2f} lines of test per line of source; floor {ratchets.tests_per_source_line}"
        )
    return found


def slackened(now: Ratchets, before: Ratchets) -> list[str]:
    """What the file asks less of than it did in an earlier commit."""
    found = []
    for key, sign in NUMBERS.items():
        is_now, was = getattr(now, key), getattr(before, key)
        if sign * is_now < sign * was:
            found.append(f"{key} was {was}, is {is_now}")
    added = [name for name in now.long_functions if name not in before.long_functions]
    return found + [f"{name} was added to long_functions" for name in added]


def git(root: Path, *arguments: str) -> str:
    """What git says; nothing where there is no repository."""
    program = shutil.which("git")
    if program is None:
        return ""
    command = [program, *arguments]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return ran.stdout if ran.returncode == 0 else ""


def earlier(root: Path) -> Iterator[Ratchets]:
    """Every committed state of the file that git still knows."""
    for commit in git(root, "log", "--format=%H", "--", FILE).split():
        text = git(root, "show", f"{commit}:{FILE}")
        if text:
            yield parse(text)


def history_findings(root: Path, ratchets: Ratchets) -> list[str]:
    """What was once asked and is asked no more, each once."""
    found = [line for before in earlier(root) for line in slackened(ratchets, before)]
    return list(dict.fromkeys(found))


def measured_coverage() -> float:
    """Percent of lines and branches that the last measured run reached."""
    coverage("combine", "--append", "--quiet")  # a process that ended late left data of its own
    ran = coverage("report", "--format=total", "--precision=1")
    if ran.returncode != 0:
        raise SystemExit(f"coverage: {ran.stdout}{ran.stderr}".strip())
    return float(ran.stdout)


def coverage(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool; `combine` fails harmlessly where all parts are joined already."""
    command = [sys.executable, "-m", "coverage", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def check_coverage(ratchets: Ratchets) -> list[str]:
    """Hold the measured run against the floor."""
    percent = measured_coverage()
    print(f"coverage {percent:.1f} %, floor {ratchets.coverage_percent:.1f} %")
    if percent >= ratchets.coverage_percent:
        return []
    return [f"coverage fell below its floor of {ratchets.coverage_percent} %"]


def raised(root: Path, ratchets: Ratchets) -> Ratchets:
    """The strictest numbers that the tree keeps today."""
    ordered = source_functions(root)
    long = {f.name for f in ordered if f.lines > LONG_LINES}
    ratio = math.floor(tests_per_source_line(root) * 20) / 20
    percent = math.floor((measured_coverage() - MARGIN_PERCENT) * 2) / 2
    return Ratchets(
        coverage_percent=max(ratchets.coverage_percent, percent),
        tests_per_source_line=max(ratchets.tests_per_source_line, min(ratio, 1.0)),
        function_lines_median=ratchets.function_lines_median,
        function_lines_p90=ratchets.function_lines_p90,
        long_functions=tuple(name for name in ratchets.long_functions if name in long),
    )


def render(text: str, ratchets: Ratchets) -> str:
    """The file with new numbers and its comments kept."""
    lines = []
    for line in text.splitlines():
        key = line.split(" = ")[0]
        if key in ("coverage_percent", "tests_per_source_line"):
            lines.append(f"{key} = {getattr(ratchets, key)}")
        elif key == "long_functions":
            lines.append(f"long_functions = {list(ratchets.long_functions)}".replace("'", '"'))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def report(root: Path) -> None:
    """Print the shape of the source."""
    ordered = source_functions(root)
    sources = python_files(root, "libs", "services")
    print(
        f"{len(sources)} modules, {line_count(sources)} lines, {len(ordered)} functions: "
        f"median {percentile(ordered, 0.5)}, p90 {percentile(ordered, 0.9)}, "
        f"max {percentile(ordered, 1.0)} lines; "
        f"{tests_per_source_line(root):.2f} lines of test per line of source"
    )
    for path in sources:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LOOK_TWICE_LINES:
            print(f"look twice: {path.relative_to(root)} has {lines} lines")


def main(arguments: Sequence[str]) -> int:
    """Do one of the four verbs."""
    verb = arguments[0] if arguments else "report"
    text = (ROOT / FILE).read_text(encoding="utf-8")
    ratchets = parse(text)
    findings: list[str] = []
    match verb:
        case "report":
            report(ROOT)
        case "check":
            findings = shape_findings(ROOT, ratchets) + history_findings(ROOT, ratchets)
        case "coverage":
            findings = check_coverage(ratchets)
        case "raise":
            (ROOT / FILE).write_text(render(text, raised(ROOT, ratchets)), encoding="utf-8")
        case _:
            print("usage: ratchets.py report|check|coverage|raise", file=sys.stderr)
            return 2
    for finding in findings:
        print(f"ratchet: {finding}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
