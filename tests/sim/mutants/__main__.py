"""``python -m tests.sim.mutants``: remove each safeguard, and see that the simulation notices.

Each mutant is played, world by world, until a rule does not hold; then the product as it is plays
the same worlds, and every rule must hold. One process for each mutant, as many at once as cores.
"""

from __future__ import annotations

from krakked.worlds import voice

if __name__ == "__main__":
    voice.end_at_interrupt()

import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import NoReturn

import click
from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.hunting import Verdict, hunt, settle_in
from tests.sim.mutants.telling import in_words

SEEDS_MAX = 500

WORDS_MAX = 200


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--cores", type=click.IntRange(min=1), help="Processes; default: one a core.")
@click.option("--first-seed", type=int, default=1, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=SEEDS_MAX, show_default=True)
@click.option(
    "--only",
    multiple=True,
    metavar="WORDS",
    help="Mutants with these words in their names; several, with commas between.",
)
@click.option("--list", "only_lists", is_flag=True, help="Name them and their worlds, and end.")
def main(
    cores: int | None, first_seed: int, seeds: int, only: tuple[str, ...], only_lists: bool
) -> int:
    """Remove each safeguard, and see that the simulation notices; exit code 1 if it does not."""
    chosen = chosen_of(only)
    if only_lists:
        for number in chosen:
            mutant = MUTANTS[number]
            voice.out(f"{mutant.name:<44} {mutant.breaks}\n{'':<44} in: {in_words(mutant.mixture)}")
        return 0
    began_s = time.monotonic()
    verdicts, is_interrupted = _hunt_all(chosen, cores or os.cpu_count() or 1, first_seed, seeds)
    names = [MUTANTS[number].name for number in chosen]
    for verdict in sorted(verdicts, key=lambda one: names.index(one.name)):
        voice.out(_line(verdict))
    bad = [verdict for verdict in verdicts if not verdict.is_good]
    most = max((verdict.seeds for verdict in verdicts), default=0)
    if is_interrupted:
        voice.err(f"interrupted: {len(verdicts)} of {len(chosen)} mutants were hunted")
    voice.out(
        f"mutants={len(verdicts)} caught={len(verdicts) - len(bad)} not_caught={len(bad)} "
        f"seeds_most={most} took_s={time.monotonic() - began_s:.0f}"
    )
    if is_interrupted:
        return voice.INTERRUPTED
    return 1 if bad else 0


def chosen_of(only: Sequence[str]) -> list[int]:
    """Numbers of the mutants that were asked for; a phrase that fits none is a mistake."""
    phrases = [part.strip() for words in only for part in words.split(",") if part.strip()]
    names = [mutant.name for mutant in MUTANTS]
    strange = [phrase for phrase in phrases if not any(phrase in name for name in names)]
    if strange:
        raise click.UsageError(
            f"no mutant has {', '.join(map(repr, strange))} in its name; there are:\n  "
            + "\n  ".join(names)
        )
    return [
        number
        for number, name in enumerate(names)
        if not phrases or any(phrase in name for phrase in phrases)
    ]


def _hunt_all(
    chosen: Sequence[int], cores: int, first_seed: int, seeds: int
) -> tuple[list[Verdict], bool]:
    """The verdicts as they came, and whether a person had enough."""
    verdicts: list[Verdict] = []
    context = multiprocessing.get_context("spawn")
    enough = context.Event()
    pool = ProcessPoolExecutor(
        cores,
        mp_context=context,
        max_tasks_per_child=1,
        initializer=settle_in,
        initargs=(enough,),
    )
    try:
        with voice.for_me_alone():
            futures = {pool.submit(hunt, number, first_seed, seeds): number for number in chosen}
        for done in as_completed(futures):
            verdicts.append(_verdict(done, MUTANTS[futures[done]].name))
            voice.err(f"[{len(verdicts)}/{len(chosen)}] {_line(verdicts[-1])}")
    except KeyboardInterrupt:
        enough.set()
        return verdicts, True
    finally:
        pool.shutdown(cancel_futures=True)
    return verdicts, False


def _verdict(done: Future[Verdict], name: str) -> Verdict:
    """A hunt that breaks is one that has caught nothing, and the others go on."""
    broken = done.exception()
    if broken is None:
        return done.result()
    return Verdict(name=name, seeds=0, mistake=f"broken: {type(broken).__name__}: {broken}")


def _line(verdict: Verdict) -> str:
    how = verdict.violation or "NOT CAUGHT"
    mistake = f" BUT {verdict.mistake}" if verdict.mistake else ""
    figures = f"{verdict.seeds:>4} seeds {verdict.took_s:>5.0f} s"
    return f"{verdict.name:<44} {figures}  {how[:WORDS_MAX]}{mistake[:WORDS_MAX]}"


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The program."""
    voice.end(lambda: main.main(arguments, prog_name="tests.sim.mutants", standalone_mode=False))


if __name__ == "__main__":
    run()
