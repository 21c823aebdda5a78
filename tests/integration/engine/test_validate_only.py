"""A whole run whose orders are only checked: it decides and asks, and the account stays still."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(240)


def test_run_that_only_checks_its_orders_leaves_the_account_as_it_was(krakked: Any) -> None:
    chosen = {"KRAKKED_EXECUTION__VALIDATE_ONLY": "true"}
    engine = krakked.start("run", "--env", "dev", "--speed", "600", **chosen)
    engine.wait_for('"order_validated"')
    assert engine.end(signal.SIGTERM) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"
    said = "\n".join(engine.lines)
    assert "order_sent" not in said
    assert "dead_man_refreshed" not in said
    orders = krakked.ask("orders", "list")
    journals = {order["journal"] for order in orders}
    assert journals - {"dropped"} == {"validated"}  # the stop drops what was not asked yet
    assert krakked.ask("executions") == []
    assert krakked.ask("positions") == []
    assert " validated " in krakked.run("orders", "list").stdout
