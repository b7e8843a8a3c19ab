package sandbox_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/sqlstore"
)

// Even a service at the very same address takes nothing that was signed for the sandbox there.
func TestWhatIsSignedForASandboxIsRefusedByLive(t *testing.T) {
	live := newPlace(t, "live").open(t, ledger.Limits{})
	box, _, _ := sandboxed(t)
	key, err := consent.NewDeviceKey()
	live.must(err)
	for n, want := range map[*node]string{live: "wrong_audience", box: ""} {
		signed, err := consent.Sign(key, consent.TypDevice, &consent.DeviceRegistration{
			Claims: consent.Claims{Audience: consent.Audience(n.server.URL, "test"), IssuedAt: time.Now().Unix(), ID: consent.NewID()}, Label: "phone",
		})
		n.must(err)
		answer, err := http.Post(n.server.URL+"/v1/devices", api.ContentJWS, strings.NewReader(signed))
		n.must(err)
		text, err := io.ReadAll(answer.Body)
		n.must(errors.Join(err, answer.Body.Close()))
		if want == "" && answer.StatusCode != http.StatusCreated || want != "" && !strings.Contains(string(text), `"code":"`+want+`"`) {
			t.Errorf("it answers %d %s", answer.StatusCode, text)
		}
	}
}

// Whoever steals the database cannot play the cards' holders: keys, PINs and UIDs are sealed in it.
func TestTheDatabaseTellsNoSecretOfATestCard(t *testing.T) {
	p := newPlace(t, sqlstore.Sandbox)
	n := p.open(t, ledger.Limits{})
	_, shop := n.furnish()
	n.pay(shop, api.CardApproves)
	cards, err := n.store.TestCards(t.Context(), "")
	n.must(err)
	if len(cards) != 1 {
		t.Fatalf("%d cards are kept", len(cards))
	}
	for _, file := range []string{p.database, p.database + "-wal"} {
		text, err := os.ReadFile(file)
		n.must(err)
		for _, secret := range []string{"PRIVATE KEY", `"PIN"`, `"Payer"`, "wrong_pins"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has %q in it", file, secret)
			}
		}
	}
	// One card's box does not open in another's place.
	for id, sealed := range cards {
		n.must(n.store.KeepTestCard(t.Context(), "card_another", sealed))
		if list, err := shop.TestCards(t.Context()); err == nil {
			t.Errorf("%s was taken for another card: %v", id, list)
		}
	}
}

// Many tests at once use one card: each tap counts once, and no more is spent than there is.
func TestOneCardPaysManyOrdersAtOnce(t *testing.T) {
	n, boss, shop := sandboxed(t)
	balance := int64(3 * 1250)
	card, err := shop.MakeTestCard(t.Context(), api.NewTestCard{Behaviour: api.CardApproves, Balance: &balance})
	n.must(err)
	var orders []string
	for range 5 { // more in an hour would meet the limit of approvals
		orders = append(orders, n.order(shop))
	}
	var lock sync.Mutex
	states := map[string]int{}
	var paying sync.WaitGroup
	for _, id := range orders {
		paying.Go(func() {
			paid, err := shop.MakeTestPayment(t.Context(), api.NewTestPayment{Order: id, Card: card.ID})
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				t.Error(err)
			}
			states[paid.State]++
		})
	}
	paying.Wait()
	if states["settled"] != 3 || states["rejected"] != 2 {
		t.Errorf("they are %v", states)
	}
	account, err := boss.Account(t.Context(), accountOf(n, boss, card.ID))
	n.must(err)
	if want := int64(0); account.Balance != want {
		t.Errorf("there is %d on the account, want %d", account.Balance, want)
	}
	findings, err := n.store.Check(t.Context(), nil)
	if err != nil || len(findings) > 0 {
		t.Error(findings, err)
	}
}
