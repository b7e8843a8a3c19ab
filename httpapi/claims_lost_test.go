package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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

// Numbers of cards in another's place.
const (
	nextNumber  consent.AccountNumber = "6222020000000000045"
	afterNumber consent.AccountNumber = "6222020000000000052"
)

// replaced puts a card with a number in the place of another.
func (w *world) replaced(old string, number consent.AccountNumber) api.CardCode {
	w.t.Helper()
	code, err := w.operator.ReplaceCard(w.ctx, consent.CardID(old), api.Replacement{AccountNumber: string(number), Note: "lost"})
	w.must(err)
	return code
}

func (w *world) cardNow(id string) api.Card {
	w.t.Helper()
	card, err := w.operator.Card(w.ctx, consent.CardID(id))
	w.must(err)
	return card
}

// cardEvents are the types of a card's events that a principal was told.
func (w *world) cardEvents(id string, to processor.Principal) (types []string) {
	w.t.Helper()
	w.must(w.store.View(w.ctx, func(r processor.Reader) error {
		events, _, err := r.Events(0, 500, to)
		for _, e := range events {
			if e.Subject == id {
				types = append(types, e.Type)
			}
		}
		return err
	}))
	return types
}

func (w *world) payWith(from *device.Client, number consent.AccountNumber, minor int64, pin consent.PIN) *device.Payment {
	w.t.Helper()
	p := w.sent(from, number, minor)
	_, err := p.Authenticate(w.ctx, pin)
	w.must(err)
	w.walk(p)
	return p
}

func TestALostCardIsStoppedAndNoDeviceStartsItAgain(t *testing.T) {
	w := openWorld(t)
	id := consent.CardID(w.card.ID)
	waiting, open := w.confirmed(w.kiosk, 12_50), w.authenticated(w.phone, 100)
	w.expectMoney(100_00, 12_50, 0)
	card, err := w.phone.ReportLost(w.ctx, id)
	w.must(err)
	if card.State != "frozen" || card.LostAt == nil || !card.LostAt.Equal(w.clock.Now()) {
		t.Errorf("the lost card is %s, lost at %v", card.State, card.LostAt)
	}
	w.expectState(waiting, payment.Cancelled)
	w.expectState(open, payment.Cancelled)
	w.expectMoney(100_00, 0, 0)
	since := *card.LostAt
	w.clock.Advance(time.Minute)
	_, err = w.phone.Unfreeze(w.ctx, id, rightPIN)
	expectProblem(t, err, "card_state") // whoever has card, phone and PIN by now cannot either
	if card, err = w.phone.ReportLost(w.ctx, id); err != nil || !card.LostAt.Equal(since) {
		t.Errorf("lost again: %v, at %v, want %v", err, card.LostAt, since)
	}
	card, err = w.operator.UnfreezeCard(w.ctx, id, "found in the library")
	w.must(err)
	if card.State != "active" || card.LostAt != nil {
		t.Errorf("found, the card is %s, lost at %v", card.State, card.LostAt)
	}
	w.expectState(w.payWith(w.phone, cardNumber, 100, rightPIN), payment.Settled)
	card, err = w.operator.ReportLost(w.ctx, id, "the holder called")
	w.must(err)
	if card.State != "frozen" || card.LostAt == nil {
		t.Errorf("lost for an operator, the card is %s, lost at %v", card.State, card.LostAt)
	}
	_, err = w.phone.Unfreeze(w.ctx, id, rightPIN)
	expectProblem(t, err, "card_state")
	for _, to := range []processor.Principal{processor.OperatorsPrincipal, processor.DevicePrincipal(payment.DeviceID(w.phone.ID()))} {
		want := []string{"card.lost", "card.lost", "card.unfrozen", "card.lost"}
		got := slices.DeleteFunc(w.cardEvents(w.card.ID, to), func(e string) bool { return e == "card.bound" })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is told (-want +got):\n%s", to, diff)
		}
	}
}

func TestALossIsReportedByTheAssociatedDeviceOrAnOperator(t *testing.T) {
	w := openWorld(t)
	id := consent.CardID(w.card.ID)
	_, err := w.kiosk.ReportLost(w.ctx, id)
	expectProblem(t, err, "unknown_card")
	tablet := w.newDevice("tablet")
	_, err = w.phone.Rebind(w.ctx, id, tablet.ID())
	w.must(err)
	_, err = w.phone.ReportLost(w.ctx, id)
	expectProblem(t, err, "unknown_card") // it may freeze the card, which its holder can undo
	w.must(w.operator.RevokeDevice(w.ctx, tablet.ID(), "stolen"))
	_, err = tablet.ReportLost(w.ctx, id)
	expectProblem(t, err, "device_revoked")
	issued := w.issue(nextNumber)
	_, err = w.operator.ReportLost(w.ctx, consent.CardID(issued.Card.ID), "in the post")
	expectProblem(t, err, "card_state") // it cannot pay; replace or close it
	_, err = w.operator.ReportLost(w.ctx, "card_AAAAAAAAAAAAAAAAAAAAAA", "")
	expectProblem(t, err, "unknown_card")
}

func TestAReplacedCardLivesOnInTheNewOne(t *testing.T) {
	w := openWorld(t)
	old := consent.CardID(w.card.ID)
	_, err := w.phone.SetLevel(w.ctx, old, rightPIN, "confirm")
	w.must(err)
	paid := w.payWith(w.phone, cardNumber, 12_50, rightPIN)
	waiting := w.confirmed(w.kiosk, 10_00)
	untouched := w.sent(w.kiosk, cardNumber, 100)
	_, err = w.operator.ReportLost(w.ctx, old, "")
	w.must(err)
	w.clock.Advance(time.Second)
	issued := w.replaced(w.card.ID, nextNumber)
	before := w.cardNow(w.card.ID)
	if before.State != "closed" || before.ReplacedBy != issued.Card.ID || before.Account != w.card.Account {
		t.Errorf("the old card is %+v", before)
	}
	want := api.Card{
		ID: issued.Card.ID, CardAccount: consent.MaskLast4("0045"), Label: "Campus card", State: "issued", Account: w.card.Account,
		Currency: "CNY", Balance: 87_50, Available: 87_50, Level: "confirm", AssociatedDevice: string(w.phone.ID()),
		Devices: w.card.Devices, Replaces: w.card.ID,
		Spent: &api.Spent{Day: w.clock.Now().Format(time.DateOnly), DayCount: 1, DaySum: 12_50, MonthCount: 1, MonthSum: 12_50},
	}
	for name, got := range map[string]api.Card{"as it was answered": issued.Card, "as it is": w.cardNow(issued.Card.ID)} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the new card, %s (-want +got):\n%s", name, diff)
		}
	}
	w.expectState(waiting, payment.Cancelled)
	w.expectMoney(87_50, 0, 12_50)
	_, err = untouched.Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "wrong_pin")
	card, err := w.phone.Activate(w.ctx, consent.Code(issued.Code), nextNumber, "") // at once, and with the PIN it has
	w.must(err)
	if card.State != "active" || card.AssociatedDevice != string(w.phone.ID()) {
		t.Errorf("the new card is %s with %s", card.State, card.AssociatedDevice)
	}
	again := w.payWith(w.phone, nextNumber, 500, rightPIN)
	w.expectState(again, payment.Settled)
	w.expectMoney(82_50, 0, 17_50)
	w.historyGoesOn(paid, again)
	if got := w.cardEvents(w.card.ID, processor.DevicePrincipal(payment.DeviceID(w.phone.ID()))); got[len(got)-1] != "card.replaced" {
		t.Errorf("the phone is told %v", got)
	}
	log, err := w.operator.Audit(w.ctx, "")
	w.must(err)
	if r := log.Records[0]; r.Action != "card.replace" || r.Subject != w.card.ID || r.Note != "lost" {
		t.Errorf("the audit log says %+v", r)
	}
}

// historyGoesOn wants two payments in the phone's list, with both cards, and in the account's report.
func (w *world) historyGoesOn(first, second *device.Payment) {
	w.t.Helper()
	list, err := w.phone.Payments(w.ctx, api.RoleInitiator, string(payment.Settled), "", 50)
	w.must(err)
	var got []string
	for _, p := range list.Payments {
		got = append(got, p.ID+" "+p.CardAccount)
	}
	want := []string{string(second.ID()) + " " + consent.MaskLast4("0045"), string(first.ID()) + " " + consent.MaskLast4("0005")}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("the phone's payments (-want +got):\n%s", diff)
	}
	report, err := w.operator.Report(w.ctx, w.card.Account, time.Time{}, time.Time{})
	w.must(err)
	references := map[string]bool{}
	for _, l := range report.Lines {
		references[l.Reference] = true
	}
	if !references[string(first.ID())] || !references[string(second.ID())] || report.Closing != 82_50 {
		w.t.Errorf("the account's report closes with %d and has %v", report.Closing, references)
	}
	cards, err := w.phone.Cards(w.ctx)
	w.must(err)
	if len(cards) != 2 || cards[0].State != "closed" || cards[1].Replaces != cards[0].ID {
		w.t.Errorf("the phone's cards: %+v", cards)
	}
}

func TestAReplacedCardIsDeadForEver(t *testing.T) {
	w := openWorld(t)
	old, phone, op := consent.CardID(w.card.ID), w.phone, w.operator
	other := w.issue(afterNumber)
	issued := w.replaced(w.card.ID, nextNumber)
	for _, activated := range []bool{false, true} {
		if activated {
			_, err := phone.Activate(w.ctx, consent.Code(issued.Code), nextNumber, "")
			w.must(err)
		}
		tries := func() []string { return w.dump()["tries"] }
		before := tries()
		for name, attack := range map[string]struct {
			do   func() error
			code string
		}{
			"pay on its device": {func() error { _, err := w.draft(phone, cardNumber, 100).Send(w.ctx); return err }, "card_state"},
			"activate":          {func() error { _, err := phone.Activate(w.ctx, consent.Code(issued.Code), cardNumber, ""); return err }, "activation_refused"},
			"activate, PIN": {func() error {
				_, err := phone.Activate(w.ctx, consent.Code(issued.Code), cardNumber, "8305")
				return err
			}, "activation_refused"},
			"other code": {func() error {
				_, err := phone.Activate(w.ctx, consent.Code(other.Code), cardNumber, "8305")
				return err
			}, "activation_refused"},
			"freeze":             {func() error { _, err := phone.Freeze(w.ctx, old); return err }, "card_state"},
			"report lost":        {func() error { _, err := phone.ReportLost(w.ctx, old); return err }, "card_state"},
			"unfreeze":           {func() error { _, err := phone.Unfreeze(w.ctx, old, rightPIN); return err }, "card_state"},
			"guess its PIN":      {func() error { _, err := phone.Unfreeze(w.ctx, old, wrongPIN); return err }, "card_state"},
			"change its PIN":     {func() error { _, err := phone.ChangePIN(w.ctx, old, rightPIN, "8305"); return err }, "card_state"},
			"limit":              {func() error { _, err := phone.SetLevel(w.ctx, old, rightPIN, "tap"); return err }, "card_state"},
			"rebind":             {func() error { _, err := phone.Rebind(w.ctx, old, w.kiosk.ID()); return err }, "card_state"},
			"operator unfreezes": {func() error { _, err := op.UnfreezeCard(w.ctx, old, ""); return err }, "card_state"},
			"operator freezes":   {func() error { _, err := op.FreezeCard(w.ctx, old, ""); return err }, "card_state"},
			"operator loses":     {func() error { _, err := op.ReportLost(w.ctx, old, ""); return err }, "card_state"},
			"operator closes":    {func() error { _, err := op.CloseCard(w.ctx, old, ""); return err }, "card_state"},
			"code to activate":   {func() error { _, err := op.ActivationCode(w.ctx, old, ""); return err }, "card_state"},
			"code to rebind":     {func() error { _, err := op.RebindCard(w.ctx, old, ""); return err }, "card_state"},
			"code for a PIN":     {func() error { _, err := op.ResetPIN(w.ctx, old, ""); return err }, "card_state"},
			"issue its number": {func() error {
				_, err := op.IssueCard(w.ctx, api.NewCard{AccountNumber: string(cardNumber), Currency: "CNY"})
				return err
			}, "card_exists"},
			"replace it again": {func() error {
				_, err := op.ReplaceCard(w.ctx, old, api.Replacement{AccountNumber: "6222020000000000060"})
				return err
			}, "card_state"},
			"put it in another's place": {func() error {
				_, err := op.ReplaceCard(w.ctx, consent.CardID(other.Card.ID), api.Replacement{AccountNumber: string(cardNumber)})
				return err
			}, "card_exists"},
			"put it in its own": {func() error {
				_, err := op.ReplaceCard(w.ctx, consent.CardID(issued.Card.ID), api.Replacement{AccountNumber: string(nextNumber)})
				return err
			}, "card_exists"},
		} {
			t.Run(fmt.Sprintf("%s, activated %v", name, activated), func(t *testing.T) { expectProblem(t, attack.do(), attack.code) })
		}
		if diff := cmp.Diff(before, tries()); diff != "" {
			t.Errorf("the attacks found tries (-before +after):\n%s", diff)
		}
	}
	if card := w.cardNow(w.card.ID); card.State != "closed" || card.ReplacedBy != issued.Card.ID {
		t.Errorf("the old card is %s, replaced by %s", card.State, card.ReplacedBy)
	}
	w.expectState(w.payWith(phone, nextNumber, 100, rightPIN), payment.Settled)
}

func TestMessagesOfAReplacedCardAreWorthNothing(t *testing.T) {
	w := openSUN(t, atLevel(payment.LevelTap))
	kept := []consent.Tap{w.fresh(), w.fresh(), w.fresh()}
	issued := w.replaced(w.sun.ID, nextNumber)
	_, err := w.pay(w.phone, kept[0], 100)
	expectProblem(t, err, "card_state")
	p, unknown := w.paid(w.newDevice("thief"), kept[1], 100), w.sent(w.newDevice("thief"), unknownNumber, 100)
	if !w.stored(p).Decoy() {
		t.Error("a message of the old card opened a payment")
	}
	for _, q := range []*device.Payment{p, unknown} {
		_, err = q.Authenticate(w.ctx, rightPIN)
		expectProblem(t, err, "wrong_pin")
	}
	_, err = w.phone.ActivateTap(w.ctx, consent.Code(issued.Code), kept[2], "")
	expectProblem(t, err, "activation_refused")
	// A card that proves itself in the place of another has keys and a counter of its own.
	_, err = w.phone.Activate(w.ctx, consent.Code(issued.Code), nextNumber, "")
	w.must(err)
	again, err := w.operator.ReplaceCard(w.ctx, consent.CardID(issued.Card.ID), api.Replacement{SUN: &api.NewSUN{UID: "04AABBCCDDEE80"}})
	w.must(err)
	if again.SUN == nil || again.Card.Replaces != issued.Card.ID || again.Card.Account != w.sun.Account {
		t.Errorf("the third card: %+v", again)
	}
	_, err = w.operator.ReplaceCard(w.ctx, consent.CardID(again.Card.ID), api.Replacement{SUN: &api.NewSUN{UID: tagUID}})
	expectProblem(t, err, "card_exists")
}

func TestACardInAnothersPlaceIsForTheAssociatedDeviceOrWaitsADay(t *testing.T) {
	w := openWorld(t)
	issued := w.replaced(w.card.ID, nextNumber)
	id, thief := consent.CardID(issued.Card.ID), w.newDevice("thief")
	refused := func(from *device.Client, code string, number consent.AccountNumber, pin consent.PIN) {
		t.Helper()
		_, err := from.Activate(w.ctx, consent.Code(code), number, pin)
		expectProblem(t, err, "activation_refused")
	}
	refused(thief, issued.Code, nextNumber, "")       // card and code, but not the device
	refused(thief, issued.Code, nextNumber, "825913") // a PIN of one's own
	refused(w.phone, issued.Code, nextNumber, "825913")
	refused(w.phone, issued.Code, unknownNumber, "")                      // the code, but not the card
	refused(w.phone, string(consent.NewActivationCode()), nextNumber, "") // the card, but not the code
	_, err := thief.Freeze(w.ctx, id)
	expectProblem(t, err, "unknown_card")
	_, err = w.operator.RebindCard(w.ctx, id, "so says somebody on the phone")
	expectProblem(t, err, "card_state")
	_, err = w.operator.ResetPIN(w.ctx, id, "so says somebody on the phone")
	expectProblem(t, err, "card_state")
	_, err = w.phone.Rebind(w.ctx, id, thief.ID())
	expectProblem(t, err, "card_state")
	// Its holder did not ask for it: the phone voids the code.
	_, err = w.phone.Freeze(w.ctx, id)
	w.must(err)
	w.clock.Advance(processor.RebindingDelay)
	refused(thief, issued.Code, nextNumber, "")
	refused(w.phone, issued.Code, nextNumber, "")
	// A new code is of the same kind.
	code, err := w.operator.ActivationCode(w.ctx, id, "")
	w.must(err)
	if !code.NotBefore.Equal(w.clock.Now().Add(processor.RebindingDelay)) {
		t.Errorf("on other devices the new code can be used at %v, now is %v", code.NotBefore, w.clock.Now())
	}
	newPhone := w.newDevice("new phone")
	refused(newPhone, code.Code, nextNumber, "")
	refused(newPhone, code.Code, nextNumber, "825913")
	w.clock.Advance(processor.RebindingDelay)
	refused(newPhone, code.Code, nextNumber, "825913")
	card, err := newPhone.Activate(w.ctx, consent.Code(code.Code), nextNumber, "") // the old phone is lost, too
	w.must(err)
	if card.AssociatedDevice != string(newPhone.ID()) || card.State != "active" {
		t.Errorf("the card is %s with %s", card.State, card.AssociatedDevice)
	}
	p := w.sent(newPhone, nextNumber, 100)
	_, err = p.Authenticate(w.ctx, "825913")
	expectProblem(t, err, "wrong_pin")
	_, err = p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	refused(newPhone, code.Code, nextNumber, "") // used
}

func TestARevokedDeviceActivatesNothing(t *testing.T) {
	w := openWorld(t)
	issued := w.replaced(w.card.ID, nextNumber)
	w.must(w.operator.RevokeDevice(w.ctx, w.phone.ID(), "stolen with the card"))
	_, err := w.phone.Activate(w.ctx, consent.Code(issued.Code), nextNumber, "")
	expectProblem(t, err, "device_revoked")
	w.clock.Advance(processor.RebindingDelay)
	_, err = w.newDevice("new phone").Activate(w.ctx, consent.Code(issued.Code), nextNumber, "")
	w.must(err)
}

func TestACardThatWasNeverActivatedIsReplacedByOneToActivate(t *testing.T) {
	w := openWorld(t)
	issued := w.issue(nextNumber)
	next := w.replaced(issued.Card.ID, afterNumber)
	_, err := w.kiosk.Activate(w.ctx, consent.Code(issued.Code), nextNumber, rightPIN)
	expectProblem(t, err, "activation_refused")
	_, err = w.kiosk.Activate(w.ctx, consent.Code(next.Code), afterNumber, "")
	expectProblem(t, err, "activation_refused")
	card, err := w.kiosk.Activate(w.ctx, consent.Code(next.Code), afterNumber, "825913")
	w.must(err)
	if card.Account != issued.Card.Account || card.State != "active" {
		t.Errorf("the card is %s on %s", card.State, card.Account)
	}
}

func TestACardIsReplacedOnce(t *testing.T) {
	w := openWorld(t)
	results := make(chan error, 12)
	var wg sync.WaitGroup
	for i := range cap(results) {
		wg.Go(func() {
			number := fmt.Sprintf("62220200000001%05d", i)
			_, err := w.operator.ReplaceCard(w.ctx, consent.CardID(w.card.ID), api.Replacement{AccountNumber: number})
			results <- err
		})
	}
	wg.Wait()
	close(results)
	done := 0
	for err := range results {
		if err == nil {
			done++
			continue
		}
		expectProblem(t, err, "card_state")
	}
	cards, err := w.operator.Cards(w.ctx)
	w.must(err)
	if done != 1 || len(cards) != 2 {
		t.Errorf("%d replacements were done, and there are %d cards", done, len(cards))
	}
}

func TestANumberTakesOnePlace(t *testing.T) {
	w := openWorld(t)
	var old []string
	for i := range 12 {
		old = append(old, w.issue(consent.AccountNumber(fmt.Sprintf("62220200000002%05d", i))).Card.ID)
	}
	results := make(chan error, len(old))
	var wg sync.WaitGroup
	for _, id := range old {
		wg.Go(func() {
			_, err := w.operator.ReplaceCard(w.ctx, consent.CardID(id), api.Replacement{AccountNumber: string(nextNumber)})
			results <- err
		})
	}
	wg.Wait()
	close(results)
	done := 0
	for err := range results {
		if err == nil {
			done++
			continue
		}
		expectProblem(t, err, "card_exists")
	}
	if done != 1 {
		t.Errorf("%d cards have the number", done)
	}
}

// Nothing that is counted begins anew with a new card: the day's sums, the hour's approvals, the tries at the PIN.
func TestReplacingACardBeginsNoCountAnew(t *testing.T) {
	policy := limited(payment.LevelTap)
	policy.AllowIdentifiedTap, policy.TapLimit, policy.TapDailyLimit = true, 8_00, 8_00
	w := openWorld(t, withPolicy(policy))
	w.clock.Advance(w.clock.Now().Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(w.clock.Now()))
	w.expectState(w.sent(w.phone, cardNumber, 8_00), payment.Settled) // a tap was enough
	for range processor.HourlyApprovals {
		p := w.confirmed(w.kiosk, 100)
		_, err := p.Cancel(w.ctx)
		w.must(err)
	}
	w.expectState(w.payWith(w.phone, cardNumber, 10_00, rightPIN), payment.Settled)
	for range 2 {
		_, err := w.sent(w.phone, cardNumber, 1_00).Authenticate(w.ctx, wrongPIN)
		expectProblem(t, err, "wrong_pin")
	}
	issued := w.replaced(w.card.ID, nextNumber)
	_, err := w.phone.Activate(w.ctx, consent.Code(issued.Code), nextNumber, "")
	w.must(err)
	p := w.sent(w.phone, nextNumber, 1) // no tap is enough any more today
	_, err = p.Authenticate(w.ctx, wrongPIN)
	if problem := expectProblem(t, err, "wrong_pin"); *problem.AttemptsLeft != 0 {
		t.Errorf("%d tries are left after the third wrong one", *problem.AttemptsLeft)
	}
	w.clock.Advance(15 * time.Minute)
	_, err = w.sent(w.phone, nextNumber, 7_01).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "limit_exceeded")
	waiting := w.sent(w.kiosk, nextNumber, 100)
	_, err = waiting.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := waiting.Statement()
	w.must(err)
	_, err = waiting.Confirm(w.ctx, s)
	expectProblem(t, err, "too_many_approvals")
	w.expectMoney(82_00, 0, 18_00)
}

func TestALockedPINStaysLockedOnTheNewCard(t *testing.T) {
	w := openWorld(t)
	for range 5 {
		if _, err := w.sent(w.phone, cardNumber, 100).Authenticate(w.ctx, wrongPIN); err == nil {
			t.Fatal("a wrong PIN was right")
		}
		w.clock.Advance(15 * time.Minute)
	}
	issued := w.replaced(w.card.ID, nextNumber)
	_, err := w.phone.Activate(w.ctx, consent.Code(issued.Code), nextNumber, "")
	w.must(err)
	_, err = w.sent(w.phone, nextNumber, 100).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "authentication_locked")
	id := consent.CardID(issued.Card.ID)
	code, err := w.operator.ResetPIN(w.ctx, id, "locked")
	w.must(err)
	_, err = w.phone.ResetPIN(w.ctx, id, consent.Code(code.Code), "825913")
	w.must(err)
	w.expectState(w.payWith(w.phone, nextNumber, 100, "825913"), payment.Settled)
}

// failing is a store whose transactions fail at their very end, after all was written, as when the power goes.
type failing struct {
	processor.Store
	mu   sync.Mutex
	fail bool
}

var errPower = errors.New("the power went")

func (f *failing) set(fail bool) { f.mu.Lock(); defer f.mu.Unlock(); f.fail = fail }

// Update runs a transaction that may be undone.
func (f *failing) Update(ctx context.Context, do func(processor.Tx) error) error {
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	return f.Store.Update(ctx, func(tx processor.Tx) error {
		if err := do(tx); err != nil || !fail {
			return err
		}
		return errPower
	})
}

func TestAReplacementIsDoneWhollyOrNotAtAll(t *testing.T) {
	var store *failing
	w := openWorld(t, func(p *processor.Config, _ *httpapi.Config) {
		store = &failing{Store: p.Store}
		p.Store = store
	})
	waiting := w.confirmed(w.kiosk, 12_50)
	token := w.token(w.operator.Key)
	body := `{"account_number":"` + string(nextNumber) + `"}`
	replace := func() exchange {
		return w.post("/v1/admin/cards/"+w.card.ID+"/replace", "application/json", body,
			"Authorization", "Bearer "+token, api.IdempotencyHeader, "once")
	}
	store.set(true)
	w.unchanged(func() {
		if e := replace(); e.Status < 500 {
			t.Errorf("without power: %d %s", e.Status, e.Answer)
		}
	})
	w.expectState(waiting, payment.ApprovalRequired)
	store.set(false)
	first, second := replace(), replace()
	if first.Status != 201 || second.Answer != first.Answer {
		t.Errorf("with power: %d %s, and again %d %s", first.Status, first.Answer, second.Status, second.Answer)
	}
	w.expectState(waiting, payment.Cancelled)
}

func TestPasskeysOfAReplacedCardAreDead(t *testing.T) {
	w := openPasskey(t)
	p := w.sent(w.phone, cardNumber, 12_50)
	statement := w.shown(p)
	answer := w.assert(p.View().Statement)
	issued := w.replaced(w.card.ID, nextNumber)
	_, err := p.ConfirmWith(w.ctx, statement, answer)
	expectProblem(t, err, "card_state")
	_, err = w.phone.Activate(w.ctx, consent.Code(issued.Code), nextNumber, "")
	w.must(err)
	// The new card has none, until its holder makes one with the PIN.
	if q := w.sent(w.phone, nextNumber, 12_50); len(q.View().Passkeys) != 0 {
		t.Errorf("the new card's payment offers %v", q.View().Passkeys)
	}
	_, err = w.phone.RegisterPasskey(w.ctx, consent.CardID(w.card.ID), "phone", rightPIN, w.create(w.credential))
	expectProblem(t, err, "card_state")
	w.expectMoney(100_00, 0, 0)
}
