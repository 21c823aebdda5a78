"""No recorded file is overlooked: each is compared, sent, for the parser alone, or of something
that the simulator does not have, and then the table of fidelity says so.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

from krakked.sim.fidelity import TABLE, Level

COMPARED = (
    "Kraken.Net/Endpoints/*",
    "Kraken.Net/JsonResponses/Spot*",
    "kraken-async-rs/rest_*.json",
    "python-kraken-sdk/*",
    "kraken-docs-examples/websocket_v2_*",
)
SENT = ("ccxt/requests.json", "golden/api_sign.json", "kraken-docs-examples/guides_Spot_*")
FOR_THE_PARSER = {
    "XChange/*": "historic, 2013 to 2023",
    "Kraken.Net/JsonResponses/Socket/*": "the first WebSocket protocol",
    "Kraken.Net/Socket/*": "shapes with holes for numbers",
    "Kraken.Net/Subscriptions/*": "shapes with holes for numbers",
}
ORDERS = ("Add_Order_Batch", "Cancel_Order_Batch", "Get_Order_Amends", "Cancel_Order", "Edit_Order")
ABSENT = {
    "Account_Transfer": "AccountTransfer",
    "Allocate_Earn_Funds": "Earn/Allocate",
    "Create_Subaccount": "CreateSubaccount",
    "Deallocate_Earn_Funds": "Earn/Deallocate",
    "Delete_Export_Report": "RemoveExport",
    "Get_Allocation_Status": "Earn/AllocateStatus",
    "Get_Credit_Lines": "CreditLines",
    "Get_Deallocation_Status": "Earn/DeallocateStatus",
    "Get_Deposit_Addresses": "DepositAddresses",
    "Get_Deposit_Methods": "DepositMethods",
    "Get_Export_Report_Status": "ExportStatus",
    "Get_Grouped_Order_Book": "GroupedBook",
    "Get_Open_Positions": "OpenPositions",
    "Get_Status_of_Recent_Deposits": "DepositStatus",
    "Get_Status_of_Recent_Withdrawals": "WithdrawStatus",
    "Get_Withdrawal_Addresses": "WithdrawAddresses",
    "Get_Withdrawal_Information": "WithdrawInfo",
    "Get_Withdrawal_Methods": "WithdrawMethods",
    "List_Earn_Allocations": "Earn/Allocations",
    "List_Earn_Strategies": "Earn/Strategies",
    "Query_L3_Order_Book": "Level3",
    "Request_Export_Report": "AddExport",
    "Request_Wallet_Transfer": "WalletTransfer",
    "Request_Withdrawal_Cancellation": "WithdrawCancel",
    "Retrieve_Data_Export": "RetrieveExport",
    "Withdraw_Funds": "Withdraw",
}
"""Pages of the documentation about methods that are missing, and their names in the table."""


def test_pages_of_what_is_missing_name_rows_of_the_table() -> None:
    missing = {row.name for row in TABLE if row.level is Level.MISSING}
    assert set(ABSENT.values()) <= missing


def test_every_recorded_file_has_a_place(library: Any, documented_pages: Any) -> None:
    pages = {f"kraken-docs-examples/rest_api_{page}.jsonl" for page in (*documented_pages, *ORDERS)}
    absent = {f"kraken-docs-examples/rest_api_{page}.jsonl" for page in ABSENT}
    patterns = (*COMPARED, *SENT, *FOR_THE_PARSER)
    names = [name for name in library.files("**/*") if not name.endswith("README.md")]
    assert len(names) > 200
    lost = [
        name
        for name in names
        if name not in pages | absent and not any(fnmatch(name, each) for each in patterns)
    ]
    assert lost == []
