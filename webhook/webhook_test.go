package webhook_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tapline/internal/egress"
	"tapline/webhook"
)

func message() webhook.Message {
	return webhook.Message{ID: "whd_1", Time: time.Now(), Body: []byte(`{"type":"payment.settled","data":{"id":"pay_1"}}`)}
}

func header(t *testing.T, m webhook.Message, keys ...webhook.Keys) http.Header {
	t.Helper()
	h, err := m.Header(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestForgedAndOldMessagesAreRefused changes everything that could be changed on the way.
func TestForgedAndOldMessagesAreRefused(t *testing.T) {
	keys, m := webhook.NewKeys(), message()
	good := header(t, m, keys)
	with := func(name string, values ...string) http.Header {
		h := good.Clone()
		h[http.CanonicalHeaderKey(name)] = values
		return h
	}
	at := strconv.FormatInt(m.Time.Unix(), 10)
	other := header(t, m, webhook.NewKeys()).Get("webhook-signature")
	none := webhook.Message{ID: m.ID, Time: m.Time, Body: nil}
	for what, c := range map[string]struct {
		h    http.Header
		body []byte
		now  time.Time
		want error
	}{
		"another body":            {good, []byte(`{"type":"payment.settled","data":{"id":"pay_2"}}`), m.Time, webhook.ErrSignature},
		"a longer body":           {good, append([]byte(nil), append(m.Body, ' ')...), m.Time, webhook.ErrSignature},
		"another id":              {with("webhook-id", "whd_2"), m.Body, m.Time, webhook.ErrSignature},
		"another time":            {with("webhook-timestamp", strconv.FormatInt(m.Time.Unix()+1, 10)), m.Body, m.Time, webhook.ErrSignature},
		"an id moved to the time": {with("webhook-id", "whd_1."+at), m.Body, m.Time, webhook.ErrHeader},
		"a time with a sign":      {with("webhook-timestamp", "+"+at), m.Body, m.Time, webhook.ErrHeader},
		"a time with a zero":      {with("webhook-timestamp", "0"+at), m.Body, m.Time, webhook.ErrHeader},
		"no time":                 {with("webhook-timestamp", "now"), m.Body, m.Time, webhook.ErrHeader},
		"two times":               {with("webhook-timestamp", at, at), m.Body, m.Time, webhook.ErrHeader},
		"two ids":                 {with("webhook-id", "whd_1", "whd_1"), m.Body, m.Time, webhook.ErrHeader},
		"no id":                   {with("webhook-id"), m.Body, m.Time, webhook.ErrHeader},
		"an empty id":             {with("webhook-id", ""), m.Body, m.Time, webhook.ErrHeader},
		"a long id":               {with("webhook-id", strings.Repeat("x", 257)), m.Body, m.Time, webhook.ErrHeader},
		"no signature":            {with("webhook-signature"), m.Body, m.Time, webhook.ErrHeader},
		"an empty signature":      {with("webhook-signature", ""), m.Body, m.Time, webhook.ErrSignature},
		"a version alone":         {with("webhook-signature", "v1,"), m.Body, m.Time, webhook.ErrSignature},
		"no base64":               {with("webhook-signature", "v1,!!! v1a,!!!"), m.Body, m.Time, webhook.ErrSignature},
		"another's signatures":    {with("webhook-signature", other), m.Body, m.Time, webhook.ErrSignature},
		"many signatures":         {with("webhook-signature", strings.Repeat("v1,AAAA ", 16)+good.Get("webhook-signature")), m.Body, m.Time, webhook.ErrHeader},
		"the versions exchanged": {with("webhook-signature", strings.NewReplacer("v1,", "v1a,", "v1a,", "v1,").Replace(good.Get("webhook-signature"))),
			m.Body, m.Time, webhook.ErrSignature},
		"the signature of no body": {with("webhook-signature", header(t, none, keys).Get("webhook-signature")), m.Body, m.Time, webhook.ErrSignature},
		"an old copy":              {good, m.Body, m.Time.Add(5*time.Minute + time.Second), webhook.ErrTime},
		"one from the future":      {good, m.Body, m.Time.Add(-5*time.Minute - time.Second), webhook.ErrTime},
	} {
		for _, key := range []string{keys.Secret(), keys.PublicKey()} {
			if err := webhook.Verify(key, c.h, c.body, c.now); !errors.Is(err, c.want) {
				t.Errorf("%s: Verify with %.6s… = %v, want %v", what, key, err, c.want)
			}
		}
	}
	for _, key := range []string{"", "whsec_", "whpk_", "whsec_AAAA", "whsec_!", "whpk_AAAA", keys.Secret()[6:], "whsk_" + keys.Secret()[6:], "whpk_" + keys.Secret()} {
		if err := webhook.Verify(key, good, m.Body, m.Time); !errors.Is(err, webhook.ErrSecret) {
			t.Errorf("Verify with key %q = %v, want ErrSecret", key, err)
		}
	}
	// The public key is public: taken for a secret of v1, it must not verify what somebody signs with it.
	forged := webhook.Message{ID: m.ID, Time: m.Time, Body: m.Body}
	var public webhook.Keys
	raw, _ := base64.StdEncoding.DecodeString(keys.PublicKey()[5:])
	copy(public[:], raw)
	if err := webhook.Verify(keys.PublicKey(), header(t, forged, public), m.Body, m.Time); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("a message signed with the public key as a secret: %v, want ErrSignature", err)
	}
}

func TestGoodMessagesAreVerifiedInBothWays(t *testing.T) {
	for range 20 {
		old, young, m := webhook.NewKeys(), webhook.NewKeys(), message()
		h := header(t, m, young, old)
		for _, k := range []webhook.Keys{old, young} {
			for _, key := range []string{k.Secret(), k.PublicKey()} {
				for _, skew := range []time.Duration{-4 * time.Minute, 0, 4 * time.Minute} {
					if err := webhook.Verify(key, h, m.Body, m.Time.Add(skew)); err != nil {
						t.Errorf("Verify with %.6s… after %v = %v", key, skew, err)
					}
				}
			}
			// By code that is not ours.
			theirs, err := standardwebhooks.NewWebhook(k.Secret())
			if err == nil {
				err = theirs.Verify(m.Body, h)
			}
			if err != nil {
				t.Errorf("the library of Standard Webhooks: %v", err)
			}
		}
	}
}

// TestVerifyTakesTheExampleOfTheStandard takes the example of the specification and its libraries.
func TestVerifyTakesTheExampleOfTheStandard(t *testing.T) {
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	if err := webhook.Verify("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", h, []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0)); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	k := webhook.NewKeys()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(format, k); got != "webhook keys" {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

// receiver is a server, and a poster that reaches this machine.
func receiver(t *testing.T, handle http.HandlerFunc) (url string, p *webhook.Poster) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL, &webhook.Poster{Client: egress.NewClient(egress.Options{}), Local: egress.NewClient(egress.Options{Here: true}), Refused: egress.ErrForbidden}
}

func TestWhatReceiversAnswer(t *testing.T) {
	for what, c := range map[string]struct {
		handle http.HandlerFunc
		want   webhook.Result
	}{
		"200": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "thanks\n\x1b[31m\x00\xff — 谢谢") }, webhook.Result{Status: 200, Answer: "thanks ·[31m·· — 谢谢"}},
		"204": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, webhook.Result{Status: 204}},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, webhook.Result{Status: 307, Failure: webhook.Redirected}},
		"404":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, webhook.Result{Status: 404, Failure: webhook.Status}},
		"500":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, webhook.Result{Status: 500, Failure: webhook.Status}},
		"410":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, webhook.Result{Status: 410, Failure: webhook.Status}},
		"much":        {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 1<<20)) }, webhook.Result{Status: 200, Answer: strings.Repeat("x", 1024)}},
		"a broken":    {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, webhook.Result{Failure: webhook.Unreached}},
		"long header": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, webhook.Result{Failure: webhook.Unreached}},
	} {
		var asked atomic.Int32
		url, p := receiver(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); c.handle(w, r) })
		got := p.Post(t.Context(), url, message(), webhook.NewKeys())
		got.Took = 0
		if got.Answer = strings.TrimSpace(got.Answer); c.want.Status == 307 {
			got.Answer = ""
		}
		if got != c.want || asked.Load() != 1 {
			t.Errorf("%s: %+v after %d requests, want %+v after one", what, got, asked.Load(), c.want)
		}
		if got.Gone() != (what == "410") {
			t.Errorf("%s: gone %v", what, got.Gone())
		}
	}
}

// TestWhatIsSentIsWhatIsVerified verifies in a receiver what the poster sends, headers and all.
func TestWhatIsSentIsWhatIsVerified(t *testing.T) {
	keys, m := webhook.NewKeys(), message()
	url, p := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := webhook.Verify(keys.Secret(), r.Header, body, time.Now()); err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v: %v", r.Method, r.Header, err)
		}
	})
	if got := p.Post(t.Context(), url+"/a?b=c", m, keys); got.Failure != webhook.None {
		t.Errorf("%+v", got)
	}
}

// TestNothingIsSentIntoTheServicesNetwork has names that lead there, and listeners that must not be reached.
func TestNothingIsSentIntoTheServicesNetwork(t *testing.T) {
	var reached atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer server.Close()
	client := egress.NewClient(egress.Options{})
	p := &webhook.Poster{Client: client, Refused: egress.ErrForbidden}
	for _, url := range []string{
		server.URL, "https://localhost/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://10.0.0.1/",
		"https://169.254.169.254/latest/meta-data/", "https://[fd00::1]/", "https://[64:ff9b::7f00:1]:22/", "https://0.0.0.0/",
		strings.Replace(server.URL, "https", "http", 1), "http://127.0.0.1:1/",
	} {
		if got := p.Post(t.Context(), url, message(), webhook.NewKeys()); got.Failure != webhook.Forbidden {
			t.Errorf("%s: %+v, want %q", url, got, webhook.Forbidden)
		}
	}
	// With this machine allowed, plain http gets nowhere else, whatever a name means.
	p.Local = egress.NewClient(egress.Options{Here: true})
	for _, url := range []string{"http://10.0.0.1/", "http://169.254.169.254/", "http://0.0.0.0:80/"} {
		if got := p.Post(t.Context(), url, message(), webhook.NewKeys()); got.Failure != webhook.Forbidden {
			t.Errorf("%s: %+v, want %q", url, got, webhook.Forbidden)
		}
	}
	if got := p.Post(t.Context(), server.URL, message(), webhook.NewKeys()); got.Failure != webhook.Forbidden || reached.Load() {
		t.Errorf("https to this machine: %+v, want %q", got, webhook.Forbidden)
	}
}

func TestCertificatesAreLookedAt(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") }))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	p := &webhook.Poster{Client: egress.NewClient(egress.Options{Private: true}), Refused: egress.ErrForbidden}
	if got := p.Post(t.Context(), server.URL, message(), webhook.NewKeys()); got.Failure != webhook.Untrusted {
		t.Errorf("%+v, want %q", got, webhook.Untrusted)
	}
}

// TestAReceiverThatHangsIsGivenUp has one that says nothing, and one that never ends what it says.
func TestAReceiverThatHangsIsGivenUp(t *testing.T) {
	for _, begun := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go func() {
				buffer := make([]byte, 4096)
				for answered := false; ; {
					if _, err := far.Read(buffer); err != nil {
						return
					}
					if begun && !answered {
						answered = true
						go io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
					}
				}
			}()
			p := &webhook.Poster{Local: &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}}}
			began := time.Now()
			got := p.Post(t.Context(), "http://127.0.0.1/", message(), webhook.NewKeys())
			if got.Failure != webhook.TimedOut || time.Since(began) != webhook.AnswerLimit {
				t.Errorf("begun %v: %+v after %v, want a time-out after %v", begun, got, time.Since(began), webhook.AnswerLimit)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("whd_1", "1614265330", "v1,AAAA v1a,BBBB", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", []byte("{}"))
	f.Fuzz(func(t *testing.T, id, timestamp, signature, key string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}}
		if err := webhook.Verify(key, h, body, time.Unix(1614265330, 0)); err == nil {
			t.Errorf("%q was believed", signature)
		}
	})
}

func FuzzCheckURL(f *testing.F) {
	f.Add("https://shop.example/a?b=c")
	f.Fuzz(func(t *testing.T, url string) {
		if webhook.CheckURL(url, false) == nil && (!strings.HasPrefix(strings.ToLower(url), "https://") || strings.ContainsAny(url, "\r\n \\\x00#")) {
			t.Errorf("%q was taken", url)
		}
	})
}
