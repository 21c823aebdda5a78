"""``python -m krakked.worlds``: play one world with its trace, or sweep many.

make sim SEED=7                                one world, every event on a line
make sim-sweep SEEDS=2000 FIRST_SEED=1         many, on all cores
"""

from __future__ import annotations

from krakked.worlds import voice

if __name__ == "__main__":
    voice.end_at_interrupt()

import sys
import time
from collections.abc import Sequence
from typing import NoReturn

import click

from krakked.worlds.branches import never_gone
from krakked.worlds.recipe import Recipe, recipe_of
from krakked.worlds.shrinking import TRIES_MAX, Shrinking, replay, rule_of, shrink
from krakked.worlds.sweep import BROKEN, Summary, sweep
from krakked.worlds.world import Outcome, World

VIOLATED = 1
LONG = 300
"""Seeds of a sweep from which it may be expected to go every branch."""

_tries = click.option(
    "--tries",
    type=click.IntRange(min=0),
    default=TRIES_MAX,
    show_default=True,
    help="Worlds that shrinking may play.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Worlds from seeds: the real engines in a simulated world, checked from all sides."""


@main.command()
@click.option("--seed", type=int, required=True, help="Which world.")
@click.option("--trace/--no-trace", default=True, help="Tell what happens, a line each.")
@click.option("--only", multiple=True, metavar="WORD", help="Only lines with one of these words.")
@click.option("--without", multiple=True, metavar="NAME", help="Leave an ingredient out.")
@click.option("--shrunk", is_flag=True, help="If it fails, look for the fewest faults.")
@_tries
def one(
    seed: int,
    trace: bool,
    only: tuple[str, ...],
    without: tuple[str, ...],
    shrunk: bool,
    tries: int,
) -> None:
    """Play one world; exit code 1 if a rule did not hold."""
    whole = recipe_of(seed)
    recipe = _leave_out(whole, without)

    def say(line: str) -> None:
        if not only or any(word in line for word in only):
            voice.out(line)

    if trace:
        voice.out(f"recipe: {recipe}")
    outcome = World(recipe, say=say if trace else None).run()
    for violation in outcome.violations:
        voice.err(f"violated: {violation}")
    is_interrupted = False
    if outcome.violations and shrunk:
        smallest = _shrink(whole, outcome, without, tries)
        voice.out(f"smallest: {' '.join(smallest.left)}\n{smallest.recipe}")
        voice.out(f"replay: {replay(seed, smallest.without)}")
        is_interrupted = smallest.is_interrupted
    voice.out(
        f"seed={seed} digest={outcome.digest} simulated_s={outcome.seconds:.0f} "
        f"violations={len(outcome.violations)}"
    )
    sys.exit(_code(is_failing=bool(outcome.violations), is_interrupted=is_interrupted))


@main.command("sweep")
@click.option("--first-seed", type=int, default=1, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=300, show_default=True)
@click.option("--cores", type=click.IntRange(min=1), help="Processes; default: one a core.")
@_tries
def many(first_seed: int, seeds: int, cores: int | None, tries: int) -> None:
    """Play many worlds; the last line is what came of them, exit code 1 if any failed.

    The first one that failed is shrunk, and its replay command printed.
    """
    began_s = _now_s()
    summary = sweep(first_seed, seeds, tell=_Teller(seeds), cores=cores)
    took_s = _now_s() - began_s
    if summary.seeds >= LONG and (missed := never_gone(summary.marks)):
        voice.err(f"branches never gone: {', '.join(missed)}")
    is_interrupted = summary.is_interrupted
    if is_interrupted:
        voice.err(f"interrupted: {summary.seeds} of {seeds} worlds were played")
    if summary.failing:
        first = summary.failing[0]
        without: tuple[str, ...] = ()
        if tries and not is_interrupted and rule_of(first.violations[0]) != BROKEN:
            smallest = _shrink(recipe_of(first.seed), first, (), tries)
            without, is_interrupted = smallest.without, smallest.is_interrupted
        voice.err(f"replay: {replay(first.seed, without)}")
    voice.out(f"{summary.line()} took_s={took_s:.0f}")
    sys.exit(_code(is_failing=bool(summary.failing), is_interrupted=is_interrupted))


class _Teller:
    """What a sweep says while it goes on: how far it is, and each world that fails."""

    def __init__(self, seeds: int) -> None:
        self._seeds = seeds
        self._began_s = _now_s()
        self._told_s = 0.0

    def __call__(self, summary: Summary, outcome: Outcome) -> None:
        if outcome.violations:
            first, *others = outcome.violations
            more = f" (and {len(others)} more)" if others else ""
            voice.err(f"seed {outcome.seed}: {first}{more}")
        now_s = _now_s()
        is_last = summary.seeds == self._seeds
        if is_last or now_s - self._told_s > voice.pace_s():
            self._told_s = now_s
            left_s = (now_s - self._began_s) / summary.seeds * (self._seeds - summary.seeds)
            voice.progress(
                f"{summary.seeds}/{self._seeds} worlds, {len(summary.failing)} failing, "
                f"{left_s:.0f} s left"
            )
        if is_last:
            voice.settle()


def _leave_out(whole: Recipe, names: Sequence[str]) -> Recipe:
    """A name that says nothing of this world is a mistake."""
    unknown = [name for name in names if name not in whole.ingredients]
    if unknown:
        raise click.UsageError(
            f"seed {whole.seed} has no {', '.join(unknown)}; what it has: "
            f"{' '.join(whole.ingredients) or 'nothing'}"
        )
    return whole.without(names)


def _shrink(whole: Recipe, outcome: Outcome, without: Sequence[str], tries: int) -> Shrinking:
    """Shrink it, telling how far that is and how it ended."""
    rule = rule_of(outcome.violations[0])
    told_s = 0.0

    def tell(so_far: Shrinking) -> None:
        nonlocal told_s
        if _now_s() - told_s > voice.pace_s():
            told_s = _now_s()
            voice.progress(
                f"shrinking seed {whole.seed}: {len(so_far.left)} of {len(whole.ingredients)} "
                f"ingredients left, world {so_far.tries} of at most {tries}"
            )

    found = shrink(whole, rule, without=without, tries_max=tries, tell=tell)
    reason = "interrupted" if found.is_interrupted else ""
    reason = reason or (f"given up after {found.tries} worlds" if found.is_cut_short else "")
    voice.err(
        f"shrunk to {len(found.left)} of {len(whole.ingredients)} ingredients, "
        f"still breaks {rule!r}"
        + (f": {' '.join(found.left)}" if found.left else "")
        + (f" ({reason}; there may be a smaller one)" if reason else "")
    )
    return found


def _code(*, is_failing: bool, is_interrupted: bool) -> int:
    if is_interrupted:
        return voice.INTERRUPTED
    return VIOLATED if is_failing else 0


def _now_s() -> float:
    return time.monotonic()  # noqa: TID251 - how long the machine itself takes


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The program."""
    voice.end(lambda: main.main(arguments, prog_name="krakked.worlds", standalone_mode=False))


if __name__ == "__main__":
    run()
