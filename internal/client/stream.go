package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tapline/api"
)

const (
	// silence is how long a stream may be silent before it counts as broken: the service sends something every 15 s.
	silence = 40 * time.Second
	// maxStreamPause bounds the pause before a stream is opened again.
	maxStreamPause = 15 * time.Second
	// maxEvent bounds one event, in bytes.
	maxEvent = 256 << 10
)

// OpenType is the type of the event that Stream makes up each time the stream has been opened.
const OpenType = "open"

// Event is one server-sent event.
type Event struct {
	ID   string
	Type string
	Data []byte
}

// errHandler wraps what the handler of a stream returned.
type errHandler struct{ error }

// Stream reads server-sent events after lastID and gives them to handle, one by one. A stream that breaks is opened
// again after the last event, with a fresh token. It returns when ctx ends, handle returns an error, or the service
// refuses for good.
func (c *Conn) Stream(ctx context.Context, path, lastID string, handle func(Event) error) error {
	return c.stream(ctx, &stream{conn: c, path: path, lastID: lastID, handle: handle, auth: c.bearer})
}

// StreamAs is Stream with a key in place of a token.
func (c *Conn) StreamAs(ctx context.Context, key, path, lastID string, handle func(Event) error) error {
	if _, err := c.Service(ctx); err != nil { // the key is for the service that was asked
		return overall(false, err)
	}
	auth := func(context.Context, bool) (string, error) { return strings.TrimSpace(key), nil }
	return c.stream(ctx, &stream{conn: c, path: path, lastID: lastID, handle: handle, auth: auth})
}

func (c *Conn) stream(ctx context.Context, s *stream) error {
	fresh := false
	for failures := 0; ; {
		opened, err := s.read(ctx, fresh)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if stopped, ok := errors.AsType[errHandler](err); ok {
			return stopped.error
		}
		problem, refused := errors.AsType[*api.Problem](err)
		unauthorized := refused && problem.Status == http.StatusUnauthorized
		final := refused && problem.Status < 500 && problem.Status != http.StatusTooManyRequests && !unauthorized
		if final || unauthorized && fresh || errors.Is(err, ErrAnswer) || errors.Is(err, ErrRedirect) ||
			errors.Is(err, ErrAudience) || errors.Is(err, ErrNoKey) {
			return err
		}
		fresh = unauthorized
		if opened {
			failures = 0
		}
		failures++
		if err := s.pause(ctx, err, failures); err != nil {
			return err
		}
	}
}

// stream is a stream of events across its connections.
type stream struct {
	conn   *Conn
	path   string
	lastID string
	retry  time.Duration // what the service asked for
	handle func(Event) error
	auth   func(context.Context, bool) (string, error)
}

func (s *stream) pause(ctx context.Context, err error, failures int) error {
	pause, _ := pauseAfter(err, min(failures, 7))
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(min(max(pause, s.retry), maxStreamPause)):
		return nil
	}
}

// read opens the stream and reads it until it breaks. opened tells that it was there.
func (s *stream) read(ctx context.Context, fresh bool) (opened bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()

	request, err := s.conn.request(ctx, call{method: http.MethodGet, path: s.path, auth: s.auth}, fresh)
	if err != nil {
		return false, err
	}
	request.Header.Set("Accept", "text/event-stream, "+api.ContentProblem)
	request.Header.Set("Cache-Control", "no-store")
	if s.lastID != "" {
		request.Header.Set("Last-Event-ID", s.lastID)
	}
	response, err := s.conn.http.Do(request)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	defer response.Body.Close()
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return false, fmt.Errorf("%w (status %d)", ErrRedirect, response.StatusCode)
	case response.StatusCode >= 400:
		answer, _ := io.ReadAll(io.LimitReader(response.Body, maxEvent))
		return false, refusal(response, answer, nil)
	case kind != "text/event-stream":
		return false, fmt.Errorf("%w: not a stream of events", ErrAnswer)
	}
	if err := s.handle(Event{Type: OpenType, ID: s.lastID}); err != nil {
		return true, errHandler{err}
	}
	return true, s.events(response.Body, func() { watchdog.Reset(silence) })
}

// events reads the lines of the event stream format (WHATWG HTML §9.2.6) and hands out whole events.
func (s *stream) events(body io.Reader, alive func()) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	event, some := Event{ID: s.lastID}, false
	for lines.Scan() {
		alive()
		line := lines.Text()
		if line == "" {
			s.lastID = event.ID
			if some {
				if err := s.handle(event); err != nil {
					return errHandler{err}
				}
			}
			event, some = Event{ID: s.lastID}, false
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			event.Type, some = value, true
		case "data":
			if len(event.Data) > 0 {
				event.Data = append(event.Data, '\n')
			}
			event.Data, some = append(event.Data, value...), true
			if len(event.Data) > maxEvent {
				return fmt.Errorf("%w: an event of more than %d bytes", ErrAnswer, maxEvent)
			}
		case "id":
			if !strings.ContainsRune(value, 0) {
				event.ID = value
			}
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil && ms >= 0 {
				s.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return fmt.Errorf("%w: the stream ended", ErrNoAnswer)
}
