package httpapi

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"tapline/history"
)

// TestEveryActionOfOperatorsIsAudited tells the story in which every operation is called, and counts what is written down: each
// operation by which an operator changes something leaves a record of its own.
func TestEveryActionOfOperatorsIsAudited(t *testing.T) {
	x := openStory(t)
	named := http.NewServeMux()
	left := map[string]bool{}
	for _, r := range routes {
		if r.method == http.MethodPost && strings.HasPrefix(r.path, "/v1/admin/") {
			named.Handle("POST "+r.path, http.NotFoundHandler())
			left["POST "+r.path] = true
		}
	}
	if len(left) < 40 {
		t.Fatalf("operators have %d actions only", len(left))
	}
	var one sync.Mutex
	inner := x.handler
	x.handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		_, action := named.Handler(r)
		if action == "" {
			inner.ServeHTTP(out, r)
			return
		}
		one.Lock()
		defer one.Unlock()
		before, seen := x.audited(), &statusKept{ResponseWriter: out}
		inner.ServeHTTP(seen, r)
		if seen.status >= 300 {
			return
		}
		delete(left, action)
		if after := x.audited(); after != before+1 {
			t.Errorf("%s leaves %d records in the audit list, want 1", action, after-before)
		}
	})
	x.server.Config.Handler = x.handler
	x.tellAll()
	for action := range left {
		t.Errorf("%s was not tried", action)
	}
}

// statusKept keeps the status of an answer.
type statusKept struct {
	http.ResponseWriter
	status int
}

// WriteHeader keeps it.
func (a *statusKept) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// audited is how many records the audit list has.
func (x *story) audited() (n int) {
	x.Helper()
	x.must(x.store.History(x.Context(), func(r history.Reader) error {
		leaves, err := r.Leaves(history.Audit, 0, 1000)
		n = len(leaves)
		return err
	}))
	return n
}
