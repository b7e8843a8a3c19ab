-- What operators have written about a card, an account, a payee or a payment. subject is which of these, a colon, and its id.
CREATE TABLE notes (
  id         TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  subject    TEXT   NOT NULL CHECK (subject <> ''),
  text       TEXT   NOT NULL,
  written_by TEXT   NOT NULL REFERENCES operators (id),
  at         BIGINT NOT NULL CHECK (at > 0)
) BY ARRIVAL;

CREATE INDEX notes_by_subject ON notes (subject);
