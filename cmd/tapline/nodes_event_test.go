package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/device"
)

// tidings are the times at which somebody was told of payments.
type tidings struct {
	mu sync.Mutex
	of map[string]time.Time
}

func (n *tidings) note(e api.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of = map[string]time.Time{}
	}
	if _, there := n.of[e.Subject]; !there && e.Type == "payment.settled" {
		n.of[e.Subject] = time.Now()
	}
}

func (n *tidings) at(id string) (time.Time, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, there := n.of[id]
	return at, there
}

// eventsInTime is the time within which a device has to hear, at any node, of what was done at another.
const eventsInTime = 200 * time.Millisecond

// latency lets a device pay at one node, and be told of it by a stream and by polls at another. What is measured begins when
// the instruction is sent, and so contains the payment itself.
func (c *nodes) latency(t *testing.T) {
	const events = 200
	h := c.newHammer(40)
	ctx, cancel := context.WithCancel(c.ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	var streamed, polled tidings
	opened := make(chan bool)
	listening.Go(func() { c.stream(ctx, h, 2, &streamed, sync.OnceFunc(func() { close(opened) })) })
	<-opened
	from := c.newest(h)
	listening.Go(func() { c.poll(ctx, from, &polled) })
	var byStream, byPoll []time.Duration
	for range events {
		sent, began := h.sign(), time.Now()
		if got := codeOf(c.postTo(c.all[0].url()+"/v1/payments", sent.compact)); got != "201 settled" {
			t.Fatalf("a payment: %s", got)
		}
		var one, two time.Time
		c.until("both are told", func() bool {
			var first, second bool
			one, first = streamed.at(string(sent.id))
			two, second = polled.at(string(sent.id))
			return first && second
		})
		byStream, byPoll = append(byStream, one.Sub(began)), append(byPoll, two.Sub(began))
	}
	for name, took := range map[string][]time.Duration{"a stream": byStream, "polls": byPoll} {
		slices.Sort(took)
		t.Logf("%d payments at node 0, told by %s at node 2: median %v, 99 %% within %v", events, name, took[events/2], took[events*99/100])
		if took[events/2] > eventsInTime {
			t.Errorf("by %s a device heard of it after %v", name, took[events/2])
		}
	}
}

// at is a device whose requests all go to one node.
func (c *nodes) at(node int, h *hammer) *device.Client {
	return &device.Client{URL: c.url(), Key: h.client.Key, HTTP: c.by(func() int { return node })}
}

// stream takes note of a device's events at a node.
func (c *nodes) stream(ctx context.Context, h *hammer, node int, to *tidings, opened func()) {
	err := c.at(node, h).Events(ctx, "", func(e device.Event) error {
		if e.Type == device.EventOpen {
			opened()
		}
		to.note(e.Event)
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		c.Errorf("the stream: %v", err)
		opened()
	}
}

// newest is the number of the newest event of a device, which has a token after.
func (c *nodes) newest(h *hammer) api.Events {
	c.Helper()
	client := &device.Client{URL: c.url(), Key: h.client.Key, HTTP: &http.Client{Transport: c.recorder}}
	if _, err := client.Cards(c.ctx); err != nil {
		c.Fatal(err)
	}
	next, err := c.nextEvents(c.ctx, 2, "")
	if err != nil {
		c.Fatal(err)
	}
	return next
}

// poll takes note of the events of the last caller, asking for the next ones again and again.
func (c *nodes) poll(ctx context.Context, next api.Events, to *tidings) {
	for ctx.Err() == nil {
		got, err := c.nextEvents(ctx, 2, "?wait=25&after="+next.Next)
		if err != nil && ctx.Err() == nil {
			c.Errorf("a poll: %v", err)
			return
		}
		for _, e := range got.Events {
			to.note(e)
		}
		next = got
	}
}

func (c *nodes) nextEvents(ctx context.Context, node int, query string) (next api.Events, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.all[node].url()+"/v1/events/next"+query, nil)
	if err != nil {
		return next, err
	}
	request.Header.Set("Authorization", c.recorder.bearer)
	a := answerTo(request)
	if a.err == nil && a.status != http.StatusOK {
		a.err = fmt.Errorf("%d %s", a.status, a.body)
	}
	if a.err != nil {
		return next, a.err
	}
	return next, json.Unmarshal([]byte(a.body), &next)
}
