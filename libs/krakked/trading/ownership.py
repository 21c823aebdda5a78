"""Who owns the account: one pure function from (state, observation, now) to (state, actions).

    STARTING → CANDIDATE → ACQUIRED(epoch) → FENCING → RECONCILING → LEADING ⇄ FROZEN
    → DRAINING → RELEASED, and from many of them FENCED or an end with an exit code.

The rules that everything else rests on:

* Authority counts from the *sending* of the last renewal that was taken, never from its answer.
* A candidate takes a lease that somebody holds only after it has seen the same record unchanged for
  the duration that the record names, by a clock of its own that is never too fast.
* The epoch is above all that lease and ledger know, is in the same write that takes the lease, and
  durable in the ledger before the venue is asked anything.
* What others did to the lease is believed at once: another holder ends this process, a lease that
  is gone freezes it. It is never created anew.
* The venue's word that a newer owner exists is final until a person says otherwise.
"""

from __future__ import annotations

import enum
import hashlib

import msgspec

from krakked.domain.instants import Instant
from krakked.ports.lease_store import LeaseEventKind, LeaseRecord
from krakked.trading import leases
from krakked.trading.owning import (
    EXIT_CODES,
    HOLDING,
    WORKING,
    Action,
    ArmWatchdog,
    Begin,
    Call,
    ConfigurationWrong,
    Conflict,
    DeadManTaken,
    DisarmWatchdog,
    Drain,
    Drained,
    EpochRecorded,
    Exit,
    Fence,
    LedgerBroken,
    Missing,
    NonceRefused,
    Observation,
    OursFound,
    Phase,
    Read,
    ReadLease,
    Reconcile,
    Reconciled,
    RecordEpoch,
    State,
    Step,
    StopAsked,
    TakeDeadMan,
    Tell,
    Tick,
    Unfence,
    Unreachable,
    WriteLease,
    Written,
)

JITTER_PERMILLE_MAX = 200
"""Candidates look at the lease this much later than their period at most, each by its own share."""
UNTOLD = (
    "the lease was made anew and does not say which epochs there were: write the highest that any "
    "engine knew into krakked.io/epoch (`krakked status` shows it), or 0 into krakked.io/released "
    "if nobody ever owned the account"
)
UNHEARD_OF = (
    "the account has orders of krakked's that this database and its lease never heard of: whoever "
    "placed them is fenced by a later epoch"
)
PERSONS_FENCE = "true"
"""What a person writes to fence; anything else is an engine's reason."""
_replace = msgspec.structs.replace


def step(state: State, observation: Observation, now: Instant) -> Step:
    """What becomes of ``state``, and what is to be done about it, in this order."""
    if state.is_over:
        return state, ()
    if state.watchdog_least_ns is not None and now.least_ns > state.watchdog_least_ns:
        return _end(state, Phase.HUNG, "it stood still for longer than its lease is safe")
    state, actions = _observe(state, observation, now)
    state, lapse = _settle(state, now)
    state, calls = _call(state, now)
    return state, (*actions, *lapse, *calls)


def _observe(state: State, observation: Observation, now: Instant) -> Step:
    match observation:
        case Begin() | ConfigurationWrong() | LedgerBroken() | StopAsked() | Drained():
            return _of_the_process(state, observation, now)
        case Read() | Written() | Conflict() | Missing() | Unreachable():
            if not _is_answer(observation, state.call):
                return state, ()
            return _of_the_lease(_replace(state, call=None), observation, state.call, now)
        case EpochRecorded() | DeadManTaken() | Reconciled():
            return _of_the_start(state, observation)
        case NonceRefused() | Unfence() | OursFound():
            return _of_another_owner(state, observation, now)
        case Tick():
            return _tick(state, now)


def _is_answer(observation: Observation, call: Call | None) -> bool:
    """Whether it can be what became of that call."""
    match observation:
        case Read():
            return call is Call.READ
        case Written() | Conflict():
            return call not in (None, Call.READ)
        case _:
            return call is not None


# ------------------------------------------------------------------------------ the process


def _of_the_process(
    state: State,
    observation: Begin | ConfigurationWrong | LedgerBroken | StopAsked | Drained,
    now: Instant,
) -> Step:
    match observation:
        case Begin(ledger_epoch=epoch):
            return _begin(state, epoch, now)
        case ConfigurationWrong(reason=reason):
            return _end(state, Phase.MISCONFIGURED, reason)
        case LedgerBroken(reason=reason):
            return _end(state, Phase.LEDGER_LOST, reason)
        case StopAsked():
            return _stop(state, now)
        case Drained():
            return _drained(state, now)


def _begin(state: State, ledger_epoch: int, now: Instant) -> Step:
    if state.phase is not Phase.STARTING:
        return state, ()
    begun = _replace(
        state,
        phase=Phase.CANDIDATE,
        ledger_epoch=ledger_epoch,
        next_call_least_ns=now.least_ns,
    )
    return begun, ()


def _stop(state: State, now: Instant) -> Step:
    if state.phase is Phase.DRAINING:
        return state, ()
    if state.phase in HOLDING:
        return _replace(state, phase=Phase.DRAINING, waits_for_quarantine=False), (Drain(),)
    if state.call is Call.TAKE:
        # It may be ours by now: wait for the answer, and let go of it.
        until_ns = now.least_ns + state.timings.release_ns
        stopping = _replace(state, phase=Phase.DRAINING, is_drained=True)
        return _replace(stopping, release_until_least_ns=until_ns), ()
    return _end(state, Phase.RELEASED, "stopped before it owned anything")


def _drained(state: State, now: Instant) -> Step:
    if state.phase is not Phase.DRAINING or state.is_drained:
        return state, ()
    drained = _replace(
        state,
        is_drained=True,
        next_call_least_ns=now.least_ns,
        release_until_least_ns=now.least_ns + state.timings.release_ns,
    )
    return drained, ()


def _end(state: State, phase: Phase, reason: str) -> Step:
    ended = _replace(
        state, phase=phase, call=None, authority_until_ns=0, watchdog_least_ns=None,
        exit_reason=reason,
    )  # fmt: skip
    actions: list[Action] = []
    if state.watchdog_least_ns is not None and phase is Phase.RELEASED:
        actions.append(DisarmWatchdog())
    if phase is Phase.PREEMPTED:
        actions.append(Tell(kind=LeaseEventKind.LEADER_LOST, reason=reason))
    return ended, (*actions, Exit(code=EXIT_CODES[phase], reason=reason))


# ------------------------------------------------------------------------------ the lease


def _of_the_lease(
    state: State,
    observation: Read | Written | Conflict | Missing | Unreachable,
    call: Call | None,
    now: Instant,
) -> Step:
    match observation:
        case Read(record=record):
            return _read(state, record, now)
        case Written(record=record, sent_at=sent_at):
            return _written(state, record, call, sent_at, now)
        case Conflict():
            return _conflict(state, call, now)
        case Missing():
            return _missing(state, now)
        case Unreachable():
            return _unreachable(state, now)


def _read(state: State, record: LeaseRecord, now: Instant) -> Step:
    state = _replace(state, is_missing_told=False)
    if state.phase is Phase.CANDIDATE:
        return _seen_by_candidate(state, record, now)
    if state.phase not in HOLDING:
        return state, ()
    state = _replace(state, record=record)
    if not _is_ours(state, record):
        return _lost(state, record)
    actions: tuple[Action, ...] = ()
    if state.phase is Phase.DRAINING:
        state = _replace(state, epoch=max(state.epoch, record.epoch), lease_uid=record.uid)
    else:
        state, actions = _heed_annotations(state, record)
    state, write = _write(state, *_writing(state, record, now), now)
    return state, (*actions, *write)


def _is_ours(state: State, record: LeaseRecord) -> bool:
    return record.holder == state.me.holder and state.lease_uid in ("", record.uid)


def _lost(state: State, record: LeaseRecord) -> Step:
    if state.phase is Phase.DRAINING and (state.was_release_sent or not state.epoch):
        return _end(state, Phase.RELEASED, "the lease is released")
    if record.holder == state.me.holder:
        reason = "the lease was deleted and made anew"
    elif record.holder:
        reason = f"the lease is held by {record.holder}, epoch {record.epoch}"
    else:
        reason = "the lease was taken from us: it has no holder"
    return _end(state, Phase.PREEMPTED, reason)


class _Verdict(enum.Enum):
    WAIT = enum.auto()
    CLEAN = enum.auto()
    UNCLEAN = enum.auto()
    OURS = enum.auto()
    FOREIGN = enum.auto()
    UNTOLD = enum.auto()


def _seen_by_candidate(state: State, record: LeaseRecord, now: Instant) -> Step:
    before = state.record
    if before is None or (before.uid, before.version) != (record.uid, record.version):
        state = _replace(state, seen_since_least_ns=now.least_ns)
    state = _replace(state, record=record, next_call_least_ns=_next_look_ns(state, now))
    match _judge(state, record, now):
        case _Verdict.WAIT:
            expiry_ns = state.seen_since_least_ns + record.duration_ns
            due_ns = min(state.next_call_least_ns, expiry_ns)
            return _replace(state, next_call_least_ns=due_ns), ()
        case _Verdict.FOREIGN:
            reason = f"the lease is about account {record.account}, not {state.me.account}"
            return _end(state, Phase.MISCONFIGURED, f"{reason}; give each release its own")
        case _Verdict.UNTOLD:
            is_news = before is None or before.version != record.version
            return state, (Tell(reason=UNTOLD),) if is_news else ()
        case _Verdict.OURS:
            # We took it, and the answer was lost.
            return _write(state, Call.TAKE, leases.renewing(state, record, now), now)
        case _Verdict.CLEAN:
            return _take(state, record, now, is_unclean=False)
        case _Verdict.UNCLEAN:
            return _take(state, record, now, is_unclean=True)


def _judge(state: State, record: LeaseRecord, now: Instant) -> _Verdict:
    """Whether a candidate may take it, and how sure it is that nobody is left behind it."""
    if record.account and state.me.account and record.account != state.me.account:
        return _Verdict.FOREIGN
    if record.holder == state.me.holder:
        return _Verdict.OURS
    if not (record.knows_epochs or record.is_local):
        return _Verdict.UNTOLD
    if not record.holder:
        return _Verdict.CLEAN if record.is_released else _Verdict.UNCLEAN
    if record.is_abandoned or state.me.was(record.holder):
        return _Verdict.UNCLEAN
    seen_ns = now.least_ns - state.seen_since_least_ns
    return _Verdict.UNCLEAN if seen_ns >= record.duration_ns else _Verdict.WAIT


def _take(state: State, record: LeaseRecord, now: Instant, *, is_unclean: bool) -> Step:
    state = _replace(
        state,
        is_unclean=is_unclean,
        is_restored=_is_behind(state, record),
        silent_ns=_silent_ns(state, record, now),
        lease_uid="",
    )
    return _write(state, Call.TAKE, leases.taking(state, record, now), now)


def _silent_ns(state: State, record: LeaseRecord, now: Instant) -> int:
    """Known of an owner whose record was waited out, and of no other."""
    if not record.holder or record.is_abandoned or state.me.was(record.holder):
        return 0
    return now.least_ns - state.seen_since_least_ns


def _is_behind(state: State, record: LeaseRecord) -> bool:
    """Whether an owner traded that our ledger knows nothing of.

    Not so if our own last process took that epoch and died before it was in its ledger: it cannot
    have asked the venue anything.
    """
    is_own = record.is_abandoned or state.me.was(record.holder)
    died_between = is_own and record.epoch == state.ledger_epoch + 1
    return record.epoch > state.ledger_epoch and not died_between


def _written(
    state: State, record: LeaseRecord, call: Call | None, sent_at: Instant, now: Instant
) -> Step:
    if state.phase not in (Phase.CANDIDATE, *HOLDING):
        return state, ()
    state = _replace(
        state,
        record=record,
        next_call_least_ns=sent_at.least_ns + state.timings.retry_period_ns,
    )
    if call is Call.RELEASE:
        return _end(state, Phase.RELEASED, "the lease is released")
    state, armed = _authorized(state, sent_at)
    if call is Call.TAKE:
        state, actions = _acquired(state, record, now)
    elif call is Call.UNFENCE:
        state, actions = _unfenced(state, record, now)
    else:
        state, actions = _renewed(state, record, now)
    return state, (*armed, *actions)


def _authorized(state: State, sent_at: Instant) -> Step:
    watchdog_ns = sent_at.least_ns + state.timings.watchdog_ns
    authorized = _replace(
        state,
        authority_until_ns=sent_at.most_ns + state.timings.renew_deadline_ns,
        watchdog_least_ns=watchdog_ns,
    )
    return authorized, (ArmWatchdog(at_least_ns=watchdog_ns),)


def _acquired(state: State, record: LeaseRecord, now: Instant) -> Step:
    if state.phase is Phase.DRAINING:
        # Stopped while taking it: nothing was asked of the venue, so it is let go at once.
        mine = _replace(state, epoch=record.epoch, lease_uid=record.uid)
        return _replace(mine, next_call_least_ns=now.least_ns), ()
    state, actions = _enter_epoch(state, record, now)
    told = Tell(
        kind=LeaseEventKind.LEADER_ELECTED,
        reason=f"{state.me.holder} owns the account, epoch {state.epoch}",
    )
    if record.fenced:
        state, fenced = _fence(state, _fence_of(record), record.fenced)
        return state, (told, *fenced)
    return state, (told, *actions)


def _enter_epoch(state: State, record: LeaseRecord, now: Instant) -> Step:
    wait_ns = state.timings.quarantine_ns if state.is_unclean else 0
    entered = _replace(
        state,
        phase=Phase.ACQUIRED,
        epoch=record.epoch,
        lease_uid=record.uid,
        quarantine_until_least_ns=now.least_ns + wait_ns,
    )
    return entered, _entering(entered)


def _unfenced(state: State, record: LeaseRecord, now: Instant) -> Step:
    state = _replace(state, wants_unfence=False, unfence_at_least=0)
    if state.phase is Phase.DRAINING:
        return _replace(state, epoch=record.epoch, fence=None), ()
    # Who was fenced by the venue has missed what a newer owner did; so it may have been others.
    is_restored = state.is_restored or state.fence is Fence.VENUE
    state = _replace(state, fence=None, fenced_by="", is_unclean=True, is_restored=is_restored)
    state, actions = _enter_epoch(state, record, now)
    told = Tell(reason=f"a person lets it go on, with epoch {state.epoch}")
    return state, (told, *actions)


def _renewed(state: State, record: LeaseRecord, now: Instant) -> Step:
    if state.phase is Phase.DRAINING:
        return state, ()
    state, actions = _heed_annotations(state, record)
    if state.fence is Fence.VENUE and not record.fenced:
        return _replace(state, next_call_least_ns=now.least_ns), actions
    if state.phase is Phase.FROZEN and state.holds(now):
        thawed = _replace(state, phase=state.resume)
        told = Tell(reason=f"the lease is ours again: {state.resume.value}")
        return thawed, (*actions, told, *_entering(thawed))
    return state, actions


def _entering(state: State) -> tuple[Action, ...]:
    """What begins a phase; asked for again when a frozen owner goes on in it."""
    match state.phase:
        case Phase.ACQUIRED:
            return (
                RecordEpoch(
                    epoch=state.epoch,
                    is_unclean=state.is_unclean,
                    is_restored=state.is_restored,
                ),
            )
        case Phase.FENCING:
            return (TakeDeadMan(),)
        case Phase.RECONCILING:
            return (Reconcile(),)
        case _:
            return ()


def _conflict(state: State, call: Call | None, now: Instant) -> Step:
    if state.phase is Phase.CANDIDATE:
        # Another candidate was quicker, or the holder lives: look again, but without haste.
        return _replace(state, next_call_least_ns=_next_look_ns(state, now)), ()
    if state.phase is Phase.DRAINING and not state.epoch and call is Call.TAKE:
        return _end(state, Phase.RELEASED, "stopped before it owned anything")
    return _calling(state, Call.READ, now), (ReadLease(),)


def _missing(state: State, now: Instant) -> Step:
    if state.phase is Phase.DRAINING:
        return _end(state, Phase.RELEASED, "the lease is gone; there is nothing to release")
    told: tuple[Action, ...] = ()
    if not state.is_missing_told:
        told = (Tell(reason="the lease is gone: a person must make it again, krakked never does"),)
    state = _replace(state, is_missing_told=True, next_call_least_ns=_next_look_ns(state, now))
    state = _replace(state, authority_until_ns=0) if state.phase in HOLDING else state
    return state, told


def _unreachable(state: State, now: Instant) -> Step:
    until_ns = state.release_until_least_ns
    if state.phase is Phase.DRAINING and until_ns is not None and now.least_ns >= until_ns:
        return _end(state, Phase.RELEASED, "the lease could not be released; it runs out by itself")
    soon_ns = state.called_least_ns + state.timings.retry_period_ns
    return _replace(state, next_call_least_ns=max(now.least_ns, soon_ns)), ()


# ------------------------------------------------------------------------------ fences


def _fence_of(record: LeaseRecord) -> Fence:
    return Fence.PERSON if record.fenced == PERSONS_FENCE else Fence.VENUE


def _heed_annotations(state: State, record: LeaseRecord) -> Step:
    """What people wrote beside the lease since we saw it last."""
    if state.phase is not Phase.FENCED:
        return _fence(state, _fence_of(record), record.fenced) if record.fenced else (state, ())
    if record.unfence == state.epoch:
        return _let_go_on(state, 0), ()
    if state.fence is Fence.PERSON and not record.fenced:
        lifted = _replace(state, phase=Phase.ACQUIRED, fence=None, fenced_by="")
        return lifted, (Tell(reason="the fence on the lease is lifted"), *_entering(lifted))
    return state, ()


def _fence(state: State, fence: Fence, reason: str) -> Step:
    by = "a person fenced it on the lease" if fence is Fence.PERSON else reason
    fenced = _replace(
        state, phase=Phase.FENCED, fence=fence, fenced_by=by, waits_for_quarantine=False
    )
    return fenced, (Tell(kind=LeaseEventKind.FENCED, reason=by),)


# ------------------------------------------------------------------------------ the account


def _of_the_start(state: State, observation: EpochRecorded | DeadManTaken | Reconciled) -> Step:
    match observation:
        case EpochRecorded(epoch=epoch):
            return _recorded(state, epoch)
        case DeadManTaken():
            return _advance(state, Phase.FENCING, Phase.RECONCILING)
        case Reconciled(began_at=began_at):
            return _reconciled(state, began_at)


def _of_another_owner(
    state: State, observation: NonceRefused | Unfence | OursFound, now: Instant
) -> Step:
    match observation:
        case NonceRefused(reason=reason):
            return _nonce_refused(state, reason, now)
        case Unfence(at_least=epoch):
            return _unfence(state, epoch, now)
        case OursFound():
            return _ours_found(state, now)


def _recorded(state: State, epoch: int) -> Step:
    if epoch != state.epoch:
        return state, ()
    return _advance(_replace(state, ledger_epoch=epoch), Phase.ACQUIRED, Phase.FENCING)


def _advance(state: State, done: Phase, following: Phase) -> Step:
    """A phase is over; a frozen owner remembers it, and goes on from there."""
    if state.phase is done:
        advanced = _replace(state, phase=following)
        return advanced, _entering(advanced)
    if state.phase is Phase.FROZEN and state.resume is done:
        return _replace(state, resume=following), ()
    return state, ()


def _reconciled(state: State, began_at: Instant) -> Step:
    if state.phase is not Phase.RECONCILING:
        return state, ()
    if not state.is_unclean or began_at.least_ns >= state.quarantine_until_least_ns:
        leading = _replace(state, phase=Phase.LEADING, waits_for_quarantine=False)
        return leading, (Tell(reason=f"trades with epoch {state.epoch}"),)
    # An order of the owner before may have come to rest since: look once more when none can.
    return _replace(state, waits_for_quarantine=True), ()


def _nonce_refused(state: State, reason: str, now: Instant) -> Step:
    if state.phase is Phase.DRAINING:
        return _replace(state, fence=Fence.VENUE, fenced_by=f"venue: {reason}"), ()
    if state.phase not in HOLDING or state.phase is Phase.FENCED:
        return state, ()
    # On record at once, so that no restart of ours takes it back by itself.
    fenced, told = _fence(state, Fence.VENUE, f"venue: {reason}")
    return _replace(fenced, next_call_least_ns=now.least_ns), told


def _unfence(state: State, at_least: int, now: Instant) -> Step:
    if state.phase is not Phase.FENCED:
        return state, ()
    return _replace(_let_go_on(state, at_least), next_call_least_ns=now.least_ns), ()


def _let_go_on(state: State, at_least: int) -> State:
    if not at_least and state.fence is Fence.VENUE:
        at_least = leases.leap(state, leases.PERSONS_LEAP)
    return _replace(state, wants_unfence=True, unfence_at_least=at_least)


def _ours_found(state: State, now: Instant) -> Step:
    """Who placed them may live, and own by another lease: go on above it, as if let by a person."""
    if state.phase not in WORKING:
        return state, ()
    fenced, _ = _fence(state, Fence.VENUE, UNHEARD_OF)  # nobody need be told: it goes on at once
    stepping, actions = _unfence(fenced, leases.leap(state, leases.LEAP), now)
    return stepping, (Tell(reason=UNHEARD_OF), *actions)


# ------------------------------------------------------------------------------ time and calls


def _tick(state: State, now: Instant) -> Step:
    if state.waits_for_quarantine and now.least_ns >= state.quarantine_until_least_ns:
        return _replace(state, waits_for_quarantine=False), (Reconcile(),)
    return state, ()


def _settle(state: State, now: Instant) -> Step:
    """What follows from authority having run out, whatever was observed."""
    if state.is_over or state.phase not in HOLDING or state.holds(now):
        return state, ()
    is_watched = state.watchdog_least_ns is not None
    disarmed: tuple[Action, ...] = (DisarmWatchdog(),) if is_watched else ()
    state = _replace(state, authority_until_ns=0, watchdog_least_ns=None)
    if state.phase not in WORKING:
        return state, disarmed
    told = Tell(reason="nobody can say whether the account is still ours: nothing is sent")
    frozen = _replace(state, phase=Phase.FROZEN, resume=state.phase, waits_for_quarantine=False)
    return frozen, (*disarmed, told)


def _call(state: State, now: Instant) -> Step:
    """The next call to the lease, if it is time and none is under way."""
    if state.call is not None or now.least_ns < state.next_call_least_ns:
        return state, ()
    if state.phase is not Phase.CANDIDATE and state.phase not in HOLDING:
        return state, ()
    is_known = state.epoch > 0 and state.phase is not Phase.FROZEN
    if not is_known or state.record is None:
        return _calling(state, Call.READ, now), (ReadLease(),)
    return _write(state, *_writing(state, state.record, now), now)


def _writing(state: State, record: LeaseRecord, now: Instant) -> tuple[Call, LeaseRecord]:
    if state.phase is Phase.DRAINING and state.is_drained:
        return Call.RELEASE, leases.releasing(state, record, now)
    if state.wants_unfence:
        return Call.UNFENCE, leases.unfencing(state, record, now)
    return Call.RENEW, leases.renewing(state, record, now)


def _write(state: State, call: Call, record: LeaseRecord, now: Instant) -> Step:
    called = _calling(state, call, now)
    if call is Call.RELEASE:
        # From here on it may be another's, whether or not we hear of it.
        called = _replace(called, was_release_sent=True, authority_until_ns=0)
    return called, (WriteLease(record=record),)


def _calling(state: State, call: Call, now: Instant) -> State:
    return _replace(state, call=call, called_least_ns=now.least_ns)


def _next_look_ns(state: State, now: Instant) -> int:
    """A period later, and a little more for each candidate, so that they do not march in step."""
    period_ns = state.timings.retry_period_ns
    if state.phase is not Phase.CANDIDATE:
        return now.least_ns + period_ns
    digest = hashlib.sha256(state.me.holder.encode()).digest()
    share_permille = int.from_bytes(digest[:2]) % (JITTER_PERMILLE_MAX + 1)
    return now.least_ns + period_ns + period_ns * share_permille // 1000
