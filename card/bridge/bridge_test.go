package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/card"
	"tapline/card/bridge"
	"tapline/card/cardtest"
	"tapline/consent"
)

const (
	shop    = "https://shop.example"
	address = "127.0.0.1:4711"
	number  = "6200000000000005" // a published test number
)

// pad is a reader that is tapped by sending what the card gives.
type pad struct {
	taps    chan func(context.Context) (bridge.Tap, error)
	begun   chan bridge.Request // each wait, as it begins
	ended   chan error          // and as it ends
	mu      sync.Mutex
	reading int
}

func newPad() *pad {
	return &pad{
		taps: make(chan func(context.Context) (bridge.Tap, error)), begun: make(chan bridge.Request, 64), ended: make(chan error, 64),
	}
}

func (p *pad) Tap(ctx context.Context, request bridge.Request) (tap bridge.Tap, err error) {
	p.mu.Lock()
	p.reading++
	p.mu.Unlock()
	p.begun <- request
	defer func() { p.ended <- err }()
	select {
	case do := <-p.taps:
		return do(ctx)
	case <-time.After(request.Wait):
		return bridge.Tap{}, bridge.ErrNoTap
	case <-ctx.Done():
		return bridge.Tap{}, context.Cause(ctx)
	}
}

func (p *pad) Readers(context.Context) ([]bridge.Status, error) {
	return []bridge.Status{{Name: "Pad 00", Card: true}}, nil
}

func (p *pad) waits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reading
}

// virtual reads a virtual card as a reader would.
func virtual(ctx context.Context) (bridge.Tap, error) {
	reading, err := card.Read(ctx, &cardtest.EMV{Number: cardtest.Number(number), Label: "CAMPUS CARD"}, card.Terminal{})
	return bridge.Tap{
		Scheme: reading.Scheme, Label: reading.Label, Last4: reading.Number.Last4(), Assurance: reading.Assurance,
		Tap: consent.Tap{Account: consent.AccountNumber(reading.Number.Reveal())},
	}, err
}

// desk is a bridge with its reader, and what the person at it was told.
type desk struct {
	*bridge.Bridge
	*pad
	told *bytes.Buffer
}

func newDesk(t *testing.T, listening string, origins ...string) desk {
	t.Helper()
	d := desk{pad: newPad(), told: new(bytes.Buffer)}
	var err error
	d.Bridge, err = bridge.New(bridge.Config{
		Origins: append([]string{shop, "http://localhost:8000"}, origins...), Address: listening, Token: bridge.NewToken(), Version: "v1", Reader: d.pad,
		Say: func(text string) { d.told.WriteString(text + "\n") },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ask is a request as the shop's page sends it, changed by change.
func (d desk) ask(method, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = address
	r.Header.Set("Origin", shop)
	r.Header.Set("Authorization", "Bearer "+d.Token)
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

// code is that of a problem document.
func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var problem struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("no problem document: %v %s", w.Header(), w.Body)
	}
	return problem.Code
}

func TestPagesOfOtherOriginsAreRefusedAndToldNothing(t *testing.T) {
	for _, origins := range [][]string{
		nil, {""}, {"null"}, {"https://evil.example"}, {"http://shop.example"}, {"https://shop.example:443"},
		{"https://shop.example:8443"}, {"https://SHOP.example"}, {"HTTPS://shop.example"}, {"https://shop.example/"},
		{"https://shop.example.evil.example"}, {"https://shop.example@evil.example"}, {"https://evil-shop.example"},
		{"https://www.shop.example"}, {"https://shop.example."}, {" https://shop.example"}, {"https://shop.example "},
		{"https://shop.example, https://evil.example"}, {shop, "https://evil.example"}, {shop, shop}, {"https://shop.example\x00"},
		{"http://localhost"}, {"http://localhost:8001"}, {"http://127.0.0.1:8000"}, {"file://"}, {"*"},
	} {
		for _, method := range []string{http.MethodOptions, http.MethodPost, http.MethodGet} {
			for _, path := range []string{"/v1/tap", "/v1/reader", "/"} {
				d := newDesk(t, address)
				w := d.ask(method, path, `{}`, func(r *http.Request) { r.Header["Origin"] = origins })
				allowed := slices.DeleteFunc(slices.Collect(keys(w.Header())), func(name string) bool {
					return !strings.HasPrefix(name, "Access-Control")
				})
				if got := code(t, w); w.Code != http.StatusForbidden || got != "wrong_origin" || len(allowed) > 0 || d.waits() > 0 {
					t.Errorf("%s %s of a page of %q: got %d %s, allowing %q, %d readings; want 403 and nothing", method, path, origins, w.Code, got, allowed, d.waits())
				}
			}
		}
	}
}

// A program that is no browser may send any Origin. What the person at the terminal is told of it must be no words of that
// program's own: U+009B begins a terminal's commands, as escape does.
func TestOddOriginsDoNotSpeakToTheTerminal(t *testing.T) {
	for _, origin := range []string{
		"https://evil.example/\u009b2J", "\x9b2J", "https://\u202eevil.example", "https://evil.example\tA card was read", "a person at tapline says: all is well",
	} {
		d := newDesk(t, address)
		d.ask(http.MethodGet, "/v1/reader", "", func(r *http.Request) { r.Header["Origin"] = []string{origin} })
		if told := d.told.String(); told != "A request from no page was refused: it is not from an origin that was named.\n" {
			t.Errorf("of %q the person is told %q", origin, told)
		}
	}
}

func keys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

func TestRebindingANameToThisMachineIsRefused(t *testing.T) {
	for host, want := range map[string]int{
		address: 200, "localhost:4711": 200,
		"shop.example": 421, "shop.example:4711": 421, "127.0.0.1": 421, "localhost": 421, "127.0.0.1:80": 421, "LOCALHOST:4711": 421,
		"127.0.0.1:4711.evil.example": 421, "evil.localhost:4711": 421, "localhost.:4711": 421, "0.0.0.0:4711": 421,
		"127.1:4711": 421, "[::1]:4711": 421, "2130706433:4711": 421, "": 421,
	} {
		d := newDesk(t, address)
		w := d.ask(http.MethodGet, "/v1/reader", "", func(r *http.Request) { r.Host = host })
		if w.Code != want || want == 421 && w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("host %q: got %d %v, want %d", host, w.Code, w.Header(), want)
		}
	}
}

func TestPreflightAllowsThatOriginOnlyAndPrivateNetworkAccess(t *testing.T) {
	d := newDesk(t, address)
	ask := func(private string) http.Header {
		w := d.ask(http.MethodOptions, "/v1/tap", "", func(r *http.Request) {
			r.Header.Del("Authorization") // browsers send none with it
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
			r.Header.Set("Access-Control-Request-Private-Network", private)
		})
		if w.Code != http.StatusNoContent || w.Body.Len() > 0 {
			t.Errorf("got %d %s, want 204", w.Code, w.Body)
		}
		return w.Header()
	}
	want := http.Header{
		"Access-Control-Allow-Origin": {shop}, "Access-Control-Allow-Methods": {"POST"},
		"Access-Control-Allow-Headers": {"Authorization, Content-Type"}, "Access-Control-Max-Age": {"600"},
		"Access-Control-Expose-Headers": {"Retry-After"}, "Access-Control-Allow-Private-Network": {"true"},
		"Vary": {"Origin", "Access-Control-Request-Private-Network"}, "Cache-Control": {"no-store"},
		"X-Content-Type-Options": {"nosniff"}, "Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
	}
	if diff := cmp.Diff(want, ask("true")); diff != "" {
		t.Errorf("from a public page (-want +got):\n%s", diff)
	}
	delete(want, "Access-Control-Allow-Private-Network")
	if diff := cmp.Diff(want, ask("false")); diff != "" {
		t.Errorf("from a page of this machine (-want +got):\n%s", diff)
	}
}

func TestOnlyAPageWithTheTokenGetsIn(t *testing.T) {
	d := newDesk(t, address)
	if len(d.Token) < 26 || d.Token == bridge.NewToken() {
		t.Fatalf("a token of %d characters; want 128 random bits in base32", len(d.Token))
	}
	for sent, want := range map[string]string{
		"": "token_required", "Bearer": "token_required", "Basic " + d.Token: "token_required", d.Token: "token_required",
		"Bearer ": "wrong_token", "Bearer " + d.Token[1:]: "wrong_token", "Bearer " + d.Token + "A": "wrong_token",
		"Bearer " + strings.ToLower(d.Token): "wrong_token",
	} {
		w := d.ask(http.MethodPost, "/v1/tap", `{}`, func(r *http.Request) {
			r.Header.Set("Authorization", sent)
			r.AddCookie(&http.Cookie{Name: "token", Value: d.Token})
			r.URL.RawQuery = "token=" + d.Token
		})
		if got := code(t, w); got != want || w.Code != http.StatusUnauthorized || d.waits() > 0 {
			t.Errorf("got %d %s, want 401 %s", w.Code, got, want)
		}
	}
	w := d.ask(http.MethodGet, "/v1/reader", "", nil)
	if want := `{"version":"v1","waiting":false,"readers":[{"name":"Pad 00","card":true}]}` + "\n"; w.Code != 200 || w.Body.String() != want {
		t.Errorf("with the token: got %d %s, want %s", w.Code, w.Body, want)
	}
	if len(w.Result().Cookies()) > 0 {
		t.Error("a cookie was set")
	}
}

func TestWrongTokensPauseEvenTheRightOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, address)
		try := func(token string) int {
			return d.ask(http.MethodGet, "/v1/reader", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }).Code
		}
		for range 4 {
			try("guess")
		}
		if got := try(d.Token); got != 200 {
			t.Errorf("after four wrong ones: %d, want 200: four and a right one begin anew", got)
		}
		guessed := 0
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if try("guess") == http.StatusUnauthorized {
				guessed++
			}
		}
		if guessed > 75 {
			t.Errorf("%d guesses in an hour, want one a minute at most, but for the first", guessed)
		}
		if got := try(d.Token); got != http.StatusTooManyRequests {
			t.Errorf("right token in a pause: %d, want 429", got)
		}
		time.Sleep(time.Minute)
		if got := try(d.Token); got != 200 {
			t.Errorf("right token after the pause: %d, want 200", got)
		}
		if lines := strings.Count(d.told.String(), "\n"); lines > 75 || strings.Contains(d.told.String(), "guess") {
			t.Errorf("the person was told %d times:\n%s", lines, d.told)
		}
	})
}

func TestFormsAndGETsReadNoCard(t *testing.T) {
	for _, c := range []struct {
		method, path, kind, body string
		want                     string
	}{
		{"GET", "/v1/tap", "", "", "method_not_allowed"}, {"HEAD", "/v1/tap", "", "", "method_not_allowed"},
		{"PUT", "/v1/tap", "application/json", "{}", "method_not_allowed"}, {"POST", "/v1/reader", "application/json", "{}", "method_not_allowed"},
		{"POST", "/v1/tap", "text/plain", "{}", "unsupported_media_type"}, {"POST", "/v1/tap", "", "{}", "unsupported_media_type"},
		{"POST", "/v1/tap", "application/x-www-form-urlencoded", "{}", "unsupported_media_type"},
		{"POST", "/v1/tap", "multipart/form-data; boundary=x", "{}", "unsupported_media_type"},
		{"POST", "/v1/tap", "text/plain; application/json", "{}", "unsupported_media_type"},
		{"POST", "/v1/tap/", "application/json", "{}", "not_found"}, {"POST", "//v1/tap", "application/json", "{}", "not_found"},
		{"POST", "/v1/tap", "application/json", "", "malformed"}, {"POST", "/v1/tap", "application/json", `{"wait":1,"wait":2}`, "malformed"},
		{"POST", "/v1/tap", "application/json", `{"Wait":1}`, "malformed"}, {"POST", "/v1/tap", "application/json", `{"wait":26}`, "invalid_field"},
		{"POST", "/v1/tap", "application/json", `{"wait":0}`, "invalid_field"}, {"POST", "/v1/tap", "application/json", `{"wait":-1}`, "invalid_field"},
		{"POST", "/v1/tap", "application/json", `{"wait":9223372036}`, "invalid_field"},
		{"POST", "/v1/tap", "application/json", `{"challenge":{"id":"x","unpredictable_number":"00000000","amount_authorised":"000000000001","transaction_currency":"0156","terminal_country":"0156","expires_in":60}}`, "invalid_field"},
		{"POST", "/v1/tap", "application/json", `{"challenge":{"id":"x","unpredictable_number":"0102030","amount_authorised":"000000000001","transaction_currency":"0156","terminal_country":"0156","expires_in":60}}`, "invalid_field"},
		{"POST", "/v1/tap", "application/json", `{"challenge":{"id":"x","unpredictable_number":"01020304","amount_authorised":"000000000000","transaction_currency":"0156","terminal_country":"0156","expires_in":60}}`, "invalid_field"},
		{"POST", "/v1/tap", "application/json", `{"challenge":{"id":"x","unpredictable_number":"01020304","amount_authorised":"+00000000001","transaction_currency":"0156","terminal_country":"0156","expires_in":60}}`, "invalid_field"},
		{"POST", "/v1/tap", "application/json", `{"wait":1` + strings.Repeat(" ", 5000) + `}`, "too_large"},
	} {
		d := newDesk(t, address)
		w := d.ask(c.method, c.path, c.body, func(r *http.Request) { r.Header.Set("Content-Type", c.kind) })
		if got := code(t, w); got != c.want || d.waits() > 0 {
			t.Errorf("%s %s %s %.60s: got %s, %d readings; want %s", c.method, c.path, c.kind, c.body, got, d.waits(), c.want)
		}
	}
}

func TestTheTapGoesToThePageThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, address)
		answers := make(chan *httptest.ResponseRecorder)
		go func() {
			answers <- d.ask("POST", "/v1/tap", `{"wait":20,"challenge":{"id":"c1","unpredictable_number":"01020304","amount_authorised":"000000001250","transaction_currency":"0156","terminal_country":"0036","expires_in":60}}`, nil)
		}()
		want := bridge.Request{Wait: 20 * time.Second, Challenge: &bridge.Challenge{
			ID: "c1", UnpredictableNumber: "01020304", Amount: "000000001250", Currency: "0156", Country: "0036", ExpiresIn: 60,
		}}
		got := <-d.begun
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("asked of the reader (-want +got):\n%s", diff)
		}
		terminal := card.Terminal{Amount: 1250, Currency: 156, Country: 36, UnpredictableNumber: [4]byte{1, 2, 3, 4}, Prove: true}
		if told, err := got.Challenge.Terminal(); err != nil || told != terminal {
			t.Errorf("the card is told %+v, %v; want %+v", told, err, terminal)
		}
		other := func(r *http.Request) { r.Header.Set("Origin", "http://localhost:8000") }
		if w := d.ask("POST", "/v1/tap", `{}`, other); w.Code != http.StatusConflict || code(t, w) != "busy" || w.Header().Get("Retry-After") != "1" {
			t.Errorf("a second page: got %d %v %s, want 409", w.Code, w.Header(), w.Body)
		}
		d.taps <- virtual
		w := <-answers
		if want := `{"scheme":"unionpay","label":"CAMPUS CARD","last4":"0005","assurance":"identified","tap":{"account":"` + number + `"}}` + "\n"; w.Code != 200 || w.Body.String() != want {
			t.Errorf("got %d %s, want %s", w.Code, w.Body, want)
		}
		if d.waits() != 1 {
			t.Errorf("%d readings, want one", d.waits())
		}
		want2 := "A page of https://shop.example waits for a tap.\nA card (unionpay) was read for a page of https://shop.example.\n"
		if d.told.String() != want2 {
			t.Errorf("the person was told:\n%swant\n%s", d.told, want2)
		}
	})
}

func TestAWaitEndsByItselfAndTheNextIsNotToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, address)
		began := time.Now()
		for range 3 {
			if w := d.ask("POST", "/v1/tap", `{}`, nil); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
				t.Errorf("got %d %s, want 204", w.Code, w.Body)
			}
		}
		if took := time.Since(began); took != 3*bridge.MaxWait {
			t.Errorf("three waits took %s, want 3 × %s", took, bridge.MaxWait)
		}
		if want := "A page of https://shop.example waits for a tap.\n"; d.told.String() != want {
			t.Errorf("the person was told:\n%s", d.told)
		}
	})
}

func TestCardsThatCannotBeReadSayWhyAndReadersDoNot(t *testing.T) {
	for want, err := range map[string]error{
		"422 no_account": card.ErrNoAccount, "422 no_application": card.ErrNoApplication, "422 card_blocked": card.ErrBlocked,
		"422 card_malformed": card.ErrMalformed, "422 card_removed": card.ErrRemoved,
		"503 reader_unavailable": errors.New("the socket at /run/secret"),
	} {
		d := newDesk(t, address)
		go func() {
			d.taps <- func(context.Context) (bridge.Tap, error) { return bridge.Tap{}, err }
		}()
		w := d.ask("POST", "/v1/tap", `{}`, nil)
		if got := w.Result().Status[:4] + code(t, w); got != want || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%v: got %s %s, want %s", err, got, w.Body, want)
		}
	}
}

func TestOriginsAreTakenAsBrowsersSendThem(t *testing.T) {
	for _, good := range []string{shop, "https://shop.example:8443", "https://xn--tst-qla.example", "http://localhost:8000", "http://127.0.0.1", "http://[::1]:8080"} {
		if err := bridge.CheckOrigin(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "null", "*", "https://*", "https://*.shop.example", "shop.example", "https://", "https://:8443", "https://shop.example/", "https://shop.example:443",
		"https://shop.example:", "https://SHOP.example", "https://täst.example", "http://shop.example", "http://localhost:80", "http://localhost.evil.example",
		"https://a@shop.example", "https://shop.example?x", "https://shop.example#x", "ftp://localhost", "https://shop.example ", "file://localhost",
	} {
		if err := bridge.CheckOrigin(bad); !errors.Is(err, bridge.ErrOrigin) {
			t.Errorf("%q: got %v, want ErrOrigin", bad, err)
		}
	}
}
