package consent

import (
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"

	"tapline/keyring"
)

const (
	// TokenLife is how long a read token is valid.
	TokenLife = 5 * time.Minute
	// OperatorSessionLife is how long a token is valid that an operator's passkey got: a page asks for the passkey again then.
	OperatorSessionLife = 15 * time.Minute
	// PayeeSessionLife is how long a token is valid that a payee's passkey got: a working day at a till.
	PayeeSessionLife = 12 * time.Hour
	// InviteLife is how long an operator's invite is valid.
	InviteLife = 24 * time.Hour
	// MaxAssertionLife is how long a token assertion may be valid.
	MaxAssertionLife = 5 * time.Minute
)

// TokenAssertion is a device's request for a read token: an OAuth 2 client assertion (RFC 7523 §3), signed as
// TypAssertion.
type TokenAssertion struct {
	Claims
	Issuer  DeviceID `json:"iss" doc:"The device; the same as kid."`
	Subject DeviceID `json:"sub" doc:"The same as iss."`
	Expires int64    `json:"exp" doc:"In seconds since 1970 UTC; at most five minutes after iat."`
}

// NewTokenAssertion are the claims by which a device asks for a token now.
func NewTokenAssertion(device DeviceID, audience string, now time.Time) TokenAssertion {
	c := NewClaims(audience, now)
	return TokenAssertion{Claims: c, Issuer: device, Subject: device, Expires: now.Add(MaxAssertionLife).Unix()}
}

func (*TokenAssertion) fits(t Typ) bool { return t == TypAssertion }

// Validate checks that the assertion is about its issuer and not valid for too long.
func (m *TokenAssertion) Validate() error {
	switch {
	case m.Issuer == "" || m.Issuer != m.Subject:
		return ErrInvalid.at("sub")
	case m.Expires <= m.IssuedAt || m.Expires-m.IssuedAt > int64(MaxAssertionLife/time.Second):
		return ErrInvalid.at("exp")
	}
	return nil
}

func (m *TokenAssertion) bind(e Envelope, now time.Time) error {
	switch {
	case m.Issuer != e.device:
		return ErrKeyUnknown
	case now.Unix() >= m.Expires:
		return ErrExpired
	}
	return nil
}

// TokenKind is what kind of subject a token lets read.
type TokenKind string

// The kinds of tokens.
const (
	DeviceToken   TokenKind = "device"
	OperatorToken TokenKind = "operator"
	PayeeToken    TokenKind = "payee"  // always of a passkey: a payee's programs have API keys
	InviteToken   TokenKind = "invite" // lets one new operator enrol, on behalf of the one who is its subject
)

// Token is what a read token says.
type Token struct {
	Subject  string // a DeviceID, an operator's id, or a payee's handle
	Kind     TokenKind
	Passkey  string // the credential that got it, if one did: it counts as long as that is there
	Audience string
	ID       string
	IssuedAt time.Time
	Expires  time.Time
}

// LogValue is subject and kind.
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("subject", t.Subject), slog.String("kind", string(t.Kind)))
}

// tokenClaims is a token's payload, after RFC 9068 §2.2.
type tokenClaims struct {
	Audience string    `json:"aud"`
	Subject  string    `json:"sub"`
	Kind     TokenKind `json:"kind"`
	IssuedAt int64     `json:"iat"`
	Expires  int64     `json:"exp"`
	ID       string    `json:"jti"`
	Passkey  string    `json:"passkey,omitempty"`
}

// IssueToken makes a bearer token that is valid for TokenLife from now. It is a JWS with HS256 under a key derived from
// the current Token key, whose version is the kid: only this service can check it. ErrInvalid for another kind or an
// empty subject or audience.
func IssueToken(keys *keyring.Keyring, subject string, kind TokenKind, audience string, now time.Time) (string, error) {
	return issueToken(keys, tokenClaims{Audience: audience, Subject: subject, Kind: kind}, TokenLife, now)
}

// IssueSession is IssueToken for whom a passkey has signed in: an operator or a payee, for as long as such a session may be.
func IssueSession(keys *keyring.Keyring, subject string, kind TokenKind, passkey, audience string, now time.Time) (string, time.Duration, error) {
	life := OperatorSessionLife
	if kind == PayeeToken {
		life = PayeeSessionLife
	}
	if passkey == "" {
		return "", 0, ErrInvalid.at("passkey")
	}
	token, err := issueToken(keys, tokenClaims{Audience: audience, Subject: subject, Kind: kind, Passkey: passkey}, life, now)
	return token, life, err
}

// IssueInvite makes a token by which somebody may enrol as an operator until InviteLife has passed, on an operator's behalf. That
// it is used once is for the caller to see to, by its ID.
func IssueInvite(keys *keyring.Keyring, operator, audience string, now time.Time) (string, error) {
	return issueToken(keys, tokenClaims{Audience: audience, Subject: operator, Kind: InviteToken}, InviteLife, now)
}

func issueToken(keys *keyring.Keyring, c tokenClaims, life time.Duration, now time.Time) (string, error) {
	c.ID, c.IssuedAt, c.Expires = NewID(), now.Unix(), now.Add(life).Unix()
	if err := c.validate(); err != nil {
		return "", err
	}
	version := keys.Current(keyring.Token)
	key, err := tokenKey(keys, version)
	if err != nil {
		return "", err
	}
	return sign(
		jose.SigningKey{Algorithm: jose.HS256, Key: key},
		map[jose.HeaderKey]any{"typ": TypToken, "kid": strconv.Itoa(version)}, c)
}

// CheckToken checks a token of IssueToken for this audience at this time and returns what it says. ErrExpired if it is
// over; the other refusals are those of signed messages.
func CheckToken(keys *keyring.Keyring, compact, audience string, now time.Time) (Token, error) {
	h, signed, err := parse(compact, TypToken, jose.HS256)
	if err != nil {
		return Token{}, err
	}
	version, err := strconv.Atoi(h.KeyID)
	if err != nil || len(h.JWK) > 0 {
		return Token{}, ErrMalformed.at("kid")
	}
	key, err := tokenKey(keys, version)
	if err != nil {
		return Token{}, ErrKeyUnknown
	}
	payload, err := signed.verify(key)
	if err != nil {
		return Token{}, err
	}
	var c tokenClaims
	if err := decode(payload, &c); err != nil {
		return Token{}, err
	}
	if err := c.validate(); err != nil {
		return Token{}, err
	}
	switch {
	case c.Audience != audience:
		return Token{}, ErrAudience
	case now.Unix() >= c.Expires:
		return Token{}, ErrExpired
	case c.IssuedAt > now.Add(MaxSkew).Unix():
		return Token{}, ErrStale
	}
	return Token{
		Subject: c.Subject, Kind: c.Kind, Passkey: c.Passkey, Audience: c.Audience, ID: c.ID,
		IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), Expires: time.Unix(c.Expires, 0).UTC(),
	}, nil
}

func (c tokenClaims) validate() error {
	switch {
	case c.Audience == "":
		return ErrInvalid.at("aud")
	case c.Subject == "":
		return ErrInvalid.at("sub")
	case !slices.Contains([]TokenKind{DeviceToken, OperatorToken, PayeeToken, InviteToken}, c.Kind):
		return ErrInvalid.at("kind")
	case c.Kind == PayeeToken && c.Passkey == "":
		return ErrInvalid.at("passkey")
	}
	return nil
}

// tokenKey is derived, so that the key ring need not give its own key away to the library that computes HS256.
func tokenKey(keys *keyring.Keyring, version int) ([]byte, error) {
	return keys.MACAt(keyring.Token, version, []byte("HS256"))
}
