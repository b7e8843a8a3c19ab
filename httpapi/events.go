package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"tapline/processor"
)

// How event streams work.
const (
	heartbeat     = 15 * time.Second
	streamBacklog = 10_000 // events behind which a stream begins anew
	streamRead    = 200    // events read at once
	streamRetry   = 2 * time.Second
	maxWaiting    = 4096 // streams, and as many long polls
	maxStreamsOne = 16   // of one caller
	maxPollsOne   = 64   // of one caller
)

// waiting counts those who wait, each caller's and all: streams that are open, or long polls.
type waiting struct {
	maxOne int

	mu  sync.Mutex
	all int
	of  map[processor.Principal]int
}

// open counts one in; call close when it ends.
func (s *waiting) open(who processor.Principal) (close func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.all >= maxWaiting:
		return nil, refuse("busy")
	case s.of[who] >= s.maxOne:
		return nil, refuse("too_many_streams")
	}
	if s.of == nil {
		s.of = map[processor.Principal]int{}
	}
	s.all++
	s.of[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[who]--; s.of[who] == 0 {
			delete(s.of, who)
		}
	}, nil
}

// count is how many wait.
func (s *waiting) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// stream is one client's stream of events (WHATWG HTML §9.2).
type stream struct {
	*call
	to   []processor.Principal
	last int64 // number of the newest event that was looked at
	out  bytes.Buffer
}

// streamEvents is GET /v1/events.
func (c *call) streamEvents() (answer, error) {
	s := &stream{call: c, to: c.by.principals()}
	closed, err := c.streams.open(s.to[0])
	if err != nil {
		return answer{}, err
	}
	defer closed()
	if err := s.begin(); err != nil {
		return answer{}, err
	}
	c.leave()
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies: pass on at once
	c.w.WriteHeader(http.StatusOK)
	if s.flush() == nil {
		s.follow()
	}
	return answer{}, nil
}

// begin finds out where to go on. A client that is too far behind, or that knows numbers which were never handed out,
// is told to read everything anew.
func (s *stream) begin() error {
	newest, err := s.newestEvent()
	if err != nil {
		return err
	}
	s.last = newest
	fmt.Fprintf(&s.out, "retry: %d\n\n", streamRetry.Milliseconds())
	if text := s.r.Header.Get("Last-Event-ID"); text != "" {
		last, err := strconv.ParseInt(text, 10, 64)
		if err != nil || last < 0 {
			return refuseField("invalid_field", "Last-Event-ID")
		}
		if last > newest || newest-last > streamBacklog {
			fmt.Fprintf(&s.out, "id: %d\nevent: reset\ndata: {}\n\n", newest)
			return nil
		}
		s.last = last
		return nil
	}
	s.mark()
	return nil
}

// newestEvent is the number of the newest event there is.
func (s *stream) newestEvent() (newest int64, err error) {
	err = s.Store.View(s.r.Context(), func(r processor.Reader) (err error) {
		_, newest, err = r.Events(1<<62, 1, s.to...)
		return err
	})
	return newest, err
}

// mark tells the client where it is. A block without data is no event, but its id is remembered (WHATWG HTML §9.2.6).
func (s *stream) mark() { fmt.Fprintf(&s.out, "id: %d\n\n", s.last) }

// follow tells events as they come, until the client is too slow or gone, the service ends, or the caller's proof is
// over: its time, or, found at the next heartbeat, because it was revoked.
func (s *stream) follow() {
	over := time.NewTimer(s.by.until.Sub(s.world()))
	defer over.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		changed := s.watch.event()
		if err := s.tell(); err != nil {
			return
		}
		select {
		case <-changed:
		case <-beat.C:
			if s.authenticate() != nil {
				return
			}
			s.out.WriteString(": still here\n")
			s.mark()
			if s.flush() != nil {
				return
			}
		case <-over.C:
			return
		case <-s.closing:
			return
		case <-s.r.Context().Done():
			return
		}
	}
}

// tell writes all events since the last.
func (s *stream) tell() error {
	for {
		var events []processor.Event
		next := s.last
		err := s.Store.View(s.r.Context(), func(r processor.Reader) (err error) {
			events, next, err = r.Events(s.last, streamRead, s.to...)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range events {
			data := encode(eventView(e))
			fmt.Fprintf(&s.out, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, data)
		}
		s.last = max(s.last, next)
		if len(events) > 0 {
			if err := s.flush(); err != nil {
				return err
			}
		}
		if len(events) < streamRead {
			return nil
		}
	}
}

// flush sends what is written. A client that does not take it in time is dropped: it resumes by its Last-Event-ID.
func (s *stream) flush() error {
	s.allow(writeLimit)
	if _, err := s.w.Write(s.out.Bytes()); err != nil {
		return err
	}
	s.out.Reset()
	return http.NewResponseController(s.w).Flush()
}
