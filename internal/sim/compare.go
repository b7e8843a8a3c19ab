package sim

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/consent"
	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// lines are what is stored, one row a line, in order.
type lines []string

func (l *lines) add(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

func at(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// sumOf is a sum of a day, which means nothing before there is any.
func sumOf(day, minor int64) string {
	if minor == 0 {
		return "none"
	}
	return fmt.Sprintf("%d on %d", minor, day)
}

// expected is the database as the model has it.
func (m *model) expected() lines {
	var out lines
	for id, a := range m.accounts {
		out.add("account %s: %d, held %d", id, a.posted, a.held)
	}
	for id, what := range m.entries {
		out.add("entry %s: %s", strings.TrimSuffix(id, feePart), what)
	}
	for id, c := range m.cards {
		out.add("card %s: %s of %s, device %q, %s, version %d, counter %d, level %d, code %s %s %d-%d, by operator %v, lost %v, replaced by %q, tapped %s, identified %s, approvals %d since %d, %d passkeys",
			id, c.state, c.account, c.associated, c.pin, c.version, c.counter, c.level, c.code.purpose, c.code.mac, at(c.code.from), at(c.code.until),
			c.byOperator, c.lost, c.replacedBy, sumOf(c.tapped.day, c.tapped.minor), sumOf(c.identified.day, c.identified.minor),
			c.approvals, at(c.approvalsSince), c.passkeys)
	}
	for id, can := range m.devices {
		out.add("device %s: %v", id, can)
	}
	for id, p := range m.payees {
		out.add("payee %s: %s, rehearsals %v", id, p.account, p.rehearsals)
	}
	for name, t := range m.tries {
		if t != (mTries{}) {
			out.add("tries %s: %d, paused until %d, locked %v", name, t.used, at(t.paused), t.locked)
		}
	}
	for id, k := range m.passkeys {
		out.add("passkey %s of %s on %s: %d, removed %v", id, k.card, k.device, k.counter, k.removed)
	}
	for id, t := range m.topUps {
		out.add("top-up %s: %s of %d by %s to %s", id, t.state, t.minor, t.by, t.account)
	}
	for id, o := range m.orders {
		out.add("order %s: %s %q", id, o.state, o.payment)
	}
	for id, p := range m.payments {
		deadline := p.deadline
		if !p.open() {
			deadline = time.Time{}
		}
		out.add("payment %s: %s %s, version %d, %d to %s from %q, level %d, codes %d, order %q, until %d, instructed %d, authenticated %d, confirmed %d, approved %d, ended %d, refunded %d, undoable %d, fee %d, besides %v",
			id, p.state, p.reason, p.version, p.minor, p.payeeAccount, p.card, p.level, p.codeFailures, p.order, at(deadline),
			at(p.instructed), at(p.authenticated), at(p.confirmed), at(p.approved), at(p.ended), p.refunded, at(p.undoable), p.fee, p.byPayer && p.fee > 0)
	}
	for payee, f := range m.fees {
		out.add("fee of %q: %d and %d, besides %v", payee, f.points, f.fixed, f.byPayer)
	}
	for id, k := range m.keys {
		out.add("key %s %s: %s, done %v", id.Principal, id.Key, k.digest, k.done)
	}
	for name, device := range m.evidence {
		out.add("evidence %s: %s", name, device)
	}
	for name, c := range m.challenge {
		out.add("challenge %s: %d, used %v", name, c.minor, c.used)
	}
	out.payouts(m)
	slices.Sort(out)
	return out
}

// much is more rows than there are.
const much = 100_000

// stored is the database as it is.
func (r *run) stored(m *model) (out lines) {
	err := r.store.View(context.Background(), func(from processor.Reader) error {
		var rows processor.Rows
		for _, table := range []string{"cards", "accounts", "payees", "devices", "tariffs"} {
			page, err := from.List(processor.ListQuery{Table: table, Limit: much})
			if err != nil {
				return err
			}
			rows = join(rows, page)
		}
		var err error
		if rows.Payments, err = from.Payments(processor.PaymentQuery{All: true, Limit: much}); err != nil {
			return err
		}
		for _, p := range rows.Payees {
			orders, err := from.Orders(processor.OrderQuery{Payee: p.Handle, Limit: much})
			if err != nil {
				return err
			}
			rows.Orders = append(rows.Orders, orders...)
		}
		w := m.wants(rows)
		if err := m.readPayouts(from, &rows, &w); err != nil {
			return err
		}
		known, err := from.Load(w)
		if err != nil {
			return err
		}
		rows = join(rows, known)
		out.rows(rows)
		out.payoutRows(rows)
		return out.books(from, rows.Accounts)
	})
	if err != nil {
		r.Fatalf("the database cannot be read: %v", err)
	}
	slices.Sort(out)
	return slices.Compact(out) // an entry is of two accounts
}

// wants names the rows of tables that have no lists: those that the model has, and those of cards and payments.
func (m *model) wants(rows processor.Rows) (w processor.Wants) {
	for id := range m.keys {
		w.Keys = append(w.Keys, id)
	}
	for id := range m.topUps {
		w.TopUps = append(w.TopUps, id)
	}
	for _, c := range rows.Cards {
		w.PasskeysOf = append(w.PasskeysOf, c.ID)
		w.Tries = append(w.Tries, processor.TriesID{Card: c.Key, By: processor.Owner}, processor.TriesID{Card: c.Key, By: processor.Strangers})
	}
	for _, p := range rows.Payments {
		w.Evidence = append(w.Evidence, p.ID)
		w.Tries = append(w.Tries, processor.TriesID{Card: processor.CardKey(p.CardKey), By: processor.Owner},
			processor.TriesID{Card: processor.CardKey(p.CardKey), By: processor.Strangers})
	}
	for name := range m.tries {
		card, by, _ := strings.Cut(name, " ")
		w.Tries = append(w.Tries, processor.TriesID{Card: processor.CardKey(card), By: by})
	}
	for _, d := range rows.Devices {
		w.ChallengesOf = append(w.ChallengesOf, d.ID)
	}
	return w
}

func join(a, b processor.Rows) processor.Rows {
	a.Cards, a.Accounts, a.Payees = append(a.Cards, b.Cards...), append(a.Accounts, b.Accounts...), append(a.Payees, b.Payees...)
	a.Devices, a.TopUps, a.Tries = append(a.Devices, b.Devices...), append(a.TopUps, b.TopUps...), append(a.Tries, b.Tries...)
	a.Keys, a.Evidence = append(a.Keys, b.Keys...), append(a.Evidence, b.Evidence...)
	a.Tariffs, a.PayoutFiles = append(a.Tariffs, b.Tariffs...), append(a.PayoutFiles, b.PayoutFiles...)
	a.Passkeys, a.Challenges = append(a.Passkeys, b.Passkeys...), append(a.Challenges, b.Challenges...)
	return a
}

func (out *lines) rows(rows processor.Rows) {
	for _, c := range rows.Cards {
		out.add("card %s: %s of %s, device %q, %s, version %d, counter %d, level %d, code %s %s %d-%d, by operator %v, lost %v, replaced by %q, tapped %s, identified %s, approvals %d since %d, %d passkeys",
			c.ID, c.State, c.Account, c.Associated, pinOf(c.PIN), c.Version, c.SUNCounter, c.Level, c.Code.Purpose, c.Code.MAC, at(c.Code.NotBefore), at(c.Code.ExpiresAt),
			c.FrozenByOperator, !c.LostAt.IsZero(), c.ReplacedBy, sumOf(dayOf(c.Tapped.Day), c.Tapped.Minor), sumOf(dayOf(c.Identified.Day), c.Identified.Minor),
			c.Approvals, at(c.ApprovalsSince), c.Passkeys)
	}
	for _, d := range rows.Devices {
		out.add("device %s: %v", d.ID, d.RevokedAt.IsZero())
	}
	for _, p := range rows.Payees {
		out.add("payee %s: %s, rehearsals %v", p.Handle, p.Account, p.Rehearsals)
	}
	for _, t := range rows.Tries {
		if t.Tries != (consent.Tries{}) {
			out.add("tries %s %s: %d, paused until %d, locked %v", t.Card, t.By, t.Used, at(t.PausedUntil), t.Locked)
		}
	}
	for _, k := range rows.Passkeys {
		out.add("passkey %s of %s on %s: %d, removed %v", k.ID, k.Card, k.Device, k.Counter, !k.RemovedAt.IsZero())
	}
	for _, t := range rows.TopUps {
		out.add("top-up %s: %s of %d by %s to %s", t.ID, t.State, t.Amount.Minor, t.RequestedBy, t.Account)
	}
	for _, o := range rows.Orders {
		out.add("order %s: %s %q", o.ID, o.State, o.Payment)
	}
	for _, p := range rows.Payments {
		out.payment(p)
	}
	for _, f := range rows.Tariffs {
		out.add("fee of %q: %d and %d, besides %v", f.Payee, f.Points, f.Fixed, f.Bearer == payment.PayerBears)
	}
	for _, k := range rows.Keys {
		out.add("key %s %s: %s, done %v", k.Principal, k.Key, k.Digest, k.Status != 0)
	}
	for _, e := range rows.Evidence {
		out.add("evidence %s %s: %s", e.Payment, e.Role, e.Device)
	}
	for _, c := range rows.Challenges {
		out.add("challenge %s %s: %d, used %v", c.Device, c.ID, c.Amount.Minor, !c.UsedAt.IsZero())
	}
}

func (out *lines) payment(p payment.Payment) {
	deadline := p.Deadline
	if p.State.Final() {
		deadline = time.Time{}
	}
	out.add("payment %s: %s %s, version %d, %d to %s from %q, level %d, codes %d, order %q, until %d, instructed %d, authenticated %d, confirmed %d, approved %d, ended %d, refunded %d, undoable %d, fee %d, besides %v",
		p.ID, p.State, p.Reason, p.Version, p.Amount.Minor, p.PayeeAccount, p.Card, p.Level, p.CodeFailures, p.Order, at(deadline),
		at(p.InstructedAt), at(p.AuthenticatedAt), at(p.ConfirmedAt), at(p.ApprovedAt), at(p.EndedAt), p.Refunded, at(p.UndoableAt), p.Fee.Minor, p.Fee.Bearer == payment.PayerBears)
}

// books are accounts with their entries.
func (out *lines) books(from processor.Reader, accounts []ledger.Account) error {
	for _, a := range accounts {
		out.add("account %s: %d, held %d", a.ID, a.Balance(), a.DebitsPending)
		entries, err := from.Entries(a.ID, time.Unix(0, 0), time.Unix(1<<40, 0), much)
		if err != nil {
			return err
		}
		for _, e := range entries {
			for _, p := range e.Postings {
				out.add("entry %s: %s %s>%s %d", e.ID, e.Action, p.Debit, p.Credit, p.Amount.Minor)
			}
		}
	}
	return nil
}

// differs is how the database differs from a model; "" if it does not.
func (r *run) differs(m *model) string { return cmp.Diff(m.expected(), r.stored(m)) }

// compare wants the database to be the model's.
func (r *run) compare(when string) {
	if diff := r.differs(r.model); diff != "" {
		r.Errorf("the database %s (-as it should be +as it is):\n%s", when, diff)
		r.FailNow()
	}
}

// proveBooks is tapline check.
func (r *run) proveBooks() {
	found, err := r.store.Check(context.Background(), nil)
	if err != nil {
		r.Errorf("the books cannot be proved: %v", err)
	}
	for _, f := range found {
		r.Errorf("the books are wrong: %s", f)
	}
}

// before are the states that may come before one: what is told of a payment is its whole life. A refund is told as settled again.
var before = map[string][]string{
	"authentication_required": {""},
	"confirmation_required":   {"authentication_required"},
	"approval_required":       {"confirmation_required", "approval_required"},
	"undoable":                {"", "authentication_required", "confirmation_required", "approval_required"},
	"settled":                 {"", "authentication_required", "confirmation_required", "approval_required", "undoable", "settled"},
	"rehearsed":               {"", "authentication_required", "confirmation_required", "approval_required", "undoable"},
	"declined":                {"confirmation_required", "approval_required"},
	"cancelled":               {"authentication_required", "confirmation_required", "approval_required", "undoable"},
	"expired":                 {"authentication_required", "confirmation_required", "approval_required"},
	"rejected":                {"", "authentication_required", "confirmation_required", "approval_required", "undoable"},
}

// proveLives wants the events of each payment to tell of a life without a gap or a step that was skipped, from all events
// that were ever told, and of the steps that its level asks for.
func (r *run) proveLives() {
	var all []processor.Event
	var payments []payment.Payment
	err := r.store.View(context.Background(), func(from processor.Reader) (err error) {
		if payments, err = from.Payments(processor.PaymentQuery{All: true, Limit: much}); err != nil {
			return err
		}
		var to []processor.Principal
		for d := range maps.Keys(r.model.devices) {
			to = append(to, processor.DevicePrincipal(payment.DeviceID(d)))
		}
		all, _, err = from.Events(0, much, to...)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	for _, o := range r.model.orders {
		if o.state == "paid" {
			r.stats.Orders++
		}
	}
	for _, p := range r.model.payments {
		if p.refunded > 0 {
			r.stats.Refunded++
		}
	}
	for _, t := range r.model.topUps {
		if t.state == "confirmed" {
			r.stats.TopUps++
		}
	}
	type told struct {
		version int64
		state   string
	}
	lives := map[string]told{}
	for _, e := range all {
		if !strings.HasPrefix(e.Type, "payment.") {
			continue
		}
		last := lives[e.Subject]
		if e.Version != last.version+1 || !slices.Contains(before[e.State], last.state) {
			r.Errorf("%s: told to be %s (%d) after %s (%d)", e.Subject, e.State, e.Version, last.state, last.version)
		}
		lives[e.Subject] = told{e.Version, e.State}
	}
	for _, p := range payments {
		if got := lives[string(p.ID)]; got != (told{p.Version, string(p.State)}) {
			r.Errorf("%s is %s (%d), and was told to be %s (%d)", p.ID, p.State, p.Version, got.state, got.version)
		}
		r.count(p)
		if !p.State.Complete() {
			continue
		}
		skipped := p.Level > payment.LevelTap && p.AuthenticatedAt.IsZero() || p.Level > payment.LevelAuthenticate && p.ConfirmedAt.IsZero() ||
			p.NeedsSecond() && p.ApprovedAt.IsZero()
		if skipped || p.Decoy() {
			r.Errorf("%s was completed without the steps of level %s", p.ID, p.Level)
		}
	}
}

// count adds to the statistics.
func (r *run) count(p payment.Payment) {
	counts := map[payment.State]*int{
		payment.Settled: &r.stats.Settled, payment.Declined: &r.stats.Declined, payment.Expired: &r.stats.Expired,
		payment.Rejected: &r.stats.Rejected, payment.Cancelled: &r.stats.Cancelled, payment.Rehearsed: &r.stats.Rehearsed,
	}
	if n := counts[p.State]; n != nil {
		*n++
	}
	if !p.UndoableAt.IsZero() {
		r.stats.Undoable++
	}
	if p.State == payment.Settled && p.Fee.Minor > 0 {
		r.stats.Charged++
	}
	if !p.ApprovedAt.IsZero() {
		r.stats.Approved++
	}
}

// plus adds statistics.
func (s Stats) plus(o Stats) Stats {
	a, b := reflect.ValueOf(&s).Elem(), reflect.ValueOf(o)
	for i := range a.NumField() {
		a.Field(i).SetInt(a.Field(i).Int() + b.Field(i).Int())
	}
	return s
}
