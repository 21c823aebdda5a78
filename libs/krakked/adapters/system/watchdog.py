"""The watchdog: a timer of the C library that ends this process, whatever Python is doing.

A hung event loop, or a call into C that keeps the interpreter to itself, cannot be told to stop by
anything written in Python. So the kernel's timer starts a thread of the C library which calls
``_exit(72)`` at once: no interpreter is needed for it. A moment before, the interpreter's own fault
handler writes the stacks of all threads to standard error, also from a thread of C.
"""

from __future__ import annotations

import ctypes
import faulthandler
import time
from typing import Final

EXIT_CODE: Final = 72
STACKS_BEFORE_S: Final = 0.1
"""The stacks are written so long before the end, or at once."""
_SHORTEST_S: Final = 0.001
_NS_PER_SECOND: Final = 1_000_000_000
_SIGEV_THREAD: Final = 2
_SIZE_OF_SIGEVENT: Final = 64


class _Sigevent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_uint64),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("rest", ctypes.c_byte * (_SIZE_OF_SIGEVENT - 32)),
    )


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class ProcessWatchdog:
    """Implements ``krakked.ports.watchdog.Watchdog`` for this process; make one a process."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _Sigevent(
            value=EXIT_CODE,
            notify=_SIGEV_THREAD,
            function=ctypes.cast(self._libc._exit, ctypes.c_void_p).value,
        )
        made = self._libc.timer_create(
            time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)
        )
        if made != 0:
            raise OSError(ctypes.get_errno(), "timer_create")

    def arm(self, after_s: float) -> None:
        """End the process after so many seconds, instead of any moment before.

        What is late already gets the moment that the stacks need.
        """
        stacks_s = max(_SHORTEST_S, after_s - STACKS_BEFORE_S)
        faulthandler.dump_traceback_later(stacks_s, exit=False)
        self._set(max(STACKS_BEFORE_S, after_s))

    def disarm(self) -> None:
        """Let it live."""
        faulthandler.cancel_dump_traceback_later()
        self._set(0)

    def _set(self, seconds: float) -> None:
        whole, rest = divmod(int(seconds * _NS_PER_SECOND), _NS_PER_SECOND)
        spec = _Itimerspec(value=_Timespec(seconds=whole, nanoseconds=rest))
        done = self._libc.timer_settime(self._timer, 0, ctypes.byref(spec), None)
        if done != 0:
            raise OSError(ctypes.get_errno(), "timer_settime")


class NoWatchdog:
    """For runs whose time is not the machine's."""

    def arm(self, after_s: float) -> None:
        """Nothing is watched."""

    def disarm(self) -> None:
        """Nothing is watched."""
