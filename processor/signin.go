package processor

import (
	"time"

	"tapline/consent"
	"tapline/payment"
)

// MaxSignIns is how many passkeys to sign in with an operator, or whoever has a payee's API key, may have.
const MaxSignIns = 10

// SignInOwner is who signs in with a passkey: an operator, or whoever was given a payee's API key. Exactly one of the two.
type SignInOwner struct {
	Operator OperatorID
	APIKey   string // its MAC
}

// SignIn is a passkey that an operator or a payee signs in with. It serves as long as its owner may act.
type SignIn struct {
	ID        string // of the credential, base64url
	Owner     SignInOwner
	PublicKey []byte // COSE_Key
	Counter   int64  // of its signatures
	Synced    bool   // it does not prove which device it is on
	Label     string
	CreatedAt time.Time
	UsedAt    time.Time // zero if it never was
	RemovedAt time.Time // zero while it may be used
}

func (o SignInOwner) want(w *Wants) {
	if o.Operator != "" {
		w.Operators = append(w.Operators, o.Operator)
		return
	}
	w.APIKeys = append(w.APIKeys, o.APIKey)
}

// mayAct refuses an owner who may not act any more, and takes note of what an operator does. Of what a payee does, the payee is told.
func (o SignInOwner) mayAct(u *Unit, action, subject string) error {
	if o.Operator != "" {
		if err := (Operated{By: o.Operator}).record(u, "operator."+action, subject); err != nil {
			return err
		}
		u.Tell(Event{Type: "operator." + action, Subject: string(o.Operator), To: []Principal{OperatorsPrincipal}})
		return nil
	}
	key, ok := u.APIKeys.Get(o.APIKey)
	if !ok || !key.Valid(u.Now) {
		return ErrAPIKeyOver
	}
	u.Tell(Event{Type: "payee." + action, Subject: key.ID, To: []Principal{PayeePrincipal(key.Payee)}})
	return nil
}

// RegisterSignIn makes a passkey known that its owner may sign in with.
type RegisterSignIn struct {
	SignIn SignIn // without time; completed by Do
}

// Wants names the owner, and all passkeys that it has.
func (c *RegisterSignIn) Wants(_ *Unit, w *Wants) {
	c.SignIn.Owner.want(w)
	w.SignIns = append(w.SignIns, c.SignIn.ID)
	w.SignInsOf = append(w.SignInsOf, c.SignIn.Owner)
}

// Do takes the passkey.
func (c *RegisterSignIn) Do(u *Unit) error {
	if err := c.SignIn.Owner.mayAct(u, "passkey_added", c.SignIn.ID); err != nil {
		return err
	}
	if _, taken := u.SignIns.Get(c.SignIn.ID); taken {
		return ErrPasskeyExists
	}
	has := 0
	for _, k := range u.signInsOf(c.SignIn.Owner) {
		if k.RemovedAt.IsZero() {
			has++
		}
	}
	if has >= MaxSignIns {
		return ErrTooManyPasskeys
	}
	c.SignIn.CreatedAt = u.Now
	u.SignIns.Put(c.SignIn.ID, c.SignIn)
	return nil
}

// signInsOf are the passkeys of an owner, as the running command has left them. A command must want them.
func (u *Unit) signInsOf(o SignInOwner) (list []SignIn) {
	for id, k := range u.SignIns.rows {
		if k.Owner == o {
			k, _ = u.SignIns.Get(id)
			list = append(list, k)
		}
	}
	return list
}

// RemoveSignIn ends the use of a passkey, and with it what it has signed in to.
type RemoveSignIn struct {
	Owner SignInOwner
	ID    string
	Used  string // the passkey that the caller is signed in with, which cannot be the one: nobody locks themselves out

	SignIn SignIn // result
}

// Wants names the owner and the passkey.
func (c *RemoveSignIn) Wants(_ *Unit, w *Wants) {
	c.Owner.want(w)
	w.SignIns = append(w.SignIns, c.ID)
}

// Do removes the passkey.
func (c *RemoveSignIn) Do(u *Unit) error {
	if err := c.Owner.mayAct(u, "passkey_removed", c.ID); err != nil {
		return err
	}
	k, ok := u.SignIns.Get(c.ID)
	switch {
	case !ok || k.Owner != c.Owner || !k.RemovedAt.IsZero():
		return ErrUnknownPasskey
	case c.ID == c.Used:
		return ErrPasskeyInUse
	}
	k.RemovedAt = u.Now
	u.SignIns.Put(k.ID, k)
	c.SignIn = k
	return nil
}

// UseSignIn takes a passkey's answer to a challenge, which was found to fit. A challenge that was made before the passkey's last
// use is refused, so that each answer counts once, on whatever node.
type UseSignIn struct {
	ID        string
	Counter   uint32
	Challenge time.Time // when it was made

	Owner SignInOwner // results
	Payee payment.Handle
}

// Wants names the passkey, and its owner.
func (c *UseSignIn) Wants(u *Unit, w *Wants) {
	w.SignIns = append(w.SignIns, c.ID)
	if k, ok := u.SignIns.rows[c.ID]; ok {
		k.Owner.want(w)
	}
}

// Do signs in. Whatever is wrong is consent.ErrPasskey.
func (c *UseSignIn) Do(u *Unit) error {
	k, ok := u.SignIns.Get(c.ID)
	switch {
	case !ok || !k.RemovedAt.IsZero() || !c.Challenge.After(k.UsedAt):
		return consent.ErrPasskey
	case !(consent.Passkey{Counter: uint32(k.Counter)}).Rises(c.Counter):
		return consent.ErrPasskey
	}
	if k.Owner.Operator != "" {
		if o, ok := u.Operators.Get(k.Owner.Operator); !ok || !o.Acts() {
			return consent.ErrPasskey
		}
	} else {
		key, ok := u.APIKeys.Get(k.Owner.APIKey)
		if !ok || !key.Valid(u.Now) {
			return consent.ErrPasskey
		}
		c.Payee = key.Payee
	}
	k.Counter, k.UsedAt = int64(c.Counter), u.Now
	if c.Challenge.After(u.Now) { // made by another clock
		k.UsedAt = c.Challenge
	}
	u.SignIns.Put(k.ID, k)
	c.Owner = k.Owner
	return nil
}
