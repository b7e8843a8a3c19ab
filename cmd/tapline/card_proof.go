package main

import (
	"crypto/rand"
	"errors"
	"os"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/oda"
)

// proofFlags say whether a card is to prove itself, and with whose keys that is verified.
type proofFlags struct {
	Prove    bool   `help:"Let a payment card prove that it is no copy, and say whether it did. Takes longer."`
	CAPK     string `name:"capk" env:"TAPLINE_CAPK" type:"path" placeholder:"FILE" help:"JSON file of the card schemes' certification authority keys and of revoked certificates, in place of the built-in keys; docs/cards.md has its form."`
	CAPKTest bool   `name:"capk-test" env:"TAPLINE_CAPK_TEST" help:"Take test keys of --capk, too: anybody can make cards that they prove."`
}

// trial is one card that is asked to prove itself to this machine.
type trial struct {
	keys      *oda.Authorities
	challenge oda.Challenge
}

// trial begins with a fresh number for the card to sign; nil without --prove.
func (f proofFlags) trial(currency uint16) (*trial, error) {
	if !f.Prove {
		return nil, nil
	}
	keys, err := f.authorities()
	if err != nil {
		return nil, err
	}
	t := &trial{keys, oda.Challenge{Amount: 1, Currency: currency}}
	for t.challenge.UnpredictableNumber == [4]byte{} {
		rand.Read(t.challenge.UnpredictableNumber[:]) // never fails: crypto/rand
	}
	return t, nil
}

func (f proofFlags) authorities() (*oda.Authorities, error) {
	if f.CAPK == "" && f.CAPKTest {
		return nil, &usageError{"--capk-test needs --capk", "name the file that has the test keys"}
	}
	return loadAuthorities(f.CAPK, f.CAPKTest)
}

// ask adds to what the card is told.
func (t *trial) ask(terminal card.Terminal) card.Terminal {
	if t != nil {
		terminal.Prove, terminal.Amount = true, t.challenge.Amount
		terminal.UnpredictableNumber = t.challenge.UnpredictableNumber
	}
	return terminal
}

// proofReport is what a card proved, for programs.
type proofReport struct {
	Method       oda.Method `json:"method"`
	Authentic    bool       `json:"authentic"`
	AmountSigned bool       `json:"amount_signed"`
	Why          string     `json:"why,omitempty"`
}

// judge examines what reader and card said; nil if nobody asked.
func (t *trial) judge(a *app, reading card.Reading) (*proofReport, error) {
	if t == nil {
		return nil, nil
	}
	if len(reading.Transcript) == 0 {
		return &proofReport{Why: "this kind of card has no proof that can be verified here"}, nil
	}
	found, err := oda.Examine(reading.Transcript, t.challenge, t.keys, a.now())
	if err != nil {
		return nil, err
	}
	if found.Number != reading.Number {
		return nil, errors.New("the reading and its transcript have different numbers")
	}
	return &proofReport{found.Method, found.Authentic, found.AmountSigned, found.Why}, nil
}

// facts shows the proof to a person.
func (p *proofReport) facts() []pair {
	if p == nil {
		return nil
	}
	method := string(p.Method)
	if method == "" {
		method = "none"
	}
	signed := ""
	if p.AmountSigned {
		signed = "with amount and currency"
	}
	return []pair{{"proof", method}, {"signed", signed}, {"not proven because", p.Why}}
}

// emulatedProof lets a virtual card prove itself.
type emulatedProof struct {
	Proof   oda.Method `enum:",sda,dda,fdda,cda" default:"" placeholder:"METHOD" help:"Let a payment card prove itself: sda, dda, fdda or cda; not by default."`
	CAPKOut string     `name:"capk-out" type:"path" placeholder:"FILE" help:"Write the authority's public key that verifies the proof, marked as a test key."`
}

// prepare makes the keys of a card that proves itself.
func (f emulatedProof) prepare(virtual cardtest.Card) error {
	if f.Proof == oda.None && f.CAPKOut == "" {
		return nil
	}
	emv, is := virtual.(*cardtest.EMV)
	if f.Proof == oda.None || !is {
		return &usageError{"only a payment card with --proof has an authority", "add --kind emv and --proof METHOD"}
	}
	emv.Proof = cardtest.NewProof(f.Proof)
	emv.Proof.Index = 0xF0 // of a range that schemes leave to tests
	if f.Proof == oda.FDDA {
		emv.AID = "A0000000031010" // Visa's, whose way this is
	}
	if f.CAPKOut == "" {
		return nil
	}
	return os.WriteFile(f.CAPKOut, emv.Proof.Authorities(emv), 0o644)
}
