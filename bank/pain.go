package bank

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"strconv"
	"time"

	"tapline/api"
	"tapline/money"
	"tapline/payout"
)

// painNamespace is the version of the message that is written: that of the 2019 maintenance release, as for camt.053.
const painNamespace = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"

// Pain001 is a file of payouts as an ISO 20022 message pain.001.001.09, Customer Credit Transfer Initiation: one payment information
// block with all of them. It is made of nothing that changes, so its bytes are the same each time. What it identifies is
// identified in capital letters and digits.
func Pain001(f api.PayoutFile) []byte {
	count, sum := strconv.FormatInt(f.Count, 10), money.FormatMinor(f.Total.Minor, f.Total.Currency)
	d := painDocument{
		Namespace: painNamespace, Message: f.Message, CreatedAt: f.MadeAt.UTC().Format(time.RFC3339), Count: count, Sum: sum, By: f.From.Name,
		Block: painBlock{
			ID: f.Message, Method: "TRF", Count: count, Sum: sum, On: f.On, Debtor: f.From.Name, Account: painAccountOf(f.From),
			Currency: string(f.Total.Currency), Agent: painAgentOf(f.From, true),
		},
	}
	for _, p := range f.Payouts {
		d.Block.Payouts = append(d.Block.Payouts, painPayout{
			EndToEnd: p.EndToEnd, Amount: camtAmount{string(p.Amount.Currency), money.FormatMinor(p.Amount.Minor, p.Amount.Currency)},
			Agent: painAgentOf(p.To, false), Creditor: p.To.Name, Account: painAccountOf(p.To), Text: p.EndToEnd,
		})
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	encoder := xml.NewEncoder(&b)
	encoder.Indent("", "  ")
	if err := encoder.Encode(d); err != nil {
		panic(err) // it is text and numbers only
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// painDocument and what follows are the elements that are written, in the order of the schema.
type painDocument struct {
	XMLName   xml.Name  `xml:"Document"`
	Namespace string    `xml:"xmlns,attr"`
	Message   string    `xml:"CstmrCdtTrfInitn>GrpHdr>MsgId"`
	CreatedAt string    `xml:"CstmrCdtTrfInitn>GrpHdr>CreDtTm"`
	Count     string    `xml:"CstmrCdtTrfInitn>GrpHdr>NbOfTxs"`
	Sum       string    `xml:"CstmrCdtTrfInitn>GrpHdr>CtrlSum"`
	By        string    `xml:"CstmrCdtTrfInitn>GrpHdr>InitgPty>Nm"`
	Block     painBlock `xml:"CstmrCdtTrfInitn>PmtInf"`
}

type painBlock struct {
	ID       string       `xml:"PmtInfId"`
	Method   string       `xml:"PmtMtd"`
	Count    string       `xml:"NbOfTxs"`
	Sum      string       `xml:"CtrlSum"`
	On       string       `xml:"ReqdExctnDt>Dt"`
	Debtor   string       `xml:"Dbtr>Nm"`
	Account  painAccount  `xml:"DbtrAcct>Id"`
	Currency string       `xml:"DbtrAcct>Ccy"`
	Agent    *painAgent   `xml:"DbtrAgt"`
	Payouts  []painPayout `xml:"CdtTrfTxInf"`
}

type painPayout struct {
	EndToEnd string      `xml:"PmtId>EndToEndId"`
	Amount   camtAmount  `xml:"Amt>InstdAmt"`
	Agent    *painAgent  `xml:"CdtrAgt"`
	Creditor string      `xml:"Cdtr>Nm"`
	Account  painAccount `xml:"CdtrAcct>Id"`
	Text     string      `xml:"RmtInf>Ustrd"`
}

// painAccount is one of the two.
type painAccount struct {
	IBAN  string `xml:"IBAN,omitempty"`
	Other string `xml:"Othr>Id,omitempty"`
}

func painAccountOf(b payout.BankAccount) painAccount {
	return painAccount{b.IBAN, b.Other}
}

// painAgent is a bank.
type painAgent struct {
	BIC   string `xml:"FinInstnId>BICFI,omitempty"`
	Other string `xml:"FinInstnId>Othr>Id,omitempty"`
}

// painAgentOf is an account's bank. The debtor's has to be named; who has no BIC says so, as the EPC's guidelines (EPC132-08) have it.
func painAgentOf(b payout.BankAccount, needed bool) *painAgent {
	switch {
	case b.BIC != "":
		return &painAgent{BIC: b.BIC}
	case needed:
		return &painAgent{Other: "NOTPROVIDED"}
	}
	return nil
}

// PayoutsCSV is a file of payouts as comma-separated values (RFC 4180) in UTF-8, for banks that take no pain.001.
func PayoutsCSV(f api.PayoutFile) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true                                    // RFC 4180 §2.1
	row := func(cells ...string) { _ = w.Write(cells) } // a buffer takes everything
	row("end_to_end_id", "amount", "currency", "name", "iban", "bic", "account", "on", "payout")
	for _, p := range f.Payouts {
		row(p.EndToEnd, money.FormatMinor(p.Amount.Minor, p.Amount.Currency), string(p.Amount.Currency), plainCell(p.To.Name), p.To.IBAN, p.To.BIC,
			p.To.Other, f.On, p.ID)
	}
	w.Flush()
	return b.Bytes()
}

// plainCell keeps a spreadsheet from taking a name for a formula.
func plainCell(s string) string {
	if s != "" && bytes.ContainsRune([]byte("=+-@\t\r"), rune(s[0])) {
		return "'" + s
	}
	return s
}
