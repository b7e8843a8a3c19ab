package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/card/bridge"
	"tapline/card/cardtest"
	"tapline/card/ntag"
	"tapline/card/sun"
	"tapline/consent"
)

// heard is what a command that still runs has written.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newHeard() *heard { return &heard{more: make(chan struct{}, 1)} }

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// expect waits until something was written.
func (h *heard) expect(t *testing.T, want string) {
	t.Helper()
	limit := time.After(patience)
	for !strings.Contains(h.String(), want) {
		select {
		case <-h.more:
		case <-limit:
			t.Fatalf("waited for %q, got:\n%s", want, h)
		}
	}
}

// openReader runs "tapline reader" for a shop until the test ends, and returns where it is and the token.
func openReader(t *testing.T, args ...string) (address, token string, told *heard) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, told := newHeard(), newHeard()
	a := &app{ctx: ctx, stdin: strings.NewReader(""), stdout: out, stderr: told, now: time.Now}
	ended := make(chan int, 1)
	go func() {
		ended <- run(a, append([]string{"reader", "--json", "--origin", "https://shop.example"}, args...))
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d\n%s", code, told)
		}
		if said := out.String() + told.String(); strings.Count(said, token) != 1 || strings.Contains(said, "620000000000") {
			t.Errorf("the token is shown once and numbers never, but:\n%s", said)
		}
	})
	out.expect(t, "\n")
	var opened struct{ Address, Code string }
	if err := json.Unmarshal([]byte(out.String()), &opened); err != nil {
		t.Fatal(err)
	}
	_, token, _ = strings.Cut(opened.Code, ".")
	return opened.Address, token, told
}

// fromPage is a request of the shop's page.
func fromPage(ctx context.Context, method, url, token, body string) (int, string) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("Origin", "https://shop.example")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(raw)
}

// counter is a page at a reader.
type counter struct {
	t              *testing.T
	reader         *cardtest.Reader
	address, token string
	told           *heard
}

func openCounter(t *testing.T) *counter {
	t.Helper()
	reader := startReader(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", reader.Socket())
	c := &counter{t: t, reader: reader}
	c.address, c.token, c.told = openReader(t, "--reader", "Virtual PCD 00 00")
	return c
}

// lay puts a card on the reader, in place of the one that is there.
func (c *counter) lay(card cardtest.Card) {
	c.t.Helper()
	c.reader.Remove()
	limit := time.After(patience)
	for { // pcscd notices that a card has left only when it looks
		_, body := fromPage(c.t.Context(), "GET", c.address+"/v1/reader", c.token, "")
		if strings.Contains(body, `"card":false`) {
			break
		}
		select {
		case <-limit:
			c.t.Fatalf("the card does not leave: %s", body)
		default:
		}
	}
	if err := c.reader.Insert(c.t.Context(), card); err != nil {
		c.t.Fatal(err)
	}
}

// tap waits for a tap. As pages do, it asks again while the reader is let go by another.
func (c *counter) tap(body string) (int, string) {
	for {
		code, answer := fromPage(c.t.Context(), "POST", c.address+"/v1/tap", c.token, body)
		if code != http.StatusConflict {
			return code, answer
		}
	}
}

func TestAPageGetsEachTapOnARealReaderOnce(t *testing.T) {
	c := openCounter(t)
	if code, body := fromPage(t.Context(), "GET", c.address+"/v1/reader", c.token, ""); code != 200 || !strings.Contains(body, `"readers":[{"name":"Virtual PCD 00 00","card":false}]`) {
		t.Errorf("status: %d %s", code, body)
	}

	// A page waits; it goes away while it waits, and the reader is free for the next.
	gone, leave := context.WithCancel(t.Context())
	go fromPage(gone, "POST", c.address+"/v1/tap", c.token, `{}`)
	c.told.expect(t, "A page of https://shop.example waits for a tap.")
	leave()
	c.told.expect(t, "does not wait any more")
	c.lay(&cardtest.EMV{Number: cardtest.Number("6200000000000005")})
	if code, body := c.tap(`{}`); code != 200 || !strings.Contains(body, `"tap":{"account":"6200000000000005"}`) {
		t.Errorf("first tap: %d %s", code, body)
	}
	c.told.expect(t, "A card (unionpay) was read")

	// The card that was left on the reader is not read again; the next one is.
	if code, body := c.tap(`{"wait":1}`); code != http.StatusNoContent {
		t.Errorf("card left on the reader: %d %s, want 204", code, body)
	}
	c.lay(&cardtest.EMV{Number: cardtest.Number("6200000000000047")})
	if code, body := c.tap(`{}`); code != 200 || !strings.Contains(body, "6200000000000047") {
		t.Errorf("second tap: %d %s", code, body)
	}
	c.lay(&cardtest.Storage{})
	if code, body := c.tap(`{}`); code != http.StatusUnprocessableEntity || !strings.Contains(body, "no_account") {
		t.Errorf("storage card: %d %s", code, body)
	}
}

func TestAPageGetsTheProofOfCardsThatHaveOne(t *testing.T) {
	c := openCounter(t)
	c.lay(&cardtest.EMV{Number: cardtest.Number("6200000000000005")})
	code, body := c.tap(`{"challenge":{"id":"tch_0123456789abcdefghijkl","unpredictable_number":"01020304",
		"amount_authorised":"000000001250","transaction_currency":"0156","terminal_country":"0156","expires_in":60}}`)
	var proof struct{ Tap consent.Tap }
	if err := json.Unmarshal([]byte(body), &proof); code != 200 || err != nil || proof.Tap.EMV == nil || proof.Tap.Account != "" ||
		proof.Tap.EMV.Challenge != "tch_0123456789abcdefghijkl" || len(proof.Tap.EMV.Transcript) < 3 {
		t.Errorf("tap with a challenge: %d %s, want the transcript", code, body)
	}
	c.lay(provingCard(t))
	code, body = c.tap(`{}`)
	var message struct{ Tap consent.Tap }
	if err := json.Unmarshal([]byte(body), &message); code != 200 || err != nil || message.Tap.Account != "" ||
		!strings.HasPrefix(string(message.Tap.SUN), "https://pay.example/t#e=") || message.Tap.Validate() != nil {
		t.Errorf("NTAG 424 DNA: %d %s, want its message", code, body)
	}
	if strings.Contains(c.told.String(), "e=") {
		t.Errorf("the message was shown:\n%s", c.told)
	}
}

// provingCard is a virtual NTAG 424 DNA card as it is issued.
func provingCard(t *testing.T) cardtest.Card {
	t.Helper()
	master, err := sun.NewMaster(1, bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	uid := sun.UID{0x04, 0x95, 0x8C, 0xAA, 0x5C, 0x5E, 0x80}
	c := cardtest.NewNTAG424(uid)
	tag, made, err := ntag.Open(t.Context(), c)
	if err == nil {
		_, err = tag.Personalise(t.Context(), made, ntag.Setup{
			UID: uid, Version: 1, URL: "https://pay.example/t#e=" + strings.Repeat("0", 32) + "&c=" + strings.Repeat("0", 16),
			Keys: [ntag.Keys]sun.Key{master.Application(uid), master.Meta(), master.File(uid), master.Data(uid), master.Spare(uid)},
		}, func(string) {})
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReaderCodeIsPrintedForPeople(t *testing.T) {
	var out bytes.Buffer
	b, err := bridge.New(bridge.Config{Origins: []string{"https://shop.example"}, Address: "127.0.0.1:4711", Token: "SECRET"})
	if err == nil {
		err = (&readerCmd{}).announce(&app{stdout: &out}, b)
	}
	want := "reader code   4711.SECRET\nfor pages of  https://shop.example\nor open       https://shop.example/#reader=4711.SECRET\n"
	if err != nil || out.String() != want {
		t.Errorf("got %v\n%swant\n%s", err, &out, want)
	}
}

func TestReaderIsForNamedPagesOnThisComputerOnly(t *testing.T) {
	t.Setenv("PCSCLITE_CSOCK_NAME", t.TempDir()+"/no-pcscd")
	for want, args := range map[string][]string{
		"missing flags: --origin":              {},
		"--origin null: ":                      {"--origin", "null"},
		"--origin *: ":                         {"--origin", "*"},
		"--origin http://shop.example: ":       {"--origin", "http://shop.example"},
		"--origin https://shop.example/pay: ":  {"--origin", "https://shop.example/pay"},
		"--listen 0.0.0.0:80: a reader is for": {"--origin", "https://shop.example", "--listen", "0.0.0.0:80"},
		"--listen :80: a reader is for":        {"--origin", "https://shop.example", "--listen", ":80"},
		"--listen localhost: a reader is for":  {"--origin", "https://shop.example", "--listen", "localhost"},
	} {
		if code, out, errs := runQuietly(t.Context(), append([]string{"reader"}, args...)...); code != exitUsage || !strings.Contains(errs, want) || out != "" {
			t.Errorf("%q: got %d %s%s, want %q", args, code, out, errs, want)
		}
	}
	if code, _, errs := runQuietly(t.Context(), "reader", "--origin", "https://shop.example"); code != exitFailed || !strings.Contains(errs, "is pcscd running?") {
		t.Errorf("without pcscd: %d %s", code, errs)
	}
}
