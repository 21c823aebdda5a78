"""One pair's trades, oldest first, read by instant and by the page.

Those that were told live are kept, up to a limit; those of the days before the venue opened are
made again from the market when somebody first asks so far back.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.exchange.events import PublicTrade

KEPT_MAX: Final = 200_000
PAST_DAYS: Final = 7
"""How far Trades pages back from the venue's opening."""
PAST_NS: Final = PAST_DAYS * DAY_S * NS_PER_SECOND


class TradeLog:
    """See the module."""

    def __init__(self, past: Callable[[int, PublicTrade], list[PublicTrade]]) -> None:
        self._trades: list[PublicTrade] = []
        self._times_ns: list[int] = []
        self._past = past
        self._past_known = False

    def __len__(self) -> int:
        return len(self._trades)

    def __iter__(self) -> Iterator[PublicTrade]:
        return iter(self._trades)

    def __repr__(self) -> str:
        return f"<TradeLog of {len(self)}>"

    def append(self, trade: PublicTrade) -> None:
        """One more; far too many let go of the oldest."""
        self._trades.append(trade)
        self._times_ns.append(trade.at_ns)
        if len(self._trades) > 2 * KEPT_MAX:
            del self._trades[:-KEPT_MAX], self._times_ns[:-KEPT_MAX]
            self._past_known = True

    def newest(self, count: int) -> Sequence[PublicTrade]:
        """The last ones."""
        if not self._past_known and 0 < len(self._trades) < count:
            self._recall(self._trades[0])
        return self._trades[-count:]

    def after(self, since_ns: int, count: int) -> Sequence[PublicTrade]:
        """The first ones later than an instant."""
        if not self._past_known and self._trades and since_ns < self._times_ns[0]:
            self._recall(self._trades[0])
        first = bisect.bisect_right(self._times_ns, since_ns)
        return self._trades[first : first + count]

    def _recall(self, oldest: PublicTrade) -> None:
        self._past_known = True
        past = self._past(oldest.at_ns - PAST_NS, oldest)
        self._trades[:0] = past
        self._times_ns[:0] = [trade.at_ns for trade in past]
