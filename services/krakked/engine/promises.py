"""How long an account may be without an owner that trades: the promise, and the venue's part in it.

By the timing contract an unclean takeover takes ``D + P + B + Q`` at most. The venue counts the
questions of a key, whoever asks, and what the owner before asked last may have used all of it up.
Then a start waits until as much has drained as it must ask for, and by the account's tier that may
take longer than the contract has. Nobody can hurry it: it is the venue that would refuse.
"""

from __future__ import annotations

from typing import Final

from krakked.adapters.kraken.rate_limit import Tier, room_s
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.timings import Timings

START_POINTS: Final = 11
"""What a start asks of one key: the key, balances, fees, a token (1 each), open orders and balances
again (2), executions (4), orders behind them (1)."""
REFUSED_POINTS: Final = 4
"""A start that cannot know how much was asked before it may be refused once, by the dearest."""


def takeover_s(timings: Timings, tier: Tier) -> float:
    """From the end of an owner that did not let go to the start of the one that follows."""
    contract_s = timings.failover_ns() / NS_PER_SECOND
    return max(contract_s, timings.retry_period_s + room_s(tier, START_POINTS))


def start_s(timings: Timings, tier: Tier, *, is_unclean: bool) -> float:
    """From the start of a process that need not wait for the lease, others just having asked."""
    contract_s = timings.retry_period_s + timings.start_budget_s
    if is_unclean:
        contract_s += timings.quarantine_s
    return max(contract_s, room_s(tier, START_POINTS + REFUSED_POINTS))


def caution_of(timings: Timings, tier: Tier) -> str | None:
    """What a person should know of these timings at that tier, if anything."""
    if timings.dead_man_timeout_s is None:
        return None
    longest_s = takeover_s(timings, tier)
    left_s = timings.dead_man_timeout_s - timings.dead_man_refresh_s
    if longest_s < left_s:
        return None
    return (
        f"a takeover may take {longest_s:.0f} s where the owner before has used up the venue's "
        f"limits (venue.tier {tier.value}), and the dead-man switch may cancel what rests after "
        f"{left_s:.0f} s: raise execution.dead_man_switch_seconds"
    )
