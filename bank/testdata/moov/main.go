// Command moov reads a camt.053, or a pain.001, with a library that tapline has no part in, and tells what it read.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/moov-io/iso20022/pkg/camt_v08"
	"github.com/moov-io/iso20022/pkg/document"
	"github.com/moov-io/iso20022/pkg/pain_v10"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	d, err := document.ParseIso20022Document(text)
	if err != nil {
		return err
	}
	switch m := d.InspectMessage().(type) {
	case *camt_v08.BankToCustomerStatementV08:
		err = check(m)
	case *pain_v10.CustomerCreditTransferInitiationV10:
		err = checkPain(m)
	default:
		err = fmt.Errorf("it is a %T", m)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(d.InspectMessage())
}

// check has the library check what it can: its Validate wants every branch of a choice at once, an IBAN beside another account
// number for one, so what holds choices is left out.
func check(s *camt_v08.BankToCustomerStatementV08) error {
	parts := []interface{ Validate() error }{s.GrpHdr}
	for _, statement := range s.Stmt {
		parts = append(parts, statement.Id, statement.FrToDt, statement.Acct.Id.Othr.Id, *statement.Acct.Ccy)
		for _, b := range statement.Bal {
			parts = append(parts, b.Tp.CdOrPrtry.Cd, b.Amt, b.CdtDbtInd)
		}
		for _, e := range statement.Ntry {
			parts = append(parts, *e.NtryRef, e.Amt, e.CdtDbtInd, e.Sts.Cd, *e.AcctSvcrRef, e.BkTxCd)
			for _, d := range e.NtryDtls[0].TxDtls {
				parts = append(parts, d.Refs, d.RmtInf)
			}
		}
	}
	return all(parts)
}

// checkPain does likewise.
func checkPain(m *pain_v10.CustomerCreditTransferInitiationV10) error {
	parts := []interface{ Validate() error }{m.GrpHdr.MsgId, m.GrpHdr.NbOfTxs, *m.GrpHdr.InitgPty.Nm}
	for _, b := range m.PmtInf {
		parts = append(parts, b.PmtInfId, b.PmtMtd, *b.NbOfTxs, *b.Dbtr.Nm, *b.DbtrAcct.Ccy)
		for _, t := range b.CdtTrfTxInf {
			parts = append(parts, t.PmtId, t.Amt.InstdAmt, *t.Cdtr.Nm, t.RmtInf)
			if t.CdtrAgt != nil {
				parts = append(parts, *t.CdtrAgt.FinInstnId.BICFI)
			}
			if iban := t.CdtrAcct.Id.IBAN; iban != "" {
				parts = append(parts, iban)
			} else {
				parts = append(parts, t.CdtrAcct.Id.Othr.Id)
			}
		}
	}
	return all(parts)
}

func all(parts []interface{ Validate() error }) error {
	for _, p := range parts {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("%T: %w", p, err)
		}
	}
	return nil
}
