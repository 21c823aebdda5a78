"""By the lease's own log: who owned the account when, and did anybody else write to the venue?

authority   a change is written only in the epoch that its sender was told is his, before he hears
            that it is another's; orders and the dead-man's refresh only until R less the margin
            has passed, by any clock of his, since he sent the renewal that was taken last
two owners  nobody gets the lease while the authority of another one lasts by its own clocks
quarantine  after an unclean takeover no order is written before Q has passed by its sender's clock
proof       the dead-man's refresh is written only by an order loop that moved lately, or rests

What counts is the moment of writing, whether or not anything arrives: all that a sender waited for,
his turn and the venue's limits, lies before it. A cancel takes risk away and needs only the epoch.
Nobody is blamed for what no clock of his can tell: a machine that stood still as a whole, and a
lease that a person deleted, emptied or gave away.
"""

from __future__ import annotations

from typing import Final

from krakked.domain.times import NS_PER_SECOND
from krakked.ports.lease_store import LeaseRecord
from krakked.trading.timings import NAMED, Timings
from krakked.worlds.checkers.evidence import Evidence
from krakked.worlds.leases import Heard, Reading, Taken, clocks_of
from krakked.worlds.loop import Process
from krakked.worlds.tape import Departure

CANCELS: Final = ("CancelOrder", "CancelAll")
LIVELY_S: Final = 10.0
"""An order loop with work looks at it at least so often."""


class Standing:
    """What one process knows of its ownership."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.record: LeaseRecord | None = None
        """Its own, as it was taken last; None: it never was, or is another's now."""
        self.sent: Reading | None = None
        """When it had asked for that."""
        self.quarantine_until_ns = 0
        """By its steady clock."""
        self.is_lost = False
        """It has let go, or has heard that it does not own any more."""

    def elapsed_ns(self, now: Reading) -> int:
        """Since it asked, by the fastest of its clocks."""
        assert self.sent is not None, "it has asked"
        return max(now.steady_ns - self.sent.steady_ns, now.wall_ns - self.sent.wall_ns)


class Authority:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._standings: dict[str, Standing] = {}
        self._clean: dict[int, bool] = {}
        """By epoch: whether who owned before had let go, all his work done."""

    @property
    def _timings(self) -> Timings:
        return NAMED[self._evidence.world.recipe.behaviour.timings]

    # the log of the lease

    def taken(self, taken: Taken) -> None:
        """The server has a new record."""
        before, record = taken.before, taken.record
        is_entered = bool(record.holder) and record.epoch != before.epoch
        if is_entered:
            self._clean[record.epoch] = before.is_released
            for standing in self._standings.values():
                self._look_at_other(standing, taken)

    def _look_at_other(self, standing: Standing, taken: Taken) -> None:
        process = standing.process
        if process.name == taken.process or process.is_dead or not self._lasts(standing):
            return
        if not self._is_excused(standing, taken.before):
            said = f"{taken.process} got epoch {taken.record.epoch} while {process.name} owned"
            self._evidence.violated("two owners", said)

    def _lasts(self, standing: Standing) -> bool:
        if standing.is_lost or standing.record is None:
            return False
        return standing.elapsed_ns(self._read(standing.process)) < self._timings.renew_deadline_ns

    def _is_excused(self, standing: Standing, before: LeaseRecord) -> bool:
        """Its clocks stood still with its machine, or the lease was in other hands meanwhile."""
        assert standing.sent is not None
        assert standing.record is not None
        process = standing.process
        has_stood = process.is_frozen or process.frozen_us != standing.sent.frozen_us
        is_touched = (before.uid, before.holder) != (standing.record.uid, standing.record.holder)
        return has_stood or is_touched

    def let_go(self, process: Process) -> None:
        """It asks that the lease be nobody's."""
        self._of(process).is_lost = True

    def heard(self, heard: Heard) -> None:
        """A process learned something."""
        standing = self._of(heard.process)
        record = heard.record
        if heard.is_written and record is not None and record.holder:
            is_new = standing.record is None or standing.record.epoch != record.epoch
            if is_new and not self._clean.get(record.epoch, False):
                standing.quarantine_until_ns = heard.now.steady_ns + self._timings.quarantine_ns
            standing.record, standing.sent, standing.is_lost = record, heard.sent, False
        elif not heard.is_written and standing.record is not None:
            ours = (standing.record.uid, standing.record.holder)
            standing.is_lost |= record is None or (record.uid, record.holder) != ours

    def _of(self, process: Process) -> Standing:
        return self._standings.setdefault(process.name, Standing(process))

    def _read(self, process: Process) -> Reading:
        world = self._evidence.world
        return clocks_of(world.loop, process, self._evidence.machine_of(process.name).clock)

    # the wire

    def look(self, departure: Departure) -> None:
        """A change is about to be written by that process."""
        name = f"{departure.method} of {departure.sender}"
        standing = self._standings.get(departure.sender)
        if standing is None or standing.record is None:
            self._evidence.violated("authority", f"{name} was written by who never owned")
            return
        if standing.record.epoch != departure.epoch:
            said = f"{name} carries epoch {departure.epoch}, and his is {standing.record.epoch}"
            self._evidence.violated("authority", said)
        if departure.method not in CANCELS:
            self._look_at_time(name, standing)
        if departure.method == "AddOrder":
            self._look_at_order(name, standing)
        if departure.method == "CancelAllOrdersAfter":
            self._look_at_loop(name, departure.sender)

    def _look_at_time(self, name: str, standing: Standing) -> None:
        if standing.is_lost:
            said = f"{name} was written by who had heard that it does not own"
            self._evidence.violated("authority", said)
            return
        most_ns = self._timings.renew_deadline_ns - self._timings.margin_ns
        late_ns = standing.elapsed_ns(self._read(standing.process)) - most_ns
        if late_ns >= 0:
            said = f"{name} was written {late_ns / NS_PER_SECOND:.3f} s after his authority ended"
            self._evidence.violated("authority", said)

    def _look_at_order(self, name: str, standing: Standing) -> None:
        assert standing.record is not None
        left_ns = standing.quarantine_until_ns - self._read(standing.process).steady_ns
        if left_ns > 0:
            said = f"{name} was written {left_ns / NS_PER_SECOND:.3f} s before it was over"
            self._evidence.violated("quarantine", said)
        if standing.record.fenced:
            self._evidence.violated("authority", f"{name} was written though the lease is fenced")

    def _look_at_loop(self, name: str, sender: str) -> None:
        run = self._evidence.machine_of(sender).run
        engine = None if run is None else run.engine
        if engine is None:
            return
        busy_s = engine.order_queue.busy_s
        if busy_s >= LIVELY_S:
            said = f"{name} was written while the order loop had not moved for {busy_s:.3f} s"
            self._evidence.violated("proof", said)
