package processor_test

import (
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapline/consent"
	"tapline/internal/pgtest"
	"tapline/internal/testdb"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/payment"
	. "tapline/processor"
	"tapline/sqlstore"
)

// benchCards is how many cards pay in the benchmark, each from its own device; all pay one payee.
const benchCards = 10_000

// BenchmarkPayments runs complete payments, from instruction to settlement, each of three requests with idempotency keys,
// by a number of callers at once: so many commands are in a batch. There is no HTTP, no signature and no PIN hash.
func BenchmarkPayments(b *testing.B) {
	for kind, db := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "tapline.db") },
		"postgres": testdb.Postgres,
	} {
		for _, callers := range []int{64, 256, 512} {
			b.Run(fmt.Sprintf("%s/callers=%d", kind, callers), func(b *testing.B) { benchmarkPayments(b, db(b), callers, 1) })
		}
	}
	b.Run("postgres/callers=512/nodes=2", func(b *testing.B) { benchmarkPayments(b, testdb.Postgres(b), 512, 2) })
}

// bench is services on one database with benchCards cards.
type bench struct {
	b      *testing.B
	stores []*sqlstore.Store
	nodes  []*Processor
	nonce  string
	made   atomic.Int64

	commands, batches atomic.Int64
}

// BenchmarkBatch runs commands that arrive at once, payments by a tap, on SQLite: an operation is all of them, from the first
// command to the last answer.
func BenchmarkBatch(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("commands=%d", size), func(b *testing.B) {
			p := openBench(b, filepath.Join(b.TempDir(), "tapline.db"), payment.LevelTap, 1)
			n := 0
			for b.Loop() {
				var all sync.WaitGroup
				for range size {
					n++
					one := n
					all.Go(func() { p.instruct(p.nodes[0], one) })
				}
				all.Wait()
			}
			b.StopTimer()
			p.close(n)
		})
	}
}

func benchmarkPayments(b *testing.B, db string, callers, nodes int) {
	p := openBench(b, db, payment.LevelConfirm, nodes)
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := p.made.Add(1); n <= int64(b.N); n = p.made.Add(1) {
				p.pay(p.nodes[i%nodes], int(n))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	p.close(b.N)
}

func openBench(b *testing.B, db string, level payment.Level, nodes int) *bench {
	keys, err := keyring.OpenOrCreate(filepath.Join(b.TempDir(), "keys"))
	if err != nil {
		b.Fatal(err)
	}
	p := &bench{b: b, nonce: consent.NewNonce(keys)}
	policy := payment.DefaultPolicy
	policy.Level, policy.TapDailyLimit = level, 1<<40
	for range nodes {
		store, err := sqlstore.Open(b.Context(), db, sqlstore.Options{Environment: "test"})
		if err != nil {
			b.Fatal(err)
		}
		p.stores = append(p.stores, store)
		p.nodes = append(p.nodes, New(Config{Store: store, Keys: keys, Policy: policy, Log: slog.New(slog.DiscardHandler),
			OnBatch: func(batch Batch) { p.commands.Add(int64(batch.Commands)); p.batches.Add(1) }}))
	}
	if err := p.stores[0].Update(b.Context(), func(tx Tx) error { return tx.Save(benchTown()) }); err != nil {
		b.Fatal(err)
	}
	return p
}

// close tells how many payments there were, and proves them.
func (p *bench) close(payments int) {
	p.b.ReportMetric(float64(payments)/p.b.Elapsed().Seconds(), "payments/s")
	p.b.ReportMetric(float64(p.commands.Load())/float64(max(p.batches.Load(), 1)), "commands/batch")
	for _, node := range p.nodes {
		node.Close()
	}
	if found, err := p.stores[0].Check(p.b.Context(), nil); len(found) > 0 || err != nil {
		p.b.Errorf("the books: %v, %v", found, err)
	}
	for _, store := range p.stores {
		if err := store.Close(); err != nil {
			p.b.Error(err)
		}
	}
}

func benchDevice(i int) payment.DeviceID { return payment.DeviceID(fmt.Sprintf("%043d", i)) }

func benchTown() (c Changes) {
	c.New.Payees = []Payee{{Handle: payee, Name: "Books", Account: "shop", Currency: "CNY"}}
	issuance := ledger.Account{ID: "issuance", Kind: ledger.Issuance, Currency: "CNY"}
	c.New.Accounts = []ledger.Account{{ID: "shop", Kind: ledger.PayeeAccount, Currency: "CNY"}}
	now := time.Now().UTC()
	for i := range benchCards {
		id, device := fmt.Sprintf("%022d", i), benchDevice(i)
		amount := cny(1 << 40)
		c.New.Accounts = append(c.New.Accounts, ledger.Account{ID: ledger.AccountID("acc" + id), Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: amount.Minor})
		issuance.DebitsPosted += amount.Minor
		c.Entries = append(c.Entries, ledger.Entry{ID: ledger.EntryID("top" + id + "/post"), Action: ledger.Post, Reference: "top" + id, At: now,
			Postings: []ledger.Posting{{Debit: "issuance", Credit: ledger.AccountID("acc" + id), Amount: amount}}})
		c.New.Devices = append(c.New.Devices, Device{ID: device, PublicKey: make([]byte, 150), Label: "Phone"})
		c.New.Cards = append(c.New.Cards, Card{ID: payment.CardID("card" + id), Key: CardKey("1." + id), Last4: "1234", State: CardActive,
			Account: ledger.AccountID("acc" + id), Currency: "CNY", Associated: device})
		c.New.Bindings = append(c.New.Bindings, Binding{Card: payment.CardID("card" + id), Device: device, BoundAt: now})
	}
	c.New.Accounts = append(c.New.Accounts, issuance)
	return c
}

// instruct sends one instruction, and returns what became of it, and how to send more.
func (p *bench) instruct(node *Processor, n int) (*Instruct, func(step string, c Command)) {
	i := n * 7919 % benchCards
	device, id := benchDevice(i), payment.ID(fmt.Sprintf("%012x%016x", time.Now().UnixMilli(), n))
	do := func(step string, c Command) {
		_, err := node.Do(p.b.Context(), Request{Key: KeyID{DevicePrincipal(device), string(id) + step}, Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
			Command: c, Answer: func(time.Time) (int, []byte) { return 200, make([]byte, 600) }})
		if err != nil {
			p.b.Error(err)
		}
	}
	in := &Instruct{ID: id, Device: device, Amount: cny(1), Payee: payee, CardKeys: []CardKey{CardKey(fmt.Sprintf("1.%022d", i))},
		CardLast4: "1234", Assurance: payment.Authentic, Nonce: p.nonce, Policy: node.Policy}
	do("", in)
	if node.Policy.Level == payment.LevelTap && in.Payment.State != payment.Settled {
		p.b.Errorf("a payment ended as %s %s", in.Payment.State, in.Payment.Reason)
	}
	return in, do
}

// pay takes one payment from instruction to settlement.
func (p *bench) pay(node *Processor, n int) {
	in, do := p.instruct(node, n)
	a := &Authenticate{Payment: in.ID, Device: in.Device, Right: true, Policy: node.Policy}
	do("/a", a)
	c := &Confirm{Payment: in.ID, Device: in.Device, Decision: consent.Approve, Statement: Statement(a.After), JWS: "e30.e30.AA"}
	do("/c", c)
	if c.After.State != payment.Settled {
		p.b.Errorf("a payment ended as %s %s", c.After.State, c.After.Reason)
	}
}

// BenchmarkPgbench runs PostgreSQL's own benchmark beside, for the ratio: TPC-B, scale 50, 16 clients.
func BenchmarkPgbench(b *testing.B) {
	measurePgbench.Do(func() { pgbenchRate = measured(b) })
	b.ReportMetric(pgbenchRate, "tps")
}

// It takes as long however often it is asked for.
var (
	measurePgbench sync.Once
	pgbenchRate    float64
)

func measured(b *testing.B) float64 {
	server, program := pgtest.Shared(b), pgtest.Program(b, "pgbench")
	if err := server.Run("postgres", "CREATE DATABASE tpcb"); err != nil {
		b.Fatal(err)
	}
	run := func(args ...string) string {
		out, err := exec.Command(program, append(args, server.URL("tpcb"))...).CombinedOutput()
		if err != nil {
			b.Fatalf("pgbench: %v: %s", err, out)
		}
		return string(out)
	}
	run("--initialize", "--scale=50", "--quiet")
	said := regexp.MustCompile(`tps = ([0-9.]+)`).FindStringSubmatch(run("--client=16", "--jobs=2", "--time=8"))
	if said == nil {
		b.Fatal("pgbench says no rate")
	}
	rate, err := strconv.ParseFloat(said[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}
