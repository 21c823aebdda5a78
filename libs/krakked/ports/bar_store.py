"""Where closed bars are kept."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from krakked.domain.bars import Bar, Bars, Gap, Timeframe
from krakked.domain.ids import PairName


class BarStore(Protocol):
    """Closed bars only, ordered, no duplicates; a bar once written never changes."""

    def append(
        self, pair: PairName, timeframe: Timeframe, tick_size: Decimal, bars: Sequence[Bar]
    ) -> int:
        """Add bars later than the newest kept one (earlier ones are dropped); how many."""
        ...

    def insert(
        self, pair: PairName, timeframe: Timeframe, tick_size: Decimal, bars: Sequence[Bar]
    ) -> int:
        """Add bars anywhere (imports, backfill of gaps); kept bars win; how many were added."""
        ...

    def last(self, pair: PairName, timeframe: Timeframe, count: int, tick_size: Decimal) -> Bars:
        """The newest ``count`` bars, oldest first; re-ticked if the pair's tick has changed."""
        ...

    def between(
        self, pair: PairName, timeframe: Timeframe, start_s: int, end_s: int, tick_size: Decimal
    ) -> Bars:
        """Bars that start in [start_s, end_s)."""
        ...

    def newest_start_s(self, pair: PairName, timeframe: Timeframe) -> int | None:
        """Start of the newest kept bar."""
        ...

    def coverage(self) -> Sequence[tuple[PairName, Timeframe, int, int, int]]:
        """(pair, timeframe, first start, last start, count) of everything kept."""
        ...

    def compact(self) -> None:
        """Move what was appended into its lasting form; when the day changes, and at the end."""
        ...

    def gaps(self, pair: PairName, timeframe: Timeframe) -> Sequence[Gap]:
        """Known holes, oldest first."""
        ...
