"""Money that comes, goes and moves by the admin's hand: read, checked as a whole, then booked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.errors import BadInput
from krakked.domain.ids import Asset
from krakked.domain.money import (
    AMOUNT_MAX,
    DECIMALS_MAX,
    ZERO,
    parse_amount,
    round_down,
    to_text,
)
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.exchange.pairs import ASSETS
from krakked.simulator.options import ACCOUNT

Amounts = Mapping[Asset, Decimal]


class BalanceAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /balances``: what is done to one account, in this order."""

    deposit: dict[str, str] = {}
    reward: dict[str, str] = {}
    """What the venue pays for holding an asset."""
    dividend: dict[str, str] = {}
    withdraw: dict[str, str] = {}
    adjust: dict[str, str] = {}
    allocate: dict[str, str] = {}
    """Into a wallet that earns, ``XBT.F``; less than nothing moves it back."""
    account: str = ACCOUNT


CHANGES: Final = tuple(name for name in BalanceAct.__struct_fields__ if name != "account")
"""What can be done, in this order."""


def change_balances(
    exchange: Exchange, listed: Collection[Asset], act: BalanceAct, now_ns: int
) -> None:
    """Do all of it, or nothing.

    Raises:
        BadInput: no such account or asset, or more than is free.
        BadAmount: an amount that cannot be read.
    """
    if not exchange.has_account(act.account):
        raise BadInput(f"no account {act.account}; there is {', '.join(exchange.account_names())}")
    if not any(getattr(act, name) for name in CHANGES):
        raise BadInput(f"nothing to change; give {', '.join(CHANGES)}")
    teller = _Teller(exchange, listed, act.account)
    deposits = teller.read(act.deposit, positive)
    rewards = teller.read(act.reward, positive)
    dividends = teller.read(act.dividend, positive)
    withdrawals = teller.read(act.withdraw, positive)
    adjustments = teller.read(act.adjust, amount)
    allocations = teller.read(act.allocate, amount)
    for coming in (deposits, rewards, dividends):
        teller.expect(coming)
    teller.take(
        {
            asset: withdrawals.get(asset, ZERO) - adjustments.get(asset, ZERO)
            for asset in sorted({*withdrawals, *adjustments})
        }
    )
    teller.move(allocations)
    for book, amounts in (
        (exchange.deposit, deposits),
        (exchange.reward, rewards),
        (exchange.dividend, dividends),
        (exchange.withdraw, withdrawals),
        (exchange.book_adjustment, adjustments),
    ):
        for asset, change in amounts.items():
            book(act.account, asset, change, now_ns)
    for there, change in allocations.items():
        base, wallet = _wallet(there)
        exchange.allocate(act.account, base, change, wallet, now_ns)


class _Teller:
    """Counts what would be free after each step."""

    def __init__(self, exchange: Exchange, listed: Collection[Asset], account: str) -> None:
        self._exchange = exchange
        self._listed = listed
        self._account = account
        self._free: dict[Asset, Decimal] = {}

    def read(self, given: Mapping[str, str], how: Callable[[str, str], Decimal]) -> Amounts:
        """Amounts of known assets."""
        return {
            self._asset(name): self._exact(name, how(text, name)) for name, text in given.items()
        }

    def _exact(self, name: str, value: Decimal) -> Decimal:
        base = name.partition(".")[0]
        decimals = ASSETS[Asset(base)].decimals if Asset(base) in ASSETS else DECIMALS_MAX
        if value != round_down(value, decimals):
            raise BadInput(f"{name} {to_text(value)}: {base} has {decimals} decimals; give no more")
        return value

    def expect(self, amounts: Amounts) -> None:
        """So much more is there; more than can be reckoned with exactly cannot be."""
        held = self._exchange.balances(self._account)
        for asset, change in amounts.items():
            self._free[asset] = there = self._there(asset) + change
            if max(there, held.get(asset, ZERO) + change) > AMOUNT_MAX:
                raise BadInput(
                    f"{self._account} would have {to_text(there)} {asset}; no balance is above "
                    f"{to_text(AMOUNT_MAX)}, give less"
                )

    def take(self, amounts: Amounts) -> None:
        """So much leaves: what an open order holds, and what is not there, cannot."""
        self.expect({asset: -change for asset, change in amounts.items() if change < 0})
        for asset, change in amounts.items():
            if change <= 0:
                continue
            there = self._there(asset)
            if change > max(there, ZERO):
                raise BadInput(
                    f"{self._account} has {to_text(there)} {asset} free, not {to_text(change)}; "
                    "take less, or cancel the orders that hold it"
                )
            self._free[asset] = there - change

    def move(self, amounts: Amounts) -> None:
        """So much goes into a wallet, or out of it."""
        for there, change in amounts.items():
            base, _ = _wallet(there)
            self.take({base: change} if change > 0 else {there: -change})
            self.expect({there: change} if change > 0 else {base: -change})

    def _there(self, asset: Asset) -> Decimal:
        return self._free.get(asset, self._exchange.available(self._account, asset))

    def _asset(self, name: str) -> Asset:
        if name.partition(".")[0] not in self._listed or not self._exchange.knows_asset(name):
            raise BadInput(f"no asset {name}; there is {', '.join(self._listed)}")
        return Asset(name)


def _wallet(name: Asset) -> tuple[Asset, str]:
    base, dot, suffix = name.partition(".")
    if not dot:
        raise BadInput(f"allocate {name}: name the wallet too, as in {name}.F")
    return Asset(base), dot + suffix


def amount(text: str, what: str) -> Decimal:
    """A finite amount, within bounds."""
    return parse_amount(text, what=what)


def positive(text: str, what: str) -> Decimal:
    """An amount above nothing."""
    value = parse_amount(text, what=what)
    if value <= 0:
        raise BadInput(f"{what} {text}: give a positive amount")
    return value
