package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tapline/api"
)

// TestADeprecatedOperationSaysSo serves an operation of the test's own, which is deprecated.
func TestADeprecatedOperationSaysSo(t *testing.T) {
	s := openEmpty(t)
	ends := deprecation{since: day(2026, time.November, 23), until: day(2027, time.December, 1)}
	old := &route{
		method: "GET", path: "/v1/old", id: "getOld", summary: "Tell whom one talked to", text: "As ever.", ends: &ends,
		status: http.StatusOK, out: typeOf[api.Service](), handle: (*call).getService,
	}
	for what, c := range map[string]struct {
		path   string
		status int
	}{"an answer": {"/v1/old", 200}, "a refusal": {"/v1/old?x=1", 400}} {
		w, mux := httptest.NewRecorder(), http.NewServeMux()
		mux.HandleFunc("GET /v1/old", s.serve(old))
		s.wrap(mux).ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
		// RFC 9745 §2: a Date, which RFC 9651 §3.3.7 writes with an @; RFC 8594 §3: an HTTP-date.
		if w.Code != c.status || w.Header().Get("Deprecation") != "@1795392000" || w.Header().Get("Sunset") != "Wed, 01 Dec 2027 00:00:00 GMT" ||
			w.Header().Get("Link") != `<http://pay.example/docs#versioning>; rel="deprecation"; type="text/html"` {
			t.Errorf("%s of %d has %v", what, w.Code, w.Header())
		}
	}
	op := old.operation(s.schemas)
	if !op.Deprecated || !strings.HasSuffix(op.Description, "Deprecated since 2026-11-23; works until 2027-12-01.") {
		t.Errorf("the document says deprecated %v, %q", op.Deprecated, op.Description)
	}
}

// TestFormerNamesOfParametersWork asks by the names that operators' lists had.
func TestFormerNamesOfParametersWork(t *testing.T) {
	s := openStation(t)
	token := s.token(s.operator)
	var first, now, before api.AuditLog
	s.get("/v1/admin/audit?limit=1", token).into(200, &first)
	plain := s.get("/v1/admin/audit?limit=1&before="+first.Next, token)
	plain.into(200, &now)
	old := s.get("/v1/admin/audit?limit=1&after="+first.Next, token)
	old.into(200, &before)
	if len(now.Records) != 1 || now.Records[0] != before.Records[0] || now.Records[0] == first.Records[0] {
		t.Errorf("before: %+v, after: %+v, the first page: %+v", now, before, first)
	}
	if plain.header.Get("Deprecation") != "" || old.header.Get("Deprecation") != "@1795392000" || old.header.Get("Sunset") == "" {
		t.Errorf("before has %v, after has %v", plain.header, old.header)
	}
	s.get("/v1/admin/audit?before=1&after=1", token).expect(400, "duplicate_field")
	s.get("/v1/admin/audit?after=%zz", token).expect(400, "malformed")
	s.get("/v1/orders?after=1", s.apiKey).expect(400, "unknown_field")
}

// TestWhatIsDeprecatedLastsAYear reads all periods of the service.
func TestWhatIsDeprecatedLastsAYear(t *testing.T) {
	lasts := func(what string, d deprecation) {
		if d.until.Before(d.since.AddDate(1, 0, 0)) {
			t.Errorf("%s: from %s to %s", what, d.since, d.until)
		}
	}
	for _, r := range routes {
		if r.ends != nil {
			lasts(r.id, *r.ends)
		}
		for _, p := range r.query {
			if p.was.name != "" {
				lasts(r.id+" "+p.was.name, p.was.deprecation)
			}
		}
	}
}
