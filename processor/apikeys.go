package processor

import (
	"slices"
	"time"

	"tapline/payment"
)

// Scope is something that an API key may be used for.
type Scope string

// Scopes.
const (
	ScopeOrders  Scope = "orders"  // make and cancel orders, and cancel payments
	ScopeRefunds Scope = "refunds" // give money back
	ScopeRead    Scope = "read"    // read orders, payments and receipts, and be told of events
	ScopeKeys    Scope = "keys"    // make, list, rotate and revoke API keys

	ScopeWebhooks Scope = "webhooks" // say where the payee's programs are told of events
	ScopePayouts  Scope = "payouts"  // have the payee's money paid out to its bank account
)

// Scopes lists every scope.
var Scopes = []Scope{ScopeOrders, ScopeRefunds, ScopeRead, ScopeKeys, ScopeWebhooks, ScopePayouts}

// Bounds of API keys.
const (
	MaxAPIKeys  = 100                 // of a payee, those included that have ended and are still kept
	MaxOverlap  = 30 * 24 * time.Hour // in which a rotated key and the one in its place both work
	APIKeysKept = 30 * 24 * time.Hour // after their end
)

// APIKey lets a payee's programs in. MAC stands for the key's text.
type APIKey struct {
	ID         string
	MAC        string
	Payee      payment.Handle
	Name       string
	Scopes     []Scope
	Hint       string    // the beginning of the text, to tell keys apart
	CreatedBy  Principal // an operator, or "key:" and the id of the payee's key that made it
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero if it lasts
	RevokedAt  time.Time // zero while nobody has revoked it
	UsedAt     time.Time // about a minute exact; zero if it never was
	ReplacedBy string    // the id of the key in its place, once it was rotated
}

// Valid reports whether the key opens anything at a time.
func (k APIKey) Valid(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// May reports whether the key has a scope.
func (k APIKey) May(s Scope) bool { return slices.Contains(k.Scopes, s) }

// endBy makes the key end at a time, if it does not end earlier. The zero time is no end.
func (k *APIKey) endBy(t time.Time) {
	if !t.IsZero() && (k.ExpiresAt.IsZero() || t.Before(k.ExpiresAt)) {
		k.ExpiresAt = t
	}
}

// APIKeyPrincipal is an API key as the maker of another.
func APIKeyPrincipal(id string) Principal { return "key:" + Principal(id) }

// KeyWork is what every command about a payee's API keys carries: whose they are, and who asks. That is an operator, or a
// program of the payee's with a key that may. What a program makes has no scope that its own key has not, and does not
// outlast that: whoever finds a key gets no more by it than the key has.
type KeyWork struct {
	Operated        // By is empty if a program asks
	With     string // the MAC of the program's key
	Payee    payment.Handle
}

// Wants names who asks, and all keys of the payee.
func (c *KeyWork) Wants(_ *Unit, w *Wants) {
	if c.With == "" {
		c.want(w)
	} else {
		w.APIKeys = append(w.APIKeys, c.With)
	}
	w.Payees = append(w.Payees, c.Payee)
	w.APIKeysOf = append(w.APIKeysOf, c.Payee)
}

// allow refuses whoever may not ask, now, and takes note of an operator's action. with is the program's key.
func (c *KeyWork) allow(u *Unit, action, id string) (with APIKey, who Principal, err error) {
	if _, ok := u.Payees.Get(c.Payee); !ok {
		return with, "", ErrUnknownPayee
	}
	if c.With == "" {
		return with, OperatorPrincipal(c.By), c.record(u, action, string(c.Payee)+" "+id)
	}
	with, ok := u.APIKeys.Get(c.With)
	switch {
	case !ok || with.Payee != c.Payee || !with.Valid(u.Now):
		return with, "", ErrAPIKeyOver
	case !with.May(ScopeKeys):
		return with, "", ErrScope
	}
	return with, APIKeyPrincipal(with.ID), nil
}

// limit keeps what a program makes within its own key.
func (c *KeyWork) limit(with APIKey, made *APIKey) error {
	if c.With == "" {
		return nil
	}
	for _, s := range made.Scopes {
		if !with.May(s) {
			return ErrScope
		}
	}
	made.endBy(with.ExpiresAt)
	return nil
}

// find is the payee's key with an id.
func (c *KeyWork) find(u *Unit, id string) (APIKey, error) {
	for _, mac := range u.apiKeysOf[c.Payee] {
		if k, _ := u.APIKeys.Get(mac); k.ID == id {
			return k, nil
		}
	}
	return APIKey{}, ErrUnknownAPIKey
}

// putAPIKey stages a key and tells its payee.
func (u *Unit) putAPIKey(k APIKey, happened string) {
	u.APIKeys.Put(k.MAC, k)
	u.Tell(Event{Type: "api_key." + happened, Subject: k.ID, State: happened, To: []Principal{PayeePrincipal(k.Payee)}})
}

// MakeAPIKey makes a key.
type MakeAPIKey struct {
	KeyWork
	Key  APIKey        // with id, MAC, payee, name, scopes and hint; completed by Do
	Life time.Duration // 0 for a key that lasts
}

// Do makes the key.
func (c *MakeAPIKey) Do(u *Unit) error {
	with, who, err := c.allow(u, "payee.key.make", c.Key.ID)
	if err != nil {
		return err
	}
	if payee, _ := u.Payees.Get(c.Payee); payee.Closed {
		return ErrPayeeClosed
	}
	if len(u.apiKeysOf[c.Payee]) >= MaxAPIKeys {
		return ErrTooManyAPIKeys
	}
	c.Key.CreatedBy, c.Key.CreatedAt, c.Key.ExpiresAt = who, u.Now, time.Time{}
	if c.Life > 0 {
		c.Key.ExpiresAt = u.Now.Add(c.Life)
	}
	if err := c.limit(with, &c.Key); err != nil {
		return err
	}
	u.putAPIKey(c.Key, "made")
	return nil
}

// RotateAPIKey makes a key in the place of another, with its name and scopes. The old one works until the overlap is over, and
// cannot be rotated again: who found it cannot follow.
type RotateAPIKey struct {
	KeyWork
	ID      string
	Overlap time.Duration // at most MaxOverlap
	Key     APIKey        // with id, MAC, payee and hint; completed by Do

	Old APIKey // result
}

// Do rotates the key.
func (c *RotateAPIKey) Do(u *Unit) error {
	with, who, err := c.allow(u, "payee.key.rotate", c.ID)
	if err != nil {
		return err
	}
	old, err := c.find(u, c.ID)
	if err != nil {
		return err
	}
	if !old.Valid(u.Now) || old.ReplacedBy != "" {
		return ErrAPIKeyOver
	}
	if len(u.apiKeysOf[c.Payee]) >= MaxAPIKeys {
		return ErrTooManyAPIKeys
	}
	c.Key.Name, c.Key.Scopes, c.Key.ExpiresAt = old.Name, old.Scopes, old.ExpiresAt
	c.Key.CreatedBy, c.Key.CreatedAt = who, u.Now
	if err := c.limit(with, &c.Key); err != nil {
		return err
	}
	old.ReplacedBy = c.Key.ID
	old.endBy(u.Now.Add(c.Overlap))
	u.APIKeys.Put(old.MAC, old)
	u.putAPIKey(c.Key, "rotated")
	c.Old = old
	return nil
}

// RevokeAPIKey ends a key at once. Once more changes nothing.
type RevokeAPIKey struct {
	KeyWork
	ID string

	After APIKey // result
}

// Do revokes the key.
func (c *RevokeAPIKey) Do(u *Unit) error {
	if _, _, err := c.allow(u, "payee.key.revoke", c.ID); err != nil {
		return err
	}
	k, err := c.find(u, c.ID)
	if err != nil {
		return err
	}
	if k.RevokedAt.IsZero() {
		k.RevokedAt = u.Now
		u.putAPIKey(k, "revoked")
	}
	c.After = k
	return nil
}

// NoteUses writes down when API keys, by their MACs, were last used.
type NoteUses map[string]time.Time

// Wants names the keys.
func (c NoteUses) Wants(_ *Unit, w *Wants) {
	for mac := range c {
		w.APIKeys = append(w.APIKeys, mac)
	}
}

// Do takes note of those that are later than what is known.
func (c NoteUses) Do(u *Unit) error {
	for mac, at := range c {
		if k, ok := u.APIKeys.Get(mac); ok && at.After(k.UsedAt) {
			k.UsedAt = at
			u.APIKeys.Put(mac, k)
		}
	}
	return nil
}
