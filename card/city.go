package card

import (
	"context"
	"encoding/hex"
	"fmt"

	"tapline/card/apdu"
	"tapline/card/tlv"
)

// City cards of China: transport cards that are older than T-Union, with a purse after PBOC 1.0 and, in short file 15,
// who they are. Where readers that are published agree on where the number is, it is read; where they do not, the card is
// known by name only. A number is never guessed.
const (
	aidCityUnion AID = "A00000000386980701"     // CJ/T 166: Hangzhou and many more
	aidLingnan   AID = "5041592E41505059"       // PAY.APPY: Guangdong
	aidShenzhen  AID = "5041592E535A54"         // PAY.SZT
	aidSuzhou    AID = "535558494E2E4444463031" // SUXIN.DDF01
)

// cityFile is the short identifier of the file that says who a card is; beijingFile that of Beijing's, in the root.
const (
	cityFile    = 0x15
	beijingFile = 0x04
)

// cityNames are the names of cards for people, by scheme.
var cityNames = map[Scheme]string{
	Beijing: "Beijing municipal card", CityUnion: "city union card", Lingnan: "Lingnan Pass", Shenzhen: "Shenzhen Tong card",
	Suzhou: "Suzhou city card",
}

// isCity reports whether an application is that of a city card.
func isCity(scheme Scheme) bool { return cityNames[scheme] != "" }

// readCity reads the account of a selected city application.
func (s *session) readCity(ctx context.Context, fci tlv.List, reading *Reading) error {
	reading.Label = cityNames[reading.Scheme]
	if reading.Scheme == Shenzhen || reading.Scheme == Suzhou {
		// Shenzhen: published readers disagree on the order of the number's bytes. Suzhou: what is
		// published needs a PIN.
		return unreadable(reading.Scheme, "its account number is not read")
	}
	file, found := fci.Find(tagTUnionFile)
	if !found || len(file) < fileLength {
		var err error
		if file, err = s.shortFile(ctx, cityFile); err != nil {
			return err
		}
	}
	if len(file) < fileLength {
		return fmt.Errorf("%w: file 15 of the %s has %d bytes", ErrMalformed, reading.Label, len(file))
	}
	if reading.Scheme == Lingnan {
		return lingnan(file, reading)
	}
	return cityUnion(file, reading)
}

// cityUnion reads file 15 of CJ/T 166: 2 | city 2 | 8 | number 8, packed | valid from 4 | valid to 4. Shanghai packs no
// digits, Chongqing has its number elsewhere.
func cityUnion(file []byte, reading *Reading) error {
	const shanghai, chongqing = "2000", "4000"
	city := hex.EncodeToString(file[2:4])
	if city == shanghai || city == chongqing {
		return unreadable(CityUnion, "cards of city "+city+" keep their account number in another way")
	}
	return cityAccount(CityUnion, file[12:20], file[20:24], file[24:28], reading)
}

// lingnan reads file 15 of PAY.APPY: 8 | region 3 | number 5, packed | 7 | valid from 4 | valid to 4.
func lingnan(file []byte, reading *Reading) error {
	const length = 31
	if len(file) < length {
		return fmt.Errorf("%w: file 15 of the Lingnan Pass has %d bytes", ErrMalformed, len(file))
	}
	return cityAccount(Lingnan, file[11:16], file[23:27], file[27:31], reading)
}

// cityAccount fills in a number in packed digits, and the dates if they are some.
func cityAccount(scheme Scheme, number, from, to []byte, reading *Reading) error {
	digits := hex.EncodeToString(number)
	parsed, err := ParseNumber(digits)
	if err != nil || isZeros(digits) {
		return unreadable(scheme, "its account number is not decimal")
	}
	reading.Number = parsed
	if !parsed.Luhn() {
		reading.Notes = append(reading.Notes, NoteLuhn)
	}
	first, last := hex.EncodeToString(from), hex.EncodeToString(to)
	if isDate(first) && isDate(last) {
		reading.ValidFrom, reading.ValidTo, reading.Expiry = first, last, last[2:6]
	}
	return nil
}

// readBeijing recognises Beijing's municipal card, which has no application that can be selected by a name that is known:
// number 8, packed | 16 | valid from 4 | valid to 4 | 8 | 9156000014, in short file 4 of the root.
func (s *session) readBeijing(ctx context.Context) (Reading, error) {
	const length = 45
	mark := []byte{0x91, 0x56, 0x00, 0x00, 0x14}
	_, status, err := s.send(ctx, apdu.Command{Instruction: apdu.InsSelect, Data: []byte{0x3F, 0x00}, Le: apdu.AnyLength})
	if err != nil {
		return Reading{}, err
	}
	if !status.OK() {
		return Reading{}, fmt.Errorf("%w: SELECT of the root answers %s", ErrNoApplication, status)
	}
	file, err := s.shortFile(ctx, beijingFile)
	if err != nil {
		return Reading{}, err
	}
	if len(file) < length || string(file[40:length]) != string(mark) {
		return Reading{}, fmt.Errorf("%w: file 4 of its root is not that of a card of Beijing", ErrNoApplication)
	}
	reading := Reading{Scheme: Beijing, Label: cityNames[Beijing], Assurance: Identified}
	return reading, cityAccount(Beijing, file[0:8], file[24:28], file[28:32], &reading)
}

// shortFile reads a file by its short identifier (ISO/IEC 7816-4 §11.3.3).
func (s *session) shortFile(ctx context.Context, id byte) ([]byte, error) {
	data, status, err := s.send(ctx, apdu.Command{Instruction: apdu.InsReadBinary, P1: 0x80 | id, Le: apdu.AnyLength})
	if err == nil && !status.OK() {
		err = fmt.Errorf("%w: READ BINARY of file %02X answers %s", ErrNoApplication, id, status)
	}
	return data, err
}

// unreadable says which card it is and that its account cannot be read.
func unreadable(scheme Scheme, why string) error {
	return fmt.Errorf("%w: it is a %s; %s", ErrNoApplication, cityNames[scheme], why)
}

func isZeros(digits string) bool {
	for i := range len(digits) {
		if digits[i] != '0' {
			return false
		}
	}
	return true
}
