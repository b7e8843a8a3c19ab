-- Where programs of payees are told of events. types is a JSON array. told is the number of the last event that was looked at: what
-- is to be told has been in event_recipients since the transaction in which it happened.
CREATE TABLE webhook_endpoints (
  id            TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  payee         TEXT   NOT NULL REFERENCES payees (handle),
  url           TEXT   NOT NULL CHECK (url <> '' AND length(url) <= 1024),
  types         TEXT   NOT NULL,
  keys          BYTEA  NOT NULL,
  old_keys      BYTEA  NOT NULL,
  old_until     BIGINT NOT NULL CHECK (old_until >= 0),
  state         TEXT   NOT NULL CHECK (state IN ('enabled', 'disabled', 'removed')),
  why           TEXT   NOT NULL CHECK (why IN ('', 'asked', 'gone', 'failing')),
  told          BIGINT NOT NULL CHECK (told >= 0),
  created_by    TEXT   NOT NULL,
  created_at    BIGINT NOT NULL CHECK (created_at > 0),
  failing_since BIGINT NOT NULL CHECK (failing_since >= 0),
  removed_at    BIGINT NOT NULL CHECK (removed_at >= 0),
  CHECK ((state = 'removed') = (removed_at > 0)),
  CHECK ((state = 'removed') = (length(keys) = 0)),
  CHECK ((length(old_keys) = 0) = (old_until = 0)),
  CHECK ((state = 'disabled') = (why <> ''))
) BY KEY;

CREATE INDEX webhook_endpoints_by_payee ON webhook_endpoints (payee);
CREATE INDEX webhook_endpoints_removed ON webhook_endpoints (removed_at) WHERE removed_at > 0;

-- Events on their way to endpoints. number is that of the event; each is sent to an endpoint once, but for tests, which have none.
-- next_at is 0 unless there is something to send.
CREATE TABLE webhook_deliveries (
  id         TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  endpoint   TEXT   NOT NULL REFERENCES webhook_endpoints (id),
  number     BIGINT NOT NULL CHECK (number >= 0),
  type       TEXT   NOT NULL CHECK (type <> ''),
  subject    TEXT   NOT NULL,
  about      TEXT   NOT NULL,
  version    BIGINT NOT NULL,
  at         BIGINT NOT NULL CHECK (at > 0),
  state      TEXT   NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
  next_at    BIGINT NOT NULL CHECK (next_at >= 0),
  attempts   BIGINT NOT NULL CHECK (attempts >= 0),
  tried_at   BIGINT NOT NULL CHECK (tried_at >= 0),
  failure    TEXT   NOT NULL,
  status     BIGINT NOT NULL CHECK (status >= 0),
  answer     TEXT   NOT NULL,
  millis     BIGINT NOT NULL CHECK (millis >= 0),
  CHECK ((state = 'pending') = (next_at > 0))
) BY ARRIVAL;

CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (endpoint, number) WHERE number > 0;
CREATE INDEX webhook_deliveries_to_send ON webhook_deliveries (endpoint, next_at) WHERE next_at > 0;
CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (endpoint, subject, number) WHERE next_at > 0;
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (endpoint, at, id);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (at);
