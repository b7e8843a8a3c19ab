package card

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"tapline/card/apdu"
	"tapline/card/tlv"
)

// T-Union transport cards of China (JT/T 978.2).
const (
	aidTUnion AID = "A000000632010105"

	tagTUnionFile tlv.Tag = 0x9F0C // file 15 in the answer to SELECT

	tUnionLog  = 0x18 // short identifier of the journey log
	maxJourney = 10   // records kept by a card
)

// Layout of file 15: issuer 8 | type 1 | version 1 | account 10 | valid from 4 | valid to 4 | 2.
const (
	accountAt   = 10
	validFromAt = 20
	validToAt   = 24
	fileLength  = 28
)

// isPurse reports whether an application is the purse of a transport card. Its name may be longer, as in phones.
func isPurse(aid AID) bool { return strings.HasPrefix(string(aid), string(aidTUnion)) }

// withPurse puts the purse before the e-cash application of a transport card, which is what directories list: both are
// of the same account, and the purse tells it at once.
func withPurse(listed []candidate) []candidate {
	if slices.ContainsFunc(listed, func(c candidate) bool { return isPurse(c.aid) }) {
		return listed
	}
	i := slices.IndexFunc(listed, func(c candidate) bool { return SchemeOf(c.aid) == TUnion })
	if i < 0 {
		return listed
	}
	return slices.Insert(listed, i, candidate{aid: aidTUnion, priority: listed[i].priority})
}

// readTUnion takes the account from file 15, in the answer to SELECT or, if it is not there, by READ BINARY. It is 20
// digits of which the first fills up.
func (s *session) readTUnion(ctx context.Context, fci tlv.List, reading *Reading) error {
	file, found := fci.Find(tagTUnionFile)
	if !found || len(file) < fileLength {
		var err error
		if file, err = s.shortFile(ctx, cityFile); err != nil && !aboutCard(err) {
			return err
		}
	}
	if len(file) < fileLength {
		return fmt.Errorf("%w: file 15 of the transport card has %d bytes", ErrNoAccount, len(file))
	}
	number, err := ParseNumber(hex.EncodeToString(file[accountAt:validFromAt])[1:])
	if err != nil {
		return fmt.Errorf("%w: the transport card's account number is not decimal", ErrMalformed)
	}
	reading.Number = number
	reading.ValidFrom = hex.EncodeToString(file[validFromAt:validToAt])
	reading.ValidTo = hex.EncodeToString(file[validToAt:fileLength])
	if !isDate(reading.ValidFrom) || !isDate(reading.ValidTo) {
		return fmt.Errorf("%w: the transport card is valid from %s to %s", ErrMalformed, reading.ValidFrom, reading.ValidTo)
	}
	reading.Expiry = reading.ValidTo[2:6]
	if !number.Luhn() {
		reading.Notes = append(reading.Notes, NoteLuhn)
	}
	return nil
}

// Purse is the stored value of a T-Union transport card. Tapline shows it; it cannot spend it.
type Purse struct {
	Reading  Reading
	Balance  int64     // fen, less what is overdrawn
	Journeys []Journey // newest first, at most ten; nil unless asked for
}

// Journey is one line of a transport card's log.
type Journey struct {
	Sequence  uint16    `json:"sequence"`
	Overdraft uint32    `json:"overdraft_fen"`
	Amount    uint32    `json:"amount_fen"`
	Type      byte      `json:"type"`     // 2 load, 6 and 9 fare (JT/T 978.2)
	Terminal  string    `json:"terminal"` // hex
	Time      time.Time `json:"time"`     // as on the card: the time of China
}

var chinaTime = time.FixedZone("UTC+8", 8*60*60)

// ReadPurse reads account and balance of a T-Union transport card and, if log is true, its journeys. Errors are as of
// Read.
func ReadPurse(ctx context.Context, t Transmitter, log bool) (Purse, error) {
	start := time.Now()
	s := &session{transmitter: t}
	purse, err := s.readPurse(ctx, log)
	if err != nil {
		return Purse{}, err
	}
	purse.Reading.APDUs, purse.Reading.Elapsed = s.sent, time.Since(start)
	return purse, nil
}

func (s *session) readPurse(ctx context.Context, log bool) (Purse, error) {
	reading, status, err := s.readApplication(ctx, candidate{aid: aidTUnion}, Terminal{})
	if err != nil {
		return Purse{}, err
	}
	if !status.OK() {
		return Purse{}, fmt.Errorf("%w: it is no T-Union transport card (SELECT answers %s)", ErrNoApplication, status)
	}
	loaded, err := s.purse(ctx, 0)
	if err != nil {
		return Purse{}, err
	}
	overdrawn, err := s.purse(ctx, 1)
	if err != nil {
		return Purse{}, err
	}
	purse := Purse{Reading: reading, Balance: loaded - overdrawn}
	if log {
		purse.Journeys, err = s.journeys(ctx)
	}
	return purse, err
}

// purse reads one counter of fen: 0 what is loaded, 1 what is overdrawn.
func (s *session) purse(ctx context.Context, which byte) (int64, error) {
	data, status, err := s.send(ctx, apdu.Command{Class: 0x80, Instruction: apdu.InsGetBalance, P1: which, P2: 2, Le: 4})
	if err != nil {
		return 0, err
	}
	if !status.OK() || len(data) != 4 {
		return 0, fmt.Errorf("%w: GET BALANCE answers %d bytes and %s", ErrMalformed, len(data), status)
	}
	return int64(binary.BigEndian.Uint32(data) &^ (1 << 31)), nil // the top bit is not of the amount
}

// journeys reads the log up to its first blank or missing record.
func (s *session) journeys(ctx context.Context) ([]Journey, error) {
	var journeys []Journey
	for number := byte(1); number <= maxJourney; number++ {
		command := apdu.ReadRecord(tUnionLog, number)
		command.Le = journeyLength
		data, status, err := s.send(ctx, command)
		if err != nil {
			return nil, err
		}
		if !status.OK() {
			break
		}
		journey, err := parseJourney(data)
		if err != nil {
			return nil, err
		}
		if journey.Sequence == 0 && journey.Type == 0 {
			break
		}
		journeys = append(journeys, journey)
	}
	return journeys, nil
}

const journeyLength = 23

// parseJourney reads sequence 2 | overdraft 3 | amount 4 | type 1 | terminal 6 | date 4 | time 3.
func parseJourney(data []byte) (Journey, error) {
	if len(data) != journeyLength {
		return Journey{}, fmt.Errorf("%w: log record of %d bytes", ErrMalformed, len(data))
	}
	journey := Journey{
		Sequence:  binary.BigEndian.Uint16(data),
		Overdraft: uint32(data[2])<<16 | uint32(data[3])<<8 | uint32(data[4]),
		Amount:    binary.BigEndian.Uint32(data[5:]),
		Type:      data[9],
		Terminal:  hex.EncodeToString(data[10:16]),
	}
	if journey.Sequence == 0 && journey.Type == 0 {
		return journey, nil // blank
	}
	at, err := time.ParseInLocation("20060102150405", hex.EncodeToString(data[16:]), chinaTime)
	if err != nil {
		return Journey{}, fmt.Errorf("%w: log record has no date", ErrMalformed)
	}
	journey.Time = at
	return journey, nil
}

func isDate(yyyymmdd string) bool {
	_, err := time.Parse("20060102", yyyymmdd)
	return err == nil
}
