-- The operator's fees are on accounts of a kind of their own.
ALLOW accounts kind IN ('card', 'payee', 'issuance', 'fees');
ALLOW closed_totals kind IN ('card', 'payee', 'issuance', 'fees');

-- What fee is taken of payments to a payee in a currency, or, with no payee, to all that have no tariff of their own. points are
-- basis points, what else is counted minor units. Of one that was removed nothing counts.
CREATE TABLE tariffs (
  payee      TEXT   NOT NULL,
  currency   TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  points     BIGINT NOT NULL CHECK (points BETWEEN 0 AND 10000),
  fixed      BIGINT NOT NULL CHECK (fixed BETWEEN 0 AND 1000000000000000),
  least      BIGINT NOT NULL CHECK (least BETWEEN 0 AND 1000000000000000),
  most       BIGINT NOT NULL CHECK (most BETWEEN 0 AND 1000000000000000),
  bearer     TEXT   NOT NULL CHECK (bearer IN ('payee', 'payer')),
  removed    BIGINT NOT NULL CHECK (removed IN (0, 1)),
  changed_at BIGINT NOT NULL CHECK (changed_at > 0),
  PRIMARY KEY (payee, currency),
  CHECK (most = 0 OR least <= most)
) BY KEY;

-- The fee of a payment, frozen when it was instructed. fee_version repeats the version of one that has a fee: programs that know no
-- fees cannot change it, and so cannot post its money without the fee.
ALTER TABLE payments ADD COLUMN fee BIGINT NOT NULL DEFAULT 0 CHECK (fee BETWEEN 0 AND 1000000000000000);
ALTER TABLE payments ADD COLUMN fee_bearer TEXT NOT NULL DEFAULT '' CHECK (fee_bearer IN ('', 'payee', 'payer') AND (fee = 0) = (fee_bearer = ''));
ALTER TABLE payments ADD COLUMN fee_version BIGINT NOT NULL DEFAULT 0 CHECK (fee_version = CASE WHEN fee = 0 THEN 0 ELSE version END);
