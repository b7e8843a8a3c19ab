package httpapi

import (
	"tapline/api"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/keyring"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// tapped is what a device read from a card, as the service knows cards.
type tapped struct {
	kind      string
	keys      []processor.CardKey
	last4     string
	assurance payment.Assurance
	sun       processor.SUNTap
	challenge processor.ChallengeID
}

// tapped judges a tap. A message that no card of this service made names no card, but looks like one: see
// docs/decisions/0004-sun.md.
//
// amount is that of the instruction, zero for a tap that pays nothing.
func (c *call) tapped(t consent.Tap, device payment.DeviceID, amount money.Amount) (tapped, error) {
	switch {
	case t.EMV != nil:
		return c.tappedEMV(t.EMV, device, amount)
	case t.SUN == "":
		return tapped{
			kind: api.TapAccount, keys: processor.KeysOfNumber(c.Keys, t.Account), last4: t.Account.Last4(), assurance: payment.Identified,
		}, nil
	}
	return c.tappedSUN(t.SUN)
}

// approvalTap judges the tap that stands in place of an approval's code; nil for none. Its amount is compared with the
// payment's later: this does not know the payment yet.
func (c *call) approvalTap(t *consent.Tap, device payment.DeviceID) (*processor.ApprovalTap, error) {
	if t == nil {
		return nil, nil
	}
	tap, err := c.tapped(*t, device, money.Amount{})
	return &processor.ApprovalTap{CardKeys: tap.keys, Assurance: tap.assurance, SUN: tap.sun, Challenge: tap.challenge}, err
}

func (c *call) tappedSUN(text consent.SUNMessage) (tapped, error) {
	m, err := sun.Format{}.Parse(string(text))
	if err != nil || m.PICC == nil {
		return tapped{}, refuseField("invalid_field", "tap.sun")
	}
	// Every version is tried, whichever fits, and what follows does not ask the database.
	var claimed, proved sun.Tap
	version := 0
	for i, master := range c.masters {
		said, err := m.Verify(master.Meta(), master.File)
		if i == 0 {
			claimed = said
		}
		if err == nil && said.HasCounter {
			proved, version = said, master.Version()
		}
	}
	if version == 0 {
		uid := claimed.UID[:]
		stranger := processor.StrangersKey(c.Keys, uid)
		return tapped{
			kind: api.TapSUN, keys: []processor.CardKey{stranger}, sun: processor.SUNTap{Stranger: stranger},
			last4: processor.DigitsOfUID(c.Keys, uid), assurance: payment.Identified,
		}, nil
	}
	uid := proved.UID[:]
	return tapped{
		kind: api.TapSUN, keys: processor.KeysOfUID(c.Keys, uid), last4: processor.DigitsOfUID(c.Keys, uid), assurance: payment.Authentic,
		sun: processor.SUNTap{
			Version: version, Counter: int64(proved.Counter), Stranger: processor.StrangersKey(c.Keys, uid), SkimStep: c.SkimStep,
		},
	}, nil
}

// sunMasters are the master keys of all versions, newest first.
func sunMasters(keys *keyring.Keyring) []sun.Master {
	var out []sun.Master
	for _, v := range keys.MACs(keyring.SUN, []byte("master")) {
		master, err := sun.NewMaster(v.Version, v.Sum)
		if err != nil {
			panic(err) // a MAC has 32 bytes
		}
		out = append(out, master)
	}
	return out
}

// setup is what is written to a new card.
func (s *Service) setup(uid sun.UID) *api.SUNSetup {
	m := s.masters[0]
	return &api.SUNSetup{
		UID:         uid.String(),
		URLTemplate: s.PublicURL + "/t#e=00000000000000000000000000000000&c=0000000000000000", KeyVersion: m.Version(),
		ApplicationKey: m.Application(uid).Reveal(), MetaKey: m.Meta().Reveal(), FileKey: m.File(uid).Reveal(),
		DataKey: m.Data(uid).Reveal(), SpareKey: m.Spare(uid).Reveal(),
	}
}
