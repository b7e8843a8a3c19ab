package processor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tapline/consent"
	"tapline/payment"
	. "tapline/processor"
)

// Attacks by somebody who has copied the card's number, or stolen the phone without its PIN.

func (s *shop) register(id payment.DeviceID) payment.DeviceID {
	s.t.Helper()
	s.must(&RegisterDevice{Device{ID: id, PublicKey: []byte("{}"), Label: string(id)}})
	return id
}

func (s *shop) loadCard() Card {
	s.t.Helper()
	return s.load(Wants{Cards: []payment.CardID{s.card}}).Cards[0]
}

func TestRebindingFindsNoFreshTries(t *testing.T) {
	s, tries := openShop(t), 0
	holder := phone
	for n := range 10 {
		i := s.instruct(holder, 100)
		s.must(i)
		for s.do(&ReserveTry{Device: holder, Payment: i.ID}) == nil {
			tries++
		}
		next := s.register(payment.DeviceID(fmt.Sprintf("thief %d", n)))
		s.must(&Rebind{Card: s.card, Device: holder, NewDevice: next})
		holder = next
	}
	if tries != consent.OwnTries.Pause {
		t.Errorf("going from device to device gave %d tries, want %d", tries, consent.OwnTries.Pause)
	}
	former := s.instruct(phone, 100)
	s.must(former)
	if n := s.guess(former.ID, phone); n != consent.StrangerTries.Pause {
		t.Errorf("a former device has %d tries, want a stranger's %d", n, consent.StrangerTries.Pause)
	}
}

func TestAFrozenCardCannotBeRebound(t *testing.T) {
	s := openShop(t)
	s.must(&SetCardState{Operated: Operated{By: chief}, Card: s.card, To: CardFrozen})
	err := s.do(&Rebind{Card: s.card, Device: phone, NewDevice: kiosk})
	if !errors.Is(err, ErrCardState) {
		t.Errorf("rebinding a frozen card: %v, want %v", err, ErrCardState)
	}
}

func TestOnlyTheAssociatedDeviceVoidsACode(t *testing.T) {
	s := openShop(t)
	s.must(&Rebind{Card: s.card, Device: phone, NewDevice: kiosk})
	s.must(&GiveCode{Operated: Operated{By: chief}, Card: s.card, Purpose: CodeRebinds, MAC: "m"})
	s.must(&Freeze{Card: s.card, Device: phone}) // a former device may freeze
	if s.loadCard().Code.Purpose != CodeRebinds {
		t.Error("a former device voided the code")
	}
	s.must(&Freeze{Card: s.card, Device: kiosk})
	if s.loadCard().Code != (OneUseCode{}) {
		t.Error("the associated device did not void the code")
	}
}

func TestAStrangerCannotUseUpTheOwnersCode(t *testing.T) {
	s := openShop(t)
	newPhone := s.register("new phone")
	s.must(&GiveCode{Operated: Operated{By: chief}, Card: s.card, Purpose: CodeRebinds, MAC: "right"})
	use := func(d payment.DeviceID, mac string) bool {
		a := &Activate{Device: d, CardKeys: KeysOfNumber(s.keys, s.number), CodeMACs: []string{mac}}
		s.must(a)
		return !a.Refused
	}
	for range 3 * CodeTries {
		use(kiosk, "wrong") // too early, so that it does not even count
	}
	s.clock.Advance(RebindingDelay)
	for range 3 * CodeTries {
		use(kiosk, "wrong")
	}
	if use(kiosk, "right") {
		t.Error("a device that has used up its tries got in")
	}
	if !use(newPhone, "right") {
		t.Error("a stranger used up the owner's code")
	}
}

func TestAChangeOfTheCardTellsAStrangerNothing(t *testing.T) {
	s := openShop(t)
	watched := s.instruct(kiosk, 100)
	s.must(watched)
	s.must(&Freeze{Card: s.card, Device: phone})
	s.must(&SetCardState{Operated: Operated{By: chief}, Card: s.card, To: CardFrozen})
	s.must(&SetCardState{Operated: Operated{By: chief}, Card: s.card, To: CardActive})
	p := s.load(Wants{Payments: []payment.ID{watched.ID}}).Payments[0]
	if p.State != payment.AuthenticationRequired || p.Version != 1 {
		t.Errorf("the stranger's payment is %s, version %d; want it as it was", p.State, p.Version)
	}
	r := &ReserveTry{Device: kiosk, Payment: watched.ID}
	s.must(r)
	a := &Authenticate{Payment: watched.ID, Device: kiosk, Right: true, Policy: s.Policy}
	s.must(a)
	if len(r.Record.Sum) != 0 || a.After.State == payment.ConfirmationRequired {
		t.Error("a payment from before the card changed was authenticated")
	}
}

func TestAHolderCannotUndoAnOperatorsFreeze(t *testing.T) {
	s := openShop(t)
	unfreeze := func() CardState {
		r := &ReserveTry{Device: phone, Card: s.card}
		s.must(r)
		s.must(NewUnfreeze(r, true))
		return s.loadCard().State
	}
	s.must(&Freeze{Card: s.card, Device: phone})
	s.must(&SetCardState{Operated: Operated{By: chief}, Card: s.card, To: CardFrozen})
	if got := unfreeze(); got != CardFrozen {
		t.Errorf("the card is %s, want frozen", got)
	}
	s.must(&SetCardState{Operated: Operated{By: chief}, Card: s.card, To: CardActive})
	s.must(&Freeze{Card: s.card, Device: phone})
	if got := unfreeze(); got != CardActive {
		t.Errorf("after the holder's own freeze the card is %s, want active", got)
	}
}

func TestTheOwnersDeviceIsToldThatItsCardIsFrozen(t *testing.T) {
	s := openShop(t)
	s.must(&Freeze{Card: s.card, Device: phone})
	if err := s.do(s.instruct(phone, 100)); !errors.Is(err, ErrCardState) {
		t.Errorf("paying with a frozen card from its own device: %v, want %v", err, ErrCardState)
	}
	if err := s.do(s.instruct(kiosk, 100)); err != nil {
		t.Errorf("from a stranger's: %v, want a decoy", err)
	}
}

func TestACheckBegunBeforeThePINWasChangedDoesNotFinish(t *testing.T) {
	s := openShop(t)
	s.must(&Freeze{Card: s.card, Device: phone})
	begun := &ReserveTry{Device: phone, Card: s.card}
	s.must(begun)
	other := begun.Record
	other.Sum = []byte("another PIN's sum, 32 bytes long")
	change := &ReserveTry{Device: phone, Card: s.card}
	s.must(change)
	s.must(NewChangePIN(change, true, other))
	if err := s.do(NewUnfreeze(begun, true)); !errors.Is(err, ErrCardState) {
		t.Errorf("unfreezing with the old PIN: %v, want %v", err, ErrCardState)
	}
}

func TestAClockSetBackOpensNoTapLimitAndEndsNothingBeforeItsBeginning(t *testing.T) {
	policy := payment.Policy{Level: payment.LevelTap, AllowIdentifiedTap: true, TapLimit: 1000, TapDailyLimit: 1000, IdentifiedLimit: 9000, IdentifiedDailyLimit: 9000}
	s := openShop(t, func(c *Config) { c.Policy = policy })
	s.must(s.instruct(phone, 1000))
	s.clock.Advance(-24 * time.Hour)
	again := s.instruct(phone, 1000)
	s.must(again)
	if again.Payment.State == payment.Settled {
		t.Error("the daily limit was open again on the day before")
	}
	s.clock.Advance(-time.Minute)
	s.must(&Cancel{Payment: again.ID, Device: phone})
	p := s.load(Wants{Payments: []payment.ID{again.ID}}).Payments[0]
	if p.EndedAt.Before(p.InstructedAt) {
		t.Errorf("ended at %v, before its instruction at %v", p.EndedAt, p.InstructedAt)
	}
}

func TestARevokedDeviceDoesNotFinishWhatItBegan(t *testing.T) {
	s := openShop(t)
	i := s.instruct(kiosk, 100)
	s.must(i)
	s.must(&ReserveTry{Device: kiosk, Payment: i.ID})
	s.must(&RevokeDevice{Operated: Operated{By: chief}, Device: kiosk})
	if err := s.do(&Authenticate{Payment: i.ID, Device: kiosk, Right: true}); !errors.Is(err, ErrDeviceRevoked) {
		t.Errorf("finishing: %v, want %v", err, ErrDeviceRevoked)
	}
}

func TestWhatARevokedDeviceMadeIsNotApproved(t *testing.T) {
	s := openShop(t)
	p, err := s.confirm(s.authenticated(kiosk, 1250))
	if err != nil {
		t.Fatal(err)
	}
	s.must(&RevokeDevice{Operated: Operated{By: chief}, Device: kiosk})
	a, err := s.approve(p, s.code(p))
	if err != nil || a.After.State != payment.Cancelled || a.After.Reason != payment.DeviceRevoked {
		t.Errorf("approving: %v; the payment is %s (%s), want cancelled", err, a.After.State, a.After.Reason)
	}
	s.expectMoney(10000, 0, 0)
	if e := s.load(Wants{Evidence: []payment.ID{p.ID}}).Evidence; len(e) != 1 {
		t.Errorf("%d pieces of evidence, want the first confirmation's alone", len(e))
	}
}

func TestWhatARevokedDeviceMadeCanBeDisowned(t *testing.T) {
	s := openShop(t)
	p, err := s.confirm(s.authenticated(kiosk, 1250))
	if err != nil {
		t.Fatal(err)
	}
	s.must(&RevokeDevice{Operated: Operated{By: chief}, Device: kiosk})
	d := &Approve{Payment: p.ID, Device: phone, Decision: consent.NotMe, JWS: "jws", Keys: s.keys, Digits: 2}
	s.must(d)
	if d.After.Reason != payment.NotMe || s.loadCard().State != CardFrozen {
		t.Errorf("the payment ended because of %s, the card is %s", d.After.Reason, s.loadCard().State)
	}
}

// A PIN check that began before a card was replaced must not end as one more try beside those of the new card.
func TestAPINCheckOfAReplacedCardEndsInNothing(t *testing.T) {
	s := openShop(t)
	begun := &ReserveTry{Device: phone, Card: s.card}
	s.must(begun)
	s.must(&ReplaceCard{Operated: Operated{By: chief}, Old: s.card,
		Card: Card{ID: "card_2", Key: KeyOfNumber(s.keys, "6222020000000000045"), Last4: "0045", Code: OneUseCode{MAC: s.codeMAC("next")}}})
	other := begun.Record
	other.Sum = []byte("another PIN's sum, 32 bytes long")
	for name, finish := range map[string]Command{
		"unfreeze": NewUnfreeze(begun, true), "limit": NewSetLevel(begun, true, payment.LevelTap), "PIN": NewChangePIN(begun, true, other),
	} {
		if err := s.do(finish); !errors.Is(err, ErrCardState) {
			t.Errorf("%s: %v, want %v", name, err, ErrCardState)
		}
	}
	if err := s.do(&ReserveTry{Device: phone, Card: s.card}); !errors.Is(err, ErrCardState) {
		t.Errorf("one more try at the old card: %v, want %v", err, ErrCardState)
	}
	rows := s.load(Wants{Cards: []payment.CardID{"card_2"}, Tries: []TriesID{{KeyOfNumber(s.keys, "6222020000000000045"), Owner}}})
	if len(rows.Tries) != 1 || rows.Tries[0].Used != 1 || string(rows.Cards[0].PIN.Sum) != string(begun.Record.Sum) {
		t.Errorf("the new card has %+v and the PIN %q", rows.Tries, rows.Cards[0].PIN.Sum)
	}
}
