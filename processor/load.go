package processor

import (
	"errors"
	"maps"
	"slices"
	"time"

	"tapline/ledger"
	"tapline/order"
	"tapline/payment"
)

// asked remembers which look-ups by something else than a row's key were made.
type asked struct {
	cardKeys map[CardKey]bool
	openOf   map[payment.CardID]bool
	boundTo  map[payment.CardID]bool
	cardsOf  map[payment.DeviceID]bool
	cardsOn  map[ledger.AccountID]bool
	notesOf  map[NoteSubject]bool

	challengesOf map[payment.DeviceID]bool
	passkeys     map[payment.CardID]bool
	apiKeysOf    map[payment.Handle]bool
	webhooksOf   map[payment.Handle]bool
	templatesOf  map[payment.Handle]bool
	paid         map[PaidID]bool
	signInsOf    map[SignInOwner]bool
	anyOf        bool
}

func newUnit(l Limits) *Unit {
	return &Unit{
		limits:     l,
		cardsByKey: map[CardKey]payment.CardID{},
		openOf:     map[payment.CardID][]payment.ID{},
		boundTo:    map[payment.CardID][]BindingID{},
		cardsOn:    map[ledger.AccountID][]payment.CardID{},
		asked: asked{
			cardKeys: map[CardKey]bool{}, openOf: map[payment.CardID]bool{}, boundTo: map[payment.CardID]bool{},
			cardsOf: map[payment.DeviceID]bool{}, cardsOn: map[ledger.AccountID]bool{}, notesOf: map[NoteSubject]bool{},
			challengesOf: map[payment.DeviceID]bool{}, passkeys: map[payment.CardID]bool{},
			apiKeysOf: map[payment.Handle]bool{}, webhooksOf: map[payment.Handle]bool{}, paid: map[PaidID]bool{},
			signInsOf: map[SignInOwner]bool{}, templatesOf: map[payment.Handle]bool{},
		},
		challengesOf: map[payment.DeviceID][]ChallengeID{},
		passkeysOf:   map[payment.CardID][]string{},
		apiKeysOf:    map[payment.Handle][]string{},
		webhooksOf:   map[payment.Handle][]string{},
		templatesOf:  map[payment.Handle][]order.TemplateID{},
		paid:         map[PaidID]time.Time{},
	}
}

// rounds bounds how often rows may name further rows: a payment names its card, the card its open payments, those
// their accounts.
const rounds = 8

// load reads all that the jobs want, one query per table and round.
func (u *Unit) load(tx Tx, jobs []*job) error {
	for range rounds {
		var w Wants
		for _, j := range jobs {
			if j.req.Key != (KeyID{}) {
				w.Keys = append(w.Keys, j.req.Key)
			}
			j.req.Command.Wants(u, &w)
		}
		u.wantsOfPayments(&w)
		u.wantWakeUps(&w)
		missing, any := u.missing(w)
		if !any {
			return nil
		}
		rows, err := tx.Load(missing)
		if err != nil {
			return err
		}
		u.add(rows)
	}
	return errors.New("processor: commands want rows without end")
}

// wantsOfPayments names the rows that any step of an open payment may touch. Its card is looked for by its number's key, so
// that as much is done for a decoy, which has no card.
func (u *Unit) wantsOfPayments(w *Wants) {
	for _, id := range u.Payments.known {
		p := u.Payments.rows[id]
		if p.State.Final() {
			continue
		}
		w.CardKeys = append(w.CardKeys, CardKey(p.CardKey))
		w.Accounts = append(w.Accounts, p.PayeeAccount, p.CardAccount)
		w.wantFees(p.Fee, p.Amount.Currency)
		if p.Order != "" {
			w.Orders = append(w.Orders, p.Order)
		}
	}
	for _, id := range u.Orders.known {
		if o := u.Orders.rows[id]; o.State == order.Claimed {
			w.Payments = append(w.Payments, o.Payment) // its time may be over
		}
	}
}

// eachCard calls want with the card of each key that has been looked for. Of a key that no card has it is the zero Card, so
// that whoever names rows of it has the database look for as much: a stranger could count the steps otherwise.
func (u *Unit) eachCard(keys []CardKey, want func(k CardKey, c Card)) {
	for _, k := range keys {
		if id, known := u.cardsByKey[k]; known {
			want(k, u.Cards.rows[id])
		} else if u.asked.cardKeys[k] {
			want(k, Card{})
		}
	}
}

// missing keeps of w what was not asked for before.
func (u *Unit) missing(w Wants) (Wants, bool) {
	m := Wants{
		Payments: u.Payments.missing(w.Payments), Cards: u.Cards.missing(w.Cards), Accounts: u.Accounts.missing(w.Accounts),
		Devices: u.Devices.missing(w.Devices), Bindings: u.Bindings.missing(w.Bindings), Tries: u.Tries.missing(w.Tries),
		Payees: u.Payees.missing(w.Payees), Orders: u.Orders.missing(w.Orders), Refunds: u.Refunds.missing(w.Refunds), Operators: u.Operators.missing(w.Operators), Keys: u.Keys.missing(w.Keys),
		CardKeys: fresh(u.asked.cardKeys, w.CardKeys), OpenOf: fresh(u.asked.openOf, w.OpenOf),
		BoundTo: fresh(u.asked.boundTo, w.BoundTo), CardsOf: fresh(u.asked.cardsOf, w.CardsOf), APIKeys: u.APIKeys.missing(w.APIKeys), APIKeysOf: fresh(u.asked.apiKeysOf, w.APIKeysOf),
		Aliases: u.Aliases.missing(w.Aliases), Paid: fresh(u.asked.paid, w.Paid),
		Challenges: u.Challenges.missing(w.Challenges), ChallengesOf: fresh(u.asked.challengesOf, w.ChallengesOf),
		TopUps: u.TopUps.missing(w.TopUps), Passkeys: u.Passkeys.missing(w.Passkeys), PasskeysOf: fresh(u.asked.passkeys, w.PasskeysOf),
		SignIns: u.SignIns.missing(w.SignIns), SignInsOf: fresh(u.asked.signInsOf, w.SignInsOf),
		WakeUps: u.WakeUps.missing(w.WakeUps), ClosedAfter: u.ClosedDays.missing(w.ClosedAfter),
		Webhooks: u.Webhooks.missing(w.Webhooks), WebhooksOf: fresh(u.asked.webhooksOf, w.WebhooksOf), Deliveries: u.Deliveries.missing(w.Deliveries),
		Templates: u.Templates.missing(w.Templates), TemplatesOf: fresh(u.asked.templatesOf, w.TemplatesOf),
		CardsOn: fresh(u.asked.cardsOn, w.CardsOn), Mails: u.Mails.missing(w.Mails), MailChanges: u.MailChanges.missing(w.MailChanges),
		Payouts: u.Payouts.missing(w.Payouts), PayoutPlans: u.PayoutPlans.missing(w.PayoutPlans), PayoutFiles: u.PayoutFiles.missing(w.PayoutFiles),
		Notes: u.Notes.missing(w.Notes), NotesOf: fresh(u.asked.notesOf, w.NotesOf), Erasures: u.Erasures.missing(w.Erasures),
		Tariffs: u.Tariffs.missing(w.Tariffs), AnyOf: w.AnyOf && !u.asked.anyOf,
	}
	u.asked.anyOf = u.asked.anyOf || w.AnyOf
	n := len(m.Payments) + len(m.Cards) + len(m.Accounts) + len(m.Devices) + len(m.Bindings) + len(m.Tries) + len(m.Payees) +
		len(m.Operators) + len(m.Keys) + len(m.CardKeys) + len(m.OpenOf) + len(m.BoundTo) + len(m.CardsOf) + len(m.APIKeys) + len(m.APIKeysOf) +
		len(m.Orders) + len(m.Refunds) + len(m.Challenges) + len(m.ChallengesOf) + len(m.Passkeys) + len(m.PasskeysOf) + len(m.TopUps) +
		len(m.SignIns) + len(m.SignInsOf) + len(m.WakeUps) + len(m.Aliases) + len(m.Paid) + len(m.ClosedAfter) +
		len(m.Webhooks) + len(m.WebhooksOf) + len(m.Deliveries)
	n += len(m.Templates) + len(m.TemplatesOf) + len(m.Tariffs) + len(m.CardsOn) + len(m.Mails) + len(m.MailChanges) + len(m.Payouts) + len(m.PayoutPlans) + len(m.PayoutFiles) + len(m.Notes) + len(m.NotesOf) + len(m.Erasures)
	return m, n > 0 || m.AnyOf
}

func fresh[K comparable](seen map[K]bool, keys []K) []K {
	var out []K
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

// add takes loaded rows. One that came before, by another of its keys, is left as it is.
func (u *Unit) add(r Rows) {
	for _, x := range r.Payments {
		u.Payments.add(x.ID, x)
		if u.asked.openOf[x.Card] && authenticated(x) {
			u.openOf[x.Card] = appendNew(u.openOf[x.Card], x.ID)
		}
	}
	for _, x := range r.Cards {
		u.Cards.add(x.ID, x)
		u.indexCard(x)
	}
	for _, x := range r.Accounts {
		u.Accounts.add(x.ID, x)
	}
	for _, x := range r.Devices {
		u.Devices.add(x.ID, x)
	}
	for _, x := range r.Bindings {
		id := BindingID{x.Card, x.Device}
		u.Bindings.add(id, x)
		if u.asked.boundTo[x.Card] {
			u.boundTo[x.Card] = appendNew(u.boundTo[x.Card], id)
		}
	}
	for _, x := range r.ClosedDays {
		u.ClosedDays.add(x.Previous, x)
	}
	for _, x := range r.TopUps {
		u.TopUps.add(x.ID, x)
	}
	for _, x := range r.Passkeys {
		u.Passkeys.add(x.ID, x)
		if u.asked.passkeys[x.Card] {
			u.passkeysOf[x.Card] = appendNew(u.passkeysOf[x.Card], x.ID)
		}
	}
	for _, x := range r.SignIns {
		u.SignIns.add(x.ID, x)
	}
	for _, x := range r.Tries {
		u.Tries.add(x.TriesID, x)
	}
	u.addPayees(r)
	for _, x := range r.Orders {
		u.Orders.add(x.ID, x)
	}
	for _, x := range r.Refunds {
		u.Refunds.add(x.ID, x)
	}
	for _, x := range r.APIKeys {
		u.APIKeys.add(x.MAC, x)
		u.apiKeysOf[x.Payee] = appendNew(u.apiKeysOf[x.Payee], x.MAC)
	}
	for _, x := range r.Operators {
		u.Operators.add(x.ID, x)
	}
	for _, x := range r.Challenges {
		u.Challenges.add(x.ChallengeID, x)
		u.challengesOf[x.Device] = appendNew(u.challengesOf[x.Device], x.ChallengeID)
	}
	for _, x := range r.WakeUps {
		u.WakeUps.add(x.WakeID, x)
	}
	for _, x := range r.Keys {
		u.Keys.add(x.KeyID, x)
	}
	u.addWebhooks(r)
	u.addMails(r)
	u.addPayouts(r)
}

// indexCard takes note of by what a card is looked up.
func (u *Unit) indexCard(c Card) {
	u.cardsByKey[c.Key] = c.ID
	if u.asked.cardsOn[c.Account] {
		u.cardsOn[c.Account] = appendNew(u.cardsOn[c.Account], c.ID)
	}
}

// addMails takes the rows about e-mail.
func (u *Unit) addMails(r Rows) {
	for _, x := range r.Mails {
		u.Mails.add(x.ID, x)
	}
	for _, x := range r.MailChanges {
		u.MailChanges.add(x.Account, x)
	}
	for _, x := range r.Notes {
		u.Notes.add(x.ID, x)
	}
	for _, x := range r.Erasures {
		u.Erasures.add(x.Account, x)
	}
}

// addPayees takes the rows about payees.
func (u *Unit) addPayees(r Rows) {
	for _, x := range r.Payees {
		u.Payees.add(x.Handle, x)
	}
	for _, x := range r.Templates {
		u.Templates.add(x.ID, x)
		if u.asked.templatesOf[x.Payee] {
			u.templatesOf[x.Payee] = appendNew(u.templatesOf[x.Payee], x.ID)
		}
	}
	for _, x := range r.Tariffs {
		u.Tariffs.add(x.TariffID, x)
	}
	for _, x := range r.Aliases {
		u.Aliases.add(x.Alias, x)
	}
	for _, x := range r.Paid {
		u.paid[x.PaidID] = x.At
	}
}

// addPayouts takes the rows about payouts.
func (u *Unit) addPayouts(r Rows) {
	for _, x := range r.Payouts {
		u.Payouts.add(x.ID, x)
	}
	for _, x := range r.PayoutPlans {
		u.PayoutPlans.add(x.PlanID, x)
	}
	for _, x := range r.PayoutFiles {
		u.PayoutFiles.add(x.ID, x)
	}
}

// addWebhooks takes the rows about webhooks.
func (u *Unit) addWebhooks(r Rows) {
	for _, x := range r.Webhooks {
		u.Webhooks.add(x.ID, x)
		u.webhooksOf[x.Payee] = appendNew(u.webhooksOf[x.Payee], x.ID)
	}
	for _, x := range r.Deliveries {
		u.Deliveries.add(x.ID, x)
	}
}

func appendNew[K comparable](list []K, k K) []K {
	for _, x := range list {
		if x == k {
			return list
		}
	}
	return append(list, k)
}

// expire ends every loaded payment whose wait is over, be it that its money moves because nobody has undone it, before any command sees
// it, and then every such order. One that cannot be ended is told to trouble, and left: payment.Step refuses all else to it.
func (u *Unit) expire(trouble func(payment.ID, error)) {
	for _, id := range slices.Sorted(maps.Keys(u.Payments.rows)) {
		if p := u.Payments.rows[id]; p.Due(u.Now) {
			if _, err := u.Do(p, payment.Command{Verb: p.Overdue()}); err != nil {
				u.drop()
				trouble(id, err)
				continue
			}
			u.keep()
		}
	}
	for _, id := range slices.Sorted(maps.Keys(u.Orders.rows)) {
		if after, err := u.Orders.rows[id].Expire(u.Now); err == nil {
			u.putOrder(after)
			u.keep()
		}
	}
}
