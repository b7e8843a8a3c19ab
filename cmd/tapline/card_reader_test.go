package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/card/cardtest"
	"tapline/internal/testenv"
)

// startReader starts a private pcscd. Without one it skips, unless TAPLINE_REQUIRE names pcscd.
func startReader(t *testing.T) *cardtest.Reader {
	t.Helper()
	reader, err := cardtest.StartReader(t.Context())
	if unavailable, missing := errors.AsType[*cardtest.UnavailableError](err); missing {
		testenv.Require(t, "pcscd", false, unavailable.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	return reader
}

// spoken is what a command says, line by line, while it runs.
type spoken struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	for {
		line, err := s.text.ReadString('\n')
		if err != nil {
			s.text.WriteString(line)
			return len(p), nil
		}
		s.lines <- line
	}
}

// command is one that runs in the background.
type command struct {
	code   chan int
	stdout bytes.Buffer
	stderr spoken
}

func start(ctx context.Context, args ...string) *command {
	c := &command{code: make(chan int, 1), stderr: spoken{lines: make(chan string, 100)}}
	a := &app{ctx: ctx, stdin: strings.NewReader(""), stdout: &c.stdout, stderr: &c.stderr, now: time.Now}
	go func() { c.code <- run(a, args); close(c.stderr.lines) }()
	return c
}

// hear waits until the command says something.
func (c *command) hear(t *testing.T, want string) {
	t.Helper()
	for {
		select {
		case line, ok := <-c.stderr.lines:
			if !ok {
				t.Fatalf("the command ended without a word of %q", want)
			}
			if strings.Contains(line, want) {
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("the command does not say %q", want)
		}
	}
}

func TestWaitingForATapOutlivesARestartOfPcscd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "pcscd.comm")
	first := startReader(t)
	if err := os.Symlink(first.Socket(), socket); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PCSCLITE_CSOCK_NAME", socket)
	c := start(t.Context(), "card", "read", "--json")
	c.hear(t, "Tap the card on the reader.")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	c.hear(t, "Still waiting.")
	second := startReader(t)
	if err := os.Symlink(second.Socket(), socket+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(socket+".new", socket); err != nil {
		t.Fatal(err)
	}
	if err := second.Insert(t.Context(), &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	if code := <-c.code; code != 0 || !strings.Contains(c.stdout.String(), `"account_last4":"0005"`) {
		t.Errorf("exit code %d\n%s", code, &c.stdout)
	}
	for line := range c.stderr.lines {
		t.Errorf("said besides: %s", line)
	}
}

func TestCardsInTwoReadersAreNotChosenFrom(t *testing.T) {
	reader := startReader(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", reader.Socket())
	if err := reader.InsertAt(t.Context(), 1, &cardtest.TUnion{}); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runQuietly(t.Context(), "card", "read"); code != 0 || !strings.Contains(out, "t-union") {
		t.Fatalf("one card: %d\n%s%s", code, out, errs)
	}
	if err := reader.Insert(t.Context(), &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runQuietly(t.Context(), "card", "read", "--reader", "Virtual PCD 00 00")
	if code != 0 || !strings.Contains(out, "unionpay") {
		t.Errorf("named reader: %d\n%s%s", code, out, errs)
	}
	code, out, errs = runQuietly(t.Context(), "card", "read")
	if code != 1 || out != "" || !strings.Contains(errs, `"Virtual PCD 00 00", "Virtual PCD 00 01"`) || !strings.Contains(errs, "--reader") {
		t.Errorf("two cards: %d\n%s%s", code, out, errs)
	}
}

func TestMessagesOfTagsAreReadOnARealReader(t *testing.T) {
	reader := startReader(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", reader.Socket())
	const address = "https://pay.example/t#e=00112233445566778899AABBCCDDEEFF&c=0123456789ABCDEF"
	if err := reader.Insert(t.Context(), &cardtest.Storage{Message: cardtest.URLMessage(address)}); err != nil {
		t.Fatal(err)
	}
	if err := reader.InsertAt(t.Context(), 1, &cardtest.Storage{}); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runQuietly(t.Context(), "card", "read", "--json", "--reader", "Virtual PCD 00 00")
	if code != 0 || !strings.Contains(out, `"scheme":"sun"`) || strings.Contains(out+errs, "0123456789ABCDEF") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = runQuietly(t.Context(), "card", "read", "--show-account", "--reader", "Virtual PCD 00 00")
	if code != 0 || !strings.Contains(out, address) {
		t.Errorf("shown: exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = runQuietly(t.Context(), "card", "read", "--reader", "Virtual PCD 00 01")
	if code != 1 || out != "" || !strings.Contains(errs, "this card carries no account") {
		t.Errorf("blank: exit code %d\n%s%s", code, out, errs)
	}
}

// leaving is a card that does something at its third command, then never answers.
type leaving struct {
	cardtest.EMV
	commands int
	leave    func()
}

func (l *leaving) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if l.commands++; l.commands == 3 {
		l.leave()
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return l.EMV.Transmit(ctx, command)
}

func TestCardPulledInTheMiddleMayBeTappedAgain(t *testing.T) {
	reader := startReader(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", reader.Socket())
	out := make(chan struct{})
	card := &leaving{leave: func() { go func() { reader.Remove(); close(out) }() }}
	if err := reader.Insert(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	c := start(t.Context(), "card", "read")
	c.hear(t, "removed too early")
	<-out
	// In the other slot: vpcd takes no card in a slot any more after one was pulled out of a command.
	if err := reader.InsertAt(t.Context(), 1, &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	if code := <-c.code; code != 0 || !strings.Contains(c.stdout.String(), "•••• 0005") {
		t.Errorf("exit code %d\n%s", code, &c.stdout)
	}
}

func TestPcscdThatEndsInTheMiddleOfAReadingIsAClearError(t *testing.T) {
	reader := startReader(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", reader.Socket())
	pcscd, err := os.FindProcess(reader.PID())
	if err != nil {
		t.Fatal(err)
	}
	card := &leaving{leave: func() { pcscd.Kill() }}
	if err := reader.Insert(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runQuietly(t.Context(), "card", "read")
	if code != 1 || out != "" || !strings.Contains(errs, "is pcscd running?") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}
