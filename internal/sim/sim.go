// Package sim is the simulation: one process in virtual time, in which cards, devices, payees and operators act at random
// on the real processor and the real SQLite store, while answers are lost, requests are repeated, reordered and doubled, the
// clock jumps, the disk fails at any operation and statement, and the service crashes before and after commits. All that is
// random follows from a seed.
//
// What the service does is compared with a model, command by command: rules written down a second time, with maps for
// tables. After each crash and at the end the database must be the model's, row by row: so every acknowledged outcome
// is there, and no other. Then the books are proved.
package sim

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tapline/internal/simdisk"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// Rounds of sending in one run.
const rounds = 60

// Trace is a digest of all that happened in a run. The same seed has the same.
type Trace string

// Stats are what a run consisted of, so that a simulation in which nothing happens is noticed.
type Stats struct {
	Settled, Approved, Undoable, Declined, Expired, Rejected, Cancelled, Rehearsed int
	Commands, Refused, Replayed, Crashes, Failures, Revived, Unknown               int
	TopUps, Orders, Refunded, Charged, Lost                                        int
	Payouts, PaidOut, GivenBack, CardsOut, Scheduled                               int
}

// run is one run of the simulation.
type run struct {
	testing.TB
	seed  uint64
	rng   *rand.Rand
	hash  hash.Hash
	lines []string // the end of what happened, to be read
	stats Stats

	keys   *keyring.Keyring
	policy payment.Policy
	disk   *simdisk.Disk
	path   string
	store  *sqlstore.Store
	proc   *processor.Processor
	sweep  context.CancelFunc
	swept  sync.WaitGroup
	skew   time.Duration

	held         chan struct{}
	faults       bool
	crowded      bool // everybody asks for approvals of one card
	transactions int
	running      *transaction
	committed    []*transaction // not yet in the model
	doubtful     []*transaction

	model    *model
	history  []*request
	finishes []*request // second halves of PIN checks, to be sent some time
	town
}

// Run runs one seed, and returns what identifies all that happened. With a breach of what must hold, the test fails.
func Run(t *testing.T, seed uint64) (trace Trace, stats Stats) {
	keys := fixedKeys(t)
	dir, err := os.MkdirTemp(t.TempDir(), "sim")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &run{
			TB: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0x7461706c)), hash: sha256.New(), keys: keys,
			path: filepath.Join(dir, "tapline.db"),
		}
		r.disk = simdisk.New(dir, rand.New(rand.NewPCG(seed, 0x6469736b)))
		defer r.disk.Remove()
		defer func() {
			if t.Failed() {
				r.tell()
				_ = r.shut()
			}
		}()
		r.policy, r.crowded = r.anyPolicy(), r.rng.IntN(5) == 0
		if r.crowded {
			r.policy.Level = payment.LevelApprove
		}
		r.model = newModel(r.policy)
		r.open()
		r.furnish()
		r.faults = true
		for range rounds {
			r.round()
		}
		r.faults = false
		r.close()
		trace, stats = Trace(hex.EncodeToString(r.hash.Sum(nil))), r.stats
	})
	return trace, stats
}

// tell says how to see this again.
func (r *run) tell() {
	r.Logf("the last of what happened:\n%s", strings.Join(r.lines, "\n"))
	r.Logf("replay: go test ./internal/sim -run TestSeeds -seed %d -seeds 1", r.seed)
}

// kept is how many lines of what happened are kept.
const kept = 60

// note takes note of what happens.
func (r *run) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Fprintln(r.hash, line)
	r.lines = append(r.lines, line)
	if len(r.lines) > 2*kept {
		r.lines = append(r.lines[:0], r.lines[len(r.lines)-kept:]...)
	}
}

// fixedKeys are the same keys in every run: what is stored under them has the same order then, and the same pages.
func fixedKeys(t testing.TB) *keyring.Keyring {
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := keyring.Create(dir); err != nil {
		t.Fatal(err)
	}
	for _, p := range keyring.Purposes {
		sum := sha256.Sum256([]byte("simulation " + p))
		text := base64.StdEncoding.EncodeToString(sum[:]) + "\n"
		if err := os.WriteFile(filepath.Join(dir, string(p)+".1.key"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := keyring.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// now is the time by the service's clock, which jumps.
func (r *run) now() time.Time { return time.Now().Add(r.skew).UTC().Truncate(time.Microsecond) }

// open starts the service on what is on the disk.
func (r *run) open() {
	var err error
	if r.store, err = sqlstore.Open(context.Background(), r.path, sqlstore.Options{Environment: "test", Readers: 1}); err != nil {
		r.Fatalf("the service does not start: %v", err)
	}
	r.proc = processor.New(processor.Config{
		Store: &gate{r, r.store}, Keys: r.keys, Policy: r.policy, Now: r.now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(context.Background())
	r.sweep = stop
	proc := r.proc
	r.swept.Go(func() { proc.Sweep(ctx) })
}

// shut ends the service, on whatever disk.
func (r *run) shut() error {
	if r.store == nil {
		return nil // it did not start, and what ran before has been shut
	}
	if r.held != nil {
		close(r.held)
		r.held = nil
	}
	r.sweep()
	r.swept.Wait()
	r.proc.Close()
	err := r.store.Close()
	synctest.Wait()
	return err
}

// restart is what comes after a crash: another process on what the disk has kept.
func (r *run) restart() {
	r.stats.Crashes++
	r.note("crash")
	_ = r.shut() // what it says of a disk that is gone does not matter
	r.settle()
	r.disk.Revive()
	r.finishes = nil
	r.open()
	r.recover()
}

// close ends the run: everything overdue is ended, and then all must be as it should be.
func (r *run) close() {
	if _, dead := r.disk.Failed(); dead {
		r.restart()
	}
	r.pass(2 * time.Second)
	for id, p := range r.model.payments {
		if p.due(r.now().Add(-time.Second)) {
			r.Errorf("%s is overdue, and nobody has ended it", id)
		}
	}
	r.compare("at the end")
	r.proveBooks()
	r.proveLives()
	r.provePayouts()
	if err := r.shut(); err != nil {
		r.Errorf("closing: %v", err)
	}
	if r.Failed() {
		return
	}
	r.open() // what was closed in order is there, too
	r.model.restarted()
	r.compare("after the end")
	if err := r.shut(); err != nil {
		r.Errorf("closing: %v", err)
	}
}

// pass lets time pass.
func (r *run) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	r.settle()
	if _, dead := r.disk.Failed(); dead {
		r.restart()
	}
}

// round sends some requests at once, and sees what comes of them.
func (r *run) round() {
	r.clock()
	var sent []*sending
	r.held = make(chan struct{})
	for range 1 + r.rng.IntN(4) {
		q := r.choose()
		if q == nil {
			continue
		}
		s := r.send(q)
		sent = append(sent, s)
		if r.rng.IntN(12) == 0 { // the same twice at once
			sent = append(sent, r.send(q))
		}
	}
	held := r.held
	r.held = nil
	close(held)
	synctest.Wait()
	for _, s := range sent {
		select {
		case <-s.done:
		default:
			r.Fatalf("%s got no answer", s.name)
		}
	}
	r.settle()
	for _, s := range sent {
		r.answered(s)
	}
	if _, dead := r.disk.Failed(); dead {
		r.restart()
	}
}

// clock lets some time pass, or sets the clock.
func (r *run) clock() {
	switch n := r.rng.IntN(100); {
	case n < 60:
		r.skew += time.Duration(r.rng.IntN(1500)) * time.Millisecond
	case n < 66:
		r.skew += time.Duration(r.rng.IntN(60)) * time.Second
	case n < 67 && !r.crowded:
		r.skew += time.Duration(r.rng.IntN(20)) * time.Minute
	case n < 68 && r.rng.IntN(2) == 0 && !r.crowded:
		r.skew += time.Duration(r.rng.IntN(40)) * time.Hour
	case n < 73:
		r.skew -= time.Duration(r.rng.IntN(5000)) * time.Millisecond
	case n < 80:
		r.pass(600 * time.Millisecond) // and what is overdue is ended
	}
}

// sending is a request on its way.
type sending struct {
	*request
	command processor.Command
	cancel  context.CancelFunc
	last    *executed
	ran     *executed // in a transaction that was committed
	answer  processor.Answer
	err     error
	done    chan struct{}
}

// send sends a request, and returns when it waits for its batch.
func (r *run) send(q *request) *sending {
	if !q.sent {
		q.sent = true
		r.history = append(r.history, q)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &sending{request: q, command: q.make(), cancel: cancel, done: make(chan struct{})}
	r.stats.Commands++
	proc := r.proc
	go func() {
		defer close(s.done)
		s.answer, s.err = proc.Do(ctx, processor.Request{
			Key: q.key, Digest: q.digest, Phase: q.phase, Command: &traced{s.command, r, s},
			Answer: func(time.Time) (int, []byte) { return 200, []byte(s.last.body) },
		})
	}()
	synctest.Wait()
	if r.rng.IntN(40) == 0 {
		cancel() // whoever asked has gone away
		synctest.Wait()
	}
	return s
}

// commit takes note of a transaction that is durable.
func (r *run) commit(t *transaction) {
	if t.wrote {
		r.doubtful = nil // their place in the log is taken
	}
	r.committed = append(r.committed, t)
	for _, e := range t.ran {
		e.sent.ran = e
	}
}

// settle does in the model what was committed, and compares what came of it.
func (r *run) settle() {
	for _, t := range r.committed {
		for _, wrong := range r.model.do(t) {
			r.Errorf("transaction %d: %s", t.number, wrong)
		}
		for _, e := range t.ran {
			r.note("  %s: %s", e.sent.name, e.got)
			if !e.done {
				r.stats.Refused++
			}
		}
	}
	r.committed = nil
	if r.Failed() {
		r.FailNow()
	}
}

// do does a transaction, and returns what was wrong about it.
func (m *model) do(t *transaction) (wrong []string) {
	m.begin()
	for _, id := range t.expired {
		if !m.expire(string(id), t.now) {
			wrong = append(wrong, fmt.Sprintf("%s expired before its time", id))
		}
	}
	for _, id := range t.settled {
		if !m.settle(string(id), t.now) {
			wrong = append(wrong, fmt.Sprintf("%s was settled while it could be undone", id))
		}
	}
	for _, id := range t.over {
		m.expireOrder(string(id), t.now)
	}
	for _, e := range t.ran {
		q := e.sent.request
		if text := m.admits(q, e.now); text != "" {
			wrong = append(wrong, fmt.Sprintf("%s ran, but %s", q.name, text))
		}
		want := q.expect(m, e.now)
		if want != e.got {
			wrong = append(wrong, fmt.Sprintf("%s:\n  got  %s\n  want %s", q.name, e.got, want))
		}
		if e.done && q.key != (processor.KeyID{}) {
			k := m.keys[q.key]
			k.digest, k.at, k.done, k.body = q.digest, e.now, q.phase != processor.Begin, e.body
			m.keys[q.key] = k
		}
	}
	return wrong
}

// admits says why a request must not be run, by its key: "" if it may.
func (m *model) admits(q *request, now time.Time) string {
	k, there := m.keys[q.key]
	switch {
	case q.key == (processor.KeyID{}):
		return ""
	case !there && q.phase == processor.Finish:
		return "its first half is not known"
	case !there:
		return ""
	case k.digest != q.digest:
		return "its key was used for another request"
	case k.done:
		return "it was answered before"
	case q.phase != processor.Finish && now.Sub(k.at) < 10*time.Second:
		return "it is in progress"
	}
	return ""
}

// answered looks at what a client was told.
func (r *run) answered(s *sending) {
	defer s.cancel()
	switch {
	case s.err == nil && s.answer.Replayed:
		r.stats.Replayed++
		if k := r.model.keys[s.key]; !k.done || k.body != string(s.answer.Body) || k.digest != s.digest {
			r.Errorf("%s was told again %q, but was told %q", s.name, s.answer.Body, k.body)
		}
	case s.err == nil:
		if s.ran == nil || !s.ran.done || s.ran.body != string(s.answer.Body) {
			r.Errorf("%s was told %q, which is not what was committed", s.name, s.answer.Body)
		}
	case errors.Is(s.err, processor.ErrKeyReused):
		if k, there := r.model.keys[s.key]; !there || k.digest == s.digest {
			r.Errorf("%s was told that its key was used for something else", s.name)
		}
	case errors.Is(s.err, processor.ErrInProgress):
		if _, there := r.model.keys[s.key]; !there && s.phase != processor.Finish {
			r.Errorf("%s was told that it is in progress", s.name)
		}
	case errors.Is(s.err, context.Canceled):
		r.stats.Lost++
	case s.ran != nil && !s.ran.done:
		if got := refused(s.err); got != s.ran.got && !errors.Is(s.err, processor.ErrUnavailable) {
			r.Errorf("%s was told %q instead of %q", s.name, got, s.ran.got)
		}
	case s.ran != nil:
		r.stats.Unknown++
		if !errors.Is(s.err, processor.ErrUnavailable) {
			r.Errorf("%s was done, and told: %v", s.name, s.err)
		}
	default:
		r.stats.Failures++
	}
	if s.err == nil && r.rng.IntN(8) > 0 && s.told != nil { // the answer arrives
		s.told(s)
	}
	r.note("  %s told: %s", s.name, s.heard())
	if r.Failed() {
		r.FailNow()
	}
}

// heard is the answer as it is the same in each replay.
func (s *sending) heard() string {
	switch {
	case s.err == nil:
		return fmt.Sprintf("%s (again: %v)", s.answer.Body, s.answer.Replayed)
	case s.ran != nil && !s.ran.done && !errors.Is(s.err, processor.ErrUnavailable):
		return s.ran.got
	}
	return errText(s.err)
}

// anyPolicy is what an operator may have chosen.
func (r *run) anyPolicy() payment.Policy {
	return payment.Policy{
		Level: any1(r, append(payment.Levels, payment.LevelApprove)), AllowIdentifiedTap: r.rng.IntN(2) == 0,
		TapLimit: 30_00, TapDailyLimit: 60_00, IdentifiedLimit: 50_00, IdentifiedDailyLimit: 80_00,
		DormantAfter: r.anyDormancy(),
	}
}
