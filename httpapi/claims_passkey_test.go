package httpapi_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/payment"
)

// passkeyWorld is a world whose cardholder has an authenticator, made by others.
type passkeyWorld struct {
	*world
	party         virtualwebauthn.RelyingParty
	authenticator virtualwebauthn.Authenticator
	credential    virtualwebauthn.Credential
	passkey       api.Passkey
}

func openPasskey(t *testing.T, settings ...setting) *passkeyWorld {
	t.Helper()
	w := barePasskey(t, settings...)
	w.passkey = w.register(w.phone, w.credential)
	return w
}

// barePasskey is a world with an authenticator that is not registered.
func barePasskey(t *testing.T, settings ...setting) *passkeyWorld {
	t.Helper()
	w := &passkeyWorld{world: openWorld(t, settings...)}
	service, err := w.phone.Service(w.ctx)
	w.must(err)
	w.party = virtualwebauthn.RelyingParty{ID: service.PasskeyHost, Name: "tapline", Origin: w.url}
	w.authenticator = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{
		UserHandle: consent.UserHandle(consent.CardID(w.card.ID)),
	})
	w.credential = newCredential()
	return w
}

// newCredential is a P-256 key of an authenticator's. The library leaves leading zeros of coordinates out, which RFC 9053
// §7.1.1 forbids and the service refuses; of such a key another one is made.
func newCredential() virtualwebauthn.Credential {
	const full = 77 // bytes of a COSE key with two coordinates of 32 bytes
	for {
		if k := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(k.Key.AttestationData()) == full {
			return k
		}
	}
}

func (w *passkeyWorld) register(d *device.Client, k virtualwebauthn.Credential) api.Passkey {
	w.t.Helper()
	made, err := d.RegisterPasskey(w.ctx, consent.CardID(w.card.ID), "phone", rightPIN, w.create(k))
	w.must(err)
	return made
}

// create is what the authenticator answers when a passkey is made.
func (w *passkeyWorld) create(k virtualwebauthn.Credential) func([]byte) (consent.PasskeyCreation, error) {
	return func(challenge []byte) (consent.PasskeyCreation, error) {
		var made struct {
			Response struct {
				ClientData  string `json:"clientDataJSON"`
				Attestation string `json:"attestationObject"`
			} `json:"response"`
		}
		text := virtualwebauthn.CreateAttestationResponse(w.party, w.authenticator, k,
			virtualwebauthn.AttestationOptions{Challenge: challenge, RelyingPartyID: w.party.ID})
		err := json.Unmarshal([]byte(text), &made)
		return consent.PasskeyCreation{ClientData: made.Response.ClientData, Attestation: made.Response.Attestation}, err
	}
}

// assert is what the authenticator answers to a statement.
func (w *passkeyWorld) assert(statement string) consent.PasskeyAssertion {
	w.t.Helper()
	return w.assertFor(consent.ConfirmationChallenge(statement))
}

func (w *passkeyWorld) assertFor(challenge []byte) consent.PasskeyAssertion {
	w.t.Helper()
	var got struct {
		ID       string `json:"id"`
		Response struct {
			ClientData        string `json:"clientDataJSON"`
			AuthenticatorData string `json:"authenticatorData"`
			Signature         string `json:"signature"`
			UserHandle        string `json:"userHandle"`
		} `json:"response"`
	}
	text := virtualwebauthn.CreateAssertionResponse(w.party, w.authenticator, w.credential,
		virtualwebauthn.AssertionOptions{Challenge: challenge, RelyingPartyID: w.party.ID})
	w.must(json.Unmarshal([]byte(text), &got))
	r := got.Response
	return consent.PasskeyAssertion{Credential: got.ID, ClientData: r.ClientData, AuthenticatorData: r.AuthenticatorData,
		Signature: r.Signature, UserHandle: r.UserHandle}
}

// shown is what the user of a payment's device is shown.
func (w *passkeyWorld) shown(p *device.Payment) consent.Statement {
	w.t.Helper()
	s, err := p.Statement()
	w.must(err)
	return s
}

// answerWith is an answer of Secure Payment Confirmation: the same key signs client data of another type, with what the
// browser's dialog showed.
func (w *passkeyWorld) answerWith(statement string, change func(map[string]any)) consent.PasskeyAssertion {
	w.t.Helper()
	s, err := consent.ParseStatement(statement)
	w.must(err)
	amount := strings.TrimSuffix(s.AmountText, " "+string(s.Amount.Currency))
	data := map[string]any{
		"type": "payment.get", "origin": w.url, "crossOrigin": false, "androidPackageName": "a key that browsers may add",
		"challenge": base64.RawURLEncoding.EncodeToString(consent.ConfirmationChallenge(statement)),
		"payment": map[string]any{
			"rpId": w.party.ID, "topOrigin": w.url, "payeeName": s.PayeeName, "payeeOrigin": "https://shop.example",
			"total":      map[string]any{"value": amount, "currency": string(s.Amount.Currency)},
			"instrument": map[string]any{"icon": w.url + "/icon.svg", "displayName": s.CardLabel},
		},
	}
	if change != nil {
		change(data)
	}
	raw, err := json.Marshal(data)
	w.must(err)
	a := w.assert(statement)
	authData, err := base64.RawURLEncoding.DecodeString(a.AuthenticatorData)
	w.must(err)
	sum := sha256.Sum256(raw)
	signed := sha256.Sum256(append(authData, sum[:]...))
	signature, err := w.credential.Key.Sign(signed[:])
	w.must(err)
	a.ClientData = base64.RawURLEncoding.EncodeToString(raw)
	a.Signature = base64.RawURLEncoding.EncodeToString(signature)
	return a
}

func TestOneGestureAuthenticatesAndConfirms(t *testing.T) {
	w := openPasskey(t)
	sent := w.wire.count()
	p := w.sent(w.phone, cardNumber, 12_50)
	if diff := cmp.Diff([]string{"passkey", "pin"}, p.View().Next.Methods); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{w.passkey.Credential}, p.View().Passkeys); diff != "" {
		t.Errorf("passkeys (-want +got):\n%s", diff)
	}
	view, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
	w.must(err)
	if view.State != string(payment.Settled) {
		t.Errorf("the payment is %s", view.State)
	}
	w.expectMoney(87_50, 0, 12_50)
	var writes []string
	for _, e := range w.wire.since(sent) {
		if e.Method == "POST" && e.Path != "/v1/token" {
			writes = append(writes, e.Path)
		}
	}
	if diff := cmp.Diff([]string{"/v1/payments", "/v1/payments/" + string(p.ID()) + "/confirmation"}, writes); diff != "" {
		t.Errorf("round trips from tap to paid (-want +got):\n%s", diff)
	}
	receipt, err := p.Receipt(w.ctx)
	w.must(err)
	if receipt.Receipt.FirstDigest == "" || receipt.Receipt.Stages.Total < 0 {
		t.Errorf("the receipt names no confirmed statement: %+v", receipt.Receipt)
	}
	list, err := w.phone.Passkeys(w.ctx, consent.CardID(w.card.ID))
	w.must(err)
	if len(list) != 1 || list[0].UsedAt == nil || !list[0].Usable {
		t.Errorf("passkeys: %+v", list)
	}
}

func TestAtLevelAuthenticateAPasskeySettles(t *testing.T) {
	w := openPasskey(t, atLevel(payment.LevelAuthenticate))
	p := w.sent(w.phone, cardNumber, 12_50)
	view, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
	w.must(err)
	if view.State != string(payment.Settled) {
		t.Errorf("the payment is %s", view.State)
	}
	w.expectMoney(87_50, 0, 12_50)
}

func TestABrowsersPaymentDialogConfirms(t *testing.T) {
	w := openPasskey(t)
	p := w.sent(w.phone, cardNumber, 12_50)
	_, err := p.ConfirmWith(w.ctx, w.shown(p), w.answerWith(p.View().Statement, nil))
	w.must(err)
	w.expectState(p, payment.Settled)
	w.expectMoney(87_50, 0, 12_50)
}

func TestABrowsersPaymentDialogMustHaveShownThisPayment(t *testing.T) {
	w := openPasskey(t)
	set := func(keys ...string) func(map[string]any) {
		return func(data map[string]any) {
			for _, k := range keys[:len(keys)-2] {
				data = data[k].(map[string]any)
			}
			data[keys[len(keys)-2]] = keys[len(keys)-1]
		}
	}
	p := w.sent(w.phone, cardNumber, 12_50)
	for name, change := range map[string]func(map[string]any){
		"amount":          set("payment", "total", "value", "1.25"),
		"amount in signs": set("payment", "total", "value", "+12.50"),
		"currency":        set("payment", "total", "currency", "USD"),
		"payee":           set("payment", "payeeName", "Another Shop"),
		"relying party":   set("payment", "rpId", "evil.example"),
		"top origin":      set("payment", "topOrigin", "https://evil.example"),
		"origin":          set("origin", "https://evil.example"),
		"type":            set("type", "payment.create"),
		"no payment":      func(data map[string]any) { delete(data, "payment") },
		"cross origin":    func(data map[string]any) { data["crossOrigin"] = true },
	} {
		_, err := p.ConfirmWith(w.ctx, w.shown(p), w.answerWith(p.View().Statement, change))
		if problem := expectProblem(t, err, "passkey_refused"); problem.Field == "" {
			t.Errorf("%s: no field is named", name)
		}
	}
	w.expectState(p, payment.AuthenticationRequired)
	w.expectMoney(100_00, 0, 0)
}

func TestAPasskeyAnswersOneStatementOnly(t *testing.T) {
	w := openPasskey(t)
	p, q := w.sent(w.phone, cardNumber, 12_50), w.sent(w.phone, cardNumber, 1)
	other := w.assert(q.View().Statement)
	_, err := p.ConfirmWith(w.ctx, w.shown(p), other)
	expectProblem(t, err, "passkey_refused")
	// The statement that the passkey did answer is another payment's.
	m := consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: q.View().Statement, Passkey: &other}
	e := w.post("/v1/payments/"+string(p.ID())+"/confirmation", api.ContentJWS, w.signed(w.phone.Key, consent.TypConfirmation, &m))
	if got := e.problem(t).Code; got != "statement_mismatch" {
		t.Errorf("another payment's statement: %s", got)
	}
	// Neither does the answer serve as an approval, nor to decline.
	for _, decision := range []consent.Verdict{consent.Decline, consent.Approve} {
		typ, path := consent.TypApproval, "/approval"
		if decision == consent.Decline {
			typ, path = consent.TypConfirmation, "/confirmation"
		}
		m := consent.Decision{Claims: w.claims(), Payment: q.ID(), Decision: decision, Statement: q.View().Statement, Passkey: &other}
		e := w.post("/v1/payments/"+string(q.ID())+path, api.ContentJWS, w.signed(w.phone.Key, typ, &m))
		if p := e.problem(t); p.Status != 400 || p.Field != "passkey" {
			t.Errorf("%s with a passkey: %d %s", path, p.Status, p.Field)
		}
	}
	w.expectState(p, payment.AuthenticationRequired)
	w.expectState(q, payment.AuthenticationRequired)
	_, err = q.ConfirmWith(w.ctx, w.shown(q), other)
	w.must(err)
	w.expectMoney(99_99, 0, 1)
}

func TestPasskeyOfAnotherKeyUserOrPlaceIsRefused(t *testing.T) {
	for name, change := range map[string]func(*passkeyWorld){
		"another key": func(w *passkeyWorld) {
			id := w.credential.ID
			w.credential = newCredential()
			w.credential.ID = id
		},
		"unknown credential": func(w *passkeyWorld) { w.credential.ID = []byte("somebody else's, sixteen and more") },
		"origin":             func(w *passkeyWorld) { w.party.Origin = "https://evil.example" },
		"another port":       func(w *passkeyWorld) { w.party.Origin += "0" },
		"relying party":      func(w *passkeyWorld) { w.party.ID = "evil.example" },
		"user not verified":  func(w *passkeyWorld) { w.authenticator.Options.UserNotVerified = true },
		"user not present":   func(w *passkeyWorld) { w.authenticator.Options.UserNotPresent = true },
		"another user":       func(w *passkeyWorld) { w.authenticator.Options.UserHandle = []byte("another") },
	} {
		t.Run(name, func(t *testing.T) {
			w := openPasskey(t)
			p := w.sent(w.phone, cardNumber, 12_50)
			change(w)
			_, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
			expectProblem(t, err, "passkey_refused")
			w.expectState(p, payment.AuthenticationRequired)
			w.expectMoney(100_00, 0, 0)
		})
	}
}

func TestPasskeyNeedsTheDevicesSignatureAsWell(t *testing.T) {
	w := openPasskey(t)
	p := w.sent(w.phone, cardNumber, 12_50)
	statement := p.View().Statement
	m := consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: statement, Passkey: ptr(w.assert(statement))}
	e := w.post("/v1/payments/"+string(p.ID())+"/confirmation", api.ContentJWS, w.signed(w.kiosk.Key, consent.TypConfirmation, &m))
	if got := e.problem(t).Code; got != "unknown_payment" {
		t.Errorf("signed by another device: %s", got)
	}
	w.expectState(p, payment.AuthenticationRequired)
}

func TestPasskeysAreNamedToBoundDevicesOnly(t *testing.T) {
	w := openPasskey(t)
	known, unknown := w.sent(w.kiosk, cardNumber, 12_50), w.sent(w.kiosk, unknownNumber, 12_50)
	for _, p := range []*device.Payment{known, unknown} {
		answer := p.View()
		view, err := p.Refresh(w.ctx)
		w.must(err)
		for _, v := range []api.Payment{answer, view} {
			if v.Statement != "" || v.Passkeys != nil || !cmp.Equal(v.Next.Methods, []string{"pin"}) {
				t.Errorf("a stranger sees %+v", v)
			}
		}
	}
	// A stranger who has the passkey, too, is told the same as with a number that nobody has.
	for _, p := range []*device.Payment{known, unknown} {
		q := w.sent(w.phone, cardNumber, 1)
		statement := q.View().Statement
		m := consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: statement, Passkey: ptr(w.assert(statement))}
		e := w.post("/v1/payments/"+string(p.ID())+"/confirmation", api.ContentJWS, w.signed(w.kiosk.Key, consent.TypConfirmation, &m))
		if got := e.problem(t).Code; got != "statement_mismatch" {
			t.Errorf("a stranger with the passkey: %s", got)
		}
	}
	e := w.get("/v1/cards/"+w.card.ID+"/passkeys", w.token(w.kiosk.Key))
	if got := e.problem(t).Code; got != "unknown_card" {
		t.Errorf("a stranger lists passkeys: %s", got)
	}
}

func TestAPasskeyFromABoundDeviceDoesNotSpareTheApproval(t *testing.T) {
	w := openPasskey(t)
	// The old phone stays bound to the card; its passkeys die, and the new phone's are offered to both.
	phone2 := w.newDevice("new phone")
	_, err := w.phone.Rebind(w.ctx, consent.CardID(w.card.ID), phone2.Key.ID())
	w.must(err)
	old := w.sent(w.phone, cardNumber, 12_50)
	if old.View().Passkeys != nil {
		t.Errorf("after rebinding there are still passkeys: %v", old.View().Passkeys)
	}
	w.credential = newCredential()
	w.register(phone2, w.credential)
	p := w.sent(w.phone, cardNumber, 12_50)
	view, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
	w.must(err)
	if view.State != string(payment.ApprovalRequired) {
		t.Errorf("the payment is %s", view.State)
	}
	w.expectMoney(100_00, 12_50, 0)
	a, err := phone2.Approval(w.ctx, p.ID())
	w.must(err)
	_, err = a.Approve(w.ctx, consent.Code(view.Code))
	w.must(err)
	w.expectMoney(87_50, 0, 12_50)
}

func TestARegistrationNeedsTheAssociatedDeviceAndThePIN(t *testing.T) {
	w := barePasskey(t)
	id := consent.CardID(w.card.ID)
	_, err := w.kiosk.RegisterPasskey(w.ctx, id, "kiosk", rightPIN, w.create(w.credential))
	expectProblem(t, err, "unknown_card")
	_, err = w.phone.RegisterPasskey(w.ctx, id, "phone", wrongPIN, w.create(w.credential))
	if p := expectProblem(t, err, "wrong_pin"); p.AttemptsLeft == nil || *p.AttemptsLeft != 2 {
		t.Errorf("attempts left: %v", p.AttemptsLeft)
	}
	list, err := w.phone.Passkeys(w.ctx, id)
	w.must(err)
	if len(list) != 0 {
		t.Errorf("passkeys: %+v", list)
	}
	w.register(w.phone, w.credential)
	_, err = w.phone.RegisterPasskey(w.ctx, id, "again", rightPIN, w.create(w.credential))
	expectProblem(t, err, "passkey_exists")
}

func TestARegistrationIsForItsOwnMessageOnly(t *testing.T) {
	w := barePasskey(t)
	id := consent.CardID(w.card.ID)
	for name, change := range map[string]func(challenge []byte) []byte{
		"another message": func([]byte) []byte { return consent.RegistrationChallenge(id, consent.NewID()) },
		"another card":    func([]byte) []byte { return consent.RegistrationChallenge("other", consent.NewID()) },
		"none":            func([]byte) []byte { return nil },
	} {
		_, err := w.phone.RegisterPasskey(w.ctx, id, "phone", rightPIN, func(challenge []byte) (consent.PasskeyCreation, error) {
			return w.create(w.credential)(change(challenge))
		})
		if p := expectProblem(t, err, "passkey_refused"); !strings.HasPrefix(p.Field, "client_data") {
			t.Errorf("%s: %s", name, p.Field)
		}
	}
	w.authenticator.Options.UserNotVerified = true
	_, err := w.phone.RegisterPasskey(w.ctx, id, "phone", rightPIN, w.create(w.credential))
	expectProblem(t, err, "passkey_refused")
	// None of it took a try at the PIN.
	_, err = w.phone.RegisterPasskey(w.ctx, id, "phone", wrongPIN, func(c []byte) (consent.PasskeyCreation, error) {
		w.authenticator.Options.UserNotVerified = false
		return w.create(w.credential)(c)
	})
	if p := expectProblem(t, err, "wrong_pin"); *p.AttemptsLeft != 2 {
		t.Errorf("attempts left: %d", *p.AttemptsLeft)
	}
}

func TestARemovedPasskeyIsDead(t *testing.T) {
	w := openPasskey(t)
	p := w.sent(w.phone, cardNumber, 12_50)
	statement := p.View().Statement
	removed, err := w.phone.RemovePasskey(w.ctx, consent.CardID(w.card.ID), w.passkey.Credential)
	w.must(err)
	if removed.Usable {
		t.Error("the removed passkey is said to be usable")
	}
	_, err = w.phone.RemovePasskey(w.ctx, consent.CardID(w.card.ID), w.passkey.Credential)
	expectProblem(t, err, "unknown_passkey")
	_, err = w.kiosk.RemovePasskey(w.ctx, consent.CardID(w.card.ID), w.passkey.Credential)
	expectProblem(t, err, "unknown_card")
	_, err = p.ConfirmWith(w.ctx, w.shown(p), w.assert(statement))
	expectProblem(t, err, "passkey_refused")
	view, err := p.Refresh(w.ctx)
	w.must(err)
	if view.Statement != "" || view.Passkeys != nil {
		t.Errorf("the payment still offers it: %+v", view)
	}
	_, err = p.Authenticate(w.ctx, rightPIN)
	w.must(err)
}

// A thief has the phone and a device that was bound before, and on it the passkey, which was synced. The phone's loss
// was told to an operator.
func TestAPasskeyOfARevokedDeviceIsDead(t *testing.T) {
	w := barePasskey(t)
	phone2 := w.newDevice("new phone")
	_, err := w.phone.Rebind(w.ctx, consent.CardID(w.card.ID), phone2.Key.ID())
	w.must(err)
	w.register(phone2, w.credential)
	p := w.sent(w.phone, cardNumber, 12_50)
	statement := p.View().Statement
	w.must(w.operator.RevokeDevice(w.ctx, phone2.Key.ID(), "lost"))
	_, err = p.ConfirmWith(w.ctx, w.shown(p), w.assert(statement))
	expectProblem(t, err, "passkey_refused")
	view, err := p.Refresh(w.ctx)
	w.must(err)
	after := w.sent(w.phone, cardNumber, 12_50).View()
	for name, v := range map[string]api.Payment{"before": view, "after": after} {
		if v.Statement != "" || v.Passkeys != nil {
			t.Errorf("the payment from %s still offers it: %+v", name, v)
		}
	}
	list, err := w.phone.Passkeys(w.ctx, consent.CardID(w.card.ID))
	w.must(err)
	if len(list) != 1 || list[0].Usable {
		t.Errorf("passkeys: %+v", list)
	}
	w.expectState(p, payment.AuthenticationRequired)
	w.expectMoney(100_00, 0, 0)
}

// The card's holder removes a device that was bound before. What it registered does not come back with it.
func TestAPasskeyOfARemovedDeviceIsDead(t *testing.T) {
	w := openPasskey(t)
	phone2 := w.newDevice("new phone")
	id := consent.CardID(w.card.ID)
	_, err := w.phone.Rebind(w.ctx, id, phone2.Key.ID())
	w.must(err)
	_, err = phone2.RemoveDevice(w.ctx, id, rightPIN, w.phone.Key.ID())
	w.must(err)
	if list, err := phone2.Passkeys(w.ctx, id); err != nil || len(list) != 0 {
		t.Errorf("passkeys: %+v, %v", list, err)
	}
	_, err = phone2.Rebind(w.ctx, id, w.phone.Key.ID())
	w.must(err)
	if p := w.sent(w.phone, cardNumber, 12_50).View(); p.Passkeys != nil {
		t.Errorf("bound again, the device is offered %v", p.Passkeys)
	}
	w.credential = newCredential()
	w.register(w.phone, w.credential) // the count of the card's passkeys is right: there is room for this one
}

func TestAPasskeysCounterMustRise(t *testing.T) {
	w := barePasskey(t)
	w.credential.Counter = 5
	w.passkey = w.register(w.phone, w.credential)
	for counter, code := range map[uint32]string{0: "passkey_refused", 4: "passkey_refused", 5: "passkey_refused"} {
		w.credential.Counter = counter
		p := w.sent(w.phone, cardNumber, 1)
		_, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
		expectProblem(t, err, code)
	}
	w.credential.Counter = 6
	p := w.sent(w.phone, cardNumber, 1)
	_, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
	w.must(err)
	w.expectMoney(99_99, 0, 1)
}

func TestAPasskeyCannotConfirmLateOrForAFrozenCard(t *testing.T) {
	w := openPasskey(t)
	late, frozen := w.sent(w.phone, cardNumber, 1), w.sent(w.phone, cardNumber, 1)
	_, err := w.phone.Freeze(w.ctx, consent.CardID(w.card.ID))
	w.must(err)
	_, err = frozen.ConfirmWith(w.ctx, w.shown(frozen), w.assert(frozen.View().Statement))
	expectProblem(t, err, "card_state")
	w.clock.Advance(payment.AuthenticationWait + time.Second)
	_, err = late.ConfirmWith(w.ctx, w.shown(late), w.assert(late.View().Statement))
	expectProblem(t, err, "expired")
	w.expectMoney(100_00, 0, 0)
}

func TestALostAnswerToAGestureIsTheSameAnswerAgain(t *testing.T) {
	w := openPasskey(t)
	p := w.sent(w.phone, cardNumber, 12_50)
	w.wire.loses = 1
	view, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
	w.must(err)
	if view.State != string(payment.Settled) {
		t.Errorf("the payment is %s", view.State)
	}
	w.expectMoney(87_50, 0, 12_50)
}

func TestMoreThanThereIsIsRejectedByAGestureAsWell(t *testing.T) {
	w := openPasskey(t)
	p := w.sent(w.phone, cardNumber, 100_01)
	_, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
	expectProblem(t, err, "insufficient_funds")
	w.expectState(p, payment.Rejected)
	w.expectMoney(100_00, 0, 0)
}
