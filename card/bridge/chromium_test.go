package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapline/internal/testenv"
)

// example is the script of docs/reader.md.
func example(t *testing.T) string {
	t.Helper()
	document, err := os.ReadFile("../../docs/reader.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(document), "```js\n")
	script, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatal("docs/reader.md has no example")
	}
	return script
}

// site is a web site whose pages run a script and report what became of it.
type site struct {
	*httptest.Server
	reports chan map[string]any
}

// newSite serves a page at any path, with a module script that may import ./reader.js.
func newSite(t *testing.T, script string) site {
	t.Helper()
	s := site{reports: make(chan map[string]any, 8)}
	library := example(t)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/reader.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, library)
		case "/report":
			var report map[string]any
			raw, err := io.ReadAll(r.Body)
			if err == nil {
				err = json.Unmarshal(raw, &report)
			}
			if err != nil {
				t.Errorf("report: %v", err)
			}
			s.reports <- report
		case "/":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<!doctype html><meta charset=utf-8><title>Shop</title><script type=module>\n"+
				"const report = (what) => fetch('/report', {method: 'POST', body: JSON.stringify(what)});\n%s</script>", script)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// profile is a folder for Chromium in which the person has agreed that pages of an origin reach this computer, if one is
// given.
func profile(t *testing.T, origin string) string {
	t.Helper()
	folder := t.TempDir()
	if origin == "" {
		return folder
	}
	preferences := `{"profile":{"content_settings":{"exceptions":{"loopback_network":{"` + origin + `,*":{"setting":1}}}}}}`
	err := os.Mkdir(filepath.Join(folder, "Default"), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "Default", "Preferences"), []byte(preferences), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// browse opens an address in Chromium until the test ends.
func browse(t *testing.T, profile, address string, flags ...string) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	testenv.Require(t, "chromium", err == nil, "chromium is not installed; try: apt-get install chromium")
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, path, append(append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + profile,
		"--remote-debugging-port=0", // or it ends when it has loaded the page
	}, flags...), address)...)
	ownGroup(command)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
	})
}

// report waits for what a page of the site has to say.
func (s site) report(t *testing.T) map[string]any {
	t.Helper()
	select {
	case report := <-s.reports:
		return report
	case <-time.After(time.Minute):
		t.Fatal("the page reports nothing")
		return nil
	}
}

// honest waits for a tap as docs/reader.md shows.
const honest = `
import { takeCode, waitForTap } from './reader.js';
try {
  const code = takeCode();
  report({ tap: await waitForTap(code), address: location.href });
} catch (e) {
  report({ error: String(e) });
}
`

// hostile tries what a page can, with the code that it somehow got.
const hostile = `
import { takeCode, waitForTap } from './reader.js';
const code = takeCode(), [port, token] = code.split('.'), here = 'http://127.0.0.1:' + port + '/v1/tap';
const tried = {};
const attempt = async (name, does) => { try { tried[name] = await does(); } catch (e) { tried[name] = e.name; } };
await attempt('as the document says', async () => (await waitForTap(code)).last4);
await attempt('without asking', async () => {
  const r = await fetch(here, { method: 'POST', mode: 'no-cors', headers: { 'Content-Type': 'text/plain' }, body: '{}' });
  return r.type + ' ' + await r.text();
});
await attempt('by a name of its own', async () => {
  const r = await fetch('http://evil.example:' + port + '/v1/tap', { method: 'POST', headers: { 'Authorization': 'Bearer ' + token, 'Content-Type': 'application/json' }, body: '{}' });
  return r.status;
});
await attempt('as a beacon', async () => navigator.sendBeacon(here, new Blob(['{}'], { type: 'application/json' })) && '');
await attempt('as an image', () => new Promise((resolve) => {
  const image = new Image();
  image.onload = () => resolve('loaded');
  image.onerror = () => resolve('error');
  image.src = here;
}));
await attempt('as a form', () => new Promise((resolve) => {
  document.body.insertAdjacentHTML('beforeend', '<iframe name=f></iframe><form method=post enctype=text/plain target=f action="' + here + '"><input name="{}" value=""></form>');
  const frame = document.querySelector('iframe');
  frame.onload = () => { try { resolve(frame.contentDocument.body.textContent); } catch (e) { resolve(e.name); } };
  document.querySelector('form').submit();
}));
report(tried);
`

func TestInChromiumThePageOfTheNamedOriginGetsTheTapAndOthersNothing(t *testing.T) {
	shopping, evil := newSite(t, honest), newSite(t, hostile)
	d, url, _ := listen(t, shopping.URL)
	fragment := "/#reader=" + strings.TrimPrefix(url, "http://127.0.0.1:") + "." + d.Token

	browse(t, profile(t, ""), evil.URL+fragment, "--host-resolver-rules=MAP evil.example 127.0.0.1")
	for name, got := range evil.report(t) {
		if got := fmt.Sprint(got); strings.Contains(got, "0005") || got == "200" || got == "loaded" {
			t.Errorf("a page of another origin, %s: got %q", name, got)
		} else {
			t.Logf("a page of another origin, %s: %q", name, got)
		}
	}
	if n := d.waits(); n != 0 {
		t.Errorf("pages of another origin made the reader wait %d times", n)
	}

	browse(t, profile(t, ""), shopping.URL+fragment)
	d.tapFor(t, shopping)
	report := shopping.report(t)
	if tap, _ := report["tap"].(map[string]any); tap == nil || tap["last4"] != "0005" || report["address"] != shopping.URL+"/" {
		t.Errorf("the page of the named origin: got %v, want the tap, and no code in its address", report)
	}
}

// tapFor taps the virtual card for a page of a site that waits.
func (d desk) tapFor(t *testing.T, s site) {
	t.Helper()
	select {
	case d.taps <- virtual:
	case report := <-s.reports:
		t.Fatalf("the page of the named origin: %v", report)
	case <-time.After(time.Minute):
		t.Fatal("the page of the named origin does not wait for a tap")
	}
}

// Chromium takes the site for one of the public Internet; nothing leaves this machine.
func TestInChromiumAPublicPageNeedsThePersonsPermissionToo(t *testing.T) {
	s := newSite(t, honest)
	d, url, _ := listen(t, s.URL)
	address := s.URL + "/#reader=" + strings.TrimPrefix(url, "http://127.0.0.1:") + "." + d.Token
	public := "--ip-address-space-overrides=" + strings.TrimPrefix(s.URL, "http://") + "=public"

	browse(t, profile(t, ""), address, public) // without a window there is nobody to agree
	if report := s.report(t); report["error"] != "TypeError: Failed to fetch" || d.waits() != 0 {
		t.Errorf("without permission: got %v, %d waits, want none", report, d.waits())
	}
	browse(t, profile(t, s.URL), address, public)
	d.tapFor(t, s)
	if tap, _ := s.report(t)["tap"].(map[string]any); tap == nil || tap["last4"] != "0005" {
		t.Errorf("with permission: got %v, want the tap", tap)
	}
}
