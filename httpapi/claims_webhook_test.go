package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
	"tapline/webhook"
)

const hookURL = "https://shop.example/hooks/tapline"

// rival is another payee with a key that may do everything.
func (s *station) rival() (key string) {
	s.Helper()
	token := s.token(s.operator)
	s.admin(token, "/payees", api.NewPayee{Handle: "rival@shop", Name: "Rival", Currency: payeeCurrency}).expect(201, "")
	var made api.APIKey
	s.admin(token, "/payees/rival@shop/api-keys", api.NewAPIKey{Name: "till", Scopes: textsOf(processor.Scopes)}).into(201, &made)
	return made.Key
}

func (s *station) makeEndpoint(key string) (made api.WebhookEndpoint) {
	s.Helper()
	s.asked(key, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: hookURL}).into(201, &made)
	return made
}

func (s *station) deliveriesOf(key, endpoint, query string) (page api.WebhookDeliveries) {
	s.Helper()
	s.get("/v1/webhook-endpoints/"+endpoint+"/deliveries"+query, key).into(200, &page)
	return page
}

// TestNobodyReachesThePayeesWebhooksButThePayee asks for everything there is about an endpoint and its deliveries, as another payee.
func TestNobodyReachesThePayeesWebhooksButThePayee(t *testing.T) {
	s := openStation(t)
	own, rival := s.makeKey(processor.ScopeWebhooks).Key, s.rival()
	e := s.makeEndpoint(own)
	var d api.WebhookDelivery
	s.asked(own, "/v1/webhook-endpoints/"+e.ID+"/test", nil).into(201, &d)
	path, url := "/v1/webhook-endpoints/"+e.ID, "https://thief.example/"
	s.get(path, rival).expect(404, "unknown_webhook_endpoint")
	s.get(path+"/deliveries", rival).expect(404, "unknown_webhook_endpoint")
	s.asked(rival, path, api.WebhookChange{URL: &url}).expect(404, "unknown_webhook_endpoint")
	s.asked(rival, path+"/rotate-secret", api.WebhookRotation{}).expect(404, "unknown_webhook_endpoint")
	s.asked(rival, path+"/remove", nil).expect(404, "unknown_webhook_endpoint")
	s.asked(rival, path+"/test", nil).expect(404, "unknown_webhook_endpoint")
	s.asked(rival, path+"/replay", api.WebhookReplay{Since: time.Unix(0, 0)}).expect(404, "unknown_webhook_endpoint")
	s.asked(rival, "/v1/webhook-deliveries/"+d.ID+"/replay", nil).expect(404, "unknown_webhook_delivery")
	var list api.WebhookEndpoints
	s.get("/v1/webhook-endpoints", rival).into(200, &list)
	if len(list.Endpoints) != 0 {
		t.Errorf("a rival sees %v", list)
	}
	var after api.WebhookEndpoint
	s.get(path, own).into(200, &after)
	e.Secret = ""
	if diff := cmp.Diff(e, after); diff != "" {
		t.Errorf("after the attacks (-before +after):\n%s", diff)
	}
}

// TestWebhookSecretsAreToldOnce looks for secrets everywhere but in the one answer that is to tell them.
func TestWebhookSecretsAreToldOnce(t *testing.T) {
	s := openStation(t)
	key := s.makeKey(processor.ScopeWebhooks).Key
	e := s.makeEndpoint(key)
	var rotated api.WebhookEndpoint
	s.asked(key, "/v1/webhook-endpoints/"+e.ID+"/rotate-secret", api.WebhookRotation{}).into(200, &rotated)
	if e.Secret == rotated.Secret || e.PublicKey == rotated.PublicKey || !strings.HasPrefix(rotated.Secret, "whsec_") || !strings.HasPrefix(rotated.PublicKey, "whpk_") {
		t.Fatalf("rotated from %v to %v", e, rotated)
	}
	if rotated.OldKeysUntil == nil || !rotated.OldKeysUntil.Equal(s.clock.Now().Add(24*time.Hour)) {
		t.Errorf("the old keys sign until %v, want a day", rotated.OldKeysUntil)
	}
	off := false
	said := s.get("/v1/webhook-endpoints", key).body + s.get("/v1/webhook-endpoints/"+e.ID, key).body +
		s.asked(key, "/v1/webhook-endpoints/"+e.ID, api.WebhookChange{Enabled: &off}).body + s.asked(key, "/v1/webhook-endpoints/"+e.ID+"/remove", nil).body
	rows := s.rows(processor.Wants{Webhooks: []string{e.ID}})
	said += fmt.Sprintf("%v %+v %s", rows, rows.Webhooks, rows.Webhooks[0].Keys) + s.log.String()
	for _, secret := range []string{e.Secret, rotated.Secret} {
		if strings.Contains(said, secret) || strings.Contains(said, strings.TrimPrefix(secret, "whsec_")[:20]) {
			t.Errorf("a secret is told again")
		}
	}
}

func (s *station) rows(w processor.Wants) (rows processor.Rows) {
	s.Helper()
	s.must(s.store.View(s.Context(), func(r processor.Reader) (err error) {
		rows, err = r.Load(w)
		return err
	}))
	return rows
}

// TestWebhookKeysAreBoundToTheirEndpoint exchanges the sealed keys of two endpoints in the database.
func TestWebhookKeysAreBoundToTheirEndpoint(t *testing.T) {
	s := openStation(t)
	key := s.makeKey(processor.ScopeWebhooks).Key
	first, second := s.makeEndpoint(key), s.makeEndpoint(key)
	s.must(s.store.Update(t.Context(), func(tx processor.Tx) error {
		rows, err := tx.Load(processor.Wants{Webhooks: []string{first.ID, second.ID}})
		rows.Webhooks[0].Keys, rows.Webhooks[1].Keys = rows.Webhooks[1].Keys, rows.Webhooks[0].Keys
		s.must(err)
		return tx.Save(processor.Changes{Changed: rows})
	}))
	var e api.WebhookEndpoint
	s.get("/v1/webhook-endpoints/"+first.ID, key).into(200, &e)
	if e.PublicKey != "" {
		t.Errorf("the keys of another endpoint are taken: %v", e)
	}
}

// TestWebhookAddressesThatNothingIsSentTo are refused, each in its way an attempt to have the service call what it should not.
func TestWebhookAddressesThatNothingIsSentTo(t *testing.T) {
	for _, here := range []bool{false, true} {
		s := openStation(t, func(c *Config) { c.WebhooksHere = here })
		key := s.makeKey(processor.ScopeWebhooks).Key
		e := s.makeEndpoint(key)
		for _, url := range []string{
			"http://shop.example/", "ftp://shop.example/", "https://", "https:///x", "//shop.example", "shop.example", "https:shop.example",
			"https://user:pass@shop.example/", "https://shop.example:22/", "https://shop.example:/", "https://shop.example/#x",
			"https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://0177.0.0.1/",
			"https://localhost/", "https://169.254.169.254/latest/", "https://shop.example/\r\nX-Evil: 1", "https://shop.example/\x00", "https://shop.example/ x",
			"https://sh\u043ep.example/", "https://shop..example/", "https://shop.example%00.evil/", "javascript:alert(1)", "file:///etc/passwd",
			"http://127.0.0.1.evil.example/", "http://localhost.evil.example:80/", "http://0.0.0.0/", "http://10.0.0.1/", "https://shop.example\\@evil.example/",
		} {
			s.asked(key, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: url}).expect(422, "webhook_url")
			s.asked(key, "/v1/webhook-endpoints/"+e.ID, api.WebhookChange{URL: &url}).expect(422, "webhook_url")
		}
		local := s.asked(key, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: "http://127.0.0.1:3000/hook"})
		if here {
			local.expect(201, "")
		} else {
			local.expect(422, "webhook_url")
		}
	}
}

func TestWebhookTypesThatNobodyIsTold(t *testing.T) {
	s := openStation(t)
	key := s.makeKey(processor.ScopeWebhooks).Key
	for _, typ := range []string{"", "*", "payment", "payment.", "payment.paid", "payment.settled.x", "card.*", "card.frozen", "operator.*", "Payment.settled", "payment.*.x", "payee.<b>"} {
		s.asked(key, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: hookURL, Types: []string{typ}}).expect(422, "webhook_type")
	}
	var e api.WebhookEndpoint
	s.asked(key, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: hookURL,
		Types: []string{"payment.settled", "payment.refunded", "order.*", "order.paid", "api_key.made", "payment.settled"}}).into(201, &e)
	if diff := cmp.Diff([]string{"payment.settled", "payment.refunded", "order.*", "order.paid", "api_key.made"}, e.Types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

func TestAPayeeHasABoundedNumberOfEndpoints(t *testing.T) {
	s := openStation(t)
	key := s.makeKey(processor.ScopeWebhooks).Key
	var last api.WebhookEndpoint
	for range processor.MaxWebhooks {
		last = s.makeEndpoint(key)
	}
	s.asked(key, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: hookURL}).expect(422, "too_many_webhook_endpoints")
	s.asked(key, "/v1/webhook-endpoints/"+last.ID+"/remove", nil).expect(200, "")
	s.asked(key, "/v1/webhook-endpoints/"+last.ID, api.WebhookChange{}).expect(404, "unknown_webhook_endpoint")
	s.makeEndpoint(key)
}

// TestALostKeyMakesNoEndpoint revokes a key, which then can do nothing more; what it made is listed with its id.
func TestALostKeyMakesNoEndpoint(t *testing.T) {
	s := openStation(t)
	lost, manager := s.makeKey(processor.ScopeWebhooks), s.makeKey(processor.Scopes...)
	e := s.makeEndpoint(lost.Key)
	if e.MadeBy != lost.ID {
		t.Errorf("made by %q, want %q", e.MadeBy, lost.ID)
	}
	s.asked(manager.Key, "/v1/api-keys/"+lost.ID+"/revoke", nil).expect(200, "")
	s.asked(lost.Key, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: hookURL}).expect(401, "invalid_token")
	s.asked(manager.Key, "/v1/webhook-endpoints/"+e.ID+"/remove", nil).expect(200, "")
}

func TestTestEventsAreForTests(t *testing.T) {
	s := openStation(t)
	key := s.makeKey(processor.ScopeWebhooks, processor.ScopeRead).Key
	var begun, told api.Events
	s.get("/v1/events/next", key).into(200, &begun)
	var made api.Event
	s.asked(key, "/v1/test/events", api.NewTestEvent{Type: "payment.settled"}).into(201, &made)
	s.get("/v1/events/next?after="+begun.Next, key).into(200, &told)
	if len(told.Events) != 1 || !told.Events[0].Test || told.Events[0].Subject != made.Subject || told.Events[0].State != "settled" {
		t.Errorf("told %v, want a test event like %v", told.Events, made)
	}
	if consent.CheckRefundID(payment.RefundID(made.Subject)) == nil || consent.CheckOrderID(payment.OrderID(made.Subject)) == nil || !strings.Contains(made.Subject, ":") {
		t.Errorf("%q could be the id of something", made.Subject)
	}
	s.get("/v1/payments/"+made.Subject, key).expect(404, "unknown_payment")
	for _, typ := range []string{"payment.*", "payee.changed", "card.frozen", "payment.paid", "webhook_endpoint.disabled"} {
		s.asked(key, "/v1/test/events", api.NewTestEvent{Type: typ}).expect(422, "webhook_type")
	}
}

func TestALiveServiceMakesNoTestEvents(t *testing.T) {
	s := openStation(t, func(c *Config) { c.Environment, c.WebhooksHere = "live", true })
	key := s.makeKey(processor.ScopeWebhooks).Key
	s.asked(key, "/v1/test/events", api.NewTestEvent{Type: "payment.settled"}).expect(403, "only_in_test")
	s.asked(key, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: "http://127.0.0.1:3000/hook"}).expect(422, "webhook_url")
}

// TestDeliveriesAreListedAndReplayed stands in for the sender: it takes events and finishes deliveries by the processor's commands.
func TestDeliveriesAreListedAndReplayed(t *testing.T) {
	s := openStation(t)
	key := s.makeKey(processor.ScopeWebhooks).Key
	e := s.makeEndpoint(key)
	var ids []string
	for range 3 {
		var d api.WebhookDelivery
		s.asked(key, "/v1/webhook-endpoints/"+e.ID+"/test", nil).into(201, &d)
		ids = append([]string{d.ID}, ids...)
		s.clock.add(time.Second)
	}
	claim := &processor.ClaimDeliveries{IDs: ids, Endpoints: []string{e.ID}}
	s.run(claim)
	for _, d := range claim.Claimed {
		s.run(&processor.FinishDelivery{Claimed: d, Failure: string(webhook.Status), Status: 500, Answer: "no"})
	}
	first := s.deliveriesOf(key, e.ID, "?state=failed&limit=2")
	second := s.deliveriesOf(key, e.ID, "?state=failed&limit=2&before="+first.Next)
	var got []string
	for _, d := range append(first.Deliveries, second.Deliveries...) {
		got = append(got, d.ID)
		if d.State != "failed" || d.Status != 500 || d.Answer != "no" || d.Failure != "status" || !d.Message.Data.Test {
			t.Errorf("listed as %+v", d)
		}
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	var again api.WebhookDelivery
	s.asked(key, "/v1/webhook-deliveries/"+ids[0]+"/replay", nil).into(200, &again)
	if again.ID != ids[0] || again.State != "pending" || again.Attempts != 0 {
		t.Errorf("replayed as %+v", again)
	}
	var all api.WebhookReplayed
	s.asked(key, "/v1/webhook-endpoints/"+e.ID+"/replay", api.WebhookReplay{Since: first.Deliveries[1].Message.Timestamp}).into(200, &all)
	if all.Deliveries != 1 || all.More {
		t.Errorf("replayed since the second: %+v, want that one, since the third is under way again", all)
	}
	off := false
	s.asked(key, "/v1/webhook-endpoints/"+e.ID, api.WebhookChange{Enabled: &off}).expect(200, "")
	s.asked(key, "/v1/webhook-deliveries/"+ids[2]+"/replay", nil).expect(409, "webhook_endpoint_disabled")
	s.asked(key, "/v1/webhook-endpoints/"+e.ID+"/test", nil).expect(409, "webhook_endpoint_disabled")
	s.get("/v1/webhook-endpoints/"+e.ID+"/deliveries?before=x", key).expect(400, "invalid_field")
}

func (s *station) run(c processor.Command) {
	s.Helper()
	_, err := s.Processor.Do(s.Context(), processor.Request{Command: c})
	s.must(err)
}

// TestARepeatedRequestMakesOneEndpoint sends the same request again, and gets the same secret; another program's key does not.
func TestARepeatedRequestMakesOneEndpoint(t *testing.T) {
	s := openStation(t)
	key, other := s.makeKey(processor.ScopeWebhooks).Key, s.makeKey(processor.ScopeWebhooks).Key
	idem := consent.NewID()
	send := func(key string) (e api.WebhookEndpoint) {
		r := s.send("POST", "/v1/webhook-endpoints", string(encode(api.NewWebhookEndpoint{URL: hookURL})), "Authorization", "Bearer "+key,
			api.IdempotencyHeader, idem, "Content-Type", "application/json").expect(201, "")
		s.must(json.Unmarshal([]byte(r.body), &e))
		return e
	}
	first, again, theirs := send(key), send(key), send(other)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("repeated (-first +again):\n%s", diff)
	}
	if theirs.ID == first.ID || theirs.Secret == first.Secret {
		t.Error("another key gets the secret of the first by its idempotency key")
	}
}
