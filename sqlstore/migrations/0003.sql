-- The Merkle trees of the history (decisions/0030). hashes are up to 256 of 32 bytes: of leaves on level 0, and on each level
-- above the roots of the full tiles below. The last tile of a level grows.
CREATE TABLE tiles (
  log    TEXT   NOT NULL CHECK (log IN ('entries', 'audit')),
  level  BIGINT NOT NULL CHECK (level >= 0),
  place  BIGINT NOT NULL CHECK (place >= 0),
  hashes BYTEA  NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192),
  PRIMARY KEY (log, level, place)
) BY ARRIVAL;

-- What the service has signed of them. entries and audit are the sizes of the trees.
CREATE TABLE heads (
  number  BIGINT NOT NULL PRIMARY KEY CHECK (number > 0),
  day     TEXT   UNIQUE REFERENCES closed_days (day),
  entries BIGINT NOT NULL CHECK (entries >= 0),
  audit   BIGINT NOT NULL CHECK (audit >= 0),
  jws     TEXT   NOT NULL CHECK (jws <> '')
) BY ARRIVAL;

CREATE INDEX heads_by_entries ON heads (entries);

APPEND ONLY heads;

-- Restores from a backup: how many entries and actions of operators there were in it.
CREATE TABLE restores (
  epoch    TEXT   NOT NULL PRIMARY KEY CHECK (epoch <> ''),
  number   BIGINT NOT NULL UNIQUE CHECK (number > 0),
  entries  BIGINT NOT NULL CHECK (entries >= 0),
  audit    BIGINT NOT NULL CHECK (audit >= 0),
  restored_at BIGINT NOT NULL CHECK (restored_at > 0)
) BY KEY;

APPEND ONLY restores;
