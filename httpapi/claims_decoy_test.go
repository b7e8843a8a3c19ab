package httpapi_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/httpapi"
	"tapline/payment"
	"tapline/processor"
)

// subject is a stranger's device with a card number that it has read somewhere. All numbers end alike: those digits
// are what the device itself knows.
type subject struct {
	name   string
	number consent.AccountNumber
	pin    consent.PIN // what the stranger types
	device *device.Client
	ids    []consent.PaymentID // of the payments, the newest last
	last   exchange            // the last write
	body   string              // and what it sent
	after  func()              // what happens to the card once the stranger has sent the first instruction

	rehearses bool // all that it sends is a rehearsal

	bearer    string
	bearerEnd time.Time
}

// token is the device's bearer token.
func (s *subject) token(w *world) string {
	if !w.clock.Now().Before(s.bearerEnd) {
		s.bearer, s.bearerEnd = w.token(s.device.Key), w.clock.Now().Add(consent.TokenLife)
	}
	return s.bearer
}

// subjects are strangers with a card that can pay, of which they do not know the PIN, and with cards that cannot, of
// which some know it. The first is the one that the others are compared with.
func (w *world) subjects() []*subject {
	w.t.Helper()
	owner := w.newDevice("owner")
	frozen := func(id string) {
		_, err := owner.Freeze(w.ctx, consent.CardID(id))
		w.must(err)
	}
	changed := func(id string) {
		_, err := owner.ChangePIN(w.ctx, consent.CardID(id), rightPIN, "825913")
		w.must(err)
	}
	rebound := func(id string) {
		_, err := owner.Rebind(w.ctx, consent.CardID(id), w.phone.ID())
		w.must(err)
	}
	activated := func(number consent.AccountNumber) api.Card {
		card, err := owner.Activate(w.ctx, consent.Code(w.issue(number).Code), number, rightPIN)
		w.must(err)
		return card
	}
	frozen(activated("6200000000010005").ID)
	w.issue("6200000000020005")
	_, err := w.operator.CloseCard(w.ctx, consent.CardID(activated("6200000000030005").ID), "")
	w.must(err)
	stolen, compromised, outdated := activated("6200000000040005"), activated("6200000000060005"), activated("6200000000070005")
	late := w.issue("6200000000080005")
	replaced := func(id string, by consent.AccountNumber) {
		_, err := w.operator.ReplaceCard(w.ctx, consent.CardID(id), api.Replacement{AccountNumber: string(by)})
		w.must(err)
	}
	replaced(activated("6200000000090005").ID, "6200000000100005")
	lost := activated("6200000000110005")
	all := []*subject{
		{name: "active card, wrong PIN", number: cardNumber, pin: wrongPIN},
		{name: "unknown card", number: "6200000000990005", pin: rightPIN},
		{name: "frozen card, right PIN", number: "6200000000010005", pin: rightPIN},
		{name: "frozen card, wrong PIN", number: "6200000000050005", pin: wrongPIN},
		{name: "card not activated", number: "6200000000020005", pin: rightPIN},
		{name: "closed card, right PIN", number: "6200000000030005", pin: rightPIN},
		{name: "card frozen meanwhile", number: "6200000000040005", pin: rightPIN, after: func() { frozen(stolen.ID) }},
		{name: "PIN changed meanwhile", number: "6200000000060005", pin: wrongPIN, after: func() { changed(compromised.ID) }},
		{name: "card rebound meanwhile", number: "6200000000070005", pin: wrongPIN, after: func() { rebound(outdated.ID) }},
		{name: "card activated meanwhile", number: "6200000000080005", pin: wrongPIN, after: func() {
			_, err := owner.Activate(w.ctx, consent.Code(late.Code), "6200000000080005", rightPIN)
			w.must(err)
		}},
		{name: "replaced card, right PIN", number: "6200000000090005", pin: rightPIN},
		{name: "card in its place, not activated, right PIN", number: "6200000000100005", pin: rightPIN},
		{name: "card replaced meanwhile, right PIN", number: "6200000000110005", pin: rightPIN, after: func() {
			replaced(lost.ID, "6200000000120005")
		}},
	}
	frozen(activated("6200000000050005").ID)
	for _, s := range all {
		s.device = w.newDevice("kiosk")
	}
	return all
}

func (s *subject) id() consent.PaymentID { return s.ids[len(s.ids)-1] }

// write signs a message and sends it.
func (s *subject) write(w *world, path string, typ consent.Typ, m any) exchange {
	s.body = w.signed(s.device.Key, typ, m)
	s.last = w.post(path, api.ContentJWS, s.body)
	return s.last
}

// normal is an answer to a subject without what is its own: ids, and the numbers of events, which all share.
func (s *subject) normal(e exchange) string {
	text := e.plain()
	for i, id := range s.ids {
		text = strings.ReplaceAll(text, string(id), fmt.Sprintf("PAYMENT-%d", i+1))
	}
	text = strings.ReplaceAll(text, string(s.device.ID()), "DEVICE")
	return regexp.MustCompile(`(?m)^id: \d+$`).ReplaceAllString(text, "id: N")
}

// act is one thing that a stranger does.
type act struct {
	name string
	do   func(w *world, s *subject) exchange
}

func instructs(w *world, s *subject) exchange {
	s.ids = append(s.ids, consent.NewPaymentID())
	m := &consent.Instruction{
		Claims: w.claims(), Device: s.device.ID(), Amount: cny(1250), Payee: "books@shop",
		Tap: consent.Tap{Account: s.number}, Order: consent.Order{Number: "1042", Description: "Two books"},
		Rehearsal: s.rehearses,
	}
	m.ID = string(s.id())
	e := s.write(w, "/v1/payments", consent.TypInstruction, m)
	if s.after != nil {
		s.after()
		s.after = nil
	}
	return e
}

func types(w *world, s *subject) exchange {
	return s.write(w, "/v1/payments/"+string(s.id())+"/authentication", consent.TypAuthentication,
		&consent.Authentication{Claims: w.claims(), Payment: s.id(), PIN: s.pin})
}

func cancels(w *world, s *subject) exchange {
	return s.write(w, "/v1/payments/"+string(s.id())+"/cancel", consent.TypCancellation,
		&consent.Cancellation{Claims: w.claims(), Payment: s.id()})
}

func confirms(w *world, s *subject) exchange {
	return s.write(w, "/v1/payments/"+string(s.id())+"/confirmation", consent.TypConfirmation,
		&consent.Decision{Claims: w.claims(), Payment: s.id(), Decision: consent.Approve, Statement: "{}"})
}

func approves(w *world, s *subject) exchange {
	return s.write(w, "/v1/payments/"+string(s.id())+"/approval", consent.TypApproval,
		&consent.Decision{Claims: w.claims(), Payment: s.id(), Decision: consent.Approve, Statement: "{}", Code: "12"})
}

// repeats sends the last write again.
func repeats(w *world, s *subject) exchange { return w.post(s.last.Path, api.ContentJWS, s.body) }

func reads(path string) func(*world, *subject) exchange {
	return func(w *world, s *subject) exchange {
		return w.get("/v1/payments"+strings.ReplaceAll(path, "{id}", string(s.id())), s.token(w))
	}
}

func listens(w *world, s *subject) exchange {
	return w.events(processor.DevicePrincipal(payment.DeviceID(s.device.ID())), s.token(w))
}

// passes lets time pass for all. It is done once, by the first.
func passes(d time.Duration) func(*world, *subject) exchange {
	return func(w *world, s *subject) exchange {
		if s.number == cardNumber {
			w.clock.Advance(d)
		}
		return exchange{}
	}
}

// round is a payment with as many PINs as a stranger may care to type, and then an end of it.
func round(end ...act) []act {
	acts := []act{
		{"a second passes", passes(time.Second)}, // lists are in the order of time
		{"instruct", instructs}, {"instruct again", repeats}, {"read", reads("/{id}")}, {"list", reads("")}, {"receipt", reads("/{id}/receipt")},
		{"confirm too early", confirms}, {"approve", approves},
	}
	for i := range 4 {
		acts = append(acts, act{fmt.Sprintf("PIN %d", i+1), types}, act{"PIN again", repeats}, act{"read", reads("/{id}")})
	}
	acts = append(acts, end...)
	return append(acts, act{"read at the end", reads("/{id}")}, act{"receipt at the end", reads("/{id}/receipt")}, act{"list at the end", reads("?role=initiator")})
}

// story is what a stranger can find out with pauses between.
func story(pauses ...time.Duration) []act {
	cancelled := []act{{"cancel", cancels}, {"cancel again", repeats}, {"cancel anew", cancels}, {"PIN after it", types}}
	expired := []act{
		{"time passes", passes(payment.AuthenticationWait)}, {"PIN too late", types}, {"cancel too late", cancels}, {"confirm too late", confirms},
	}
	var acts []act
	for _, pause := range pauses {
		acts = append(acts, round(cancelled...)...)
		acts = append(acts, round(expired...)...)
		acts = append(acts, act{"a pause", passes(pause)})
	}
	return append(acts, act{"events", listens})
}

func TestNobodyCanTellAnActiveCardFromOneThatCannotPay(t *testing.T) {
	for _, level := range payment.Levels {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			w := openWorld(t, atLevel(level))
			pauses := []time.Duration{15 * time.Minute}
			if level == payment.DefaultPolicy.Level {
				pauses = []time.Duration{15 * time.Minute, 30 * time.Minute, 24 * time.Hour}
			}
			codes := w.compare(t, w.subjects(), story(pauses...))
			for _, code := range []string{"wrong_pin", "authentication_paused", "not_now", "too_late", "expired", "unknown_payment", "not_settled"} {
				if codes[code] == 0 {
					t.Errorf("the story never came to %s: %v", code, codes)
				}
			}
			w.expectMoney(100_00, 0, 0)
		})
	}
}

// compare lets all do the same things and wants them to get the same answers. It counts the codes of refusals.
func (w *world) compare(t *testing.T, all []*subject, acts []act) map[string]int {
	t.Helper()
	codes := map[string]int{}
	for _, a := range acts {
		var want string
		for i, s := range all {
			e := a.do(w, s)
			got := s.normal(e)
			if i == 0 {
				want = got
				if e.Status >= 400 {
					codes[e.problem(t).Code]++
				}
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("payment %d, %s: %s differs from %s (-%s +%s):\n%s",
					len(s.ids), a.name, s.name, all[0].name, all[0].name, s.name, diff)
			}
		}
	}
	return codes
}

func TestARefusedActivationDoesNotTellWhy(t *testing.T) {
	w := openWorld(t)
	used := w.issue("6200000000010005")
	owner := w.newDevice("owner")
	_, err := owner.Activate(w.ctx, consent.Code(used.Code), "6200000000010005", rightPIN)
	w.must(err)
	issued, expired := w.issue("6200000000020005"), w.issue("6200000000030005")
	closed := w.issue("6200000000040005")
	_, err = w.operator.CloseCard(w.ctx, consent.CardID(closed.Card.ID), "")
	w.must(err)
	w.clock.Advance(processor.CodeLife)
	renewed, err := w.operator.ActivationCode(w.ctx, consent.CardID(issued.Card.ID), "")
	w.must(err)
	wrong := string(consent.NewActivationCode())
	lost := w.issue("6200000000050005")
	lostCard, err := owner.Activate(w.ctx, consent.Code(lost.Code), "6200000000050005", rightPIN)
	w.must(err)
	instead, err := w.operator.ReplaceCard(w.ctx, consent.CardID(lostCard.ID), api.Replacement{AccountNumber: "6200000000060005"})
	w.must(err)
	subjects := []*subject{
		{name: "unknown card", number: "6200000000990005", body: wrong},
		{name: "wrong code", number: "6200000000020005", body: wrong},
		{name: "an old code", number: "6200000000020005", body: issued.Code},
		{name: "another card's code", number: "6200000000010005", body: renewed.Code},
		{name: "a used code", number: "6200000000010005", body: used.Code},
		{name: "a code that is over", number: "6200000000030005", body: expired.Code},
		{name: "a closed card", number: "6200000000040005", body: closed.Code},
		{name: "a replaced card, with the code of the one in its place", number: "6200000000050005", body: instead.Code},
		{name: "a card in another's place, from a stranger's device", number: "6200000000060005", body: instead.Code},
	}
	for _, pin := range []consent.PIN{rightPIN, ""} {
		var want string
		for i, s := range subjects {
			s.device = w.newDevice("kiosk")
			var answers []string
			for range processor.CodeTries + 2 {
				m := &consent.Activation{Claims: w.claims(), Code: consent.Code(s.body), Tap: consent.Tap{Account: s.number}, PIN: pin}
				compact := w.signed(s.device.Key, consent.TypActivation, m)
				for range 2 {
					answers = append(answers, s.normal(w.post("/v1/cards/activate", api.ContentJWS, compact)))
				}
			}
			got := strings.Join(answers, "\n\n")
			if i == 0 {
				want = got
				if !strings.Contains(got, "activation_refused") {
					t.Errorf("an unknown card: %s", got)
				}
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s differs from %s (-want +got):\n%s", s.name, subjects[0].name, diff)
			}
		}
	}
}

func TestACardThatIsNotYoursIsAsAbsentAsNone(t *testing.T) {
	w := openWorld(t)
	stranger := w.newDevice("stranger")
	for name, write := range map[string]func(id consent.CardID) (path string, typ consent.Typ, m any){
		"freeze": func(id consent.CardID) (string, consent.Typ, any) {
			return "/freeze", consent.TypFreeze, &consent.Freeze{Claims: w.claims(), Card: id}
		},
		"unfreeze": func(id consent.CardID) (string, consent.Typ, any) {
			return "/unfreeze", consent.TypUnfreeze, &consent.Unfreeze{Claims: w.claims(), Card: id, PIN: rightPIN}
		},
		"PIN": func(id consent.CardID) (string, consent.Typ, any) {
			return "/pin", consent.TypPIN, &consent.PINChange{Claims: w.claims(), Card: id, OldPIN: rightPIN, NewPIN: "825913"}
		},
		"PIN by code": func(id consent.CardID) (string, consent.Typ, any) {
			return "/pin", consent.TypPIN, &consent.PINChange{Claims: w.claims(), Card: id, ResetCode: consent.NewActivationCode(), NewPIN: "825913"}
		},
		"rebinding": func(id consent.CardID) (string, consent.Typ, any) {
			return "/associated-device", consent.TypRebind, &consent.Rebind{Claims: w.claims(), Card: id, NewDevice: w.kiosk.ID()}
		},
	} {
		w.unchanged(func() {
			var answers []string
			for _, id := range []consent.CardID{"card_AAAAAAAAAAAAAAAAAAAAAA", consent.CardID(w.card.ID)} {
				path, typ, m := write(id)
				e := w.post("/v1/cards/"+string(id)+path, api.ContentJWS, w.signed(stranger.Key, typ, m))
				expectRefusal(t, name, e, 404, "unknown_card")
				answers = append(answers, e.plain())
			}
			if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
				t.Errorf("%s: a card differs from none (-none +there):\n%s", name, diff)
			}
		})
	}
	none := w.get("/v1/cards/card_AAAAAAAAAAAAAAAAAAAAAA", w.token(stranger.Key)).plain()
	if there := w.get("/v1/cards/"+w.card.ID, w.token(stranger.Key)).plain(); there != none {
		t.Errorf("reading a card differs from none:\n%s\n%s", there, none)
	}
	if e := w.get("/v1/cards", w.token(stranger.Key)); e.Answer != `{"cards":[]}` {
		t.Errorf("a stranger's cards: %s", e.Answer)
	}
}

// BenchmarkAuthenticationOfDecoyAndKnown measures how long a wrong PIN takes, with the PIN parameters of a real
// service, in turn for a card that can pay and for one that is unknown: decoy-ns/op and known-ns/op are to be alike.
func BenchmarkAuthenticationOfDecoyAndKnown(b *testing.B) {
	w := openWorld(b, func(_ *processor.Config, h *httpapi.Config) {
		h.PINs = consent.NewPINHasher(h.Keys, consent.DefaultPINParams, 2, 200)
	})
	known := &subject{name: "known", number: cardNumber, pin: wrongPIN, device: w.newDevice("kiosk")}
	decoy := &subject{name: "decoy", number: "6200000000990005", pin: wrongPIN, device: w.newDevice("kiosk")}
	took := map[string]time.Duration{}
	for i := 0; b.Loop(); i++ {
		order := []*subject{known, decoy}
		if i%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, s := range order {
			instructs(w, s)
			began := time.Now()
			e := types(w, s)
			took[s.name] += time.Since(began)
			if e.problem(b).Code != "wrong_pin" {
				b.Fatalf("%s: %d %s", s.name, e.Status, e.Answer)
			}
		}
		w.clock.Advance(48 * time.Hour)
	}
	for name, d := range took {
		b.ReportMetric(float64(d.Nanoseconds())/float64(b.N), name+"-ns/op")
	}
}
