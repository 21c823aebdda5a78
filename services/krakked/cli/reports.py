"""``krakked executions`` and ``krakked positions``: what was traded, and what is held."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from krakked.cli import doors, options
from krakked.cli.names import pair_on_record
from krakked.cli.output import amount, moment, money, print_json, print_table, rounded
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.domain.fills import Fill
    from krakked.domain.positions import Position

_FILL_HEAD: Final = (
    "time (UTC)",
    "pair",
    "side",
    "size",
    "price",
    "cost",
    "fee",
    "realized",
    "strategy",
    "trade",
)
UNKNOWN: Final = "unknown"
_POSITION_HEAD: Final = (
    "strategy",
    "pair",
    "size",
    "average price",
    "cost",
    "realized",
    "fees",
    "since (UTC)",
)


@click.command(
    epilog=options.ending(
        ExitCode.FINDINGS, *options.READING, example="krakked executions --pair XBTUSD"
    )
)
@click.option("--pair", help="Only this pair: XBTUSD, xbtusd, BTC/USD.")
@options.limit
@options.db_path
@options.as_json
def executions(pair: str | None, limit: int, db_path: Path, as_json: bool) -> int:
    """Fills, newest first; each is booked once."""
    with doors.reading(db_path) as queries:
        fills = queries.fills(pair=pair_on_record(queries, pair), limit=limit)
    if as_json:
        print_json(fills)
    else:
        print_table(_FILL_HEAD, [fill_row(fill) for fill in fills], nothing="no executions")
    return ExitCode.DONE


def fill_row(fill: Fill) -> tuple[str, ...]:
    """One fill as cells."""
    trade = fill.trade
    return (
        moment(trade.at_ns),
        trade.pair,
        trade.side.value,
        amount(trade.quantity_base),
        amount(trade.price),
        money(trade.cost_quote),
        money(fill.fee_quote),
        money(fill.realized_quote),
        fill.strategy_id,
        trade.trade_id,
    )


@click.command(epilog=options.ending(*options.READING, example="krakked positions --all"))
@click.option("--all", "also_flat", is_flag=True, help="Also those that are closed.")
@options.db_path
@options.as_json
def positions(also_flat: bool, db_path: Path, as_json: bool) -> int:
    """What each strategy holds of each pair."""
    with doors.reading(db_path) as queries:
        books = queries.books()
    held = [
        books.positions[sleeve]
        for sleeve in sorted(books.positions)
        if also_flat or not books.positions[sleeve].is_flat
    ]
    if as_json:
        print_json([_as_data(position) for position in held])
    else:
        print_table(_POSITION_HEAD, [_position_row(one) for one in held], nothing="no positions")
    return ExitCode.DONE


def _as_data(position: Position) -> dict[str, object]:
    """As the record is, but for a cost that is not known: null."""
    data = msgspec.structs.asdict(position)
    if position.has_unknown_cost:
        data["cost_quote"] = None
    return data


def _position_row(position: Position) -> tuple[str, ...]:
    """One position as cells."""
    is_unknown = position.has_unknown_cost
    return (
        position.sleeve.strategy_id,
        position.sleeve.pair,
        amount(position.quantity_base),
        UNKNOWN if is_unknown else rounded(position.average_price),
        UNKNOWN if is_unknown else money(position.cost_quote),
        money(position.realized_quote),
        money(position.fees_quote),
        moment(position.opened_at_ns),
    )
