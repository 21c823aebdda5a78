"""The books as rows: fills, cash flows and opening lots, the postings they make, and the sums.

A source row, its postings and the projections (position, totals, net flows) change together or
not at all. The part of a posting (``base``, ``quote``, ``fee``, ``flow``, ``lot``) keeps two
postings of one source apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Final

import msgspec

from krakked.adapters.sqlite.cells import Row, add, cells, insert, record, replacing
from krakked.adapters.sqlite.connections import Execute
from krakked.domain.fills import CashFlow, Fill, OpeningLot, VenueTrade
from krakked.domain.ids import MANUAL, Asset, LedgerId, PairName, StrategyId, TradeId
from krakked.domain.money import ZERO, to_text
from krakked.domain.orders import Side
from krakked.domain.positions import Position, Sleeve, opened

_TRADE: Final = VenueTrade.__struct_fields__
_FILL: Final = ("strategy_id", "client_order_id", "fee_quote", "realized_quote")
_FLOW: Final = CashFlow.__struct_fields__
_LOT: Final = OpeningLot.__struct_fields__
_SLEEVE: Final = ("strategy_id", "pair")
_POSITION: Final = tuple(name for name in Position.__struct_fields__ if name != "sleeve")
_POSTING: Final = ("asset", "amount", "source_kind", "source_id", "part", "strategy_id")

_INSERT_FILL: Final = insert(
    "fills", (*_TRADE, *_FILL, "base", "quote"), "ON CONFLICT (trade_id) DO NOTHING"
)
_INSERT_FLOW: Final = insert("cash_flows", _FLOW, "ON CONFLICT (ledger_id) DO NOTHING")
_INSERT_LOT: Final = insert("opening_lots", _LOT)
_INSERT_POSTING: Final = insert("postings", _POSTING)
_SAVE_POSITION: Final = insert(
    "positions", (*_SLEEVE, *_POSITION), replacing(_SLEEVE, (*_SLEEVE, *_POSITION))
)
_SAVE_TOTAL: Final = insert(
    "totals", ("asset", "amount"), replacing(("asset",), ("asset", "amount"))
)

FILLS_IN_ORDER: Final = "SELECT * FROM fills ORDER BY sequence"
FLOWS_IN_ORDER: Final = "SELECT * FROM cash_flows ORDER BY sequence"
LOTS_IN_ORDER: Final = "SELECT * FROM opening_lots ORDER BY sequence"
POSTINGS_IN_ORDER: Final = "SELECT * FROM postings ORDER BY sequence"


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one asset, and where it came from."""

    asset: Asset
    amount: Decimal
    source_kind: str
    source_id: str
    part: str
    strategy_id: StrategyId


class BookedFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill with the assets of its pair, as they were then."""

    fill: Fill
    base: Asset
    quote: Asset


def insert_fill(execute: Execute, booked: BookedFill, position: Position) -> bool:
    """Book it with its postings and the sleeve's new position; False if it was there."""
    fill = booked.fill
    values = [*cells(fill.trade, _TRADE), *cells(fill, _FILL), booked.base, booked.quote]
    if execute(_INSERT_FILL, values).rowcount == 0:
        return False
    _post(execute, postings_of_fill(booked))
    save_position(execute, position)
    return True


def insert_cash_flow(execute: Execute, flow: CashFlow, position: Position | None) -> bool:
    """Book it with the position that it moved, if any; False if it was there."""
    if execute(_INSERT_FLOW, cells(flow, _FLOW)).rowcount == 0:
        return False
    _post(execute, postings_of_flow(flow))
    _add_net_flow(execute, flow.value_base)
    if position is not None:
        save_position(execute, position)
    return True


def insert_opening_lot(execute: Execute, lot: OpeningLot) -> None:
    """Book what was there before, on the manual sleeve of its pair if it has one."""
    sequence = execute(_INSERT_LOT, cells(lot, _LOT)).lastrowid
    assert sequence is not None
    _post(execute, postings_of_lot(sequence, lot))
    _add_net_flow(execute, lot.cost_base)
    position = opened(lot)
    if position is not None:
        save_position(execute, position)


def save_position(execute: Execute, position: Position) -> None:
    """Replace the sleeve's position."""
    execute(_SAVE_POSITION, [*cells(position.sleeve, _SLEEVE), *cells(position, _POSITION)])


def postings_of_fill(booked: BookedFill) -> list[Posting]:
    """Base, quote and fee; nothing for what is zero."""
    trade = booked.fill.trade
    base, quote = trade.quantity_base, trade.cost_quote.copy_negate()
    if trade.side is Side.SELL:
        base, quote = base.copy_negate(), quote.copy_negate()
    parts = (
        ("base", booked.base, base),
        ("quote", booked.quote, quote),
        ("fee", trade.fee_asset, trade.fee_amount.copy_negate()),
    )
    return [
        Posting(
            asset=asset,
            amount=amount,
            source_kind="fill",
            source_id=trade.trade_id,
            part=part,
            strategy_id=booked.fill.strategy_id,
        )
        for part, asset, amount in parts
        if amount
    ]


def postings_of_flow(flow: CashFlow) -> list[Posting]:
    """Its amount, which has the venue's fee subtracted already."""
    return [
        Posting(
            asset=flow.asset,
            amount=flow.amount,
            source_kind="cash_flow",
            source_id=flow.ledger_id,
            part="flow",
            strategy_id=MANUAL,
        )
    ]


def postings_of_lot(sequence: int, lot: OpeningLot) -> list[Posting]:
    """Its quantity."""
    return [
        Posting(
            asset=lot.asset,
            amount=lot.quantity,
            source_kind="opening_lot",
            source_id=str(sequence),
            part="lot",
            strategy_id=MANUAL,
        )
    ]


def known_trades(execute: Execute, ids: Collection[TradeId]) -> set[TradeId]:
    """Those that are booked; one seek each."""
    return {
        id_ for id_ in ids if execute("SELECT 1 FROM fills WHERE trade_id = ?", (id_,)).fetchone()
    }


def booked_trades(execute: Execute, ids: Collection[TradeId]) -> dict[TradeId, VenueTrade]:
    """Those that are booked, as they were told; one seek each."""
    rows = (execute("SELECT * FROM fills WHERE trade_id = ?", (id_,)).fetchone() for id_ in ids)
    return {trade.trade_id: trade for row in rows if row for trade in [fill_from(row).trade]}


def known_ledger_rows(execute: Execute, ids: Collection[LedgerId]) -> set[LedgerId]:
    """Those that are booked; one seek each."""
    return {
        id_
        for id_ in ids
        if execute("SELECT 1 FROM cash_flows WHERE ledger_id = ?", (id_,)).fetchone()
    }


def totals(execute: Execute) -> dict[Asset, Decimal]:
    """By asset, in order of the assets' names."""
    rows = execute("SELECT asset, amount FROM totals ORDER BY asset")
    return {Asset(row["asset"]): Decimal(row["amount"]) for row in rows}


def net_flows(execute: Execute) -> Decimal:
    """Base currency that came in, less what went out."""
    return Decimal(execute("SELECT net_flows FROM engine_state").fetchone()[0])


def positions(execute: Execute) -> dict[Sleeve, Position]:
    """By sleeve, in order."""
    rows = execute("SELECT * FROM positions ORDER BY strategy_id, pair")
    return {(found := position_from(row)).sleeve: found for row in rows}


def is_empty(execute: Execute) -> bool:
    """Whether nothing was ever posted."""
    return execute("SELECT 1 FROM postings LIMIT 1").fetchone() is None


def fill_from(row: Row) -> Fill:
    """The fill of a row."""
    return record(row, Fill, trade=record(row, VenueTrade))


def booked_fill_from(row: Row) -> BookedFill:
    """The fill of a row with the assets of its pair."""
    return BookedFill(fill=fill_from(row), base=Asset(row["base"]), quote=Asset(row["quote"]))


def flow_from(row: Row) -> CashFlow:
    """The cash flow of a row."""
    return record(row, CashFlow)


def lot_from(row: Row) -> OpeningLot:
    """The opening lot of a row."""
    return record(row, OpeningLot)


def posting_from(row: Row) -> Posting:
    """The posting of a row."""
    return record(row, Posting)


def position_from(row: Row) -> Position:
    """The position of a row."""
    return record(
        row,
        Position,
        sleeve=sleeve_from(row),
        has_unknown_cost=bool(row["has_unknown_cost"]),
    )


def sleeve_from(row: Row) -> Sleeve:
    """The sleeve that a row is about."""
    return Sleeve(StrategyId(row["strategy_id"]), PairName(row["pair"]))


def _post(execute: Execute, postings: Iterable[Posting]) -> None:
    for posting in postings:
        execute(_INSERT_POSTING, cells(posting, _POSTING))
        row = execute("SELECT amount FROM totals WHERE asset = ?", (posting.asset,)).fetchone()
        total = add(Decimal(row[0]) if row else ZERO, posting.amount)
        execute(_SAVE_TOTAL, (posting.asset, to_text(total)))


def _add_net_flow(execute: Execute, value: Decimal | None) -> None:
    if value:
        total = to_text(add(net_flows(execute), value))
        execute("UPDATE engine_state SET net_flows = ?", (total,))
