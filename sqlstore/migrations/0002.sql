-- Days that an operator has closed, each after the one before: previous is that day, empty for the first. A closed day has the
-- entries whose numbers are above after and not above last.
CREATE TABLE closed_days (
  day       TEXT   NOT NULL PRIMARY KEY CHECK (length(day) = 10),
  previous  TEXT   NOT NULL UNIQUE CHECK (previous < day),
  after     BIGINT NOT NULL CHECK (after >= 0),
  last      BIGINT NOT NULL CHECK (last >= after),
  entries   BIGINT NOT NULL CHECK (entries >= 0),
  closed_by TEXT   NOT NULL REFERENCES operators (id),
  note      TEXT   NOT NULL,
  closed_at BIGINT NOT NULL CHECK (closed_at > 0)
) BY KEY;

APPEND ONLY closed_days;

-- What the accounts of a kind and currency had before and after the day, posted credits less debits, what the day posted, and
-- what was held at its end.
CREATE TABLE closed_totals (
  day          TEXT   NOT NULL REFERENCES closed_days (day),
  kind         TEXT   NOT NULL CHECK (kind IN ('card', 'payee', 'issuance')),
  currency     TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  opening      BIGINT NOT NULL,
  debits       BIGINT NOT NULL CHECK (debits >= 0),
  credits      BIGINT NOT NULL CHECK (credits >= 0),
  closing      BIGINT NOT NULL CHECK (closing = opening + credits - debits),
  held_debits  BIGINT NOT NULL CHECK (held_debits >= 0),
  held_credits BIGINT NOT NULL CHECK (held_credits >= 0),
  PRIMARY KEY (day, kind, currency)
) BY KEY;

APPEND ONLY closed_totals;
