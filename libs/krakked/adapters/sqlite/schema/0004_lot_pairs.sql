-- The pair whose manual sleeve holds an opening lot; NULL where nothing trades it for the base
-- currency, and for lots of before: those are in the totals alone.

ALTER TABLE opening_lots ADD COLUMN pair TEXT;
