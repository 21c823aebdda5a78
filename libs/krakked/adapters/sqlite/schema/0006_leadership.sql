-- Every epoch in which an engine of this ledger owned the account; durable before the venue hears
-- of it, so that the next epoch is above it whatever becomes of the lease.

CREATE TABLE leadership (
    epoch INTEGER PRIMARY KEY CHECK (epoch > 0),
    holder TEXT NOT NULL,
    acquired_at_ns INTEGER NOT NULL,
    is_unclean INTEGER NOT NULL,
    is_restored INTEGER NOT NULL,
    acknowledged_at_ns INTEGER,
    acknowledged_by TEXT
) STRICT;
