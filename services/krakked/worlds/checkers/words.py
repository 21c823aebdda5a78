"""What a person was told: a word that was given holds, whatever happens afterwards.

kept word   after `kill switch on` or `halt` was answered with yes no entry is sent by that machine,
            crashed and started again or not, until somebody allows it
cancelled   what the answer says was cancelled does not rest any more
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krakked.domain.commands import CancelAll, Command, Halt, Panic, Resume, SetKillSwitch
from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.worlds.checkers.evidence import Evidence, Submission
from krakked.worlds.person import Said

ON_ITS_WAY_NS: Final = 10 * NS_PER_SECOND
"""An order that was sent before the answer may be taken so much later: its deadline, by a clock
that may be wrong."""


class Words:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def look_back(self) -> None:
        """At everything that was said."""
        said = self._evidence.world.person.said
        answered = [one for one in said if one.reply is not None and one.reply.ok]
        first_asked: dict[str, int] = {}
        for one in said:
            first_asked.setdefault(one.command.command_id, one.asked_ns)
        firsts: dict[str, Said] = {}
        for one in sorted(answered, key=lambda one: one.replied_ns):
            firsts.setdefault(one.command.command_id, one)
        for one in firsts.values():
            # Given again it is not done again: the answer is that of the first time.
            asked_ns = first_asked[one.command.command_id]
            self._kept(one, asked_ns, said)
            self._cancelled(one, asked_ns)

    def _kept(self, one: Said, first_asked_ns: int, said: list[Said]) -> None:
        allows = _what_ends(one.command)
        if (
            allows is None
            or _is_undermined(one, said, allows)
            or self._evidence.has_lost_volume(one.machine)
        ):
            return
        until_ns = min(
            (w.asked_ns for w in said if allows(w.command) and w.asked_ns > first_asked_ns),
            default=None,
        )
        for submission in self._of_machine(one.machine):
            at_ns = submission.call.at_ns
            is_after = at_ns > one.replied_ns + ON_ITS_WAY_NS
            is_before = until_ns is None or at_ns < until_ns
            if submission.adds_risk and is_after and is_before:
                told = type(one.command).__name__
                self._evidence.violated("kept word", f"{submission.name} was sent after {told}")

    def _cancelled(self, one: Said, first_asked_ns: int) -> None:
        concerns = _what_goes(one.command)
        if concerns is None:
            return
        for submission in self._of_machine(one.machine):
            order = submission.accepted
            if order is None or not concerns(submission) or order.opened_ns >= first_asked_ns:
                continue
            if not order.is_done or order.closed_ns > one.replied_ns:
                told = type(one.command).__name__
                said = f"{submission.name} rests on after {told} was answered with yes"
                self._evidence.violated("cancelled", said)

    def _of_machine(self, name: str) -> list[Submission]:
        """What was taken of that machine's orders."""
        return [
            one for one in self._evidence.accepted() if one.call.sender.partition(".")[0] == name
        ]


def _what_ends(command: Command) -> Callable[[Command], bool] | None:
    """Commands after which the word need not hold any more; None: nothing was promised."""
    match command:
        case SetKillSwitch(active=True) | Panic():
            return lambda one: isinstance(one, SetKillSwitch) and not one.active
        case Halt():
            return lambda one: isinstance(one, Resume)
        case _:
            return None


def _is_undermined(one: Said, said: list[Said], allows: Callable[[Command], bool]) -> bool:
    """An older command that allows it may be carried out after this one."""
    return any(
        allows(other.command)
        and other.machine == one.machine
        and other.asked_ns <= one.asked_ns
        and (other.reply is None or other.replied_ns >= one.asked_ns)
        for other in said
    )


def _what_goes(command: Command) -> Callable[[Submission], bool] | None:
    """Orders that rest no more once it is answered with yes."""
    match command:
        case SetKillSwitch(active=True):
            return lambda one: one.adds_risk
        case Panic() | Halt(cancel=True):
            return lambda _: True
        case CancelAll(pair=pair):
            return lambda one: _is_of(pair, one)
        case _:
            return None


def _is_of(pair: PairName | None, submission: Submission) -> bool:
    return pair in (None, submission.order.request.pair)
