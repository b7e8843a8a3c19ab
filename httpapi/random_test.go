package httpapi

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tapline/api"
	"tapline/consent"
)

var randomRequests = flag.Int("random", 60, "how many requests TestRandomRequests sends to each operation")

// TestRandomRequests sends to each operation what the OpenAPI document lets one send, and what it does not: names of things
// that are there and that are not, numbers at their limits, hostile text, fields that are missing or too many, by those who
// may and those who may not. No answer is a failure of the service, and each is as the document says.
func TestRandomRequests(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := &guesser{Rand: rand.New(rand.NewPCG(seed, 0))}
	seen := map[int]int{}
	for _, r := range routes {
		if r.out == nil {
			continue // a stream does not end
		}
		g.furnish(t)
		statuses := map[int]int{}
		for range *randomRequests {
			statuses[g.try(r)]++
		}
		for status, n := range statuses {
			seen[status] += n
		}
		t.Logf("%s: %v", r.id, statuses)
	}
	// If it only ever knocked, it would have proved little.
	if seen[200] < 5**randomRequests || seen[422] == 0 || seen[404] == 0 || seen[401] == 0 {
		t.Errorf("statuses: %v", seen)
	}
}

// guesser makes requests up.
type guesser struct {
	*station
	*rand.Rand
	names []string              // of things that may be there
	tidy  bool                  // whether the request is to be as the schema says
	token map[credential]string // of those who are known
}

// furnish makes a world to guess in, unless there is one where phone and operator may still act, and the payee, too.
func (g *guesser) furnish(t *testing.T) {
	if s := g.station; s != nil && s.get("/v1/cards/"+s.card.ID, g.token[byDevice]).status == 200 &&
		s.get("/v1/admin/cards", g.token[byOperator]).status == 200 && s.get("/v1/payee", s.apiKey).status == 200 {
		return
	}
	s := openStation(t)
	g.station = s
	g.names = []string{handle, s.card.ID, s.card.Account, string(s.phone.ID()), string(s.kiosk.ID()), string(s.operator.ID()), s.confirmed().ID,
		s.settled().ID, g.key(), "2026-01-02", "nobody", "..", "%2e%2e%2f", "a/b", "\x00", strings.Repeat("x", 300)}
	g.token = map[credential]string{
		byPayee: s.apiKey, byFirst: firstToken, byInvite: g.key(), byDevice: s.token(s.phone), byOperator: s.token(s.operator),
	}
}

func (g *guesser) one(of ...string) string { return of[g.IntN(len(of))] }

func (g *guesser) key() string { return "random-" + strconv.FormatUint(g.Uint64(), 36) }

// try sends a request and returns the status of the answer.
func (g *guesser) try(r *route) int {
	path := r.path
	g.tidy = g.IntN(3) > 0
	for part := range strings.SplitSeq(r.path, "/") {
		if strings.HasPrefix(part, "{") {
			path = strings.Replace(path, part, url.PathEscape(g.one(g.names...)), 1)
		}
	}
	query := url.Values{}
	for _, p := range r.query {
		if p.name == "wait" {
			query.Set("wait", "0") // time stands still here
		} else if p.required || g.IntN(3) == 0 {
			query.Set(p.name, g.parameter(p))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	body, header := g.body(r)
	header = append(header, g.credential(r)...)
	ctx, cancel := context.WithTimeout(g.Context(), 10*time.Second)
	defer cancel()
	answer := g.sendCtx(ctx, r.method, path, body, header...)
	g.judge(r, fmt.Sprintf("%s %s %q %s", r.method, path, header, body), answer)
	return answer.status
}

func (g *guesser) parameter(p param) string {
	switch {
	case !g.tidy && g.IntN(3) == 0:
		return g.text(40)
	case p.name == "currency":
		return "CNY"
	case p.name == "from", p.name == "until", p.name == "unused_since":
		return time.Unix(g.Int64N(4e9), 0).UTC().Format(time.RFC3339)
	case p.integer:
		return strconv.FormatInt(p.min+g.Int64N(p.max-p.min+1), 10)
	case len(p.enum) > 0:
		return g.one(p.enum...)
	}
	return g.one(append(g.names, "2026-01-02T03:04:05Z", "CNY")...)
}

// credential is mostly one that the operation wants.
func (g *guesser) credential(r *route) []string {
	by := credential("")
	if len(r.by) > 0 {
		by = r.by[g.IntN(len(r.by))]
	}
	if g.IntN(8) == 0 {
		by = []credential{byDevice, byOperator, byPayee, byFirst, byInvite, ""}[g.IntN(6)]
	}
	if by == "" || by == bySignature {
		return nil
	}
	return []string{"Authorization", "Bearer " + g.token[by]}
}

func (g *guesser) body(r *route) (body string, header []string) {
	if r.needsKey() && g.IntN(10) > 0 {
		header = append(header, api.IdempotencyHeader, g.key())
	}
	switch {
	case r.claims != nil && !slices.Contains(r.by, byPayee):
		claims, _ := g.value("", g.schemas.Schema(r.claims, true, ""), 0).(map[string]any)
		var base map[string]any
		g.must(json.Unmarshal(encode(g.claims()), &base))
		if claims != nil && (g.tidy || g.IntN(10) > 0) {
			maps.Copy(claims, base)
		}
		return g.jws([]*consent.DeviceKey{g.phone, g.kiosk, g.operator}[g.IntN(3)], r.typ, claims), append(header, "Content-Type", api.ContentJWS)
	case r.in != nil:
		text := string(encode(g.value("", g.schemas.Schema(r.in, true, ""), 0)))
		if !g.tidy && g.IntN(4) == 0 {
			text = text[:g.IntN(len(text))]
		}
		return text, append(header, "Content-Type", "application/json")
	case r.form != nil:
		form := url.Values{}
		for _, p := range r.form {
			if g.IntN(5) > 0 {
				form.Set(p.name, g.parameter(p))
			}
		}
		return form.Encode(), append(header, "Content-Type", formType)
	}
	return "", header
}

// value is one that a schema allows for the name, or nearly.
func (g *guesser) value(name string, s *huma.Schema, depth int) any {
	for s.Ref != "" {
		s = g.schemas.SchemaFromRef(s.Ref)
	}
	if depth > 6 || !g.tidy && g.IntN(25) == 0 {
		return []any{nil, true, -1, 1e300, "", []any{}, map[string]any{}, g.text(50)}[g.IntN(8)]
	}
	if len(s.Enum) > 0 {
		return s.Enum[g.IntN(len(s.Enum))]
	}
	switch s.Type {
	case huma.TypeObject:
		return g.object(s, depth)
	case huma.TypeArray:
		out := []any{}
		for range g.IntN(4) {
			out = append(out, g.value(name, s.Items, depth+1))
		}
		return out
	case huma.TypeBoolean:
		return g.IntN(2) == 0
	case huma.TypeInteger, huma.TypeNumber:
		return g.number(s)
	}
	return g.string(name, s)
}

func (g *guesser) object(s *huma.Schema, depth int) any {
	out := map[string]any{}
	for name, p := range s.Properties {
		if wanted := slices.Contains(s.Required, name); wanted && (g.tidy || g.IntN(20) > 0) || !wanted && g.IntN(4) == 0 {
			out[name] = g.value(name, p, depth+1)
		}
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		out[g.text(12)] = g.value("", more, depth+1)
	} else if !g.tidy && g.IntN(15) == 0 {
		out[g.text(12)] = g.text(12)
	}
	return out
}

func (g *guesser) number(s *huma.Schema) any {
	low, high := int64(0), int64(1_000_000)
	if s.Minimum != nil {
		low = int64(*s.Minimum)
	}
	if s.Maximum != nil {
		high = int64(*s.Maximum)
	}
	between := low + g.Int64N(max(1, min(high-low, 10_000)))
	if g.tidy {
		return []int64{low, high, between, between}[g.IntN(4)]
	}
	return []int64{low, high, low - 1, high + 1, between}[g.IntN(5)]
}

// usual is what people who mean it send under a name.
func (g *guesser) usual(name string) string {
	switch name {
	case "currency":
		return "CNY"
	case "pin", "new_pin":
		return string(rightPIN)
	case "handle", "payee":
		return g.one(handle, "shop"+strconv.Itoa(g.IntN(20))+"@town")
	case "account", "number", "account_number":
		return g.one(string(cardNumber), g.card.Account, "62000000"+strconv.Itoa(10_000_000+g.IntN(90_000_000)))
	case "code":
		return g.code
	case "url", "success_url", "cancel_url":
		return "https://shop.example/hook"
	case "day":
		return "2026-01-02"
	}
	return ""
}

func (g *guesser) string(name string, s *huma.Schema) any {
	usual := g.usual(name)
	switch {
	case s.Format == "date-time":
		return time.Unix(g.Int64N(4e9), 0).UTC().Format(time.RFC3339)
	case usual != "" && (g.tidy || g.IntN(2) == 0):
		return usual
	case g.tidy && s.MaxLength != nil:
		return strings.TrimSpace(strings.Map(printable, g.text(*s.MaxLength))) + "x"
	case g.tidy || g.IntN(3) == 0:
		return g.one(g.names...)
	}
	limit := 40
	if s.MaxLength != nil {
		limit = []int{1, *s.MaxLength, *s.MaxLength + 1}[g.IntN(3)]
	}
	return g.text(min(limit, 3000))
}

// printable leaves out what names may not have.
func printable(r rune) rune {
	if r < ' ' || r > '~' && r < 0x4e00 {
		return -1
	}
	return r
}

// text is up to so many characters that people, or thieves, might send.
func (g *guesser) text(n int) string {
	letters := []rune("abcXYZ019-_.:@/ \"'<>&%;\\\u202e\u200b\u0000\n中é😀")
	if g.IntN(2) == 0 {
		letters = letters[:12]
	}
	out := make([]rune, g.IntN(n+1))
	for i := range out {
		out[i] = letters[g.IntN(len(letters))]
	}
	return string(out)
}

// judge wants an answer that the document describes, and no failure.
func (g *guesser) judge(r *route, sent string, a reply) {
	g.Helper()
	if a.status == 0 || a.status >= http.StatusInternalServerError {
		g.Errorf("%s\nfailed: %d %s", sent, a.status, a.body)
		return
	}
	if a.status == http.StatusMovedPermanently || a.status == http.StatusTemporaryRedirect {
		return // a path with dots is asked for again without them
	}
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	out := r.out
	switch {
	case a.status == r.status && slices.Contains(r.also, kind):
		return
	case a.status == r.status && kind == "application/json":
	case a.status >= 400 && r.form != nil && kind == "application/json":
		out = typeOf[api.TokenError]()
	case a.status >= 400 && kind == api.ContentProblem:
		out = typeOf[api.Problem]()
	default:
		g.Errorf("%s\nanswered %d with %q, which the document does not know", sent, a.status, kind)
		return
	}
	g.conforms(sent, out, a.body)
}

func (g *guesser) conforms(sent string, t reflect.Type, body string) {
	g.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		g.Errorf("%s\nanswered %s: %v", sent, body, err)
		return
	}
	var result huma.ValidateResult
	huma.Validate(g.schemas, g.schemas.Schema(t, true, ""), huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, &result)
	if len(result.Errors) > 0 {
		g.Errorf("%s\nanswered %s\nwhich breaks the schema: %v", sent, body, result.Errors)
	}
}
