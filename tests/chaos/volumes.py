"""Volumes of engines: folders, on a small tmpfs of their own where this user may mount one.

A disk that is to be full must be one of its own; where mounting is not allowed, acts with a full
disk are left out, and the reason is told.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import suppress
from pathlib import Path

SIZE_MB = 96
_CLONE_NEWNS = 0x20000
_BALLAST = "ballast"
_BLOCK = bytes(1 << 16)


def own_mounts() -> None:
    """What this process mounts is seen by it and its children alone, and is gone with them."""
    if ctypes.CDLL(None).unshare(_CLONE_NEWNS) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False)


class Volume:
    """One folder that outlives its engine's processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.why_not_small = ""
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "krakked-chaos", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self.why_not_small = f"no tmpfs may be mounted: {done.stderr.strip()}"
        self.is_full = False

    @property
    def database(self) -> Path:
        """The engine's."""
        return self.folder / "portfolio.db"

    def fill(self) -> None:
        """Leave no room; only on a small disk of its own."""
        assert not self.why_not_small
        self.is_full = True
        file = os.open(self.folder / _BALLAST, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            with suppress(OSError):
                while os.write(file, _BLOCK):
                    pass
        finally:
            os.close(file)

    def free(self) -> None:
        """Make room again."""
        self.is_full = False
        (self.folder / _BALLAST).unlink(missing_ok=True)

    def copy_to(self, folder: Path) -> None:
        """Keep what is on it."""
        subprocess.run(["cp", "-a", f"{self.folder}/.", str(folder)], check=False)

    def close(self) -> None:
        """Let go of the disk."""
        if not self.why_not_small:
            subprocess.run(["umount", str(self.folder)], check=True)
