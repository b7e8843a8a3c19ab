package httpapi

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// getService is GET /v1/service.
func (c *call) getService() (answer, error) {
	return ok(api.Service{
		Name: "tapline", Version: c.Version, Environment: c.Environment, Sandbox: c.Sandbox != nil, Audience: c.audience,
		PasskeyHost: c.party.ID, CodeDigits: c.CodeDigits, Rehearsals: true,
		CardProofs: len(c.Authorities.Keys()) > 0,
	})
}

// registerDevice is POST /v1/devices. The signature with the key that the message brings along proves possession.
func (c *call) registerDevice() (answer, error) {
	var m consent.DeviceRegistration
	id, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	label, err := consent.CleanText(m.Label, consent.MaxLabel)
	if err != nil {
		return answer{}, err
	}
	e, err := consent.Read(string(c.body), consent.TypDevice)
	if err != nil {
		return answer{}, err
	}
	command := &processor.RegisterDevice{Device: processor.Device{ID: id, PublicKey: e.Key().JWK(), Label: label}}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(deviceView(command.Device))
	}})
}

func deviceView(d processor.Device) api.Device {
	view := api.Device{ID: string(d.ID), Label: d.Label, CreatedAt: d.CreatedAt}
	if !d.UsedAt.IsZero() {
		view.UsedAt = &d.UsedAt
	}
	if !d.RevokedAt.IsZero() {
		view.RevokedAt = &d.RevokedAt
	}
	return view
}

// getPayee is GET /v1/payees/{handle}. An alias leads to the payee, whose handle is what is signed.
func (c *call) getPayee() (answer, error) {
	handle := payment.Handle(c.r.PathValue("handle"))
	if consent.CheckHandle(string(handle)) != nil {
		return answer{}, processor.ErrUnknownPayee
	}
	p, alias, err := c.findPayee(handle)
	if err != nil {
		return answer{}, err
	}
	currency := money.Currency(cmp.Or(c.query["currency"], string(p.Currency)))
	account, takes := p.In(currency)
	currencies := p.Currencies()
	if !takes {
		return answer{}, processor.ErrCurrency
	}
	p.Account, p.Currency = account, currency
	view := wholePayee(p)
	view.Currencies, view.Alias = currencies, string(alias)
	if view.Fee, err = c.payerFee(p.Handle, currency); err != nil {
		return answer{}, err
	}
	return ok(view)
}

// findPayee is an open payee by its handle or alias. A closed one, or one that a removed alias led to, answers like one that never
// was: by as many questions to the database, too.
func (c *call) findPayee(handle payment.Handle) (p processor.Payee, alias payment.Handle, err error) {
	wants := processor.Wants{Payees: []payment.Handle{handle}, Aliases: []payment.Handle{handle}}
	rows, err := c.load(c.r.Context(), wants)
	if err != nil {
		return p, "", err
	}
	if len(rows.Aliases) > 0 && rows.Aliases[0].RemovedAt.IsZero() {
		alias = handle
		wants = processor.Wants{Payees: []payment.Handle{rows.Aliases[0].Payee}}
		if rows, err = c.load(c.r.Context(), wants); err != nil {
			return p, "", err
		}
	}
	if len(rows.Payees) == 0 || rows.Payees[0].Closed {
		c.chargeLookups(c.by.device, missCosts-1)
		return p, "", processor.ErrUnknownPayee
	}
	return rows.Payees[0], alias, nil
}

// payeeView shows a payee with the account masked, to whoever has not authenticated.
func payeeView(handle payment.Handle, name, account string, currency money.Currency) api.Payee {
	last4 := account[max(0, len(account)-4):]
	return api.Payee{Handle: string(handle), Name: name, Account: consent.MaskLast4(last4), Currency: currency}
}

// wholePayee is a payee as whoever looks it up sees it.
func wholePayee(p processor.Payee) api.Payee {
	v := payeeView(p.Handle, p.Name, string(p.Account), p.Currency)
	v.Kind, v.Currencies, v.Rehearsals, v.Undo = string(p.Kind), p.Currencies(), p.Rehearsals, int64(p.Undo/time.Second)
	return v
}

// What POST /v1/token takes (RFC 6749 §4.4.2, RFC 7523 §2.2).
const (
	grantType     = "client_credentials"
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

var tokenForm = []param{
	{name: "grant_type", doc: "How the token is got.", enum: []string{grantType}, required: true},
	{name: "client_assertion_type", doc: "RFC 7523 §2.2.", enum: []string{assertionType}},
	{name: "client_assertion", doc: "A JWS of type JWT by the device's or operator's key; its claims are iss, sub, aud, iat, exp and jti. Each is good for one token."},
	{name: "challenge", doc: "In place of an assertion: the challenge that a passkey has answered."},
	{name: "passkey", doc: "The passkey's answer as JSON, a PasskeyAssertion."},
}

// getToken is POST /v1/token. Its errors have OAuth's own form (RFC 6749 §5.2).
func (c *call) getToken() (answer, error) {
	form, refusal := tokenRequest(c.body)
	if refusal != "" {
		return oauthError(http.StatusBadRequest, refusal, "")
	}
	if form.Has("passkey") {
		return c.signIn(form.Get("challenge"), form.Get("passkey"))
	}
	assertion := form.Get("client_assertion")
	e, err := consent.Read(assertion, consent.TypAssertion)
	if err != nil {
		return oauthError(http.StatusUnauthorized, "invalid_client", err.Error())
	}
	key, kind, err := c.clientKey(e.Device())
	if errors.Is(err, errRequested) {
		return oauthError(http.StatusBadRequest, "unauthorized_client", err.Error())
	}
	if err != nil {
		if r, _ := explain(err); c.problem(r, "").Status >= http.StatusInternalServerError {
			return answer{}, err
		}
		return oauthError(http.StatusUnauthorized, "invalid_client", err.Error())
	}
	var m consent.TokenAssertion
	if err := e.Verify(key, c.audience, c.world(), &m); err != nil {
		return oauthError(http.StatusUnauthorized, "invalid_client", err.Error())
	}
	if first, err := c.used.take(string(e.Device())+" "+m.ID, c.world()); err != nil {
		return answer{}, err
	} else if !first {
		return oauthError(http.StatusUnauthorized, "invalid_client", "the assertion was used before")
	}
	if kind == consent.DeviceToken {
		if err := c.noteUse(payment.DeviceID(e.Device())); err != nil {
			return answer{}, err
		}
	}
	token, err := consent.IssueToken(c.Keys, string(e.Device()), kind, c.tokenAudience(), c.world())
	if err != nil {
		return answer{}, err
	}
	return ok(api.Token{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(consent.TokenLife / time.Second)})
}

// noteUse notes that a device reads, where that is not known yet: writing that down is no reason to refuse it.
func (c *call) noteUse(id payment.DeviceID) error {
	rows, err := c.load(c.r.Context(), processor.Wants{Devices: []payment.DeviceID{id}})
	if err != nil || len(rows.Devices) == 0 || c.now().Sub(rows.Devices[0].UsedAt) < processor.UseStep {
		return err
	}
	_, err = c.Processor.Do(c.r.Context(), processor.Request{Command: processor.NoteUse{Device: id}})
	if errors.Is(err, processor.ErrBusy) || errors.Is(err, processor.ErrUnavailable) {
		return nil
	}
	return err
}

// tokenRequest reads the form: with an assertion or a passkey's answer. Its second result is OAuth's code of what is wrong with it.
func tokenRequest(body []byte) (form url.Values, refusal string) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, "invalid_request"
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, "invalid_request" // RFC 6749 §3.2: no parameter twice
		}
	}
	asserts, answers := form.Has("client_assertion") || form.Has("client_assertion_type"), form.Has("passkey") || form.Has("challenge")
	switch {
	case !form.Has("grant_type"):
		return nil, "invalid_request"
	case form.Get("grant_type") != grantType:
		return nil, "unsupported_grant_type"
	case asserts == answers: // RFC 6749 §2.3: one way for a client to prove itself
		return nil, "invalid_request"
	case answers && (form.Get("passkey") == "" || form.Get("challenge") == ""):
		return nil, "invalid_request"
	case asserts && (form.Get("client_assertion_type") != assertionType || form.Get("client_assertion") == ""):
		return nil, "invalid_request"
	}
	return form, ""
}

// errRequested means an operator whom another one still has to confirm.
var errRequested = errors.New("another operator has to confirm this one")

// oauthError refuses a token (RFC 6749 §5.2). The description never repeats what was sent.
func oauthError(status int, code, description string) (answer, error) {
	return answer{}, &oauthRefusal{status, api.TokenError{Code: code, Description: description}}
}

type oauthRefusal struct {
	status int
	body   api.TokenError
}

func (e *oauthRefusal) Error() string { return e.body.Code }

func (e *oauthRefusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge(""))
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(encode(e.body))
}

// clientKey is the key of a device that may act, or of an operator.
func (c *call) clientKey(id consent.DeviceID) (key consent.PublicKey, kind consent.TokenKind, err error) {
	rows, err := c.load(c.r.Context(), processor.Wants{
		Devices:   []payment.DeviceID{payment.DeviceID(id)},
		Operators: []processor.OperatorID{processor.OperatorID(id)},
	})
	if err != nil {
		return key, "", err
	}
	switch {
	case len(rows.Operators) > 0 && !rows.Operators[0].RemovedAt.IsZero():
		return key, "", consent.ErrKeyUnknown
	case len(rows.Operators) > 0 && rows.Operators[0].ConfirmedAt.IsZero():
		return key, "", errRequested
	case len(rows.Operators) > 0:
		key, err = consent.ParsePublicJWK(rows.Operators[0].PublicKey)
		return key, consent.OperatorToken, err
	case len(rows.Devices) == 0:
		return key, "", consent.ErrKeyUnknown
	case !rows.Devices[0].RevokedAt.IsZero():
		return key, "", processor.ErrDeviceRevoked
	}
	key, err = consent.ParsePublicJWK(rows.Devices[0].PublicKey)
	return key, consent.DeviceToken, err
}

// usedAssertions remembers which token assertions were used, as long as they could be used again (RFC 7523 §3, 7). It
// is this process's memory: another node takes an assertion once more, which gives its reader five more minutes.
type usedAssertions struct {
	mu   sync.Mutex
	seen [2]map[string]bool // of this span of time and of the one before
	span int64
}

// maxAssertions bounds the memory: beyond, no tokens are given until some of it can be forgotten.
const maxAssertions = 500_000

// take reports whether an assertion is used for the first time.
func (u *usedAssertions) take(id string, now time.Time) (first bool, err error) {
	const life = int64((consent.MaxAssertionLife + 2*consent.MaxSkew) / time.Second)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch span := now.Unix() / life; {
	case span == u.span+1:
		u.seen[1], u.seen[0], u.span = u.seen[0], nil, span
	case span != u.span:
		u.seen, u.span = [2]map[string]bool{}, span
	}
	if u.seen[0][id] || u.seen[1][id] {
		return false, nil
	}
	if len(u.seen[0])+len(u.seen[1]) >= maxAssertions {
		return false, refuse("busy")
	}
	if u.seen[0] == nil {
		u.seen[0] = map[string]bool{}
	}
	u.seen[0][id] = true
	return true, nil
}
