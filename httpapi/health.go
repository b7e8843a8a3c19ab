package httpapi

import (
	"context"
	"net/http"
	"time"

	"tapline/processor"
)

// readyLimit is how long the database may take to answer for the service to be ready.
const readyLimit = 2 * time.Second

func (s *Service) addHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
}

// clockLimit is how far this machine's clock may be from the database's, which all nodes share, for the service to be
// ready. What devices sign is judged by this machine's.
const clockLimit = time.Second

// ready answers whether requests should come here: the database can be read and written, the clock is right, and the
// service is not about to end.
func (s *Service) ready(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.closing:
		plain(w, http.StatusServiceUnavailable, "shutting down\n")
		return
	default:
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyLimit)
	defer cancel()
	// A command that changes nothing still goes through the queue and takes the writer's transaction.
	if _, err := s.Processor.Do(ctx, processor.Request{Command: processor.Touch{}}); err != nil {
		s.Log.Warn("not ready", "trace_id", traceOf(r.Context()), "error", err)
		plain(w, http.StatusServiceUnavailable, "the database is not available\n")
		return
	}
	if _, err := s.load(ctx, processor.Wants{AnyOf: true}); err != nil {
		s.Log.Warn("not ready", "trace_id", traceOf(r.Context()), "error", err)
		plain(w, http.StatusServiceUnavailable, "the database cannot be read\n")
		return
	}
	if off, err := s.clockOffset(ctx); err != nil || off.Abs() > clockLimit {
		s.Log.Warn("not ready", "trace_id", traceOf(r.Context()), "clock_offset", off, "error", err)
		plain(w, http.StatusServiceUnavailable, "the clock is not the database's\n")
		return
	}
	plain(w, http.StatusOK, "ready\n")
}

// clockOffset is by how much this machine's clock is ahead of the store's, a test clock aside. It is as if the answer had come in the
// middle of the time that asking took.
func (s *Service) clockOffset(ctx context.Context) (offset time.Duration, err error) {
	err = s.Store.View(ctx, func(r processor.Reader) error {
		asked := time.Now()
		now, err := r.Now()
		offset = asked.Add(time.Since(asked) / 2).Sub(now)
		return err
	})
	if s.Sandbox != nil { // whose clock was put forward
		offset += s.now().Sub(s.world())
	}
	return offset, err
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
