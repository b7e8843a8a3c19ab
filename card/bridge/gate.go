package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// route is an operation: its one method, and what does it.
type route struct {
	method string
	serve  func(*Bridge, http.ResponseWriter, *http.Request, string)
}

var routes = map[string]route{
	"/v1/tap":    {http.MethodPost, (*Bridge).serveTap},
	"/v1/reader": {http.MethodGet, (*Bridge).serveReader},
}

// ServeHTTP answers one request. It asks first by which name it was reached, then which page asks, then for the token;
// nothing is told to who fails.
func (b *Bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// For the body, whoever reads it: the server itself does after a refusal. Not every ResponseWriter has deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyLimit))
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Add("Vary", "Origin")
	header.Add("Vary", "Access-Control-Request-Private-Network")
	if !slices.Contains(b.hosts, r.Host) {
		// A name that somebody makes point to this machine (DNS rebinding): the page is its own origin then.
		b.notice("A request under another name than this computer's was refused.")
		fail(w, http.StatusMisdirectedRequest, "wrong_host", "reach this reader at 127.0.0.1")
		return
	}
	origin, ok := b.origin(r)
	if !ok {
		b.notice("A request from %s was refused: it is not from an origin that was named.", described(r))
		fail(w, http.StatusForbidden, "wrong_origin", "pages of this origin may not use this reader")
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	at, found := routes[r.URL.Path]
	if !found {
		fail(w, http.StatusNotFound, "not_found", "there is no such operation")
		return
	}
	if r.Method == http.MethodOptions {
		preflight(w, r, at)
		return
	}
	if r.Method != at.method {
		header.Set("Allow", at.method+", "+http.MethodOptions)
		fail(w, http.StatusMethodNotAllowed, "method_not_allowed", "this operation takes "+at.method)
		return
	}
	if b.authorized(w, r, origin) {
		at.serve(b, w, r, origin)
	}
}

// origin is that of the page that asks. Browsers send it with every request that a page makes to another origin; a page
// cannot change it (Fetch §3.2). Equal is equal: no case folding, no suffixes, no "null".
func (b *Bridge) origin(r *http.Request) (string, bool) {
	sent := r.Header["Origin"]
	if len(sent) != 1 || !slices.Contains(b.Origins, sent[0]) {
		return "", false
	}
	return sent[0], true
}

// described names who asks, for people.
func described(r *http.Request) string {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return "no page"
	case len(origin) > 100:
		return "an origin with a very long name"
	case strings.ContainsFunc(origin, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "no page" // browsers send none such, and it could speak to the terminal
	}
	return origin
}

// preflight tells the browser what the page may ask (Fetch §4.8), and that this machine agrees to be reached from a
// public page (WICG Private Network Access §3.1, which browsers replace by asking the person).
func preflight(w http.ResponseWriter, r *http.Request, at route) {
	header := w.Header()
	header.Set("Access-Control-Allow-Methods", at.method)
	header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	header.Set("Access-Control-Max-Age", "600")
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		header.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

// authorized looks for the token, and answers if it is not there.
func (b *Bridge) authorized(w http.ResponseWriter, r *http.Request, origin string) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		w.Header().Set("WWW-Authenticate", "Bearer")
		fail(w, http.StatusUnauthorized, "token_required", "this reader needs the token that tapline shows")
		return false
	}
	right, pause := b.guesses.try(token, b.Token, time.Now())
	switch {
	case pause > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(pause/time.Second)+1))
		fail(w, http.StatusTooManyRequests, "too_many_tokens", "too many wrong tokens; wait")
	case !right:
		b.notice("A page of %s showed a wrong token.", origin)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		fail(w, http.StatusUnauthorized, "wrong_token", "that is not the token that tapline shows")
	}
	return right
}

// guesses pauses ever longer after wrong tokens.
type guesses struct {
	mu    sync.Mutex
	wrong int
	until time.Time
}

const (
	freeGuesses = 5
	longPause   = time.Minute
)

// try compares a token in constant time. While it pauses no token is right, or a pause would not slow a search.
func (g *guesses) try(given, want string, now time.Time) (right bool, pause time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.until) {
		return false, g.until.Sub(now)
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want)) // of one length, whatever was given
	if subtle.ConstantTimeCompare(a[:], b[:]) == 1 && want != "" {
		g.wrong = 0
		return true, 0
	}
	g.wrong++
	if over := g.wrong - freeGuesses; over >= 0 {
		g.until = now.Add(min(longPause, time.Second<<min(over, 6)))
	}
	return false, 0
}

// voice tells things one at a time, and keeps those who are refused from flooding the terminal.
type voice struct {
	mu   sync.Mutex
	next time.Time // of a refusal
	last string
}

// say tells something, unless it is what was told last.
func (b *Bridge) say(format string, args ...any) {
	b.voice.mu.Lock()
	defer b.voice.mu.Unlock()
	if text := fmt.Sprintf(format, args...); text != b.voice.last {
		b.voice.last = text
		b.Say(text)
	}
}

// notice tells of a refusal, once in ten seconds.
func (b *Bridge) notice(format string, args ...any) {
	b.voice.mu.Lock()
	defer b.voice.mu.Unlock()
	if now := time.Now(); !now.Before(b.voice.next) {
		b.voice.next = now.Add(10 * time.Second)
		b.Say(fmt.Sprintf(format, args...))
	}
}
