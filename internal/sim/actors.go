package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tapline/consent"
	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

type timeOf = time.Time

func isCancelled(err error) bool { return errors.Is(err, context.Canceled) }

// plain is a request that has no result but that it was done.
func (r *run) plain(q *request, expect func(*model) string) *request {
	q.result = func(processor.Command) string { return "done" }
	q.expect = func(m *model, _ timeOf) string { return expect(m) }
	return q
}

func by(o string) processor.Operated { return processor.Operated{By: processor.OperatorID(o)} }

func (r *run) newDevice(name string) *request {
	r.devices = append(r.devices, name)
	q := r.device(name, "registers")
	q.make = func() processor.Command {
		return &processor.RegisterDevice{Device: processor.Device{ID: payment.DeviceID(name), PublicKey: []byte("{}"), Label: name}}
	}
	return r.plain(q, func(m *model) string {
		if can, known := m.devices[name]; known && !can {
			return refused(processor.ErrDeviceRevoked)
		}
		m.devices[name] = true
		return "done"
	})
}

func (r *run) newPayee(handle string) *request {
	r.payees = append(r.payees, handle)
	account := "acc_" + handle
	q := r.operator("olga", "adds %s", handle)
	q.make = func() processor.Command {
		return &processor.AddPayee{
			Operated: by("olga"), Payee: processor.Payee{Handle: payment.Handle(handle), Name: handle, Account: ledger.AccountID(account), Currency: "CNY"},
			APIKey: processor.APIKey{ID: "id " + handle, MAC: "mac " + handle, Payee: payment.Handle(handle)},
		}
	}
	return r.plain(q, func(m *model) string {
		m.payees[handle], m.accounts[account] = mPayee{account: account}, mAccount{}
		return "done"
	})
}

// newCode is a one-use code.
func (r *run) newCode() string {
	code := r.next("code")
	r.codes = append(r.codes, code)
	return code
}

func (r *run) issue() *request {
	c := r.newCard()
	r.cards = append(r.cards, c)
	c.pin, c.code = r.anyPIN(), r.newCode()
	account, key := "acc_"+c.id, r.keyOf(c)
	id, mac, version := c.id, c.code, c.version()
	q := r.operator("olga", "issues %s", id)
	q.make = func() processor.Command {
		return &processor.IssueCard{Operated: by("olga"), Card: processor.Card{
			ID: payment.CardID(id), Key: key, Last4: "1234", Label: "Card", Account: ledger.AccountID(account), Currency: "CNY",
			Code: processor.OneUseCode{MAC: mac}, SUNVersion: version,
		}}
	}
	q.result = func(processor.Command) string { return "issued" }
	q.expect = func(m *model, now timeOf) string {
		return m.issue(id, mCard{account: account, key: string(key), proves: version > 0}, mac, now)
	}
	return q
}

func (r *run) activate(device string, c *card, t tap, code, pin string) *request {
	q := r.device(device, "activates %s with %s %q", c.id, code, pin)
	q.make = func() processor.Command {
		return &processor.Activate{Device: payment.DeviceID(device), CardKeys: t.keys, SUN: t.sun, CodeMACs: []string{code}, PIN: record(pin)}
	}
	q.result = func(a processor.Command) string {
		if done := a.(*processor.Activate); !done.Refused {
			return "bound to " + string(done.Card.Associated)
		}
		return "refused"
	}
	q.expect = func(m *model, now timeOf) string { return m.activate(device, t, code, pin, now) }
	return q
}

func (r *run) topUp(operator string, c *card, minor int64) *request {
	id, account := r.next("top"), "acc_"+c.id
	if known, ok := r.model.cards[c.id]; ok {
		account = known.account
	}
	q := r.operator(operator, "tops %s up by %d", account, minor)
	q.make = func() processor.Command {
		return &processor.TopUp{Operated: by(operator), ID: id, Account: ledger.AccountID(account), Amount: cny(minor), Alone: alone}
	}
	q.result = func(c processor.Command) string {
		if done := c.(*processor.TopUp); done.Held == nil {
			return fmt.Sprint("done: ", done.After.Balance())
		}
		return "held"
	}
	q.expect = func(m *model, now timeOf) string { return m.topUp(id, operator, account, minor, now) }
	q.told = func(s *sending) {
		if s.command.(*processor.TopUp).Held != nil {
			r.topUps = append(r.topUps, id)
		}
	}
	return q
}

func (r *run) decideTopUp() *request {
	if len(r.topUps) == 0 {
		return nil
	}
	id, operator, confirm := any1(r, r.topUps), any1(r, r.operators), r.rng.IntN(4) > 0
	if r.rng.IntN(2) == 0 {
		id = r.topUps[len(r.topUps)-1] // the older ones have been decided, mostly
	}
	q := r.operator(operator, "decides %s: %v", id, confirm)
	q.make = func() processor.Command {
		return &processor.DecideTopUp{Operated: by(operator), ID: id, Confirm: confirm}
	}
	q.result = func(c processor.Command) string { return string(c.(*processor.DecideTopUp).After.State) }
	q.expect = func(m *model, now timeOf) string { return m.decide(id, operator, confirm, now) }
	return q
}

// amount is one that is mostly within limits and funds.
func (r *run) amount() int64 {
	return []int64{1, 5_00, 10_00, 25_00, 30_00, 31_00, 49_99, 51_00, 90_00}[r.rng.IntN(9)]
}

func (r *run) newInstruction() *request {
	c, device := any1(r, r.cards), any1(r, r.devices)
	if owner := r.model.cards[c.id].associated; owner != "" && r.rng.IntN(2) == 0 {
		device = owner
	}
	in := instruction{id: r.next("pay"), device: device, payee: any1(r, r.payees), minor: r.amount(), tap: r.tap(c)}
	in.rehearsal = r.rng.IntN(4) == 0 && r.model.payees[in.payee].rehearsals || r.rng.IntN(40) == 0
	if r.crowded { // one card is asked for approvals again and again
		c = r.cards[0]
		in.tap, in.minor, in.rehearsal = r.fresh(c), 1, false
		if in.device == r.model.cards[c.id].associated {
			in.device = r.devices[1]
		}
		return r.instruct(in)
	}
	if len(r.orders) > 0 && r.rng.IntN(3) == 0 {
		in.order = any1(r, r.orders)
		if o := r.model.orders[in.order]; r.rng.IntN(10) > 0 {
			in.payee, in.minor = o.payee, o.minor
		}
	}
	if len(r.waiting) > 0 && c.uid == nil && r.rng.IntN(3) == 0 {
		w := any1(r, r.waiting)
		in.tap.challenge, in.tap.authentic = w.id, r.rng.IntN(4) > 0
		if r.rng.IntN(6) > 0 {
			in.device = w.device
		}
	}
	return r.instruct(in)
}

func (r *run) instruct(in instruction) *request {
	in.shown = r.shown(in)
	nonce := nonceOf(in.id)
	q := r.device(in.device, "instructs %s: %d to %s, order %q, tap %s %d %q, fee %d", in.id, in.minor, in.payee, in.order, in.tap.keys[0], in.tap.sun.Counter, in.tap.challenge, in.shown)
	q.make = func() processor.Command {
		return &processor.Instruct{
			ID: payment.ID(in.id), Device: payment.DeviceID(in.device), Amount: cny(in.minor), Payee: payment.Handle(in.payee),
			CardKeys: in.tap.keys, CardLast4: "1234", Assurance: in.tap.assurance(), SUN: in.tap.sun, Challenge: in.tap.challengeOf(in.device),
			Order: payment.OrderID(in.order), Rehearsal: in.rehearsal, PayerFee: in.shown, Nonce: nonce, Policy: r.policy,
		}
	}
	q.result = func(c processor.Command) string { return textOf(c.(*processor.Instruct).Payment) }
	q.expect = func(m *model, now timeOf) string { return m.instruct(in, now) }
	q.told = func(s *sending) { r.see(s.command.(*processor.Instruct).Payment) }
	return q
}

// see is a device that learns of a payment.
func (r *run) see(p payment.Payment) {
	if p.ID != "" && p.Version >= r.views[string(p.ID)].Version {
		r.views[string(p.ID)] = p
	}
}

func textOf(p payment.Payment) string {
	return fmt.Sprintf("%s %s level %s card %q", p.State, p.Reason, p.Level, p.Card)
}

// anyPayment is one that was seen, mostly one that is open.
func (r *run) anyPayment() (string, payment.Payment) {
	ids := slices.Sorted(maps.Keys(r.views))
	if len(ids) == 0 {
		return "", payment.Payment{}
	}
	if r.rng.IntN(12) > 0 {
		if open := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !r.model.payments[id].open() }); len(open) > 0 {
			ids = open
		}
		if past := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !r.model.payments[id].past() }); len(past) > 0 && r.rng.IntN(3) > 0 {
			ids = past
		}
	}
	id := any1(r, ids)
	if r.rng.IntN(2) == 0 {
		r.look(id)
	}
	return id, r.views[id]
}

// look is a device that asks for a payment.
func (r *run) look(id string) {
	err := r.store.View(context.Background(), func(from processor.Reader) error {
		rows, err := from.Load(processor.Wants{Payments: []payment.ID{payment.ID(id)}})
		for _, p := range rows.Payments {
			r.see(p)
		}
		return err
	})
	if _, dead := r.disk.Failed(); err != nil && !dead {
		r.Fatalf("reading: %v", err)
	}
}

// goOn does the next thing to a payment, or something else.
func (r *run) goOn() *request {
	id, seen := r.anyPayment()
	if id == "" || !r.model.payments[id].open() && r.rng.IntN(10) > 0 {
		return r.newInstruction()
	}
	device := string(seen.Initiator)
	if r.rng.IntN(20) == 0 {
		device = any1(r, r.devices)
	}
	if r.rng.IntN(24) == 0 {
		return r.cancel(id, device)
	}
	switch seen.State {
	case payment.AuthenticationRequired:
		if len(r.passkeys) > 0 && r.rng.IntN(3) == 0 {
			return r.confirm(id, device, seen, r.gesture(string(seen.Card)))
		}
		return r.pin(id, device, seen)
	case payment.ApprovalRequired:
		if r.crowded && r.rng.IntN(4) > 0 {
			return r.newInstruction()
		}
		return r.approve(id, seen)
	}
	return r.confirm(id, device, seen, nil)
}

// gesture is the answer of one of a card's passkeys, or of another, perhaps a copy.
func (r *run) gesture(card string) *gesture {
	k := any1(r, r.passkeys)
	for _, other := range r.passkeys {
		if other.card == card && r.rng.IntN(3) > 0 {
			k = other
		}
	}
	if r.rng.IntN(6) > 0 {
		k.counter++
	}
	return &gesture{k.id, k.counter}
}

// pin types a PIN: the try is taken off in one transaction, and the rest is another request, which comes some time later.
func (r *run) pin(id, device string, seen payment.Payment) *request {
	typed := r.typed(string(seen.Card))
	return r.check(r.device(device, "types %s for %s", typed, id), typed,
		func() *processor.ReserveTry {
			return &processor.ReserveTry{Device: payment.DeviceID(device), Payment: payment.ID(id)}
		},
		func(m *model, k processor.KeyID, now timeOf) string { return m.reserve(k, id, device, now) },
		finishing{
			command: func(_ *processor.ReserveTry, right bool) processor.Command {
				return &processor.Authenticate{Payment: payment.ID(id), Device: payment.DeviceID(device), Right: right, Policy: r.policy}
			},
			result: func(c processor.Command) string {
				done := c.(*processor.Authenticate)
				return triedText(done.Result, done.After)
			},
			expect: func(m *model, k processor.KeyID, now timeOf) string { return m.authenticate(k, id, device, typed, now) },
			told:   func(s *sending) { r.see(s.command.(*processor.Authenticate).After) },
		})
}

func triedText(t processor.TryResult, p payment.Payment) string {
	return fmt.Sprintf("right %v, %d left: %s", t.Right, t.Left, textOf(p))
}

// typed is a PIN, mostly the right one.
func (r *run) typed(id string) string {
	for _, c := range r.cards {
		if c.id == id && r.rng.IntN(8) > 0 {
			return r.model.cards[id].pin
		}
	}
	return r.anyPIN()
}

// finishing is the second half of a PIN check.
type finishing struct {
	command func(begun *processor.ReserveTry, right bool) processor.Command
	result  func(processor.Command) string
	expect  func(*model, processor.KeyID, timeOf) string
	told    func(*sending)
}

// check is a PIN check in two halves.
func (r *run) check(q *request, typed string, begin func() *processor.ReserveTry, expect func(*model, processor.KeyID, timeOf) string, f finishing) *request {
	q.phase = processor.Begin
	q.make = func() processor.Command { return begin() }
	q.result = func(c processor.Command) string { return "reserved against " + pinOf(c.(*processor.ReserveTry).Record) }
	q.expect = func(m *model, now timeOf) string { return expect(m, q.key, now) }
	q.told = func(s *sending) {
		if s.answer.Replayed {
			return
		}
		begun := s.command.(*processor.ReserveTry)
		right := typed != "" && pinOf(begun.Record) == typed // in the handler: consent.PINHasher
		end := &request{name: q.name + " (end)", key: q.key, digest: q.digest, phase: processor.Finish, sent: true}
		end.make = func() processor.Command { return f.command(begun, right) }
		end.result = f.result
		end.expect = func(m *model, now timeOf) string {
			m.begun(q.key, pinOf(begun.Record)) // a repeat may have begun since, against another PIN
			return f.expect(m, q.key, now)
		}
		end.told = f.told
		r.finishes = append(r.finishes, end)
	}
	return q
}

func (r *run) confirm(id, device string, seen payment.Payment, g *gesture) *request {
	d := decision{id: id, device: device, verdict: consent.Approve, gesture: g}
	statement := processor.Statement(seen)
	switch n := r.rng.IntN(16); {
	case n == 0:
		d.verdict = consent.Decline
	case n == 1:
		statement = "another statement"
	}
	state, deadline := string(seen.State), seen.Deadline
	q := r.device(device, "says %s to %s as %s, passkey %v", d.verdict, id, state, g != nil)
	var answer *processor.Gesture
	if g != nil {
		answer = &processor.Gesture{Passkey: g.id, Counter: g.counter}
	}
	q.make = func() processor.Command {
		return &processor.Confirm{Payment: payment.ID(id), Device: payment.DeviceID(device), Decision: d.verdict, Statement: statement, Gesture: answer, Policy: r.policy, JWS: "e30.e30.AA"}
	}
	q.result = func(c processor.Command) string { return textOf(c.(*processor.Confirm).After) }
	q.expect = func(m *model, now timeOf) string {
		d := d
		d.fits = m.issued(id, state, statement, deadline)
		return m.confirm(d, now)
	}
	q.told = func(s *sending) { r.see(s.command.(*processor.Confirm).After) }
	return q
}

// issued reports whether a statement is the one that a payment waits for: that of its state and wait.
func (m *model) issued(id, state, statement string, deadline timeOf) bool {
	p := m.payments[id]
	if p.card == "" && p.state == "authentication_required" {
		return statement == "" // of a decoy there is none
	}
	return statement != "" && statement != "another statement" && roles[p.state] == roles[state] && p.deadline.Equal(deadline)
}

// roles are those of a payment's statements: a passkey answers the first before the payer has authenticated otherwise.
var roles = map[string]int{"authentication_required": 1, "confirmation_required": 1, "approval_required": 2}

func (r *run) approve(id string, seen payment.Payment) *request {
	a := approval{decision: decision{id: id, device: string(seen.Associated), verdict: consent.Approve}, right: r.rng.IntN(4) > 0}
	if r.rng.IntN(12) == 0 {
		a.device = any1(r, r.devices)
	}
	switch r.rng.IntN(14) {
	case 0:
		a.verdict = consent.Decline
	case 1:
		a.verdict = consent.NotMe
	}
	statement := processor.Statement(seen)
	if r.rng.IntN(16) == 0 {
		statement = "another statement"
	}
	if r.rng.IntN(4) == 0 {
		t := r.tap(any1(r, r.cards))
		if own := r.cardOf(string(seen.Card)); own != nil && r.rng.IntN(4) > 0 {
			t = r.tap(own)
		}
		a.tap = &t
	}
	state, deadline := string(seen.State), seen.Deadline
	q := r.device(a.device, "says %s to %s, code right %v, tap %v", a.verdict, id, a.right, a.tap != nil)
	q.make = func() processor.Command { return r.approval(a, seen, statement) }
	q.result = func(c processor.Command) string {
		done := c.(*processor.Approve)
		switch {
		case done.TapRefused != "":
			return string(done.TapRefused)
		case done.WrongCode:
			return "wrong code: " + textOf(done.After)
		}
		return textOf(done.After)
	}
	q.expect = func(m *model, now timeOf) string {
		a := a
		a.fits = m.issued(id, state, statement, deadline)
		return m.approve(a, now)
	}
	q.told = func(s *sending) { r.see(s.command.(*processor.Approve).After) }
	return q
}

func (r *run) approval(a approval, seen payment.Payment, statement string) processor.Command {
	c := &processor.Approve{
		Payment: payment.ID(a.id), Device: payment.DeviceID(a.device), Decision: a.verdict, Statement: statement, JWS: "e30.e30.AA",
		Keys: r.keys, Digits: 2,
	}
	if a.tap != nil {
		c.Tap = &processor.ApprovalTap{CardKeys: a.tap.keys, Assurance: a.tap.assurance(), SUN: a.tap.sun}
		return c
	}
	code, err := consent.ApprovalCode(r.keys, seen.Nonce, 2)
	if err != nil {
		r.Fatal(err)
	}
	if c.Code = code; !a.right {
		c.Code = consent.Code(fmt.Sprintf("%c%c", '0'+('9'-code[0]), code[1]))
		if c.Code == code {
			c.Code = "xx"
		}
	}
	return c
}

func (r *run) cardOf(id string) *card {
	for _, c := range r.cards {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (r *run) cancel(id, device string) *request {
	payee := ""
	q := r.device(device, "cancels %s", id)
	if r.rng.IntN(2) == 0 {
		payee, device = any1(r, r.payees), ""
		q = r.payee(payee, "cancels %s", id)
	}
	q.make = func() processor.Command {
		return &processor.Cancel{Payment: payment.ID(id), Device: payment.DeviceID(device), Payee: payment.Handle(payee)}
	}
	q.result = func(c processor.Command) string { return textOf(c.(*processor.Cancel).After) }
	q.expect = func(m *model, now timeOf) string { return m.cancel(id, device, payee, now) }
	q.told = func(s *sending) { r.see(s.command.(*processor.Cancel).After) }
	return q
}
