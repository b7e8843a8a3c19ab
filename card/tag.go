package card

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// atrNXP is what an NTAG 424 DNA or DESFire reports: one historical byte, 80 (PC/SC Part 3 §3.1.3.2.3.1).
var atrNXP = []byte{0x3B, 0x81, 0x80, 0x01, 0x80, 0x80}

// ReadAny is Read, and for a card without an account it reads its NDEF message. atr is the answer to reset that the
// reader reported, nil if it is unknown: a storage card is asked for no application, and a chip that is often an NTAG
// 424 DNA is asked for its message before the known applications, but after the directory. No other card is sent a
// command by it that Read would not send, unless it has no account.
//
// The reading of a message has a scheme of its own, SUN or NDEF, and no number. Errors are as of Read.
func ReadAny(ctx context.Context, t Transmitter, terminal Terminal, atr []byte) (Reading, error) {
	return begin(ctx, t, terminal, func(s *session, terminal Terminal) (Reading, error) {
		if name, storage := storageOf(atr); storage {
			return s.readStorage(ctx, name)
		}
		listed, directory, err := s.directory(ctx)
		switch {
		case err != nil:
			return Reading{}, err
		case len(listed) > 0:
			reading, err := s.readFirst(ctx, listed, terminal)
			return s.orMessage(ctx, reading, err)
		case bytes.Equal(atr, atrNXP):
			reading, err := s.readTag(ctx)
			if !errors.Is(err, errNoTag) {
				return reading, accountless(err)
			}
			return s.readKnown(ctx, directory, terminal)
		}
		reading, err := s.readKnown(ctx, directory, terminal)
		return s.orMessage(ctx, reading, err)
	})
}

// ReadNDEF reads the NDEF message of a tag and nothing else. atr is as for ReadAny. Errors are ErrNoMessage or
// ErrMalformed, or that of the Transmitter.
func ReadNDEF(ctx context.Context, t Transmitter, atr []byte) (Reading, error) {
	return begin(ctx, t, Terminal{}, func(s *session, _ Terminal) (Reading, error) {
		if _, storage := storageOf(atr); storage {
			return s.readStorageTag(ctx)
		}
		return s.readTag(ctx)
	})
}

// begin runs one reading in a session of its own and counts its commands and its time.
func begin(ctx context.Context, t Transmitter, terminal Terminal,
	read func(*session, Terminal) (Reading, error)) (Reading, error) {
	start := time.Now()
	terminal, err := terminal.complete(start)
	if err != nil {
		return Reading{}, err
	}
	s := &session{transmitter: t}
	reading, err := read(s, terminal)
	if err != nil {
		reading = Reading{}
	}
	reading.APDUs, reading.Elapsed = s.sent, time.Since(start)
	return reading, err
}

// orMessage reads the message of a card that has turned out to have no account. Its verdict stands if there is none. A
// locked payment card keeps its verdict, too: nobody should take its message for its account.
func (s *session) orMessage(ctx context.Context, reading Reading, verdict error) (Reading, error) {
	if verdict == nil || !errors.Is(verdict, ErrNoAccount) && !errors.Is(verdict, ErrNoApplication) {
		return reading, verdict
	}
	read := s.readTag
	if errors.Is(verdict, errNoApplications) { // the reader answered in place of a storage card
		read = s.readStorageTag
	}
	reading, err := read(ctx)
	if errors.Is(err, errNoTag) {
		err = verdict
	}
	return reading, accountless(err)
}

// errNoTag means that a card is no tag that could have a message.
var errNoTag = fmt.Errorf("%w: it has no NDEF application", ErrNoMessage)

// accountless is the verdict on a tag's account when its message cannot be had.
func accountless(err error) error {
	if errors.Is(err, ErrNoMessage) || errors.Is(err, ErrMalformed) && !errors.Is(err, errTooMany) {
		return fmt.Errorf("%w: it is a tag (%w)", ErrNoAccount, err)
	}
	return err
}

// readStorage reads a storage card that the reader has announced as such.
func (s *session) readStorage(ctx context.Context, name storageName) (Reading, error) {
	if name == nameClassic1K || name == nameClassic4K || name == nameMini {
		return Reading{}, fmt.Errorf("%w: it is a storage card (MIFARE Classic)", ErrNoAccount)
	}
	reading, err := s.readStorageTag(ctx)
	return reading, accountless(err)
}

// readTag reads the message of a type 4 tag.
func (s *session) readTag(ctx context.Context) (Reading, error) {
	raw, selected, err := s.readType4(ctx)
	if err != nil {
		return Reading{}, err
	}
	if !selected {
		return Reading{}, errNoTag
	}
	reading, err := readingOf(raw)
	reading.AID = aidNDEF
	return reading, err
}

// readStorageTag reads the message of a type 2 tag.
func (s *session) readStorageTag(ctx context.Context) (Reading, error) {
	raw, err := s.readType2(ctx)
	if err != nil {
		return Reading{}, err
	}
	return readingOf(raw)
}

func readingOf(raw []byte) (Reading, error) {
	message, err := ParseNDEF(raw)
	if err != nil {
		return Reading{}, err
	}
	reading := Reading{Scheme: NDEF, Assurance: None, NDEF: &message}
	if message.Kind == MessageSUN {
		reading.Scheme, reading.Assurance = SUN, Identified
	}
	return reading, nil
}
