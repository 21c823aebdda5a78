"""A full disk is full to whoever writes, and a held thread is the only one of its process."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.chaos.trials import (
    HOLD,
    WORDS_OF_FULL,
    WORDS_OF_LIMIT,
    lines_since,
    what_met_it,
)
from tests.chaos.volumes import Volume, limit_files

from krakked.adapters.system.watchdog import EXIT_CODE

WATCHED_S = 0.4
LOOPING = f"""
    import time
    from krakked.adapters.system.watchdog import ProcessWatchdog

    watchdog = ProcessWatchdog()
    print("up", flush=True)
    for _ in range(1000):
        watchdog.arm({WATCHED_S})
        time.sleep(0.01)
"""
LINES = [
    '{"event":"notice","reason":"the disk is full of wonders"}',
    "krakked: a command failed: ledger /v/portfolio.db: the disk is full; free some space",
    "krakked: ledger /v/portfolio.db: the disk is full; free some space",
]


def child(words: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(words), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def hold(pid: int, seconds: float) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, str(HOLD), str(pid), str(seconds)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    if "refused" in told[0]:
        pytest.skip(f"this machine: {told[0]['refused']}")
    return told


@pytest.fixture
def looping() -> Iterator[subprocess.Popen[str]]:
    with child(LOOPING) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def test_loop_that_is_held_is_ended_by_its_watchdog(looping: subprocess.Popen[str]) -> None:
    first, last = hold(looping.pid, 10)
    assert first == {"held": True}
    assert last["ended"] == EXIT_CODE
    assert looping.wait(timeout=5) == EXIT_CODE


def test_loop_that_is_let_go_in_time_lives(looping: subprocess.Popen[str]) -> None:
    _, last = hold(looping.pid, WATCHED_S / 4)
    assert last["ended"] is None
    assert looping.poll() is None


def test_thread_that_does_not_exist_is_refused_with_words() -> None:
    gone = child("pass")
    gone.communicate(timeout=30)
    done = subprocess.run(
        [sys.executable, str(HOLD), str(gone.pid), "1"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "no thread may be held" in json.loads(done.stdout)["refused"]


def test_lines_of_a_log_count_from_where_the_act_began(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("krakked: ledger /v/portfolio.db: the disk is full; earlier\n")
    began = log.stat().st_size
    with log.open("a") as file:
        file.write("\n".join(["nothing", *LINES]) + "\n")
    assert lines_since(log, began, WORDS_OF_FULL) == LINES[1:]
    assert lines_since(log, began, WORDS_OF_LIMIT) == []


def test_what_met_a_full_disk_is_told_by_the_last_words_of_the_engine() -> None:
    assert what_met_it(LINES[1]) == "a command failed"
    assert what_met_it(LINES[2]) == "ledger"
    assert what_met_it("krakked: task cycles failed: bar store /v/bars: No space left") == (
        "task cycles failed"
    )
    assert what_met_it("krakked: bar store /v/bars: No space left on device") == "bar store"


WRITING = """
    import sqlite3, sys
    from pathlib import Path
    from krakked.adapters.sqlite.connections import open_writer, prepare_writer, translated
    from krakked.domain.errors import LedgerFailed

    path = Path(sys.argv[1])
    connection = open_writer(path)
    prepare_writer(connection, path)
    connection.execute("CREATE TABLE rows (text)")
    print("up", flush=True)
    for _ in sys.stdin:
        try:
            with translated(path):
                connection.execute("INSERT INTO rows VALUES (?)", ("x" * 50000,))
            print("written", flush=True)
        except LedgerFailed as error:
            print(error, flush=True)
"""


class Writer:
    """A process with a ledger's connection; each ask is one row."""

    def __init__(self, database: Path) -> None:
        self.process = child(WRITING, str(database))
        assert self._line() == "up"

    def write(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("one\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


def test_full_volume_fails_a_transaction_and_a_freed_one_takes_it(tmp_path: Path) -> None:
    with closing(Volume(tmp_path / "volume")) as volume:
        if volume.why_not_small:
            pytest.skip(volume.why_not_small)
        with closing(Writer(volume.database)) as writer:
            assert writer.write() == "written"
            volume.fill(writer.process.pid)
            assert any(word in writer.write() for word in WORDS_OF_FULL)
            volume.free(writer.process.pid)
            assert writer.write() == "written"


def test_volume_with_room_for_little_is_full_after_a_few_rows(tmp_path: Path) -> None:
    with closing(Volume(tmp_path / "volume")) as volume:
        if volume.why_not_small:
            pytest.skip(volume.why_not_small)
        with closing(Writer(volume.database)) as writer:
            volume.fill(writer.process.pid, room_pages=40)
            said = [writer.write() for _ in range(5)]
            assert said[0] == "written"
            assert any(word in said[-1] for word in WORDS_OF_FULL)


def test_limit_of_a_process_stands_for_a_full_disk_where_none_may_be_mounted(
    tmp_path: Path,
) -> None:
    volume = Volume(tmp_path / "volume", why_not_small="not allowed here")
    assert "not allowed here" in volume.way
    with closing(Writer(volume.database)) as writer:
        assert writer.write() == "written"
        volume.fill(writer.process.pid)
        assert any(word in writer.write() for word in WORDS_OF_LIMIT)
        volume.free(writer.process.pid)
        assert writer.write() == "written"


def test_limit_of_a_process_that_is_gone_is_nobodys_trouble() -> None:
    gone = child("pass")
    gone.communicate(timeout=30)
    limit_files(gone.pid, 0)
