"""The books compared from outside: ledgers as SQLite files, the venue by REST, lines by the tape.

Everything here gives lines, one for each thing that must not be; no line means all is well.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from tests.chaos.auditor import Auditor
from tests.chaos.tape import Tape, late_acceptances

Row = dict[str, Any]


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine's database says."""

    name: str
    orders: dict[str, Row]
    """By client id."""
    fills: dict[str, Row]
    """By trade id."""
    totals: dict[str, Decimal]


class VenueBooks(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue says."""

    balances: dict[str, Decimal]
    """By altname of the asset; without zeros."""
    orders: dict[str, Row]
    """By the venue's id."""
    trades: dict[str, Row]


def read_ledger(name: str, database: Path) -> Ledger:
    """Nobody may be writing."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        orders = connection.execute("SELECT * FROM orders").fetchall()
        fills = connection.execute("SELECT * FROM fills").fetchall()
        totals = connection.execute("SELECT asset, amount FROM totals").fetchall()
    return Ledger(
        name=name,
        orders={row["client_order_id"]: dict(row) for row in orders},
        fills={row["trade_id"]: dict(row) for row in fills},
        totals={row["asset"]: Decimal(row["amount"]) for row in totals if Decimal(row["amount"])},
    )


def read_venue(auditor: Auditor) -> VenueBooks:
    """Everything that the account ever did."""
    names = {asset: row["altname"] for asset, row in auditor.public("Assets").items()}
    balances = auditor.private("Balance")
    rests = auditor.private("OpenOrders")["open"]
    return VenueBooks(
        balances={names.get(a, a): Decimal(text) for a, text in balances.items() if Decimal(text)},
        orders={**dict(auditor.pages("ClosedOrders", "closed")), **rests},
        trades=dict(auditor.pages("TradesHistory", "trades")),
    )


def differences(owner: Ledger, venue: VenueBooks) -> list[str]:
    """Between the ledger of who owned last and the venue: balances, executions, orders."""
    return [
        *_of_balances(owner, venue),
        *_of_trades(owner, venue),
        *_of_orders(owner, venue),
    ]


def _of_balances(owner: Ledger, venue: VenueBooks) -> Iterator[str]:
    for asset in sorted({*owner.totals, *venue.balances}):
        ours, theirs = owner.totals.get(asset, 0), venue.balances.get(asset, 0)
        if ours != theirs:
            yield f"balance of {asset}: {owner.name} has {ours}, the venue {theirs}"


_OF_TRADE = (
    ("price", "price"),
    ("vol", "quantity_base"),
    ("cost", "cost_quote"),
    ("fee", "fee_amount"),
)


def _of_trades(owner: Ledger, venue: VenueBooks) -> Iterator[str]:
    for trade_id in sorted({*owner.fills, *venue.trades}):
        fill, trade = owner.fills.get(trade_id), venue.trades.get(trade_id)
        if fill is None or trade is None:
            where = "the venue alone" if fill is None else f"{owner.name} alone"
            yield f"trade {trade_id}: known to {where}"
            continue
        for theirs, ours in _OF_TRADE:
            if Decimal(trade[theirs]) != Decimal(fill[ours]):
                yield f"trade {trade_id}: {ours} {fill[ours]}, the venue's {theirs} {trade[theirs]}"


def _of_orders(owner: Ledger, venue: VenueBooks) -> Iterator[str]:
    at_venue = {row["cl_ord_id"]: row for row in venue.orders.values() if row.get("cl_ord_id")}
    for client_id, row in sorted(at_venue.items()):
        order = owner.orders.get(client_id)
        if order is None and not has_effect(row):
            continue
        if order is None:
            yield f"order {client_id} of the venue: {owner.name} does not know it"
        elif Decimal(order["filled_base"]) != Decimal(row["vol_exec"]):
            filled = order["filled_base"]
            yield f"order {client_id}: filled {filled}, the venue's {row['vol_exec']}"
    for client_id, order in sorted(owner.orders.items()):
        if order["journal"] in ("sent", "unknown"):
            yield f"order {client_id}: {owner.name} has it as {order['journal']} still"
        if Decimal(order["filled_base"]) and client_id not in at_venue:
            yield f"order {client_id}: filled in {owner.name}, unknown to the venue"


def has_effect(row: Row) -> bool:
    """Whether the books of whoever owns the account cannot be right without that order.

    An owner before, with a volume of his own, may have sent one that ended without a fill: it is in
    his journal (see ``unjournaled``), and nobody after him has to hear of it.
    """
    return bool(Decimal(row["vol_exec"])) or row.get("status") in ("open", "pending")


def doubled(venue: VenueBooks) -> list[str]:
    """Client ids that the venue took twice."""
    counts = Counter(row.get("cl_ord_id") for row in venue.orders.values())
    return [f"client id {i} was accepted {n} times" for i, n in counts.items() if i and n > 1]


def unjournaled(venue: VenueBooks, ledgers: Sequence[Ledger], tape: Tape) -> list[str]:
    """Orders that the venue took and that their sender's journal does not know."""
    by_name = {ledger.name: ledger for ledger in ledgers}
    known = {client_id for ledger in ledgers for client_id in ledger.orders}
    lost = [
        f"order {row.get('cl_ord_id')} of the venue is in no journal"
        for row in venue.orders.values()
        if row.get("cl_ord_id") not in known
    ]
    return lost + [
        f"order {entry.client_order_id} was accepted; its sender {entry.sender} has no record of it"
        for entry in tape.accepted("AddOrder")
        if entry.client_order_id not in by_name[entry.sender].orders
    ]


def not_on_tape(venue: VenueBooks, tape: Tape) -> list[str]:
    """Orders of the venue that never went over a line: then the tape would prove nothing."""
    sent = {entry.client_order_id for entry in tape.entries if entry.method == "AddOrder"}
    ids: Iterable[str] = (row.get("cl_ord_id") or "-" for row in venue.orders.values())
    return [
        f"order {client_id} was never on the tape" for client_id in ids if client_id not in sent
    ]


def violations(
    owner: Ledger, ledgers: Sequence[Ledger], venue: VenueBooks, tape: Tape
) -> list[str]:
    """All that must not be."""
    return [
        *differences(owner, venue),
        *doubled(venue),
        *unjournaled(venue, ledgers, tape),
        *not_on_tape(venue, tape),
        *late_acceptances(tape.entries),
    ]
