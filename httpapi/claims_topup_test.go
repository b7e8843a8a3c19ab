package httpapi_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/httpapi"
	"tapline/operator"
	"tapline/processor"
)

// openTopUps is a world in which an operator may put no more than 100.00 on an account alone, with a second operator.
func openTopUps(t *testing.T) (w *world, second *operator.Client) {
	w = openWorld(t, func(_ *processor.Config, c *httpapi.Config) { c.FourEyesAbove = 100_00 })
	return w, w.another("Bob")
}

// another is one more operator.
func (w *world) another(name string) *operator.Client {
	w.t.Helper()
	key, err := consent.NewDeviceKey()
	w.must(err)
	_, err = w.operator.Enrol(w.ctx, name, key.Public())
	w.must(err)
	return &operator.Client{URL: w.url, Key: key, Now: w.clock.Now}
}

// held is a top-up of 100.01 that waits for another operator.
func (w *world) held() api.TopUp {
	w.t.Helper()
	before := w.funds()
	account, err := w.operator.TopUp(w.ctx, w.card.Account, api.NewTopUp{Amount: cny(100_01), Note: "cash"})
	w.must(err)
	if account.Held == nil || account.Held.State != "pending" || account.Balance != before || w.funds() != before {
		w.t.Fatalf("above the limit the account is %+v", account)
	}
	return *account.Held
}

func (w *world) funds() int64 {
	w.t.Helper()
	account, err := w.operator.Account(w.ctx, w.card.Account)
	w.must(err)
	return account.Balance
}

func TestATopUpAboveTheLimitNeedsTwoOperators(t *testing.T) {
	w, second := openTopUps(t)
	before := w.funds()
	if account, err := w.operator.TopUp(w.ctx, w.card.Account, api.NewTopUp{Amount: cny(100_00)}); err != nil || account.Held != nil || account.Balance != before+100_00 {
		t.Fatalf("up to the limit: %+v, %v", account, err)
	}
	held := w.held()
	list, err := second.TopUps(w.ctx)
	w.must(err)
	if len(list) != 1 || list[0] != held {
		t.Errorf("pending are %+v, want %+v", list, held)
	}
	done, err := second.ConfirmTopUp(w.ctx, held.ID, "counted")
	w.must(err)
	if done.State != "confirmed" || done.DecidedBy != string(second.Key.ID()) || w.funds() != before+100_00+100_01 {
		t.Errorf("confirmed: %+v, the account has %d", done, w.funds())
	}
	if list, err = second.TopUps(w.ctx); err != nil || len(list) != 0 {
		t.Errorf("still pending: %+v, %v", list, err)
	}
	log, err := w.operator.Audit(w.ctx, "")
	w.must(err)
	for i, want := range []string{"account.top_up.confirm", "account.top_up.request"} {
		r := log.Records[i]
		if r.Action != want || r.Subject != held.ID {
			t.Errorf("the audit log says %+v, want %s of %s", r, want, held.ID)
		}
	}
}

func TestTheSameOperatorCannotConfirmItsOwnTopUp(t *testing.T) {
	w, second := openTopUps(t)
	before, held := w.funds(), w.held()
	_, err := w.operator.ConfirmTopUp(w.ctx, held.ID, "me again")
	expectProblem(t, err, "second_operator")
	again := &operator.Client{URL: w.url, Key: w.operator.Key, Now: w.clock.Now} // another computer, the same identity
	_, err = again.ConfirmTopUp(w.ctx, held.ID, "")
	expectProblem(t, err, "second_operator")
	if _, err := w.operator.RejectTopUp(w.ctx, held.ID, "my mistake"); err != nil {
		t.Errorf("taking it back: %v", err)
	}
	_, err = second.ConfirmTopUp(w.ctx, held.ID, "")
	expectProblem(t, err, "top_up_over")
	if w.funds() != before {
		t.Errorf("the account has %d, want %d", w.funds(), before)
	}
}

func TestATopUpCannotBeConfirmedAfterADay(t *testing.T) {
	w, second := openTopUps(t)
	before, held := w.funds(), w.held()
	w.clock.Advance(processor.TopUpLife)
	_, err := second.ConfirmTopUp(w.ctx, held.ID, "late")
	expectProblem(t, err, "top_up_over")
	list, err := second.TopUps(w.ctx)
	w.must(err)
	if len(list) != 1 || list[0].State != "expired" || w.funds() != before {
		t.Errorf("after a day: %+v, the account has %d", list, w.funds())
	}
	_, err = second.RejectTopUp(w.ctx, held.ID, "tidy")
	w.must(err)
	_, err = second.ConfirmTopUp(w.ctx, "top_AAAAAAAAAAAAAAAAAAAAAA", "")
	expectProblem(t, err, "unknown_top_up")
	for _, stranger := range []*operator.Client{{URL: w.url, Key: w.phone.Key, Now: w.clock.Now}} {
		_, err := stranger.ConfirmTopUp(w.ctx, held.ID, "")
		expectProblem(t, err, "wrong_credential")
	}
}

func TestOfManyConfirmationsOneMovesTheMoney(t *testing.T) {
	w, second := openTopUps(t)
	third := w.another("Cleo")
	_, err := second.Confirm(w.ctx, string(third.Key.ID()), "")
	w.must(err)
	before, held := w.funds(), w.held()
	var wait sync.WaitGroup
	var mu sync.Mutex
	confirmed := 0
	for i := range 8 {
		client := []*operator.Client{second, third}[i%2]
		wait.Go(func() {
			_, err := client.ConfirmTopUp(w.ctx, held.ID, "")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				confirmed++
			} else if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != "top_up_over" {
				t.Errorf("one of many: %v", err)
			}
		})
	}
	wait.Wait()
	if confirmed != 1 || w.funds() != before+100_01 {
		t.Errorf("%d were confirmed, the account has %d, want %d", confirmed, w.funds(), before+100_01)
	}
}

func TestARepeatedTopUpIsHeldOnce(t *testing.T) {
	w, _ := openTopUps(t)
	ctx := operator.WithIdempotencyKey(w.ctx, "the-same-key")
	in := api.NewTopUp{Amount: cny(500_00)}
	first, err := w.operator.TopUp(ctx, w.card.Account, in)
	w.must(err)
	w.clock.Advance(time.Second)
	second, err := w.operator.TopUp(ctx, w.card.Account, in)
	w.must(err)
	list, err := w.operator.TopUps(w.ctx)
	w.must(err)
	if first.Held == nil || *second.Held != *first.Held || len(list) != 1 {
		t.Errorf("repeated: %+v, then %+v; %d are pending", first.Held, second.Held, len(list))
	}
	_, err = w.operator.TopUp(w.ctx, w.shop.Account, in)
	expectProblem(t, err, "unknown_account") // not a card's
}
