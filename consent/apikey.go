package consent

import (
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/big"
	"strings"
)

// APIKey is the text of an API key: "tapline_", the environment, "_", 43 random characters and 6 that check them. It prints
// as "[redacted]"; string(key) is the text for its holder.
//
// The form is one that scanners for leaked secrets find: a word that nobody else uses, one charset, one length, and a
// checksum that tells a key from what looks like one without asking anybody.
type APIKey string

const (
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	keyWord     = "tapline_"
	keyRandom   = 43 // of 62 characters: 256 bits
	keyChecked  = 6  // 62^6 is more than 2^32
	keyHintSize = 4
)

// APIKeyPrefix begins every API key, and nothing else that is a bearer token here.
const APIKeyPrefix = keyWord

// NewAPIKey is a fresh key for an environment, "live" or "test".
func NewAPIKey(environment string) APIKey {
	text := []byte(keyWord + environment + "_")
	for range keyRandom {
		text = append(text, base62[uniform(len(base62))])
	}
	return APIKey(append(text, checksum(text)...))
}

// uniform is a random number below n.
func uniform(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return int(v.Int64())
}

// checksum is the CRC-32 (ISO/IEC 13239, as in gzip) of what is before it, in base 62.
func checksum(text []byte) []byte {
	sum, out := crc32.ChecksumIEEE(text), make([]byte, keyChecked)
	for i := range out {
		out[keyChecked-1-i] = base62[sum%uint32(len(base62))]
		sum /= uint32(len(base62))
	}
	return out
}

// Check reports ErrInvalid unless k has the form of a key of the environment, its checksum included.
func (k APIKey) Check(environment string) error {
	rest, ok := strings.CutPrefix(string(k), keyWord+environment+"_")
	if !ok || len(rest) != keyRandom+keyChecked || strings.Trim(rest, base62) != "" {
		return ErrInvalid
	}
	body, sum := k[:len(k)-keyChecked], k[len(k)-keyChecked:]
	if string(checksum([]byte(body))) != string(sum) {
		return ErrInvalid
	}
	return nil
}

// Hint is how people tell keys apart: the beginning, with four of the random characters.
func (k APIKey) Hint() string {
	return string(k[:len(k)-keyRandom-keyChecked+keyHintSize]) + "…"
}

// Format prints "[redacted]" whatever the verb.
func (k APIKey) Format(f fmt.State, _ rune) { redact(f) }

// LogValue is "[redacted]".
func (k APIKey) LogValue() slog.Value { return slog.StringValue(redacted) }
