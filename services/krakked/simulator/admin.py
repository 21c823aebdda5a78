"""The admin port: state, clock, prices, balances, statuses, faults. Loopback only, no keys.

Everything a person or a test may do to the world from outside of the venue's own API. Answers are
JSON; amounts are text. What cannot be done is status 400 and one line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from krakked.domain.errors import BadInput, LedgerFailed
from krakked.domain.ids import PairName
from krakked.domain.money import ZERO, BadAmount, to_text
from krakked.domain.times import to_rfc3339
from krakked.sim.exchange.core import PairMode, SystemStatus
from krakked.sim.fault_kinds import FILTERS, KINDS, FaultKind, Kind
from krakked.simulator import acts
from krakked.simulator.balances import BalanceAct, amount, change_balances
from krakked.simulator.faults import Armed, check, check_chance
from krakked.simulator.venue import Venue

PRICE_MAX: Final = Decimal(10**9)
"""Times any balance it can be reckoned with exactly."""

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StatusAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /status``: of the system, or of a pair."""

    system: SystemStatus | None = None
    pair: str | None = None
    status: PairMode | None = None


class RulesAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /rules``: the smallest order of a pair, by size (base) and by worth (quote)."""

    pair: str
    order_min: str | None = None
    cost_min: str | None = None


class FaultAct(Armed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /faults``: arm one, set the mixture, or clear all."""

    kind: FaultKind | None = None  # type: ignore[assignment]  # an act need not arm anything
    now: bool = False
    """At once and to the venue as a whole, not to the next that matches."""
    probabilities: dict[FaultKind, Decimal] | None = None
    seed: int | None = None
    clear: bool = False


class Admin:
    """The handlers of the admin port."""

    def __init__(self, venue: Venue, speed: float | None) -> None:
        self._venue = venue
        self._speed = speed

    def application(self) -> web.Application:
        """Its routes."""
        application = web.Application(middlewares=[_mendable])
        add = application.router.add_route
        add("GET", "/state", self._state)
        add("GET", "/clock", self._clock)
        add("GET", "/prices", self._prices)
        add("POST", "/prices", self._set_prices)
        add("GET", "/balances", self._balances)
        add("POST", "/balances", self._change_balances)
        add("GET", "/faults", self._faults)
        add("POST", "/faults", self._change_faults)
        add("POST", "/status", self._set_status)
        add("POST", "/rules", self._set_rules)
        return application

    async def _state(self, _request: web.Request) -> web.Response:
        venue = self._venue
        now_ns = venue.catch_up()
        venue.settle(now_ns)
        exchange = venue.exchange
        state = {
            "clock": self._clock_now(now_ns),
            "system": exchange.system_status().value,
            "market_over": venue.market.next_event_ns() is None,
            "pairs": self._prices_now(),
            "accounts": {name: self._account(name) for name in exchange.account_names()},
            "connections": len(venue.connections),
            "faults": self._faults_now(),
        }
        if venue.source_state is not None:
            state["source"] = venue.source_state()
        return _answer(state)

    async def _clock(self, _request: web.Request) -> web.Response:
        return _answer(self._clock_now(self._venue.clock.now_ns()))

    async def _prices(self, _request: web.Request) -> web.Response:
        return _answer(self._prices_now())

    async def _set_prices(self, request: web.Request) -> web.Response:
        given = msgspec.json.decode(await request.read(), type=dict[str, str])
        if not given:
            raise BadInput('nothing to change; give a pair with its price, as in {"XBTUSD": "1"}')
        now_ns = self._venue.catch_up()
        prices = {self._pair(name): amount(text, name) for name, text in given.items()}
        for pair, price in prices.items():
            self._check_price(pair, price)
        for pair, price in prices.items():
            self._venue.market.set_price(pair, price)
        self._venue.settle(now_ns)
        return _answer(self._prices_now())

    def _check_price(self, pair: PairName, price: Decimal) -> None:
        tick = self._venue.hub.data.tapes[pair].pair.tick_size
        if price < tick:
            raise BadInput(f"price {price} of {pair} is below its tick {tick}; give a higher one")
        if price > PRICE_MAX:
            raise BadInput(f"price {price} of {pair} is above {PRICE_MAX}; give a lower one")

    async def _balances(self, _request: web.Request) -> web.Response:
        names = self._venue.exchange.account_names()
        return _answer({name: self._account(name)["balances"] for name in names})

    async def _change_balances(self, request: web.Request) -> web.Response:
        act = msgspec.json.decode(await request.read(), type=BalanceAct)
        venue = self._venue
        now_ns = venue.catch_up()
        change_balances(venue.exchange, venue.hub.data.assets, act, now_ns)
        venue.settle(now_ns)
        return _answer(self._account(act.account)["balances"])

    async def _faults(self, _request: web.Request) -> web.Response:
        return _answer(self._faults_now() | {"kinds": _kinds(), "filters": FILTERS})

    async def _change_faults(self, request: web.Request) -> web.Response:
        act = _fault_act(await request.read())
        fault = None if act.kind is None else _fault_of(act)
        for chance in (act.probabilities or {}).values():
            check_chance(chance)
        faults = self._venue.faults
        if act.clear:
            faults.clear()
        if act.seed is not None:
            faults.reseed(act.seed)
        if act.probabilities is not None:
            faults.probabilities = dict(act.probabilities)
        if fault is not None and act.now:
            self._let_happen(fault)
        elif fault is not None:
            faults.arm(fault)
        return _answer(self._faults_now())

    def _let_happen(self, fault: Armed) -> None:
        """Now."""
        venue = self._venue
        now_ns = venue.catch_up()
        acts.NOW[fault.kind](venue, fault, now_ns)
        if fault.kind not in acts.LIMITS or venue.exchange.mischief(now_ns).is_limited(None):
            venue.faults.note(fault.kind)
        venue.settle(venue.catch_up())

    async def _set_status(self, request: web.Request) -> web.Response:
        act = msgspec.json.decode(await request.read(), type=StatusAct)
        if (act.pair is None) != (act.status is None):
            raise BadInput("pair and status go together; give both, or system alone")
        if act.system is None and act.pair is None:
            raise BadInput("nothing to change; give system, or pair and status")
        venue = self._venue
        now_ns = venue.catch_up()
        if act.system is not None:
            acts.set_system(venue, act.system, now_ns)
        if act.pair is not None and act.status is not None:
            acts.set_pair(venue, self._pair(act.pair), act.status, now_ns)
        venue.settle(now_ns)
        return _answer({"system": venue.exchange.system_status().value})

    async def _set_rules(self, request: web.Request) -> web.Response:
        act = msgspec.json.decode(await request.read(), type=RulesAct)
        pair = self._pair(act.pair)
        size = None if act.order_min is None else amount(act.order_min, "order_min")
        worth = None if act.cost_min is None else amount(act.cost_min, "cost_min")
        if size is None and worth is None:
            raise BadInput("nothing to change; give order_min or cost_min")
        if min(size or ZERO, worth or ZERO) < 0:
            raise BadInput("a minimum below zero; give zero or more")
        venue = self._venue
        now_ns = venue.catch_up()
        acts.set_minimums(venue, pair, size, worth, now_ns)
        venue.settle(now_ns)
        rules = venue.hub.data.tapes[pair].pair
        return _answer({"order_min": str(rules.order_min), "cost_min": str(rules.cost_min)})

    def _pair(self, name: str) -> PairName:
        return acts.pair_named(self._venue, name)

    def _clock_now(self, now_ns: int) -> dict[str, object]:
        return {"now_ns": now_ns, "now": to_rfc3339(now_ns), "speed": self._speed or "max"}

    def _prices_now(self) -> dict[str, object]:
        return {name: self._price(name) for name in self._venue.hub.data.tapes}

    def _price(self, pair: PairName) -> dict[str, object]:
        data = self._venue.hub.data
        bid, ask = data.quotes(data.tapes[pair])
        last = data.exchange.last_trade(pair)
        return {
            "bid": None if bid is None else to_text(bid.price),
            "ask": None if ask is None else to_text(ask.price),
            "last": None if last is None else to_text(last.price),
        }

    def _account(self, name: str) -> dict[str, object]:
        balances = self._venue.exchange.balances(name)
        return {"balances": {asset: to_text(amount) for asset, amount in balances.items()}}

    def _faults_now(self) -> dict[str, object]:
        faults = self._venue.faults
        return {
            "armed": faults.armed,
            "probabilities": {kind.value: str(p) for kind, p in faults.probabilities.items()},
            "mixture": faults.mixture,
            "clock_offset_ns": self._venue.exchange.clock_offset_ns,
            "happened": {kind.value: count for kind, count in faults.happened.items()},
        }


@web.middleware
async def _mendable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a person can mend is one line."""
    try:
        return await handler(request)
    except (BadInput, BadAmount) as error:
        return web.json_response({"error": str(error)}, status=400)
    except LedgerFailed as error:
        return web.json_response({"error": str(error)}, status=500)
    except msgspec.MsgspecError as error:
        line = f"{error}; send a JSON object, with amounts and prices as text"
        return web.json_response({"error": line}, status=400)


def _fault_act(body: bytes) -> FaultAct:
    """What is asked for; whoever names a kind that there is not is told those there are."""
    try:
        act = msgspec.json.decode(body, type=FaultAct, strict=False)
    except msgspec.ValidationError as error:
        if "enum value" not in str(error) or "$.mode" in str(error):
            raise
        raise BadInput(f"{error}; there is {', '.join(kind.value for kind in KINDS)}") from error
    if act.kind is None and act.probabilities is None and act.seed is None and not act.clear:
        raise BadInput("nothing to change; give kind, probabilities, seed or clear")
    if act.seed is not None and act.seed < 0:
        raise BadInput(f"seed {act.seed}: give zero or more")
    return act


def _fault_of(act: FaultAct) -> Armed:
    """What is to be armed, checked."""
    assert act.kind is not None
    named = {name: getattr(act, name) for name in Armed.__struct_fields__}
    fault = Armed(**named)
    check(fault)
    if act.now and not KINDS[fault.kind].can_be_now:
        able = ", ".join(row.name.value for row in KINDS.values() if row.can_be_now)
        raise BadInput(f"{fault.kind.value} strikes what is under way; now can be {able}")
    return fault


def _kinds() -> list[dict[str, object]]:
    """The table, as a client may read it."""
    return [_kind(row) for row in KINDS.values()]


def _kind(row: Kind) -> dict[str, object]:
    return {
        "kind": row.name.value,
        "strikes": row.strikes.value,
        "does": row.doc,
        "parameters": row.parameters,
        "only_methods": row.methods,
        "only_channels": row.channels,
        "now": row.can_be_now,
    }


def _answer(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=_JSON, charset="utf-8")


_JSON: Final = "application/json"
