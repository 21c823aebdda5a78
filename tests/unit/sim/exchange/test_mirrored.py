"""How orders fare in a pair that mirrors another venue: what they take, and how they queue."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.sim.exchange.core import SystemStatus
from krakked.sim.exchange.mirrored import Mirror, MirroredTrade

XBTUSD = PairName("XBTUSD")
DEPTH = 10
D = Decimal


class Elsewhere:
    """The other venue, as the exchange is told of it."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.trade_id = 500
        bench.open(USD="1000000", XBT="100")
        self.book(
            bids=[("50000.0", "4"), ("49999.0", "2"), ("49990.0", "10")],
            asks=[("50001.0", "1"), ("50002.0", "2"), ("50010.0", "10")],
        )
        bench.exchange.drain()

    @property
    def mirror(self) -> Mirror:
        mirror: Mirror = self.bench.exchange.mirror(XBTUSD, self.bench.now_ns)
        return mirror

    def book(self, bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> None:
        self.mirror.replace(_levels(bids), _levels(asks), DEPTH)

    def bid(self, price: str, size: str | None) -> None:
        self.mirror.change([(D(price), None if size is None else D(size))], [], DEPTH)

    def ask(self, price: str, size: str) -> None:
        self.mirror.change([], [(D(price), D(size))], DEPTH)

    def sold(self, price: str, size: str, *, matches: bool = True) -> None:
        """A stranger hit the bid there."""
        self.trade_id += 1
        self.mirror.trade(
            MirroredTrade(
                price=D(price),
                quantity_base=D(size),
                taker_side=Side.SELL,
                order_type="limit",
                trade_id=self.trade_id,
                at_ns=self.bench.now_ns,
                matches=matches,
            )
        )

    def ahead(self, txid: Any) -> str:
        return str(self.mirror.ahead(txid))


def _levels(rows: Iterable[tuple[str, str]]) -> list[tuple[Decimal, Decimal | None]]:
    return [(D(price), D(size)) for price, size in rows]


@pytest.fixture
def elsewhere(make_bench: Any) -> Elsewhere:
    return Elsewhere(make_bench(prints_own_trades=False))


# taking


def test_an_order_takes_what_is_shown_at_the_prices_that_are_shown(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    row = bench.order(bench.add("buy", "2"))
    assert (row["status"], row["cost"], row["price"]) == ("closed", "100003.00000", "50001.50000")
    assert bench.depth()[1] == [("50002.0", "1.00000000"), ("50010.0", "10")]


def test_what_was_taken_comes_back_when_its_level_is_told_again(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    bench.add("buy", "2")
    elsewhere.ask("50010.0", "9")
    assert bench.depth()[1] == [("50002.0", "1.00000000"), ("50010.0", "9")]
    elsewhere.ask("50001.0", "0.8")
    assert bench.depth()[1] == [("50001.0", "0.8"), ("50002.0", "1.00000000"), ("50010.0", "9")]


def test_own_trades_are_not_on_the_tape_which_is_the_other_venues(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    bench.add("buy", "2")
    elsewhere.sold("50000.0", "0.3")
    (item,) = bench.prints()
    assert (item.trade_id, str(item.quantity_base), item.order_type) == (501, "0.3", "limit")
    assert bench.exchange.last_trade_id(XBTUSD) > 501  # the account's own fills have ids too


# queueing


def test_an_order_joins_behind_all_that_is_shown_and_fills_after_it(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    assert elsewhere.ahead(txid) == "4"
    elsewhere.sold("50000.0", "3")
    elsewhere.bid("50000.0", "1")
    assert bench.status(txid) == ("open", "0.00000000")
    elsewhere.sold("50000.0", "1.4")
    assert bench.status(txid) == ("open", "0.40000000")
    elsewhere.sold("50000.0", "7")
    row = bench.order(txid)
    assert (row["status"], row["price"]) == ("closed", "50000.00000")


def test_newcomers_at_the_price_stand_behind(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.bid("50000.0", "40")
    elsewhere.sold("50000.0", "5")
    assert bench.status(txid) == ("closed", "1.00000000")


def test_a_level_that_shrinks_without_a_trade_was_ahead_in_proportion(
    elsewhere: Elsewhere,
) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.bid("50000.0", "8")  # four ahead, four behind
    elsewhere.bid("50000.0", "6")
    assert elsewhere.ahead(txid) == "4"  # a trade may still explain it
    bench.later(1)
    assert elsewhere.ahead(txid) == "3.00000000"


def test_what_stays_ahead_is_rounded_up(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.bid("50000.0", "9")
    elsewhere.bid("50000.0", "7")
    bench.later(1)
    assert elsewhere.ahead(txid) == "3.11111112"


@pytest.mark.parametrize("book_first", [True, False])
def test_a_trade_and_its_level_shorten_the_queue_once_in_any_order(
    elsewhere: Elsewhere, book_first: bool
) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    if book_first:
        elsewhere.bid("50000.0", "1")
        elsewhere.sold("50000.0", "3")
    else:
        elsewhere.sold("50000.0", "3")
        elsewhere.bid("50000.0", "1")
    bench.later(2)
    assert elsewhere.ahead(txid) == "1"
    assert bench.status(txid) == ("open", "0.00000000")


def test_a_trade_that_no_level_confirms_explains_no_later_cancellation(
    elsewhere: Elsewhere,
) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.sold("50000.0", "2")  # and as much came anew in the same update
    bench.later(2)
    elsewhere.bid("50000.0", "2")
    bench.later(2)
    assert elsewhere.ahead(txid) == "1.00000000"


def test_a_level_that_is_cancelled_whole_leaves_nobody_ahead(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.bid("50000.0", "0")
    bench.later(1)
    assert D(elsewhere.ahead(txid)) == 0
    elsewhere.sold("50000.0", "0.25")
    assert bench.status(txid) == ("open", "0.25000000")


def test_a_trade_through_the_price_fills_at_once_and_at_the_orders_price(
    elsewhere: Elsewhere,
) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.sold("49999.0", "0.6")
    row = bench.order(txid)
    assert (row["status"], row["vol_exec"], row["price"]) == ("open", "0.60000000", "50000.00000")


def test_no_trade_fills_more_than_its_size_by_price_then_time(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    bench.open("bob", USD="1000000")
    elsewhere.bid("50000.0", "0")
    first = bench.add("buy", "0.5", "49999.5")
    second = bench.add("buy", "0.5", "49999.5", who="bob")
    better = bench.add("buy", "0.5", "50000.0", who="bob")
    elsewhere.sold("49999.5", "1.2")
    assert bench.status(better, "bob") == ("closed", "0.50000000")
    assert bench.status(first) == ("closed", "0.50000000")
    assert bench.status(second, "bob") == ("open", "0.20000000")


def test_an_amended_price_or_a_larger_size_goes_to_the_back(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.sold("50000.0", "3")
    elsewhere.bid("50000.0", "1")
    elsewhere.bid("50000.0", "6")
    assert elsewhere.ahead(txid) == "1"
    bench.ok("AmendOrder", txid=txid, order_qty="0.5")
    assert elsewhere.ahead(txid) == "1"
    bench.ok("AmendOrder", txid=txid, order_qty="2")
    assert elsewhere.ahead(txid) == "6"


def test_an_order_out_of_sight_joins_when_its_price_is_shown(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    shown = [(f"{50000 - i}.0", "1") for i in range(DEPTH)]
    elsewhere.book(bids=shown, asks=[("50001.0", "1")])
    txid = bench.add("buy", "1", "49990.0")
    assert elsewhere.ahead(txid) == "None"
    elsewhere.mirror.change([(D("50000.0"), D(0)), (D("49990.0"), D(3))], [], DEPTH)
    assert elsewhere.ahead(txid) == "3"
    elsewhere.bid("49990.0", None)  # pushed out of sight, not cancelled
    bench.later(2)
    elsewhere.bid("49990.0", "9")
    assert elsewhere.ahead(txid) == "3"


def test_a_new_book_forgets_the_queue(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.sold("50000.0", "3")
    elsewhere.book(bids=[("50000.0", "2.5")], asks=[("50001.0", "1")])
    assert elsewhere.ahead(txid) == "2.5"


def test_a_book_that_crosses_an_order_fills_it_at_its_own_price(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.book(bids=[("49980.0", "1")], asks=[("49990.0", "0.7"), ("50005.0", "1")])
    row = bench.order(txid)
    assert (row["vol_exec"], row["price"]) == ("0.70000000", "50000.00000")
    assert bench.depth() == [[("50000.0", "0.30000000"), ("49980.0", "1")], [("50005.0", "1")]]


def test_a_missed_trade_is_on_the_tape_and_fills_nothing(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    txid = bench.add("buy", "1", "50000.0")
    elsewhere.sold("49000.0", "50", matches=False)
    assert bench.status(txid) == ("open", "0.00000000")
    assert [str(item.price) for item in bench.prints()] == ["49000.0"]


def test_in_maintenance_nothing_trades(elsewhere: Elsewhere) -> None:
    bench = elsewhere.bench
    bench.add("buy", "1", "50000.0")
    bench.exchange.set_system_status(SystemStatus.MAINTENANCE, bench.now_ns)
    elsewhere.sold("49000.0", "50")
    assert bench.prints() == []


_moves = st.lists(
    st.tuples(
        st.sampled_from(["trade", "level", "wait", "order", "cancel"]),
        st.integers(0, 3),
        st.integers(0, 40),
    ),
    max_size=40,
)


# the fixture is a maker: each example makes an exchange of its own
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=_moves)
def test_no_order_is_filled_beyond_what_traded_and_no_book_rests_crossed(
    moves: list[tuple[str, int, int]], make_bench: Any
) -> None:
    elsewhere = Elsewhere(make_bench(prints_own_trades=False))
    bench, traded = elsewhere.bench, D(0)
    orders: list[str] = []
    for kind, where, tenths in moves:
        price, size = f"{50000 - where}.0", str(D(tenths) / 10)
        match kind:
            case "trade" if tenths:
                traded += D(size)
                elsewhere.sold(price, size)
            case "level":
                elsewhere.bid(price, size)
            case "order" if tenths:
                orders.append(bench.add("buy", size, price))
            case "cancel" if orders:
                bench.call("CancelOrder", txid=orders[where % len(orders)])
            case _:
                bench.later(1)
        bids, asks = bench.depth()
        assert not bids or D(bids[0][0]) < D(asks[0][0])
    filled = sum((D(bench.status(txid)[1]) for txid in orders), D(0))
    assert filled <= traded
