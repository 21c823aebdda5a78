"""The venue of a world: the exchange, market and streams of the simulator, without its sockets.

It is the very code that answers on real ports (``Venue``, ``Service``, faults included). What is
new here is the tape: everything that reached the venue, with what it answered, in order. Checkers
read the tape and the exchange itself, which see everything.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from krakked.adapters.kraken.network import Answer, Request
from krakked.adapters.kraken.nonces import epoch_of
from krakked.adapters.kraken.outcomes import MUTATIONS
from krakked.adapters.system.clock import LoopClock
from krakked.domain.ids import Asset, PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.calls import PrivateRequest, RestAnswer
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.keys import ALL_PERMISSIONS, QUERY_PERMISSIONS
from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.model import Print
from krakked.sim.market.synthetic import Habits, SyntheticMarket
from krakked.sim.public.gate import OPEN, Gate
from krakked.sim.public.market_data import MarketData
from krakked.sim.public.sessions import Hub, Role
from krakked.simulator.faults import Faults
from krakked.simulator.options import ACCOUNT, default_key
from krakked.simulator.request_faults import Broken, Outcome
from krakked.simulator.service import PublicRequest, Service
from krakked.simulator.venue import Driver, Venue
from krakked.worlds.by_hand import ByHand
from krakked.worlds.loop import WorldLoop
from krakked.worlds.tape import Call, Departure, Tape

REST_URL: Final = "http://venue"
WS_URL: Final = "ws://venue/v2"
TRADE_KEY: Final = default_key("world-trade-key")
QUERY_KEY: Final = default_key("world-query-key")
BEAT_S: Final = 4.0
"""Heartbeats of the venue come each second; a world hears them less often, and waits longer."""
PAST_NS: Final = 600 * NS_PER_SECOND
LIVELY: Final = Habits(
    waves=((6, 6_000_000), (8, 14_000_000), (9, 20_000_000)), has_thin_hours=False
)
"""A lively market: a per cent or two within minutes."""


class YoungMarket(SyntheticMarket):
    """A market that tells of few past trades: nobody asks, and each start would make them all."""

    def prints_before(self, pair: PairName, from_ns: int, before_ns: int) -> list[Print]:
        """Those of the last minutes at most."""
        return super().prints_before(pair, max(from_ns, before_ns - PAST_NS), before_ns)


class Host:
    """The venue, as the network reaches it."""

    def __init__(self, loop: WorldLoop, recipe: HostRecipe, tape: Tape) -> None:
        self.loop = loop
        self._tape = tape
        self.clock = LoopClock(loop)
        now_ns = loop.now_ns()
        pairs = {name: PAIRS[name] for name in recipe.prices}
        market = YoungMarket(
            pairs=pairs, prices=recipe.prices, seed=recipe.seed, start_ns=now_ns, habits=LIVELY
        )
        exchange = Exchange(pairs=pairs, options=ExchangeOptions(seed=recipe.seed), now_ns=now_ns)
        exchange.open_account(ACCOUNT, deposits=recipe.balances, tier=recipe.tier, now_ns=now_ns)
        for key, permissions in ((TRADE_KEY, ALL_PERMISSIONS), (QUERY_KEY, QUERY_PERMISSIONS)):
            exchange.add_key(
                ACCOUNT, key=key.key, secret=key.secret, permissions=permissions, nonce_window=0
            )
        self.faults = Faults({}, recipe.seed)
        data = MarketData(pairs=pairs, market=market, exchange=exchange, now_ns=now_ns)
        self.venue = Venue(
            exchange=exchange,
            market=market,
            hub=Hub(data, Gate(OPEN)),
            faults=self.faults,
            clock=self.clock,
            store=None,
        )
        self.venue.watchers.append(tape.happened)
        self.service = _Service(self.venue, tape)
        self._driver = Driver(self.venue)
        self.by_hand = ByHand(self.venue, recipe.balances)

    @property
    def exchange(self) -> Exchange:
        """The truth."""
        return self.venue.exchange

    def open(self) -> None:
        """Let its time run."""
        self.venue.settle(self.venue.catch_up())
        self.loop.create_task(self._driver.run(), name="venue")
        self.loop.create_task(self._beat(), name="venue heartbeats")

    async def _beat(self) -> None:
        while True:
            await self.clock.sleep(BEAT_S)
            now_ns = self.clock.now_ns()
            self.venue.deliver(self.venue.hub.heartbeats(now_ns))

    def leaves(self, request: Request, sender: str) -> None:
        """A process writes it to its line; only changes are of interest."""
        method = request.url.rpartition("/")[2]
        if method not in MUTATIONS or request.body is None:
            return
        nonce = int(parse_qs(request.body)["nonce"][0])
        self._tape.left(Departure(sender=sender, method=method, epoch=epoch_of(nonce)))

    async def answer(self, request: Request, sender: str) -> Answer | None:
        """What comes back; None: the connection breaks."""
        url = urlsplit(request.url)
        if url.path.startswith("/0/public/"):
            said = await self.service.public(
                PublicRequest(path=url.path, query=request.params, query_text="", remote=sender)
            )
        else:
            said = await self._private(request, url.path, sender)
        return _carried(said)

    async def _private(self, request: Request, path: str, sender: str) -> bytes | Outcome:
        assert request.body is not None, "signed requests have a body"
        body = request.body.encode()
        call = self._tape.arrived(
            Call(
                at_ns=self.clock.now_ns(),
                sender=sender,
                method=path.rpartition("/")[2],
                key=request.headers["API-Key"],
                form={name: values[0] for name, values in parse_qs(request.body).items()},
            ),
            body,
        )
        said = await self.service.private(
            PrivateRequest(
                path=path,
                api_key=request.headers["API-Key"],
                api_sign=request.headers["API-Sign"],
                body=body,
                content_type="application/x-www-form-urlencoded",
            )
        )
        self._tape.answered(call, said if isinstance(said, bytes) else None)
        return said

    def heard(self, request: Request) -> None:
        """The answer to it has come."""
        if request.body is not None:
            self._tape.heard(request.body.encode())


class _Service(Service):
    """Puts on the tape what the exchange itself answers, whatever a fault makes of that."""

    def __init__(self, venue: Venue, tape: Tape) -> None:
        super().__init__(venue, Role.BOTH)
        self._tape = tape
        self._clock = venue.clock

    def _handle(self, request: PrivateRequest) -> RestAnswer:
        answer = super()._handle(request)
        self._tape.handled(request.body, answer.body, self._clock.now_ns())
        return answer


class HostRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue is like."""

    seed: int
    prices: dict[PairName, Decimal]
    balances: dict[Asset, Decimal]
    tier: Tier = Tier.INTERMEDIATE


def _carried(said: bytes | Outcome) -> Answer | None:
    if isinstance(said, bytes):
        return Answer(200, "application/json", said)
    if said.broken is Broken.GATEWAY:
        return Answer(said.status, "text/html", b"<html>gateway</html>")
    return None
