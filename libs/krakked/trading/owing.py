"""What is owed to a person: a flatten whose sale was not made, or not all of it.

It was dropped or refused, never reached the venue, or ended there with a part unsold: the market
had no more within the venue's bounds, its time was over, or the dead-man switch fired.

It is owed from the very transaction that ends the sale, so a restart still knows it, until another
sale of the sleeve stands in the journal or nothing is left to sell. Who asked is kept with it. An
engine that is fenced owes nothing any more: whoever owns the account now has a person of its own.
"""

from __future__ import annotations

import msgspec

from krakked.domain.ids import PairName, StrategyId
from krakked.domain.orders import LegKind, OrderRequest
from krakked.domain.positions import Sleeve
from krakked.ports.ledger import Transaction
from krakked.trading.desk import Desk

FLATTEN = "flatten"
"""Cause of the plans that a person's word makes."""
_CURSOR = "flatten_owed"
"""Kept among the cursors, by sleeve: who asked; empty when it is settled."""
_SEPARATOR = "/"


class Debt(msgspec.Struct, frozen=True):
    """One sleeve that is to be closed, and who said so."""

    sleeve: Sleeve
    principal: str


class Owed:
    """Sleeves that a person wanted closed, with who did."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __repr__(self) -> str:
        return f"<Owed {self.sleeves}>"

    @property
    def sleeves(self) -> tuple[Sleeve, ...]:
        """What is owed now."""
        return tuple(sorted(self._found()))

    def principal(self, sleeve: Sleeve) -> str:
        """Who asked; empty if it is not owed."""
        return self._desk.account.cursors.get(_name(sleeve), "")

    def note(self, tx: Transaction, request: OrderRequest) -> Debt | None:
        """In the transaction that ends a sale which was not made: what is owed by that.

        The caller applies it with :meth:`hold` when the transaction is durable.
        """
        if request.kind is not LegKind.PROTECTIVE or self._desk.guard.fenced_by is not None:
            return None
        plan = tx.plan(request.plan_id)
        if plan is None or plan.cause != FLATTEN:
            return None
        sleeve = Sleeve(request.strategy_id, request.pair)
        debt = Debt(sleeve, plan.principal or "somebody")
        tx.set_cursor(_name(sleeve), debt.principal)
        return debt

    def hold(self, debt: Debt | None) -> None:
        """What :meth:`note` wrote is durable."""
        if debt is not None:
            self._desk.account.cursors[_name(debt.sleeve)] = debt.principal

    async def settle(self, sleeve: Sleeve) -> None:
        """Another sale of it is on record, or nothing is left to sell."""
        if not self.principal(sleeve):
            return
        async with self._desk.recorder.turn:
            await self._desk.recorder.commit(lambda tx: tx.set_cursor(_name(sleeve), ""))
            self._desk.account.cursors[_name(sleeve)] = ""

    def _found(self) -> list[Sleeve]:
        found = []
        for name, principal in self._desk.account.cursors.items():
            kind, *parts = name.split(_SEPARATOR)
            if kind == _CURSOR and principal:
                pair, strategy_id = parts[0], _SEPARATOR.join(parts[1:])
                found.append(Sleeve(StrategyId(strategy_id), PairName(pair)))
        return found


def _name(sleeve: Sleeve) -> str:
    return _SEPARATOR.join((_CURSOR, sleeve.pair, sleeve.strategy_id))
