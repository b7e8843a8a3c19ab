package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
	"tapline/operator"
)

// Service is a running test service, whoever started it.
type Service struct {
	URL string
	Key *consent.DeviceKey // an operator's
}

// remote is a running service with a town made over its API. What of it cannot be seen from outside is not measured.
type remote struct {
	Service
	ctx      context.Context
	town     Town
	operator *operator.Client
	devices  []*consent.DeviceKey
	tags     map[int]cardtest.SUN
	counters []uint32
	accounts []string // of the payees
}

// Errors of services that are not measured.
var (
	ErrLive      = errors.New("this is a live service; only test services are measured")
	ErrElsewhere = errors.New("this service is not on this machine; only those that are are measured")
)

// remotePayees bounds the payees that are made over the API.
const remotePayees = 100

// pays reports whether a card is one of those that pay in a flow, at most two for each client.
func (t Town) pays(card int, f flow) bool {
	if hasPasskey(card) || f == flowGesture {
		return hasPasskey(card) && f == flowGesture
	}
	return (card/2 < t.PINs) == f.pins()
}

// openRemote makes two cards for each client, or refuses the service before it asks anything of it.
func (c Config) openRemote(ctx context.Context, f flow) (*remote, error) {
	u, err := url.Parse(c.Service.URL)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, ErrElsewhere
	}
	about, err := (&device.Client{URL: c.Service.URL}).Service(ctx)
	if err != nil {
		return nil, err
	}
	if about.Environment != "test" {
		return nil, ErrLive
	}
	r := &remote{
		Service: *c.Service, ctx: ctx, town: NewTown(4*c.Clients, min(c.Payees, remotePayees), c.Clients, 0),
		operator: &operator.Client{URL: c.Service.URL, Key: c.Service.Key}, tags: map[int]cardtest.SUN{},
	}
	r.counters = make([]uint32, r.town.Accounts)
	if r.devices, err = r.town.deviceKeys(); err != nil {
		return nil, err
	}
	for i := range r.town.Payees {
		payee, err := r.operator.AddPayee(ctx, api.NewPayee{Handle: string(r.town.handle(i)), Name: "Book Shop", Currency: currency})
		if err != nil {
			return nil, fmt.Errorf("adding a payee: %w", err)
		}
		r.accounts = append(r.accounts, payee.Account)
	}
	for i := range r.town.Accounts {
		if r.town.pays(i, f) {
			c.Status("making cards", i, r.town.Accounts)
			if err := r.issue(i); err != nil {
				return nil, fmt.Errorf("making a card: %w", err)
			}
		}
	}
	return r, nil
}

// issue makes a card that can pay, as operator and cardholder do.
func (r *remote) issue(i int) error {
	owner := &device.Client{URL: r.URL, Key: r.devices[i]}
	if _, err := owner.Register(r.ctx, "My phone"); err != nil {
		return err
	}
	uid := r.town.uid(i)
	issued, err := r.operator.IssueCard(r.ctx, api.NewCard{SUN: &api.NewSUN{UID: uid.String()}, Label: "Campus card", Currency: currency})
	if err != nil {
		return err
	}
	tag := cardtest.SUN{UID: uid}
	var metaErr error
	tag.Meta, metaErr = sun.ParseKey(issued.SUN.MetaKey)
	tag.File, err = sun.ParseKey(issued.SUN.FileKey)
	if err = errors.Join(metaErr, err); err != nil {
		return err
	}
	if _, err := r.operator.TopUp(r.ctx, issued.Card.Account, api.NewTopUp{Amount: money.Amount{Minor: toppedUp, Currency: currency}}); err != nil {
		return err
	}
	tap := consent.Tap{SUN: consent.SUNMessage(r.URL + "/t#" + tag.Tap())}
	card, err := owner.ActivateTap(r.ctx, consent.Code(issued.Code), tap, pin)
	if err != nil {
		return err
	}
	r.tags[i], r.counters[i] = tag, tag.Counter
	if !hasPasskey(i) {
		return nil
	}
	_, err = owner.RegisterPasskey(r.ctx, consent.CardID(card.ID), "My phone", pin, func(challenge []byte) (consent.PasskeyCreation, error) {
		return r.create(i, challenge)
	})
	return err
}

// create is what an authenticator answers that makes a passkey and attests nothing (WebAuthn Level 3 §6.5.4 and §8.7).
func (r *remote) create(i int, challenge []byte) (consent.PasskeyCreation, error) {
	key, err := cose(&r.town.passkey(i % r.town.Devices).PublicKey)
	if err != nil {
		return consent.PasskeyCreation{}, err
	}
	party, err := consent.RelyingPartyOf(r.URL)
	if err != nil {
		return consent.PasskeyCreation{}, err
	}
	host, id := sha256.Sum256([]byte(party.ID)), r.town.credential(i)
	const presentVerifiedAttested = 0x45
	auth := append(host[:], presentVerifiedAttested, 0, 0, 0, 0)
	auth = append(auth, make([]byte, 16)...) // AAGUID
	auth = append(binary.BigEndian.AppendUint16(auth, uint16(len(id))), id...)
	auth = append(auth, key...)
	object := append([]byte("\xA3\x63fmt\x64none\x67attStmt\xA0\x68authData\x58"), byte(len(auth))) // CBOR
	return consent.PasskeyCreation{
		ClientData: base64url(clientData("webauthn.create", challenge, r.URL)), Attestation: base64url(append(object, auth...)),
	}, nil
}

// paid is how many payments the payees have been paid.
func (r *remote) paid(ctx context.Context) (sum int64, err error) {
	for _, id := range r.accounts {
		a, err := r.operator.Account(ctx, id)
		if err != nil {
			return 0, err
		}
		sum += a.CreditsPosted
	}
	return sum, nil
}

// remote measures a running service over HTTP, without a floor: that would not be of the same kind.
func (m *meter) remote(ctx context.Context) error {
	if !slices.Contains([]string{"tap", "one-gesture", "pin"}, m.Name) || m.alone {
		return errors.New("a running service is measured with tap, one-gesture and pin")
	}
	r, err := m.openRemote(ctx, m.flow)
	if err != nil {
		return err
	}
	m.site = &site{town: r.town}
	c := &crowd{
		Town: r.town, flow: m.flow, payees: r.town.Payees, url: r.URL, audience: consent.Audience(r.URL, "test"),
		http: newHTTP(), devices: r.devices, counters: r.counters, tags: r.tags,
	}
	defer c.http.CloseIdleConnections()
	l := rig{site: m.site, crowds: []*crowd{c}}.lane(sideReal, r.town.Payees, m.Clients)
	if err := m.run(ctx, []lane{l}); err != nil {
		return err
	}
	if err := m.loops(ctx, l); err != nil {
		return err
	}
	m.settledNow, err = r.paid(context.WithoutCancel(ctx))
	return err
}
