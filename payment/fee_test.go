package payment

import (
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tapline/ledger"
	"tapline/money"
)

func TestFeesRoundHalfAUnitUpWithinTheirBounds(t *testing.T) {
	for _, tc := range []struct {
		tariff Tariff
		minor  int64
		want   Fee
	}{
		{Tariff{}, 1250, Fee{}},
		{Tariff{Bearer: PayeeBears}, 1250, Fee{}},
		{Tariff{Points: 150, Bearer: PayeeBears}, 1250, Fee{19, PayeeBears}}, // 18.75
		{Tariff{Points: 100, Bearer: PayerBears}, 1250, Fee{13, PayerBears}}, // 12.50
		{Tariff{Points: 100, Bearer: PayerBears}, 1249, Fee{12, PayerBears}}, // 12.49
		{Tariff{Points: 100, Bearer: PayeeBears}, 49, Fee{}},
		{Tariff{Points: 100, Bearer: PayeeBears}, 50, Fee{1, PayeeBears}},
		{Tariff{Points: 150, Fixed: 30, Bearer: PayeeBears}, 1250, Fee{49, PayeeBears}},
		{Tariff{Points: 150, Fixed: 30, Least: 50, Bearer: PayeeBears}, 1250, Fee{50, PayeeBears}},
		{Tariff{Points: 150, Fixed: 30, Most: 40, Bearer: PayeeBears}, 1250, Fee{40, PayeeBears}},
		{Tariff{Least: 50, Bearer: PayerBears}, 1, Fee{50, PayerBears}},
		{Tariff{Fixed: 30, Bearer: PayeeBears}, 30, Fee{30, PayeeBears}},
		{Tariff{Fixed: 30, Least: 99, Bearer: PayeeBears}, 29, Fee{29, PayeeBears}}, // never more than the amount
		{Tariff{Fixed: 30, Bearer: PayerBears}, 1, Fee{30, PayerBears}},
		{Tariff{Points: MaxPoints, Bearer: PayeeBears}, money.MaxMinor, Fee{money.MaxMinor, PayeeBears}},
		{Tariff{Points: MaxPoints, Fixed: money.MaxMinor, Bearer: PayerBears}, money.MaxMinor, Fee{2 * money.MaxMinor, PayerBears}},
	} {
		if !tc.tariff.Valid() && tc.tariff != (Tariff{}) {
			t.Errorf("%v is not valid", tc.tariff)
		}
		if got := tc.tariff.Of(tc.minor); got != tc.want {
			t.Errorf("%v of %d is %v, want %v", tc.tariff, tc.minor, got, tc.want)
		}
	}
}

func TestTariffsThatTellNoFeeAreNotValid(t *testing.T) {
	good := Tariff{Points: 1, Fixed: 2, Least: 3, Most: 4, Bearer: PayeeBears}
	if !good.Valid() {
		t.Fatalf("%v is not valid", good)
	}
	for name, change := range map[string]func(*Tariff){
		"negative points":  func(f *Tariff) { f.Points = -1 },
		"more than all":    func(f *Tariff) { f.Points = MaxPoints + 1 },
		"negative fixed":   func(f *Tariff) { f.Fixed = -1 },
		"fixed too large":  func(f *Tariff) { f.Fixed = money.MaxMinor + 1 },
		"negative least":   func(f *Tariff) { f.Least = -1 },
		"least too large":  func(f *Tariff) { f.Least, f.Most = money.MaxMinor+1, 0 },
		"negative most":    func(f *Tariff) { f.Most = -1 },
		"most too large":   func(f *Tariff) { f.Most = money.MaxMinor + 1 },
		"least above most": func(f *Tariff) { f.Least = 5 },
		"nobody bears it":  func(f *Tariff) { f.Bearer = "" },
		"a stranger does":  func(f *Tariff) { f.Bearer = "operator" },
	} {
		bad := good
		if change(&bad); bad.Valid() {
			t.Errorf("%s: %v is valid", name, bad)
		}
	}
}

func anyTariff(t *rapid.T) Tariff {
	minor := rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64Range(0, money.MaxMinor))
	f := Tariff{
		Points: rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, MaxPoints)).Draw(t, "points"), Fixed: minor.Draw(t, "fixed"),
		Least: minor.Draw(t, "least"), Bearer: rapid.SampledFrom([]Bearer{PayeeBears, PayerBears}).Draw(t, "bearer"),
	}
	if rapid.Bool().Draw(t, "bounded") {
		f.Most = f.Least + minor.Draw(t, "room")
		f.Most = min(max(f.Most, 1), money.MaxMinor)
	}
	return f
}

// The fee by the rule as it is written, in numbers without bounds.
func TestFeesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, minor := anyTariff(t), rapid.Int64Range(1, money.MaxMinor).Draw(t, "minor")
		if !f.Valid() {
			t.Skip("the bounds cross")
		}
		twice := new(big.Int).Mul(big.NewInt(2*minor), big.NewInt(int64(f.Points)))
		want := new(big.Int).Div(twice.Add(twice, big.NewInt(MaxPoints)), big.NewInt(2*MaxPoints)) // half up
		want.Add(want, big.NewInt(f.Fixed))
		if want.Cmp(big.NewInt(f.Least)) < 0 {
			want.SetInt64(f.Least)
		}
		if f.Most > 0 && want.Cmp(big.NewInt(f.Most)) > 0 {
			want.SetInt64(f.Most)
		}
		if f.Bearer == PayeeBears && want.Cmp(big.NewInt(minor)) > 0 {
			want.SetInt64(minor)
		}
		if got := f.Of(minor); got.Minor != want.Int64() || (got == Fee{}) != (want.Sign() == 0) || got.Minor > 0 && got.Bearer != f.Bearer {
			t.Fatalf("%v of %d is %v, want %v", f, minor, got, want)
		}
	})
}

// However a fee is borne, what the card account is debited with is what payee and operator get, and nobody owes for being paid.
func TestAmountAndFeeMoveTogetherOrNotAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(1, 10_000).Draw(t, "minor")
		f := anyTariff(t)
		f.Fixed, f.Least, f.Most = f.Fixed%500, 0, 0
		p := Payment{Terms: Terms{ID: "p", Amount: money.Amount{Minor: minor, Currency: "CNY"}, Card: "c", CardAccount: "card", PayeeAccount: "shop",
			Initiator: "phone", Associated: "phone", Level: LevelTap, Fee: f.Of(minor)}}
		if rapid.Bool().Draw(t, "undo") {
			p.Undo = time.Minute
		}
		has := rapid.Int64Range(0, 30_000).Draw(t, "has")
		books := map[ledger.AccountID]ledger.Account{
			"card": {ID: "card", Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: has}, "shop": {ID: "shop", Kind: ledger.PayeeAccount, Currency: "CNY"},
			"fees-CNY": {ID: "fees-CNY", Kind: ledger.Fees, Currency: "CNY"},
		}
		apply := func(e *ledger.Entry) error {
			changed, err := ledger.Apply(func(id ledger.AccountID) (ledger.Account, bool) { a, ok := books[id]; return a, ok }, *e)
			for _, a := range changed {
				books[a.ID] = a
			}
			return err
		}
		o, err := Step(p, Command{Verb: Instruct}, start)
		if err != nil {
			t.Fatal(err)
		}
		err = apply(o.Entry)
		if short := p.Total().Minor > has; errors.Is(err, ledger.ErrInsufficientFunds) != short || err != nil && !short {
			t.Fatalf("with %d, %v of %v: %v", has, p.Fee, p.Amount, err)
		}
		if err != nil {
			return
		}
		want := fmt.Sprint(has-p.Total().Minor, p.Net().Minor, p.Fee.Minor)
		if p.Undo > 0 {
			if got := fmt.Sprint(books["card"].Available(), books["shop"].CreditsPending, books["fees-CNY"].CreditsPending); got != want {
				t.Fatalf("held: %s, want %s", got, want)
			}
			verb, at := Cancel, start
			if rapid.Bool().Draw(t, "settles") {
				verb, at = Settle, start.Add(time.Minute)
			} else {
				want = fmt.Sprint(has, 0, 0)
			}
			if o, err = Step(o.Payment, Command{Verb: verb}, at); err == nil {
				err = apply(o.Entry)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(books["card"].Balance(), books["shop"].Balance(), books["fees-CNY"].Balance()); got != want || p.Net().Minor < 0 {
			t.Fatalf("%v of %v: %s, want %s", p.Fee, p.Amount, got, want)
		}
		for _, a := range books {
			if a.DebitsPending != 0 || a.CreditsPending != 0 {
				t.Fatalf("still held: %+v", a)
			}
		}
	})
}

func TestTheOperatorKeepsItsFeeOfARefundedPayment(t *testing.T) {
	for _, by := range []Bearer{PayeeBears, PayerBears} {
		p := Payment{Terms: Terms{ID: "p", Amount: money.Amount{Minor: 1000, Currency: "CNY"}, CardAccount: "card", Fee: Fee{30, by}}, State: Settled}
		p, _, e, err := p.Refund(Refund{ID: "r", PayeeAccount: "shop"}, start)
		want := []ledger.Posting{{Debit: "shop", Credit: "card", Amount: money.Amount{Minor: 1000, Currency: "CNY"}}}
		if diff := cmp.Diff(want, e.Postings); err != nil || diff != "" || p.Refundable() != 0 {
			t.Errorf("borne by the %s: %v, %d left\n%s", by, err, p.Refundable(), diff)
		}
	}
}
