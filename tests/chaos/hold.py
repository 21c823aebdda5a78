"""One thread of a living process is held: ``python hold.py PID SECONDS``; nothing else of it is.

A signal stops every thread of a process, and its timers' threads with them. Whoever traces a thread
can stop that one alone. So an engine's loop hangs as it would in an endless call into C, while the
rest of the process, its watchdog above all, goes on. It stands alone: no import of its neighbours.

It prints one line of JSON when the thread stands still, ``{"held": true}``, or why it may not be
held, ``{"refused": "…"}``; and one when it let go, with the seconds and the process's end, if that
came first.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000
_LOOK_S = 0.02


def _ask(libc: ctypes.CDLL, what: int, thread: int) -> None:
    if libc.ptrace(what, thread, None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    return libc


def _say(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _end_within(thread: int, seconds: float) -> int | None:
    """The exit code of the process, if it ends that soon."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        found, status = os.waitpid(thread, os.WNOHANG | _WALL)
        if found and not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        time.sleep(_LOOK_S)
    return None


def hold(thread: int, seconds: float) -> int:
    """The exit code of this program: 1, if it may not."""
    libc = _libc()
    try:
        _ask(libc, _SEIZE, thread)
        _ask(libc, _INTERRUPT, thread)
    except OSError as error:
        _say(refused=f"no thread may be held: {error.strerror}")
        return 1
    os.waitpid(thread, _WALL)  # it stands still now
    began_s = time.monotonic()
    _say(held=True)
    code = _end_within(thread, seconds)
    if code is None:
        _ask(libc, _DETACH, thread)
    _say(seconds=round(time.monotonic() - began_s, 3), ended=code)
    return 0


if __name__ == "__main__":
    sys.exit(hold(int(sys.argv[1]), float(sys.argv[2])))
