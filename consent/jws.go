package consent

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"tapline/internal/strictjson"
)

// Typ is the "typ" of a signed message (RFC 7515 §4.1.9): what the signature means. A message of one type is never
// taken for one of another.
type Typ string

// The types of messages that devices sign.
const (
	TypDevice         Typ = "tapline-device+jws"         // DeviceRegistration
	TypActivation     Typ = "tapline-activation+jws"     // Activation
	TypInstruction    Typ = "tapline-instruction+jws"    // Instruction
	TypFromTemplate   Typ = "tapline-from-template+jws"  // FromTemplate
	TypTapChallenge   Typ = "tapline-tap-challenge+jws"  // TapChallenge
	TypTap            Typ = "tapline-tap+jws"            // Presentation
	TypAuthentication Typ = "tapline-authentication+jws" // Authentication
	TypConfirmation   Typ = "tapline-confirmation+jws"   // Decision, the first
	TypApproval       Typ = "tapline-approval+jws"       // Decision, the second
	TypCancellation   Typ = "tapline-cancellation+jws"   // Cancellation
	TypFreeze         Typ = "tapline-freeze+jws"         // Freeze
	TypLoss           Typ = "tapline-loss+jws"           // Loss
	TypUnfreeze       Typ = "tapline-unfreeze+jws"       // Unfreeze
	TypLimits         Typ = "tapline-limits+jws"         // Limits
	TypPIN            Typ = "tapline-pin+jws"            // PINChange
	TypRebind         Typ = "tapline-rebind+jws"         // Rebind
	TypDeviceRemoval  Typ = "tapline-undevice+jws"       // DeviceRemoval
	TypPasskey        Typ = "tapline-passkey+jws"        // PasskeyRegistration
	TypPasskeyRemoval Typ = "tapline-unpasskey+jws"      // PasskeyRemoval
	TypEmail          Typ = "tapline-email+jws"          // EmailChange
	TypEmailCode      Typ = "tapline-email-code+jws"     // EmailConfirmation
	TypEmailRemoval   Typ = "tapline-unemail+jws"        // EmailRemoval
	TypPush           Typ = "tapline-push+jws"           // PushSubscription
	TypPushRemoval    Typ = "tapline-unpush+jws"         // PushRemoval
	TypAssertion      Typ = "JWT"                        // TokenAssertion (RFC 7523)
)

// The types of what the service signs.
const (
	TypReceipt Typ = "tapline-receipt+jws" // Receipt
	TypHead    Typ = "tapline-head+jws"    // Head
	TypToken   Typ = "at+jwt"              // a read token (RFC 9068 §2.1)
)

const (
	// MaxMessage bounds a signed message in compact form, in bytes.
	MaxMessage = 32 << 10
	// MaxSkew is how far a message's time may be from the service's, either way.
	MaxSkew = 5 * time.Minute
)

// Audience is the "aud" of all messages to a service in one environment, such as "https://pay.example/live".
func Audience(origin, environment string) string { return origin + "/" + environment }

// NewID is a fresh identifier for "jti": 128 random bits in 22 characters.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// rising is base64url's alphabet in the order of its bytes, so that texts are in the order of what they stand for.
const rising = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

// NewIDAt is a fresh identifier, too: 48 bits of the time in milliseconds, and 80 random bits. The service keeps what is made
// at one time in one place then: decisions/0002.
func NewIDAt(now time.Time) string {
	var id [8]byte
	for i, ms := len(id)-1, now.UnixMilli(); i >= 0; i, ms = i-1, ms>>6 {
		id[i] = rising[ms&63]
	}
	var b [10]byte
	rand.Read(b[:])
	return string(id[:]) + base64.RawURLEncoding.EncodeToString(b[:])
}

// NewPaymentID is a fresh identifier for an instruction that is made now. It begins with the time.
func NewPaymentID() PaymentID { return PaymentID(paymentPrefix + NewIDAt(time.Now())) }

// Sign signs claims as a message of the given type, in compact form (RFC 7515 §7.1). The key's id goes into the
// protected header, and for TypDevice the public key as well. It does not check the claims.
func Sign(key *DeviceKey, typ Typ, claims any) (string, error) {
	header := map[jose.HeaderKey]any{"typ": typ, "kid": key.public.id}
	if typ == TypDevice {
		header["jwk"] = json.RawMessage(key.public.JWK())
	}
	return sign(jose.SigningKey{Algorithm: key.public.alg, Key: key.private}, header, claims)
}

func sign(key jose.SigningKey, header map[jose.HeaderKey]any, claims any) (string, error) {
	signer, err := jose.NewSigner(key, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// header is all that a protected header may say. Unknown parameters are refused, "crit", "jku", "x5c" and "b64" among
// them: RFC 7515 §4 would have most of them ignored, but nobody we serve sends any.
type header struct {
	Algorithm jose.SignatureAlgorithm `json:"alg"`
	Type      Typ                     `json:"typ"`
	KeyID     string                  `json:"kid"`
	JWK       json.RawMessage         `json:"jwk,omitempty"`
}

// parse takes a compact JWS apart; the caller says beforehand which type and algorithms it takes. Nothing in it is to
// be trusted yet.
func parse(compact string, want Typ, algs ...jose.SignatureAlgorithm) (header, *compactJWS, error) {
	var h header
	if len(compact) > MaxMessage {
		return h, nil, ErrMalformed
	}
	protected, rest, _ := strings.Cut(compact, ".")
	payload, signature, found := strings.Cut(rest, ".")
	if !found {
		return h, nil, ErrMalformed
	}
	var decoded [3][]byte
	for i, part := range []string{protected, payload, signature} { // a dot is in no base64url
		var err error
		if decoded[i], err = decodeBase64(part); err != nil {
			return h, nil, err
		}
	}
	if strictjson.Decode(decoded[0], &h) != nil {
		return h, nil, ErrMalformed
	}
	switch {
	case h.Type != want:
		return h, nil, ErrType
	case !slices.Contains(algs, h.Algorithm):
		return h, nil, ErrAlgorithm
	}
	return h, &compactJWS{h.Algorithm, compact[:len(protected)+1+len(payload)], decoded[1], decoded[2]}, nil
}

// decodeBase64 reads base64url without padding. Two texts never mean the same bytes (RFC 4648 §3.5): spare bits must be
// zero, and line ends, which the library passes over, are refused.
func decodeBase64(text string) ([]byte, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, ErrMalformed
	}
	return data, nil
}

// Envelope is a message as it was read: its type and the device that claims to have signed it. Verify tells the rest.
type Envelope struct {
	typ    Typ
	alg    jose.SignatureAlgorithm
	device DeviceID
	key    PublicKey
	signed *compactJWS
}

// Read takes a compact JWS of the wanted type apart, without trust. Its key is still to be found by Device.
func Read(compact string, want Typ) (Envelope, error) {
	h, signed, err := parse(compact, want, jose.ES256, jose.EdDSA)
	if err != nil {
		return Envelope{}, err
	}
	e := Envelope{typ: want, alg: h.Algorithm, device: DeviceID(h.KeyID), signed: signed}
	if e.device.Check() != nil {
		return Envelope{}, ErrMalformed.at("kid")
	}
	if (want == TypDevice) != (len(h.JWK) > 0) {
		return Envelope{}, ErrMalformed.at("jwk")
	}
	if want == TypDevice {
		if e.key, err = ParsePublicJWK(h.JWK); err != nil {
			return Envelope{}, err
		}
		if e.key.id != e.device {
			return Envelope{}, ErrKeyUnknown
		}
	}
	return e, nil
}

// Device is the device that the message claims to come from.
func (e Envelope) Device() DeviceID { return e.device }

// Typ is the message's type.
func (e Envelope) Typ() Typ { return e.typ }

// Key is the public key that a registration brings along; the zero PublicKey in other messages. Verify with it proves
// that the sender has the private half.
func (e Envelope) Key() PublicKey { return e.key }

// Message is the claims of one type of message: a pointer to a struct of this package that embeds Claims.
type Message interface {
	// Validate checks all that can be checked without knowing anything else.
	Validate() error
	Common() *Claims

	fits(Typ) bool
}

// binder is a Message with claims that depend on who signed it, as what and when.
type binder interface {
	bind(e Envelope, now time.Time) error
}

// Verify checks that the message was signed with key, by the device it names, for this audience and within MaxSkew of
// now, and reads its claims into m, which is meaningless after an error. The claims are Validated. That the message's
// ID was not seen before is the caller's to check.
func (e Envelope) Verify(key PublicKey, audience string, now time.Time, m Message) error {
	switch {
	case e.signed == nil:
		return ErrMalformed
	case !m.fits(e.typ):
		return ErrType
	case key.key == nil || key.id != e.device:
		return ErrKeyUnknown
	case key.alg != e.alg:
		return ErrAlgorithm
	}
	payload, err := e.signed.verify(key.key)
	if err != nil {
		return err
	}
	if err := decode(payload, m); err != nil {
		return err
	}
	if err := m.Common().check(audience, now); err != nil {
		return err
	}
	if err := m.Validate(); err != nil {
		return err
	}
	if b, ok := m.(binder); ok {
		return b.bind(e, now)
	}
	return nil
}

// decode reads signed claims.
func decode(payload []byte, v any) error {
	err := strictjson.Decode(payload, v)
	if bad, ok := errors.AsType[*strictjson.Error](err); ok {
		return &Error{Code: ErrMalformed.Code, Field: bad.Field, text: ErrMalformed.text, cause: bad}
	}
	return err
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22,64}$`)

func (c *Claims) check(audience string, now time.Time) error {
	skew := int64(MaxSkew / time.Second)
	switch {
	case audience == "" || c.Audience != audience:
		return ErrAudience
	case c.IssuedAt <= 0 || c.IssuedAt < now.Unix()-skew || c.IssuedAt > now.Unix()+skew:
		return ErrStale
	case !idForm.MatchString(c.ID):
		return ErrInvalid.at("jti")
	}
	return nil
}
