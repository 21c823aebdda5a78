-- Verdicts on closing positions outside a strategy's bars: a stop that was hit, a person's flatten.
-- Equal refusals in a row are one run, with count, first and last instant.

CREATE TABLE exits (
    decision_id TEXT PRIMARY KEY,
    strategy_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    cause TEXT NOT NULL,
    principal TEXT NOT NULL,
    outcome TEXT NOT NULL,
    checks TEXT NOT NULL,
    plan_id TEXT,
    trace_id TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    decided_at_ns INTEGER NOT NULL,
    last_decided_at_ns INTEGER NOT NULL
) STRICT;

CREATE INDEX exits_by_sleeve ON exits (strategy_id, pair, last_decided_at_ns);
CREATE INDEX exits_by_plan ON exits (plan_id) WHERE plan_id IS NOT NULL;
CREATE INDEX exits_by_time ON exits (last_decided_at_ns);
