package sandbox_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/internal/pgtest"
	"tapline/ledger"
	"tapline/operator"
	"tapline/payee"
	"tapline/sqlstore"
)

func TestEachTestCardPlaysItsPart(t *testing.T) {
	n, boss, shop := sandboxed(t)
	for _, c := range []struct {
		behaviour, state, reason, order string
		problems                        []string
	}{
		{"", "settled", "", "paid", []string{}},
		{api.CardApproves, "settled", "", "paid", []string{}},
		{api.CardDeclines, "declined", "approver", "open", []string{}},
		{api.CardExpires, "approval_required", "", "claimed", []string{}},
		{api.CardWrongPIN, "settled", "", "paid", []string{"wrong_pin"}},
		{api.CardFrozen, "cancelled", "payer", "open", []string{"wrong_pin"}},
		{api.CardInsufficientFunds, "rejected", "insufficient_funds", "open", []string{"insufficient_funds"}},
	} {
		id := n.order(shop)
		paid, err := shop.MakeTestPayment(t.Context(), api.NewTestPayment{Order: id, Behaviour: c.behaviour})
		n.must(err)
		got := api.TestPayment{State: paid.State, Reason: paid.Reason, Problems: paid.Problems}
		if diff := cmp.Diff(api.TestPayment{State: c.state, Reason: c.reason, Problems: c.problems}, got); diff != "" {
			t.Errorf("%q: %s", c.behaviour, diff)
		}
		if o, err := shop.Order(t.Context(), id); err != nil || o.State != c.order {
			t.Errorf("%q: the order is %s, %v; want %s", c.behaviour, o.State, err, c.order)
		}
	}
	cards, err := boss.Cards(t.Context())
	n.must(err)
	for _, card := range cards {
		if card.Label == "Test card: frozen" && card.State != "frozen" {
			t.Errorf("%s is %s", card.Label, card.State)
		}
	}
	findings, err := n.store.Check(t.Context(), nil)
	if err != nil || len(findings) > 0 {
		t.Error(findings, err)
	}
}

func TestASlowCardApprovesLater(t *testing.T) {
	n, _, shop := sandboxed(t)
	card, err := shop.MakeTestCard(t.Context(), api.NewTestCard{Behaviour: api.CardSlow, Delay: 1})
	n.must(err)
	paid, err := shop.MakeTestPayment(t.Context(), api.NewTestPayment{Order: n.order(shop), Card: card.ID})
	n.must(err)
	if paid.State != "approval_required" {
		t.Fatalf("at first it is %s", paid.State)
	}
	n.until("the slow card's approval", func() bool { return n.state(shop, paid.Payment) == "settled" })
}

// A PIN is not guessed at a test card either: what counts tries is not asked to look away.
func TestTheCardThatTypesTooManyWrongPINsIsRefused(t *testing.T) {
	n, _, shop := sandboxed(t)
	card, err := shop.MakeTestCard(t.Context(), api.NewTestCard{Behaviour: api.CardWrongPIN, WrongPINs: 3})
	n.must(err)
	paid, err := shop.MakeTestPayment(t.Context(), api.NewTestPayment{Order: n.order(shop), Card: card.ID})
	n.must(err)
	if diff := cmp.Diff([]string{"wrong_pin", "wrong_pin"}, paid.Problems); diff != "" || paid.State != "rejected" || paid.Reason == "" {
		t.Errorf("%s, %s: %s", paid.State, paid.Reason, diff)
	}
}

func TestOneCardPaysUntilItsMoneyIsSpent(t *testing.T) {
	n, _, shop := sandboxed(t)
	balance := int64(2 * 1250)
	card, err := shop.MakeTestCard(t.Context(), api.NewTestCard{Behaviour: api.CardApproves, Balance: &balance})
	n.must(err)
	for i, want := range []string{"settled", "settled", "rejected"} {
		paid, err := shop.MakeTestPayment(t.Context(), api.NewTestPayment{Order: n.order(shop), Card: card.ID})
		if err != nil || paid.State != want {
			t.Errorf("payment %d: %s, %v; want %s", i+1, paid.State, err, want)
		}
	}
	list, err := shop.TestCards(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != card.ID {
		t.Errorf("%v, %v", list, err)
	}
}

func TestTheClockExpiresAPayment(t *testing.T) {
	n, _, shop := sandboxed(t)
	paid := n.pay(shop, api.CardExpires)
	n.forward(shop, time.Hour)
	if state := n.state(shop, paid.Payment); state != "expired" {
		t.Errorf("an hour later it is %s", state)
	}
}

func TestTheClockSettlesWhatCouldBeUndone(t *testing.T) {
	n, _, shop := sandboxed(t)
	_, err := shop.SetUndo(t.Context(), 10*time.Hour)
	n.must(err)
	paid := n.pay(shop, api.CardApproves)
	if paid.State != "undoable" {
		t.Fatalf("it is %s", paid.State)
	}
	n.forward(shop, 9*time.Hour)
	if state := n.state(shop, paid.Payment); state != "undoable" {
		t.Errorf("an hour before the end it is %s", state)
	}
	n.forward(shop, 2*time.Hour)
	if state := n.state(shop, paid.Payment); state != "settled" {
		t.Errorf("an hour after the end it is %s", state)
	}
}

func TestTheClockEndsDaysThatAreThenClosed(t *testing.T) {
	n, boss, shop := sandboxed(t)
	n.pay(shop, api.CardApproves)
	clock, err := shop.TestClock(t.Context())
	n.must(err)
	tomorrow := clock.Now.AddDate(0, 0, 1).Format(time.DateOnly)
	if _, err := boss.CloseDay(t.Context(), tomorrow, ""); err == nil {
		t.Errorf("%s is closed before it has begun", tomorrow)
	}
	n.forward(shop, 48*time.Hour)
	if _, err = boss.CloseDay(t.Context(), clock.Now.Format(time.DateOnly), ""); err != nil {
		t.Error(err)
	}
	if closed, err := boss.CloseDay(t.Context(), tomorrow, ""); err != nil || closed.Day != tomorrow {
		t.Errorf("two days later: %+v, %v", closed, err)
	}
	if status := n.status("GET", "/readyz", "", ""); status != http.StatusOK {
		t.Errorf("with its clock put forward the service is not ready: %d", status)
	}
}

func TestTheClockBeginsANewDayOfSpending(t *testing.T) {
	n := newPlace(t, sqlstore.Sandbox).open(t, ledger.Limits{DayCount: 1})
	_, shop := n.furnish()
	// Not across midnight in the world.
	clock, err := shop.TestClock(t.Context())
	n.must(err)
	noon := clock.Now.Truncate(24 * time.Hour).Add(36 * time.Hour)
	_, err = shop.ForwardTestClock(t.Context(), api.TestClockChange{To: &noon})
	n.must(err)
	for _, want := range []string{"settled", "rejected"} {
		if paid := n.pay(shop, api.CardApproves); paid.State != want {
			t.Errorf("%s, want %s", paid.State, want)
		}
	}
	n.forward(shop, 24*time.Hour)
	if paid := n.pay(shop, api.CardApproves); paid.State != "settled" {
		t.Errorf("the next day: %s, %s", paid.State, paid.Reason)
	}
}

func TestTheClockSendsAWebhookAgain(t *testing.T) {
	n, boss, shop := sandboxed(t)
	var lock sync.Mutex
	var heard []payee.Webhook
	failures, secret := 1, ""
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		body, _ := io.ReadAll(r.Body)
		message, err := payee.VerifyWebhook(body, r.Header, secret) // by the world's clock
		if err != nil {
			t.Errorf("the message is refused: %v", err)
		}
		if failures > 0 {
			failures--
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		heard = append(heard, message)
	}))
	defer receiver.Close()
	made, err := boss.MakePayeeKey(t.Context(), "books@shop", api.NewAPIKey{Name: "hooks", Scopes: []string{"webhooks", "orders", "read"}})
	n.must(err)
	hooks := &payee.Client{URL: n.server.URL, APIKey: made.Key}
	n.forward(shop, 1000*time.Hour) // messages are dated by the world's time all the same
	lock.Lock()
	endpoint, err := hooks.MakeWebhook(t.Context(), api.NewWebhookEndpoint{URL: receiver.URL, Types: []string{"payment.settled"}})
	n.must(err)
	secret = endpoint.Secret
	lock.Unlock()
	paid := n.pay(shop, api.CardApproves)
	n.until("the first attempt", func() bool {
		page, err := hooks.Deliveries(t.Context(), endpoint.ID, payee.DeliveryQuery{})
		n.must(err)
		return len(page.Deliveries) == 1 && page.Deliveries[0].Attempts == 1 && page.Deliveries[0].Failure != ""
	})
	n.forward(shop, 76*time.Hour)
	n.until("the second attempt", func() bool { lock.Lock(); defer lock.Unlock(); return len(heard) > 0 })
	lock.Lock()
	defer lock.Unlock()
	if heard[0].Data.ID != paid.Payment {
		t.Errorf("told of %s, want %s", heard[0].Data.ID, paid.Payment)
	}
}

func TestTheClockIsOnlyPutForward(t *testing.T) {
	n, _, shop := sandboxed(t)
	before := n.forward(shop, time.Hour)
	past, far := before.Now.Add(-time.Minute), before.Now.AddDate(11, 0, 0)
	for name, in := range map[string]api.TestClockChange{
		"clock_back": {To: &past}, "malformed": {}, "invalid_field": {By: -5},
	} {
		_, err := shop.ForwardTestClock(t.Context(), in)
		refused(t, err, name)
	}
	_, err := shop.ForwardTestClock(t.Context(), api.TestClockChange{To: &far})
	refused(t, err, "clock_back")
	_, err = shop.ForwardTestClock(t.Context(), api.TestClockChange{To: &far, By: 1})
	refused(t, err, "malformed")
	after, err := shop.TestClock(t.Context())
	if err != nil || after.Ahead != 3600 || after.Now.Before(before.Now) || after.Now.Sub(after.World) != time.Hour {
		t.Errorf("%+v, %v", after, err)
	}
}

func TestTheClockOutlivesTheService(t *testing.T) {
	p := newPlace(t, sqlstore.Sandbox)
	var key string
	t.Run("first", func(t *testing.T) {
		n := p.open(t, ledger.Limits{})
		_, shop := n.furnish()
		key = shop.APIKey
		n.forward(shop, 100*time.Hour)
	})
	n := p.open(t, ledger.Limits{})
	shop := &payee.Client{URL: n.server.URL, APIKey: key}
	o, err := shop.MakeOrder(t.Context(), api.NewOrder{Amount: price})
	n.must(err)
	if ahead := time.Until(o.CreatedAt); ahead < 99*time.Hour {
		t.Errorf("an order is dated %s from now", ahead)
	}
	if paid := n.pay(shop, ""); paid.State != "settled" {
		t.Errorf("it is %s", paid.State)
	}
}

func TestTheClockIsOneForAllNodes(t *testing.T) {
	p := newPlace(t, sqlstore.Sandbox)
	p.database = pgtest.Database(t, "sandboxes", func(url string) error {
		_, _, err := sqlstore.Migrate(t.Context(), url, sqlstore.Options{Environment: sqlstore.Sandbox})
		return err
	})
	one, other := p.open(t, ledger.Limits{}), p.open(t, ledger.Limits{})
	_, shop := one.furnish()
	there := &payee.Client{URL: other.server.URL, APIKey: shop.APIKey}
	paid := one.pay(shop, api.CardExpires)
	one.forward(shop, time.Hour)
	if state := other.state(there, paid.Payment); state != "expired" {
		t.Errorf("at the other node it is %s", state)
	}
	clock, err := there.TestClock(t.Context())
	if err != nil || clock.Ahead != 3600 {
		t.Errorf("%+v, %v", clock, err)
	}
	if later := other.forward(there, time.Hour); later.Ahead != 7200 {
		t.Errorf("put forward again at the other node it is %+v", later)
	}
	if paid := other.pay(there, api.CardApproves); paid.State != "settled" {
		t.Errorf("%+v", paid)
	}
}

// Whoever signs lives in the world, whatever the test clock says.
func TestSignaturesAndTokensGoByTheWorldsTime(t *testing.T) {
	n, boss, shop := sandboxed(t)
	key, err := consent.NewDeviceKey()
	n.must(err)
	phone := &device.Client{URL: n.server.URL, Key: key}
	_, err = phone.Register(t.Context(), "phone")
	n.must(err)
	_, err = phone.Cards(t.Context()) // has a token now
	n.must(err)
	n.forward(shop, 2000*time.Hour)
	if _, err := phone.Cards(t.Context()); err != nil {
		t.Errorf("a token of before: %v", err)
	}
	if _, err := phone.Register(t.Context(), "my phone"); err != nil {
		t.Errorf("a signature by the world's clock: %v", err)
	}
	if _, err := boss.Cards(t.Context()); err != nil {
		t.Errorf("the operator: %v", err)
	}
	clock, err := shop.TestClock(t.Context())
	n.must(err)
	for name, at := range map[string]time.Time{"old": time.Now().Add(-time.Hour), "by the test clock": clock.Now} {
		d := &device.Client{URL: n.server.URL, Key: key, Now: func() time.Time { return at }}
		if _, err := d.Register(t.Context(), "my phone"); err == nil {
			t.Errorf("a signature that is %s is taken", name)
		} else {
			refused(t, err, "stale")
		}
	}
}

// What was asked once is done once, also where the clock has jumped over the time for which that is remembered.
func TestWhatWasAskedIsRememberedInTheWorldsTime(t *testing.T) {
	n, boss, shop := sandboxed(t)
	n.pay(shop, api.CardApproves)
	cards, err := boss.Cards(t.Context())
	n.must(err)
	once := operator.WithIdempotencyKey(t.Context(), "top-up-1")
	var balances []int64
	for range 2 {
		account, err := boss.TopUp(once, cards[0].Account, api.NewTopUp{Amount: price})
		n.must(err)
		balances = append(balances, account.Balance)
		n.forward(shop, 20*24*time.Hour)
		if _, err := n.store.Purge(t.Context(), time.Now()); err != nil { // as the service does
			t.Fatal(err)
		}
	}
	if balances[0] != balances[1] {
		t.Errorf("asked again it was done again: %v", balances)
	}
}

func TestOnlySandboxesHaveWhatIsForTests(t *testing.T) {
	for _, environment := range []string{"live", "test"} {
		n := newPlace(t, environment).open(t, ledger.Limits{})
		_, shop := n.furnish()
		for _, r := range [][3]string{
			{"GET", "/v1/test/clock"}, {"POST", "/v1/test/clock", `{"by":60}`}, {"GET", "/v1/test/cards"},
			{"POST", "/v1/test/cards", `{"behaviour":"approves"}`}, {"POST", "/v1/test/payments", `{"order":"` + n.order(shop) + `"}`},
		} {
			for _, token := range []string{"", shop.APIKey} {
				if status := n.status(r[0], r[1], token, r[2]); status != http.StatusNotFound {
					t.Errorf("%s: %s %s answers %d", environment, r[0], r[1], status)
				}
			}
		}
		if _, _, err := n.store.PutForward(t.Context(), func(now time.Time) time.Time { return now.Add(time.Hour) }); !errors.Is(err, sqlstore.ErrNoSandbox) {
			t.Errorf("%s: the store's clock: %v", environment, err)
		}
		if err := n.store.KeepTestCard(t.Context(), "card_x", "x"); !errors.Is(err, sqlstore.ErrNoSandbox) {
			t.Errorf("%s: a test card: %v", environment, err)
		}
	}
}

func TestAPIKeysSayWhatTheyAreForAndTheOtherRefusesThem(t *testing.T) {
	box := newPlace(t, sqlstore.Sandbox).open(t, ledger.Limits{})
	live := newPlace(t, "live").open(t, ledger.Limits{})
	_, tester := box.furnish()
	_, seller := live.furnish()
	if !strings.HasPrefix(tester.APIKey, "tapline_test_") || !strings.HasPrefix(seller.APIKey, "tapline_live_") {
		t.Errorf("the keys begin %.13s and %.13s", tester.APIKey, seller.APIKey)
	}
	_, err := (&payee.Client{URL: live.server.URL, APIKey: tester.APIKey}).Self(t.Context())
	refused(t, err, "wrong_environment")
	_, err = (&payee.Client{URL: box.server.URL, APIKey: seller.APIKey}).Self(t.Context())
	refused(t, err, "wrong_environment")
	_, err = (&payee.Client{URL: live.server.URL, APIKey: tester.APIKey[:60] + "a"}).Self(t.Context())
	refused(t, err, "invalid_token") // no key at all
}

func TestOnlyItsPayeeHasAnOrderPaid(t *testing.T) {
	n, boss, shop := sandboxed(t)
	id := n.order(shop)
	_, err := n.payee(boss, "tea@shop").MakeTestPayment(t.Context(), api.NewTestPayment{Order: id})
	refused(t, err, "unknown_order")
	reader, err := boss.MakePayeeKey(t.Context(), "books@shop", api.NewAPIKey{Name: "reader", Scopes: []string{"read"}})
	n.must(err)
	looker := &payee.Client{URL: n.server.URL, APIKey: reader.Key}
	_, err = looker.MakeTestPayment(t.Context(), api.NewTestPayment{Order: id})
	refused(t, err, "missing_scope")
	_, err = looker.ForwardTestClock(t.Context(), api.TestClockChange{By: 60})
	refused(t, err, "missing_scope")
	if status := n.status("POST", "/v1/test/clock", "", `{"by":60}`); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	_, err = shop.MakeTestPayment(t.Context(), api.NewTestPayment{Order: id, Card: "card_none"})
	refused(t, err, "unknown_card")
	_, err = shop.MakeTestPayment(t.Context(), api.NewTestPayment{Order: id, Card: "card_none", Behaviour: api.CardSlow})
	refused(t, err, "malformed")
	for range 2 { // the second time there is nothing left to pay
		_, err = shop.MakeTestPayment(t.Context(), api.NewTestPayment{Order: id})
	}
	refused(t, err, "order_closed")
}

// The page of an order has no API key. Its device may have that order paid, and nothing else.
func TestADeviceHasAnOrderPaidThatItKnows(t *testing.T) {
	n, _, shop := sandboxed(t)
	o, err := shop.MakeOrder(t.Context(), api.NewOrder{Amount: price, SuccessURL: "https://shop.example/thanks"})
	n.must(err)
	token := n.deviceToken()
	answer := n.post("/v1/test/payments", token, `{"order":"`+o.ID+`"}`)
	if !strings.Contains(answer, `"state":"settled"`) || !strings.Contains(answer, `"success_url":"https://shop.example/thanks"`) {
		t.Errorf("it answers %s", answer)
	}
	for _, r := range [][3]string{
		{"POST", "/v1/test/clock", `{"by":60}`}, {"GET", "/v1/test/clock"}, {"POST", "/v1/test/cards", `{"behaviour":"approves"}`}, {"GET", "/v1/test/cards"},
	} {
		if status := n.status(r[0], r[1], token, r[2]); status != http.StatusForbidden {
			t.Errorf("%s %s answers %d", r[0], r[1], status)
		}
	}
	if status := n.status("POST", "/v1/test/payments", "", `{"order":"`+o.ID+`"}`); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
}

// A receipt of a sandbox says so under its signature, and is by keys that no other service has.
func TestAReceiptOfASandboxIsNoReceiptElsewhere(t *testing.T) {
	box, _, shop := sandboxed(t)
	live := newPlace(t, "live").open(t, ledger.Limits{})
	paid := box.pay(shop, api.CardApproves)
	r, err := http.NewRequestWithContext(t.Context(), "GET", box.server.URL+"/v1/payments/"+paid.Payment+"/receipt", nil)
	box.must(err)
	r.Header.Set("Authorization", "Bearer "+shop.APIKey)
	answer, err := http.DefaultClient.Do(r)
	box.must(err)
	body, err := io.ReadAll(answer.Body)
	box.must(errors.Join(err, answer.Body.Close()))
	compact := strings.TrimSuffix(strings.TrimPrefix(string(bytes.TrimSpace(body)), `{"receipt":"`), `"}`)
	receipt, err := consent.VerifyReceipt(box.jwks(), compact)
	if err != nil || receipt.Environment != "test" {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if _, err := consent.VerifyReceipt(live.jwks(), compact); !errors.Is(err, consent.ErrKeyUnknown) {
		t.Errorf("with the live service's keys: %v", err)
	}
}

func (n *node) jwks() []byte {
	n.Helper()
	r, err := http.NewRequestWithContext(n.Context(), "GET", n.server.URL+"/.well-known/jwks.json", nil)
	n.must(err)
	answer, err := http.DefaultClient.Do(r)
	n.must(err)
	body, err := io.ReadAll(answer.Body)
	n.must(errors.Join(err, answer.Body.Close()))
	return body
}

func TestADatabaseIsASandboxsForEverOrNever(t *testing.T) {
	for _, made := range []string{"live", "test", sqlstore.Sandbox} {
		for _, asked := range []string{"live", "test", sqlstore.Sandbox} {
			p := newPlace(t, made)
			store, err := sqlstore.Open(t.Context(), p.database, sqlstore.Options{Environment: made})
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			store, err = sqlstore.Open(t.Context(), p.database, sqlstore.Options{Environment: asked})
			if (err == nil) != (made == asked) {
				t.Errorf("a %s database opened as %s: %v", made, asked, err)
			}
			if err == nil {
				if err := store.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
