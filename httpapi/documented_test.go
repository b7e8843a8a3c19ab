package httpapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"tapline/api"
)

// Documented serves a handler for a test, which fails if an operation answers with a problem that the OpenAPI document
// does not name there.
func Documented(t testing.TB, h http.Handler) http.Handler {
	names, byPattern := http.NewServeMux(), map[string]*route{}
	for _, r := range routes {
		names.Handle(r.method+" "+r.path, http.NotFoundHandler())
		byPattern[r.method+" "+r.path] = r
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := names.Handler(r)
		seen := &refusals{ResponseWriter: w}
		h.ServeHTTP(seen, r)
		route := byPattern[pattern]
		if route == nil || len(seen.body) == 0 {
			return
		}
		var p api.Problem
		if err := json.Unmarshal(seen.body, &p); err != nil {
			t.Errorf("%s answered %s: %v", route.id, seen.body, err)
		} else if p.Code != "not_found" && p.Code != "method_not_allowed" && !slices.Contains(route.problems()[p.Status], p.Code) {
			t.Errorf("%s answered %d %s, which is not documented", route.id, p.Status, p.Code)
		}
	})
}

// refusals keeps the problem that goes through it.
type refusals struct {
	http.ResponseWriter
	body []byte
}

// Write keeps a piece of a problem.
func (p *refusals) Write(b []byte) (int, error) {
	if p.Header().Get("Content-Type") == api.ContentProblem {
		p.body = append(p.body, b...)
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (p *refusals) Unwrap() http.ResponseWriter { return p.ResponseWriter }
