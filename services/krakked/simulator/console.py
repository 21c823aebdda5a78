"""What happens, line by line, for a person who looks on: trades on the tape, orders of accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from krakked.domain.ids import PairName
from krakked.domain.times import to_rfc3339
from krakked.sim.exchange.events import ExchangeEvent, PrivateMessage, PublicTrade, WireRow
from krakked.sim.exchange.pairs import VenuePair
from krakked.sim.wire import text

_CLOCK: Final = slice(11, 23)
"""``12:00:01.250`` of an RFC 3339 instant."""


def lines(
    events: Sequence[ExchangeEvent], now_ns: int, pairs: Mapping[PairName, VenuePair]
) -> Iterator[str]:
    """One line for each trade, and for each change of an order; numbers as on the wire."""
    for event in events:
        match event:
            case PublicTrade():
                yield _trade(event, pairs[event.pair])
            case PrivateMessage(channel="executions"):
                for row in event.data:
                    yield f"{_instant(now_ns)}  order  {event.account}  {_order(row)}"
            case _:
                pass


def _trade(trade: PublicTrade, pair: VenuePair) -> str:
    size = text(trade.quantity_base, pair.lot_decimals)
    price = text(trade.price, pair.pair_decimals)
    side = trade.taker_side.value
    return f"{_instant(trade.at_ns)}  trade  {trade.pair}  {side} {size} at {price}"


def _order(row: WireRow) -> str:
    what = str(row.get("exec_type", ""))
    words = [str(row.get("order_id", "")), what]
    if what == "pending_new":
        words += [_word(row, "side"), _word(row, "order_type"), _word(row, "order_qty")]
        words += [_word(row, "symbol"), _at(row, "limit_price")]
    elif what == "trade":
        words += [_word(row, "side"), _word(row, "last_qty"), _word(row, "symbol")]
        words += [_at(row, "last_price")]
    elif what == "amended":
        words += ["to", _word(row, "order_qty"), _at(row, "limit_price")]
    elif "reason" in row:
        words.append(f"({row['reason']})")
    return " ".join(word for word in words if word)


def _at(row: WireRow, name: str) -> str:
    found = _word(row, name)
    return f"at {found}" if found else ""


def _word(row: WireRow, name: str) -> str:
    value = row.get(name)
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    return "" if value is None else str(value)


def _instant(at_ns: int) -> str:
    return to_rfc3339(at_ns)[_CLOCK]
