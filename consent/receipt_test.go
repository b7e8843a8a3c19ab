package consent

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
	"github.com/google/go-cmp/cmp"

	"tapline/keyring"
)

func receipt() Receipt {
	s := secondStatement()
	return Receipt{
		Issuer: "https://pay.example", IssuedAt: now.Unix(), Environment: "live", Payment: s.Payment, State: StateSettled,
		Amount: s.Amount, PayeeHandle: s.PayeeHandle, PayeeName: s.PayeeName, PayeeAccount: s.PayeeAccount,
		CardAccount: s.CardAccount, OrderNumber: s.OrderNumber, OrderHash: s.OrderHash, Level: "approve",
		Assurance: "identified", Device: s.Device, Associated: DeviceID(strings.Repeat("a", 43)),
		InstructedAt: At(now.Add(-time.Minute)), SettledAt: At(now), FirstDigest: s.FirstDigest, SecondDigest: StatementDigest(s.Text()),
		Stages: StageMillis{Authentication: 9_000, FirstConfirmation: 21_000, SecondConfirmation: 30_000, Settlement: 4, Total: 60_004},
	}
}

func mustSignReceipt(t testing.TB, keys *keyring.Keyring, r Receipt) string {
	t.Helper()
	compact, err := SignReceipt(keys, r)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestReceiptIsVerifiedOfflineAndAfterRotation(t *testing.T) {
	before, after := rotated(t)
	want := receipt()
	old := mustSignReceipt(t, before, want)
	for name, tc := range map[string]struct {
		compact string
		keys    *keyring.Keyring
	}{
		"at once": {old, before}, "after rotation": {old, after}, "by the new key": {mustSignReceipt(t, after, want), after},
	} {
		got, err := VerifyReceipt(tc.keys.PublicJWKS(), tc.compact)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -signed +verified\n%s", name, diff)
		}
	}
	_, err := VerifyReceipt(before.PublicJWKS(), mustSignReceipt(t, after, want))
	wantError(t, "key not in the set", err, ErrKeyUnknown)
}

func TestForgedReceiptsAreRefused(t *testing.T) {
	keys, evil := newKeyring(t), newKeyring(t)
	jwks := keys.PublicJWKS()
	good := mustSignReceipt(t, keys, receipt())
	kid := keys.Signer().KeyID()
	device := newKey(t)
	signWith := func(signer *keyring.Signer, typ Typ, kid string, claims any) string {
		compact, err := sign(jose.SigningKey{Algorithm: jose.ES256, Key: cryptosigner.Opaque(signer)},
			map[jose.HeaderKey]any{"typ": typ, "kid": kid}, claims)
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	// A set in which another key goes by the service's name.
	renamed := []byte(strings.ReplaceAll(string(evil.PublicJWKS()), evil.Signer().KeyID(), kid))
	pending := receipt()
	pending.State = "approval_required"
	part := strings.Split(good, ".")
	other := strings.Split(mustSignReceipt(t, keys, pendingFixed(receipt())), ".")
	for name, tc := range map[string]struct {
		jwks    []byte
		compact string
		want    *Error
	}{
		"by another key under its name": {jwks, signWith(evil.Signer(), TypReceipt, kid, receipt()), ErrSignature},
		"by another key":                {jwks, mustSignReceipt(t, evil, receipt()), ErrKeyUnknown},
		"key renamed in the set":        {renamed, signWith(evil.Signer(), TypReceipt, kid, receipt()), ErrKeyUnknown},
		"by a device":                   {jwks, mustSign(t, device, TypReceipt, receipt()), ErrKeyUnknown},
		"of another type":               {jwks, signWith(keys.Signer(), TypInstruction, kid, receipt()), ErrType},
		"not settled":                   {jwks, signWith(keys.Signer(), TypReceipt, kid, pending), ErrInvalid},
		"payload of another":            {jwks, part[0] + "." + other[1] + "." + part[2], ErrSignature},
		"signature of another":          {jwks, part[0] + "." + part[1] + "." + other[2], ErrSignature},
		"claims of something else":      {jwks, signWith(keys.Signer(), TypReceipt, kid, NewClaims(audience, now)), ErrMalformed},
		"alg none":                      {jwks, forge(fmt.Sprintf(`{"alg":"none","typ":%q,"kid":%q}`, TypReceipt, kid), toJSON(t, receipt()), func([]byte) []byte { return nil }), ErrAlgorithm},
		"no keys":                       {[]byte(`{"keys":[]}`), good, ErrKeyUnknown},
		"no set":                        {[]byte(`[]`), good, ErrMalformed},
		"not a receipt":                 {jwks, "x", ErrMalformed},
	} {
		got, err := VerifyReceipt(tc.jwks, tc.compact)
		wantError(t, name, err, tc.want)
		if got != (Receipt{}) {
			t.Errorf("%s: returned %+v besides the error", name, got)
		}
	}
}

func pendingFixed(r Receipt) Receipt {
	r.Amount.Minor++
	return r
}

func TestReceiptsThatSayTooLittleAreNotSigned(t *testing.T) {
	keys := newKeyring(t)
	for field, change := range map[string]func(r *Receipt){
		"iss":               func(r *Receipt) { r.Issuer = "" },
		"iat":               func(r *Receipt) { r.IssuedAt = 0 },
		"environment":       func(r *Receipt) { r.Environment = "Live" },
		"payment":           func(r *Receipt) { r.Payment = "" },
		"state":             func(r *Receipt) { r.State = "rehearsed" },
		"amount":            func(r *Receipt) { r.Amount.Minor = 0 },
		"payee_handle":      func(r *Receipt) { r.PayeeHandle = "" },
		"payee_account":     func(r *Receipt) { r.PayeeAccount = "" },
		"card_account":      func(r *Receipt) { r.CardAccount = string(secretNo) },
		"order_hash":        func(r *Receipt) { r.OrderHash = "" },
		"initiating_device": func(r *Receipt) { r.Device = "" },
		"associated_device": func(r *Receipt) { r.Associated = "x" },
		"instructed_at":     func(r *Receipt) { r.InstructedAt = Instant{} },
		"settled_at":        func(r *Receipt) { r.SettledAt = At(now.Add(-time.Hour)) },
		"first_digest":      func(r *Receipt) { r.FirstDigest = "x" },
		"second_digest":     func(r *Receipt) { r.SecondDigest = "x" },
	} {
		r := receipt()
		change(&r)
		_, err := SignReceipt(keys, r)
		wantField(t, field, err, field)
	}
}

func TestThePayeesCopyOfAReceiptNamesNoCardAndNoDevice(t *testing.T) {
	keys := newKeyring(t)
	compact := mustSignReceipt(t, keys, receipt().PayeeCopy())
	got, err := VerifyReceipt(keys.PublicJWKS(), compact)
	if err != nil {
		t.Fatal(err)
	}
	want := receipt()
	want.CardAccount, want.Device, want.Associated = "", "", ""
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	half := receipt().PayeeCopy()
	half.Device = receipt().Device
	_, err = SignReceipt(keys, half)
	wantField(t, "half a copy", err, "card_account")
}

func TestReceiptKeysMayBeReadByAnyLibrary(t *testing.T) {
	keys := newKeyring(t)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys.PublicJWKS(), &set); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(mustSignReceipt(t, keys, receipt()), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Verify(&set); err != nil {
		t.Error(err)
	}
}

func FuzzVerifyReceipt(f *testing.F) {
	keys := newKeyring(f)
	jwks := keys.PublicJWKS()
	good := mustSignReceipt(f, keys, receipt())
	f.Add(good, string(jwks))
	f.Add("..", `{"keys":[{}]}`)
	f.Fuzz(func(t *testing.T, compact, set string) {
		if got, err := VerifyReceipt([]byte(set), compact); err != nil && got != (Receipt{}) {
			t.Fatalf("VerifyReceipt(%q) = %+v besides %v", compact, got, err)
		}
		if _, err := VerifyReceipt(jwks, compact); err == nil && compact != good {
			t.Fatalf("a receipt nobody signed: %q", compact)
		}
	})
}

// A fee that the payee bears is for the payee's copy alone, and either is in the payment's currency.
func TestReceiptsTellEitherSideItsFee(t *testing.T) {
	keys := newKeyring(t)
	fee := feeStatement().Fee
	foreign := fee
	foreign.Currency = "JPY"
	for name, tc := range map[string]struct {
		change func(*Receipt)
		good   bool
	}{
		"the payer's":                  {func(r *Receipt) { r.Fee = fee }, true},
		"the payee's":                  {func(r *Receipt) { *r = r.PayeeCopy(); r.PayeeFee = fee }, true},
		"the payee's, to the payer":    {func(r *Receipt) { r.PayeeFee = fee }, false},
		"the payer's, in other money":  {func(r *Receipt) { r.Fee = foreign }, false},
		"the payee's, in other money":  {func(r *Receipt) { *r = r.PayeeCopy(); r.PayeeFee = foreign }, false},
		"the payer's, of less than no": {func(r *Receipt) { r.Fee = fee; r.Fee.Minor = -1 }, false},
	} {
		r := receipt()
		tc.change(&r)
		compact, err := SignReceipt(keys, r)
		if (err == nil) != tc.good {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if got, err := VerifyReceipt(keys.PublicJWKS(), compact); err != nil || got != r {
			t.Errorf("%s: read as %+v, %v", name, got, err)
		}
	}
}
