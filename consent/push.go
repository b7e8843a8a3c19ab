package consent

import "encoding/base64"

// PushSubscription says where the signing device can be woken: what the Push API's subscription holds.
type PushSubscription struct {
	Claims
	Endpoint string `json:"endpoint" maxLength:"1024" doc:"The push service's address for this device, https."`
	P256DH   string `json:"p256dh" maxLength:"87" doc:"The browser's public key in base64url."`
	Auth     string `json:"auth" maxLength:"22" doc:"What browser and service both know, 16 bytes in base64url."`
	Key      string `json:"key" maxLength:"87" doc:"The service's push key that the browser was given: applicationServerKey."`
	Debits   bool   `json:"debits" doc:"Whether to be woken for debits and refunds, too. What concerns a card's security is always told."`
}

func (*PushSubscription) fits(t Typ) bool { return t == TypPush }

// Validate checks that there is an address, and that the other parts are base64url.
func (m *PushSubscription) Validate() error {
	if m.Endpoint == "" {
		return ErrInvalid.at("endpoint")
	}
	for _, part := range []struct{ field, text string }{{"p256dh", m.P256DH}, {"auth", m.Auth}, {"key", m.Key}} {
		if text, err := decodeBase64(part.text); err != nil || len(text) == 0 {
			return ErrInvalid.at(part.field)
		}
	}
	return nil
}

// Parts are the browser's public key and the secret, of a message that was validated.
func (m *PushSubscription) Parts() (key, auth []byte) {
	key, _ = base64.RawURLEncoding.DecodeString(m.P256DH)
	auth, _ = base64.RawURLEncoding.DecodeString(m.Auth)
	return key, auth
}

// PushRemoval says that the signing device is not to be woken any more.
type PushRemoval struct{ Claims }

func (*PushRemoval) fits(t Typ) bool { return t == TypPushRemoval }

// Validate has nothing to check.
func (*PushRemoval) Validate() error { return nil }
