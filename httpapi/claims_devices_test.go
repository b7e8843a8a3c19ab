package httpapi_test

import (
	"slices"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/payment"
	"tapline/processor"
)

// handedOver is a world whose card has gone from the phone to a new phone: the old one is bound and not associated.
func handedOver(t *testing.T) (w *world, old, young *device.Client) {
	t.Helper()
	w = openWorld(t)
	old, young = w.phone, w.newDevice("new phone")
	w.clock.Advance(time.Hour)
	_, err := old.Rebind(w.ctx, w.cardID(), young.ID())
	w.must(err)
	return w, old, young
}

func (w *world) cardID() consent.CardID { return consent.CardID(w.card.ID) }

// boundNow are the devices of the world's card as the operator sees them.
func (w *world) boundNow() (ids []string) {
	w.t.Helper()
	for _, d := range w.cardNow(w.card.ID).Devices {
		ids = append(ids, d.ID)
	}
	return ids
}

// Whoever holds a stolen phone, associated or not, must not shut the holder's other devices out.
func TestOnlyTheAssociatedDeviceWithThePINRemovesADevice(t *testing.T) {
	w, old, young := handedOver(t)
	third := w.newDevice("tablet")
	_, err := young.Rebind(w.ctx, w.cardID(), third.ID())
	w.must(err)
	before := w.boundNow()
	for name, c := range map[string]struct {
		by      *device.Client
		pin     consent.PIN
		removed consent.DeviceID
		code    string
	}{
		"a former device, the owner's":         {old, rightPIN, third.ID(), "unknown_card"},
		"a former device, another":             {old, rightPIN, young.ID(), "unknown_card"},
		"a stranger":                           {w.kiosk, rightPIN, old.ID(), "unknown_card"},
		"the associated one, without the PIN":  {third, wrongPIN, old.ID(), "wrong_pin"},
		"the associated one, a stranger":       {third, rightPIN, w.kiosk.ID(), "unknown_device"},
		"the associated one, one that is none": {third, rightPIN, consent.DeviceID(slices.Repeat([]byte("x"), 43)), "unknown_device"},
		"the associated one, itself":           {third, rightPIN, third.ID(), "invalid_field"},
	} {
		_, err := c.by.RemoveDevice(w.ctx, w.cardID(), c.pin, c.removed)
		expectProblem(t, err, c.code)
		if got := w.boundNow(); !slices.Equal(got, before) {
			t.Errorf("%s: bound are %v, want %v", name, got, before)
		}
	}
	for range 3 {
		if _, err = third.RemoveDevice(w.ctx, w.cardID(), wrongPIN, old.ID()); err == nil {
			t.Error("removed with a wrong PIN")
		}
	}
	_, err = third.RemoveDevice(w.ctx, w.cardID(), rightPIN, old.ID())
	expectProblem(t, err, "authentication_paused") // tries at the PIN are the same as anywhere else
}

func TestARemovedDeviceIsAStrangerToTheCard(t *testing.T) {
	w, old, young := handedOver(t)
	w.clock.Advance(time.Hour)
	started, approved := w.sent(old, cardNumber, 100), w.confirmed(young, 200)
	_, err := old.Cards(w.ctx)
	w.must(err)
	card, err := young.RemoveDevice(w.ctx, w.cardID(), rightPIN, old.ID())
	w.must(err)
	if len(card.Devices) != 1 || card.Devices[0].ID != string(young.ID()) || card.State != "active" {
		t.Errorf("the card is %s with %v", card.State, card.Devices)
	}
	if cards, err := old.Cards(w.ctx); err != nil || len(cards) != 0 {
		t.Errorf("the removed device has the cards %v, %v", cards, err)
	}
	_, err = old.Card(w.ctx, w.cardID())
	expectProblem(t, err, "unknown_card")
	_, err = old.Passkeys(w.ctx, w.cardID())
	expectProblem(t, err, "unknown_card")
	_, err = old.Freeze(w.ctx, w.cardID())
	expectProblem(t, err, "unknown_card")
	_, err = old.ReportLost(w.ctx, w.cardID())
	expectProblem(t, err, "unknown_card")
	if shown, err := old.Tap(w.ctx, consent.Tap{Account: cardNumber}); err != nil || shown.Card != nil {
		t.Errorf("the removed device taps the card and is told %v, %v", shown.Card, err)
	}
	// What it had begun is over: with the right PIN, too.
	_, err = started.Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "wrong_pin")
	w.expectState(approved, payment.Settled) // from the associated device: money had moved
	before := w.cardEvents(w.card.ID, processor.DevicePrincipal(payment.DeviceID(old.ID())))
	if len(before) == 0 || before[len(before)-1] != "card.device_removed" {
		t.Errorf("the removed device was told of %v, want its removal at the end", before)
	}
	_, err = young.Freeze(w.ctx, w.cardID())
	w.must(err)
	if after := w.cardEvents(w.card.ID, processor.DevicePrincipal(payment.DeviceID(old.ID()))); !slices.Equal(after, before) {
		t.Errorf("the removed device is told of %v", after)
	}
	w.must(w.operator.RevokeDevice(w.ctx, old.ID(), "to see that it still was one"))
}

func TestARemovedDevicesOpenPaymentsAreCancelled(t *testing.T) {
	w, old, young := handedOver(t)
	open := w.confirmed(old, 12_50)
	w.expectMoney(100_00, 12_50, 0)
	_, err := young.RemoveDevice(w.ctx, w.cardID(), rightPIN, old.ID())
	w.must(err)
	w.expectState(open, payment.Cancelled)
	w.expectMoney(100_00, 0, 0)
}

// A message that was captured removes once. Bound again, the device stays.
func TestARemovalCannotBePlayedAgain(t *testing.T) {
	w, old, young := handedOver(t)
	compact := w.signed(young.Key, consent.TypDeviceRemoval, &consent.DeviceRemoval{
		Claims: w.claims(), Card: w.cardID(), Device: old.ID(), PIN: rightPIN,
	})
	path := "/v1/cards/" + w.card.ID + "/devices/remove"
	if e := w.post(path, api.ContentJWS, compact); e.Status != 200 {
		t.Fatalf("answered %d %s", e.Status, e.Answer)
	}
	w.clock.Advance(time.Minute)
	card, err := young.Rebind(w.ctx, w.cardID(), old.ID())
	w.must(err)
	if n := slices.IndexFunc(card.Devices, func(d api.BoundDevice) bool { return d.ID == string(old.ID()) }); n < 0 || !card.Devices[n].BoundAt.Equal(w.clock.Now()) {
		t.Errorf("bound again, the devices are %v", card.Devices)
	}
	if e := w.post(path, api.ContentJWS, compact); e.AnswerHeader.Get(api.ReplayedHeader) != "true" {
		t.Errorf("played again it is answered %d, as new", e.Status)
	}
	if got := w.boundNow(); len(got) != 2 {
		t.Errorf("played again, it leaves %v", got)
	}
	other := w.signed(old.Key, consent.TypDeviceRemoval, &consent.DeviceRemoval{
		Claims: w.claims(), Card: "card_another", Device: young.ID(), PIN: rightPIN,
	})
	if e := w.post(path, api.ContentJWS, other); e.Status != 400 {
		t.Errorf("a message about another card is answered %d", e.Status)
	}
}

// The card before a replaced one has the same account: it must not tell a removed device what is on it.
func TestAReplacedCardTellsNothingOfTheNewOnesMoney(t *testing.T) {
	w, old, young := handedOver(t)
	issued := w.replaced(w.card.ID, nextNumber)
	_, err := young.Activate(w.ctx, consent.Code(issued.Code), nextNumber, "")
	w.must(err)
	_, err = young.RemoveDevice(w.ctx, consent.CardID(issued.Card.ID), rightPIN, old.ID())
	w.must(err)
	card, err := old.Card(w.ctx, w.cardID())
	w.must(err)
	if card.Balance != 0 || card.Available != 0 || len(card.Devices) != 0 || card.State != "closed" {
		t.Errorf("the card before tells of %d, %d and %v", card.Balance, card.Available, card.Devices)
	}
	if cards, err := old.Cards(w.ctx); err != nil || len(cards) != 1 {
		t.Errorf("the removed device has the cards %v, %v", cards, err)
	}
}

func TestLastUseIsNotedWithinTenMinutesAndNotAtEveryRequest(t *testing.T) {
	w, old, young := handedOver(t)
	used := func(d *device.Client) time.Time {
		t.Helper()
		card, err := young.Card(w.ctx, w.cardID())
		w.must(err)
		for _, b := range card.Devices {
			if b.ID == string(d.ID()) && b.UsedAt != nil {
				return *b.UsedAt
			}
		}
		t.Fatalf("of %s no use is known: %v", d.ID(), card.Devices)
		return time.Time{}
	}
	first := w.clock.Now()
	if got := used(old); !got.Equal(first) {
		t.Errorf("used at %v, want %v", got, first) // it has just handed the card over
	}
	w.clock.Advance(processor.UseStep - time.Second)
	_, err := old.Cards(w.ctx)
	w.must(err)
	_, err = old.Freeze(w.ctx, w.cardID())
	w.must(err)
	if got := used(old); !got.Equal(first) {
		t.Errorf("a use nine minutes later is noted anew: %v", got)
	}
	// One that only looks, as a thief would, is noted as well; looking again and again changes nothing.
	w.clock.Advance(10 * time.Minute)
	looked := w.clock.Now()
	_, err = old.Cards(w.ctx)
	w.must(err)
	if got := used(old); !got.Equal(looked) {
		t.Errorf("looking at cards leaves the last use at %v, want %v", got, looked)
	}
	w.unchanged(func() {
		for range 5 {
			w.token(old.Key)
			_, err = old.Cards(w.ctx)
			w.must(err)
		}
	})
}
