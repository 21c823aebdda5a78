"""How faithful the simulator is, method by method: one table, for people and for tests.

``docs/simulator/fidelity.md`` shows it, a test keeps the two and the method tables in step, and
recorded payloads are compared with answers by it: those of methods that are missing are named here.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec


class Level(enum.Enum):
    """How near an answer is."""

    EXACT = "exact"
    """As recorded or documented, to the last key and digit."""
    MODELLED = "modelled"
    """The shape is the venue's; something in it is our choice, and the note says what."""
    MISSING = "missing"
    """Unknown method, or unknown channel."""


class Kind(enum.Enum):
    """Where a name belongs."""

    PUBLIC = "REST, public"
    PRIVATE = "REST, private"
    CHANNEL = "WebSocket v2, channels"
    REQUEST = "WebSocket v2, requests"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One method or channel."""

    kind: Kind
    name: str
    level: Level
    source: str
    """D: documentation, L: recorded live, C: what clients expect."""
    note: str


def _rows(kind: Kind, *rows: tuple[str, Level, str, str]) -> tuple[Row, ...]:
    return tuple(
        Row(kind=kind, name=name, level=level, source=source, note=note)
        for name, level, source, note in rows
    )


_PUBLIC: Final = _rows(
    Kind.PUBLIC,
    ("Time", Level.EXACT, "D, L", "two-digit year"),
    ("SystemStatus", Level.EXACT, "D", "follows the admin's status"),
    ("Assets", Level.MODELLED, "D, L", "collateral values and margin rates are ours"),
    (
        "AssetPairs",
        Level.MODELLED,
        "D, L",
        "rules as recorded; fees in three ways (choice pair_fees); position limits are ours but "
        "of XBTUSD; country_code changes nothing",
    ),
    ("Ticker", Level.EXACT, "D, L", "prices of five decimals or more"),
    (
        "OHLC",
        Level.MODELLED,
        "D, L, C",
        "720 rows and the forming one, quiet intervals filled from before them; choice "
        "ohlc_since; vwap of candles from before the opening is the middle of their shape; "
        "weeks of an invented market reach back two years, of a replay as far as two years of "
        "its files",
    ),
    ("Depth", Level.EXACT, "D, L", "volumes of three decimals"),
    (
        "Trades",
        Level.MODELLED,
        "D, L",
        "pages back a week before the opening; ids begin at ten million; an account's fills are on "
        "it by their own ids, but for replay and follow (choice prints_own_trades), and for fills "
        "that faults make",
    ),
    (
        "Spread",
        Level.MODELLED,
        "D, L",
        "the last 200 changes; those from before the opening as the trades of the market left "
        "its book, when following none",
    ),
    ("GroupedBook", Level.MISSING, "D", "not among the facts we have"),
    ("Level3", Level.MISSING, "D", "order by order book"),
)

_ACCOUNT: Final = _rows(
    Kind.PRIVATE,
    ("Balance", Level.EXACT, "D, L", "with .F, .S and the like"),
    ("BalanceEx", Level.EXACT, "D, L", "no credit lines, so no credit fields"),
    (
        "TradeBalance",
        Level.MODELLED,
        "D, L",
        "worth by last prices over USD and USDT; margin is always unused, so no ml",
    ),
    (
        "TradeVolume",
        Level.MODELLED,
        "D, L",
        "one ladder for all pairs; what schedules holds is not recorded",
    ),
    ("GetWebSocketsToken", Level.EXACT, "D, L", "900 s, or as long as a session uses it"),
    ("GetApiKeyInfo", Level.EXACT, "D", "no expiry, no list of addresses"),
    ("OpenOrders", Level.EXACT, "D, L", ""),
    ("ClosedOrders", Level.EXACT, "D", "all its filters; paged by closing time"),
    ("QueryOrders", Level.EXACT, "D, L", "unknown ids are an error if none is known"),
    (
        "TradesHistory",
        Level.MODELLED,
        "D, L",
        "a merged trade has the ids of its first fill: how the venue names it is not "
        "recorded; each fill's trade_id is one of Trades, where those show fills of accounts; "
        "costs and fees are those of the ledger, to four decimals where that is in dollars; "
        "recorded ones have the pair's cost decimals (choice trade_costs)",
    ),
    (
        "QueryTrades",
        Level.MODELLED,
        "D",
        "every fill by its own id; costs and fees as in TradesHistory",
    ),
    ("Ledgers", Level.EXACT, "D, L", "earn rows by documentation"),
    ("QueryLedgers", Level.EXACT, "D, L", ""),
)

_ORDERS: Final = _rows(
    Kind.PRIVATE,
    (
        "AddOrder",
        Level.MODELLED,
        "D, L, C",
        "reasons of some ends are in our words; a pair in maintenance, work_in_progress or "
        "delisted refuses as one in cancel_only: how the venue does is not recorded; "
        "asset_class tokenized_asset has no pairs",
    ),
    ("AddOrderBatch", Level.EXACT, "D", ""),
    ("AmendOrder", Level.EXACT, "D, L", ""),
    ("OrderAmends", Level.MODELLED, "D", "nobody recorded an answer; fields as documented"),
    ("EditOrder", Level.EXACT, "D", ""),
    ("CancelOrder", Level.EXACT, "D, L", ""),
    ("CancelOrderBatch", Level.EXACT, "D", ""),
    ("CancelAll", Level.EXACT, "D, L", ""),
    ("CancelAllOrdersAfter", Level.EXACT, "D, L", "of the whole account"),
)

_MISSING_PRIVATE: Final = _rows(
    Kind.PRIVATE,
    *(
        (name, Level.MISSING, "D", "spot without margin, funding, earning or subaccounts")
        for name in (
            *("OpenPositions", "CreditLines"),
            *("AddExport", "ExportStatus", "RetrieveExport", "RemoveExport"),
            *("DepositMethods", "DepositAddresses", "DepositStatus"),
            *("WithdrawMethods", "WithdrawAddresses", "WithdrawInfo", "Withdraw"),
            *("WithdrawStatus", "WithdrawCancel", "WalletTransfer"),
            *("CreateSubaccount", "AccountTransfer"),
            *("Earn/Strategies", "Earn/Allocations", "Earn/Allocate", "Earn/Deallocate"),
            *("Earn/AllocateStatus", "Earn/DeallocateStatus"),
        )
    ),
)

_CHANNELS: Final = _rows(
    Kind.CHANNEL,
    ("status", Level.EXACT, "D, L", "at connecting, and when it changes"),
    ("heartbeat", Level.EXACT, "D, L", "after a second of nothing, once subscribed"),
    (
        "ticker",
        Level.EXACT,
        "D, L",
        "event_trigger trades, or bbo: price or size of the best bid or offer is another",
    ),
    ("ohlc", Level.EXACT, "D, L", "on trades only; a snapshot is twelve candles"),
    ("trade", Level.EXACT, "D, L", "which trades of accounts are on it: as Trades"),
    ("book", Level.EXACT, "D, L", "10 to 1000 levels; levels that fall out are not taken back"),
    ("instrument", Level.MODELLED, "D, L", "margin figures are ours"),
    (
        "executions",
        Level.MODELLED,
        "D, L",
        "the name ratecount is that of the first protocol; order_status false keeps trades; "
        "costs and fees as in TradesHistory",
    ),
    ("balances", Level.EXACT, "D", "one row for an asset, its wallets in it"),
    ("level3", Level.MISSING, "D", "order by order book"),
)

_REQUESTS: Final = _rows(
    Kind.REQUEST,
    ("ping", Level.EXACT, "D, L", "params is refused by its name, as recorded"),
    (
        "subscribe",
        Level.EXACT,
        "D, L",
        "one acknowledgement for each symbol; fields it does not know are passed over, here and in "
        "all requests below: what the venue says of them is not recorded",
    ),
    ("unsubscribe", Level.EXACT, "D", "echoes as in the documentation's examples"),
    ("add_order", Level.MODELLED, "D, L", "as AddOrder"),
    ("amend_order", Level.EXACT, "D, L", ""),
    ("edit_order", Level.EXACT, "D", ""),
    ("cancel_order", Level.EXACT, "D, L", "one answer for each order"),
    ("cancel_all", Level.EXACT, "D", ""),
    ("cancel_all_orders_after", Level.EXACT, "D", ""),
    ("batch_add", Level.EXACT, "D", ""),
    ("batch_cancel", Level.MODELLED, "D, L", "documentation and recording differ in its shape"),
)

TABLE: Final = (*_PUBLIC, *_ACCOUNT, *_ORDERS, *_MISSING_PRIVATE, *_CHANNELS, *_REQUESTS)


def level_of(kind: Kind, name: str) -> Level | None:
    """How faithful a method is; None if the table does not know it."""
    return next((row.level for row in TABLE if (row.kind, row.name) == (kind, name)), None)


def as_markdown() -> str:
    """The table as the documentation shows it."""
    lines: list[str] = []
    for kind in Kind:
        lines += ["", f"## {kind.value}", "", "| name | is | source | note |", "|---|---|---|---|"]
        lines += [
            f"| `{row.name}` | {row.level.value} | {row.source} | {row.note} |"
            for row in TABLE
            if row.kind is kind
        ]
    return "\n".join(lines).strip() + "\n"
