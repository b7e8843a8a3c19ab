package webui_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"tapline/internal/testenv"
	"tapline/money"
)

const chromium = "/usr/bin/chromium"

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

// TestMain closes the Chromium that tests have shared.
func TestMain(m *testing.M) {
	code := m.Run()
	shared.close()
	os.Exit(code)
}

// shared is one Chromium for all tests that need no flags of their own: people have contexts of their own in it.
var shared struct {
	once  sync.Once
	ctx   context.Context
	err   error
	close func()
}

func init() { shared.close = func() {} }

// browser is a Chromium: the one that tests share, or with flags one for the whole test.
func browser(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	_, err := os.Stat(chromium)
	testenv.Require(t, "chromium", err == nil, "apt-get install chromium")
	if len(flags) > 0 {
		ctx, stop, err := launch(t.TempDir(), flags)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		return ctx
	}
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "tapline-webui")
		if err != nil {
			shared.err = err
			return
		}
		var stop func()
		shared.ctx, stop, shared.err = launch(dir, nil)
		shared.close = func() { stop(); _ = os.RemoveAll(dir) }
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ctx
}

// launch starts a Chromium that keeps its files in a folder.
func launch(dir string, flags []chromedp.ExecAllocatorOption) (context.Context, func(), error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(dir),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("lang", "en-US"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	ctx, cancel := chromedp.NewContext(allocator)
	end := func() { cancel(); stop() }
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return ctx, end, nil
}

// person is somebody at a browser of their own: other people's keys and storage are not theirs.
type person struct {
	*testing.T
	ctx    context.Context
	name   string
	blames func(text string) bool // which complaints in the console are failures; all, if it is nil
}

// newPerson opens a tab in a browser context of its own, as wide as a phone.
func newPerson(t *testing.T, in context.Context, name string) *person {
	t.Helper()
	tab, cancel := chromedp.NewContext(in, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(tab); err != nil { // opens the tab, which lives as long as this context
		t.Fatal(err)
	}
	p := &person{T: t, ctx: tab, name: name}
	p.do(chromedp.EmulateViewport(375, 740))
	p.always(`{ const random = Math.random; Math.random = () => random() / 8; }`) // it asks again sooner
	complaints := watchConsole(tab)
	t.Cleanup(func() {
		for _, c := range complaints() {
			if p.blames == nil || p.blames(c) {
				t.Errorf("%s's console: %s", name, c)
			}
		}
		if t.Failed() && os.Getenv("TAPLINE_SHOTS") != "" {
			p.shot(filepath.Join(os.Getenv("TAPLINE_SHOTS"), strings.ReplaceAll(t.Name(), "/", "-")+"-"+name+".png"))
		}
	})
	return p
}

// always runs a script in every page before its own.
func (p *person) always(script string) {
	p.Helper()
	params := page.AddScriptToEvaluateOnNewDocumentParams{Source: script}
	if _, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, params); err != nil {
		p.Fatal(err)
	}
}

// watchConsole collects what a page complains of: errors that nobody caught, and what the content policy refused.
func watchConsole(tab context.Context) func() []string {
	var mu sync.Mutex
	var found []string
	messages := chromedp.Console(tab)
	go func() {
		for m, err := range messages {
			if err != nil {
				return // the tab is closed
			}
			if m.Type == chromedp.ConsoleException || strings.Contains(m.Text, "Content Security Policy") {
				mu.Lock()
				found = append(found, m.Text)
				mu.Unlock()
			}
		}
	}()
	return func() []string { mu.Lock(); defer mu.Unlock(); return found }
}

const patience = 15 * time.Second

func (p *person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatalf("%s: %v\nthe page shows:\n%s", p.name, err, p.text())
	}
}

// text is what the page shows.
func (p *person) text() string {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

func (p *person) open(url string) { p.Helper(); p.do(chromedp.Navigate(url)) }

// see waits until the page shows a text.
func (p *person) see(text string) {
	p.Helper()
	p.until(fmt.Sprintf("document.body.innerText.includes(%q)", text), "shows "+text)
}

// until waits until an expression holds, across reloads of the page.
func (p *person) until(expression, what string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression))
		switch {
		case err == nil:
			return
		case !strings.Contains(err.Error(), "context with specified id") && !strings.Contains(err.Error(), "navigated or closed"):
			p.Fatalf("%s: the page never %s: %v\nit shows:\n%s", p.name, what, err, p.text())
		}
	}
}

// press clicks the button or link with these words, as a person does: it must be there, and to be seen.
func (p *person) press(words string) {
	p.Helper()
	p.see(words)
	where := fmt.Sprintf("//*[self::button or self::a or self::summary][contains(normalize-space(.), %q)]", words)
	eval[bool](p, fmt.Sprintf(steady, where))
	p.do(chromedp.Click(where))
}

// steady waits until what an XPath finds stays where it is: a click goes to a place, and what is loaded meanwhile moves what is below it.
const steady = `(async path => {
  let was, same = 0
  while (same < 3) {
    const found = document.evaluate(path, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE, null).singleNodeValue
    const r = found?.getBoundingClientRect()
    const now = r ? [r.left + scrollX, r.top + scrollY, r.width, r.height].join() : ''
    same = now === was ? same + 1 : 0
    was = now
    await new Promise(done => setTimeout(done, 20))
  }
  return true
})(%q)`

// enter types a PIN on the pad.
func (p *person) enter(pin string) {
	p.Helper()
	for _, digit := range pin {
		p.do(chromedp.Click(fmt.Sprintf("//button[@class='key'][.='%c']", digit)))
	}
	p.do(chromedp.Click(".pad button.main"))
}

// fill types into the field with a label.
func (p *person) fill(label, text string) {
	p.Helper()
	p.see(label)
	p.do(chromedp.SendKeys(fmt.Sprintf("//input[@id=//label[contains(., %q)]/@for]", label), text))
}

// shot writes a picture of the page.
func (p *person) shot(path string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(path, picture, 0o644)
	}
	if err != nil {
		p.Errorf("screenshot: %v", err)
	}
}

// eval runs a script in the page and returns what it gives.
func eval[T any](p *person, script string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", p.name, err)
	}
	return v
}

// dark shows pages as at night.
func (p *person) dark() {
	p.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	if err != nil {
		p.Fatal(err)
	}
}

// offline takes the connection of a page away, or gives it back.
func (p *person) offline(is bool) {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, network.Enable, network.EnableParams{}); err != nil {
		p.Fatal(err)
	}
	_, err := chromedp.Call(p.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	if err != nil {
		p.Fatal(err)
	}
	_, err = chromedp.Call(p.ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{
		Offline: is, DownloadThroughput: -1, UploadThroughput: -1,
	})
	if err != nil {
		p.Fatal(err)
	}
}
