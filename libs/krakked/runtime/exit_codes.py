"""How krakked ends: one table for the program, ``--help`` and ``docs/exit-codes.md``.

Codes from 64 on follow sysexits.h where it has a word for the case; 70 and 72 keep the meaning
that the ownership of an account gives them. Nothing heavy is imported here: ``--help`` reads it.
"""

from __future__ import annotations

import enum
from typing import Final

from krakked.domain.errors import (
    Ambiguous,
    BadInput,
    BadKey,
    Fenced,
    KrakkedError,
    LedgerFailed,
    MissingPermission,
    OwnershipEnded,
    Permanent,
    Refused,
    Transient,
)


class ExitCode(enum.IntEnum):
    """What the shell, systemd or the kubelet sees."""

    DONE = 0
    FINDINGS = 1
    USAGE = 2
    BOOKS_DIFFER = 3
    REFUSED = 4
    NO_ENGINE = 5
    VENUE_UNREACHABLE = 69
    PREEMPTED = 70
    CRASHED = 71
    WATCHDOG = 72
    DATABASE = 73
    OCCUPIED = 74
    TIMED_OUT = 75
    CLOCK = 76
    KEYS = 77
    CONFIGURATION = 78
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.DONE: "done; a run found no difference in what it compared with the venue",
    ExitCode.FINDINGS: "a check found something, or what was asked for does not exist",
    ExitCode.USAGE: "wrong use of the command line",
    ExitCode.BOOKS_DIFFER: "the run ended with books that differ from the venue's",
    ExitCode.REFUSED: "the engine or the venue said no, or a person who was asked",
    ExitCode.NO_ENGINE: "no engine answers",
    ExitCode.VENUE_UNREACHABLE: "the venue cannot be reached",
    ExitCode.PREEMPTED: "another engine took over the account",
    ExitCode.CRASHED: "a task failed or an invariant broke; starting again is safe",
    ExitCode.WATCHDOG: "the watchdog ended an engine that hung",
    ExitCode.DATABASE: "the database is corrupt, in use, not writable, or the disk is full",
    ExitCode.OCCUPIED: "a port is taken, or a socket or folder cannot be used",
    ExitCode.TIMED_OUT: "a stage of the start or the stop took too long",
    ExitCode.CLOCK: "this machine's clock and the venue's differ by more than a second",
    ExitCode.KEYS: "the key or the master password is wrong, or a permission is missing",
    ExitCode.CONFIGURATION: "the configuration or an input must be mended",
    ExitCode.INTERRUPTED: (
        "interrupted before the engine stood, or by a second signal before the books were compared"
    ),
}

REMEDIES: Final = {
    ExitCode.DONE: (
        "a run's last line (with `--json`: its `remarks`) says what was not compared, if anything"
    ),
    ExitCode.FINDINGS: "read what was printed",
    ExitCode.USAGE: "`krakked VERB --help` has an example",
    ExitCode.BOOKS_DIFFER: "the lines before the last name each difference",
    ExitCode.REFUSED: "the line says why",
    ExitCode.NO_ENGINE: "start one (`krakked run`), or give its database with `--db-path`",
    ExitCode.VENUE_UNREACHABLE: "check the network and the `venue.*` addresses, start again",
    ExitCode.PREEMPTED: "leave it: the other engine has the account",
    ExitCode.CRASHED: "start again; report the traceback in the log",
    ExitCode.WATCHDOG: "start again; report the dumped stacks",
    ExitCode.DATABASE: "`krakked db-check`, free space, or a backup",
    ExitCode.OCCUPIED: "stop the other program, or set another port or path",
    ExitCode.TIMED_OUT: "start again; the log names the stage",
    ExitCode.CLOCK: "synchronise the clock (NTP)",
    ExitCode.KEYS: "the line tells bad key, missing permission, wrong password and bad file apart",
    ExitCode.CONFIGURATION: "the line names file, line and remedy",
    ExitCode.INTERRUPTED: "nothing is lost; the next start compares the books",
}


def of_error(error: KrakkedError) -> int:
    """The code that a run ends with when ``error`` ends it."""
    match error:
        case BadInput() | LedgerFailed() | OwnershipEnded():
            return error.exit_code
        case BadKey() | MissingPermission():
            return ExitCode.KEYS
        case Fenced():
            return ExitCode.PREEMPTED
        case Transient() | Ambiguous():
            return ExitCode.VENUE_UNREACHABLE
        case Permanent() | Refused():
            return ExitCode.REFUSED
        case _:
            return ExitCode.CRASHED


def markdown() -> str:
    """``docs/exit-codes.md``."""
    rows = [
        f"| {int(code)} | {code.name.lower()} | {MEANINGS[code]} | {REMEDIES[code]} |"
        for code in ExitCode
    ]
    return "\n".join([_HEAD, *rows, ""])


_HEAD: Final = """\
# Exit codes

Every verb ends with one of these. A service manager should start krakked again after 69, 71, 72 and
75, and must not after 70, 73, 77 and 78, which need a person. This page is generated from
`libs/krakked/runtime/exit_codes.py`.

| code | name | meaning | what to do |
|---|---|---|---|"""
