package sim

import (
	"fmt"

	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// choose is what somebody does next: something new, the rest of what was begun, or again what was done before.
func (r *run) choose() *request {
	switch n := r.rng.IntN(111); {
	case n < 9:
		return r.newInstruction()
	case n < 50:
		return r.goOn()
	case n < 68 && len(r.finishes) > 0:
		i := r.rng.IntN(len(r.finishes))
		q := r.finishes[i]
		r.finishes = append(r.finishes[:i], r.finishes[i+1:]...)
		return q
	case n < 77:
		return r.again()
	case n < 79:
		return r.refund()
	case n < 80:
		if r.rng.IntN(2) == 0 {
			return r.newFee()
		}
		return r.undo()
	case n < 82:
		return r.newOrder()
	case n < 83:
		return r.cancelOrder()
	case n < 86:
		return r.topUp(any1(r, r.operators), any1(r, r.cards), []int64{10_00, 50_00, 60_00, 70_00}[r.rng.IntN(4)])
	case n < 89:
		return r.decideTopUp()
	case n < 91:
		return r.newChallenge()
	case n < 97:
		return r.ofCard(any1(r, r.cards))
	case n < 108:
		return r.ofPayouts()
	}
	return r.ofOperators(any1(r, r.cards))
}

// again is a request that was sent before, or one that has taken its key for something else.
func (r *run) again() *request {
	if len(r.history) == 0 {
		return nil
	}
	from := max(0, len(r.history)-30)
	q := r.history[from+r.rng.IntN(len(r.history)-from)]
	if r.rng.IntN(6) == 0 && q.phase == processor.Whole {
		other := *q
		other.name += " (another)"
		other.digest = digestOf(other.name)
		return &other
	}
	return q
}

func (r *run) newChallenge() *request {
	device, id, minor := any1(r, r.devices), r.next("challenge"), r.amount()
	q := r.device(device, "asks for %s", id)
	q.make = func() processor.Command {
		return &processor.ChallengeTap{ID: tap{challenge: id}.challengeOf(device), Number: []byte{1, 2, 3, 4}, Amount: cny(minor)}
	}
	q.result = func(processor.Command) string { return "given" }
	q.expect = func(m *model, now timeOf) string { return m.give(device, id, minor, now) }
	q.told = func(*sending) {
		if r.waiting = append(r.waiting, challenge{device, id, minor}); len(r.waiting) > 4 {
			r.waiting = r.waiting[1:]
		}
	}
	return q
}

// ofCard is what devices do with a card.
func (r *run) ofCard(c *card) *request {
	device := any1(r, r.devices)
	if owner := r.model.cards[c.id].associated; owner != "" && r.rng.IntN(5) > 0 {
		device = owner
	}
	switch r.rng.IntN(11) {
	case 0:
		return r.freeze(c, device)
	case 1, 2:
		return r.cardPIN(c, device, "unfreezes", func(b *processor.ReserveTry, right bool) processor.Command { return processor.NewUnfreeze(b, right) },
			func(m *model, card mCard, now timeOf) string { return m.unfreeze(c.id, card, now) })
	case 3:
		level := payment.Level(r.rng.IntN(5))
		return r.cardPIN(c, device, fmt.Sprint("wants level ", int(level), " of"),
			func(b *processor.ReserveTry, right bool) processor.Command {
				return processor.NewSetLevel(b, right, level)
			},
			func(m *model, card mCard, _ timeOf) string { return m.setLevel(c.id, card, level) })
	case 4:
		pin := r.anyPIN()
		return r.cardPIN(c, device, "changes to "+pin+" the PIN of",
			func(b *processor.ReserveTry, right bool) processor.Command {
				return processor.NewChangePIN(b, right, record(pin))
			},
			func(m *model, card mCard, now timeOf) string { return m.setPIN(c.id, card, pin, now) })
	case 5, 6:
		return r.addPasskey(c, device)
	case 7:
		return r.dropPasskey(c, device)
	case 8:
		return r.rebind(c, device)
	case 9:
		return r.present(c, device)
	}
	return r.loses(c, device)
}

func (r *run) freeze(c *card, device string) *request {
	q := r.device(device, "freezes %s", c.id)
	q.make = func() processor.Command {
		return &processor.Freeze{Card: payment.CardID(c.id), Device: payment.DeviceID(device)}
	}
	q.result = func(c processor.Command) string { return string(c.(*processor.Freeze).After.State) }
	q.expect = func(m *model, now timeOf) string { return m.freeze(c.id, device, now) }
	return q
}

// finished is a command of a cardholder's that ended with a PIN.
func finished(c processor.Command) string {
	var t processor.TryResult
	text := ""
	switch c := c.(type) {
	case *processor.Unfreeze:
		t, text = c.Result, string(c.After.State)
	case *processor.SetLevel:
		t, text = c.Result, string(c.After.State)
	case *processor.ChangePIN:
		t, text = c.Result, string(c.After.State)
	case *processor.RegisterPasskey:
		t = c.Result
		switch {
		case c.Taken:
			text = "taken"
		case c.TooMany:
			text = "too many"
		default:
			text = "added"
		}
	}
	out := fmt.Sprintf("right %v, %d left", t.Right, t.Left)
	if t.Right {
		out += ": " + text
	}
	return out
}

// cardPIN is a wish of the cardholder's that needs the PIN.
func (r *run) cardPIN(c *card, device, what string, command func(*processor.ReserveTry, bool) processor.Command, expect func(*model, mCard, timeOf) string) *request {
	typed := r.typed(c.id)
	id := c.id
	return r.check(r.device(device, "%s %s with %s", what, id, typed), typed,
		func() *processor.ReserveTry {
			return &processor.ReserveTry{Device: payment.DeviceID(device), Card: payment.CardID(id)}
		},
		func(m *model, k processor.KeyID, now timeOf) string { return m.reserveFor(k, id, device, now) },
		finishing{
			command: command, result: finished,
			expect: func(m *model, k processor.KeyID, now timeOf) string {
				return m.finish(k, id, device, typed, now, func(card mCard) string { return expect(m, card, now) })
			},
		})
}

func (r *run) addPasskey(c *card, device string) *request {
	k := &passkey{id: r.next("passkey"), card: c.id, device: device}
	q := r.cardPIN(c, device, "adds "+k.id+" to",
		func(b *processor.ReserveTry, right bool) processor.Command {
			return processor.NewRegisterPasskey(b, right, processor.Passkey{ID: k.id, PublicKey: []byte("key"), Label: "passkey"})
		},
		func(m *model, card mCard, _ timeOf) string { return m.addPasskey(c.id, card, device, k.id) })
	r.passkeys = append(r.passkeys, k)
	return q
}

func (r *run) dropPasskey(c *card, device string) *request {
	if len(r.passkeys) == 0 {
		return nil
	}
	id := any1(r, r.passkeys).id
	q := r.device(device, "removes %s of %s", id, c.id)
	q.make = func() processor.Command {
		return &processor.RemovePasskey{Card: payment.CardID(c.id), Device: payment.DeviceID(device), ID: id}
	}
	q.result = func(processor.Command) string { return "removed" }
	q.expect = func(m *model, _ timeOf) string { return m.removePasskey(c.id, device, id) }
	return q
}

func (r *run) rebind(c *card, device string) *request {
	to := any1(r, r.devices)
	q := r.device(device, "binds %s to %s", c.id, to)
	q.make = func() processor.Command {
		return &processor.Rebind{Card: payment.CardID(c.id), Device: payment.DeviceID(device), NewDevice: payment.DeviceID(to)}
	}
	q.result = func(c processor.Command) string { return "bound to " + string(c.(*processor.Rebind).After.Associated) }
	q.expect = func(m *model, now timeOf) string { return m.rebind(c.id, device, to, now) }
	return q
}

func (r *run) present(c *card, device string) *request {
	t := r.tap(c)
	q := r.device(device, "presents %s %d", c.id, t.sun.Counter)
	q.make = func() processor.Command {
		return &processor.Present{Device: payment.DeviceID(device), CardKeys: t.keys, Assurance: t.assurance(), SUN: t.sun}
	}
	q.result = func(c processor.Command) string {
		done := c.(*processor.Present)
		return fmt.Sprintf("known %v, authentic %v", done.Known, done.Assured == payment.Authentic)
	}
	q.expect = func(m *model, now timeOf) string { return m.present(device, t, now) }
	return q
}

func (r *run) loses(c *card, device string) *request {
	q := r.device(device, "has lost %s", c.id)
	q.make = func() processor.Command {
		return &processor.ReportLost{Card: payment.CardID(c.id), Device: payment.DeviceID(device)}
	}
	q.result = func(c processor.Command) string { return string(c.(*processor.ReportLost).After.State) }
	q.expect = func(m *model, now timeOf) string { return m.lost(c.id, device, now) }
	return q
}

// ofOperators is what operators do, and what comes of the codes that they give.
func (r *run) ofOperators(c *card) *request {
	o := any1(r, r.operators)
	switch n := r.rng.IntN(24); {
	case n < 5:
		return r.setState(o, c, processor.CardActive)
	case n < 7:
		return r.setState(o, c, processor.CardFrozen)
	case n < 8 && r.rng.IntN(3) == 0:
		return r.setState(o, c, processor.CardClosed)
	case n < 9:
		q := r.operator(o, "takes %s for lost", c.id)
		q.make = func() processor.Command { return &processor.ReportLost{Operated: by(o), Card: payment.CardID(c.id)} }
		q.result = func(c processor.Command) string { return string(c.(*processor.ReportLost).After.State) }
		q.expect = func(m *model, now timeOf) string { return m.lost(c.id, "", now) }
		return q
	case n < 11:
		return r.replace(o, c)
	case n < 15:
		return r.giveCode(o, c)
	case n < 20:
		return r.useCode(c)
	case n < 21:
		return r.issue()
	case n < 22:
		return r.movePayee(o)
	case n < 23 && r.rng.IntN(4) == 0:
		return r.revoke(o)
	}
	return r.rehearsals(o)
}

func (r *run) setState(o string, c *card, to processor.CardState) *request {
	q := r.operator(o, "makes %s %s", c.id, to)
	q.make = func() processor.Command {
		return &processor.SetCardState{Operated: by(o), Card: payment.CardID(c.id), To: to}
	}
	q.result = func(c processor.Command) string { return string(c.(*processor.SetCardState).After.State) }
	q.expect = func(m *model, now timeOf) string { return m.setState(c.id, string(to), now) }
	return q
}

func (r *run) replace(o string, old *card) *request {
	c := r.newCard()
	c.pin, c.code = old.pin, r.newCode()
	id, key, mac, version := c.id, r.keyOf(c), c.code, c.version()
	q := r.operator(o, "replaces %s by %s", old.id, id)
	q.make = func() processor.Command {
		return &processor.ReplaceCard{Operated: by(o), Old: payment.CardID(old.id), Card: processor.Card{
			ID: payment.CardID(id), Key: key, Last4: "1234", SUNVersion: version, Code: processor.OneUseCode{MAC: mac}}}
	}
	q.result = func(processor.Command) string { return "replaced" }
	q.expect = func(m *model, now timeOf) string { return m.replace(old.id, id, string(key), mac, version > 0, now) }
	q.told = func(*sending) {
		if r.cardOf(id) == nil {
			r.cards = append(r.cards, c)
		}
	}
	return q
}

func (r *run) giveCode(o string, c *card) *request {
	purpose := any1(r, []string{"activate", "rebind", "reset_pin"})
	mac := r.newCode()
	q := r.operator(o, "gives %s a code to %s: %s", c.id, purpose, mac)
	q.make = func() processor.Command {
		return &processor.GiveCode{Operated: by(o), Card: payment.CardID(c.id), Purpose: processor.CodePurpose(purpose), MAC: mac}
	}
	q.result = func(c processor.Command) string { return string(c.(*processor.GiveCode).After.Code.Purpose) }
	q.expect = func(m *model, now timeOf) string { return m.giveCode(c.id, purpose, mac, now) }
	q.told = func(*sending) { c.code = mac }
	return q
}

// useCode is somebody with a code, mostly the card's.
func (r *run) useCode(c *card) *request {
	device, code, pin := any1(r, r.devices), c.code, ""
	known := r.model.cards[c.id]
	if known.associated != "" && r.rng.IntN(2) == 0 {
		device = known.associated
	}
	if r.rng.IntN(3) == 0 {
		code = any1(r, r.codes)
	}
	if known.code.purpose == "activate" || r.rng.IntN(8) == 0 {
		pin = r.anyPIN()
	}
	if known.code.purpose != "reset_pin" {
		return r.activate(device, c, r.tap(c), code, pin)
	}
	pin = r.anyPIN()
	q := r.device(device, "resets the PIN of %s to %s with %s", c.id, pin, code)
	q.make = func() processor.Command {
		return processor.NewResetPIN(payment.CardID(c.id), payment.DeviceID(device), []string{code}, record(pin))
	}
	q.result = func(c processor.Command) string {
		if c.(*processor.ResetPIN).Refused {
			return "refused"
		}
		return "set"
	}
	q.expect = func(m *model, now timeOf) string { return m.resetPIN(c.id, device, code, pin, now) }
	return q
}

func (r *run) movePayee(o string) *request {
	handle, account := any1(r, r.payees), r.next("acc")
	q := r.operator(o, "moves %s to %s", handle, account)
	q.make = func() processor.Command {
		return &processor.MovePayee{Operated: by(o), Handle: payment.Handle(handle), Account: ledger.AccountID(account)}
	}
	return r.plain(q, func(m *model) string {
		p := m.payees[handle]
		p.former += p.account + " "
		p.account = account
		m.payees[handle], m.accounts[account] = p, mAccount{}
		return "done"
	})
}

func (r *run) rehearsals(o string) *request {
	handle, allowed := any1(r, r.payees), r.rng.IntN(4) > 0
	q := r.operator(o, "lets %s rehearse: %v", handle, allowed)
	q.make = func() processor.Command {
		return &processor.SetRehearsals{Operated: by(o), Handle: payment.Handle(handle), Allowed: allowed}
	}
	return r.plain(q, func(m *model) string {
		p := m.payees[handle]
		p.rehearsals = allowed
		m.payees[handle] = p
		return "done"
	})
}

func (r *run) revoke(o string) *request {
	device := any1(r, r.devices)
	q := r.operator(o, "revokes %s", device)
	q.make = func() processor.Command {
		return &processor.RevokeDevice{Operated: by(o), Device: payment.DeviceID(device)}
	}
	return r.plain(q, func(m *model) string { m.devices[device] = false; return "done" })
}
