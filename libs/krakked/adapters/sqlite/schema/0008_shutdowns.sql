-- Every shutdown that a person asked for; one without an end stands, and nothing adds risk.

CREATE TABLE shutdowns (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    principal TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    ended_at_ns INTEGER,
    ended_by TEXT
) STRICT;
