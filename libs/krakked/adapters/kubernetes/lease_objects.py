"""Lease objects of the API, to records and back.

What krakked does not know (labels, other annotations, fields of newer servers) comes back as it
was read, because a PUT replaces the whole object. Times have exactly six fractional digits: the
server parses them by that form and refuses any other.
"""

from __future__ import annotations

import copy
from typing import Final, TypeAlias

from krakked.domain.times import from_rfc3339, to_rfc3339
from krakked.ports.lease_store import LeaseEvent, LeaseEventKind, LeaseRecord

JsonObject: TypeAlias = dict[str, object]

EPOCH: Final = "krakked.io/epoch"
RELEASED: Final = "krakked.io/released"
ACCOUNT: Final = "krakked.io/account-fp"
PROGRAM: Final = "krakked.io/version"
FENCED: Final = "krakked.io/fenced"
UNFENCE: Final = "krakked.io/unfence"
_NOT_FENCED: Final = ("", "false")
_NORMAL: Final = (LeaseEventKind.LEADER_ELECTED,)


def record_of(lease: JsonObject) -> LeaseRecord:
    """What the object says; what it does not say is as in a new one."""
    metadata, spec = _section(lease, "metadata"), _section(lease, "spec")
    notes = _section(metadata, "annotations")
    fenced = _text(notes, FENCED)
    return LeaseRecord(
        holder=_text(spec, "holderIdentity"),
        duration_s=_number(spec, "leaseDurationSeconds") or LeaseRecord().duration_s,
        acquired_at_ns=_instant_ns(spec, "acquireTime"),
        renewed_at_ns=_instant_ns(spec, "renewTime"),
        transitions=_number(spec, "leaseTransitions") or 0,
        epoch=_number(notes, EPOCH) or 0,
        released_epoch=_number(notes, RELEASED),
        account=_text(notes, ACCOUNT),
        program=_text(notes, PROGRAM),
        fenced="" if fenced.lower() in _NOT_FENCED else fenced,
        unfence=_number(notes, UNFENCE),
        uid=_text(metadata, "uid"),
        version=_text(metadata, "resourceVersion"),
    )


def object_of(record: LeaseRecord, base: JsonObject) -> JsonObject:
    """``base`` with what the record says; nothing else in it changes."""
    lease = copy.deepcopy(base)
    metadata, spec = _section(lease, "metadata"), _section(lease, "spec")
    notes = _section(metadata, "annotations")
    metadata.pop("managedFields", None)
    metadata["resourceVersion"] = record.version
    _set(spec, "holderIdentity", record.holder)
    _set(spec, "leaseDurationSeconds", record.duration_s)
    _set(spec, "acquireTime", _micro_time(record.acquired_at_ns))
    _set(spec, "renewTime", _micro_time(record.renewed_at_ns))
    spec["leaseTransitions"] = record.transitions
    _set(notes, EPOCH, _digits(record.epoch or None))
    _set(notes, RELEASED, _digits(record.released_epoch))
    _set(notes, ACCOUNT, record.account)
    _set(notes, PROGRAM, record.program)
    _set(notes, FENCED, record.fenced)
    _set(notes, UNFENCE, _digits(record.unfence))
    return {**lease, "metadata": {**metadata, "annotations": notes}, "spec": spec}


def event_object(event: LeaseEvent, *, namespace: str, lease: str, uid: str) -> JsonObject:
    """An event about the lease; its name is made of its instant."""
    second = to_rfc3339(event.at_ns, decimals=0)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{lease}.{event.at_ns:x}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "name": lease,
            "namespace": namespace,
            "uid": uid,
        },
        "reason": event.kind.value,
        "message": event.reason,
        "type": "Normal" if event.kind in _NORMAL else "Warning",
        "source": {"component": "krakked", "host": event.holder},
        "firstTimestamp": second,
        "lastTimestamp": second,
        "count": 1,
    }


def _section(of: JsonObject, name: str) -> JsonObject:
    """That part of the object; an empty one where it is missing or null."""
    part = of.get(name)
    if not isinstance(part, dict):
        part = of[name] = {}
    return part


def _text(of: JsonObject, name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""


def _number(of: JsonObject, name: str) -> int | None:
    """A whole number, also where people or annotations write it as text."""
    value = of.get(name)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def _instant_ns(of: JsonObject, name: str) -> int:
    try:
        return from_rfc3339(_text(of, name))
    except ValueError:
        return 0


def _micro_time(ns: int) -> str:
    return to_rfc3339(ns, decimals=6) if ns else ""


def _digits(value: int | None) -> str:
    return "" if value is None else str(value)


def _set(of: JsonObject, name: str, value: str | int) -> None:
    if value == "":
        of.pop(name, None)
    else:
        of[name] = value
