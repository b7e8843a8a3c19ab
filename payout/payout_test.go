package payout_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tapline/ledger"
	"tapline/money"
	. "tapline/payout"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestStepsOfAPayout has every verb in every state.
func TestStepsOfAPayout(t *testing.T) {
	cny := money.Amount{Minor: 1250, Currency: "CNY"}
	at := func(s State) Payout {
		p, _ := New(Payout{ID: "out_a", Account: "acc_shop", Amount: cny}, s == Requested, noon)
		for _, v := range map[State][]Verb{Sent: {Send}, Confirmed: {Send, Confirm}, Cancelled: {Cancel}, Returned: {Send, Return}}[s] {
			p, _, _ = p.Step(v, noon)
		}
		return p
	}
	got := map[string]string{}
	for _, s := range States {
		p := at(s)
		if p.State != s {
			t.Fatalf("made a payout that is %s, want %s", p.State, s)
		}
		for _, v := range Verbs {
			after, e, err := p.Step(v, noon.Add(time.Minute))
			switch {
			case errors.Is(err, ErrNotNow):
				if diff := cmp.Diff(p, after); diff != "" {
					t.Errorf("%s while %s was refused and changed it: %s", v, s, diff)
				}
				continue
			case e == nil:
				got[fmt.Sprint(s, " ", v)] = string(after.State)
			default:
				got[fmt.Sprint(s, " ", v)] = fmt.Sprintf("%s %s %s %s>%s", after.State, e.ID, e.Action, e.Postings[0].Debit, e.Postings[0].Credit)
			}
			if after.Version != p.Version+1 {
				t.Errorf("%s while %s: version %d", v, s, after.Version)
			}
		}
	}
	const out = " acc_shop>issuance-CNY"
	want := map[string]string{
		"requested approve": "ready", "requested cancel": "cancelled out_a/release release" + out,
		"ready cancel": "cancelled out_a/release release" + out, "ready send": "sent",
		"sent confirm": "confirmed out_a/post post_hold" + out, "sent return": "returned out_a/release release" + out,
		"confirmed return": "returned out_a/return post issuance-CNY>acc_shop",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMoneyOfAPayoutIsNeitherMadeNorLost takes random ways through the life of payouts, and compares the books with what became of them.
func TestMoneyOfAPayoutIsNeitherMadeNorLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts := map[ledger.AccountID]ledger.Account{
			"shop":          {ID: "shop", Kind: ledger.PayeeAccount, Currency: "CNY", CreditsPosted: 1000},
			Issuance("CNY"): {ID: Issuance("CNY"), Kind: ledger.Issuance, Currency: "CNY", DebitsPosted: 1000},
		}
		seen := map[ledger.EntryID]bool{}
		enter := func(e ledger.Entry) error {
			if seen[e.ID] {
				t.Fatalf("entry %s twice", e.ID)
			}
			changed, err := ledger.Apply(func(id ledger.AccountID) (ledger.Account, bool) { a, ok := accounts[id]; return a, ok }, e)
			if err == nil {
				seen[e.ID] = true
				for _, a := range changed {
					accounts[a.ID] = a
				}
			}
			return err
		}
		var all []Payout
		for i := range rapid.IntRange(1, 4).Draw(t, "payouts") {
			p, hold := New(Payout{ID: ID(fmt.Sprint("out_", i)), Account: "shop",
				Amount: money.Amount{Minor: rapid.Int64Range(1, 600).Draw(t, "minor"), Currency: "CNY"},
				To:     BankAccount{Cash: rapid.Bool().Draw(t, "cash")}}, rapid.Bool().Draw(t, "ask"), noon)
			if enter(hold) == nil {
				all = append(all, p)
			}
		}
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			if len(all) == 0 {
				break
			}
			i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
			after, e, err := all[i].Step(rapid.SampledFrom(Verbs).Draw(t, "verb"), noon)
			if err != nil {
				continue
			}
			if e != nil {
				if err := enter(*e); err != nil {
					t.Fatalf("%s to %s: %v", all[i].State, after.State, err)
				}
			}
			all[i] = after
		}
		balance, held := int64(1000), int64(0)
		for _, p := range all {
			switch {
			case p.State.Held():
				held += p.Amount.Minor
			case p.State == Confirmed:
				balance -= p.Amount.Minor
			}
		}
		if a := accounts["shop"]; a.Balance() != balance || a.DebitsPending != held || accounts[Issuance("CNY")].Balance() != -balance {
			t.Fatalf("balance %d, held %d; want %d, %d", a.Balance(), a.DebitsPending, balance, held)
		}
	})
}

func TestIBANs(t *testing.T) {
	// Examples of the registry of ISO 13616 that SWIFT publishes.
	for _, good := range []string{"GB82WEST12345698765432", "DE89370400440532013000", "NO9386011117947", "MT84MALT011000012345MTLCAST001S", "FR1420041010050500013M02606"} {
		if !ValidIBAN(good) {
			t.Errorf("%s is refused", good)
		}
		for i := range good {
			for _, c := range "07AZ" { // any one digit or letter mistyped
				if (c > '9') != (good[i] > '9') {
					continue
				}
				if bad := good[:i] + string(c) + good[i+1:]; bad != good && ValidIBAN(bad) {
					t.Errorf("%s is taken", bad)
				}
			}
		}
		for i := range len(good) - 1 { // any two neighbours swapped
			if bad := good[:i] + good[i+1:i+2] + good[i:i+1] + good[i+2:]; bad != good && (good[i] > '9') == (good[i+1] > '9') && ValidIBAN(bad) {
				t.Errorf("%s is taken", bad)
			}
		}
	}
	for _, bad := range []string{"", "GB82", "gb82WEST12345698765432", "GB82 WEST 1234 5698 7654 32", "GB82WEST1234569876543２", strings.Repeat("GB82", 9)} {
		if ValidIBAN(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzIBAN(f *testing.F) {
	f.Add("GB82WEST12345698765432")
	f.Fuzz(func(t *testing.T, s string) {
		if b, err := (BankAccount{Name: "N", IBAN: s}).Clean(); err == nil && !ValidIBAN(b.IBAN) {
			t.Errorf("%q is kept as %q", s, b.IBAN)
		}
	})
}

func TestBankAccountsAreCleaned(t *testing.T) {
	for name, tc := range map[string]struct {
		in, want BankAccount
		err      error
	}{
		"iban":       {BankAccount{Name: "书店", IBAN: "gb82 west 1234 5698 7654 32", BIC: "westgb2l"}, BankAccount{Name: "书店", IBAN: "GB82WEST12345698765432", BIC: "WESTGB2L"}, nil},
		"other":      {BankAccount{Name: "A", Other: " 0012-3456 "}, BankAccount{Name: "A", Other: "0012-3456"}, nil},
		"cash":       {BankAccount{Name: "A", Cash: true}, BankAccount{Name: "A", Cash: true}, nil},
		"mistyped":   {BankAccount{Name: "A", IBAN: "GB82WEST12345698765433"}, BankAccount{}, ErrIBAN},
		"no name":    {BankAccount{Other: "0012"}, BankAccount{}, ErrBankAccount},
		"no account": {BankAccount{Name: "A"}, BankAccount{}, ErrBankAccount},
		"two":        {BankAccount{Name: "A", IBAN: "GB82WEST12345698765432", Other: "0012"}, BankAccount{}, ErrBankAccount},
		"cash to":    {BankAccount{Name: "A", Cash: true, Other: "0012"}, BankAccount{}, ErrBankAccount},
		"bic":        {BankAccount{Name: "A", Other: "0012", BIC: "WEST"}, BankAccount{}, ErrBankAccount},
		"markup":     {BankAccount{Name: "A", Other: "<a>/b"}, BankAccount{}, ErrBankAccount},
	} {
		got, err := tc.in.Clean()
		if !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, want %v", name, err, tc.err)
		}
		if err == nil {
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		} else if tc.in.IBAN != "" && strings.Contains(err.Error(), tc.in.IBAN[4:]) {
			t.Errorf("%s: the error repeats the account", name)
		}
	}
}

func TestSchedules(t *testing.T) {
	sunday := noon // 1 March 2026
	for _, tc := range []struct {
		s    Schedule
		want string
	}{
		{Schedule{}, "0001-01-01T00:00"},
		{Schedule{Every: Daily, Minute: 12*60 + 1}, "2026-03-01T12:01"},
		{Schedule{Every: Daily, Minute: 12 * 60}, "2026-03-02T12:00"},
		{Schedule{Every: Weekly, Day: 7, Minute: 0}, "2026-03-08T00:00"},
		{Schedule{Every: Weekly, Day: 1}, "2026-03-02T00:00"},
		{Schedule{Every: Monthly, Day: 1, Minute: 1439}, "2026-03-01T23:59"},
		{Schedule{Every: Monthly, Day: 28}, "2026-03-28T00:00"},
		{Schedule{Every: Monthly, Day: 1}, "2026-04-01T00:00"},
	} {
		if err := tc.s.Check(); err != nil {
			t.Errorf("%+v: %v", tc.s, err)
		}
		if got := tc.s.Next(sunday).Format("2006-01-02T15:04"); got != tc.want {
			t.Errorf("%+v pays next at %s, want %s", tc.s, got, tc.want)
		}
	}
	for _, s := range []Schedule{{Every: "yearly"}, {Every: Weekly}, {Every: Weekly, Day: 8}, {Every: Monthly, Day: 29}, {Every: Daily, Day: 1}, {Every: Daily, Minute: 1440}, {Least: -1}, {Keep: -1}, {Day: 1}} {
		if !errors.Is(s.Check(), ErrSchedule) {
			t.Errorf("%+v is taken", s)
		}
	}
	s := Schedule{Every: Daily, Least: 100, Keep: 50}
	for available, want := range map[int64]int64{-10: 0, 0: 0, 50: 0, 149: 0, 150: 100, 1000: 950} {
		if got := s.Due(available); got != want {
			t.Errorf("of %d it pays %d, want %d", available, got, want)
		}
	}
}
