package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// looked runs a command and then keeps what shows the card that it changed, for the answer.
type looked struct {
	processor.Command
	unit *processor.Unit // result: as the command left it
}

// Do runs the command.
func (l *looked) Do(u *processor.Unit) error {
	l.unit = u
	return l.Command.Do(u)
}

// card is the view of a card of which the command wanted account, bindings and devices.
func (l *looked) card(card processor.Card) api.Card {
	return l.cardOf(card, l.unit.BoundTo(card.ID))
}

// cardOf is the view of a card with devices that the command wanted.
func (l *looked) cardOf(card processor.Card, devices []payment.DeviceID) api.Card {
	account, _ := l.unit.Accounts.Get(card.Account)
	if card.Associated != "" && !slices.Contains(devices, card.Associated) {
		devices = append(devices, card.Associated) // bound by this very command
	}
	var bound []api.BoundDevice
	for _, id := range devices {
		b, _ := l.unit.Bindings.Get(processor.BindingID{Card: card.ID, Device: id})
		d, _ := l.unit.Devices.Get(id)
		bound = append(bound, boundView(b, d))
	}
	return cardView(card, account, bound)
}

func boundView(b processor.Binding, d processor.Device) api.BoundDevice {
	v := api.BoundDevice{ID: string(b.Device), Label: d.Label, BoundAt: b.BoundAt}
	if !d.UsedAt.IsZero() {
		v.UsedAt = &d.UsedAt
	}
	return v
}

// cardView is a card with what is on its account. What is on that of a card which was replaced, and which devices it has, is
// the new card's to tell: a device may have been removed from that since.
func cardView(c processor.Card, account ledger.Account, bound []api.BoundDevice) api.Card {
	slices.SortFunc(bound, func(a, b api.BoundDevice) int { return a.BoundAt.Compare(b.BoundAt) })
	v := api.Card{
		ID: string(c.ID), CardAccount: consent.MaskLast4(c.Last4), Label: c.Label, State: string(c.State),
		Account: string(c.Account), Currency: c.Currency, Balance: account.Balance(), Available: account.Available(),
		AssociatedDevice: string(c.Associated), Devices: bound, Level: c.Level.String(),
		FrozenByOperator: c.State == processor.CardFrozen && c.FrozenByOperator,
		Replaces:         string(c.Replaces), ReplacedBy: string(c.ReplacedBy),
	}
	if !c.LostAt.IsZero() {
		v.LostAt = &c.LostAt
	}
	if c.ReplacedBy != "" {
		v.Balance, v.Available, v.Devices = 0, 0, nil
		return v
	}
	v.Limits, v.Rules, v.Spent = limitsView(account.Limits), rulesView(c.Rules), spentView(account.Turnover)
	return v
}

// showCards adds to cards what shows them, with one query per table.
func showCards(r processor.Reader, cards []processor.Card) ([]api.Card, error) {
	var w processor.Wants
	for _, c := range cards {
		w.Accounts = append(w.Accounts, c.Account)
		w.BoundTo = append(w.BoundTo, c.ID)
	}
	rows, err := r.Load(w)
	if err != nil {
		return nil, err
	}
	var d processor.Wants
	for _, b := range rows.Bindings {
		d.Devices = append(d.Devices, b.Device)
	}
	devices, err := r.Load(d)
	if err != nil {
		return nil, err
	}
	known := map[payment.DeviceID]processor.Device{}
	for _, d := range devices.Devices {
		known[d.ID] = d
	}
	accounts := map[ledger.AccountID]ledger.Account{}
	for _, a := range rows.Accounts {
		accounts[a.ID] = a
	}
	bound := map[payment.CardID][]api.BoundDevice{}
	for _, b := range rows.Bindings {
		bound[b.Card] = append(bound[b.Card], boundView(b, known[b.Device]))
	}
	out := make([]api.Card, 0, len(cards))
	for _, c := range cards {
		out = append(out, cardView(c, accounts[c.Account], bound[c.ID]))
	}
	return out, nil
}

// listCards is GET /v1/cards: those that the device is or was bound to.
func (c *call) listCards() (answer, error) {
	list := api.Cards{}
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		cards, err := cardsOf(r, c.by.device)
		if err != nil {
			return err
		}
		list.Cards, err = showCards(r, cards)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(list)
}

// getCard is GET /v1/cards/{id}.
func (c *call) getCard() (answer, error) {
	id := payment.CardID(c.r.PathValue("id"))
	return c.showCard(id, func(rows processor.Rows) bool {
		return slices.ContainsFunc(rows.Bindings, func(b processor.Binding) bool { return b.Device == c.by.device })
	})
}

// showCard answers with a card, if the caller may see it.
func (c *call) showCard(id payment.CardID, may func(processor.Rows) bool) (answer, error) {
	var shown []api.Card
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Cards: []payment.CardID{id}, BoundTo: []payment.CardID{id}})
		if err != nil {
			return err
		}
		if len(rows.Cards) == 0 || !may(rows) {
			return processor.ErrUnknownCard
		}
		shown, err = showCards(r, rows.Cards)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(shown[0])
}

// activate is POST /v1/cards/activate. A PIN is hashed before anything is looked at that could refuse, so that a
// refusal takes as long as a success.
func (c *call) activate() (answer, error) {
	var m consent.Activation
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	codes, err := consent.ActivationCodeMACs(c.Keys, m.Code)
	if err != nil {
		return answer{}, err
	}
	tap, err := c.tapped(m.Tap, device, money.Amount{})
	if err != nil {
		return answer{}, err
	}
	command := &processor.Activate{Device: device, CardKeys: tap.keys, SUN: tap.sun, CodeMACs: macs(codes), Challenge: tap.challenge}
	if m.PIN != "" {
		if command.PIN, err = c.firstPIN(command.CardKeys, m.PIN); err != nil {
			return answer{}, err
		}
	}
	m.PIN = ""
	seen := &looked{Command: command}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: seen, Answer: func(time.Time) (int, []byte) {
		if command.Refused {
			return c.refused(refusal{code: "activation_refused"})
		}
		return http.StatusOK, encode(seen.card(command.Card))
	}})
}

// firstPIN makes the record of a card's first PIN. Its subject is the card's, or nothing for an unknown one.
func (c *call) firstPIN(keys []processor.CardKey, pin consent.PIN) (consent.PINRecord, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{CardKeys: keys})
	if err != nil {
		return consent.PINRecord{}, err
	}
	subject := ""
	if len(rows.Cards) > 0 {
		subject = processor.PINSubject(rows.Cards[0])
	}
	return c.newPIN(c.r.Context(), subject, pin)
}

// newPIN makes the record of a PIN, when there is a place at the hasher.
func (c *call) newPIN(ctx context.Context, subject string, pin consent.PIN) (consent.PINRecord, error) {
	release, err := c.place()
	if err != nil {
		return consent.PINRecord{}, err
	}
	defer release()
	return c.PINs.New(ctx, subject, pin)
}

// freezeCard is POST /v1/cards/{id}/freeze.
func (c *call) freezeCard() (answer, error) {
	var m consent.Freeze
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Card)); err != nil {
		return answer{}, err
	}
	command := &processor.Freeze{Card: payment.CardID(m.Card), Device: device}
	seen := &looked{Command: command}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: seen, Answer: func(time.Time) (int, []byte) {
		return http.StatusOK, encode(seen.card(command.After))
	}})
}

// loseCard is POST /v1/cards/{id}/lost.
func (c *call) loseCard() (answer, error) {
	var m consent.Loss
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Card)); err != nil {
		return answer{}, err
	}
	command := &processor.ReportLost{Card: payment.CardID(m.Card), Device: device}
	seen := &looked{Command: command}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: seen, Answer: func(time.Time) (int, []byte) {
		return http.StatusOK, encode(seen.card(command.After))
	}})
}

// unfreezeCard is POST /v1/cards/{id}/unfreeze.
func (c *call) unfreezeCard() (answer, error) {
	var m consent.Unfreeze
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	pin := m.PIN
	m.PIN = ""
	return c.checkCard(device, key, m.Card, pin, m, func(begun *processor.ReserveTry, right bool) (processor.Command, func() outcome) {
		command := processor.NewUnfreeze(begun, right)
		return command, func() outcome {
			o := outcome{result: command.Result, after: command.After}
			if command.After.State != processor.CardActive {
				o.refused = "card_state"
			}
			return o
		}
	})
}

// limitCard is POST /v1/cards/{id}/limits.
func (c *call) limitCard() (answer, error) {
	var m consent.Limits
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	var level payment.Level
	if m.Level != "" {
		if level, err = payment.ParseLevel(m.Level); err != nil {
			return answer{}, refuseField("invalid_field", "level")
		}
	}
	rules, err := rulesOf(m.Rules)
	if err != nil {
		return answer{}, err
	}
	pin := m.PIN
	m.PIN = ""
	return c.checkCard(device, key, m.Card, pin, m, func(begun *processor.ReserveTry, right bool) (processor.Command, func() outcome) {
		command := processor.NewSetLevel(begun, right, level)
		command.Rules = rules
		return command, func() outcome { return outcome{result: command.Result, after: command.After} }
	})
}

// outcome is what finishing a PIN check for a card came to.
type outcome struct {
	result  processor.TryResult
	after   processor.Card
	refused string // a problem's code: why it cannot be done, though the PIN was right
}

// checkCard checks a PIN for a card and then runs what it was asked for. what is the message without PIN, to be
// remembered.
func (c *call) checkCard(device payment.DeviceID, key processor.KeyID, id consent.CardID, pin consent.PIN, what any,
	make func(*processor.ReserveTry, bool) (processor.Command, func() outcome),
) (answer, error) {
	if err := c.about(string(id)); err != nil {
		return answer{}, err
	}
	reserve := &processor.ReserveTry{Device: device, Card: payment.CardID(id)}
	return c.checkPIN(check{
		key: key, digest: c.digest(what), pin: pin, reserve: reserve,
		finish: func(_ context.Context, right bool) (processor.Command, func(time.Time) (int, []byte), error) {
			command, ask := make(reserve, right)
			seen := &looked{Command: command}
			return seen, func(time.Time) (int, []byte) {
				o := ask()
				switch {
				case !o.result.Right:
					return c.wrongTry(o.result, string(o.after.State))
				case o.refused != "":
					return c.refused(refusal{code: o.refused, state: string(o.after.State)})
				}
				return http.StatusOK, encode(seen.card(o.after))
			}, nil
		},
	})
}

// changePIN is POST /v1/cards/{id}/pin, with the old PIN or an operator's code.
func (c *call) changePIN() (answer, error) {
	var m consent.PINChange
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Card)); err != nil {
		return answer{}, err
	}
	if m.ResetCode != "" {
		return c.resetPIN(device, key, m)
	}
	id, before, after := payment.CardID(m.Card), m.OldPIN, m.NewPIN
	m.OldPIN, m.NewPIN = "", ""
	reserve := &processor.ReserveTry{Device: device, Card: id}
	return c.checkPIN(check{
		key: key, digest: c.digest(m), pin: before,
		reserve: reserve,
		finish: func(ctx context.Context, right bool) (processor.Command, func(time.Time) (int, []byte), error) {
			// Within the place that checkPIN holds: this request makes one hash at a time.
			record, err := c.PINs.New(ctx, reserve.Subject, after)
			if err != nil {
				return nil, nil, err
			}
			command := processor.NewChangePIN(reserve, right, record)
			seen := &looked{Command: command}
			return seen, func(time.Time) (int, []byte) {
				if !command.Result.Right {
					return c.wrongTry(command.Result, string(command.After.State))
				}
				return http.StatusOK, encode(seen.card(command.After))
			}, nil
		},
	})
}

func (c *call) resetPIN(device payment.DeviceID, key processor.KeyID, m consent.PINChange) (answer, error) {
	codes, err := consent.ActivationCodeMACs(c.Keys, m.ResetCode)
	if err != nil {
		return answer{}, err
	}
	rows, err := c.load(c.r.Context(), processor.Wants{Cards: []payment.CardID{payment.CardID(m.Card)}})
	if err != nil {
		return answer{}, err
	}
	subject := ""
	if len(rows.Cards) > 0 {
		subject = processor.PINSubject(rows.Cards[0])
	}
	record, err := c.newPIN(c.r.Context(), subject, m.NewPIN)
	if err != nil {
		return answer{}, err
	}
	m.NewPIN = ""
	command := processor.NewResetPIN(payment.CardID(m.Card), device, macs(codes), record)
	seen := &looked{Command: command}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: seen, Answer: func(time.Time) (int, []byte) {
		if command.Refused {
			return c.refused(refusal{code: "reset_refused"})
		}
		return http.StatusOK, encode(seen.card(command.After))
	}})
}

// rebindCard is POST /v1/cards/{id}/associated-device: the old associated device names the new one.
func (c *call) rebindCard() (answer, error) {
	var m consent.Rebind
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Card)); err != nil {
		return answer{}, err
	}
	command := &processor.Rebind{Card: payment.CardID(m.Card), Device: device, NewDevice: payment.DeviceID(m.NewDevice)}
	seen := &looked{Command: command}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: seen, Answer: func(time.Time) (int, []byte) {
		return http.StatusOK, encode(seen.card(command.After))
	}})
}

// removeDevice is POST /v1/cards/{id}/devices/remove.
func (c *call) removeDevice() (answer, error) {
	var m consent.DeviceRemoval
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	pin := m.PIN
	m.PIN = ""
	return c.checkCard(device, key, m.Card, pin, m, func(begun *processor.ReserveTry, right bool) (processor.Command, func() outcome) {
		command := processor.NewRemoveDevice(begun, right, payment.DeviceID(m.Device))
		return command, func() outcome {
			o := outcome{result: command.Result, after: command.After}
			if command.Unknown {
				o.refused = "unknown_device"
			}
			return o
		}
	})
}

// cardsOf finds the cards that a device is or was bound to, the oldest first.
func cardsOf(r processor.Reader, device payment.DeviceID) ([]processor.Card, error) {
	bound, err := r.Load(processor.Wants{CardsOf: []payment.DeviceID{device}})
	if err != nil {
		return nil, err
	}
	var w processor.Wants
	for _, b := range bound.Bindings {
		w.Cards = append(w.Cards, b.Card)
	}
	rows, err := r.Load(w)
	slices.SortFunc(rows.Cards, func(a, b processor.Card) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return rows.Cards, err
}
