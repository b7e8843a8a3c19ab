package cardtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/oda"
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
	// Proof makes the card prove itself; without it nobody can tell it from a copy.
	Proof *Proof

	selected, started bool
	taps              uint16   // how often it was started
	values            []byte   // what the reader said to the PDOL
	proving           [][]byte // the records with certificates, in the order of their file
}

const directoryName = "2PAY.SYS.DDF01"

// maxLeading keeps the account record within the file's first records.
const maxLeading = 8

var defaultPDOL = []byte{0x9F, 0x02, 6, 0x9F, 0x1A, 2, 0x5F, 0x2A, 2, 0x9F, 0x37, 4}

// ATR is that of a contactless card without historical bytes.
func (c *EMV) ATR() []byte { return []byte{0x3B, 0x80, 0x80, 0x01, 0x01} }

// Reset forgets the selected application.
func (c *EMV) Reset() { c.selected, c.started, c.values, c.proving = false, false, nil, nil }

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
	case command.Class == 0x00 && command.Instruction == apdu.InsInternalAuthenticate:
		return c.internalAuthenticate(command)
	case command.Class == 0x80 && command.Instruction == apdu.InsGenerateAC:
		return c.generateAC(command)
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
	objects, err := tlv.Parse(command.Data)
	values, found := objects.Find(0x83)
	if err != nil || !found || len(values) != length(c.pdol()) {
		return status(apdu.StatusWrongLength)
	}
	c.started, c.values = true, values
	c.taps++
	if c.Proof != nil {
		c.proving = c.certificates()
	}
	locator := c.locator()
	if c.Format1 {
		return data(tlv.Append(nil, 0x80, append(c.Proof.profile(), locator...)))
	}
	answer := tlv.Append(tlv.Append(nil, 0x82, c.Proof.profile()), 0x94, locator)
	if c.Proof != nil && c.Proof.Method == oda.FDDA && !c.Proof.inRecord() {
		answer = tlv.Append(answer, 0x9F4B, c.Proof.fast(c.counter(), said(c.pdol(), c.values)))
	}
	return data(tlv.Append(nil, 0x77, answer))
}

// Files of the card: records before the account's and, unless the issuer signs another, the account's; certificates.
const (
	accountFile     = 1
	certificateFile = 2
)

// locator names the records (EMV Book 3 §10.2). Only a card that proves itself has signed ones.
func (c *EMV) locator() []byte {
	leading := byte(c.leading())
	if c.Proof == nil {
		return []byte{accountFile << 3, 1, leading + 1, leading + 1}
	}
	var locator []byte
	if leading > 0 {
		locator = append(locator, accountFile<<3, 1, leading, 0)
	}
	file, number := c.accountPlace()
	locator = append(locator, file<<3, number, number, 1)
	return append(locator, certificateFile<<3, 1, byte(len(c.proving)), 0)
}

// accountPlace is the file and number of the record with the account.
func (c *EMV) accountPlace() (file, number byte) {
	if c.Proof != nil && c.Proof.File > certificateFile {
		return c.Proof.File, 1
	}
	return accountFile, byte(c.leading()) + 1
}

func (c *EMV) readRecord(command apdu.Command) apdu.Response {
	file, number := command.P2>>3, command.P1
	atFile, at := c.accountPlace()
	switch {
	case !c.started:
		return status(apdu.StatusConditions)
	case command.P2&0x07 != 0x04:
		return status(apdu.StatusWrongParameters)
	case file == atFile && number == at:
		return data(c.accountRecord())
	case file == accountFile && number > 0 && int(number) <= c.leading(): // cardholder name, as on real cards: none
		return data(tlv.Append(nil, 0x70, tlv.Append(nil, 0x5F20, []byte(" /"))))
	case file == certificateFile && c.Proof != nil:
		if number > 0 && int(number) <= len(c.proving) {
			return data(tlv.Append(nil, 0x70, c.proving[number-1]))
		}
		return status(apdu.StatusNoRecord)
	case file == atFile || file == accountFile:
		return status(apdu.StatusNoRecord)
	}
	return status(apdu.StatusNotFound)
}

func (c *EMV) accountRecord() []byte {
	expiry := orElse(c.Expiry, "3012")
	digits := c.number()
	record := tlv.Append(nil, 0x57, packed(digits+"D"+expiry+"201"))
	record = tlv.Append(record, 0x5A, packed(digits))
	record = tlv.Append(record, 0x5F24, append(packed(expiry), 0x31))
	record = tlv.Append(record, 0x5F34, packed(orElse(c.PSN, "01")))
	if c.PAR != "" {
		record = tlv.Append(record, 0x9F24, []byte(c.PAR))
	}
	if c.Proof != nil {
		record = append(record, c.Proof.lists()...)
	}
	return tlv.Append(nil, 0x70, record)
}

// certificates are the records of a card that proves itself.
func (c *EMV) certificates() [][]byte {
	p := c.Proof
	static := c.accountRecord()
	if file, _ := c.accountPlace(); file <= 10 { // without template (EMV Book 3 §10.3)
		objects, _ := tlv.Parse(static)
		static = objects[0].Value
	}
	if string(p.StaticTags) == "\x82" {
		static = append(static[:len(static):len(static)], p.profile()...)
	}
	records := p.certificates(c.number(), static)
	if p.inRecord() {
		records = append(records, tlv.Append(nil, 0x9F4B, p.fast(c.counter(), said(c.pdol(), c.values))))
	}
	return records
}

// counter is the application transaction counter, 9F36.
func (c *EMV) counter() []byte { return []byte{byte(c.taps >> 8), byte(c.taps)} }

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
