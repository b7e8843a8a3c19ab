// Package card reads the card account from a smart card, over anything that carries APDUs: EMV payment cards, T-Union and
// other transport cards of China, and the NDEF message of a tag. It needs no key and asks the card for nothing but what it tells every
// reader, so what it reads is `identified`: it may come from a copy. Start at Read.
package card

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Transmitter carries APDUs to one card in the field of a reader.
type Transmitter interface {
	// Transmit sends one command APDU and returns the response with its status word as the last two bytes. The
	// response belongs to the caller. It answers no status word by itself: 61xx and 6Cxx are returned as they are.
	// Errors mean that no response came: ErrRemoved if the card left the field, the cause of ctx if it ended. After
	// an error the state of the card is unknown. Calls must not overlap.
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// What is wrong with a card. Each text can be shown to the person who holds it.
var (
	// ErrRemoved means that the card left the field before the answer came.
	ErrRemoved = errors.New("the card was removed too early; hold it still until it has been read")
	// ErrNoAccount means a card without a card account, like a storage card or a key fob.
	ErrNoAccount = errors.New("this card carries no account")
	// ErrNoApplication means a card with applications, none of which Tapline can read.
	ErrNoApplication = errors.New("this card has no payment application that can be read")
	// ErrBlocked means that the card names its payment applications, but refuses to open any.
	ErrBlocked = errors.New("this card is locked; ask its issuer")
	// ErrMalformed means that the card's answers break its standard.
	ErrMalformed = errors.New("this card gives answers that cannot be understood; try again or use another card")
)

// Assurance says how far a tap proves that the card itself was there.
type Assurance string

// What a reading proves.
const (
	// Identified means that the account was only read and may be that of a copy. A SUN message, too, is no more than
	// that until the service has verified it.
	Identified Assurance = "identified"
	// Authentic means that somebody verified a proof that the card itself was there: no reading is that by itself.
	Authentic Assurance = "authentic"
	// None means that nothing was read that belongs to an account.
	None Assurance = "none"
)

// Note is something unusual about a reading that does not make it useless.
type Note string

// The notes.
const (
	NoteExpiryConflict Note = "expiry_conflict" // 5F24 and track 2 disagree; 5F24 counts
	NoteNumberConflict Note = "number_conflict" // 5A and track 2 disagree; 5A counts
	NoteLuhn           Note = "luhn"            // the check digit does not fit, as on honest transport cards
)

// Reading is what a card told. Its JSON is that of its Report.
type Reading struct {
	Number    Number // of the account; zero if the card only has a message
	Scheme    Scheme
	AID       AID      // of the application as it names itself
	Label     string   // the application's name for people, tag 50
	Expiry    string   // YYMM, the last month the card is valid
	PSN       string   // two digits that tell cards of one account apart, 5F34
	PAR       string   // payment account reference, 9F24
	ValidFrom string   // YYYYMMDD, transport cards only
	ValidTo   string   // YYYYMMDD, transport cards only
	NDEF      *Message // of a tag, see ReadAny
	Notes     []Note
	Assurance Assurance
	APDUs     int // commands sent to the card
	Elapsed   time.Duration

	// Transcript is what a service needs to judge whether the card was there: every exchange from the selection of
	// the application on. It is set if Terminal.Prove is, and is no part of the Report.
	Transcript Transcript
}

// Read finds the card account. It looks for the directory of contactless payment applications (PPSE, EMV Book B
// §3.3) and tries those it lists in order of priority; without a directory it asks for each application it knows.
// It stops as soon as the account is known.
//
// Errors are ErrNoAccount, ErrNoApplication, ErrBlocked or ErrMalformed, or that of the Transmitter. APDUs and Elapsed
// are set with an error, too.
func Read(ctx context.Context, t Transmitter, terminal Terminal) (Reading, error) {
	return begin(ctx, t, terminal, func(s *session, terminal Terminal) (Reading, error) { return s.read(ctx, terminal) })
}

func (s *session) read(ctx context.Context, terminal Terminal) (Reading, error) {
	listed, directoryStatus, err := s.directory(ctx)
	if err != nil {
		return Reading{}, err
	}
	if len(listed) > 0 {
		return s.readFirst(ctx, listed, terminal)
	}
	return s.readKnown(ctx, directoryStatus, terminal)
}

// readFirst reads the first of the listed applications that gives an account (EMV Book 1 §12.4).
func (s *session) readFirst(ctx context.Context, listed []candidate, terminal Terminal) (Reading, error) {
	var verdict error
	for _, c := range listed {
		reading, status, err := s.readApplication(ctx, c, terminal)
		switch {
		case err == nil && status.OK():
			return reading, nil
		case err == nil && (refusesUse(status) || unknownCommand(status)):
			err = fmt.Errorf("%w: SELECT %s answers %s", ErrBlocked, c.aid, status)
		case err == nil:
			err = fmt.Errorf("%w: SELECT %s answers %s", ErrNoApplication, c.aid, status)
		case !aboutCard(err):
			return Reading{}, err
		}
		verdict = weightier(verdict, err)
	}
	return Reading{}, verdict
}

// readKnown asks for each application of knownAIDs (EMV Book 1 §12.3.3). A card that knows neither the directory nor
// the first of them because it does not know SELECT at all is no application card.
func (s *session) readKnown(ctx context.Context, directory statusWord, terminal Terminal) (Reading, error) {
	verdict := fmt.Errorf("%w: no directory (SELECT answers %s) and no known application", ErrNoApplication, directory)
	for i, known := range knownAIDs {
		reading, status, err := s.readApplication(ctx, candidate{aid: known.AID}, terminal)
		switch {
		case err == nil && status.OK():
			return reading, nil
		case err == nil && i == 0 && unknownCommand(directory) && unknownCommand(status):
			return Reading{}, fmt.Errorf("%w: it answers SELECT with %s", errNoApplications, status)
		case err == nil && status == statusInvalidated:
			err = fmt.Errorf("%w: SELECT %s answers %s", ErrBlocked, known.AID, status)
		case err != nil && (!aboutCard(err) || isCity(known.Scheme)):
			return Reading{}, err // a city card that is known by name has no other account
		}
		verdict = weightier(verdict, err)
	}
	if !errors.Is(verdict, ErrNoApplication) {
		return Reading{}, verdict
	}
	reading, err := s.readBeijing(ctx)
	if err != nil && aboutCard(err) && reading.Scheme == "" {
		err = verdict
	}
	return reading, err
}

// errNoApplications is ErrNoAccount of a card that does not know SELECT.
var errNoApplications = fmt.Errorf("%w, it has no applications", ErrNoAccount)

// aboutCard reports whether the card is to blame, so that another application may still work.
func aboutCard(err error) bool { return weight(err) > 0 && !errors.Is(err, errTooMany) }

// weightier returns the error that says more about a card, the first if they are equal.
func weightier(a, b error) error {
	if weight(b) > weight(a) {
		return b
	}
	return a
}

func weight(err error) int {
	for i, sentinel := range []error{ErrNoMessage, ErrNoApplication, ErrNoAccount, ErrMalformed, ErrBlocked} {
		if errors.Is(err, sentinel) {
			return i + 1
		}
	}
	return 0
}
