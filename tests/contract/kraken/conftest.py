"""Recorded payloads, where they are: beside the checkout or where KRAKKED_SHARED says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("KRAKKED_SHARED", Path(__file__).parents[4] / "shared"))
VECTORS = SHARED / "data" / "vectors"


@pytest.fixture
def recorded() -> Callable[[str], str]:
    """The text of one recorded file."""

    def read(name: str) -> str:
        if not VECTORS.is_dir():
            pytest.skip("recorded payloads are not beside this checkout")
        return (VECTORS / name).read_text(encoding="utf-8")

    return read
