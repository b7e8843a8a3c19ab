package processor_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/consent"
	"tapline/payment"
	. "tapline/processor"
)

// watched is a store that notes what is asked of it: which tables in which round, and which are written. Those are the
// steps that somebody with a stopwatch can count.
type watched struct {
	Store
	mu    sync.Mutex
	steps []string
}

func (w *watched) Update(ctx context.Context, f func(Tx) error) error {
	return w.Store.Update(ctx, func(tx Tx) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.steps = nil
		return f(&watchedTx{tx, w})
	})
}

// taken are the steps of the last transaction.
func (w *watched) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.steps
}

type watchedTx struct {
	Tx
	by *watched
}

func (t *watchedTx) Load(w Wants) (Rows, error) {
	t.by.steps = append(t.by.steps, "load "+strings.Join(filled(w), " "))
	return t.Tx.Load(w)
}

func (t *watchedTx) Save(c Changes) error {
	written := append(filled(c.New), filled(c.Changed)...) // a number's first try makes a row, which a card has had since its activation
	t.by.steps = append(t.by.steps, "save "+strings.Join(written, " "),
		fmt.Sprintf("%d entries, %d events", len(c.Entries), len(c.Events)))
	return t.Tx.Save(c)
}

// filled names the fields of a struct that are not empty.
func filled(of any) (names []string) {
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}

// openWatched is a shop whose phone has registered a passkey, and its store.
func openWatched(t *testing.T, policy payment.Policy) (*shop, *watched) {
	t.Helper()
	w := &watched{}
	s := openShop(t, func(c *Config) { w.Store, c.Store, c.Policy = c.Store, w, policy })
	s.addPasskey("passkey")
	return s, w
}

func (s *shop) addPasskey(id string) {
	s.t.Helper()
	begun := &ReserveTry{Device: phone, Card: s.card}
	s.must(begun)
	s.must(NewRegisterPasskey(begun, true, Passkey{ID: id, PublicKey: []byte("key"), Label: "phone"}))
}

// strangersSteps are what the database does while a stranger taps a number, pays by it and types a wrong PIN.
func (s *shop) strangersSteps(w *watched, number consent.AccountNumber) map[string][]string {
	s.t.Helper()
	steps := map[string][]string{}
	step := func(name string, c Command) {
		s.must(c)
		steps[name] = w.taken()
	}
	keys := KeysOfNumber(s.keys, number)
	step("presenting", &Present{Device: kiosk, CardKeys: keys, Assurance: payment.Identified})
	i := s.instruct(kiosk, 100)
	i.CardKeys = keys
	step("instructing", i)
	step("reserving a try", &ReserveTry{Device: kiosk, Payment: i.ID})
	step("finishing the try", &Authenticate{Payment: i.ID, Device: kiosk, Policy: s.Policy})
	step("activating", &Activate{Device: kiosk, CardKeys: keys, CodeMACs: []string{"wrong"}})
	end := s.instruct(kiosk, 100)
	end.CardKeys = keys
	s.must(end)
	step("cancelling", &Cancel{Payment: end.ID, Device: kiosk})
	return steps
}

func TestKnownAndUnknownCardsTakeTheSameSteps(t *testing.T) {
	open := payment.DefaultPolicy
	open.Level, open.AllowIdentifiedTap = payment.LevelTap, true
	for _, policy := range []payment.Policy{payment.DefaultPolicy, open} {
		for name, turn := range map[string]func(*shop){
			"active": func(*shop) {},
			"active, its device woken": func(s *shop) {
				s.must(&SetPush{Device: phone, Push: PushSubscription{Endpoint: "https://push.example/", Key: make([]byte, 65), Auth: make([]byte, 16), Version: 1}})
			},
			"frozen": func(s *shop) { s.must(&Freeze{Card: s.card, Device: phone}) },
			"closed": func(s *shop) {
				s.must(&SetCardState{Operated: Operated{By: chief}, Card: s.card, To: CardClosed})
			},
		} {
			t.Run(policy.Level.String()+"/"+name, func(t *testing.T) {
				s, w := openWatched(t, policy)
				turn(s)
				if diff := cmp.Diff(s.strangersSteps(w, "6222020000000000011"), s.strangersSteps(w, s.number)); diff != "" {
					t.Errorf("a card takes other steps (-none +known):\n%s", diff)
				}
			})
		}
	}
}
