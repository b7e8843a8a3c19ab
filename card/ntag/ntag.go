// Package ntag writes NTAG 424 DNA cards (NXP data sheet NT4H2421Gx): it authenticates with the card's AES keys, speaks
// its secure messaging, and sets a blank card up so that it proves itself with the messages of package sun. Start at
// Personalise. Cards in LRP mode are not written.
package ntag

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/sun"
)

// What is wrong with a card. Each text can be shown to the person who holds it.
var (
	// ErrNotNTAG means a card of another kind.
	ErrNotNTAG = errors.New("this is not an NTAG 424 DNA")
	// ErrRandomUID means that the card hides its UID, for ever: another random one is shown at each tap.
	ErrRandomUID = errors.New("this card shows a random UID; that cannot be undone, use another card")
	// ErrWrongKey means that the card has another key under that number.
	ErrWrongKey = errors.New("the card has another key")
	// ErrRest means that the card lets nobody authenticate for a while, since wrong keys were tried too often.
	ErrRest = errors.New("the card pauses after too many wrong keys; leave it on the reader for a while and try again")
	// ErrRefused means that the card does not allow what was asked.
	ErrRefused = errors.New("the card refuses")
	// ErrForged means that an answer's MAC is wrong: it does not come from the card that was authenticated.
	ErrForged = errors.New("the answer was changed on its way from the card")
)

// Status words of native commands (data sheet §10.1). The low byte is the return code that responses are MACed with.
const (
	statusOK             apdu.Status = 0x9100
	statusMore           apdu.Status = 0x91AF
	statusIntegrity      apdu.Status = 0x911E
	statusDenied         apdu.Status = 0x919D
	statusDelay          apdu.Status = 0x91AD
	statusAuthentication apdu.Status = 0x91AE
	statusIllegalCommand apdu.Status = 0x911C
	statusNoSuchKey      apdu.Status = 0x9140
	statusLength         apdu.Status = 0x917E
	statusParameter      apdu.Status = 0x919E
	statusAborted        apdu.Status = 0x91CA
	statusBoundary       apdu.Status = 0x91BE
	statusMemory         apdu.Status = 0x91EE
	statusFileNotFound   apdu.Status = 0x91F0
	statusSecurity       apdu.Status = 0x6982
)

// Command bytes (ISO/IEC 7816-4 §11, data sheet §10.2).
const (
	insSelect             = 0xA4
	insReadBinary         = 0xB0
	classNative           = 0x90
	insAdditionalFrame    = 0xAF
	insAuthenticateFirst  = 0x71
	insAuthenticateAgain  = 0x77
	insGetVersion         = 0x60
	insGetCardUID         = 0x51
	insGetKeyVersion      = 0x64
	insGetFileSettings    = 0xF5
	insChangeFileSettings = 0x5F
	insChangeKey          = 0xC4
	insReadData           = 0xAD
	insWriteData          = 0x8D
)

// maxFrames bounds one answer; the longest honest one has three frames.
const maxFrames = 8

var meanings = map[apdu.Status]string{
	statusIntegrity:      "a MAC or checksum is wrong",
	statusDenied:         "permission denied",
	statusDelay:          "it pauses after wrong keys",
	statusAuthentication: "not authenticated, or wrong key",
	statusIllegalCommand: "command unknown",
	statusNoSuchKey:      "no such key",
	statusLength:         "wrong length",
	statusParameter:      "wrong parameter",
	statusAborted:        "another command was not finished",
	statusBoundary:       "beyond the end of the file",
	statusMemory:         "its memory failed",
	statusFileNotFound:   "no such file",
	statusSecurity:       "not authenticated",
}

// StatusError is a card's refusal of a command. It is ErrWrongKey, ErrRest or ErrRefused (errors.Is).
type StatusError struct {
	Command string
	Status  apdu.Status
}

// Error names the command and what the card says.
func (e *StatusError) Error() string {
	if meaning, known := meanings[e.Status]; known {
		return fmt.Sprintf("%s: the card answers %04X (%s)", e.Command, uint16(e.Status), meaning)
	}
	return fmt.Sprintf("%s: the card answers %s", e.Command, e.Status)
}

// Is tells what the refusal means for whoever asked.
func (e *StatusError) Is(target error) bool {
	switch e.Status {
	case statusAuthentication:
		return target == ErrWrongKey
	case statusDelay:
		return target == ErrRest
	}
	return target == ErrRefused
}

// Tag is a card in the field of a reader. It is for one goroutine.
type Tag struct {
	transmitter card.Transmitter
	session     *session // nil while not authenticated
	random      func([]byte)
	sent        int
}

// Application is the name of the one application of an NTAG 424 DNA: NDEF (NFC Forum Type 4 Tag §5.4.2).
var Application = []byte{0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01}

// Version is what a card tells everybody about itself.
type Version struct {
	UID sun.UID
	// Storage is the size code of its memory; 11 is between 256 and 512 bytes.
	Storage byte
	// Hardware is the major and minor version of the chip, 30 and 00 for all there are.
	Hardware [2]byte
}

// Open selects the application and asks what card it is. Errors are ErrNotNTAG and ErrRandomUID, or that of the
// Transmitter.
func Open(ctx context.Context, t card.Transmitter) (*Tag, Version, error) {
	tag := &Tag{transmitter: t, random: func(b []byte) { rand.Read(b) }} // never fails: crypto/rand
	if err := tag.selectApplication(ctx); err != nil {
		if _, refused := errors.AsType[*StatusError](err); refused {
			err = fmt.Errorf("%w: %w", ErrNotNTAG, err)
		}
		return nil, Version{}, err
	}
	version, err := tag.version(ctx)
	if err != nil {
		return nil, Version{}, err
	}
	return tag, version, nil
}

// selectApplication selects the application, which ends an authentication, too (AN12196 rev. 2.0 table 22).
func (t *Tag) selectApplication(ctx context.Context) error {
	t.session = nil
	return t.iso(ctx, "ISOSelectFile", apdu.Command{Instruction: insSelect, P1: 0x04, P2: 0x0C, Data: Application, Le: apdu.AnyLength})
}

// iso sends an ISO command of which no data come back.
func (t *Tag) iso(ctx context.Context, name string, command apdu.Command) error {
	response, err := t.exchange(ctx, command)
	if err == nil && !response.Status.OK() {
		err = &StatusError{name, response.Status}
	}
	return err
}

// version is GetVersion (data sheet §10.5.2): three frames, about hardware, software and production.
func (t *Tag) version(ctx context.Context) (Version, error) {
	answer, err := t.native(ctx, command{name: "GetVersion", instruction: insGetVersion, mode: Plain})
	if _, refused := errors.AsType[*StatusError](err); refused {
		err = fmt.Errorf("%w: %w", ErrNotNTAG, err)
	}
	if err != nil {
		return Version{}, err
	}
	return parseVersion(answer)
}

// parseVersion reads the three frames of GetVersion as one: 7 bytes of hardware, 7 of software, 14 or 15 of production.
func parseVersion(answer []byte) (Version, error) {
	const hardware, software, production = 7, 7, 14
	if len(answer) != hardware+software+production && len(answer) != hardware+software+production+1 {
		return Version{}, fmt.Errorf("%w: GetVersion answers %d bytes", ErrNotNTAG, len(answer))
	}
	// Vendor NXP, type NTAG, and the version that no other NTAG has: 413 DNA is 10.
	if answer[0] != 0x04 || answer[1] != 0x04 || answer[3] != 0x30 {
		return Version{}, fmt.Errorf("%w: vendor %02X, type %02X, version %02X", ErrNotNTAG, answer[0], answer[1], answer[3])
	}
	v := Version{UID: sun.UID(answer[hardware+software:]), Storage: answer[5], Hardware: [2]byte{answer[3], answer[4]}}
	if v.UID == (sun.UID{}) { // data sheet §10.5.2: zeros if the card is set to a random UID
		return v, ErrRandomUID
	}
	return v, nil
}

// exchange sends one command.
func (t *Tag) exchange(ctx context.Context, c apdu.Command) (apdu.Response, error) {
	if err := context.Cause(ctx); err != nil {
		return apdu.Response{}, err
	}
	t.sent++
	raw, err := t.transmitter.Transmit(ctx, c.Bytes())
	if err != nil {
		t.session = nil
		return apdu.Response{}, fmt.Errorf("command %d: %w", t.sent, err)
	}
	response, err := apdu.ParseResponse(raw)
	if err != nil {
		return apdu.Response{}, fmt.Errorf("%w: %w", card.ErrMalformed, err)
	}
	response.Data = bytes.Clone(response.Data)
	return response, nil
}
