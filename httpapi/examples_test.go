package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/history"
)

// TestExamples tells the story of story_test.go to a service: real requests with real signatures, and a real database. What the
// document shows as examples is what was sent and answered here, byte for byte, since the clock and what chance there is are the
// test's own. Every operation has its place in the story.
func TestExamples(t *testing.T) {
	x := openStory(t)
	x.tellAll()
	got := map[string][]byte{"story": pretty(x.order)}
	for id, e := range x.told {
		got[id] = pretty(e)
	}
	for _, r := range routes {
		if got[r.id] == nil {
			t.Errorf("%s %s has no example: have it called in httpapi/story_test.go as x.tell(%q, \"what happens\"), "+
				"then run go test ./httpapi -run %s -update", r.method, r.path, r.id, t.Name())
		}
	}
	if *update && !t.Failed() {
		x.must(os.RemoveAll("examples"))
		x.must(os.Mkdir("examples", 0o755))
		for name, text := range got {
			x.must(os.WriteFile("examples/"+name+".json", text, 0o644))
		}
	}
	files, err := os.ReadDir("examples")
	x.must(err)
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".json")
		text, err := os.ReadFile("examples/" + f.Name())
		x.must(err)
		if diff := cmp.Diff(string(text), string(got[name])); diff != "" {
			t.Errorf("%s is not what happens; if that is meant, run go test ./httpapi -run %s -update (-file +now):\n%s", f.Name(), t.Name(), diff)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("examples/%s.json is missing; run go test ./httpapi -run %s -update", name, t.Name())
	}
}

// TestTheDocumentShowsEveryExample reads them back out of /openapi.json.
func TestTheDocumentShowsEveryExample(t *testing.T) {
	s := openEmpty(t)
	doc, _ := s.readDocument()
	if told, _ := doc["x-story"].([]any); len(told) != len(routes) {
		t.Errorf("the story has %d operations of %d", len(told), len(routes))
	}
	operations(doc, func(method, path string, op map[string]any) {
		said, _ := op["x-example"].(map[string]any)
		if said["summary"] == nil {
			t.Errorf("%s %s says of no example", method, path)
		}
		shown := 0
		for _, r := range op["responses"].(map[string]any) {
			content, _ := r.(map[string]any)["content"].(map[string]any)
			for _, media := range content {
				if media.(map[string]any)["examples"] != nil {
					shown++
				}
			}
		}
		if shown != 1 {
			t.Errorf("%s %s shows %d answers", method, path, shown)
		}
		if body, ok := op["requestBody"].(map[string]any); ok && !strings.Contains(string(encode(body)), `"examples"`) {
			t.Errorf("%s %s shows no body", method, path)
		}
	})
}

// pretty is JSON as it stands in files.
func pretty(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// story is a service to which the examples happen.
type story struct {
	*station
	t      *testing.T
	judges *guesser
	sealer *history.Sealer
	told   map[string]example
	order  []string
	steady func([]byte) []byte // what is done to answers first; nil for nothing

	mu      sync.Mutex
	pending *example
	route   *route
	done    chan struct{} // closed when the pending example was recorded
}

// openStory opens a service at nine o'clock of the first of March 2026, with a seeded chance.
func openStory(t *testing.T) *story {
	x := &story{t: t, told: map[string]example{}}
	x.chance("the beginning")
	x.station = openEmpty(t, func(c *Config) {
		c.PublicURL, c.FourEyesAbove, c.Version, c.Mails = "https://pay.example", 500_00, "1.0.0", true
		x.sealer = &history.Sealer{Store: c.Store.(history.Store), Keys: c.Keys, Issuer: c.PublicURL, Environment: c.Environment, Now: c.Now, Log: c.Log}
		c.History = x.sealer
	})
	x.clock.now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	x.judges = &guesser{station: x.station, Rand: rand.New(rand.NewPCG(1, 2))}
	inner := x.handler
	x.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.record(w, r, inner) })
	x.server.Config.Handler = x.handler
	return x
}

// chance makes all that is random from here on follow from a text.
func (x *story) chance(seed string) {
	h := fnv.New64a()
	_, _ = io.WriteString(h, seed)
	cryptotest.SetGlobalRandom(x.t, h.Sum64())
}

// tell says what happens next: the next request of the operation is its example. What happens to an operation besides is not told.
func (x *story) tell(operation, summary string) *station {
	x.Helper()
	x.settleUp()
	i := slices.IndexFunc(routes, func(r *route) bool { return r.id == operation })
	if _, twice := x.told[operation]; twice || i < 0 {
		x.Fatalf("%s is told twice, or is no operation", operation)
	}
	x.clock.add(7 * time.Second)
	x.chance(operation)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pending, x.route, x.done = &example{Operation: operation, Summary: summary}, routes[i], make(chan struct{})
	return x.station
}

// settleUp waits for the example that is being recorded, and judges it.
func (x *story) settleUp() {
	x.Helper()
	x.mu.Lock()
	e, r, done := x.pending, x.route, x.done
	x.mu.Unlock()
	if e == nil {
		return
	}
	select {
	case <-done:
	case <-x.Context().Done():
		x.Fatalf("%s was not called", r.id)
	case <-time.After(10 * time.Second):
		x.Fatalf("%s was not called", r.id)
	}
	x.pending = nil
	if e.Answer.Status != r.status {
		x.Fatalf("%s answered %d %s", r.id, e.Answer.Status, e.Answer.Body)
	}
	if x.steady != nil {
		e.Answer.Body = x.steady(e.Answer.Body)
	}
	sent := r.id + " " + string(e.Request.Body)
	if r.out != nil {
		x.judges.conforms(sent, r.out, string(e.Answer.Body))
	}
	if e.Request.Signed != nil {
		x.fits(sent, e.Request.Signed.Claims, x.schemas.Schema(r.claims, true, ""))
	}
	x.told[r.id], x.order = *e, append(x.order, r.id)
}

// fits wants claims that the document allows.
func (x *story) fits(sent string, claims json.RawMessage, schema *huma.Schema) {
	x.Helper()
	var v any
	x.must(json.Unmarshal(claims, &v))
	var result huma.ValidateResult
	huma.Validate(x.schemas, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, v, &result)
	if len(result.Errors) > 0 {
		x.Errorf("%s says what breaks its schema: %v", sent, result.Errors)
	}
}

// record serves a request, and keeps it if it is the one that is told.
func (x *story) record(w http.ResponseWriter, r *http.Request, inner http.Handler) {
	x.mu.Lock()
	e, rt, done := x.pending, x.route, x.done
	x.mu.Unlock()
	parameters := map[string]string{}
	if e == nil || e.Answer.Status != 0 || r.Method != rt.method || !pathFits(rt.path, r.URL.EscapedPath(), parameters) {
		inner.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		x.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	for name, values := range r.URL.Query() {
		parameters[name] = values[0]
	}
	for _, name := range []string{api.IdempotencyHeader, "Last-Event-ID"} {
		if value := r.Header.Get(name); value != "" {
			parameters[name] = value
		}
	}
	e.Request = exampleRequest{By: credentialOf(rt, r), ContentType: r.Header.Get("Content-Type")}
	if len(parameters) > 0 {
		e.Request.Parameters = parameters
	}
	if len(body) > 0 {
		e.Request.Body = asJSON(e.Request.ContentType, body)
		if e.Request.ContentType == formType {
			e.Request.Body = formAsJSON(body)
		}
		e.Request.Signed = signedPart(e.Request.ContentType, string(body))
	}
	kept := httptest.NewRecorder()
	inner.ServeHTTP(&copied{ResponseWriter: w, kept: kept}, r)
	kind, _, _ := mime.ParseMediaType(kept.Header().Get("Content-Type"))
	e.Answer = exampleAnswer{Status: kept.Code, ContentType: kind, Body: asJSON(kind, kept.Body.Bytes())}
	close(done)
}

// copied is an answer that is kept as well.
type copied struct {
	http.ResponseWriter
	kept *httptest.ResponseRecorder
}

func (c *copied) WriteHeader(status int) {
	maps.Copy(c.kept.Header(), c.Header())
	c.kept.WriteHeader(status)
	c.ResponseWriter.WriteHeader(status)
}

func (c *copied) Write(b []byte) (int, error) {
	maps.Copy(c.kept.Header(), c.Header())
	_, _ = c.kept.Write(b)
	return c.ResponseWriter.Write(b)
}

func (c *copied) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// pathFits compares a path with a route's, and reads its parameters.
func pathFits(pattern, path string, into map[string]string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i, part := range want {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			text, err := url.PathUnescape(got[i])
			if err != nil {
				return false
			}
			into[strings.TrimSuffix(name, "}")] = text
		} else if part != got[i] {
			return false
		}
	}
	return true
}

// credentialOf is who asks.
func credentialOf(rt *route, r *http.Request) credential {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case bearer && token == firstToken:
		return byFirst
	case strings.HasPrefix(token, "tapline_"):
		return byPayee
	case bearer && slices.Contains(rt.by, byOperator):
		return byOperator
	case bearer:
		return byDevice
	case rt.claims != nil:
		return bySignature
	}
	return ""
}

// asJSON is a body as it is, or as a JSON text.
func asJSON(contentType string, body []byte) json.RawMessage {
	if contentType == "application/json" || contentType == api.ContentProblem {
		return body
	}
	return encode(string(body))
}

// formAsJSON is a form as an object, as OpenAPI 3.1 §4.8.15 has it.
func formAsJSON(body []byte) json.RawMessage {
	values, _ := url.ParseQuery(string(body))
	out := map[string]string{}
	for name := range values {
		out[name] = values.Get(name)
	}
	return encode(out)
}

// signedPart reads a JWS for people; nil for what is none.
func signedPart(contentType, compact string) *exampleSigned {
	parts := strings.Split(compact, ".")
	if contentType != api.ContentJWS || len(parts) != 3 {
		return nil
	}
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return &exampleSigned{header, claims}
}
