package device_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
)

// turnRound makes a payment's statement a rehearsal's, and the other way round.
func turnRound(s *consent.Statement) {
	s.Rehearsal = !s.Rehearsal
	s.Version, s.AmountText = consent.VersionOf(s.Rehearsal), consent.AmountText(s.Amount, s.Rehearsal)
}

// rehearsalDraft is a rehearsal just before Send, of a payee who is said to take some.
func rehearsalDraft(t *testing.T, c *device.Client) *device.Draft {
	t.Helper()
	payee := books
	payee.Rehearsals = true
	order, err := c.Order(price, payee, terms)
	if err != nil {
		t.Fatal(err)
	}
	if order, err = order.Rehearse(); err != nil || !order.Rehearsal() {
		t.Fatalf("Rehearse: %v, %v", order.Rehearsal(), err)
	}
	d, err := order.Tap(account)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRehearsalIsNotSentToAServiceThatDoesNotKnowThem(t *testing.T) {
	s, c := newService(t)
	if _, err := rehearsalDraft(t, c).Send(t.Context()); !errors.Is(err, device.ErrNoRehearsals) {
		t.Errorf("Send: %v, want ErrNoRehearsals", err)
	}
	if n := s.count("POST /v1/payments"); n != 0 {
		t.Errorf("%d instructions were sent", n)
	}
	for _, body := range s.bodies {
		if strings.Contains(body, string(account)) {
			t.Error("the card account has left the device")
		}
	}
}

func TestRehearsalForAPayeeThatTakesNoneIsRefusedHere(t *testing.T) {
	_, c := newService(t)
	order, err := c.Order(price, books, terms)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := order.Rehearse(); !errors.Is(err, device.ErrNoRehearsals) {
		t.Errorf("Rehearse: %v, want ErrNoRehearsals", err)
	}
}

// A service that overlooks the flag, or sets it by itself, is found out at the first answer.
func TestAnswerThatIsNoRehearsalOrSuddenlyOneIsRefused(t *testing.T) {
	for name, rehearses := range map[string]bool{"payment for a rehearsal": true, "rehearsal for a payment": false} {
		s, c := newService(t)
		s.rehearses = rehearses
		s.lieView = func(p *api.Payment) { p.Rehearsal = !p.Rehearsal }
		d := draft(t, c)
		if rehearses {
			d = rehearsalDraft(t, c)
		}
		_, err := d.Send(t.Context())
		if difference, ok := errors.AsType[*device.DifferenceError](err); !ok || difference.Field != "rehearsal" {
			t.Errorf("%s: Send: %v, want a difference about rehearsal", name, err)
		}
	}
}

func TestRehearsalThatIsToldAsSettledIsRefused(t *testing.T) {
	for state, rehearses := range map[string]bool{"settled": true, "rehearsed": false} {
		s, c := newService(t)
		s.rehearses = rehearses
		s.lieView = func(p *api.Payment) {
			now := time.Now()
			p.State, p.EndedAt, p.Statement, p.Next = state, &now, "", api.Next{Action: api.ActionDone}
		}
		d := draft(t, c)
		if rehearses {
			d = rehearsalDraft(t, c)
		}
		_, err := d.Send(t.Context())
		if difference, ok := errors.AsType[*device.DifferenceError](err); !ok || difference.Field != "state" {
			t.Errorf("%s: Send: %v, want a difference about state", state, err)
		}
	}
}

func TestRehearsalWhoseStatementIsAPaymentsIsNotConfirmed(t *testing.T) {
	s, c := newService(t)
	s.rehearses = true
	p, err := rehearsalDraft(t, c).Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Statement()
	if err != nil || !st.Rehearsal || !strings.HasPrefix(st.AmountText, "REHEARSAL, no money moves: ") {
		t.Fatalf("%+v, %v", st, err)
	}
	s.lie = turnRound
	turnRound(&st)
	if _, err := p.Confirm(t.Context(), st); !errors.Is(err, device.ErrStatementDiffers) {
		t.Errorf("Confirm of a payment's statement: %v, want ErrStatementDiffers", err)
	}
	if n := s.count("POST /v1/payments/" + string(p.ID()) + "/confirmation"); n != 0 {
		t.Errorf("%d confirmations were sent", n)
	}
	again, err := rehearsalDraft(t, c).Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Statement(); !errors.Is(err, device.ErrStatementDiffers) {
		t.Errorf("a payment's statement for a rehearsal: %v, want ErrStatementDiffers", err)
	}
}

func TestApproverIsToldIfARehearsalWasSettled(t *testing.T) {
	for state, field := range map[string]string{"settled": "state", "rehearsed": ""} {
		s, c := newService(t)
		s.rehearses, s.role = true, consent.Second
		id := consent.NewPaymentID()
		s.HandleFunc("GET /v1/payments/"+string(id), func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, s.view(string(id))) })
		s.HandleFunc("POST /v1/payments/"+string(id)+"/approval", func(w http.ResponseWriter, _ *http.Request) {
			view, now := s.view(string(id)), time.Now()
			view.State, view.EndedAt, view.Statement, view.Next = state, &now, "", api.Next{Action: api.ActionDone}
			answer(w, 200, view)
		})
		a, err := c.Approval(t.Context(), id)
		if err != nil || !a.Statement.Rehearsal {
			t.Fatalf("%+v, %v", a, err)
		}
		_, err = a.Approve(t.Context(), "12")
		difference, differs := errors.AsType[*device.DifferenceError](err)
		if differs != (field != "") || differs && difference.Field != field || !differs && err != nil {
			t.Errorf("%s: %v, want a difference about %q", state, err, field)
		}
	}
}
