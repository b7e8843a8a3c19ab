package order

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tapline/money"
	"tapline/payment"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open() Order {
	return Order{
		Terms: Terms{ID: "ord_1", Payee: "books@shop", Amount: money.Amount{Minor: 1250, Currency: "CNY"}},
		State: Open, Version: 1, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}
}

func TestLinesTipAndTaxSumToTheAmount(t *testing.T) {
	line := func(amounts ...int64) (lines []Line) {
		for _, a := range amounts {
			lines = append(lines, Line{"book", 1, a})
		}
		return lines
	}
	for name, c := range map[string]struct {
		lines    []Line
		tip, tax int64
		good     bool
	}{
		"no lines":                      {nil, 0, 0, true},
		"no lines, tip and tax":         {nil, 250, 100, true},
		"no lines, all tip":             {nil, 1250, 0, false},
		"no lines, more tip":            {nil, 1251, 0, false},
		"lines":                         {line(1000, 250), 0, 0, true},
		"lines, one free":               {line(1250, 0), 0, 0, true},
		"lines, tip and tax":            {line(1000), 150, 100, true},
		"one too little":                {line(1249), 0, 0, false},
		"one too much":                  {line(1251), 0, 0, false},
		"tip forgotten":                 {line(1250), 1, 0, false},
		"negative line":                 {line(1251, -1), 0, 0, false},
		"negative tip":                  {line(1251), -1, 0, false},
		"negative tax":                  {line(1251), 0, -1, false},
		"sum that overflows":            {line(math.MaxInt64, math.MaxInt64, 1252), 0, 0, false},
		"tip and tax that overflow":     {nil, math.MaxInt64, math.MaxInt64, false},
		"quantity of nothing":           {[]Line{{"book", 0, 1250}}, 0, 0, false},
		"more than can be counted":      {[]Line{{"book", MaxQuantity + 1, 1250}}, 0, 0, false},
		"as many lines as there may be": {append(line(1250), line(make([]int64, MaxLines-1)...)...), 0, 0, true},
		"one line more":                 {append(line(1250), line(make([]int64, MaxLines)...)...), 0, 0, false},
	} {
		terms := open().Terms
		terms.Lines, terms.Tip, terms.Tax = c.lines, c.tip, c.tax
		if err := terms.Check(); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Terms{}).Check(); !errors.Is(err, money.ErrAmount) {
		t.Errorf("terms without an amount: %v", err)
	}
}

func TestAnInstructionAloneClaimsNothing(t *testing.T) {
	o := open()
	got, err := o.Follow(payment.Payment{Terms: payment.Terms{ID: "p1"}, State: payment.AuthenticationRequired, Version: 1}, noon)
	if diff := cmp.Diff(o, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestAnOrderIsPaidAtMostOnce has payments take steps in any order, at any time, while the payee cancels and time goes by. A
// payment whose step the order refuses takes none.
func TestAnOrderIsPaidAtMostOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, now := open(), noon
		states := map[payment.ID]payment.State{}
		next := map[payment.State][]payment.State{
			"":                             {payment.AuthenticationRequired, payment.Settled, payment.Rejected, payment.Rehearsed},
			payment.AuthenticationRequired: {payment.ConfirmationRequired, payment.Settled, payment.Cancelled, payment.Expired, payment.Rehearsed},
			payment.ConfirmationRequired:   {payment.ApprovalRequired, payment.Settled, payment.Declined, payment.Rejected, payment.Rehearsed},
			payment.ApprovalRequired:       {payment.Settled, payment.Declined, payment.Expired, payment.Rehearsed},
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds")) * time.Second)
			before := o
			switch rapid.IntRange(0, 9).Draw(t, "who") {
			case 0:
				if after, err := o.Cancel(now); err == nil {
					o = after
				}
			case 1:
				if after, err := o.Expire(now); err == nil {
					o = after
				}
			default:
				id := rapid.SampledFrom([]payment.ID{"p1", "p2", "p3"}).Draw(t, "payment")
				if len(next[states[id]]) == 0 {
					continue
				}
				to := rapid.SampledFrom(next[states[id]]).Draw(t, "to")
				if to == payment.Settled && !now.Before(o.ExpiresAt) {
					continue // PayBy: the payment itself has expired
				}
				after, err := o.Follow(payment.Payment{Terms: payment.Terms{ID: id}, State: to}, now)
				if err != nil {
					continue
				}
				o, states[id] = after, to
			}
			check(t, before, o, states)
		}
	})
}

func check(t *rapid.T, before, o Order, states map[payment.ID]payment.State) {
	var settled, claiming []payment.ID
	for id, s := range states {
		switch s {
		case payment.Settled:
			settled = append(settled, id)
		case payment.ConfirmationRequired, payment.ApprovalRequired:
			claiming = append(claiming, id)
		}
	}
	want := ""
	switch {
	case len(settled) > 1 || len(claiming) > 1:
		want = "two payments have it"
	case (o.State == Paid) != (len(settled) == 1) || len(settled) == 1 && o.Payment != settled[0]:
		want = "paid does not name its payment"
	case (o.State == Claimed) != (len(claiming) == 1) || len(claiming) == 1 && o.Payment != claiming[0]:
		want = "claimed does not name its payment"
	case o.State.Ended() != !o.EndedAt.IsZero():
		want = "the end has no time"
	case before.State.Ended() && !cmp.Equal(before, o):
		want = "an end is final"
	case before.State != o.State && o.Version != before.Version+1:
		want = "a change is counted"
	}
	if want != "" {
		t.Fatalf("%s: %+v after %+v, payments %v", want, o, before, states)
	}
}

func TestAClaimThatEndsAfterTheOrdersTimeExpiresIt(t *testing.T) {
	p := payment.Payment{Terms: payment.Terms{ID: "p1"}, State: payment.ConfirmationRequired}
	claimed, err := open().Follow(p, noon)
	if err != nil || claimed.State != Claimed {
		t.Fatalf("%+v, %v", claimed, err)
	}
	if _, err := claimed.Expire(noon.Add(time.Hour)); err == nil {
		t.Error("an order expired while a payment claimed it")
	}
	p.State = payment.Expired
	if got, err := claimed.Follow(p, noon.Add(time.Minute)); err != nil || got.State != Open || got.Payment != "" {
		t.Errorf("released before its time: %+v, %v", got, err)
	}
	if got, err := claimed.Follow(p, noon.Add(time.Hour)); err != nil || got.State != Expired || got.Payment != "" {
		t.Errorf("released after its time: %+v, %v", got, err)
	}
	if _, err := open().Follow(payment.Payment{State: payment.Settled}, noon.Add(time.Hour)); !errors.Is(err, ErrClosed) {
		t.Errorf("paid after its time: %v", err)
	}
}

func TestAPaymentOfAnOrderIsOverWhenTheOrderIs(t *testing.T) {
	p := payment.Payment{Terms: payment.Terms{ID: "p1", Level: payment.LevelConfirm, PayBy: noon.Add(30 * time.Second)}}
	out, err := payment.Step(p, payment.Command{Verb: payment.Instruct}, noon)
	if err != nil || !out.Payment.Deadline.Equal(p.PayBy) || !out.Payment.ExpiresAt.Equal(p.PayBy) {
		t.Errorf("%+v, %v", out.Payment, err)
	}
}
