"""Bodies that the documentation prints, sent as they stand: understood, or refused for what they
ask (an order that is not there), never as malformed.
"""

from __future__ import annotations

from typing import Any

import pytest

UNKNOWN = "EOrder:Unknown order"
PAGES = {
    "Get_API_Key_Info": ("GetApiKeyInfo", None),
    "Get_Account_Balance": ("Balance", None),
    "Get_Extended_Balance": ("BalanceEx", None),
    "Get_Trade_Balance": ("TradeBalance", None),
    "Get_Open_Orders": ("OpenOrders", None),
    "Get_Closed_Orders": ("ClosedOrders", None),
    "Get_Trades_History": ("TradesHistory", None),
    "Get_Ledgers_Info": ("Ledgers", None),
    "Get_Websockets_Token": ("GetWebSocketsToken", None),
    "Cancel_All_Orders": ("CancelAll", None),
    "Cancel_All_Orders_After_X": ("CancelAllOrdersAfter", None),
    "Query_Orders_Info": ("QueryOrders", UNKNOWN),
    "Query_Trades_Info": ("QueryTrades", "EQuery:Unknown trade"),
    "Query_Ledgers": ("QueryLedgers", "EQuery:Unknown ledger"),
    "Cancel_Order": ("CancelOrder", UNKNOWN),
    "Amend_Order": ("AmendOrder", UNKNOWN),
    "Edit_Order": ("EditOrder", UNKNOWN),
    "Get_Trade_Volume": ("TradeVolume", "EQuery:Unknown asset pair"),
}
"""The page, its method, and the one error it gets here; the pairs of the last one are in a spelling
that no recording knows.
"""


def bodies(library: Any, page: str) -> list[dict[str, Any]]:
    lines = library.lines(f"rest_api_{page}")
    return [line for line in lines if "nonce" in line]


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_documented_body_is_understood_as_json_and_as_a_form(
    library: Any, life: Any, page: str, as_json: bool
) -> None:
    method, error = PAGES[page]
    found = bodies(library, page)
    assert found
    for body in found:
        answer = life.post(method, body, as_json=as_json)
        assert answer["error"] == ([] if error is None else [error])


def test_booleans_are_read_in_every_spelling(life: Any) -> None:
    for yes in ("true", "True", "TRUE", "1", True):
        assert "ledgers" in first(life.post("TradesHistory", {"ledgers": yes}))
    for no in ("false", "False", "0", "", False):
        assert "ledgers" not in first(life.post("TradesHistory", {"ledgers": no}))


def first(answer: Any) -> Any:
    return next(iter(answer["result"]["trades"].values()))
