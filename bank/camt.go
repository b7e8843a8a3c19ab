package bank

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"tapline/api"
	"tapline/money"
)

// camtNamespace is the version of the message that is written: the one of the 2019 maintenance release, which banks use.
const camtNamespace = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"

// Made is what a camt.053 message says of itself.
type Made struct {
	ID string    // of the message: up to 35 characters
	At time.Time // when it was made
}

// Camt053 is a report as an ISO 20022 message camt.053.001.08, Bank to Customer Statement: the opening and the closing
// balance, and what was booked between them. What is only held or released is not booked, and left out.
func Camt053(r api.Report, made Made) []byte {
	currency := r.Account.Currency
	s := camtStatement{
		ID: made.ID, CreatedAt: camtTime(made.At), From: camtTime(r.From), Until: camtTime(r.Until),
		Account: r.Account.ID, Currency: string(currency),
		Balances: []camtBalance{camtBalanceOf("OPBD", r.Opening, currency, r.From), camtBalanceOf("CLBD", r.Closing, currency, r.Until)},
	}
	var sums [2]int64 // of credits, of debits
	var counts [2]int
	for i, l := range r.Lines {
		if !booked(l) {
			continue
		}
		side := 0
		if l.Debit > 0 {
			side = 1
		}
		sums[side] += l.Credit + l.Debit
		counts[side]++
		s.Entries = append(s.Entries, camtEntryOf(l, i, currency))
	}
	if len(s.Entries) > 0 {
		s.Summary = &camtSummary{
			Entries: strconv.Itoa(counts[0] + counts[1]),
			Credits: camtTotal{strconv.Itoa(counts[0]), money.FormatMinor(sums[0], currency)},
			Debits:  camtTotal{strconv.Itoa(counts[1]), money.FormatMinor(sums[1], currency)},
		}
	}
	document := camtDocument{Namespace: camtNamespace, ID: made.ID, CreatedAt: camtTime(made.At), Statement: s}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	encoder := xml.NewEncoder(&b)
	encoder.Indent("", "  ")
	if err := encoder.Encode(document); err != nil {
		panic(err) // it is text and numbers only
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// camtDocument and what follows are the elements that are written, in the order of the schema.
type camtDocument struct {
	XMLName   xml.Name      `xml:"Document"`
	Namespace string        `xml:"xmlns,attr"`
	ID        string        `xml:"BkToCstmrStmt>GrpHdr>MsgId"`
	CreatedAt string        `xml:"BkToCstmrStmt>GrpHdr>CreDtTm"`
	Statement camtStatement `xml:"BkToCstmrStmt>Stmt"`
}

type camtStatement struct {
	ID        string        `xml:"Id"`
	CreatedAt string        `xml:"CreDtTm"`
	From      string        `xml:"FrToDt>FrDtTm"`
	Until     string        `xml:"FrToDt>ToDtTm"`
	Account   string        `xml:"Acct>Id>Othr>Id"`
	Currency  string        `xml:"Acct>Ccy"`
	Balances  []camtBalance `xml:"Bal"`
	Summary   *camtSummary  `xml:"TxsSummry"`
	Entries   []camtEntry   `xml:"Ntry"`
}

type camtAmount struct {
	Currency string `xml:"Ccy,attr"`
	Amount   string `xml:",chardata"`
}

type camtBalance struct {
	Type   string     `xml:"Tp>CdOrPrtry>Cd"`
	Amount camtAmount `xml:"Amt"`
	Side   string     `xml:"CdtDbtInd"`
	At     string     `xml:"Dt>DtTm"`
}

type camtTotal struct {
	Count string `xml:"NbOfNtries"`
	Sum   string `xml:"Sum"`
}

type camtSummary struct {
	Entries string    `xml:"TtlNtries>NbOfNtries"`
	Credits camtTotal `xml:"TtlCdtNtries"`
	Debits  camtTotal `xml:"TtlDbtNtries"`
}

type camtEntry struct {
	Reference string     `xml:"NtryRef"`
	Amount    camtAmount `xml:"Amt"`
	Side      string     `xml:"CdtDbtInd"`
	Status    string     `xml:"Sts>Cd"`
	BookedAt  string     `xml:"BookgDt>DtTm"`
	ValueAt   string     `xml:"ValDt>DtTm"`
	Service   string     `xml:"AcctSvcrRef"`
	Code      string     `xml:"BkTxCd>Prtry>Cd"`
	Issuer    string     `xml:"BkTxCd>Prtry>Issr"`
	EndToEnd  string     `xml:"NtryDtls>TxDtls>Refs>EndToEndId"`

	Charge *camtCharge `xml:"NtryDtls>TxDtls>Chrgs>Rcrd"` // a fee, which was taken before: the entry's amount is without it

	Other string `xml:"NtryDtls>TxDtls>RmtInf>Ustrd,omitempty"`
}

type camtCharge struct {
	Amount   camtAmount `xml:"Amt"`
	Side     string     `xml:"CdtDbtInd"`
	Included bool       `xml:"ChrgInclInd"`
}

func camtEntryOf(l api.ReportLine, line int, currency money.Currency) camtEntry {
	at, amount, side := camtTime(l.At), l.Credit, "CRDT"
	if l.Debit > 0 {
		amount, side = l.Debit, "DBIT"
	}
	var charge *camtCharge
	if l.Fee > 0 {
		charge = &camtCharge{camtAmount{string(currency), money.FormatMinor(l.Fee, currency)}, "DBIT", true}
	}
	kind, _, _ := strings.Cut(l.Reference, "_") // pay, ref or top: what the entry is for
	return camtEntry{
		Reference: strconv.Itoa(line + 1), Amount: camtAmount{string(currency), money.FormatMinor(amount, currency)}, Side: side,
		Status: "BOOK", BookedAt: at, ValueAt: at, Service: bounded(l.Entry, 35), Code: bounded(kind, 35), Issuer: "tapline",
		EndToEnd: bounded(l.Reference, 35), Other: bounded(l.Other, 140), Charge: charge,
	}
}

func camtBalanceOf(kind string, minor int64, currency money.Currency, at time.Time) camtBalance {
	side := "CRDT"
	if minor < 0 {
		side, minor = "DBIT", -minor
	}
	return camtBalance{kind, camtAmount{string(currency), money.FormatMinor(minor, currency)}, side, camtTime(at)}
}

// camtTime is a time as ISODateTime.
func camtTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// bounded is a text cut to what an element may hold.
func bounded(s string, most int) string { return s[:min(len(s), most)] }
