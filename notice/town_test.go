package notice_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapline/consent"
	"tapline/internal/egress"
	"tapline/internal/pgtest"
	"tapline/keyring"
	"tapline/money"
	"tapline/notice"
	"tapline/payment"
	. "tapline/processor"
	"tapline/push"
	"tapline/push/pushtest"
	"tapline/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	phone  payment.DeviceID = "phone"
	kiosk  payment.DeviceID = "kiosk"
	payee  payment.Handle   = "books@shop"
	chief  OperatorID       = "chief"
	number                  = consent.AccountNumber("6222020000000000003")
)

// town is one database with a card, its phone, a kiosk and a payee, and a push service outside.
type town struct {
	*testing.T
	db      string
	keys    *keyring.Keyring
	outside *pushtest.Service
	key     string // of the service, as browsers are given it
	log     *buffer
}

type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}
func (b *buffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.text.String() }

// node is a service on the town's database.
type node struct {
	*town
	*Processor
	*notice.Waker
	courier *notice.Courier // once it delivers
	mailer  atomic.Pointer[notice.Mailer]
	store   *sqlstore.Store
	late    time.Duration
	mu      sync.Mutex
	serial  string
	shut    func()
}

func found(t *testing.T, db string) *town {
	t.Helper()
	keys, err := keyring.Create(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := push.PublicKey(keys, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &town{T: t, db: db, keys: keys, outside: pushtest.New(t), key: key, log: &buffer{}}
}

// open opens a node. It sends nothing before it is run.
func (w *town) open(serial string) *node {
	w.Helper()
	store, err := sqlstore.Open(w.Context(), w.db, sqlstore.Options{Environment: "test"})
	if err != nil {
		w.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	n := &node{town: w, store: store, serial: serial}
	n.Waker = notice.NewWaker(&push.Sender{Keys: w.keys, Subject: "mailto:ops@pay.example", Now: time.Now,
		Client: egress.NewClient(egress.Options{Private: true, Roots: w.outside.Roots()})}, log)
	n.Processor = New(Config{Store: store, Keys: w.keys, Policy: payment.DefaultPolicy, Log: log, Now: n.now, OnBatch: func(b Batch) {
		if b.WakeUps > 0 {
			n.Kick()
		}
		if m := n.mailer.Load(); m != nil && b.Mails > 0 {
			m.Kick()
		}
	}})
	n.Waker.Processor = n.Processor
	n.shut = sync.OnceFunc(func() {
		n.Processor.Close()
		if err := store.Close(); err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(n.shut)
	return n
}

func (n *node) now() time.Time { n.mu.Lock(); defer n.mu.Unlock(); return time.Now().Add(n.late) }

func (n *node) wait(d time.Duration) { n.mu.Lock(); defer n.mu.Unlock(); n.late += d }

// run lets the node send until stop is called, or the test ends.
func (n *node) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.Waker.Run(ctx) }()
	once := sync.OnceFunc(func() { cancel(); <-done })
	n.Cleanup(once)
	return once
}

func (n *node) must(c Command) {
	n.Helper()
	if _, err := n.Do(n.Context(), Request{Command: c}); err != nil {
		n.Fatalf("%T: %v", c, err)
	}
}

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

func (n *node) furnish() *node {
	n.Helper()
	by := Operated{By: chief}
	n.must(&EnrolOperator{New: Operator{ID: chief, Name: "Chief", PublicKey: []byte("{}")}})
	for _, d := range []payment.DeviceID{phone, kiosk} {
		n.must(&RegisterDevice{Device: Device{ID: d, PublicKey: []byte("{}"), Label: string(d)}})
	}
	n.must(&AddPayee{Operated: by, Payee: Payee{Handle: payee, Name: "Book Shop", Account: "acc_shop", Currency: "CNY"},
		APIKey: APIKey{ID: "key_1", MAC: "mac", Payee: payee}})
	n.must(&IssueCard{Operated: by, Card: Card{ID: "card_1", Key: KeyOfNumber(n.keys, number), Last4: "0003", Label: "Campus",
		Account: "acc_card", Currency: "CNY", Code: OneUseCode{MAC: "mac of code"}}})
	n.must(&TopUp{Operated: by, ID: "top_1", Account: "acc_card", Amount: cny(10000)})
	n.must(&Activate{Device: phone, CardKeys: KeysOfNumber(n.keys, number), CodeMACs: []string{"mac of code"}, PIN: consent.PINRecord{
		Salt: []byte("0123456789abcdef"), Sum: []byte("0123456789abcdef0123456789abcdef"), Pepper: 1, Memory: 8, Passes: 1, Lanes: 1}})
	return n
}

// subscribe lets a device be woken.
func (n *node) subscribe(id payment.DeviceID, debits bool) *pushtest.Browser {
	n.Helper()
	b := n.outside.Subscribe(n.key)
	n.must(&SetPush{Device: id, Push: PushSubscription{Endpoint: b.Endpoint(), Key: b.Key(), Auth: b.Auth(), Version: 1, Debits: debits}})
	return b
}

// pay pays from a device as far as that goes without another.
func (n *node) pay(from payment.DeviceID) payment.Payment {
	n.Helper()
	i := &Instruct{ID: payment.ID("pay_" + n.serial + consent.NewID()), Device: from, Amount: cny(1250), Payee: payee, CardKeys: KeysOfNumber(n.keys, number),
		CardLast4: "0003", Assurance: payment.Identified, Nonce: consent.NewNonce(n.keys), Policy: n.Policy}
	n.must(i)
	n.must(&ReserveTry{Device: from, Payment: i.ID})
	a := &Authenticate{Payment: i.ID, Device: from, Right: true, Policy: n.Policy}
	n.must(a)
	c := &Confirm{Payment: i.ID, Device: from, Decision: consent.Approve, Statement: Statement(a.After), JWS: "jws"}
	n.must(c)
	return c.After
}

func (n *node) approve(p payment.Payment) {
	n.Helper()
	code, err := consent.ApprovalCode(n.keys, p.Nonce, 2)
	if err != nil {
		n.Fatal(err)
	}
	n.must(&Approve{Payment: p.ID, Device: p.Associated, Decision: consent.Approve, Statement: Statement(p), Code: code, JWS: "jws", Keys: n.keys, Digits: 2})
}

func (n *node) device(id payment.DeviceID) (d Device) {
	n.Helper()
	err := n.store.View(n.Context(), func(r Reader) error {
		rows, err := r.Load(Wants{Devices: []payment.DeviceID{id}})
		if err == nil {
			d = rows.Devices[0]
		}
		return err
	})
	if err != nil {
		n.Fatal(err)
	}
	return d
}

// idle fails if anything is to be sent.
func (n *node) idle() {
	n.Helper()
	due, err := n.DueWakeUps(n.Context(), 10)
	if err != nil || len(due) > 0 {
		n.Errorf("%d are still to be sent, %v", len(due), err)
	}
}

func payloads(messages []pushtest.Message) (texts []string) {
	for _, m := range messages {
		texts = append(texts, m.Payload)
	}
	return texts
}

func (n *node) associated() payment.DeviceID {
	n.Helper()
	var d payment.DeviceID
	if err := n.store.View(n.Context(), func(r Reader) error {
		rows, err := r.Load(Wants{Cards: []payment.CardID{"card_1"}})
		d = rows.Cards[0].Associated
		return err
	}); err != nil {
		n.Fatal(err)
	}
	return d
}

// settle waits until the node has said what became of everything that it has claimed.
func (n *node) settle() {
	n.Helper()
	for {
		waiting := 0
		if err := n.store.View(n.Context(), func(r Reader) error {
			due, err := r.Due(time.Now().Add(time.Hour), 100)
			waiting = len(due.WakeUps)
			return err
		}); err != nil {
			n.Fatal(err)
		}
		if waiting == 0 {
			return
		}
		select {
		case <-n.Context().Done():
			n.Fatalf("%d are never sent", waiting)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
