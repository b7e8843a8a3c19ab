package consent

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"

	"tapline/keyring"
)

// Head says what the history of a service is at a time, signed by it: the roots of the Merkle trees (RFC 9162 §2.1) over all
// entries of the books, and over all actions of operators. Whoever keeps one can have it proved, for ever, that what came
// later only adds to it.
type Head struct {
	Issuer      string `json:"iss" doc:"The service's origin, such as https://pay.example."`
	IssuedAt    int64  `json:"iat" doc:"Time of issue in seconds since 1970 UTC."`
	Environment string `json:"environment" enum:"live,test"`

	Number   int64     `json:"number" doc:"Of the head, from 1."`
	Previous string    `json:"previous,omitempty" doc:"SHA-256 of the head before it, in compact form, base64url."`
	Entries  TreeHead  `json:"entries"`
	Audit    TreeHead  `json:"audit"`
	Restores []Restore `json:"restores,omitempty" doc:"Every time the database was restored from a backup, the oldest first."`

	Day       string `json:"day,omitempty" doc:"The day whose end this head is of, such as 2026-03-01; then entries is the tree when it was closed."`
	DayDigest string `json:"day_digest,omitempty" doc:"SHA-256 of what the day was closed with, base64url."`
}

// TreeHead is how many leaves a tree has, and its root.
type TreeHead struct {
	Size int64  `json:"size"`
	Root string `json:"root" doc:"base64url"`
}

// Restore says that a database was restored: what came after these sizes until then is not in its history.
type Restore struct {
	Epoch   string `json:"epoch" doc:"The name of the epoch that began."`
	Entries int64  `json:"entries"`
	Audit   int64  `json:"audit"`
	At      int64  `json:"at" doc:"Microseconds since 1970 UTC."`
}

var dayForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// Validate checks what every head must say.
func (h Head) Validate() error {
	for _, check := range []struct {
		field string
		ok    bool
	}{
		{"iss", h.Issuer != ""},
		{"iat", h.IssuedAt > 0},
		{"environment", h.Environment == "live" || h.Environment == "test"},
		{"number", h.Number > 0},
		{"previous", (h.Number == 1) == (h.Previous == "") && (h.Previous == "" || digestForm.MatchString(h.Previous))},
		{"entries", h.Entries.Size >= 0 && digestForm.MatchString(h.Entries.Root)},
		{"audit", h.Audit.Size >= 0 && digestForm.MatchString(h.Audit.Root)},
		{"day", (h.Day == "") == (h.DayDigest == "") && (h.Day == "" || dayForm.MatchString(h.Day) && digestForm.MatchString(h.DayDigest))},
	} {
		if !check.ok {
			return ErrInvalid.at(check.field)
		}
	}
	return nil
}

// At is when it was signed.
func (h Head) At() time.Time { return time.Unix(h.IssuedAt, 0).UTC() }

// HeadDigest is what the next head says of one in compact form.
func HeadDigest(compact string) string {
	sum := sha256.Sum256([]byte(compact))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// SignHead signs a head with the current receipt key (ES256), in compact form.
func SignHead(keys *keyring.Keyring, h Head) (string, error) {
	if err := h.Validate(); err != nil {
		return "", err
	}
	signer := keys.Signer()
	return sign(
		jose.SigningKey{Algorithm: jose.ES256, Key: cryptosigner.Opaque(signer)},
		map[jose.HeaderKey]any{"typ": TypHead, "kid": signer.KeyID()}, h)
}

// VerifyHead checks a head against a service's public keys as found at /.well-known/jwks.json, and returns what it says.
func VerifyHead(jwks []byte, compact string) (Head, error) {
	h, signed, err := parse(compact, TypHead, jose.ES256)
	if err != nil {
		return Head{}, err
	}
	if len(h.JWK) > 0 {
		return Head{}, ErrMalformed.at("jwk")
	}
	key, err := findKey(jwks, DeviceID(h.KeyID))
	if err != nil {
		return Head{}, err
	}
	payload, err := signed.verify(key.key)
	if err != nil {
		return Head{}, err
	}
	return decodeHead(payload)
}

// ReadHead returns what a head says without any trust in it.
func ReadHead(compact string) (Head, error) {
	signed, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return Head{}, ErrMalformed
	}
	return decodeHead(signed.UnsafePayloadWithoutVerification())
}

func decodeHead(payload []byte) (h Head, err error) {
	if err := decode(payload, &h); err != nil {
		return Head{}, err
	}
	return h, h.Validate()
}
