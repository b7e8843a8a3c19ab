package ledger

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tapline/money"
)

type books map[AccountID]Account

func (b books) find(id AccountID) (Account, bool) { a, ok := b[id]; return a, ok }

func (b books) apply(e Entry) error {
	changed, err := Apply(b.find, e)
	for _, a := range changed {
		b[a.ID] = a
	}
	return err
}

func open() books {
	b := books{}
	for id, kind := range map[AccountID]Kind{"issuance": Issuance, "card": CardAccount, "card2": CardAccount, "shop": PayeeAccount} {
		b[id] = Account{ID: id, Kind: kind, Currency: "CNY"}
	}
	b["euro"] = Account{ID: "euro", Kind: PayeeAccount, Currency: "EUR"}
	return b
}

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

func entry(action Action, debit, credit AccountID, minor int64) Entry {
	return Entry{ID: "e", Action: action, Postings: []Posting{{debit, credit, cny(minor)}}}
}

func TestHeldMoneyIsPostedOrReleased(t *testing.T) {
	b := open()
	for _, step := range []struct {
		do   Entry
		want Account
	}{
		{entry(Post, "issuance", "card", 100), Account{CreditsPosted: 100}},
		{entry(Hold, "card", "shop", 60), Account{CreditsPosted: 100, DebitsPending: 60}},
		{entry(Release, "card", "shop", 60), Account{CreditsPosted: 100}},
		{entry(Hold, "card", "shop", 70), Account{CreditsPosted: 100, DebitsPending: 70}},
		{entry(PostHold, "card", "shop", 70), Account{CreditsPosted: 100, DebitsPosted: 70}},
	} {
		if err := b.apply(step.do); err != nil {
			t.Fatalf("%s: %v", step.do.Action, err)
		}
		step.want.ID, step.want.Kind, step.want.Currency = "card", CardAccount, "CNY"
		if diff := cmp.Diff(step.want, b["card"]); diff != "" {
			t.Fatalf("after %s (-want +got):\n%s", step.do.Action, diff)
		}
	}
	if b["shop"].Balance() != 70 || b["issuance"].Balance() != -100 {
		t.Errorf("shop has %d, issuance %d; want 70, -100", b["shop"].Balance(), b["issuance"].Balance())
	}
}

func TestApplyRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		e    Entry
		want error
	}{
		{"no postings", Entry{ID: "e", Action: Post}, ErrMalformed},
		{"no id", Entry{Action: Post, Postings: []Posting{{"issuance", "card", cny(1)}}}, ErrMalformed},
		{"zero amount", entry(Post, "issuance", "card", 0), ErrMalformed},
		{"negative amount", entry(Post, "issuance", "card", -1), ErrMalformed},
		{"one account on both sides", entry(Post, "card", "card", 1), ErrMalformed},
		{"unknown action", entry("lend", "issuance", "card", 1), ErrMalformed},
		{"unknown account", entry(Post, "issuance", "nobody", 1), ErrUnknownAccount},
		{"another currency", entry(Post, "issuance", "euro", 1), ErrCurrency},
		{"posting what is not held", entry(PostHold, "card", "shop", 1), ErrNotHeld},
		{"releasing what is not held", entry(Release, "card", "shop", 1), ErrNotHeld},
		{"spending more than there is", entry(Post, "card", "shop", 101), ErrInsufficientFunds},
		{"holding more than there is", entry(Hold, "card", "shop", 101), ErrInsufficientFunds},
		{"second posting overdraws", Entry{ID: "e", Action: Post, Postings: []Posting{
			{"card", "shop", cny(60)}, {"card", "card2", cny(60)}}}, ErrInsufficientFunds},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open()
			if err := b.apply(entry(Post, "issuance", "card", 100)); err != nil {
				t.Fatal(err)
			}
			before := fmt.Sprint(b)
			if err := b.apply(tc.e); !errors.Is(err, tc.want) {
				t.Errorf("Apply = %v, want %v", err, tc.want)
			}
			if after := fmt.Sprint(b); after != before {
				t.Errorf("a refused entry changed the books from\n%s\nto\n%s", before, after)
			}
		})
	}
}

func TestHeldMoneyCannotBeSpent(t *testing.T) {
	b := open()
	for _, e := range []Entry{entry(Post, "issuance", "card", 100), entry(Hold, "card", "shop", 60)} {
		if err := b.apply(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.apply(entry(Post, "card", "shop", 41)); !errors.Is(err, ErrInsufficientFunds) {
		t.Errorf("spending 41 of 100 with 60 held: %v, want %v", err, ErrInsufficientFunds)
	}
	if err := b.apply(entry(Hold, "shop", "card", 1)); !errors.Is(err, ErrInsufficientFunds) {
		t.Errorf("spending money that is only pending to come in: %v, want %v", err, ErrInsufficientFunds)
	}
}

// Whatever is applied, accepted or not: each currency sums to zero, no cardholder or payee is overdrawn, and the
// pending totals are exactly the holds that are still open.
func TestBooksBalanceWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, held := open(), []Posting{}
		accounts := []AccountID{"issuance", "card", "card2", "shop", "euro", "nobody"}
		for range rapid.IntRange(1, 60).Draw(t, "entries") {
			e := Entry{ID: "e", Action: rapid.SampledFrom(Actions).Draw(t, "action")}
			at := -1
			if ends := e.Action == PostHold || e.Action == Release; ends && len(held) > 0 {
				at = rapid.IntRange(0, len(held)-1).Draw(t, "hold")
				e.Postings = []Posting{held[at]}
			} else if !ends {
				e.Postings = []Posting{{
					rapid.SampledFrom(accounts).Draw(t, "debit"), rapid.SampledFrom(accounts).Draw(t, "credit"),
					cny(rapid.Int64Range(-1, 500).Draw(t, "minor"))}}
			}
			if b.apply(e) != nil {
				if at >= 0 {
					t.Fatalf("an open hold %v could not be ended by %s", e.Postings[0], e.Action)
				}
				continue
			}
			switch {
			case e.Action == Hold:
				held = append(held, e.Postings[0])
			case at >= 0:
				held = append(held[:at], held[at+1:]...)
			}
			prove(t, b, held)
		}
	})
}

func prove(t *rapid.T, b books, held []Posting) {
	sums, debits, credits := map[money.Currency]int64{}, map[AccountID]int64{}, map[AccountID]int64{}
	for _, p := range held {
		debits[p.Debit] += p.Amount.Minor
		credits[p.Credit] += p.Amount.Minor
	}
	for id, a := range b {
		sums[a.Currency] += a.Balance()
		if !a.Kind.Overdraft() && a.Available() < 0 {
			t.Fatalf("%s is overdrawn: %+v", id, a)
		}
		if a.DebitsPending != debits[id] || a.CreditsPending != credits[id] {
			t.Fatalf("%s has %d and %d pending, its holds are %d and %d", id, a.DebitsPending, a.CreditsPending, debits[id], credits[id])
		}
	}
	for c, sum := range sums {
		if sum != 0 {
			t.Fatalf("%s sums to %d", c, sum)
		}
	}
}

func BenchmarkApply(bench *testing.B) {
	b := open()
	if err := b.apply(entry(Post, "issuance", "card", money.MaxMinor)); err != nil {
		bench.Fatal(err)
	}
	e := entry(Post, "card", "shop", 1)
	bench.ReportAllocs()
	for bench.Loop() {
		if err := b.apply(e); err != nil {
			bench.Fatal(err)
		}
	}
}
