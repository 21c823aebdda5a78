"""What the documents show is run as it stands: the fixture, the mixture, the commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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


def test_what_the_image_runs_serves_other_machines_and_ends_on_sigterm() -> None:
    (dockerfile,) = blocks("image.md", "dockerfile")
    (command,) = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    program, *flags = json.loads(command)
    assert program == "krakked"
    assert "0.0.0.0:8700" in flags
    free = [flag.replace(":8700", ":0") for flag in flags]
    with subprocess.Popen(
        [sys.executable, "-m", "krakked.cli", *free, "--admin", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        port = urlsplit(told["rest_url"]).port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/0/public/Time") as answer:
            assert json.load(answer)["error"] == []
        assert told["trade_key"] == "simulator-trade-key"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
