"""All mutants, in the order in which they are told."""

from __future__ import annotations

from tests.sim.mutants import keeping, learning, owning, submitting
from tests.sim.mutants.patching import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *submitting.MUTANTS,
    *learning.MUTANTS,
    *keeping.MUTANTS,
    *owning.MUTANTS,
)
