package httpapi_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
	"tapline/processor"
)

// present presents a tap and returns what the service answered, word for word.
func (w *world) present(from *device.Client, tap consent.Tap) exchange {
	w.t.Helper()
	return w.post("/v1/taps", api.ContentJWS,
		w.signed(from.Key, consent.TypTap, &consent.Presentation{Claims: w.claims(), Tap: tap}))
}

func (e exchange) tap(t testing.TB) (tap api.Tap) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.Answer), &tap); err != nil || e.Status != 200 {
		t.Fatalf("%s answered %d %s", e.Path, e.Status, e.Answer)
	}
	return tap
}

func TestTapTellsTheCardsOwnDevicesWhatItIs(t *testing.T) {
	w := openWorld(t)
	want := api.Tap{Kind: api.TapAccount, CardAccount: "•••• 0005", Assurance: "identified",
		Card: &api.KnownCard{ID: w.card.ID, Label: "Campus card", State: "active"}}
	got, err := w.phone.Tap(w.ctx, consent.Tap{Account: cardNumber})
	w.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	next := w.newDevice("next phone")
	_, err = w.phone.Rebind(w.ctx, consent.CardID(w.card.ID), next.ID())
	w.must(err)
	_, err = next.Freeze(w.ctx, consent.CardID(w.card.ID))
	w.must(err)
	want.Card.State = "frozen"
	for name, d := range map[string]*device.Client{"associated": next, "bound before": w.phone} {
		got, err := d.Tap(w.ctx, consent.Tap{Account: cardNumber})
		w.must(err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestTapTellsAStrangerNothingOfAnyNumber(t *testing.T) {
	w := openWorld(t)
	thief := w.newDevice("thief")
	want := ""
	for _, s := range w.subjects() {
		if s.after != nil {
			s.after()
		}
		e := w.present(thief, consent.Tap{Account: s.number})
		if got := e.tap(t); got.Card != nil || want != "" && e.Answer != want {
			t.Errorf("%s: %s, want %s", s.name, e.Answer, want)
		}
		want = e.Answer
	}
}

func TestTapAndPaymentShareOneUseOfAMessage(t *testing.T) {
	w := openSUN(t)
	known := &api.KnownCard{ID: w.sun.ID, Label: "Campus card", State: "active"}
	tap := w.fresh()
	got, err := w.phone.Tap(w.ctx, tap)
	w.must(err)
	if diff := cmp.Diff(api.Tap{Kind: api.TapSUN, CardAccount: w.sun.CardAccount, Assurance: "authentic", Card: known}, got); diff != "" {
		t.Error(diff)
	}
	_, err = w.pay(w.phone, tap, 100)
	expectProblem(t, err, "tap_used")
	_, err = w.phone.Tap(w.ctx, tap)
	expectProblem(t, err, "tap_used")
	paid := w.fresh()
	w.paid(w.phone, paid, 100)
	_, err = w.phone.Tap(w.ctx, paid)
	expectProblem(t, err, "tap_used")
}

func TestMessageTellsAStrangerNothing(t *testing.T) {
	w := openSUN(t)
	stranger := w.newDevice("stranger")
	used := w.fresh()
	w.paid(w.phone, used, 100)
	_, unissued := w.issueSUN("04112233445566") // not activated
	genuine := w.tag.Tap()
	forged := genuine[:len(genuine)-1] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(genuine, "0")]
	nobodys := *w.tag
	nobodys.UID[6]++
	frozen := func() consent.Tap {
		_, err := w.phone.Freeze(w.ctx, consent.CardID(w.sun.ID))
		w.must(err)
		return w.fresh()
	}
	want := api.Tap{Kind: api.TapSUN, CardAccount: "•••• ", Assurance: "identified"}
	for _, c := range []struct {
		name string
		tap  consent.Tap
	}{
		{"used", used}, {"fresh", w.fresh()}, {"forged", w.tapOf(forged)}, {"of a card not activated", w.tapOf(unissued.Tap())},
		{"of no card", w.tapOf(nobodys.Tap())}, {"of a frozen card", frozen()},
	} {
		e := w.present(stranger, c.tap)
		got := e.tap(t)
		if len(got.CardAccount) != len(want.CardAccount)+4 {
			t.Errorf("%s: card account %q", c.name, got.CardAccount)
		}
		got.CardAccount = want.CardAccount
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestStrangersPresentationUsesTheMessageUpAndIsTold(t *testing.T) {
	w := openSUN(t)
	tap := w.fresh()
	w.present(w.kiosk, tap).tap(t)
	if n := len(w.alarms()); n != 1 {
		t.Errorf("%d alarms, want 1", n)
	}
	_, err := w.pay(w.phone, tap, 100)
	expectProblem(t, err, "tap_used")
	w.present(w.kiosk, tap).tap(t)
	if n := len(w.alarms()); n != 1 {
		t.Errorf("a replay raised an alarm: %d", n)
	}
}

func TestParallelPresentationsOfAMessageTellOnce(t *testing.T) {
	w := openSUN(t)
	tap := w.fresh()
	answers := make([]exchange, 12)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = w.present(w.phone, tap) })
	}
	wg.Wait()
	told := 0
	for _, e := range answers {
		if e.Status == 200 {
			told++
		} else if p := e.problem(t); p.Code != "tap_used" {
			t.Errorf("answered %d %s", e.Status, e.Answer)
		}
	}
	if told != 1 {
		t.Errorf("the message served %d times", told)
	}
}

func TestSamePresentationSentAgainHasTheSameAnswer(t *testing.T) {
	w := openSUN(t)
	body := w.signed(w.phone.Key, consent.TypTap, &consent.Presentation{Claims: w.claims(), Tap: w.fresh()})
	first := w.post("/v1/taps", api.ContentJWS, body)
	second := w.post("/v1/taps", api.ContentJWS, body)
	if first.tap(t).Card == nil || second.Answer != first.Answer || second.AnswerHeader.Get(api.ReplayedHeader) != "true" {
		t.Errorf("answered %s, then %d %s", first.Answer, second.Status, second.Answer)
	}
	if err := w.operator.RevokeDevice(w.ctx, w.phone.ID(), "stolen"); err != nil {
		t.Fatal(err)
	}
	if e := w.post("/v1/taps", api.ContentJWS, body); e.problem(t).Code != "device_revoked" {
		t.Errorf("a revoked device was told %s", e.Answer)
	}
}

func TestChallengeSaysWhatTheCardIsToBeTold(t *testing.T) {
	w := openWorld(t)
	numbers := map[string]bool{}
	for _, c := range []struct {
		amount             money.Amount
		authorised, number string
	}{
		{cny(1250), "000000001250", "0156"}, {money.Amount{Minor: 7, Currency: "JPY"}, "000000000007", "0392"},
		{money.Amount{Minor: 999_999_999_999, Currency: "AUD"}, "999999999999", "0036"},
	} {
		e := w.post("/v1/tap-challenges", api.ContentJWS, w.signed(w.phone.Key, consent.TypTapChallenge,
			&consent.TapChallenge{Claims: w.claims(), Amount: c.amount}))
		var got api.TapChallenge
		w.must(json.Unmarshal([]byte(e.Answer), &got))
		want := api.TapChallenge{Amount: c.authorised, Currency: c.number, Country: "0156", ExpiresIn: 60,
			ID: got.ID, UnpredictableNumber: got.UnpredictableNumber}
		if diff := cmp.Diff(want, got); diff != "" || e.Status != 201 {
			t.Errorf("%s: %d\n%s", c.amount, e.Status, diff)
		}
		numbers[got.UnpredictableNumber] = true
	}
	if len(numbers) != 3 {
		t.Errorf("3 challenges have the numbers %v", numbers)
	}
	for _, a := range []money.Amount{{}, {Minor: 1_000_000_000_000, Currency: "CNY"}, {Minor: 1, Currency: "XXX"}} {
		e := w.post("/v1/tap-challenges", api.ContentJWS, w.signed(w.phone.Key, consent.TypTapChallenge,
			&consent.TapChallenge{Claims: w.claims(), Amount: a}))
		if p := e.problem(t); p.Code != "invalid_field" || p.Field != "amount" {
			t.Errorf("%v: %s", a, e.Answer)
		}
	}
}

func TestDeviceCannotFloodChallenges(t *testing.T) {
	w := openWorld(t)
	var wg sync.WaitGroup
	given := make([]bool, 30)
	for i := range given {
		wg.Go(func() {
			_, err := w.phone.TapChallenge(w.ctx, cny(100))
			given[i] = err == nil
		})
	}
	wg.Wait()
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	if n != processor.ChallengesAtATime {
		t.Errorf("%d challenges were given, want %d", n, processor.ChallengesAtATime)
	}
	e := w.post("/v1/tap-challenges", api.ContentJWS, w.signed(w.phone.Key, consent.TypTapChallenge,
		&consent.TapChallenge{Claims: w.claims(), Amount: cny(100)}))
	if p := e.problem(t); p.Code != "too_many_challenges" || !p.Retryable || p.RetryAfter == 0 {
		t.Errorf("answered %s", e.Answer)
	}
	if _, err := w.kiosk.TapChallenge(w.ctx, cny(100)); err != nil {
		t.Errorf("another device: %v", err)
	}
	w.clock.Advance(processor.ChallengeLife)
	if _, err := w.phone.TapChallenge(w.ctx, cny(100)); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// BenchmarkTapOfKnownAndUnknown measures how long a stranger waits for the answer to a number of a card that was issued,
// and of one that was not, in turn: known-ns/op and unknown-ns/op are to be alike.
func BenchmarkTapOfKnownAndUnknown(b *testing.B) {
	w := openWorld(b)
	numbers := map[string]consent.AccountNumber{"known": cardNumber, "unknown": "6200000000990005"}
	took := map[string]time.Duration{}
	for i := 0; b.Loop(); i++ {
		order := []string{"known", "unknown"}
		if i%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, name := range order {
			began := time.Now()
			e := w.present(w.kiosk, consent.Tap{Account: numbers[name]})
			took[name] += time.Since(began)
			if e.Status != 200 {
				b.Fatalf("%s: %d %s", name, e.Status, e.Answer)
			}
		}
	}
	for name, d := range took {
		b.ReportMetric(float64(d.Nanoseconds())/float64(b.N), name+"-ns/op")
	}
}
