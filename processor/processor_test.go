package processor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/consent"
	"tapline/internal/pgtest"
	"tapline/internal/testdb"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	. "tapline/processor"
	"tapline/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) Advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// shop is a processor on real SQLite with a card of 100.00, its phone, a kiosk and a payee.
type shop struct {
	*Processor
	t      *testing.T
	clock  *clock
	store  *sqlstore.Store
	db     string
	config Config
	keys   *keyring.Keyring
	card   payment.CardID
	number consent.AccountNumber
	serial int
}

const (
	phone  payment.DeviceID = "phone"
	kiosk  payment.DeviceID = "kiosk"
	payee  payment.Handle   = "books@shop"
	chief  OperatorID       = "chief"
	number                  = "6222020000000000003"
)

func openShop(t *testing.T, change ...func(*Config)) *shop {
	t.Helper()
	dir := t.TempDir()
	keys, err := keyring.OpenOrCreate(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	db := testdb.New(t)
	store, err := sqlstore.Open(t.Context(), db, sqlstore.Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, store: store, db: db, keys: keys, card: "card_1", number: number,
		clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	c := Config{Store: store, Keys: keys, Policy: payment.DefaultPolicy, Now: s.clock.Now, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&c)
	}
	s.Processor, s.config = New(c), c
	t.Cleanup(func() {
		s.Close()
		s.checkBooks()
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.furnish()
	return s
}

// reopen closes the processor and its database and opens them again.
func (s *shop) reopen() {
	s.t.Helper()
	s.Close()
	err := s.store.Close()
	if err == nil {
		s.store, err = sqlstore.Open(s.t.Context(), s.db, sqlstore.Options{Environment: "test"})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.config.Store = s.store
	s.Processor = New(s.config)
}

// furnish adds the operator, the devices, the payee, and the card with its money.
func (s *shop) furnish() {
	by := Operated{By: chief}
	mac := s.codeMAC("code")
	s.must(&EnrolOperator{New: Operator{ID: chief, Name: "Chief", PublicKey: []byte("{}")}})
	for _, d := range []payment.DeviceID{phone, kiosk} {
		s.must(&RegisterDevice{Device{ID: d, PublicKey: []byte("{}"), Label: string(d)}})
	}
	s.must(&AddPayee{Operated: by, Payee: Payee{Handle: payee, Name: "Book Shop", Account: "acc_shop", Currency: "CNY"},
		APIKey: APIKey{ID: "key_1", MAC: "mac", Payee: payee}})
	s.must(&IssueCard{Operated: by, Card: Card{ID: s.card, Key: KeyOfNumber(s.keys, s.number), Last4: "0003", Label: "Campus",
		Account: "acc_card", Currency: "CNY", Code: OneUseCode{MAC: mac}}})
	s.must(&TopUp{Operated: by, ID: "top_1", Account: "acc_card", Amount: cny(10000)})
	activate := &Activate{Device: phone, CardKeys: KeysOfNumber(s.keys, s.number), CodeMACs: []string{mac}, PIN: consent.PINRecord{
		Salt: []byte("0123456789abcdef"), Sum: []byte("0123456789abcdef0123456789abcdef"), Pepper: 1, Memory: 8, Passes: 1, Lanes: 1}}
	s.must(activate)
	if activate.Refused {
		s.t.Fatal("the card was not activated")
	}
}

func (s *shop) codeMAC(code string) string { return "mac of " + code }

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

func (s *shop) do(c Command) error {
	_, err := s.Do(s.t.Context(), Request{Command: c})
	return err
}

func (s *shop) must(c Command) {
	s.t.Helper()
	if err := s.do(c); err != nil {
		s.t.Fatalf("%T: %v", c, err)
	}
}

func (s *shop) instruct(device payment.DeviceID, minor int64) *Instruct {
	s.serial++
	return &Instruct{
		ID: payment.ID(fmt.Sprintf("pay_%d", s.serial)), Device: device, Amount: cny(minor), Payee: payee,
		CardKeys: KeysOfNumber(s.keys, s.number), CardLast4: "0003", Assurance: payment.Identified,
		Nonce: consent.NewNonce(s.keys), Policy: s.Policy,
	}
}

// authenticated is a new payment that waits for the first confirmation.
func (s *shop) authenticated(device payment.DeviceID, minor int64) payment.Payment {
	s.t.Helper()
	i := s.instruct(device, minor)
	s.must(i)
	s.must(&ReserveTry{Device: device, Payment: i.ID})
	a := &Authenticate{Payment: i.ID, Device: device, Right: true, Policy: s.Policy}
	s.must(a)
	if a.After.State != payment.ConfirmationRequired {
		s.t.Fatalf("after authentication: %s", a.After.State)
	}
	return a.After
}

func (s *shop) confirm(p payment.Payment) (payment.Payment, error) {
	c := &Confirm{Payment: p.ID, Device: p.Initiator, Decision: consent.Approve, Statement: Statement(p), JWS: "jws"}
	err := s.do(c)
	return c.After, err
}

func (s *shop) approve(p payment.Payment, code consent.Code) (*Approve, error) {
	a := &Approve{Payment: p.ID, Device: p.Associated, Decision: consent.Approve, Statement: Statement(p), Code: code,
		JWS: "jws", Keys: s.keys, Digits: 2}
	return a, s.do(a)
}

func (s *shop) code(p payment.Payment) consent.Code {
	code, err := consent.ApprovalCode(s.keys, p.Nonce, 2)
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

func wrong(code consent.Code) consent.Code {
	if code == "00" {
		return "01"
	}
	return "00"
}

func (s *shop) load(w Wants) (rows Rows) {
	s.t.Helper()
	err := s.store.View(context.Background(), func(r Reader) (err error) {
		rows, err = r.Load(w)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return rows
}

func (s *shop) account(id ledger.AccountID) ledger.Account {
	s.t.Helper()
	rows := s.load(Wants{Accounts: []ledger.AccountID{id}})
	if len(rows.Accounts) != 1 {
		s.t.Fatalf("no account %s", id)
	}
	return rows.Accounts[0]
}

// expectMoney compares what the card has, what of it is held, and what the payee has.
func (s *shop) expectMoney(balance, held, payee int64) {
	s.t.Helper()
	card, shop := s.account("acc_card"), s.account("acc_shop")
	got := []int64{card.Balance(), card.DebitsPending, shop.Balance()}
	if diff := cmp.Diff([]int64{balance, held, payee}, got); diff != "" {
		s.t.Errorf("card balance, held, payee balance (-want +got):\n%s", diff)
	}
}

func (s *shop) checkBooks() {
	findings, err := s.store.Check(context.Background(), nil)
	if err != nil {
		s.t.Error(err)
	}
	for _, f := range findings {
		s.t.Errorf("the books are wrong: %+v", f)
	}
}

func TestSecondConfirmationHoldsAndPosts(t *testing.T) {
	s := openShop(t)
	p, err := s.confirm(s.authenticated(kiosk, 1250))
	if err != nil || p.State != payment.ApprovalRequired {
		t.Fatalf("after the first confirmation: %s, %v", p.State, err)
	}
	s.expectMoney(10000, 1250, 0)
	a, err := s.approve(p, s.code(p))
	if err != nil || a.After.State != payment.Settled {
		t.Fatalf("after the second: %s, %v", a.After.State, err)
	}
	s.expectMoney(8750, 0, 1250)
}

func TestOwnDeviceNeedsNoSecondConfirmation(t *testing.T) {
	s := openShop(t)
	p, err := s.confirm(s.authenticated(phone, 1250))
	if err != nil || p.State != payment.Settled {
		t.Fatalf("after the first confirmation: %s, %v", p.State, err)
	}
	s.expectMoney(8750, 0, 1250)
}

func TestInsufficientFundsRejectAndHoldNothing(t *testing.T) {
	s := openShop(t)
	p, err := s.confirm(s.authenticated(kiosk, 10001))
	if err != nil || p.State != payment.Rejected || p.Reason != payment.InsufficientFunds {
		t.Fatalf("after the first confirmation: %s (%s), %v", p.State, p.Reason, err)
	}
	s.expectMoney(10000, 0, 0)
}

func TestThirdWrongCodeDeclinesAndReleases(t *testing.T) {
	s := openShop(t)
	p, err := s.confirm(s.authenticated(kiosk, 1250))
	if err != nil {
		t.Fatal(err)
	}
	for try := 1; try <= payment.CodeTries; try++ {
		a, err := s.approve(p, wrong(s.code(p)))
		if err != nil || !a.WrongCode || (a.After.State == payment.Declined) != (try == payment.CodeTries) {
			t.Fatalf("try %d: %s, wrong %v, %v", try, a.After.State, a.WrongCode, err)
		}
	}
	if _, err := s.approve(p, s.code(p)); !errors.Is(err, payment.ErrFinal) {
		t.Errorf("the right code after three wrong ones: %v, want %v", err, payment.ErrFinal)
	}
	s.expectMoney(10000, 0, 0)
}

func TestNotMeDeclinesFreezesAndCancelsTheRest(t *testing.T) {
	s := openShop(t)
	other := s.authenticated(kiosk, 100)
	p, err := s.confirm(s.authenticated(kiosk, 1250))
	if err != nil {
		t.Fatal(err)
	}
	s.must(&Approve{Payment: p.ID, Device: phone, Decision: consent.NotMe, JWS: "jws", Keys: s.keys, Digits: 2})
	rows := s.load(Wants{Payments: []payment.ID{p.ID, other.ID}, Cards: []payment.CardID{s.card}})
	states := map[payment.ID]payment.State{}
	for _, p := range rows.Payments {
		states[p.ID] = p.State
	}
	want := map[payment.ID]payment.State{p.ID: payment.Declined, other.ID: payment.Cancelled}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("payments (-want +got):\n%s", diff)
	}
	if rows.Cards[0].State != CardFrozen {
		t.Errorf("the card is %s, want frozen", rows.Cards[0].State)
	}
	s.expectMoney(10000, 0, 0)
}

func TestExpiryReleasesTheHoldBeforeAnyCommand(t *testing.T) {
	s := openShop(t)
	p, err := s.confirm(s.authenticated(kiosk, 1250))
	if err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(payment.ApprovalWait)
	if _, err := s.approve(p, s.code(p)); !errors.Is(err, payment.ErrExpired) {
		t.Errorf("approval at the deadline: %v, want %v", err, payment.ErrExpired)
	}
	s.expectMoney(10000, 0, 0)
}

func TestApprovalsOfACardAreLimited(t *testing.T) {
	s := openShop(t)
	for range OpenApprovals {
		if _, err := s.confirm(s.authenticated(kiosk, 100)); err != nil {
			t.Fatal(err)
		}
	}
	fourth := s.authenticated(kiosk, 100)
	if _, err := s.confirm(fourth); !errors.Is(err, ErrTooManyApprovals) {
		t.Errorf("approval %d at once: %v, want %v", OpenApprovals+1, err, ErrTooManyApprovals)
	}
	s.must(&Cancel{Payment: "pay_1", Device: kiosk})
	if _, err := s.confirm(fourth); err != nil {
		t.Errorf("once one has ended: %v", err)
	}
	for _, id := range []payment.ID{"pay_2", "pay_3", fourth.ID} {
		s.must(&Cancel{Payment: id, Device: kiosk})
	}
	if _, err := s.confirm(s.authenticated(kiosk, 100)); err != nil {
		t.Errorf("approval %d in an hour: %v", HourlyApprovals, err)
	}
	if _, err := s.confirm(s.authenticated(kiosk, 100)); !errors.Is(err, ErrTooManyApprovals) {
		t.Errorf("approval %d in an hour: %v, want %v", HourlyApprovals+1, err, ErrTooManyApprovals)
	}
	s.clock.Advance(time.Hour)
	if _, err := s.confirm(s.authenticated(kiosk, 100)); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

func TestAHandleThatMovesDoesNotMoveThePayment(t *testing.T) {
	s := openShop(t)
	p := s.authenticated(phone, 1250)
	s.must(&MovePayee{Operated: Operated{By: chief}, Handle: payee, Account: "acc_thief"})
	if _, err := s.confirm(p); err != nil {
		t.Fatal(err)
	}
	s.expectMoney(8750, 0, 1250)
}

func TestAFrozenOrUnknownCardGetsADecoy(t *testing.T) {
	s := openShop(t)
	unknown := s.instruct(kiosk, 100)
	unknown.CardKeys = KeysOfNumber(s.keys, "6222020000000000011")
	s.must(unknown)
	s.must(&Freeze{Card: s.card, Device: phone})
	frozen := s.instruct(kiosk, 100)
	s.must(frozen)
	for name, i := range map[string]*Instruct{"unknown": unknown, "frozen": frozen} {
		if !i.Payment.Decoy() || i.Payment.State != payment.AuthenticationRequired {
			t.Errorf("%s card: decoy %v, %s", name, i.Payment.Decoy(), i.Payment.State)
		}
		r := &ReserveTry{Device: kiosk, Payment: i.ID}
		s.must(r)
		if len(r.Record.Sum) != 0 {
			t.Errorf("%s card: there is a PIN to compare with", name)
		}
		a := &Authenticate{Payment: i.ID, Device: kiosk, Right: true, Policy: s.Policy}
		s.must(a)
		if a.After.State == payment.ConfirmationRequired {
			t.Errorf("%s card was authenticated", name)
		}
	}
}
