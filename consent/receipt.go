package consent

import (
	"log/slog"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"

	"tapline/internal/strictjson"
	"tapline/keyring"
	"tapline/money"
	"tapline/payment"
)

// Receipt says that a payment was settled, and how. It is signed by the service, and its signature can be checked by
// anybody, offline, with the service's public keys. Later refunds do not show in it: only the service knows of them.
type Receipt struct {
	Issuer      string `json:"iss" doc:"The service's origin, such as https://pay.example."`
	IssuedAt    int64  `json:"iat" doc:"Time of issue in seconds since 1970 UTC."`
	Environment string `json:"environment" enum:"live,test"`

	Payment      PaymentID    `json:"payment"`
	State        string       `json:"state" enum:"settled"`
	Amount       money.Amount `json:"amount"`
	Fee          money.Amount `json:"fee,omitzero" doc:"What the payer paid besides the amount."`
	PayeeFee     money.Amount `json:"payee_fee,omitzero" doc:"What the operator took of the amount. In the payee's copy only."`
	PayeeHandle  string       `json:"payee_handle"`
	PayeeName    string       `json:"payee_name"`
	PayeeAccount string       `json:"payee_account"`
	CardAccount  string       `json:"card_account,omitempty" doc:"Masked, such as •••• 1234. Not in the payee's copy."`
	Order        string       `json:"order,omitempty" doc:"The order that was paid, if the payee had made it."`
	OrderNumber  string       `json:"order_number,omitempty"`
	OrderHash    string       `json:"order_hash" doc:"SHA-256 over the order's terms, base64url."`

	Level      string   `json:"level" doc:"The policy level the payment went through."`
	Assurance  string   `json:"assurance" doc:"authentic: the card proved itself; identified: its number was only read."`
	Device     DeviceID `json:"initiating_device,omitempty" doc:"Not in the payee's copy."`
	Associated DeviceID `json:"associated_device,omitempty" doc:"The device that gave the second confirmation, if one was needed. Not in the payee's copy."`

	InstructedAt Instant     `json:"instructed_at"`
	SettledAt    Instant     `json:"settled_at"`
	FirstDigest  string      `json:"first_digest,omitempty" doc:"SHA-256 of the first statement's text, base64url."`
	SecondDigest string      `json:"second_digest,omitempty" doc:"SHA-256 of the second statement's text, base64url."`
	Stages       StageMillis `json:"stages" doc:"How long each stage took, in milliseconds."`
}

// StageMillis is how long the stages of a payment took, in milliseconds; 0 for a stage it did not need.
type StageMillis struct {
	Authentication     int64 `json:"authentication"`
	FirstConfirmation  int64 `json:"first_confirmation"`
	SecondConfirmation int64 `json:"second_confirmation"`
	Settlement         int64 `json:"settlement"`
	Total              int64 `json:"total"`
}

// StateSettled is the only state that gets a receipt.
const StateSettled = "settled"

// LogValue is the payment's id.
func (r Receipt) LogValue() slog.Value {
	return slog.GroupValue(slog.String("payment", string(r.Payment)))
}

// PayeeCopy is the receipt without what is not the payee's to know: the card and the devices.
func (r Receipt) PayeeCopy() Receipt {
	r.CardAccount, r.Device, r.Associated = "", "", ""
	return r
}

// Validate checks what every receipt must say.
func (r Receipt) Validate() error {
	payeeCopy := r == r.PayeeCopy()
	for _, check := range []struct {
		field string
		ok    bool
	}{
		{"iss", r.Issuer != ""},
		{"iat", r.IssuedAt > 0},
		{"environment", r.Environment == "live" || r.Environment == "test"},
		{"payment", r.Payment.Check() == nil},
		{"state", r.State == StateSettled},
		{"amount", r.Amount.Valid()},
		{"fee", r.Fee == (money.Amount{}) || r.Fee.Valid() && r.Fee.Currency == r.Amount.Currency},
		{"payee_fee", r.PayeeFee == (money.Amount{}) || payeeCopy && r.PayeeFee.Valid() && r.PayeeFee.Currency == r.Amount.Currency},
		{"payee_handle", CheckHandle(r.PayeeHandle) == nil},
		{"payee_account", r.PayeeAccount != ""},
		{"card_account", payeeCopy || isMasked(r.CardAccount)},
		{"order", r.Order == "" || CheckOrderID(payment.OrderID(r.Order)) == nil},
		{"order_hash", digestForm.MatchString(r.OrderHash)},
		{"initiating_device", payeeCopy || r.Device.Check() == nil},
		{"associated_device", r.Associated == "" || r.Associated.Check() == nil},
		{"instructed_at", !r.InstructedAt.IsZero()},
		{"settled_at", !r.SettledAt.Before(r.InstructedAt.Time)},
		{"first_digest", r.FirstDigest == "" || digestForm.MatchString(r.FirstDigest)},
		{"second_digest", r.SecondDigest == "" || digestForm.MatchString(r.SecondDigest)},
	} {
		if !check.ok {
			return ErrInvalid.at(check.field)
		}
	}
	return nil
}

// SignReceipt signs a receipt with the current receipt key (ES256), in compact form. It refuses one that VerifyReceipt
// would refuse.
func SignReceipt(keys *keyring.Keyring, r Receipt) (string, error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	signer := keys.Signer()
	return sign(
		jose.SigningKey{Algorithm: jose.ES256, Key: cryptosigner.Opaque(signer)},
		map[jose.HeaderKey]any{"typ": TypReceipt, "kid": signer.KeyID()}, r)
}

// VerifyReceipt checks a receipt against a service's public keys as found at /.well-known/jwks.json, without asking
// anybody, and returns what it says. Whose keys they are, and whether Issuer and Environment are the expected ones, is
// for the caller to know. A refund made after the receipt does not show in it: ask the service.
func VerifyReceipt(jwks []byte, compact string) (Receipt, error) {
	h, signed, err := parse(compact, TypReceipt, jose.ES256)
	if err != nil {
		return Receipt{}, err
	}
	if len(h.JWK) > 0 {
		return Receipt{}, ErrMalformed.at("jwk")
	}
	key, err := findKey(jwks, DeviceID(h.KeyID))
	if err != nil {
		return Receipt{}, err
	}
	payload, err := signed.verify(key.key)
	if err != nil {
		return Receipt{}, err
	}
	var r Receipt
	if err := decode(payload, &r); err != nil {
		return Receipt{}, err
	}
	if err := r.Validate(); err != nil {
		return Receipt{}, err
	}
	return r, nil
}

// findKey looks for the P-256 key with this thumbprint in a JWK set. The thumbprint is computed anew: a set that gives
// one key another's name proves nothing.
func findKey(jwks []byte, kid DeviceID) (PublicKey, error) {
	var set struct {
		Keys []struct {
			publicJWK
			KeyID     string `json:"kid"`
			Algorithm string `json:"alg"`
			Use       string `json:"use"`
		} `json:"keys"`
	}
	if strictjson.Decode(jwks, &set) != nil {
		return PublicKey{}, ErrMalformed.at("keys")
	}
	for _, jwk := range set.Keys {
		key, err := parsePublicJWK(jwk.publicJWK)
		if err == nil && key.id == kid && key.alg == jose.ES256 {
			return key, nil
		}
	}
	return PublicKey{}, ErrKeyUnknown
}
