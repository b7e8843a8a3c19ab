package sim

import (
	"fmt"
	"time"

	"tapline/payment"
	"tapline/processor"
)

// stop freezes a card, for a device or, without one, for an operator.
func (m *model) stop(id, device string, now time.Time) bool {
	c := m.cards[id]
	if c.state == "closed" {
		return false
	}
	if c.state == "active" {
		c.state = "frozen"
	}
	if device == "" {
		c.byOperator = true
	}
	if device == c.associated && c.code.purpose != "activate" {
		c.code = mCode{}
	}
	m.changed(id, c, now)
	return true
}

func (m *model) freeze(id, device string, now time.Time) string {
	if err := m.active(device); err != nil {
		return refused(err)
	}
	if !m.bound[id+" "+device] {
		return refused(processor.ErrUnknownCard)
	}
	if !m.stop(id, device, now) {
		return refused(processor.ErrCardState)
	}
	return m.cards[id].state
}

// owned is why a device cannot speak for a card.
func (m *model) owned(id, device string) error {
	if err := m.active(device); err != nil {
		return err
	}
	if c, ok := m.cards[id]; !ok || c.associated != device {
		return processor.ErrUnknownCard
	}
	return nil
}

func (m *model) lost(id, device string, now time.Time) string {
	if device != "" {
		if err := m.owned(id, device); err != nil {
			return refused(err)
		}
	}
	c, ok := m.cards[id]
	switch {
	case !ok:
		return refused(processor.ErrUnknownCard)
	case c.state == "issued" || c.state == "closed":
		return refused(processor.ErrCardState)
	}
	c.lost = true
	m.cards[id] = c
	m.stop(id, device, now)
	return m.cards[id].state
}

// reserveFor takes a try off for a card, from its associated device.
func (m *model) reserveFor(k processor.KeyID, id, device string, now time.Time) string {
	err := m.owned(id, device)
	c := m.cards[id]
	if err == nil && c.state == "closed" {
		err = processor.ErrCardState
	}
	if err == nil {
		err = m.try(c.key, device, now)
	}
	if err != nil {
		return refused(err)
	}
	m.begun(k, c.pin)
	return "reserved against " + c.pin
}

// finish ends the check of a PIN for a card, and goes on if it was right.
func (m *model) finish(k processor.KeyID, id, device, typed string, now time.Time, goOn func(mCard) string) string {
	if err := m.owned(id, device); err != nil {
		return refused(err)
	}
	c := m.cards[id]
	if c.pin != m.keys[k].pin || c.state == "closed" {
		return refused(processor.ErrCardState)
	}
	right := typed == c.pin
	_, text := m.tried(c.key, device, right, now)
	if right {
		text += ": " + goOn(c)
	}
	return text
}

func (m *model) unfreeze(id string, c mCard, now time.Time) string {
	if c.state == "frozen" && !c.byOperator && !c.lost {
		c.state = "active"
		m.changed(id, c, now)
	}
	return m.cards[id].state
}

func (m *model) setLevel(id string, c mCard, level payment.Level) string {
	if level != 0 { // 0 leaves it
		c.level = level
	}
	m.cards[id] = c
	return c.state
}

func (m *model) setPIN(id string, c mCard, pin string, now time.Time) string {
	c.pin = pin
	m.tries[c.key+" owner"], m.tries[c.key+" strangers"] = mTries{}, mTries{}
	m.changed(id, c, now)
	return c.state
}

func (m *model) addPasskey(id string, c mCard, device, passkey string) string {
	if _, taken := m.passkeys[passkey]; taken {
		return "taken"
	}
	if c.passkeys >= 10 {
		return "too many"
	}
	m.passkeys[passkey] = mPasskey{card: id, device: device}
	c.passkeys++
	m.cards[id] = c
	return "added"
}

func (m *model) removePasskey(id, device, passkey string) string {
	if err := m.owned(id, device); err != nil {
		return refused(err)
	}
	k, ok := m.passkeys[passkey]
	if !ok || k.card != id || k.removed {
		return refused(processor.ErrUnknownPasskey)
	}
	k.removed = true
	m.passkeys[passkey] = k
	c := m.cards[id]
	c.passkeys--
	m.cards[id] = c
	return "removed"
}

func (m *model) rebind(id, device, to string, now time.Time) string {
	err := m.owned(id, device)
	if err == nil && m.cards[id].state != "active" {
		err = processor.ErrCardState
	}
	if err == nil {
		err = m.active(to)
	}
	if err != nil {
		return refused(err)
	}
	c := m.cards[id]
	c.associated = to
	m.bound[id+" "+to] = true
	m.changed(id, c, now)
	return "bound to " + to
}

// code uses a card's one-use code, or one of a device's five tries at it.
func (m *model) code(id, mac, device string, now time.Time) bool {
	c := m.cards[id]
	early := now.Before(c.code.from) && (c.code.purpose != "replace" || c.associated != device)
	if c.code.purpose == "" || early || !now.Before(c.code.until) {
		return false
	}
	name := "code." + c.code.mac + " " + device
	t := m.tries[name]
	if t.used >= 5 {
		return false
	}
	if mac != c.code.mac {
		t.used++
		t.locked = t.used >= 5
		m.tries[name] = t
		return false
	}
	c.code = mCode{}
	m.cards[id] = c
	return true
}

func (m *model) activate(device string, t tap, mac, pin string, now time.Time) string {
	if err := m.active(device); err != nil {
		return refused(err)
	}
	id, c, known := m.of(t)
	if !known || !m.spend(id, t) {
		return "refused"
	}
	c = m.cards[id]
	fits := false
	switch c.code.purpose {
	case "activate":
		fits = c.state == "issued" && pin != ""
	case "replace":
		fits = c.state == "issued" && pin == ""
	case "rebind":
		fits = (c.state == "active" || c.state == "frozen") && pin == ""
	}
	if !fits || !m.code(id, mac, device, now) {
		return "refused"
	}
	c = m.cards[id]
	if c.state == "issued" {
		if c.pin == "" {
			c.pin = pin
			m.tries[c.key+" owner"], m.tries[c.key+" strangers"] = mTries{}, mTries{}
		}
		c.state = "active"
	}
	c.associated = device
	m.bound[id+" "+device] = true
	m.changed(id, c, now)
	return "bound to " + device
}

func (m *model) resetPIN(id, device, mac, pin string, now time.Time) string {
	if err := m.owned(id, device); err != nil {
		return refused(err)
	}
	if m.cards[id].code.purpose != "reset_pin" || !m.code(id, mac, device, now) {
		return "refused"
	}
	m.setPIN(id, m.cards[id], pin, now)
	return "set"
}

// give gives a card a one-use code.
func (c mCard) give(purpose, mac string, now time.Time) mCard {
	if purpose == "activate" && c.associated != "" {
		purpose = "replace"
	}
	c.code = mCode{purpose: purpose, mac: mac, from: now, until: now.Add(14 * 24 * time.Hour)}
	if purpose == "rebind" || purpose == "replace" {
		c.code.from = now.Add(24 * time.Hour)
	}
	return c
}

func (m *model) giveCode(id, purpose, mac string, now time.Time) string {
	c, ok := m.cards[id]
	switch {
	case !ok:
		return refused(processor.ErrUnknownCard)
	case c.state == "closed" || (purpose == "activate") != (c.state == "issued"):
		return refused(processor.ErrCardState)
	}
	m.cards[id] = c.give(purpose, mac, now)
	return m.cards[id].code.purpose
}

func (m *model) setState(id, to string, now time.Time) string {
	c, ok := m.cards[id]
	if !ok {
		return refused(processor.ErrUnknownCard)
	}
	switch {
	case to == "frozen" && (c.state == "active" || c.state == "frozen"):
		m.stop(id, "", now)
	case to == "active" && c.state == "frozen":
		c.state, c.byOperator, c.lost = "active", false, false
		m.changed(id, c, now)
	case to == "closed" && c.state != "closed":
		c.state, c.code = "closed", mCode{}
		m.changed(id, c, now)
	default:
		return refused(processor.ErrCardState)
	}
	return m.cards[id].state
}

func (m *model) issue(id string, c mCard, mac string, now time.Time) string {
	if _, taken := m.byKey[c.key]; taken {
		return refused(processor.ErrCardExists)
	}
	c.state, c.issued = "issued", now
	m.byKey[c.key] = id
	m.cards[id] = c.give("activate", mac, now)
	m.accounts[c.account] = mAccount{}
	return "issued"
}

func (m *model) replace(old, id, key, mac string, proves bool, now time.Time) string {
	c, ok := m.cards[old]
	if !ok {
		return refused(processor.ErrUnknownCard)
	}
	if c.state == "closed" {
		return refused(processor.ErrCardState)
	}
	if _, taken := m.byKey[key]; taken {
		return refused(processor.ErrCardExists)
	}
	next := c
	next.key, next.proves, next.counter, next.state, next.version = key, proves, 0, "issued", 0
	next.byOperator, next.lost, next.replacedBy, next.passkeys = false, false, "", 0
	next.issued = now
	m.byKey[key] = id
	m.cards[id] = next.give("activate", mac, now)
	for device := range m.devices {
		if m.bound[old+" "+device] {
			m.bound[id+" "+device] = true
		}
	}
	for _, by := range []string{" owner", " strangers"} {
		a, b := m.tries[c.key+by], m.tries[key+by]
		m.tries[key+by] = mTries{max(a.used, b.used), latest(a.paused, b.paused), a.locked || b.locked}
	}
	c.state, c.code, c.replacedBy = "closed", mCode{}, id
	m.changed(old, c, now)
	return "replaced"
}

// The most that one operator may top up alone.
const alone = 50_00

func (m *model) topUp(id, by, account string, minor int64, now time.Time) string {
	if _, ok := m.accounts[account]; !ok {
		return refused(processor.ErrUnknownAccount)
	}
	if m.deserted(account) {
		return refused(processor.ErrCardState)
	}
	if minor > alone {
		m.topUps[id] = mTopUp{account: account, by: by, state: "pending", minor: minor, expires: now.Add(24 * time.Hour)}
		return "held"
	}
	m.enter(id+"/post", "post", "issuance-CNY", account, minor)
	return fmt.Sprint("done: ", m.accounts[account].posted)
}

// deserted reports whether nobody can pay from a card account any more.
func (m *model) deserted(account string) bool {
	for _, c := range m.cards {
		if c.account == account && c.replacedBy == "" {
			return c.state == "closed"
		}
	}
	return false
}

func (m *model) decide(id, by string, confirm bool, now time.Time) string {
	t, ok := m.topUps[id]
	switch {
	case !ok:
		return refused(processor.ErrUnknownTopUp)
	case t.state != "pending" || confirm && !now.Before(t.expires):
		return refused(processor.ErrTopUpOver)
	case confirm && t.by == by:
		return refused(processor.ErrSameOperator)
	case confirm && m.deserted(t.account):
		return refused(processor.ErrCardState)
	}
	t.state = "rejected"
	if confirm {
		t.state = "confirmed"
		m.enter(id+"/post", "post", "issuance-CNY", t.account, t.minor)
	}
	m.topUps[id] = t
	return t.state
}

func (m *model) give(device string, id string, minor int64, now time.Time) string {
	if err := m.active(device); err != nil {
		return refused(err)
	}
	lately := 0
	for name, c := range m.challenge {
		if len(name) > len(device) && name[:len(device)+1] == device+" " && now.Before(c.expires) {
			lately++
		}
	}
	if lately >= 8 {
		return refused(processor.ErrTooManyChallenges)
	}
	m.challenge[device+" "+id] = mChallenge{minor: minor, expires: now.Add(time.Minute)}
	return "given"
}

func (m *model) present(device string, t tap, now time.Time) string {
	if err := m.active(device); err != nil {
		return refused(err)
	}
	assured := false
	if !t.proves() {
		assured = m.prove(device, t, now)
	}
	id, _, known := m.of(t)
	if !known {
		return fmt.Sprintf("known false, authentic %v", assured)
	}
	bound := m.bound[id+" "+device]
	switch fresh := m.spend(id, t); {
	case !fresh && bound:
		return refused(processor.ErrTapUsed)
	case !fresh:
		return fmt.Sprintf("known false, authentic %v", assured)
	}
	if bound && t.proves() {
		assured = t.authentic
	}
	return fmt.Sprintf("known %v, authentic %v", bound, assured)
}
