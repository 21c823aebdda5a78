"""Names of pairs and strategies as people type them, made those that a database has on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krakked.domain.errors import BadInput, Refused
from krakked.domain.ids import PairName
from krakked.domain.naming import resolve_pair, resolve_strategy
from krakked.domain.positions import Sleeve
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.adapters.sqlite.queries import SqliteQueries


def pair_on_record(queries: SqliteQueries, text: str | None) -> PairName | None:
    """The pair that is meant; None for any.

    Raises:
        BadInput: nothing is on record of it.
    """
    if text is None:
        return None
    try:
        return resolve_pair(text, {sleeve.pair for sleeve in queries.sleeves()})
    except Refused as error:
        raise _not_on_record(queries, error) from error


def sleeve_on_record(queries: SqliteQueries, strategy: str, pair: str) -> Sleeve:
    """The strategy and pair that are meant.

    Raises:
        BadInput: nothing is on record of one of them.
    """
    sleeves = queries.sleeves()
    try:
        return Sleeve(
            resolve_strategy(strategy, {sleeve.strategy_id for sleeve in sleeves}),
            resolve_pair(pair, {sleeve.pair for sleeve in sleeves}),
        )
    except Refused as error:
        raise _not_on_record(queries, error) from error


def _not_on_record(queries: SqliteQueries, error: Refused) -> BadInput:
    return BadInput(f"{queries.path}: {error}", exit_code=ExitCode.FINDINGS)
