package storetest

import (
	"time"

	"tapline/payment"
	"tapline/processor"
)

func webhook(id string) processor.Webhook {
	return processor.Webhook{ID: id, Payee: "shop", URL: "https://shop.example/hook?a=1", Keys: []byte{1, 0, 255}, State: processor.WebhookEnabled,
		Told: 5, CreatedBy: "key:k1", CreatedAt: noon}
}

func delivery(id, endpoint string, number int64) processor.Delivery {
	return processor.Delivery{ID: id, Endpoint: endpoint, Number: number, Type: "payment.settled", Subject: "p1", About: "settled", Version: 4,
		At: noon.Add(time.Duration(number) * time.Second), State: processor.DeliveryPending, NextAt: noon, Attempts: 1}
}

// withWebhooks saves the world with some endpoints of its payee, "shop".
func (s *suite) withWebhooks(endpoints ...processor.Webhook) {
	s.save(world())
	s.save(processor.Changes{New: processor.Rows{Webhooks: endpoints}})
}

func idsOf(endpoints []processor.Webhook) (ids []string) {
	for _, e := range endpoints {
		ids = append(ids, e.ID)
	}
	return ids
}

func (s *suite) webhooksOfAPayee() {
	enabled, disabled, removed := webhook("e1"), webhook("e2"), webhook("e3")
	disabled.State, disabled.Why = processor.WebhookDisabled, processor.WhyAsked
	removed.State, removed.Keys, removed.RemovedAt = processor.WebhookRemoved, nil, noon
	s.withWebhooks(enabled, disabled, removed)
	s.holds(processor.Wants{WebhooksOf: []payment.Handle{"shop", "none"}}, processor.Rows{Webhooks: []processor.Webhook{enabled, disabled}})
	s.holds(processor.Wants{WebhooksOf: []payment.Handle{"shop"}, Webhooks: []string{"e3", "e1"}},
		processor.Rows{Webhooks: []processor.Webhook{enabled, disabled, removed}})
}

func (s *suite) freshWebhooks() {
	behind, level, disabled, removed := webhook("e1"), webhook("e2"), webhook("e3"), webhook("e4")
	disabled.State, disabled.Why = processor.WebhookDisabled, processor.WhyAsked
	removed.State, removed.Keys, removed.RemovedAt = processor.WebhookRemoved, nil, noon
	other := webhook("e5")
	other.Told = 0
	s.withWebhooks()
	s.save(processor.Changes{Events: []processor.Event{{Type: "x", To: []processor.Principal{"payee:other", "device:shop"}, At: noon},
		{Type: "x", To: []processor.Principal{"payee:shop"}, At: noon}}})
	var newest int64
	s.view(func(r processor.Reader) (err error) {
		_, newest, err = r.Events(0, 10, "payee:shop")
		return err
	})
	behind.Told, level.Told, disabled.Told, removed.Told = newest-1, newest, newest-1, newest-1
	s.save(processor.Changes{New: processor.Rows{Webhooks: []processor.Webhook{behind, level, disabled, removed, other}}})
	for _, c := range []struct {
		after string
		limit int
		want  []string
	}{{"", 10, []string{"e1", "e5"}}, {"", 1, []string{"e1"}}, {"e1", 10, []string{"e5"}}, {"e5", 10, nil}} {
		s.view(func(r processor.Reader) error {
			got, err := r.FreshWebhooks(c.after, c.limit)
			s.equal("fresh webhooks after "+c.after, idsOf(got), c.want)
			return err
		})
	}
}

func (s *suite) dueWebhooks() {
	later, disabled := webhook("e2"), webhook("e3")
	disabled.State, disabled.Why = processor.WebhookDisabled, processor.WhyAsked
	s.withWebhooks(webhook("e1"), later, disabled, webhook("e4"))
	put := func(id, endpoint string, number int64, subject string, next time.Duration) processor.Delivery {
		d := delivery(id, endpoint, number)
		d.Subject, d.NextAt = subject, noon.Add(next)
		return d
	}
	taken := delivery("d0", "e1", 1)
	taken.State, taken.NextAt = processor.DeliveryTaken, time.Time{}
	rows := []processor.Delivery{
		taken, put("d1", "e1", 2, "p1", 2*time.Second), put("d2", "e1", 3, "p1", 0), put("d3", "e1", 4, "p2", time.Second), put("d4", "e1", 5, "p3", 0),
		put("d5", "e2", 2, "p1", time.Hour), put("d6", "e3", 2, "p1", 0),
	}
	s.save(processor.Changes{New: processor.Rows{Deliveries: rows}})
	for _, c := range []struct {
		now   time.Duration
		limit int
		hooks []string
		first []string
	}{
		{-1 * time.Microsecond, 9, nil, nil},
		{0, 9, []string{"e1"}, []string{"d4"}}, // d2 waits for d1, which comes before it
		{time.Second, 9, []string{"e1"}, []string{"d4", "d3"}},
		{2 * time.Second, 2, []string{"e1"}, []string{"d4", "d3"}},
		{time.Hour, 9, []string{"e1", "e2"}, []string{"d4", "d3", "d1"}},
	} {
		s.view(func(r processor.Reader) error {
			hooks, err := r.DueWebhooks(noon.Add(c.now), "", 10)
			if err != nil {
				return err
			}
			s.equal("due webhooks at "+c.now.String(), idsOf(hooks), c.hooks)
			got, err := r.DueDeliveries("e1", noon.Add(c.now), c.limit)
			var ids []string
			for _, d := range got {
				ids = append(ids, d.ID)
			}
			s.equal("due deliveries at "+c.now.String(), ids, c.first)
			return err
		})
	}
	s.view(func(r processor.Reader) error {
		got, err := r.DueWebhooks(noon.Add(time.Hour), "e1", 10)
		s.equal("due webhooks after the first", idsOf(got), []string{"e2"})
		return err
	})
}

func (s *suite) sentDeliveries() {
	s.withWebhooks(webhook("e1"), webhook("e2"))
	first, second, third, other := delivery("d1", "e1", 1), delivery("d2", "e1", 2), delivery("d3", "e1", 3), delivery("d4", "e2", 1)
	third.At = second.At
	first.State, first.NextAt = processor.DeliveryFailed, time.Time{}
	s.save(processor.Changes{New: processor.Rows{Deliveries: []processor.Delivery{first, second, third, other}}})
	for name, c := range map[string]struct {
		q    processor.DeliveryQuery
		want []processor.Delivery
	}{
		"all":      {processor.DeliveryQuery{Limit: 9}, []processor.Delivery{third, second, first}},
		"two":      {processor.DeliveryQuery{Limit: 2}, []processor.Delivery{third, second}},
		"the next": {processor.DeliveryQuery{Before: second.At, BeforeID: "d2", Limit: 2}, []processor.Delivery{first}},
		"failed":   {processor.DeliveryQuery{State: processor.DeliveryFailed, Limit: 9}, []processor.Delivery{first}},
		"since":    {processor.DeliveryQuery{Since: second.At, Limit: 9}, []processor.Delivery{third, second}},
		"no text":  {processor.DeliveryQuery{BeforeID: "\x00", Limit: 9}, nil},
	} {
		s.view(func(r processor.Reader) error {
			c.q.Endpoint = "e1"
			got, err := r.Sent(c.q)
			s.equal(name, got, c.want)
			return err
		})
	}
}

func (s *suite) impossibleWebhooks() {
	s.withWebhooks(webhook("e1"))
	for what, change := range map[string]func(*processor.Webhook){
		"no address":           func(e *processor.Webhook) { e.URL = "" },
		"no keys":              func(e *processor.Webhook) { e.Keys = nil },
		"an end of no keys":    func(e *processor.Webhook) { e.OldUntil = noon },
		"old keys without end": func(e *processor.Webhook) { e.OldKeys = []byte{1} },
		"an unknown state":     func(e *processor.Webhook) { e.State = "paused" },
		"disabled for nothing": func(e *processor.Webhook) { e.State = processor.WebhookDisabled },
		"removed with keys":    func(e *processor.Webhook) { e.State, e.RemovedAt = processor.WebhookRemoved, noon },
	} {
		e := webhook("e9")
		change(&e)
		s.refused("a webhook with "+what, processor.Changes{New: processor.Rows{Webhooks: []processor.Webhook{e}}})
	}
	for what, change := range map[string]func(*processor.Delivery){
		"an unknown state":  func(d *processor.Delivery) { d.State = "sent" },
		"nothing to send":   func(d *processor.Delivery) { d.NextAt = time.Time{} },
		"something to send": func(d *processor.Delivery) { d.State = processor.DeliveryTaken },
	} {
		d := delivery("d9", "e1", 9)
		change(&d)
		s.refused("a delivery with "+what, processor.Changes{New: processor.Rows{Deliveries: []processor.Delivery{d}}})
	}
}
