package consent

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"tapline/keyring"
)

// SignInChallengeLife is how long a challenge to sign in with a passkey, or to register one for that, is good.
const SignInChallengeLife = 5 * time.Minute

// A challenge is version "." base64url of: the time it was made in microseconds, 16 random bytes, and a MAC over both.
const (
	signInTime  = 8
	signInNonce = 16
)

// NewSignInChallenge makes a challenge. Nothing is stored of it: see CheckSignInChallenge.
func NewSignInChallenge(keys *keyring.Keyring, now time.Time) string {
	body := make([]byte, signInTime, signInTime+signInNonce)
	binary.BigEndian.PutUint64(body, uint64(now.UnixMicro()))
	body = body[:signInTime+signInNonce]
	_, _ = rand.Read(body[signInTime:]) // it never fails
	sum := keys.MAC(keyring.Token, []byte("sign-in challenge"), body)
	return strconv.Itoa(sum.Version) + "." + base64.RawURLEncoding.EncodeToString(append(body, sum.Sum...))
}

// CheckSignInChallenge tells when a challenge was made, by this service and not long ago; ErrPasskey otherwise. That it is used
// once is for the caller to see to: a passkey takes no challenge that is older than its last use.
func CheckSignInChallenge(keys *keyring.Keyring, text string, now time.Time) (made time.Time, err error) {
	version, rest, _ := strings.Cut(text, ".")
	n, err := strconv.Atoi(version)
	raw, rawErr := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || rawErr != nil || len(raw) <= signInTime+signInNonce || strconv.Itoa(n) != version {
		return time.Time{}, ErrPasskey.at("challenge")
	}
	body, sum := raw[:signInTime+signInNonce], raw[signInTime+signInNonce:]
	want, err := keys.MACAt(keyring.Token, n, []byte("sign-in challenge"), body)
	if err != nil || subtle.ConstantTimeCompare(want, sum) != 1 {
		return time.Time{}, ErrPasskey.at("challenge")
	}
	made = time.UnixMicro(int64(binary.BigEndian.Uint64(body))).UTC()
	if age := now.Sub(made); age > SignInChallengeLife || age < -MaxSkew {
		return time.Time{}, ErrPasskey.at("challenge")
	}
	return made, nil
}

// SignInChallenge is the WebAuthn challenge that a passkey answers to sign in as an operator or a payee: another one for each
// kind, service and environment, so that an answer that was got for something else is none.
func SignInChallenge(kind TokenKind, audience, challenge string) []byte {
	sum := sha256.Sum256([]byte("tapline-" + string(kind) + "-sign-in/1\n" + audience + "\n" + challenge))
	return sum[:]
}

// SignInRegistrationChallenge is the WebAuthn challenge for a new passkey to sign in with. owner is the user handle.
func SignInRegistrationChallenge(owner, audience, challenge string) []byte {
	sum := sha256.Sum256([]byte("tapline-sign-in-passkey/1\n" + audience + "\n" + owner + "\n" + challenge))
	return sum[:]
}

// SignIn checks that a passkey's user signs in (WebAuthn Level 3 §7.2): the user was verified, on the service's own origin, by this
// passkey, whose owner is named by the user handle, for this challenge. It returns the counter of signatures, which must be
// compared in the transaction that it counts in: see Passkey.Rises. The error is ErrPasskey.
func (rp RelyingParty) SignIn(a PasskeyAssertion, k Passkey, owner string, challenge []byte) (counter uint32, err error) {
	kind, raw, err := rp.asked(a, k, challenge)
	if err != nil {
		return 0, err
	}
	if kind.Type != clientGets {
		return 0, ErrPasskey.at("client_data.type")
	}
	return rp.answered(a, k, []byte(owner), raw)
}
