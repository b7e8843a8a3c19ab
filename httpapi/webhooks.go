package httpapi

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
	"tapline/webhook"
)

// webhookWork is whose webhooks are asked about, and with which key.
func (c *call) webhookWork() processor.WebhookWork {
	return processor.WebhookWork{Payee: c.by.payee, With: c.by.key.MAC}
}

// webhookURL refuses an address that nothing is sent to.
func (c *call) webhookURL(url string) error {
	if webhook.CheckURL(url, c.WebhooksHere && c.Environment == "test") != nil {
		return refuseField("webhook_url", "url")
	}
	return nil
}

// families are what begins the types of events that payees are told, with what may follow: nil for any word.
var families = map[string][]string{
	"payment": append(textsOf(payment.States), "refunded"), "order": textsOf(order.States),
	"payout": textsOf(payout.States),
	"payee":  nil, "api_key": nil, "webhook_endpoint": nil,
}

var word = regexp.MustCompile(`^[a-z_]{1,40}$`)

// knownType reports whether payees are told events of a type; with all, whether of a family.
func knownType(text string, all bool) bool {
	family, name, found := strings.Cut(text, ".")
	names, known := families[family]
	switch {
	case !found || !known:
		return false
	case all && name == "*":
		return true
	case names == nil:
		return word.MatchString(name)
	}
	return slices.Contains(names, name)
}

// webhookTypes are the types of a filter, each once.
func webhookTypes(asked []string) (types []string, err error) {
	for _, t := range asked {
		if !knownType(t, true) {
			return nil, refuseField("webhook_type", "types")
		}
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types, nil
}

// makeWebhook is POST /v1/webhook-endpoints.
func (c *call) makeWebhook() (answer, error) {
	var in api.NewWebhookEndpoint
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if err := c.webhookURL(in.URL); err != nil {
		return answer{}, err
	}
	types, err := webhookTypes(in.Types)
	if err != nil {
		return answer{}, err
	}
	s := &stream{call: c, to: c.by.principals()}
	told, err := s.newestEvent()
	if err != nil {
		return answer{}, err
	}
	keys, id := webhook.NewKeys(), "whe_"+consent.NewID()
	command := &processor.MakeWebhook{WebhookWork: c.webhookWork(), Endpoint: processor.Webhook{
		ID: id, URL: in.URL, Types: types, Keys: c.Keys.Seal(processor.WebhookContext(id), keys[:]), Told: told,
	}}
	return c.workOn(in, command, func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(c.webhookView(command.Endpoint, &keys))
	})
}

// listWebhooks is GET /v1/webhook-endpoints.
func (c *call) listWebhooks() (answer, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{WebhooksOf: []payment.Handle{c.by.payee}})
	if err != nil {
		return answer{}, err
	}
	slices.SortFunc(rows.Webhooks, func(a, b processor.Webhook) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	list := api.WebhookEndpoints{Endpoints: []api.WebhookEndpoint{}}
	for _, e := range rows.Webhooks {
		list.Endpoints = append(list.Endpoints, c.webhookView(e, nil))
	}
	return ok(list)
}

// ownWebhook is the caller's endpoint that the address names.
func (c *call) ownWebhook() (processor.Webhook, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Webhooks: []string{c.r.PathValue("id")}})
	if err != nil {
		return processor.Webhook{}, err
	}
	for _, e := range rows.Webhooks {
		if e.Payee == c.by.payee && e.State != processor.WebhookRemoved {
			return e, nil
		}
	}
	return processor.Webhook{}, processor.ErrUnknownWebhook
}

// getWebhook is GET /v1/webhook-endpoints/{id}.
func (c *call) getWebhook() (answer, error) {
	e, err := c.ownWebhook()
	if err != nil {
		return answer{}, err
	}
	return ok(c.webhookView(e, nil))
}

// changeWebhook is POST /v1/webhook-endpoints/{id}.
func (c *call) changeWebhook() (answer, error) {
	var in api.WebhookChange
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	command := &processor.ChangeWebhook{WebhookWork: c.webhookWork(), ID: c.r.PathValue("id"), URL: in.URL, Enabled: in.Enabled}
	if in.URL != nil {
		if err := c.webhookURL(*in.URL); err != nil {
			return answer{}, err
		}
	}
	if in.Types != nil {
		types, err := webhookTypes(*in.Types)
		if err != nil {
			return answer{}, err
		}
		command.Types = &types
	}
	return c.workOn(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(c.webhookView(command.After, nil)) })
}

// rotateWebhook is POST /v1/webhook-endpoints/{id}/rotate-secret.
func (c *call) rotateWebhook() (answer, error) {
	var in api.WebhookRotation
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	keys, id := webhook.NewKeys(), c.r.PathValue("id")
	command := &processor.RotateWebhook{WebhookWork: c.webhookWork(), ID: id, Keys: c.Keys.Seal(processor.WebhookContext(id), keys[:]), Overlap: defaultOverlap}
	if in.Overlap != nil {
		command.Overlap = time.Duration(*in.Overlap) * time.Second
	}
	return c.workOn(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(c.webhookView(command.After, &keys)) })
}

// removeWebhook is POST /v1/webhook-endpoints/{id}/remove.
func (c *call) removeWebhook() (answer, error) {
	command := &processor.RemoveWebhook{WebhookWork: c.webhookWork(), ID: c.r.PathValue("id")}
	return c.workOn(nil, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(c.webhookView(command.After, nil)) })
}

// testWebhook is POST /v1/webhook-endpoints/{id}/test.
func (c *call) testWebhook() (answer, error) {
	command := &processor.TestWebhook{WebhookWork: c.webhookWork(), ID: c.r.PathValue("id"), Delivery: "whd_" + consent.NewID()}
	return c.workOn(nil, command, func(time.Time) (int, []byte) { return http.StatusCreated, encode(deliveryView(command.Made)) })
}

// listDeliveries is GET /v1/webhook-endpoints/{id}/deliveries.
func (c *call) listDeliveries() (answer, error) {
	e, err := c.ownWebhook()
	if err != nil {
		return answer{}, err
	}
	s, err := c.span(func(string) error { return nil })
	if err != nil {
		return answer{}, err
	}
	found, err := c.sent(processor.DeliveryQuery{
		Endpoint: e.ID, State: processor.DeliveryState(c.query["state"]), Since: s.from, Before: s.before, BeforeID: s.beforeID,
		Oldest: s.oldest, AfterID: s.afterID, Limit: s.limit,
	})
	if err != nil {
		return answer{}, err
	}
	page := api.WebhookDeliveries{Deliveries: []api.WebhookDelivery{}}
	for _, d := range found {
		page.Deliveries = append(page.Deliveries, deliveryView(d))
	}
	if len(found) > 0 {
		last := found[len(found)-1]
		page.Next = s.next(len(found), last.At, last.ID)
	}
	return ok(page)
}

func (c *call) sent(q processor.DeliveryQuery) (found []processor.Delivery, err error) {
	err = c.Store.View(c.r.Context(), func(r processor.Reader) (err error) {
		found, err = r.Sent(q)
		return err
	})
	return found, err
}

// replayFailed is POST /v1/webhook-endpoints/{id}/replay.
func (c *call) replayFailed() (answer, error) {
	var in api.WebhookReplay
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	e, err := c.ownWebhook()
	if err != nil {
		return answer{}, err
	}
	if in.Since.Year() < 1970 || in.Since.Year() > 9999 {
		return answer{}, refuseField("invalid_field", "since")
	}
	failed, err := c.sent(processor.DeliveryQuery{Endpoint: e.ID, State: processor.DeliveryFailed, Since: in.Since, Limit: processor.MaxReplay})
	if err != nil {
		return answer{}, err
	}
	command := &processor.Replay{WebhookWork: c.webhookWork()}
	for _, d := range failed {
		command.IDs = append(command.IDs, d.ID)
	}
	return c.workOn(in, command, func(time.Time) (int, []byte) {
		return http.StatusOK, encode(api.WebhookReplayed{Deliveries: len(command.After), More: len(failed) == processor.MaxReplay})
	})
}

// replayDelivery is POST /v1/webhook-deliveries/{id}/replay.
func (c *call) replayDelivery() (answer, error) {
	command := &processor.Replay{WebhookWork: c.webhookWork(), IDs: []string{c.r.PathValue("id")}}
	return c.workOn(nil, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(deliveryView(command.After[0])) })
}

// makeTestEvent is POST /v1/test/events.
func (c *call) makeTestEvent() (answer, error) {
	var in api.NewTestEvent
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if c.Environment != "test" {
		return answer{}, refuse("only_in_test")
	}
	family, state, _ := strings.Cut(in.Type, ".")
	if !knownType(in.Type, false) || families[family] == nil {
		return answer{}, refuseField("webhook_type", "type")
	}
	if in.Type == "payment.refunded" {
		state = string(payment.Settled)
	}
	command := &processor.Trigger{WebhookWork: c.webhookWork(), Type: in.Type, Subject: processor.TestSubject + consent.NewID(), State: state}
	return c.workOn(in, command, func(now time.Time) (int, []byte) {
		return http.StatusCreated, encode(eventView(processor.Event{Type: command.Type, Subject: command.Subject, State: state, Version: 1, At: now}))
	})
}

// eventView is an event as those see it who are told.
func eventView(e processor.Event) api.Event {
	return api.Event{Type: e.Type, Subject: e.Subject, State: e.State, Version: e.Version, At: e.At, Test: strings.HasPrefix(e.Subject, processor.TestSubject)}
}

// webhookView is an endpoint, with its secret if that was made just now.
func (c *call) webhookView(e processor.Webhook, made *webhook.Keys) api.WebhookEndpoint {
	v := api.WebhookEndpoint{
		ID: e.ID, URL: e.URL, Types: append([]string{}, e.Types...), State: string(e.State), Why: string(e.Why), CreatedAt: e.CreatedAt,
		MadeBy: strings.TrimPrefix(string(e.CreatedBy), string(processor.APIKeyPrincipal(""))), FailingSince: when(e.FailingSince),
	}
	if c.now().Before(e.OldUntil) {
		v.OldKeysUntil = when(e.OldUntil)
	}
	if made != nil {
		v.Secret, v.PublicKey = made.Secret(), made.PublicKey()
		return v
	}
	if box, err := c.Keys.Unseal(processor.WebhookContext(e.ID), e.Keys); err == nil && len(box) == webhook.KeysSize {
		v.PublicKey = webhook.Keys(box).PublicKey()
	}
	return v
}

// deliveryView is a delivery as its payee sees it.
func deliveryView(d processor.Delivery) api.WebhookDelivery {
	return api.WebhookDelivery{
		ID: d.ID, Endpoint: d.Endpoint, State: string(d.State), Attempts: d.Attempts, NextAt: when(d.NextAt),
		TriedAt: when(d.TriedAt), Failure: d.Failure, Status: d.Status, Answer: d.Answer, Millis: d.Millis,
		Message: api.WebhookMessage{Type: d.Type, Timestamp: d.At, Data: api.WebhookData{
			ID: d.Subject, State: d.About, Version: d.Version, Test: d.IsTest(),
		}},
	}
}
