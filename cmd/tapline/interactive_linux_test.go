package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/operator"
	"tapline/sqlstore"
)

// terminal is a pseudo-terminal with a person at it.
type terminal struct {
	t       *testing.T
	control *os.File // the person's side
	tty     *os.File // the program's side

	mu   sync.Mutex
	text bytes.Buffer // what the person sees
	more chan struct{}
	read int // what of it expect has passed
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	number := -1
	raw, err := control.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) { // control.Fd would make it blocking
		if err := unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, _ = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil || number < 0 {
		t.Fatalf("no pseudo-terminal: %v", err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, control: control, tty: tty, more: make(chan struct{}, 1)}
	read := make(chan struct{})
	go func() { defer close(read); p.watch() }()
	t.Cleanup(func() { control.Close(); tty.Close(); <-read })
	return p
}

func (p *terminal) watch() {
	var b [4096]byte
	for {
		n, err := p.control.Read(b[:])
		p.mu.Lock()
		p.text.Write(b[:n])
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (p *terminal) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.ReplaceAll(p.text.String(), "\r\n", "\n")
}

// expect waits until the person sees a text that came after the one before.
func (p *terminal) expect(text string) {
	p.t.Helper()
	limit := time.After(patience)
	for {
		if i := strings.Index(p.seen()[p.read:], text); i >= 0 {
			p.read += i + len(text)
			return
		}
		select {
		case <-p.more:
		case <-limit:
			p.t.Fatalf("waited for %q and saw:\n%s", text, p.seen())
		}
	}
}

func (p *terminal) enter(line string) {
	p.t.Helper()
	if _, err := p.control.WriteString(line + "\n"); err != nil {
		p.t.Fatal(err)
	}
}

// session is a command that runs at a terminal.
type session struct {
	*terminal
	stdout    bytes.Buffer
	interrupt func()
	done      chan int
}

func startSession(t *testing.T, args ...string) *session {
	t.Helper()
	s := &session{terminal: newTerminal(t), done: make(chan int, 1)}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.interrupt = func() { cancel(context.Canceled) }
	a := &app{ctx: ctx, stdin: s.tty, stdout: &s.stdout, stderr: s.tty, now: time.Now, isTerminal: true}
	go func() { s.done <- run(a, args) }()
	return s
}

// ends waits for the exit code.
func (s *session) ends(want int) {
	s.t.Helper()
	select {
	case got := <-s.done:
		if got != want {
			s.t.Fatalf("exit code %d, want %d; saw:\n%s", got, want, s.seen())
		}
	case <-time.After(patience):
		s.t.Fatalf("does not end; saw:\n%s", s.seen())
	}
}

// shop is a service with a payee, and a card with money on it that a phone has activated.
type shop struct {
	url           string
	phone, laptop string // key files
	number        string // file with the card account number
	card          api.Card
}

const pin = "470916"

func newShop(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	s, err := startService(t.Context(), demoOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	token, err := os.ReadFile(filepath.Join(dir, "tapline.first-token"))
	check(t, err)
	x := &shop{
		url: s.url, phone: filepath.Join(dir, "phone.pem"), laptop: filepath.Join(dir, "laptop.pem"),
		number: filepath.Join(dir, "number"),
	}
	check(t, os.WriteFile(x.number, []byte(demoNumber), 0o600))
	key, err := device.MakeKey(filepath.Join(dir, "operator.pem"))
	check(t, err)
	o := &operator.Client{URL: s.url, Key: key}
	_, err = o.EnrolFirst(t.Context(), string(token), "Olga")
	check(t, err)
	_, err = o.AddPayee(t.Context(), api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
	check(t, err)
	issued, err := o.IssueCard(t.Context(), api.NewCard{AccountNumber: demoNumber, Label: "Campus card", Currency: "CNY"})
	check(t, err)
	_, err = o.TopUp(t.Context(), issued.Card.Account, api.NewTopUp{Amount: yuan(100_00)})
	check(t, err)
	for label, path := range map[string]string{"My phone": x.phone, "Borrowed laptop": x.laptop} {
		key, err := device.MakeKey(path)
		check(t, err)
		c := &device.Client{URL: s.url, Key: key}
		_, err = c.Register(t.Context(), label)
		check(t, err)
		if path == x.phone {
			x.card, err = c.Activate(t.Context(), consent.Code(issued.Code), demoNumber, pin)
			check(t, err)
		}
	}
	return x
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (x *shop) pay(t *testing.T, key string) *session {
	t.Helper()
	return startSession(t, "pay", "--url", x.url, "--key", key, "--amount", "30", "--payee", "books@shop",
		"--description", "Desk lamp", "--account-file", x.number)
}

// available is what the card can still pay.
func (x *shop) available(t *testing.T) int64 {
	t.Helper()
	key, err := device.LoadKey(x.phone)
	check(t, err)
	c, err := (&device.Client{URL: x.url, Key: key}).Card(t.Context(), consent.CardID(x.card.ID))
	check(t, err)
	return c.Available
}

func TestPayAndApproveAtTwoTerminals(t *testing.T) {
	x := newShop(t)
	phone := startSession(t, "approve", "--once", "--url", x.url, "--key", x.phone)
	phone.expect("Waiting for payments to confirm")

	laptop := x.pay(t, x.laptop)
	laptop.expect("Book Shop (books@shop)")
	laptop.expect("card account   •••• 0005")
	laptop.expect("Send? [y/N]")
	laptop.enter("y")
	laptop.expect("PIN of the card:")
	laptop.enter("111222")
	laptop.expect("wrong PIN; tries left: ")
	laptop.expect("PIN of the card:")
	laptop.enter(pin)
	laptop.expect("The service is going to do this:")
	laptop.expect("30.00 CNY")
	laptop.expect("Confirm? [y/N]")
	laptop.enter("yes")
	laptop.expect("█")
	laptop.expect("code: ")
	laptop.expect("\n")
	code := strings.TrimSpace(laptop.seen()[strings.LastIndex(laptop.seen(), "code: ")+len("code: "):])

	phone.expect("30.00 CNY")
	phone.expect("Borrowed laptop")
	phone.expect("a(pprove), d(ecline) or n(ot me)?")
	phone.enter("maybe")
	phone.expect("n(ot me)?")
	phone.enter("a")
	phone.expect("The code that the other device shows:")
	phone.enter("what")
	phone.expect("A code is two or six digits.")
	phone.expect("shows:")
	phone.enter(code)
	laptop.ends(exitOK)
	if got := laptop.stdout.String(); !strings.HasPrefix(got, "paid 30.00 CNY to Book Shop (books@shop), payment pay_") {
		t.Errorf("the result is %q", got)
	}
	phone.ends(exitOK)
	if got := phone.stdout.String(); !strings.HasPrefix(got, "approve 30.00 CNY to Book Shop (books@shop): settled") {
		t.Errorf("the decision is %q", got)
	}
	if strings.Contains(laptop.seen(), pin) || strings.Contains(laptop.seen()+phone.seen(), demoNumber) {
		t.Error("PIN or account number were shown")
	}
	if got := x.available(t); got != 70_00 {
		t.Errorf("%d are left on the card", got)
	}
}

func TestNothingIsPaidWithoutAYesOrAfterAnInterrupt(t *testing.T) {
	x := newShop(t)
	notSent := x.pay(t, x.phone)
	notSent.expect("Send? [y/N]")
	notSent.enter("")
	notSent.expect("Nothing was sent.")
	notSent.ends(exitFailed)

	declined := x.pay(t, x.phone)
	declined.expect("Send? [y/N]")
	declined.enter("y")
	declined.expect("PIN of the card:")
	declined.enter(pin)
	declined.expect("Confirm? [y/N]")
	declined.enter("n")
	declined.expect("not paid: declined (payer)")
	declined.ends(exitFailed)

	interrupted := x.pay(t, x.phone)
	interrupted.expect("Send? [y/N]")
	interrupted.enter("y")
	interrupted.expect("PIN of the card:")
	interrupted.interrupt()
	interrupted.expect("The payment has ended: cancelled (payer). No money has moved.")
	interrupted.ends(exitFailed)
	interrupted.echoes()
	if got := x.available(t); got != 100_00 {
		t.Errorf("%d are left on the card, want all", got)
	}

	waiting := startSession(t, "approve", "--url", x.url, "--key", x.phone)
	waiting.expect("Waiting for payments to confirm")
	waiting.interrupt()
	waiting.ends(exitOK)
}

// echoes checks that the terminal shows again what is typed.
func (s *session) echoes() {
	s.t.Helper()
	raw, err := s.tty.SyscallConn()
	check(s.t, err)
	check(s.t, raw.Control(func(fd uintptr) {
		settings, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		if err != nil || settings.Lflag&unix.ECHO == 0 {
			s.t.Errorf("the terminal was left without echo: %v", err)
		}
	}))
}

func TestCheckShowsAPersonHowFarItIs(t *testing.T) {
	db := filepath.Join(t.TempDir(), "tapline.db")
	store, err := sqlstore.Open(t.Context(), db, sqlstore.Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	s := startSession(t, "check", "--db", db)
	s.expect("checking: the history was not rewritten")
	s.ends(0)
	if got := s.stdout.String(); got != "the books are right\n" {
		t.Errorf("printed %q", got)
	}
}
