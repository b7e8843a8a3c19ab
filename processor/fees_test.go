package processor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/ledger"
	"tapline/payment"
	. "tapline/processor"
)

// charge sets the fee of all payees.
func (s *shop) charge(t payment.Tariff) {
	s.t.Helper()
	s.must(&SetTariff{Operated: Operated{By: chief}, ID: TariffID{Currency: "CNY"}, Tariff: &t})
}

// charged is a payment from the phone whose payer was shown a fee, after authentication.
func (s *shop) charged(device payment.DeviceID, minor, fee int64) payment.Payment {
	s.t.Helper()
	i := s.instruct(device, minor)
	i.PayerFee = fee
	s.must(i)
	s.must(&ReserveTry{Device: device, Payment: i.ID})
	a := &Authenticate{Payment: i.ID, Device: device, Right: true, Policy: s.Policy}
	s.must(a)
	return a.After
}

// expectFees compares what the card has, what of it is held, what the payee has, and the operator.
func (s *shop) expectFees(balance, held, payee, fees int64) {
	s.t.Helper()
	s.expectMoney(balance, held, payee)
	if got := s.account("fees-CNY"); got.Balance() != fees || got.Kind != ledger.Fees {
		s.t.Errorf("the account of fees, a %s account, has %d, want %d", got.Kind, got.Balance(), fees)
	}
}

func TestAFeeIsHeldReleasedAndPostedWithItsPayment(t *testing.T) {
	for _, tc := range []struct {
		by    payment.Bearer
		shown int64
		held  int64
		card  int64
		payee int64
	}{{payment.PayeeBears, 0, 1250, 8750, 1201}, {payment.PayerBears, 49, 1299, 8701, 1250}} {
		t.Run(string(tc.by), func(t *testing.T) {
			s := openShop(t)
			s.charge(payment.Tariff{Points: 150, Fixed: 30, Bearer: tc.by})
			declined, err := s.confirm(s.charged(kiosk, 1250, tc.shown))
			if err != nil || declined.State != payment.ApprovalRequired {
				t.Fatalf("%s, %v", declined.State, err)
			}
			s.expectFees(10000, tc.held, 0, 0)
			s.must(&Cancel{Payment: declined.ID, Device: kiosk})
			s.expectFees(10000, 0, 0, 0)
			p, err := s.confirm(s.charged(kiosk, 1250, tc.shown))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.approve(p, s.code(p)); err != nil {
				t.Fatal(err)
			}
			s.expectFees(tc.card, 0, tc.payee, 49)
			entries, err := s.entries("acc_card", p.ID)
			if err != nil || len(entries) != 2 || len(entries[0].Postings) != 2 || len(entries[1].Postings) != 2 {
				t.Errorf("the payment has entries %+v, %v", entries, err)
			}
		})
	}
}

// entries are those of an account that are for a payment.
func (s *shop) entries(account ledger.AccountID, id payment.ID) (of []ledger.Entry, err error) {
	err = s.store.View(context.Background(), func(r Reader) error {
		all, err := r.Entries(account, time.Unix(0, 0), s.clock.Now().Add(time.Hour), 1000)
		for _, e := range all {
			if e.Reference == string(id) {
				of = append(of, e)
			}
		}
		return err
	})
	return of, err
}

// What a device has not shown is never charged: an old device, one that lies, and one that looked before the tariff changed.
func TestAFeeThatThePayerWasNotShownIsRefused(t *testing.T) {
	s := openShop(t)
	s.charge(payment.Tariff{Fixed: 30, Bearer: payment.PayerBears})
	for _, shown := range []int64{0, 29, 31} {
		for name, change := range map[string]func(*Instruct){
			"known":   func(*Instruct) {},
			"unknown": func(i *Instruct) { i.CardKeys = KeysOfNumber(s.keys, "6222020000000000011") },
		} {
			i := s.instruct(phone, 1000)
			i.PayerFee = shown
			change(i)
			if err := s.do(i); !errors.Is(err, ErrFee) {
				t.Errorf("%s card, shown %d: %v, want %v", name, shown, err, ErrFee)
			}
		}
	}
	s.charge(payment.Tariff{Fixed: 30, Bearer: payment.PayeeBears})
	i := s.instruct(phone, 1000)
	i.PayerFee = 30
	if err := s.do(i); !errors.Is(err, ErrFee) {
		t.Errorf("a fee that the payee bears by now: %v, want %v", err, ErrFee)
	}
	s.expectFees(10000, 0, 0, 0)
}

func TestATariffThatChangesLeavesPaymentsUnderWayAlone(t *testing.T) {
	s := openShop(t)
	s.charge(payment.Tariff{Fixed: 30, Bearer: payment.PayerBears})
	first, second := s.charged(phone, 1000, 30), s.charged(phone, 1000, 30)
	s.charge(payment.Tariff{Points: payment.MaxPoints, Bearer: payment.PayeeBears})
	if _, err := s.confirm(first); err != nil {
		t.Fatal(err)
	}
	s.must(&SetTariff{Operated: Operated{By: chief}, ID: TariffID{Currency: "CNY"}})
	if _, err := s.confirm(second); err != nil {
		t.Fatal(err)
	}
	if _, err := s.confirm(s.authenticated(phone, 1000)); err != nil {
		t.Fatal(err)
	}
	s.expectFees(10000-2*1030-1000, 0, 3000, 60)
}

func TestAPayeesOwnTariffCountsBeforeThatForAll(t *testing.T) {
	s := openShop(t)
	own := TariffID{Payee: payee, Currency: "CNY"}
	by := Operated{By: chief}
	s.charge(payment.Tariff{Points: 1000, Bearer: payment.PayeeBears})
	s.must(&SetTariff{Operated: by, ID: own, Tariff: &payment.Tariff{Bearer: payment.PayeeBears}})
	s.settled(1000)
	s.expectFees(9000, 0, 1000, 0)
	s.must(&SetTariff{Operated: by, ID: own, Tariff: &payment.Tariff{Fixed: 5, Bearer: payment.PayeeBears}})
	s.settled(1000)
	s.expectFees(8000, 0, 1995, 5)
	s.must(&SetTariff{Operated: by, ID: own})
	s.settled(1000)
	s.expectFees(7000, 0, 2895, 105)
	for name, c := range map[string]struct {
		command *SetTariff
		want    error
	}{
		"removed twice":      {&SetTariff{Operated: by, ID: own}, ErrUnknownTariff},
		"of nobody":          {&SetTariff{Operated: by, ID: TariffID{"nobody@shop", "CNY"}, Tariff: &payment.Tariff{}}, ErrUnknownPayee},
		"of another's money": {&SetTariff{Operated: by, ID: TariffID{payee, "JPY"}, Tariff: &payment.Tariff{}}, ErrCurrency},
		"by a stranger":      {&SetTariff{Operated: Operated{By: "thief"}, ID: own, Tariff: &payment.Tariff{}}, ErrUnknownOperator},
	} {
		if err := s.do(c.command); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A fee must not lead past what a limit, or the balance, leaves.
func TestLimitsAndBalanceCountTheFee(t *testing.T) {
	s := openShop(t)
	s.charge(payment.Tariff{Fixed: 30, Bearer: payment.PayerBears})
	by := Operated{By: chief}
	for _, tc := range []struct {
		account ledger.AccountID
		limit   ledger.Limits
		minor   int64
		want    payment.Reason
	}{
		{"acc_card", ledger.Limits{}, 9971, payment.InsufficientFunds},
		{"acc_card", ledger.Limits{Payment: 1000}, 971, payment.LimitExceeded},
		{"acc_card", ledger.Limits{DaySum: 1000}, 971, payment.LimitExceeded},
		{"acc_card", ledger.Limits{MonthSum: 1000}, 971, payment.LimitExceeded},
		{"acc_card", ledger.Limits{Payment: 1000, DaySum: 1000}, 970, ""},
		{"acc_shop", ledger.Limits{Payment: 1000, DaySum: 970 + 1000}, 1000, ""},
		{"acc_shop", ledger.Limits{DaySum: 970 + 1000}, 1, payment.LimitExceeded},
	} {
		s.must(&SetLimits{Operated: by, Account: "acc_card"})
		s.must(&SetLimits{Operated: by, Account: "acc_shop"})
		s.must(&SetLimits{Operated: by, Account: tc.account, Limits: tc.limit})
		p, err := s.confirm(s.charged(phone, tc.minor, 30))
		if err != nil || p.Reason.Told() != tc.want {
			t.Errorf("%d with limits %+v of %s: %s, %v; want %q", tc.minor, tc.limit, tc.account, p.Reason, err, tc.want)
		}
	}
	if got := s.account("acc_card").Turnover.DaySum; got != 1000+1030 {
		t.Errorf("the card has a turnover of %d", got)
	}
	if err := s.do(&SetLimits{Operated: by, Account: "fees-CNY"}); !errors.Is(err, ErrUnknownAccount) {
		t.Errorf("limits of the account of fees: %v", err)
	}
}

func TestWhatIsReleasedGivesTheLimitsTheFeeBack(t *testing.T) {
	s := openShop(t)
	s.charge(payment.Tariff{Fixed: 30, Bearer: payment.PayerBears})
	p, err := s.confirm(s.charged(kiosk, 1000, 30))
	if err != nil {
		t.Fatal(err)
	}
	s.must(&Cancel{Payment: p.ID, Device: kiosk})
	for _, id := range []ledger.AccountID{"acc_card", "acc_shop"} {
		if got := s.account(id).Turnover; got.DaySum != 0 || got.DayCount != 0 || got.MonthSum != 0 {
			t.Errorf("%s has a turnover of %+v", id, got)
		}
	}
}

// The fee is not given back: a payee that pays and refunds without end pays for it, and nobody gains.
func TestRefundsDoNotDrainTheFees(t *testing.T) {
	for _, by := range []payment.Bearer{payment.PayeeBears, payment.PayerBears} {
		t.Run(string(by), func(t *testing.T) {
			s := openShop(t)
			s.charge(payment.Tariff{Fixed: 30, Bearer: by})
			shown := map[payment.Bearer]int64{payment.PayerBears: 30}[by]
			p, err := s.confirm(s.charged(phone, 1000, shown))
			if err != nil {
				t.Fatal(err)
			}
			c := s.refund(p, 1001)
			if err := s.do(c); !errors.Is(err, payment.ErrRefundTooMuch) {
				t.Errorf("a refund of more than the amount: %v", err)
			}
			if by == payment.PayeeBears {
				if err := s.do(s.refund(p, 971)); !errors.Is(err, ErrPayeeBalance) {
					t.Errorf("a refund of more than the payee got: %v", err)
				}
				s.must(s.refund(p, 970))
				s.expectFees(9970, 0, 0, 30)
				return
			}
			s.must(s.refund(p, 0))
			s.expectFees(9970, 0, 0, 30)
		})
	}
}

func TestAFeeMayTakeAllAndTheTotalMayBeTooLarge(t *testing.T) {
	s := openShop(t)
	s.charge(payment.Tariff{Fixed: 500, Bearer: payment.PayeeBears})
	s.settled(300)
	s.expectFees(9700, 0, 0, 300)
	most := int64(1_000_000_000_000_000)
	s.charge(payment.Tariff{Points: payment.MaxPoints, Fixed: most, Bearer: payment.PayerBears})
	i := s.instruct(phone, most)
	i.PayerFee = 2 * most
	if err := s.do(i); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a total of %d: %v, want %v", 3*most, err, ErrTooLarge)
	}
}

func TestTheAuditLogTellsWhatFeeWasSet(t *testing.T) {
	s := openShop(t)
	by := Operated{By: chief, Note: "contract 7"}
	own := TariffID{Payee: payee, Currency: "CNY"}
	s.must(&SetTariff{Operated: by, ID: own, Tariff: &payment.Tariff{Points: 150, Fixed: 30, Least: 50, Most: 2000, Bearer: payment.PayerBears}})
	s.must(&SetTariff{Operated: by, ID: own})
	var said []string
	err := s.store.View(t.Context(), func(r Reader) error {
		rows, err := r.List(ListQuery{Table: "audit", Limit: 2})
		for _, a := range rows.Audit {
			said = append(said, fmt.Sprint(a.Operator, ": ", a.Action, " ", a.Subject, ", ", a.Note))
		}
		return err
	})
	want := []string{"chief: fee.remove books@shop CNY, contract 7", "chief: fee.set books@shop CNY: 150 bp + 30, 50 to 2000, payer, contract 7"}
	if diff := cmp.Diff(want, said); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Whoever runs a release that knows no fees must not post a payment's money without its fee: the schema refuses.
func TestAnOlderReleaseCannotChangeAPaymentWithAFee(t *testing.T) {
	s := openShop(t)
	s.charge(payment.Tariff{Fixed: 30, Bearer: payment.PayeeBears})
	p := s.charged(phone, 1000, 0)
	older := p
	older.Fee = payment.Fee{} // as such a release reads it, and so it would write a version without repeating it
	older.Version++
	err := s.store.Update(t.Context(), func(tx Tx) error {
		if _, err := tx.Load(Wants{Payments: []payment.ID{p.ID}}); err != nil {
			return err
		}
		return tx.Save(Changes{Changed: Rows{Payments: []payment.Payment{older}}})
	})
	if err == nil {
		t.Error("a payment with a fee was changed as one without")
	}
	if _, err := s.confirm(p); err != nil {
		t.Error(err)
	}
}

// The limits of taps and of numbers that were only read count the fee: what a device may ask for at once, and what settles without a word.
func TestLimitsOfTapsCountTheFee(t *testing.T) {
	policy := payment.DefaultPolicy
	policy.Level, policy.AllowIdentifiedTap = payment.LevelTap, true
	policy.IdentifiedLimit, policy.IdentifiedDailyLimit, policy.TapLimit, policy.TapDailyLimit = 1000, 2500, 1000, 2500
	s := openShop(t, func(c *Config) { c.Policy = policy })
	s.charge(payment.Tariff{Fixed: 30, Bearer: payment.PayerBears})
	pay := func(minor int64, a payment.Assurance) (payment.Payment, error) {
		i := s.instruct(phone, minor)
		i.PayerFee, i.Assurance = 30, a
		err := s.do(i)
		return i.Payment, err
	}
	if _, err := pay(971, payment.Identified); !errors.Is(err, ErrLimitExceeded) {
		t.Errorf("with the fee above what a number pays at once: %v, want %v", err, ErrLimitExceeded)
	}
	for _, tc := range []struct {
		minor int64
		level payment.Level
	}{{971, payment.LevelAuthenticate}, {970, payment.LevelTap}, {970, payment.LevelTap}, {471, payment.LevelAuthenticate}, {470, payment.LevelTap}} {
		p, err := pay(tc.minor, payment.Authentic)
		if err != nil || p.Level != tc.level {
			t.Errorf("%d needs level %s, %v; want %s", tc.minor, p.Level, err, tc.level)
		}
	}
	s.expectFees(10000-2500, 0, 2410, 90)

	s.clock.Advance(24 * time.Hour)
	for _, tc := range []struct {
		minor int64
		want  payment.Reason
	}{{970, ""}, {970, ""}, {471, payment.LimitExceeded}, {470, ""}} {
		p := s.charged(kiosk, tc.minor, 30)
		if p.Reason != tc.want {
			t.Errorf("%d by the number: %s (%s), want %q", tc.minor, p.State, p.Reason, tc.want)
		}
		if tc.want == "" {
			p, err := s.confirm(p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.approve(p, s.code(p)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
