"""Editing an order, the older way: it is cancelled, and a new one with a new id takes its place.

Neither the client id nor the user reference goes along, nor the place in the queue, nor the fills:
the new order is for what the new quantity leaves unfilled.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from krakked.sim.exchange import checks, desk, errors, limits, matching, waiting
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.core import Core
from krakked.sim.exchange.describing import of_ask
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import Order, OrderAsk
from krakked.sim.exchange.prices import Price
from krakked.sim.exchange.pricing import Wanted, resolve

REPLACED: Final = "Order replaced"


class EditAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be different; None leaves a thing as it is."""

    quantity_base: Decimal | None = None
    display_base: Decimal | None = None
    trigger: Price | None = None
    limit: Price | None = None
    post_only: bool | None = None
    fee_in_base: bool | None = None
    userref: int | None = None
    deadline_ns: int | None = None


def edit_order(
    core: Core,
    account: Account,
    order: Order,
    edit: EditAsk,
    *,
    least_ns: int,
    validate: bool = False,
) -> desk.Added:
    """Put a new order in the place of an old one, or say why not; then the old one stays."""
    market = core.markets[order.ask.pair]
    points = limits.EDIT_POINTS + limits.penalty(
        limits.EDIT_PENALTY, core.now_ns - order.touched_ns
    )
    admitted = validate or checks.admit(core, account, market, points)
    ask = _edited(core, order, edit)
    checks.check_new(core, account, market, ask)
    checks.check_deadline(ask.deadline_ns, least_ns, core.told_ns)
    description = of_ask(market, ask)
    if validate:
        return desk.Added(description=description, order=None)
    if not admitted:
        raise VenueError(errors.ENGINE_RATE)
    checks.check_funds(core, account, market, ask, released=order.hold)
    checks.check_post_only(core, account, market, ask)
    matching.cancel(core, order, REPLACED)
    placed = matching.place(core, account, ask)
    waiting.settle(core, market)
    return desk.Added(description=description, order=placed)


def _edited(core: Core, order: Order, edit: EditAsk) -> OrderAsk:
    """The ask of the new order."""
    if order.ask.close is not None or order.triggered_ns:
        raise VenueError(errors.INVALID_ORDER)
    quantity = order.quantity_base if edit.quantity_base is None else edit.quantity_base
    if quantity <= order.filled_base:
        raise invalid("volume")
    ask = msgspec.structs.replace(
        order.ask,
        quantity_base=quantity - order.filled_base,
        budget_quote=None,
        display_base=order.display_base if edit.display_base is None else edit.display_base,
        post_only=order.ask.post_only if edit.post_only is None else edit.post_only,
        fee_in_base=order.ask.fee_in_base if edit.fee_in_base is None else edit.fee_in_base,
        cl_ord_id=None,
        userref=edit.userref,
        deadline_ns=edit.deadline_ns,
    )
    if edit.display_base is not None and not ask.form.iceberg:
        raise invalid("displayvol")
    checks.check_display(ask.quantity_base, ask.display_base, "displayvol")
    return _priced(core, order, ask, edit)


def _priced(core: Core, order: Order, ask: OrderAsk, edit: EditAsk) -> OrderAsk:
    trigger, limit = order.trigger, edit.limit
    if trigger is not None and edit.trigger is not None:
        trigger = msgspec.structs.replace(trigger, price=edit.trigger)
    elif trigger is not None and ask.form.trigger != "trail" and order.trigger_price is not None:
        trigger = msgspec.structs.replace(trigger, price=Price(amount=order.trigger_price))
    if limit is None and trigger is not None and trigger.limit is not None:
        limit = trigger.limit
    elif limit is None and order.limit_price is not None:
        limit = Price(amount=order.limit_price)
    wanted = Wanted(form=ask.form, side=ask.side, trigger=trigger, limit=limit)
    found = resolve(core.markets[ask.pair], wanted)
    return msgspec.structs.replace(
        ask,
        limit_price=found.limit_price,
        trigger=found.trigger,
        trigger_price=found.trigger_price,
    )
