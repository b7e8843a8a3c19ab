package ntag

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"tapline/card"
	"tapline/card/sun"
)

// FileNumber is the number of one of the three files.
type FileNumber byte

// The files (data sheet §8.2.2).
const (
	CapabilityFile FileNumber = 1
	NDEFFile       FileNumber = 2
)

// chunk is how much is written at once: so much is written whole or not at all (data sheet §8.6).
const chunk = 128

// KeyVersion is the version byte that a key was given; 0 from the factory (GetKeyVersion, data sheet §10.6.2).
func (t *Tag) KeyVersion(ctx context.Context, number KeyNumber) (byte, error) {
	answer, err := t.native(ctx, command{
		name: fmt.Sprintf("GetKeyVersion of key %d", number), instruction: insGetKeyVersion, mode: MAC, header: []byte{byte(number)},
	})
	if err == nil && len(answer) != 1 {
		err = fmt.Errorf("%w: a key version of %d bytes", card.ErrMalformed, len(answer))
	}
	if err != nil {
		return 0, err
	}
	return answer[0], nil
}

// CardUID is the card's UID, encrypted on its way, also that of a card which shows others a random one (GetCardUID,
// data sheet §10.5.3). It needs an authentication.
func (t *Tag) CardUID(ctx context.Context) (sun.UID, error) {
	answer, err := t.native(ctx, command{name: "GetCardUID", instruction: insGetCardUID, mode: Full})
	if err == nil && len(answer) != len(sun.UID{}) {
		err = fmt.Errorf("%w: a UID of %d bytes", card.ErrMalformed, len(answer))
	}
	if err != nil {
		return sun.UID{}, err
	}
	return sun.UID(answer), nil
}

// FileSettings are the settings of a file (GetFileSettings, data sheet §10.7.2).
func (t *Tag) FileSettings(ctx context.Context, file FileNumber) (FileSettings, error) {
	answer, err := t.native(ctx, command{
		name: fmt.Sprintf("GetFileSettings of file %d", file), instruction: insGetFileSettings, mode: MAC, header: []byte{byte(file)},
	})
	if err != nil {
		return FileSettings{}, err
	}
	return parseFileSettings(answer)
}

// ChangeFileSettings changes the settings of a file (data sheet §10.7.1). Where it switches SDM on, the counter of taps
// begins again at zero.
func (t *Tag) ChangeFileSettings(ctx context.Context, file FileNumber, settings FileSettings) error {
	_, err := t.native(ctx, command{
		name: fmt.Sprintf("ChangeFileSettings of file %d", file), instruction: insChangeFileSettings, mode: Full,
		header: []byte{byte(file)}, data: settings.bytes(),
	})
	return err
}

// ChangeKey gives the card another key under a number (data sheet §10.6.1). It needs an authentication with key 0; when
// key 0 is changed, that is over.
func (t *Tag) ChangeKey(ctx context.Context, number KeyNumber, old, replacement sun.Key, version byte) error {
	c := command{
		name: fmt.Sprintf("ChangeKey of key %d", number), instruction: insChangeKey, mode: Full, header: []byte{byte(number)},
		bare: t.session != nil && t.session.number == number,
	}
	c.data = keyData(old, replacement, version, c.bare)
	_, err := t.native(ctx, c)
	return err
}

// keyData is what ChangeKey carries: the key itself if it is that of the authentication, and otherwise the difference to
// the old one with a checksum of the new (CRC-32 of IEEE 802.3 without its last inversion, least significant byte first).
func keyData(old, replacement sun.Key, version byte, same bool) []byte {
	raw := octets(replacement)
	if same {
		return append(raw[:], version)
	}
	was := octets(old)
	data := make([]byte, len(raw), len(raw)+5)
	subtle.XORBytes(data, raw[:], was[:])
	return binary.LittleEndian.AppendUint32(append(data, version), ^crc32.ChecksumIEEE(raw[:]))
}

// ReadData reads a part of a file (data sheet §10.8.1). While authenticated, nothing is mirrored into it.
func (t *Tag) ReadData(ctx context.Context, file FileNumber, mode Mode, offset, length int) ([]byte, error) {
	answer, err := t.native(ctx, command{
		name: fmt.Sprintf("ReadData of file %d", file), instruction: insReadData, mode: mode, header: place(file, offset, length),
	})
	if err == nil && len(answer) != length {
		err = fmt.Errorf("%w: %d bytes of a file in place of %d", card.ErrMalformed, len(answer), length)
	}
	return answer, err
}

// WriteData writes into a file (data sheet §10.8.2), in several commands if there is much.
func (t *Tag) WriteData(ctx context.Context, file FileNumber, mode Mode, offset int, data []byte) error {
	for part := range slices.Chunk(data, chunk) {
		_, err := t.native(ctx, command{
			name: fmt.Sprintf("WriteData to file %d", file), instruction: insWriteData, mode: mode,
			header: place(file, offset, len(part)), data: part,
		})
		if err != nil {
			return err
		}
		offset += len(part)
	}
	return nil
}

// place is the header of what reads or writes: file, offset and length, least significant byte first.
func place(file FileNumber, offset, length int) []byte {
	return []byte{
		byte(file), byte(offset), byte(offset >> 8), byte(offset >> 16), byte(length), byte(length >> 8), byte(length >> 16),
	}
}
