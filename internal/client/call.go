package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tapline/api"
)

const (
	// maxTries bounds how often one request is sent.
	maxTries = 6
	// firstPause is the longest pause before the second try; each further one doubles, up to maxPause.
	firstPause = 250 * time.Millisecond
	maxPause   = 4 * time.Second
	// maxRetryAfter is how long a pause the service may ask for. What takes longer is for the caller to decide.
	maxRetryAfter = 10 * time.Second
	// answerTimeout is how long one try may take, besides what the service was asked to wait.
	answerTimeout = 20 * time.Second
	// maxAnswer bounds an answer, in bytes: a report of many entries is the longest.
	maxAnswer = 32 << 20
)

// call is one request and where its answer goes.
type call struct {
	method      string
	path        string
	contentType string
	body        func(context.Context) ([]byte, error)            // nil for none; called for each try
	auth        func(context.Context, bool) (string, error)      // the token; told to get a new one after a 401
	key         string                                           // idempotency key, if it goes into the header
	unnamed     bool                                             // a write that has no key: it is not sent again if it may have been done
	out         any                                              // a pointer to decode into, or *[]byte; nil to discard
	timeout     time.Duration                                    // of one try; answerTimeout if 0
	problem     func(status int, answer []byte) (p *api.Problem) // reads another form of error; nil for the usual one
}

// do sends a call until it is answered: again after no answer, after 429 and 5xx, and while the same write is still in
// progress. Refusals are *api.Problem. Without an answer it is ErrNotSent if no try was sent, else ErrNoAnswer.
func (c *Conn) do(ctx context.Context, r call) error {
	fresh, sent := false, false
	for try := 1; ; try++ {
		request, err := c.request(ctx, r, fresh)
		prepared := err == nil // if not, what it needs was asked for often enough
		if prepared {
			var now bool
			if now, err = c.once(request, r); err == nil {
				return nil
			}
			sent = sent || now
		}
		if ctx.Err() != nil {
			return unanswered(sent, context.Cause(ctx))
		}
		problem, refused := errors.AsType[*api.Problem](err)
		if refused && problem.Status == http.StatusUnauthorized && r.auth != nil && !fresh {
			fresh = true // a token may be over before its time: the service's keys were rotated, or its clock was set
			continue
		}
		pause, again := pauseAfter(err, try)
		if r.unnamed && sent {
			again = again && refused && (problem.Status == http.StatusTooManyRequests || errors.Is(problem, api.CodeBusy))
		}
		if !again || !prepared || try == maxTries {
			return overall(sent, err)
		}
		select {
		case <-ctx.Done():
			return unanswered(sent, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// unanswered is why a call has no answer.
func unanswered(sent bool, err error) error {
	if sent {
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return fmt.Errorf("%w: %w", ErrNotSent, err)
}

// overall is the last try's error, made true of all tries.
func overall(sent bool, err error) error {
	if sent && errors.Is(err, ErrNotSent) || !sent && errors.Is(err, ErrNoAnswer) {
		return unanswered(sent, errors.New(err.Error()))
	}
	return err
}

// untrusted tells that the service's certificate is not good.
func untrusted(err error) bool {
	_, bad := errors.AsType[*tls.CertificateVerificationError](err)
	return bad
}

// unsent tells that a request cannot have left: there was no connection for it.
func unsent(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && (failed.Op == "dial" || failed.Op == "proxyconnect") || untrusted(err)
}

// pauseAfter says whether to send again, and after how long. Half of each pause is random, so that clients that were
// cut off together do not come back together.
func pauseAfter(err error, try int) (time.Duration, bool) {
	pause := min(firstPause<<(try-1), maxPause)
	pause = pause/2 + rand.N(pause/2)
	problem, refused := errors.AsType[*api.Problem](err)
	if !refused {
		return pause, (errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrNotSent)) && !untrusted(err)
	}
	asked := time.Duration(problem.RetryAfter) * time.Second
	passing := problem.Status == http.StatusTooManyRequests || problem.Status >= 500 || inProgress(problem)
	return max(pause, asked+rand.N(firstPause)), passing && asked <= maxRetryAfter
}

// inProgress tells that the service is still busy with the same write.
func inProgress(p *api.Problem) bool {
	return p.Status == http.StatusConflict && strings.HasSuffix(p.Code, "in_progress")
}

// once sends a call and reads its answer. sent tells that the service may have got it.
func (c *Conn) once(request *http.Request, r call) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(request.Context(), cmp.Or(r.timeout, answerTimeout))
	defer cancel()
	response, err := c.http.Do(request.WithContext(ctx))
	if err != nil {
		return !unsent(err), unanswered(!unsent(err), err)
	}
	defer response.Body.Close()
	return true, read(response, r)
}

// read reads the answer to a call.
func read(response *http.Response, r call) error {
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	case len(answer) > maxAnswer:
		return fmt.Errorf("%w: longer than %d bytes", ErrAnswer, maxAnswer)
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return fmt.Errorf("%w (status %d)", ErrRedirect, response.StatusCode)
	case response.StatusCode >= 400:
		return refusal(response, answer, r.problem)
	}
	if response.StatusCode == http.StatusNoContent {
		return nil
	}
	return decode(answer, r.out)
}

func (c *Conn) request(ctx context.Context, r call, fresh bool) (*http.Request, error) {
	var body []byte
	var err error
	if r.body != nil {
		if body, err = r.body(ctx); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, r.method, c.sendTo+r.path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, "+api.ContentProblem)
	if r.contentType != "" {
		request.Header.Set("Content-Type", r.contentType)
	}
	if r.key != "" {
		request.Header.Set(api.IdempotencyHeader, r.key)
	}
	if r.auth != nil {
		token, err := r.auth(ctx, fresh)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request, nil
}

// refusal reads an error answer. One that is not the service's own, such as a proxy's page, tells nothing about what
// became of the request.
func refusal(response *http.Response, answer []byte, other func(int, []byte) *api.Problem) error {
	retryAfter, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	if other != nil {
		if p := other(response.StatusCode, answer); p != nil {
			p.RetryAfter = cmp.Or(p.RetryAfter, retryAfter)
			return p
		}
	}
	var p api.Problem
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if kind == api.ContentProblem && json.Unmarshal(answer, &p) == nil && p.Code != "" {
		p.Status = response.StatusCode
		p.RetryAfter = cmp.Or(p.RetryAfter, retryAfter)
		return &p
	}
	p = api.Problem{
		Title: http.StatusText(response.StatusCode), Status: response.StatusCode, Code: "unexpected_answer",
		RetryAfter: retryAfter,
	}
	if response.StatusCode >= 500 {
		return fmt.Errorf("%w: %w", ErrNoAnswer, &p)
	}
	return &p
}

func decode(answer []byte, out any) error {
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = answer
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return ErrAnswer // not what json says: it may repeat a secret
	}
	return nil
}
