package sqlstore

import (
	"time"

	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

var accounts = newTable("accounts", 1,
	text("id", func(a *ledger.Account) *ledger.AccountID { return &a.ID }),
	fixed(text("kind", func(a *ledger.Account) *ledger.Kind { return &a.Kind })),
	fixed(text("currency", func(a *ledger.Account) *money.Currency { return &a.Currency })),
	integer("debits_pending", func(a *ledger.Account) *int64 { return &a.DebitsPending }),
	integer("credits_pending", func(a *ledger.Account) *int64 { return &a.CreditsPending }),
	integer("debits_posted", func(a *ledger.Account) *int64 { return &a.DebitsPosted }),
	integer("credits_posted", func(a *ledger.Account) *int64 { return &a.CreditsPosted }),
	encoded("limits", func(a *ledger.Account) *ledger.Limits { return &a.Limits }, func(l ledger.Limits) bool { return l == ledger.Limits{} }),
	instant("turnover_day", func(a *ledger.Account) *time.Time { return &a.Turnover.Day }),
	integer("day_count", func(a *ledger.Account) *int64 { return &a.Turnover.DayCount }),
	integer("day_sum", func(a *ledger.Account) *int64 { return &a.Turnover.DaySum }),
	integer("month_count", func(a *ledger.Account) *int64 { return &a.Turnover.MonthCount }),
	integer("month_sum", func(a *ledger.Account) *int64 { return &a.Turnover.MonthSum }),
)

var devices = newTable("devices", 1,
	text("id", func(d *processor.Device) *payment.DeviceID { return &d.ID }),
	fixed(octets("public_key", func(d *processor.Device) *[]byte { return &d.PublicKey })),
	text("label", func(d *processor.Device) *string { return &d.Label }),
	fixed(instant("created_at", func(d *processor.Device) *time.Time { return &d.CreatedAt })),
	instant("used_at", func(d *processor.Device) *time.Time { return &d.UsedAt }),
	instant("revoked_at", func(d *processor.Device) *time.Time { return &d.RevokedAt }),
	text("push_endpoint", func(d *processor.Device) *string { return &d.Push.Endpoint }),
	octets("push_key", func(d *processor.Device) *[]byte { return &d.Push.Key }),
	octets("push_auth", func(d *processor.Device) *[]byte { return &d.Push.Auth }),
	integer("push_version", func(d *processor.Device) *int { return &d.Push.Version }),
	boolean("push_debits", func(d *processor.Device) *bool { return &d.Push.Debits }),
	instant("push_since", func(d *processor.Device) *time.Time { return &d.Push.Since }),
).seldomChanged()

var wakeUps = newTable("wake_ups", 2,
	text("device", func(w *processor.WakeUp) *payment.DeviceID { return &w.Device }),
	text("kind", func(w *processor.WakeUp) *processor.WakeKind { return &w.Kind }),
	instant("until", func(w *processor.WakeUp) *time.Time { return &w.Until }),
	instant("next_at", func(w *processor.WakeUp) *time.Time { return &w.NextAt }),
	integer("attempts", func(w *processor.WakeUp) *int { return &w.Attempts }),
	integer("version", func(w *processor.WakeUp) *int64 { return &w.Version }),
)

var payees = newTable("payees", 1,
	text("handle", func(p *processor.Payee) *payment.Handle { return &p.Handle }),
	text("name", func(p *processor.Payee) *string { return &p.Name }),
	text("kind", func(p *processor.Payee) *processor.PayeeKind { return &p.Kind }),
	text("account", func(p *processor.Payee) *ledger.AccountID { return &p.Account }),
	text("currency", func(p *processor.Payee) *money.Currency { return &p.Currency }),
	boolean("closed", func(p *processor.Payee) *bool { return &p.Closed }),
	boolean("rehearsals", func(p *processor.Payee) *bool { return &p.Rehearsals }),
	encoded("further", func(p *processor.Payee) *[]processor.PayeeAccount { return &p.Further },
		func(all []processor.PayeeAccount) bool { return len(all) == 0 }),
	seconds("undo", func(p *processor.Payee) *time.Duration { return &p.Undo }),
	fixed(instant("created_at", func(p *processor.Payee) *time.Time { return &p.CreatedAt })),
).seldomChanged()

var aliases = newTable("payee_aliases", 1,
	text("alias", func(a *processor.Alias) *payment.Handle { return &a.Alias }),
	fixed(text("payee", func(a *processor.Alias) *payment.Handle { return &a.Payee })),
	fixed(instant("created_at", func(a *processor.Alias) *time.Time { return &a.CreatedAt })),
	instant("removed_at", func(a *processor.Alias) *time.Time { return &a.RemovedAt }),
).seldomChanged()

var apiKeys = newTable("api_keys", 1,
	text("mac", func(k *processor.APIKey) *string { return &k.MAC }),
	fixed(text("id", func(k *processor.APIKey) *string { return &k.ID })),
	fixed(text("payee", func(k *processor.APIKey) *payment.Handle { return &k.Payee })),
	fixed(text("name", func(k *processor.APIKey) *string { return &k.Name })),
	fixed(list("scopes", func(k *processor.APIKey) *[]processor.Scope { return &k.Scopes })),
	fixed(text("hint", func(k *processor.APIKey) *string { return &k.Hint })),
	fixed(text("created_by", func(k *processor.APIKey) *processor.Principal { return &k.CreatedBy })),
	fixed(instant("created_at", func(k *processor.APIKey) *time.Time { return &k.CreatedAt })),
	instant("expires_at", func(k *processor.APIKey) *time.Time { return &k.ExpiresAt }),
	instant("revoked_at", func(k *processor.APIKey) *time.Time { return &k.RevokedAt }),
	instant("used_at", func(k *processor.APIKey) *time.Time { return &k.UsedAt }),
	reference("replaced_by", func(k *processor.APIKey) *string { return &k.ReplacedBy }),
).seldomChanged()

var operators = newTable("operators", 1,
	text("id", func(o *processor.Operator) *processor.OperatorID { return &o.ID }),
	text("name", func(o *processor.Operator) *string { return &o.Name }),
	fixed(octets("public_key", func(o *processor.Operator) *[]byte { return &o.PublicKey })),
	fixed(instant("created_at", func(o *processor.Operator) *time.Time { return &o.CreatedAt })),
	fixed(reference("enrolled_by", func(o *processor.Operator) *processor.OperatorID { return &o.EnrolledBy })),
	reference("confirmed_by", func(o *processor.Operator) *processor.OperatorID { return &o.ConfirmedBy }),
	instant("confirmed_at", func(o *processor.Operator) *time.Time { return &o.ConfirmedAt }),
	instant("removed_at", func(o *processor.Operator) *time.Time { return &o.RemovedAt }),
).seldomChanged()

var signIns = newTable("sign_ins", 1,
	text("id", func(k *processor.SignIn) *string { return &k.ID }),
	fixed(reference("operator", func(k *processor.SignIn) *processor.OperatorID { return &k.Owner.Operator })),
	fixed(reference("api_key", func(k *processor.SignIn) *string { return &k.Owner.APIKey })),
	fixed(octets("public_key", func(k *processor.SignIn) *[]byte { return &k.PublicKey })),
	integer("counter", func(k *processor.SignIn) *int64 { return &k.Counter }),
	fixed(boolean("synced", func(k *processor.SignIn) *bool { return &k.Synced })),
	text("label", func(k *processor.SignIn) *string { return &k.Label }),
	fixed(instant("created_at", func(k *processor.SignIn) *time.Time { return &k.CreatedAt })),
	instant("used_at", func(k *processor.SignIn) *time.Time { return &k.UsedAt }),
	instant("removed_at", func(k *processor.SignIn) *time.Time { return &k.RemovedAt }),
)

var topUps = newTable("top_ups", 1,
	text("id", func(t *processor.HeldTopUp) *string { return &t.ID }),
	fixed(text("account", func(t *processor.HeldTopUp) *ledger.AccountID { return &t.Account })),
	fixed(integer("amount", func(t *processor.HeldTopUp) *int64 { return &t.Amount.Minor })),
	fixed(text("currency", func(t *processor.HeldTopUp) *money.Currency { return &t.Amount.Currency })),
	text("state", func(t *processor.HeldTopUp) *processor.TopUpState { return &t.State }),
	fixed(text("requested_by", func(t *processor.HeldTopUp) *processor.OperatorID { return &t.RequestedBy })),
	fixed(text("note", func(t *processor.HeldTopUp) *string { return &t.Note })),
	fixed(instant("requested_at", func(t *processor.HeldTopUp) *time.Time { return &t.RequestedAt })),
	fixed(instant("expires_at", func(t *processor.HeldTopUp) *time.Time { return &t.ExpiresAt })),
	fixed(text("adjusts", func(t *processor.HeldTopUp) *ledger.AccountID { return &t.Adjusts })),
	fixed(boolean("debit", func(t *processor.HeldTopUp) *bool { return &t.Debit })),
	reference("decided_by", func(t *processor.HeldTopUp) *processor.OperatorID { return &t.DecidedBy }),
	instant("decided_at", func(t *processor.HeldTopUp) *time.Time { return &t.DecidedAt }),
)

// What changes often is what payments count.
var cards = newTable("cards", 1,
	text("id", func(c *processor.Card) *payment.CardID { return &c.ID }),
	fixed(text("number_key", func(c *processor.Card) *processor.CardKey { return &c.Key })),
	fixed(text("last4", func(c *processor.Card) *string { return &c.Last4 })),
	text("label", func(c *processor.Card) *string { return &c.Label }),
	fixed(text("account", func(c *processor.Card) *ledger.AccountID { return &c.Account })),
	fixed(text("currency", func(c *processor.Card) *money.Currency { return &c.Currency })),
	text("state", func(c *processor.Card) *processor.CardState { return &c.State }),
	integer("level", func(c *processor.Card) *payment.Level { return &c.Level }),
	encoded("rules", func(c *processor.Card) *payment.Rules { return &c.Rules }, func(r payment.Rules) bool { return r == payment.Rules{} }),
	reference("associated", func(c *processor.Card) *payment.DeviceID { return &c.Associated }),
	octets("pin_salt", func(c *processor.Card) *[]byte { return &c.PIN.Salt }),
	octets("pin_sum", func(c *processor.Card) *[]byte { return &c.PIN.Sum }),
	integer("pin_pepper", func(c *processor.Card) *int { return &c.PIN.Pepper }),
	integer("pin_memory", func(c *processor.Card) *uint32 { return &c.PIN.Memory }),
	integer("pin_passes", func(c *processor.Card) *uint32 { return &c.PIN.Passes }),
	integer("pin_lanes", func(c *processor.Card) *uint8 { return &c.PIN.Lanes }),
	text("code_purpose", func(c *processor.Card) *processor.CodePurpose { return &c.Code.Purpose }),
	text("code_mac", func(c *processor.Card) *string { return &c.Code.MAC }),
	instant("code_not_before", func(c *processor.Card) *time.Time { return &c.Code.NotBefore }),
	instant("code_expires_at", func(c *processor.Card) *time.Time { return &c.Code.ExpiresAt }),
	integer("version", func(c *processor.Card) *int64 { return &c.Version }),
	boolean("frozen_by_operator", func(c *processor.Card) *bool { return &c.FrozenByOperator }),
	instant("lost_at", func(c *processor.Card) *time.Time { return &c.LostAt }),
	fixed(reference("replaces", func(c *processor.Card) *payment.CardID { return &c.Replaces })),
	reference("replaced_by", func(c *processor.Card) *payment.CardID { return &c.ReplacedBy }),
	often(instant("tap_day", func(c *processor.Card) *time.Time { return &c.Tapped.Day })),
	often(integer("tap_spent", func(c *processor.Card) *int64 { return &c.Tapped.Minor })),
	often(instant("identified_day", func(c *processor.Card) *time.Time { return &c.Identified.Day })),
	often(integer("identified_spent", func(c *processor.Card) *int64 { return &c.Identified.Minor })),
	fixed(integer("sun_version", func(c *processor.Card) *int { return &c.SUNVersion })),
	often(integer("sun_counter", func(c *processor.Card) *int64 { return &c.SUNCounter })),
	integer("passkeys", func(c *processor.Card) *int { return &c.Passkeys }),
	often(instant("approvals_since", func(c *processor.Card) *time.Time { return &c.ApprovalsSince })),
	often(integer("approvals", func(c *processor.Card) *int { return &c.Approvals })),
	fixed(instant("created_at", func(c *processor.Card) *time.Time { return &c.CreatedAt })),
	text("mail_address", func(c *processor.Card) *string { return &c.Mail.Address }),
	text("mail_language", func(c *processor.Card) *string { return &c.Mail.Language }),
	instant("mail_since", func(c *processor.Card) *time.Time { return &c.Mail.Since }),
)

var bindings = newTable("card_devices", 2,
	text("card", func(b *processor.Binding) *payment.CardID { return &b.Card }),
	text("device", func(b *processor.Binding) *payment.DeviceID { return &b.Device }),
	instant("bound_at", func(b *processor.Binding) *time.Time { return &b.BoundAt }),
	instant("removed_at", func(b *processor.Binding) *time.Time { return &b.RemovedAt }),
)

var challenges = newTable("tap_challenges", 2,
	text("device", func(c *processor.TapChallenge) *payment.DeviceID { return &c.Device }),
	text("id", func(c *processor.TapChallenge) *consent.ChallengeID { return &c.ID }),
	fixed(octets("number", func(c *processor.TapChallenge) *[]byte { return &c.Number })),
	fixed(integer("amount", func(c *processor.TapChallenge) *int64 { return &c.Amount.Minor })),
	fixed(text("currency", func(c *processor.TapChallenge) *money.Currency { return &c.Amount.Currency })),
	fixed(instant("expires_at", func(c *processor.TapChallenge) *time.Time { return &c.ExpiresAt })),
	instant("used_at", func(c *processor.TapChallenge) *time.Time { return &c.UsedAt }),
)

var passkeys = newTable("passkeys", 1,
	text("id", func(k *processor.Passkey) *string { return &k.ID }),
	fixed(text("card", func(k *processor.Passkey) *payment.CardID { return &k.Card })),
	fixed(text("device", func(k *processor.Passkey) *payment.DeviceID { return &k.Device })),
	fixed(octets("public_key", func(k *processor.Passkey) *[]byte { return &k.PublicKey })),
	integer("counter", func(k *processor.Passkey) *int64 { return &k.Counter }),
	fixed(boolean("synced", func(k *processor.Passkey) *bool { return &k.Synced })),
	text("label", func(k *processor.Passkey) *string { return &k.Label }),
	fixed(instant("created_at", func(k *processor.Passkey) *time.Time { return &k.CreatedAt })),
	instant("used_at", func(k *processor.Passkey) *time.Time { return &k.UsedAt }),
	instant("removed_at", func(k *processor.Passkey) *time.Time { return &k.RemovedAt }),
)

// datedTries adds when tries were last counted, so that those nobody needs any more can be forgotten.
type datedTries struct {
	processor.Tries
	updatedAt time.Time
}

var tries = newTable("tries", 2,
	text("card_key", func(t *datedTries) *processor.CardKey { return &t.Card }),
	text("tried_by", func(t *datedTries) *string { return &t.By }),
	integer("used", func(t *datedTries) *int { return &t.Used }),
	instant("paused_until", func(t *datedTries) *time.Time { return &t.PausedUntil }),
	boolean("locked", func(t *datedTries) *bool { return &t.Locked }),
	instant("updated_at", func(t *datedTries) *time.Time { return &t.updatedAt }),
)

var keys = newTable("idempotency_keys", 2,
	text("principal", func(k *processor.Key) *processor.Principal { return &k.Principal }),
	text("key", func(k *processor.Key) *string { return &k.Key }),
	text("digest", func(k *processor.Key) *string { return &k.Digest }),
	integer("status", func(k *processor.Key) *int { return &k.Status }),
	octets("answer", func(k *processor.Key) *[]byte { return &k.Answer }),
	instant("at", func(k *processor.Key) *time.Time { return &k.At }),
	instant("keep_till", func(k *processor.Key) *time.Time { return &k.KeepTill }),
)

var evidence = newTable("evidence", 2,
	fixed(text("payment", func(e *processor.Evidence) *payment.ID { return &e.Payment })),
	fixed(text("role", func(e *processor.Evidence) *consent.Role { return &e.Role })),
	fixed(text("device", func(e *processor.Evidence) *payment.DeviceID { return &e.Device })),
	fixed(text("jws", func(e *processor.Evidence) *string { return &e.JWS })),
	fixed(instant("at", func(e *processor.Evidence) *time.Time { return &e.At })),
)

var events = newTable("events", 1,
	fixed(integer("number", func(e *processor.Event) *int64 { return &e.Seq })),
	fixed(text("type", func(e *processor.Event) *string { return &e.Type })),
	fixed(text("subject", func(e *processor.Event) *string { return &e.Subject })),
	fixed(text("state", func(e *processor.Event) *string { return &e.State })),
	fixed(integer("version", func(e *processor.Event) *int64 { return &e.Version })),
	fixed(list("recipients", func(e *processor.Event) *[]processor.Principal { return &e.To })),
	fixed(instant("at", func(e *processor.Event) *time.Time { return &e.At })),
)

// recipient says that an event is for a principal.
type recipient struct {
	principal processor.Principal
	event     int64
}

var recipients = newTable("event_recipients", 2,
	fixed(text("principal", func(r *recipient) *processor.Principal { return &r.principal })),
	fixed(integer("event", func(r *recipient) *int64 { return &r.event })),
)

var audit = newTable("audit", 1,
	fixed(integer("number", func(a *processor.Audit) *int64 { return &a.Seq })),
	fixed(text("operator", func(a *processor.Audit) *processor.OperatorID { return &a.Operator })),
	fixed(text("action", func(a *processor.Audit) *string { return &a.Action })),
	fixed(text("subject", func(a *processor.Audit) *string { return &a.Subject })),
	fixed(text("note", func(a *processor.Audit) *string { return &a.Note })),
	fixed(instant("at", func(a *processor.Audit) *time.Time { return &a.At })),
)
