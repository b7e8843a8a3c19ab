-- Who asked that the personal data of a card account's holder be erased, and who confirmed it: the newest of each account.
CREATE TABLE erasures (
  account   TEXT   NOT NULL PRIMARY KEY REFERENCES accounts (id),
  asked_by  TEXT   NOT NULL REFERENCES operators (id),
  asked_at  BIGINT NOT NULL CHECK (asked_at > 0),
  erased_by TEXT   REFERENCES operators (id),
  erased_at BIGINT NOT NULL CHECK (erased_at >= 0),
  CHECK ((erased_by IS NULL) = (erased_at = 0)),
  CHECK (erased_by <> asked_by)
) BY KEY;
