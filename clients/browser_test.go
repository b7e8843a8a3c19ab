package clients_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"tapline/internal/testenv"
)

const (
	chromium = "/usr/bin/chromium"
	patience = 20 * time.Second
)

// tab is a page in a Chromium of its own.
type tab struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	complain []string // what the console says of errors and of the content policy
}

func openTab(t testing.TB) *tab {
	t.Helper()
	_, err := os.Stat(chromium)
	testenv.Require(t, "chromium", err == nil, "apt-get install chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("lang", "en-US"),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() { cancel(); stop() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	b := &tab{TB: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return // the tab is closed
			}
			if m.Type == chromedp.ConsoleException || strings.Contains(m.Text, "Content Security Policy") {
				b.mu.Lock()
				b.complain = append(b.complain, m.Text)
				b.mu.Unlock()
			}
		}
	}()
	b.size(1280, 800)
	return b
}

// complaints are what the console has said.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.complain
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) open(url string) { b.Helper(); b.do(chromedp.Navigate(url)) }

func (b *tab) size(width, height int64) { b.Helper(); b.do(chromedp.EmulateViewport(width, height)) }

// look has the page take itself to be on a device with a finger, or at night.
func (b *tab) look(features map[string]string) {
	b.Helper()
	var list []*emulation.MediaFeature
	for name, value := range features {
		list = append(list, &emulation.MediaFeature{Name: name, Value: value})
	}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list}); err != nil {
		b.Fatal(err)
	}
}

// evaluate runs a script in the page.
func evaluate[T any](b *tab, script string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%v in %s", err, script)
	}
	return v
}

// until waits until an expression holds, across navigations.
func (b *tab) until(expression string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression))
		switch {
		case err == nil:
			return
		case !strings.Contains(err.Error(), "context with specified id") && !strings.Contains(err.Error(), "navigated or closed"):
			b.Fatalf("never so: %s: %v\nthe page is %s\n%s", expression, err, evaluate[string](b, "location.href + document.body.outerHTML"), b.complaints())
		}
	}
}

// picture writes a picture of the page, where TAPLINE_SHOTS names a folder for them.
func (b *tab) picture(name string) {
	b.Helper()
	dir := os.Getenv("TAPLINE_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "button-"+name+".png"), picture, 0o644)
	}
	if err != nil {
		b.Errorf("screenshot: %v", err)
	}
}

// accessible has axe-core look at the page, and into the button.
func (b *tab) accessible(state string) {
	b.Helper()
	have(b.TB, "axe-core")
	axe, err := os.ReadFile(modules + "axe-core/axe.min.js")
	if err != nil {
		b.Fatal(err)
	}
	b.do(chromedp.Evaluate[chromedp.Void](string(axe)+";undefined", chromedp.EvalAsValue))
	found := evaluate[[]string](b, `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }).then(({ violations, passes }) =>
		passes.length < 3 ? ['axe-core has looked at next to nothing'] : violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html + n.failureSummary).join('; ')))`)
	for _, f := range found {
		b.Errorf("%s: %s", state, f)
	}
	b.picture(state)
}
