"""Builders shared by the tests of trading: one pair, one account, records with sane defaults."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from krakked.domain.fills import Liquidity, VenueTrade
from krakked.domain.ids import (
    AccountFingerprint,
    Asset,
    PairName,
    StrategyId,
    TradeId,
    VenueOrderId,
    account_fingerprint,
    client_order_id,
    plan_id,
)
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.orders import (
    Journal,
    LegKind,
    Order,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    VenueOrder,
    VenueStatus,
)
from krakked.domain.pairs import Pair
from krakked.ports.ledger import Books
from krakked.trading.account import Account

XBTUSD = PairName("XBTUSD")


@pytest.fixture
def fingerprint() -> AccountFingerprint:
    return account_fingerprint(venue="simulator", account="test")


@pytest.fixture
def pair() -> Pair:
    return Pair(
        name=XBTUSD,
        base=Asset("XBT"),
        quote=Asset("USD"),
        tick_size=Decimal("0.1"),
        quantity_decimals=8,
        cost_decimals=5,
        quantity_min=Decimal("0.00005"),
        cost_min=Decimal("0.5"),
    )


@pytest.fixture
def make_order(fingerprint: AccountFingerprint) -> Callable[..., Order]:
    """``make_order(sequence, side=…, kind=…, pair=…, **fields of Order)``."""

    def make(
        sequence: int = 1,
        *,
        side: Side = Side.BUY,
        kind: LegKind = LegKind.ENTRY,
        pair: PairName = XBTUSD,
        strategy: str = "trend",
        quantity: str = "1",
        **fields: object,
    ) -> Order:
        plan = plan_id(fingerprint, 1, sequence)
        request = OrderRequest(
            client_order_id=client_order_id(fingerprint, StrategyId("trend"), plan, 0, 0),
            plan_id=plan,
            leg=0,
            revision=0,
            strategy_id=StrategyId(strategy),
            pair=pair,
            kind=kind,
            side=side,
            type=OrderType.LIMIT,
            quantity_base=Decimal(quantity),
            limit_price=Decimal(100),
            time_in_force=TimeInForce.GTC,
            expire_at_ns=None,
        )
        order = Order(request=request, journal=Journal.ACKED, created_at_ns=0)
        return msgspec.structs.replace(order, **fields)

    return make


@pytest.fixture
def make_trade() -> Callable[..., VenueTrade]:
    """``make_trade("T1", **fields of VenueTrade)``; cost follows from price and quantity."""

    def make(trade_id: str = "T1", **fields: object) -> VenueTrade:
        trade = VenueTrade(
            trade_id=TradeId(trade_id),
            venue_order_id=VenueOrderId("O1"),
            pair=XBTUSD,
            side=Side.BUY,
            price=Decimal(100),
            quantity_base=Decimal(1),
            cost_quote=Decimal(100),
            fee_amount=Decimal("0.4"),
            fee_asset=Asset("USD"),
            liquidity=Liquidity.TAKER,
            at_ns=10,
        )
        made = msgspec.structs.replace(trade, **fields)
        if "cost_quote" in fields:
            return made
        return msgspec.structs.replace(made, cost_quote=made.price * made.quantity_base)

    return make


@pytest.fixture
def make_report(fingerprint: AccountFingerprint) -> Callable[..., VenueOrder]:
    """``make_report(order, status, **fields of VenueOrder)``: the venue's word on an order."""

    def make(order: Order, status: VenueStatus = VenueStatus.OPEN, **fields: object) -> VenueOrder:
        request = order.request
        report = VenueOrder(
            venue_order_id=order.venue_order_id or VenueOrderId("O1"),
            client_order_id=request.client_order_id,
            pair=request.pair,
            side=request.side,
            type=request.type.value,
            status=status,
            quantity_base=request.quantity_base,
            filled_base=order.filled_base,
            cost_quote=order.cost_quote,
            fee_quote=order.fee_quote,
            limit_price=request.limit_price,
            opened_at_ns=5,
        )
        return msgspec.structs.replace(report, **fields)

    return make


@pytest.fixture
def no_books() -> Books:
    """Books in which nothing was ever written."""
    return Books(
        positions={},
        totals={},
        live_orders=[],
        sleeves={},
        runs={},
        kill_switch=KillSwitch(),
        halted=False,
        last_plan=None,
        day=None,
        cursors={},
        drifts=[],
        net_flows=Decimal(0),
        is_empty=True,
    )


@pytest.fixture
def account(no_books: Books, fingerprint: AccountFingerprint, pair: Pair) -> Account:
    return Account(
        no_books, fingerprint=fingerprint, base_currency=Asset("USD"), pairs={pair.name: pair}
    )
