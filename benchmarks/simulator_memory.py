"""Memory with one million past trades: bytes of one trade, and of a million.

Each case is a process of its own, whose memory is read before and after. Trades of everybody are
on the tapes of five pairs, which each keep 200,000 to 400,000; trades of an account stand in its
history with their orders and ledger rows, fewer of them here, and their million is extrapolated.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from krakked.domain.ids import Asset, PairName
from krakked.domain.orders import Side
from krakked.sim.exchange import desk
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.core import Core
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.orders import FORMS, OrderAsk
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.public.trade_log import KEPT_MAX, TradeLog

MILLION = 10**6
OWN_TRADES = 20_000
START_NS = 1_767_225_600 * 10**9
PAIR = PairName("XBTUSD")
PAGE_KIB = 4
CASES = {"tape": MILLION, "one_pair": MILLION, "account": OWN_TRADES}
TOLD = {
    "tape": "of everybody, on five pairs",
    "one_pair": "of everybody, on one pair",
    "account": "of one account",
}


def resident_kib() -> int:
    """What the process has in memory now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB


def trade(number: int) -> PublicTrade:
    return PublicTrade(
        pair=PAIR,
        price=Decimal(70_000 + number % 10_000).scaleb(-1),
        quantity_base=Decimal(1 + number % 10_000).scaleb(-8),
        taker_side=Side.BUY,
        order_type="market",
        trade_id=number,
        at_ns=START_NS + number * 10**9,
    )


def logs(pairs: int) -> list[TradeLog]:
    """Tapes that were told a million trades, in turn."""
    made = [TradeLog(lambda _from_ns, _oldest: []) for _ in range(pairs)]
    for number in range(MILLION):
        made[number % pairs].append(trade(number))
    return made


def account() -> Account:
    """Somebody whose market orders met the house, one trade each."""
    core = Core(PAIRS, ExchangeOptions(), START_NS)
    owner = core.accounts["somebody"] = Account("somebody", Tier.NONE, core.ids.next("trade"))
    amounts = (Decimal(10**12), Decimal(0))
    core.post(owner, "deposit", core.ids.next("funding"), Asset("USD"), amounts)
    core.markets[PAIR].book.set_house(Side.SELL, [(Decimal(70_000), Decimal(10**6))], START_NS)
    for number in range(OWN_TRADES):
        core.move_to(START_NS + number * 10**9)
        size = Decimal(10_000 + number % 10_000).scaleb(-8)
        ask = OrderAsk(pair=PAIR, side=Side.BUY, form=FORMS["market"], quantity_base=size)
        desk.add_order(core, owner, ask, least_ns=0)
        core.drain()
    assert len(owner.trades) == OWN_TRADES
    return owner


def case(name: str) -> None:
    """Print what it took; the things live until it is printed."""
    before_kib = resident_kib()
    kept: list[TradeLog] | Account
    if name == "account":
        kept = account()
        count = len(kept.trades)
    else:
        kept = logs(pairs=5 if name == "tape" else 1)
        count = sum(len(each) for each in kept)
    print(resident_kib() - before_kib, count)


def main() -> None:
    print(f"{'trades':28}{'told':>11}{'kept':>11}{'bytes each':>12}{'MiB a million':>15}")
    for name, told in CASES.items():
        command = [sys.executable, __file__, name]
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        kib, count = map(int, line.split())
        million_mib = kib / 1024 * (MILLION / OWN_TRADES if name == "account" else 1)
        note = " extrapolated" if name == "account" else ""
        each = kib * 1024 / count
        print(f"{TOLD[name]:28}{told:11,}{count:11,}{each:12,.0f}{million_mib:15,.0f}{note}")
    print(f"one pair keeps the newest {KEPT_MAX:,}, and lets go of older ones at twice as many")


if __name__ == "__main__":
    if sys.argv[1:]:
        case(sys.argv[1])
    else:
        main()
