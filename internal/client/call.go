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
	out         any                                              // a pointer to decode into, or *[]byte; nil to discard
	timeout     time.Duration                                    // of one try; answerTimeout if 0
	problem     func(status int, answer []byte) (p *api.Problem) // reads another form of error; nil for the usual one
}

// do sends a call until it is answered: again after no answer, after 429 and 5xx, and while the same write is still in
// progress. Refusals are *api.Problem.
func (c *Conn) do(ctx context.Context, r call) error {
	fresh := false
	for try := 1; ; try++ {
		err := c.once(ctx, r, fresh)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ErrNoAnswer, context.Cause(ctx))
		}
		problem, refused := errors.AsType[*api.Problem](err)
		if refused && problem.Status == http.StatusUnauthorized && r.auth != nil && !fresh {
			fresh = true // a token may be over before its time: the service's keys were rotated, or its clock was set
			continue
		}
		pause, again := pauseAfter(err, try)
		if !again || try == maxTries {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNoAnswer, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// pauseAfter says whether to send again, and after how long. Half of each pause is random, so that clients that were
// cut off together do not come back together.
func pauseAfter(err error, try int) (time.Duration, bool) {
	pause := min(firstPause<<(try-1), maxPause)
	pause = pause/2 + rand.N(pause/2)
	problem, refused := errors.AsType[*api.Problem](err)
	if !refused {
		_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
		return pause, errors.Is(err, ErrNoAnswer) && !untrusted
	}
	asked := time.Duration(problem.RetryAfter) * time.Second
	passing := problem.Status == http.StatusTooManyRequests || problem.Status >= 500 || inProgress(problem)
	return max(pause, asked), passing && asked <= maxRetryAfter
}

// inProgress tells that the service is still busy with the same write.
func inProgress(p *api.Problem) bool {
	return p.Status == http.StatusConflict && strings.HasSuffix(p.Code, "in_progress")
}

// once sends a call and reads its answer.
func (c *Conn) once(ctx context.Context, r call, fresh bool) error {
	request, err := c.request(ctx, r, fresh)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.timeout, answerTimeout))
	defer cancel()
	response, err := c.http.Do(request.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	defer response.Body.Close()
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
