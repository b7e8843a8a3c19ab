package sqlstore

import (
	"errors"
	"slices"
	"strings"
	"time"

	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

// rows loads rows by keys. After the first error it gives only that.
type rows struct {
	session
	writing bool // in a transaction that may write
	err     error
	cards   []processor.Card // that were loaded to be written
}

var errEnded = errors.New("the database transaction has ended")

// end makes sure that nobody uses what a transaction gave out after it.
func (r *rows) end() {
	if r.err == nil {
		r.err = errEnded
	}
}

// Statements that select rows by something else than their key.
var (
	openOf       = unlockedBy(payments, "ended_at = 0 AND (authenticated_at > 0 OR undoable_at > 0)", "card")
	cardsByNo    = cards.by("", "number_key")
	boundTo      = bindings.by("removed_at = 0", "card")
	cardsOf      = bindings.by("removed_at = 0", "device")
	cardsOn      = cards.by("", "account")
	ofPayment    = evidence.by("", "payment")
	challengesOf = challenges.by("", "device")
	ofCard       = passkeys.by("", "card")
	apiKeysOf    = apiKeys.by("", "payee")
	aliasesOf    = aliases.by("", "payee")
	lastPaid     = plain("SELECT p.at FROM postings p JOIN entries e ON e.number = p.entry"+
		" WHERE p.debit = $1 AND p.credit = $2 AND e.action IN ('post', 'post_hold') ORDER BY p.at DESC LIMIT 1", isText, isText)
	anyOf = plain("SELECT " + operators.list() + " FROM operators WHERE confirmed_at > 0 ORDER BY id LIMIT 2")

	ofOperator = signIns.by("", "operator")
	ofAPIKey   = signIns.by("", "api_key")
)

// unlockedBy selects rows that nobody changes who has not locked another first, which whoever selects them has locked. To lock
// them as well would be in the wrong order: others have locked theirs and wait for that other.
func unlockedBy[R any](t *table[R], also, picked string) *statement {
	s := t.by(also, picked)
	s.lock = unlocked
	return s
}

// Now returns the time by the database's clock; see processor.Reader.
func (r *rows) Now() (now time.Time, err error) {
	if r.err == nil {
		now, r.err = r.now()
	}
	return now, r.err
}

// Load returns the rows named by w, each once, in no order to rely on. Cards are locked before accounts: payments name both at once,
// and instructions name a card first.
func (r *rows) Load(w processor.Wants) (processor.Rows, error) {
	found := processor.Rows{
		Payments: pick(r, payments, payments.byKey, single(w.Payments)),
		Cards: join(join(pick(r, cards, cards.byKey, single(w.Cards)), pick(r, cards, cardsByNo, single(w.CardKeys)), cardID),
			pick(r, cards, cardsOn, single(w.CardsOn)), cardID),
		Accounts:  pick(r, accounts, accounts.byKey, single(w.Accounts)),
		Devices:   pick(r, devices, devices.byKey, single(w.Devices)),
		TopUps:    pick(r, topUps, topUps.byKey, single(w.TopUps)),
		Passkeys:  pick(r, passkeys, passkeys.byKey, single(w.Passkeys)),
		SignIns:   pick(r, signIns, signIns.byKey, single(w.SignIns)),
		Payees:    pick(r, payees, payees.byKey, single(w.Payees)),
		Orders:    pick(r, orders, orders.byKey, single(w.Orders)),
		Templates: pick(r, templates, templates.byKey, single(w.Templates)),
		Refunds:   pick(r, refunds, refunds.byKey, single(w.Refunds)),
		APIKeys:   pick(r, apiKeys, apiKeys.byKey, single(w.APIKeys)),
		Evidence:  pick(r, evidence, ofPayment, single(w.Evidence)),
		Bindings: pick(r, bindings, bindings.byKey, pairs(w.Bindings, func(id processor.BindingID) key {
			return key{string(id.Card), string(id.Device)}
		})),
		Keys: pick(r, keys, keys.byKey, pairs(w.Keys, func(id processor.KeyID) key {
			return key{string(id.Principal), id.Key}
		})),
		Operators: pick(r, operators, operators.byKey, single(w.Operators)),
		Challenges: pick(r, challenges, challenges.byKey, pairs(w.Challenges, func(id processor.ChallengeID) key {
			return key{string(id.Device), string(id.ID)}
		})),
		Tariffs: pick(r, tariffs, tariffs.byKey, pairs(w.Tariffs, func(id processor.TariffID) key {
			return key{string(id.Payee), string(id.Currency)}
		})),
		WakeUps: pick(r, wakeUps, wakeUps.byKey, pairs(w.WakeUps, func(id processor.WakeID) key {
			return key{string(id.Device), string(id.Kind)}
		})),
	}
	for _, t := range pick(r, tries, tries.byKey, pairs(w.Tries, func(id processor.TriesID) key {
		return key{string(id.Card), id.By}
	})) {
		found.Tries = append(found.Tries, t.Tries)
	}
	r.loadOtherwise(w, &found)
	r.loadWebhooks(w, &found)
	found.Mails = pick(r, mails, mails.byKey, single(w.Mails))
	found.Notes = join(pick(r, notes, notes.byKey, single(w.Notes)), pick(r, notes, notesOf, single(w.NotesOf)), func(n processor.Note) string { return n.ID })
	found.Erasures = pick(r, erasures, erasures.byKey, single(w.Erasures))
	found.MailChanges = pick(r, mailChanges, mailChanges.byKey, single(w.MailChanges))
	r.loadPayouts(w, &found)
	if r.err != nil {
		return processor.Rows{}, r.err
	}
	if r.writing {
		r.cards = append(r.cards, found.Cards...)
	}
	return found, nil
}

func cardID(c processor.Card) payment.CardID { return c.ID }

// loadOtherwise adds rows that are named by something else than their key, except those that are there by their key.
func (r *rows) loadOtherwise(w processor.Wants, found *processor.Rows) {
	// A payment becomes one of these under its card's lock, so who has that lock by now finds all of them.
	found.Payments = join(found.Payments, pick(r, payments, openOf, single(w.OpenOf)),
		func(p payment.Payment) payment.ID { return p.ID })
	idOf := func(b processor.Binding) processor.BindingID {
		return processor.BindingID{Card: b.Card, Device: b.Device}
	}
	found.Bindings = join(found.Bindings, pick(r, bindings, boundTo, single(w.BoundTo)), idOf)
	found.Bindings = join(found.Bindings, pick(r, bindings, cardsOf, single(w.CardsOf)), idOf)
	guarded := make([]string, len(w.ChallengesOf))
	for i, device := range w.ChallengesOf {
		guarded[i] = "challenges of " + string(device)
	}
	r.guard(guarded...)
	found.Challenges = join(found.Challenges, pick(r, challenges, challengesOf, single(w.ChallengesOf)),
		func(c processor.TapChallenge) processor.ChallengeID { return c.ChallengeID })
	found.Passkeys = join(found.Passkeys, pick(r, passkeys, ofCard, single(w.PasskeysOf)),
		func(k processor.Passkey) string { return k.ID })
	guarded = guarded[:0]
	for _, handle := range w.Aliases {
		guarded = append(guarded, "handle "+string(handle)) // of a payee or an alias, and of one only
	}
	r.guard(guarded...)
	found.Aliases = join(pick(r, aliases, aliases.byKey, single(w.Aliases)), pick(r, aliases, aliasesOf, single(w.AliasesOf)),
		func(a processor.Alias) payment.Handle { return a.Alias })
	for _, id := range w.Paid {
		r.query(lastPaid, func(to binder) {
			to.text(string(id.Card))
			to.text(string(id.Payee))
		}, func(from scanner) {
			found.Paid = append(found.Paid, processor.Paid{PaidID: id, At: fromMicros(from.integer(0))})
		})
	}
	guarded = guarded[:0]
	for _, payee := range w.APIKeysOf {
		guarded = append(guarded, "API keys of "+string(payee))
	}
	r.guard(guarded...)
	found.APIKeys = join(found.APIKeys, pick(r, apiKeys, apiKeysOf, single(w.APIKeysOf)),
		func(k processor.APIKey) string { return k.MAC })
	guarded = guarded[:0]
	for _, payee := range w.TemplatesOf {
		guarded = append(guarded, "order templates of "+string(payee))
	}
	r.guard(guarded...)
	found.Templates = join(found.Templates, pick(r, templates, templatesOf, single(w.TemplatesOf)),
		func(t order.Template) order.TemplateID { return t.ID })
	var operatorIDs, apiKeyMACs []string
	for _, o := range w.SignInsOf {
		if o.Operator != "" {
			operatorIDs = append(operatorIDs, string(o.Operator))
		} else {
			apiKeyMACs = append(apiKeyMACs, o.APIKey)
		}
	}
	r.guard(prefixed("passkeys of ", operatorIDs, apiKeyMACs)...)
	idOfSignIn := func(k processor.SignIn) string { return k.ID }
	found.SignIns = join(found.SignIns, pick(r, signIns, ofOperator, single(operatorIDs)), idOfSignIn)
	found.SignIns = join(found.SignIns, pick(r, signIns, ofAPIKey, single(apiKeyMACs)), idOfSignIn)
	if len(w.ClosedAfter) > 0 {
		r.guard("closed days")
		found.ClosedDays = r.withTotals(pick(r, closedDays, closedAfter, single(w.ClosedAfter)))
	}
	if w.AnyOf {
		r.guard("operators")
		found.Operators = join(found.Operators, collect(r, operators, anyOf, nil),
			func(o processor.Operator) processor.OperatorID { return o.ID })
	}
}

// prefixed are names to guard.
func prefixed(prefix string, lists ...[]string) (names []string) {
	for _, list := range lists {
		for _, name := range list {
			names = append(names, prefix+name)
		}
	}
	return names
}

// guard keeps others from making rows of which there is none to lock, while this transaction may write: those that are
// counted, or whose absence matters.
func (r *rows) guard(names ...string) {
	if r.writing && r.err == nil && len(names) > 0 {
		r.err = r.alone(names...)
	}
}

// key is the values of the one or two columns by which a row is picked.
type key [2]string

func single[K ~string](ids []K) []key {
	return pairs(ids, func(id K) key { return key{string(id)} })
}

// pairs are the keys of ids, each once and sorted, so that rows are locked in the same order by everybody. What cannot be
// kept is not there, and left out.
func pairs[K any](ids []K, of func(K) key) []key {
	if len(ids) == 0 {
		return nil
	}
	out := make([]key, 0, len(ids))
	for _, id := range ids {
		if k := of(id); storable(k[0]) && storable(k[1]) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b key) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	return slices.Compact(out)
}

// pick returns the rows that a statement selects by keys.
func pick[R any](r *rows, t *table[R], s *statement, keys []key) []R {
	if r.err != nil || len(keys) == 0 {
		return nil
	}
	var found []R
	_, r.err = r.run(s, len(keys), func(row int, to binder) {
		for i := range s.by {
			to.text(keys[row][i])
		}
	}, func(from scanner) { found = append(found, t.scan(from)) })
	return found
}

// collect returns the rows of a statement that returns all of a table's columns.
func collect[R any](r *rows, t *table[R], s *statement, bind func(binder)) []R {
	if r.err != nil {
		return nil
	}
	var found []R
	_, r.err = r.run(s, 1, func(_ int, to binder) {
		if bind != nil {
			bind(to)
		}
	}, func(from scanner) { found = append(found, t.scan(from)) })
	return found
}

// join adds to one list what another has and it has not.
func join[R any, K comparable](list, more []R, id func(R) K) []R {
	if len(list) == 0 || len(more) == 0 {
		return append(list, more...)
	}
	have := make(map[K]bool, len(list))
	for _, row := range list {
		have[id(row)] = true
	}
	for _, row := range more {
		if !have[id(row)] {
			list = append(list, row)
		}
	}
	return list
}
