"""Whatever happens in whatever order: nothing is lost, nothing is owed, nothing stays crossed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakked.domain.money import ZERO
from krakked.domain.orders import Side
from krakked.sim.exchange.core import SystemStatus
from krakked.sim.exchange.fees import FeeTier

ACCOUNTS = ("alice", "bob")
POOR = ("700.1234", "0.0123")
"""Small enough that funds run out in the middle of a run."""
RICH = ("1000000", "100")
TICK = Decimal("0.1")
USD_UNIT, XBT_UNIT = Decimal("1e-4"), Decimal("1e-10")
DAY_NS = 86_400 * 10**9
TAKER, MAKER = 1, 2
LADDER = [
    tuple(map(Decimal, row))
    for row in (
        ("0", "0.4", "0.25"),
        ("40", "0.33", "0.21"),
        ("170.5", "0.24", "0.125"),
        ("600", "0.1", "0"),
    )
]
"""Volume, taker, maker; so low that a run climbs it."""
TIERS = tuple(
    FeeTier(volume_usd=volume, taker_pct=taker, maker_pct=maker) for volume, taker, maker in LADDER
)
MIDDLE = 500_000
"""Ticks."""

prices = st.integers(-30, 30).map(lambda ticks: str((MIDDLE + ticks) * TICK))
sizes = st.integers(5_000, 400_000).map(lambda units: str(Decimal(units).scaleb(-8)))
who = st.sampled_from(ACCOUNTS)
sides = st.sampled_from(("buy", "sell"))
flags = st.sampled_from(("", "", "post", "fcib"))
times = st.sampled_from(({}, {}, {"timeinforce": "IOC"}, {"timeinforce": "FOK"}))
expiries = st.sampled_from(({}, {}, {"expiretm": "+7"}, {"starttm": "+3"}))
closes = st.sampled_from(
    (
        {},
        {},
        {"close[ordertype]": "limit", "close[price]": "#5"},
        {"close[ordertype]": "stop-loss", "close[price]": "#3"},
        {
            "close[ordertype]": "trailing-stop-limit",
            "close[price]": "+0.01%",
            "close[price2]": "-1",
        },
    )
)
rules = st.sampled_from(("cancel-newest", "cancel-oldest", "cancel-both"))
stop_kinds = st.sampled_from(("stop-loss", "take-profit", "stop-loss-limit", "take-profit-limit"))
trail_kinds = st.sampled_from(("trailing-stop", "trailing-stop-limit"))
distances = st.sampled_from(("+0.5", "+3", "+0.01%"))
references = st.sampled_from(("last", "last", "index"))

acts = st.one_of(
    st.tuples(st.just("limit"), who, sides, sizes, prices, flags, st.one_of(times, expiries)),
    st.tuples(st.just("limit"), who, sides, sizes, prices, flags, st.one_of(times, expiries)),
    st.tuples(st.just("market"), who, sides, sizes, closes),
    st.tuples(st.just("iceberg"), who, sides, sizes, prices, st.integers(1, 15), rules),
    st.tuples(st.just("stop"), who, sides, sizes, stop_kinds, prices, prices, references, expiries),
    st.tuples(st.just("trail"), who, sides, sizes, trail_kinds, distances, references, expiries),
    st.tuples(st.just("edit"), who, st.integers(0, 9), sizes, prices),
    st.tuples(st.just("batch"), who, sides, sizes, prices, prices, closes),
    st.tuples(st.just("cancel_batch"), who, st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.just("maintenance"), st.integers(0, 12)),
    st.tuples(st.just("amend"), who, st.integers(0, 9), sizes, prices),
    st.tuples(st.just("cancel"), who, st.integers(0, 9)),
    st.tuples(st.just("cancel_all"), who),
    st.tuples(st.just("dead_man"), who, st.integers(0, 20)),
    st.tuples(st.just("house"), st.integers(-25, 25), sizes, sizes),
    st.tuples(st.just("strangers"), prices, sizes, sides),
    st.tuples(st.just("later"), st.integers(0, 12)),
    st.tuples(st.just("later"), st.sampled_from((15 * 86_400, 31 * 86_400))),
)


def do(bench: Any, act: tuple[Any, ...]) -> None:
    DEEDS[act[0]](bench, *act[1:])


def limit(bench, name, side, size, price, flag, when):
    bench.call("AddOrder", name, **bench.ask(side, size, price, oflags=flag, **when))


def market(bench, name, side, size, close):
    bench.call("AddOrder", name, **bench.ask(side, size, **close))


def iceberg(bench, name, side, size, price, portions, rule):
    shown = Decimal(size) / portions
    more = {"ordertype": "iceberg", "displayvol": f"{shown:.8f}", "stptype": rule}
    bench.call("AddOrder", name, **bench.ask(side, size, price, **more))


def stop(bench, name, side, size, kind, trigger, price, reference, when):
    more = {"ordertype": kind, "price2": price, "trigger": reference} | when
    bench.call("AddOrder", name, **bench.ask(side, size, trigger, **more))


def trail(bench, name, side, size, kind, distance, reference, when):
    more = {"ordertype": kind, "price2": "-1", "trigger": reference} | when
    bench.call("AddOrder", name, **bench.ask(side, size, distance, **more))


def edit(bench, name, index, size, price):
    txid = pick(bench, name, index)
    bench.call("EditOrder", name, pair="XBTUSD", txid=txid, volume=size, price=price)


def batch(bench, name, side, size, first, second, close):
    orders = {}
    for place, price in enumerate((first, second)):
        for key, value in bench.ask(side, size, price).items():
            orders[f"orders[{place}][{key}]"] = value
        for key, value in close.items():
            orders[f"orders[{place}][close]{key.removeprefix('close')}"] = value
    bench.call("AddOrderBatch", name, pair="XBTUSD", **orders)


def cancel_batch(bench, name, first, second):
    names = ",".join(pick(bench, name, index) for index in (first, second))
    bench.call("CancelOrderBatch", name, orders=names)


def maintenance(bench, seconds):
    bench.exchange.set_system_status(SystemStatus.MAINTENANCE, bench.now_ns)
    bench.later(seconds)
    bench.exchange.set_system_status(SystemStatus.ONLINE, bench.now_ns)


def pick(bench, name, index):
    orders = list(bench.account(name).open)
    return orders[index % len(orders)] if orders else "none"


def amend(bench, name, index, size, price):
    bench.call("AmendOrder", name, txid=pick(bench, name, index), order_qty=size, limit_price=price)


def cancel(bench, name, index):
    bench.call("CancelOrder", name, txid=pick(bench, name, index))


def house(bench, shift, bid_size, ask_size):
    middle = (MIDDLE + shift) * TICK
    bench.house(
        bids=[(str(middle - TICK), bid_size), (str(middle - 9 * TICK), ask_size)],
        asks=[(str(middle + TICK), ask_size), (str(middle + 9 * TICK), bid_size)],
    )


DEEDS: dict[str, Callable[..., object]] = {
    "limit": limit,
    "market": market,
    "iceberg": iceberg,
    "stop": stop,
    "trail": trail,
    "edit": edit,
    "batch": batch,
    "cancel_batch": cancel_batch,
    "maintenance": maintenance,
    "amend": amend,
    "cancel": cancel,
    "cancel_all": lambda bench, name: bench.ok("CancelAll", name),
    "dead_man": lambda bench, name, s: bench.ok("CancelAllOrdersAfter", name, timeout=s),
    "house": house,
    "strangers": lambda bench, price, size, side: bench.strangers(price, size, Side(side)),
    "later": lambda bench, seconds: bench.later(seconds),
}


def opened(make_bench, *, is_rich=False, **options):
    bench = make_bench(fee_ladder=TIERS, **options)
    for name in ACCOUNTS:
        usd, xbt = RICH if is_rich else POOR
        bench.open(name, USD=usd, XBT=xbt)
    house(bench, 0, "0.002", "0.002")
    return bench


def check_everything(bench, *, is_rich=False):
    for name in ACCOUNTS:
        account = bench.account(name)
        check_holds(bench, account)
        check_ledger(account)
        check_orders(bench, account)
        check_fees(bench, account, is_rich=is_rich)
    check_book(bench)
    check_money(bench, is_rich=is_rich)


def check_holds(bench, account):
    """Holds are the open orders at their limits with the taker's fee; no balance is below them."""
    held = {}
    for order in account.open.values():
        is_buy = order.ask.side is Side.BUY
        price = order.limit_price or (order.trigger_price if not order.triggered_ns else None)
        rest = order.quantity_base - order.filled_base
        fee = order.hold_fee_pct / 100
        assert order.hold_fee_pct in rates_at(bench, account, last_terms_ns(order))
        if is_buy and price is None:  # a market order that is still to come
            expected = ZERO
        elif is_buy:
            worth = rest * price
            expected = up(worth if order.ask.fee_in_base else worth * (1 + fee), USD_UNIT)
        else:
            expected = up(rest * (1 + fee) if order.ask.fee_in_base else rest, XBT_UNIT)
        assert order.hold == expected
        asset = "USD" if is_buy else "XBT"
        held[asset] = held.get(asset, ZERO) + expected
    assert {asset: amount for asset, amount in account.held.items() if amount} == {
        asset: amount for asset, amount in held.items() if amount
    }
    for asset, amount in account.balances.items():
        assert amount >= held.get(asset, ZERO)


def up(value, unit):
    return value.quantize(unit, rounding=ROUND_UP)


def last_terms_ns(order):
    """When it was made, or amended last: its hold goes by the tier of then."""
    return order.amendments[-1].at_ns if order.amendments else order.opened_ns


def rate(volume_usd, column):
    """Percent of the highest tier that so much reaches."""
    return [row[column] for row in LADDER if volume_usd >= row[0]][-1]


def volume_of(trades, now_ns):
    """Dollars of the last thirty days."""
    return sum((t.cost_quote for t in trades if t.at_ns > now_ns - 30 * DAY_NS), ZERO)


def rates_at(bench, account, at_ns):
    """Taker rates at an instant, before or after whichever of its trades."""
    trades = list(account.trades)
    counts = [
        len([t for t in trades if t.at_ns < at_ns]),
        len([t for t in trades if t.at_ns <= at_ns]),
    ]
    return {
        rate(volume_of(trades[:count], at_ns), TAKER) for count in range(counts[0], counts[1] + 1)
    }


def check_ledger(account):
    """Ledger rows sum to the balances."""
    sums = {}
    for row in account.ledger:
        sums[row.asset] = sums.get(row.asset, ZERO) + row.amount - row.fee
        assert sums[row.asset] == row.balance
    assert sums == account.balances


def check_orders(bench, account):
    """Orders are the sums of their trades."""
    for order in account.orders.values():
        trades = [account.trades.get(txid) for txid in order.trades]
        assert order.filled_base == sum((t.quantity_base for t in trades), ZERO)
        assert order.cost_quote == sum((t.cost_quote for t in trades), ZERO)
        assert order.filled_base <= order.quantity_base
        assert (order.remaining_base == 0) or order.status.value != "closed"
        assert (order.order_id in account.open) != order.is_done


def check_fees(bench, account, *, is_rich):
    """Cost cut, fee by the volume of thirty days before, rounded half up; a poor account may owe
    a unit less, where what its order held for the fee was rounded less often than its fills.
    """
    trades = list(account.trades)
    for index, trade in enumerate(trades):
        order = account.orders[trade.order_id]
        exact = trade.price * trade.quantity_base
        assert trade.cost_quote == exact.quantize(USD_UNIT, rounding=ROUND_DOWN)
        now = rate(volume_of(trades[:index], trade.at_ns), MAKER if trade.maker else TAKER)
        agreed = [order.opened_ns, *(each.at_ns for each in order.amendments)]
        promised = {each for at_ns in agreed for each in rates_at(bench, account, at_ns)}
        in_base = trade.fee_asset == "XBT"
        amount, unit = (trade.quantity_base, XBT_UNIT) if in_base else (trade.cost_quote, USD_UNIT)
        fees = {
            (amount * min(now, most) / 100).quantize(unit, rounding=ROUND_HALF_UP)
            for most in promised
        }
        pays_of_hold = not is_rich and (trade.side is Side.BUY) != in_base
        assert trade.fee_amount in fees | ({fee - unit for fee in fees} if pays_of_hold else set())


def check_tape(bench, printed):
    """Each fill is on the tape under its own id, at its price; both sides of one have one id."""
    fills = {}
    for name in ACCOUNTS:
        for trade in bench.account(name).trades:
            fills.setdefault(trade.trade_id, []).append(trade)
    for trade_id, trades in fills.items():
        row = printed[trade_id]
        assert {t.price for t in trades} == {row.price}
        assert {t.quantity_base for t in trades} == {row.quantity_base}
        assert len(trades) == 1 or {t.maker for t in trades} == {True, False}
        assert all((t.side is row.taker_side) != t.maker for t in trades)


def check_book(bench):
    """Nothing is crossed at rest, and what rests is what is open."""
    bids, asks = bench.exchange.depth("XBTUSD", 500)
    assert not bids or not asks or bids[0].price < asks[0].price
    for levels, sign in ((bids, -1), (asks, 1)):
        keys = [sign * level.price for level in levels]
        assert keys == sorted(set(keys))
        assert all(level.quantity_base > 0 for level in levels)
    book = bench.core.markets["XBTUSD"].book
    resting = {o.order_id for side in (Side.BUY, Side.SELL) for o in book.resting(side)}
    open_orders = {
        order.order_id
        for name in ACCOUNTS
        for order in bench.account(name).open.values()
        if order.status.value == "open" and not order.waits
    }
    assert resting == open_orders
    waiting = [
        order for name in ACCOUNTS for order in bench.account(name).open.values() if order.waits
    ]
    started = [order for order in waiting if order.status.value == "open"]
    assert len(bench.core.markets["XBTUSD"].watch) == len(started)
    assert not bench.core.markets["XBTUSD"].closes


def check_money(bench, *, is_rich):
    """What came in is what is there, what was paid in fees, and what the world gave or took."""
    for name in ACCOUNTS:
        account = bench.account(name)
        usd, xbt = (Decimal(amount) for amount in (RICH if is_rich else POOR))
        for trade in account.trades:
            sign = trade.side.sign
            usd -= sign * trade.cost_quote
            xbt += sign * trade.quantity_base
            if trade.fee_asset == "USD":
                usd -= trade.fee_amount
            else:
                xbt -= trade.fee_amount
        assert account.balance("USD") == usd
        assert account.balance("XBT") == xbt


@pytest.mark.parametrize(
    "options", [{}, {"house_first": False, "post_only_mode": "cancel"}, {"is_rich": True}]
)
def test_any_history_keeps_the_books(make_bench, options):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(acts, min_size=5, max_size=40))
    def history_keeps_the_books(history):
        bench = opened(make_bench, **options)
        printed = {}
        for act in history:
            do(bench, act)
            check_book(bench)
            printed |= {row.trade_id: row for row in bench.prints()}
        check_everything(bench, is_rich="is_rich" in options)
        check_tape(bench, printed)

    history_keeps_the_books()


def test_any_history_can_be_stored_and_taken_up(make_bench):
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(acts, min_size=5, max_size=30), st.lists(acts, min_size=1, max_size=10))
    def history_is_taken_up(before, after):
        bench = opened(make_bench)
        for act in before:
            do(bench, act)
        twin = make_bench(fee_ladder=TIERS)
        twin.exchange.load(bench.exchange.dump())
        twin.now_ns, twin.nonce = bench.now_ns, bench.nonce
        for each in (bench, twin):
            house(each, 0, "0.001", "0.001")
            for act in after:
                do(each, act)
        check_everything(twin)
        assert twin.exchange.dump() == bench.exchange.dump()

    history_is_taken_up()


def test_any_two_orders_fill_by_price_then_time(make_bench):
    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(who, sizes, prices), min_size=2, max_size=8),
        sides,
        st.integers(1, 100),
    )
    def best_and_oldest_fill_first(asked, side, percent):
        bench = make_bench()
        for name in ACCOUNTS:
            bench.open(name, USD="100000", XBT="10")
        orders = []
        for name, size, price in asked:
            orders.append((name, bench.add(side, size, price, who=name), Decimal(price)))
        total = sum(Decimal(size) for _, size, _ in asked)
        worst = max if side == "sell" else min
        at = worst(price for _, _, price in orders)
        taken = (total * percent / 100).quantize(Decimal("1e-8"))
        bench.strangers(str(at), str(taken), Side(side).opposite)
        sign = -1 if side == "buy" else 1
        ranked = sorted(enumerate(orders), key=lambda row: (sign * row[1][2], row[0]))
        for _, (name, txid, _) in ranked:
            order = bench.account(name).orders[txid]
            expected = min(taken, order.quantity_base)
            assert order.filled_base == expected
            taken -= expected

    best_and_oldest_fill_first()


def test_any_dead_man_fires_at_what_it_shows(make_bench):
    @settings(max_examples=40, deadline=None)
    @given(
        st.integers(0, 999_999),
        st.integers(1, 90),
        st.lists(st.integers(1, 40_000_000), max_size=12),
    )
    def fires_at_what_it_shows(offset_us, timeout_s, steps_us):
        bench = make_bench()
        bench.open(USD="1000")
        bench.now_ns += offset_us * 1_000
        txid = bench.add("buy", "0.001", "40000")
        bench.ok("CancelAllOrdersAfter", timeout=timeout_s)
        trigger_ns = bench.account().dead_man_ns
        assert trigger_ns == bench.exchange.next_event_ns()
        assert trigger_ns % 1_000_000_000 == 0
        assert abs(trigger_ns - bench.now_ns - timeout_s * 1_000_000_000) <= 500_000_000
        for step_us in steps_us:
            bench.exchange.advance(bench.now_ns + step_us * 1_000)
            bench.now_ns += step_us * 1_000
            order = bench.account().orders[txid]
            assert order.is_done == (bench.now_ns >= trigger_ns)
            assert not order.is_done or order.closed_ns == trigger_ns

    fires_at_what_it_shows()
