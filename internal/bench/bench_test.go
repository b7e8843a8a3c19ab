package bench

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tapline/consent"
	"tapline/history"
	"tapline/httpapi"
	"tapline/internal/pgtest"
	"tapline/internal/testdb"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// stage opens services in this process, and counts what their databases are asked.
type stage struct {
	*testing.T
	updates, views atomic.Int64
}

// counted is a store that counts.
type counted struct {
	*sqlstore.Store
	stage *stage
}

func (c counted) Update(ctx context.Context, f func(processor.Tx) error) error {
	c.stage.updates.Add(1)
	return c.Store.Update(ctx, f)
}

func (c counted) View(ctx context.Context, f func(processor.Reader) error) error {
	c.stage.views.Add(1)
	return c.Store.View(ctx, f)
}

func (s *stage) service(ctx context.Context, spec Spec) (Opened, error) {
	keys, err := keyring.Open(spec.Keys)
	if err != nil {
		return Opened{}, err
	}
	plain, err := sqlstore.Open(ctx, spec.DB, sqlstore.Options{Environment: "test"})
	if err != nil {
		return Opened{}, err
	}
	store := counted{plain, s}
	policy := payment.DefaultPolicy
	policy.TapLimit, policy.TapDailyLimit = money.MaxMinor, money.MaxMinor
	if policy.Level, err = payment.ParseLevel(spec.Level); err != nil {
		return Opened{}, err
	}
	log := slog.New(slog.DiscardHandler)
	p := processor.New(processor.Config{Store: store, Keys: keys, Policy: policy, Log: log})
	var api *httpapi.Service
	o, err := s.handler(ctx, func(origin string) (http.Handler, error) {
		api = httpapi.New(httpapi.Config{
			Processor: p, Store: store, Keys: keys, Policy: policy, PublicURL: origin, Environment: "test", Log: log,
			PINs: consent.NewPINHasher(keys, consent.DefaultPINParams, 2, spec.PINQueue),
		})
		return api.Handler(), nil
	})
	served := o.Close
	o.Store = store
	o.Close = func() error {
		api.Shutdown()
		err := served()
		p.Close()
		return errors.Join(err, plain.Close())
	}
	return o, err
}

func (s *stage) handler(_ context.Context, h func(origin string) (http.Handler, error)) (Opened, error) {
	server := httptest.NewUnstartedServer(nil)
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	origin := "http://localhost:" + port
	handler, err := h(origin)
	if err != nil {
		return Opened{}, err
	}
	server.Config.Handler = handler
	server.Start()
	return Opened{URL: origin, Close: func() error { server.Close(); return nil }}, nil
}

// process is a Serve in a goroutine.
func (s *stage) process(ctx context.Context) (Process, error) {
	inRead, in := io.Pipe()
	out, outWrite := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- errors.Join(Serve(context.WithoutCancel(ctx), inRead, outWrite, Stage{Service: s.service, Handler: s.handler}), outWrite.Close())
	}()
	return Process{In: in, Out: out, Wait: func() error { return <-ended }}, nil
}

// command is a service in this process that says where it is, as tapline serve does.
func (s *stage) command(ctx context.Context, db, keys string) (Process, error) {
	if _, err := keyring.OpenOrCreate(keys); err != nil {
		return Process{}, err
	}
	o, err := s.service(ctx, Spec{DB: db, Keys: keys, Level: "approve", PINQueue: 1})
	if err != nil {
		return Process{}, err
	}
	out, outWrite := io.Pipe()
	go func() { _, _ = io.WriteString(outWrite, "tapline serves "+o.URL+" (test)\n") }()
	return Process{In: outWrite, Out: out, Wait: o.Close}, nil
}

// tiny is a measurement of no time.
func (s *stage) tiny(names ...string) Config {
	return Config{
		Scenarios: names, Duration: 40 * time.Millisecond, Warmup: 10 * time.Millisecond, Runs: 1, Clients: 2, Accounts: 16, Payees: 2,
		Store: SQLite, Dir: s.TempDir(), Process: s.process, Command: s.command, pgbenchScale: 1, Said: func(Result) {}, Status: func(string, int, int) {},
	}
}

func (s *stage) measured(c Config) Result {
	s.Helper()
	if err := c.Check(); err != nil {
		s.Fatal(err)
	}
	all, err := Run(s.Context(), c)
	if err != nil || len(all) != 1 {
		s.Fatalf("%d results, %v", len(all), err)
	}
	return all[0]
}

// samples is how many payments a floor's answers are of.
var samples = map[string]int64{"floor-tap": 1, "floor-one-gesture": 1, "floor-pin": 1, "floor-approve": 1, "floor-mixed": 4}

func TestEveryScenarioPaysWithoutFailuresAndProvesItsBooks(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			s := &stage{T: t}
			c := s.tiny(name)
			c.Part = 0.5
			if name == "nodes" {
				c.DB = testdb.Postgres(t)
			}
			r := s.measured(c)
			if name == coldStart {
				if r.Steps[stepStart].P50 <= 0 || !r.Checked {
					t.Errorf("measured %+v", r)
				}
				return
			}
			if r.Payments == 0 || r.Failed != 0 || r.Rate <= 0 || r.Steps[stepWhole].Count != r.Payments {
				t.Errorf("measured %+v", r)
			}
			if floor := strings.HasPrefix(name, FloorPrefix); !floor && r.Settled < int64(r.Payments) || floor && r.Settled != samples[name] {
				t.Errorf("%d payments are settled of %d that were measured", r.Settled, r.Payments)
			}
			scenario, alone, _ := find(name)
			if want := len(scenario.sides(alone)) - 1; len(r.Against) != want {
				t.Errorf("compared with %+v, want %d", r.Against, want)
			}
			for _, a := range r.Against {
				if a.Rate <= 0 || a.Ratio.Median <= 0 {
					t.Errorf("compared with %+v", a)
				}
			}
			if scenario.floor && !alone && r.FloorRatio <= 0 {
				t.Error("there is no ratio to the floor")
			}
			if !alone && r.Paced == nil {
				t.Error("there is no open loop")
			}
		})
	}
}

func TestFloorAsksNoDatabase(t *testing.T) {
	for _, name := range []string{"floor-tap", "floor-one-gesture", "floor-pin", "floor-approve", "floor-mixed"} {
		s := &stage{T: t}
		r := s.measured(s.tiny(name))
		// The first payment of each kind, whose answers the floor gives, is a real one: of five requests at most, and a PIN
		// takes two.
		if r.Payments < 2 || s.updates.Load() > 6*samples[name] {
			t.Errorf("%s: %d payments, and the database was written %d times", name, r.Payments, s.updates.Load())
		}
		s.updates.Store(0)
		s.views.Store(0)
		process, err := startPeer(t.Context(), s.process, Spec{Floor: true, Keys: "nowhere"})
		if err == nil {
			t.Error("a floor without keys started", process.stop())
		}
		if s.updates.Load()+s.views.Load() > 0 {
			t.Error("a floor opened a database")
		}
	}
}

func TestARateThatIsGivenIsAnOpenLoopWithNothingBeside(t *testing.T) {
	s := &stage{T: t}
	c := s.tiny("tap")
	c.Rate, c.Duration, c.Warmup = 100, 200*time.Millisecond, 0
	r := s.measured(c)
	if r.Payments+r.NotBegun != 20 || r.Arriving != 100 || len(r.Against) > 0 || r.FloorRatio != 0 {
		t.Errorf("measured %+v; want 20 payments that were due, and no floor", r)
	}
}

func TestYardsticksTakeTurnsWithTheEngine(t *testing.T) {
	pgtest.Shared(t) // or this is skipped
	s := &stage{T: t}
	c := s.tiny("engine")
	c.Beside, c.Store = Yardsticks, Postgres
	c.Duration = 300 * time.Millisecond // the system counts CPU time in hundredths of a second
	r := s.measured(c)
	if r.Store != Postgres || len(r.Against) != 2 {
		t.Fatalf("measured %+v", r)
	}
	for i, name := range []string{"pgbench", "append and fdatasync"} {
		if a := r.Against[i]; a.Name != name || a.Rate <= 0 || a.Ratio.Median <= 0 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if runtime.GOOS == "linux" && (r.Written <= 0 || r.Database.CPU <= 0) {
		t.Errorf("PostgreSQL has used nothing: %+v", r.Database)
	}
}

func TestInterruptTellsWhatWasMeasuredAndProvesIt(t *testing.T) {
	s := &stage{T: t}
	ctx, interrupt := context.WithCancel(t.Context())
	c := s.tiny("tap")
	c.Duration, c.Runs, c.Warmup = time.Minute, 3, 0
	c.Status = func(what string, done, of int) {
		if strings.Contains(what, "floor") {
			interrupt() // the first run begins with it
		}
	}
	if all, err := Run(ctx, c); err != nil || len(all) != 0 {
		t.Errorf("interrupted before the scenario itself: %+v, %v; want nothing", all, err)
	}
	ctx, interrupt = context.WithCancel(t.Context())
	c.Status = func(what string, done, of int) {
		if strings.Contains(what, "run 1") && done > 100 {
			interrupt()
		}
	}
	c.Scenarios = []string{"engine-tap", "tap"}
	all, err := Run(ctx, c)
	if err != nil || len(all) != 1 || !all[0].Interrupted || all[0].Payments == 0 || all[0].Settled != int64(all[0].Payments) {
		t.Errorf("interrupted: %+v, %v", all, err)
	}
}

func TestALongMeasurementHasCardsEnoughForItsApprovals(t *testing.T) {
	s, _, err := find("engine-approve")
	if err != nil {
		t.Fatal(err)
	}
	c := (&stage{T: t}).tiny("engine-approve")
	c.Duration, c.Runs, c.Warmup, c.Accounts = 10*time.Second, 5, 3*time.Second, 10_000
	town, approvals := c.plan(s), 0
	for d := newDeck(town, s.flow, 0, 1); ; approvals++ {
		if _, err := d.draw(); err != nil {
			break
		}
	}
	if approvals < 53*approvalsPerSecond {
		t.Errorf("%d approvals with %d accounts, for 53 seconds", approvals, town.Accounts)
	}
}

func TestAnInterruptOfTheProofLeavesTheMeasurement(t *testing.T) {
	s := &stage{T: t}
	ctx, interrupt := context.WithCancel(t.Context())
	c := s.tiny("engine-tap", "engine-tap")
	c.DB = filepath.Join(t.TempDir(), "kept.db")
	checks := 0
	c.Status = func(what string, _, _ int) {
		if strings.Contains(what, "checking") {
			checks++
			interrupt()
		}
	}
	all, err := Run(ctx, c)
	if err != nil || len(all) != 2 || all[0].Checked || all[1].Checked || all[1].Interrupted || checks != 1 {
		t.Errorf("interrupted after %d steps of the proof: %+v, %v", checks, all, err)
	}
	for _, r := range all {
		if r.Payments == 0 || r.Settled != r.Confirmed {
			t.Errorf("measured %+v", r)
		}
	}
}

func TestTheBooksOfScenariosInOneDatabaseAreProvedAfterTheLast(t *testing.T) {
	s := &stage{T: t}
	c := s.tiny("engine-tap", "tap")
	c.DB = filepath.Join(t.TempDir(), "kept.db")
	var told []bool
	c.Said = func(r Result) {
		var text strings.Builder
		if err := Print(&text, []Result{r}); err != nil {
			t.Error(err)
		}
		told = append(told, strings.Contains(text.String(), "the books are right"))
	}
	all, err := Run(t.Context(), c)
	if err != nil || len(all) != 2 || !all[0].Checked || !all[1].Checked {
		t.Errorf("both are in one database: %+v, %v", all, err)
	}
	if !slices.Equal(told, []bool{false, true}) {
		t.Errorf("after each was told whether the books are right: %v", told)
	}

	c.Said = func(Result) { // somebody takes money out of a card account
		store, err := sqlstore.Open(t.Context(), c.DB, sqlstore.Options{Environment: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		err = store.Update(t.Context(), func(tx processor.Tx) error {
			rows, err := tx.Load(processor.Wants{Accounts: []ledger.AccountID{issuance}})
			if err != nil {
				return err
			}
			rows.Accounts[0].DebitsPosted--
			return tx.Save(processor.Changes{Changed: processor.Rows{Accounts: rows.Accounts}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if all, err := Run(t.Context(), c); !errors.Is(err, ErrUnproved) || len(all) != 1 || all[0].Checked {
		t.Errorf("with wrong books: %+v, %v", all, err)
	}
}

func TestPastPaymentsHaveRightBooksAndTheTownIsFoundAgain(t *testing.T) {
	dir := t.TempDir()
	keys, err := keyring.Create(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), filepath.Join(dir, "tapline.db"), sqlstore.Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	quiet := func(string, int, int) {}
	town, err := Fill(t.Context(), store, keys, NewTown(40, 3, 2, 500), quiet)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := store.Check(t.Context(), nil); len(found) > 0 || err != nil {
		t.Errorf("the books: %v, %v", found, err)
	}
	err = store.History(t.Context(), func(r history.Reader) error {
		newest, entries, _, err := r.Sealed()
		if entries != 540 || newest.Number == 0 { // 40 top-ups, 500 payments
			t.Errorf("%d entries are sealed, want 540; %+v", entries, newest)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := settled(t.Context(), store, town); n != 500 || err != nil {
		t.Errorf("%d payments are settled, %v; want 500", n, err)
	}
	again, err := Fill(t.Context(), store, keys, NewTown(80, 3, 2, 500), quiet)
	if err != nil || again.Accounts != 40 || string(again.Seed) != string(town.Seed) {
		t.Errorf("found again: %+v, %v", again, err)
	}
}

func TestADatabaseThatIsInUseIsNotFilled(t *testing.T) {
	dir := t.TempDir()
	keys, err := keyring.Create(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), filepath.Join(dir, "tapline.db"), sqlstore.Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var c processor.Changes
	c.New.Operators = []processor.Operator{{ID: "olga", Name: "Olga", PublicKey: []byte("{}"), CreatedAt: time.Now().UTC(), ConfirmedAt: time.Now().UTC()}}
	if err := store.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(c) }); err != nil {
		t.Fatal(err)
	}
	if _, err := Fill(t.Context(), store, keys, NewTown(40, 3, 2, 0), func(string, int, int) {}); err == nil {
		t.Error("a database with an operator was filled")
	}
}
