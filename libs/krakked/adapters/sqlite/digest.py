"""A digest of what happened: plans, orders, fills and the books, in canonical order.

Two runs that decided and traded alike have one digest, whatever the hash seed, the machine's
pace or the order of rows in the file.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Final

import msgspec

_QUESTIONS: Final = (
    """SELECT plan_id, parent_id, sequence, bar, cause, principal, created_at_ns, expires_at_ns,
              legs
       FROM plans ORDER BY sequence""",
    """SELECT client_order_id, plan_id, leg, revision, strategy_id, pair, kind, side, type,
              quantity_base, limit_price, time_in_force, expire_at_ns, journal, status,
              venue_order_id, filled_base, cost_quote, fee_quote, reason
       FROM orders ORDER BY client_order_id""",
    """SELECT trade_id, venue_order_id, client_order_id, strategy_id, pair, side, price,
              quantity_base, cost_quote, fee_amount, fee_asset, fee_quote, realized_quote, at_ns
       FROM fills ORDER BY trade_id""",
    """SELECT ledger_id, kind, asset, amount, fee, at_ns FROM cash_flows ORDER BY ledger_id""",
    """SELECT asset, quantity, cost_base, at_ns FROM opening_lots ORDER BY asset, at_ns""",
    """SELECT asset, amount, source_kind, source_id, part, strategy_id
       FROM postings ORDER BY source_kind, source_id, part""",
)


def digest(connection: sqlite3.Connection) -> str:
    """SHA-256 of every row, hexadecimal."""
    result = hashlib.sha256()
    for question in _QUESTIONS:
        for row in connection.execute(question):
            result.update(msgspec.json.encode(tuple(row)))
            result.update(b"\n")
    return result.hexdigest()
