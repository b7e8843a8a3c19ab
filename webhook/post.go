package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// AnswerLimit is how long a receiver may take to answer, and AnswerBytes how much of what it says is kept.
const (
	AnswerLimit = 15 * time.Second
	AnswerBytes = 1024
)

// Failure is why a message was not taken. It says no more than a payee may know of the network that the service is in.
type Failure string

// Failures. None means that the receiver took the message.
const (
	None       Failure = ""
	Status     Failure = "status"      // the receiver answered something else than 2xx
	Redirected Failure = "redirect"    // 3xx: redirects are never followed
	TimedOut   Failure = "timeout"     // there was no answer in time
	Unreached  Failure = "connection"  // there is no such name, nobody listens, or the connection broke
	Untrusted  Failure = "certificate" // the certificate is not good for the name
	Forbidden  Failure = "address"     // the name leads to an address that is not a public host's
)

// Failures lists every failure.
var Failures = []Failure{Status, Redirected, TimedOut, Unreached, Untrusted, Forbidden}

// Result is what became of a message that was sent.
type Result struct {
	Failure Failure
	Status  int    // of the answer; 0 if there was none
	Answer  string // the beginning of it, made fit to be shown
	Took    time.Duration
}

// Gone reports that the receiver wants no more messages at this address (410, as Standard Webhooks has it).
func (r Result) Gone() bool { return r.Status == http.StatusGone }

// Poster sends messages.
type Poster struct {
	Client *http.Client // follows no redirects; internal/egress has one that reaches public hosts only
	Local  *http.Client // for plain http addresses of this machine; nil if there are none
	// Refused recognises the error of a client for an address that it may not connect to.
	Refused error
}

// Post sends a message once. It always comes to a result.
func (p *Poster) Post(ctx context.Context, url string, m Message, keys ...Keys) Result {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, AnswerLimit)
	defer cancel()
	r := p.post(ctx, url, m, keys)
	r.Took = time.Since(began)
	return r
}

func (p *Poster) post(ctx context.Context, url string, m Message, keys []Keys) Result {
	client := p.Client
	if strings.HasPrefix(url, "http:") {
		if client = p.Local; client == nil {
			return Result{Failure: Forbidden} // it was added to another configuration of the service
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(m.Body))
	if err != nil {
		return Result{Failure: Forbidden}
	}
	header, err := m.Header(keys...)
	if err != nil {
		return Result{Failure: Unreached}
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "tapline-webhooks/1")
	response, err := client.Do(request)
	if err != nil {
		return Result{Failure: p.failure(err)}
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, AnswerBytes))
	r := Result{Status: response.StatusCode, Answer: Shown(said)}
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		r.Failure = Redirected
	case response.StatusCode < 200 || response.StatusCode >= 400:
		r.Failure = Status
	case err != nil && ctx.Err() != nil:
		r.Failure = TimedOut // a receiver that has not finished its answer may not have finished its work
	}
	return r
}

// failure is the kind of an error. The error itself could tell what is in the service's network.
func (p *Poster) failure(err error) Failure {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case p.Refused != nil && errors.Is(err, p.Refused):
		return Forbidden
	case untrusted:
		return Untrusted
	case isNet && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	}
	return Unreached
}

// Shown makes what a stranger said fit to be kept and shown: valid UTF-8 on one line, without control characters.
func Shown(said []byte) string {
	text := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\u00b7'
		}
		return r
	}, strings.ToValidUTF8(string(said), "\u00b7"))
	return strings.TrimSpace(text)
}
