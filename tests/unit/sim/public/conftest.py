"""A venue with a still market, moved by hand, and clients that speak to its sessions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from krakked.domain.ids import Asset, PairName
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.calls import PrivateRequest
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.keys import ALL_PERMISSIONS
from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.model import DEFAULT_PRICES, Market
from krakked.sim.market.still import CalmMarket
from krakked.sim.public import requests, rest
from krakked.sim.public.market_data import MarketData
from krakked.sim.public.sessions import Hub, Role, Session

START_NS = 1_767_225_600 * NS_PER_SECOND
SECRET = base64.b64encode(b"secret of a bench").decode()
XBTUSD = PairName("XBTUSD")
LISTED = {PairName(name): PAIRS[PairName(name)] for name in ("XBTUSD", "ETHUSD", "XDGUSD")}


class Client:
    """One connection: what it has been sent."""

    def __init__(self, bench: Bench, role: Role) -> None:
        self.bench = bench
        self.session, greeting = bench.hub.open(role, bench.now_ns)
        self.frames: list[Any] = [read(greeting)]
        self.raw: list[bytes] = [greeting]
        bench.clients[self.session] = self

    def ask(self, request: Mapping[str, object] | str) -> list[Any]:
        """Send one text; the frames that answer it."""
        text = request if isinstance(request, str) else json.dumps(request)
        frames = requests.receive(self.bench.hub, self.session, text, self.bench.now_ns)
        self.bench.settle()
        return [read(frame) for frame in frames]

    def subscribe(self, channel: str, **params: object) -> list[Any]:
        return self.ask({"method": "subscribe", "params": {"channel": channel, **params}})

    def unsubscribe(self, channel: str, **params: object) -> list[Any]:
        return self.ask({"method": "unsubscribe", "params": {"channel": channel, **params}})

    def take(self, channel: str | None = None) -> list[Any]:
        """What was published to it since the last look."""
        frames, self.frames = self.frames, []
        self.raw.clear()
        return [one for one in frames if channel in (None, one.get("channel"))]


class Bench:
    """The venue, its hub, and time."""

    def __init__(
        self, market: Market | None = None, start_ns: int = START_NS, **choices: Any
    ) -> None:
        self.now_ns = start_ns
        self.secret = SECRET
        prices = {name: DEFAULT_PRICES[name] for name in LISTED}
        self.market = market or CalmMarket(pairs=LISTED, prices=prices, start_ns=start_ns)
        options = ExchangeOptions(**{"prints_own_trades": True, **choices})
        self.exchange = Exchange(pairs=LISTED, options=options, now_ns=start_ns)
        self.exchange.open_account(
            "alice", deposits={Asset("USD"): Decimal(10_000)}, tier=Tier.NONE, now_ns=start_ns
        )
        self.exchange.add_key("alice", key="k", secret=SECRET, permissions=ALL_PERMISSIONS)
        self.data = MarketData(
            pairs=LISTED, market=self.market, exchange=self.exchange, now_ns=start_ns
        )
        self.hub = Hub(self.data)
        self.clients: dict[Session, Client] = {}
        self._nonce = 0
        self.pass_time(0)

    def connect(self, role: Role = Role.BOTH) -> Client:
        return Client(self, role)

    def settle(self) -> None:
        self.hand(self.hub.publish(self.exchange.drain(), self.now_ns))

    def hand(self, deliveries: list[tuple[Session, bytes]]) -> None:
        for session, frame in deliveries:
            self.clients[session].frames.append(read(frame))
            self.clients[session].raw.append(frame)

    def pass_time(self, seconds: int) -> None:
        """Play the market up to then."""
        until_ns = self.now_ns + seconds * NS_PER_SECOND
        while (due_ns := self.market.next_event_ns()) is not None and due_ns <= until_ns:
            self.now_ns = due_ns
            self.market.step(due_ns, self.exchange)
            self.settle()
        self.now_ns = until_ns
        self.settle()

    def strangers(self, price: str, size: str = "0.5", side: Side = Side.BUY) -> None:
        self.exchange.market_trade(XBTUSD, Decimal(price), Decimal(size), side, self.now_ns)
        self.settle()

    def house(self, bids: dict[str, str], asks: dict[str, str]) -> None:
        rows = [
            [(Decimal(price), Decimal(size)) for price, size in side.items()]
            for side in (bids, asks)
        ]
        self.exchange.set_house_book(XBTUSD, rows[0], rows[1], self.now_ns)
        self.settle()

    def get(self, method: str, **query: object) -> Any:
        """A public request; its result, or its errors."""
        texts = {name: str(value) for name, value in query.items()}
        body = rest.answer(self.data, f"/0/public/{method}", texts, self.now_ns)
        envelope = read(body)
        return envelope["error"] or envelope["result"]

    def post(self, method: str, **params: object) -> Any:
        """A signed private request."""
        self._nonce += 1
        path = f"/0/private/{method}"
        body = urlencode({"nonce": self._nonce, **params})
        digest = hashlib.sha256(f"{self._nonce}{body}".encode()).digest()
        mac = hmac.new(base64.b64decode(SECRET), path.encode() + digest, hashlib.sha512)
        request = PrivateRequest(
            path=path,
            api_key="k",
            api_sign=base64.b64encode(mac.digest()).decode(),
            body=body.encode(),
            content_type="application/x-www-form-urlencoded",
        )
        envelope = read(self.exchange.private_rest(request, self.now_ns).body)
        self.settle()
        assert not envelope["error"], envelope
        return envelope["result"]

    def token(self) -> str:
        return str(self.post("GetWebSocketsToken")["token"])


def read(text: bytes) -> Any:
    """JSON with the text of its numbers kept."""
    return json.loads(text, parse_float=str)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """A bench whose exchange has these options."""
    return Bench
