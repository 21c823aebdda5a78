"""Proving: the books are looked at as a whole, at each start and once a day.

Two questions. Does everything that the ledger keeps for quick reading (positions, totals, profit)
follow from the fills, flows and lots it was made of? And does the account in memory say the same as
the ledger? A no means that a file was changed behind our back, or a bug: what decisions rest on
may be wrong, so the kill switch is turned on and a person looks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from krakked.domain.portfolio import Difference
from krakked.domain.times import DAY_S
from krakked.ports.ledger import Books
from krakked.trading.desk import Desk

K = TypeVar("K")
V = TypeVar("V")


class Prover:
    """Asks both questions; a difference is told to whom it concerns."""

    def __init__(
        self,
        desk: Desk,
        *,
        prove: Callable[[], Awaitable[Sequence[Difference]]],
        on_inconsistent: Callable[[str], Awaitable[None]],
    ) -> None:
        """``prove`` computes the ledger's projections again and says where they differ."""
        self._desk = desk
        self._prove = prove
        self._on_inconsistent = on_inconsistent

    async def run(self) -> None:
        """Once a day of the clock, until cancelled; the start has looked already."""
        while True:
            await self._desk.clock.sleep(DAY_S)
            await self.look()

    async def look(self) -> Sequence[Difference]:
        """Look once; every difference."""
        differences = [*await self._prove(), *await self._against_memory()]
        if differences:
            await self._on_inconsistent(_words(differences))
        return differences

    async def _against_memory(self) -> list[Difference]:
        """In the account's turn, when nothing is half done."""
        async with self._desk.recorder.turn:
            books = await self._desk.recorder.commit(lambda tx: tx.books())
            return list(self._differing(books))

    def _differing(self, books: Books) -> Iterator[Difference]:
        account = self._desk.account
        yield from differing("position", account.positions, books.positions)
        yield from differing("total", _held(account.totals), _held(books.totals))
        orders = {order.request.client_order_id: order for order in books.live_orders}
        yield from differing("order", account.orders, orders)


def differing(subject: str, ours: Mapping[K, V], theirs: Mapping[K, V]) -> Iterator[Difference]:
    """Each key under which memory (ours) and ledger (theirs) keep different values."""
    for key in sorted({*ours, *theirs}, key=str):
        mine, yours = ours.get(key), theirs.get(key)
        if mine != yours:
            yield Difference(subject=subject, key=str(key), ours=str(mine), theirs=str(yours))


def _held(totals: Mapping[K, V]) -> dict[K, V]:
    return {asset: total for asset, total in totals.items() if total}


def _words(differences: Sequence[Difference]) -> str:
    more = "" if len(differences) == 1 else f" and {len(differences) - 1} more"
    return f"{differences[0]}{more}"
