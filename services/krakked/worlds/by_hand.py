"""What the owner of a world's account does there himself: he moves money, and trades by hand.

He has a key of his own and no bad luck on his line. His orders are small and rest just inside the
best price, so that an engine's order may meet one: the venue prevents the trade with oneself and
ends the engine's. What of his is executed is nobody's sleeve: it must be booked as manual.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

import msgspec

from krakked.adapters.kraken.auth import Credentials
from krakked.domain.ids import Asset, PairName
from krakked.domain.money import ZERO
from krakked.domain.orders import Side
from krakked.sim.exchange.calls import PrivateRequest
from krakked.sim.exchange.keys import ALL_PERMISSIONS
from krakked.sim.exchange.pairs import PAIRS
from krakked.simulator.options import ACCOUNT, default_key
from krakked.simulator.venue import Venue

HAND_KEY: Final = default_key("world-hand-key")
FLOWS: Final = (
    (Asset("USD"), Decimal(2_000)),
    (Asset("USD"), Decimal(-2_000)),
    (Asset("XBT"), Decimal("0.004")),
    (Asset("XBT"), Decimal("-0.003")),
    (Asset("ETH"), Decimal("0.1")),
    (Asset("ETH"), Decimal("-0.1")),
)
"""What he moves into the account or out of it: small beside it, for limits are shares."""
TRADES: Final = (
    (PairName("XBTUSD"), Side.SELL, Decimal("0.002")),
    (PairName("ETHUSD"), Side.SELL, Decimal("0.04")),
    (PairName("XBTUSD"), Side.BUY, Decimal("0.002")),
    (PairName("ETHUSD"), Side.BUY, Decimal("0.04")),
)
"""What he trades by hand; what he sells, he has brought in before."""


class _Placed(msgspec.Struct):
    txid: list[str] = []


class _Envelope(msgspec.Struct):
    error: list[str]
    result: _Placed = msgspec.field(default_factory=_Placed)


class ByHand:
    """See the module."""

    def __init__(self, venue: Venue, brought: dict[Asset, Decimal]) -> None:
        self._venue = venue
        self._brought = dict(brought)
        """What he moved in and has not taken out; the rest, engines have bought."""
        self._nonce = 0
        self._placed: list[str] = []
        venue.exchange.add_key(
            ACCOUNT,
            key=HAND_KEY.key,
            secret=HAND_KEY.secret,
            permissions=ALL_PERMISSIONS,
            nonce_window=0,
        )
        self._credentials = Credentials(HAND_KEY.key, HAND_KEY.secret)

    def move_money(self, number: int) -> bool:
        """One of :data:`FLOWS`; false if it is not there, or not his to take."""
        asset, amount = FLOWS[number % len(FLOWS)]
        exchange, now_ns = self._venue.exchange, self._venue.catch_up()
        if amount > 0:
            exchange.deposit(ACCOUNT, asset, amount, now_ns)
        elif -amount <= min(
            self._brought.get(asset, ZERO), exchange.account(ACCOUNT).available(asset)
        ):
            exchange.withdraw(ACCOUNT, asset, -amount, now_ns)
        else:
            return False
        self._brought[asset] = self._brought.get(asset, ZERO) + amount
        return True

    def trade(self, number: int) -> str | None:
        """Rest one of :data:`TRADES` just inside the best price; its id, if the venue took it."""
        pair, side, volume = TRADES[number % len(TRADES)]
        exchange, rules = self._venue.exchange, PAIRS[pair]
        bids, asks = exchange.depth(pair, 1)
        if not bids or not asks:
            return None
        if side is Side.SELL:
            exchange.deposit(ACCOUNT, Asset(rules.base.altname), volume, self._venue.catch_up())
        tick = rules.tick_size
        price = bids[0].price + tick if side is Side.SELL else asks[0].price - tick
        answer = self._ask(
            "AddOrder",
            pair=pair,
            type=side.value,
            ordertype="limit",
            oflags="post",
            price=str(price),
            volume=str(volume),
        )
        self._placed += answer.result.txid
        return next(iter(answer.result.txid), None)

    def cancel(self, order_id: str) -> None:
        """Take it back, if it still rests; what the venue does not take back now stays noted."""
        if order_id in self._venue.exchange.account(ACCOUNT).open:
            self._ask("CancelOrder", txid=order_id)

    def let_go(self) -> None:
        """Take back all that still rests."""
        for order_id in self._placed:
            self.cancel(order_id)

    def _ask(self, method: str, **form: str) -> _Envelope:
        self._nonce += 1
        path, body = f"/0/private/{method}", urlencode({"nonce": str(self._nonce), **form})
        request = PrivateRequest(
            path=path,
            api_key=HAND_KEY.key,
            api_sign=self._credentials.sign(path, self._nonce, body),
            body=body.encode(),
            content_type="application/x-www-form-urlencoded",
        )
        now_ns = self._venue.catch_up()
        answer = self._venue.exchange.private_rest(request, now_ns)
        self._venue.settle(now_ns)
        return msgspec.json.decode(answer.body, type=_Envelope)
