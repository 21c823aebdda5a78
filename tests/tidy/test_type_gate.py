"""What risk has not approved does not type-check as something to send."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ATTEMPTS = {
    "an approval made by hand": "ApprovedAction(sleeve=sleeve, type=kind)",
    "an approval made from nothing": "ApprovedAction()",
    "a leg without an approval": "PlanLeg(request=request)",
    "a leg with a wish for an approval": "PlanLeg(action=intent, request=request)",
}
ALLOWED = "PlanLeg(action=approved, request=request)"
PREAMBLE = """\
from krakked.domain.intents import Intent
from krakked.domain.orders import OrderRequest
from krakked.domain.plans import ActionType, ApprovedAction, PlanLeg
from krakked.domain.positions import Sleeve

def attempt(
    sleeve: Sleeve, kind: ActionType, request: OrderRequest, intent: Intent,
    approved: ApprovedAction,
) -> None:
"""


def refused_lines(tree: Any, module: Path) -> set[int]:
    """Which attempts the checker refuses, counted from the first."""
    module.write_text(PREAMBLE + "".join(f"    {line}\n" for line in (*ATTEMPTS.values(), ALLOWED)))
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(module)]
    ran = subprocess.run(command, cwd=tree.root, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    first = PREAMBLE.count("\n") + 1
    # The checker's cache may name the folder of an earlier run.
    errors = re.findall(rf"{module.name}:(\d+): error", ran.stdout)
    return {int(line) - first for line in errors}


def test_type_checker_refuses_every_way_round_risk_and_nothing_else(
    tree: Any, tmp_path: Path
) -> None:
    refused = refused_lines(tree, tmp_path / "attempts.py")
    passed = [name for number, name in enumerate(ATTEMPTS) if number not in refused]
    assert passed == []
    assert len(ATTEMPTS) not in refused
