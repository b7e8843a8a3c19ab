// Command moov reads a camt.053 with a library that tapline has no part in, and tells what it read.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/moov-io/iso20022/pkg/camt_v08"
	"github.com/moov-io/iso20022/pkg/document"
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
	s, ok := d.InspectMessage().(*camt_v08.BankToCustomerStatementV08)
	if !ok {
		return fmt.Errorf("it is a %T", d.InspectMessage())
	}
	if err := check(s); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
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
	for _, p := range parts {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	return nil
}
