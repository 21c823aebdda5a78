"""The tree as the tidy tests see it: every file that is committed or about to be."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LEFT_OUT = {".git", ".venv", "dist", "build", "htmlcov", "runs", "bars", "__pycache__"}


class Tree:
    """A folder and the files in it that belong to the project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = sorted(path for path in self._listed() if path.is_file())

    def _listed(self) -> list[Path]:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            ran = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
        except (FileNotFoundError, subprocess.CalledProcessError):
            return [p for p in self.root.rglob("*") if not LEFT_OUT & set(p.parts)]
        return [self.root / name for name in ran.stdout.split("\0") if name]

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def python(self, *folders: str) -> list[Path]:
        return [
            path
            for path in self.files
            if path.suffix == ".py" and any(path.is_relative_to(self.root / f) for f in folders)
        ]

    def documents(self) -> list[Path]:
        return [path for path in self.files if path.suffix == ".md"]

    def texts(self) -> list[Path]:
        return [path for path in self.files if b"\0" not in path.read_bytes()[:1024]]


@pytest.fixture(scope="session")
def tree() -> Tree:
    return Tree(REPOSITORY)


@pytest.fixture(scope="session")
def ratchets() -> ModuleType:
    """scripts/ratchets.py as a module, although scripts/ is no package."""
    spec = importlib.util.spec_from_file_location("ratchets", REPOSITORY / "scripts/ratchets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ratchets"] = module
    spec.loader.exec_module(module)
    return module
