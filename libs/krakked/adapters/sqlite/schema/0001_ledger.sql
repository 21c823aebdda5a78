-- The first ledger. Column names are the field names of the domain's records.
-- Amounts are fixed-point decimal text, instants are nanoseconds since 1970 UTC (`…_ns`),
-- bar starts are seconds since 1970 UTC (`…_s`), what has a shape of its own is JSON text.

CREATE TABLE schema_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at_ns INTEGER NOT NULL
) STRICT;

-- What these books belong to; never changes.
CREATE TABLE identity (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    environment TEXT NOT NULL,
    venue TEXT NOT NULL,
    account TEXT NOT NULL,
    base_currency TEXT NOT NULL
) STRICT;

-- ---------------------------------------------------------------- plans and orders

CREATE TABLE plans (
    plan_id TEXT PRIMARY KEY,
    parent_id TEXT,
    sequence INTEGER NOT NULL UNIQUE,
    bar TEXT,
    cause TEXT NOT NULL,
    principal TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL,
    expires_at_ns INTEGER NOT NULL,
    legs TEXT NOT NULL,
    trace_id TEXT NOT NULL
) STRICT;

CREATE TRIGGER plans_are_immutable BEFORE UPDATE ON plans
BEGIN
    SELECT RAISE(ABORT, 'plans are immutable');
END;

CREATE TABLE orders (
    client_order_id TEXT PRIMARY KEY,
    plan_id TEXT NOT NULL REFERENCES plans (plan_id),
    leg INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    strategy_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    kind TEXT NOT NULL,
    side TEXT NOT NULL,
    type TEXT NOT NULL,
    quantity_base TEXT NOT NULL,
    limit_price TEXT,
    time_in_force TEXT NOT NULL,
    expire_at_ns INTEGER,
    post_only INTEGER NOT NULL,
    journal TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL,
    venue_order_id TEXT,
    venue_status TEXT,
    filled_base TEXT NOT NULL,
    cost_quote TEXT NOT NULL,
    fee_quote TEXT NOT NULL,
    sent_at_ns INTEGER,
    acked_at_ns INTEGER,
    ended_at_ns INTEGER,
    deadline_at_ns INTEGER,
    epoch INTEGER NOT NULL,
    cancel_requested_at_ns INTEGER,
    reason TEXT,
    trace_id TEXT,
    UNIQUE (plan_id, leg, revision)
) STRICT;

CREATE UNIQUE INDEX orders_by_venue_id ON orders (venue_order_id) WHERE venue_order_id IS NOT NULL;
CREATE INDEX orders_by_time ON orders (created_at_ns);
CREATE INDEX orders_not_ended ON orders (created_at_ns)
    WHERE journal IN ('pending', 'sent', 'unknown', 'acked');

-- How each order came to be what it is: one row per change, oldest first.
CREATE TABLE order_events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    client_order_id TEXT NOT NULL REFERENCES orders (client_order_id),
    at_ns INTEGER NOT NULL,
    journal TEXT NOT NULL,
    status TEXT NOT NULL,
    venue_status TEXT,
    filled_base TEXT NOT NULL,
    reason TEXT
) STRICT;

CREATE INDEX order_events_by_order ON order_events (client_order_id);

-- ---------------------------------------------------------------- decisions

-- One row per run of equal verdicts on one sleeve and timeframe; runs do not overlap.
CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY,
    strategy_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    timeframe TEXT NOT NULL,
    first_bar_start_s INTEGER NOT NULL,
    last_bar_start_s INTEGER NOT NULL,
    count INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    not_evaluated TEXT,
    woken_by TEXT NOT NULL,
    intent TEXT,
    conditions TEXT NOT NULL,
    checks TEXT NOT NULL,
    plan_id TEXT,
    strategy_hash TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    decided_at_ns INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX decisions_by_bar
    ON decisions (strategy_id, pair, timeframe, first_bar_start_s);
CREATE INDEX decisions_by_plan ON decisions (plan_id) WHERE plan_id IS NOT NULL;
CREATE INDEX decisions_by_time ON decisions (decided_at_ns);

CREATE TABLE sleeves (
    strategy_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    state TEXT NOT NULL,
    stop_price TEXT,
    is_unmet INTEGER NOT NULL,
    last_bar_start_s INTEGER NOT NULL,
    PRIMARY KEY (strategy_id, pair)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- the books: append-only

CREATE TABLE fills (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    trade_id TEXT NOT NULL UNIQUE,
    venue_order_id TEXT NOT NULL,
    client_order_id TEXT,
    strategy_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    price TEXT NOT NULL CHECK (price NOT GLOB '*[^-0-9.]*'),
    quantity_base TEXT NOT NULL CHECK (quantity_base NOT GLOB '*[^-0-9.]*'),
    cost_quote TEXT NOT NULL CHECK (cost_quote NOT GLOB '*[^-0-9.]*'),
    fee_amount TEXT NOT NULL CHECK (fee_amount NOT GLOB '*[^-0-9.]*'),
    fee_asset TEXT NOT NULL,
    fee_quote TEXT NOT NULL CHECK (fee_quote NOT GLOB '*[^-0-9.]*'),
    realized_quote TEXT NOT NULL CHECK (realized_quote NOT GLOB '*[^-0-9.]*'),
    liquidity TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;

CREATE INDEX fills_by_time ON fills (at_ns);
CREATE INDEX fills_by_order ON fills (client_order_id) WHERE client_order_id IS NOT NULL;

CREATE TABLE cash_flows (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    ledger_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    asset TEXT NOT NULL,
    amount TEXT NOT NULL CHECK (amount NOT GLOB '*[^-0-9.]*'),
    fee TEXT NOT NULL CHECK (fee NOT GLOB '*[^-0-9.]*'),
    at_ns INTEGER NOT NULL,
    value_base TEXT CHECK (value_base NOT GLOB '*[^-0-9.]*')
) STRICT;

CREATE TABLE opening_lots (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    asset TEXT NOT NULL,
    quantity TEXT NOT NULL CHECK (quantity NOT GLOB '*[^-0-9.]*'),
    cost_base TEXT CHECK (cost_base NOT GLOB '*[^-0-9.]*'),
    at_ns INTEGER NOT NULL
) STRICT;

-- Each change of each asset, with where it came from.
CREATE TABLE postings (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    asset TEXT NOT NULL,
    amount TEXT NOT NULL CHECK (amount NOT GLOB '*[^-0-9.]*'),
    source_kind TEXT NOT NULL CHECK (source_kind IN ('fill', 'cash_flow', 'opening_lot')),
    source_id TEXT NOT NULL,
    part TEXT NOT NULL,
    strategy_id TEXT NOT NULL,
    UNIQUE (source_kind, source_id, part)
) STRICT;

CREATE TRIGGER fills_refuse_update BEFORE UPDATE ON fills
BEGIN
    SELECT RAISE(ABORT, 'fills are append-only');
END;
CREATE TRIGGER fills_refuse_delete BEFORE DELETE ON fills
BEGIN
    SELECT RAISE(ABORT, 'fills are append-only');
END;
CREATE TRIGGER cash_flows_refuse_update BEFORE UPDATE ON cash_flows
BEGIN
    SELECT RAISE(ABORT, 'cash_flows are append-only');
END;
CREATE TRIGGER cash_flows_refuse_delete BEFORE DELETE ON cash_flows
BEGIN
    SELECT RAISE(ABORT, 'cash_flows are append-only');
END;
CREATE TRIGGER opening_lots_refuse_update BEFORE UPDATE ON opening_lots
BEGIN
    SELECT RAISE(ABORT, 'opening_lots are append-only');
END;
CREATE TRIGGER opening_lots_refuse_delete BEFORE DELETE ON opening_lots
BEGIN
    SELECT RAISE(ABORT, 'opening_lots are append-only');
END;
CREATE TRIGGER postings_refuse_update BEFORE UPDATE ON postings
BEGIN
    SELECT RAISE(ABORT, 'postings are append-only');
END;
CREATE TRIGGER postings_refuse_delete BEFORE DELETE ON postings
BEGIN
    SELECT RAISE(ABORT, 'postings are append-only');
END;

-- ---------------------------------------------------------------- projections of the books

CREATE TABLE positions (
    strategy_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    quantity_base TEXT NOT NULL,
    cost_quote TEXT NOT NULL,
    realized_quote TEXT NOT NULL,
    fees_quote TEXT NOT NULL,
    opened_at_ns INTEGER,
    PRIMARY KEY (strategy_id, pair)
) STRICT, WITHOUT ROWID;

-- Sum of the postings by asset.
CREATE TABLE totals (
    asset TEXT PRIMARY KEY,
    amount TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- state of the engine

CREATE TABLE engine_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    halted INTEGER NOT NULL,
    net_flows TEXT NOT NULL
) STRICT;
INSERT INTO engine_state (id, halted, net_flows) VALUES (1, 0, '0');

-- Every state the switch ever had; the newest row is its state.
CREATE TABLE kill_switch (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    active INTEGER NOT NULL,
    cause TEXT,
    reason TEXT NOT NULL,
    principal TEXT NOT NULL,
    changed_at_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE days (
    day INTEGER PRIMARY KEY,
    baseline_equity TEXT NOT NULL,
    net_flows TEXT NOT NULL,
    realized_at_start TEXT NOT NULL
) STRICT;

CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
    at_ns INTEGER PRIMARY KEY,
    equity TEXT NOT NULL,
    cash TEXT NOT NULL,
    realized TEXT NOT NULL,
    unrealized TEXT NOT NULL,
    fees TEXT NOT NULL,
    net_flows TEXT NOT NULL,
    unvalued TEXT NOT NULL,
    "values" TEXT NOT NULL
) STRICT;

-- The differences that stand now.
CREATE TABLE drifts (
    position INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    key TEXT NOT NULL,
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL,
    kind TEXT NOT NULL,
    since_ns INTEGER NOT NULL
) STRICT;

-- ---------------------------------------------------------------- in and out

CREATE TABLE commands (
    command_id TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    reply TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    fields TEXT NOT NULL
) STRICT;

-- Plans that came over the bus, each taken once.
CREATE TABLE inbox (
    plan_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    received_at_ns INTEGER NOT NULL
) STRICT;
