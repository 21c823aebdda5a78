"""Recorded payloads, and a venue in which enough has happened to answer like them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
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
from krakked.sim.market.model import DEFAULT_PRICES
from krakked.sim.market.still import CalmMarket
from krakked.sim.public import requests, rest
from krakked.sim.public.market_data import MarketData
from krakked.sim.public.sessions import Hub, Role, Session

SHARED = Path(os.environ.get("KRAKKED_SHARED", Path(__file__).parents[4] / "shared"))
VECTORS = SHARED / "data" / "vectors"
START_NS = 1_767_225_600 * NS_PER_SECOND
SECRET = base64.b64encode(b"secret of a scene").decode()


class Decimals(str):
    """A bare JSON number with a point, as it was written."""


def read(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Decimals)


class Scene:
    """A calm market, one account, and its orders, trades and rewards of an hour."""

    def __init__(self, **choices: Any) -> None:
        self.now_ns = START_NS
        self.market = CalmMarket(pairs=PAIRS, prices=DEFAULT_PRICES, start_ns=START_NS)
        self.exchange = Exchange(pairs=PAIRS, options=ExchangeOptions(**choices), now_ns=START_NS)
        deposits = {Asset(name): Decimal(10_000) for name in ("USD", "XBT", "ETH", "USDT")}
        self.exchange.open_account("a", deposits=deposits, tier=Tier.NONE, now_ns=START_NS)
        self.exchange.add_key("a", key="k", secret=SECRET, permissions=ALL_PERMISSIONS)
        self.data = MarketData(
            pairs=PAIRS, market=self.market, exchange=self.exchange, now_ns=START_NS
        )
        self.hub = Hub(self.data)
        self.frames: dict[Session, list[Any]] = {}
        self._nonce = 0

    # time

    def pass_time(self, seconds: int) -> None:
        until_ns = self.now_ns + seconds * NS_PER_SECOND
        while (due_ns := self.market.next_event_ns()) is not None and due_ns <= until_ns:
            self.now_ns = due_ns
            self.exchange.advance(due_ns)
            self.market.step(due_ns, self.exchange)
            self.settle()
        self.now_ns = until_ns
        self.settle()

    def settle(self) -> None:
        for session, frame in self.hub.publish(self.exchange.drain(), self.now_ns):
            self.frames[session].append(read(frame))

    # REST

    def get(self, method: str, query: Mapping[str, str]) -> Any:
        return read(rest.answer(self.data, f"/0/public/{method}", query, self.now_ns))

    def post(self, method: str, fields: Mapping[str, Any], *, as_json: bool = False) -> Any:
        self._nonce += 1
        given = {**fields, "nonce": self._nonce}
        body = json.dumps(given) if as_json else urlencode(given)
        path = f"/0/private/{method}"
        digest = hashlib.sha256(f"{self._nonce}{body}".encode()).digest()
        mac = hmac.new(base64.b64decode(SECRET), path.encode() + digest, hashlib.sha512)
        request = PrivateRequest(
            path=path,
            api_key="k",
            api_sign=base64.b64encode(mac.digest()).decode(),
            body=body.encode(),
            content_type="application/json" if as_json else "application/x-www-form-urlencoded",
        )
        answer = read(self.exchange.private_rest(request, self.now_ns).body)
        self.settle()
        return answer

    def order(self, side: str, volume: str, price: str | None = None, **more: str) -> str:
        kind = {"ordertype": "market"} if price is None else {"ordertype": "limit", "price": price}
        fields = {"pair": "XBTUSD", "type": side, "volume": volume, **kind, **more}
        answer = self.post("AddOrder", fields)
        assert answer["error"] == [], answer
        return str(answer["result"]["txid"][0])

    def token(self) -> str:
        return str(self.post("GetWebSocketsToken", {})["result"]["token"])

    # WebSocket

    def connect(self) -> Session:
        session, greeting = self.hub.open(Role.BOTH, self.now_ns)
        self.frames[session] = [read(greeting)]
        return session

    def ask(self, session: Session, request: Any) -> list[Any]:
        text = json.dumps(request)
        answers = [read(f) for f in requests.receive(self.hub, session, text, self.now_ns)]
        self.settle()
        return answers

    def live(self) -> None:
        """An hour of an account's life, so that every answer has something to tell."""
        self.pass_time(25)
        self.order("buy", "0.02")
        self.order("sell", "0.03", userref="7")
        self.pass_time(25)
        gone = self.order("buy", "0.01", "50000", cl_ord_id="gone")
        self.pass_time(25)
        self.post("CancelOrder", {"txid": gone})
        part = self.order("buy", "0.05", "59999", cl_ord_id="partly")
        self.exchange.market_trade(
            PairName("XBTUSD"), Decimal(59999), Decimal("0.02"), Side.SELL, self.now_ns
        )
        self.settle()
        self.order("sell", "0.01", "70000", userref="3")
        self.exchange.allocate("a", Asset("ETH"), Decimal(5), ".F", self.now_ns)
        self.exchange.reward("a", Asset("ETH.F"), Decimal("0.01"), self.now_ns)
        self.settle()
        self.partly_filled = part
        self.gone = gone
        self.pass_time(25)


@pytest.fixture
def life() -> Scene:
    """A venue that has lived."""
    scene = Scene()
    scene.live()
    return scene


class Recorded:
    """One payload that somebody recorded or printed."""

    def __init__(self, path: Path, payload: Any) -> None:
        self.name = str(path.relative_to(VECTORS))
        self.payload = payload

    def __repr__(self) -> str:
        return f"<Recorded {self.name}>"


class Library:
    """All of them, by where they stand."""

    def __init__(self) -> None:
        if not VECTORS.is_dir():
            pytest.skip(f"recorded payloads are not at {VECTORS}")

    def files(self, *patterns: str) -> list[str]:
        found = [path for pattern in patterns for path in VECTORS.glob(pattern)]
        return sorted(str(path.relative_to(VECTORS)) for path in found if path.is_file())

    def text(self, name: str) -> str:
        return (VECTORS / name).read_text(encoding="utf-8")

    def answer(self, name: str) -> Any:
        """The envelope in a file; some begin with the request it answers."""
        text = self.text(name)
        return read(text[text.index("{") :])

    def lines(self, page: str) -> Iterator[Any]:
        """The messages of a page of the documentation."""
        for line in self.text(f"kraken-docs-examples/{page}.jsonl").splitlines():
            yield read(line)


@pytest.fixture(scope="session")
def library() -> Library:
    return Library()


def kind_of(value: Any) -> str:
    """What a scalar is, on the wire."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case Decimals():
            return "number with a point"
        case int():
            return "whole number"
        case _:
            return kind_of_text(str(value))


def kind_of_text(text: str) -> str:
    digits = text.removeprefix("-")
    whole, point, rest = digits.partition(".")
    if whole.isdigit() and point and rest.isdigit():
        return "decimal text"
    return "whole text" if digits.isdigit() else "text"


def is_name(key: str) -> bool:
    """A key that names a thing (an id, a pair, an asset), and so differs from answer to answer."""
    return len(key) > 1 and key == key.upper()


Shape = dict[str, set[str]]


def shape_of(value: Any, place: str = "", into: Shape | None = None) -> Shape:
    """The kinds of scalars at each place of a document; names and rows of lists are one place."""
    into = {} if into is None else into
    if isinstance(value, dict):
        for key, inner in value.items():
            shape_of(inner, f"{place}.{'*' if is_name(key) else key}", into)
    elif isinstance(value, list):
        mixed = len({kind_of(one) for one in value if not isinstance(one, list | dict)}) > 1
        for index, inner in enumerate(value):
            shape_of(inner, f"{place}[{index if mixed else ''}]", into)
    else:
        into.setdefault(place, set()).add(kind_of(value))
    return into


class Shapes:
    """What tests compare with."""

    of = staticmethod(shape_of)
    kind_of = staticmethod(kind_of)


@pytest.fixture
def shapes() -> Shapes:
    return Shapes()


@pytest.fixture
def make_scene() -> type[Scene]:
    return Scene


UNKNOWN = "EOrder:Unknown order"
DOCUMENTED_PAGES = {
    "Get_API_Key_Info": ("GetApiKeyInfo", None),
    "Get_Account_Balance": ("Balance", None),
    "Get_Extended_Balance": ("BalanceEx", None),
    "Get_Trade_Balance": ("TradeBalance", None),
    "Get_Open_Orders": ("OpenOrders", None),
    "Get_Closed_Orders": ("ClosedOrders", None),
    "Get_Trades_History": ("TradesHistory", None),
    "Get_Ledgers_Info": ("Ledgers", None),
    "Get_Websockets_Token": ("GetWebSocketsToken", None),
    "Cancel_All_Orders": ("CancelAll", None),
    "Cancel_All_Orders_After_X": ("CancelAllOrdersAfter", None),
    "Query_Orders_Info": ("QueryOrders", UNKNOWN),
    "Query_Trades_Info": ("QueryTrades", "EQuery:Unknown trade"),
    "Query_Ledgers": ("QueryLedgers", "EQuery:Unknown ledger"),
    "Cancel_Order": ("CancelOrder", UNKNOWN),
    "Amend_Order": ("AmendOrder", UNKNOWN),
    "Edit_Order": ("EditOrder", UNKNOWN),
    "Get_Trade_Volume": ("TradeVolume", "EQuery:Unknown asset pair"),
}
"""The page, its method, and the one error it gets here; the pairs of the last one are in a spelling
that no recording knows.
"""


@pytest.fixture
def documented_pages() -> dict[str, tuple[str, str | None]]:
    return DOCUMENTED_PAGES
