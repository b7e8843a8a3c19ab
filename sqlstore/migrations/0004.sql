-- Limits of an account's payments, as JSON, empty for none of its own; and what is counted for them: the payments of the newest
-- UTC day that had any, and of its month.
ALTER TABLE accounts ADD COLUMN limits TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN turnover_day BIGINT NOT NULL DEFAULT 0 CHECK (turnover_day >= 0);
ALTER TABLE accounts ADD COLUMN day_count BIGINT NOT NULL DEFAULT 0 CHECK (day_count >= 0);
ALTER TABLE accounts ADD COLUMN day_sum BIGINT NOT NULL DEFAULT 0 CHECK (day_sum >= 0);
ALTER TABLE accounts ADD COLUMN month_count BIGINT NOT NULL DEFAULT 0 CHECK (month_count >= day_count);
ALTER TABLE accounts ADD COLUMN month_sum BIGINT NOT NULL DEFAULT 0 CHECK (month_sum >= day_sum);

-- The cardholder's rules, as JSON, empty for none.
ALTER TABLE cards ADD COLUMN rules TEXT NOT NULL DEFAULT '';
