"""Volumes of engines: folders, on a small tmpfs of their own where this user may mount one.

A disk that is to be full must be one of its own. Three ways, the first that is allowed: mount as we
are; mount in a user namespace, where anybody may; or, with no disk of its own, refuse the engine's
process every write to a file (a limit of the kernel's), which is a full disk to it by another
number. Which it was is told in the summary.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
from contextlib import suppress
from pathlib import Path

SIZE_MB = 96
PAGE_BYTES = 4096
_CLONE_NEWNS = 0x20000
_CLONE_NEWUSER = 0x10000000
_BALLAST = "ballast"
_BLOCK = bytes(1 << 16)


def own_mounts() -> None:
    """What this process mounts is seen by it and its children alone, and is gone with them."""
    if _may_unshare():
        subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False)


def _may_unshare() -> bool:
    libc = ctypes.CDLL(None)
    if libc.unshare(_CLONE_NEWNS) == 0:
        return True
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    return True


def _mounted(folder: Path) -> str:
    """Nothing, or why not."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "krakked-chaos", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"no tmpfs may be mounted: {done.stderr.strip()}" if done.returncode else ""


class Volume:
    """One folder that outlives its engine's processes."""

    def __init__(self, folder: Path, *, why_not_small: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.why_not_small = why_not_small or _mounted(folder)
        self.is_full = False
        self._is_mounted = not self.why_not_small

    @property
    def database(self) -> Path:
        """The engine's."""
        return self.folder / "portfolio.db"

    @property
    def way(self) -> str:
        """How it becomes full."""
        return "tmpfs" if not self.why_not_small else f"limit of the process ({self.why_not_small})"

    def fill(self, pid: int, room_pages: int = 0) -> None:
        """Leave no room, or so little, or let that process write nothing."""
        self.is_full = True
        if self.why_not_small:
            limit_files(pid, 0)
            return
        file = os.open(self.folder / _BALLAST, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for block in (_BLOCK, b"\0"):
                with suppress(OSError):
                    while os.write(file, block):
                        pass
            os.ftruncate(file, max(0, os.fstat(file).st_size - room_pages * PAGE_BYTES))
        finally:
            os.close(file)

    def free(self, pid: int) -> None:
        """Make room again."""
        self.is_full = False
        if self.why_not_small:
            limit_files(pid, resource.RLIM_INFINITY)
            return
        (self.folder / _BALLAST).unlink(missing_ok=True)

    def copy_to(self, folder: Path) -> None:
        """Keep what is on it."""
        subprocess.run(["cp", "-a", f"{self.folder}/.", str(folder)], check=False)

    def close(self) -> None:
        """Let go of the disk; again, where two engines have one, does nothing."""
        if self._is_mounted:
            self._is_mounted = False
            subprocess.run(["umount", str(self.folder)], check=True)


def limit_files(pid: int, size: int) -> None:
    """The process may not write behind that size of any file; it may be gone."""
    with suppress(ProcessLookupError):
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        limit = most if size == resource.RLIM_INFINITY else size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, most))
