-- Whether a part of the position was there before the books at a cost nobody knows. One that such
-- a lot opened carries the lot's instant until it is flat.

ALTER TABLE positions ADD COLUMN has_unknown_cost INTEGER NOT NULL DEFAULT 0
    CHECK (has_unknown_cost IN (0, 1));

UPDATE positions SET has_unknown_cost = 1
WHERE strategy_id = 'manual' AND opened_at_ns IS NOT NULL AND quantity_base NOT LIKE '-%'
    AND EXISTS (
        SELECT 1 FROM opening_lots AS lot
        WHERE lot.pair = positions.pair AND lot.cost_base IS NULL
            AND lot.at_ns = positions.opened_at_ns
    );
