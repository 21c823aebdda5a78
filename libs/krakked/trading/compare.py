"""Comparing our books with the venue's: pure, asset by asset, order by order, fill by fill.

Nothing is ever invented to make them agree; what differs is listed, and a difference that does
not become explained in time is drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from krakked.domain.fills import Fill, VenueTrade
from krakked.domain.ids import AccountFingerprint, Asset, is_ours
from krakked.domain.money import ZERO, plain, to_text
from krakked.domain.orders import Journal, Order, VenueOrder
from krakked.domain.portfolio import Difference, Drift, DriftKind
from krakked.ports.exchange import Balance

NOTHING = "none"


def amount(value: Decimal) -> str:
    """An amount as people compare it: fixed point, no trailing zeros."""
    return to_text(plain(value))


def spot_totals(balances: Iterable[Balance]) -> dict[Asset, Decimal]:
    """What the venue holds for trading; earn balances are apart."""
    totals: dict[Asset, Decimal] = {}
    for balance in balances:
        if balance.kind == "spot":
            totals[balance.asset] = totals.get(balance.asset, ZERO) + balance.total
    return totals


def compare_balances(
    ours: Mapping[Asset, Decimal], theirs: Mapping[Asset, Decimal]
) -> list[Difference]:
    """Every asset whose total differs, to the last digit."""
    return [
        Difference(
            subject="balance",
            key=asset,
            ours=amount(ours.get(asset, ZERO)),
            theirs=amount(theirs.get(asset, ZERO)),
        )
        for asset in sorted({*ours, *theirs})
        if ours.get(asset, ZERO) != theirs.get(asset, ZERO)
    ]


def compare_open_orders(
    ours: Iterable[Order], theirs: Iterable[VenueOrder], account: AccountFingerprint
) -> list[Difference]:
    """Orders that only one side takes for open; somebody else's orders are not ours to compare."""
    open_there = {
        order.client_order_id: order for order in theirs if is_ours(order.client_order_id, account)
    }
    acked_here = {
        order.request.client_order_id: order for order in ours if order.journal is Journal.ACKED
    }
    missing = [
        Difference(subject="open_order", key=key, ours=order.status.value, theirs=NOTHING)
        for key, order in acked_here.items()
        if key not in open_there
    ]
    live_here = {order.request.client_order_id for order in ours if order.is_live}
    surplus = [
        Difference(subject="open_order", key=str(key), ours=NOTHING, theirs=order.status.value)
        for key, order in open_there.items()
        if key not in live_here
    ]
    return missing + surplus


def foreign_orders(
    theirs: Iterable[VenueOrder], account: AccountFingerprint
) -> tuple[VenueOrder, ...]:
    """Open orders that this account's krakked did not place."""
    return tuple(order for order in theirs if not is_ours(order.client_order_id, account))


def compare_fills(ours: Iterable[Fill], theirs: Iterable[VenueTrade]) -> list[Difference]:
    """Executions that one side lacks, or in which price, size, cost or fee differ."""
    booked = {fill.trade.trade_id: fill.trade for fill in ours}
    told = {trade.trade_id: trade for trade in theirs}
    differences = []
    for trade_id in sorted({*booked, *told}):
        mine, yours = booked.get(trade_id), told.get(trade_id)
        if mine is None or yours is None:
            differences.append(
                Difference(
                    subject="fill",
                    key=trade_id,
                    ours=_shown(mine) if mine else NOTHING,
                    theirs=_shown(yours) if yours else NOTHING,
                )
            )
        else:
            differences.extend(compare_trade(mine, yours))
    return differences


def _shown(trade: VenueTrade) -> str:
    return f"{trade.side.value} {amount(trade.quantity_base)} {trade.pair} at {amount(trade.price)}"


def compare_trade(ours: VenueTrade, theirs: VenueTrade) -> list[Difference]:
    """In what two tellings of one execution differ: price, size, cost, fee."""
    facts: Sequence[tuple[str, str, str]] = (
        ("fill", _shown(ours), _shown(theirs)),
        ("cost", amount(ours.cost_quote), amount(theirs.cost_quote)),
        (
            "fee",
            f"{amount(ours.fee_amount)} {ours.fee_asset}",
            f"{amount(theirs.fee_amount)} {theirs.fee_asset}",
        ),
    )
    return [
        Difference(subject=subject, key=ours.trade_id, ours=mine, theirs=yours)
        for subject, mine, yours in facts
        if mine != yours
    ]


def classify(
    differences: Sequence[Difference],
    before: Sequence[Drift],
    *,
    now_ns: int,
    patience_ns: int,
    is_tolerated: Callable[[Difference], bool] = lambda _: False,
) -> tuple[Drift, ...]:
    """Give each difference its kind: TOLERATED if small, LATE while young, then UNEXPLAINED.

    A difference is the same one as before when subject and key are; its figures may move while
    fills come in.
    """
    since = _since(before)
    result = []
    for difference in differences:
        since_ns = since.get((difference.subject, difference.key), now_ns)
        is_old = now_ns - since_ns >= patience_ns
        kind = DriftKind.UNEXPLAINED if is_old else DriftKind.LATE
        if is_tolerated(difference):
            kind = DriftKind.TOLERATED
        result.append(Drift(difference=difference, kind=kind, since_ns=since_ns))
    return tuple(result)


def _since(before: Sequence[Drift]) -> dict[tuple[str, str], int]:
    return {(d.difference.subject, d.difference.key): d.since_ns for d in before}


def is_within(
    difference: Difference, *, prices: Mapping[Asset, Decimal], tolerance: Decimal
) -> bool:
    """Whether it is a balance that differs by no more than this, in the base currency.

    What has no price may be worth anything, and is never within.
    """
    price = prices.get(Asset(difference.key)) if difference.subject == "balance" else None
    if price is None:
        return False
    return abs(Decimal(difference.ours) - Decimal(difference.theirs)) * price <= tolerance


def foreign_drifts(
    foreign: Iterable[VenueOrder], before: Sequence[Drift], *, now_ns: int
) -> tuple[Drift, ...]:
    """Somebody else's open orders as people are shown them."""
    since = _since(before)
    return tuple(
        Drift(
            difference=(shown := _foreign(order)),
            kind=DriftKind.FOREIGN,
            since_ns=since.get((shown.subject, shown.key), now_ns),
        )
        for order in sorted(foreign, key=lambda order: order.venue_order_id)
    )


def _foreign(order: VenueOrder) -> Difference:
    at = order.type if order.limit_price is None else amount(order.limit_price)
    theirs = f"{order.side.value} {amount(order.quantity_base)} {order.pair} at {at}"
    return Difference(subject="open_order", key=order.venue_order_id, ours=NOTHING, theirs=theirs)


def of_kinds(drifts: Iterable[Drift], *kinds: DriftKind) -> tuple[Drift, ...]:
    """Those of these kinds."""
    return tuple(drift for drift in drifts if drift.kind in kinds)


def standing(drifts: Iterable[Drift]) -> tuple[Drift, ...]:
    """Those in which the books differ by more than is tolerated, explained in time or not."""
    return of_kinds(drifts, DriftKind.LATE, DriftKind.UNEXPLAINED)
