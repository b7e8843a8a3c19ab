package webui_test

import (
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tapline/httpapi"
)

// served are the addresses of all that a browser can be shown or load, besides the API.
func served(t *testing.T, w *world) []string {
	t.Helper()
	o := w.placed(nil)
	found := []string{
		"/pay", "/t", "/approve", "/me", "/operator", "/till", "/pay/" + o.ID, "/pay/" + o.ID + "/qr.svg", "/", "/home.css", "/docs", "/docs/docs.js",
		"/docs/docs.css", "/openapi.json", "/.well-known/jwks.json", "/healthz", "/v1/service", "/v1/payments", "/nothing",
	}
	err := fs.WalkDir(os.DirFS("files"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasSuffix(name, ".html") {
			found = append(found, "/"+name)
		}
		return err
	})
	w.must(err)
	return found
}

// get is the answer to a request, with its body.
func (w *world) get(path string) (*http.Response, string) {
	w.Helper()
	answer, err := http.Get(w.url + path)
	w.must(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	w.must(err)
	return answer, string(body)
}

func TestEveryAnswerKeepsBrowsersStrict(t *testing.T) {
	w := openWorld(t)
	secure := openSecure(t)
	always := map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		"Strict-Transport-Security": "", "Access-Control-Allow-Origin": "", "Set-Cookie": "",
	}
	for _, path := range served(t, w) {
		answer, _ := w.get(path)
		for name, want := range always {
			if strings.HasSuffix(path, "/qr.svg") && name == "Cross-Origin-Resource-Policy" {
				want = "cross-origin" // payees show it on pages of their own
			}
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		w.strict(path, answer)
		answer, _ = secure.get(path)
		if got := answer.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("%s behind TLS: Strict-Transport-Security is %q", path, got)
		}
	}
}

// strict fails where an answer's content policy lets more than it must: documents and workers have a policy for what they load,
// other files are nothing by themselves.
func (w *world) strict(path string, answer *http.Response) {
	w.Helper()
	parts := strings.Split(answer.Header.Get("Content-Security-Policy"), "; ")
	want := []string{"default-src 'none'", "frame-ancestors 'none'"}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") || strings.HasSuffix(path, "-worker.js") {
		want = append(want, "script-src 'self'", "style-src 'self'", "base-uri 'none'", "form-action 'self'", "require-trusted-types-for 'script'")
		for _, feature := range []string{"camera=(", "payment=("} {
			if got := answer.Header.Get("Permissions-Policy"); !strings.Contains(got, feature) {
				w.Errorf("%s: the permissions are %q", path, got)
			}
		}
		if got := answer.Header.Get("Cross-Origin-Opener-Policy"); got != "same-origin" {
			w.Errorf("%s: Cross-Origin-Opener-Policy is %q", path, got)
		}
	}
	for _, part := range want {
		if !slices.Contains(parts, part) {
			w.Errorf("%s: the content policy lacks %s: %q", path, part, parts)
		}
	}
	for _, part := range parts {
		if strings.Contains(part, "unsafe") || strings.Contains(part, "*") && part != "connect-src 'self' http://127.0.0.1:*" {
			w.Errorf("%s: the content policy has %s", path, part)
		}
	}
}

// openSecure is a world whose pages are at an https address, behind something that ends TLS.
func openSecure(t *testing.T) *world {
	t.Helper()
	return bareWorld(t, func(c *httpapi.Config) { c.PublicURL = "https://pay.example" })
}

// Inline scripts, styles and handlers would be refused by the content policy: none is there to begin with.
func TestDocumentsHaveNothingInline(t *testing.T) {
	w := openWorld(t)
	inline := regexp.MustCompile(`(?i)<script(?:\s+type="module")?>|<style|\son[a-z]+\s*=|\sstyle\s*=|["']javascript:|https?://`)
	documents := 0
	for _, path := range served(t, w) {
		answer, body := w.get(path)
		if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			continue
		}
		documents++
		if m := inline.FindString(body); m != "" {
			t.Errorf("%s has %q", path, m)
		}
	}
	if documents < 9 {
		t.Errorf("looked at %d documents only", documents)
	}
}
