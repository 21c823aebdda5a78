"""The set-up explains itself, and does nothing where there is nothing to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def run(root: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    # What a make around this test run would hand down must not reach the one inside.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "VENV"))}
    return subprocess.run(
        command, cwd=root, env={**kept, **variables}, capture_output=True, text=True, check=False
    )


def make_file_tree(tree: Any, place: Path, *, stamp: str) -> Path:
    """A folder in which the stamp is newer than all that the set-up depends on."""
    for name in ("Makefile", "pyproject.toml", "requirements", "scripts"):
        source = tree.root / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, place / name)
    old = (1, 1)
    for path in place.rglob("*"):
        os.utime(path, old)
    (place / ".venv").mkdir()
    (place / ".venv" / stamp).touch()
    return place


@needs_make
def test_make_alone_prints_every_target_with_its_help(tree: Any) -> None:
    shown = run(tree.root, "make").stdout
    for target in ("setup", "run", "test", "lint", "fmt", "bench", "ci", "clean", "lock"):
        assert f"  make {target} " in shown


@needs_make
def test_set_up_that_is_current_does_nothing(tree: Any, tmp_path: Path) -> None:
    place = make_file_tree(tree, tmp_path, stamp=".dev-installed")
    assert run(place, "make", "setup").stdout == "make: Nothing to be done for 'setup'.\n"


@needs_make
@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements/dev.txt"])
def test_set_up_runs_again_when_what_it_rests_on_has_changed(
    tree: Any, tmp_path: Path, changed: str
) -> None:
    place = make_file_tree(tree, tmp_path, stamp=".dev-installed")
    later = (place / ".venv/.dev-installed").stat().st_mtime + 10
    os.utime(place / changed, (later, later))
    assert "scripts/setup dev" in run(place, "make", "-n", "setup").stdout


@needs_make
def test_run_needs_no_tools(tree: Any, tmp_path: Path) -> None:
    place = make_file_tree(tree, tmp_path, stamp=".unrelated")
    planned = run(place, "make", "-n", "run").stdout
    assert "scripts/setup run" in planned
    assert "scripts/setup dev" not in planned


def test_set_up_without_a_usable_python_says_what_to_install(tree: Any, tmp_path: Path) -> None:
    ended = run(tree.root, "scripts/setup", "dev", PYTHON="false", VENV=str(tmp_path / "none"))
    assert ended.returncode == 1
    assert ended.stderr.startswith("setup: no Python from 3.11 to 3.13 with venv found (tried:")
    assert "make setup PYTHON=" in ended.stderr
    assert not (tmp_path / "none").exists()


def test_set_up_of_an_unknown_kind_is_refused_before_anything_is_made(
    tree: Any, tmp_path: Path
) -> None:
    ended = run(tree.root, "scripts/setup", "everything", VENV=str(tmp_path / "none"))
    assert (ended.returncode, ended.stderr) == (
        2,
        "setup: 'everything' is neither run nor dev\n",
    )
    assert not (tmp_path / "none").exists()
