-- How far the nonces of each API key (by its fingerprint) may have come, below the epoch: the end of
-- the block that was reserved last. The next process begins above it, whatever its clock says.

CREATE TABLE nonce_floors (
    key TEXT PRIMARY KEY,
    tick INTEGER NOT NULL CHECK (tick > 0)
) STRICT, WITHOUT ROWID;
