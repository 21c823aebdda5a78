"""``python -m tests.sim.mutants``: remove each safeguard, and see that the simulation notices.

Each mutant is played, world by world, until a rule does not hold; then the product as it is plays
the same worlds, and every rule must hold. One process for each mutant, as many at once as cores.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

import click
from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.hunting import Verdict, hunt

SEEDS_MAX = 500

WORDS_MAX = 200


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--cores", type=click.IntRange(min=1), help="Processes; default: one a core.")
@click.option("--first-seed", type=int, default=1, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=SEEDS_MAX, show_default=True)
@click.option("--only", multiple=True, metavar="WORD", help="Mutants with one of these words.")
@click.option("--list", "only_lists", is_flag=True, help="Name them, and end.")
def main(
    cores: int | None, first_seed: int, seeds: int, only: tuple[str, ...], only_lists: bool
) -> None:
    """Remove each safeguard, and see that the simulation notices; exit code 1 if it does not."""
    chosen = [
        number
        for number, mutant in enumerate(MUTANTS)
        if not only or any(word in mutant.name for word in only)
    ]
    if only_lists:
        for number in chosen:
            click.echo(f"{MUTANTS[number].name:<44} {MUTANTS[number].breaks}")
        return
    began_s = time.monotonic()
    verdicts: list[Verdict] = []
    with ProcessPoolExecutor(cores or os.cpu_count() or 1, max_tasks_per_child=1) as pool:
        futures = [pool.submit(hunt, number, first_seed, seeds) for number in chosen]
        for done in as_completed(futures):
            verdicts.append(done.result())
            click.echo(f"[{len(verdicts)}/{len(chosen)}] {_line(verdicts[-1])}", err=True)
    for verdict in sorted(
        verdicts, key=lambda one: [MUTANTS[n].name for n in chosen].index(one.name)
    ):
        click.echo(_line(verdict))
    bad = [verdict for verdict in verdicts if not verdict.is_good]
    most = max((verdict.seeds for verdict in verdicts), default=0)
    click.echo(
        f"mutants={len(verdicts)} caught={len(verdicts) - len(bad)} not_caught={len(bad)} "
        f"seeds_most={most} took_s={time.monotonic() - began_s:.0f}"
    )
    sys.exit(1 if bad else 0)


def _line(verdict: Verdict) -> str:
    how = verdict.violation or "NOT CAUGHT"
    mistake = f" BUT {verdict.mistake}" if verdict.mistake else ""
    figures = f"{verdict.seeds:>4} seeds {verdict.took_s:>5.0f} s"
    return f"{verdict.name:<44} {figures}  {how[:WORDS_MAX]}{mistake[:WORDS_MAX]}"


if __name__ == "__main__":
    main()
