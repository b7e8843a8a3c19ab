package consent

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"tapline/money"
)

func TestSignedMessageIsReadBack(t *testing.T) {
	_, edPrivate, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := newDeviceKey(edPrivate)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []*DeviceKey{newKey(t), ed} {
		want := instruction(key.ID())
		var got Instruction
		if err := receive(mustSign(t, key, TypInstruction, want), TypInstruction, key.Public(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, &got); diff != "" {
			t.Errorf("-sent +read\n%s", diff)
		}
	}
}

func TestRegistrationProvesItsOwnKey(t *testing.T) {
	key, other := newKey(t), newKey(t)
	m := &DeviceRegistration{Claims: NewClaims(audience, now), Label: "my phone"}
	compact := mustSign(t, key, TypDevice, m)
	e, err := Read(compact, TypDevice)
	if err != nil {
		t.Fatal(err)
	}
	var got DeviceRegistration
	if err := e.Verify(e.Key(), audience, now, &got); err != nil || e.Key().ID() != key.ID() || e.Device() != key.ID() {
		t.Errorf("Verify = %v for %s, want %s", err, e.Device(), key.ID())
	}

	// With another's public key in the header: by its own name, and by the signer's.
	signing := jose.SigningKey{Algorithm: jose.ES256, Key: key.private}
	for _, kid := range []DeviceID{key.ID(), other.ID()} {
		compact, err := sign(signing, map[jose.HeaderKey]any{
			"typ": TypDevice, "kid": kid, "jwk": jose.JSONWebKey{Key: other.public.key},
		}, m)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Read(compact, TypDevice)
		if kid == key.ID() {
			wantError(t, "kid of the signer, jwk of another", err, ErrKeyUnknown)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, "kid and jwk of another", e.Verify(e.Key(), audience, now, &got), ErrSignature)
	}
}

// es256 signs as the key would, whatever the header says.
func es256(t *testing.T, key *DeviceKey) func(input []byte) []byte {
	return func(input []byte) []byte {
		sum := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, key.private.(*ecdsa.PrivateKey), sum[:])
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, 64)
		r.FillBytes(out[:32])
		s.FillBytes(out[32:])
		return out
	}
}

// publicForms are ways in which a server might keep a public key and mistake it for a secret.
func publicForms(t *testing.T, key *DeviceKey) (der, pemKey []byte) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.public.key)
	if err != nil {
		t.Fatal(err)
	}
	return der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// hs signs with HMAC-SHA-256.
func hs(secret []byte) func(input []byte) []byte {
	return func(input []byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(input)
		return h.Sum(nil)
	}
}

func TestForgedHeadersAreRefused(t *testing.T) {
	key := newKey(t)
	kid, jwk := string(key.ID()), string(key.Public().JWK())
	payload := toJSON(t, instruction(key.ID()))
	signed := es256(t, key)
	nothing := func([]byte) []byte { return nil }
	inASN1 := func(input []byte) []byte {
		sum := sha256.Sum256(input)
		out, err := ecdsa.SignASN1(rand.Reader, key.private.(*ecdsa.PrivateKey), sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	der, pemKey := publicForms(t, key)
	head := func(alg, rest string) string {
		return fmt.Sprintf(`{"alg":%q,"typ":"tapline-instruction+jws","kid":%q%s}`, alg, kid, rest)
	}
	for name, tc := range map[string]struct {
		header string
		sign   func([]byte) []byte
		want   *Error
	}{
		"genuine":                         {head("ES256", ""), signed, nil},
		"none":                            {head("none", ""), nothing, ErrAlgorithm},
		"None":                            {head("None", ""), nothing, ErrAlgorithm},
		"HS256 with the public JWK":       {head("HS256", ""), hs([]byte(jwk)), ErrAlgorithm},
		"HS256 with the public DER":       {head("HS256", ""), hs(der), ErrAlgorithm},
		"HS256 with the public PEM":       {head("HS256", ""), hs(pemKey), ErrAlgorithm},
		"ES384":                           {head("ES384", ""), signed, ErrAlgorithm},
		"RS256":                           {head("RS256", ""), signed, ErrAlgorithm},
		"EdDSA on a P-256 key":            {head("EdDSA", ""), signed, ErrAlgorithm},
		"algorithm missing":               {`{"typ":"tapline-instruction+jws","kid":"` + kid + `"}`, signed, ErrAlgorithm},
		"algorithm no text":               {`{"alg":1,"typ":"tapline-instruction+jws","kid":"` + kid + `"}`, signed, ErrMalformed},
		"algorithm twice":                 {head("ES256", `,"alg":"none"`), signed, ErrMalformed},
		"algorithm twice in other case":   {head("ES256", `,"ALG":"none"`), signed, ErrMalformed},
		"crit":                            {head("ES256", `,"crit":["exp"],"exp":1`), signed, ErrMalformed},
		"crit empty":                      {head("ES256", `,"crit":[]`), signed, ErrMalformed},
		"b64 false":                       {head("ES256", `,"b64":false,"crit":["b64"]`), signed, ErrMalformed},
		"jku":                             {head("ES256", `,"jku":"https://evil.example/k"`), signed, ErrMalformed},
		"x5u":                             {head("ES256", `,"x5u":"https://evil.example/k"`), signed, ErrMalformed},
		"x5c":                             {head("ES256", `,"x5c":["AAAA"]`), signed, ErrMalformed},
		"zip":                             {head("ES256", `,"zip":"DEF"`), signed, ErrMalformed},
		"jwk where none belongs":          {head("ES256", `,"jwk":`+jwk), signed, ErrMalformed},
		"jwk null":                        {head("ES256", `,"jwk":null`), signed, ErrMalformed},
		"kid missing":                     {`{"alg":"ES256","typ":"tapline-instruction+jws"}`, signed, ErrMalformed},
		"kid no thumbprint":               {`{"alg":"ES256","typ":"tapline-instruction+jws","kid":"../../etc/passwd"}`, signed, ErrMalformed},
		"kid of another":                  {`{"alg":"ES256","typ":"tapline-instruction+jws","kid":"` + string(newKey(t).ID()) + `"}`, signed, ErrKeyUnknown},
		"typ missing":                     {`{"alg":"ES256","kid":"` + kid + `"}`, signed, ErrType},
		"typ with the application prefix": {`{"alg":"ES256","typ":"application/tapline-instruction+jws","kid":"` + kid + `"}`, signed, ErrType},
		"typ in capitals":                 {`{"alg":"ES256","typ":"TAPLINE-INSTRUCTION+JWS","kid":"` + kid + `"}`, signed, ErrType},
		"typ of a receipt":                {`{"alg":"ES256","typ":"tapline-receipt+jws","kid":"` + kid + `"}`, signed, ErrType},
		"header no object":                {`[]`, signed, ErrMalformed},
		"header null":                     {`null`, signed, ErrMalformed},
		"signature empty":                 {head("ES256", ""), nothing, ErrSignature},
		"signature zero":                  {head("ES256", ""), func([]byte) []byte { return make([]byte, 64) }, ErrSignature},
		"signature in ASN.1":              {head("ES256", ""), inASN1, ErrSignature},
		"signature by another":            {head("ES256", ""), es256(t, newKey(t)), ErrSignature},
	} {
		var got Instruction
		err := receive(forge(tc.header, payload, tc.sign), TypInstruction, key.Public(), &got)
		if tc.want == nil {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantError(t, name, err, tc.want)
	}
}

func TestEveryChangedByteBreaksTheMessage(t *testing.T) {
	key := newKey(t)
	compact := mustSign(t, key, TypInstruction, instruction(key.ID()))
	for i := range compact {
		for _, c := range []byte{'A', 'B', '.', '=', '\n', ' ', compact[i] ^ 1} {
			if compact[i] == c {
				continue
			}
			changed := compact[:i] + string(c) + compact[i+1:]
			var got Instruction
			if err := receive(changed, TypInstruction, key.Public(), &got); err == nil {
				t.Fatalf("byte %d changed from %q to %q was not noticed", i, compact[i], c)
			}
		}
	}
	for _, changed := range []string{
		"", ".", "..", "...", compact + ".", "." + compact, compact + "=", compact + "\n", " " + compact, compact[:len(compact)-1],
		`{"payload":"x","protected":"y","signature":"z"}`, strings.Repeat("A", MaxMessage+1), strings.Repeat(".", MaxMessage),
		strings.Replace(compact, ".", ".\n", 1),
	} {
		var got Instruction
		if err := receive(changed, TypInstruction, key.Public(), &got); err == nil {
			t.Errorf("taken: %.60q", changed)
		}
	}
}

// messages is one valid message of each type.
func messages(device DeviceID) map[Typ]Message {
	c := func() Claims { return NewClaims(audience, now) }
	assertion := NewTokenAssertion(device, audience, now)
	decision := func() *Decision {
		return &Decision{Claims: c(), Payment: NewPaymentID(), Decision: Approve, Statement: "{}"}
	}
	return map[Typ]Message{
		TypDevice:         &DeviceRegistration{c(), "my phone"},
		TypActivation:     &Activation{c(), NewActivationCode(), Tap{Account: secretNo}, "8305"},
		TypInstruction:    instruction(device),
		TypFromTemplate:   &FromTemplate{c(), NewTemplateID(), money.Amount{Minor: 5, Currency: "CNY"}, 1},
		TypAuthentication: &Authentication{c(), NewPaymentID(), "8305"},
		TypConfirmation:   decision(),
		TypApproval:       decision(),
		TypCancellation:   &Cancellation{c(), NewPaymentID()},
		TypFreeze:         &Freeze{c(), "card_1"},
		TypLoss:           &Loss{c(), "card_1"},
		TypUnfreeze:       &Unfreeze{c(), "card_1", "8305"},
		TypEmail:          &EmailChange{c(), "card_1", "8305", "ann@mail.example", "en"},
		TypEmailCode:      &EmailConfirmation{c(), "card_1", NewActivationCode()},
		TypEmailRemoval:   &EmailRemoval{c(), "card_1", "8305"},
		TypLimits:         &Limits{c(), "card_1", "8305", "approve", nil},
		TypPIN:            &PINChange{Claims: c(), Card: "card_1", OldPIN: "8305", NewPIN: "2790"},
		TypRebind:         &Rebind{c(), "card_1", DeviceID(strings.Repeat("x", 43))},
		TypDeviceRemoval:  &DeviceRemoval{c(), "card_1", DeviceID(strings.Repeat("x", 43)), "8305"},
		TypAssertion:      &assertion,
	}
}

func TestNoMessagePassesForAnotherType(t *testing.T) {
	key := newKey(t)
	all := messages(key.ID())
	for typ, m := range all {
		compact := mustSign(t, key, typ, m)
		for as := range all {
			e, err := Read(compact, as)
			if as != typ {
				wantError(t, fmt.Sprintf("%s read as %s", typ, as), err, ErrType)
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			for other, into := range messages(key.ID()) {
				err := e.Verify(key.Public(), audience, now, into)
				switch {
				case into.fits(typ) && err != nil:
					t.Errorf("%s: %v", typ, err)
				case !into.fits(typ):
					wantError(t, fmt.Sprintf("%s verified into the claims of %s", typ, other), err, ErrType)
				}
			}
		}
		for _, as := range []Typ{TypReceipt, TypToken, "", "JWS"} {
			if _, err := Read(compact, as); err == nil {
				t.Errorf("%s read as %s", typ, as)
			}
		}
	}
}

func TestCommonClaimsAreChecked(t *testing.T) {
	key := newKey(t)
	seconds := func(d time.Duration) int64 { return now.Add(d).Unix() }
	good := NewClaims(audience, now)
	for name, tc := range map[string]struct {
		claims Claims
		want   *Error
	}{
		"five minutes old":      {Claims{audience, seconds(-MaxSkew), good.ID}, nil},
		"five minutes ahead":    {Claims{audience, seconds(MaxSkew), good.ID}, nil},
		"older":                 {Claims{audience, seconds(-MaxSkew) - 1, good.ID}, ErrStale},
		"further ahead":         {Claims{audience, seconds(MaxSkew) + 1, good.ID}, ErrStale},
		"milliseconds":          {Claims{audience, now.UnixMilli(), good.ID}, ErrStale},
		"no time":               {Claims{audience, 0, good.ID}, ErrStale},
		"least time":            {Claims{audience, -1 << 63, good.ID}, ErrStale},
		"greatest time":         {Claims{audience, 1<<63 - 1, good.ID}, ErrStale},
		"test environment":      {Claims{"https://pay.example/test", good.IssuedAt, good.ID}, ErrAudience},
		"audience with a slash": {Claims{audience + "/", good.IssuedAt, good.ID}, ErrAudience},
		"audience in capitals":  {Claims{"https://PAY.example/live", good.IssuedAt, good.ID}, ErrAudience},
		"no audience":           {Claims{"", good.IssuedAt, good.ID}, ErrAudience},
		"no id":                 {Claims{audience, good.IssuedAt, ""}, ErrInvalid},
		"short id":              {Claims{audience, good.IssuedAt, good.ID[:21]}, ErrInvalid},
		"long id":               {Claims{audience, good.IssuedAt, strings.Repeat("a", 65)}, ErrInvalid},
		"id with a line end":    {Claims{audience, good.IssuedAt, good.ID + "\n"}, ErrInvalid},
		"id with other letters": {Claims{audience, good.IssuedAt, strings.Repeat("é", 22)}, ErrInvalid},
	} {
		compact := mustSign(t, key, TypFreeze, Freeze{tc.claims, "card_1"})
		err := receive(compact, TypFreeze, key.Public(), new(Freeze))
		if tc.want == nil && err == nil {
			continue
		}
		wantError(t, name, err, tc.want)
	}
	e, err := Read(mustSign(t, key, TypFreeze, Freeze{Claims{"", good.IssuedAt, good.ID}, "card_1"}), TypFreeze)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, "service without an audience", e.Verify(key.Public(), "", now, new(Freeze)), ErrAudience)
	wantError(t, "no key", e.Verify(PublicKey{}, audience, now, new(Freeze)), ErrKeyUnknown)
	wantError(t, "no message", Envelope{}.Verify(key.Public(), audience, now, new(Freeze)), ErrMalformed)
}

func TestSignedClaimsAreReadStrictly(t *testing.T) {
	key := newKey(t)
	good := toJSON(t, &Freeze{NewClaims(audience, now), "card_1"})
	header := fmt.Sprintf(`{"alg":"ES256","typ":%q,"kid":%q}`, TypFreeze, key.ID())
	for name, payload := range map[string]string{
		"unknown":         strings.Replace(good, "{", `{"amount":1,`, 1),
		"twice":           strings.Replace(good, "{", `{"card":"card_2",`, 1),
		"twice by case":   strings.Replace(good, "{", `{"Card":"card_2",`, 1),
		"other case":      strings.Replace(good, `"card"`, `"CARD"`, 1),
		"null":            strings.Replace(good, `"card_1"`, `null`, 1),
		"audiences":       strings.Replace(good, `"`+audience+`"`, `["`+audience+`"]`, 1),
		"text for a time": strings.Replace(good, `"iat":`, `"iat":"1","x":`, 1),
		"fraction":        strings.Replace(good, fmt.Sprint(now.Unix()), fmt.Sprint(now.Unix())+".0", 1),
		"trailing":        good + "{}",
		"not Unicode":     strings.Replace(good, "card_1", "card_\xff", 1),
		"empty":           "",
	} {
		wantError(t, name, receive(forge(header, payload, es256(t, key)), TypFreeze, key.Public(), new(Freeze)), ErrMalformed)
	}
	if err := receive(forge(header, good, es256(t, key)), TypFreeze, key.Public(), new(Freeze)); err != nil {
		t.Error(err)
	}
}

func TestPublicKeysAreReadStrictly(t *testing.T) {
	key := newKey(t)
	good := string(key.Public().JWK())
	b64 := base64.RawURLEncoding.EncodeToString
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	big, _ := jose.JSONWebKey{Key: p384.Public()}.MarshalJSON()
	private, _ := jose.JSONWebKey{Key: key.private}.MarshalJSON()
	_, edPrivate, _ := ed25519.GenerateKey(nil)
	okp := func(x []byte) string { return `{"kty":"OKP","crv":"Ed25519","x":"` + b64(x) + `"}` }
	one := append([]byte{1}, make([]byte, 31)...)
	for name, text := range map[string]string{
		"private":            string(private),
		"P-384":              string(big),
		"P-384 as P-256":     strings.Replace(string(big), "P-384", "P-256", 1),
		"symmetric":          `{"kty":"oct","k":"` + b64(make([]byte, 32)) + `"}`,
		"RSA":                `{"kty":"RSA","n":"` + b64(make([]byte, 256)) + `","e":"AQAB"}`,
		"point not on curve": `{"kty":"EC","crv":"P-256","x":"` + b64(one) + `","y":"` + b64(one) + `"}`,
		"point at infinity":  `{"kty":"EC","crv":"P-256","x":"` + b64(make([]byte, 32)) + `","y":"` + b64(make([]byte, 32)) + `"}`,
		"no y":               `{"kty":"EC","crv":"P-256","x":"` + b64(one) + `"}`,
		"short x":            `{"kty":"EC","crv":"P-256","x":"AQ","y":"` + b64(one) + `"}`,
		"padded":             strings.Replace(good, `","y"`, `=","y"`, 1),
		"with a certificate": strings.Replace(good, "{", `{"x5c":["AAAA"],`, 1),
		"with a name":        strings.Replace(good, "{", `{"kid":"x",`, 1),
		"twice":              strings.Replace(good, "{", `{"kty":"EC",`, 1),
		"Ed25519 with y":     strings.Replace(okp(edPrivate.Public().(ed25519.PublicKey)), "}", `,"y":"AA"}`, 1),
		"Ed25519 short":      okp(make([]byte, 31)),
		"Ed25519 zero":       okp(make([]byte, 32)),
		"Ed25519 neutral":    okp(one),
		"X25519":             strings.Replace(okp(edPrivate.Public().(ed25519.PublicKey)), "Ed25519", "X25519", 1),
		"EC with Ed25519":    `{"kty":"EC","crv":"Ed25519","x":"` + b64(one) + `"}`,
		"null":               `null`,
		"huge":               `{"kty":"` + strings.Repeat("E", 2000) + `"}`,
		"x with line end":    strings.Replace(good, `"x":"`, `"x":"\n`, 1),
	} {
		if got, err := ParsePublicJWK([]byte(text)); err == nil {
			t.Errorf("%s: taken as %s", name, got.ID())
		}
	}
	for _, text := range []string{good, okp(edPrivate.Public().(ed25519.PublicKey))} {
		got, err := ParsePublicJWK([]byte(text))
		if err != nil || string(got.JWK()) != text {
			t.Errorf("ParsePublicJWK(%s) = %s, %v", text, got.JWK(), err)
		}
	}
}

func TestThumbprintIsRFC7638s(t *testing.T) {
	// RFC 8037 appendix A.3.
	key, err := ParsePublicJWK([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	if want := DeviceID("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"); err != nil || key.ID() != want {
		t.Errorf("thumbprint is %s, %v; want %s", key.ID(), err, want)
	}
}

func TestDeviceKeyReadsBackAndDoesNotPrint(t *testing.T) {
	key := newKey(t)
	text, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseDeviceKey(text)
	if err != nil || again.ID() != key.ID() {
		t.Fatalf("ParseDeviceKey = %v, %v; want %v", again, err, key)
	}
	d, err := key.private.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	out := printed(key) + printed(*key) + printed(struct{ Key *DeviceKey }{key}) + toJSON(t, key)
	for _, s := range []string{fmt.Sprintf("%x", d[:8]), fmt.Sprintf("%X", d[:8]), fmt.Sprint(d[:4])[1:], fmt.Sprint(block.Bytes)} {
		if strings.Contains(out, s) {
			t.Errorf("the private key shows: %s", s)
		}
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "two": append(bytes.Clone(text), text...), "cut": text[:len(text)/2],
		"another type": bytes.ReplaceAll(text, []byte("PRIVATE KEY"), []byte("EC PRIVATE KEY")),
	} {
		if _, err := ParseDeviceKey(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	key, err := NewDeviceKey()
	if err != nil {
		f.Fatal(err)
	}
	for typ, m := range messages(key.ID()) {
		f.Add(mustSign(f, key, typ, m), string(typ))
	}
	f.Add("e30.e30.", "JWT")
	f.Add("..", "")
	f.Fuzz(func(t *testing.T, compact, typ string) {
		e, err := Read(compact, Typ(typ))
		if err != nil {
			return
		}
		if e.Device().Check() != nil || string(e.Typ()) != typ || len(compact) > MaxMessage {
			t.Fatalf("Read(%q, %q) = %s, %s", compact, typ, e.Device(), e.Typ())
		}
		for _, m := range messages(key.ID()) {
			if !m.fits(e.Typ()) {
				continue
			}
			// The fuzzer's key is random, so whatever verifies was signed by it above and is unchanged.
			if e.Verify(key.Public(), audience, now, m) == nil && m.Validate() != nil {
				t.Fatalf("verified, but not valid: %q", compact)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	key := newKey(b)
	m := instruction(key.ID())
	for b.Loop() {
		if _, err := Sign(key, TypInstruction, m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadAndVerify(b *testing.B) {
	key := newKey(b)
	compact := mustSign(b, key, TypInstruction, instruction(key.ID()))
	for b.Loop() {
		if err := receive(compact, TypInstruction, key.Public(), new(Instruction)); err != nil {
			b.Fatal(err)
		}
	}
}
