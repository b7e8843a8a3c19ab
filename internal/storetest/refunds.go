package storetest

import (
	"fmt"
	"time"

	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// manyRefunds saves world, two settled payments, and ten refunds, of which each two are of one time. They are returned newest
// first as they are listed.
func (s *suite) manyRefunds() []payment.Refund {
	s.save(world())
	ps := []payment.Payment{
		stepped(openPayment("p1"), payment.Authenticate, payment.Confirm, payment.Approve),
		stepped(openPayment("p2"), payment.Authenticate, payment.Confirm, payment.Approve)}
	s.save(processor.Changes{New: processor.Rows{Payments: ps}})
	var all []payment.Refund
	for i := range 10 {
		p := &ps[i%2]
		p.Refunded += 10
		r := refundOf(p.ID, payment.RefundID(fmt.Sprintf("r%02d", i)), 10, p.Refunded)
		r.At = noon.Add(time.Duration(i/2) * time.Microsecond)
		all = append([]payment.Refund{r}, all...)
	}
	s.save(processor.Changes{New: processor.Rows{Refunds: all}, Changed: processor.Rows{Payments: ps}})
	return all
}

// atTheTime counts the refunds that were made when the newest was.
func atTheTime(newestFirst []payment.Refund) (n int) {
	for _, r := range newestFirst {
		if r.At.Equal(newestFirst[0].At) {
			n++
		}
	}
	return n
}

func (s *suite) refundsListed() {
	all := s.manyRefunds()
	var first []payment.Refund
	for _, r := range all {
		if r.Payment == "p1" {
			first = append(first, r)
		}
	}
	for what, c := range map[string]struct {
		query processor.RefundQuery
		want  []payment.Refund
	}{
		"payee":            {processor.RefundQuery{Payee: "shop", Limit: 100}, all},
		"payee, 3":         {processor.RefundQuery{Payee: "shop", Limit: 3}, all[:3]},
		"another payee":    {processor.RefundQuery{Payee: "none", Limit: 3}, nil},
		"payment":          {processor.RefundQuery{Payment: "p1", Limit: 100}, first},
		"payment, 2":       {processor.RefundQuery{Payment: "p1", Limit: 2}, first[:2]},
		"another payment":  {processor.RefundQuery{Payment: "none", Limit: 2}, nil},
		"before":           {processor.RefundQuery{Payee: "shop", Before: noon.Add(2 * time.Microsecond), Limit: 100}, all[6:]},
		"before an id":     {processor.RefundQuery{Payee: "shop", Before: noon.Add(2 * time.Microsecond), BeforeID: "r05", Limit: 100}, all[5:]},
		"before all":       {processor.RefundQuery{Payee: "shop", Before: noon, Limit: 100}, nil},
		"oldest first":     {processor.RefundQuery{Payee: "shop", Oldest: true, Limit: 4}, reversed(all)[:4]},
		"oldest, on":       {processor.RefundQuery{Payee: "shop", Oldest: true, From: all[5].At, AfterID: all[5].ID, Limit: 100}, reversed(all[:5])},
		"oldest, until":    {processor.RefundQuery{Payment: "p1", Oldest: true, From: first[len(first)-1].At, Before: first[0].At, Limit: 100}, reversed(first)[:len(first)-atTheTime(first)]},
		"strange text":     {processor.RefundQuery{Payment: "a\x00", Limit: 100}, nil},
		"before a strange": {processor.RefundQuery{Payment: "p1", BeforeID: "\xff", Before: noon, Limit: 100}, nil},
	} {
		s.view(func(r processor.Reader) error {
			got, err := r.Refunds(c.query)
			s.equal("refunds by "+what, got, c.want)
			return err
		})
	}
	for _, q := range []processor.RefundQuery{{Limit: 1}, {Payee: "shop", Payment: "p1", Limit: 1}, {Payee: "shop"}} {
		s.view(func(r processor.Reader) error {
			if got, err := r.Refunds(q); err == nil {
				s.Errorf("Refunds(%+v) = %d refunds, want an error", q, len(got))
			}
			return nil
		})
	}
}

func (s *suite) impossibleRefunds() {
	s.save(world())
	settled := stepped(openPayment("p1"), payment.Authenticate, payment.Confirm, payment.Approve)
	open := stepped(openPayment("p2"), payment.Authenticate, payment.Confirm)
	s.save(processor.Changes{New: processor.Rows{Payments: []payment.Payment{settled, open}}})
	for what, change := range map[string]func(*payment.Refund){
		"of no payment":           func(r *payment.Refund) { r.Payment = "none" },
		"of nothing":              func(r *payment.Refund) { r.Amount.Minor = 0 },
		"of less":                 func(r *payment.Refund) { r.Amount.Minor = -1 },
		"in no currency":          func(r *payment.Refund) { r.Amount.Currency = "" },
		"of more than it adds to": func(r *payment.Refund) { r.Total = r.Amount.Minor - 1 },
		"by no payee":             func(r *payment.Refund) { r.Payee = "none" },
		"from no account":         func(r *payment.Refund) { r.PayeeAccount = ledger.AccountID("none") },
		"to no account":           func(r *payment.Refund) { r.CardAccount = "none" },
		"at no time":              func(r *payment.Refund) { r.At = time.Time{} },
		"without an id":           func(r *payment.Refund) { r.ID = "" },
	} {
		r := refundOf("p1", "r1", 500, 500)
		change(&r)
		s.refused("refund "+what, processor.Changes{New: processor.Rows{Refunds: []payment.Refund{r}}})
	}
	for what, p := range map[string]payment.Payment{
		"more than was paid": func() payment.Payment { p := settled; p.Refunded = p.Amount.Minor + 1; return p }(),
		"less than nothing":  func() payment.Payment { p := settled; p.Refunded = -1; return p }(),
		"what is not paid":   func() payment.Payment { p := open; p.Refunded = 1; return p }(),
	} {
		s.refused("refunded "+what, processor.Changes{Changed: processor.Rows{Payments: []payment.Payment{p}}})
	}
}
