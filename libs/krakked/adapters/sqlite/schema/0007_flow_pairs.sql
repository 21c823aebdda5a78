-- The pair whose manual sleeve took or gave the coins of a cash flow; NULL for the base currency,
-- where nothing trades them for it, and for flows of before: those are in the totals alone.

ALTER TABLE cash_flows ADD COLUMN pair TEXT;
