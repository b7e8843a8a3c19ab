package card

import (
	"encoding/hex"
	"fmt"
	"strings"

	"tapline/card/tlv"
)

// AccountOf finds the account in data objects that a card gave, as Read does: in the order of the card, the first value
// of each counts. It fills Number, Expiry, PSN, PAR and Notes. The error is ErrNoAccount.
func AccountOf(objects tlv.List) (Reading, error) {
	found := account{}
	found.collect(objects)
	var reading Reading
	err := found.fill(&reading)
	return reading, err
}

// account gathers the data objects that tell the account, the first value of each.
type account map[tlv.Tag][]byte

// collect takes what it can use.
func (a account) collect(objects tlv.List) {
	for _, tag := range []tlv.Tag{tagNumber, tagTrack2, tagMagstripe2, tagExpiry, tagSequence, tagReference} {
		if value := objects.Value(tag); value != nil && !a.has(tag) {
			a[tag] = value
		}
	}
}

func (a account) has(tag tlv.Tag) bool { return a[tag] != nil }

// known reports whether number and expiry are there, so that no further record is needed.
func (a account) known() bool {
	expiry, _ := a.expiry()
	return !a.number().IsZero() && expiry != ""
}

// number prefers 5A, then 57, then 9F6B. The last means other things in other schemes, so it counts only if it reads
// as a track 2.
func (a account) number() Number {
	if number, err := ParseNumber(unpad(a[tagNumber])); err == nil {
		return number
	}
	number, _ := a.track2()
	return number
}

// expiry returns YYMM, and whether 5F24 and track 2 disagree; 5F24 counts.
func (a account) expiry() (expiry string, conflict bool) {
	_, track := a.track2()
	if raw := a[tagExpiry]; len(raw) == 3 {
		if own := yearMonth(hex.EncodeToString(raw[:2])); own != "" {
			return own, track != "" && own != track
		}
	}
	return track, false
}

func (a account) track2() (Number, string) {
	for _, tag := range []tlv.Tag{tagTrack2, tagMagstripe2} {
		if number, expiry := parseTrack2(a[tag]); !number.IsZero() {
			return number, expiry
		}
	}
	return Number{}, ""
}

// fill completes a reading; the error is ErrNoAccount if no number was found.
func (a account) fill(reading *Reading) error {
	reading.Number = a.number()
	if reading.Number.IsZero() {
		return fmt.Errorf("%w: application %s has no account number", ErrNoAccount, reading.AID)
	}
	var conflict bool
	if reading.Expiry, conflict = a.expiry(); conflict {
		reading.Notes = append(reading.Notes, NoteExpiryConflict)
	}
	if track, _ := a.track2(); !track.IsZero() && track != reading.Number {
		reading.Notes = append(reading.Notes, NoteNumberConflict)
	}
	if !reading.Number.Luhn() {
		reading.Notes = append(reading.Notes, NoteLuhn)
	}
	if raw := a[tagSequence]; len(raw) == 1 && isDigits(hex.EncodeToString(raw)) {
		reading.PSN = hex.EncodeToString(raw)
	}
	if text := string(a[tagReference]); isReference(text) {
		reading.PAR = text
	}
	return nil
}

// parseTrack2 splits number D YYMM; what follows is the issuer's (ISO/IEC 7813, EMV Book 3 Annex A1, tag 57). The
// number is zero if the data are not a track 2.
func parseTrack2(raw []byte) (Number, string) {
	digits, rest, found := strings.Cut(hex.EncodeToString(raw), "d")
	if !found {
		return Number{}, ""
	}
	number, err := ParseNumber(digits)
	if err != nil || len(rest) < 4 {
		return Number{}, ""
	}
	return number, yearMonth(rest[:4])
}

// unpad takes the padding F off a compressed numeric value (EMV Book 3 §4.3).
func unpad(raw []byte) string { return strings.TrimRight(hex.EncodeToString(raw), "f") }

// yearMonth returns yymm if it is a month, else nothing.
func yearMonth(yymm string) string {
	if !isDigits(yymm) || yymm[2:] < "01" || yymm[2:] > "12" {
		return ""
	}
	return yymm
}

func isDigits(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// isReference reports whether text is a payment account reference: 29 letters and digits (EMVCo PAR specification).
func isReference(text string) bool {
	return len(text) == 29 && strings.IndexFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z')
	}) < 0
}
