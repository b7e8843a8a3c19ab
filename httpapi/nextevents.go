package httpapi

import (
	"strconv"
	"time"

	"tapline/api"
	"tapline/processor"
)

// nextEvents is GET /v1/events/next: what a stream of events tells, for clients that no stream gets through to.
func (c *call) nextEvents() (answer, error) {
	until := c.now().Add(time.Duration(c.number("wait", 0)) * time.Second)
	if until.After(c.now()) {
		answered, err := c.polls.open(c.by.principals()[0])
		if err != nil {
			return answer{}, err
		}
		defer answered()
	}
	c.allow(until.Sub(c.now()) + writeLimit)
	for {
		changed := c.watch.event()
		next, err := c.eventsSince(c.number("after", -1))
		now := c.now()
		if err != nil || next.Reset || len(next.Events) > 0 || !now.Before(until) {
			return answered(next, err)
		}
		c.leave()
		pause := time.NewTimer(until.Sub(now) + time.Millisecond)
		select {
		case <-changed:
		case <-pause.C:
		case <-c.closing:
			until = now
		case <-c.r.Context().Done():
			pause.Stop()
			return answer{}, c.r.Context().Err()
		}
		pause.Stop()
	}
}

func answered(next api.Events, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return ok(next)
}

// eventsSince lists the caller's events after a number. A client that knows none, or is too far behind, or knows numbers that
// were never handed out, is to read everything anew, and to go on from next.
func (c *call) eventsSince(after int64) (out api.Events, err error) {
	out.Events = []api.Event{}
	err = c.Store.View(c.r.Context(), func(r processor.Reader) error {
		to := c.by.principals()
		_, newest, err := r.Events(1<<62, 1, to...)
		if err != nil {
			return err
		}
		out = api.Events{Events: []api.Event{}, Next: strconv.FormatInt(newest, 10)}
		if after < 0 || after > newest || newest-after > streamBacklog {
			out.Reset = true
			return nil
		}
		found, next, err := r.Events(after, streamRead, to...)
		if err != nil {
			return err
		}
		out.Next = strconv.FormatInt(max(after, next), 10)
		for _, e := range found {
			out.Events = append(out.Events, eventView(e))
		}
		return nil
	})
	return out, err
}
