"""What the linters do not know about this code: money, chance, handlers, order."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

MONEY = (
    "libs/krakked/domain",
    "libs/krakked/ports",
    "libs/krakked/trading",
    "libs/krakked/sim/exchange",
)
FLOAT_FOLDERS = {
    "libs/krakked/domain/features.py": "indicators are ratios of exact sums, no amounts",
    "libs/krakked/domain/strategies": "z-scores and the like; amounts leave as Decimal",
}
FLOAT_NAMES = ("_s", "seconds", "_factor", "features")
"""Endings of names that may hold a float: spans of time for sleeping, and what is no amount."""
DETERMINISTIC = ("libs/krakked/domain", "libs/krakked/trading", "libs/krakked/sim")
BROAD_ALLOWED = {"libs/krakked/runtime/supervisor.py"}
BROAD = {"Exception", "BaseException"}
SUPPRESSION = re.compile(
    r"#\s*(?:noqa:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*"
    r"|type:\s*ignore\[[\w\-, ]+\]|pragma:\s*no cover)(.*)"
)

REASON_CHARACTERS_MIN = 6

Finder = Callable[[ast.AST], Iterator[int]]


def findings(tree: Any, finder: Finder, *folders: str) -> list[str]:
    """``path:line`` of all that the finder points at."""
    return [
        f"{tree.name(path)}:{line}"
        for path in tree.python(*folders)
        for line in finder(ast.parse(path.read_text(encoding="utf-8")))
    ]


def floats(module: ast.AST) -> Iterator[int]:
    """``float`` and its literals, but where the name of what they describe excuses them."""
    excused = {id(inner) for node in ast.walk(module) for inner in excuses(node)}
    for node in ast.walk(module):
        if id(node) not in excused:
            match node:
                case ast.Name(id="float") | ast.Constant(value=float()):
                    yield node.lineno
                case _:
                    pass


def excuses(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case (
            ast.arg(arg=name)
            | ast.keyword(arg=str(name))
            | ast.FunctionDef(name=name)
            | ast.AnnAssign(target=ast.Name(id=name))
            | ast.Assign(targets=[ast.Name(id=name)])
        ) if name.lower().endswith(FLOAT_NAMES):
            yield from ast.walk(node)
        case ast.Call(func=waits) if name_of(waits) in {"sleep", "timeout"}:
            yield from ast.walk(node)


def broad_handlers(module: ast.AST) -> Iterator[int]:
    """Handlers of everything; one that ends in a bare ``raise`` only passes by."""
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type):
            last = node.body[-1]
            if not (isinstance(last, ast.Raise) and last.exc is None):
                yield node.lineno
        if isinstance(node, ast.Call) and name_of(node.func) == "suppress":
            yield from (a.lineno for a in node.args if is_broad(a))


def is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(is_broad(item) for item in caught.elts)
    return caught is None or name_of(caught) in BROAD


def name_of(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def chance_of_its_own(module: ast.AST) -> Iterator[int]:
    """Anything of ``random`` but a generator made from a seed."""
    for node in ast.walk(module):
        match node:
            case ast.Attribute(value=ast.Name(id="random"), attr=attr) if attr != "Random":
                yield node.lineno
            case ast.ImportFrom(module="random", names=names):
                yield from (node.lineno for n in names if n.name != "Random")
            case ast.Call(func=func, args=[]) if name_of(func) == "Random":
                yield node.lineno


def walks_over_sets(module: ast.AST) -> Iterator[int]:
    """Loops whose order is the order of hashes."""
    for node in ast.walk(module):
        if isinstance(node, ast.For | ast.comprehension):
            over = node.iter
            made = isinstance(over, ast.Call) and name_of(over.func) in {"set", "frozenset"}
            if made or isinstance(over, ast.Set | ast.SetComp):
                yield over.lineno
        match node:
            case ast.Call(func=ast.Name(id="hash" | "id")):
                yield node.lineno
            case _:
                pass


def test_money_never_meets_a_float(tree: Any) -> None:
    found = [
        place
        for place in findings(tree, floats, *MONEY)
        if not any(place.startswith(allowed) for allowed in FLOAT_FOLDERS)
    ]
    assert found == []


def test_everything_is_caught_in_the_supervisor_alone(tree: Any) -> None:
    found = findings(tree, broad_handlers, "libs", "services")
    assert [f for f in found if f.split(":")[0] not in BROAD_ALLOWED] == []


def test_chance_comes_from_a_seed_that_was_handed_in(tree: Any) -> None:
    assert findings(tree, chance_of_its_own, "libs", "services") == []


def test_deciding_code_walks_over_no_set_and_asks_no_hash(tree: Any) -> None:
    assert findings(tree, walks_over_sets, *DETERMINISTIC) == []


def bare_suppressions(text: str) -> Iterator[int]:
    """Suppressions with a reason neither behind them nor as a comment right above."""
    above = ""
    for number, line in enumerate(text.splitlines(), 1):
        hit = SUPPRESSION.search(line)
        if (
            hit
            and len(hit.group(1).strip(" -:—#")) < REASON_CHARACTERS_MIN
            and not above.lstrip().startswith("# ")
        ):
            yield number
        above = line


def test_every_suppression_gives_its_reason(tree: Any) -> None:
    bare = [
        f"{tree.name(path)}:{number}"
        for path in tree.python("libs", "services", "tests", "scripts", "benchmarks")
        for number in bare_suppressions(path.read_text(encoding="utf-8"))
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("finder", "guilty", "innocent"),
    [
        (floats, "x: float", "x: Decimal"),
        (floats, "x = 0.5", "x = 5"),
        (floats, "def f(price: float): ...", "def f(timeout_s: float): ..."),
        (floats, "f(fee=0.1)", "f(timeout_s=0.1)"),
        (floats, "class R:\n fee: float = 0.1", "class R:\n backoff_factor: float = 0.1"),
        (floats, "price(0.1)", "sleep(0.1)"),
        (floats, "def fee() -> float: ...", "def pause_s() -> float: ..."),
        (broad_handlers, "try: f()\nexcept Exception: g()", "try: f()\nexcept ValueError: g()"),
        (broad_handlers, "try: f()\nexcept: g()", "try: f()\nexcept BaseException:\n g()\n raise"),
        (broad_handlers, "with suppress(Exception): f()", "with suppress(KeyError): f()"),
        (broad_handlers, "try: f()\nexcept (A, Exception): g()", "try: f()\nexcept (A, B): g()"),
        (chance_of_its_own, "random.choice(x)", "random.Random(7)"),
        (chance_of_its_own, "from random import shuffle", "from random import Random"),
        (chance_of_its_own, "random.Random()", "random.Random(seed)"),
        (walks_over_sets, "for x in {1, 2}: f(x)", "for x in [1, 2]: f(x)"),
        (walks_over_sets, "[x for x in set(y)]", "[x for x in sorted(set(y))]"),
        (walks_over_sets, "k = hash(x)", "k = x.hash"),
    ],
)
def test_finder_tells_guilty_from_innocent(finder: Finder, guilty: str, innocent: str) -> None:
    assert list(finder(ast.parse(guilty)))
    assert list(finder(ast.parse(innocent))) == []


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("x = 1  # " + "noqa: E501", [1]),
        ("y = 2\nx  # " + "type: ignore[misc] - hm", [2]),
        ("x = 1  # " + "noqa: E501 - an address cannot be broken", []),
        ("# the stubs are wrong here\nx  # " + "type: ignore[misc]", []),
    ],
)
def test_suppression_without_words_is_seen(text: str, bare: list[int]) -> None:
    assert list(bare_suppressions(text)) == bare
