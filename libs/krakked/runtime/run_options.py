"""What one run was asked for on the command line: everything that is no setting."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from krakked.runtime.settings import Environment


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of ``krakked run`` and ``krakked run-once``."""

    environment: Environment
    db_path: Path
    is_db_path_given: bool = False
    """Whether a person named the database; a replay otherwise takes one in a folder of its own."""
    config_dir: Path | None = None
    """Folder of the configuration; None if there is none."""
    overrides: Mapping[str, object] = {}
    """Settings given as flags, by dotted path; ``--seed`` and ``--speed`` are among them."""
    candles: Path | None = None
    """Folder of recorded candles to replay."""
    start_s: int | None = None
    """First second of the replay."""
    end_s: int | None = None
    """The second after its last."""
    duration_s: Decimal | None = None
    """Stop by itself after so many seconds of real time."""
    pace_flags: tuple[str, ...] = ()
    """Those of ``--speed`` and ``--seed`` that were typed: they mean a simulator of this process,
    where a setting may stand unused."""
    faults: Mapping[str, Decimal] = {}
    """Probability of each kind of fault that the simulator in this process makes."""
    faults_file: Path | None = None
    """A mixture of such faults, with their parameters."""
    is_strict: bool = False
    """End at what is otherwise survived and reported: drift, an unknown pair, a malformed frame."""
    once: bool = False
    """One cycle, then stop; never live."""
    is_by_hand: bool = False
    """No strategies: the account is taken for one command of a person."""
    keeps_stdout_for_answer: bool = False
    """The log goes to standard error, so that what is printed can be read by a program."""
    as_json: bool = False
    """The report at the end is JSON."""
    acknowledges_foreign_orders: bool = False
    """A person knows that an outage cancels other people's open orders too; live asks for it."""

    def flags_for_simulator(self) -> tuple[str, ...]:
        """What was typed and means nothing without a simulator in this process."""
        given = {
            "--candles": self.candles is not None,
            "--from": self.start_s is not None,
            "--to": self.end_s is not None,
            "--fault": bool(self.faults),
            "--faults": self.faults_file is not None,
        }
        return (*(flag for flag, is_given in given.items() if is_given), *self.pace_flags)
