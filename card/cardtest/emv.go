package cardtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/tlv"
)

// EMV is a virtual contactless payment card with one application. The zero EMV is a UnionPay debit card. Fields must
// not change while the card is in a reader.
type EMV struct {
	Number card.Number // default: the UnionPay test number 6200 0000 0000 0005
	Expiry string      // YYMM, default 3012
	AID    card.AID    // default: UnionPay debit
	Label  string      // at most 16 characters, default "TAPLINE TEST"
	PSN    string      // two digits, default 01
	PAR    string      // 29 letters and digits; none by default

	// PDOL is the data object list the card asks with; by default amount, country, currency and unpredictable number.
	PDOL []byte
	// Format1 answers GET PROCESSING OPTIONS in template 80 instead of 77 (EMV Book 3 §6.5.8.4).
	Format1 bool
	// Leading is the number of records before the one with the account, at most 8.
	Leading int
	// NoDirectory hides the PPSE: the reader must know the AID.
	NoDirectory bool

	selected, started bool
}

const directoryName = "2PAY.SYS.DDF01"

// maxLeading keeps the account record within the file's first records.
const maxLeading = 8

var defaultPDOL = []byte{0x9F, 0x02, 6, 0x9F, 0x1A, 2, 0x5F, 0x2A, 2, 0x9F, 0x37, 4}

// ATR is that of a contactless card without historical bytes.
func (c *EMV) ATR() []byte { return []byte{0x3B, 0x80, 0x80, 0x01, 0x01} }

// Reset forgets the selected application.
func (c *EMV) Reset() { c.selected, c.started = false, false }

// Transmit answers as an EMV card does. The error is the cause of ctx.
func (c *EMV) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	command, err := apdu.ParseCommand(raw)
	if err != nil {
		return status(apdu.StatusWrongLength).Bytes(), nil
	}
	return c.answer(command).Bytes(), nil
}

func (c *EMV) answer(command apdu.Command) apdu.Response {
	switch {
	case command.Class == 0x00 && command.Instruction == apdu.InsSelect:
		return c.selectName(command)
	case command.Class == 0x80 && command.Instruction == apdu.InsGetProcessingOptions:
		return c.processingOptions(command)
	case command.Class == 0x00 && command.Instruction == apdu.InsReadRecord:
		return c.readRecord(command)
	case command.Class != 0x00 && command.Class != 0x80:
		return status(apdu.StatusNoSuchClass)
	}
	return status(apdu.StatusNoSuchInstruction)
}

func (c *EMV) selectName(command apdu.Command) apdu.Response {
	c.Reset()
	aid := c.aid()
	switch {
	case command.P1 != 0x04 || command.P2 != 0x00:
		return status(apdu.StatusWrongParameters)
	case string(command.Data) == directoryName && !c.NoDirectory:
		entry := tlv.Append(nil, 0x4F, aid)
		entry = tlv.Append(entry, 0x50, []byte(c.label()))
		entry = tlv.Append(entry, 0x87, []byte{1})
		return data(control(command.Data, tlv.Append(nil, 0xBF0C, tlv.Append(nil, 0x61, entry))))
	case len(command.Data) >= 5 && bytes.HasPrefix(aid, command.Data):
		c.selected = true
		proprietary := tlv.Append(nil, 0x50, []byte(c.label()))
		proprietary = tlv.Append(proprietary, 0x87, []byte{1})
		if pdol := c.pdol(); len(pdol) > 0 {
			proprietary = tlv.Append(proprietary, 0x9F38, pdol)
		}
		return data(control(aid, proprietary))
	}
	return status(apdu.StatusNotFound)
}

// control is a file control information template (EMV Book 1 §11.3.4).
func control(name, proprietary []byte) []byte {
	return tlv.Append(nil, 0x6F, tlv.Append(tlv.Append(nil, 0x84, name), 0xA5, proprietary))
}

func (c *EMV) processingOptions(command apdu.Command) apdu.Response {
	if !c.selected || c.started {
		return status(apdu.StatusConditions)
	}
	elements, err := tlv.ParseDOL(c.pdol())
	if err != nil {
		return status(apdu.StatusConditions)
	}
	want := 0
	for _, element := range elements {
		want += element.Length
	}
	objects, err := tlv.Parse(command.Data)
	values, found := objects.Find(0x83)
	if err != nil || !found || len(values) != want {
		return status(apdu.StatusWrongLength)
	}
	c.started = true
	profile := []byte{0x00, 0x00}
	last := byte(c.leading() + 1)
	locator := []byte{1 << 3, 1, last, last}
	if c.Format1 {
		return data(tlv.Append(nil, 0x80, append(profile, locator...)))
	}
	return data(tlv.Append(nil, 0x77, tlv.Append(tlv.Append(nil, 0x82, profile), 0x94, locator)))
}

func (c *EMV) readRecord(command apdu.Command) apdu.Response {
	switch number := int(command.P1); {
	case !c.started:
		return status(apdu.StatusConditions)
	case command.P2 != 1<<3|0x04:
		return status(apdu.StatusNotFound)
	case number < 1 || number > c.leading()+1:
		return status(apdu.StatusNoRecord)
	case number <= c.leading(): // cardholder name, as on real cards: none
		return data(tlv.Append(nil, 0x70, tlv.Append(nil, 0x5F20, []byte(" /"))))
	}
	expiry := orElse(c.Expiry, "3012")
	digits := c.number()
	record := tlv.Append(nil, 0x57, packed(digits+"D"+expiry+"201"))
	record = tlv.Append(record, 0x5A, packed(digits))
	record = tlv.Append(record, 0x5F24, append(packed(expiry), 0x31))
	record = tlv.Append(record, 0x5F34, packed(orElse(c.PSN, "01")))
	if c.PAR != "" {
		record = tlv.Append(record, 0x9F24, []byte(c.PAR))
	}
	return data(tlv.Append(nil, 0x70, record))
}

func (c *EMV) aid() []byte   { return card.AID(orElse(string(c.AID), "A000000333010101")).Bytes() }
func (c *EMV) label() string { return orElse(c.Label, "TAPLINE TEST") }
func (c *EMV) leading() int  { return min(max(0, c.Leading), maxLeading) }

func (c *EMV) pdol() []byte {
	if c.PDOL == nil {
		return defaultPDOL
	}
	return c.PDOL
}

func (c *EMV) number() string { return orElse(c.Number.Reveal(), "6200000000000005") }

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// packed is digits (and D) two to a byte, with F behind an odd one (EMV Book 3 §4.3).
func packed(digits string) []byte {
	raw, err := hex.DecodeString(digits + strings.Repeat("F", len(digits)%2))
	if err != nil {
		panic("cardtest: not packed digits")
	}
	return raw
}
