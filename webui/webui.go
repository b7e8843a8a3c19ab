// Package webui is the pages for people: plain HTML, CSS and ES modules, embedded as they are, which use nothing but the
// public API. Start reading at files/pay.js; what all pages share is in files/ui.
package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
)

//go:embed files
var files embed.FS

// pages are the addresses that show a page, and its file. A card's own address (/t) opens the payer's page.
var pages = map[string]string{
	"/pay": "pay.html", "/t": "pay.html", "/approve": "approve.html",
	"/me": "me.html", "/operator": "operator.html", "/pay/{order}": "pay.html", "/till": "till.html",
}

// policy lets a page load from here only, be in nobody's frame, and talk to this service and to a reader on the same
// computer (docs/reader.md). No text becomes markup or script, even by mistake (Trusted Types): the one thing let through is the
// address of the approve page's worker.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; manifest-src 'self'; worker-src 'self'; " +
	"connect-src 'self' http://127.0.0.1:*; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types tapline-worker"

// part is the policy of what is no page: opened by itself it may do nothing.
const part = "default-src 'none'; frame-ancestors 'none'"

// file is one file as it is served.
type file struct {
	kind string
	page bool   // or a worker, which has a policy of its own
	tag  string // strong entity tag, RFC 9110 §8.8.3
	text []byte
	zip  []byte // nil where it saves nothing
}

// Handle adds the pages to a mux.
func Handle(mux *http.ServeMux) {
	served := load()
	for name, f := range served {
		if !strings.HasSuffix(name, ".html") && !strings.HasPrefix(name, demo) {
			mux.Handle("GET /"+name, f)
		}
	}
	for address, name := range pages {
		mux.Handle("GET "+address, served[name])
	}
}

// demo begins the names of what only a demo shows.
const demo = "demo/"

// HandleDemo adds the page that leads through a demo at /demo. It reads GET /demo/guide, which the demo serves.
func HandleDemo(mux *http.ServeMux) {
	served := load()
	for name, f := range served {
		if strings.HasPrefix(name, demo) && !strings.HasSuffix(name, ".html") {
			mux.Handle("GET /"+name, f)
		}
	}
	mux.Handle("GET /demo", served[demo+"demo.html"])
}

// load reads the embedded files.
func load() map[string]file {
	served := map[string]file{}
	err := fs.WalkDir(files, "files", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		name = strings.TrimPrefix(name, "files/")
		if dir, language := path.Split(name); dir == "words/" {
			served[dir+"staff/"+language] = newFile(name, text)
			text = staffWords.ReplaceAll(text, []byte("\n"))
		}
		served[name] = newFile(name, text)
		return err
	})
	if err != nil {
		panic(err) // they are embedded
	}
	return served
}

// staffWords are lines of a catalogue that only operators and payees see, which is a third of it. Other pages are served the
// catalogue without them.
var staffWords = regexp.MustCompile(`(?m)^  "(?:(?:op|till|demo|signin)\.|problem\.(?:` + staffProblems + `)")[^\n]*\n`)

// staffProblems are codes of problems that only operations of operators and payees answer with.
const staffProblems = `(?:unknown_|no_)?(?:payout|bank)\w*|nothing_ready|day_\w+|(?:unknown_|too_many_)?webhook_\w+|unknown_(?:head|fee|operator|top_up|api_key)|` +
	`operator_\w+|second_operator|already_enrolled|top_up_over|not_refundable|refund_exceeds|payee_balance|card_not_closed|account_not_empty|` +
	`payment_open|no_erasure|too_many_(?:notes|api_keys|order_templates)|api_key_over|report_too_long|order_template_terms|(?:payee|card)_exists|order_sum|missing_scope|` +
	`unknown_account|too_large|account_balance|clock_back`

// uncommented is a script without the lines that are comments only, which are for those who read files. Lines keep their
// numbers.
func uncommented(script []byte) []byte {
	var out bytes.Buffer
	inside := false
	for line := range bytes.Lines(script) {
		rest := bytes.TrimSpace(line)
		inside = inside || bytes.HasPrefix(rest, []byte("/**"))
		if inside {
			var over bool
			_, rest, over = bytes.Cut(rest, []byte("*/"))
			inside = !over
		} else if !bytes.HasPrefix(rest, []byte("//")) {
			out.Write(line)
			continue
		}
		if bytes.HasPrefix(rest, []byte("//")) {
			rest = nil
		}
		out.Write(append(bytes.TrimSpace(rest), '\n'))
	}
	return out.Bytes()
}

func newFile(name string, text []byte) file {
	if path.Ext(name) == ".js" {
		text = uncommented(text)
	}
	sum := sha256.Sum256(text)
	f := file{kind: mime.TypeByExtension(path.Ext(name)), tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, text: text}
	f.page = strings.HasSuffix(name, ".html") || strings.HasSuffix(name, "-worker.js")
	switch path.Ext(name) {
	case ".js":
		f.kind = "text/javascript; charset=utf-8"
	case ".webmanifest":
		f.kind = "application/manifest+json"
	}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil && zipped.Len() < len(text) {
		f.zip = zipped.Bytes()
	}
	return f
}

// ServeHTTP answers with the file. Browsers ask each time whether it has changed, so that a new release is whole at once.
func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", part)
	head.Del("Permissions-Policy")
	head.Del("Cross-Origin-Opener-Policy")
	if f.page {
		head.Set("Content-Security-Policy", policy)
		head.Set("Permissions-Policy", "payment=(self), publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(self)")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	head.Set("Cache-Control", "no-cache")
	head.Set("Vary", "Accept-Encoding")
	head.Set("Etag", f.tag)
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Type", f.kind)
	body := f.text
	if f.zip != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		head.Set("Content-Encoding", "gzip")
		body = f.zip
	}
	_, _ = w.Write(body) // the client may be gone
}
