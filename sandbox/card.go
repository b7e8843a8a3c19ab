package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"tapline/api"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// What a test card has if nothing else is asked for.
const (
	defaultCurrency  = money.Currency("CNY")
	defaultBalance   = 10_000_00
	defaultDelay     = 5
	defaultWrongPINs = 1
)

// actor is a test card with its chip and its people's devices, as it is kept: sealed.
type actor struct {
	api.TestCard
	UID   [7]byte
	PIN   consent.PIN
	Payer []byte // keys, PEM: of the device that the card is tapped on,
	Phone []byte // and of the associated one
}

func actorContext(id string) []byte { return []byte("test card " + id) }

// provide is the command that makes a card known, with money on its account. It is no operator's: it is done in sandboxes only,
// whose money is nobody's.
type provide struct {
	Card    processor.Card
	Keys    []processor.CardKey
	Balance money.Amount
	TopUp   string
}

func (c *provide) issuance() ledger.AccountID {
	return ledger.AccountID("issuance-" + c.Card.Currency) // as of every top-up
}

// Wants names the card and the accounts.
func (c *provide) Wants(_ *processor.Unit, w *processor.Wants) {
	w.CardKeys = append(append(w.CardKeys, c.Card.Key), c.Keys...)
	w.Accounts = append(w.Accounts, c.Card.Account, c.issuance())
}

// Do makes the card, and tops its account up.
func (c *provide) Do(u *processor.Unit) error {
	for _, k := range c.Keys {
		if _, taken := u.CardByKey(k); taken {
			return processor.ErrCardExists
		}
	}
	card := c.Card
	card.State, card.CreatedAt = processor.CardIssued, u.Now
	card.Code.Purpose, card.Code.NotBefore, card.Code.ExpiresAt = processor.CodeActivates, u.Now, u.Now.Add(processor.CodeLife)
	u.Cards.Put(card.ID, card)
	u.Accounts.Put(card.Account, ledger.Account{ID: card.Account, Kind: ledger.CardAccount, Currency: card.Currency})
	if c.Balance.Minor == 0 {
		return nil
	}
	if _, there := u.Accounts.Get(c.issuance()); !there {
		u.Accounts.Put(c.issuance(), ledger.Account{ID: c.issuance(), Kind: ledger.Issuance, Currency: card.Currency})
	}
	return u.Enter(ledger.Entry{
		ID: ledger.EntryID(c.TopUp + "/post"), Action: ledger.Post, Reference: c.TopUp, At: u.Now,
		Postings: []ledger.Posting{{Debit: c.issuance(), Credit: card.Account, Amount: c.Balance}},
	})
}

// MakeCard makes a test card: issued, with money on its account, activated by a device of its own.
func (s *Sandbox) MakeCard(ctx context.Context, in api.NewTestCard) (api.TestCard, error) {
	a, err := s.cast(ctx, in)
	return a.TestCard, err
}

// cast makes an actor.
func (s *Sandbox) cast(ctx context.Context, in api.NewTestCard) (*actor, error) {
	a := &actor{TestCard: api.TestCard{
		ID: "card_" + consent.NewID(), Behaviour: in.Behaviour, Currency: in.Currency,
	}}
	if a.Currency == "" {
		a.Currency = defaultCurrency
	}
	if a.Behaviour == api.CardWrongPIN {
		a.WrongPINs = max(in.WrongPINs, defaultWrongPINs)
	}
	if a.Behaviour == api.CardSlow {
		if a.Delay = in.Delay; a.Delay == 0 {
			a.Delay = defaultDelay
		}
	}
	balance := money.Amount{Minor: defaultBalance, Currency: a.Currency}
	if a.Behaviour == api.CardInsufficientFunds {
		balance.Minor = 0
	}
	if in.Balance != nil {
		balance.Minor = *in.Balance
	}
	rand.Read(a.UID[1:])
	a.UID[0] = 0x04 // NXP's, ISO/IEC 7816-6
	a.PIN = newPIN()
	return a, s.bring(ctx, a, balance)
}

// newPIN is a PIN that is neither one digit nor a run.
func newPIN() consent.PIN {
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		if pin := consent.PIN(fmt.Sprintf("%06d", n)); pin.CheckNew() == nil {
			return pin
		}
	}
}

// bring brings an actor to life: its card is issued, its devices register, and one of them activates the card.
func (s *Sandbox) bring(ctx context.Context, a *actor, balance money.Amount) error {
	payer, phone, err := a.makeKeys()
	if err != nil {
		return err
	}
	code := consent.NewActivationCode()
	sum, err := consent.ActivationCodeMAC(s.Keys, code)
	if err != nil {
		return err
	}
	command := &provide{
		Keys: processor.KeysOfUID(s.Keys, a.UID[:]), Balance: balance, TopUp: "top_" + consent.NewID(),
		Card: processor.Card{
			ID: payment.CardID(a.ID), Key: processor.KeyOfUID(s.Keys, a.UID[:]), Last4: processor.DigitsOfUID(s.Keys, a.UID[:]),
			Label: "Test card: " + strings.ReplaceAll(a.Behaviour, "_", " "), Account: ledger.AccountID("acc_" + consent.NewID()),
			Currency: a.Currency, SUNVersion: s.Keys.Current(keyring.SUN),
			Code: processor.OneUseCode{MAC: versioned(sum)},
		},
	}
	if _, err := s.Processor.Do(ctx, processor.Request{Command: command}); err != nil {
		return err
	}
	if _, err := s.device(payer, a.UID).Register(ctx, "Test terminal"); err != nil {
		return err
	}
	holder := s.device(phone, a.UID)
	if _, err := holder.Register(ctx, command.Card.Label); err != nil {
		return err
	}
	message, err := s.tap(ctx, a)
	if err != nil {
		return err
	}
	made, err := holder.ActivateTap(ctx, code, consent.Tap{SUN: message}, a.PIN)
	if err != nil {
		return err
	}
	if made.ID != a.ID {
		return fmt.Errorf("the card that was activated is %s, not %s", made.ID, a.ID)
	}
	if a.Behaviour == api.CardFrozen {
		if _, err := holder.Freeze(ctx, consent.CardID(a.ID)); err != nil {
			return err
		}
	}
	return s.keepActor(ctx, a)
}

func versioned(v keyring.Versioned) string {
	return fmt.Sprintf("%d.%s", v.Version, base64.RawURLEncoding.EncodeToString(v.Sum))
}

func (a *actor) makeKeys() (payer, phone *consent.DeviceKey, err error) {
	if payer, err = consent.NewDeviceKey(); err != nil {
		return nil, nil, err
	}
	if phone, err = consent.NewDeviceKey(); err != nil {
		return nil, nil, err
	}
	if a.Payer, err = payer.MarshalPEM(); err != nil {
		return nil, nil, err
	}
	a.Phone, err = phone.MarshalPEM()
	return payer, phone, err
}

// tap is what the card's chip writes at its next tap: see card/sun.
func (s *Sandbox) tap(ctx context.Context, a *actor) (consent.SUNMessage, error) {
	var rows processor.Rows
	err := s.Store.View(ctx, func(r processor.Reader) (err error) {
		rows, err = r.Load(processor.Wants{Cards: []payment.CardID{payment.CardID(a.ID)}})
		return err
	})
	if err != nil || len(rows.Cards) == 0 {
		return "", errorOr(err, ErrUnknownCard)
	}
	secret, err := s.Keys.MACAt(keyring.SUN, rows.Cards[0].SUNVersion, []byte("master"))
	if err != nil {
		return "", err
	}
	master, err := sun.NewMaster(rows.Cards[0].SUNVersion, secret)
	if err != nil {
		return "", err
	}
	var random [8]byte
	rand.Read(random[:])
	uid := sun.UID(a.UID)
	return consent.SUNMessage(sun.Mirror(sun.AES, master.Meta(), master.File(uid), uid, uint32(rows.Cards[0].SUNCounter)+1, nil, random)), nil
}

func errorOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func (s *Sandbox) keepActor(ctx context.Context, a *actor) error {
	now, _, err := s.Store.SandboxTime(ctx)
	if err != nil {
		return err
	}
	a.MadeAt = now.UTC().Truncate(time.Microsecond)
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.Store.KeepTestCard(ctx, a.ID, base64.StdEncoding.EncodeToString(s.Keys.Seal(actorContext(a.ID), text)))
}

// actors are the test cards whose ids begin so, the newest first.
func (s *Sandbox) actors(ctx context.Context, prefix string) ([]*actor, error) {
	kept, err := s.Store.TestCards(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var all []*actor
	for id, text := range kept {
		box, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		opened, err := s.Keys.Unseal(actorContext(id), box)
		if err != nil {
			return nil, err
		}
		a := &actor{}
		if err := json.Unmarshal(opened, a); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *actor) int { return cmp.Or(b.MadeAt.Compare(a.MadeAt), strings.Compare(a.ID, b.ID)) })
	return all, nil
}

// Cards lists the test cards, newest first.
func (s *Sandbox) Cards(ctx context.Context) (api.TestCards, error) {
	all, err := s.actors(ctx, "")
	list := api.TestCards{Cards: []api.TestCard{}}
	for _, a := range all {
		list.Cards = append(list.Cards, a.TestCard)
	}
	return list, err
}
