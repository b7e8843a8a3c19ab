package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/payment"
	"tapline/processor"
)

// payload is the claims of a compact JWS.
func payload(t testing.TB, compact string) []byte {
	t.Helper()
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.Fatalf("not a compact JWS: %d parts", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withHeader changes the protected header of a compact JWS, leaving its signature.
func withHeader(t testing.TB, compact string, change func(map[string]any)) string {
	t.Helper()
	parts := strings.Split(compact, ".")
	b, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	var h map[string]any
	if err := json.Unmarshal(b, &h); err != nil {
		t.Fatal(err)
	}
	change(h)
	if b, err = json.Marshal(h); err != nil {
		t.Fatal(err)
	}
	parts[0] = base64.RawURLEncoding.EncodeToString(b)
	return strings.Join(parts, ".")
}

// tamper changes one character in the middle of a compact JWS's payload.
func tamper(compact string) string {
	at := strings.Index(compact, ".") + 40
	c := byte('A')
	if compact[at] == c {
		c = 'B'
	}
	return compact[:at] + string(c) + compact[at+1:]
}

// firstStatement is the text that was confirmed first, as the evidence holds it.
func (w *world) firstStatement(p *device.Payment) string {
	w.t.Helper()
	var rows processor.Rows
	w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
		rows, err = r.Load(processor.Wants{Evidence: []payment.ID{payment.ID(p.ID())}})
		return err
	}))
	for _, e := range rows.Evidence {
		if e.Role == consent.First {
			var d consent.Decision
			w.must(json.Unmarshal(payload(w.t, e.JWS), &d))
			return d.Statement
		}
	}
	w.t.Fatal("there is no evidence of the first confirmation")
	return ""
}

func TestACardThatIsNotActivatedCannotPay(t *testing.T) {
	w := openWorld(t)
	w.issue("6222020000000000003")
	p := w.sent(w.phone, "6222020000000000003", 100)
	_, err := p.Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "wrong_pin")
}

func TestActivationTakesOneRightCodeOnce(t *testing.T) {
	w := openWorld(t)
	const number = "6222020000000000003"
	issued := w.issue(number)
	other := w.issue("6222020000000000029")
	late := w.issue("6222020000000000037")
	_, err := w.phone.Activate(w.ctx, consent.NewActivationCode(), number, rightPIN)
	expectProblem(t, err, "activation_refused")
	_, err = w.phone.Activate(w.ctx, consent.Code(other.Code), number, rightPIN)
	expectProblem(t, err, "activation_refused")
	card, err := w.phone.Activate(w.ctx, consent.Code(issued.Code), number, rightPIN)
	w.must(err)
	if card.State != "active" || card.AssociatedDevice != string(w.phone.ID()) {
		t.Errorf("the activated card is %s with device %s", card.State, card.AssociatedDevice)
	}
	_, err = w.kiosk.Activate(w.ctx, consent.Code(issued.Code), number, "5820")
	expectProblem(t, err, "activation_refused") // a second device, with the used code
	w.clock.Advance(processor.CodeLife)
	_, err = w.phone.Activate(w.ctx, consent.Code(late.Code), "6222020000000000037", rightPIN)
	expectProblem(t, err, "activation_refused") // expired
}

func TestFiveWrongActivationCodesUseTheRightOneUp(t *testing.T) {
	w := openWorld(t)
	const number = "6222020000000000003"
	issued := w.issue(number)
	for range processor.CodeTries {
		_, err := w.phone.Activate(w.ctx, consent.NewActivationCode(), number, rightPIN)
		expectProblem(t, err, "activation_refused")
	}
	_, err := w.phone.Activate(w.ctx, consent.Code(issued.Code), number, rightPIN)
	expectProblem(t, err, "activation_refused")
}

func TestASecondDeviceCannotBindItself(t *testing.T) {
	w := openWorld(t)
	thief := w.newDevice("thief")
	id := consent.CardID(w.card.ID)
	_, err := thief.Rebind(w.ctx, id, w.kiosk.ID())
	expectProblem(t, err, "unknown_card")
	_, err = thief.Card(w.ctx, id)
	expectProblem(t, err, "unknown_card")
	_, err = thief.Freeze(w.ctx, id)
	expectProblem(t, err, "unknown_card")
}

func TestRebindingNeedsTheOldDeviceOrADayOfNotice(t *testing.T) {
	w := openWorld(t)
	id := consent.CardID(w.card.ID)
	tablet, newPhone := w.newDevice("tablet"), w.newDevice("new phone")
	open := w.authenticated(w.phone, 100)
	card, err := w.phone.Rebind(w.ctx, id, tablet.ID())
	w.must(err)
	if card.AssociatedDevice != string(tablet.ID()) {
		t.Errorf("associated device %s, want the tablet", card.AssociatedDevice)
	}
	w.expectState(open, payment.Cancelled)
	told := w.cardEvents(w.card.ID, processor.DevicePrincipal(payment.DeviceID(tablet.ID())))
	if want := []string{"card.bound"}; !slices.Equal(told, want) {
		t.Errorf("the new associated device is told %v, want %v", told, want)
	}
	code, err := w.operator.RebindCard(w.ctx, id, "lost tablet")
	w.must(err)
	_, err = newPhone.Activate(w.ctx, consent.Code(code.Code), cardNumber, "")
	expectProblem(t, err, "activation_refused") // too early
	w.clock.Advance(processor.RebindingDelay)
	card, err = newPhone.Activate(w.ctx, consent.Code(code.Code), cardNumber, "")
	w.must(err)
	if card.AssociatedDevice != string(newPhone.ID()) {
		t.Errorf("associated device %s, want the new phone", card.AssociatedDevice)
	}
	_, err = w.sent(newPhone, cardNumber, 100).Authenticate(w.ctx, rightPIN)
	w.must(err) // the PIN is as it was
}

func TestAFreezeVoidsACodeThatWouldRebind(t *testing.T) {
	w := openWorld(t)
	id := consent.CardID(w.card.ID)
	code, err := w.operator.RebindCard(w.ctx, id, "somebody on the phone said so")
	w.must(err)
	_, err = w.phone.Freeze(w.ctx, id)
	w.must(err)
	w.clock.Advance(processor.RebindingDelay)
	_, err = w.newDevice("thief").Activate(w.ctx, consent.Code(code.Code), cardNumber, "")
	expectProblem(t, err, "activation_refused")
}

func TestAPINIsResetOnlyWithTheAssociatedDevice(t *testing.T) {
	w := openWorld(t)
	id := consent.CardID(w.card.ID)
	code, err := w.operator.ResetPIN(w.ctx, id, "forgotten")
	w.must(err)
	thief := w.newDevice("thief")
	_, err = thief.ResetPIN(w.ctx, id, consent.Code(code.Code), "582016")
	expectProblem(t, err, "unknown_card")
	_, err = thief.Activate(w.ctx, consent.Code(code.Code), cardNumber, "582016")
	expectProblem(t, err, "activation_refused")
	_, err = w.phone.ResetPIN(w.ctx, id, consent.NewActivationCode(), "582016")
	expectProblem(t, err, "reset_refused")
	_, err = w.phone.ResetPIN(w.ctx, id, consent.Code(code.Code), "582016")
	w.must(err)
	_, err = w.sent(w.phone, cardNumber, 100).Authenticate(w.ctx, "582016")
	w.must(err)
	_, err = w.phone.ChangePIN(w.ctx, id, rightPIN, "6930")
	expectProblem(t, err, "wrong_pin")
	_, err = w.phone.ChangePIN(w.ctx, id, "582016", "6930")
	w.must(err)
	_, err = w.sent(w.kiosk, cardNumber, 100).Authenticate(w.ctx, "6930")
	w.must(err)
}

func TestUnfreezingNeedsThePIN(t *testing.T) {
	w := openWorld(t)
	id := consent.CardID(w.card.ID)
	_, err := w.phone.Freeze(w.ctx, id)
	w.must(err)
	_, err = w.phone.Unfreeze(w.ctx, id, wrongPIN)
	expectProblem(t, err, "wrong_pin")
	card, err := w.phone.Unfreeze(w.ctx, id, rightPIN)
	w.must(err)
	if card.State != "active" {
		t.Errorf("the card is %s", card.State)
	}
}

func TestAHolderSeesThatOnlyTheOperatorCanUnfreeze(t *testing.T) {
	w := openWorld(t)
	id := consent.CardID(w.card.ID)
	frozen := func(want bool, by string) {
		t.Helper()
		card, err := w.phone.Card(w.ctx, id)
		w.must(err)
		if card.State != "frozen" || card.FrozenByOperator != want {
			t.Errorf("frozen by %s: state %s, frozen_by_operator %t, want %t", by, card.State, card.FrozenByOperator, want)
		}
	}
	_, err := w.phone.Freeze(w.ctx, id)
	w.must(err)
	frozen(false, "its holder")
	_, err = w.operator.FreezeCard(w.ctx, id, "suspicion")
	w.must(err)
	frozen(true, "the operator")
	_, err = w.phone.Unfreeze(w.ctx, id, rightPIN)
	expectProblem(t, err, "card_state")
	card, err := w.operator.UnfreezeCard(w.ctx, id, "all is well")
	w.must(err)
	if card.FrozenByOperator {
		t.Error("the card is unfrozen, and still frozen by the operator")
	}
}

func TestWrongPINsPauseAndThenLock(t *testing.T) {
	w := openWorld(t)
	p := w.sent(w.phone, cardNumber, 100)
	for _, left := range []int{2, 1, 0} {
		_, err := p.Authenticate(w.ctx, wrongPIN)
		problem := expectProblem(t, err, "wrong_pin")
		if problem.AttemptsLeft == nil || *problem.AttemptsLeft != left {
			t.Fatalf("attempts left %v, want %d", problem.AttemptsLeft, left)
		}
	}
	w.expectState(p, payment.Rejected)
	p = w.sent(w.phone, cardNumber, 100)
	_, err := p.Authenticate(w.ctx, rightPIN)
	if problem := expectProblem(t, err, "authentication_paused"); problem.RetryAfter < 14*60 || problem.RetryAfter > 15*60 {
		t.Errorf("paused for %d s, want about 15 minutes", problem.RetryAfter)
	}
	for range 2 {
		w.clock.Advance(15 * time.Minute)
		_, err = w.sent(w.phone, cardNumber, 100).Authenticate(w.ctx, wrongPIN)
		expectProblem(t, err, "wrong_pin")
	}
	w.clock.Advance(24 * time.Hour)
	_, err = w.sent(w.phone, cardNumber, 100).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "authentication_locked")
}

func TestAHundredParallelWrongPINsGetNoMoreTriesThanTheLimit(t *testing.T) {
	for _, tc := range []struct {
		name  string
		own   bool
		tries int
	}{{"from the card's own device", true, 3}, {"from a stranger's", false, 2}} {
		t.Run(tc.name, func(t *testing.T) {
			w := openWorld(t)
			from := w.kiosk
			if tc.own {
				from = w.phone
			}
			p := w.sent(from, cardNumber, 100)
			codes := make(chan string, 100)
			var wg sync.WaitGroup
			for range cap(codes) {
				wg.Go(func() {
					e := w.post("/v1/payments/"+string(p.ID())+"/authentication", api.ContentJWS, w.signed(from.Key, consent.TypAuthentication,
						&consent.Authentication{Claims: w.claims(), Payment: p.ID(), PIN: wrongPIN}))
					codes <- e.problem(t).Code
				})
			}
			wg.Wait()
			close(codes)
			count := map[string]int{}
			for c := range codes {
				count[c]++
			}
			if count["wrong_pin"] != tc.tries || count["wrong_pin"]+count["authentication_paused"]+count["ended"]+count["busy"] != 100 {
				t.Errorf("answers %v, want %d wrong_pin", count, tc.tries)
			}
		})
	}
}

func TestAStrangersWrongPINsDoNotLockTheOwner(t *testing.T) {
	w := openWorld(t)
	for range 5 {
		p := w.sent(w.newDevice("stranger"), cardNumber, 100)
		for range 2 {
			if _, err := p.Authenticate(w.ctx, wrongPIN); err == nil {
				t.Fatal("a wrong PIN was right")
			}
		}
		w.clock.Advance(15 * time.Minute)
	}
	_, err := w.sent(w.kiosk, cardNumber, 100).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "authentication_paused") // strangers wait
	p := w.confirmed(w.phone, 1250)
	w.expectState(p, payment.Settled)
	w.clock.Advance(24 * time.Hour)
	_, err = w.sent(w.kiosk, cardNumber, 100).Authenticate(w.ctx, rightPIN)
	w.must(err) // and are not locked out for ever
}

func TestARevokedDeviceCanDoNothing(t *testing.T) {
	w := openWorld(t)
	p := w.authenticated(w.kiosk, 100)
	token := w.token(w.kiosk.Key)
	w.must(w.operator.RevokeDevice(w.ctx, w.kiosk.ID(), "stolen"))
	e := w.decide(w.kiosk, "confirmation", consent.TypConfirmation, p, p.View().Statement, "")
	if got := e.problem(t); got.Code != "device_revoked" {
		t.Errorf("confirming: %d %s", e.Status, got.Code)
	}
	if e := w.get("/v1/payments/"+string(p.ID()), token); e.Status != 401 && e.Status != 403 {
		t.Errorf("reading: %d", e.Status)
	}
	_, err := w.operator.Account(w.ctx, w.card.Account)
	w.must(err)
}
