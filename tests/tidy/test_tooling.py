"""The tools stand together: locks, Makefile, CI and packaging say the same."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)(.*?)(?=^[a-z0-9-]+==|\Z)", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def project(tree: Any) -> dict[str, Any]:
    return tomllib.loads((tree.root / "pyproject.toml").read_text())


def pins(lock: Path) -> dict[str, str]:
    """Name → version; a lock may pin one name twice for different platforms."""
    return {name: version for name, version, _ in PIN.findall(lock.read_text())}


def asked(requirements: list[Any]) -> set[str]:
    """Normalised names of the requirements of a table in pyproject."""
    names = (re.match(r"[\w.-]+", r) for r in requirements if isinstance(r, str))
    return {n.group().lower().replace("_", "-").replace(".", "-") for n in names if n}


def test_every_dependency_is_locked(tree: Any, project: dict[str, Any]) -> None:
    run = set(pins(tree.root / "requirements/run.txt"))
    dev = set(pins(tree.root / "requirements/dev.txt"))
    build = set(pins(tree.root / "requirements/build.txt"))
    groups = project["dependency-groups"]
    assert asked(project["project"]["dependencies"]) - run == set()
    assert asked(groups["dev"]) - dev == set()
    assert asked(groups["build"]) - build == set()


def test_tools_are_tried_with_the_versions_that_run(tree: Any) -> None:
    dev = pins(tree.root / "requirements/dev.txt")
    for lock in ("run.txt", "build.txt"):
        locked = pins(tree.root / "requirements" / lock)
        assert {n: v for n, v in locked.items() if dev.get(n) != v} == {}


def test_every_pin_of_every_lock_is_hashed(tree: Any) -> None:
    for lock in sorted((tree.root / "requirements").iterdir()):
        found = PIN.findall(lock.read_text())
        assert found
        assert [name for name, _, rest in found if "--hash=sha256:" not in rest] == []


def test_no_lock_names_where_packages_come_from(tree: Any) -> None:
    for lock in sorted((tree.root / "requirements").iterdir()):
        text = lock.read_text()
        assert "://" not in text
        assert not re.search(r"^--(?!hash)", text, re.MULTILINE)


def test_every_dependency_gives_its_reason_or_is_a_tool_whose_name_is_one(tree: Any) -> None:
    text = (tree.root / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("[project.optional-dependencies]")]
    lines = [line for line in block.splitlines() if line.startswith('    "')]
    assert lines
    assert [line for line in lines if "#" not in line] == []


def test_both_roots_go_into_the_wheel_and_into_editable_installs(project: dict[str, Any]) -> None:
    build = project["tool"]["hatch"]["build"]
    assert build["dev-mode-dirs"] == ["libs", "services"]
    assert build["targets"]["wheel"]["packages"] == ["libs/krakked", "services/krakked"]
    assert [p["from"] for p in project["tool"]["poetry"]["packages"]] == ["libs", "services"]


def test_poetry_finds_what_its_documented_commands_name(project: dict[str, Any]) -> None:
    """``poetry install --with dev --extras tui`` and ``poetry run krakked``: no old-style twin."""
    assert project["dependency-groups"]["dev"]
    assert project["project"]["optional-dependencies"]["tui"]
    assert project["project"]["scripts"]["krakked"] == "krakked.cli.__main__:main"
    assert set(project["tool"]["poetry"]) == {"packages"}


def test_every_target_of_the_makefile_says_what_it_does(tree: Any) -> None:
    text = (tree.root / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony
    helped = set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))
    assert set(phony.group(1).split()) == helped


def test_ci_does_nothing_that_make_ci_does_not(tree: Any) -> None:
    run = (tree.root / ".ci/run").read_text()
    assert "exec make ci </dev/null" in run
    assert "set -euo pipefail" in run
    assert "export CI=true" in run
    workflow = (tree.root / ".github/workflows/ci.yml").read_text()
    assert re.findall(r"- run: (.+)$", workflow, re.MULTILINE) == [".ci/run"]


def test_every_action_of_the_ci_is_pinned_to_a_commit(tree: Any) -> None:
    workflows = [p for p in tree.files if p.parent.name == "workflows"]
    used = [use for p in workflows for use in re.findall(r"uses: (\S+)", p.read_text())]
    assert used
    assert [use for use in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", use)] == []


def test_scripts_can_be_started(tree: Any) -> None:
    scripts = [p for p in tree.files if p.read_bytes()[:2] == b"#!" and p.suffix != ".py"]
    assert len(scripts) >= 3
    assert [tree.name(p) for p in scripts if not p.stat().st_mode & stat.S_IXUSR] == []


def test_changelog_opens_with_the_version_of_the_package(
    tree: Any, project: dict[str, Any]
) -> None:
    titles = re.findall(r"^## (\S+)", (tree.root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert titles[0] == project["project"]["version"]


def test_pin_pattern_reads_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        'a-b==1.0 ; python_version < "4" \\\n    --hash=sha256:00\nc==2\n    # via a-b\n'
    )
    assert pins(lock) == {"a-b": "1.0", "c": "2"}
    assert [n for n, _, rest in PIN.findall(lock.read_text()) if "--hash=" not in rest] == ["c"]
