package processor

import (
	"errors"
	"slices"
	"time"

	"tapline/ledger"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
)

// Unit is what a command works on: the rows its batch has loaded, as the commands before it have left them. What the
// command puts is staged until it succeeds, and dropped if it fails, so that one bad command fails alone.
type Unit struct {
	Now time.Time // read after the rows were locked

	limits Limits

	Payments  table[payment.ID, payment.Payment]
	Cards     table[payment.CardID, Card]
	Accounts  table[ledger.AccountID, ledger.Account]
	Devices   table[payment.DeviceID, Device]
	Bindings  table[BindingID, Binding]
	Tries     table[TriesID, Tries]
	TopUps    table[string, HeldTopUp]
	Passkeys  table[string, Passkey]
	SignIns   table[string, SignIn]
	Payees    table[payment.Handle, Payee]
	Aliases   table[payment.Handle, Alias]
	Orders    table[payment.OrderID, order.Order]
	Templates table[order.TemplateID, order.Template]
	Refunds   table[payment.RefundID, payment.Refund]
	APIKeys   table[string, APIKey]
	Operators table[OperatorID, Operator]
	Keys      table[KeyID, Key]

	Challenges table[ChallengeID, TapChallenge]
	WakeUps    table[WakeID, WakeUp]
	Tariffs    table[TariffID, Tariff]
	ClosedDays table[string, ClosedDay] // by the day before
	Webhooks   table[string, Webhook]
	Deliveries table[string, Delivery]

	Mails       table[string, Mail]
	MailChanges table[ledger.AccountID, MailChange]
	Payouts     table[payout.ID, payout.Payout]
	PayoutPlans table[PlanID, PayoutPlan]
	PayoutFiles table[payout.FileID, PayoutFile]
	Notes       table[string, Note]
	Erasures    table[ledger.AccountID, Erasure]

	entries  []ledger.Entry
	events   []Event
	evidence []Evidence
	audit    []Audit
	mark     lengths // of the four lists when the running command began

	cardsByKey map[CardKey]payment.CardID
	openOf     map[payment.CardID][]payment.ID
	boundTo    map[payment.CardID][]BindingID
	cardsOn    map[ledger.AccountID][]payment.CardID

	challengesOf map[payment.DeviceID][]ChallengeID
	passkeysOf   map[payment.CardID][]string
	apiKeysOf    map[payment.Handle][]string
	webhooksOf   map[payment.Handle][]string
	templatesOf  map[payment.Handle][]order.TemplateID
	paid         map[PaidID]time.Time
	asked        asked
}

type lengths struct{ entries, events, evidence, audit int }

// table is the rows of one table by their key.
//
// What happens to rows happens in the order in which they came, never in that of a map: the same commands over the same
// rows do the same, statement by statement.
type table[K comparable, V any] struct {
	rows   map[K]V
	known  []K        // keys of rows, in the order in which they came
	loaded map[K]bool // present in the database when the batch began
	asked  map[K]bool // looked for in the database
	staged map[K]V
	puts   []K // keys of staged, in the order of first Put
	dirty  []K // changed by commands that succeeded, in order of first change
	isDirt map[K]bool
}

// Get returns the row of a key, as the running command has left it. It panics with ErrNotWanted if no command wanted the row:
// what was never looked for cannot be called absent.
func (t *table[K, V]) Get(k K) (V, bool) {
	if v, ok := t.staged[k]; ok {
		return v, true
	}
	v, ok := t.rows[k]
	if !ok && !t.asked[k] {
		panic(ErrNotWanted)
	}
	return v, ok
}

// Put stages a row.
func (t *table[K, V]) Put(k K, v V) {
	if t.staged == nil {
		t.staged = map[K]V{}
	}
	if _, again := t.staged[k]; !again {
		t.puts = append(t.puts, k)
	}
	t.staged[k] = v
}

func (t *table[K, V]) add(k K, v V) {
	t.set(k, v)
	t.loaded[k] = true
}

func (t *table[K, V]) set(k K, v V) {
	if t.rows == nil {
		t.rows, t.loaded = map[K]V{}, map[K]bool{}
	}
	if _, known := t.rows[k]; !known {
		t.known = append(t.known, k)
	}
	t.rows[k] = v
}

// missing returns those of keys that nobody has asked for yet, and takes note that they were.
func (t *table[K, V]) missing(keys []K) []K {
	var out []K
	for _, k := range keys {
		if !t.asked[k] {
			if t.asked == nil {
				t.asked = map[K]bool{}
			}
			t.asked[k] = true
			out = append(out, k)
		}
	}
	return out
}

func (t *table[K, V]) keep() {
	for _, k := range t.puts {
		t.set(k, t.staged[k])
		if !t.isDirt[k] {
			if t.isDirt == nil {
				t.isDirt = map[K]bool{}
			}
			t.isDirt[k] = true
			t.dirty = append(t.dirty, k)
		}
	}
	t.drop()
}

func (t *table[K, V]) drop() {
	clear(t.staged)
	t.puts = t.puts[:0]
}

// split returns the changed rows: those that are new, and those that were loaded.
func (t *table[K, V]) split() (created, changed []V) {
	for _, k := range t.dirty {
		if t.loaded[k] {
			changed = append(changed, t.rows[k])
		} else {
			created = append(created, t.rows[k])
		}
	}
	return created, changed
}

// Enter applies an entry to the accounts and stages both. On an error nothing is staged.
func (u *Unit) Enter(e ledger.Entry) error {
	changed, err := ledger.Apply(u.Accounts.Get, e)
	if err != nil {
		return err
	}
	for _, a := range changed {
		u.Accounts.Put(a.ID, a)
	}
	u.entries = append(u.entries, e)
	return nil
}

// Tell stages an event. One that is for nobody is left out.
func (u *Unit) Tell(e Event) {
	if len(e.To) > 0 {
		e.At = u.Now
		u.events = append(u.events, e)
	}
}

// Sign stages evidence of what a person signed.
func (u *Unit) Sign(e Evidence) {
	e.At = u.Now
	u.evidence = append(u.evidence, e)
}

// Audit stages the record of an operator's action.
func (u *Unit) Audit(a Audit) {
	a.At = u.Now
	u.audit = append(u.audit, a)
}

// CardByKey returns the card with a number's key.
func (u *Unit) CardByKey(k CardKey) (Card, bool) {
	id, ok := u.cardsByKey[k]
	if !ok {
		return Card{}, false
	}
	return u.Cards.Get(id)
}

// OpenOf returns the open payments of a card that have been authenticated, where they were wanted.
func (u *Unit) OpenOf(id payment.CardID) []payment.Payment {
	var open []payment.Payment
	for _, p := range u.openOf[id] {
		if row, ok := u.Payments.Get(p); ok && authenticated(row) {
			open = append(open, row)
		}
	}
	return open
}

// authenticated reports whether an open payment is past authentication, or needs none.
func authenticated(p payment.Payment) bool {
	return p.State == payment.ConfirmationRequired || p.State == payment.ApprovalRequired || p.State == payment.Undoable
}

// BoundTo returns the devices bound to a card whose BoundTo was wanted, with those that the running command binds.
func (u *Unit) BoundTo(id payment.CardID) []payment.DeviceID {
	var out, now []payment.DeviceID
	for _, b := range u.boundTo[id] {
		if u.isBound(b) {
			out = append(out, b.Device)
		}
	}
	for b := range u.Bindings.staged {
		if b.Card == id && u.isBound(b) && !slices.Contains(out, b.Device) {
			now = append(now, b.Device)
		}
	}
	slices.Sort(now)
	return append(out, now...)
}

// cardsOf returns the cards that a device is bound to, of those whose bindings were wanted.
func (u *Unit) cardsOf(d payment.DeviceID) (cards []payment.CardID) {
	for _, id := range u.Bindings.known {
		if id.Device == d && u.isBound(id) {
			cards = append(cards, id.Card)
		}
	}
	return cards
}

// isBound reports whether a device is no stranger to a card.
func (u *Unit) isBound(id BindingID) bool {
	b, ok := u.Bindings.Get(id)
	return ok && b.RemovedAt.IsZero()
}

// bind stages a binding, which BoundTo then knows. One that holds is left as it is.
func (u *Unit) bind(b Binding) {
	if id := (BindingID{b.Card, b.Device}); !u.isBound(id) {
		u.Bindings.Put(id, b)
	}
}

type keeper interface {
	keep()
	drop()
}

func (u *Unit) tables() []keeper {
	return []keeper{&u.Payments, &u.Cards, &u.Accounts, &u.Devices, &u.Bindings, &u.Tries, &u.Payees, &u.APIKeys, &u.Operators, &u.Keys,
		&u.Challenges, &u.Passkeys, &u.SignIns, &u.TopUps, &u.Orders, &u.Templates, &u.Refunds, &u.WakeUps, &u.Aliases, &u.ClosedDays,
		&u.Webhooks, &u.Deliveries, &u.Tariffs, &u.Mails, &u.MailChanges, &u.Payouts, &u.PayoutPlans, &u.PayoutFiles, &u.Notes, &u.Erasures}
}

// keep makes what the running command staged part of the batch.
func (u *Unit) keep() {
	for _, id := range u.Cards.puts {
		u.indexCard(u.Cards.staged[id])
	}
	for _, id := range u.Bindings.puts {
		if !slices.Contains(u.boundTo[id.Card], id) {
			u.boundTo[id.Card] = append(u.boundTo[id.Card], id)
		}
	}
	for _, id := range u.Payments.puts {
		if p := u.Payments.staged[id]; authenticated(p) {
			u.openOf[p.Card] = appendNew(u.openOf[p.Card], id)
		}
	}
	for _, id := range u.Passkeys.puts {
		k := u.Passkeys.staged[id]
		u.passkeysOf[k.Card] = appendNew(u.passkeysOf[k.Card], id)
	}
	for _, mac := range u.APIKeys.puts {
		k := u.APIKeys.staged[mac]
		u.apiKeysOf[k.Payee] = appendNew(u.apiKeysOf[k.Payee], mac)
	}
	for _, id := range u.Webhooks.puts {
		e := u.Webhooks.staged[id]
		u.webhooksOf[e.Payee] = appendNew(u.webhooksOf[e.Payee], id)
	}
	for _, id := range u.Templates.puts {
		t := u.Templates.staged[id]
		u.templatesOf[t.Payee] = appendNew(u.templatesOf[t.Payee], id)
	}
	for _, id := range u.Challenges.puts {
		u.challengesOf[id.Device] = appendNew(u.challengesOf[id.Device], id)
	}
	for _, t := range u.tables() {
		t.keep()
	}
	u.mark = lengths{len(u.entries), len(u.events), len(u.evidence), len(u.audit)}
}

// drop forgets what the running command staged.
func (u *Unit) drop() {
	for _, t := range u.tables() {
		t.drop()
	}
	u.entries, u.events = u.entries[:u.mark.entries], u.events[:u.mark.events]
	u.evidence, u.audit = u.evidence[:u.mark.evidence], u.audit[:u.mark.audit]
}

// changes is all that the batch writes.
func (u *Unit) changes() Changes {
	var c Changes
	c.New.Payments, c.Changed.Payments = u.Payments.split()
	c.New.Cards, c.Changed.Cards = u.Cards.split()
	c.New.Accounts, c.Changed.Accounts = u.Accounts.split()
	c.New.Devices, c.Changed.Devices = u.Devices.split()
	c.New.Bindings, c.Changed.Bindings = u.Bindings.split()
	c.New.Tries, c.Changed.Tries = u.Tries.split()
	c.New.TopUps, c.Changed.TopUps = u.TopUps.split()
	c.New.Passkeys, c.Changed.Passkeys = u.Passkeys.split()
	c.New.SignIns, c.Changed.SignIns = u.SignIns.split()
	c.New.Payees, c.Changed.Payees = u.Payees.split()
	c.New.Aliases, c.Changed.Aliases = u.Aliases.split()
	c.New.Orders, c.Changed.Orders = u.Orders.split()
	c.New.Templates, c.Changed.Templates = u.Templates.split()
	c.New.Refunds, c.Changed.Refunds = u.Refunds.split()
	c.New.APIKeys, c.Changed.APIKeys = u.APIKeys.split()
	c.New.Operators, c.Changed.Operators = u.Operators.split()
	c.New.Keys, c.Changed.Keys = u.Keys.split()
	c.New.Challenges, c.Changed.Challenges = u.Challenges.split()
	c.New.WakeUps, c.Changed.WakeUps = u.WakeUps.split()
	c.New.Tariffs, c.Changed.Tariffs = u.Tariffs.split()
	c.New.ClosedDays, c.Changed.ClosedDays = u.ClosedDays.split()
	c.New.Webhooks, c.Changed.Webhooks = u.Webhooks.split()
	c.New.Deliveries, c.Changed.Deliveries = u.Deliveries.split()
	c.New.Mails, c.Changed.Mails = u.Mails.split()
	c.New.MailChanges, c.Changed.MailChanges = u.MailChanges.split()
	c.New.Payouts, c.Changed.Payouts = u.Payouts.split()
	c.New.PayoutPlans, c.Changed.PayoutPlans = u.PayoutPlans.split()
	c.New.PayoutFiles, _ = u.PayoutFiles.split()
	c.New.Notes, c.Changed.Notes = u.Notes.split()
	c.New.Erasures, c.Changed.Erasures = u.Erasures.split()
	c.New.Evidence, c.New.Audit = u.evidence, u.audit
	c.Entries, c.Events = u.entries, u.events
	return c
}

// Do steps a payment: it applies the entry, stages the payment, its event, and its order if it names one. If the ledger does
// not take the entry because of the money, or would not take a rehearsal's, or it exceeds a limit, or the order is not to be had,
// the payment is rejected instead, and that is what is staged.
func (u *Unit) Do(p payment.Payment, c payment.Command) (payment.Payment, error) {
	out, err := payment.Step(p, c, u.Now)
	if err != nil {
		return p, err
	}
	follow, err := u.follow(out.Payment) // staged only once the money is
	switch {
	case errors.Is(err, order.ErrClaimed), errors.Is(err, order.ErrClosed):
		return u.Do(p, payment.Command{Verb: payment.Reject, Reason: payment.OrderUnavailable})
	case err != nil:
		return p, err
	}
	if over := u.exceeded(out); over != "" {
		return u.Do(p, payment.Command{Verb: payment.Reject, Reason: over})
	}
	switch err := u.money(out); {
	case errors.Is(err, ledger.ErrInsufficientFunds):
		return u.Do(p, payment.Command{Verb: payment.Reject, Reason: payment.InsufficientFunds})
	case errors.Is(err, ledger.ErrTooLarge), errors.Is(err, ledger.ErrCurrency):
		return u.Do(p, payment.Command{Verb: payment.Reject, Reason: payment.PayeeUnavailable})
	case err != nil:
		return p, err
	}
	u.countSpent(p.State, out.Payment)
	u.countTurnover(out)
	u.Payments.Put(out.Payment.ID, out.Payment)
	u.tellPayment(out.Event)
	u.wakeFor(p.State, out.Payment)
	follow()
	return out.Payment, nil
}

// money applies a step's entry, or asks the ledger whether it would take a rehearsal's and forgets what it says.
func (u *Unit) money(o payment.Outcome) error {
	switch {
	case o.Trial != nil:
		_, err := ledger.Apply(u.Accounts.Get, *o.Trial)
		return err
	case o.Entry != nil:
		return u.Enter(*o.Entry)
	}
	return nil
}

func (u *Unit) tellPayment(e payment.Event) {
	to := []Principal{DevicePrincipal(e.Initiator)}
	if e.Associated != "" && e.Associated != e.Initiator {
		to = append(to, DevicePrincipal(e.Associated))
	}
	if e.Payee != "" {
		to = append(to, PayeePrincipal(e.Payee))
	}
	u.Tell(Event{Type: "payment." + string(e.State), Subject: string(e.Payment), State: string(e.State), Version: e.Version, To: to})
}
