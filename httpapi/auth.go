package httpapi

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
)

// caller is who has proved to call. The zero caller has proved nothing yet: anybody, or whoever signed the body.
type caller struct {
	who      credential
	device   payment.DeviceID
	payee    payment.Handle
	key      processor.APIKey // the payee's program's
	operator processor.OperatorID
	passkey  string    // that has signed in, if one has
	invite   string    // the id of an operator's invite
	until    time.Time // when the proof is over
}

// principals are the names under which the caller is told of events.
func (c caller) principals() []processor.Principal {
	switch c.who {
	case byDevice:
		return []processor.Principal{processor.DevicePrincipal(c.device)}
	case byPayee:
		return []processor.Principal{processor.PayeePrincipal(c.payee)}
	}
	return []processor.Principal{processor.OperatorsPrincipal}
}

// bearerForm is b64token of RFC 6750 §2.1.
var bearerForm = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// bearer reads the Authorization header: one, of scheme Bearer, with one token. given is false without a header.
func bearer(h http.Header) (token string, given bool, err error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", false, nil
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || len(token) > 4096 || !bearerForm.MatchString(token) {
		return "", true, refuse("invalid_token")
	}
	return token, true, nil
}

// authenticate finds out who calls, where the route does not leave that to the signature on the body.
func (c *call) authenticate() error {
	if !slices.ContainsFunc(c.route.by, func(b credential) bool { return b != bySignature }) {
		return nil
	}
	token, given, err := bearer(c.r.Header)
	switch {
	case err != nil:
		return err
	case !given && slices.Contains(c.route.by, bySignature):
		return nil
	case !given:
		return refuse("token_required")
	case strings.HasPrefix(token, consent.APIKeyPrefix):
		c.by, err = c.byAPIKey(consent.APIKey(token))
	case slices.Contains(c.route.by, byFirst) && c.isFirstToken(token):
		c.by = caller{who: byFirst}
	default:
		c.by, err = c.byToken(token)
	}
	if err == nil && !slices.Contains(c.route.by, c.by.who) {
		err = refuse("wrong_credential")
	}
	if err == nil && c.by.who == byDevice {
		err = c.limitDevice(c.by.device)
	}
	if err == nil && c.by.who == byPayee && c.route.scope != anyScope && !c.by.key.May(c.route.scope) {
		err = processor.ErrScope
	}
	return err
}

// isFirstToken compares in constant time with the token made at first start.
func (c *call) isFirstToken(token string) bool {
	if c.FirstToken == nil {
		return false
	}
	first, ok := c.FirstToken()
	return ok && first != "" && subtle.ConstantTimeCompare([]byte(first), []byte(token)) == 1
}

// tokenAudience is the audience of read tokens. It names the epoch: whoever was told something by a token of an epoch
// that a backup has ended asks anew.
func (s *Service) tokenAudience() string {
	if s.Epoch == "" {
		return s.audience
	}
	return s.audience + " " + s.Epoch
}

// byToken checks a read token, and that who holds it may still act.
func (c *call) byToken(text string) (caller, error) {
	token, err := consent.CheckToken(c.Keys, text, c.tokenAudience(), c.world())
	if err != nil {
		if r, _ := explain(err); r.code == "token_expired" {
			return caller{}, refuse("token_expired")
		}
		return caller{}, refuse("invalid_token")
	}
	switch {
	case token.Passkey != "":
		return c.session(token)
	case token.Kind == consent.OperatorToken:
		return c.operatorCaller(processor.OperatorID(token.Subject), token)
	case token.Kind == consent.InviteToken:
		by, err := c.operatorCaller(processor.OperatorID(token.Subject), token)
		by.who, by.invite = byInvite, token.ID
		return by, err
	case token.Kind != consent.DeviceToken:
		return caller{}, refuse("invalid_token")
	}
	id := payment.DeviceID(token.Subject)
	return caller{who: byDevice, device: id, until: token.Expires}, c.mayAct(id)
}

// mayAct refuses a device that is not registered or was revoked.
func (c *call) mayAct(id payment.DeviceID) error {
	rows, err := c.load(c.r.Context(), processor.Wants{Devices: []payment.DeviceID{id}})
	switch {
	case err != nil:
		return err
	case len(rows.Devices) == 0:
		return refuse("invalid_token")
	case !rows.Devices[0].RevokedAt.IsZero():
		return processor.ErrDeviceRevoked
	}
	return nil
}

// load reads rows by their keys.
func (s *Service) load(ctx context.Context, w processor.Wants) (rows processor.Rows, err error) {
	err = s.Store.View(ctx, func(r processor.Reader) error {
		rows, err = r.Load(w)
		return err
	})
	return rows, err
}

// mac is a MAC with its key's version as text, to be stored and compared.
func mac(v keyring.Versioned) string {
	return strconv.Itoa(v.Version) + "." + base64.RawURLEncoding.EncodeToString(v.Sum)
}

func macs(all []keyring.Versioned) []string {
	var out []string
	for _, v := range all {
		out = append(out, mac(v))
	}
	return out
}

// deviceKeys remembers public keys of devices, which never change. Whether a device was revoked is not remembered: the
// command asks that again, inside its database transaction.
type deviceKeys struct {
	mu   sync.Mutex
	keys map[consent.DeviceID]consent.PublicKey
}

// maxDeviceKeys bounds the memory; beyond, remembering starts anew.
const maxDeviceKeys = 100_000

func (d *deviceKeys) get(id consent.DeviceID) (consent.PublicKey, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key, ok := d.keys[id]
	return key, ok
}

func (d *deviceKeys) put(id consent.DeviceID, key consent.PublicKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys == nil || len(d.keys) >= maxDeviceKeys {
		d.keys = map[consent.DeviceID]consent.PublicKey{}
	}
	d.keys[id] = key
}

// deviceKey is the public key of a registered device; consent.ErrKeyUnknown if there is none.
func (c *call) deviceKey(id consent.DeviceID) (consent.PublicKey, error) {
	if key, ok := c.devices.get(id); ok {
		return key, nil
	}
	rows, err := c.load(c.r.Context(), processor.Wants{Devices: []payment.DeviceID{payment.DeviceID(id)}})
	if err != nil {
		return consent.PublicKey{}, err
	}
	if len(rows.Devices) == 0 {
		return consent.PublicKey{}, consent.ErrKeyUnknown
	}
	key, err := consent.ParsePublicJWK(rows.Devices[0].PublicKey)
	if err == nil {
		c.devices.put(id, key)
	}
	return key, err
}

// signed reads the body as a signed message into m. It returns the device that signed it, and its idempotency key. The
// time of signing, once checked, is left out of m, and so of its digest: a client may sign the same request again.
func (c *call) signed(m consent.Message) (device payment.DeviceID, key processor.KeyID, err error) {
	e, err := consent.Read(string(c.body), c.route.typ)
	if err != nil {
		return "", key, err
	}
	public := e.Key()
	if c.route.typ != consent.TypDevice {
		if public, err = c.deviceKey(e.Device()); err != nil {
			return "", key, err
		}
	}
	if err := e.Verify(public, c.audience, c.world(), m); err != nil {
		return "", key, err
	}
	device = payment.DeviceID(e.Device())
	if err := c.limitDevice(device); err != nil {
		return "", key, err
	}
	m.Common().IssuedAt = 0
	return device, processor.KeyID{Principal: processor.DevicePrincipal(device), Key: m.Common().ID}, nil
}
