package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"

	"github.com/go-jose/go-jose/v4"
)

// Signer signs receipts with ES256. It is a crypto.Signer that does not show its key.
type Signer struct {
	key *ecdsa.PrivateKey
	id  string
}

var _ crypto.Signer = (*Signer)(nil)

func newSigner(key *ecdsa.PrivateKey) (*Signer, error) {
	thumbprint, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return &Signer{key, base64.RawURLEncoding.EncodeToString(thumbprint)}, nil
}

// Signer is the current receipt key.
func (k *Keyring) Signer() *Signer { return k.signers[newestFirst(k.signers)[0]] }

// PublicJWKS is the JWK set (RFC 7517 §5) of all receipt keys, newest first, to be served at /.well-known/jwks.json.
func (k *Keyring) PublicJWKS() []byte {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, version := range newestFirst(k.signers) {
		signer := k.signers[version]
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: signer.Public(), KeyID: signer.id, Algorithm: string(jose.ES256), Use: "sig",
		})
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err) // P-256 public keys can be written
	}
	return text
}

// KeyID is the RFC 7638 thumbprint (SHA-256, base64url) of the public key: the kid of what it signs.
func (s *Signer) KeyID() string { return s.id }

// Public is the public key, an *ecdsa.PublicKey on P-256.
func (s *Signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign signs a SHA-256 digest; the signature is in ASN.1.
func (s *Signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.key.Sign(rand, digest, opts)
}

// String is the key's id.
func (s *Signer) String() string { return "receipt key " + s.id }

// GoString is the key's id.
func (s *Signer) GoString() string { return s.String() }

// LogValue is the key's id.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.id) }
