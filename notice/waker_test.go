package notice_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/consent"
	"tapline/internal/egress"
	"tapline/internal/testdb"
	"tapline/payment"
	. "tapline/processor"
	"tapline/push/pushtest"
)

const approve, debit, alarm = `{"wake":"approve"}`, `{"wake":"debit"}`, `{"wake":"card"}`

func TestPhoneIsWokenForWhatWaitsForIt(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	n.run()
	browser := n.subscribe(phone, true)
	p := n.pay(kiosk)
	got := browser.Wait(1)[0]
	if got.TTL < 170 || got.TTL > 180 {
		t.Errorf("it is kept for %d seconds, and the payment waits for 180", got.TTL)
	}
	got.TTL = 0
	want := pushtest.Message{Payload: approve, Urgency: "high", Topic: "approve", Subject: "mailto:ops@pay.example"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	n.approve(p)
	if got := browser.Wait(2)[1]; got.Payload != debit || got.Urgency != "normal" || got.TTL < 80_000 {
		t.Errorf("after the debit it was told %+v", got)
	}
	n.must(&Refund{Payment: p.ID, By: payee, Refund: payment.Refund{ID: "ref_1", Amount: cny(250), Reason: "sold out", APIKey: "key_1"}})
	if got := browser.Wait(3)[2]; got.Payload != debit {
		t.Errorf("after the refund it was told %+v", got)
	}
	n.must(&Freeze{Card: "card_1", Device: phone})
	if got := browser.Wait(4)[3]; got.Payload != alarm || got.Urgency != "high" {
		t.Errorf("after the freeze it was told %+v", got)
	}
}

func TestDebitsAreNotToldToWhoDoesNotWant(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	n.run()
	browser := n.subscribe(phone, false)
	n.pay(phone)
	n.must(&Freeze{Card: "card_1", Device: phone})
	if got := payloads(browser.Wait(1)); !cmp.Equal(got, []string{alarm}) {
		t.Errorf("it was told %v", got)
	}
}

func TestWrongDigitsDoNotWakeAgain(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	n.run()
	browser := n.subscribe(phone, true)
	p := n.pay(kiosk)
	browser.Wait(1)
	n.must(&Approve{Payment: p.ID, Device: phone, Decision: consent.Approve, Statement: Statement(p), Code: "no", JWS: "jws", Keys: n.keys, Digits: 2})
	n.must(&Freeze{Card: "card_1", Device: phone})
	if got := payloads(browser.Wait(2)); !cmp.Equal(got, []string{approve, alarm}) {
		t.Errorf("it was told %v", got)
	}
}

// TestPendingWakeUpsSurviveACrash has a node that commits and dies before it sends.
func TestPendingWakeUpsSurviveACrash(t *testing.T) {
	w := found(t, testdb.New(t))
	n := w.open("").furnish() // which is never run
	browser := n.subscribe(phone, true)
	n.pay(kiosk)
	n.shut()
	w.open("").run()
	if got := payloads(browser.Wait(1)); !cmp.Equal(got, []string{approve}) {
		t.Errorf("it was told %v", got)
	}
}

// TestClaimOfADeadNodeEnds has a node that dies while it sends.
func TestClaimOfADeadNodeEnds(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	browser := n.subscribe(phone, true)
	n.pay(kiosk)
	claim := &ClaimWakeUps{IDs: []WakeID{{Device: phone, Kind: WakeApprove}}}
	n.must(claim)
	if len(claim.Claimed) != 1 {
		t.Fatalf("claimed %d", len(claim.Claimed))
	}
	second := &ClaimWakeUps{IDs: claim.IDs}
	n.must(second)
	if len(second.Claimed) != 0 {
		t.Error("it was claimed twice")
	}
	n.idle()
	n.wait(WakeLease)
	n.run()
	if got := browser.Wait(1)[0]; got.TTL > 150 {
		t.Errorf("half a minute later it is kept for %d seconds", got.TTL)
	}
	n.settle()
	// Whoever was believed dead speaks up: what it says counts no more.
	n.must(&FinishWakeUp{Claimed: claim.Claimed[0], Again: time.Millisecond})
	n.wait(time.Minute)
	n.idle()
}

func TestWhatIsTooLateIsNotSent(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	browser := n.subscribe(phone, true)
	n.pay(kiosk)
	n.wait(payment.ApprovalWait)
	n.run()
	n.must(&Freeze{Card: "card_1", Device: phone})
	if got := payloads(browser.Wait(1)); !cmp.Equal(got, []string{alarm}) {
		t.Errorf("it was told %v", got)
	}
}

// TestTwoNodesSendOnce runs two services on one PostgreSQL database, both of which look for what is to be sent.
func TestTwoNodesSendOnce(t *testing.T) {
	w := found(t, testdb.Postgres(t))
	nodes := []*node{w.open("a"), w.open("b")}
	nodes[0].furnish()
	const many = 20
	var browsers []*pushtest.Browser
	for i := range many {
		id := payment.DeviceID(fmt.Sprintf("phone %d", i))
		nodes[0].must(&RegisterDevice{Device: Device{ID: id, PublicKey: []byte("{}"), Label: "phone"}})
		nodes[0].must(&Rebind{Card: "card_1", Device: nodes[0].associated(), NewDevice: id})
		browsers = append(browsers, nodes[0].subscribe(id, true))
	}
	nodes[0].must(&Freeze{Card: "card_1", Device: "phone 1"}) // tells all of them, who were told that others were bound
	for _, n := range nodes {
		n.run()
	}
	for round := 1; round <= 3; round++ {
		for _, b := range browsers {
			b.Wait(round)
		}
		nodes[0].settle()
		for i, b := range browsers {
			if got := len(b.Got()); got != round {
				t.Errorf("phone %d was told %d times, want %d", i, got, round)
			}
		}
		nodes[round%2].must(&Freeze{Card: "card_1", Device: "phone 1"})
		nodes[(round+1)%2].Kick()
	}
}

func TestSubscriptionThatIsGoneIsDropped(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		n := found(t, testdb.New(t)).open("").furnish()
		n.run()
		browser := n.subscribe(phone, true)
		browser.Answer(func(out http.ResponseWriter, _ *http.Request) bool { out.WriteHeader(status); return true })
		n.pay(kiosk)
		n.outside.WaitRequests(1)
		n.settle()
		if got := n.device(phone).Push; got.Endpoint != "" {
			t.Errorf("%d: it is still there", status)
		}
		n.pay(kiosk)
		n.settle()
		if got := n.outside.Requests(); got != 1 {
			t.Errorf("%d: %d requests", status, got)
		}
	}
}

func TestNewSubscriptionSurvivesTheOldOnesEnd(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	n.subscribe(phone, true)
	n.pay(kiosk)
	claim := &ClaimWakeUps{IDs: []WakeID{{Device: phone, Kind: WakeApprove}}}
	n.must(claim)
	browser := n.subscribe(phone, true)
	n.must(&FinishWakeUp{Claimed: claim.Claimed[0], Gone: true})
	if got := n.device(phone).Push.Endpoint; got != browser.Endpoint() {
		t.Errorf("the new subscription became %q", got)
	}
}

func TestRevokedDeviceIsWokenNoMore(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	n.subscribe(phone, true)
	n.pay(kiosk)
	n.must(&RevokeDevice{Operated: Operated{By: chief}, Device: phone})
	if got := n.device(phone).Push; got.Endpoint != "" || got.Key != nil || got.Auth != nil {
		t.Errorf("what is kept: %+v", got)
	}
	stop := n.run()
	n.settle()
	stop()
	if n.outside.Requests() != 0 {
		t.Error("it was woken")
	}
	again := &SetPush{Device: phone, Push: PushSubscription{Endpoint: "https://push.example/", Key: make([]byte, 65), Auth: make([]byte, 16), Version: 1}}
	if _, err := n.Do(t.Context(), Request{Command: again}); !errors.Is(err, ErrDeviceRevoked) {
		t.Errorf("a revoked device subscribes: %v", err)
	}
}

func TestUnsubscribedDeviceIsWokenNoMore(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	n.subscribe(phone, true)
	n.must(&SetPush{Device: phone})
	n.run()
	n.pay(kiosk)
	n.settle()
	if n.outside.Requests() != 0 {
		t.Error("it was woken")
	}
}

func TestBusyPushServiceIsAskedAgain(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	n.run()
	browser := n.subscribe(phone, true)
	var mu sync.Mutex
	busy := 1
	browser.Answer(func(out http.ResponseWriter, _ *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if busy--; busy >= 0 {
			out.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	n.pay(kiosk)
	if got := payloads(browser.Wait(1)); !cmp.Equal(got, []string{approve}) || n.outside.Requests() != 2 {
		t.Errorf("it was told %v in %d requests", got, n.outside.Requests())
	}
	if !strings.Contains(n.log.String(), "a device was not woken") || strings.Contains(n.log.String(), "/push/") {
		t.Errorf("the log has\n%s", n.log)
	}
}

func TestRefusedMessageIsNotSentAgain(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	n.run()
	browser := n.subscribe(phone, true)
	browser.Answer(func(out http.ResponseWriter, _ *http.Request) bool {
		out.WriteHeader(http.StatusForbidden)
		return true
	})
	n.pay(kiosk)
	n.outside.WaitRequests(1)
	n.settle()
	if n.device(phone).Push.Endpoint == "" || n.outside.Requests() != 1 {
		t.Errorf("after %d requests the subscription is %q", n.outside.Requests(), n.device(phone).Push.Endpoint)
	}
}

// TestSlowPushServiceDelaysNobody has many devices at a push service that never answers, and one at another.
func TestSlowPushServiceDelaysNobody(t *testing.T) {
	n := found(t, testdb.New(t)).open("").furnish()
	slow := pushtest.New(t)
	hang := func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
	const many = 40
	roots := n.outside.Roots()
	roots.AddCert(slow.Certificate())
	n.Waker.Push.Client = egress.NewClient(egress.Options{Private: true, Roots: roots})
	for i := range many {
		id := payment.DeviceID(fmt.Sprintf("slow %d", i))
		n.must(&RegisterDevice{Device: Device{ID: id, PublicKey: []byte("{}"), Label: "slow"}})
		n.must(&Rebind{Card: "card_1", Device: n.associated(), NewDevice: id})
		b := slow.Subscribe(n.key)
		b.Answer(hang)
		n.must(&SetPush{Device: id, Push: PushSubscription{Endpoint: b.Endpoint(), Key: b.Key(), Auth: b.Auth(), Version: 1}})
	}
	n.must(&Rebind{Card: "card_1", Device: n.associated(), NewDevice: phone})
	browser := n.subscribe(phone, true)
	stop := n.run()
	began := time.Now()
	n.must(&Freeze{Card: "card_1", Device: phone})
	browser.Wait(1)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if slow.Requests() > 8 {
		t.Errorf("%d requests hang at one push service", slow.Requests())
	}
	stop() // does not wait for the slow one
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("stopping took until %v", took)
	}
}
