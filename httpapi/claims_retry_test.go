package httpapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/operator"
	"tapline/payment"
)

// lossy is a world in which the answer to every write is lost once: the client sends it again under the same key.
type lossy struct {
	*world
	keys map[string]*consent.DeviceKey // by kid
}

// openLossy furnishes a world without any loss, and loses answers from then on.
func openLossy(t *testing.T, settings ...setting) *lossy {
	l := &lossy{openWorld(t, settings...), map[string]*consent.DeviceKey{}}
	l.keys[string(l.phone.ID())], l.keys[string(l.kiosk.ID())] = l.phone.Key, l.kiosk.Key
	l.operator = &operator.Client{URL: l.url, Key: l.operator.Key, Now: l.clock.Now, HTTP: &http.Client{Transport: l.wire}}
	return l
}

// newClient is a device that is not registered yet.
func (l *lossy) newClient() *device.Client {
	d := &device.Client{URL: l.url, Key: l.newKey(), Now: l.clock.Now, HTTP: &http.Client{Transport: l.wire}}
	l.keys[string(d.ID())] = d.Key
	return d
}

// once runs a step of which the answer is lost, and wants the client to be told the same when it asks again. Then it
// repeats the write in other ways, and wants nothing more to happen. code is the problem it ends with, or "".
func (l *lossy) once(name, code string, step func() error) {
	l.t.Helper()
	before := l.wire.count()
	l.wire.lose(1)
	err := step()
	switch {
	case code == "" && err != nil:
		l.t.Fatalf("%s: %v", name, err)
	case code != "":
		expectProblem(l.t, err, code)
	}
	var sent []exchange
	for _, e := range l.wire.since(before) {
		if e.Method == http.MethodPost && e.Path != "/v1/token" {
			sent = append(sent, e)
		}
	}
	if len(sent) != 2 || sent[0].Path != sent[1].Path || sent[0].AnswerHeader.Get(api.ReplayedHeader) != "" {
		l.t.Fatalf("%s: %d writes, want one and its repetition: %+v", name, len(sent), sent)
	}
	l.same(name+", by the client", sent[0], sent[1])
	l.unchanged(func() {
		l.same(name+", the same bytes", sent[0], l.again(sent[0]))
		l.same(name+", signed anew", sent[0], l.anew(sent[0]))
	})
}

// same wants a replay of an answer.
func (l *lossy) same(name string, first, again exchange) {
	l.t.Helper()
	if again.AnswerHeader.Get(api.ReplayedHeader) != "true" {
		l.t.Errorf("%s: not told that it is a replay", name)
	}
	if again.Status != first.Status || again.Answer != first.Answer {
		l.t.Errorf("%s: %d %s\nthe first time: %d %s", name, again.Status, again.Answer, first.Status, first.Answer)
	}
	for header := range first.AnswerHeader {
		if got, want := again.AnswerHeader.Get(header), first.AnswerHeader.Get(header); got != want && header != "Date" && header != "Trace-Id" {
			l.t.Errorf("%s: header %s is %q, the first time %q", name, header, got, want)
		}
	}
}

// again sends the same bytes, as a client that kept them would.
func (l *lossy) again(e exchange) exchange {
	var header []string
	for _, h := range []string{"Authorization", api.IdempotencyHeader} {
		if v := e.Header.Get(h); v != "" {
			header = append(header, h, v)
		}
	}
	return l.post(e.Path, e.Header.Get("Content-Type"), e.Request, header...)
}

// anew asks for the same under the same key a minute later: a device with a message of another time, an operator with
// another token.
func (l *lossy) anew(e exchange) exchange {
	l.t.Helper()
	l.clock.Advance(time.Minute)
	defer l.clock.Advance(-time.Minute)
	if e.Header.Get("Content-Type") != api.ContentJWS {
		token := e.Header.Get("Authorization")
		if !strings.HasSuffix(token, firstToken) {
			token = "Bearer " + l.token(l.operator.Key)
		}
		return l.post(e.Path, "application/json", e.Request, "Authorization", token, api.IdempotencyHeader, e.Header.Get(api.IdempotencyHeader))
	}
	var header map[string]any
	var claims map[string]json.RawMessage
	l.must(json.Unmarshal(headerText(l.t, e.Request), &header))
	l.must(json.Unmarshal(payload(l.t, e.Request), &claims))
	now, err := json.Marshal(l.clock.Now().Unix())
	l.must(err)
	claims["iat"] = now
	text, err := json.Marshal(claims)
	l.must(err)
	return l.post(e.Path, api.ContentJWS, forge(l.t, l.keys[header["kid"].(string)], header, string(text)))
}

// headerText is the protected header of a compact JWS.
func headerText(t testing.TB, compact string) []byte {
	t.Helper()
	header, _, _ := strings.Cut(compact, ".")
	return payload(t, "."+header+".")
}

func (w *wire) lose(n int) { w.mu.Lock(); defer w.mu.Unlock(); w.loses = n }

// sentOnce sends an instruction of which the answer is lost.
func (l *lossy) sentOnce(minor int64) (p *device.Payment) {
	l.t.Helper()
	draft := l.draft(l.kiosk, cardNumber, minor)
	l.once("instruct", "", func() (err error) { p, err = draft.Send(l.ctx); return err })
	return p
}

func TestALostAnswerIsGivenAgainAtEveryStepBeforeAPayment(t *testing.T) {
	t.Parallel() // clients pause before they ask again
	l := &lossy{bareWorld(t), map[string]*consent.DeviceKey{}}
	l.operator = &operator.Client{URL: l.url, Key: l.newKey(), Now: l.clock.Now, HTTP: &http.Client{Transport: l.wire}}
	var issued api.CardCode
	l.phone, l.kiosk = l.newClient(), l.newClient()
	l.once("enrol the first operator", "", func() error { _, err := l.operator.EnrolFirst(l.ctx, firstToken, "Olga"); return err })
	l.once("add a payee", "", func() (err error) {
		l.shop, err = l.operator.AddPayee(l.ctx, api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
		return err
	})
	l.once("issue a card", "", func() (err error) {
		issued, err = l.operator.IssueCard(l.ctx, api.NewCard{AccountNumber: string(cardNumber), Label: "Campus card", Currency: "CNY"})
		return err
	})
	l.once("top up", "", func() error {
		_, err := l.operator.TopUp(l.ctx, issued.Card.Account, api.NewTopUp{Amount: cny(100_00)})
		return err
	})
	for label, d := range map[string]*device.Client{"phone": l.phone, "kiosk": l.kiosk} {
		l.once("register the "+label, "", func() error { _, err := d.Register(l.ctx, label); return err })
	}
	l.once("activate with a wrong code", "activation_refused", func() error {
		_, err := l.phone.Activate(l.ctx, consent.NewActivationCode(), cardNumber, rightPIN)
		return err
	})
	l.once("activate", "", func() (err error) {
		l.card, err = l.phone.Activate(l.ctx, consent.Code(issued.Code), cardNumber, rightPIN)
		return err
	})
	if n := len(l.dump()["cards"]); n != 1 {
		t.Errorf("there are %d cards", n)
	}
	if l.shop.APIKey == "" || l.get("/v1/payments", l.shop.APIKey).Status != 200 {
		t.Errorf("the API key that was told again does not work")
	}
	l.expectMoney(100_00, 0, 0)
}

func TestALostAnswerIsGivenAgainAtEveryStepOfAPayment(t *testing.T) {
	t.Parallel() // clients pause before they ask again
	l := openLossy(t)
	p := l.sentOnce(1250)
	l.once("a wrong PIN", "wrong_pin", func() error {
		_, err := p.Authenticate(l.ctx, wrongPIN)
		if problem := expectProblem(t, err, "wrong_pin"); problem.AttemptsLeft == nil || *problem.AttemptsLeft != consent.StrangerTries.Pause-1 {
			t.Errorf("attempts left: %v", problem.AttemptsLeft)
		}
		return err
	})
	l.once("the right PIN", "", func() error { _, err := p.Authenticate(l.ctx, rightPIN); return err })
	s, err := p.Statement()
	l.must(err)
	l.once("confirm", "", func() error { _, err := p.Confirm(l.ctx, s); return err })
	l.expectMoney(100_00, 12_50, 0)
	a := l.approval(p)
	l.once("a wrong code", "wrong_code", func() error {
		_, err := a.Approve(l.ctx, wrongCode(p.View().Code))
		if problem := expectProblem(t, err, "wrong_code"); problem.AttemptsLeft == nil || *problem.AttemptsLeft != payment.CodeTries-1 {
			t.Errorf("attempts left: %v", problem.AttemptsLeft)
		}
		return err
	})
	l.once("approve", "", func() error { _, err := a.Approve(l.ctx, consent.Code(p.View().Code)); return err })
	l.expectState(p, payment.Settled)
	l.expectMoney(87_50, 0, 12_50)
	rows := l.dump()
	for table, want := range map[string]int{"payments": 1, "evidence": 2, "entries": 3} { // the top-up, the hold and its post
		if len(rows[table]) != want {
			t.Errorf("%d rows in %s, want %d: %q", len(rows[table]), table, want, rows[table])
		}
	}
}

func TestALostAnswerToAnEndIsGivenAgain(t *testing.T) {
	t.Parallel() // clients pause before they ask again
	l := openLossy(t)
	cancelled := l.sentOnce(500)
	l.once("cancel", "", func() error { _, err := cancelled.Cancel(l.ctx); return err })
	l.expectState(cancelled, payment.Cancelled)
	declined := l.authenticated(l.kiosk, 500)
	l.once("decline at first", "", func() error { _, err := declined.Decline(l.ctx); return err })
	l.expectState(declined, payment.Declined)
	poor := l.authenticated(l.kiosk, 100_01)
	s, err := poor.Statement()
	l.must(err)
	l.once("confirm without money", "insufficient_funds", func() error { _, err := poor.Confirm(l.ctx, s); return err })
	second := l.confirmed(l.kiosk, 500)
	l.once("decline at second", "", func() error { _, err := l.approval(second).Decline(l.ctx); return err })
	l.expectState(second, payment.Declined)
	byPayee := l.confirmed(l.kiosk, 500)
	path := "/v1/payments/" + string(byPayee.ID()) + "/cancel"
	key := []string{"Authorization", "Bearer " + l.shop.APIKey, api.IdempotencyHeader, "cancel-1"}
	first := l.post(path, "", "", key...)
	l.unchanged(func() { l.same("cancel by the payee", first, l.post(path, "", "", key...)) })
	l.expectState(byPayee, payment.Cancelled)
	stolen := l.confirmed(l.kiosk, 500)
	l.once("not me", "", func() error { _, err := l.approval(stolen).NotMe(l.ctx); return err })
	l.expectMoney(100_00, 0, 0)
}

func TestALostAnswerToACardholderIsGivenAgain(t *testing.T) {
	t.Parallel() // clients pause before they ask again
	l := openLossy(t)
	card := consent.CardID(l.card.ID)
	const newPIN consent.PIN = "825913"
	l.once("freeze", "", func() error { _, err := l.phone.Freeze(l.ctx, card); return err })
	l.once("unfreeze with a wrong PIN", "wrong_pin", func() error { _, err := l.phone.Unfreeze(l.ctx, card, wrongPIN); return err })
	l.once("unfreeze", "", func() error { _, err := l.phone.Unfreeze(l.ctx, card, rightPIN); return err })
	l.once("change the PIN", "", func() error { _, err := l.phone.ChangePIN(l.ctx, card, rightPIN, newPIN); return err })
	var code api.CardCode
	l.once("a code for a new PIN", "", func() (err error) { code, err = l.operator.ResetPIN(l.ctx, card, ""); return err })
	l.once("a wrong code for a new PIN", "reset_refused", func() error {
		_, err := l.phone.ResetPIN(l.ctx, card, consent.NewActivationCode(), rightPIN)
		return err
	})
	l.once("a new PIN", "", func() error { _, err := l.phone.ResetPIN(l.ctx, card, consent.Code(code.Code), rightPIN); return err })
	l.once("rebind", "", func() error { _, err := l.phone.Rebind(l.ctx, card, l.kiosk.ID()); return err })
	p := l.confirmed(l.kiosk, 500)
	l.expectState(p, payment.Settled) // the kiosk is the associated device, and the PIN is the last one set
}

func TestALostAnswerToAnOperatorIsGivenAgain(t *testing.T) {
	t.Parallel() // clients pause before they ask again
	l := openLossy(t)
	card, other := consent.CardID(l.card.ID), l.newClient()
	l.once("enrol another operator", "", func() error { _, err := l.operator.Enrol(l.ctx, "Otto", l.newKey().Public()); return err })
	l.once("freeze", "", func() error { _, err := l.operator.FreezeCard(l.ctx, card, "lost"); return err })
	l.once("unfreeze", "", func() error { _, err := l.operator.UnfreezeCard(l.ctx, card, "found"); return err })
	var code api.CardCode
	l.once("a code to rebind", "", func() (err error) { code, err = l.operator.RebindCard(l.ctx, card, ""); return err })
	l.clock.Advance(24*time.Hour + time.Second)
	l.once("register another device", "", func() error { _, err := other.Register(l.ctx, "tablet"); return err })
	l.once("bind it", "", func() error { _, err := other.Activate(l.ctx, consent.Code(code.Code), cardNumber, ""); return err })
	before := l.shop.Account
	l.once("move a payee", "", func() (err error) { l.shop, err = l.operator.MovePayee(l.ctx, "books@shop", "", ""); return err })
	if n := len(l.dump()["accounts"]); n != 4 || l.shop.Account == before { // card, two of the payee, issuance
		t.Errorf("%d accounts; the payee's was %s and is %s", n, before, l.shop.Account)
	}
	l.once("revoke a device", "", func() error { return l.operator.RevokeDevice(l.ctx, l.kiosk.ID(), "stolen") })
	l.once("close", "", func() error { _, err := l.operator.CloseCard(l.ctx, card, ""); return err })
	if n := len(l.dump()["audit"]); n != 11 {
		t.Errorf("%d audit records, want one for each of 11 actions: %q", n, l.dump()["audit"])
	}
}

func TestALostAnswerOfATapThatSettlesIsGivenAgain(t *testing.T) {
	t.Parallel() // clients pause before they ask again
	policy := payment.DefaultPolicy
	policy.Level, policy.AllowIdentifiedTap = payment.LevelTap, true
	l := openLossy(t, withPolicy(policy))
	l.kiosk = l.phone
	p := l.sentOnce(1250)
	l.expectState(p, payment.Settled)
	l.expectMoney(87_50, 0, 12_50)
}

func TestTheSameMessageAtOnceHasOneEffect(t *testing.T) {
	w := openWorld(t)
	p := w.sent(w.kiosk, cardNumber, 1250)
	wrong := w.signed(w.kiosk.Key, consent.TypAuthentication, &consent.Authentication{Claims: w.claims(), Payment: p.ID(), PIN: wrongPIN})
	instruction := forge(t, w.kiosk.Key, headerOf(w.kiosk.Key, consent.TypInstruction), w.instruction(w.kiosk))
	token := w.token(w.operator.Key)
	for name, attempt := range map[string]func(int) exchange{
		"wrong_pin": func(int) exchange {
			return w.post("/v1/payments/"+string(p.ID())+"/authentication", api.ContentJWS, wrong)
		},
		"201": func(int) exchange { return w.post("/v1/payments", api.ContentJWS, instruction) },
		"201 too": func(int) exchange {
			return w.post("/v1/admin/accounts/"+w.card.Account+"/top-ups", "application/json", `{"amount":{"minor":1000,"currency":"CNY"}}`,
				"Authorization", "Bearer "+token, api.IdempotencyHeader, "once")
		},
	} {
		fresh := make([]bool, 30)
		got := together(t, len(fresh), func(i int) exchange {
			e := attempt(i)
			fresh[i] = e.AnswerHeader.Get(api.ReplayedHeader) == "" && (e.Status < 300 || e.problem(t).Code != "in_progress")
			return e
		})
		code, _, _ := strings.Cut(name, " ")
		if n := len(slices.DeleteFunc(fresh, func(f bool) bool { return !f })); n != 1 || got[code]+got["in_progress"] != 30 {
			t.Errorf("%s: %d had an effect, of %v", name, n, got)
		}
	}
	if _, err := p.Authenticate(w.ctx, rightPIN); err != nil {
		t.Errorf("thirty times the same wrong PIN used more than one try: %v", err)
	}
	w.expectMoney(110_00, 0, 0)
}

func TestTheSameMessageWithAnotherPINIsNoSecondGuess(t *testing.T) {
	w := openWorld(t)
	p := w.sent(w.kiosk, cardNumber, 1250)
	claims := w.claims()
	guess := func(pin consent.PIN) exchange {
		return w.post("/v1/payments/"+string(p.ID())+"/authentication", api.ContentJWS,
			w.signed(w.kiosk.Key, consent.TypAuthentication, &consent.Authentication{Claims: claims, Payment: p.ID(), PIN: pin}))
	}
	first := guess(wrongPIN)
	w.unchanged(func() {
		if again := guess(rightPIN); again.Answer != first.Answer || again.AnswerHeader.Get(api.ReplayedHeader) != "true" {
			t.Errorf("the same message with the right PIN: %d %s", again.Status, again.Answer)
		}
	})
	w.expectState(p, payment.AuthenticationRequired)
}

func TestAReplayIsForWhoMayStillAsk(t *testing.T) {
	l := openLossy(t)
	before := l.wire.count()
	l.sentOnce(500)
	var sent exchange
	for _, e := range l.wire.since(before) {
		if e.Path == "/v1/payments" {
			sent = e
		}
	}
	l.must(l.operator.RevokeDevice(l.ctx, l.kiosk.ID(), "stolen"))
	l.unchanged(func() {
		expectRefusal(t, "a revoked device's own instruction", l.again(sent), 403, "device_revoked")
		expectRefusal(t, "signed anew", l.anew(sent), 403, "device_revoked")
	})
}
