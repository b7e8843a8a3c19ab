package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"tapline/api"
	"tapline/consent"
	"tapline/httpapi"
	"tapline/operator"
	"tapline/processor"
)

const formType = "application/x-www-form-urlencoded"

// signInWorld is a world whose first operator has a passkey to sign in with, on an authenticator made by others.
type signInWorld struct {
	*passkeyWorld
	owner string // the operator's id
	made  api.SignInPasskey
}

func openSignIn(t *testing.T, settings ...setting) *signInWorld {
	t.Helper()
	w := &signInWorld{passkeyWorld: barePasskey(t, settings...)}
	w.owner = string(w.operator.Key.ID())
	w.authenticator.Options.UserHandle = []byte(w.owner)
	made, err := w.operator.RegisterPasskey(w.ctx, "Olga's key", w.making(w.credential))
	w.must(err)
	w.made = made
	return w
}

// making is what the authenticator answers when a passkey to sign in with is made.
func (w *signInWorld) making(k virtualwebauthn.Credential) func([]byte, string) (consent.PasskeyCreation, error) {
	return func(challenge []byte, _ string) (consent.PasskeyCreation, error) { return w.create(k)(challenge) }
}

// challenge is a fresh one.
func (w *signInWorld) challenge() string {
	w.t.Helper()
	var c api.SignInChallenge
	w.must(json.Unmarshal([]byte(w.post("/v1/sign-in-challenges", "", "").Answer), &c))
	if c.Audience != w.audience() || c.Challenge == "" {
		w.t.Fatalf("the challenge is %+v", c)
	}
	return c.Challenge
}

// answer is the passkey's to a challenge.
func (w *signInWorld) answer(kind consent.TokenKind, challenge string) string {
	w.t.Helper()
	text, err := json.Marshal(w.assertFor(consent.SignInChallenge(kind, w.audience(), challenge)))
	w.must(err)
	return string(text)
}

func (w *signInWorld) present(challenge, answer string) exchange {
	w.t.Helper()
	return w.post("/v1/token", formType, url.Values{"grant_type": {"client_credentials"}, "challenge": {challenge}, "passkey": {answer}}.Encode())
}

// session signs in.
func (w *signInWorld) session(kind consent.TokenKind) api.Token {
	w.t.Helper()
	challenge := w.challenge()
	e := w.present(challenge, w.answer(kind, challenge))
	var token api.Token
	w.must(json.Unmarshal([]byte(e.Answer), &token))
	if e.Status != 200 || token.AccessToken == "" {
		w.t.Fatalf("no token: %d %s", e.Status, e.Answer)
	}
	return token
}

// refused wants no token.
func (w *signInWorld) refused(what string, e exchange) {
	w.t.Helper()
	if e.Status != 401 || !strings.Contains(e.Answer, `"invalid_client"`) || strings.Contains(e.Answer, "access_token") {
		w.t.Errorf("%s: answered %d %s", what, e.Status, e.Answer)
	}
}

func TestAnOperatorSignsInWithAPasskey(t *testing.T) {
	w := openSignIn(t)
	token := w.session(consent.OperatorToken)
	if token.ExpiresIn != 900 {
		t.Errorf("the token lasts %d seconds", token.ExpiresIn)
	}
	if e := w.get("/v1/admin/cards", token.AccessToken); e.Status != 200 {
		t.Errorf("the token reads cards: %d %s", e.Status, e.Answer)
	}
	list, err := w.operator.Passkeys(w.ctx)
	w.must(err)
	if len(list.Passkeys) != 1 || list.Passkeys[0].UsedAt == nil || list.Passkeys[0].Label != "Olga's key" || list.Name != "Olga" || list.Passkeys[0].Current {
		t.Errorf("passkeys: %+v", list)
	}
	audit, err := w.operator.Audit(w.ctx, "")
	w.must(err)
	if r := audit.Records[0]; r.Action != "operator.passkey_added" || r.Subject != w.made.Credential || r.Operator != w.owner {
		t.Errorf("the audit log says %+v", r)
	}
	events, err := w.operator.Events(w.ctx, "")
	w.must(err)
	if e := events.Events[0]; e.Type != "operator.passkey_added" || e.Subject != w.owner {
		t.Errorf("operators are told %+v", e)
	}
	w.clock.Advance(15*time.Minute + time.Second)
	expectRefusal(t, "a quarter of an hour later", w.get("/v1/admin/cards", token.AccessToken), 401, "token_expired")
}

func TestAPasskeysAnswerSignsInOnce(t *testing.T) {
	w := openSignIn(t)
	old, challenge := w.challenge(), w.challenge()
	answer := w.answer(consent.OperatorToken, challenge)
	if e := w.present(challenge, answer); e.Status != 200 {
		t.Fatalf("the first time: %d %s", e.Status, e.Answer)
	}
	w.refused("again", w.present(challenge, answer))
	w.refused("an answer to a challenge from before", w.present(old, w.answer(consent.OperatorToken, old)))
	w.clock.Advance(time.Minute)
	w.refused("a minute later", w.present(challenge, answer))
	other := w.challenge()
	w.refused("with another challenge", w.present(other, answer))
	w.clock.Advance(consent.SignInChallengeLife + time.Second)
	w.refused("a challenge that is too old", w.present(other, w.answer(consent.OperatorToken, other)))
}

// Two copies of one answer race; each node has only the database.
func TestOfTwoCopiesOfAnAnswerOneSignsIn(t *testing.T) {
	w := openSignIn(t)
	for range 5 {
		w.clock.Advance(time.Second)
		challenge := w.challenge()
		answer := w.answer(consent.OperatorToken, challenge)
		got := make(chan int, 8)
		for range cap(got) {
			go func() { got <- w.present(challenge, answer).Status }()
		}
		good := 0
		for range cap(got) {
			if <-got == 200 {
				good++
			}
		}
		if good != 1 {
			t.Fatalf("%d of %d copies have signed in", good, cap(got))
		}
	}
}

func TestChallengesThatTheServiceDidNotMakeAreRefused(t *testing.T) {
	w := openSignIn(t)
	good := w.challenge()
	version, rest, _ := strings.Cut(good, ".")
	raw, err := base64.RawURLEncoding.DecodeString(rest)
	w.must(err)
	changed := append([]byte(nil), raw...)
	changed[0]++ // later
	enc := base64.RawURLEncoding.EncodeToString
	for name, challenge := range map[string]string{
		"one's own": "my-challenge", "of another time": version + "." + enc(changed), "without its MAC": version + "." + enc(raw[:24]),
		"of another key": "2." + rest, "written otherwise": "0" + good, "padded": good + "=",
	} {
		w.refused(name, w.present(challenge, w.answer(consent.OperatorToken, challenge)))
	}
	for name, form := range map[string]url.Values{
		"no challenge": {"grant_type": {"client_credentials"}, "passkey": {w.answer(consent.OperatorToken, good)}},
		"no answer":    {"grant_type": {"client_credentials"}, "challenge": {good}, "passkey": {""}},
		"two ways": {"grant_type": {"client_credentials"}, "challenge": {good}, "passkey": {w.answer(consent.OperatorToken, good)},
			"client_assertion": {"x"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}},
		"not JSON":     {"grant_type": {"client_credentials"}, "challenge": {good}, "passkey": {"{"}},
		"with a field": {"grant_type": {"client_credentials"}, "challenge": {good}, "passkey": {`{"credential":"AA","operator":"me"}`}},
	} {
		if e := w.post("/v1/token", formType, form.Encode()); e.Status != 400 || !strings.Contains(e.Answer, "invalid_request") {
			t.Errorf("%s: answered %d %s", name, e.Status, e.Answer)
		}
	}
}

func TestAPasskeyForSomethingElseDoesNotSignIn(t *testing.T) {
	w := openSignIn(t)
	home := w.party
	attempt := func(what string, change func(), challengeOf func(string) []byte) {
		t.Helper()
		w.clock.Advance(time.Second)
		challenge := w.challenge()
		change()
		a, err := json.Marshal(w.assertFor(challengeOf(challenge)))
		w.must(err)
		w.refused(what, w.present(challenge, string(a)))
		w.party, w.authenticator.Options.UserNotVerified, w.authenticator.Options.UserNotPresent = home, false, false
		w.authenticator.Options.UserHandle = []byte(w.owner)
	}
	right := func(c string) []byte { return consent.SignInChallenge(consent.OperatorToken, w.audience(), c) }
	attempt("asked by another page", func() { w.party.Origin = "https://evil.example" }, right)
	attempt("for another host", func() { w.party.ID = "evil.example" }, right)
	attempt("user not verified", func() { w.authenticator.Options.UserNotVerified = true }, right)
	attempt("nobody there", func() { w.authenticator.Options.UserNotPresent = true }, right)
	attempt("of another user", func() { w.authenticator.Options.UserHandle = []byte("somebody else") }, right)
	none := func() {}
	attempt("as a payee", none, func(c string) []byte { return consent.SignInChallenge(consent.PayeeToken, w.audience(), c) })
	attempt("for the live service", none, func(c string) []byte {
		return consent.SignInChallenge(consent.OperatorToken, consent.Audience(w.url, "live"), c)
	})
	attempt("to register", none, func(c string) []byte { return consent.SignInRegistrationChallenge(w.owner, w.audience(), c) })
	attempt("to confirm a payment", none, consent.ConfirmationChallenge)
	attempt("the bare challenge", none, func(c string) []byte { return []byte(c) })
	if w.session(consent.OperatorToken).AccessToken == "" {
		t.Error("the passkey does not sign in any more")
	}
}

func TestACardholdersPasskeyIsNoOperators(t *testing.T) {
	w := openSignIn(t)
	card := newCredential()
	w.authenticator.Options.UserHandle = consent.UserHandle(consent.CardID(w.card.ID))
	w.register(w.phone, card)
	challenge := w.challenge()
	mine := w.credential
	w.credential = card
	w.refused("a cardholder's passkey", w.present(challenge, w.answer(consent.OperatorToken, challenge)))
	w.credential = mine
	// Nor does an operator's confirm a payment, with its own name or the card's.
	p := w.sent(w.phone, cardNumber, 12_50)
	_, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
	expectProblem(t, err, "passkey_refused")
	a := w.assert(p.View().Statement)
	a.Credential = base64.RawURLEncoding.EncodeToString(card.ID)
	_, err = p.ConfirmWith(w.ctx, w.shown(p), a)
	expectProblem(t, err, "passkey_refused")
	w.expectMoney(100_00, 0, 0)
}

func TestAnotherOperatorsPasskeyIsTheirOwn(t *testing.T) {
	w := openSignIn(t)
	bob := w.another("Bob")
	key := newCredential()
	w.authenticator.Options.UserHandle = []byte(bob.Key.ID())
	made, err := bob.RegisterPasskey(w.ctx, "Bob's", w.making(key))
	w.must(err)
	// Bob's key signs under the name of Olga's credential.
	mine := w.credential
	w.credential = key
	challenge := w.challenge()
	a := w.assertFor(consent.SignInChallenge(consent.OperatorToken, w.audience(), challenge))
	a.Credential = w.made.Credential
	text, err := json.Marshal(a)
	w.must(err)
	w.refused("Bob's key as Olga's", w.present(challenge, string(text)))
	// As himself Bob is Bob, and removes nothing of Olga's.
	token := w.session(consent.OperatorToken).AccessToken
	if e := w.get("/v1/sign-in-passkeys", token); !strings.Contains(e.Answer, `"name":"Bob"`) || strings.Contains(e.Answer, w.made.Credential) || !strings.Contains(e.Answer, `"current":true`) {
		t.Errorf("Bob sees %s", e.Answer)
	}
	_, err = bob.RemovePasskey(w.ctx, w.made.Credential)
	expectProblem(t, err, "unknown_passkey")
	_, err = w.operator.RemovePasskey(w.ctx, made.Credential)
	expectProblem(t, err, "unknown_passkey")
	// Olga's credential cannot be registered by Bob.
	w.credential = mine
	_, err = bob.RegisterPasskey(w.ctx, "mine now", w.making(mine))
	expectProblem(t, err, "passkey_exists")
}

func TestASignInsCounterMustRise(t *testing.T) {
	w := openSignIn(t)
	next := func(counter uint32) (string, string) {
		w.clock.Advance(time.Second)
		w.credential.Counter = counter
		challenge := w.challenge()
		return challenge, w.answer(consent.OperatorToken, challenge)
	}
	if e := w.present(next(7)); e.Status != 200 {
		t.Fatalf("a counter that rises: %d %s", e.Status, e.Answer)
	}
	for _, counter := range []uint32{7, 6, 0} {
		challenge, answer := next(counter)
		w.refused("a counter that does not rise", w.present(challenge, answer))
	}
	if e := w.present(next(8)); e.Status != 200 {
		t.Errorf("the next one: %d %s", e.Status, e.Answer)
	}
}

func TestARemovedPasskeyIsSignedOutAtOnce(t *testing.T) {
	w := openSignIn(t)
	session := w.session(consent.OperatorToken).AccessToken
	remove := `{"credential":"` + w.made.Credential + `"}`
	own := w.post("/v1/sign-in-passkeys/remove", "application/json", remove, "Authorization", "Bearer "+session, api.IdempotencyHeader, "a")
	expectRefusal(t, "the one that is signed in", own, 409, "passkey_in_use")
	_, err := w.operator.RemovePasskey(w.ctx, w.made.Credential)
	w.must(err)
	expectRefusal(t, "its session", w.get("/v1/admin/cards", session), 401, "invalid_token")
	w.clock.Advance(time.Second)
	challenge := w.challenge()
	w.refused("the removed passkey", w.present(challenge, w.answer(consent.OperatorToken, challenge)))
	_, err = w.operator.RemovePasskey(w.ctx, w.made.Credential)
	expectProblem(t, err, "unknown_passkey")
	_, err = w.operator.RegisterPasskey(w.ctx, "again", w.making(w.credential))
	expectProblem(t, err, "passkey_exists")
}

func TestARegistrationIsForItsOwnerAndOfAVerifiedUser(t *testing.T) {
	w := openSignIn(t)
	k := newCredential()
	bob := string(w.another("Bob").Key.ID())
	token := w.token(w.operator.Key)
	attempt := func(what, challenge string, signed []byte) exchange {
		t.Helper()
		made, err := w.create(k)(signed)
		w.must(err)
		body, err := json.Marshal(api.NewSignInPasskey{Challenge: challenge, Label: what, Passkey: made})
		w.must(err)
		return w.post("/v1/sign-in-passkeys", "application/json", string(body), "Authorization", "Bearer "+token, api.IdempotencyHeader, consent.NewID())
	}
	c := w.challenge()
	for what, e := range map[string]exchange{
		"made for another":      attempt("x", c, consent.SignInRegistrationChallenge(bob, w.audience(), c)),
		"to sign in":            attempt("x", c, consent.SignInChallenge(consent.OperatorToken, w.audience(), c)),
		"with one's own":        attempt("x", "mine", consent.SignInRegistrationChallenge(w.owner, w.audience(), "mine")),
		"for a card":            attempt("x", c, consent.RegistrationChallenge(consent.CardID(w.card.ID), c)),
		"for the live service":  attempt("x", c, consent.SignInRegistrationChallenge(w.owner, consent.Audience(w.url, "live"), c)),
		"with a device's token": w.post("/v1/sign-in-passkeys", "application/json", "{}", "Authorization", "Bearer "+w.token(w.phone.Key), api.IdempotencyHeader, "k"),
		"with nobody's token":   w.post("/v1/sign-in-passkeys", "application/json", "{}", api.IdempotencyHeader, "k"),
		"with a first token":    w.post("/v1/sign-in-passkeys", "application/json", "{}", "Authorization", "Bearer "+firstToken, api.IdempotencyHeader, "k"),
		"with a cardholder's":   w.get("/v1/sign-in-passkeys", w.token(w.phone.Key)),
		"without a verification": func() exchange {
			w.authenticator.Options.UserNotVerified = true
			return attempt("x", c, consent.SignInRegistrationChallenge(w.owner, w.audience(), c))
		}(),
	} {
		if e.Status < 400 || e.Status >= 500 {
			t.Errorf("%s: answered %d %s", what, e.Status, e.Answer)
		}
	}
	w.authenticator.Options.UserNotVerified = false
	if e := attempt("mine", c, consent.SignInRegistrationChallenge(w.owner, w.audience(), c)); e.Status != 201 {
		t.Errorf("a good one: %d %s", e.Status, e.Answer)
	}
	for i := range processor.MaxSignIns {
		k = newCredential()
		e := attempt("more", c, consent.SignInRegistrationChallenge(w.owner, w.audience(), c))
		if full := i >= processor.MaxSignIns-2; full != (e.Status == 422) {
			t.Errorf("passkey %d: %d %s", i+3, e.Status, e.Answer)
		}
	}
}

func TestAPayeeSignsInWithAPasskeyOfItsKey(t *testing.T) {
	w := openSignIn(t)
	k := newCredential()
	bearer := []string{"Authorization", "Bearer " + w.shop.APIKey, api.IdempotencyHeader, "key"}
	var list api.SignInPasskeys
	w.must(json.Unmarshal([]byte(w.get("/v1/sign-in-passkeys", w.shop.APIKey).Answer), &list))
	if list.Name != "Book Shop" || list.Owner == "" || len(list.Passkeys) != 0 {
		t.Fatalf("the payee has %+v", list)
	}
	challenge := w.challenge()
	w.authenticator.Options.UserHandle = []byte(list.Owner)
	made, err := w.create(k)(consent.SignInRegistrationChallenge(list.Owner, w.audience(), challenge))
	w.must(err)
	body, err := json.Marshal(api.NewSignInPasskey{Challenge: challenge, Label: "till", Passkey: made})
	w.must(err)
	if e := w.post("/v1/sign-in-passkeys", "application/json", string(body), bearer...); e.Status != 201 {
		t.Fatalf("registering: %d %s", e.Status, e.Answer)
	}
	mine := w.credential
	w.credential = k
	token := w.session(consent.PayeeToken)
	if token.ExpiresIn != 12*3600 {
		t.Errorf("the token lasts %d seconds", token.ExpiresIn)
	}
	if e := w.get("/v1/orders", token.AccessToken); e.Status != 200 || !strings.Contains(e.Answer, "books@shop") {
		t.Errorf("orders: %d %s", e.Status, e.Answer)
	}
	e := w.post("/v1/orders", "application/json", `{"amount":{"minor":1250,"currency":"CNY"}}`, "Authorization", "Bearer "+token.AccessToken, api.IdempotencyHeader, "o")
	if e.Status != 201 {
		t.Errorf("an order: %d %s", e.Status, e.Answer)
	}
	for _, path := range []string{"/v1/admin/cards", "/v1/admin/audit", "/v1/cards"} {
		expectRefusal(t, path, w.get(path, token.AccessToken), 403, "wrong_credential")
	}
	challenge = w.challenge()
	w.refused("a payee's passkey as an operator's", w.present(challenge, w.answer(consent.OperatorToken, challenge)))
	w.credential = mine
	w.authenticator.Options.UserHandle = []byte(w.owner)
	w.clock.Advance(time.Second)
	if w.session(consent.OperatorToken).AccessToken == "" {
		t.Error("the operator's passkey does not sign in")
	}
}

func TestARemovedOperatorIsOutAtOnce(t *testing.T) {
	w := openSignIn(t)
	session, bob := w.session(consent.OperatorToken).AccessToken, w.another("Bob")
	keyed := w.token(w.operator.Key)
	_, err := w.operator.Remove(w.ctx, w.owner, "me")
	expectProblem(t, err, "second_operator")
	_, err = bob.Remove(w.ctx, "nobody", "x")
	expectProblem(t, err, "not_found")
	removed, err := bob.Remove(w.ctx, w.owner, "left us")
	w.must(err)
	if removed.State != "removed" || removed.RemovedAt == nil {
		t.Errorf("removed: %+v", removed)
	}
	expectRefusal(t, "the passkey's session", w.get("/v1/admin/cards", session), 401, "invalid_token")
	expectRefusal(t, "the key's session", w.get("/v1/admin/cards", keyed), 401, "invalid_token")
	w.clock.Advance(time.Second)
	challenge := w.challenge()
	w.refused("the passkey", w.present(challenge, w.answer(consent.OperatorToken, challenge)))
	again := &operator.Client{URL: w.url, Key: w.operator.Key, Now: w.clock.Now}
	if _, err := again.Cards(w.ctx); err == nil {
		t.Error("the removed operator's key still gets tokens")
	}
	_, err = bob.Enrol(w.ctx, "Olga again", w.operator.Key.Public())
	expectProblem(t, err, "operator_exists")
	_, err = bob.Remove(w.ctx, w.owner, "again")
	expectProblem(t, err, "operator_decided")
	_, err = bob.Confirm(w.ctx, w.owner, "back")
	expectProblem(t, err, "operator_decided")
	w.operator = bob
}

func TestAnInviteEnrolsOne(t *testing.T) {
	w := openSignIn(t)
	invite, err := w.operator.Invite(w.ctx, "for Eve")
	w.must(err)
	eve := &operator.Client{URL: w.url, Key: w.newKey(), Now: w.clock.Now}
	for range 2 { // the same again is the same
		if _, err = eve.EnrolFirst(w.ctx, invite.Invite, "Eve"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := eve.Cards(w.ctx); err != nil {
		t.Errorf("Eve reads cards: %v", err)
	}
	mallory := &operator.Client{URL: w.url, Key: w.newKey(), Now: w.clock.Now}
	_, err = mallory.EnrolFirst(w.ctx, invite.Invite, "Mallory")
	expectProblem(t, err, "idempotency_key_reused")
	expectRefusal(t, "the invite reads", w.get("/v1/admin/cards", invite.Invite), 403, "wrong_credential")
	late, err := w.operator.Invite(w.ctx, "late")
	w.must(err)
	void, err := eve.Invite(w.ctx, "of one who is removed")
	w.must(err)
	_, err = w.operator.Remove(w.ctx, string(eve.Key.ID()), "no")
	w.must(err)
	_, err = mallory.EnrolFirst(w.ctx, void.Invite, "Mallory")
	expectProblem(t, err, "invalid_token")
	w.clock.Advance(consent.InviteLife + time.Second)
	_, err = mallory.EnrolFirst(w.ctx, late.Invite, "Mallory")
	expectProblem(t, err, "token_expired")
}

func TestWithFourEyesANewOperatorTakesTwo(t *testing.T) {
	w := openWorld(t, func(_ *processor.Config, c *httpapi.Config) { c.FourEyesAbove = 100_00 })
	bob := w.another("Bob") // there was nobody else to confirm
	eve := w.another("Eve")
	_, err := eve.Cards(w.ctx)
	if err == nil || !strings.Contains(err.Error(), "unauthorized_client") {
		t.Errorf("before anybody confirmed Eve gets %v", err)
	}
	id := string(eve.Key.ID())
	_, err = w.operator.Confirm(w.ctx, id, "mine")
	expectProblem(t, err, "second_operator")
	got, err := bob.Confirm(w.ctx, id, "I know her")
	w.must(err)
	if got.State != "active" || got.ConfirmedBy != string(bob.Key.ID()) || got.EnrolledBy != string(w.operator.Key.ID()) {
		t.Errorf("confirmed: %+v", got)
	}
	if _, err := eve.Cards(w.ctx); err != nil {
		t.Errorf("after Bob confirmed Eve gets %v", err)
	}
	// Who removes all others is not two people for that, with an invite neither.
	for _, o := range []*operator.Client{bob, eve} {
		_, err := w.operator.Remove(w.ctx, string(o.Key.ID()), "out")
		w.must(err)
	}
	invite, err := w.operator.Invite(w.ctx, "me")
	w.must(err)
	self := &operator.Client{URL: w.url, Key: w.newKey(), Now: w.clock.Now}
	made, err := self.EnrolFirst(w.ctx, invite.Invite, "Olga's other self")
	w.must(err)
	if made.State != "requested" {
		t.Errorf("the other self is %+v", made)
	}
	_, err = w.operator.Confirm(w.ctx, made.ID, "me again")
	expectProblem(t, err, "second_operator")
}
