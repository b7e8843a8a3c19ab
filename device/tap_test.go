package device_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
)

var honest = api.TapChallenge{
	ID: "AAAAAAAAAAAAAAAAAAAAAA", UnpredictableNumber: "CAFE1001", Amount: "000000001250", Currency: "0156", Country: "0276", ExpiresIn: 60,
}

// challenges lets the service answer with a challenge, and keeps what it was asked.
func (s *service) challenges(given *api.TapChallenge) *consent.TapChallenge {
	asked := &consent.TapChallenge{}
	s.HandleFunc("POST /v1/tap-challenges", func(w http.ResponseWriter, r *http.Request) {
		s.read(r, consent.TypTapChallenge, asked)
		answer(w, 201, given)
	})
	return asked
}

func TestNothingButTheAmountLeavesTheDeviceForAChallenge(t *testing.T) {
	s, c := newService(t)
	asked := s.challenges(&honest)
	got, err := c.TapChallenge(t.Context(), price)
	if err != nil {
		t.Fatal(err)
	}
	want := device.TapChallenge{ID: "AAAAAAAAAAAAAAAAAAAAAA", UnpredictableNumber: [4]byte{0xCA, 0xFE, 0x10, 0x01},
		Amount: 1250, Currency: 156, Country: 276, ExpiresIn: 60}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	if string(claims["amount"]) != `{"minor":1250,"currency":"CNY"}` || len(claims) != 4 {
		t.Errorf("asked with %s", text)
	}
	if got, want := fmt.Sprint(s.seen), "[GET /v1/service POST /v1/tap-challenges]"; got != want {
		t.Errorf("requests %s, want %s", got, want)
	}
}

func TestChallengeForSomethingElseIsRefused(t *testing.T) {
	s, c := newService(t)
	given := honest
	s.challenges(&given)
	for name, lie := range map[string]func(*api.TapChallenge){
		"another amount":   func(a *api.TapChallenge) { a.Amount = "000000001251" },
		"no amount":        func(a *api.TapChallenge) { a.Amount = "" },
		"another currency": func(a *api.TapChallenge) { a.Currency = "0978" },
		"no country":       func(a *api.TapChallenge) { a.Country = "0000" },
		"short number":     func(a *api.TapChallenge) { a.UnpredictableNumber = "CAFE10" },
		"no number":        func(a *api.TapChallenge) { a.UnpredictableNumber = "CAFE100X" },
		"zero":             func(a *api.TapChallenge) { a.UnpredictableNumber = "00000000" },
	} {
		given = honest
		lie(&given)
		if _, err := c.TapChallenge(t.Context(), price); !errors.Is(err, device.ErrAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.TapChallenge(t.Context(), money.Amount{Minor: consent.MaxChallenge + 1, Currency: "CNY"}); !errors.Is(err, consent.ErrInvalid) {
		t.Errorf("an amount that no card can be told: %v", err)
	}
}

func TestDraftWithAProofShowsTheCardAndSendsNoNumberBesides(t *testing.T) {
	s, c := newService(t)
	order, err := c.Order(price, books, terms)
	if err != nil {
		t.Fatal(err)
	}
	emv := consent.EMVTap{Challenge: "AAAAAAAAAAAAAAAAAAAAAA", Transcript: []consent.Exchange{{Command: "00B2010C00", Response: "9000"}}}
	if _, err := order.TapEMV(consent.EMVTap{}, account); !errors.Is(err, consent.ErrInvalid) {
		t.Errorf("no transcript: %v", err)
	}
	if _, err := order.TapEMV(emv, "12"); !errors.Is(err, consent.ErrInvalid) {
		t.Errorf("no number: %v", err)
	}
	d, err := order.TapEMV(emv, account)
	if err != nil || d.CardAccount() != account.Masked() {
		t.Fatalf("%v, card account %q", err, d.CardAccount())
	}
	s.ServeMux = http.NewServeMux()
	s.HandleFunc("GET /v1/service", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.Service{Environment: "test", Audience: origin + "/test"})
	})
	var m consent.Instruction
	s.HandleFunc("POST /v1/payments", func(w http.ResponseWriter, r *http.Request) {
		s.read(r, consent.TypInstruction, &m)
		view := s.view(m.ID)
		view.CardAccount = "•••• 9999"
		answer(w, 201, view)
	})
	_, err = d.Send(t.Context())
	if diff := cmp.Diff(emv.Transcript[0].Command, m.Tap.EMV.Transcript[0].Command); diff != "" || m.Tap.Account != "" {
		t.Errorf("sent number %v, transcript %s", m.Tap.Account != "", diff)
	}
	if differs, ok := errors.AsType[*device.DifferenceError](err); !ok || !strings.Contains(differs.Field, "card_account") {
		t.Errorf("a service that reads another card in the transcript: %v", err)
	}
}
