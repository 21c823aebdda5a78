"""An exchange that was stored and restored goes on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest

from krakked.domain.orders import Side
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.ids import IdSource
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import PAIRS

BOOK = {
    "bids": [("50000.0", "1"), ("49990.0", "10")],
    "asks": [("50001.0", "1"), ("50010.0", "10")],
}


def lived_in(venue):
    """Orders of every state, trades, an amend, an armed dead-man."""
    venue.add("buy", "1.2", "50001.0", cl_ord_id="partial")
    venue.add("sell", "0.1", "50500.0", userref=4)
    venue.add("sell", "0.1", "50500.0")
    venue.add("buy", "0.1", "40000", expiretm="+100")
    venue.add("buy", "0.1", "40000", starttm="+50")
    venue.ok("CancelOrder", txid=venue.add("buy", "0.1", "39000", cl_ord_id="gone"))
    venue.later(7)
    venue.ok("AmendOrder", cl_ord_id="partial", order_qty="1.3")
    venue.add("sell", "0.3")
    venue.ok("CancelAllOrdersAfter", timeout=70)
    venue.exchange.drain()
    return venue


def twin_of(venue, make_bench):
    """Another bench, with the state of the first."""
    twin = make_bench()
    twin.exchange.load(json.loads(json.dumps(venue.exchange.dump())))
    twin.now_ns, twin.nonce = venue.now_ns, venue.nonce
    return twin


def everything_asked(bench):
    return [
        bench.ok(method, **params)
        for method, params in [
            ("Balance", {}),
            ("BalanceEx", {}),
            ("OpenOrders", {"trades": "true"}),
            ("ClosedOrders", {"trades": "true"}),
            ("TradesHistory", {"ledgers": "true"}),
            ("Ledgers", {}),
            ("TradeVolume", {"pair": "XBTUSD"}),
        ]
    ]


def test_loaded_state_answers_every_question_alike(venue, make_bench):
    twin = twin_of(lived_in(venue), make_bench)
    assert twin.exchange.dump() == venue.exchange.dump()
    assert everything_asked(twin) == everything_asked(venue)


def test_loaded_state_lives_on_alike(venue, make_bench):
    twin = twin_of(lived_in(venue), make_bench)
    for bench in (venue, twin):
        bench.house(**BOOK)
        bench.strangers("50500.0", "0.15", Side.BUY)
        bench.add("buy", "0.05", cl_ord_id="after")
        bench.later(120)
        bench.add("buy", "0.1", "40000", cl_ord_id="last")
    assert everything_asked(twin) == everything_asked(venue)
    assert venue.ok("OpenOrders")["open"] != {}
    assert twin.exchange.drain() != []


def test_loaded_state_refuses_nonces_that_were_used(venue, make_bench):
    twin = twin_of(lived_in(venue), make_bench)
    assert b"Invalid nonce" in twin.send("Balance", {}, nonce=venue.nonce).body
    twin.exchange.add_key("alice", key="alice", secret=venue.secret, permissions=frozenset())
    assert b"Invalid nonce" in twin.send("Balance", {}, nonce=venue.nonce).body


def test_loaded_state_knows_client_ids_and_holds(venue, make_bench):
    twin = twin_of(lived_in(venue), make_bench)
    assert "not unique" in twin.refused("buy", "0.1", "40000", cl_ord_id="partial")
    assert twin.account().held == venue.account().held
    assert twin.exchange.next_event_ns() == venue.exchange.next_event_ns()


def test_loaded_orders_still_expire_and_start(venue, make_bench):
    expiring = venue.add("buy", "0.1", "40000", expiretm="+10")
    starting = venue.add("buy", "0.1", "50001.0", starttm="+20")
    twin = twin_of(venue, make_bench)
    twin.house(**BOOK)
    twin.later(10)
    assert twin.status(expiring)[0] == "expired"
    assert twin.status(starting)[0] == "pending"
    twin.later(10)
    assert twin.status(starting)[0] == "closed"


def test_what_falls_on_one_instant_happens_in_one_order_stored_or_not(venue, make_bench):
    txid = venue.add("buy", "0.1", "50001.0", starttm="+3")
    venue.ok("CancelAllOrdersAfter", timeout=3)
    twin = twin_of(venue, make_bench)
    for bench in (venue, twin):
        bench.house(**BOOK)
        bench.later(3)
        assert bench.status(txid) == ("canceled", "0.00000000")
    assert twin.exchange.dump() == venue.exchange.dump()


def test_state_is_loaded_by_a_fresh_exchange_only(venue):
    with pytest.raises(AssertionError, match="fresh"):
        venue.exchange.load(venue.exchange.dump())


def test_exchange_knows_the_latest_instant_of_its_state(venue, make_bench):
    twin = twin_of(lived_in(venue), make_bench)
    assert twin.exchange.now_ns == venue.exchange.now_ns == venue.now_ns


def stored(rows, changes):
    for kind, row_id, row in changes:
        if row is None:
            rows.pop((kind, row_id), None)
        else:
            rows[kind, row_id] = json.loads(json.dumps(row))


def test_changed_rows_build_the_same_state_as_a_dump(venue, make_bench):
    rows = {}
    stored(rows, venue.exchange.changes())
    lived_in(venue)
    stored(rows, venue.exchange.changes())
    venue.later(500)
    venue.exchange.deposit("alice", "SOL", Decimal(5), venue.now_ns)
    stored(rows, venue.exchange.changes())
    twin = make_bench()
    shuffled = sorted(rows.items(), key=lambda item: hashlib.sha256(str(item).encode()).digest())
    twin.exchange.restore([(kind, row_id, row) for (kind, row_id), row in shuffled])
    assert twin.exchange.dump() == venue.exchange.dump()


def test_changes_tell_only_what_changed(venue):
    venue.exchange.changes()
    assert venue.exchange.changes() == []
    venue.add("buy", "0.1", "40000")
    assert [kind for kind, _, _ in venue.exchange.changes()] == ["meta", "key", "order"]
    venue.add("buy", "0.1")
    kinds = [kind for kind, _, _ in venue.exchange.changes()]
    assert sorted(kinds) == sorted(
        ["meta", "key", "order", "trade", "ledger", "ledger", "balance", "balance"]
    )


def test_changes_tell_of_a_key_that_is_gone(venue):
    venue.exchange.changes()
    venue.exchange.remove_key("alice")
    assert ("key", "alice", None) in venue.exchange.changes()


def test_dump_carries_amounts_as_text(venue):
    def floats(value):
        if isinstance(value, dict):
            return any(map(floats, value.values()))
        if isinstance(value, list):
            return any(map(floats, value))
        return isinstance(value, float)

    assert not floats(lived_in(venue).exchange.dump())


def test_ids_look_like_the_venues_and_do_not_repeat():
    ids = IdSource(seed=1)
    made = [ids.next(kind) for kind in ("order", "trade", "ledger", "funding") for _ in range(500)]
    assert len(set(made)) == len(made)
    assert {name[0] for name in made} == {"O", "T", "L", "Q"}
    assert {tuple(map(len, name.split("-"))) for name in made} == {(6, 5, 6)}


def test_ids_follow_from_the_seed_alone():
    first, again, other = IdSource(1), IdSource(1), IdSource(2)
    assert [first.next("order") for _ in range(5)] == [again.next("order") for _ in range(5)]
    assert first.next("order") != other.next("order")


def test_ids_resumed_go_on_and_never_back():
    first = IdSource(1)
    made = [first.next("order") for _ in range(5)]
    second = IdSource(1)
    second.resume(first.counters())
    assert second.next("order") not in made
    second.resume({"order": 1})
    assert second.count("order") == 6


SCRIPT = """
import hashlib, random, sys
from decimal import Decimal
from krakked.domain.orders import Side
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.keys import ALL_PERMISSIONS
from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.wire import encode

now = 1_700_000_000_000_000_000
exchange = Exchange(pairs=PAIRS, options=ExchangeOptions(seed=5), now_ns=now)
exchange.open_account("a", deposits={"USD": Decimal(10000), "XBT": Decimal(1)},
                      tier=Tier.PRO, now_ns=now)
exchange.add_key("a", key="k", secret="AAAA", permissions=ALL_PERMISSIONS)
chance = random.Random(7)
seen = hashlib.sha256()
for step in range(120):
    now += 500_000_000
    price = Decimal(50000 + chance.randint(-20, 20))
    exchange.set_house_book("XBTUSD", [(price - 1, Decimal(1))], [(price + 1, Decimal(1))], now)
    exchange.market_trade("XBTUSD", price - 1, Decimal("0.3"), Side.SELL, now)
    account = exchange._core.accounts["a"]
    from krakked.sim.exchange.matching import place
    from krakked.sim.exchange.orders import FORMS, OrderAsk
    place(exchange._core, account, OrderAsk(
        pair="XBTUSD", side=chance.choice((Side.BUY, Side.SELL)), form=FORMS["limit"],
        quantity_base=Decimal("0.001"), limit_price=price + chance.randint(-3, 3)))
    for event in exchange.drain():
        seen.update(encode(event))
seen.update(encode(exchange.dump()))
print(seen.hexdigest())
"""


def test_two_hash_seeds_give_one_history():
    digests = set()
    for seed in ("0", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_fresh_exchange_has_nothing_to_tell():
    exchange = Exchange(pairs=PAIRS, options=ExchangeOptions(), now_ns=5)
    assert exchange.drain() == []
    assert exchange.next_event_ns() is None
    assert exchange.last_trade("XBTUSD") is None


def test_an_average_goes_on_exactly_after_a_restart(venue, make_bench):
    txid = venue.add("buy", "0.01", "50000.9")
    venue.strangers("50000.9", "0.00017", Side.SELL)
    twin = twin_of(venue, make_bench)
    twin.strangers("50000.9", "0.00013", Side.SELL)
    assert twin.order(txid)["price"] == "50000.90000"


def test_an_order_that_was_stored_without_its_exact_worth_has_that_of_its_cost(venue, make_bench):
    txid = venue.add("buy", "0.01", "50000.9")
    venue.strangers("50000.9", "0.00017", Side.SELL)
    saved = json.loads(json.dumps(venue.exchange.dump()))
    for kind, _, row in saved["rows"]:
        if kind == "order":
            del row["worth_quote"]
    twin = make_bench()
    twin.exchange.load(saved)
    twin.now_ns, twin.nonce = venue.now_ns, venue.nonce
    assert twin.order(txid)["cost"] == "8.50010"
    assert twin.order(txid)["price"] == "50000.58824"
