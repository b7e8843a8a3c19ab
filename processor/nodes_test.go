package processor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/consent"
	"tapline/internal/testdb"
	"tapline/keyring"
	"tapline/payment"
	. "tapline/processor"
	"tapline/sqlstore"
)

// openNodes opens two services on one PostgreSQL database that share nothing else but keys and a clock.
func openNodes(t *testing.T) [2]*shop {
	t.Helper()
	nodes := openEmptyNodes(t)
	nodes[0].furnish()
	return nodes
}

func openEmptyNodes(t *testing.T) [2]*shop {
	t.Helper()
	keys, err := keyring.OpenOrCreate(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	db, now := testdb.Postgres(t), &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var nodes [2]*shop
	for i := range nodes {
		store, err := sqlstore.Open(t.Context(), db, sqlstore.Options{Environment: "test"})
		if err != nil {
			t.Fatal(err)
		}
		n := &shop{t: t, store: store, db: db, keys: keys, card: "card_1", number: number, clock: now, serial: i * 1000}
		n.config = Config{Store: store, Keys: keys, Policy: payment.DefaultPolicy, Now: now.Now, Log: slog.New(slog.DiscardHandler)}
		n.Processor = New(n.config)
		nodes[i] = n
		t.Cleanup(func() {
			n.Close()
			n.checkBooks()
			if err := n.store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return nodes
}

// together runs f n times on each node at once.
func together(nodes [2]*shop, n int, f func(node *shop, i int)) {
	var ready, done sync.WaitGroup
	ready.Add(2 * n)
	for _, node := range nodes {
		for i := range n {
			done.Go(func() {
				ready.Done()
				ready.Wait()
				f(node, i)
			})
		}
	}
	done.Wait()
}

// count counts how often each thing happened.
type count struct {
	mu sync.Mutex
	of map[string]int
}

func (c *count) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[what]++
}

func (c *count) expect(t *testing.T, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, c.of); diff != "" {
		t.Errorf("what came of it (-want +got):\n%s", diff)
	}
}

func TestOneKeyHasOneEffectOnTwoNodes(t *testing.T) {
	nodes := openNodes(t)
	for round := range 5 {
		var got count
		var effects atomic.Int32
		id := payment.ID(fmt.Sprint("same_", round))
		together(nodes, 4, func(n *shop, i int) {
			c := &Instruct{ID: id, Device: kiosk, Amount: cny(100), Payee: payee, CardKeys: KeysOfNumber(n.keys, n.number),
				CardLast4: "0003", Assurance: payment.Identified, Nonce: "nonce", Policy: n.Policy}
			a, err := n.Do(t.Context(), Request{Key: KeyID{DevicePrincipal(kiosk), string(id)}, Digest: "d", Command: c,
				Answer: func(time.Time) (int, []byte) { return 201, []byte(c.Payment.ID) }})
			if err == nil && !a.Replayed {
				effects.Add(1)
			}
			got.add(fmt.Sprint(a.Status, " ", string(a.Body), " ", err))
		})
		got.expect(t, map[string]int{fmt.Sprintf("201 %s <nil>", id): 8})
		if effects.Load() != 1 {
			t.Errorf("one key had %d effects", effects.Load())
		}
	}
}

func TestTheLastTryIsTakenOnceOnTwoNodes(t *testing.T) {
	nodes := openNodes(t)
	i := nodes[0].instruct(phone, 100)
	nodes[0].must(i)
	var got count
	together(nodes, 20, func(n *shop, _ int) {
		err := n.do(&ReserveTry{Device: phone, Payment: i.ID})
		if try, ok := errors.AsType[*TryError](err); ok {
			err = try.Err
		}
		got.add(fmt.Sprint(err))
	})
	got.expect(t, map[string]int{"<nil>": consent.OwnTries.Pause, consent.ErrPaused.Error(): 40 - consent.OwnTries.Pause})
}

func TestTwoNodesDoNotSpendTheSameMoneyTwice(t *testing.T) {
	nodes := openNodes(t)
	var waiting [2][]payment.Payment // 12 payments of 15.00 from a card of 100.00
	for k, n := range nodes {
		for range 6 {
			waiting[k] = append(waiting[k], n.authenticated(phone, 1500))
		}
	}
	var got count
	together(nodes, 6, func(n *shop, i int) {
		k := 0
		if n == nodes[1] {
			k = 1
		}
		p, err := n.confirm(waiting[k][i])
		got.add(fmt.Sprint(p.State, " ", p.Reason, err))
	})
	got.expect(t, map[string]int{"settled <nil>": 6, "rejected insufficient_funds<nil>": 6})
	nodes[1].expectMoney(1000, 0, 9000)
}

func TestUndoingAndSettlingOnTwoNodesAgree(t *testing.T) {
	nodes := openNodes(t)
	nodes[0].must(&SetUndo{By: payee, Undo: time.Minute})
	undone, settled := int64(0), int64(0)
	for range 4 {
		p, err := nodes[0].confirm(nodes[0].authenticated(phone, 10))
		if err != nil || p.State != payment.Undoable {
			t.Fatal(p.State, err)
		}
		nodes[0].clock.Advance(time.Minute - time.Millisecond)
		together(nodes, 3, func(n *shop, i int) {
			switch {
			case n == nodes[0]:
				if err := n.do(&Cancel{Payment: p.ID, Device: phone}); err != nil && !errors.Is(err, payment.ErrFinal) {
					t.Error(err)
				}
			default:
				n.clock.Advance(time.Millisecond)
				n.must(&Touch{Payments: []payment.ID{p.ID}})
			}
		})
		switch p = nodes[1].now(p.ID); p.State {
		case payment.Cancelled:
			undone++
		case payment.Settled:
			settled += 10
		default:
			t.Errorf("the payment is %s", p.State)
		}
		nodes[0].clock.Advance(time.Hour)
	}
	nodes[0].expectMoney(10000-settled, 0, settled)
	t.Logf("%d were undone, %d settled", undone, settled/10)
}

func TestManyNodesSettleOnce(t *testing.T) {
	nodes := openNodes(t)
	nodes[0].must(&SetUndo{By: payee, Undo: time.Minute})
	p, err := nodes[0].confirm(nodes[0].authenticated(phone, 1000))
	if err != nil {
		t.Fatal(err)
	}
	nodes[0].clock.Advance(time.Minute)
	together(nodes, 8, func(n *shop, _ int) { n.must(&Touch{Payments: []payment.ID{p.ID}}) })
	if got := nodes[1].now(p.ID); got.State != payment.Settled || got.Version != p.Version+1 {
		t.Errorf("the payment is %s, version %d after %d", got.State, got.Version, p.Version)
	}
	nodes[1].expectMoney(9000, 0, 1000)
}

func TestTwoNodesDoNotRefundMoreThanWasPaid(t *testing.T) {
	nodes := openNodes(t)
	for round := range 3 {
		p := nodes[0].settled(1000)
		var got count
		together(nodes, 6, func(n *shop, i int) {
			// 12 refunds of 3.00, of which three fit.
			c := &Refund{Payment: p.ID, By: payee, Refund: payment.Refund{ID: payment.RefundID(fmt.Sprintf("ref_%d_%d_%d", round, n.serial, i)), Amount: cny(300)}}
			got.add(fmt.Sprint(errors.Is(n.do(c), payment.ErrRefundTooMuch), c.Made.Total))
		})
		got.expect(t, map[string]int{"false 300": 1, "false 600": 1, "false 900": 1, "true 0": 9})
		together(nodes, 2, func(n *shop, i int) {
			c := &Refund{Payment: p.ID, By: payee, Refund: payment.Refund{ID: payment.RefundID(fmt.Sprintf("rest_%d_%d_%d", round, n.serial, i))}}
			err := n.do(c)
			got.add(fmt.Sprint("rest ", errors.Is(err, payment.ErrRefunded), c.Made.Amount.Minor))
		})
		if got.of["rest false 100"] != 1 || got.of["rest true 0"] != 3 {
			t.Errorf("the rest was refunded otherwise than once: %v", got.of)
		}
		nodes[1].expectMoney(10000, 0, 0)
	}
}

func TestOneTapPaysOnceOnTwoNodes(t *testing.T) {
	nodes := openNodes(t)
	card := nodes[0].loadCard()
	nodes[0].must(&IssueCard{Operated: Operated{By: chief}, Card: Card{ID: "card_sun", Key: "1.sun", Last4: "0001", Account: "acc_sun",
		Currency: card.Currency, SUNVersion: 1, Code: OneUseCode{MAC: "mac of sun"}}})
	nodes[0].must(&Activate{Device: kiosk, CardKeys: []CardKey{"1.sun"}, CodeMACs: []string{"mac of sun"}, SUN: SUNTap{Version: 1, Counter: 1, Stranger: "1.stranger"},
		PIN: consent.PINRecord{Salt: []byte("0123456789abcdef"), Sum: []byte("0123456789abcdef0123456789abcdef"), Pepper: 1, Memory: 8, Passes: 1, Lanes: 1}})
	template := nodes[0].instruct(kiosk, 100)
	for counter := int64(2); counter < 6; counter++ {
		var got count
		together(nodes, 3, func(n *shop, i int) {
			c := *template
			c.ID = payment.ID(fmt.Sprintf("tap_%d_%d_%d", counter, n.serial, i))
			c.CardKeys, c.SUN = []CardKey{"1.sun"}, SUNTap{Version: 1, Counter: counter, Stranger: "1.stranger"}
			got.add(fmt.Sprint(n.do(&c)))
		})
		got.expect(t, map[string]int{"<nil>": 1, ErrTapUsed.Error(): 5})
	}
}

func TestApprovalAndExpiryOnTwoNodesAgree(t *testing.T) {
	nodes := openNodes(t)
	for range 5 {
		p, err := nodes[0].confirm(nodes[0].authenticated(kiosk, 10))
		if err != nil {
			t.Fatal(err)
		}
		nodes[0].clock.Advance(payment.ApprovalWait - time.Millisecond)
		together(nodes, 1, func(n *shop, _ int) {
			if n == nodes[0] {
				a, err := n.approve(p, n.code(p))
				if err != nil && !errors.Is(err, payment.ErrExpired) || err == nil && a.After.State != payment.Settled {
					t.Errorf("approval just before, or at, the deadline: %s, %v", a.After.State, err)
				}
				return
			}
			n.clock.Advance(time.Millisecond)
			n.must(&Touch{Payments: []payment.ID{p.ID}})
		})
		if got := nodes[1].load(Wants{Payments: []payment.ID{p.ID}}).Payments[0]; got.State != payment.Settled && got.State != payment.Expired {
			t.Errorf("the payment is %s", got.State)
		}
		nodes[0].clock.Advance(time.Hour)
	}
	if held := nodes[0].account("acc_card").DebitsPending; held != 0 {
		t.Errorf("%d are still held", held)
	}
}

func TestTheFirstOperatorIsEnrolledOnceOnTwoNodes(t *testing.T) {
	nodes := openEmptyNodes(t)
	var got count
	together(nodes, 4, func(n *shop, i int) {
		id := OperatorID(fmt.Sprint("op_", n.serial, i))
		got.add(fmt.Sprint(n.do(&EnrolOperator{New: Operator{ID: id, Name: "Chief", PublicKey: []byte("{}")}})))
	})
	got.expect(t, map[string]int{"<nil>": 1, ErrAlreadyEnrolled.Error(): 7})
}

func TestADeviceHasFewChallengesOnTwoNodes(t *testing.T) {
	nodes := openNodes(t)
	var got count
	together(nodes, ChallengesAtATime, func(n *shop, i int) {
		id := ChallengeID{Device: kiosk, ID: consent.ChallengeID(fmt.Sprint("c", n.serial, i))}
		got.add(fmt.Sprint(n.do(&ChallengeTap{ID: id, Number: []byte{1, 2, 3, 4}, Amount: cny(100)})))
	})
	got.expect(t, map[string]int{"<nil>": ChallengesAtATime, ErrTooManyChallenges.Error(): ChallengesAtATime})
}

func TestAReaderThatGoesOnFromTheLastEventMissesNone(t *testing.T) {
	nodes := openNodes(t)
	const each = 60
	template := nodes[0].instruct(kiosk, 100)
	ctx, stop := context.WithCancel(t.Context())
	followed := make(chan []int64)
	start, err := nodes[1].store.Wait(ctx, -1)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		var seen []int64
		last, more := start, false
		for ctx.Err() == nil || more { // a slow reader has some left to read at the end
			if _, err := nodes[1].store.Wait(ctx, last); err != nil {
				t.Error(err)
			}
			err := nodes[1].store.View(context.Background(), func(r Reader) error {
				events, next, err := r.Events(last, 7, DevicePrincipal(kiosk))
				for _, e := range events {
					seen = append(seen, e.Seq)
				}
				last, more = next, len(events) > 0
				return err
			})
			if err != nil {
				t.Error(err)
				more = false
			}
		}
		followed <- seen
	}()
	together(nodes, 4, func(n *shop, i int) {
		for j := range each / 4 {
			c := *template
			c.ID = payment.ID(fmt.Sprintf("ev_%d_%d_%d", n.serial, i, j))
			if err := n.do(&c); err != nil {
				t.Error(err)
			}
		}
	})
	newest, err := nodes[0].store.Wait(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[1].store.Wait(t.Context(), newest-1); err != nil {
		t.Fatal(err)
	}
	stop()
	if got := len(<-followed); got != 2*each {
		t.Errorf("a reader that went on from the last event it was told saw %d events, want %d", got, 2*each)
	}
}
