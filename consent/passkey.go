package consent

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"tapline/money"
)

// ErrPasskey means that a passkey's answer proves nothing: it is another's, for something else, or its user was not
// verified. Field names the part at fault, so that whoever writes a page finds out; none of it is secret.
var ErrPasskey = &Error{Code: "passkey_refused", text: "the passkey's answer does not fit"}

// Bounds of what authenticators make, in bytes. WebAuthn Level 3 §4 has 1023 for a credential's id.
const (
	maxCredentialID = 1023
	maxPasskeyPart  = 8 << 10
)

// Passkey is a WebAuthn credential of a cardholder: a key that an authenticator uses after it has verified its user.
type Passkey struct {
	ID        []byte
	PublicKey []byte // COSE_Key (RFC 9052 §7)
	Counter   uint32 // of signatures, as last seen; 0 for authenticators without one
	Synced    bool   // it may be copied to the user's other devices (flag BE): it does not prove which device it is on
}

// PasskeyCreation is what navigator.credentials.create answers, its parts in base64url (WebAuthn Level 3 §5.2.1).
type PasskeyCreation struct {
	ClientData  string `json:"client_data" maxLength:"8192" doc:"response.clientDataJSON in base64url."`
	Attestation string `json:"attestation_object" maxLength:"8192" doc:"response.attestationObject in base64url. Its statement is not looked at: ask for none."`
}

// PasskeyAssertion is what navigator.credentials.get or a Secure Payment Confirmation answers, its parts in base64url
// (WebAuthn Level 3 §5.2.2).
type PasskeyAssertion struct {
	Credential        string `json:"credential" maxLength:"1364" doc:"The credential's id in base64url."`
	ClientData        string `json:"client_data" maxLength:"8192" doc:"response.clientDataJSON in base64url."`
	AuthenticatorData string `json:"authenticator_data" maxLength:"8192" doc:"response.authenticatorData in base64url."`
	Signature         string `json:"signature" maxLength:"2048" doc:"response.signature in base64url."`
	UserHandle        string `json:"user_handle,omitempty" maxLength:"88" doc:"response.userHandle in base64url, if there is one."`
}

// ID is the credential's id, ErrInvalid if it has not the form of one.
func (a PasskeyAssertion) ID() ([]byte, error) {
	id, err := decodeBase64(a.Credential)
	if err != nil || len(id) == 0 || len(id) > maxCredentialID {
		return nil, ErrInvalid.at("passkey.credential")
	}
	return id, nil
}

// RelyingParty is the service as authenticators know it (WebAuthn Level 3 §5.4.2): passkeys made for it work on its
// origin only.
type RelyingParty struct {
	ID     string // the host, without port
	Origin string
}

// RelyingPartyOf is the relying party of a service's origin, such as https://pay.example.
func RelyingPartyOf(origin string) (RelyingParty, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" || u.Scheme+"://"+u.Host != origin {
		return RelyingParty{}, ErrInvalid.at("origin")
	}
	return RelyingParty{ID: u.Hostname(), Origin: origin}, nil
}

// UserHandle is the WebAuthn user handle of a card's passkeys.
func UserHandle(card CardID) []byte { return []byte(card) }

// RegistrationChallenge is the WebAuthn challenge for a passkey of a card, of the message that registers it. It is fresh
// because the message's id is, and that is signed by the card's device; so nothing needs to be asked for beforehand.
func RegistrationChallenge(card CardID, messageID string) []byte {
	sum := sha256.Sum256([]byte("tapline-passkey/1\n" + string(card) + "\n" + messageID))
	return sum[:]
}

// ConfirmationChallenge is the WebAuthn challenge by which a passkey confirms a statement.
func ConfirmationChallenge(statement string) []byte {
	sum := sha256.Sum256([]byte("tapline-confirm/1\n" + statement))
	return sum[:]
}

// clientData is what the browser says that it asked the authenticator for (WebAuthn Level 3 §5.8.1). Browsers add members,
// so others are passed over.
type clientData struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`

	Payment *clientPayment `json:"payment"` // Secure Payment Confirmation §5.1, CollectedClientPaymentData
}

type clientPayment struct {
	RelyingParty string `json:"rpId"`
	TopOrigin    string `json:"topOrigin"`
	PayeeName    string `json:"payeeName"`
	Total        struct {
		Value    string `json:"value"`
		Currency string `json:"currency"`
	} `json:"total"`
}

// Types of client data.
const (
	clientCreates = "webauthn.create"
	clientGets    = "webauthn.get"
	clientPays    = "payment.get" // Secure Payment Confirmation
)

// Register reads a new passkey of a card (WebAuthn Level 3 §7.1). The attestation statement is not looked at: what vouches
// for the key is who signed the message that it came in. The error is ErrPasskey.
func (rp RelyingParty) Register(c PasskeyCreation, challenge []byte) (Passkey, error) {
	_, data, err := rp.client(c.ClientData, challenge)
	if err != nil {
		return Passkey{}, err
	}
	if data.Type != clientCreates {
		return Passkey{}, ErrPasskey.at("client_data.type")
	}
	attested, err := part(c.Attestation, "attestation_object")
	if err != nil {
		return Passkey{}, err
	}
	var object struct {
		AuthData []byte `cbor:"authData"`
	}
	if webauthncbor.Unmarshal(attested, &object) != nil {
		return Passkey{}, ErrPasskey.at("attestation_object")
	}
	auth, err := rp.authenticator(object.AuthData)
	if err != nil {
		return Passkey{}, err
	}
	k := Passkey{
		ID: bytes.Clone(auth.AttData.CredentialID), PublicKey: bytes.Clone(auth.AttData.CredentialPublicKey),
		Counter: auth.Counter, Synced: auth.Flags.HasBackupEligible(),
	}
	if !auth.Flags.HasAttestedCredentialData() || len(k.ID) == 0 || len(k.ID) > maxCredentialID {
		return Passkey{}, ErrPasskey.at("attestation_object")
	}
	if _, err := publicKey(k.PublicKey); err != nil {
		return Passkey{}, err
	}
	return k, nil
}

// Confirm checks that a passkey's user confirmed a statement (WebAuthn Level 3 §7.2), by the passkey itself or by a Secure
// Payment Confirmation, whose dialog must have shown the statement's amount and payee. It returns the counter of signatures, which
// must be compared with the passkey's within the transaction that it counts in: see Passkey.Rises. card is whose passkey it
// is. The error is ErrPasskey, or that of ParseStatement.
func (rp RelyingParty) Confirm(a PasskeyAssertion, k Passkey, card CardID, statement string) (counter uint32, err error) {
	s, err := ParseStatement(statement)
	if err != nil {
		return 0, err
	}
	data, raw, err := rp.asked(a, k, ConfirmationChallenge(statement))
	if err != nil {
		return 0, err
	}
	switch data.Type {
	case clientGets:
	case clientPays:
		if err := rp.shown(data.Payment, s); err != nil {
			return 0, err
		}
	default:
		return 0, ErrPasskey.at("client_data.type")
	}
	return rp.answered(a, k, UserHandle(card), raw)
}

// asked reads what the browser says that it asked this passkey for: it must be this challenge. It returns the bytes as well.
func (rp RelyingParty) asked(a PasskeyAssertion, k Passkey, challenge []byte) (data clientData, raw []byte, err error) {
	if id, err := a.ID(); err != nil || !bytes.Equal(id, k.ID) {
		return data, nil, ErrPasskey.at("passkey.credential")
	}
	raw, data, err = rp.client(a.ClientData, challenge)
	return data, raw, err
}

// answered checks the authenticator's answer over client data: whose it is, that it verified its user, and its signature.
func (rp RelyingParty) answered(a PasskeyAssertion, k Passkey, owner, client []byte) (counter uint32, err error) {
	if handle, err := decodeBase64(a.UserHandle); err != nil || len(handle) > 0 && !bytes.Equal(handle, owner) {
		return 0, ErrPasskey.at("user_handle")
	}
	authData, err := part(a.AuthenticatorData, "authenticator_data")
	if err != nil {
		return 0, err
	}
	auth, err := rp.authenticator(authData)
	if err != nil {
		return 0, err
	}
	key, err := publicKey(k.PublicKey)
	if err != nil {
		return 0, err
	}
	signature, err := part(a.Signature, "signature")
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(client)
	if ok, err := webauthncose.VerifySignature(key, append(bytes.Clone(authData), sum[:]...), signature); err != nil || !ok {
		return 0, ErrPasskey.at("signature")
	}
	return auth.Counter, nil
}

// Rises reports whether a counter of signatures may follow the passkey's last (WebAuthn Level 3 §6.1.1). One that does not
// rise comes from a copy of the key, or from before.
func (k Passkey) Rises(counter uint32) bool {
	return counter > k.Counter || counter == 0 && k.Counter == 0
}

// client reads client data that must be for this relying party and challenge.
func (rp RelyingParty) client(text string, challenge []byte) (raw []byte, data clientData, err error) {
	if raw, err = part(text, "client_data"); err != nil {
		return nil, data, err
	}
	if json.Unmarshal(raw, &data) != nil {
		return nil, data, ErrPasskey.at("client_data")
	}
	got, err := base64.RawURLEncoding.DecodeString(data.Challenge)
	switch {
	case err != nil || subtle.ConstantTimeCompare(got, challenge) != 1:
		return nil, data, ErrPasskey.at("client_data.challenge")
	case data.Origin != rp.Origin:
		return nil, data, ErrPasskey.at("client_data.origin")
	case data.CrossOrigin:
		return nil, data, ErrPasskey.at("client_data.crossOrigin")
	}
	return raw, data, nil
}

// shown checks what a Secure Payment Confirmation's dialog has shown.
func (rp RelyingParty) shown(p *clientPayment, s Statement) error {
	if p == nil {
		return ErrPasskey.at("client_data.payment")
	}
	currency, err := money.ParseCurrency(p.Total.Currency)
	if err != nil || currency != s.Amount.Currency {
		return ErrPasskey.at("client_data.payment.total.currency")
	}
	amount, err := money.Parse(p.Total.Value, currency)
	switch {
	case err != nil || amount != s.Paid():
		return ErrPasskey.at("client_data.payment.total.value")
	case p.PayeeName != s.PayeeName:
		return ErrPasskey.at("client_data.payment.payeeName")
	case p.RelyingParty != rp.ID:
		return ErrPasskey.at("client_data.payment.rpId")
	case p.TopOrigin != rp.Origin:
		return ErrPasskey.at("client_data.payment.topOrigin")
	}
	return nil
}

// authenticator reads authenticator data of an authenticator that has verified its user (WebAuthn Level 3 §6.1).
func (rp RelyingParty) authenticator(raw []byte) (protocol.AuthenticatorData, error) {
	var auth protocol.AuthenticatorData
	if auth.Unmarshal(raw) != nil {
		return auth, ErrPasskey.at("authenticator_data")
	}
	sum := sha256.Sum256([]byte(rp.ID))
	switch {
	case subtle.ConstantTimeCompare(auth.RPIDHash, sum[:]) != 1:
		return auth, ErrPasskey.at("authenticator_data.rpIdHash")
	case !auth.Flags.UserPresent() || !auth.Flags.UserVerified():
		return auth, ErrPasskey.at("authenticator_data.flags")
	}
	return auth, nil
}

// publicKey reads a key of one of the algorithms that a passkey may use: ES256, EdDSA and RS256 (RFC 9053 §2, RFC 8812 §2).
func publicKey(cose []byte) (any, error) {
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return nil, ErrPasskey.at("public_key")
	}
	algorithm := int64(0)
	switch key := key.(type) {
	case webauthncose.EC2PublicKeyData:
		algorithm = key.Algorithm
	case webauthncose.OKPPublicKeyData:
		algorithm = key.Algorithm
	case webauthncose.RSAPublicKeyData:
		algorithm = key.Algorithm
	}
	switch webauthncose.COSEAlgorithmIdentifier(algorithm) {
	case webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256:
		return key, nil
	}
	return nil, ErrPasskey.at("public_key")
}

// part decodes one part of an authenticator's answer.
func part(text, name string) ([]byte, error) {
	raw, err := decodeBase64(text)
	if err != nil || len(raw) == 0 || len(raw) > maxPasskeyPart {
		return nil, ErrPasskey.at(name)
	}
	return raw, nil
}
