"""docs/simulation.md names every fault with its knob, as the recipe has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from krakked.sim.fault_kinds import FaultKind
from krakked.worlds.network import Weather
from krakked.worlds.recipe import DRIFT, DRIFT_PPM, FAULT_CHANCES, SECONDS, What

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/simulation.md").read_text(encoding="utf-8")
ROWS = {
    row[0].strip("`"): row[1:]
    for line in TEXT.splitlines()
    if line.startswith("| `")
    for row in [[cell.strip() for cell in line.strip("|").split("|")]]
}
HAPPENS_INSTEAD = {FaultKind.MAINTENANCE}


@pytest.mark.parametrize("what", list(What))
def test_every_happening_is_told_with_how_long_it_lasts(what: What) -> None:
    does, lasts = ROWS[what.value]
    assert does
    bounds = SECONDS.get(what)
    assert lasts == ("" if bounds is None else f"{bounds[0]:g} to {bounds[1]:g} s")


@pytest.mark.parametrize("kind", list(FAULT_CHANCES))
def test_every_fault_of_the_venue_is_told_with_its_greatest_chance(kind: FaultKind) -> None:
    assert ROWS[kind.value] == [f"{FAULT_CHANCES[kind]:g}"]


def test_faults_that_worlds_do_not_draw_are_told_too() -> None:
    (sentence,) = re.findall(r"worlds do not draw: (.*?);", TEXT)
    left_out = set(FaultKind) - FAULT_CHANCES.keys() - HAPPENS_INSTEAD
    assert re.findall(r"`([^`]+)`", sentence) == [k.value for k in FaultKind if k in left_out]


@pytest.mark.parametrize("name", [n for n in Weather.__struct_fields__ if n != "stuck_max_s"])
def test_every_weather_is_told(name: str) -> None:
    assert ROWS[name]


def test_the_drift_of_clocks_is_told_with_how_far_it_goes() -> None:
    assert ROWS["clock drift"][1] == "{} to {} ppm".format(*DRIFT_PPM)
    assert f"`{DRIFT}`" in TEXT


def test_every_module_of_a_world_is_told() -> None:
    folder = ROOT / "services/krakked/worlds"
    modules = {path.name for path in folder.glob("*.py") if not path.name.startswith("__")}
    table = TEXT[TEXT.index("## Where it stands") :]
    told = set(re.findall(r"`(\w+\.py)`", table))
    assert modules - {"configuration.py", "trace.py"} <= told <= modules


@pytest.mark.parametrize("name", ["SEED", "ONLY", "TRACE", "WITHOUT", "SHRINK", "SEEDS"])
def test_every_variable_of_make_is_told_and_is_one(name: str) -> None:
    assert re.search(rf"\b{name}=", TEXT)
    assert re.search(rf"\$\((?:filter no,\$\(|if \$\()?{name}\b", (ROOT / "Makefile").read_text())
