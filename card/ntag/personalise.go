package ntag

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/sun"
)

// What keeps a card from being set up.
var (
	// ErrOtherUID means that the keys were made for another card.
	ErrOtherUID = errors.New("these keys were made for a card with another UID")
	// ErrOtherKeys means that some key of the card is neither the factory's nor the one it is to get.
	ErrOtherKeys = errors.New("the card has been personalised with other keys")
	// ErrOtherSettings means that the settings of the card's files do not let key 0 change them.
	ErrOtherSettings = errors.New("the card has been locked by other settings")
	// ErrNotProven means that the card took everything, but what it says afterwards does not prove it.
	ErrNotProven = errors.New("the card was written, but what it writes into its URL does not prove it; do not hand it out")
)

// Setup is what a card gets.
type Setup struct {
	UID sun.UID
	// URL is the text that the card is to give to whoever reads it, with zeros where it writes (ErrTemplate).
	URL string
	// Keys are the card's keys by number: 0 changes the card, 1 encrypts UID and counter, 2 makes the MACs, 3 and 4 have no
	// use and are changed so that nobody gives them one.
	Keys [Keys]sun.Key
	// Version is told with each key to everybody who asks, and shows that it is not the factory's: 1 to 255.
	Version byte
}

// VersionByte is the version that cards show for keys of a version of the master key: never 0, the factory's.
func VersionByte(version int) byte { return byte((version-1)%0xFF + 1) }

// Check returns ErrTemplate for a URL that does not do, and another error for a version that does not.
func (s Setup) Check() error {
	if s.Version == 0 {
		return errors.New("key version 0 is the factory's")
	}
	_, _, _, err := urlFile(s.URL)
	return err
}

// Result is what was done.
type Result struct {
	UID     sun.UID
	Counter uint32 // of the tap that proved the card
	APDUs   int    // commands sent
}

// factory is the key that all keys are when a card is delivered.
var factory sun.Key

// Blank is nil if all keys of the card are the factory's and key 0 may change its files, so that Personalise can set it
// up with whatever keys. Otherwise it is ErrOtherKeys or ErrOtherSettings, or another error of the card.
func (t *Tag) Blank(ctx context.Context) error {
	settings, err := t.FileSettings(ctx, NDEFFile)
	if err != nil {
		return err
	}
	if !settings.open() {
		return ErrOtherSettings
	}
	for i := range KeyNumber(Keys) {
		err := t.Authenticate(ctx, i, factory)
		if errors.Is(err, ErrWrongKey) {
			err = fmt.Errorf("%w (key %d)", ErrOtherKeys, i)
		}
		if err != nil {
			return err
		}
	}
	return t.selectApplication(ctx) // ends the authentication
}

// Personalise sets a card up, from whatever state an earlier attempt of the same left it in, and proves that it works:
//
//   - which keys the card has is found out by authenticating with the new key or the factory's, each at most once;
//   - key 0, factory's or new, opens the card for all that is written: the NDEF file, the capability container, and keys
//     4 to 1. Each of these writes is done whole or not at all by the card, and may be done again;
//   - the settings come after the keys that they use, and only if the card has others, because the counter of taps begins
//     anew when they are changed;
//   - then a tap is read as any phone would, and must prove itself;
//   - key 0 comes last, so that a card is either unfinished and open to the factory's key, or finished. At the end each
//     key is proved.
//
// After an error the same call may be made again with the card. Errors are card.ErrRemoved if the card was pulled away,
// ErrOtherUID, ErrOtherKeys, ErrOtherSettings, ErrNotProven, ErrTemplate, or those of Tag. progress is told each step.
func (t *Tag) Personalise(ctx context.Context, version Version, setup Setup, progress func(what string)) (Result, error) {
	if err := setup.Check(); err != nil {
		return Result{}, err
	}
	if version.UID != setup.UID {
		return Result{}, ErrOtherUID
	}
	p := &personalisation{Tag: t, Setup: setup, progress: progress}
	for _, step := range []func(context.Context) error{
		p.look, p.identify, p.write, p.changeKeys, p.changeSettings, p.tap, p.changeFirstKey, p.prove,
	} {
		if err := step(ctx); err != nil {
			return Result{}, err
		}
	}
	return Result{UID: setup.UID, Counter: p.counter, APDUs: t.sent}, nil
}

// personalisation is one attempt.
type personalisation struct {
	*Tag
	Setup
	progress func(string)

	ndef      []byte       // the file's content
	wanted    FileSettings // of the NDEF file
	found     FileSettings
	container byte       // the byte that says who may write the NDEF file
	given     [Keys]bool // the card has the new key
	counter   uint32
}

// containerWrite is where the capability container says who may write the NDEF file: 00 everybody, FF nobody (NFC Forum
// Type 4 Tag §5.1.2). The card itself does not follow it; phones do.
const (
	containerWrite = 14
	writeNever     = 0xFF
)

// look reads what everybody may read.
func (p *personalisation) look(ctx context.Context) (err error) {
	p.progress("looking at the card")
	var picc, mac int
	if p.ndef, picc, mac, err = urlFile(p.URL); err != nil {
		return err
	}
	p.wanted = FileSettings{
		Mode: Plain, Read: Free, Write: 0, ReadWrite: 0, Change: 0,
		SDM: &SDM{
			UID: true, Counter: true, ASCII: true, MetaRead: 1, FileRead: 2, CounterRead: Never,
			PICCOffset: picc, MACFrom: mac, MACOffset: mac,
		},
	}
	if p.found, err = p.FileSettings(ctx, NDEFFile); err != nil {
		return err
	}
	if !p.found.open() || p.found.Size < len(p.ndef) {
		return ErrOtherSettings
	}
	container, err := p.ReadData(ctx, CapabilityFile, Plain, 0, containerWrite+1)
	if err != nil {
		return err
	}
	p.container = container[containerWrite]
	return nil
}

// identify finds out which keys the card has, key 0 last: its session stays.
func (p *personalisation) identify(ctx context.Context) error {
	var versions [Keys]byte
	for i := range versions {
		var err error
		if versions[i], err = p.KeyVersion(ctx, KeyNumber(i)); err != nil {
			return err
		}
	}
	for i := Keys - 1; i >= 0; i-- {
		p.progress(fmt.Sprintf("finding out about key %d", i))
		// The version says which is likelier, so that an honest card sees no wrong key.
		candidates := []bool{false, true}
		if versions[i] == p.Version {
			candidates = []bool{true, false}
		}
		err := ErrWrongKey
		for _, given := range candidates {
			if err = p.Authenticate(ctx, KeyNumber(i), p.candidate(i, given)); !errors.Is(err, ErrWrongKey) {
				p.given[i] = given
				break
			}
		}
		if errors.Is(err, ErrWrongKey) {
			return fmt.Errorf("%w (key %d)", ErrOtherKeys, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *personalisation) candidate(number int, given bool) sun.Key {
	if given {
		return p.Keys[number]
	}
	return factory
}

// write writes the URL, and that nobody may write it.
func (p *personalisation) write(ctx context.Context) error {
	p.progress("writing the URL")
	mode := p.found.Mode
	if p.found.Write != 0 && p.found.ReadWrite != 0 {
		mode = Plain // it is open to everybody, and such access is plain (data sheet §8.2.3.5)
	}
	if err := p.WriteData(ctx, NDEFFile, mode, 0, p.ndef); err != nil {
		return err
	}
	if p.container == writeNever {
		return nil
	}
	return p.WriteData(ctx, CapabilityFile, Plain, containerWrite, []byte{writeNever})
}

// changeKeys changes the keys 4 to 1.
func (p *personalisation) changeKeys(ctx context.Context) error {
	for i := Keys - 1; i > 0; i-- {
		if p.given[i] {
			continue
		}
		p.progress(fmt.Sprintf("changing key %d", i))
		if err := p.ChangeKey(ctx, KeyNumber(i), factory, p.Keys[i], p.Version); err != nil {
			return err
		}
	}
	return nil
}

// changeSettings switches SDM on.
func (p *personalisation) changeSettings(ctx context.Context) error {
	if p.found.same(p.wanted) {
		return nil
	}
	p.progress("switching SUN on")
	if err := p.ChangeFileSettings(ctx, NDEFFile, p.wanted); err != nil {
		return err
	}
	found, err := p.FileSettings(ctx, NDEFFile)
	if err == nil && !found.same(p.wanted) {
		err = fmt.Errorf("%w: its settings are others than it was given", ErrNotProven)
	}
	return err
}

// tap reads the URL as phones do (NFC Forum Type 4 Tag §5.4), and checks it with the new keys.
func (p *personalisation) tap(ctx context.Context) error {
	p.progress("reading it back")
	if err := p.selectApplication(ctx); err != nil {
		return err
	}
	file := apdu.Command{Instruction: insSelect, P1: 0x00, P2: 0x0C, Data: []byte{0xE1, 0x04}}
	if err := p.iso(ctx, "ISOSelectFile", file); err != nil {
		return err
	}
	response, err := p.exchange(ctx, apdu.Command{Instruction: insReadBinary, Le: len(p.ndef)})
	if err != nil {
		return err
	}
	if !response.Status.OK() {
		return &StatusError{"ISOReadBinary", response.Status}
	}
	url, err := urlOf(response.Data)
	if err != nil {
		return err
	}
	p.counter, err = Proof(p.Setup, url)
	return err
}

// Proof is the counter of a URL that the card with this setup wrote, or ErrNotProven.
func Proof(setup Setup, url string) (uint32, error) {
	message, err := sun.Format{}.Parse(url)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	tap, err := message.Verify(setup.Keys[1], func(sun.UID) sun.Key { return setup.Keys[2] })
	before, _, _ := strings.Cut(setup.URL, "e=0000")
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrNotProven, err)
	case tap.UID != setup.UID || !tap.HasCounter || !strings.HasPrefix(url, before) || len(url) != len(setup.URL):
		return 0, fmt.Errorf("%w: it names another card or another service", ErrNotProven)
	}
	return tap.Counter, nil
}

// changeFirstKey changes key 0.
func (p *personalisation) changeFirstKey(ctx context.Context) error {
	if p.given[0] {
		return nil
	}
	p.progress("changing key 0")
	if err := p.Authenticate(ctx, 0, factory); err != nil {
		return err
	}
	return p.ChangeKey(ctx, 0, factory, p.Keys[0], p.Version)
}

// prove authenticates with all keys, which also shows that the card in the field is the one that was written.
func (p *personalisation) prove(ctx context.Context) error {
	p.progress("proving all keys")
	if err := p.Authenticate(ctx, 0, p.Keys[0]); err != nil {
		return err
	}
	uid, err := p.CardUID(ctx)
	if err == nil && uid != p.UID {
		err = fmt.Errorf("%w: its UID is another", card.ErrMalformed)
	}
	for i := Keys - 1; i > 0 && err == nil; i-- {
		err = p.AuthenticateAgain(ctx, KeyNumber(i), p.Keys[i])
	}
	return err
}
