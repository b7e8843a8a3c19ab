-- What waits for a second operator can be an adjustment: then account is that on the other side, and adjusts the account whose
-- balance is corrected, debited or credited. Programs that know no adjustments cannot confirm one: account is not a card's.
ALTER TABLE top_ups ADD COLUMN adjusts TEXT NOT NULL DEFAULT '';
ALTER TABLE top_ups ADD COLUMN debit BIGINT NOT NULL DEFAULT 0 CHECK (debit = 0 OR (debit = 1 AND adjusts <> ''));
