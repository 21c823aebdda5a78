"""A failing world with as few ingredients as leaving-out finds, and the command that replays it.

All at once is tried first, then halves, quarters, and in the end one after the other, until none
can go. A smaller world still fails only if it breaks the rule that the whole one broke first:
another violation is another finding. Ingredients have the names that they have in the whole
recipe, so that what is left out can be said to ``make sim``. The number of worlds is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from krakked.worlds.recipe import Recipe
from krakked.worlds.sweep import player
from krakked.worlds.world import Outcome

TRIES_MAX: Final = 200


def rule_of(violation: str) -> str:
    """The name that it begins with."""
    return violation.partition(":")[0]


def replay(seed: int, without: Collection[str] = ()) -> str:
    """The command that plays it again."""
    return f"make sim SEED={seed}" + (f' WITHOUT="{" ".join(without)}"' if without else "")


class Shrinking:
    """One of them; what it has found stands here at any time, also when it is interrupted."""

    def __init__(
        self,
        recipe: Recipe,
        fails: Callable[[Recipe], bool],
        *,
        without: Collection[str] = (),
        tries_max: int = TRIES_MAX,
        tell: Callable[[Shrinking], None] = lambda _: None,
    ) -> None:
        self._whole = recipe
        self._fails = fails
        self._tries_max = tries_max
        self._tell = tell
        self.gone = {name for name in recipe.ingredients if name in without}
        self.tries = 0
        self.is_cut_short = False
        """More tries might have found less."""
        self.is_interrupted = False

    @property
    def left(self) -> tuple[str, ...]:
        """The ingredients that it still has."""
        return tuple(name for name in self._whole.ingredients if name not in self.gone)

    @property
    def without(self) -> tuple[str, ...]:
        """Those that it has not."""
        return tuple(name for name in self._whole.ingredients if name in self.gone)

    @property
    def recipe(self) -> Recipe:
        """The smallest so far."""
        return self._whole.without(self.gone)

    def run(self) -> None:
        """Leave out until nothing can go, or the bound is met."""
        size = len(self.left)
        while size and not self.is_cut_short:
            is_less = self._pass(size)
            if size == 1 and not is_less:
                return
            size = max(1, min(size // 2, len(self.left)))

    def _pass(self, size: int) -> bool:
        """Try to leave out each group of so many, the last one first."""
        before = len(self.gone)
        left = self.left
        for end in range(len(left), 0, -size):
            if self.tries >= self._tries_max:
                self.is_cut_short = True
                break
            self._try(set(left[max(0, end - size) : end]))
        return len(self.gone) > before

    def _try(self, names: set[str]) -> None:
        self.tries += 1
        if self._fails(self._whole.without(self.gone | names)):
            self.gone |= names
        self._tell(self)


def shrink(
    recipe: Recipe,
    rule: str,
    *,
    without: Collection[str] = (),
    tries_max: int = TRIES_MAX,
    tell: Callable[[Shrinking], None],
) -> Shrinking:
    """Shrink what broke that rule; an interruption ends it with what it has."""
    with player() as play_one:
        shrinking = Shrinking(
            recipe,
            lambda fewer: breaks(rule, play_one(fewer)),
            without=without,
            tries_max=tries_max,
            tell=tell,
        )
        try:
            shrinking.run()
        except KeyboardInterrupt:
            shrinking.is_interrupted = True
        except BrokenProcessPool:
            shrinking.is_cut_short = True
    return shrinking


def breaks(rule: str, outcome: Outcome) -> bool:
    """Whether it fails by that rule."""
    return any(rule_of(violation) == rule for violation in outcome.violations)
