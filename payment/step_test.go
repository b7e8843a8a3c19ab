package payment

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/money"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func terms(level Level, initiator DeviceID) Terms {
	return Terms{
		ID: "pay_1", Amount: money.Amount{Minor: 1250, Currency: "CNY"},
		PayeeHandle: "books@shop", PayeeName: "Book Shop", PayeeAccount: "acc_shop",
		Card: "card_1", CardAccount: "acc_card", CardLast4: "1234",
		Initiator: initiator, Associated: "phone", Level: level, Assurance: Identified, Nonce: "n",
	}
}

func decoy(t Terms) Terms {
	t.Card, t.CardAccount, t.Associated = "", "", ""
	return t
}

func rehearsal(t Terms) Terms {
	t.Rehearsal = true
	return t
}

func undo(t Terms) Terms {
	t.Undo = 30 * time.Second
	return t
}

// kinds are the payments that the golden file goes through: each level, and what makes a difference within one.
var kinds = []struct {
	name string
	Payment
}{
	{"tap from the associated device", Payment{Terms: terms(LevelTap, "phone")}},
	{"authenticate", Payment{Terms: terms(LevelAuthenticate, "kiosk")}},
	{"confirm", Payment{Terms: terms(LevelConfirm, "kiosk")}},
	{"approve from the associated device", Payment{Terms: terms(LevelApprove, "phone")}},
	{"approve from another device", Payment{Terms: terms(LevelApprove, "kiosk")}},
	{"approve from another device, two codes mistyped", Payment{Terms: terms(LevelApprove, "kiosk"), CodeFailures: 2}},
	{"decoy", Payment{Terms: decoy(terms(LevelApprove, "kiosk"))}},
	{"rehearsal of tap from the associated device", Payment{Terms: rehearsal(terms(LevelTap, "phone"))}},
	{"rehearsal of authenticate", Payment{Terms: rehearsal(terms(LevelAuthenticate, "kiosk"))}},
	{"rehearsal of confirm", Payment{Terms: rehearsal(terms(LevelConfirm, "kiosk"))}},
	{"rehearsal of approve from another device", Payment{Terms: rehearsal(terms(LevelApprove, "kiosk"))}},
	{"tap, may be undone", Payment{Terms: undo(terms(LevelTap, "phone"))}},
	{"authenticate, may be undone", Payment{Terms: undo(terms(LevelAuthenticate, "kiosk"))}},
	{"confirm, may be undone", Payment{Terms: undo(terms(LevelConfirm, "kiosk"))}},
	{"approve from another device, may be undone", Payment{Terms: undo(terms(LevelApprove, "kiosk"))}},
	{"rehearsal of tap, may be undone", Payment{Terms: undo(rehearsal(terms(LevelTap, "phone")))}},
	{"rehearsal of approve, may be undone", Payment{Terms: undo(rehearsal(terms(LevelApprove, "kiosk")))}},
	{"decoy, may be undone", Payment{Terms: undo(decoy(terms(LevelApprove, "kiosk")))}},
	{"rehearsal, decoy", Payment{Terms: rehearsal(decoy(terms(LevelApprove, "kiosk")))}},
}

// in puts a payment into a state as if it had got there at start.
func in(p Payment, s State) Payment {
	p.State = s
	if s != "" {
		p.Version, p.InstructedAt, p.ExpiresAt, p.Deadline = 1, start, start.Add(WholeLife), start.Add(s.wait())
	}
	if s == Undoable {
		p.UndoableAt, p.Deadline = start, start.Add(p.Undo)
	}
	if s == ApprovalRequired {
		p.AuthenticatedAt, p.ConfirmedAt, p.FirstDigest = start, start, "first"
	}
	return p
}

// TestStepMatchesTheGoldenFile is the contract: every command in every state, early and late, from every side. A diff
// here is a change of what devices and payees may rely on.
func TestStepMatchesTheGoldenFile(t *testing.T) {
	var b strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&b, "== %s\n", k.name)
		for _, s := range append([]State{""}, States...) {
			if s == Undoable && k.Undo == 0 {
				continue // it never is
			}
			for _, v := range Verbs {
				fmt.Fprintf(&b, "%s", or(string(s), "(new)"))
				fmt.Fprintf(&b, " · %s\n", v)
				for _, at := range []time.Duration{time.Second, time.Hour} {
					if s == "" && at == time.Hour {
						continue
					}
					when := map[time.Duration]string{time.Second: "early", time.Hour: "late"}[at]
					fmt.Fprintf(&b, "    %-5s %s\n", when, results(in(k.Payment, s), v, start.Add(at)))
				}
			}
		}
	}
	const file = "testdata/steps.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("steps differ from %s (-want +got); if that is meant: go test ./payment -update\n%s", file, diff)
	}
}

// results says what a verb does for each who may say it, those with the same result together.
func results(p Payment, v Verb, now time.Time) string {
	var order []string
	who := map[string][]string{}
	for _, by := range []struct {
		name string
		id   DeviceID
	}{{"service", ""}, {"initiator", p.Initiator}, {"associated", "phone"}, {"stranger", "stranger"}} {
		o, err := Step(p, Command{Verb: v, By: by.id, Digest: "d", Reason: CardChanged}, now)
		r := result(o, err)
		if who[r] == nil {
			order = append(order, r)
		}
		who[r] = append(who[r], by.name)
	}
	if len(order) == 1 {
		return "all: " + order[0]
	}
	for i, r := range order {
		order[i] = strings.Join(who[r], ",") + ": " + r
	}
	return strings.Join(order, "; ")
}

func result(o Outcome, err error) string {
	for e, text := range map[error]string{ErrFinal: "final", ErrExpired: "time is over", ErrNotAllowed: "not allowed", ErrNotYours: "not yours"} {
		if errors.Is(err, e) {
			return "refused, " + text
		}
	}
	r := "→ " + string(o.Payment.State)
	if o.Payment.Reason != "" {
		r += " (" + string(o.Payment.Reason) + ")"
	}
	if o.Entry != nil {
		r += fmt.Sprintf(", %s as %s", o.Entry.Action, o.Entry.ID)
	}
	if o.Trial != nil {
		r += fmt.Sprintf(", tries %s", o.Trial.Action)
	}
	if o.Payment.State != "" && !o.Payment.State.Final() {
		r += fmt.Sprintf(", until +%s", o.Payment.Deadline.Sub(start))
	}
	r += ", told: initiator"
	if o.Event.Associated != "" {
		r += " associated"
	}
	if o.Event.Payee != "" {
		r += " payee"
	}
	return r
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// TestWaitsEndWithTheWholeLife: a wait that begins late in a payment's life is cut short.
func TestWaitsEndWithTheWholeLife(t *testing.T) {
	p := in(Payment{Terms: terms(LevelApprove, "kiosk")}, ConfirmationRequired)
	p.Deadline, p.ExpiresAt = start.Add(time.Minute), start.Add(90*time.Second)
	o, err := Step(p, Command{Verb: Confirm, By: "kiosk", Digest: "d"}, start.Add(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if !o.Payment.Deadline.Equal(p.ExpiresAt) {
		t.Errorf("deadline %v, want the end of the payment's life %v", o.Payment.Deadline, p.ExpiresAt)
	}
}

// TestTheDeadlineItselfIsTooLate: at the deadline the wait is over, not one tick later.
func TestTheDeadlineItselfIsTooLate(t *testing.T) {
	p := in(Payment{Terms: terms(LevelConfirm, "kiosk")}, ConfirmationRequired)
	confirm := Command{Verb: Confirm, By: "kiosk", Digest: "d"}
	if _, err := Step(p, confirm, p.Deadline); !errors.Is(err, ErrExpired) {
		t.Errorf("at the deadline: %v, want %v", err, ErrExpired)
	}
	if _, err := Step(p, confirm, p.Deadline.Add(-time.Microsecond)); err != nil {
		t.Errorf("just before the deadline: %v", err)
	}
	if _, err := Step(p, Command{Verb: Expire}, p.Deadline.Add(-time.Microsecond)); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("expiring before the deadline: %v, want %v", err, ErrNotAllowed)
	}
}

func BenchmarkStep(b *testing.B) {
	p := in(Payment{Terms: terms(LevelApprove, "kiosk")}, ConfirmationRequired)
	c := Command{Verb: Confirm, By: "kiosk", Digest: "d"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Step(p, c, start); err != nil {
			b.Fatal(err)
		}
	}
}
