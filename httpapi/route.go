package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/strictjson"
	"tapline/processor"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// credential is a way to prove who calls.
type credential string

const (
	bySignature credential = "device_signature" // the body is a JWS signed by a device
	byDevice    credential = "device_token"
	byOperator  credential = "operator_token"
	byPayee     credential = "payee_key"
	byFirst     credential = "first_start_token"
	byInvite    credential = "operator_invite"
)

// route is one operation: what it takes, what it answers, and who may ask for it. The mux and the OpenAPI document are
// both made of it.
type route struct {
	method, path string
	id, summary  string
	text         string          // more about it, for the document
	by           []credential    // any of these will do; none: anybody
	scope        processor.Scope // that a payee's key needs; anyScope for none
	query        []param
	limit        limit // how often strangers may ask

	// At most one of these three is what the body holds.
	typ    consent.Typ // a JWS of this type with these claims
	claims reflect.Type
	in     reflect.Type // JSON
	form   []param      // application/x-www-form-urlencoded

	status  int
	out     reflect.Type // of the answer; nil for a stream
	also    []string     // media types of further forms of the answer
	codes   []string     // the problems that are this operation's own
	ends    *deprecation // if it is deprecated
	admin   bool         // for operators, perhaps on a listener of their own
	sandbox bool         // elsewhere it is not there
	handle  func(*call) (answer, error)
}

// param is a parameter in the query or in a form. Its value is text, one of enum, or a whole number between min and
// max.
type param struct {
	name     string
	was      former // a name that it had; zero for none
	doc      string
	enum     []string
	many     bool // several of enum, with commas between
	integer  bool
	min, max int64
	required bool
}

// call is one request to a route.
type call struct {
	*Service
	w      http.ResponseWriter
	r      *http.Request
	route  *route
	by     caller
	body   []byte
	unread error // why there is no body
	query  map[string]string
	trace  string
	leave  func() // ends what is worked on; to be called before waiting for something to happen
}

// answer is what a route answers. The zero answer was already written.
type answer struct {
	status   int
	body     []byte
	replayed bool
	header   map[string]string
}

// serve turns a route into a handler.
func (s *Service) serve(rt *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{Service: s, w: w, r: r, route: rt, trace: traceOf(r.Context())}
		a, err := c.run()
		switch {
		case err != nil:
			c.refuse(err)
		case a.status != 0:
			c.write(a)
		}
	}
}

func (c *call) run() (a answer, err error) {
	if c.r.Method == http.MethodHead && c.route.out == nil {
		c.w.Header().Set("Allow", http.MethodGet)     // RFC 9110 §15.5.6
		return answer{}, refuse("method_not_allowed") // a stream has no end to wait for
	}
	if err := c.limitAddress(); err != nil {
		return answer{}, err
	}
	c.takeBody() // whoever sends it slowly takes nobody's place
	if c.leave, err = c.admission.of(c.route).enter(c.r.Context()); err != nil {
		return answer{}, err
	}
	defer c.leave()
	if err := c.authenticate(); err != nil {
		return answer{}, err
	}
	if c.query, err = c.takeQuery(); err != nil {
		return answer{}, err
	}
	if err := c.readBody(); err != nil {
		return answer{}, err
	}
	return c.route.handle(c)
}

// refuse answers with the problem that an error stands for, and logs what nobody thought of.
func (c *call) refuse(err error) {
	if bad, ok := errors.AsType[*oauthRefusal](err); ok {
		bad.write(c.w)
		return
	}
	r, known := explain(err)
	switch {
	case c.r.Context().Err() != nil && !known:
		r = &refusal{code: "unavailable"} // the client has gone; nobody reads this
	case errors.Is(err, processor.ErrUnavailable):
		c.Log.Error("the database is not available", "route", c.route.id, "trace_id", c.trace, "error", err)
	case !known:
		c.Log.Error("request failed", "route", c.route.id, "trace_id", c.trace, "error", err)
	}
	p := c.problem(r, c.trace)
	if c.route.form != nil && p.Status < 500 {
		(&oauthRefusal{http.StatusBadRequest, api.TokenError{Code: "invalid_request", Description: p.Title}}).write(c.w)
		return
	}
	writeProblem(c.w, p)
}

func (c *call) write(a answer) {
	h := c.w.Header()
	if a.replayed {
		h.Set(api.ReplayedHeader, "true")
	}
	if a.status >= 400 { // an answer that is remembered, and a problem
		var p api.Problem
		if err := json.Unmarshal(a.body, &p); err != nil {
			panic(err) // it is our own
		}
		writeProblem(c.w, &p)
		return
	}
	for name, value := range a.header {
		h.Set(name, value)
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	c.w.WriteHeader(a.status)
	_, _ = c.w.Write(a.body)
}

// ok answers 200 with a value.
func ok(v any) (answer, error) { return answer{status: http.StatusOK, body: encode(v)}, nil }

// encode writes JSON. What is encoded is a struct of package api, which can always be written.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return body
}

// takeBody reads the body, whatever it is.
func (c *call) takeBody() {
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		c.body, c.unread = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	}
}

// readBody wants a body of the content type that the route takes. A route that takes none gets none.
func (c *call) readBody() error {
	want := ""
	switch {
	case c.route.typ != "" && c.by.who == "":
		want = api.ContentJWS
	case c.route.in != nil:
		want = "application/json"
	case c.route.form != nil:
		want = "application/x-www-form-urlencoded"
	}
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return nil
	}
	got, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if want != "" && (err != nil || got != want || c.r.Header.Get("Content-Encoding") != "") {
		return refuse("unsupported_media_type")
	}
	if _, large := errors.AsType[*http.MaxBytesError](c.unread); large {
		return refuse("body_too_large")
	}
	if c.unread != nil || want == "" && len(c.body) > 0 {
		return refuse("malformed")
	}
	return nil
}

// decode reads the JSON body into a pointer to the route's in, and checks it against its schema.
func (c *call) decode(v any) error {
	if err := strictjson.Decode(c.body, v); err != nil {
		return err
	}
	var loose any
	if err := json.Unmarshal(c.body, &loose); err != nil {
		return refuse("malformed")
	}
	var result huma.ValidateResult
	path := huma.NewPathBuffer(nil, 0)
	huma.Validate(c.schemas, c.schemas.Schema(c.route.in, true, ""), path, huma.ModeWriteToServer, loose, &result)
	for _, err := range result.Errors {
		detail, _ := errors.AsType[*huma.ErrorDetail](err)
		return refuseField("invalid_field", detail.Location) // its message and value may repeat what was sent
	}
	return nil
}

// takeQuery reads the query, and says in the answer what of it is deprecated, or that the operation is.
func (c *call) takeQuery() (map[string]string, error) {
	query, old, err := renamedParams(c.route.query, c.r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if c.route.ends != nil {
		old = c.route.ends
	}
	if old != nil {
		old.tell(c.w.Header(), c.PublicURL+policyPath)
	}
	return parseParams(c.route.query, query)
}

// parseParams reads a query or form: each parameter once, none unknown, each value as it is declared.
func parseParams(known []param, raw string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refuse("malformed")
	}
	for name, list := range values {
		if len(list) != 1 {
			return nil, refuse("duplicate_field")
		}
		if !slices.ContainsFunc(known, func(p param) bool { return p.name == name }) {
			return nil, refuse("unknown_field")
		}
	}
	out := make(map[string]string, len(values))
	for _, p := range known {
		if !values.Has(p.name) {
			if p.required {
				return nil, refuseField("invalid_field", p.name)
			}
			continue
		}
		value := values.Get(p.name)
		if !p.takes(value) {
			return nil, refuseField("invalid_field", p.name)
		}
		out[p.name] = value
	}
	return out, nil
}

func (p param) takes(value string) bool {
	switch {
	case p.integer:
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && n >= p.min && n <= p.max && !strings.HasPrefix(value, "+")
	case p.many:
		named := strings.Split(value, ",")
		slices.Sort(named)
		return len(slices.Compact(slices.Clone(named))) == len(named) && !slices.ContainsFunc(named, func(n string) bool { return !slices.Contains(p.enum, n) })
	case p.enum != nil:
		return slices.Contains(p.enum, value)
	}
	return len(value) <= 16<<10 && utf8.ValidString(value) && !strings.ContainsRune(value, 0) // what no column can hold
}

// number is an integer parameter, or its default.
func (c *call) number(name string, otherwise int64) int64 {
	value, given := c.query[name]
	if !given {
		return otherwise
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("httpapi: %s was not checked", name))
	}
	return n
}
