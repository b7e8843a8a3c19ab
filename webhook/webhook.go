// Package webhook signs, sends and verifies webhooks as Standard Webhooks has them
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): three headers name a message, its
// time and its signatures, of which "v1" is HMAC-SHA256 with a secret that both sides know, and "v1a" is ed25519 with a key that
// only the sender knows.
package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Headers of a message.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// Tolerance is how far the time of a message may be from the receiver's.
const Tolerance = 5 * time.Minute

// Bounds of what is verified.
const (
	maxID         = 256
	maxSignatures = 16
)

// Prefixes of secrets and public keys as text.
const (
	secretPrefix = "whsec_"
	publicPrefix = "whpk_"
)

// Errors of Verify. Each means that the message is not to be believed.
var (
	ErrSecret    = errors.New("neither a webhook secret (whsec_…) nor a public key (whpk_…)")
	ErrHeader    = errors.New("the webhook's headers are missing or malformed")
	ErrTime      = errors.New("the webhook's time is not near; it may be a copy of an old one")
	ErrSignature = errors.New("no signature of the webhook is by this key")
)

// KeysSize is the length of Keys, in bytes.
const KeysSize = sha256.Size + ed25519.SeedSize

// Keys are what messages to one receiver are signed with: the secret of v1, and the seed of v1a's key.
type Keys [KeysSize]byte

// NewKeys makes keys at random.
func NewKeys() (k Keys) {
	rand.Read(k[:])
	return k
}

// Secret is the secret of v1 as text. Whoever knows it can make messages.
func (k Keys) Secret() string {
	return secretPrefix + base64.StdEncoding.EncodeToString(k[:sha256.Size])
}

// PublicKey is the key as text that v1a is verified with. Nobody can make messages with it.
func (k Keys) PublicKey() string {
	return publicPrefix + base64.StdEncoding.EncodeToString(k.private().Public().(ed25519.PublicKey))
}

func (k Keys) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k[sha256.Size:]) }

// Message is what is sent: the same body under the same id each time that it is sent again.
type Message struct {
	ID   string    // of visible ASCII, without a full stop
	Time time.Time // when it is sent
	Body []byte
}

// Header has the message's three headers, signed by each of the keys in both ways. Several keys sign while one takes the place
// of another, so that receivers who know either believe it.
func (m Message) Header(keys ...Keys) (http.Header, error) {
	var signatures []string
	for _, k := range keys {
		hook, err := standardwebhooks.NewWebhookRaw(k[:sha256.Size])
		if err != nil {
			return nil, err
		}
		shared, err := hook.Sign(m.ID, m.Time, m.Body)
		if err != nil {
			return nil, err
		}
		own := ed25519.Sign(k.private(), signed(m.ID, strconv.FormatInt(m.Time.Unix(), 10), m.Body))
		signatures = append(signatures, shared, "v1a,"+base64.StdEncoding.EncodeToString(own))
	}
	h := http.Header{}
	h.Set(HeaderID, m.ID)
	h.Set(HeaderTimestamp, strconv.FormatInt(m.Time.Unix(), 10))
	h.Set(HeaderSignature, strings.Join(signatures, " "))
	return h, nil
}

// signed is what signatures are of.
func signed(id, timestamp string, body []byte) []byte {
	return append([]byte(id+"."+timestamp+"."), body...)
}

// Verify returns nil if a body came with these headers from whoever has the keys, and not long ago. key is a secret (whsec_…), or
// a public key (whpk_…). The body has to be as it came, byte for byte. A message may come more than once: look at its id.
func Verify(key string, h http.Header, body []byte, now time.Time) error {
	check, version, err := checker(key)
	if err != nil {
		return err
	}
	id, timestamp, given := h.Values(HeaderID), h.Values(HeaderTimestamp), h.Values(HeaderSignature)
	if len(id) != 1 || len(timestamp) != 1 || len(given) != 1 || id[0] == "" || len(id[0]) > maxID || strings.Contains(id[0], ".") {
		return ErrHeader
	}
	seconds, err := strconv.ParseInt(timestamp[0], 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != timestamp[0] {
		return ErrHeader
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > Tolerance || d < -Tolerance {
		return ErrTime
	}
	signatures := strings.SplitN(given[0], " ", maxSignatures+1)
	if len(signatures) > maxSignatures {
		return ErrHeader
	}
	text := signed(id[0], timestamp[0], body)
	for _, s := range signatures {
		if v, value, _ := strings.Cut(s, ","); v == version {
			if raw, err := base64.StdEncoding.DecodeString(value); err == nil && check(text, raw) {
				return nil
			}
		}
	}
	return ErrSignature
}

// checker is how signatures are checked with a key, and their version.
func checker(key string) (check func(text, signature []byte) bool, version string, err error) {
	if encoded, ok := strings.CutPrefix(key, secretPrefix); ok {
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(secret) < 24 || len(secret) > 64 {
			return nil, "", ErrSecret
		}
		return func(text, signature []byte) bool {
			h := hmac.New(sha256.New, secret)
			h.Write(text)
			return hmac.Equal(signature, h.Sum(nil)) // takes as long for each wrong one
		}, "v1", nil
	}
	encoded, ok := strings.CutPrefix(key, publicPrefix)
	public, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(public) != ed25519.PublicKeySize {
		return nil, "", ErrSecret
	}
	return func(text, signature []byte) bool {
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(public, text, signature)
	}, "v1a", nil
}

// String hides the keys from logs.
func (k Keys) String() string { return "webhook keys" }

// Format hides the keys from every verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }
