-- What a payee has orders made from by whoever opens its link. amount is 0 for an open one, from least to most. lines is a JSON array.
CREATE TABLE order_templates (
  id          TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  payee       TEXT   NOT NULL REFERENCES payees (handle),
  currency    TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  amount      BIGINT NOT NULL CHECK (amount BETWEEN 0 AND 1000000000000000),
  least       BIGINT NOT NULL CHECK (least BETWEEN 0 AND most),
  most        BIGINT NOT NULL CHECK (most BETWEEN 0 AND 1000000000000000),
  prefix      TEXT   NOT NULL,
  description TEXT   NOT NULL,
  lines       TEXT   NOT NULL,
  tax         BIGINT NOT NULL CHECK (tax BETWEEN 0 AND amount),
  tip         BIGINT NOT NULL CHECK (tip IN (0, 1)),
  life        BIGINT NOT NULL CHECK (life > 0),
  version     BIGINT NOT NULL CHECK (version >= 1),
  created_at  BIGINT NOT NULL CHECK (created_at > 0),
  disabled_at BIGINT NOT NULL CHECK (disabled_at >= 0),
  CHECK ((amount = 0) = (least > 0))
) BY KEY;

CREATE INDEX order_templates_by_payee ON order_templates (payee) WHERE disabled_at = 0;

-- Of an order that a stranger has made. It is forgotten if nobody pays it, for which its payments are looked for.
ALTER TABLE orders ADD COLUMN template TEXT REFERENCES order_templates (id);

CREATE INDEX orders_unpaid ON orders (ended_at) WHERE template IS NOT NULL AND state = 'expired';
CREATE INDEX payments_by_order ON payments (order_id) WHERE order_id IS NOT NULL;
