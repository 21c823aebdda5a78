"""Requests recorded from other clients: each is understood, or refused for what it asks."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from krakked.domain.ids import Asset, PairName
from krakked.sim.exchange.pairs import PAIRS

SHARED = Path(os.environ.get("KRAKKED_SHARED", Path(__file__).parents[5] / "shared"))
VECTORS = SHARED / "data" / "vectors"
NO_MARGIN = "EGeneral:Invalid arguments:leverage"
"""What orders with leverage are answered with: accounts here trade spot only."""

OUTCOMES = {
    "Spot market buy": None,
    "Spot market sell": None,
    "multiple oflags": None,
    "market buy with cost": None,
    "market buy with cost usdt": None,
    "my trades": None,
    "open orders": None,
    "closed orders": None,
    "cancel all": None,
    "cancel after 10s": None,
    "cancel after off": None,
    "cancel order": "EOrder:Unknown order",
    "balance": None,
    "ledger": None,
    "Margin stopLossPrice": NO_MARGIN,
    "Margin takeProfitPrice": NO_MARGIN,
    "Margin trailing": NO_MARGIN,
    "Margin trailing limit": NO_MARGIN,
    "Stop loss market": None,
    "Stop loss limit": None,
    "take profit limit": None,
    "take profit market": None,
}


def recorded():
    file = VECTORS / "ccxt" / "requests.json"
    if not file.exists():
        pytest.skip(f"recorded payloads are not at {SHARED}")
    return [row for row in json.loads(file.read_text()) if "/private/" in row["url"]]


@pytest.fixture
def litecoin(make_bench):
    """The recorded requests trade an asset that the simulated venue does not list."""
    import msgspec

    from krakked.sim.exchange.exchange import Exchange
    from krakked.sim.exchange.options import ExchangeOptions

    model = PAIRS[PairName("XBTUSDT")]
    coin = msgspec.structs.replace(model.base, id="XLTC", altname=Asset("LTC"), symbol="LTC")
    pairs = dict(PAIRS)
    for altname, canonical, quote in (
        ("LTCUSDT", "LTCUSDT", model.quote),
        ("LTCUSD", "XLTCZUSD", PAIRS[PairName("XBTUSD")].quote),
    ):
        pairs[PairName(altname)] = msgspec.structs.replace(
            model,
            id=canonical,
            altname=PairName(altname),
            wsname=f"LTC/{quote.altname}",
            symbol=f"LTC/{quote.symbol}",
            base=coin,
            quote=quote,
            pair_decimals=2,
            tick_size=Decimal("0.01"),
        )
    bench = make_bench()
    bench.exchange = Exchange(pairs=pairs, options=ExchangeOptions(), now_ns=bench.now_ns)
    bench.core = bench.exchange._core
    bench.open(USD="10000", USDT="10000", LTC="100")
    for name in ("LTCUSDT", "LTCUSD"):
        bench.house(pair=PairName(name), bids=[("60.00", "100")], asks=[("60.01", "100")])
    return bench


def test_recorded_private_requests_get_the_outcome_they_should(litecoin):
    rows = recorded()
    outcomes = {}
    for row in rows:
        fields = dict(parse_qsl(row["body"], keep_blank_values=True))
        litecoin.nonce += 1
        body = row["body"].replace(f"nonce={fields['nonce']}", f"nonce={litecoin.nonce}", 1)
        assert body != row["body"]
        method = row["url"].rpartition("/")[2]
        answer = litecoin.post(method, body.encode(), litecoin.nonce)
        errors = json.loads(answer.body)["error"]
        outcomes[row["description"]] = errors[0] if errors else None
    assert outcomes == OUTCOMES


def test_recorded_flags_arrive_as_they_were_sent(litecoin):
    row = next(row for row in recorded() if row["description"] == "multiple oflags")
    fields = dict(parse_qsl(row["body"])) | {"nonce": "1"}
    answer = litecoin.post("AddOrder", urlencode(fields).encode(), 1)
    (txid,) = answer.order_ids
    litecoin.nonce = 1
    assert litecoin.order(txid)["oflags"] == "fcib,post"


DOCUMENTED = [
    ("GetApiKeyInfo", "Account/GetApiKeyInfo.txt", ()),
    ("BalanceEx", "Account/GetAvailableBalances.txt", ("ZUSD",)),
    ("Ledgers", "Account/GetLedgerInfo.txt", ("ledger", "*")),
    ("TradeBalance", "Account/GetTradeBalance.txt", ()),
    ("TradeVolume", "Account/GetTradeVolume.txt", ("fees", "*")),
    ("TradesHistory", "Trading/GetUserTrades.txt", ("trades", "*")),
    ("OpenOrders", "Trading/GetOpenOrders.txt", ("open", "*")),
    ("ClosedOrders", "Trading/GetClosedOrders.txt", ("closed", "*")),
    ("CancelAllOrdersAfter", "Trading/CancelAllOrdersAfter.txt", ()),
    ("CancelAll", "Trading/CancelAllOrders.txt", ()),
    ("AddOrder", "Trading/PlaceOrder.txt", ()),
]
ONLY_FOR_STOPS = {"trigger"}
MARGIN_LEVEL = {"ml"}
"""Without positions the venue leaves it out."""


@pytest.mark.parametrize(("method", "name", "path"), DOCUMENTED)
def test_documented_answers_have_no_field_that_ours_lack(venue, method, name, path):
    file = VECTORS / "Kraken.Net" / "Endpoints" / "Spot" / name
    if not file.exists():
        pytest.skip(f"recorded payloads are not at {SHARED}")
    text = file.read_text()
    theirs = json.loads(text[text.index("{") :])["result"]
    venue.add("buy", "1.2", "50001")
    venue.ok("CancelOrder", txid=venue.add("buy", "0.1", "40000"))
    params = {"pair": "XBTUSD", "timeout": 60, "trades": "true"}
    if method == "AddOrder":
        params = venue.ask("buy", "0.1", "40000")
    ours = venue.ok(method, **params)
    for step in path:
        theirs = next(iter(theirs.values())) if step == "*" else theirs[step]
        ours = next(iter(ours.values())) if step == "*" else ours[step]
    lacking = set(theirs) - set(ours) - ONLY_FOR_STOPS - MARGIN_LEVEL
    assert lacking == set()
