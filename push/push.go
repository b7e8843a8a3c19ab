// Package push wakes a browser that is asleep: Web Push (RFC 8030) of messages that only the browser can read (RFC 8291),
// from a sender that the push service knows by its key (VAPID, RFC 8292). The service's key stays in the keyring.
package push

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tapline/keyring"
)

// Bounds of a subscription.
const (
	MaxEndpoint = 1024 // bytes
	authBytes   = 16   // RFC 8291 §3.2
)

// Errors of this package. Their texts never name an endpoint: whoever knows one can wake the browser.
var (
	ErrSubscription = errors.New("not a subscription that can be pushed to")
	ErrTooLong      = errors.New("a push message says at most " + strconv.Itoa(MaxPayload) + " bytes")
	ErrGone         = errors.New("the push service knows the subscription no more") // RFC 8030 §7.3
	ErrRefused      = errors.New("the push service refuses the message")            // and will again
	ErrLater        = errors.New("the push service could not take the message")     // another time it may
)

// Subscription is where a browser can be woken, as it told the service (Push API §8). It is a secret of both.
type Subscription struct {
	Endpoint string // of the push service
	Key      []byte // the browser's public key, an uncompressed point on P-256
	Auth     []byte // what both know, 16 bytes
	Version  int    // of the service's push key that the browser was given
}

// Check reports ErrSubscription unless the subscription has the form of one.
func (s Subscription) Check() error {
	if _, err := s.origin(); err != nil {
		return err
	}
	if _, err := ecdh.P256().NewPublicKey(s.Key); err != nil || len(s.Key) != pointBytes || len(s.Auth) != authBytes {
		return ErrSubscription
	}
	return nil
}

// origin is that of the push service, for which a VAPID token is made.
func (s Subscription) origin() (string, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || len(s.Endpoint) > MaxEndpoint || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return "", ErrSubscription
	}
	return u.Scheme + "://" + u.Host, nil
}

// LogValue is nothing of the subscription.
func (Subscription) LogValue() slog.Value { return slog.StringValue("push subscription") }

// Urgency says when a message is worth waking a phone for (RFC 8030 §5.3).
type Urgency string

// The urgencies in use.
const (
	Normal Urgency = "normal"
	High   Urgency = "high"
)

// Message is what a browser is to be told.
type Message struct {
	Payload []byte
	TTL     time.Duration // after which it need not be told any more
	Urgency Urgency
	Topic   string // a later message of the same topic takes this one's place while it waits; at most 32 of base64url (RFC 8030 §5.4)
}

// Sender sends messages. It may be used by several goroutines.
type Sender struct {
	Keys    *keyring.Keyring
	Subject string // whom push services may ask about the sender: an https or mailto address (RFC 8292 §2.1)
	Client  *http.Client
	Now     func() time.Time
}

// padding is how long every message is made, in bytes.
const padding = 128

// Send hands a message to the subscription's push service. It returns ErrGone if the subscription is no more, ErrLater
// if the same may work another time, with a Delay if the push service asked for one, and other errors where it will not.
func (s *Sender) Send(ctx context.Context, to Subscription, m Message) error {
	body, err := to.encrypt(m.Payload, padding)
	if err != nil {
		return err
	}
	proof, err := s.authorization(to)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Endpoint, bytes.NewReader(body))
	if err != nil {
		return ErrSubscription
	}
	r.Header.Set("Authorization", proof)
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Content-Encoding", "aes128gcm")
	r.Header.Set("TTL", strconv.Itoa(max(0, int(m.TTL/time.Second))))
	r.Header.Set("Urgency", string(m.Urgency))
	r.Header.Set("Topic", m.Topic)
	answer, err := s.Client.Do(r)
	if err != nil {
		if named, ok := errors.AsType[*url.Error](err); ok {
			err = named.Err // without the address
		}
		return fmt.Errorf("%w: %w", ErrLater, err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10) // so that the connection can be used again
	return judge(answer, s.Now())
}

// judge says what became of a message (RFC 8030 §5, §8.4).
func judge(answer *http.Response, now time.Time) error {
	switch status := answer.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusNotFound || status == http.StatusGone:
		return ErrGone
	case status == http.StatusTooManyRequests || status >= 500:
		return &Delay{retryAfter(answer.Header.Get("Retry-After"), now)}
	default:
		return fmt.Errorf("%w with status %d", ErrRefused, status)
	}
}

// Delay is ErrLater with how long the push service asks to be left alone; 0 if it does not say.
type Delay struct{ After time.Duration }

// Error says how long to wait.
func (d *Delay) Error() string { return fmt.Sprintf("%v; it asks to wait %v", ErrLater, d.After) }

// Unwrap is ErrLater.
func (d *Delay) Unwrap() error { return ErrLater }

// maxDelay bounds what a push service may ask for.
const maxDelay = time.Hour

// retryAfter reads RFC 9110 §10.2.3.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return min(max(0, time.Duration(min(n, 1<<20))*time.Second), maxDelay)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), maxDelay)
	}
	return 0
}
