"""A lease in memory: the same rules as every store, and every fault that a person or a test wants.

The core is synchronous and knows no time. Whoever simulates a network decides when a call reaches
it, when its answer arrives, and whether either is lost; :class:`DirectLeaseStore` loses nothing.
"""

from __future__ import annotations

import msgspec

from krakked.ports.lease_store import LeaseConflict, LeaseEvent, LeaseMissing, LeaseRecord

_replace = msgspec.structs.replace


class SimLeases:
    """One lease; versions are counted, so that a replay of one seed sees the same."""

    def __init__(self, *, exists: bool = True) -> None:
        self.events: list[LeaseEvent] = []
        self.history: list[LeaseRecord] = []
        """Every record that ever was the newest, oldest first."""
        self._record: LeaseRecord | None = None
        self._version = 0
        self._made = 0
        if exists:
            self.create(is_first=True)

    def __repr__(self) -> str:
        return f"<SimLeases {self._record}>"

    # what a store does

    def read(self) -> LeaseRecord:
        """The newest record.

        Raises:
            LeaseMissing: it was deleted.
        """
        if self._record is None:
            raise LeaseMissing("the simulated lease does not exist")
        return self._record

    def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Compare and swap.

        Raises:
            LeaseMissing: it was deleted.
            LeaseConflict: the record was replaced since it was read, or is of another lease.
        """
        newest = self.read()
        if (record.uid, record.version) != (newest.uid, newest.version):
            raise LeaseConflict(f"version {record.version} is not the newest, {newest.version}")
        return self._put(record)

    def announce(self, event: LeaseEvent) -> None:
        """Keep it."""
        self.events.append(event)

    # what people do

    def create(self, *, is_first: bool = False, epoch: int = 0) -> LeaseRecord:
        """A new and empty lease, by the name that the old one had.

        Args:
            is_first: nobody ever had it.
            epoch: what the person who makes it knows of the owners before.
        """
        self._made += 1
        released_epoch = 0 if is_first else None
        return self._put(
            LeaseRecord(uid=f"lease-{self._made}", released_epoch=released_epoch, epoch=epoch)
        )

    def delete(self) -> None:
        """Away with it."""
        self._record = None

    def steal(self, holder: str) -> LeaseRecord:
        """Put somebody else in, whatever the version."""
        taken = _replace(self.read(), holder=holder, transitions=self.read().transitions + 1)
        return self._put(taken)

    def annotate(self, *, fenced: str | None = None, unfence: int | None = None) -> LeaseRecord:
        """What ``kubectl annotate`` does; None leaves it as it is."""
        record = self.read()
        return self._put(
            _replace(
                record,
                fenced=record.fenced if fenced is None else fenced,
                unfence=record.unfence if unfence is None else unfence,
            )
        )

    def mark_abandoned(self) -> LeaseRecord:
        """From now on the holder's process is known to be dead, as a free file lock proves it."""
        self._record = _replace(self.read(), is_abandoned=bool(self.read().holder))
        return self._record

    def _put(self, record: LeaseRecord) -> LeaseRecord:
        self._version += 1
        self._record = _replace(record, version=str(self._version), is_abandoned=False)
        self.history.append(self._record)
        return self._record


class DirectLeaseStore:
    """Implements ``krakked.ports.lease_store.LeaseStore`` with nothing in between."""

    def __init__(self, leases: SimLeases) -> None:
        self._leases = leases

    async def read(self) -> LeaseRecord:
        """The newest record."""
        return self._leases.read()

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Compare and swap."""
        return self._leases.replace(record)

    async def announce(self, event: LeaseEvent) -> None:
        """Keep it."""
        self._leases.announce(event)

    async def close(self) -> None:
        """There is nothing to let go of."""
