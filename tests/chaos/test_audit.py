"""Every difference that the audit is for is found, and a whole account has none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.chaos import audit
from tests.chaos.audit import Ledger, VenueBooks
from tests.chaos.tape import Entry, Tape

from krakked.adapters.kraken.nonces import nonce_of

ORDER = {"client_order_id": "c-1", "journal": "done", "filled_base": "2.0"}
FILL = {"price": "10.0", "quantity_base": "2", "cost_quote": "20", "fee_amount": "0.05"}
AT_VENUE = {"cl_ord_id": "c-1", "vol_exec": "2.00000000"}
TRADE = {"price": "10", "vol": "2.0", "cost": "20.00", "fee": "0.0500"}


def ledger(**changes: Any) -> Ledger:
    whole = Ledger(
        name="a", orders={"c-1": ORDER}, fills={"T1": FILL}, totals={"USD": Decimal("79.95")}
    )
    return msgspec.structs.replace(whole, **changes)


def venue(**changes: Any) -> VenueBooks:
    whole = VenueBooks(
        balances={"USD": Decimal("79.9500")}, orders={"O1": AT_VENUE}, trades={"T1": TRADE}
    )
    return msgspec.structs.replace(whole, **changes)


def tape(*client_ids: str, sender: str = "a") -> Tape:
    made = Tape()
    made.entries = [
        Entry(
            sender=sender,
            method="AddOrder",
            key="trade",
            nonce=nonce_of(1, 1),
            client_order_id=client_id,
            handed_at_s=1,
            answered_at_s=2,
            is_accepted=True,
        )
        for client_id in client_ids
    ]
    return made


def test_whole_account_has_no_violations() -> None:
    assert audit.violations(ledger(), [ledger()], venue(), tape("c-1")) == []


def test_balance_off_by_its_last_digit_is_a_difference() -> None:
    (found,) = audit.differences(ledger(totals={"USD": Decimal("79.950001")}), venue())
    assert "balance of USD" in found


def test_asset_that_one_side_alone_has_is_a_difference() -> None:
    (found,) = audit.differences(ledger(), venue(balances={**venue().balances, "XBT": Decimal(1)}))
    assert "balance of XBT: a has 0" in found


def test_trade_that_one_side_alone_knows_is_a_difference() -> None:
    (booked_twice,) = audit.differences(ledger(fills={"T1": FILL, "T2": FILL}), venue())
    assert booked_twice == "trade T2: known to a alone"
    (lost,) = audit.differences(ledger(fills={}), venue())
    assert lost == "trade T1: known to the venue alone"


def test_amount_of_a_trade_that_differs_is_a_difference() -> None:
    for name in FILL:
        (found,) = audit.differences(ledger(fills={"T1": FILL | {name: "7"}}), venue())
        assert f"trade T1: {name} 7" in found


def test_order_left_in_doubt_is_a_difference() -> None:
    for journal in ("sent", "unknown"):
        (found,) = audit.differences(ledger(orders={"c-1": ORDER | {"journal": journal}}), venue())
        assert f"has it as {journal} still" in found


def test_order_whose_filled_amount_differs_is_a_difference() -> None:
    (found,) = audit.differences(ledger(orders={"c-1": ORDER | {"filled_base": "1"}}), venue())
    assert "filled 1, the venue's 2.0" in found


def test_filled_order_that_the_venue_does_not_know_is_a_difference() -> None:
    more = {"c-1": ORDER, "c-2": ORDER | {"client_order_id": "c-2"}}
    (found,) = audit.differences(ledger(orders=more), venue())
    assert found == "order c-2: filled in a, unknown to the venue"


@pytest.mark.parametrize(
    "changes", [{"vol_exec": "0.00000001", "status": "canceled"}, {"status": "open"}]
)
def test_order_that_rests_or_was_filled_must_be_known_to_the_owner(changes: dict[str, str]) -> None:
    row = AT_VENUE | {"cl_ord_id": "c-2", "vol_exec": "0.00000000"} | changes
    (found,) = audit.differences(ledger(), venue(orders={"O1": AT_VENUE, "O2": row}))
    assert found == "order c-2 of the venue: a does not know it"


def test_order_that_ended_without_a_fill_must_be_in_its_senders_journal_alone() -> None:
    row = {"cl_ord_id": "c-2", "vol_exec": "0.00000000", "status": "canceled"}
    books, sent = venue(orders={"O1": AT_VENUE, "O2": row}), tape("c-1", "c-2", sender="b")
    unfilled = ORDER | {"client_order_id": "c-2", "filled_base": "0"}
    sender = ledger(name="b", orders={"c-1": ORDER, "c-2": unfilled})
    assert audit.violations(ledger(), [ledger(), sender], books, sent) == []
    found = audit.violations(ledger(), [ledger(), ledger(name="b")], books, sent)
    assert "order c-2 of the venue is in no journal" in found


def test_client_id_accepted_twice_is_told() -> None:
    (found,) = audit.doubled(venue(orders={"O1": AT_VENUE, "O2": AT_VENUE}))
    assert found == "client id c-1 was accepted 2 times"


def test_accepted_order_that_its_sender_did_not_write_down_is_told() -> None:
    others = [ledger(), ledger(name="b", orders={})]
    (found,) = audit.unjournaled(venue(), others, tape("c-1", sender="b"))
    assert "its sender b has no record of it" in found


def test_order_of_the_venue_in_no_journal_is_told() -> None:
    (found,) = audit.unjournaled(venue(), [ledger(orders={})], tape())
    assert "is in no journal" in found


def test_order_that_went_past_the_tape_is_told() -> None:
    (found,) = audit.not_on_tape(venue(), tape())
    assert found == "order c-1 was never on the tape"
