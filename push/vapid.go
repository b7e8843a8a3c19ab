package push

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"

	"tapline/keyring"
)

// tokenLife is how long a push service may take a token for good; at most 24 hours (RFC 8292 §2).
const tokenLife = 12 * time.Hour

// token is what the service tells push services of itself (RFC 8292 §2).
type token struct {
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Subject  string `json:"sub,omitempty"`
}

// authorization proves to a subscription's push service who sends (RFC 8292 §3), with the key that its browser was given.
func (s *Sender) authorization(to Subscription) (string, error) {
	origin, err := to.origin()
	if err != nil {
		return "", err
	}
	key, err := s.Keys.PushSigner(to.Version)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: cryptosigner.Opaque(key)},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(token{origin, s.Now().Add(tokenLife).Unix(), s.Subject})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	text, err := signed.CompactSerialize()
	return "vapid t=" + text + ", k=" + base64.RawURLEncoding.EncodeToString(key.Point()), err
}

// PublicKey is the push key of a version as browsers are given it, in base64url: applicationServerKey of the Push API.
func PublicKey(keys *keyring.Keyring, version int) (string, error) {
	key, err := keys.PushSigner(version)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(key.Point()), nil
}

// VersionOf is the version of the push key that a browser says it was given.
func VersionOf(keys *keyring.Keyring, public string) (version int, ok bool) {
	for _, v := range keys.PushVersions() {
		if key, err := PublicKey(keys, v); err == nil && key == public {
			return v, true
		}
	}
	return 0, false
}
