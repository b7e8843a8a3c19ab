package card_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/cardtest"
	"tapline/card/oda"
)

// provers are virtual cards that prove themselves, and how many commands it takes to read them and to prove them.
func provers() map[string]struct {
	card         *cardtest.EMV
	plain, prove int
} {
	authority, issuer, own := cardtest.NewRSAKey(1152, 3), cardtest.NewRSAKey(1024, 3), cardtest.NewRSAKey(1024, 3)
	all := map[string]struct {
		card         *cardtest.EMV
		plain, prove int
	}{}
	for _, c := range []struct {
		method       oda.Method
		leading      int
		inRecord     bool
		plain, prove int
	}{
		// directory, application, options, account; then issuer's two and card's two records, and the signature
		{oda.DDA, 0, false, 4, 9},
		{oda.DDA, 2, false, 6, 11},
		{oda.CDA, 0, false, 4, 9},
		{oda.FDDA, 0, false, 4, 8}, // signed before it was asked
		{oda.FDDA, 0, true, 4, 9},
		{oda.SDA, 0, false, 4, 4}, // a proof that can be copied is not fetched
		{oda.None, 0, false, 4, 4},
	} {
		virtual := &cardtest.EMV{AID: "A0000000031010", Leading: c.leading}
		if c.method != oda.None {
			virtual.Proof = &cardtest.Proof{Method: c.method, Authority: authority, Issuer: issuer, Card: own, InRecord: c.inRecord}
		}
		all[fmt.Sprintf("%q, %d leading, in record: %v", c.method, c.leading, c.inRecord)] = struct {
			card         *cardtest.EMV
			plain, prove int
		}{virtual, c.plain, c.prove}
	}
	return all
}

func TestProofTakesNoUnneededCommandAndPlainReadingNone(t *testing.T) {
	for name, c := range provers() {
		plain, err := card.Read(t.Context(), c.card, card.Terminal{})
		if err != nil || plain.APDUs != c.plain || plain.Transcript != nil {
			t.Errorf("%s: plain reading took %d commands, want %d; %v, %v", name, plain.APDUs, c.plain, plain.Transcript, err)
		}
		proof, err := card.Read(t.Context(), c.card, card.Terminal{Prove: true})
		if err != nil || proof.APDUs != c.prove || len(proof.Transcript) != c.prove-1 {
			t.Errorf("%s: proof took %d commands, want %d, all but the directory's in the %v; %v", name, proof.APDUs, c.prove,
				proof.Transcript, err)
		}
		proof.Transcript, proof.APDUs, proof.Elapsed, plain.APDUs, plain.Elapsed = nil, 0, 0, 0, 0
		if fmt.Sprint(proof) != fmt.Sprint(plain) || proof.Number != plain.Number {
			t.Errorf("%s: got %v with proof, %v without", name, proof, plain)
		}
	}
}

// fails is a card that answers one instruction otherwise, or is removed at it.
type fails struct {
	card.Transmitter
	instruction byte
	answer      []byte
}

func (f fails) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if command[1] != f.instruction {
		return f.Transmitter.Transmit(ctx, command)
	}
	if f.answer == nil {
		return nil, card.ErrRemoved
	}
	return f.answer, nil
}

func TestCardThatDoesNotSignIsStillRead(t *testing.T) {
	for name, c := range provers() {
		for _, answer := range [][]byte{{0x6D, 0x00}, {0x69, 0x85}, {0x90, 0x00}, {0x77, 0x90, 0x00}, {0x90}} {
			for _, instruction := range []byte{apdu.InsInternalAuthenticate, apdu.InsGenerateAC} {
				got, err := card.Read(t.Context(), fails{c.card, instruction, answer}, card.Terminal{Prove: true})
				if err != nil || got.Number.IsZero() {
					t.Errorf("%s answers %02X with %X: got %v, %v", name, instruction, answer, got.Number, err)
				}
			}
		}
	}
}

func TestCardWithoutEndOfRecordsIsReadWithoutProof(t *testing.T) {
	s := &scripted{answers: with(visa(track2, "5F340101"), getOptions, "770A 82022000 9404 0801FF01 9000", "00B2", "700490020102 9000")}
	got, err := card.Read(t.Context(), s, card.Terminal{Prove: true})
	if err != nil || got.Number.Reveal() != "4761739001010010" || got.APDUs != 128 {
		t.Errorf("got %v, %v after %d commands", got.Number, err, got.APDUs)
	}
}

func TestCardRemovedBeforeItSignedIsTappedAgain(t *testing.T) {
	for name, c := range provers() {
		if c.card.Proof == nil || c.card.Proof.Method != oda.DDA {
			continue
		}
		_, err := card.Read(t.Context(), fails{c.card, apdu.InsInternalAuthenticate, nil}, card.Terminal{Prove: true})
		if !errors.Is(err, card.ErrRemoved) {
			t.Errorf("%s: got %v, want ErrRemoved", name, err)
		}
	}
}

func TestQualifiersAskForTheFastSignatureOnlyWhenItIsWanted(t *testing.T) {
	for prove, want := range map[bool][]byte{false: {0x36, 0x80, 0x40, 0x00}, true: {0x37, 0x80, 0x40, 0x00}} {
		virtual := &cardtest.EMV{AID: "A0000000031010", PDOL: []byte{0x9F, 0x66, 4, 0x9F, 0x37, 4}}
		heard := &hears{Transmitter: virtual}
		if _, err := card.Read(t.Context(), heard, card.Terminal{Prove: prove}); err != nil {
			t.Fatal(err)
		}
		if got := heard.options[7:11]; !bytes.Equal(got, want) {
			t.Errorf("prove %v: the card heard %X, want %X", prove, got, want)
		}
	}
}

// hears is a card that keeps what GET PROCESSING OPTIONS said.
type hears struct {
	card.Transmitter
	options []byte
}

func (h *hears) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if command[1] == apdu.InsGetProcessingOptions {
		h.options = command
	}
	return h.Transmitter.Transmit(ctx, command)
}
