"""The matching core against a model that is slow and obvious: one piece at a time, no indexes, no
plans, copies where something is only tried. Random sequences of acts; after each both must agree on
every order, trade, price and balance.
"""

from __future__ import annotations

import copy
import random
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from types import SimpleNamespace

import pytest

from krakked.domain.orders import Side
from krakked.sim.exchange.fees import FeeTier

WHO = ("alice", "bob", "carol")
USD, XBT = Decimal(1000000), Decimal(100)
TICK = Decimal("0.1")
MIDDLE = Decimal(50000)
TAKER, MAKER = Decimal("0.40"), Decimal("0.25")
LADDER = (FeeTier(volume_usd=Decimal(0), taker_pct=TAKER, maker_pct=MAKER),)
BAND = Decimal("0.10")
FINAL = ("closed", "canceled", "expired")
STOPS = ("stop-loss", "take-profit", "trailing-stop")


def cut(value, places, rounding):
    return value.quantize(Decimal(1).scaleb(-places), rounding=rounding)


def to_tick(price, side):
    """Sells up, buys down."""
    steps = (price / TICK).quantize(1, rounding=ROUND_FLOOR if side == "buy" else ROUND_CEILING)
    return steps * TICK


def sign(side):
    return 1 if side == "buy" else -1


class Model:
    """One pair. House levels rest like orders of nobody, in front at their price."""

    def __init__(self):
        self.orders = []
        self.house = []
        self.trades = []
        self.money = {who: {"USD": USD, "XBT": XBT} for who in WHO}
        self.last = None
        self.rank = 0
        self.prices = []
        self.closes = []

    # what rests

    def against(self, side):
        """What an order of that side may meet, best first, as it stands now."""
        other = "sell" if side == "buy" else "buy"
        rows = [row for row in self.house if row.side == other and row.left > 0]
        rows += [row for row in self.orders if row.side == other and row.state == "resting"]
        return sorted(rows, key=lambda row: (sign(side) * row.price, row.rank))

    def visible(self, row):
        return row.shown if row.display else row.left

    def reference(self):
        if self.last is not None:
            return self.last
        best = [self.against(side)[0].price for side in ("buy", "sell") if self.against(side)]
        return sum(best) / len(best) if best else None

    # orders

    def add(self, ask):
        """False if refused; post-only orders that would cross are."""
        order = SimpleNamespace(
            **{"trigger": None, "trail": None, "peak": None, "display": None, "close": None} | ask
        )
        order.filled, order.cost, order.left = Decimal(0), Decimal(0), order.size
        order.shown = Decimal(0)
        if order.post and self.crossed(order):
            return False
        self.enter(order)
        return True

    def enter(self, order):
        self.rank += 1
        order.rank, order.number = self.rank, len(self.orders) + 1
        self.orders.append(order)
        order.state = "new"
        if order.kind in STOPS:
            self.wait(order)
        else:
            self.arrive(order)

    def crossed(self, order):
        return any(
            sign(order.side) * (order.price - row.price) >= 0 for row in self.against(order.side)
        )

    def wait(self, order):
        price = self.reference()
        if order.kind == "trailing-stop":
            order.peak = price
            self.level(order)
        elif self.reached(order, price):
            order.state = "canceled"
            return
        order.state = "waiting"

    def level(self, order):
        raw = order.peak + sign(order.side) * order.trail
        order.trigger = to_tick(raw, order.side)
        if order.offset is not None:
            order.price = to_tick(order.trigger + order.offset, order.side)

    def reached(self, order, price):
        up = (order.side == "buy") != (order.kind == "take-profit")
        return price >= order.trigger if up else price <= order.trigger

    def arrive(self, order, amended=False):
        worst = order.price
        if worst is None:
            rows = self.against(order.side)
            best = rows[0].price if rows else None
            worst = None if best is None else best + sign(order.side) * best * BAND
        if order.tif == "FOK" and not amended:
            trial = copy.deepcopy(self)
            twin = trial.orders[order.number - 1]
            trial.take(twin, worst)
            if twin.left > 0:
                order.state = "canceled"
                return
        gone = self.take(order, worst)
        if order.left == 0:
            order.state = "closed"
        elif gone or order.price is None or order.tif in ("IOC", "FOK"):
            order.state = "canceled"
        else:
            self.rest(order)

    def rest(self, order):
        order.state = "resting"
        if order.display:
            order.shown = min(order.display, order.left)

    def take(self, order, worst):
        """True if the order has to go because it met its own account."""
        while order.left > 0:
            rows = self.against(order.side)
            if not rows or (worst is not None and sign(order.side) * (rows[0].price - worst) > 0):
                return False
            maker = rows[0]
            if maker.who == order.who:
                if order.stp != "cancel-newest":
                    maker.state = "canceled"
                if order.stp != "cancel-oldest":
                    return True
                continue
            size = min(order.left, self.visible(maker))
            self.fill(order, maker.price, size, maker=False)
            self.fill_maker(maker, size)
            self.print(maker.price)
        return False

    def fill_maker(self, row, size):
        if row.who is None:
            row.left -= size
            return
        row.shown -= size
        self.fill(row, row.price, size, maker=True)
        if row.left == 0:
            row.state = "closed"
        elif row.display and row.shown == 0:
            self.rank += 1
            row.rank = self.rank
            self.rest(row)

    def fill(self, order, price, size, *, maker):
        cost = cut(price * size, 4, ROUND_DOWN)
        fee = cut(cost * (MAKER if maker else TAKER) / 100, 4, ROUND_HALF_UP)
        order.left -= size
        order.filled += size
        order.cost += cost
        purse = self.money[order.who]
        purse["USD"] -= sign(order.side) * cost + fee
        purse["XBT"] += sign(order.side) * size
        self.trades.append((order.number, price, size, maker))
        if order.close is not None:
            self.closes.append((order, size, price))

    def print(self, price):
        self.last = price
        self.prices.append(price)

    # what follows

    def settle(self):
        while self.prices or self.closes:
            if self.prices:
                self.look(self.prices.pop(0))
            else:
                self.open_close(*self.closes.pop(0))

    def look(self, price):
        waiting = [order for order in self.orders if order.state == "waiting"]
        off = []
        for order in waiting:
            better = sign(order.side) * (price - order.peak) < 0 if order.peak is not None else 0
            if order.kind == "trailing-stop" and better:
                order.peak = price
                self.level(order)
            elif self.reached(order, price):
                off.append(order)
        for order in sorted(off, key=lambda each: each.rank):
            order.state = "off"
        for order in sorted(off, key=lambda each: each.rank):
            self.rank += 1
            order.rank = self.rank
            self.arrive(order)

    def open_close(self, primary, size, price):
        side = "sell" if primary.side == "buy" else "buy"
        distance = sign(primary.side) * primary.close["distance"]
        kind = primary.close["kind"]
        level = to_tick(price + distance, side)
        self.enter(
            SimpleNamespace(
                who=primary.who,
                side=side,
                kind=kind,
                size=size,
                left=size,
                filled=Decimal(0),
                cost=Decimal(0),
                shown=Decimal(0),
                display=None,
                price=level if kind == "limit" else None,
                trigger=None if kind == "limit" else level,
                peak=None,
                trail=None,
                offset=None,
                close=None,
                tif="GTC",
                stp=primary.stp,
                post=False,
            )
        )

    # acts

    def cancel(self, order):
        order.state = "canceled"

    def amend(self, order, size=None, price=None, display=None, trigger=None):
        """False if refused."""
        size = order.size if size is None else size
        price = order.price if price is None else price
        shows = order.display if display is None else display
        if size > order.filled:
            if shows is not None and min(shows, size - order.filled) * 15 < size - order.filled:
                return False
            if trigger is not None and self.reached_at(order, trigger):
                return False
        keeps = price == order.price and size <= order.size
        keeps = keeps and (shows is None or shows <= order.display)
        order.size, order.price, order.display = max(size, order.filled), price, shows
        order.trigger = order.trigger if trigger is None else trigger
        order.left = order.size - order.filled
        if shows is not None:
            order.shown = min(order.shown, shows, order.left)
        if not keeps:
            self.rank += 1
            order.rank = self.rank
        if order.left == 0:
            order.state = "canceled"
        elif order.state == "resting" and not keeps:
            order.state = "new"
            self.arrive(order, amended=True)
        return True

    def reached_at(self, order, trigger):
        moved = copy.copy(order)
        moved.trigger = trigger
        return trigger != order.trigger and self.reached(moved, self.reference())

    def new_house(self, bids, asks):
        self.house = [
            SimpleNamespace(who=None, side=side, price=price, left=size, rank=-1, display=None)
            for side, rows in (("buy", bids), ("sell", asks))
            for price, size in rows
        ]
        for side in ("buy", "sell"):
            for level in [row for row in self.house if row.side != side]:
                self.spend(side, level)

    def spend(self, side, level):
        while level.left > 0:
            rows = self.reachable(side, level.price)
            if not rows:
                return
            size = min(level.left, self.visible(rows[0]))
            level.left -= size
            price = rows[0].price
            self.fill_maker(rows[0], size)
            self.print(price)

    def reachable(self, side, price):
        """Orders of accounts that would trade at that price, in their order."""
        rows = [row for row in self.orders if row.side == side and row.state == "resting"]
        rows = [row for row in rows if sign(side) * (row.price - price) >= 0]
        return sorted(rows, key=lambda row: (-sign(side) * row.price, row.rank))

    def strangers(self, price, size, taker):
        side = "sell" if taker == "buy" else "buy"
        for row in self.house:
            if row.side == side and sign(side) * (row.price - price) > 0:
                row.left = Decimal(0)
        left = unprinted = size
        for place in ("better", "house", "there"):
            if place == "house":
                for row in self.house:
                    if row.side == side and row.price == price:
                        taken = min(row.left, left)
                        row.left -= taken
                        left -= taken
                continue
            while left > 0:
                rows = self.reachable(side, price)
                rows = [row for row in rows if place == "there" or row.price != price]
                if not rows:
                    break
                taken = min(left, self.visible(rows[0]))
                left -= taken
                unprinted -= taken
                self.fill_maker(rows[0], taken)
                self.print(rows[0].price)
        if unprinted:
            self.print(price)


class Run:
    """The same acts upon both."""

    def __init__(self, bench, seed):
        self.bench, self.model, self.dice = bench, Model(), random.Random(seed)
        for who in WHO:
            bench.open(who, USD=str(USD), XBT=str(XBT))
        self.act_house()

    def price(self):
        """Often one of a few, so that orders queue at it."""
        spread = self.dice.choice((1, 3, 25))
        return MIDDLE + self.dice.randint(-spread, spread) * TICK

    def size(self):
        return Decimal(self.dice.randint(2_000, 90_000)).scaleb(-5)

    def act_house(self):
        middle = MIDDLE + self.dice.randint(-20, 20) * TICK
        steps = sorted(self.dice.sample(range(1, 30), 3))
        bids = [(middle - step * TICK, self.size()) for step in steps]
        asks = [(middle + step * TICK, self.size()) for step in steps]
        self.model.new_house(bids, asks)
        self.model.settle()
        self.bench.house(
            bids=[(str(price), str(size)) for price, size in bids],
            asks=[(str(price), str(size)) for price, size in asks],
        )

    def act_strangers(self):
        price, size, taker = self.price(), self.size(), self.dice.choice(("buy", "sell"))
        self.model.strangers(price, size, taker)
        self.model.settle()
        self.bench.strangers(str(price), str(size), Side(taker))

    def act_add(self):
        kind = self.dice.choice(("limit", "limit", "limit", "market", "iceberg", *STOPS))
        side, who, size = self.dice.choice(("buy", "sell")), self.dice.choice(WHO), self.size()
        ask = {"who": who, "side": side, "kind": kind, "size": size, "price": None}
        ask |= {"tif": "GTC", "post": False, "offset": None}
        ask["stp"] = self.dice.choice(("cancel-newest", "cancel-oldest", "cancel-both"))
        fields = {"stptype": ask["stp"]}
        {"limit": self.as_limit, "iceberg": self.as_iceberg}.get(kind, self.as_other)(ask, fields)
        if self.dice.random() < 0.2:
            self.with_close(ask, fields)
        accepted = self.model.add(ask)
        self.model.settle()
        fields = {"ordertype": fields.pop("ordertype", kind), **fields}
        whole = {"pair": "XBTUSD", "type": side, "volume": str(size), **fields}
        answer = self.bench.call("AddOrder", who, **whole)
        assert (answer["error"] == []) is accepted, answer

    def as_limit(self, ask, fields):
        ask["price"] = self.price()
        ask["tif"] = self.dice.choice(("GTC", "GTC", "GTC", "IOC", "FOK"))
        ask["post"] = ask["tif"] == "GTC" and self.dice.random() < 0.2
        fields |= {"price": str(ask["price"]), "timeinforce": ask["tif"]}
        if ask["post"]:
            fields["oflags"] = "post"

    def as_iceberg(self, ask, fields):
        ask["price"] = self.price()
        ask["display"] = cut(ask["size"] / self.dice.randint(1, 14), 8, ROUND_CEILING)
        fields |= {"price": str(ask["price"]), "displayvol": str(ask["display"])}

    def as_other(self, ask, fields):
        kind = ask["kind"]
        if kind == "market":
            return
        limited = self.dice.random() < 0.5
        fields["ordertype"] = f"{kind}-limit" if limited else kind
        if kind == "trailing-stop":
            ask["trail"] = self.dice.randint(1, 20) * TICK
            fields["price"] = f"+{ask['trail']}"
            if limited:
                ask["offset"] = self.dice.randint(-10, 10) * TICK
                fields["price2"] = f"{ask['offset']:+}"
            return
        ask["trigger"] = self.price()
        fields["price"] = str(ask["trigger"])
        if limited:
            ask["price"] = self.price()
            fields["price2"] = str(ask["price"])

    def with_close(self, ask, fields):
        kind, steps = self.dice.choice(("limit", "stop-loss")), self.dice.randint(1, 15)
        towards = 1 if kind == "limit" else -1
        ask["close"] = {"kind": kind, "distance": towards * steps * TICK}
        distance = sign(ask["side"]) * towards * steps * TICK
        fields |= {"close[ordertype]": kind, "close[price]": f"{distance:+}"}

    def pick(self):
        live = [row for row in self.model.orders if row.state in ("resting", "waiting")]
        return self.dice.choice(live) if live else None

    def txid(self, order):
        return next(
            each.order_id
            for each in self.bench.account(order.who).orders.values()
            if each.number == order.number
        )

    def act_cancel(self):
        order = self.pick()
        if order is not None:
            self.bench.ok("CancelOrder", order.who, txid=self.txid(order))
            self.model.cancel(order)
            self.model.settle()

    def act_amend(self):
        order = self.pick()
        if order is None or order.kind == "trailing-stop":
            return
        change = {"size": self.size()}
        fields = {"order_qty": str(change["size"])}
        if order.price is not None and self.dice.random() < 0.5:
            change["price"] = self.price()
            fields["limit_price"] = str(change["price"])
        if order.display is not None and self.dice.random() < 0.5:
            change["display"] = cut(change["size"] / self.dice.randint(1, 18), 8, ROUND_CEILING)
            fields["display_qty"] = str(change["display"])
        if order.state == "waiting" and self.dice.random() < 0.5:
            change["trigger"] = self.price()
            fields["trigger_price"] = str(change["trigger"])
        txid = self.txid(order)
        accepted = self.model.amend(order, **change)
        self.model.settle()
        answer = self.bench.call("AmendOrder", order.who, txid=txid, **fields)
        assert (answer["error"] == []) is accepted, answer

    def step(self):
        acts = (self.act_add,) * 6 + (self.act_house, self.act_strangers) * 2
        self.dice.choice((*acts, self.act_cancel, self.act_amend, self.act_amend))()
        self.compare()

    def compare(self):
        accounts = [self.bench.account(who) for who in WHO]
        theirs = sorted(
            (order for each in accounts for order in each.orders.values()),
            key=lambda order: order.number,
        )
        assert [seen(order) for order in theirs] == [meant(row) for row in self.model.orders]
        for number, order in enumerate(theirs, 1):
            account = self.bench.account(order.account)
            fills = [account.trades.get(txid) for txid in order.trades]
            assert [(fill.price, fill.quantity_base, fill.maker) for fill in fills] == [
                (price, size, maker)
                for owner, price, size, maker in self.model.trades
                if owner == number
            ]
        for who, purse in self.model.money.items():
            assert {a: self.bench.account(who).balance(a) for a in purse} == purse
        last = self.bench.exchange.last_trade("XBTUSD")
        assert (None if last is None else last.price) == self.model.last


def seen(order):
    status = order.status.value
    state = status if status in FINAL else "waiting" if order.waits else "resting"
    shown = order.visible_base if state == "resting" else None
    return (state, order.filled_base, order.cost_quote, order.limit_price, shown)


def meant(row):
    shown = None
    if row.state == "resting":
        shown = row.shown if row.display else row.left
    return (row.state, row.filled, row.cost, row.price, shown)


def compare_runs(make_bench, seeds):
    for seed in seeds:
        run = Run(make_bench(fee_ladder=LADDER), seed)
        try:
            for _ in range(30):
                run.step()
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise


def test_random_sequences_agree_with_the_reference(make_bench):
    compare_runs(make_bench, range(200))


@pytest.mark.long
@pytest.mark.timeout(540)
@pytest.mark.parametrize("part", range(20))
def test_ten_thousand_random_sequences_agree_with_the_reference(make_bench, part):
    compare_runs(make_bench, range(1_000 + part * 500, 1_500 + part * 500))
