"""Programs of worlds say what they can, and end by the code of what they found."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from krakked.worlds import voice

SPEAK = """
import sys
from krakked.worlds import voice
try:
    for number in range(5000):
        voice.out(f"line {number} of many that no pipe holds, if nobody reads what is in it")
    sys.exit(3)
except voice.Unwritten as error:
    sys.exit(voice.unwritten(error))
"""
LOAD = """
import os, signal, sys
from krakked.worlds import voice
voice.end_at_interrupt()
os.kill(os.getpid(), signal.SIGINT)
"""
FULL = Path("/dev/full")


def speaking(program: str = SPEAK, **streams: Any) -> Any:
    return subprocess.run([sys.executable, "-c", program], text=True, check=False, **streams)


def test_a_reader_who_goes_changes_neither_exit_code_nor_what_is_told_beside() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SPEAK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("line 0 ")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 3


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_a_line_that_cannot_be_written_is_told_in_one_line() -> None:
    with FULL.open("w") as full:
        ran = speaking(stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == voice.UNWRITTEN
    assert ran.stderr == "a line cannot be written: No space left on device\n"


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_what_cannot_be_told_at_all_ends_by_its_code() -> None:
    with FULL.open("w") as full:
        assert speaking(stdout=full, stderr=full).returncode == voice.UNWRITTEN


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_a_world_whose_trace_cannot_be_written_ends_in_one_line() -> None:
    words = [sys.executable, "-m", "krakked.worlds", "one", "--seed", "4"]
    with FULL.open("w") as full:
        ran = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == voice.UNWRITTEN
    assert ran.stderr == "a line cannot be written: No space left on device\n"


def test_ctrl_c_while_modules_are_loaded_ends_the_process_without_a_traceback() -> None:
    ran = speaking(LOAD, stderr=subprocess.PIPE)
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, "")


def test_ctrl_c_is_an_exception_again_afterwards() -> None:
    ran = speaking(
        LOAD.replace("os.kill", "voice.hear_interrupt()\nos.kill"), stderr=subprocess.PIPE
    )
    assert "KeyboardInterrupt" in ran.stderr


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        voice.end_at_interrupt()
        voice.hear_interrupt()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("program", ["krakked.worlds", "tests.sim.mutants", "tests.chaos"])
def test_each_program_is_deaf_before_it_loads_the_rest(program: str) -> None:
    root = Path(__file__).resolve().parents[2]
    folder = root if program.startswith("tests") else root / "services"
    text = (folder / program.replace(".", "/") / "__main__.py").read_text(encoding="utf-8")
    before, _, after = text.partition("    voice.end_at_interrupt()\n")
    imports = [line for line in before.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["from __future__ import annotations", "from krakked.worlds import voice"]
    assert before.endswith('if __name__ == "__main__":\n')
    assert re.search(r"\bvoice\.(end|hear_interrupt)\(", after)


def test_on_no_terminal_progress_is_lines_and_a_line_begins_where_it_should(
    capsys: pytest.CaptureFixture[str],
) -> None:
    voice.progress("half of it")
    voice.settle()
    voice.err("found")
    assert capsys.readouterr().err == "half of it\nfound\n"
    assert voice.pace_s() == 10.0


def test_on_a_terminal_progress_stands_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    voice.progress("half of it")
    voice.err("found")
    voice.progress("all of it")
    voice.settle()
    told = capsys.readouterr().err
    assert told.split("\r")[1].rstrip() == "half of it"
    assert "\rfound\n\rall of it" in told
    assert told.endswith("\n")
    assert voice.pace_s() == 1.0


def test_processes_that_begin_for_one_alone_never_hear_ctrl_c() -> None:
    ask = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    with voice.for_me_alone():
        deaf = speaking(ask, stdout=subprocess.PIPE)
    assert deaf.stdout == "True\n"
    assert speaking(ask, stdout=subprocess.PIPE).stdout == "False\n"
