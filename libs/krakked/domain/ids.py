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

MANUAL: Final = StrategyId("manual")
"""The sleeve owner of everything no strategy of ours did."""


def account_fingerprint(*, venue: str, account: str) -> AccountFingerprint:
    """Stands for the account in order ids, so that a starting engine recognises foreign orders."""
    return AccountFingerprint(hashlib.sha256(f"{venue}|{account}".encode()).hexdigest()[:8])


def plan_id(account: AccountFingerprint, sequence: int) -> PlanId:
    """``<sequence, six digits>-<hash of account and sequence>``: sorts as it was made."""
    digest = hashlib.sha256(f"{account}|{sequence}".encode()).hexdigest()[:10]
    return PlanId(f"{sequence:06d}-{digest}")


def client_order_id(
    account: AccountFingerprint, plan: PlanId, leg: int, revision: int
) -> ClientOrderId:
    """UUID whose first four bytes are the account and the rest a hash of (plan, leg, revision).

    The ownership epoch is not in it: a later owner that takes up the same leg must use the
    same id, so that the venue can refuse the second one.
    """
    digest = hashlib.sha256(f"{plan}|{leg}|{revision}".encode()).hexdigest()[:24]
    return ClientOrderId(str(uuid.UUID(hex=account + digest)))


def is_ours(client_id: str | None, account: AccountFingerprint) -> bool:
    """Whether an order at the venue carries an id that this account's krakked made."""
    return client_id is not None and client_id.replace("-", "").startswith(account)
