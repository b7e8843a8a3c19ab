package processor_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"tapline/consent"
	"tapline/payment"
	. "tapline/processor"
	"tapline/sqlstore"
)

// gate is a store whose transactions wait until they are let through, and that counts them.
type gate struct {
	Store
	pass    chan struct{}
	waiting chan struct{}
	mu      sync.Mutex
	count   int
}

func (g *gate) Update(ctx context.Context, f func(Tx) error) error {
	g.mu.Lock()
	g.count++
	g.mu.Unlock()
	if g.pass != nil {
		g.waiting <- struct{}{}
		<-g.pass
	}
	return g.Store.Update(ctx, f)
}

// act is a command made of functions.
type act struct {
	wants func(*Wants)
	do    func(*Unit) error
}

func (a act) Wants(_ *Unit, w *Wants) {
	if a.wants != nil {
		a.wants(w)
	}
}

func (a act) Do(u *Unit) error { return a.do(u) }

func TestCommandsThatArriveDuringACommitShareTheNext(t *testing.T) {
	g := &gate{waiting: make(chan struct{}, 16)}
	s := openShop(t, func(c *Config) { g.Store = c.Store; c.Store = g })
	g.pass, g.count = make(chan struct{}), 0
	var wg sync.WaitGroup
	nothing := act{do: func(*Unit) error { return nil }}
	wg.Go(func() { s.must(nothing) })
	<-g.waiting
	const many = 50
	for range many {
		wg.Go(func() { s.must(nothing) })
	}
	for s.Waiting() < many {
		runtime.Gosched() // until all are in the queue
	}
	g.pass <- struct{}{}
	<-g.waiting
	g.pass <- struct{}{}
	wg.Wait()
	if g.count != 2 {
		t.Errorf("%d commands took %d transactions, want 2", many+1, g.count)
	}
	close(g.pass)
}

func TestOneBadCommandFailsAlone(t *testing.T) {
	g := &gate{waiting: make(chan struct{}, 16)}
	s := openShop(t, func(c *Config) { g.Store = c.Store; c.Store = g })
	g.pass = make(chan struct{})
	boom := errors.New("boom")
	good := s.instruct(kiosk, 100)
	good2 := s.instruct(kiosk, 200)
	bad := map[string]Command{
		"refuses after staging": act{
			wants: func(w *Wants) { w.Devices = []payment.DeviceID{kiosk} },
			do:    func(u *Unit) error { u.Devices.Put(kiosk, Device{ID: kiosk, Label: "stolen"}); return boom },
		},
		"panics": act{do: func(*Unit) error { panic("invariant") }},
		"breaks the schema": act{
			wants: func(w *Wants) { w.Devices = []payment.DeviceID{"bad"} },
			do: func(u *Unit) error {
				u.Payments.Put("pay_bad", payment.Payment{Terms: payment.Terms{ID: "pay_bad"}})
				return nil
			},
		},
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.must(act{do: func(*Unit) error { return nil }}) })
	<-g.waiting
	wg.Go(func() { s.must(good) })
	for name, c := range bad {
		wg.Go(func() {
			if err := s.do(c); err == nil {
				t.Errorf("a command that %s succeeded", name)
			}
		})
	}
	wg.Go(func() { s.must(good2) })
	for s.Waiting() < len(bad)+2 {
		runtime.Gosched()
	}
	close(g.pass)
	wg.Wait()
	rows := s.load(Wants{Payments: []payment.ID{good.ID, good2.ID, "pay_bad"}, Devices: []payment.DeviceID{kiosk}})
	if len(rows.Payments) != 2 || rows.Devices[0].Label != "kiosk" {
		t.Errorf("stored: %d payments, device %q; want the 2 good ones, and the kiosk as it was", len(rows.Payments), rows.Devices[0].Label)
	}
}

func TestAFullQueueIsRefusedAndCloseAnswersTheRest(t *testing.T) {
	g := &gate{waiting: make(chan struct{}, 16)}
	s := openShop(t, func(c *Config) { g.Store = c.Store; c.Store = g })
	g.pass = make(chan struct{})
	var wg sync.WaitGroup
	done := make(chan error, QueueLength+1)
	nothing := act{do: func(*Unit) error { return nil }}
	wg.Go(func() { done <- s.do(nothing) })
	<-g.waiting
	for range QueueLength {
		wg.Go(func() { done <- s.do(nothing) })
	}
	for s.Waiting() < QueueLength {
		runtime.Gosched()
	}
	if err := s.do(nothing); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond a full queue: %v, want %v", err, ErrBusy)
	}
	go func() {
		for range g.waiting {
		}
	}()
	close(g.pass)
	s.Close()
	wg.Wait()
	for range QueueLength + 1 {
		if err := <-done; err != nil {
			t.Fatalf("a command that was taken was not done: %v", err)
		}
	}
	if err := s.do(nothing); !errors.Is(err, ErrClosed) {
		t.Errorf("after closing: %v, want %v", err, ErrClosed)
	}
	close(g.waiting)
}

// keyed is a request of the kiosk's with a key, whose command counts how often it ran.
func keyed(key, digest string, ran *int) Request {
	return Request{
		Key: KeyID{DevicePrincipal(kiosk), key}, Digest: digest,
		Command: act{do: func(*Unit) error { *ran++; return nil }},
		Answer:  func(time.Time) (int, []byte) { return 201, []byte("answer of " + digest) },
	}
}

func TestTheSameKeyGetsTheSameAnswerAndOneEffect(t *testing.T) {
	s, ran := openShop(t), 0
	for try := range 3 {
		a, err := s.Do(t.Context(), keyed("k", "d", &ran))
		if err != nil || a.Status != 201 || string(a.Body) != "answer of d" || a.Replayed != (try > 0) {
			t.Fatalf("try %d: %+v, %v", try, a, err)
		}
	}
	if ran != 1 {
		t.Errorf("the command ran %d times", ran)
	}
	if _, err := s.Do(t.Context(), keyed("k", "other", &ran)); !errors.Is(err, ErrKeyReused) {
		t.Errorf("the key with another body: %v, want %v", err, ErrKeyReused)
	}
	if rows := s.load(Wants{Keys: []KeyID{{DevicePrincipal(kiosk), "k"}}}); string(rows.Keys[0].Answer) == "answer of d" {
		t.Error("the answer is stored in the clear")
	}
}

func TestParallelRepeatsHaveOneEffect(t *testing.T) {
	s, ran := openShop(t), 0
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := s.Do(t.Context(), keyed("k", "d", &ran)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ran != 1 {
		t.Errorf("the command ran %d times", ran)
	}
}

func TestARefusedCommandIsNotRemembered(t *testing.T) {
	s, ran := openShop(t), 0
	r := keyed("k", "d", &ran)
	boom := errors.New("boom")
	fail := r
	fail.Command = act{do: func(*Unit) error { return boom }}
	if _, err := s.Do(t.Context(), fail); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if a, err := s.Do(t.Context(), r); err != nil || a.Replayed {
		t.Errorf("after a refusal: %+v, %v", a, err)
	}
}

func TestARequestInProgressIsTakenOverOnlyWhenAbandoned(t *testing.T) {
	s, ran := openShop(t), 0
	begin, finish := keyed("k", "d", &ran), keyed("k", "d", &ran)
	begin.Phase, finish.Phase = Begin, Finish
	if _, err := s.Do(t.Context(), finish); !errors.Is(err, ErrInProgress) {
		t.Errorf("finishing what never began: %v, want %v", err, ErrInProgress)
	}
	if _, err := s.Do(t.Context(), begin); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), begin); !errors.Is(err, ErrInProgress) {
		t.Errorf("a repeat while in progress: %v, want %v", err, ErrInProgress)
	}
	s.clock.Advance(time.Minute)
	if _, err := s.Do(t.Context(), begin); err != nil {
		t.Errorf("a repeat of an abandoned request: %v", err)
	}
	if a, err := s.Do(t.Context(), finish); err != nil || a.Status != 201 {
		t.Errorf("finishing: %+v, %v", a, err)
	}
	if a, err := s.Do(t.Context(), begin); err != nil || !a.Replayed {
		t.Errorf("a repeat afterwards: %+v, %v", a, err)
	}
}

// A hundred parallel guesses get as many tries as the limit says, and no more.
func TestParallelGuessesGetNoMoreTriesThanTheLimit(t *testing.T) {
	for _, tc := range []struct {
		device payment.DeviceID
		limits consent.TryLimits
		want   []int // in each pause's window: three, and then one at a time until the lock
	}{{phone, consent.OwnTries, []int{3, 1, 1, 0}}, {kiosk, consent.StrangerTries, []int{2, 1, 0}}} {
		s := openShop(t)
		i := s.instruct(tc.device, 100)
		s.must(i)
		for _, want := range tc.want {
			if got := s.guess(i.ID, tc.device); got != want {
				t.Errorf("%s: %d tries, want %d", tc.device, got, want)
			}
			s.clock.Advance(tc.limits.PauseFor)
			i = s.instruct(tc.device, 100)
			s.must(i)
		}
	}
}

func (s *shop) guess(id payment.ID, device payment.DeviceID) (allowed int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 100 {
		wg.Go(func() {
			err := s.do(&ReserveTry{Device: device, Payment: id})
			if err == nil {
				mu.Lock()
				allowed++
				mu.Unlock()
			} else if !errors.Is(err, consent.ErrPaused) && !errors.Is(err, consent.ErrLocked) {
				s.t.Error(err)
			}
		})
	}
	wg.Wait()
	return allowed
}

func TestAStrangerCannotLockTheOwnerOut(t *testing.T) {
	s := openShop(t)
	i := s.instruct(kiosk, 100)
	s.must(i)
	s.guess(i.ID, kiosk)
	own := s.instruct(phone, 100)
	s.must(own)
	if err := s.do(&ReserveTry{Device: phone, Payment: own.ID}); err != nil {
		t.Errorf("the owner's own device: %v", err)
	}
}

// What was in progress when the process died is nobody's: a repeat is taken at once.
func TestARequestInProgressIsForgottenWhenTheServiceStartsAgain(t *testing.T) {
	s, ran := openShop(t), 0
	begin := keyed("k", "d", &ran)
	begin.Phase = Begin
	if _, err := s.Do(t.Context(), begin); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	if sqlstore.IsServer(s.db) { // it may be in progress on another node
		if _, err := s.Do(t.Context(), begin); !errors.Is(err, ErrInProgress) {
			t.Errorf("a repeat on another node: %v, want %v", err, ErrInProgress)
		}
		s.clock.Advance(time.Minute)
	}
	if _, err := s.Do(t.Context(), begin); err != nil {
		t.Errorf("a repeat after a restart: %v", err)
	}
}
