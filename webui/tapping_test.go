package webui_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	cdbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"tapline/card/bridge"
	"tapline/consent"
)

// drag moves the mouse from the middle of one element to that of another, plus some pixels to the right, with a button down.
func (p *person) drag(from, to string, right float64) {
	p.Helper()
	middle := func(of string) []float64 {
		return eval[[]float64](p, `(() => { const r = document.querySelector('`+of+`').getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`)
	}
	a, b := middle(from), middle(to)
	for _, m := range []input.DispatchMouseEventParams{
		{Type: input.DispatchMouseEventTypeMouseMoved, X: a[0], Y: a[1]},
		{Type: input.DispatchMouseEventTypeMousePressed, X: a[0], Y: a[1], Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1},
		{Type: input.DispatchMouseEventTypeMouseMoved, X: (a[0] + b[0]) / 2, Y: (a[1] + b[1]) / 2, Button: input.MouseButtonLeft, Buttons: 1},
		{Type: input.DispatchMouseEventTypeMouseMoved, X: b[0] + right, Y: b[1], Button: input.MouseButtonLeft, Buttons: 1},
		{Type: input.DispatchMouseEventTypeMouseReleased, X: b[0] + right, Y: b[1], Button: input.MouseButtonLeft, ClickCount: 1},
	} {
		if _, err := chromedp.Call(p.ctx, input.DispatchMouseEvent, m); err != nil {
			p.Fatal(err)
		}
	}
}

func TestDemoCardIsDraggedOrPressed(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	p.open(w.url + order)
	p.see("Drag the card to the circle")
	p.drag("button.card", ".tapping", 120)
	p.see("Tap your card") // dropped beside the circle
	eval[bool](p, `new Promise((done) => setTimeout(() => done(true), 300))`)
	if text := p.text(); !strings.Contains(text, "Tap your card") {
		t.Fatalf("a card that was dropped elsewhere is a tap:\n%s", text)
	}
	p.drag("button.card", ".tapping", 10)
	p.see("Check before you send")
	p.press("Tap another card")
	p.see("Tap your card")
	p.do(chromedp.Focus("button.card"), chromedp.KeyEvent("\r"))
	p.see("Check before you send")
	p.press("Tap another card")
	p.press("City card")
	p.see("Check before you send")
}

// A receipt is what anybody verifies with the service's published keys: what the page saves, and not what somebody changed.
func TestReceiptIsVerifiedInThePageAndSaved(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	w.activate(p)
	p.send(w.url)
	p.enter(pin)
	p.press("Pay CN¥12.50")
	p.press("Show receipt")
	p.see("the signature was verified on this device")
	dir := t.TempDir()
	_, err := chromedp.Call(p.ctx, cdbrowser.SetDownloadBehavior, cdbrowser.SetDownloadBehaviorParams{
		Behavior: cdbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir,
		BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID,
	})
	w.must(err)
	p.press("Download receipt")
	id := eval[string](p, `document.querySelector('.receipt code').textContent`)
	saved := waitForFile(t, filepath.Join(dir, id+".jws"))
	response, err := http.Get(w.url + "/.well-known/jwks.json")
	w.must(err)
	defer response.Body.Close()
	keys, err := io.ReadAll(response.Body)
	w.must(err)
	said, err := consent.VerifyReceipt(keys, saved)
	w.must(err)
	if string(said.Payment) != id || said.Amount != cny(12_50) {
		t.Errorf("saved is the receipt of %s over %v, want %s", said.Payment, said.Amount, id)
	}
	_, err = chromedp.Call(p.ctx, network.Enable, network.EnableParams{})
	w.must(err)
	_, err = chromedp.Call(p.ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	w.must(err)
	other := strings.Split(saved, ".")[1]
	for what, change := range map[string]func(string) string{
		"/v1/payments/" + id + "/receipt": func(text string) string {
			return strings.Replace(text, other[40:60], other[41:60]+"A", 1)
		},
		"/.well-known/jwks.json": func(text string) string { return regexp.MustCompile(`"x":"...`).ReplaceAllString(text, `"x":"AAA`) },
	} {
		w.replace(what, change)
		p.do(chromedp.Reload())
		p.press("Show receipt")
		p.see("This receipt’s signature does not fit.")
		if text := p.text(); strings.Contains(text, "was verified") {
			t.Errorf("with another %s:\n%s", what, text)
		}
	}
}

// waitForFile is what a browser saves, without white space around it.
func waitForFile(t *testing.T, path string) string {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		text, err := os.ReadFile(path)
		switch {
		case err == nil && len(text) > 0:
			return strings.TrimSpace(string(text))
		case time.Now().After(end):
			t.Fatalf("nothing was saved: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// desk is a reader on which the world's card lies.
type desk struct{ w *world }

func (d desk) Tap(context.Context, bridge.Request) (bridge.Tap, error) {
	return bridge.Tap{Assurance: "authentic", Tap: consent.Tap{SUN: consent.SUNMessage(d.w.tap())}}, nil
}

func (d desk) Readers(context.Context) ([]bridge.Status, error) { return nil, nil }

func TestReaderOnTheDeskReadsTheCard(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	w.activate(p)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	token := bridge.NewToken()
	reader, err := bridge.New(bridge.Config{
		Origins: []string{w.url}, Address: listener.Addr().String(), Token: token, Version: "test", Reader: desk{w}, Say: func(string) {},
	})
	w.must(err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- reader.Serve(ctx, listener) }()
	t.Cleanup(func() { stop(); <-ended })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	w.must(err)
	p.open(w.url + order)
	p.press("Use a card reader on this computer")
	p.fill("Reader code", "nonsense")
	p.press("Use this reader")
	p.see("That is not a reader code.")
	p.do(chromedp.SetValue("main input", port+"."+token))
	p.press("Use this reader")
	p.see("Check before you send")
	p.press("Send")
	p.see("Enter the card’s PIN")
	p.enter(pin)
	p.press("Pay CN¥12.50")
	p.see("Paid")
	if kept := eval[string](p, `JSON.stringify(localStorage)`); strings.Contains(kept, token) {
		t.Error("the reader's token outlives the tab")
	}
}
