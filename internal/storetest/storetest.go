// Package storetest is the suite that every processor.Store passes. It knows no SQL: what it cannot see through the
// interface, such as triggers, the store's own tests look at.
package storetest

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tapline/order"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// Run tests a store. open returns a new and empty one, which it closes when the test has ended.
func Run(t *testing.T, open func(t *testing.T) processor.Store) {
	for _, part := range []struct {
		name string
		test func(*suite)
	}{
		{"every row comes back", (*suite).rowsComeBack},
		{"changed rows come back", (*suite).changesComeBack},
		{"what payments count comes back", (*suite).countsComeBack},
		{"terms of a payment do not change", (*suite).termsStay},
		{"times are cut to microseconds", (*suite).timesAreCut},
		{"text that cannot be kept is refused", (*suite).strangeText},
		{"the time goes on", (*suite).timeGoesOn},
		{"absent rows are left out", (*suite).absentRows},
		{"a row comes once however often it is named", (*suite).rowsComeOnce},
		{"rows by other columns", (*suite).rowsByOtherColumns},
		{"what is personal of a holder is erased", (*suite).holderErased},
		{"a new row that is there is a conflict", (*suite).newRowIsThere},
		{"a changed row that is not there is an error", (*suite).changedRowIsNotThere},
		{"an error leaves nothing", (*suite).errorLeavesNothing},
		{"a panic leaves nothing", (*suite).panicLeavesNothing},
		{"an error of Save cannot be passed over", (*suite).saveErrorSticks},
		{"a cancelled update leaves nothing", (*suite).cancelledLeavesNothing},
		{"a transaction is of no use after its end", (*suite).endedIsOfNoUse},
		{"overdrafts are refused", (*suite).overdrafts},
		{"references to nothing are refused", (*suite).references},
		{"payments that cannot be are refused", (*suite).impossiblePayments},
		{"payments that cannot be undone so are refused", (*suite).impossibleUndoing},
		{"cards that cannot be are refused", (*suite).impossibleCards},
		{"evidence never changes", (*suite).evidenceStays},
		{"payments are listed newest first", (*suite).paymentsListed},
		{"payments are listed in pages", (*suite).paymentsInPages},
		{"due payments", (*suite).duePayments},
		{"due wake-ups", (*suite).dueWakeUps},
		{"due e-mail", (*suite).dueMails},
		{"webhooks of a payee", (*suite).webhooksOfAPayee},
		{"fresh webhooks", (*suite).freshWebhooks},
		{"due webhooks", (*suite).dueWebhooks},
		{"sent deliveries", (*suite).sentDeliveries},
		{"impossible webhooks", (*suite).impossibleWebhooks},
		{"devices that cannot be woken so are refused", (*suite).impossibleSubscriptions},
		{"orders are listed newest first", (*suite).ordersListed},
		{"due orders", (*suite).dueOrders},
		{"an order is paid once", (*suite).anOrderIsPaidOnce},
		{"orders that cannot be are refused", (*suite).impossibleOrders},
		{"active order templates of a payee", (*suite).templatesOfAPayee},
		{"order templates that cannot be are refused", (*suite).impossibleTemplates},
		{"refunds are listed newest first", (*suite).refundsListed},
		{"refunds that cannot be are refused", (*suite).impossibleRefunds},
		{"payouts are listed newest first", (*suite).payoutsListed},
		{"payout plans", (*suite).payoutPlans},
		{"payouts that cannot be are refused", (*suite).impossiblePayouts},
		{"events in order", (*suite).eventsInOrder},
		{"events for principals", (*suite).eventsForPrincipals},
		{"wait", (*suite).waitWakes},
		{"wait ends with its context", (*suite).waitEnds},
		{"entries of an account", (*suite).entriesOfAccount},
		{"entries of one time stay together", (*suite).entriesOfOneTime},
		{"lists for operators", (*suite).listsForOperators},
		{"unused accounts", (*suite).unusedAccounts},
		{"spans of days", (*suite).spansOfDays},
		{"lists need a limit", (*suite).listsNeedLimit},
		{"updates happen one after the other", (*suite).updatesSerialise},
		{"readers see a snapshot", (*suite).readersSeeSnapshot},
		{"a store is like a map", (*suite).likeAMap},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(&suite{T: t, store: open(t)}) })
	}
}

// suite is one test with its store.
type suite struct {
	*testing.T
	store processor.Store
}

func (s *suite) save(c processor.Changes) {
	s.Helper()
	if err := s.trySave(c); err != nil {
		s.Fatalf("Save: %v", err)
	}
}

func (s *suite) trySave(c processor.Changes) error {
	return s.store.Update(s.Context(), func(tx processor.Tx) error { return tx.Save(c) })
}

// load returns rows by a View and fails if an Update loads others.
func (s *suite) load(w processor.Wants) (found processor.Rows) {
	s.Helper()
	s.view(func(r processor.Reader) (err error) {
		found, err = r.Load(w)
		return err
	})
	err := s.store.Update(s.Context(), func(tx processor.Tx) error {
		same, err := tx.Load(w)
		s.equal("rows loaded by an Update", sorted(same), sorted(found))
		return err
	})
	if err != nil {
		s.Fatalf("Load: %v", err)
	}
	return found
}

func (s *suite) view(f func(processor.Reader) error) {
	s.Helper()
	if err := s.store.View(s.Context(), f); err != nil {
		s.Fatalf("View: %v", err)
	}
}

func (s *suite) equal(what string, got, want any) {
	s.Helper()
	if diff := diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// diff compares rows; an empty list is as good as none.
func diff(want, got any) string { return gocmp.Diff(want, got, cmpopts.EquateEmpty()) }

// holds fails unless these rows, and no others of those named, are there.
func (s *suite) holds(w processor.Wants, want processor.Rows) {
	s.Helper()
	s.equal("rows", sorted(s.load(w)), sorted(want))
}

// sorted puts rows in one order, to be compared.
func sorted(r processor.Rows) processor.Rows {
	r.Payments = by(r.Payments, func(p payment.Payment) string { return string(p.ID) })
	r.Cards = by(r.Cards, func(c processor.Card) string { return string(c.ID) })
	r.Devices = by(r.Devices, func(d processor.Device) string { return string(d.ID) })
	r.Bindings = by(r.Bindings, func(b processor.Binding) string { return string(b.Card) + " " + string(b.Device) })
	r.Tries = by(r.Tries, func(t processor.Tries) string { return string(t.Card) + " " + t.By })
	r.TopUps = by(r.TopUps, func(t processor.HeldTopUp) string { return t.ID })
	r.ClosedDays = by(r.ClosedDays, func(d processor.ClosedDay) string { return d.Day })
	r.SignIns = by(r.SignIns, func(k processor.SignIn) string { return k.ID })
	r.Passkeys = by(r.Passkeys, func(k processor.Passkey) string { return k.ID })
	r.Payees = by(r.Payees, func(p processor.Payee) string { return string(p.Handle) })
	r.Orders = by(r.Orders, func(o order.Order) string { return string(o.ID) })
	r.Refunds = by(r.Refunds, func(f payment.Refund) string { return string(f.ID) })
	r.Tariffs = by(r.Tariffs, func(t processor.Tariff) string { return string(t.Payee) + " " + string(t.Currency) })
	r.Aliases = by(r.Aliases, func(a processor.Alias) string { return string(a.Alias) })
	r.Templates = by(r.Templates, func(t order.Template) string { return string(t.ID) })
	r.APIKeys = by(r.APIKeys, func(k processor.APIKey) string { return k.MAC })
	r.Operators = by(r.Operators, func(o processor.Operator) string { return string(o.ID) })
	r.Keys = by(r.Keys, func(k processor.Key) string { return string(k.Principal) + " " + k.Key })
	r.Evidence = by(r.Evidence, func(e processor.Evidence) string { return string(e.Payment) + " " + string(e.Role) })
	r.Challenges = by(r.Challenges, func(c processor.TapChallenge) string { return string(c.Device) + " " + string(c.ID) })
	r.WakeUps = by(r.WakeUps, func(w processor.WakeUp) string { return string(w.Device) + " " + string(w.Kind) })
	r.Webhooks = by(r.Webhooks, func(e processor.Webhook) string { return e.ID })
	r.Payouts = by(r.Payouts, func(p payout.Payout) string { return string(p.ID) })
	r.PayoutPlans = by(r.PayoutPlans, func(p processor.PayoutPlan) string { return string(p.Payee) + string(p.Currency) })
	r.PayoutFiles = by(r.PayoutFiles, func(f processor.PayoutFile) string { return string(f.ID) })
	r.Deliveries = by(r.Deliveries, func(d processor.Delivery) string { return d.ID })
	r.Notes = by(r.Notes, func(n processor.Note) string { return n.ID })
	r.Erasures = by(r.Erasures, func(e processor.Erasure) string { return string(e.Account) })
	r.Mails = by(r.Mails, func(m processor.Mail) string { return m.ID })
	r.MailChanges = by(r.MailChanges, func(c processor.MailChange) string { return string(c.Account) })
	r.Accounts = by(r.Accounts, accountKey)
	return r
}

func by[R any](rows []R, key func(R) string) []R {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b R) int { return cmp.Compare(key(a), key(b)) })
	return rows
}

// soon is a context that ends the test rather than let it hang.
func (s *suite) soon() context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	s.Cleanup(cancel)
	return ctx
}
