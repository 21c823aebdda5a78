"""Safeguards of ownership, each taken away."""

from __future__ import annotations

from tests.sim.mutants.mixtures import (
    RESTING,
    TAKING,
    at_bars,
    behaving,
    competing,
    happening,
    mixed,
)
from tests.sim.mutants.patching import Mutant, passage, value

from krakked.adapters.kraken.nonces import Nonces
from krakked.engine.leading import Leading
from krakked.trading.adopting import Adopter
from krakked.trading.guard import Guard
from krakked.worlds.recipe import What


async def _none_adopted(*_: object) -> int:
    return 0


QUICK = behaving(timings="quick")

MUTANTS = (
    Mutant(
        name="nonce without epoch",
        breaks="Every nonce carries the epoch, so that the venue refuses an older owner.",
        patches=(value(Nonces, "enter_epoch", lambda *_: None),),
        mixture=mixed(),
    ),
    Mutant(
        name="epoch in memory",
        breaks="The epoch is durable in the ledger before the venue hears of it.",
        patches=(
            passage(
                Leading,
                "_record",
                "            await ledger.write(lambda tx: tx.save_leadership(leadership))\n",
                "",
            ),
        ),
        mixture=mixed(),
    ),
    Mutant(
        name="nobody has to look",
        breaks="An owner whose ledger was behind adds no risk before a person has looked.",
        patches=(passage(Guard, "_refusal_of_entry", "self.needs_acknowledgement", "False"),),
        mixture=mixed(competing(2), QUICK, happening(What.TERMINATE, 6)),
    ),
    Mutant(
        name="strangers are not adopted",
        breaks="What an owner with another ledger did is taken over.",
        patches=(value(Adopter, "adopt", _none_adopted),),
        mixture=mixed(competing(2), QUICK, RESTING, happening(What.TERMINATE, 6)),
    ),
    Mutant(
        name="the fence is not heeded",
        breaks="Who has heard that a newer owner exists never sends anything again.",
        patches=(
            passage(
                Guard,
                "veto",
                "        general = self._refusal_of_all()\n",
                "        self._fenced_by = None\n        general = None\n",
            ),
            value(Leading, "permit", lambda *_: None),
        ),
        mixture=mixed(
            competing(2),
            TAKING,
            behaving(timings="default"),
            at_bars(What.FREEZE, 3, after_s=(0.65, 1.4), seconds=(20.0, 30.0)),
        ),
    ),
)
