package httpapi_test

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/oda"
	"tapline/consent"
	"tapline/device"
	"tapline/httpapi"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// emvWorld is a world with a payment card that can prove itself, which the phone has activated.
type emvWorld struct {
	*world
	genuine *cardtest.EMV
	emv     api.Card
}

const (
	emvNumber   = "4111111111111111" // published test numbers
	thiefNumber = "4012888888881881"
)

// proofs are the keys of one authority, issuer and card: making them takes a while.
var proofs = sync.OnceValue(func() *cardtest.Proof { return cardtest.NewProof(oda.FDDA) })

// genuineCard is a card of the issuer that the service knows.
func genuineCard(number string, method oda.Method) *cardtest.EMV {
	proof := *proofs()
	proof.Method = method
	return &cardtest.EMV{Number: cardtest.Number(number), AID: "A0000000031010", Proof: &proof}
}

func withAuthorities(a *oda.Authorities) setting {
	return func(_ *processor.Config, c *httpapi.Config) { c.Authorities = a }
}

func openEMV(t testing.TB, settings ...setting) *emvWorld {
	t.Helper()
	genuine := genuineCard(emvNumber, oda.FDDA)
	authorities, err := oda.LoadTestAuthorities(bytes.NewReader(genuine.Proof.Authorities(genuine)))
	if err != nil {
		t.Fatal(err)
	}
	w := &emvWorld{world: openWorld(t, append([]setting{withAuthorities(authorities)}, settings...)...), genuine: genuine}
	issued := w.issue(emvNumber)
	_, err = w.operator.TopUp(w.ctx, issued.Card.Account, api.NewTopUp{Amount: cny(100_00)})
	w.must(err)
	w.emv, err = w.phone.Activate(w.ctx, consent.Code(issued.Code), emvNumber, rightPIN)
	w.must(err)
	return w
}

func (w *emvWorld) challenge(from *device.Client, amount money.Amount) device.TapChallenge {
	w.t.Helper()
	c, err := from.TapChallenge(w.ctx, amount)
	w.must(err)
	return c
}

// asks reads a card with a challenge.
func (w *emvWorld) asks(c *cardtest.EMV, with device.TapChallenge) *consent.EMVTap {
	w.t.Helper()
	c.Reset()
	reading, err := card.Read(w.ctx, c, card.Terminal{
		Prove: true, UnpredictableNumber: with.UnpredictableNumber, Amount: with.Amount, Currency: with.Currency, Country: with.Country,
	})
	w.must(err)
	tap := &consent.EMVTap{Challenge: with.ID}
	for _, e := range reading.Transcript {
		tap.Transcript = append(tap.Transcript, consent.Exchange{Command: consent.NewAPDU(e.Command), Response: consent.NewAPDU(e.Response)})
	}
	return tap
}

// fresh is one more tap of the genuine card, for a payment of minor from a device.
func (w *emvWorld) fresh(from *device.Client, minor int64) *consent.EMVTap {
	w.t.Helper()
	return w.asks(w.genuine, w.challenge(from, cny(minor)))
}

// with is the tap with another challenge.
func with(tap *consent.EMVTap, id consent.ChallengeID) *consent.EMVTap {
	return &consent.EMVTap{Challenge: id, Transcript: tap.Transcript}
}

// edited is the tap with other bytes wherever some stood.
func edited(tap *consent.EMVTap, old, new string) *consent.EMVTap {
	out := &consent.EMVTap{Challenge: tap.Challenge}
	replace := func(a consent.APDU) consent.APDU { return consent.APDU(strings.ReplaceAll(string(a), old, new)) }
	for _, e := range tap.Transcript {
		out.Transcript = append(out.Transcript, consent.Exchange{Command: replace(e.Command), Response: replace(e.Response)})
	}
	return out
}

func (w *emvWorld) pay(from *device.Client, tap *consent.EMVTap, minor int64) *device.Payment {
	w.t.Helper()
	payee, err := from.Payee(w.ctx, "books@shop")
	w.must(err)
	order, err := from.Order(cny(minor), payee, consent.Order{})
	w.must(err)
	draft, err := order.TapEMV(*tap, emvNumber)
	w.must(err)
	p, err := draft.Send(w.ctx)
	w.must(err)
	return p
}

func (w *emvWorld) expectAssurance(name string, p *device.Payment, want payment.Assurance) {
	w.t.Helper()
	stored := w.stored(p)
	if stored.Assurance != want || string(stored.Card) != w.emv.ID {
		w.t.Errorf("%s: %s with card %q, want %s with %q", name, stored.Assurance, stored.Card, want, w.emv.ID)
	}
}

func TestPaymentCardThatProvesItselfPaysInOneGesture(t *testing.T) {
	w := openEMV(t, atLevel(payment.LevelTap))
	for _, method := range []oda.Method{oda.DDA, oda.FDDA, oda.CDA} {
		genuine := genuineCard(emvNumber, method)
		p := w.pay(w.phone, w.asks(genuine, w.challenge(w.phone, cny(100))), 100)
		w.expectState(p, payment.Settled)
		w.expectAssurance(string(method), p, payment.Authentic)
		w.expectAssurance(string(method), w.pay(w.kiosk, w.asks(genuine, w.challenge(w.kiosk, cny(100))), 100), payment.Authentic)
	}
	service, err := w.phone.Service(w.ctx)
	if err != nil || !service.CardProofs {
		t.Errorf("the service does not say that cards can prove themselves: %v", err)
	}
}

func TestPaymentCardPaysTheWholeWay(t *testing.T) {
	w := openEMV(t)
	p := w.pay(w.kiosk, w.fresh(w.kiosk, 1250), 1250)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	_, err = w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	w.expectState(p, payment.Settled)
}

func TestProofThatIsNotForThisPaymentIsWorthANumber(t *testing.T) {
	w := openEMV(t, atLevel(payment.LevelTap))
	used := w.fresh(w.phone, 100)
	w.expectAssurance("first", w.pay(w.phone, used, 100), payment.Authentic)
	next := func() device.TapChallenge { return w.challenge(w.phone, cny(100)) }
	un := func(c device.TapChallenge) string { return hex.EncodeToString(c.UnpredictableNumber[:]) }
	for name, tap := range map[string]func() *consent.EMVTap{
		"replayed":                      func() *consent.EMVTap { return used },
		"replayed with a new challenge": func() *consent.EMVTap { return with(used, next().ID) },
		"replayed without a challenge":  func() *consent.EMVTap { return with(used, "") },
		"with a challenge never given":  func() *consent.EMVTap { return with(w.fresh(w.phone, 100), consent.ChallengeID(consent.NewID())) },
		"challenge of another device":   func() *consent.EMVTap { return w.fresh(w.kiosk, 100) },
		"challenge for another amount":  func() *consent.EMVTap { return w.fresh(w.phone, 99) },
		"challenge for another currency": func() *consent.EMVTap {
			return w.asks(w.genuine, w.challenge(w.phone, money.Amount{Minor: 100, Currency: "USD"}))
		},
		"replayed with the new challenge's number": func() *consent.EMVTap {
			before, c := next(), next()
			return with(edited(w.asks(w.genuine, before), un(before), un(c)), c.ID)
		},
		"another amount told to the card": func() *consent.EMVTap {
			c := next()
			lower := c
			lower.Amount = 1
			return w.asks(w.genuine, lower)
		},
		"card of an unknown authority": func() *consent.EMVTap {
			foreign := &cardtest.EMV{Number: cardtest.Number(emvNumber), AID: "A0000000031010", Proof: cardtest.NewProof(oda.DDA)}
			return w.asks(foreign, next())
		},
		"signature that anybody can copy": func() *consent.EMVTap { return w.asks(genuineCard(emvNumber, oda.SDA), next()) },
		"card without a proof": func() *consent.EMVTap {
			return w.asks(&cardtest.EMV{Number: cardtest.Number(emvNumber), AID: "A0000000031010"}, next())
		},
		"thief's card with the number of another": func() *consent.EMVTap {
			return edited(w.asks(genuineCard(thiefNumber, oda.FDDA), next()), thiefNumber, emvNumber)
		},
		"expired": func() *consent.EMVTap {
			tap := w.fresh(w.phone, 100)
			w.clock.Advance(processor.ChallengeLife)
			return tap
		},
	} {
		w.clock.Advance(processor.ChallengeLife) // or there would be too many challenges
		p := w.pay(w.phone, tap(), 100)
		w.expectAssurance(name, p, payment.Identified)
		w.expectState(p, payment.AuthenticationRequired)
	}
	w.expectAssurance("and then a fresh one", w.pay(w.phone, w.fresh(w.phone, 100), 100), payment.Authentic)
}

func TestParallelInstructionsWithOneProofHaveOneWinner(t *testing.T) {
	w := openEMV(t)
	tap := w.fresh(w.phone, 100)
	authentic := make([]bool, 12)
	var wg sync.WaitGroup
	for i := range authentic {
		wg.Go(func() { authentic[i] = w.stored(w.pay(w.phone, tap, 100)).Assurance == payment.Authentic })
	}
	wg.Wait()
	n := 0
	for _, a := range authentic {
		if a {
			n++
		}
	}
	if n != 1 {
		t.Errorf("one proof made %d authentic payments", n)
	}
}

func TestProofIsUsedUpByWhateverItWasPresentedFor(t *testing.T) {
	w := openEMV(t)
	known := &api.KnownCard{ID: w.emv.ID, Label: "Campus card", State: "active"}
	want := api.Tap{Kind: api.TapEMV, CardAccount: "•••• 1111", Assurance: "authentic", Card: known}
	tap := w.fresh(w.phone, 100)
	if diff := cmp.Diff(want, w.present(w.phone, consent.Tap{EMV: tap}).tap(t)); diff != "" {
		t.Error(diff)
	}
	want.Assurance = "identified"
	if diff := cmp.Diff(want, w.present(w.phone, consent.Tap{EMV: tap}).tap(t)); diff != "" {
		t.Errorf("presented again: %s", diff)
	}
	w.expectAssurance("after a presentation", w.pay(w.phone, tap, 100), payment.Identified)

	tap = w.fresh(w.phone, 100)
	_, err := w.phone.ActivateTap(w.ctx, consent.NewActivationCode(), consent.Tap{EMV: tap}, rightPIN)
	expectProblem(t, err, "activation_refused")
	w.expectAssurance("after an activation", w.pay(w.phone, tap, 100), payment.Identified)

	tap = w.fresh(w.phone, 100)
	m := &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "nobody@shop", Tap: consent.Tap{EMV: tap}}
	m.ID = string(consent.NewPaymentID())
	if e := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m)); e.Status != 404 {
		t.Errorf("answered %d %s", e.Status, e.Answer)
	}
	w.expectAssurance("after a refused instruction", w.pay(w.phone, tap, 100), payment.Authentic)
}

func TestActivationTakesAPaymentCardsTap(t *testing.T) {
	w := openEMV(t)
	issued := w.issue(thiefNumber)
	tap := w.asks(genuineCard(thiefNumber, oda.CDA), w.challenge(w.kiosk, cny(1)))
	c, err := w.kiosk.ActivateTap(w.ctx, consent.Code(issued.Code), consent.Tap{EMV: tap}, rightPIN)
	if err != nil || c.ID != issued.Card.ID {
		t.Errorf("activated %q, %v", c.ID, err)
	}
}

func TestSameInstructionWithAProofIsTheSamePayment(t *testing.T) {
	w := openEMV(t)
	m := &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "books@shop",
		Tap: consent.Tap{EMV: w.fresh(w.phone, 100)}}
	m.ID = string(consent.NewPaymentID())
	first := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m))
	w.clock.Advance(2 * processor.ChallengeLife)
	m.IssuedAt = w.clock.Now().Unix()
	second := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m))
	if first.Status != 201 || second.Answer != first.Answer || second.AnswerHeader.Get(api.ReplayedHeader) != "true" {
		t.Errorf("answered %d %s, then %d %s", first.Status, first.Answer, second.Status, second.Answer)
	}
	m.Tap.EMV = with(m.Tap.EMV, "")
	if e := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m)); e.problem(t).Code != "idempotency_key_reused" {
		t.Errorf("another tap under the same id: %d %s", e.Status, e.Answer)
	}
}

func TestTranscriptTellsAStrangerNothingOfAnyNumber(t *testing.T) {
	w := openEMV(t)
	thief := w.newDevice("thief")
	all := w.subjects()[1:] // the first has the world's own number
	for _, proof := range []bool{false, true} {
		want := ""
		for _, s := range all {
			c := &cardtest.EMV{Number: cardtest.Number(string(s.number)), AID: "A0000000031010"}
			if proof {
				c = genuineCard(string(s.number), oda.FDDA)
			}
			w.clock.Advance(processor.ChallengeLife)
			e := w.present(thief, consent.Tap{EMV: w.asks(c, w.challenge(thief, cny(1)))})
			got := e.tap(t)
			if got.Card != nil || (got.Assurance == "authentic") != proof || want != "" && e.Answer != want {
				t.Errorf("%s: %s, want %s", s.name, e.Answer, want)
			}
			want = e.Answer
		}
	}
}

func TestHostileTranscriptsAreRefused(t *testing.T) {
	w := openEMV(t)
	good := w.fresh(w.phone, 100).Transcript
	gpo := consent.Exchange{Command: "80A8000002830000", Response: "7700" + "9000"}
	sel := consent.Exchange{Command: "00A4040007A000000003101000", Response: "6F098407A00000000310109000"}
	many := make([]consent.Exchange, consent.MaxExchanges+1)
	for i := range many {
		many[i] = good[0]
	}
	large := []consent.Exchange{{Command: "00B2010C00", Response: consent.APDU(strings.Repeat("00", 3000))}}
	for name, transcript := range map[string][]consent.Exchange{
		"none": nil, "empty": {}, "too many": many, "too large": slices.Concat(large, large, large),
		"one answer too large": {{Command: "00B2010C00", Response: consent.APDU(strings.Repeat("00", 4097))}},
		"no answer":            {{Command: "00B2010C00", Response: ""}},
		"no command":           {{Command: "", Response: "9000"}},
		"odd digits":           {{Command: "00B2010C0", Response: "9000"}},
		"no digits":            {{Command: "00B2010CXX", Response: "9000"}},
		"spaces":               {{Command: "00 B2 01 0C", Response: "9000"}},
		"full-width digits":    {{Command: "００B2010C", Response: "9000"}},
		"only the last part":   good[len(good)-1:],
		"no number":            {sel, gpo},
		"started twice":        {sel, gpo, gpo},
		"bytes that mean nothing": {
			{Command: "DEADBEEF", Response: "CAFE"}, {Command: "FFFFFFFF", Response: consent.APDU(strings.Repeat("FF", 255))},
		},
		"nested without end": {sel, {Command: "80A8000002830000", Response: consent.APDU(strings.Repeat("7081F0", 80)) + "9000"}},
	} {
		for path, m := range map[string]consent.Message{
			"/v1/taps": &consent.Presentation{Claims: w.claims(), Tap: consent.Tap{EMV: &consent.EMVTap{Transcript: transcript}}},
			"/v1/payments": &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "books@shop",
				Tap: consent.Tap{EMV: &consent.EMVTap{Transcript: transcript}}},
		} {
			typ := consent.TypTap
			if i, ok := m.(*consent.Instruction); ok {
				i.ID, typ = string(consent.NewPaymentID()), consent.TypInstruction
			}
			e := w.post(path, api.ContentJWS, w.signed(w.phone.Key, typ, m))
			if p := e.problem(t); p.Code != "invalid_field" || p.Field != "tap.emv.transcript" || e.Status != 400 {
				t.Errorf("%s, %s: %d %s", path, name, e.Status, e.Answer)
			}
		}
	}
	for name, tap := range map[string]consent.Tap{
		"a number besides":  {Account: emvNumber, EMV: &consent.EMVTap{Transcript: good}},
		"a message besides": {SUN: "e=00112233445566778899AABBCCDDEEFF&c=0011223344556677", EMV: &consent.EMVTap{Transcript: good}},
	} {
		if p := w.present(w.phone, tap).problem(t); p.Code != "invalid_field" || p.Field != "tap.emv" {
			t.Errorf("%s: %s %s", name, p.Code, p.Field)
		}
	}
	if p := w.present(w.phone, consent.Tap{EMV: &consent.EMVTap{Challenge: "x", Transcript: good}}).problem(t); p.Field != "tap.emv.challenge" {
		t.Errorf("a challenge of no form: %s %s", p.Code, p.Field)
	}
}

func TestLongestHonestTranscriptFits(t *testing.T) {
	w := openEMV(t)
	c := genuineCard(emvNumber, oda.DDA)
	long := *c.Proof
	long.Authority, long.Issuer, long.Card = cardtest.NewRSAKey(1984, 3), cardtest.NewRSAKey(1984, 3), cardtest.NewRSAKey(1984, 3)
	c.Proof, c.Leading = &long, 8
	order := consent.Order{Number: strings.Repeat("编", consent.MaxOrderNumber), Description: strings.Repeat("书", consent.MaxOrderDescription)}
	payee, err := w.phone.Payee(w.ctx, "books@shop")
	w.must(err)
	o, err := w.phone.Order(cny(100), payee, order)
	w.must(err)
	draft, err := o.TapEMV(*w.asks(c, w.challenge(w.phone, cny(100))), emvNumber)
	w.must(err)
	_, err = draft.Send(w.ctx)
	w.must(err)
}

// lockedLog is a log that may be read while it is written.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text.Bytes())
}

func TestTranscriptIsKeptNowhere(t *testing.T) {
	log, metrics := &lockedLog{}, httpapi.NewMetrics()
	w := openEMV(t, func(p *processor.Config, c *httpapi.Config) {
		c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		p.Log, c.Metrics = c.Log, metrics
	})
	taps := []*consent.EMVTap{w.fresh(w.phone, 100), w.asks(genuineCard(thiefNumber, oda.SDA), w.challenge(w.phone, cny(100)))}
	w.pay(w.phone, taps[0], 100)
	answers := []exchange{w.present(w.phone, consent.Tap{EMV: taps[0]}), w.present(w.kiosk, consent.Tap{EMV: taps[1]})}
	cut := &consent.EMVTap{Transcript: taps[0].Transcript[:1]}
	answers = append(answers, w.present(w.phone, consent.Tap{EMV: cut}))

	places := map[string][]byte{"log": log.Bytes()}
	files, err := filepath.Glob(w.db + "*")
	w.must(err)
	for _, file := range files {
		places[file], err = os.ReadFile(file)
		w.must(err)
	}
	for i, e := range answers {
		places["answer "+string(rune('1'+i))] = []byte(e.Answer)
	}
	places["metrics"] = []byte(w.get("/metrics", "").Answer)
	if !bytes.Contains(places["log"], []byte("card proof")) {
		t.Error("the log says nothing of the proof")
	}
	secrets := map[string][]byte{}
	for _, number := range []string{emvNumber, thiefNumber} {
		packed, err := hex.DecodeString(number)
		w.must(err)
		secrets["number "+number], secrets["packed "+number] = []byte(number), packed
	}
	for _, tap := range taps {
		for _, e := range tap.Transcript {
			if len(e.Response) > 40 {
				secrets["answer "+string(e.Response)[:8]] = []byte(e.Response)
				secrets["raw answer "+string(e.Response)[:8]] = e.Response.Bytes()
			}
		}
	}
	for place, text := range places {
		for name, secret := range secrets {
			if bytes.Contains(text, secret) {
				t.Errorf("%s has the %s in it", place, name)
			}
		}
	}
}

// BenchmarkInstructionWithProof measures an instruction with a proof, as the client sees it.
func BenchmarkInstructionWithProof(b *testing.B) {
	w := openEMV(b)
	var took time.Duration
	for i := 0; b.Loop(); i++ {
		w.clock.Advance(processor.ChallengeLife)
		m := &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "books@shop",
			Tap: consent.Tap{EMV: w.fresh(w.phone, 100)}}
		m.ID = string(consent.NewPaymentID())
		body := w.signed(w.phone.Key, consent.TypInstruction, m)
		began := time.Now()
		if e := w.post("/v1/payments", api.ContentJWS, body); e.Status != 201 {
			b.Fatalf("%d %s", e.Status, e.Answer)
		}
		took += time.Since(began)
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "instruction-ns/op")
}
