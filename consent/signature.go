package consent

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"math/big"

	"github.com/go-jose/go-jose/v4"
)

// compactJWS is a JWS in compact form that was taken apart, and not verified.
type compactJWS struct {
	alg       jose.SignatureAlgorithm
	input     string // header and payload as they were sent: what is signed (RFC 7515 §5.1)
	payload   []byte
	signature []byte
}

// verify returns the payload if the signature is one by the key, which is of the kind that the algorithm takes: a public
// key on P-256 or Ed25519, or the bytes of a secret one.
func (j *compactJWS) verify(key any) ([]byte, error) {
	right := false
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		right = j.alg == jose.ES256 && verifyES256(key, j.input, j.signature)
	case ed25519.PublicKey:
		right = j.alg == jose.EdDSA && ed25519.Verify(key, []byte(j.input), j.signature) // RFC 8037 §3.1
	case []byte:
		h := hmac.New(sha256.New, key) // RFC 7518 §3.2
		h.Write([]byte(j.input))
		right = j.alg == jose.HS256 && hmac.Equal(h.Sum(nil), j.signature)
	}
	if !right {
		return nil, ErrSignature
	}
	return j.payload, nil
}

// verifyES256 takes R and S, 32 bytes each (RFC 7518 §3.4).
func verifyES256(key *ecdsa.PublicKey, input string, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(input))
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}
