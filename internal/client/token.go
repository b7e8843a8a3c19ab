package client

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
)

// renewBefore is how long before its end a token is replaced. It is longer than a try may take.
const renewBefore = 60 * time.Second

// bearer is a token that will be good for the next try. Goroutines that need a new one at the same time get one.
func (c *Conn) bearer(ctx context.Context, fresh bool) (string, error) {
	c.tokenLock.Lock()
	defer c.tokenLock.Unlock()
	if c.token != "" && !fresh && c.now().Before(c.tokenUntil) {
		return c.token, nil
	}
	if c.key == nil {
		return "", ErrNoKey
	}
	var token api.Token
	asked := c.now()
	err := c.do(ctx, call{
		method: http.MethodPost, path: "/v1/token", contentType: "application/x-www-form-urlencoded",
		body: c.assertion, out: &token, problem: tokenProblem,
	})
	if err != nil {
		return "", err
	}
	if token.AccessToken == "" || !strings.EqualFold(token.TokenType, "Bearer") {
		return "", ErrAnswer
	}
	life := time.Duration(token.ExpiresIn) * time.Second
	c.token, c.tokenUntil = token.AccessToken, asked.Add(max(life-renewBefore, life/2))
	return c.token, nil
}

// assertion is the form of RFC 7523 §2.2. Each try has an assertion of its own: the service takes each once.
func (c *Conn) assertion(ctx context.Context) ([]byte, error) {
	service, err := c.Service(ctx)
	if err != nil {
		return nil, err
	}
	signed, err := consent.Sign(c.key, consent.TypAssertion,
		consent.NewTokenAssertion(c.key.ID(), service.Audience, c.now()))
	if err != nil {
		return nil, err
	}
	return []byte(url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {signed},
	}.Encode()), nil
}

// tokenProblem reads OAuth's form of errors (RFC 6749 §5.2), nil if it is none.
func tokenProblem(status int, answer []byte) *api.Problem {
	var e api.TokenError
	if json.Unmarshal(answer, &e) != nil || e.Code == "" {
		return nil
	}
	return &api.Problem{Title: cmp.Or(e.Description, "no token"), Status: status, Code: e.Code}
}
