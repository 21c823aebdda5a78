"""``krakked orders``: what rests and what was, and how to end it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from krakked.cli import doors, offline, options
from krakked.cli.names import pair_on_record
from krakked.cli.output import amount, moment, print_json, print_table, rounded
from krakked.domain.ids import ClientOrderId, PairName, StrategyId
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.domain.orders import Order

_CHANGING: Final = (ExitCode.REFUSED, ExitCode.NO_ENGINE)
_ACTING: Final = (*_CHANGING, *options.ACTING)
_STATUSES: Final = (
    "pending",
    "submitted",
    "open",
    "partially_filled",
    "filled",
    "canceled",
    "rejected",
    "error",
    "unknown",
)
_CHECKED: Final = "validated"
_OPEN: Final = ("pending", "submitted", "open", "partially_filled", "unknown")
_BY_VENUE: Final = (
    "without an engine, cancel at the venue itself; orders end by their own time "
    "or by the dead-man switch"
)
_ASKED_LATER: Final = "the next start asks the venue itself; give your word to that engine"
_HEAD: Final = (
    "opened (UTC)",
    "pair",
    "side",
    "type",
    "size",
    "filled",
    "price",
    "status",
    "strategy",
    "id",
)

_pair = click.option("--pair", help="Only this pair: XBTUSD, xbtusd, BTC/USD.")


@click.group(
    epilog=options.shown("krakked orders list --open\nkrakked orders flatten --pair XBTUSD")
)
def orders() -> None:
    """List, cancel and resolve orders; close positions."""


@orders.command(
    "list",
    epilog=options.ending(
        ExitCode.FINDINGS, *options.READING, example="krakked orders list --open"
    ),
)
@click.option("--open", "only_open", is_flag=True, help="Only those that may still be filled.")
@click.option("--status", type=click.Choice(_STATUSES), multiple=True, help="May be repeated.")
@_pair
@options.limit
@options.db_path
@options.as_json
def list_orders(
    only_open: bool, status: tuple[str, ...], pair: str | None, limit: int, **common: object
) -> int:
    """Orders, newest first."""
    wanted = _OPEN if only_open else status
    db_path = common["db_path"]
    assert isinstance(db_path, Path)
    with doors.reading(db_path) as queries:
        meant = pair_on_record(queries, pair)
        found = queries.orders(status=wanted, pair=meant, limit=limit)
    if common["as_json"]:
        print_json([{**_plain(order), "status": order.status} for order in found])
    else:
        print_table(_HEAD, [order_row(order) for order in found], nothing="no orders")
    return ExitCode.DONE


def order_row(order: Order) -> tuple[str, ...]:
    """One order as cells."""
    request = order.request
    return (
        moment(order.created_at_ns),
        request.pair,
        request.side.value,
        request.type.value,
        amount(request.quantity_base),
        amount(order.filled_base),
        rounded(order.average_price or request.limit_price),
        _state(order),
        request.strategy_id,
        order.venue_order_id or request.client_order_id,
    )


def _state(order: Order) -> str:
    """An order that was only checked ended as no other does: it never lived."""
    return _CHECKED if order.journal.value == _CHECKED else order.status.value


def _plain(order: Order) -> dict[str, object]:
    return {name: getattr(order, name) for name in order.__struct_fields__}


@orders.command(
    epilog=options.ending(*_CHANGING, example="krakked orders cancel OQCLML-BW3P3-BUCMWZ")
)
@click.argument("order_id")
@options.reason
@options.db_path
@options.as_json
def cancel(order_id: str, reason: str, db_path: Path, as_json: bool) -> int:
    """Cancel one order, by our id or the venue's."""
    from krakked.domain.commands import Cancel

    command = Cancel(
        command_id=doors.new_command_id(),
        principal=doors.principal(),
        reason=reason,
        order_id=order_id,
    )
    return doors.order(db_path, command, otherwise=_BY_VENUE, as_json=as_json)


@orders.command("cancel-all", epilog=options.ending(*_ACTING, example="krakked orders cancel-all"))
@_pair
@options.reason
@options.without_engine
@options.db_path
@options.as_json
def cancel_all(pair: str | None, reason: str, db_path: Path, **flags: object) -> int:
    """Cancel every open order of krakked's.

    Where no engine runs, it is done from here: with the lock, the lease and the next epoch.
    """
    from krakked.domain.commands import CancelAll

    command = CancelAll(
        command_id=doors.new_command_id(),
        principal=doors.principal(),
        reason=reason,
        pair=None if pair is None else PairName(pair),
    )
    return offline.give(db_path, command, flags, otherwise=_BY_VENUE)


@orders.command(
    epilog=options.ending(
        *_ACTING,
        example="krakked orders flatten --pair XBTUSD\nkrakked orders flatten --halt",
    )
)
@_pair
@click.option("--strategy", help="Only this strategy's, by its id.")
@click.option("--halt", is_flag=True, help="Halt first: nothing is bought back until `resume`.")
@options.reason
@click.option("--yes", is_flag=True, help="Do not ask for the word.")
@options.without_engine
@options.db_path
@options.as_json
def flatten(
    pair: str | None, strategy: str | None, reason: str, yes: bool, **common: object
) -> int:
    """Close positions: cancel what rests on them, then sell them.

    Strategies go on, and may buy again at their next bar. --halt stops them first; `krakked panic`
    turns the kill switch on as well. Where no engine runs, it is done from here: with the lock, the
    lease and the next epoch.
    """
    from krakked.domain.commands import Flatten

    halts = bool(common["halt"])
    after = "" if halts else " Strategies go on and may buy again; --halt stops them first."
    options.confirm_by_word("FLATTEN", f"This sells {_what(pair, strategy)}.{after}", yes)
    command = Flatten(
        command_id=doors.new_command_id(),
        principal=doors.principal(),
        reason=reason,
        pair=None if pair is None else PairName(pair),
        strategy_id=None if strategy is None else StrategyId(strategy),
        halt=halts,
    )
    db_path = common["db_path"]
    assert isinstance(db_path, Path)
    return offline.give(db_path, command, common, otherwise=_BY_VENUE)


def _what(pair: str | None, strategy: str | None) -> str:
    whose = f" of {strategy}" if strategy else ""
    return f"the positions{whose} in {pair}" if pair else f"every position{whose}"


@orders.command(
    epilog=options.ending(
        *_CHANGING,
        example="krakked orders resolve 6f1c2a44-0001-4c55-9d21-0a8b7e1f2c3d absent\n"
        "krakked orders resolve TQ3B7X-5LBCD-WEHGJA manual",
    )
)
@click.argument("subject", metavar="ID")
@click.argument("outcome")
@options.reason
@options.db_path
@options.as_json
def resolve(subject: str, outcome: str, reason: str, db_path: Path, as_json: bool) -> int:
    """Say what became of an order in doubt, or whose an execution is.

    ID is our id of an unknown order, and OUTCOME `absent` or the venue's id of it. Or ID is the
    venue's id of an execution whose order it never shows, and OUTCOME `manual` (somebody else's) or
    the id of our order that it belongs to. The venue is asked first: what it shows counts more.
    """
    from krakked.domain.commands import Resolve

    command = Resolve(
        command_id=doors.new_command_id(),
        principal=doors.principal(),
        reason=reason,
        client_order_id=ClientOrderId(subject),
        outcome=outcome,
    )
    return doors.order(db_path, command, otherwise=_ASKED_LATER, as_json=as_json)
