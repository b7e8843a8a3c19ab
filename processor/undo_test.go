package processor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tapline/consent"
	"tapline/payment"
	. "tapline/processor"
)

const window = 30 * time.Second

// openUndo is a shop whose payments may be undone, at a policy level.
func openUndo(t *testing.T, level payment.Level) *shop {
	t.Helper()
	policy := payment.DefaultPolicy
	policy.Level = level
	s := openShop(t, func(c *Config) { c.Policy = policy })
	s.must(&SetUndo{By: payee, Undo: window})
	return s
}

// agreed is a payment that has all it needs: from the phone, at the shop's level, and authentic, so that a tap may be enough.
func (s *shop) agreed(minor int64) payment.Payment {
	s.t.Helper()
	i := s.instruct(phone, minor)
	i.Assurance = payment.Authentic
	s.must(i)
	p := i.Payment
	if p.State == payment.AuthenticationRequired {
		s.must(&ReserveTry{Device: phone, Payment: p.ID})
		a := &Authenticate{Payment: p.ID, Device: phone, Right: true, Policy: s.Policy}
		s.must(a)
		p = a.After
	}
	if p.State == payment.ConfirmationRequired {
		var err error
		if p, err = s.confirm(p); err != nil {
			s.t.Fatal(err)
		}
	}
	return p
}

func (s *shop) now(id payment.ID) payment.Payment {
	s.t.Helper()
	return s.load(Wants{Payments: []payment.ID{id}}).Payments[0]
}

// sweep lets the service look for what is overdue until a payment has ended.
func (s *shop) sweep(id payment.ID) payment.Payment {
	s.t.Helper()
	ctx, stop := context.WithTimeout(s.t.Context(), time.Minute)
	defer stop()
	swept := make(chan struct{})
	go func() { s.Sweep(ctx); close(swept) }()
	for last := int64(-1); ctx.Err() == nil && !s.now(id).State.Final(); {
		last, _ = s.store.Wait(ctx, last)
	}
	stop()
	<-swept
	return s.now(id)
}

func TestEveryLevelCanBeUndoneAndSettlesByItself(t *testing.T) {
	for _, level := range payment.Levels {
		t.Run(level.String(), func(t *testing.T) {
			s := openUndo(t, level)
			p := s.agreed(1000)
			if p.State != payment.Undoable || p.Level != level || !p.Deadline.Equal(p.UndoableAt.Add(window)) {
				t.Fatalf("at level %s: %+v", level, p)
			}
			s.expectMoney(10000, 1000, 0)
			s.clock.Advance(window - time.Microsecond)
			s.must(Touch{Payments: []payment.ID{p.ID}})
			s.expectMoney(10000, 1000, 0)
			s.clock.Advance(time.Microsecond)
			if p = s.sweep(p.ID); p.State != payment.Settled {
				t.Errorf("afterwards it is %s (%s)", p.State, p.Reason)
			}
			s.expectMoney(9000, 0, 1000)
			if err := s.do(&Cancel{Payment: p.ID, Payee: payee}); !errors.Is(err, payment.ErrFinal) {
				t.Errorf("undone too late: %v", err)
			}
			for by, c := range map[string]*Cancel{"payer": {Device: phone}, "payee": {Payee: payee}} {
				undone := s.agreed(500)
				c.Payment = undone.ID
				s.must(c)
				if c.After.State != payment.Cancelled || string(c.After.Reason) != by {
					t.Errorf("undone by the %s: %s (%s)", by, c.After.State, c.After.Reason)
				}
			}
			s.expectMoney(9000, 0, 1000)
		})
	}
}

func TestTheAssociatedDeviceUndoesWhatAnotherDeviceMade(t *testing.T) {
	s := openUndo(t, payment.LevelApprove)
	p, err := s.confirm(s.authenticated(kiosk, 1000))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.do(&Cancel{Payment: p.ID, Device: phone}); !errors.Is(err, ErrUnknownPayment) {
		t.Errorf("before it approved: %v", err)
	}
	a, err := s.approve(p, s.code(p))
	if err != nil || a.After.State != payment.Undoable {
		t.Fatalf("after the approval: %s, %v", a.After.State, err)
	}
	s.expectMoney(10000, 1000, 0)
	if signed := s.load(Wants{Evidence: []payment.ID{p.ID}}).Evidence; len(signed) == 0 || signed[len(signed)-1].Role != consent.Second {
		t.Errorf("the approval is not kept: %+v", signed)
	}
	s.must(&RegisterDevice{Device{ID: "stranger", PublicKey: []byte("{}")}})
	for name, c := range map[string]*Cancel{"stranger": {Device: "stranger"}, "other payee": {Payee: "thief@shop"}, "nobody": {}} {
		if c.Payment = p.ID; !errors.Is(s.do(c), ErrUnknownPayment) {
			t.Errorf("undone by %s", name)
		}
	}
	s.must(&Cancel{Payment: p.ID, Device: phone})
	s.expectMoney(10000, 0, 0)
}

func TestWhatMayBeUndoneIsHeldAndFreezingEndsIt(t *testing.T) {
	s := openUndo(t, payment.LevelTap)
	p := s.agreed(1000) // nobody has authenticated
	if rest := s.agreed(9001); rest.State != payment.Rejected || rest.Reason != payment.InsufficientFunds {
		t.Errorf("money that is held was spent: %s", rest.State)
	}
	if err := s.do(s.refund(p, 0)); !errors.Is(err, payment.ErrNotRefundable) {
		t.Errorf("refunded before it settled: %v", err)
	}
	s.must(&Freeze{Card: s.card, Device: phone})
	if got := s.now(p.ID); got.State != payment.Cancelled || got.Reason != payment.CardChanged {
		t.Errorf("after a freeze it is %s (%s)", got.State, got.Reason)
	}
	s.clock.Advance(window)
	s.expectMoney(10000, 0, 0)
}

// TestTapsThatMayBeUndoneCountAtOnce: or any number of them would pass the day's limit in one window.
func TestTapsThatMayBeUndoneCountAtOnce(t *testing.T) {
	s := openUndo(t, payment.LevelTap)
	limit := s.Policy.TapDailyLimit
	n := 0
	for ; int64(n+1)*3000 <= limit; n++ {
		s.must(&TopUp{Operated: Operated{By: chief}, ID: fmt.Sprint("top_", n, "x"), Account: "acc_card", Amount: cny(3000)})
		if p := s.agreed(3000); p.Level != payment.LevelTap || p.State != payment.Undoable {
			t.Fatalf("payment %d: level %s, %s", n, p.Level, p.State)
		}
	}
	i := s.instruct(phone, 3000)
	i.Assurance = payment.Authentic
	s.must(i)
	if i.Payment.Level == payment.LevelTap {
		t.Errorf("%d taps of 30.00 passed a limit of %d", n+1, limit)
	}
	if got := s.loadCard().Tapped.Minor; got != int64(n)*3000 {
		t.Errorf("%d are counted, want %d", got, n*3000)
	}
	s.must(&Cancel{Payment: "pay_1", Device: phone})
	if got := s.loadCard().Tapped.Minor; got != int64(n-1)*3000 {
		t.Errorf("with one undone %d are counted, want %d", got, (n-1)*3000)
	}
	s.clock.Advance(window)
	s.sweep("pay_2")
	if got := s.loadCard().Tapped.Minor; got != int64(n-1)*3000 {
		t.Errorf("settled, %d are counted, want %d", got, (n-1)*3000)
	}
}

func TestAWindowIsAsItWasWhenThePaymentBegan(t *testing.T) {
	s := openUndo(t, payment.LevelApprove)
	p := s.authenticated(phone, 1000)
	s.must(&SetUndo{By: payee})
	if p, err := s.confirm(p); err != nil || p.State != payment.Undoable {
		t.Errorf("with the window closed meanwhile: %s, %v", p.State, err)
	}
	q := s.authenticated(phone, 1000)
	s.must(&SetUndo{By: payee, Undo: window})
	if q, err := s.confirm(q); err != nil || q.State != payment.Settled {
		t.Errorf("with the window opened meanwhile: %s, %v", q.State, err)
	}
	if text := Statement(p); !strings.Contains(text, `"undo_seconds":30,`) {
		t.Errorf("the statement does not say how long it may be undone: %s", text)
	}
}
