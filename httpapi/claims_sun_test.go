package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/device"
	"tapline/httpapi"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
)

// sunWorld is a world with a card that proves itself, which the phone has activated.
type sunWorld struct {
	*world
	tag    *cardtest.SUN
	issued api.CardCode
	sun    api.Card
}

const tagUID = "04958CAA5C5E80"

func withSkimStep(step int64) setting {
	return func(_ *processor.Config, c *httpapi.Config) { c.SkimStep = step }
}

func openSUN(t *testing.T, settings ...setting) *sunWorld {
	t.Helper()
	w := &sunWorld{world: openWorld(t, settings...)}
	w.issued, w.tag = w.issueSUN(tagUID)
	_, err := w.operator.TopUp(w.ctx, w.issued.Card.Account, api.NewTopUp{Amount: cny(100_00)})
	w.must(err)
	w.sun, err = w.phone.ActivateTap(w.ctx, consent.Code(w.issued.Code), w.fresh(), rightPIN)
	w.must(err)
	return w
}

// issueSUN issues a card and writes it as the operator is told to.
func (w *world) issueSUN(text string) (api.CardCode, *cardtest.SUN) {
	w.t.Helper()
	issued, err := w.operator.IssueCard(w.ctx, api.NewCard{SUN: &api.NewSUN{UID: text}, Label: "Campus card", Currency: "CNY"})
	w.must(err)
	uid, err := sun.ParseUID(text)
	w.must(err)
	tag := &cardtest.SUN{UID: uid}
	tag.Meta, err = sun.ParseKey(issued.SUN.MetaKey)
	w.must(err)
	tag.File, err = sun.ParseKey(issued.SUN.FileKey)
	w.must(err)
	return issued, tag
}

// fresh is one more tap of the card.
func (w *sunWorld) fresh() consent.Tap { return w.tapOf(w.tag.Tap()) }

func (w *sunWorld) tapOf(message string) consent.Tap {
	return consent.Tap{SUN: consent.SUNMessage(w.url + "/t#" + message)}
}

func (w *sunWorld) pay(from *device.Client, tap consent.Tap, minor int64) (*device.Payment, error) {
	w.t.Helper()
	payee, err := from.Payee(w.ctx, "books@shop")
	w.must(err)
	order, err := from.Order(cny(minor), payee, consent.Order{})
	w.must(err)
	draft, err := order.TapSUN(tap.SUN)
	w.must(err)
	return draft.Send(w.ctx)
}

func (w *sunWorld) paid(from *device.Client, tap consent.Tap, minor int64) *device.Payment {
	w.t.Helper()
	p, err := w.pay(from, tap, minor)
	w.must(err)
	return p
}

// stored is a payment as the store has it.
func (w *world) stored(p *device.Payment) payment.Payment {
	w.t.Helper()
	var rows processor.Rows
	w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
		rows, err = r.Load(processor.Wants{Payments: []payment.ID{payment.ID(p.ID())}})
		return err
	}))
	if len(rows.Payments) != 1 {
		w.t.Fatalf("%d payments with the id %s", len(rows.Payments), p.ID())
	}
	return rows.Payments[0]
}

// alarms are the principals that each skimming alarm was told to.
func (w *sunWorld) alarms() (told [][]processor.Principal) {
	w.t.Helper()
	w.must(w.store.View(w.ctx, func(r processor.Reader) error {
		events, _, err := r.Events(0, 200, processor.OperatorsPrincipal)
		for _, e := range events {
			if e.Type == "card.skim_suspected" && e.Subject == w.sun.ID {
				told = append(told, e.To)
			}
		}
		return err
	}))
	return told
}

func (w *sunWorld) counter() int64 {
	w.t.Helper()
	var rows processor.Rows
	w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
		rows, err = r.Load(processor.Wants{Cards: []payment.CardID{payment.CardID(w.sun.ID)}})
		return err
	}))
	return rows.Cards[0].SUNCounter
}

func TestCardThatProvesItselfPaysTheWholeWay(t *testing.T) {
	w := openSUN(t)
	p := w.paid(w.kiosk, w.fresh(), 1250)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	a := w.approval(p)
	_, err = a.Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	w.expectState(p, payment.Settled)
	if got := w.stored(p).Assurance; got != payment.Authentic {
		t.Errorf("assurance %s", got)
	}
}

func TestAuthenticTapFromTheAssociatedDeviceSettlesAtLevelTap(t *testing.T) {
	w := openSUN(t, atLevel(payment.LevelTap))
	p := w.paid(w.phone, w.fresh(), 1250)
	w.expectState(p, payment.Settled)
	// The same policy asks for more where the number was only read, the device is another, or the limit is passed.
	for name, q := range map[string]*device.Payment{
		"identified":   w.sent(w.phone, cardNumber, 1250),
		"kiosk":        w.paid(w.kiosk, w.fresh(), 1250),
		"beyond limit": w.paid(w.phone, w.fresh(), payment.DefaultPolicy.TapLimit+1),
	} {
		if got := w.state(q); got != string(payment.AuthenticationRequired) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestMessagePaysOnce(t *testing.T) {
	w := openSUN(t, atLevel(payment.LevelTap))
	old := w.fresh()
	used := w.fresh()
	w.expectState(w.paid(w.phone, used, 100), payment.Settled)
	for name, tap := range map[string]consent.Tap{"used": used, "older than the last": old} {
		_, err := w.pay(w.phone, tap, 100)
		expectProblem(t, err, "tap_used")
		t.Log(name)
	}
	w.expectState(w.paid(w.phone, w.fresh(), 100), payment.Settled)
}

func TestUsedMessageTellsAStrangerNothing(t *testing.T) {
	w := openSUN(t)
	used := w.fresh()
	w.paid(w.phone, used, 100)
	p := w.paid(w.newDevice("thief"), used, 100)
	unknown := w.paid(w.newDevice("other thief"), w.tapOf("e=00112233445566778899AABBCCDDEEFF&c=0011223344556677"), 100)
	if !w.stored(p).Decoy() || !w.stored(unknown).Decoy() {
		t.Error("a used or forged message opened a payment")
	}
	view := func(p *device.Payment) api.Payment {
		v := p.View()
		v.ID, v.InstructedAt, v.CardAccount = "", time.Time{}, ""
		v.Next.ExpiresIn = 0
		return v
	}
	fresh := w.paid(w.newDevice("honest kiosk"), w.fresh(), 100)
	before := view(fresh)
	_, err := fresh.Authenticate(w.ctx, wrongPIN)
	want := expectProblem(t, err, "wrong_pin")
	for name, q := range map[string]*device.Payment{"used": p, "forged": unknown} {
		if diff := cmp.Diff(before, view(q)); diff != "" {
			t.Errorf("%s differs from a fresh one:\n%s", name, diff)
		}
		_, err := q.Authenticate(w.ctx, rightPIN) // the right one
		if got := expectProblem(t, err, "wrong_pin"); *got.AttemptsLeft != *want.AttemptsLeft {
			t.Errorf("%s: %d attempts left, want %d", name, *got.AttemptsLeft, *want.AttemptsLeft)
		}
	}
	if p.View().CardAccount != fresh.View().CardAccount {
		t.Error("the used message shows another card account than a fresh one")
	}
}

func TestForgedMessagesNameNoCard(t *testing.T) {
	w := openSUN(t)
	before := w.counter()
	genuine := w.tag.Tap()
	digit := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(genuine, "0")]
	other := *w.tag
	other.File = sun.NewKey([16]byte{1})
	unissued := *w.tag
	unissued.UID[0]++
	for name, message := range map[string]string{
		"MAC changed": genuine[:len(genuine)-1] + digit, "another key": other.Tap(), "UID of no card": unissued.Tap(),
	} {
		if p := w.paid(w.phone, w.tapOf(message), 100); !w.stored(p).Decoy() {
			t.Errorf("%s: opened a payment", name)
		}
	}
	if w.counter() != before {
		t.Error("a forged message moved the counter")
	}
	w.paid(w.phone, w.tapOf(genuine), 100)
}

func TestParallelPresentationsOfAMessageHaveOneWinner(t *testing.T) {
	w := openSUN(t, atLevel(payment.LevelTap))
	tap := w.fresh()
	var wg sync.WaitGroup
	won := make([]bool, 12)
	for i := range won {
		wg.Go(func() {
			from := w.phone
			if i%2 == 1 {
				from = w.kiosk
			}
			p, err := w.pay(from, tap, 100)
			won[i] = err == nil && !w.stored(p).Decoy()
		})
	}
	wg.Wait()
	if n := len(slices.DeleteFunc(won, func(w bool) bool { return !w })); n != 1 {
		t.Errorf("%d payments with one tap", n)
	}
}

func TestUsedMessageStaysUsedAfterARestart(t *testing.T) {
	w := openSUN(t)
	used := w.fresh()
	w.paid(w.phone, used, 100)
	answer := w.instructAt(w.second(w.keys), used)
	if answer.Code != 409 || !strings.Contains(answer.Body.String(), "tap_used") {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
}

func TestSameInstructionSentAgainIsTheSamePayment(t *testing.T) {
	w := openSUN(t)
	m := &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "books@shop", Tap: w.fresh()}
	m.ID = string(consent.NewPaymentID())
	body := w.signed(w.phone.Key, consent.TypInstruction, m)
	first := w.post("/v1/payments", api.ContentJWS, body)
	if second := w.post("/v1/payments", api.ContentJWS, body); first.Status != 201 || second.Answer != first.Answer {
		t.Errorf("answered %d %s, then %d %s", first.Status, first.Answer, second.Status, second.Answer)
	}
}

func TestActivationUsesTheTapUp(t *testing.T) {
	w := openSUN(t)
	issued, tag := w.issueSUN("04112233445566")
	first := w.tapOf(tag.Tap())
	_, err := w.phone.ActivateTap(w.ctx, consent.NewActivationCode(), first, rightPIN)
	expectProblem(t, err, "activation_refused")
	_, err = w.phone.ActivateTap(w.ctx, consent.Code(issued.Code), first, rightPIN)
	expectProblem(t, err, "activation_refused") // the tap was used, though the code was wrong
	second := w.tapOf(tag.Tap())
	_, err = w.phone.ActivateTap(w.ctx, consent.Code(issued.Code), second, rightPIN)
	w.must(err)
	_, err = w.pay(w.phone, second, 100)
	expectProblem(t, err, "tap_used")
}

func TestRefusedInstructionLeavesTheTap(t *testing.T) {
	w := openSUN(t)
	tap := w.fresh()
	m := &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "nobody@shop", Tap: tap}
	m.ID = string(consent.NewPaymentID())
	if e := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m)); e.Status != 404 {
		t.Errorf("answered %d %s", e.Status, e.Answer)
	}
	if p := w.paid(w.phone, tap, 100); w.stored(p).Decoy() {
		t.Error("the tap was used up by an instruction that was refused")
	}
}

func TestTapOfAFrozenCardIsUsedUp(t *testing.T) {
	w := openSUN(t)
	_, err := w.phone.Freeze(w.ctx, consent.CardID(w.sun.ID))
	w.must(err)
	tap := w.fresh()
	if p := w.paid(w.kiosk, tap, 100); !w.stored(p).Decoy() {
		t.Error("a frozen card opened a payment")
	}
	_, err = w.phone.Unfreeze(w.ctx, consent.CardID(w.sun.ID), rightPIN)
	w.must(err)
	_, err = w.pay(w.phone, tap, 100)
	expectProblem(t, err, "tap_used")
}

func TestSkimmingIsToldToTheHolderAndOperators(t *testing.T) {
	w := openSUN(t, withSkimStep(3))
	want := []processor.Principal{processor.OperatorsPrincipal, processor.DevicePrincipal(payment.DeviceID(w.phone.ID()))}
	expect := func(when string, n int) {
		t.Helper()
		got := w.alarms()
		if len(got) != n || n > 0 && !slices.Equal(got[n-1], want) {
			t.Errorf("%s: alarms %v, want %d to %v", when, got, n, want)
		}
	}
	w.paid(w.phone, w.fresh(), 100)
	w.tag.Counter += 2
	w.paid(w.phone, w.fresh(), 100)
	expect("a step of 3", 0)
	w.tag.Counter += 3
	w.paid(w.phone, w.fresh(), 100)
	expect("a step of 4", 1)
	tap := w.fresh()
	w.paid(w.kiosk, tap, 100)
	expect("another device", 2)
	w.paid(w.kiosk, tap, 100)
	expect("a replay", 2)
}

func TestTapIsAnAccountOrAMessage(t *testing.T) {
	w := openSUN(t)
	genuine := w.fresh()
	for name, c := range map[string]struct {
		tap   consent.Tap
		field string
	}{
		"both":         {consent.Tap{Account: cardNumber, SUN: genuine.SUN}, "tap.sun"},
		"neither":      {consent.Tap{}, "tap.account"},
		"no message":   {consent.Tap{SUN: "https://pay.example/about"}, "tap.sun"},
		"plain mirror": {consent.Tap{SUN: "#u=04958CAA5C5E80&n=000001&c=0011223344556677"}, "tap.sun"},
	} {
		m := &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "books@shop", Tap: c.tap}
		m.ID = string(consent.NewPaymentID())
		e := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m))
		if p := e.problem(t); e.Status != 400 || p.Code != "invalid_field" || p.Field != c.field {
			t.Errorf("%s: %d %s", name, e.Status, e.Answer)
		}
	}
}

func TestUIDIsIssuedOnceAndNeverStored(t *testing.T) {
	w := openSUN(t)
	_, err := w.operator.IssueCard(w.ctx, api.NewCard{SUN: &api.NewSUN{UID: strings.ToLower(tagUID)}, Label: "Again", Currency: "CNY"})
	expectProblem(t, err, "card_exists")
	_, err = w.operator.IssueCard(w.ctx, api.NewCard{SUN: &api.NewSUN{UID: "04"}, Label: "Short", Currency: "CNY"})
	if p := expectProblem(t, err, "invalid_field"); !strings.HasPrefix(p.Field, "sun") {
		t.Errorf("field %q", p.Field)
	}
	if !strings.HasPrefix(w.issued.SUN.URLTemplate, w.url+"/t#e=") || w.issued.SUN.KeyVersion != 1 {
		t.Errorf("%s, version %d", w.issued.SUN.URLTemplate, w.issued.SUN.KeyVersion)
	}
	uid := string(w.tag.UID[:])
	files, err := filepath.Glob(w.db + "*")
	w.must(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		w.must(err)
		keys := []string{w.issued.SUN.FileKey, w.issued.SUN.MetaKey, w.issued.SUN.ApplicationKey}
		for _, secret := range append(keys, tagUID, strings.ToLower(tagUID), uid) {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has the UID or a key in it", file)
			}
		}
	}
}

func TestLRPCardPays(t *testing.T) {
	w := openSUN(t, atLevel(payment.LevelTap))
	w.tag.Mode = sun.LRP
	w.expectState(w.paid(w.phone, w.fresh(), 100), payment.Settled)
}

// TestCardsOutliveTheirMasterKey adds a new version of the master key and of the number key to a running service's folder.
func TestCardsOutliveTheirMasterKey(t *testing.T) {
	w := openSUN(t)
	folder := filepath.Join(w.dir, "keys")
	for i, name := range []string{"sun.2.key", "number.2.key"} {
		secret := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i + 1)}, 32))
		w.must(os.WriteFile(filepath.Join(folder, name), []byte(secret+"\n"), 0o600))
	}
	keys, err := keyring.Open(folder)
	w.must(err)
	service := w.second(keys)
	if answer := w.instructAt(service, w.fresh()); answer.Code != 201 {
		t.Errorf("an old card: %d %s", answer.Code, answer.Body)
	}
	var rows processor.Rows
	w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
		found, err := r.Payments(processor.PaymentQuery{Initiator: payment.DeviceID(w.phone.ID()), Limit: 1})
		rows.Payments = found
		return err
	}))
	if len(rows.Payments) != 1 || rows.Payments[0].Decoy() || rows.Payments[0].Assurance != payment.Authentic {
		t.Errorf("an old card opened %+v", rows.Payments)
	}
}

// second is a service on the same store, which remembers nothing.
func (w *sunWorld) second(keys *keyring.Keyring) *httpapi.Service {
	w.t.Helper()
	p := processor.New(processor.Config{Store: w.store, Keys: keys, Now: w.clock.Now})
	service := httpapi.New(httpapi.Config{
		Processor: p, Store: w.store, Keys: keys, Policy: payment.DefaultPolicy, PublicURL: w.url, Environment: "test",
		PINs: consent.NewPINHasher(keys, consent.PINParams{Memory: 64, Passes: 1, Lanes: 1}, 1, 8), Now: w.clock.Now,
	})
	w.t.Cleanup(func() {
		service.Shutdown()
		p.Close()
	})
	return service
}

// instructAt sends the phone's instruction with a tap to a service.
func (w *sunWorld) instructAt(service *httpapi.Service, tap consent.Tap) *httptest.ResponseRecorder {
	w.t.Helper()
	m := &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "books@shop", Tap: tap}
	m.ID = string(consent.NewPaymentID())
	r := httptest.NewRequest("POST", w.url+"/v1/payments", strings.NewReader(w.signed(w.phone.Key, consent.TypInstruction, m)))
	r.Header.Set("Content-Type", api.ContentJWS)
	answer := httptest.NewRecorder()
	service.Handler().ServeHTTP(answer, r)
	return answer
}
