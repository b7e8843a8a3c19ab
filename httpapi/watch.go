package httpapi

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"tapline/payment"
	"tapline/processor"
)

// How the watcher works: it looks at most so often, at so many payments in one query, and after an error waits.
const (
	watchPause = 10 * time.Millisecond
	watchChunk = 500
	watchRetry = time.Second
)

// watcher waits for events of the store on behalf of all polls and streams, so that however many clients wait, one
// asks. Who waits for a payment is woken when its version has risen; streams are woken at every event.
type watcher struct {
	store processor.Store
	log   *slog.Logger

	mu      sync.Mutex
	any     chan struct{} // closed and replaced at every event
	waiting map[payment.ID]map[*poll]bool

	cancel context.CancelFunc
	done   chan struct{}
}

// poll is one who waits for a payment's version to be above after.
type poll struct {
	after   int64
	changed chan struct{} // closed when it is
	woken   bool
}

func newWatcher(store processor.Store, log *slog.Logger) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{
		store: store, log: log, any: make(chan struct{}), waiting: map[payment.ID]map[*poll]bool{},
		cancel: cancel, done: make(chan struct{}),
	}
	go w.run(ctx)
	return w
}

func (w *watcher) close() {
	w.cancel()
	<-w.done
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	last := int64(-1)
	for ctx.Err() == nil {
		newest, err := w.store.Wait(ctx, last)
		pause := watchPause
		if err == nil && newest > last {
			err = w.tell(ctx)
			if err == nil {
				last = newest
			}
		}
		if err != nil && ctx.Err() == nil {
			w.log.Warn("events cannot be watched", "error", err)
			pause = watchRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// tell wakes the streams, and looks with one query at all the payments that somebody waits for.
func (w *watcher) tell(ctx context.Context) error {
	w.mu.Lock()
	close(w.any)
	w.any = make(chan struct{})
	ids := slices.Collect(maps.Keys(w.waiting))
	w.mu.Unlock()
	for chunk := range slices.Chunk(ids, watchChunk) {
		var rows processor.Rows
		err := w.store.View(ctx, func(r processor.Reader) (err error) {
			rows, err = r.Load(processor.Wants{Payments: chunk})
			return err
		})
		if err != nil {
			return err
		}
		w.mu.Lock()
		for _, p := range rows.Payments {
			for waiting := range w.waiting[p.ID] {
				if p.Version > waiting.after && !waiting.woken {
					waiting.woken = true
					close(waiting.changed)
				}
			}
		}
		w.mu.Unlock()
	}
	return nil
}

// payment returns a channel that is closed once the payment's version is above after. Ask before reading the payment,
// and call done in the end.
func (w *watcher) payment(id payment.ID, after int64) (changed <-chan struct{}, done func()) {
	waiting := &poll{after: after, changed: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[id] == nil {
		w.waiting[id] = map[*poll]bool{}
	}
	w.waiting[id][waiting] = true
	return waiting.changed, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.waiting[id], waiting)
		if len(w.waiting[id]) == 0 {
			delete(w.waiting, id)
		}
	}
}

// polls is how many polls wait.
func (w *watcher) polls() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, waiting := range w.waiting {
		n += len(waiting)
	}
	return n
}

// event returns a channel that is closed at the next event. Ask before reading events.
func (w *watcher) event() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.any
}
