package consent

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"regexp"

	"github.com/go-jose/go-jose/v4"

	"tapline/internal/strictjson"
)

// DeviceID names a device: the RFC 7638 thumbprint (SHA-256, base64url) of its public key.
type DeviceID string

var deviceIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// Check reports ErrInvalid unless d has the form of a device's id.
func (d DeviceID) Check() error {
	if !deviceIDForm.MatchString(string(d)) {
		return ErrInvalid.at("device")
	}
	return nil
}

// PublicKey is the public key of a device or of the service: P-256 for ES256 or Ed25519 for EdDSA.
type PublicKey struct {
	key crypto.PublicKey // *ecdsa.PublicKey on P-256, or ed25519.PublicKey
	alg jose.SignatureAlgorithm
	id  DeviceID
}

// publicJWK is all that a public key may say (RFC 7518 §6.2.1, RFC 8037 §2). There is no place for a private part, a
// certificate or an address.
type publicJWK struct {
	KeyType string `json:"kty"`
	Curve   string `json:"crv"`
	X       string `json:"x"`
	Y       string `json:"y,omitempty"`
}

// ParsePublicJWK reads a public key in JWK form with no members but kty, crv, x and y. ErrMalformed if it is none,
// ErrAlgorithm if it is not a valid key on P-256 or Ed25519.
func ParsePublicJWK(data []byte) (PublicKey, error) {
	var jwk publicJWK
	if len(data) > 1024 || strictjson.Decode(data, &jwk) != nil {
		return PublicKey{}, ErrMalformed
	}
	return parsePublicJWK(jwk)
}

func parsePublicJWK(jwk publicJWK) (PublicKey, error) {
	x, errX := decodeBase64(jwk.X)
	y, errY := decodeBase64(jwk.Y)
	if errX != nil || errY != nil || len(x) != 32 {
		return PublicKey{}, ErrAlgorithm
	}
	switch {
	case jwk.KeyType == "EC" && jwk.Curve == "P-256" && len(y) == 32:
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return PublicKey{}, ErrAlgorithm
		}
		return newPublicKey(key)
	case jwk.KeyType == "OKP" && jwk.Curve == "Ed25519" && jwk.Y == "":
		return newPublicKey(ed25519.PublicKey(x))
	}
	return PublicKey{}, ErrAlgorithm
}

// newPublicKey takes a key on P-256 or Ed25519. The thumbprint is go-jose's, which refuses points of low order: such a
// key would take anybody's signature.
func newPublicKey(key crypto.PublicKey) (PublicKey, error) {
	alg := jose.EdDSA
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return PublicKey{}, ErrAlgorithm
		}
		alg = jose.ES256
	case ed25519.PublicKey:
	default:
		return PublicKey{}, ErrAlgorithm
	}
	jwk := &jose.JSONWebKey{Key: key}
	if !jwk.Valid() {
		return PublicKey{}, ErrAlgorithm
	}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return PublicKey{}, ErrAlgorithm
	}
	return PublicKey{key, alg, DeviceID(base64.RawURLEncoding.EncodeToString(thumbprint))}, nil
}

// ID is the key's thumbprint.
func (k PublicKey) ID() DeviceID { return k.id }

// JWK is the key in the form that ParsePublicJWK reads and the service stores.
func (k PublicKey) JWK() []byte {
	text, err := json.Marshal(jose.JSONWebKey{Key: k.key})
	if err != nil {
		panic(err) // a PublicKey is made by newPublicKey only
	}
	return text
}

// DeviceKey is a device's key pair. It prints as its id.
type DeviceKey struct {
	private crypto.Signer
	public  PublicKey
}

// NewDeviceKey makes a key pair on P-256.
func NewDeviceKey() (*DeviceKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return newDeviceKey(key)
}

func newDeviceKey(private crypto.Signer) (*DeviceKey, error) {
	public, err := newPublicKey(private.Public())
	if err != nil {
		return nil, err
	}
	return &DeviceKey{private, public}, nil
}

// pemType is the type of a PKCS#8 key's PEM block (RFC 7468 §10).
const pemType = "PRIVATE KEY"

// ParseDeviceKey reads the one PEM block that MarshalPEM writes: a PKCS#8 key on P-256 or Ed25519.
func ParseDeviceKey(text []byte) (*DeviceKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, ErrMalformed
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, ErrMalformed
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, ErrAlgorithm
	}
	return newDeviceKey(signer)
}

// MarshalPEM writes the private key as PKCS#8 in PEM, for a file that only its owner can read (0600).
func (k *DeviceKey) MarshalPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// ID is the device's id.
func (k *DeviceKey) ID() DeviceID { return k.public.id }

// Public is the public half.
func (k *DeviceKey) Public() PublicKey { return k.public }

// String is the device's id.
func (k *DeviceKey) String() string { return string(k.public.id) }

// GoString is the device's id.
func (k *DeviceKey) GoString() string { return k.String() }

// LogValue is the device's id.
func (k *DeviceKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
