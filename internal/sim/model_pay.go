package sim

import (
	"fmt"
	"time"

	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// tap is what somebody presents: a card's number, or the message of a card that proves itself.
type tap struct {
	keys      []processor.CardKey
	sun       processor.SUNTap
	authentic bool
	challenge string // "" for none
}

func (t tap) proves() bool { return t.sun.Version != 0 }

// of is the card that a tap names.
func (m *model) of(t tap) (id string, c mCard, known bool) {
	id, known = m.byKey[string(t.keys[0])]
	return id, m.cards[id], known
}

// spend uses a tap up, and reports whether it counts.
func (m *model) spend(id string, t tap) bool {
	c := m.cards[id]
	if !t.proves() {
		return !c.proves
	}
	if !c.proves || t.sun.Counter <= c.counter {
		return false
	}
	c.counter = t.sun.Counter
	m.cards[id] = c
	return true
}

// prove uses a challenge up, and reports whether the card has proved itself.
func (m *model) prove(device string, t tap, now time.Time) bool {
	if t.challenge == "" {
		return t.authentic
	}
	name := device + " " + t.challenge
	c, ok := m.challenge[name]
	if !ok || c.used || !now.Before(c.expires) {
		return false
	}
	c.used = true
	m.challenge[name] = c
	return t.authentic
}

// instruction is what a device asks for.
type instruction struct {
	id, device, payee, order string
	minor                    int64
	tap                      tap
	rehearsal                bool
	shown                    int64 // the fee that the payer was shown
}

func (m *model) instruct(in instruction, now time.Time) string {
	if err := m.asks(in, now); err != nil {
		return refused(err)
	}
	payee, fee := m.payees[in.payee], m.feeOf(in.payee)
	p := mPayment{
		minor: in.minor, fee: fee.of(in.minor), byPayer: fee.byPayer, payee: in.payee, payeeAccount: payee.account, initiator: in.device, rehearsal: in.rehearsal,
		level: max(m.policy.Level, payment.LevelAuthenticate), undo: payee.undo, order: in.order, payBy: m.orders[in.order].expires,
	}
	if p.total()-p.minor != in.shown {
		return refused(processor.ErrFee)
	}
	// A refusal leaves what it has looked at as it was.
	undo := *m.clone()
	if err := m.tapped(&p, in, now); err != nil {
		*m = undo
		return refused(err)
	}
	p.instructed, p.expires = now, now.Add(10*time.Minute)
	if p.order != "" && p.payBy.Before(p.expires) {
		p.expires = p.payBy
	}
	to := "authentication_required"
	if p.level == payment.LevelTap {
		to = p.goal()
	}
	p = m.step(in.id, p, to, "", now)
	return p.text()
}

// asks is why an instruction is refused whatever the card.
func (m *model) asks(in instruction, now time.Time) error {
	if err := m.active(in.device); err != nil {
		return err
	}
	payee, ok := m.payees[in.payee]
	if _, taken := m.payments[in.id]; taken {
		return processor.ErrPaymentExists
	}
	if !ok {
		return processor.ErrUnknownPayee
	}
	if in.rehearsal && !payee.rehearsals {
		return processor.ErrNoRehearsals
	}
	if in.order == "" {
		return nil
	}
	o, ok := m.orders[in.order]
	switch {
	case !ok:
		return processor.ErrUnknownOrder
	case o.payee != in.payee:
		return &processor.OrderMismatch{Field: "payee"}
	case o.minor != in.minor:
		return &processor.OrderMismatch{Field: "amount"}
	}
	return m.payable(in.order, "", now)
}

// tapped uses the instruction's tap up, and finds its card: none for whoever is not to know it.
func (m *model) tapped(p *mPayment, in instruction, now time.Time) error {
	p.authentic = m.prove(in.device, in.tap, now)
	if in.tap.sun.Stranger == "" && !p.authentic && p.total() > m.policy.IdentifiedLimit {
		return processor.ErrLimitExceeded
	}
	id, c, known := m.of(in.tap)
	p.key = string(in.tap.keys[len(in.tap.keys)-1])
	if known {
		p.key = c.key
	}
	if known && !m.spend(id, in.tap) {
		if c.associated == in.device {
			return processor.ErrTapUsed
		}
		known, p.key = false, string(in.tap.sun.Stranger)
	}
	if known && c.state != "active" && c.associated == in.device {
		return processor.ErrCardState
	}
	if known && c.state == "active" {
		p.card, p.cardAccount, p.associated, p.cardVersion = id, c.account, c.associated, c.version
		if p.level = m.needs(*p, m.cards[id], now); m.moved(in.payee, c.account) {
			p.level = max(p.level, payment.LevelConfirm)
		}
	}
	return nil
}

// goal is the state of a payment to which all was given that it needs.
func (p mPayment) goal() string {
	if p.undo > 0 {
		return "undoable"
	}
	return p.complete()
}

// complete is the state of a payment that has gone all the way.
func (p mPayment) complete() string {
	if p.rehearsal {
		return "rehearsed"
	}
	return "settled"
}

func (p mPayment) text() string {
	return fmt.Sprintf("%s %s level %s card %q", p.state, p.reason, p.level, p.card)
}

// needs is the level of a payment: docs/decisions/0006-limits.md.
func (m *model) needs(p mPayment, c mCard, now time.Time) payment.Level {
	own := p.initiator == c.associated
	if !p.authentic && !own || m.dormant(c, now) {
		return payment.LevelApprove
	}
	level := max(m.policy.Level, c.level)
	if level > payment.LevelTap {
		return level
	}
	switch {
	case !own, !p.authentic && !m.policy.AllowIdentifiedTap, p.total() > m.policy.TapLimit,
		c.tapped.at(now)+p.total() > m.policy.TapDailyLimit,
		!p.authentic && m.identified(p.card, c, now)+p.total() > m.policy.IdentifiedDailyLimit:
		return payment.LevelAuthenticate
	}
	return payment.LevelTap
}

// identified is what a card has paid today by its number alone, and may yet pay.
func (m *model) identified(id string, c mCard, now time.Time) int64 {
	sum := c.identified.at(now)
	for _, p := range m.payments {
		if p.card == id && p.past() && p.state != "undoable" && !p.authentic && !p.rehearsal && !p.due(now) {
			sum += p.total()
		}
	}
	return sum
}

// initiated is why a device cannot go on with a payment of its own.
func (m *model) initiated(id, device string, now time.Time) (mPayment, error) {
	p, ok := m.payments[id]
	if err := m.active(device); err != nil {
		return p, err
	}
	if !ok || p.initiator != device {
		return p, processor.ErrUnknownPayment
	}
	return p, p.over(now)
}

// over is why nothing can happen to a payment any more.
func (p mPayment) over(now time.Time) error {
	switch {
	case p.state == "expired" || p.due(now):
		return payment.ErrExpired
	case !p.open():
		return payment.ErrFinal
	}
	return nil
}

// alive reports whether a payment's card is as it was.
func (m *model) alive(p mPayment) bool {
	c, ok := m.cards[p.card]
	return ok && c.state == "active" && c.associated == p.associated && c.version == p.cardVersion
}

// reserve takes a try off for a payment, and says what to compare with.
func (m *model) reserve(k processor.KeyID, id, device string, now time.Time) string {
	p, err := m.initiated(id, device, now)
	if err == nil && p.state != "authentication_required" {
		err = payment.ErrNotAllowed
	}
	pin := ""
	if err == nil && m.alive(p) {
		pin = m.cards[p.card].pin
	} else if err == nil && p.card != "" && p.initiator == p.associated {
		err = processor.ErrCardState
	}
	if err == nil {
		err = m.try(p.key, device, now)
	}
	if err != nil {
		return refused(err)
	}
	m.begun(k, pin)
	return "reserved against " + pin
}

// begun remembers what the PIN of a request is compared with.
func (m *model) begun(k processor.KeyID, pin string) {
	was := m.keys[k]
	was.pin = pin
	m.keys[k] = was
}

// authenticate ends the check of a PIN for a payment.
func (m *model) authenticate(k processor.KeyID, id, device, typed string, now time.Time) string {
	if err := m.active(device); err != nil {
		return refused(err)
	}
	p, ok := m.payments[id]
	if !ok || p.initiator != device {
		return refused(processor.ErrUnknownPayment)
	}
	if p.due(now) {
		return "not expired"
	}
	right := m.keys[k].pin != "" && m.keys[k].pin == typed && m.alive(p)
	left, text := m.tried(p.key, device, right, now)
	if p.state == "authentication_required" {
		switch {
		case right:
			p = m.authenticated(id, p, now)
		case left == 0:
			p = m.step(id, p, "rejected", "authentication_failed", now)
		}
	}
	return text + ": " + p.text()
}

// authenticated steps a payment whose payer is the cardholder.
func (m *model) authenticated(id string, p mPayment, now time.Time) mPayment {
	if c := m.cards[p.card]; !p.authentic && m.identified(p.card, c, now)+p.total() > m.policy.IdentifiedDailyLimit {
		return m.step(id, p, "rejected", "limit_exceeded", now)
	}
	to := "confirmation_required"
	if p.level == payment.LevelAuthenticate {
		to = p.goal()
	}
	p = m.step(id, p, to, "", now)
	if p.reason == "" {
		p.authenticated = latest(now, p.instructed)
		m.payments[id] = p
	}
	return p
}

// gesture is a passkey's answer.
type gesture struct {
	id      string
	counter uint32
}

// decision is what a device says to a statement.
type decision struct {
	id, device string
	verdict    consent.Verdict
	fits       bool // it is the statement that was issued: state and deadline are those of the payment
	gesture    *gesture
}

func (m *model) confirm(d decision, now time.Time) string {
	p, err := m.initiated(d.id, d.device, now)
	if err == nil && p.state != "confirmation_required" && (p.state != "authentication_required" || d.gesture == nil) {
		err = payment.ErrNotAllowed
	}
	if err == nil && d.verdict == consent.Decline {
		if p.state != "confirmation_required" {
			return refused(payment.ErrNotAllowed)
		}
		return m.step(d.id, p, "declined", "payer", now).text()
	}
	if err == nil && !d.fits {
		err = processor.ErrStatement
	}
	if err != nil {
		return refused(err)
	}
	undo := *m.clone()
	if d.gesture != nil {
		if p, err = m.answered(d.id, p, *d.gesture, now); err != nil {
			return refused(err)
		}
	}
	if p.state == "confirmation_required" {
		if p, err = m.confirmed(d.id, p, now); err != nil {
			*m = undo
			return refused(err)
		}
	}
	if !p.confirmed.IsZero() || d.gesture != nil && !p.authenticated.IsZero() {
		m.evidence[d.id+" first"] = d.device
	}
	return p.text()
}

// answered authenticates a payment by a passkey.
func (m *model) answered(id string, p mPayment, g gesture, now time.Time) (mPayment, error) {
	c, known := m.cards[p.card]
	k, ok := m.passkeys[g.id]
	switch {
	case !known, !ok, !m.bound[p.card+" "+p.initiator], k.card != p.card, k.removed, k.device != c.associated, !m.devices[k.device]:
		return p, consent.ErrPasskey
	case !m.alive(p):
		return p, processor.ErrCardState
	case g.counter <= k.counter && (g.counter != 0 || k.counter != 0):
		return p, consent.ErrPasskey
	}
	k.counter = g.counter
	m.passkeys[g.id] = k
	if p.state != "authentication_required" {
		return p, nil
	}
	return m.authenticated(id, p, now), nil
}

// confirmed takes the step of the first confirmation.
func (m *model) confirmed(id string, p mPayment, now time.Time) (mPayment, error) {
	to := p.goal()
	if p.needsSecond() {
		to = "approval_required"
		waiting := 0
		for _, other := range m.payments {
			if other.card == p.card && other.state == "approval_required" && !other.due(now) {
				waiting++
			}
		}
		c := m.cards[p.card]
		if now.Sub(c.approvalsSince) >= time.Hour {
			c.approvalsSince, c.approvals = now, 0
		}
		if waiting >= 3 || c.approvals >= 5 {
			return p, processor.ErrTooManyApprovals
		}
		c.approvals++
		m.cards[p.card] = c
	}
	p = m.step(id, p, to, "", now)
	if p.reason == "" {
		p.confirmed = latest(now, p.instructed, p.authenticated)
		m.payments[id] = p
	}
	return p, nil
}

// approval is what an associated device says.
type approval struct {
	decision
	right bool // the code
	tap   *tap // in place of the code
}

func (m *model) approve(a approval, now time.Time) string {
	if err := m.active(a.device); err != nil {
		return refused(err)
	}
	p, ok := m.payments[a.id]
	asked := p.state == "settled" || p.state == "rehearsed" || !p.undoable.IsZero() || p.needsSecond() && !p.confirmed.IsZero()
	if !ok || p.associated != a.device || !asked {
		return refused(processor.ErrUnknownPayment)
	}
	err := p.over(now)
	switch {
	case err != nil:
	case p.state != "approval_required":
		err = payment.ErrNotAllowed
	case a.verdict == consent.Decline:
		m.evidence[a.id+" second"] = a.device
		return m.step(a.id, p, "declined", "approver", now).text()
	case a.verdict == consent.NotMe:
		m.evidence[a.id+" second"] = a.device
		text := m.step(a.id, p, "declined", "not_me", now).text()
		m.stop(p.card, a.device, now)
		return text
	case !a.fits:
		err = processor.ErrStatement
	}
	if err != nil {
		return refused(err)
	}
	if !m.devices[p.initiator] {
		return m.step(a.id, p, "cancelled", "device_revoked", now).text()
	}
	if a.tap != nil {
		if why := m.shown(*a.tap, p); why != "" {
			return why
		}
	} else if !a.right {
		p.codeFailures++
		if p.codeFailures >= 3 {
			return "wrong code: " + m.step(a.id, p, "declined", "wrong_code", now).text()
		}
		p.version++
		m.payments[a.id] = p
		return "wrong code: " + p.text()
	}
	if p = m.step(a.id, p, p.goal(), "", now); p.open() {
		p.approved = p.undoable
	} else {
		p.approved = p.ended
	}
	m.payments[a.id] = p
	m.evidence[a.id+" second"] = a.device
	return p.text()
}

// shown uses a tap up that is to approve a payment, and says why it does not.
func (m *model) shown(t tap, p mPayment) string {
	id, _, known := m.of(t)
	switch {
	case !known || id != p.card || !t.proves():
		return "tap_refused"
	case !m.spend(id, t):
		return "tap_used"
	}
	return ""
}

func (m *model) cancel(id, device, payee string, now time.Time) string {
	if device != "" {
		p, err := m.initiated(id, device, now)
		if p.associated == device && !p.undoable.IsZero() && m.devices[device] {
			err = p.over(now)
		}
		if err != nil {
			return refused(err)
		}
		return m.step(id, p, "cancelled", "payer", now).text()
	}
	p, ok := m.payments[id]
	if !ok || p.payee != payee || !p.shown() {
		return refused(processor.ErrUnknownPayment)
	}
	if err := p.over(now); err != nil {
		return refused(err)
	}
	return m.step(id, p, "cancelled", "payee", now).text()
}
