"""What the documents show is run as it stands: the fixture, the mixture, the commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from krakked.simulator.fault_files import read_mixture

DOCS = Path(__file__).parents[3] / "docs/simulator"


def blocks(document: str, language: str) -> list[str]:
    """The fenced examples of a document."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.timeout(90)
def test_the_fixture_of_the_document_is_a_test_double_that_passes_its_tests(
    tmp_path: Path,
) -> None:
    (example,) = blocks("README.md", "python")
    (tmp_path / "test_my_bot.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={name: text for name, text in os.environ.items() if not name.startswith("PYTEST")},
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_the_mixture_of_the_document_can_be_read(tmp_path: Path) -> None:
    (example,) = blocks("faults.md", "yaml")
    path = tmp_path / "mixture.yaml"
    path.write_text(example)
    assert len(read_mixture(path).faults) == 4


def test_every_recipe_of_the_document_can_be_armed(stage: Any) -> None:
    text = (DOCS / "faults.md").read_text(encoding="utf-8").partition("## All kinds")[0]
    recipes = re.findall(r"""[`'](\{"(?:kind|clear)".*?\})[`']""", text)
    assert len(recipes) > 30

    async def scene(client: Any) -> None:
        for recipe in recipes:
            answer = await client.admin("/faults", json.loads(recipe))
            assert answer["status"] == 200, (recipe, answer)

    stage.play(scene)
