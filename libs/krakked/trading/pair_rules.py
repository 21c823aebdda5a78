"""A pair's rules while the engine runs: the venue raises minima of what is held.

The stream tells them at each connection and when they change. It may be away, so a refusal that
says that our rules are old (``OUTDATED``) has them asked for once more, a bounded number of times;
sales of that pair wait for the answer. What is then below the minimum is dust.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

from krakked.domain.errors import Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.ids import PairName
from krakked.domain.money import plain, to_text
from krakked.domain.pairs import PairRules
from krakked.trading.desk import Desk

OUTDATED: Final = (
    "EOrder:Order minimum not met",
    "EOrder:Cost minimum not met",
    "EOrder:Tick size check failed",
)
TRIES_MAX: Final = 3
RESTART: Final = "orders keep to it; bars stay in the step of the start until the next one"


def learn_rules(desk: Desk, name: PairName, rules: PairRules) -> bool:
    """Keep to what the venue says; whether anything is new. Of a pair we do not know, nothing is.

    What the account pays in fees, and what the pair allows, are told elsewhere.
    """
    before = desk.account.pairs.get(name)
    if before is None or before.under(rules) == before:
        return False
    desk.account.bar_tick(name)
    after = before.under(rules)
    desk.account.pairs[name] = after
    old, new = before.rules.told(), after.rules.told()
    changed = [
        f"{word} {_shown(old[word])} -> {_shown(new[word])}"
        for word in new
        if new[word] != old[word]
    ]
    if before.tick_size != after.tick_size:
        changed.append(RESTART)
    reason = f"the venue has other rules for {name}: {', '.join(changed)}"
    desk.recorder.publish(desk.recorder.event(EventName.NOTICE, pair=name, reason=reason))
    return True


def _shown(value: Decimal | int) -> str:
    return to_text(plain(Decimal(value)))


class RulesInDoubt:
    """Pairs of which an order was refused for a rule that we do not know."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pairs: dict[PairName, None] = {}
        self._is_asked = asyncio.Event()

    def __repr__(self) -> str:
        return f"<RulesInDoubt {list(self._pairs)}>"

    def __contains__(self, pair: PairName) -> bool:
        return pair in self._pairs

    def refused(self, pair: PairName, reason: str) -> None:
        """The venue's word on an order; :meth:`run` asks."""
        if reason in OUTDATED:
            self._pairs[pair] = None
            self._is_asked.set()

    async def run(self) -> None:
        """Ask whenever there is something to ask, until cancelled."""
        while True:
            await self._is_asked.wait()
            self._is_asked.clear()
            pairs = list(self._pairs)
            try:
                await self._ask(pairs)
            finally:
                for pair in pairs:
                    self._pairs.pop(pair, None)

    async def _ask(self, pairs: list[PairName]) -> None:
        for attempt in range(TRIES_MAX):
            try:
                listed = await self._desk.exchange.pairs()
            except Transient as error:
                pause_s = self._desk.rules.pause_s(attempt, error.retry_after_s)
                await self._desk.clock.sleep(pause_s)
            except Permanent:
                return
            else:
                for pair in pairs:
                    if pair in listed:
                        learn_rules(self._desk, pair, listed[pair].rules)
                return
