package card

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"tapline/card/tlv"
)

// Terminal is what a card may ask about the reader and the payment before it answers (its PDOL, EMV Book 3 §5.4). The
// zero Terminal works: a card that is only read does not mind.
type Terminal struct {
	Country  uint16    // ISO 3166-1 numeric; zero means 156, China
	Currency uint16    // ISO 4217 numeric; zero means 156, CNY
	Amount   int64     // minor units of Currency; zero means 1, since some cards refuse an amount of nothing
	Time     time.Time // of the tap, at the reader's place; zero means now

	// UnpredictableNumber is what the card's cryptogram covers; zero means a random one.
	UnpredictableNumber [4]byte

	// Prove makes Read collect what proves the card to a service: its certificates and its signature over the
	// unpredictable number, where it can make one (EMV Book 2 §6). It costs the holder more time.
	Prove bool
}

const maxAmount = 999_999_999_999 // 9F02 has twelve digits

func (t Terminal) complete(now time.Time) (Terminal, error) {
	if t.Country > 999 || t.Currency > 999 || t.Amount < 0 || t.Amount > maxAmount {
		return t, errors.New("terminal: country and currency need three-digit codes, the amount 0 to 999999999999")
	}
	if t.Country == 0 {
		t.Country = 156
	}
	if t.Currency == 0 {
		t.Currency = 156
	}
	if t.Amount == 0 {
		t.Amount = 1
	}
	if t.Time.IsZero() {
		t.Time = now
	}
	if t.UnpredictableNumber == [4]byte{} {
		rand.Read(t.UnpredictableNumber[:]) // never fails: crypto/rand
	}
	return t, nil
}

// fixedValues are terminal data that do not depend on the payment: an attended, online-capable contactless reader
// that reads a card and asks for nothing else.
var fixedValues = map[tlv.Tag]string{
	0x9F09: "0002",     // application version
	0x9F1E: "5441504C", // interface device serial number
	0x9F33: "E0F8C8",   // terminal capabilities
	0x9F35: "22",       // terminal type: attended, online capable (EMV Book 4 Annex A1)
	0x9F40: "6000F0A001",
	0x9F4E: "5461706C696E65", // merchant name
}

// schemeValues are data whose tag means something else in each scheme.
var schemeValues = map[Scheme]map[tlv.Tag]string{
	Amex:       {0x9F6D: "C0", 0x9F6E: "D8B04000"},     // EMV Book C-4: reader and enhanced reader capabilities
	CB:         {0x9F66: "36804000"},                   // as Visa
	Discover:   {0x9F66: "36804000"},                   // Book C-6: transaction qualifiers
	Interac:    {0x9F58: "01", 0x9F59: "DC8000"},       // merchant and terminal type
	JCB:        {0x9F53: "708000"},                     // Book C-5: interchange profile
	Mastercard: {0x9F1D: "6C00000000000000"},           // Book C-2: risk management data
	RuPay:      {0x9F66: "36804000"},                   // Book C-13 follows C-3
	UnionPay:   {0x9F66: "36804000", 0x9F7A: "00"},     // Book C-7; 9F7A: no e-cash wanted
	Unknown:    {0x9F66: "36804000"},                   // the most frequent meaning
	Visa:       {0x9F66: "36804000", 0x9F5D: "000000"}, // Book C-3: EMV mode, online cryptogram, device CVM
}

// listData answers a data object list that the card wants values for: each value in the length the card wants, zeros
// where the reader has nothing to say.
func (t Terminal) listData(name string, list []byte, scheme Scheme) ([]byte, error) {
	elements, err := tlv.ParseDOL(list)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
	}
	var data []byte
	for _, element := range elements {
		value, numeric := t.value(element.Tag, scheme)
		data = append(data, fit(value, element.Length, numeric)...)
		if len(data) > 0xFF-3 { // in a PDOL's template, with tag 83 and its length, it must be one short command
			return nil, fmt.Errorf("%w: the %s asks for more than fits in a command", ErrMalformed, name)
		}
	}
	return data, nil
}

// value returns what the reader says for a tag (EMV Book 3 Annex A1), nil if nothing, and whether it is numeric.
func (t Terminal) value(tag tlv.Tag, scheme Scheme) (value []byte, numeric bool) {
	switch tag {
	case 0x9F02: // amount, authorised
		return bcd(fmt.Sprintf("%012d", t.Amount)), true
	case 0x9F1A: // terminal country
		return bcd(fmt.Sprintf("%04d", t.Country)), true
	case 0x5F2A: // transaction currency
		return bcd(fmt.Sprintf("%04d", t.Currency)), true
	case 0x9A: // date
		return bcd(t.Time.Format("060102")), true
	case 0x9F21: // time
		return bcd(t.Time.Format("150405")), true
	case 0x9F37:
		return t.UnpredictableNumber[:], false
	}
	text, ok := schemeValues[scheme][tag]
	if !ok {
		text = fixedValues[tag]
	}
	value = bcd(text)
	if tag == tagQualifiers && t.Prove && len(value) > 0 {
		value[0] |= 0x01 // offline data authentication for online authorisations: fDDA (Book C-3 Annex A.2)
	}
	return value, tag == 0x9F35
}

// fit cuts or pads a value to length: a numeric one on its left, any other on its right (EMV Book 3 §5.4).
func fit(value []byte, length int, numeric bool) []byte {
	fitted := make([]byte, length)
	if numeric {
		copy(fitted[max(0, length-len(value)):], value[max(0, len(value)-length):])
	} else {
		copy(fitted, value)
	}
	return fitted
}

// bcd packs the reader's own digits, two to a byte.
func bcd(digits string) []byte {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		panic(fmt.Sprintf("card: %q is not hex", digits))
	}
	return raw
}
