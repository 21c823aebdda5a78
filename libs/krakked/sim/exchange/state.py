"""The accounts' side of an exchange as rows: everything that must survive a restart.

Kept: accounts with their dead-man timers, balances, keys with their nonces, orders, trades, ledger
rows, and the counters behind ids. Not kept: the house's book and the tape (the market model brings
them again), rate counters (they drain in minutes), session tokens, faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias, TypeVar, cast

import msgspec

from krakked.domain.ids import Asset, LedgerId, PairName, TradeId, VenueOrderId
from krakked.domain.money import ZERO
from krakked.domain.orders import VenueStatus
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.changes import RowKey
from krakked.sim.exchange.core import Core
from krakked.sim.exchange.keys import Key, Keys, Permission
from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.orders import LedgerRow, Order, Trade
from krakked.sim.exchange.settlement import hold_asset

T = TypeVar("T")
Row: TypeAlias = dict[str, object]
StoredRow: TypeAlias = tuple[str, str, Row]
META: Final = "counters"


class MetaRow(msgspec.Struct, frozen=True, kw_only=True):
    """What must never run backwards."""

    now_ns: int
    ids: dict[str, int]
    trade_counts: dict[PairName, int]
    last_prices: dict[PairName, Decimal] = {}
    """What orders that wait for a price last saw of it."""


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """One account without its histories."""

    name: str
    number: int
    tier: Tier
    position_txid: str
    dead_man_ns: int | None


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a simulated account; its secret guards nothing but that."""

    key: str
    account: str
    secret: str
    permissions: list[Permission]
    nonce: int
    nonce_window: int
    created_ns: int
    late: list[int] = []
    """Used nonces within the window."""
    last_used_ns: int = 0
    locked_until_ns: int = 0


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One balance."""

    account: str
    number: int
    asset: Asset
    amount: Decimal


def dump(core: Core, keys: Keys) -> dict[str, object]:
    """All rows."""
    return {
        "rows": [
            [kind, row_id, _row(core, keys, (kind, row_id))] for kind, row_id in _all(core, keys)
        ]
    }


def load(core: Core, keys: Keys, saved: Mapping[str, object]) -> None:
    """Take over what :func:`dump` gave."""
    rows = cast("list[list[object]]", saved["rows"])
    restore(core, keys, [(str(kind), str(row_id), cast("Row", row)) for kind, row_id, row in rows])


def changes(core: Core, keys: Keys) -> list[tuple[str, str, Row | None]]:
    """Rows noted since the last call, with the counters if there are any; at first everything."""
    first = not core.changes.listening
    noted: Iterable[RowKey] = core.changes.take()
    if first:
        noted = _all(core, keys)
    elif noted:
        noted = [("meta", META), *noted]
    return [(kind, row_id, _row(core, keys, (kind, row_id))) for kind, row_id in noted]


def restore(core: Core, keys: Keys, rows: Sequence[StoredRow]) -> None:
    """Take over rows in any order, on a fresh exchange."""
    assert not core.accounts, "only a fresh exchange takes over a state"
    by_kind: dict[str, list[Row]] = {}
    for kind, _, row in rows:
        by_kind.setdefault(kind, []).append(row)
    _restore_meta(core, _read(by_kind, "meta", MetaRow))
    for account in sorted(_read(by_kind, "account", AccountRow), key=lambda row: row.number):
        _restore_account(core, account)
    for key in _read(by_kind, "key", KeyRow):
        keys.add(_key(key))
    for balance in sorted(_read(by_kind, "balance", BalanceRow), key=lambda row: row.number):
        core.accounts[balance.account].balances[balance.asset] = balance.amount
    _restore_histories(core, by_kind)
    for order in sorted(_read(by_kind, "order", Order), key=lambda row: row.number):
        _restore_order(core, order)
    _restore_closed(core)


def _restore_meta(core: Core, found: Sequence[MetaRow]) -> None:
    for meta in found:
        core.move_to(meta.now_ns)
        core.ids.resume(meta.ids)
        for pair, count in meta.trade_counts.items():
            if pair in core.markets:
                market = core.markets[pair]
                market.trade_count = max(market.trade_count, count)
                market.stored_price = meta.last_prices.get(pair)


def _restore_account(core: Core, row: AccountRow) -> None:
    account = Account(row.name, row.tier, row.position_txid)
    account.dead_man_ns = row.dead_man_ns
    core.accounts[row.name] = account
    if row.dead_man_ns is not None:
        core.agenda.arm_dead_man(row.dead_man_ns, row.name)


def _restore_histories(core: Core, by_kind: Mapping[str, list[Row]]) -> None:
    for trade in sorted(_read(by_kind, "trade", Trade), key=lambda row: row.number):
        account = core.accounts[trade.account]
        account.trades.append(trade.trade_txid, trade.at_ns, trade)
        account.volume.add(trade.at_ns, trade.volume_usd)
    for row in sorted(_read(by_kind, "ledger", LedgerRow), key=lambda row: row.number):
        core.accounts[row.account].ledger.append(row.ledger_id, row.at_ns, row)


def _restore_order(core: Core, order: Order) -> None:
    """Open orders hold their funds and wait in the book or for their start, as before."""
    account, market = core.accounts[order.account], core.markets[order.ask.pair]
    core.resume_priority(order.priority)
    order.worth_quote = order.worth_quote or order.cost_quote  # which older files do not have
    account.orders[order.order_id] = order
    if order.is_done:
        return
    hold, order.hold = order.hold, ZERO
    account.enter(order)
    account.set_hold(order, hold_asset(market, order), hold)
    if order.ask.expire_ns:
        core.agenda.add(order.ask.expire_ns, "expire", order)
    if order.status is VenueStatus.OPEN and order.waits:
        market.watch.add(order)
    elif order.status is VenueStatus.OPEN:
        market.book.add(order)
    else:
        core.agenda.add(order.ask.start_ns, "start", order)


def _restore_closed(core: Core) -> None:
    for account in core.accounts.values():
        done = [order for order in account.orders.values() if order.is_done]
        for order in sorted(done, key=lambda order: order.closed_number):
            account.closed.append(order.order_id, order.closed_ns, order)


def _read(by_kind: Mapping[str, list[Row]], kind: str, shape: type[T]) -> list[T]:
    return [msgspec.convert(row, shape) for row in by_kind.get(kind, ())]


def _all(core: Core, keys: Keys) -> list[RowKey]:
    names: list[RowKey] = [("meta", META)]
    names += [("key", key.key) for key in keys.all()]
    for account in core.accounts.values():
        names.append(("account", account.name))
        names += [("balance", f"{account.name}/{asset}") for asset in account.balances]
        names += [("order", order_id) for order_id in account.orders]
        names += [("trade", trade.trade_txid) for trade in account.trades]
        names += [("ledger", row.ledger_id) for row in account.ledger]
    return names


def _row(core: Core, keys: Keys, name: RowKey) -> Row | None:
    """The row as it is now; None if it is gone."""
    found = _record(core, keys, name)
    return None if found is None else cast("Row", msgspec.to_builtins(found))


def _record(core: Core, keys: Keys, name: RowKey) -> msgspec.Struct | None:
    kind, row_id = name
    match kind:
        case "meta":
            counts = {pair: market.trade_count for pair, market in core.markets.items()}
            return MetaRow(
                now_ns=core.now_ns,
                ids=core.ids.counters(),
                trade_counts=counts,
                last_prices=_last_prices(core),
            )
        case "account":
            return _account_row(core, row_id)
        case "key":
            key = keys.get(row_id)
            return None if key is None else _key_row(key)
        case "balance":
            return _balance_row(core, row_id)
        case "order" | "trade" | "ledger":
            return _history_row(core, name)


def _last_prices(core: Core) -> dict[PairName, Decimal]:
    found = {pair: market.last_price for pair, market in core.markets.items()}
    return {pair: price for pair, price in found.items() if price is not None}


def _history_row(core: Core, name: RowKey) -> msgspec.Struct | None:
    kind, row_id = name
    for account in core.accounts.values():
        found: msgspec.Struct | None
        if kind == "order":
            found = account.orders.get(VenueOrderId(row_id))
        elif kind == "trade":
            found = account.trades.get(TradeId(row_id))
        else:
            found = account.ledger.get(LedgerId(row_id))
        if found is not None:
            return found
    return None


def _account_row(core: Core, name: str) -> AccountRow:
    account = core.accounts[name]
    return AccountRow(
        name=name,
        number=list(core.accounts).index(name),
        tier=account.tier,
        position_txid=account.position_txid,
        dead_man_ns=account.dead_man_ns,
    )


def _balance_row(core: Core, row_id: str) -> BalanceRow:
    name, _, asset = row_id.rpartition("/")
    balances = core.accounts[name].balances
    return BalanceRow(
        account=name,
        number=list(balances).index(Asset(asset)),
        asset=Asset(asset),
        amount=balances[Asset(asset)],
    )


def _key_row(key: Key) -> KeyRow:
    return KeyRow(
        key=key.key,
        account=key.account,
        secret=key.secret,
        permissions=[each for each in Permission if each in key.permissions],
        nonce=key.nonce,
        nonce_window=key.nonce_window,
        created_ns=key.created_ns,
        late=key.late,
        last_used_ns=key.last_used_ns,
        locked_until_ns=key.failures.locked_until_ns,
    )


def _key(row: KeyRow) -> Key:
    key = Key(
        account=row.account,
        key=row.key,
        secret=row.secret,
        permissions=frozenset(row.permissions),
        nonce_window=row.nonce_window,
        created_ns=row.created_ns,
    )
    key.resume(row.nonce, row.late)
    key.last_used_ns = row.last_used_ns
    key.failures.locked_until_ns = row.locked_until_ns
    return key
