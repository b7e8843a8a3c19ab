-- Where a card's holder is told by e-mail what happens: sealed under the service's keys, empty for nowhere.
ALTER TABLE cards ADD COLUMN mail_address TEXT NOT NULL DEFAULT '';
ALTER TABLE cards ADD COLUMN mail_language TEXT NOT NULL DEFAULT '';
ALTER TABLE cards ADD COLUMN mail_since BIGINT NOT NULL DEFAULT 0 CHECK (mail_since >= 0);

CREATE INDEX cards_by_account ON cards (account);

-- Addresses that wait until somebody types the code which was mailed to them. address is empty where none waits.
CREATE TABLE mail_changes (
  account    TEXT   NOT NULL PRIMARY KEY REFERENCES accounts (id),
  address    TEXT   NOT NULL,
  language   TEXT   NOT NULL,
  code       TEXT   NOT NULL,
  expires_at BIGINT NOT NULL CHECK (expires_at >= 0)
) BY KEY;

-- E-mail that is to be sent, and what became of it. address is sealed, and empty once the mail is sent or given up; so are facts, a
-- JSON object.
CREATE TABLE mails (
  id       TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  account  TEXT   NOT NULL REFERENCES accounts (id),
  kind     TEXT   NOT NULL CHECK (kind <> ''),
  subject  TEXT   NOT NULL,
  language TEXT   NOT NULL,
  address  TEXT   NOT NULL,
  facts    TEXT   NOT NULL,
  at       BIGINT NOT NULL CHECK (at > 0),
  until    BIGINT NOT NULL CHECK (until > 0),
  state    TEXT   NOT NULL CHECK (state IN ('pending', 'sent', 'failed')),
  next_at  BIGINT NOT NULL CHECK (next_at >= 0),
  attempts BIGINT NOT NULL CHECK (attempts >= 0),
  tried_at BIGINT NOT NULL CHECK (tried_at >= 0),
  failure  TEXT   NOT NULL,
  status   BIGINT NOT NULL CHECK (status >= 0),
  CHECK ((next_at > 0) = (state = 'pending'))
) BY ARRIVAL;

CREATE INDEX mails_to_send ON mails (next_at) WHERE next_at > 0;
CREATE INDEX mails_by_account ON mails (account);
CREATE INDEX mails_by_age ON mails (at);
