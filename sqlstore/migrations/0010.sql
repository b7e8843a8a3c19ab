-- Money that leaves to a bank. payee is NULL for what a card account had when it was closed. bank is the account that it goes to, as JSON.
-- Who asked is a principal, or 'schedule'.
CREATE TABLE payout_files (
  id       TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  currency TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  pays     TEXT   NOT NULL CHECK (pays <> ''),
  pay_on   TEXT   NOT NULL CHECK (length(pay_on) = 10),
  payouts  BIGINT NOT NULL CHECK (payouts > 0),
  total    BIGINT NOT NULL CHECK (total >= payouts),
  made_by  TEXT   NOT NULL REFERENCES operators (id),
  note     TEXT   NOT NULL,
  at       BIGINT NOT NULL CHECK (at > 0)
) BY ARRIVAL;

APPEND ONLY payout_files;

CREATE TABLE payouts (
  id           TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  payee        TEXT   REFERENCES payees (handle),
  account      TEXT   NOT NULL REFERENCES accounts (id),
  amount       BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
  currency     TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  bank         TEXT   NOT NULL CHECK (bank <> ''),
  state        TEXT   NOT NULL CHECK (state IN ('requested', 'ready', 'sent', 'confirmed', 'cancelled', 'returned')),
  version      BIGINT NOT NULL CHECK (version >= 1),
  asked_by     TEXT   NOT NULL CHECK (asked_by <> ''),
  note         TEXT   NOT NULL,
  approved_by  TEXT   NOT NULL,
  returned_by  TEXT   NOT NULL,
  file         TEXT   REFERENCES payout_files (id),
  made_at      BIGINT NOT NULL CHECK (made_at > 0),
  sent_at      BIGINT NOT NULL CHECK (sent_at >= 0),
  confirmed_at BIGINT NOT NULL CHECK (confirmed_at >= 0),
  ended_at     BIGINT NOT NULL CHECK (ended_at >= 0),
  CHECK ((file IS NULL) = (sent_at = 0)),
  CHECK ((state IN ('cancelled', 'returned')) = (ended_at > 0)),
  CHECK (state <> 'confirmed' OR confirmed_at > 0),
  CHECK (state <> 'sent' OR (sent_at > 0 AND confirmed_at = 0)),
  CHECK (confirmed_at = 0 OR state IN ('confirmed', 'returned')),
  CHECK (sent_at = 0 OR state IN ('sent', 'confirmed', 'returned'))
) BY KEY;

CREATE INDEX payouts_by_time ON payouts (made_at, id);
CREATE INDEX payouts_by_payee ON payouts (payee, made_at);
CREATE INDEX payouts_by_file ON payouts (file, made_at);
CREATE INDEX payouts_open ON payouts (state, made_at) WHERE state IN ('requested', 'ready', 'sent');

-- Where a payee's money is paid out to, and when. bank, change and schedule are JSON, empty for none; next_at is 0 for never.
CREATE TABLE payout_plans (
  payee    TEXT   NOT NULL REFERENCES payees (handle),
  currency TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  bank     TEXT   NOT NULL,
  change   TEXT   NOT NULL,
  schedule TEXT   NOT NULL,
  next_at  BIGINT NOT NULL CHECK (next_at >= 0),
  version  BIGINT NOT NULL CHECK (version >= 1),
  PRIMARY KEY (payee, currency)
) BY KEY;

CREATE INDEX payout_plans_due ON payout_plans (next_at) WHERE next_at > 0;
