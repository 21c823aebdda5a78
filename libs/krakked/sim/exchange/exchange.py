"""The exchange as its server sees it: the market's side, accounts, REST, WebSocket, persistence.

Synchronous and deterministic. Every call carries the instant at which it happens; what happened is
collected by :meth:`Exchange.drain`. Whoever drives it calls :meth:`Exchange.advance` no later than
:meth:`Exchange.next_event_ns`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.ids import Asset, PairName, VenueOrderId
from krakked.domain.money import ZERO, round_down, round_up
from krakked.domain.orders import Side
from krakked.domain.pairs import PairStatus
from krakked.sim.exchange import (
    clockwork,
    executions,
    house,
    rest,
    settlement,
    state,
    waiting,
    ws_orders,
)
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.book import Level
from krakked.sim.exchange.calls import PrivateRequest, RestAnswer
from krakked.sim.exchange.core import Core, PairMode, SystemStatus
from krakked.sim.exchange.events import ExchangeEvent, PublicTrade, WireRow
from krakked.sim.exchange.keys import Key, Keys, Permission
from krakked.sim.exchange.limits import LIMITS, Tier
from krakked.sim.exchange.mirrored import Mirror
from krakked.sim.exchange.mischief import Mischief
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import VenueAsset, VenuePair
from krakked.sim.wire import number

SNAPSHOT_TRADES: Final = 50
UNLIMITED_COUNT: Final = 1_000_000
"""Said to accounts without limits."""


class Exchange:
    """One venue: its pairs, books, accounts and keys."""

    def __init__(
        self, *, pairs: Mapping[PairName, VenuePair], options: ExchangeOptions, now_ns: int
    ) -> None:
        self._core = Core(pairs, options, now_ns)
        self._keys = Keys(
            lockout_failures=options.lockout_failures, token_life_s=options.token_life_s
        )

        self._mirrors: dict[PairName, Mirror] = {}

    def __repr__(self) -> str:
        return f"<Exchange {self._core!r} {self._keys!r}>"

    # The market's side

    def set_house_book(
        self,
        pair: PairName,
        bids: Sequence[tuple[Decimal, Decimal]],
        asks: Sequence[tuple[Decimal, Decimal]],
        now_ns: int,
    ) -> None:
        """Replace the house's liquidity (best first); resting orders it crosses are filled."""
        core = self._at(now_ns)
        market = core.markets[pair]
        assert not bids or not asks or bids[0][0] < asks[0][0], "the house does not cross itself"
        market.book.set_house(Side.BUY, bids, core.now_ns)
        market.book.set_house(Side.SELL, asks, core.now_ns)
        core.book_changed(pair)
        if market.book.has_orders() and core.system_status is not SystemStatus.MAINTENANCE:
            house.arrives(core, market)
        waiting.settle(core, market)

    def market_trade(
        self, pair: PairName, price: Decimal, quantity_base: Decimal, taker_side: Side, now_ns: int
    ) -> None:
        """Strangers trade; resting orders take part as :func:`house.strangers_trade` says."""
        core = self._at(now_ns)
        if core.system_status is SystemStatus.MAINTENANCE:
            return
        market = core.markets[pair]
        left = house.strangers_trade(core, market, price, quantity_base, taker_side)
        if left:
            core.print_trade(
                PublicTrade(
                    pair=pair,
                    price=price,
                    quantity_base=left,
                    taker_side=taker_side,
                    order_type="market",
                    trade_id=market.next_trade_id(),
                    at_ns=core.now_ns,
                )
            )
        waiting.settle(core, market)

    def mirror(self, pair: PairName, now_ns: int) -> Mirror:
        """The way in for another venue's book and trades of that pair, at that instant."""
        core = self._at(now_ns)
        if pair not in self._mirrors:
            self._mirrors[pair] = Mirror(core, core.markets[pair])
        return self._mirrors[pair]

    def depth(self, pair: PairName, count: int) -> tuple[list[Level], list[Level]]:
        """Bids and asks, best first, with the accounts' orders in them."""
        book = self._core.markets[pair].book
        return book.depth(Side.BUY, count), book.depth(Side.SELL, count)

    def mid(self, pair: PairName) -> Decimal | None:
        """Half way between best bid and best ask, or the one there is."""
        return self._core.markets[pair].mid()

    def last_trade(self, pair: PairName) -> PublicTrade | None:
        """The newest print."""
        return self._core.markets[pair].last_trade

    def last_trade_id(self, pair: PairName) -> int:
        """Of the newest trade, or of the newest one of the past."""
        return self._core.markets[pair].trade_count

    @property
    def options(self) -> ExchangeOptions:
        """The choices it was made with."""
        return self._core.options

    # Time

    @property
    def now_ns(self) -> int:
        """The latest instant it was told, or that its loaded state knew."""
        return self._core.now_ns

    @property
    def clock_offset_ns(self) -> int:
        """How far ahead the clock is that it shows to clients (below nothing: behind)."""
        return self._core.clock_offset_ns

    @clock_offset_ns.setter
    def clock_offset_ns(self, offset_ns: int) -> None:
        self._core.clock_offset_ns = offset_ns

    def told_ns(self, now_ns: int) -> int:
        """What that clock shows at an instant."""
        return now_ns + self._core.clock_offset_ns

    def advance(self, now_ns: int) -> None:
        """Let everything happen that is due up to now, each thing at its own instant."""
        clockwork.advance(self._core, now_ns)

    def next_event_ns(self) -> int | None:
        """When :meth:`advance` has something to do next."""
        return clockwork.next_event_ns(self._core)

    def drain(self) -> list[ExchangeEvent]:
        """What happened since the last call."""
        return self._core.drain()

    # Accounts

    def open_account(
        self, name: str, *, deposits: Mapping[Asset, Decimal], tier: Tier, now_ns: int
    ) -> None:
        """A new account; what it starts with stands in its ledger as deposits."""
        core = self._at(now_ns)
        assert name not in core.accounts, f"account {name} exists"
        core.accounts[name] = Account(name, tier, core.ids.next("trade"))
        core.changes.note("account", name)
        for asset, amount in deposits.items():
            self.deposit(name, asset, amount, now_ns)

    def has_account(self, name: str) -> bool:
        """Whether it was opened, here or in the state that was loaded."""
        return name in self._core.accounts

    def account_names(self) -> list[str]:
        """All accounts, in order of opening."""
        return list(self._core.accounts)

    def add_key(
        self,
        account: str,
        *,
        key: str,
        secret: str,
        permissions: frozenset[Permission],
        nonce_window: int = 0,
    ) -> None:
        """A new key, or new permissions for a known one, which keeps its nonce."""
        known = self._keys.get(key)
        fresh = Key(
            account=account,
            key=key,
            secret=secret,
            permissions=permissions,
            nonce_window=nonce_window,
            created_ns=self._core.now_ns if known is None else known.created_ns,
        )
        if known is not None:
            fresh.resume(known.nonce, known.late)
        self._keys.add(fresh)
        self._core.changes.note("key", key)

    def remove_key(self, key: str) -> None:
        """Delete a key; its tokens die with it."""
        self._keys.remove(key)
        self._core.changes.note("key", key)

    def deposit(self, account: str, asset: Asset, amount: Decimal, now_ns: int) -> None:
        """Money comes in."""
        self._move(account, "deposit", asset, amount, now_ns)

    def withdraw(self, account: str, asset: Asset, amount: Decimal, now_ns: int) -> None:
        """Money goes out; what open orders hold cannot."""
        assert amount <= self._core.accounts[account].available(asset), "only free balance"
        self._move(account, "withdrawal", asset, -amount, now_ns)

    def book_adjustment(self, account: str, asset: Asset, amount: Decimal, now_ns: int) -> None:
        """The venue changes a balance for a reason of its own (a reward, a correction)."""
        self._move(account, "adjustment", asset, amount, now_ns)

    def reward(self, account: str, asset: Asset, amount: Decimal, now_ns: int) -> None:
        """What the venue pays for holding an asset, in the wallet that earns."""
        self._move(account, "earn/reward", asset, amount, now_ns)

    def dividend(self, account: str, asset: Asset, amount: Decimal, now_ns: int) -> None:
        """An airdrop, or what a token pays."""
        self._move(account, "dividend", asset, amount, now_ns)

    def allocate(
        self, account: str, asset: Asset, amount: Decimal, wallet: str, now_ns: int
    ) -> None:
        """Move free balance into a wallet that cannot trade (``.F``, ``.S``); less than nothing
        moves it back. Two ledger rows, one reference.
        """
        core = self._at(now_ns)
        owner, there = core.accounts[account], Asset(f"{asset}{wallet}")
        exact = round_down(amount, core.assets[asset].decimals)
        assert -owner.balance(there) <= exact <= owner.available(asset), "only free balance"
        word = "allocation" if exact >= 0 else "deallocation"
        ref_id = core.ids.next("funding")
        for name, change in ((asset, -exact), (there, exact)):
            row = core.post(owner, f"earn/{word}", ref_id, name, (change, ZERO))
            settlement.tell_balance(core, owner, row.ledger_id)

    def account(self, name: str) -> Account:
        """Everything there is of an account, for auditors: to be read, never changed."""
        return self._core.accounts[name]

    def knows_asset(self, asset: str) -> bool:
        """Whether there is such an asset, in that wallet."""
        return Asset(asset) in self._core.assets

    def balances(self, account: str) -> dict[Asset, Decimal]:
        """What an account has, held or not."""
        return dict(self._core.accounts[account].balances)

    def available(self, account: str, asset: Asset) -> Decimal:
        """What an account has of an asset and open orders do not hold."""
        return self._core.accounts[account].available(asset)

    def set_system_status(self, status: SystemStatus, now_ns: int) -> None:
        """Back from maintenance, accounts with an armed dead-man lose all their orders."""
        core = self._at(now_ns)
        was, core.system_status = core.system_status, status
        if was is SystemStatus.MAINTENANCE and status is not was:
            clockwork.return_from_maintenance(core)
        elif status is not was:
            waiting.look_again_all(core)

    def system_status(self) -> SystemStatus:
        """What the whole exchange allows now."""
        return self._core.system_status

    def set_pair_status(self, pair: PairName, status: PairMode | PairStatus) -> None:
        """What a pair allows from now on."""
        market = self._core.markets[pair]
        market.status = PairMode(status.value)
        waiting.look_again(self._core, market)

    def set_pair_minimums(self, pair: PairName, order_min: Decimal, cost_min: Decimal) -> None:
        """The smallest order from now on, by size and by worth; what rests stays."""
        market = self._core.markets[pair]
        market.pair = msgspec.structs.replace(market.pair, order_min=order_min, cost_min=cost_min)

    def pair_status(self, pair: PairName) -> PairMode:
        """What a pair allows now."""
        return self._core.markets[pair].status

    # Faults

    def hide_order(self, order_id: str, until_ns: int) -> None:
        """Queries do not find this order, nor its trades, before that instant."""
        for account in self._core.accounts.values():
            order = account.orders.get(VenueOrderId(order_id))
            if order is not None:
                account.hidden[order.order_id] = until_ns
                self._core.agenda.add(until_ns, "reveal", order)

    def mischief(self, now_ns: int) -> Mischief:
        """What else faults do to it, at that instant."""
        return Mischief(self._at(now_ns), self._keys)

    def expire_tokens(self) -> None:
        """Every session token that is not in use dies at once."""
        self._keys.expire_tokens()

    # The private wires

    def private_rest(self, request: PrivateRequest, now_ns: int) -> RestAnswer:
        """Serve one private REST request."""
        return rest.answer(self._at(now_ns), self._keys, request)

    def ws_request(
        self, method: str, params: dict[str, object], req_id: int | None, now_ns: int
    ) -> list[dict[str, object]]:
        """Serve one trading request of a private session; frames lack time_in and time_out."""
        return ws_orders.answer(self._at(now_ns), self._keys, method, params, req_id)

    def is_trading_method(self, method: str) -> bool:
        """Whether :meth:`ws_request` serves it."""
        return ws_orders.is_trading_method(method)

    def account_of_token(self, token: str, now_ns: int) -> str | None:
        """Whose session token it is, if it is good now."""
        key = self._keys.key_of_token(token, self._at(now_ns).now_ns)
        return None if key is None else key.account

    def token_permits(self, token: str, any_of: Collection[Permission]) -> bool:
        """Whether the key behind a good token may do one of these."""
        key = self._keys.key_of_token(token, self._core.now_ns)
        return key is not None and not key.permissions.isdisjoint(any_of)

    def session_opened(self, token: str) -> None:
        """A private subscription lives on this token, which keeps it good."""
        self._keys.session_opened(token)

    def session_closed(self, token: str) -> None:
        """That subscription ended."""
        self._keys.session_closed(token)

    def engine_counter_max(self, account: str) -> int:
        """``maxratecount`` of the account's tier."""
        limits = LIMITS[self._core.accounts[account].tier]
        return UNLIMITED_COUNT if limits is None else limits.engine_max

    def rate_count(self, account: str, row: WireRow) -> int:
        """The engine's counter on the pair of an order that a row tells of, in whole points."""
        owner = self._core.accounts[account]
        order = owner.orders[VenueOrderId(str(row["order_id"]))]
        limits = LIMITS[owner.tier]
        if limits is None:
            return 0
        count = owner.counter(order.ask.pair).value(limits.engine_decay_centi, self._core.now_ns)
        return int(round_up(count, 0))

    def executions_snapshot(
        self, account: str, *, snap_orders: bool, snap_trades: bool
    ) -> list[WireRow]:
        """Open orders, then the newest trades, oldest first."""
        core, owner = self._core, self._core.accounts[account]
        rows: list[WireRow] = []
        if snap_orders:
            rows += [
                executions.open_order(core.markets[order.ask.pair], order)
                for order in owner.open.values()
            ]
        if snap_trades:
            rows += [
                executions.past_trade(core.markets[trade.pair], owner.orders[trade.order_id], trade)
                for trade in owner.trades.newest(SNAPSHOT_TRADES)
            ]
        return rows

    def balances_snapshot(self, account: str) -> list[WireRow]:
        """Every asset the account ever had, all its wallets in one row."""
        owner = self._core.accounts[account]
        held: dict[str, list[VenueAsset]] = {}
        for asset in self._core.assets.values():
            if asset.altname in owner.balances:
                held.setdefault(asset.symbol, []).append(asset)
        return [_balance_row(owner, wallets) for wallets in held.values()]

    # Persistence

    def dump(self) -> dict[str, object]:
        """Everything of the accounts, as JSON can carry it; amounts are text."""
        return state.dump(self._core, self._keys)

    def load(self, saved: Mapping[str, object]) -> None:
        """Take over what :meth:`dump` gave; only on a fresh exchange."""
        state.load(self._core, self._keys, saved)

    def changes(self) -> list[tuple[str, str, dict[str, object] | None]]:
        """Rows that are new or different since the last call; at first, all of them."""
        return state.changes(self._core, self._keys)

    def restore(self, rows: Sequence[tuple[str, str, dict[str, object]]]) -> None:
        """Take over stored rows, in any order; only on a fresh exchange."""
        state.restore(self._core, self._keys, rows)

    def _at(self, now_ns: int) -> Core:
        clockwork.advance(self._core, now_ns)
        return self._core

    def _move(self, account: str, kind: str, asset: Asset, amount: Decimal, now_ns: int) -> None:
        core = self._at(now_ns)
        owner = core.accounts[account]
        exact = round_down(amount, core.assets[asset].decimals)
        row = core.post(owner, kind, core.ids.next("funding"), asset, (exact, ZERO))
        settlement.tell_balance(core, owner, row.ledger_id)


def _balance_row(owner: Account, wallets: Sequence[VenueAsset]) -> WireRow:
    asset = wallets[0]
    total = sum((owner.balance(each.altname) for each in wallets), ZERO)
    return {
        "asset": asset.symbol,
        "asset_class": "currency",
        "balance": number(total, asset.decimals),
        "wallets": [
            {
                "type": executions.wallet_type(each),
                "id": each.wallet,
                "balance": number(owner.balance(each.altname), each.decimals),
            }
            for each in wallets
        ],
    }
