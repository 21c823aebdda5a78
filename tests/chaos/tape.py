"""What went over the lines to the venue, as somebody between engines and venue saw it.

Each private call is one entry: who sent it, its nonce (whose leading digits are the epoch), when it
was handed to the venue, when the answer came back, and whether the venue took it. An answer that
never came leaves it open whether the call was taken.

Calls on two connections are answered at once, so the order at the venue is known only where one
answer was there before the other call was handed on. That is enough: a call that was handed on
after a newer epoch's was accepted, and was accepted all the same, is one that no fence stopped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from urllib.parse import parse_qs

import msgspec

from krakked.adapters.kraken.nonces import epoch_of


class Entry(msgspec.Struct, kw_only=True):
    """One private call."""

    sender: str
    method: str
    key: str
    nonce: int
    client_order_id: str = ""
    handed_at_s: float
    answered_at_s: float | None = None
    is_accepted: bool | None = None
    """None: nobody saw an answer."""
    errors: tuple[str, ...] = ()

    @property
    def epoch(self) -> int:
        """Of the owner who sent it."""
        return epoch_of(self.nonce)


class Tape:
    """All entries, in the order in which they were handed on."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def call(self, sender: str, path: str, key: str, body: bytes, at_s: float) -> Entry | None:
        """A call is handed on; None: it is not a private one."""
        if "/0/private/" not in path:
            return None
        fields = _fields(body)
        entry = Entry(
            sender=sender,
            method=path.rpartition("/")[2],
            key=key,
            nonce=int(fields.get("nonce", "0")),
            client_order_id=fields.get("cl_ord_id", ""),
            handed_at_s=at_s,
        )
        self.entries.append(entry)
        return entry

    def accepted(self, *methods: str) -> list[Entry]:
        """Those that the venue is known to have taken."""
        return [e for e in self.entries if e.is_accepted and (not methods or e.method in methods)]

    def refusals(self) -> Counter[str]:
        """What the venue said no with, by its words."""
        return Counter(error for entry in self.entries for error in entry.errors)


def answer(entry: Entry, body: bytes, at_s: float) -> None:
    """The venue's answer to a call."""
    try:
        told = json.loads(body)
    except ValueError:
        return
    entry.answered_at_s = at_s
    entry.errors = tuple(told.get("error", ()))
    entry.is_accepted = not entry.errors


def _fields(body: bytes) -> dict[str, str]:
    if body.lstrip().startswith(b"{"):
        return {name: str(value) for name, value in json.loads(body).items()}
    return {name: values[-1] for name, values in parse_qs(body.decode()).items()}


def late_acceptances(entries: Iterable[Entry]) -> list[str]:
    """Calls of an older epoch that the venue took after one of a newer epoch, key by key."""
    by_key: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.is_accepted:
            by_key.setdefault(entry.key, []).append(entry)
    return [line for rows in by_key.values() for line in _late(rows)]


def _late(rows: list[Entry]) -> Iterable[str]:
    answered = sorted(rows, key=lambda row: row.answered_at_s or 0)
    known, newest = 0, min(row.epoch for row in rows)
    for row in sorted(rows, key=lambda row: row.handed_at_s):
        while known < len(answered) and (answered[known].answered_at_s or 0) < row.handed_at_s:
            newest = max(newest, answered[known].epoch)
            known += 1
        if row.epoch < newest:
            yield (
                f"{row.method} of {row.sender} with epoch {row.epoch} (nonce {row.nonce}) was "
                f"accepted after one of epoch {newest}"
            )
