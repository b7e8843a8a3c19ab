package processor

import (
	"time"

	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
)

// How many second confirmations may be asked for with one card: a stranger must not be able to wear its holder out.
const (
	OpenApprovals   = 3
	HourlyApprovals = 5
)

// Confirm is the first confirmation: the initiator's user approves or declines.
type Confirm struct {
	Payment   payment.ID
	Device    payment.DeviceID
	Decision  consent.Verdict
	Statement string
	Gesture   *Gesture // of a passkey; nil where authentication came before
	Policy    payment.Policy
	JWS       string

	After payment.Payment // result
}

// Wants names the payment and the card's open payments.
func (c *Confirm) Wants(u *Unit, w *Wants) {
	w.Payments = append(w.Payments, c.Payment)
	w.Devices = append(w.Devices, c.Device)
	p, ok := u.Payments.rows[c.Payment]
	if ok {
		w.OpenOf = append(w.OpenOf, p.Card)
		u.wantGesture(w, c.Gesture, p)
	}
}

// Do compares the statement byte for byte with the one that was issued and steps the payment. Without enough money
// the payment is rejected. A passkey's answer authenticates as well, and that is recorded as a step of its own.
func (c *Confirm) Do(u *Unit) error {
	p, err := u.initiated(c.Payment, c.Device)
	if err != nil {
		return err
	}
	if p.State != payment.ConfirmationRequired && (p.State != payment.AuthenticationRequired || c.Gesture == nil) {
		return payment.ErrNotAllowed
	}
	if c.Decision == consent.Decline {
		c.After, err = u.Do(p, payment.Command{Verb: payment.Decline, By: c.Device})
		return err
	}
	if c.Statement != Statement(p) {
		return ErrStatement
	}
	if c.Gesture != nil {
		if p, err = u.authenticateBy(c.Gesture, p, c.Policy); err != nil {
			return err
		}
	}
	if p.State == payment.ConfirmationRequired {
		if p, err = c.confirm(u, p); err != nil {
			return err
		}
	}
	c.After = p
	if !p.ConfirmedAt.IsZero() || c.Gesture != nil && !p.AuthenticatedAt.IsZero() {
		u.Sign(Evidence{Payment: p.ID, Role: consent.First, Device: c.Device, JWS: c.JWS})
	}
	return nil
}

// confirm takes the step of the first confirmation.
func (c *Confirm) confirm(u *Unit, p payment.Payment) (payment.Payment, error) {
	if p.NeedsSecond() {
		if err := u.countApproval(p.Card); err != nil {
			return p, err
		}
	}
	return u.Do(p, payment.Command{Verb: payment.Confirm, By: c.Device, Digest: consent.StatementDigest(c.Statement)})
}

// countApproval takes one of the card's second confirmations, if there is one left.
func (u *Unit) countApproval(id payment.CardID) error {
	waiting := 0
	for _, p := range u.OpenOf(id) {
		if p.State == payment.ApprovalRequired {
			waiting++
		}
	}
	card, ok := u.Cards.Get(id)
	if !ok {
		return ErrUnknownCard
	}
	if u.Now.Sub(card.ApprovalsSince) >= time.Hour {
		card.ApprovalsSince, card.Approvals = u.Now, 0
	}
	if waiting >= OpenApprovals || card.Approvals >= HourlyApprovals {
		return ErrTooManyApprovals
	}
	card.Approvals++
	u.Cards.Put(id, card)
	return nil
}

// Approve is the second confirmation: the associated device's user approves, declines, or says "this wasn't me", which
// freezes the card as well.
type Approve struct {
	Payment   payment.ID
	Device    payment.DeviceID
	Decision  consent.Verdict
	Statement string
	Code      consent.Code // as the approver typed it
	Tap       *ApprovalTap // of the card, in place of the code; nil where the code was typed
	JWS       string

	Keys   *keyring.Keyring
	Digits int // of the approval code

	After      payment.Payment // results
	WrongCode  bool
	TapRefused TapRefusal
}

// Wants names the payment, its initiator, and the card with all that a freeze touches.
func (c *Approve) Wants(u *Unit, w *Wants) {
	w.Payments = append(w.Payments, c.Payment)
	w.Devices = append(w.Devices, c.Device)
	if p, ok := u.Payments.rows[c.Payment]; ok && !p.Decoy() {
		w.Devices = append(w.Devices, p.Initiator)
		wantCard(u, w, p.Card)
		c.Tap.want(u, w, p.Card, c.Device)
	}
}

// Do steps the payment as its approver decided. A wrong code takes one of three; a tap that does not count takes none. What
// a device made that was revoked since is cancelled instead of approved.
func (c *Approve) Do(u *Unit) error {
	c.WrongCode, c.TapRefused = false, ""
	if _, err := u.actingDevice(c.Device); err != nil {
		return err
	}
	p, ok := u.Payments.Get(c.Payment)
	if !ok || p.Associated != c.Device || !p.ShownToAssociated() {
		return ErrUnknownPayment
	}
	if err := open(p); err != nil {
		return err
	}
	if p.State != payment.ApprovalRequired {
		return payment.ErrNotAllowed
	}
	if c.Decision != consent.Approve {
		return c.refuse(u, p)
	}
	if c.Statement != Statement(p) {
		return ErrStatement
	}
	if _, err := u.activeDevice(p.Initiator); err != nil {
		c.After, err = u.Do(p, payment.Command{Verb: payment.Cancel, Reason: payment.DeviceRevoked})
		return err
	}
	if right, err := c.atHand(u, p); err != nil || !right {
		return err
	}
	var err error
	c.After, err = u.Do(p, payment.Command{Verb: payment.Approve, By: c.Device, Digest: consent.StatementDigest(c.Statement)})
	if err == nil && !c.After.ApprovedAt.IsZero() { // whether its money moves now, or once nobody has undone it
		u.Sign(c.evidence(p))
	}
	return err
}

// atHand reports whether the approver has what shows that this payment is meant: the code on the other device's screen, or
// the card itself. If not, it says so in the results.
func (c *Approve) atHand(u *Unit, p payment.Payment) (bool, error) {
	if c.Tap != nil {
		c.After, c.TapRefused = p, u.spendApprovalTap(c.Tap, p, c.Device)
		return c.TapRefused == "", nil
	}
	right, err := consent.CheckApprovalCode(c.Keys, p.Nonce, c.Digits, c.Code)
	if err == nil && !right {
		c.WrongCode = true
		c.After, err = u.Do(p, payment.Command{Verb: payment.MistypeCode, By: c.Device})
	}
	return right, err
}

// evidence is the approval as it is kept. One with a tap is sealed: what a payment card says holds its account number.
func (c *Approve) evidence(p payment.Payment) Evidence {
	e := Evidence{Payment: p.ID, Role: consent.Second, Device: c.Device, JWS: c.JWS}
	if c.Tap != nil {
		e.seal(c.Keys)
	}
	return e
}

func (c *Approve) refuse(u *Unit, p payment.Payment) (err error) {
	verb := payment.Decline
	if c.Decision == consent.NotMe {
		verb = payment.Disown
	}
	if c.After, err = u.Do(p, payment.Command{Verb: verb, By: c.Device}); err != nil {
		return err
	}
	u.Sign(Evidence{Payment: p.ID, Role: consent.Second, Device: c.Device, JWS: c.JWS})
	if verb == payment.Disown {
		card, _ := u.Cards.Get(p.Card)
		return u.freeze(card, c.Device, "frozen")
	}
	return nil
}

// Cancel ends a payment before money moves, for its payer or its payee. While a payment can be undone, the card's associated
// device may do it as well: the payer may have left the other one.
type Cancel struct {
	Payment payment.ID
	Device  payment.DeviceID // the payer's device, or
	Payee   payment.Handle   // the payee

	After payment.Payment // result
}

// Wants names the payment.
func (c *Cancel) Wants(_ *Unit, w *Wants) {
	w.Payments = append(w.Payments, c.Payment)
	if c.Device != "" {
		w.Devices = append(w.Devices, c.Device)
	}
}

// Do cancels. A payee cannot cancel what it cannot see.
func (c *Cancel) Do(u *Unit) (err error) {
	var p payment.Payment
	reason := payment.ByPayer
	if c.Device != "" {
		if p, err = u.undoable(c.Payment, c.Device); err != nil {
			return err
		}
	} else {
		var ok bool
		if p, ok = u.Payments.Get(c.Payment); !ok || c.Payee == "" || p.PayeeHandle != c.Payee || !p.ShownToPayee() {
			return ErrUnknownPayment
		}
		if err := open(p); err != nil {
			return err
		}
		reason = payment.ByPayee
	}
	c.After, err = u.Do(p, payment.Command{Verb: payment.Cancel, By: c.Device, Reason: reason})
	return err
}

// undoable returns an open payment that a device may end: its initiator at any time, and its associated device while all was
// given that it needs.
func (u *Unit) undoable(id payment.ID, device payment.DeviceID) (payment.Payment, error) {
	p, ok := u.Payments.Get(id)
	if !ok || p.UndoableAt.IsZero() || p.Associated != device {
		return u.initiated(id, device)
	}
	if _, err := u.activeDevice(device); err != nil {
		return p, err
	}
	return p, open(p)
}

// Touch loads payments and orders and does nothing to them but what every load does: end those whose time is over.
type Touch struct {
	Payments []payment.ID
	Orders   []payment.OrderID
}

// Wants names the payments and orders.
func (c Touch) Wants(_ *Unit, w *Wants) {
	w.Payments = append(w.Payments, c.Payments...)
	w.Orders = append(w.Orders, c.Orders...)
}

// Do does nothing.
func (c Touch) Do(*Unit) error { return nil }
