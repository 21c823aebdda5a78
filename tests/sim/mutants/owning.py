"""Safeguards of ownership, each taken away."""

from __future__ import annotations

from tests.sim.mutants.mixtures import (
    RESTING,
    TAKING,
    at_bars,
    behaving,
    competing,
    faults,
    happening,
    mixed,
    weather,
)
from tests.sim.mutants.patching import Mutant, passage, value

from krakked.adapters.kraken.nonces import Nonces
from krakked.adapters.kraken.transport import Transport
from krakked.engine.leading import Leading
from krakked.engine.running import Run
from krakked.sim.fault_kinds import FaultKind
from krakked.trading import owner, ownership
from krakked.trading.adopting import Adopter
from krakked.trading.engine import Engine
from krakked.trading.guard import Guard
from krakked.worlds.recipe import What


async def _none_adopted(*_: object) -> int:
    return 0


def _always(*_: object) -> bool:
    return True


QUICK = behaving(timings="quick")
LAPSING = happening(What.LEASE_DOWN, 4, seconds=(12.0, 40.0))
"""Authority runs out again and again, and comes back."""
SLUGGISH = happening(What.LEASE_SLOW, 4, seconds=(30.0, 60.0), numbers=(20, 28))
"""An answer of the lease takes two to three seconds."""
STUCK_DISK = happening(What.SLOW_DISK, 4, seconds=(1.5, 5.0))
"""An order takes seconds to be put on record."""
LATE = weather(answer_late=0.3)
"""The venue's answers take up to twenty seconds: who asks next waits for his turn."""

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
    Mutant(
        name="the guard is asked before the wait",
        breaks="Authority is looked at after turn and limits were waited for, right at the wire.",
        patches=(
            passage(
                Transport,
                "private",
                "        lane = self._lane(call)\n",
                "        lane = self._lane(call)\n        self._check_permitted(call)\n",
            ),
            passage(Transport, "_signed", "            self._check(call)\n", ""),
            passage(Transport, "_send", "lambda: self._check(call)", "lambda: None"),
        ),
        mixture=mixed(LATE, LAPSING, RESTING),
    ),
    Mutant(
        name="authority counts from the answer",
        breaks="Authority lasts from the sending of the last renewal, however late its answer.",
        patches=(
            passage(
                ownership, "_written", "_authorized(state, sent_at)", "_authorized(state, now)"
            ),
        ),
        mixture=mixed(SLUGGISH, LAPSING, TAKING),
    ),
    Mutant(
        name="authority ends with the watchdog",
        breaks="Authority lasts R: by then no candidate's wait is over, whoever renews it late.",
        patches=(
            passage(
                ownership,
                "_authorized",
                "sent_at.most_ns + state.timings.renew_deadline_ns",
                "sent_at.most_ns + state.timings.watchdog_ns",
            ),
        ),
        mixture=mixed(competing(2), LAPSING, TAKING),
    ),
    Mutant(
        name="the margin is left out",
        breaks="The guard closes a margin before authority ends.",
        patches=(passage(owner.Authority, "refusal", ", margin_ns=state.timings.margin_ns", ""),),
        mixture=mixed(LAPSING, TAKING),
    ),
    Mutant(
        name="candidates do not wait",
        breaks="A candidate has seen the record unchanged for its duration before it takes it.",
        patches=(passage(ownership, "_judge", "seen_ns >= record.duration_ns", "seen_ns >= 0"),),
        mixture=mixed(competing(2)),
    ),
    Mutant(
        name="no quarantine",
        breaks="After an unclean takeover nothing is sent before the old owner's orders are dead.",
        patches=(
            passage(
                ownership,
                "_enter_epoch",
                "state.timings.quarantine_ns if state.is_unclean else 0",
                "0",
            ),
        ),
        mixture=mixed(TAKING, at_bars(What.KILL, 3, after_s=(-9.0, -2.0))),
    ),
    Mutant(
        name="a proof of some time ago",
        breaks="What the dead-man's refresh proves is still true when it is written.",
        patches=(passage(Run, "_permit", "return self.engine.dead_man.refusal()", "return None"),),
        mixture=mixed(LATE, TAKING, behaving(timings="default"), STUCK_DISK),
    ),
    Mutant(
        name="a hung order loop looks alive",
        breaks="The dead-man is wound up only by an order loop that has moved lately.",
        patches=(value(Engine, "_is_healthy", _always),),
        mixture=mixed(
            TAKING,
            behaving(timings="default"),
            STUCK_DISK,
            faults({FaultKind.ENGINE_RATE_LIMIT: 0.3, FaultKind.THROTTLED: 0.2}),
        ),
    ),
)
