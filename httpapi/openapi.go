package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tapline/api"
)

// newSchemas makes the schemas of all bodies from the types that are encoded and decoded. It names the types of what
// devices sign apart from those of what the service answers: some have one name.
func newSchemas() huma.Registry {
	registry := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if strings.HasSuffix(t.PkgPath(), "/consent") {
			return "Signed" + name
		}
		return name
	})
	for _, r := range routes {
		for _, t := range []reflect.Type{r.claims, r.in, r.out} {
			if t != nil {
				registry.Schema(t, true, "")
			}
		}
	}
	for _, t := range []reflect.Type{typeOf[api.Problem](), typeOf[api.TokenError](), typeOf[api.Event]()} {
		registry.Schema(t, true, "")
	}
	for _, s := range registry.Map() {
		for _, p := range s.Properties {
			p.Nullable = false // a list that is empty is [], and one that is left out is no field
		}
	}
	return registry
}

// securitySchemes are the credentials, in OpenAPI's terms.
var securitySchemes = map[string]*huma.SecurityScheme{
	string(byDevice):   {Type: "http", Scheme: "bearer", Description: "A device's token of POST /v1/token."},
	string(byOperator): {Type: "http", Scheme: "bearer", Description: "An operator's token of POST /v1/token, by key or passkey."},
	string(byPayee):    {Type: "http", Scheme: "bearer", Description: "A payee's API key, tapline_live_… or tapline_test_…, with the scope that the operation names, or the token of POST /v1/token that a passkey of it got."},
	string(byInvite):   {Type: "http", Scheme: "bearer", Description: "An operator's invite of POST /v1/admin/invites, for one enrolment."},
	string(byFirst):    {Type: "http", Scheme: "bearer", Description: "The token that the service made at its first start."},
}

// tagTexts say what the operations of a tag are about.
var tagTexts = map[string]string{
	"service":           "Whom one talks to.",
	"devices":           "Keys that sign what people want.",
	"token":             "Bearer tokens, to read with.",
	"payees":            "Whom one may pay.",
	"push-key":          "The key that push services know the service by.",
	"push-subscription": "Having a device woken when it is needed.",
	"tap-challenges":    "Numbers for a payment card to sign.",

	"taps":               "What a tapped card is.",
	"payments":           "From instruction to posting.",
	"orders":             "What payees want to be paid for.",
	"refunds":            "Giving back what was paid.",
	"payouts":            "Money that leaves to a payee's bank account.",
	"payout-plans":       "Where a payee is paid out to, and when.",
	"report":             "A payee's account over time.",
	"payee":              "The payee whose API key it is.",
	"api-keys":           "A payee's keys, their scopes and their ends.",
	"cards":              "What cardholders do with their cards.",
	"events":             "What has happened, as it happens.",
	"sign-in-challenges": "What a passkey is to sign.",
	"sign-in-passkeys":   "Passkeys of operators and payees.",
	"order-templates":    "What payers make orders from, at links that stay.",
	"webhook-endpoints":  "Where a payee's events are sent to.",
	"webhook-deliveries": "Events on their way to a payee's programs.",
	"heads":              "Signed heads of the history: proof that nothing of it was rewritten.",
	"test":               "What there is in the test environment only.",
	"admin":              "What operators do.",
}

// Document is the OpenAPI 3.1 document of a service at an address, as its /openapi.json has it.
func Document(publicURL, version string) []byte {
	return (&Service{Config: Config{PublicURL: publicURL, Version: version}, schemas: newSchemas()}).document().text()
}

// document is an OpenAPI 3.1 document.
type document struct{ *huma.OpenAPI }

// text is the document in JSON. To write it takes longer than all else with which a service begins.
func (d document) text() []byte {
	text, err := json.Marshal(d.OpenAPI)
	if err != nil {
		panic(fmt.Sprintf("httpapi: the OpenAPI document: %v", err))
	}
	return text
}

// document describes every operation, and puts their schemas into those of the service.
func (s *Service) document() document {
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "tapline", Version: s.documentVersion(),
			Description: "Pay by tapping the smart card one carries. What a device writes is a JWS (RFC 7515) as the whole " +
				"body; what is read needs a bearer token. Errors are problems (RFC 9457) with a code.",
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers:    []*huma.Server{{URL: s.PublicURL}},
		Components: &huma.Components{Schemas: s.schemas, SecuritySchemes: securitySchemes},
		Extensions: map[string]any{"x-problem-codes": documentedCodes(), "x-versioning": policy},
	}
	all, _ := examples()
	for _, r := range routes { // the order in which to read them
		if !slices.ContainsFunc(doc.Tags, func(t *huma.Tag) bool { return t.Name == r.tag() }) {
			doc.Tags = append(doc.Tags, &huma.Tag{Name: r.tag(), Description: tagTexts[r.tag()]})
		}
		op := r.operation(s.schemas)
		if e, told := all[r.id]; told {
			e.show(r, op)
		}
		doc.AddOperation(op)
	}
	tell(doc)
	return document{doc}
}

func (s *Service) documentVersion() string {
	if s.Version == "" {
		return "devel"
	}
	return s.Version
}

// documentedCodes is the table of problem codes.
func documentedCodes() []map[string]any {
	var out []map[string]any
	for _, c := range Codes() {
		out = append(out, map[string]any{"code": c.Code, "status": c.Status, "title": c.Title, "retryable": c.Retryable})
	}
	return out
}

// operation is the route in OpenAPI's terms.
func (r *route) operation(schemas huma.Registry) *huma.Operation {
	op := &huma.Operation{
		Method: r.method, Path: r.path, OperationID: r.id, Summary: r.summary, Description: r.text, Tags: []string{r.tag()},
		Parameters: r.parameters(), RequestBody: r.requestBody(schemas), Responses: r.responses(schemas),
	}
	if r.ends != nil {
		op.Deprecated, op.Description = true, op.Description+" "+r.ends.text()
	}
	if len(r.by) == 0 {
		op.Extensions = map[string]any{"security": []string{}} // huma leaves an empty list out, which does not say "nobody"
	}
	for _, b := range r.by {
		if b == bySignature {
			op.Security = append(op.Security, map[string][]string{}) // the body's signature is all
			continue
		}
		roles := []string{} // OpenAPI 3.1 §4.8.30: "role names which are required", where it is no OAuth
		if b == byPayee && r.scope != anyScope {
			roles = append(roles, string(r.scope))
		}
		op.Security = append(op.Security, map[string][]string{string(b): roles})
	}
	return op
}

// tag is the noun after /v1: what the operation is about.
func (r *route) tag() string {
	parts := strings.Split(r.path, "/")
	if r.admin {
		return "admin"
	}
	return parts[2]
}

func (r *route) parameters() []*huma.Param {
	var out []*huma.Param
	for part := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			out = append(out, &huma.Param{
				Name: strings.TrimSuffix(name, "}"), In: "path", Required: true, Schema: &huma.Schema{Type: "string"},
			})
		}
	}
	for _, p := range r.query {
		one := &huma.Param{Name: p.name, In: "query", Description: p.doc, Required: p.required, Schema: p.schema()}
		if p.many {
			explode := false // RFC 6570 §3.2.8: one,two
			one.Style, one.Explode = "form", &explode
		}
		out = append(out, one)
		if p.was.name != "" {
			out = append(out, &huma.Param{
				Name: p.was.name, In: "query", Description: "The former name of " + p.name + ". " + p.was.text(), Deprecated: true, Schema: p.schema(),
			})
		}
	}
	if r.needsKey() {
		out = append(out, &huma.Param{
			Name: api.IdempotencyHeader, In: "header", Required: !slices.Contains(r.by, bySignature),
			Description: "Names the write: the same key gets the same answer, and the write is done once.",
			Schema:      &huma.Schema{Type: "string", Pattern: idempotencyForm.String()},
		})
	}
	if r.out == nil {
		out = append(out, &huma.Param{
			Name: "Last-Event-ID", In: "header", Description: "The last event that was received.", Schema: &huma.Schema{Type: "string"},
		})
	}
	return out
}

// needsKey tells a write that is not named by a jti. A sandbox's own are not named at all.
func (r *route) needsKey() bool {
	return r.method == http.MethodPost && !r.sandbox && (r.admin || slices.Contains(r.by, byPayee))
}

func (p param) schema() *huma.Schema {
	s := &huma.Schema{Type: "string"}
	for _, v := range p.enum {
		s.Enum = append(s.Enum, v)
	}
	if p.integer {
		low, high := float64(p.min), float64(p.max)
		s.Type, s.Minimum, s.Maximum = "integer", &low, &high
	}
	if p.many {
		s = &huma.Schema{Type: "array", UniqueItems: true, Items: s}
	}
	return s
}

// requestBody documents a JWS as text whose decoded payload has the claims' schema (JSON Schema 2020-12 §8.5).
func (r *route) requestBody(schemas huma.Registry) *huma.RequestBody {
	body := &huma.RequestBody{Required: true}
	switch {
	case r.claims != nil:
		claims := schemas.Schema(r.claims, true, "")
		body.Required = !slices.Contains(r.by, byPayee)
		body.Description = "A compact JWS by the device's key, with typ " + string(r.typ) + " in its protected header."
		body.Content = map[string]*huma.MediaType{api.ContentJWS: {Schema: &huma.Schema{
			Type:       "string",
			Extensions: map[string]any{"contentMediaType": api.ContentJWS, "contentSchema": claims},
		}}}
	case r.in != nil:
		body.Content = map[string]*huma.MediaType{"application/json": {Schema: schemas.Schema(r.in, true, "")}}
	case r.form != nil:
		form := &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{}}
		for _, p := range r.form {
			form.Properties[p.name] = p.schema()
			form.Properties[p.name].Description = p.doc
			if p.required {
				form.Required = append(form.Required, p.name)
			}
		}
		body.Content = map[string]*huma.MediaType{"application/x-www-form-urlencoded": {Schema: form}}
	default:
		return nil
	}
	return body
}

func (r *route) responses(schemas huma.Registry) map[string]*huma.Response {
	good := &huma.Response{Description: http.StatusText(r.status)}
	switch {
	case r.out != nil:
		good.Content = map[string]*huma.MediaType{"application/json": {Schema: schemas.Schema(r.out, true, "")}}
	default:
		good.Content = map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
			Type:        "string",
			Description: "Server-sent events; the data of each is an Event.",
			Extensions:  map[string]any{"contentSchema": schemas.Schema(typeOf[api.Event](), true, "")},
		}}}
	}
	for _, kind := range r.also {
		good.Content[kind] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	}
	if r.method == http.MethodPost && r.form == nil {
		good.Headers = map[string]*huma.Param{api.ReplayedHeader: {
			Description: "true if the answer was given before.", Schema: &huma.Schema{Type: "string"},
		}}
	}
	out := map[string]*huma.Response{strconv.Itoa(r.status): good}
	if r.form != nil {
		for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized} {
			out[strconv.Itoa(status)] = &huma.Response{Description: "No token", Content: map[string]*huma.MediaType{
				"application/json": {Schema: schemas.Schema(typeOf[api.TokenError](), true, "")}}}
		}
	}
	for status, codes := range r.problems() {
		if out[strconv.Itoa(status)] != nil {
			continue
		}
		out[strconv.Itoa(status)] = &huma.Response{
			Description: strings.Join(codes, ", "),
			Content:     map[string]*huma.MediaType{api.ContentProblem: {Schema: schemas.Schema(typeOf[api.Problem](), true, "")}},
		}
	}
	return out
}

// problems lists the codes that the operation may answer with, by status: its own, and those that follow from what it
// takes.
func (r *route) problems() map[int][]string {
	want := append([]string{"internal", "busy", "unavailable"}, r.codes...)
	if len(r.by) > 0 && !(len(r.by) == 1 && r.by[0] == bySignature) {
		want = append(want, "token_required", "invalid_token", "wrong_environment", "token_expired", "wrong_credential", "device_revoked")
	}
	if slices.Contains(r.by, byPayee) && r.scope != anyScope {
		want = append(want, "missing_scope")
	}
	if r.limit != unlimited {
		want = append(want, "too_many_requests")
	}
	if r.form == nil { // OAuth has its own words for these
		want = append(want, "malformed", "unknown_field", "duplicate_field")
	}
	if r.method == http.MethodPost && r.form == nil {
		want = append(want, "invalid_field", "body_too_large", "text_not_shown", "unsupported_media_type",
			"in_progress", "idempotency_key_reused")
	}
	if len(r.query) > 0 {
		want = append(want, "invalid_field")
	}
	if r.claims != nil {
		want = append(want, "wrong_message_type", "wrong_algorithm", "unknown_key", "bad_signature", "wrong_audience", "stale", "device_revoked")
	}
	out := map[int][]string{}
	for _, c := range Codes() {
		if slices.Contains(want, c.Code) {
			out[c.Status] = append(out[c.Status], c.Code)
		}
	}
	return out
}
