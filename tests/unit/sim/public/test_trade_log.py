"""The trades of one pair, where the past is made only when it is asked for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.public.trade_log import TradeLog


def trade(number: int) -> PublicTrade:
    return PublicTrade(
        pair=PairName("XBTUSD"),
        price=Decimal(1),
        quantity_base=Decimal(1),
        taker_side=Side.BUY,
        order_type="market",
        trade_id=number,
        at_ns=number * 1_000,
    )


@pytest.fixture
def asked() -> list[int]:
    """Before which trade the past was asked for."""
    return []


@pytest.fixture
def log(asked: list[int]) -> TradeLog:
    def past(_from_ns: int, oldest: PublicTrade) -> list[PublicTrade]:
        asked.append(oldest.trade_id)
        return [trade(number) for number in range(1, oldest.trade_id)]

    found = TradeLog(past)
    for number in (10, 11, 12):
        found.append(trade(number))
    return found


def ids(trades: object) -> list[int]:
    assert isinstance(trades, list)
    return [each.trade_id for each in trades]


def test_newest_that_are_there_need_no_past(log: TradeLog, asked: list[int]) -> None:
    assert ids(log.newest(3)) == [10, 11, 12]
    assert asked == []


def test_newest_reach_into_the_past_once(log: TradeLog, asked: list[int]) -> None:
    assert ids(log.newest(5)) == [8, 9, 10, 11, 12]
    assert len(log.newest(1_000)) == 12
    assert asked == [10]


def test_newest_are_the_same_before_and_after_somebody_paged(log: TradeLog) -> None:
    before = ids(log.newest(7))
    assert ids(log.after(0, 1_000)) == list(range(1, 13))
    assert ids(log.newest(7)) == before


def test_log_without_a_trade_has_no_past() -> None:
    log = TradeLog(lambda _from_ns, _oldest: [trade(1)])
    assert ids(log.newest(5)) == []
