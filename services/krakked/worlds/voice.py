"""What programs of worlds say, and how they end when they are interrupted or nobody reads them.

A reader who goes (``| head``) changes nothing but that nothing is said any more: the exit code
still tells what was found. Where a line cannot be written for another reason (a full disk), it
says so in one line and ends with 74. Ctrl-C is 130; while modules are loaded it ends the process.
Nothing but the standard library stands here, so that this is loaded first and within no time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Final, NoReturn, TextIO

INTERRUPTED: Final = 130
UNWRITTEN: Final = 74
WIDTH: Final = 78


class Unwritten(Exception):
    """A line could not be written, and not because its reader has gone."""


def end_at_interrupt() -> None:
    """Until ``hear_interrupt``, Ctrl-C ends the process without a word, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def hear_interrupt() -> None:
    """Ctrl-C is an exception again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def for_me_alone() -> Iterator[None]:
    """Processes and threads that begin within it never hear a Ctrl-C, not even while they load."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def out(line: str) -> None:
    """A result."""
    _write(sys.stdout, line + "\n")


def err(line: str) -> None:
    """What is told beside results; it stands alone on its line."""
    _write(sys.stderr, ("\r" + " " * WIDTH + "\r" if _is_terminal() else "") + line + "\n")


def progress(words: str) -> None:
    """How far it is: on a terminal each takes the place of the one before."""
    _write(sys.stderr, f"\r{words:<{WIDTH}}" if _is_terminal() else words + "\n")


def settle() -> None:
    """The progress that stands there now is the last."""
    if _is_terminal():
        _write(sys.stderr, "\n")


def pace_s() -> float:
    """How often that is worth telling: a log of it has a line for each."""
    return 1.0 if _is_terminal() else 10.0


def unwritten(error: Unwritten) -> int:
    """Say so, if that can be said, and the exit code."""
    with contextlib.suppress(Unwritten):  # nor can this one, it may be
        err(f"a line cannot be written: {error}")
    return UNWRITTEN


def end(program: Callable[[], int | None]) -> NoReturn:
    """Run one of click's (not standing alone) to its exit code, whatever ends it."""
    import click

    hear_interrupt()
    try:
        code = program() or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        err("interrupted")
        code = INTERRUPTED
    except Unwritten as error:
        code = unwritten(error)
    sys.exit(code)


def _is_terminal() -> bool:
    return sys.stderr.isatty()


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError as error:
        _silence(stream)
        raise Unwritten(error.strerror) from error


def _silence(stream: TextIO) -> None:
    """What it still holds goes nowhere; else the interpreter would stumble over it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
