"""Where the files of a run are: the database, what stands beside it, and run folders of replays."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from pathlib import Path
from typing import Final

import msgspec

from krakked.domain.errors import BadInput
from krakked.runtime.bar_folders import USUAL_DATABASE, USUAL_FOLDER, folder_of_bars
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Settings

RUNS: Final = Path("runs")


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of one run."""

    database: Path
    bars: Path
    simulator_state: Path | None
    """None: the simulated account is gone with the process (replays)."""
    control_socket: Path
    run_folder: Path | None = None
    """Made for this run alone; None if a person named the database."""

    def forget(self) -> None:
        """Remove the folder of a run that was refused before it began."""
        if self.run_folder is not None:
            shutil.rmtree(self.run_folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # others' runs are there
                self.run_folder.parent.rmdir()


def simulator_state_of(options: RunOptions) -> Path | None:
    """Where the simulated account lives on; nowhere after a replay."""
    return None if options.candles is not None else options.db_path.with_suffix(".simulator")


def places_of(settings: Settings, options: RunOptions) -> Places:
    """A replay gets a run folder of its own, unless a person named the database."""
    if options.candles is not None and not options.is_db_path_given:
        return _in_folder(_new_run_folder())
    database = options.db_path
    root = settings.market_data.ohlc_store.root_dir
    return Places(
        database=database,
        bars=folder_of_bars(root, database, is_replay=options.candles is not None),
        simulator_state=simulator_state_of(options),
        control_socket=database.with_name(database.name + ".sock"),
    )


def _in_folder(folder: Path) -> Places:
    return Places(
        database=folder / USUAL_DATABASE,
        bars=folder / USUAL_FOLDER,
        simulator_state=None,
        control_socket=folder / f"{USUAL_DATABASE}.sock",
        run_folder=folder,
    )


def _new_run_folder() -> Path:
    """``runs/replay-0001`` and so on: the first number that is free, also beside other runs."""
    for number in itertools.count(1):
        folder = RUNS / f"replay-{number:04d}"
        try:
            folder.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise _not_usable(folder, error.strerror or str(error)) from error
        return folder
    raise AssertionError("counting has an end")


def _not_usable(folder: Path, why: str) -> BadInput:
    return BadInput(
        f"folder {folder} of this replay: {why}; start in a folder that can be written, "
        "or name a database with --db-path",
        exit_code=ExitCode.OCCUPIED,
    )
