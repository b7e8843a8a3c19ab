package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"

	"github.com/go-jose/go-jose/v4"
)

// Signer signs with ES256: receipts, or what tells push services who sends. It is a crypto.Signer that does not show its key.
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

// PushSigner is the key pair of a version of the push key (RFC 8292), made of the secret of that version: whoever has the
// secret has the key, and a subscription of a browser lives as long as the version that it was made for. ErrVersion if
// there is none.
func (k *Keyring) PushSigner(version int) (*Signer, error) {
	if _, ok := k.secrets[Push][version]; !ok {
		return nil, ErrVersion
	}
	for n := byte(0); ; n++ {
		// One in 2^32 texts is no scalar of P-256; then the next is taken.
		scalar := k.secrets[Push][version].mac(Push, [][]byte{[]byte("vapid key"), {n}})
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar); err == nil {
			return newSigner(key)
		}
	}
}

// PushVersions are the versions of the push key, newest first.
func (k *Keyring) PushVersions() []int { return newestFirst(k.secrets[Push]) }

// Point is the public key as an uncompressed point (SEC 1 §2.3.3).
func (s *Signer) Point() []byte {
	point, err := s.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // it is on P-256
	}
	return point
}

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
func (s *Signer) String() string { return "signing key " + s.id }

// GoString is the key's id.
func (s *Signer) GoString() string { return s.String() }

// LogValue is the key's id.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.id) }
