"""``python -m krakked.worlds``: play one world with its trace, or sweep many.

make sim SEED=7                                one world, every event on a line
make sim-sweep SEEDS=2000 FIRST_SEED=1         many, on all cores
"""

from __future__ import annotations

import sys
import time

import click

from krakked.worlds.branches import never_gone
from krakked.worlds.recipe import recipe_of
from krakked.worlds.sweep import Summary, shrink, sweep
from krakked.worlds.world import World

VIOLATED = 1
LONG = 300
"""Seeds of a sweep from which it may be expected to go every branch."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Worlds from seeds: the real engines in a simulated world, checked from all sides."""


@main.command()
@click.option("--seed", type=int, required=True, help="Which world.")
@click.option("--trace/--no-trace", default=True, help="Tell what happens, a line each.")
@click.option("--only", multiple=True, metavar="WORD", help="Only lines with one of these words.")
@click.option("--without", multiple=True, metavar="NAME", help="Leave an ingredient out.")
@click.option("--shrunk", is_flag=True, help="If it fails, look for the fewest faults.")
def one(
    seed: int, trace: bool, only: tuple[str, ...], without: tuple[str, ...], shrunk: bool
) -> None:
    """Play one world; exit code 1 if a rule did not hold."""
    recipe = recipe_of(seed).without(without)

    def say(line: str) -> None:
        if not only or any(word in line for word in only):
            click.echo(line)

    if trace:
        click.echo(f"recipe: {recipe}")
    outcome = World(recipe, say=say if trace else None).run()
    for violation in outcome.violations:
        click.echo(f"violated: {violation}", err=True)
    if outcome.violations and shrunk:
        smallest = shrink(recipe, tell=lambda found: _progress(f"{len(found.ingredients)} left"))
        _progress("\n")
        click.echo(f"smallest: {' '.join(smallest.ingredients)}\n{smallest}")
    click.echo(
        f"seed={seed} digest={outcome.digest} simulated_s={outcome.seconds:.0f} "
        f"violations={len(outcome.violations)}"
    )
    sys.exit(VIOLATED if outcome.violations else 0)


@main.command("sweep")
@click.option("--first-seed", type=int, default=1, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=300, show_default=True)
@click.option("--cores", type=click.IntRange(min=1), help="Processes; default: one a core.")
def many(first_seed: int, seeds: int, cores: int | None) -> None:
    """Play many worlds; the last line is what came of them, exit code 1 if any failed."""
    began_s = time.monotonic()  # noqa: TID251 - how long the machine itself takes
    told_s = 0.0

    def tell(summary: Summary) -> None:
        nonlocal told_s
        now_s = time.monotonic()  # noqa: TID251 - as above
        if now_s - told_s > 1 or summary.seeds == seeds:
            told_s = now_s
            left_s = (now_s - began_s) / summary.seeds * (seeds - summary.seeds)
            failing = len(summary.failing)
            _progress(f"{summary.seeds}/{seeds} worlds, {failing} failing, {left_s:.0f} s left")

    summary = sweep(first_seed, seeds, tell=tell, cores=cores)
    _progress("\n")
    if summary.seeds >= LONG and (missed := never_gone(summary.marks)):
        click.echo(f"branches never gone: {', '.join(missed)}", err=True)
    for outcome in summary.failing[:20]:
        click.echo(f"seed {outcome.seed}: {outcome.violations[0]}", err=True)
    if summary.failing:
        click.echo(f"replay: make sim SEED={summary.failing[0].seed}", err=True)
    took_s = time.monotonic() - began_s  # noqa: TID251 - as above
    click.echo(f"{summary.line()} took_s={took_s:.0f}")
    sys.exit(VIOLATED if summary.failing else 0)


def _progress(words: str) -> None:
    click.echo(f"\r{words:<70}" if words != "\n" else "", err=True, nl=words == "\n")


if __name__ == "__main__":
    main()
