"""Equity is flows and profit, and positions are the account, whatever comes, goes and is traded."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakked.domain.fills import CashFlow, CashFlowKind, Liquidity, VenueTrade
from krakked.domain.ids import (
    MANUAL,
    AccountFingerprint,
    Asset,
    LedgerId,
    PairName,
    StrategyId,
    TradeId,
    VenueOrderId,
)
from krakked.domain.orders import Side
from krakked.domain.pairs import Pair
from krakked.domain.positions import Position, Sleeve, moved
from krakked.domain.quotes import Quote
from krakked.ports.ledger import Books
from krakked.trading.account import Account
from krakked.trading.booking import book

D = Decimal
USD, XBT, ETH = Asset("USD"), Asset("XBT"), Asset("ETH")
XBTUSD, ETHUSD, ETHXBT = PairName("XBTUSD"), PairName("ETHUSD"), PairName("ETHXBT")
BOUND = D("1e-9")
"""Shares of a cost, and prices by the way of another pair, may not end; the sums are millions."""

amounts = st.decimals(D("0.0001"), D(100), places=4)
mids = st.decimals(D("0.5"), D(50_000), places=2)


class Flow(msgspec.Struct, frozen=True):
    """What comes, or goes if negative."""

    asset: Asset
    amount: Decimal


class Deal(msgspec.Struct, frozen=True):
    """One execution for a strategy, or by a person."""

    strategy_id: StrategyId
    pair: PairName
    side: Side
    quantity: Decimal
    price: Decimal
    fee_in_base: bool


class Move(msgspec.Struct, frozen=True):
    """A pair has another price."""

    pair: PairName
    mid: Decimal


flows = st.builds(Flow, st.sampled_from([USD, XBT, ETH]), amounts | amounts.map(lambda a: -a))
deals = st.builds(
    Deal,
    st.sampled_from([MANUAL, StrategyId("trend")]),
    st.sampled_from([XBTUSD, ETHUSD, ETHXBT]),
    st.sampled_from(Side),
    amounts,
    mids,
    st.booleans(),
)
moves = st.builds(Move, st.sampled_from([XBTUSD, ETHUSD]), mids)


class World:
    """An account, and what the market says."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.quotes: dict[PairName, Quote] = {}

    def take(self, step: Flow | Deal | Move) -> None:
        if isinstance(step, Flow):
            self.flow(step)
        elif isinstance(step, Deal):
            self.deal(step)
        else:
            self.quotes[step.pair] = quote(step)

    def flow(self, step: Flow) -> None:
        worth = self.account.worth(step.asset, self.quotes)
        flow = CashFlow(
            ledger_id=LedgerId("L1"),
            kind=CashFlowKind.TRANSFER,
            asset=step.asset,
            amount=step.amount,
            fee=D(0),
            at_ns=1,
            value_base=None if worth is None else worth * step.amount,
            pair=self.account.valuation.pair_of(step.asset),
        )
        after: Position | None = None
        if flow.pair is not None:
            after, _ = moved(self.account.position(Sleeve(MANUAL, flow.pair)), flow)
        self.account.put_flow(flow, after)

    def deal(self, step: Deal) -> None:
        pair = self.account.pairs[step.pair]
        trade = VenueTrade(
            trade_id=TradeId("T1"),
            venue_order_id=VenueOrderId("O1"),
            pair=step.pair,
            side=step.side,
            price=step.price,
            quantity_base=step.quantity,
            cost_quote=step.quantity * step.price,
            fee_amount=step.quantity / 400 * (1 if step.fee_in_base else step.price),
            fee_asset=pair.base if step.fee_in_base else pair.quote,
            liquidity=Liquidity.TAKER,
            at_ns=2,
        )
        position = self.account.position(Sleeve(step.strategy_id, step.pair))
        prices = self.account.prices(self.quotes)
        self.account.put_booking(
            book(trade, pair=pair, order=None, position=position, prices=prices)
        )

    def check(self) -> None:
        snapshot = self.account.snapshot(self.quotes, 0)
        explained = snapshot.net_flows + snapshot.realized + snapshot.unrealized
        assert abs(snapshot.equity - explained) < BOUND
        for asset in (XBT, ETH):
            assert abs(self.account.totals.get(asset, D(0)) - self.by_positions(asset)) < BOUND

    def by_positions(self, asset: Asset) -> Decimal:
        """What sleeves hold of it, less what others of their purchases were paid with."""
        total = D(0)
        for position in self.account.positions.values():
            pair = self.account.pairs[position.sleeve.pair]
            if pair.base == asset:
                total += position.quantity_base
            if pair.quote == asset:
                total += position.realized_quote - position.cost_quote
        return total


def quote(step: Move) -> Quote:
    return Quote(
        pair=step.pair,
        bid=step.mid,
        ask=step.mid,
        last=step.mid,
        volume_24h_base=D(1),
        at_ns=0,
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(flows | deals | moves, max_size=20), known=st.booleans())
def test_equity_is_explained_and_positions_are_the_account(
    no_books: Books,
    fingerprint: AccountFingerprint,
    pair: Pair,
    steps: list[Flow | Deal | Move],
    known: bool,
) -> None:
    pairs = {
        XBTUSD: pair,
        ETHUSD: msgspec.structs.replace(pair, name=ETHUSD, base=ETH),
        ETHXBT: msgspec.structs.replace(pair, name=ETHXBT, base=ETH, quote=XBT),
    }
    world = World(Account(no_books, fingerprint=fingerprint, base_currency=USD, pairs=pairs))
    if known:
        world.take(Move(XBTUSD, D(20_000)))
        world.take(Move(ETHUSD, D("1234.56")))
    for step in steps:
        world.take(step)
        if len(world.quotes) == 2:
            world.check()
    world.take(Move(XBTUSD, D("777.7")))
    world.take(Move(ETHUSD, D("8.25")))
    world.check()
