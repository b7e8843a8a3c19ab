-- The tables of tapline, for SQLite and PostgreSQL. A dialect translates:
--
--   BIGINT, BYTEA, TEXT   its own types (TEXT is compared byte by byte)
--   BY KEY                small rows that are looked up by their key; stored in its order where that is possible
--   BY ARRIVAL            wide rows that arrive one after the other; stored in that order
--   APPEND ONLY t;        triggers that refuse UPDATE and DELETE of rows of t
--   c IN (a, b)           however it is fastest asked in a CHECK
--
-- Times are microseconds since 1970 UTC, 0 for never. Amounts are minor units. NULL only says that there is no such
-- row elsewhere; all other columns have a value, which may be empty.

CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) BY KEY;

-- The last number handed out in each table whose rows are numbered. Its rows are the locks that make numbers rise in
-- the order of commits.
CREATE TABLE counters (
  name TEXT   NOT NULL PRIMARY KEY,
  last BIGINT NOT NULL CHECK (last >= 0)
) BY KEY;

INSERT INTO counters (name, last) VALUES ('audit', 0), ('entries', 0), ('events', 0);

CREATE TABLE accounts (
  id              TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  kind            TEXT   NOT NULL CHECK (kind IN ('card', 'payee', 'issuance')),
  currency        TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  debits_pending  BIGINT NOT NULL CHECK (debits_pending BETWEEN 0 AND 1000000000000000000),
  credits_pending BIGINT NOT NULL CHECK (credits_pending BETWEEN 0 AND 1000000000000000000),
  debits_posted   BIGINT NOT NULL CHECK (debits_posted BETWEEN 0 AND 1000000000000000000),
  credits_posted  BIGINT NOT NULL CHECK (credits_posted BETWEEN 0 AND 1000000000000000000),
  CHECK (kind = 'issuance' OR credits_posted - debits_posted - debits_pending >= 0)
) BY KEY;

CREATE TABLE devices (
  id         TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  public_key BYTEA  NOT NULL,
  label      TEXT   NOT NULL,
  created_at BIGINT NOT NULL CHECK (created_at >= 0),
  used_at    BIGINT NOT NULL CHECK (used_at >= 0),
  revoked_at BIGINT NOT NULL CHECK (revoked_at >= 0),
  push_endpoint TEXT   NOT NULL CHECK (length(push_endpoint) <= 1024),
  push_key      BYTEA  NOT NULL,
  push_auth     BYTEA  NOT NULL,
  push_version  BIGINT NOT NULL CHECK (push_version BETWEEN 0 AND 255),
  push_debits   BIGINT NOT NULL CHECK (push_debits IN (0, 1)),
  push_since    BIGINT NOT NULL CHECK (push_since >= 0),
  CHECK ((push_endpoint = '') = (push_version = 0) AND (push_endpoint = '') = (push_since = 0)),
  CHECK (length(push_key) = CASE push_endpoint WHEN '' THEN 0 ELSE 65 END),
  CHECK (length(push_auth) = CASE push_endpoint WHEN '' THEN 0 ELSE 16 END),
  CHECK (revoked_at = 0 OR push_endpoint = '')
) BY ARRIVAL;

-- Devices that are to be woken, each for a kind of reason. next_at is 0 where there is nothing to send.
CREATE TABLE wake_ups (
  device   TEXT   NOT NULL REFERENCES devices (id),
  kind     TEXT   NOT NULL CHECK (kind IN ('approve', 'debit', 'card')),
  until    BIGINT NOT NULL CHECK (until >= 0),
  next_at  BIGINT NOT NULL CHECK (next_at >= 0),
  attempts BIGINT NOT NULL CHECK (attempts >= 0),
  version  BIGINT NOT NULL CHECK (version >= 1),
  PRIMARY KEY (device, kind)
) BY KEY;

CREATE INDEX wake_ups_to_send ON wake_ups (next_at) WHERE next_at > 0;

-- further is a JSON array of accounts in other currencies, and of former ones. Payments and postings refer to accounts that are
-- there, so that no money goes to one that is not.
CREATE TABLE payees (
  handle     TEXT   NOT NULL PRIMARY KEY CHECK (handle <> ''),
  name       TEXT   NOT NULL,
  kind       TEXT   NOT NULL CHECK (kind IN ('', 'company', 'person')),
  account    TEXT   NOT NULL REFERENCES accounts (id),
  currency   TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  closed     BIGINT NOT NULL CHECK (closed IN (0, 1)),
  rehearsals BIGINT NOT NULL CHECK (rehearsals IN (0, 1)),
  further    TEXT   NOT NULL,
  undo       BIGINT NOT NULL CHECK (undo BETWEEN 0 AND 86400), -- seconds
  created_at BIGINT NOT NULL CHECK (created_at >= 0)
) BY KEY;

CREATE TABLE payee_aliases (
  alias      TEXT   NOT NULL PRIMARY KEY CHECK (alias <> ''),
  payee      TEXT   NOT NULL REFERENCES payees (handle),
  created_at BIGINT NOT NULL CHECK (created_at >= 0),
  removed_at BIGINT NOT NULL CHECK (removed_at >= 0),
  CHECK (alias <> payee)
) BY KEY;

CREATE INDEX payee_aliases_by_payee ON payee_aliases (payee);

-- scopes is a JSON array. created_by is a principal, and outlives the key that it names.
CREATE TABLE api_keys (
  mac         TEXT   NOT NULL PRIMARY KEY CHECK (mac <> ''),
  id          TEXT   NOT NULL UNIQUE CHECK (id <> ''),
  payee       TEXT   NOT NULL REFERENCES payees (handle),
  name        TEXT   NOT NULL,
  scopes      TEXT   NOT NULL,
  hint        TEXT   NOT NULL,
  created_by  TEXT   NOT NULL,
  created_at  BIGINT NOT NULL CHECK (created_at >= 0),
  expires_at  BIGINT NOT NULL CHECK (expires_at >= 0),
  revoked_at  BIGINT NOT NULL CHECK (revoked_at >= 0),
  used_at     BIGINT NOT NULL CHECK (used_at >= 0),
  replaced_by TEXT   UNIQUE,
  CHECK (replaced_by <> id AND (replaced_by IS NULL OR expires_at > 0))
) BY KEY;

CREATE INDEX api_keys_by_payee ON api_keys (payee);

-- An operator who was enrolled by another one can act from confirmed_at on. Where that takes a second operator, who has enrolled
-- the new one is not it.
CREATE TABLE operators (
  id           TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  name         TEXT   NOT NULL,
  public_key   BYTEA  NOT NULL,
  created_at   BIGINT NOT NULL CHECK (created_at >= 0),
  enrolled_by  TEXT   REFERENCES operators (id),
  confirmed_by TEXT   REFERENCES operators (id),
  confirmed_at BIGINT NOT NULL CHECK (confirmed_at >= 0),
  removed_at   BIGINT NOT NULL CHECK (removed_at >= 0),
  CHECK (enrolled_by IS NOT NULL OR confirmed_at > 0),
  CHECK (enrolled_by <> id),
  CHECK (confirmed_by IS NULL OR (confirmed_at > 0 AND confirmed_by <> enrolled_by AND confirmed_by <> id))
) BY KEY;

-- Passkeys to sign in with: an operator's, or of whoever has a payee's API key.
CREATE TABLE sign_ins (
  id         TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  operator   TEXT   REFERENCES operators (id),
  api_key    TEXT   REFERENCES api_keys (mac) ON DELETE CASCADE,
  public_key BYTEA  NOT NULL,
  counter    BIGINT NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
  synced     BIGINT NOT NULL CHECK (synced IN (0, 1)),
  label      TEXT   NOT NULL,
  created_at BIGINT NOT NULL CHECK (created_at >= 0),
  used_at    BIGINT NOT NULL CHECK (used_at >= 0),
  removed_at BIGINT NOT NULL CHECK (removed_at >= 0),
  CHECK ((operator IS NULL) <> (api_key IS NULL))
) BY KEY;

CREATE INDEX sign_ins_by_operator ON sign_ins (operator);
CREATE INDEX sign_ins_by_api_key ON sign_ins (api_key);

CREATE TABLE cards (
  id              TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  number_key      TEXT   NOT NULL UNIQUE CHECK (number_key <> ''),
  last4           TEXT   NOT NULL CHECK (length(last4) <= 4),
  label           TEXT   NOT NULL,
  account         TEXT   NOT NULL REFERENCES accounts (id),
  currency        TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  state           TEXT   NOT NULL CHECK (state IN ('issued', 'active', 'frozen', 'closed')),
  level           BIGINT NOT NULL CHECK (level BETWEEN 0 AND 4),
  associated      TEXT   REFERENCES devices (id),
  pin_salt        BYTEA  NOT NULL,
  pin_sum         BYTEA  NOT NULL,
  pin_pepper      BIGINT NOT NULL CHECK (pin_pepper >= 0),
  pin_memory      BIGINT NOT NULL CHECK (pin_memory >= 0),
  pin_passes      BIGINT NOT NULL CHECK (pin_passes >= 0),
  pin_lanes       BIGINT NOT NULL CHECK (pin_lanes >= 0),
  code_purpose    TEXT   NOT NULL CHECK (code_purpose IN ('', 'activate', 'rebind', 'replace', 'reset_pin')),
  code_mac        TEXT   NOT NULL,
  code_not_before BIGINT NOT NULL CHECK (code_not_before >= 0),
  code_expires_at BIGINT NOT NULL CHECK (code_expires_at >= 0),
  version         BIGINT NOT NULL CHECK (version >= 0),
  frozen_by_operator BIGINT NOT NULL CHECK (frozen_by_operator IN (0, 1)),
  lost_at         BIGINT NOT NULL CHECK (lost_at >= 0),
  replaces        TEXT   UNIQUE REFERENCES cards (id),
  replaced_by     TEXT   UNIQUE REFERENCES cards (id),
  tap_day         BIGINT NOT NULL CHECK (tap_day >= 0),
  tap_spent       BIGINT NOT NULL CHECK (tap_spent >= 0),
  identified_day   BIGINT NOT NULL CHECK (identified_day >= 0),
  identified_spent BIGINT NOT NULL CHECK (identified_spent >= 0),
  sun_version     BIGINT NOT NULL CHECK (sun_version BETWEEN 0 AND 255),
  sun_counter     BIGINT NOT NULL CHECK (sun_counter BETWEEN 0 AND 16777215),
  passkeys        BIGINT NOT NULL CHECK (passkeys >= 0),
  approvals_since BIGINT NOT NULL CHECK (approvals_since >= 0),
  approvals       BIGINT NOT NULL CHECK (approvals >= 0),
  created_at      BIGINT NOT NULL CHECK (created_at >= 0),
  CHECK (sun_version > 0 OR sun_counter = 0),
  CHECK (state IN ('frozen', 'closed') OR (lost_at = 0 AND frozen_by_operator = 0)),
  CHECK (replaced_by IS NULL OR state = 'closed'),
  CHECK (replaces <> id AND replaced_by <> id)
) BY ARRIVAL;

-- Top-ups above the operators' limit. The books move when another operator confirms.
CREATE TABLE top_ups (
  id           TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  account      TEXT   NOT NULL REFERENCES accounts (id),
  amount       BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
  currency     TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  state        TEXT   NOT NULL CHECK (state IN ('pending', 'confirmed', 'rejected')),
  requested_by TEXT   NOT NULL REFERENCES operators (id),
  note         TEXT   NOT NULL,
  requested_at BIGINT NOT NULL CHECK (requested_at > 0),
  expires_at   BIGINT NOT NULL CHECK (expires_at > requested_at),
  decided_by   TEXT   REFERENCES operators (id),
  decided_at   BIGINT NOT NULL CHECK (decided_at >= 0),
  CHECK ((state = 'pending') = (decided_at = 0)),
  CHECK ((decided_by IS NULL) = (decided_at = 0)),
  CHECK (state <> 'confirmed' OR decided_by <> requested_by)
) BY KEY;

CREATE INDEX top_ups_pending ON top_ups (id) WHERE state = 'pending';

CREATE TABLE card_devices (
  card       TEXT   NOT NULL REFERENCES cards (id),
  device     TEXT   NOT NULL REFERENCES devices (id),
  bound_at   BIGINT NOT NULL CHECK (bound_at >= 0),
  removed_at BIGINT NOT NULL CHECK (removed_at >= 0),
  PRIMARY KEY (card, device)
) BY KEY;

CREATE INDEX card_devices_by_device ON card_devices (device);

-- Numbers that a device may have a card sign, each once. A row is deleted some time after it has expired; one that is
-- not there is as good as used.
CREATE TABLE tap_challenges (
  device     TEXT   NOT NULL REFERENCES devices (id),
  id         TEXT   NOT NULL CHECK (id <> ''),
  number     BYTEA  NOT NULL CHECK (length(number) = 4),
  amount     BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 999999999999),
  currency   TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  expires_at BIGINT NOT NULL CHECK (expires_at > 0),
  used_at    BIGINT NOT NULL CHECK (used_at >= 0),
  PRIMARY KEY (device, id)
) BY KEY;

CREATE INDEX tap_challenges_by_age ON tap_challenges (expires_at);

CREATE TABLE passkeys (
  id         TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  card       TEXT   NOT NULL REFERENCES cards (id),
  device     TEXT   NOT NULL REFERENCES devices (id),
  public_key BYTEA  NOT NULL,
  counter    BIGINT NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
  synced     BIGINT NOT NULL CHECK (synced IN (0, 1)),
  label      TEXT   NOT NULL,
  created_at BIGINT NOT NULL CHECK (created_at >= 0),
  used_at    BIGINT NOT NULL CHECK (used_at >= 0),
  removed_at BIGINT NOT NULL CHECK (removed_at >= 0)
) BY KEY;

CREATE INDEX passkeys_by_card ON passkeys (card);

-- Counted for card numbers that nobody has issued, and for one-use codes, as well, so card_key refers to nothing.
CREATE TABLE tries (
  card_key     TEXT   NOT NULL CHECK (card_key <> ''),
  tried_by     TEXT   NOT NULL CHECK (tried_by <> ''),
  used         BIGINT NOT NULL CHECK (used >= 0),
  paused_until BIGINT NOT NULL CHECK (paused_until >= 0),
  locked       BIGINT NOT NULL CHECK (locked IN (0, 1)),
  updated_at   BIGINT NOT NULL CHECK (updated_at >= 0),
  PRIMARY KEY (card_key, tried_by)
) BY KEY;

CREATE INDEX tries_by_age ON tries (updated_at) WHERE locked = 0;

-- lines is a JSON array and metadata a JSON object. payment claims the order or has paid it; it refers to payments, which
-- refer to orders, so that "tapline check" looks at it.
CREATE TABLE orders (
  id          TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  payee       TEXT   NOT NULL REFERENCES payees (handle),
  amount      BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
  currency    TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  reference   TEXT   NOT NULL,
  description TEXT   NOT NULL,
  lines       TEXT   NOT NULL,
  tip         BIGINT NOT NULL CHECK (tip BETWEEN 0 AND amount),
  tax         BIGINT NOT NULL CHECK (tax BETWEEN 0 AND amount - tip),
  success_url TEXT   NOT NULL,
  cancel_url  TEXT   NOT NULL,
  metadata    TEXT   NOT NULL,
  state       TEXT   NOT NULL CHECK (state IN ('open', 'claimed', 'paid', 'cancelled', 'expired')),
  payment     TEXT,
  version     BIGINT NOT NULL CHECK (version >= 1),
  created_at  BIGINT NOT NULL CHECK (created_at > 0),
  expires_at  BIGINT NOT NULL CHECK (expires_at > created_at),
  ended_at    BIGINT NOT NULL CHECK (ended_at >= 0),
  CHECK ((payment IS NULL) = (state NOT IN ('claimed', 'paid'))),
  CHECK ((ended_at = 0) = (state IN ('open', 'claimed')))
) BY ARRIVAL;

CREATE INDEX orders_by_expiry ON orders (expires_at) WHERE state = 'open';
CREATE INDEX orders_by_payee ON orders (payee, created_at);
CREATE INDEX orders_by_reference ON orders (payee, reference, created_at);

-- A decoy has no card, and gets no further than authentication_required. A settled payment has passed every step that
-- its level asks for: 2 authentication, 3 the first confirmation, 4 the second unless the associated device made it. A
-- rehearsal is never settled: it has passed them when it is rehearsed, which nothing else ever is.
CREATE TABLE payments (
  id                TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  amount            BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
  currency          TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  payee_handle      TEXT   NOT NULL REFERENCES payees (handle),
  payee_name        TEXT   NOT NULL,
  payee_account     TEXT   NOT NULL REFERENCES accounts (id),
  payee_moved       BIGINT NOT NULL CHECK (payee_moved IN (0, 1)),
  card              TEXT   REFERENCES cards (id),
  card_account      TEXT   REFERENCES accounts (id),
  card_last4        TEXT   NOT NULL CHECK (length(card_last4) <= 4),
  card_label        TEXT   NOT NULL,
  card_key          TEXT   NOT NULL CHECK (card_key <> ''),
  card_version      BIGINT NOT NULL CHECK (card_version >= 0),
  order_number      TEXT   NOT NULL,
  order_description TEXT   NOT NULL,
  order_id          TEXT   REFERENCES orders (id),
  order_hash        TEXT   NOT NULL,
  pay_by            BIGINT NOT NULL CHECK (pay_by >= 0),
  initiator         TEXT   NOT NULL REFERENCES devices (id),
  initiator_label   TEXT   NOT NULL,
  associated        TEXT   REFERENCES devices (id),
  rehearsal         BIGINT NOT NULL CHECK (rehearsal IN (0, 1)),
  undo              BIGINT NOT NULL CHECK (undo BETWEEN 0 AND 86400), -- seconds
  level             BIGINT NOT NULL CHECK (level BETWEEN 1 AND 4),
  assurance         TEXT   NOT NULL CHECK (assurance IN ('identified', 'authentic')),
  nonce             TEXT   NOT NULL,
  state             TEXT   NOT NULL CHECK (state IN ('authentication_required', 'confirmation_required',
                           'approval_required', 'undoable', 'settled', 'declined', 'cancelled', 'expired', 'rejected', 'rehearsed')),
  reason            TEXT   NOT NULL,
  version           BIGINT NOT NULL CHECK (version >= 1),
  deadline          BIGINT NOT NULL CHECK (deadline >= 0),
  expires_at        BIGINT NOT NULL CHECK (expires_at >= 0),
  first_digest      TEXT   NOT NULL,
  second_digest     TEXT   NOT NULL,
  code_failures     BIGINT NOT NULL CHECK (code_failures >= 0),
  refunded          BIGINT NOT NULL CHECK (refunded BETWEEN 0 AND amount),
  instructed_at     BIGINT NOT NULL CHECK (instructed_at > 0),
  authenticated_at  BIGINT NOT NULL CHECK (authenticated_at >= 0),
  confirmed_at      BIGINT NOT NULL CHECK (confirmed_at >= 0),
  approved_at       BIGINT NOT NULL CHECK (approved_at >= 0),
  undoable_at       BIGINT NOT NULL CHECK (undoable_at >= 0),
  ended_at          BIGINT NOT NULL CHECK (ended_at >= 0),
  CHECK ((card IS NULL) = (card_account IS NULL)),
  CHECK ((card IS NULL) = (associated IS NULL)),
  CHECK (card IS NOT NULL OR state NOT IN ('confirmation_required', 'approval_required', 'undoable', 'settled', 'rehearsed')),
  CHECK ((ended_at = 0) = (state IN ('authentication_required', 'confirmation_required', 'approval_required', 'undoable'))),
  CHECK (ended_at > 0 OR deadline > 0),
  CHECK ((order_id IS NULL) = (order_hash = '') AND (order_id IS NULL) = (pay_by = 0)),
  CHECK (reason = '' OR (ended_at > 0 AND state NOT IN ('settled', 'rehearsed'))),
  CHECK (state <> 'settled' OR rehearsal = 0),
  CHECK (state <> 'rehearsed' OR rehearsal = 1),
  CHECK (refunded = 0 OR state = 'settled'),
  CHECK (state NOT IN ('confirmation_required', 'approval_required') OR authenticated_at > 0),
  CHECK (state <> 'approval_required' OR confirmed_at > 0),
  CHECK (undoable_at = 0 OR undo > 0),
  CHECK (state <> 'undoable' OR (undoable_at > 0 AND deadline = undoable_at + 1000000 * undo)),
  CHECK (state NOT IN ('settled', 'rehearsed') OR undo = 0 OR (undoable_at > 0 AND ended_at >= undoable_at + 1000000 * undo)),
  CHECK (state NOT IN ('undoable', 'settled', 'rehearsed') OR level < 2 OR authenticated_at > 0),
  CHECK (state NOT IN ('undoable', 'settled', 'rehearsed') OR level < 3 OR confirmed_at > 0),
  CHECK (state NOT IN ('undoable', 'settled', 'rehearsed') OR level < 4 OR initiator = associated OR approved_at > 0)
) BY ARRIVAL;

-- Open payments are few, so these two stay small.
CREATE INDEX payments_by_deadline ON payments (deadline) WHERE ended_at = 0;
CREATE INDEX payments_authenticated_by_card ON payments (card) WHERE ended_at = 0 AND (authenticated_at > 0 OR undoable_at > 0);

-- An order is paid once, whatever goes wrong above.
CREATE UNIQUE INDEX payments_settled_by_order ON payments (order_id) WHERE order_id IS NOT NULL AND state = 'settled';

-- What these index never changes, so a payment pays for them once. Those of a card are found by its devices.
CREATE INDEX payments_by_initiator ON payments (initiator, instructed_at);
CREATE INDEX payments_by_approver ON payments (associated, instructed_at) WHERE associated <> initiator;
CREATE INDEX payments_by_payee ON payments (payee_handle, instructed_at);
CREATE INDEX payments_by_time ON payments (instructed_at);

-- total is what was refunded of the payment with this refund: two that do not know of each other cannot both be there.
CREATE TABLE refunds (
  id            TEXT   NOT NULL PRIMARY KEY CHECK (id <> ''),
  payment       TEXT   NOT NULL REFERENCES payments (id),
  amount        BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
  currency      TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  total         BIGINT NOT NULL CHECK (total >= amount),
  payee         TEXT   NOT NULL REFERENCES payees (handle),
  payee_account TEXT   NOT NULL REFERENCES accounts (id),
  card_account  TEXT   NOT NULL REFERENCES accounts (id),
  reason        TEXT   NOT NULL,
  api_key       TEXT   NOT NULL,
  at            BIGINT NOT NULL CHECK (at > 0),
  UNIQUE (payment, total)
) BY ARRIVAL;

CREATE INDEX refunds_by_payee ON refunds (payee, at);
CREATE INDEX refunds_by_payment ON refunds (payment, at);

APPEND ONLY refunds;

CREATE TABLE entries (
  number    BIGINT NOT NULL PRIMARY KEY,
  id        TEXT   NOT NULL UNIQUE CHECK (id <> ''),
  action    TEXT   NOT NULL CHECK (action IN ('hold', 'post_hold', 'release', 'post')),
  reference TEXT   NOT NULL,
  at        BIGINT NOT NULL CHECK (at > 0)
) BY ARRIVAL;

APPEND ONLY entries;

-- at repeats its entry's, so that one index gives an account's postings in order of time.
CREATE TABLE postings (
  entry    BIGINT NOT NULL REFERENCES entries (number),
  line     BIGINT NOT NULL,
  debit    TEXT   NOT NULL REFERENCES accounts (id),
  credit   TEXT   NOT NULL REFERENCES accounts (id),
  amount   BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000000),
  currency TEXT   NOT NULL CHECK (length(currency) = 3 AND currency = upper(currency)),
  at       BIGINT NOT NULL CHECK (at > 0),
  PRIMARY KEY (entry, line),
  CHECK (debit <> credit)
) BY KEY;

CREATE INDEX postings_by_debit ON postings (debit, at, entry);
CREATE INDEX postings_by_credit ON postings (credit, at, entry);

APPEND ONLY postings;

-- The key comes first: a device's keys may rise with time, which keeps the index's new rows together.
CREATE TABLE idempotency_keys (
  principal TEXT   NOT NULL CHECK (principal <> ''),
  key       TEXT   NOT NULL CHECK (key <> ''),
  digest    TEXT   NOT NULL,
  status    BIGINT NOT NULL CHECK (status >= 0),
  answer    BYTEA  NOT NULL,
  at        BIGINT NOT NULL CHECK (at >= 0),
  keep_till BIGINT NOT NULL CHECK (keep_till >= 0),
  PRIMARY KEY (key, principal)
) BY ARRIVAL;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (keep_till);

CREATE TABLE evidence (
  payment TEXT   NOT NULL REFERENCES payments (id),
  role    TEXT   NOT NULL CHECK (role <> ''),
  device  TEXT   NOT NULL REFERENCES devices (id),
  jws     TEXT   NOT NULL CHECK (jws <> ''),
  at      BIGINT NOT NULL CHECK (at > 0),
  PRIMARY KEY (payment, role)
) BY ARRIVAL;

APPEND ONLY evidence;

CREATE TABLE events (
  number     BIGINT NOT NULL PRIMARY KEY,
  type       TEXT   NOT NULL,
  subject    TEXT   NOT NULL,
  state      TEXT   NOT NULL,
  version    BIGINT NOT NULL,
  recipients TEXT   NOT NULL, -- a JSON array
  at         BIGINT NOT NULL CHECK (at >= 0)
) BY ARRIVAL;

-- Who is to be told of which events: recipients once more, to be looked up by.
CREATE TABLE event_recipients (
  principal TEXT   NOT NULL CHECK (principal <> ''),
  event     BIGINT NOT NULL,
  PRIMARY KEY (principal, event)
) BY KEY;

CREATE TABLE audit (
  number   BIGINT NOT NULL PRIMARY KEY,
  operator TEXT   NOT NULL REFERENCES operators (id),
  action   TEXT   NOT NULL CHECK (action <> ''),
  subject  TEXT   NOT NULL,
  note     TEXT   NOT NULL,
  at       BIGINT NOT NULL CHECK (at > 0)
) BY ARRIVAL;

APPEND ONLY audit;
