"""The table of ``docs/ownership.md``, made by asking the function itself.

Each phase is met in the state in which it usually is, each observation in the form that says most.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from krakked.domain.instants import Instant
from krakked.ports.lease_store import LeaseRecord
from krakked.trading.ownership import step
from krakked.trading.owning import (
    EXIT_CODES,
    Begin,
    Call,
    ConfigurationWrong,
    Conflict,
    DeadManTaken,
    Drained,
    EpochRecorded,
    Exit,
    Fence,
    LedgerBroken,
    Me,
    Missing,
    NonceRefused,
    Observation,
    OursFound,
    Phase,
    Read,
    Reconciled,
    State,
    StopAsked,
    Tick,
    Unfence,
    Unreachable,
    WriteLease,
    Written,
)

S = 1_000_000_000
NOW = Instant(least_ns=100 * S, most_ns=100 * S, wall_ns=100 * S)
LATER = NOW.plus_ns(10 * S)
ME = Me(pod="pod", uid="uid", process="now", account="00aa11bb")
OURS = LeaseRecord(
    holder=ME.holder, epoch=3, transitions=2, account=ME.account, uid="lease", version="9"
)
_replace = msgspec.structs.replace
OTHERS = _replace(OURS, holder="other_x_y", version="10")
BEFORE = State(me=ME, ledger_epoch=2, record=OTHERS, seen_since_least_ns=95 * S)
HELD = State(
    me=ME,
    epoch=3,
    ledger_epoch=3,
    record=OURS,
    lease_uid="lease",
    authority_until_ns=LATER.most_ns,
    watchdog_least_ns=LATER.least_ns + 2 * S,
    next_call_least_ns=102 * S,
)
STATES = {
    Phase.STARTING: State(me=ME),
    Phase.CANDIDATE: _replace(BEFORE, phase=Phase.CANDIDATE, next_call_least_ns=102 * S),
    Phase.ACQUIRED: _replace(HELD, phase=Phase.ACQUIRED, ledger_epoch=2),
    Phase.FENCING: _replace(HELD, phase=Phase.FENCING),
    Phase.RECONCILING: _replace(HELD, phase=Phase.RECONCILING),
    Phase.LEADING: _replace(HELD, phase=Phase.LEADING),
    Phase.FROZEN: _replace(
        HELD,
        phase=Phase.FROZEN,
        resume=Phase.LEADING,
        authority_until_ns=0,
        watchdog_least_ns=None,
    ),
    Phase.DRAINING: _replace(HELD, phase=Phase.DRAINING),
    Phase.FENCED: _replace(
        HELD, phase=Phase.FENCED, fence=Fence.VENUE, fenced_by="venue: EAPI:Invalid nonce"
    ),
}
READS: dict[str, Observation] = {
    "reads: ours": Read(record=OURS),
    "reads: ours, fenced by a person": Read(record=_replace(OURS, fenced="true", version="11")),
    "reads: ours, unfenced by a person": Read(record=_replace(OURS, unfence=3, version="11")),
    "reads: another's, still watched": Read(record=OTHERS),
    "reads: another's, unchanged for its duration": Read(record=_replace(OTHERS, duration_s=5)),
    "reads: another's, known dead": Read(record=_replace(OTHERS, is_abandoned=True)),
    "reads: an earlier process of this pod": Read(record=_replace(OTHERS, holder="pod_uid_old")),
    "reads: released": Read(record=_replace(OURS, holder="", released_epoch=3, version="11")),
    "reads: empty, not released": Read(record=_replace(OURS, holder="", version="11")),
    "reads: another account's": Read(record=_replace(OTHERS, account="ffffffff")),
    "reads: another lease by that name": Read(record=_replace(OURS, uid="other")),
}
WRITES: dict[str, Observation] = {
    "write taken": Written(record=OURS, sent_at=NOW),
    "write conflicts": Conflict(),
}
EITHER: dict[str, Observation] = {
    "lease is missing": Missing(),
    "lease is out of reach": Unreachable(),
}
OTHER: dict[str, Observation] = {
    "begins": Begin(ledger_epoch=2),
    "time for the next call": Tick(),
    "authority has run out": Tick(),
    "stood still past the watchdog": Tick(),
    "epoch is in the ledger": EpochRecorded(epoch=3),
    "dead-man taken over": DeadManTaken(),
    "books agree": Reconciled(began_at=NOW),
    "books agree, in quarantine": Reconciled(began_at=NOW),
    "nonce refused": NonceRefused(reason="EAPI:Invalid nonce"),
    "a person unfences": Unfence(principal="ada"),
    "ours found that nobody heard of": OursFound(),
    "stop asked": StopAsked(),
    "drained": Drained(),
    "ledger broken": LedgerBroken(reason="damaged"),
    "configuration wrong": ConfigurationWrong(reason="no key"),
}
NEEDS_AUTHORITY = ("authority has run out", "stood still past the watchdog")
MOMENTS = {
    "time for the next call": NOW.plus_ns(2 * S),
    "authority has run out": LATER,
    "stood still past the watchdog": NOW.plus_ns(30 * S),
}


Row = tuple[str, str, str, str]


def rows() -> Iterator[Row]:
    """Phase, what is observed, phase then, what is done; nothing where nothing happens."""
    for phase, state in STATES.items():
        for words, before, observation in cases(phase, state):
            now = MOMENTS.get(words, NOW)
            after, actions = step(before, observation, now)
            waits = after.waits_for_quarantine is not before.waits_for_quarantine
            if actions or waits or after.phase is not phase or after.fence is not before.fence:
                done = ", ".join(word(action, after) for action in actions) or "–"
                yield phase.name, words, shown(after), done


def cases(phase: Phase, state: State) -> Iterator[tuple[str, State, Observation]]:
    if phase is not Phase.STARTING:
        yield from cases_of_the_lease(phase, state)
    for words, observation in OTHER.items():
        if words == "books agree, in quarantine":
            late = _replace(state, is_unclean=True, quarantine_until_least_ns=105 * S)
            yield words, late, observation
        elif state.watchdog_least_ns is not None or words not in NEEDS_AUTHORITY:
            yield words, state, observation


def cases_of_the_lease(phase: Phase, state: State) -> Iterator[tuple[str, State, Observation]]:
    writing = _replace(state, call=Call.TAKE if phase is Phase.CANDIDATE else Call.RENEW)
    for words, observation in READS.items():
        yield words, _replace(state, call=Call.READ), observation
    for words, observation in {**WRITES, **EITHER}.items():
        yield words, writing, observation


def grouped() -> Iterator[Row]:
    """Rows of one phase with the same outcome are one row."""
    by_outcome: dict[tuple[str, str, str], list[str]] = {}
    for phase, words, then, done in rows():
        by_outcome.setdefault((phase, then, done), []).append(words)
    for (phase, then, done), observed in by_outcome.items():
        yield phase, "; ".join(observed), then, done


def shown(state: State) -> str:
    code = EXIT_CODES.get(state.phase)
    return state.phase.name if code is None else f"{state.phase.name} (exit {code})"


def word(action: object, after: State) -> str:
    match action:
        case WriteLease():
            assert after.call is not None
            return f"WriteLease({after.call.value})"
        case Exit(code=code):
            return f"Exit({code})"
        case _:
            return type(action).__name__


def markdown() -> str:
    lines = ["| phase | observed | phase then | done, in this order |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in grouped()]
    return "\n".join(lines) + "\n"
