"""Names of things, each with a type of its own, and how the derived ones are made.

Nothing here is random: an id follows from (account or run, sequence, leg), so that the same
decision made twice carries the same id, and a replay can be compared with its twin.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Final, NewType

PairName = NewType("PairName", str)
"""Canonical name of a pair: Kraken's altname, ``XBTUSD``."""
Asset = NewType("Asset", str)
"""Canonical code of an asset: Kraken's altname, ``XBT``, ``USD``, ``XDG``."""
StrategyId = NewType("StrategyId", str)
"""A configured strategy (not its type): ``trend``."""
PlanId = NewType("PlanId", str)
ClientOrderId = NewType("ClientOrderId", str)
"""Chosen by us before the wire; a UUID with dashes (Kraken's ``cl_ord_id``)."""
VenueOrderId = NewType("VenueOrderId", str)
"""Chosen by the venue (Kraken's order txid, ``O…``)."""
TradeId = NewType("TradeId", str)
"""One execution at the venue (Kraken's trade txid, ``T…``)."""
LedgerId = NewType("LedgerId", str)
"""One row of the venue's ledger (``L…``)."""
AccountFingerprint = NewType("AccountFingerprint", str)
"""Eight hexadecimal digits that stand for (release, venue, account) in our ids."""

_ACCOUNT_DIGITS: Final = 8
_TAG_DIGITS: Final = 4
_STEP_DIGITS: Final = 20

MANUAL: Final = StrategyId("manual")
"""The sleeve owner of everything no strategy of ours did."""


def account_fingerprint(*, venue: str, account: str) -> AccountFingerprint:
    """Stands for the account in order ids, so that a starting engine recognises foreign orders."""
    digest = hashlib.sha256(f"{venue}|{account}".encode()).hexdigest()
    return AccountFingerprint(digest[:_ACCOUNT_DIGITS])


def plan_id(account: AccountFingerprint, epoch: int, sequence: int) -> PlanId:
    """``<sequence, six digits>-<hash of account, epoch and sequence>``: sorts as it was made.

    The epoch is that in which it was made: engines with ledgers of their own count their plans
    each for itself, and no two owners by one lease have one epoch. A later owner that takes it up
    leaves it as it is.
    """
    digest = hashlib.sha256(f"{account}|{epoch}|{sequence}".encode()).hexdigest()[:10]
    return PlanId(f"{sequence:06d}-{digest}")


def strategy_tag(strategy_id: StrategyId) -> str:
    """Four hexadecimal digits that stand for a strategy in order ids."""
    return hashlib.sha256(strategy_id.encode()).hexdigest()[:_TAG_DIGITS]


def client_order_id(
    account: AccountFingerprint, strategy_id: StrategyId, plan: PlanId, leg: int, revision: int
) -> ClientOrderId:
    """UUID: four bytes of the account, two of the strategy, ten hashed of (plan, leg, revision).

    A later owner that takes up the same leg uses the same id, so that the venue can refuse the
    second one; and who finds the order without having its plan still knows whose it is.
    """
    digest = hashlib.sha256(f"{plan}|{leg}|{revision}".encode()).hexdigest()[:_STEP_DIGITS]
    return ClientOrderId(str(uuid.UUID(hex=account + strategy_tag(strategy_id) + digest)))


def tag_in(client_id: ClientOrderId) -> str:
    """The strategy's tag in an id of ours."""
    return client_id.replace("-", "")[_ACCOUNT_DIGITS:][:_TAG_DIGITS]


def is_ours(client_id: str | None, account: AccountFingerprint) -> bool:
    """Whether an order at the venue carries an id that this account's krakked made."""
    return client_id is not None and client_id.replace("-", "").startswith(account)
