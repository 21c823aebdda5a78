"""A bench around one exchange: signs requests, moves time, and reads what came out as text-exact
numbers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from krakked.domain.ids import Asset, PairName
from krakked.domain.orders import Side
from krakked.sim.exchange.calls import PrivateRequest, RestAnswer
from krakked.sim.exchange.events import BookChanged, PrivateMessage, PublicTrade
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.keys import ALL_PERMISSIONS, Permission
from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.wire import encode

SECRET = base64.b64encode(bytes(range(64))).decode()
START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
FORM = "application/x-www-form-urlencoded"
XBTUSD = PairName("XBTUSD")


def levels(rows: Iterable[tuple[str, str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in rows]


class Bench:
    """One exchange with accounts; each account has a key of its own name."""

    def __init__(self, options: ExchangeOptions) -> None:
        self.now_ns = START_NS
        self.exchange = Exchange(pairs=PAIRS, options=options, now_ns=self.now_ns)
        self.nonce = 0
        self.secret = SECRET
        self.core = self.exchange._core  # what no wire shows is checked here

    def open(
        self,
        name: str = "alice",
        tier: Tier = Tier.NONE,
        permissions: frozenset[Permission] = ALL_PERMISSIONS,
        **deposits: str,
    ) -> None:
        amounts = {Asset(asset): Decimal(amount) for asset, amount in deposits.items()}
        self.exchange.open_account(name, deposits=amounts, tier=tier, now_ns=self.now_ns)
        self.exchange.add_key(name, key=name, secret=SECRET, permissions=permissions)

    def account(self, name: str = "alice") -> Any:
        return self.core.accounts[name]

    # time

    def later(self, seconds: float | str) -> None:
        self.now_ns += int(Decimal(str(seconds)) * SECOND_NS)
        self.exchange.advance(self.now_ns)

    # the market's side

    def house(
        self,
        bids: Iterable[tuple[str, str]] = (),
        asks: Iterable[tuple[str, str]] = (),
        pair: PairName = XBTUSD,
    ) -> None:
        self.exchange.set_house_book(pair, levels(bids), levels(asks), self.now_ns)

    def strangers(self, price: str, size: str, taker: Side, pair: PairName = XBTUSD) -> None:
        self.exchange.market_trade(pair, Decimal(price), Decimal(size), taker, self.now_ns)

    def depth(self, pair: PairName = XBTUSD, count: int = 10) -> list[list[tuple[str, str]]]:
        return [
            [(str(level.price), str(level.quantity_base)) for level in side]
            for side in self.exchange.depth(pair, count)
        ]

    # REST

    def send(
        self,
        method: str,
        params: dict[str, object],
        *,
        who: str = "alice",
        as_json: bool = False,
        nonce: int | None = None,
        sign: str | None = None,
    ) -> RestAnswer:
        self.nonce += 1
        fields = {"nonce": self.nonce if nonce is None else nonce, **params}
        body = encode(fields) if as_json else urlencode(fields).encode()
        kind = "application/json" if as_json else FORM
        return self.post(method, body, sign or fields["nonce"], who=who, kind=kind)

    def post(
        self, method: str, body: bytes, sign: object, *, who: str = "alice", kind: str = FORM
    ) -> RestAnswer:
        """Any body; ``sign`` is a ready signature, or the nonce to sign with."""
        path = f"/0/private/{method}"
        ready = isinstance(sign, str) and len(sign) > 20
        request = PrivateRequest(
            path=path,
            api_key=who,
            api_sign=str(sign) if ready else api_sign(path, sign, body),
            body=body,
            content_type=kind,
        )
        return self.exchange.private_rest(request, self.now_ns)

    def call(self, method: str, who: str = "alice", **params: object) -> dict[str, Any]:
        answer = self.send(method, params, who=who)
        envelope = read_json(answer.body)
        assert answer.accepted is (envelope["error"] == [])
        return envelope

    def ok(self, method: str, who: str = "alice", **params: object) -> Any:
        envelope = self.call(method, who, **params)
        assert envelope["error"] == []
        return envelope["result"]

    def error(self, method: str, who: str = "alice", **params: object) -> str:
        envelope = self.call(method, who, **params)
        assert "result" not in envelope
        (text,) = envelope["error"]
        return text

    def ask(
        self, side: str, volume: str, price: str | None = None, **more: object
    ) -> dict[str, Any]:
        """AddOrder arguments on XBTUSD."""
        kind = "market" if price is None else "limit"
        fields = {"pair": "XBTUSD", "type": side, "ordertype": kind, "volume": volume}
        if price is not None:
            fields["price"] = price
        return fields | more

    def add(
        self,
        side: str,
        volume: str,
        price: str | None = None,
        who: str = "alice",
        **more: object,
    ) -> str:
        (txid,) = self.ok("AddOrder", who, **self.ask(side, volume, price, **more))["txid"]
        return txid

    def refused(
        self,
        side: str,
        volume: str,
        price: str | None = None,
        who: str = "alice",
        **more: object,
    ) -> str:
        return self.error("AddOrder", who, **self.ask(side, volume, price, **more))

    def order(self, txid: str, who: str = "alice") -> dict[str, Any]:
        return self.ok("QueryOrders", who, txid=txid, trades="true")[txid]

    def status(self, txid: str, who: str = "alice") -> tuple[str, str]:
        row = self.order(txid, who)
        return row["status"], row["vol_exec"]

    # WebSocket

    def token(self, who: str = "alice") -> str:
        return self.ok("GetWebSocketsToken", who)["token"]

    def ws(self, method: str, token: str | None = None, **params: object) -> list[dict[str, Any]]:
        fields = {"token": token or self.token(), **params}
        return self.exchange.ws_request(method, fields, 7, self.now_ns)

    # what came out

    def rows(self, channel: str = "executions", who: str = "alice") -> list[dict[str, Any]]:
        return [
            read_json(encode(row))
            for event in self.exchange.drain()
            if isinstance(event, PrivateMessage)
            and (event.channel, event.account) == (channel, who)
            for row in event.data
        ]

    def raw_rows(self, channel: str = "executions") -> list[bytes]:
        return [
            encode(row)
            for event in self.exchange.drain()
            if isinstance(event, PrivateMessage) and event.channel == channel
            for row in event.data
        ]

    def prints(self) -> list[PublicTrade]:
        return [event for event in self.exchange.drain() if isinstance(event, PublicTrade)]

    def changed_books(self) -> list[BookChanged]:
        return [event for event in self.exchange.drain() if isinstance(event, BookChanged)]


def read_json(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


def api_sign(path: str, nonce: object, body: bytes) -> str:
    """As the venue documents it for clients."""
    digest = hashlib.sha256(str(nonce).encode() + body).digest()
    mac = hmac.new(base64.b64decode(SECRET), path.encode() + digest, hashlib.sha512)
    return base64.b64encode(mac.digest()).decode()


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """An exchange with these options and no accounts."""

    def make(**options: Any) -> Bench:
        return Bench(ExchangeOptions(**options))

    return make


@pytest.fixture
def venue(make_bench: Callable[..., Bench]) -> Bench:
    """One account without limits, and a house that quotes 50000 to 50001."""
    bench = make_bench()
    bench.open(USD="100000", XBT="2")
    bench.house(
        bids=[("50000.0", "1"), ("49999.0", "2"), ("49990.0", "10")],
        asks=[("50001.0", "1"), ("50002.0", "2"), ("50010.0", "10")],
    )
    bench.exchange.drain()
    return bench
