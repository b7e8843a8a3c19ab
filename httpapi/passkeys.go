package httpapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// offerPasskeys adds to a view by which passkeys its initiator may authenticate and confirm in one gesture.
func offerPasskeys(v api.Payment, p payment.Payment, ids []string) api.Payment {
	if len(ids) > 0 {
		v.Statement, v.Passkeys = processor.Statement(p), ids
		v.Next.Methods = append([]string{"passkey"}, v.Next.Methods...)
	}
	return v
}

// passkeysFor finds the passkeys to offer for a payment. For a decoy it looks as well, so that it takes as long.
func (c *call) passkeysFor(p payment.Payment, role string) ([]string, error) {
	if role != api.RoleInitiator || p.State != payment.AuthenticationRequired {
		return nil, nil
	}
	rows, err := c.load(c.r.Context(), processor.Wants{
		Cards: []payment.CardID{p.Card}, Bindings: []processor.BindingID{{Card: p.Card, Device: p.Initiator}},
		Devices: []payment.DeviceID{p.Associated},
	})
	if err != nil || len(rows.Cards) == 0 || !holds(rows.Bindings) || len(rows.Devices) == 0 || rows.Cards[0].Passkeys == 0 {
		return nil, err
	}
	all, err := c.load(c.r.Context(), processor.Wants{PasskeysOf: []payment.CardID{p.Card}})
	return processor.PasskeysFor(p, rows.Cards[0], rows.Devices[0], true, all.Passkeys), err
}

// holds reports whether a binding that was looked for is there, and was not ended.
func holds(found []processor.Binding) bool { return len(found) > 0 && found[0].RemovedAt.IsZero() }

// gesture verifies a passkey's answer to a statement. Nothing is looked at yet that depends on the payment: that is the
// command's, in the transaction that acts on it.
func (c *call) gesture(m consent.Decision) (*processor.Gesture, error) {
	if m.Passkey == nil {
		return nil, nil
	}
	id := m.Passkey.Credential
	rows, err := c.load(c.r.Context(), processor.Wants{Passkeys: []string{id}})
	if err != nil {
		return nil, err
	}
	if len(rows.Passkeys) == 0 || !rows.Passkeys[0].RemovedAt.IsZero() {
		return nil, consent.ErrPasskey
	}
	k := rows.Passkeys[0]
	raw, err := m.Passkey.ID()
	if err != nil {
		return nil, err
	}
	counter, err := c.party.Confirm(*m.Passkey, consent.Passkey{ID: raw, PublicKey: k.PublicKey}, consent.CardID(k.Card), m.Statement)
	if err != nil {
		return nil, err
	}
	return &processor.Gesture{Passkey: id, Counter: counter}, nil
}

// registerPasskey is POST /v1/cards/{id}/passkeys.
func (c *call) registerPasskey() (answer, error) {
	var m consent.PasskeyRegistration
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Card)); err != nil {
		return answer{}, err
	}
	label, err := consent.CleanText(m.Label, consent.MaxLabel)
	if err != nil {
		return answer{}, err
	}
	made, err := c.party.Register(m.Passkey, consent.RegistrationChallenge(m.Card, m.ID))
	if err != nil {
		return answer{}, err
	}
	k := processor.Passkey{
		ID: base64.RawURLEncoding.EncodeToString(made.ID), PublicKey: made.PublicKey, Counter: int64(made.Counter),
		Synced: made.Synced, Label: label,
	}
	pin := m.PIN
	m.PIN = ""
	reserve := &processor.ReserveTry{Device: device, Card: payment.CardID(m.Card)}
	return c.checkPIN(check{
		key: key, digest: c.digest(m), pin: pin, reserve: reserve,
		finish: func(_ context.Context, right bool) (processor.Command, func(time.Time) (int, []byte), error) {
			command := processor.NewRegisterPasskey(reserve, right, k)
			return command, func(time.Time) (int, []byte) {
				switch {
				case !command.Result.Right:
					return c.wrongTry(command.Result, string(command.After.State))
				case command.Taken:
					return c.refused(refusal{code: "passkey_exists"})
				case command.TooMany:
					return c.refused(refusal{code: "too_many_passkeys"})
				}
				return http.StatusCreated, encode(passkeyView(command.Passkey, true)) // its device has just signed
			}, nil
		},
	})
}

// removePasskey is POST /v1/cards/{id}/passkeys/remove.
func (c *call) removePasskey() (answer, error) {
	var m consent.PasskeyRemoval
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Card)); err != nil {
		return answer{}, err
	}
	command := &processor.RemovePasskey{Card: payment.CardID(m.Card), Device: device, ID: m.Credential}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusOK, encode(passkeyView(command.Passkey, false))
	}})
}

// listPasskeys is GET /v1/cards/{id}/passkeys.
func (c *call) listPasskeys() (answer, error) {
	id := payment.CardID(c.r.PathValue("id"))
	rows, err := c.load(c.r.Context(), processor.Wants{
		Cards: []payment.CardID{id}, PasskeysOf: []payment.CardID{id},
		Bindings: []processor.BindingID{{Card: id, Device: c.by.device}},
	})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Cards) == 0 || !holds(rows.Bindings) {
		return answer{}, processor.ErrUnknownCard
	}
	card := rows.Cards[0]
	associated, err := c.deviceOf(card)
	if err != nil {
		return answer{}, err
	}
	list := api.Passkeys{Passkeys: []api.Passkey{}}
	slices.SortFunc(rows.Passkeys, func(a, b processor.Passkey) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, k := range rows.Passkeys {
		if k.RemovedAt.IsZero() {
			list.Passkeys = append(list.Passkeys, passkeyView(k, k.Serves(card, associated)))
		}
	}
	return ok(list)
}

// deviceOf reads the device associated with a card; it is zero for a card without one.
func (c *call) deviceOf(card processor.Card) (processor.Device, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Devices: []payment.DeviceID{card.Associated}})
	if err != nil || len(rows.Devices) == 0 {
		return processor.Device{}, err
	}
	return rows.Devices[0], nil
}

func passkeyView(k processor.Passkey, usable bool) api.Passkey {
	v := api.Passkey{Credential: k.ID, Label: k.Label, Synced: k.Synced, Usable: usable, Device: string(k.Device), CreatedAt: k.CreatedAt}
	if !k.UsedAt.IsZero() {
		v.UsedAt = &k.UsedAt
	}
	return v
}
