"""The program and its packaging name one version."""

from __future__ import annotations

import tomllib
from pathlib import Path

from krakked.runtime.version import version

ROOT = Path(__file__).resolve().parents[3]


def test_version_is_the_one_of_the_packaging() -> None:
    packaging = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert version() == packaging["project"]["version"]
