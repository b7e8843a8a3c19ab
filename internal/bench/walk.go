package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	weak "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// crowd is who pays over HTTP in one side of a scenario: what all of its payers share.
type crowd struct {
	Town
	flow     flow
	payees   int // of the town's, those who are paid
	url      string
	audience string
	http     *http.Client
	master   master
	devices  []*consent.DeviceKey
	counters []uint32             // of the cards' taps
	tags     map[int]cardtest.SUN // cards with keys that do not follow from master; nil for none
	samples  map[string][]byte    // answers of the first payments, by sampleKey; nil to keep none
	reads    bool                 // the payee before each payment, and the receipt after it
}

// What is ordered, the same each time. Over HTTP the order's number is the flow, so that a floor knows what to answer.
const (
	orderNumber = "1042"
	orderText   = "Two books"
)

// payer is client i of n, with cards of its own.
func (c *crowd) payer(i, n int) payer {
	w := &walker{crowd: c, decks: map[flow]*deck{}, tokens: map[int]heldToken{}, passes: map[int]*ecdsa.PrivateKey{}}
	for _, f := range c.flow.parts() {
		w.decks[f] = newDeck(c.Town, f, i, n)
	}
	return w
}

// deck is the cards of one payer, who draws one for each payment: any of them, or those that have an approval left in turn.
type deck struct {
	flow  flow
	first int // its cards are first, first+step, … below end
	step  int
	end   int
	drawn int
}

// newDeck is the deck of payer i of n. Cards are numbered by kind: 2j has no passkey and 2j+1 has one; of those without, the
// first ones have a PIN, and pay with nothing else.
func newDeck(t Town, f flow, i, n int) *deck {
	d := &deck{flow: f, first: i, step: n, end: t.Accounts / 2}
	switch {
	case f.pins():
		d.end = t.PINs
	case f != flowGesture:
		d.first += t.PINs
	}
	return d
}

// draw is the number of a card. It is errSpent when each card was drawn as often as it can be used.
func (d *deck) draw() (int, error) {
	size := (d.end - d.first + d.step - 1) / d.step
	if size <= 0 {
		return 0, errSpent
	}
	n := weak.IntN(size)
	if d.flow.approves() {
		if n = d.drawn % size; d.drawn >= size*processor.HourlyApprovals {
			return 0, errSpent
		}
		d.drawn++
	}
	card := 2 * (d.first + n*d.step)
	if d.flow == flowGesture {
		card++
	}
	return card, nil
}

// walker pays over HTTP as a device does. It keeps the tokens of the devices that read.
type walker struct {
	*crowd
	decks  map[flow]*deck
	tokens map[int]heldToken
	passes map[int]*ecdsa.PrivateKey // passkeys by device
}

type heldToken struct {
	text  string
	until time.Time
}

// answerLimit bounds one request. What has no answer by then fails.
const answerLimit = 30 * time.Second

// walk is one payment on its way.
type walk struct {
	*walker
	record *record
	flow   flow
	began  time.Time // of the step
	card   int
	owner  int // the number of the card's associated device
	from   int // of the one that pays
	device *consent.DeviceKey
	payee  payment.Handle
	view   api.Payment
}

// chosen is the flow of the next payment, and its card. Where no card has an approval left, it is without.
func (w *walker) chosen() (f flow, card int, err error) {
	f = w.crowd.flow
	if f == flowMixed {
		n := weak.IntN(100)
		for _, m := range mix {
			if f = m.flow; n < m.part {
				break
			}
			n -= m.part
		}
	}
	card, err = w.decks[f].draw()
	if errors.Is(err, errSpent) && w.crowd.flow == flowMixed {
		f = flowPIN
		card, err = w.decks[f].draw()
	}
	return f, card, err
}

func (w *walker) pay(due time.Time, r *record) error {
	f, card, err := w.chosen()
	if err != nil {
		return err
	}
	owner := card % w.Devices
	p := &walk{walker: w, record: r, flow: f, began: due, card: card, owner: owner, from: owner, payee: w.handle(weak.IntN(w.payees))}
	if f == flowApprove {
		p.from = (owner + 1) % w.Devices
		err = w.renew(owner)
	}
	if w.reads {
		err = errors.Join(err, w.renew(p.from))
	}
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	p.device = w.devices[p.from]
	steps := map[flow][]func() error{
		flowTap:     {p.instruct},
		flowGesture: {p.instruct, p.gesture},
		flowPIN:     {p.instruct, p.authenticate, p.confirm},
		flowApprove: {p.instruct, p.authenticate, p.confirm, p.look, p.approve},
	}[f]
	if w.reads {
		steps = append(append([]func() error{p.find}, steps...), p.receipt)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if p.view.State != "settled" {
		return fmt.Errorf("a payment ended as %s %s; does the service ask for another way to pay?", p.view.State, p.view.Reason)
	}
	return nil
}

// fresh are the claims of a new message.
func (w *walker) fresh() consent.Claims { return consent.NewClaims(w.audience, time.Now()) }

// tap is a fresh tap of a card.
func (w *walker) tap(card int) consent.Tap {
	uid := w.uid(card)
	tag, ok := w.tags[card]
	if !ok {
		tag = cardtest.SUN{UID: uid, Meta: w.master.meta, File: w.master.File(uid)}
	}
	tag.Counter = w.counters[card]
	text := tag.Tap()
	w.counters[card] = tag.Counter
	return consent.Tap{SUN: consent.SUNMessage(w.url + "/t#" + text)}
}

func (p *walk) instruct() error {
	m := &consent.Instruction{
		Claims: p.fresh(), Device: p.device.ID(), Amount: one, Payee: string(p.payee),
		Tap: p.tap(p.card), Order: consent.Order{Number: string(p.flow), Description: orderText},
	}
	m.ID = string(consent.NewPaymentID())
	return p.signed("instruct", "/v1/payments", p.device, consent.TypInstruction, m)
}

func (p *walk) path() string               { return "/v1/payments/" + p.view.ID }
func (p *walk) payment() consent.PaymentID { return consent.PaymentID(p.view.ID) }

func (p *walk) authenticate() error {
	return p.signed("authenticate", p.path()+"/authentication", p.device, consent.TypAuthentication,
		&consent.Authentication{Claims: p.fresh(), Payment: p.payment(), PIN: pin})
}

func (p *walk) confirm() error {
	return p.signed("confirm", p.path()+"/confirmation", p.device, consent.TypConfirmation,
		&consent.Decision{Claims: p.fresh(), Payment: p.payment(), Decision: consent.Approve, Statement: p.view.Statement})
}

// gesture is authentication and first confirmation by the card's passkey.
func (p *walk) gesture() error {
	if p.view.Statement == "" {
		return errors.New("the service offers no passkey")
	}
	key := p.passes[p.owner]
	if key == nil {
		key = p.passkey(p.owner)
		p.passes[p.owner] = key
	}
	assertion, err := assert(key, p.credential(p.card), p.url, p.view.Statement)
	if err != nil {
		return err
	}
	return p.signed("confirm", p.path()+"/confirmation", p.device, consent.TypConfirmation, &consent.Decision{
		Claims: p.fresh(), Payment: p.payment(), Decision: consent.Approve, Statement: p.view.Statement, Passkey: &assertion,
	})
}

// assert is what an authenticator answers that has verified its user, one without a counter of signatures (WebAuthn Level 3
// §6.3.3).
func assert(key *ecdsa.PrivateKey, credential []byte, origin, statement string) (consent.PasskeyAssertion, error) {
	party, err := consent.RelyingPartyOf(origin)
	if err != nil {
		return consent.PasskeyAssertion{}, err
	}
	client := clientData("webauthn.get", consent.ConfirmationChallenge(statement), origin)
	host, said := sha256.Sum256([]byte(party.ID)), sha256.Sum256(client)
	const presentAndVerified = 0x05
	auth := append(host[:], presentAndVerified, 0, 0, 0, 0)
	sum := sha256.Sum256(append(bytes.Clone(auth), said[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	return consent.PasskeyAssertion{
		Credential: base64url(credential), ClientData: base64url(client), AuthenticatorData: base64url(auth), Signature: base64url(signature),
	}, err
}

// clientData is what a browser says that it asked an authenticator for (WebAuthn Level 3 §5.8.1).
func clientData(kind string, challenge []byte, origin string) []byte {
	return []byte(`{"type":"` + kind + `","challenge":"` + base64url(challenge) + `","origin":"` + origin + `","crossOrigin":false}`)
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// look is the associated device reading its own statement.
func (p *walk) look() error {
	code := p.view.Code
	err := p.read("look", p.path(), p.owner, &p.view)
	p.view.Code = code // the user carries it over
	return err
}

// find is the device looking the payee up, before anything is sent.
func (p *walk) find() error {
	return p.read("payee", "/v1/payees/"+string(p.payee), p.from, &json.RawMessage{})
}

// receipt is the device fetching the receipt.
func (p *walk) receipt() error {
	if p.view.State != "settled" {
		return nil // it has none, and that is told otherwise
	}
	return p.read("receipt", p.path()+"/receipt", p.from, &json.RawMessage{})
}

func (p *walk) read(step, path string, device int, out any) error {
	return p.do(step, "GET", path, "", "", "Bearer "+p.tokens[device].text, out)
}

func (p *walk) approve() error {
	return p.signed("approve", p.path()+"/approval", p.devices[p.owner], consent.TypApproval, &consent.Decision{
		Claims: p.fresh(), Payment: p.payment(), Decision: consent.Approve, Statement: p.view.Statement, Code: consent.Code(p.view.Code),
	})
}

func (p *walk) signed(step, path string, by *consent.DeviceKey, typ consent.Typ, m any) error {
	body, err := consent.Sign(by, typ, m)
	if err != nil {
		return err
	}
	p.view = api.Payment{}
	return p.do(step, "POST", path, api.ContentJWS, body, "", &p.view)
}

// do sends a request and notes how long the answer took: the first one since the payment was due.
func (p *walk) do(step, method, path, contentType, body, authorization string, out any) error {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	answer, err := p.send(method, path, contentType, body, authorization)
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	p.record.took(step, p.began)
	p.began = time.Time{}
	if p.samples != nil {
		p.samples[sampleKey(p.flow, step)] = answer
	}
	return json.Unmarshal(answer, out)
}

func (w *walker) send(method, path, contentType, body, authorization string) ([]byte, error) {
	// Not a context that ends with the run: what was begun is finished.
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"Content-Type": contentType, "Authorization": authorization} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := w.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode < 300 {
		return answer, err
	}
	var p api.Problem
	if err := json.Unmarshal(answer, &p); err != nil || p.Code == "" {
		return nil, fmt.Errorf("answered %d", response.StatusCode)
	}
	return nil, fmt.Errorf("answered %d %s", response.StatusCode, p.Code)
}

// renew sees to it that a device has a token for reading. It belongs to no step: a device keeps one for minutes.
func (w *walker) renew(device int) error {
	if time.Now().Before(w.tokens[device].until) {
		return nil
	}
	key := w.devices[device]
	text, err := consent.Sign(key, consent.TypAssertion, consent.NewTokenAssertion(key.ID(), w.audience, time.Now()))
	if err != nil {
		return err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion": {text},
	}
	answer, err := w.send("POST", "/v1/token", "application/x-www-form-urlencoded", form.Encode(), "")
	if err != nil {
		return err
	}
	if w.samples != nil {
		w.samples["token"] = answer // that of any payment
	}
	var t api.Token
	if err := json.Unmarshal(answer, &t); err != nil {
		return err
	}
	w.tokens[device] = heldToken{t.AccessToken, time.Now().Add(time.Duration(t.ExpiresIn) * time.Second / 2)}
	return nil
}
