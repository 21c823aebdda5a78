"""The projections proved against the books: everything is computed again from the sources.

Positions and realized profit from opening lots, fills and flows, by the domain's own ``opened``,
``apply`` and ``moved``, in the order they were booked, which is that of their postings; postings
from their sources; totals from the postings; net flows from cash flows and opening lots. A
difference means that the file was changed by something else, or a bug.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from krakked.adapters.sqlite import book_rows
from krakked.adapters.sqlite.book_rows import BookedFill, Posting
from krakked.adapters.sqlite.connections import Execute
from krakked.domain.fills import CashFlow, OpeningLot
from krakked.domain.ids import MANUAL, Asset, TradeId
from krakked.domain.money import ZERO, to_text
from krakked.domain.portfolio import Difference
from krakked.domain.positions import Position, Sleeve, apply, moved, opened

PostingKey = tuple[str, str, str]
Entry = BookedFill | CashFlow


def check_projections(execute: Execute) -> list[Difference]:
    """Every difference between what is stored (ours) and what the books say (theirs)."""
    fills = [book_rows.booked_fill_from(row) for row in execute(book_rows.FILLS_IN_ORDER)]
    flows = [book_rows.flow_from(row) for row in execute(book_rows.FLOWS_IN_ORDER)]
    stored = [book_rows.posting_from(row) for row in execute(book_rows.POSTINGS_IN_ORDER)]
    return [
        *_check_positions(execute, in_order(stored, fills, flows)),
        *_check_postings(stored, _postings(execute, fills, flows)),
        *_check_totals(execute),
        *_check_net_flows(execute),
    ]


def rebuild_positions(
    lots: Iterable[OpeningLot], entries: Iterable[Entry]
) -> tuple[dict[Sleeve, Position], dict[TradeId, Decimal]]:
    """Positions after what was there before and all that was booked, and what fills realized."""
    positions = {made.sleeve: made for lot in lots if (made := opened(lot)) is not None}
    realized = {}
    for entry in entries:
        sleeve = _sleeve_of(entry)
        if sleeve is None:
            continue
        before = positions.get(sleeve, Position(sleeve=sleeve))
        if isinstance(entry, CashFlow):
            positions[sleeve], _ = moved(before, entry)
        else:
            positions[sleeve], profit = _applied(before, entry)
            realized[entry.fill.trade.trade_id] = profit
    return positions, realized


def in_order(
    postings: Iterable[Posting], fills: Iterable[BookedFill], flows: Iterable[CashFlow]
) -> list[Entry]:
    """Fills and flows as they were booked, one after the other; what posted nothing comes last."""
    ranks: dict[tuple[str, str], int] = {}
    for posting in postings:
        ranks.setdefault((posting.source_kind, posting.source_id), len(ranks))
    keyed: list[tuple[tuple[str, str], Entry]] = [
        *((("fill", booked.fill.trade.trade_id), booked) for booked in fills),
        *((("cash_flow", flow.ledger_id), flow) for flow in flows),
    ]
    return [entry for _, entry in sorted(keyed, key=lambda one: ranks.get(one[0], len(ranks)))]


def _sleeve_of(entry: Entry) -> Sleeve | None:
    """None: it moved no position."""
    if isinstance(entry, CashFlow):
        return None if entry.pair is None else Sleeve(MANUAL, entry.pair)
    return Sleeve(entry.fill.strategy_id, entry.fill.trade.pair)


def _applied(before: Position, booked: BookedFill) -> tuple[Position, Decimal]:
    fill = booked.fill
    is_base_fee = fill.trade.fee_asset == booked.base
    fee_in_base = fill.trade.fee_amount if is_base_fee else ZERO
    return apply(before, fill.trade, fee_quote=fill.fee_quote, fee_in_base=fee_in_base)


def _check_positions(execute: Execute, entries: list[Entry]) -> Iterator[Difference]:
    lots = [book_rows.lot_from(row) for row in execute(book_rows.LOTS_IN_ORDER)]
    rebuilt, realized = rebuild_positions(lots, entries)
    stored = book_rows.positions(execute)
    for sleeve in sorted(rebuilt.keys() | stored.keys()):
        nothing = Position(sleeve=sleeve)
        ours, theirs = stored.get(sleeve, nothing), rebuilt.get(sleeve, nothing)
        if ours != theirs:
            yield _difference("position", str(sleeve), _words(ours), _words(theirs))
    for entry in entries:
        if isinstance(entry, CashFlow):
            continue
        trade_id, ours_quote = entry.fill.trade.trade_id, entry.fill.realized_quote
        if ours_quote != realized[trade_id]:
            yield _difference("realized", trade_id, ours_quote, realized[trade_id])


def _postings(
    execute: Execute, fills: Iterable[BookedFill], flows: Iterable[CashFlow]
) -> Iterator[Posting]:
    """All that there should be."""
    for booked in fills:
        yield from book_rows.postings_of_fill(booked)
    for flow in flows:
        yield from book_rows.postings_of_flow(flow)
    for row in execute(book_rows.LOTS_IN_ORDER):
        yield from book_rows.postings_of_lot(row["sequence"], book_rows.lot_from(row))


def _check_postings(stored: list[Posting], expected: Iterable[Posting]) -> Iterator[Difference]:
    ours = {_key(posting): posting for posting in stored}
    theirs = {_key(posting): posting for posting in expected}
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            yield _difference("posting", "/".join(key), _sum(ours.get(key)), _sum(theirs.get(key)))


def _check_totals(execute: Execute) -> Iterator[Difference]:
    rows = execute("SELECT asset, decimal_sum(amount) FROM postings GROUP BY asset")
    summed = {Asset(asset): Decimal(total) for asset, total in rows}
    totals = book_rows.totals(execute)
    for asset in sorted(summed.keys() | totals.keys()):
        ours, theirs = totals.get(asset, ZERO), summed.get(asset, ZERO)
        if ours != theirs:
            yield _difference("total", asset, ours, theirs)


def _check_net_flows(execute: Execute) -> Iterator[Difference]:
    (summed,) = execute(
        "SELECT decimal_sum(value) FROM (SELECT value_base AS value FROM cash_flows"
        " UNION ALL SELECT cost_base FROM opening_lots)"
    ).fetchone()
    ours, theirs = book_rows.net_flows(execute), Decimal(summed or 0)  # NULL over no rows
    if ours != theirs:
        yield _difference("net_flows", "all", ours, theirs)


def _key(posting: Posting) -> PostingKey:
    return posting.source_kind, posting.source_id, posting.part


def _sum(posting: Posting | None) -> str:
    return f"{to_text(posting.amount)} {posting.asset}" if posting else "nothing"


def _words(position: Position) -> str:
    return (
        f"{to_text(position.quantity_base)} for {to_text(position.cost_quote)},"
        f" realized {to_text(position.realized_quote)}, fees {to_text(position.fees_quote)}"
    )


def _difference(subject: str, key: str, ours: Decimal | str, theirs: Decimal | str) -> Difference:
    return Difference(subject=subject, key=key, ours=_text(ours), theirs=_text(theirs))


def _text(value: Decimal | str) -> str:
    return to_text(value) if isinstance(value, Decimal) else value
