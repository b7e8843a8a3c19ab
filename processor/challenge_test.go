package processor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/consent"
	"tapline/payment"
	. "tapline/processor"
)

func (s *shop) challenge(device payment.DeviceID) (ChallengeID, error) {
	s.serial++
	c := &ChallengeTap{ID: ChallengeID{Device: device, ID: consent.ChallengeID(fmt.Sprintf("chal_%d", s.serial))},
		Number: []byte{1, 2, 3, 4}, Amount: cny(100)}
	return c.ID, s.do(c)
}

// proved is an instruction whose proof was found good.
func (s *shop) proved(device payment.DeviceID, id ChallengeID) *Instruct {
	i := s.instruct(device, 100)
	i.Challenge, i.Assurance = id, payment.Authentic
	return i
}

func TestChallengeIsKeptUntilItsTimeIsOver(t *testing.T) {
	s := openShop(t)
	id, err := s.challenge(phone)
	if err != nil {
		t.Fatal(err)
	}
	want := []TapChallenge{{ChallengeID: id, Number: []byte{1, 2, 3, 4}, Amount: cny(100), ExpiresAt: s.clock.Now().Add(ChallengeLife)}}
	if diff := cmp.Diff(want, s.load(Wants{Challenges: []ChallengeID{id}}).Challenges); diff != "" {
		t.Error(diff)
	}
	if !want[0].Open(s.clock.Now().Add(ChallengeLife-time.Microsecond)) || want[0].Open(s.clock.Now().Add(ChallengeLife)) {
		t.Error("a challenge is open for another time than its life")
	}
}

func TestProofCountsOnceAndForItsDevice(t *testing.T) {
	s := openShop(t)
	open := func() ChallengeID {
		id, err := s.challenge(phone)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first, expired := open(), open()
	for _, c := range []struct {
		name   string
		device payment.DeviceID
		id     ChallengeID
		after  time.Duration
		want   payment.Assurance
	}{
		{"another device names it as its own", kiosk, ChallengeID{Device: kiosk, ID: first.ID}, 0, payment.Identified},
		{"first use", phone, first, 0, payment.Authentic},
		{"second use", phone, first, 0, payment.Identified},
		{"never given", phone, ChallengeID{Device: phone, ID: "none"}, 0, payment.Identified},
		{"expired", phone, expired, ChallengeLife, payment.Identified},
	} {
		s.clock.Advance(c.after)
		i := s.proved(c.device, c.id)
		s.must(i)
		if i.Payment.Assurance != c.want {
			t.Errorf("%s: %s, want %s", c.name, i.Payment.Assurance, c.want)
		}
	}
}

func TestRefusedInstructionLeavesTheChallenge(t *testing.T) {
	s := openShop(t)
	id, err := s.challenge(phone)
	if err != nil {
		t.Fatal(err)
	}
	refused := s.proved(phone, id)
	refused.Payee = "nobody@shop"
	if err := s.do(refused); !errors.Is(err, ErrUnknownPayee) {
		t.Fatal(err)
	}
	again := s.proved(phone, id)
	s.must(again)
	if again.Payment.Assurance != payment.Authentic {
		t.Error("an instruction that was refused used the challenge up")
	}
}

func TestActivationAndPresentationUseTheChallengeUp(t *testing.T) {
	s := openShop(t)
	for name, use := range map[string]func(ChallengeID) Command{
		"activation": func(id ChallengeID) Command {
			return &Activate{Device: phone, CardKeys: KeysOfNumber(s.keys, s.number), Challenge: id, CodeMACs: []string{"wrong"}}
		},
		"presentation": func(id ChallengeID) Command {
			return &Present{Device: phone, CardKeys: KeysOfNumber(s.keys, s.number), Challenge: id, Assurance: payment.Authentic}
		},
	} {
		id, err := s.challenge(phone)
		if err != nil {
			t.Fatal(err)
		}
		s.must(use(id))
		i := s.proved(phone, id)
		s.must(i)
		if i.Payment.Assurance != payment.Identified {
			t.Errorf("after an %s the challenge proves a payment", name)
		}
	}
}

func TestDeviceGetsFewChallengesAMinute(t *testing.T) {
	s := openShop(t)
	ask := func(n int) {
		t.Helper()
		for range n {
			id, err := s.challenge(phone)
			if err != nil {
				t.Fatal(err)
			}
			s.must(s.proved(phone, id)) // using them up does not make room
		}
	}
	ask(ChallengesAtATime - 1)
	s.clock.Advance(ChallengeLife / 2)
	ask(1)
	if _, err := s.challenge(phone); !errors.Is(err, ErrTooManyChallenges) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := s.challenge(kiosk); err != nil {
		t.Errorf("another device: %v", err)
	}
	s.reopen()
	if _, err := s.challenge(phone); !errors.Is(err, ErrTooManyChallenges) {
		t.Errorf("one too many after a restart: %v", err)
	}
	s.clock.Advance(ChallengeLife / 2)
	ask(ChallengesAtATime - 1)
	if _, err := s.challenge(phone); !errors.Is(err, ErrTooManyChallenges) {
		t.Errorf("one too many in the next minute: %v", err)
	}
}

func TestOnlyBoundDevicesAreToldOfACard(t *testing.T) {
	s := openShop(t)
	stranger := s.register("stranger")
	s.must(&Rebind{Card: s.card, Device: phone, NewDevice: kiosk}) // the phone was bound once
	s.must(&Freeze{Card: s.card, Device: kiosk})
	for _, c := range []struct {
		device payment.DeviceID
		number consent.AccountNumber
		known  bool
	}{{phone, s.number, true}, {kiosk, s.number, true}, {stranger, s.number, false}, {kiosk, "6222020000000000011", false}} {
		p := &Present{Device: c.device, CardKeys: KeysOfNumber(s.keys, c.number), Assurance: payment.Authentic}
		s.must(p)
		if p.Known != c.known || c.known != (p.Card.ID == s.card) || c.known && p.Card.State != CardFrozen {
			t.Errorf("%s: known %v, card %q", c.device, p.Known, p.Card.ID)
		}
		if p.Assured != payment.Authentic {
			t.Errorf("%s: %s", c.device, p.Assured)
		}
	}
}
