package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"tapline/consent"
	"tapline/history"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// Store is what is measured in, and proved afterwards.
type Store interface {
	processor.Store
	history.Store
	Remember(ctx context.Context, name, value string) (kept string, err error)
}

const (
	issuance ledger.AccountID = "issuance"
	currency money.Currency   = "CNY"
	toppedUp                  = 1 << 30 // minor units on each card: a payment is one of them
	perFill                   = 5000    // cards in a database transaction
	perPast                   = 50_000  // past payments in one: many change the same pages of indexes
)

// one is what every payment is about: so the payees' balances count the payments.
var one = money.Amount{Minor: 1, Currency: currency}

// NewTown plans a town of that many accounts, payees, PINs and past payments. At most every other card without a passkey
// has a PIN.
func NewTown(accounts, payees, pins, payments int) Town {
	seed := make([]byte, 32)
	rand.Read(seed)
	return Town{
		Seed: seed, Accounts: accounts, Payees: payees, Devices: min(accounts, maxDevices), PINs: min(pins, accounts/4), Payments: payments,
	}
}

// filler puts a town into a database.
type filler struct {
	Town
	ctx      context.Context
	store    Store
	keys     *keyring.Keyring
	progress func(what string, done, of int)
	at       time.Time
}

// Fill puts a town into an empty database. Into one that has a town already it puts nothing, and returns that town.
func Fill(ctx context.Context, store Store, keys *keyring.Keyring, t Town, progress func(what string, done, of int)) (Town, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return t, err
	}
	whose, err := operators(ctx, store)
	if err != nil {
		return t, err
	}
	if len(whose) > 0 && !slices.Contains(whose, mayor) {
		return t, errors.New("the database is in use and was not made by tapline bench; hint: name an empty one")
	}
	kept, err := store.Remember(ctx, "bench", string(text))
	if err != nil {
		return t, err
	}
	if kept != string(text) {
		if len(whose) == 0 {
			return t, errors.New("the database was not filled to the end; hint: remove it and begin anew")
		}
		return t, json.Unmarshal([]byte(kept), &t)
	}
	f := &filler{Town: t, ctx: ctx, store: store, keys: keys, progress: progress, at: time.Now().UTC().Truncate(time.Microsecond).Add(-time.Hour - time.Minute)}
	for _, part := range []func() error{f.first, f.devices, f.shops, f.cards, f.history, f.seal, f.last} {
		if err := part(); err != nil {
			return t, err
		}
	}
	return t, nil
}

// mayor is an operator whom nobody plays. It is written last: with it a town is whole, and a service that serves it makes no
// first token.
const mayor processor.OperatorID = "bench"

// operators are the ids of the first operators of a database. Every service that was used has one.
func operators(ctx context.Context, store Store) (ids []processor.OperatorID, err error) {
	err = store.View(ctx, func(r processor.Reader) error {
		rows, err := r.List(processor.ListQuery{Table: "operators", Limit: 10})
		ids = nil
		for _, o := range rows.Operators {
			ids = append(ids, o.ID)
		}
		return err
	})
	return ids, err
}

func (f *filler) save(c processor.Changes) error {
	return f.store.Update(f.ctx, func(tx processor.Tx) error { return tx.Save(c) })
}

// each does something for numbers below n, some at a time.
func (f *filler) each(what string, n, some int, do func(from, to int) error) error {
	for from := 0; from < n; from += some {
		f.progress(what, from, n)
		if err := do(from, min(from+some, n)); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// first makes the account that tops up the others.
func (f *filler) first() error {
	var c processor.Changes
	c.New.Accounts = []ledger.Account{{ID: issuance, Kind: ledger.Issuance, Currency: currency}}
	return f.save(c)
}

func (f *filler) last() error {
	var c processor.Changes
	c.New.Operators = []processor.Operator{{ID: mayor, Name: "Nobody", PublicKey: []byte("{}"), CreatedAt: f.at, ConfirmedAt: f.at}}
	return f.save(c)
}

func (f *filler) devices() error {
	keys, err := f.deviceKeys()
	if err != nil {
		return err
	}
	return f.each("devices", len(keys), perFill, func(from, to int) error {
		var c processor.Changes
		for _, k := range keys[from:to] {
			c.New.Devices = append(c.New.Devices, processor.Device{
				ID: payment.DeviceID(k.ID()), PublicKey: k.Public().JWK(), Label: "My phone", CreatedAt: f.at,
			})
		}
		return f.save(c)
	})
}

func (f *filler) shops() error {
	return f.each("payees", f.Payees, perFill, func(from, to int) error {
		var c processor.Changes
		for i := from; i < to; i++ {
			c.New.Accounts = append(c.New.Accounts, ledger.Account{ID: f.shop(i), Kind: ledger.PayeeAccount, Currency: currency})
			c.New.Payees = append(c.New.Payees, processor.Payee{
				Handle: f.handle(i), Name: "Book Shop", Account: f.shop(i), Currency: currency, CreatedAt: f.at,
			})
		}
		return f.save(c)
	})
}

// cards makes cards with money on them.
func (f *filler) cards() error {
	devices, err := f.deviceKeys()
	if err != nil {
		return err
	}
	passkeys := make([][]byte, f.Devices)
	if err := spread(f.Devices, func(i int) (err error) {
		passkeys[i], err = cose(&f.passkey(i).PublicKey)
		return err
	}); err != nil {
		return err
	}
	hasher := consent.NewPINHasher(f.keys, consent.DefaultPINParams, 1024, 0)
	version := newMaster(f.keys).Version()
	return f.each("cards", f.Accounts, perFill, func(from, to int) error {
		made := make([]processor.Card, to-from)
		err := spread(to-from, func(n int) (err error) {
			i := from + n
			uid := f.uid(i)
			made[n] = processor.Card{
				ID: f.card(i), Key: processor.KeysOfUID(f.keys, uid[:])[0], Last4: processor.DigitsOfUID(f.keys, uid[:]),
				Label: "Campus card", Account: f.account(i), Currency: currency, State: processor.CardActive,
				Associated: payment.DeviceID(devices[i%f.Devices].ID()), SUNVersion: version, CreatedAt: f.at,
			}
			if hasPasskey(i) {
				made[n].Passkeys = 1
			} else if i/2 < f.PINs {
				made[n].PIN, err = hasher.New(f.ctx, processor.PINSubject(made[n]), pin)
			}
			if hasPasskey(i) || i/2 < f.PINs {
				made[n].Level = payment.LevelApprove // so that in a mixed service they pay in their way
			}
			return err
		})
		if err != nil {
			return err
		}
		return f.issue(from, made, passkeys)
	})
}

// issue saves cards from a number on, with their accounts, bindings, passkeys and top-ups.
func (f *filler) issue(from int, made []processor.Card, passkeys [][]byte) error {
	var c processor.Changes
	c.New.Cards = made
	for n, card := range made {
		i := from + n
		top := "top_" + f.id("top", i)
		c.New.Accounts = append(c.New.Accounts, ledger.Account{ID: card.Account, Kind: ledger.CardAccount, Currency: currency, CreditsPosted: toppedUp})
		c.New.Bindings = append(c.New.Bindings, processor.Binding{Card: card.ID, Device: card.Associated, BoundAt: f.at})
		c.Entries = append(c.Entries, ledger.Entry{ID: ledger.EntryID(top + "/post"), Action: ledger.Post, Reference: top, At: f.at,
			Postings: []ledger.Posting{{Debit: issuance, Credit: card.Account, Amount: money.Amount{Minor: toppedUp, Currency: currency}}}})
		if hasPasskey(i) {
			c.New.Passkeys = append(c.New.Passkeys, processor.Passkey{
				ID: base64.RawURLEncoding.EncodeToString(f.credential(i)), Card: card.ID, Device: card.Associated,
				PublicKey: passkeys[i%f.Devices], Label: "My phone", CreatedAt: f.at,
			})
		}
	}
	return f.store.Update(f.ctx, func(tx processor.Tx) error {
		rows, err := tx.Load(processor.Wants{Accounts: []ledger.AccountID{issuance}})
		if err != nil {
			return err
		}
		rows.Accounts[0].DebitsPosted += int64(len(made)) * toppedUp
		c.Changed.Accounts = rows.Accounts
		return tx.Save(c)
	})
}

// cose is a public key as authenticators write it: COSE_Key (RFC 9053 §7.1.1) of ES256 in CBOR.
func cose(key *ecdsa.PublicKey) ([]byte, error) {
	point, err := key.Bytes()
	if err != nil || len(point) != 65 {
		return nil, errors.Join(errors.New("this is no key on P-256"), err)
	}
	const bytes32 = 0x58 // and a byte for the length
	out := []byte{0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, bytes32, 32}
	out = append(out, point[1:33]...)
	return append(append(out, 0x22, bytes32, 32), point[33:]...), nil
}

// history saves payments of the last hour, settled by a tap, as the service leaves them behind.
func (f *filler) history() error {
	devices, err := f.deviceKeys()
	if err != nil {
		return err
	}
	return f.each("past payments", f.Payments, perPast, func(from, to int) error {
		var c processor.Changes
		spent := map[ledger.AccountID]int64{} // less than nothing: received
		for n := from; n < to; n++ {
			card, shop := f.pick("payer", n, f.Accounts), f.pick("payee", n, f.Payees)
			spent[f.account(card)]++
			spent[f.shop(shop)]--
			f.past(&c, n, card, shop, payment.DeviceID(devices[card%f.Devices].ID()))
		}
		return f.store.Update(f.ctx, func(tx processor.Tx) error {
			var w processor.Wants
			for id := range spent {
				w.Accounts = append(w.Accounts, id)
			}
			rows, err := tx.Load(w)
			if err != nil {
				return err
			}
			for i, a := range rows.Accounts {
				rows.Accounts[i].DebitsPosted += max(spent[a.ID], 0)
				rows.Accounts[i].CreditsPosted += max(-spent[a.ID], 0)
			}
			c.Changed.Accounts = rows.Accounts
			return tx.Save(c)
		})
	})
}

// seal seals what is there, which the first service would do otherwise while it is measured.
func (f *filler) seal() error {
	f.progress("the history's seals", 0, 0)
	s := history.Sealer{Store: f.store, Keys: f.keys, Issuer: "http://127.0.0.1", Environment: "test"}
	return s.Seal(f.ctx)
}

// pick is a number below n that follows from the seed.
func (t Town) pick(what string, i, n int) int {
	d := t.digest(what, i)
	return int(float64(uint32(d[0])<<24|uint32(d[1])<<16|uint32(d[2])<<8|uint32(d[3])) / (math.MaxUint32 + 1) * float64(n))
}

// past adds a past payment.
func (f *filler) past(c *processor.Changes, n, card, shop int, device payment.DeviceID) {
	at := f.at.Add(time.Duration(float64(n) / float64(f.Payments) * float64(time.Hour))).Truncate(time.Microsecond)
	id := payment.ID("pay_" + consent.NewIDAt(at)) // as devices make them
	uid := f.uid(card)
	p := payment.Payment{
		Terms: payment.Terms{
			ID: id, Amount: one, PayeeHandle: f.handle(shop), PayeeName: "Book Shop", PayeeAccount: f.shop(shop),
			Card: f.card(card), CardAccount: f.account(card), CardLast4: processor.DigitsOfUID(f.keys, uid[:]), CardLabel: "Campus card",
			CardKey: string(processor.KeysOfUID(f.keys, uid[:])[0]), OrderNumber: orderNumber, OrderDescription: orderText,
			Initiator: device, InitiatorLabel: "My phone", Associated: device,
			Level: payment.LevelTap, Assurance: payment.Authentic, Nonce: "1." + f.id("nonce", n),
		},
		State: payment.Settled, Version: 1, InstructedAt: at, EndedAt: at,
		ExpiresAt: at.Add(payment.WholeLife),
	}
	c.New.Payments = append(c.New.Payments, p)
	c.New.Keys = append(c.New.Keys, processor.Key{
		KeyID: processor.KeyID{Principal: processor.DevicePrincipal(device), Key: string(id)}, Digest: "1." + f.id("digest", n) + f.id("digest2", n),
		Status: 201, Answer: make([]byte, 600), At: at, KeepTill: at.Add(7 * 24 * time.Hour),
	})
	c.Entries = append(c.Entries, ledger.Entry{ID: ledger.EntryID(id + "/post"), Action: ledger.Post, Reference: string(id), At: at,
		Postings: []ledger.Posting{{Debit: p.CardAccount, Credit: p.PayeeAccount, Amount: one}}})
	c.Events = append(c.Events, processor.Event{Type: "payment.settled", Subject: string(id), State: string(payment.Settled), Version: 1, At: at,
		To: []processor.Principal{processor.DevicePrincipal(device), processor.PayeePrincipal(p.PayeeHandle), processor.OperatorsPrincipal}})
}
