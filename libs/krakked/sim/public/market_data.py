"""All the venue's public knowledge: one tape per pair over one market and one exchange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from krakked.domain.ids import Asset, PairName
from krakked.sim.exchange.book import Level
from krakked.sim.exchange.core import spellings
from krakked.sim.exchange.events import BookChanged, ExchangeEvent
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.pairs import VenueAsset, VenuePair
from krakked.sim.market.model import Market
from krakked.sim.public.tape import Spread, Tape


class MarketData:
    """Tapes by pair, and the way from any spelling of a pair to its tape."""

    def __init__(
        self,
        *,
        pairs: Mapping[PairName, VenuePair],
        market: Market,
        exchange: Exchange,
        now_ns: int,
    ) -> None:
        self.exchange = exchange
        self.tapes = {
            name: Tape(pairs[name], market, now_ns, exchange.last_trade_id(name))
            for name in market.pairs
        }
        self.assets = _assets(tape.pair for tape in self.tapes.values())
        wsnames = exchange.options.accepts_wsname
        listed = [tape.pair for tape in self.tapes.values()]
        self._by_rest_name = {
            spelling: self.tapes[name]
            for spelling, name in spellings(listed, wsnames=wsnames).items()
        }
        self._by_symbol = {tape.pair.symbol: tape for tape in self.tapes.values()}
        if wsnames:
            self._by_symbol |= {tape.pair.wsname: tape for tape in self.tapes.values()}

    def __repr__(self) -> str:
        return f"<MarketData {', '.join(self.tapes)}>"

    def by_rest_name(self, name: str) -> Tape | None:
        """The pair that REST means by id, altname or v2 symbol."""
        return self._by_rest_name.get(name)

    def by_symbol(self, symbol: str) -> Tape | None:
        """The pair that WebSocket v2 means."""
        return self._by_symbol.get(symbol)

    def quotes(self, tape: Tape) -> tuple[Level | None, Level | None]:
        """The best bid and ask now."""
        bids, asks = self.exchange.depth(tape.pair.altname, 1)
        return (bids[0] if bids else None), (asks[0] if asks else None)

    def note_books(self, events: Sequence[ExchangeEvent]) -> None:
        """Remember the spreads of books that changed."""
        for event in events:
            if isinstance(event, BookChanged) and event.pair in self.tapes:
                self._note_spread(self.tapes[event.pair], event.at_ns)

    def _note_spread(self, tape: Tape, at_ns: int) -> None:
        bid, ask = self.quotes(tape)
        if bid is not None and ask is not None:
            tape.note_spread(Spread(at_ns=at_ns, bid=bid.price, ask=ask.price))


def _assets(pairs: Iterable[VenuePair]) -> dict[Asset, VenueAsset]:
    found: dict[Asset, VenueAsset] = {}
    for pair in pairs:
        for asset in (pair.base, pair.quote):
            found[asset.altname] = asset
    return found
