"""The schema and the records agree: a field that is added needs a column, and so a migration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.domain.decisions import DecisionRecord
from krakked.domain.fills import CashFlow, Fill, OpeningLot, VenueTrade
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.orders import Order, OrderRequest
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import Day, Difference, Drift, SleeveState, Snapshot
from krakked.domain.positions import Position, Sleeve
from krakked.ports.ledger import Identity

SLEEVE: dict[str, tuple[str, ...]] = {"sleeve": ("strategy_id", "pair")}
TABLES: list[tuple[str, tuple[type[msgspec.Struct], ...], dict[str, tuple[str, ...]], set[str]]] = [
    ("identity", (Identity,), {}, {"id"}),
    ("plans", (ExecutionPlan,), {}, set()),
    ("orders", (OrderRequest, Order), {"request": ()}, {"status"}),
    (
        "decisions",
        (DecisionRecord,),
        SLEEVE | {"bar": ("timeframe", "first_bar_start_s")},
        set(),
    ),
    ("sleeves", (SleeveState,), SLEEVE, set()),
    ("fills", (VenueTrade, Fill), {"trade": ()}, {"sequence", "base", "quote"}),
    ("cash_flows", (CashFlow,), {}, {"sequence"}),
    ("opening_lots", (OpeningLot,), {}, {"sequence"}),
    ("positions", (Position,), SLEEVE, set()),
    ("kill_switch", (KillSwitch,), {}, {"sequence"}),
    ("days", (Day,), {}, set()),
    ("snapshots", (Snapshot,), {}, set()),
    ("drifts", (Difference, Drift), {"difference": ()}, {"position"}),
]


@pytest.mark.parametrize(("table", "types", "shaped", "extra"), TABLES, ids=[t[0] for t in TABLES])
def test_columns_are_the_fields_of_the_record(
    filled: SqliteLedger,
    raw: Callable[..., list[Any]],
    table: str,
    types: tuple[type[msgspec.Struct], ...],
    shaped: dict[str, tuple[str, ...]],
    extra: set[str],
) -> None:
    columns = {name for (name,) in raw("SELECT name FROM pragma_table_info(?)", table)}
    fields = [name for type_ in types for name in type_.__struct_fields__]
    assert columns == extra.union(*(shaped.get(name, (name,)) for name in fields))


def test_sleeve_is_two_columns_everywhere() -> None:
    assert Sleeve.__struct_fields__ == SLEEVE["sleeve"]
