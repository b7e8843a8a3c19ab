package consent

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func issue(t testing.TB) (compact string, check func(compact string) (Token, error)) {
	t.Helper()
	keys := newKeyring(t)
	compact, err := IssueToken(keys, "device-1", DeviceToken, audience, now)
	if err != nil {
		t.Fatal(err)
	}
	return compact, func(compact string) (Token, error) { return CheckToken(keys, compact, audience, now) }
}

func TestTokenIsValidForFiveMinutesAndAfterRotation(t *testing.T) {
	before, after := rotated(t)
	issued := now.Truncate(time.Second)
	for _, kind := range []TokenKind{DeviceToken, OperatorToken} {
		compact, err := IssueToken(before, "somebody", kind, audience, now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := CheckToken(after, compact, audience, issued.Add(TokenLife-time.Millisecond))
		want := Token{
			Subject: "somebody", Kind: kind, Audience: audience, ID: got.ID, IssuedAt: issued, Expires: issued.Add(TokenLife),
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" || len(got.ID) != 22 {
			t.Errorf("%v; -want +got\n%s", err, diff)
		}
		_, err = CheckToken(after, compact, audience, issued.Add(TokenLife))
		wantError(t, "after five minutes", err, ErrExpired)
		_, err = CheckToken(after, compact, audience, issued.Add(-MaxSkew-time.Second))
		wantError(t, "long before it was issued", err, ErrStale)
		_, err = CheckToken(after, compact, "https://pay.example/test", now)
		wantError(t, "in the other environment", err, ErrAudience)
		_, err = CheckToken(newKeyring(t), compact, audience, now)
		wantError(t, "with other keys", err, ErrSignature)
	}
	compact, err := IssueToken(after, "somebody", DeviceToken, audience, now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = CheckToken(before, compact, audience, now)
	wantError(t, "of a key that is missing", err, ErrKeyUnknown)
}

func TestATokenOfAPasskeyNamesItAndLastsLonger(t *testing.T) {
	keys, issued := newKeyring(t), now.Truncate(time.Second)
	for kind, life := range map[TokenKind]time.Duration{OperatorToken: 15 * time.Minute, PayeeToken: 12 * time.Hour} {
		compact, got, err := IssueSession(keys, "somebody", kind, "cred", audience, now)
		if err != nil || got != life {
			t.Fatalf("%s: %v, %v", kind, got, err)
		}
		token, err := CheckToken(keys, compact, audience, issued.Add(life-time.Millisecond))
		if err != nil || token.Passkey != "cred" || token.Kind != kind {
			t.Errorf("%s: %+v, %v", kind, token, err)
		}
		_, err = CheckToken(keys, compact, audience, issued.Add(life))
		wantError(t, "after its life", err, ErrExpired)
		_, _, err = IssueSession(keys, "somebody", kind, "", audience, now)
		wantField(t, "of no passkey", err, "passkey")
	}
	_, err := IssueToken(keys, "books@shop", PayeeToken, audience, now)
	wantField(t, "a payee's without a passkey", err, "passkey")
}

func TestASignInChallengeIsTheServicesOwnAndFresh(t *testing.T) {
	before, after := rotated(t)
	made := now.Truncate(time.Microsecond)
	text := NewSignInChallenge(before, now)
	if got, err := CheckSignInChallenge(after, text, now.Add(SignInChallengeLife)); err != nil || !got.Equal(made) {
		t.Errorf("made at %v, got %v, %v", made, got, err)
	}
	for name, check := range map[string]func() error{
		"too late": func() error {
			_, err := CheckSignInChallenge(after, text, now.Add(SignInChallengeLife+time.Millisecond))
			return err
		},
		"from the future": func() error { _, err := CheckSignInChallenge(after, text, now.Add(-MaxSkew-time.Second)); return err },
		"another service": func() error { _, err := CheckSignInChallenge(newKeyring(t), text, now); return err },
		"empty":           func() error { _, err := CheckSignInChallenge(after, "", now); return err },
		"cut":             func() error { _, err := CheckSignInChallenge(after, text[:20], now); return err },
		"with a sign":     func() error { _, err := CheckSignInChallenge(after, "+"+text, now); return err },
	} {
		wantError(t, name, check(), ErrPasskey)
	}
	if NewSignInChallenge(before, now) == text {
		t.Error("two challenges are the same")
	}
}

func TestTokensAboutNobodyAreNotIssued(t *testing.T) {
	keys := newKeyring(t)
	_, err := IssueToken(keys, "", DeviceToken, audience, now)
	wantField(t, "no subject", err, "sub")
	_, err = IssueToken(keys, "x", "admin", audience, now)
	wantField(t, "another kind", err, "kind")
	_, err = IssueToken(keys, "x", DeviceToken, "", now)
	wantField(t, "no audience", err, "aud")
}

func TestForgedTokensAreRefused(t *testing.T) {
	good, check := issue(t)
	part := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		t.Fatal(err)
	}
	operator := strings.Replace(string(payload), `"device"`, `"operator"`, 1)
	nothing := func([]byte) []byte { return nil }
	key := newKey(t)
	for name, tc := range map[string]struct {
		compact string
		want    *Error
	}{
		"another kind, old signature": {part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(operator)) + "." + part[2], ErrSignature},
		"empty key":                   {forge(`{"alg":"HS256","typ":"at+jwt","kid":"1"}`, operator, hs(nil)), ErrSignature},
		"none":                        {forge(`{"alg":"none","typ":"at+jwt","kid":"1"}`, operator, nothing), ErrAlgorithm},
		"HS512":                       {forge(`{"alg":"HS512","typ":"at+jwt","kid":"1"}`, operator, hs(nil)), ErrAlgorithm},
		"ES256 by a device":           {mustSign(t, key, TypToken, operator), ErrAlgorithm},
		"kid of no version":           {forge(`{"alg":"HS256","typ":"at+jwt","kid":"x"}`, operator, hs(nil)), ErrMalformed},
		"kid 0":                       {forge(`{"alg":"HS256","typ":"at+jwt","kid":"0"}`, operator, hs(nil)), ErrKeyUnknown},
		"jwk":                         {forge(`{"alg":"HS256","typ":"at+jwt","kid":"1","jwk":{}}`, operator, hs(nil)), ErrMalformed},
		"plain JWT":                   {forge(`{"alg":"HS256","typ":"JWT","kid":"1"}`, operator, hs(nil)), ErrType},
		"cut":                         {good[:len(good)-2], ErrMalformed},
		"no signature":                {part[0] + "." + part[1] + ".", ErrSignature},
	} {
		got, err := check(tc.compact)
		wantError(t, name, err, tc.want)
		if got != (Token{}) {
			t.Errorf("%s: returned %+v besides the error", name, got)
		}
	}
	if _, err := check(good); err != nil {
		t.Error(err)
	}
}

func TestAssertionIsAboutItsSignerAndShortLived(t *testing.T) {
	key, other := newKey(t), newKey(t)
	for name, tc := range map[string]struct {
		change func(a *TokenAssertion)
		want   *Error
	}{
		"good":                      {func(*TokenAssertion) {}, nil},
		"another subject":           {func(a *TokenAssertion) { a.Subject = other.ID() }, ErrInvalid},
		"another device":            {func(a *TokenAssertion) { a.Subject, a.Issuer = other.ID(), other.ID() }, ErrKeyUnknown},
		"nobody":                    {func(a *TokenAssertion) { a.Subject, a.Issuer = "", "" }, ErrInvalid},
		"no expiry":                 {func(a *TokenAssertion) { a.Expires = 0 }, ErrInvalid},
		"expires before it is made": {func(a *TokenAssertion) { a.Expires = a.IssuedAt }, ErrInvalid},
		"too long":                  {func(a *TokenAssertion) { a.Expires++ }, ErrInvalid},
		"far too long":              {func(a *TokenAssertion) { a.Expires = 1<<63 - 1 }, ErrInvalid},
		"over":                      {func(a *TokenAssertion) { a.IssuedAt, a.Expires = a.IssuedAt-200, a.IssuedAt }, ErrExpired},
		"to another audience":       {func(a *TokenAssertion) { a.Audience = "https://pay.example/v1/token" }, ErrAudience},
	} {
		a := NewTokenAssertion(key.ID(), audience, now)
		tc.change(&a)
		err := receive(mustSign(t, key, TypAssertion, a), TypAssertion, key.Public(), new(TokenAssertion))
		if tc.want == nil && err == nil {
			continue
		}
		wantError(t, name, err, tc.want)
	}
}

// TestTokensAssertionsAndReceiptsAreNotConfused offers each to the readers of the others.
func TestTokensAssertionsAndReceiptsAreNotConfused(t *testing.T) {
	keys, key := newKeyring(t), newKey(t)
	token, err := IssueToken(keys, string(key.ID()), DeviceToken, audience, now)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"token":     token,
		"assertion": mustSign(t, key, TypAssertion, NewTokenAssertion(key.ID(), audience, now)),
		"receipt":   mustSignReceipt(t, keys, receipt()),
		"message":   mustSign(t, key, TypFreeze, Freeze{NewClaims(audience, now), "card_1"}),
	}
	readers := map[string]func(compact string) error{
		"token": func(compact string) error { _, err := CheckToken(keys, compact, audience, now); return err },
		"assertion": func(compact string) error {
			return receive(compact, TypAssertion, key.Public(), new(TokenAssertion))
		},
		"receipt": func(compact string) error { _, err := VerifyReceipt(keys.PublicJWKS(), compact); return err },
		"message": func(compact string) error { return receive(compact, TypFreeze, key.Public(), new(Freeze)) },
	}
	for what, compact := range all {
		for as, read := range readers {
			err := read(compact)
			if what == as && err == nil {
				continue
			}
			wantError(t, fmt.Sprintf("%s read as %s", what, as), err, ErrType)
		}
	}
}

func FuzzCheckToken(f *testing.F) {
	good, check := issue(f)
	f.Add(good)
	f.Add("..")
	f.Fuzz(func(t *testing.T, compact string) {
		if got, err := check(compact); err == nil && compact != good {
			t.Fatalf("a token nobody issued: %q is %+v", compact, got)
		}
	})
}
