package bank_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/bank"
	"tapline/internal/testenv"
	"tapline/money"
)

// report is what a payee's account did in two days: a payment by a hold, one at once, and a refund.
func report() api.Report {
	at := func(hour int) time.Time { return time.Date(2026, 3, 1, hour, 30, 0, 123456000, time.UTC) }
	pay := "pay_" + strings.Repeat("A", 22)
	return api.Report{
		Account: api.Account{ID: "acc_" + strings.Repeat("P", 22), Kind: "payee", Currency: "CNY"},
		From:    time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC),
		Opening: 100, Closing: 100 + 1250 + 5 - 300,
		Lines: []api.ReportLine{
			{At: at(8), Entry: pay + "/hold", Action: "hold", Reference: pay, Other: "acc_c", Credit: 1250},
			{At: at(9), Entry: pay + "/post", Action: "post_hold", Reference: pay, Other: "acc_c", Credit: 1250},
			{At: at(10), Entry: "pay_b/post", Action: "post", Reference: "pay_b", Other: "acc_<&d>", Credit: 5, Fee: 2},
			{At: at(11), Entry: "ref_a/post", Action: "post", Reference: "ref_a", Other: "acc_c", Debit: 300},
		},
	}
}

var made = bank.Made{ID: "rep_1", At: time.Date(2026, 3, 3, 1, 2, 3, 0, time.UTC)}

func TestCSVHasABalanceInEveryRow(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(bank.CSV(report()))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, r := range rows {
		got = append(got, []string{r[1], r[5], r[6], r[7]})
	}
	want := [][]string{{"action", "debit", "credit", "balance"}, {"opening", "", "", "1.00"}, {"hold", "", "12.50", "1.00"},
		{"post_hold", "", "12.50", "13.50"}, {"post", "", "0.05", "13.55"}, {"post", "3.00", "", "10.55"}, {"closing", "", "", "10.55"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A fee that was taken of a payment is told beside what is left of it, and changes no balance.
func TestAFeeStandsBesideWhatIsLeft(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(bank.CSV(report()))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"fee", "", "", "", "0.02", "", ""} {
		if rows[i][9] != want {
			t.Errorf("row %d has the fee %q, want %q", i, rows[i][9], want)
		}
	}
	var read struct {
		Entries []struct {
			Amount string `xml:"Amt"`
			Charge []struct {
				Amount   string `xml:"Amt"`
				Side     string `xml:"CdtDbtInd"`
				Included bool   `xml:"ChrgInclInd"`
			} `xml:"NtryDtls>TxDtls>Chrgs>Rcrd"`
		} `xml:"BkToCstmrStmt>Stmt>Ntry"`
	}
	if err := xml.Unmarshal(bank.Camt053(report(), made), &read); err != nil {
		t.Fatal(err)
	}
	if n := len(read.Entries); n != 3 || len(read.Entries[0].Charge) != 0 || len(read.Entries[1].Charge) != 1 ||
		read.Entries[1].Amount != "0.05" || read.Entries[1].Charge[0].Amount != "0.02" || !read.Entries[1].Charge[0].Included {
		t.Errorf("the entries are %+v", read.Entries)
	}
}

// TestAnotherLibraryReadsTheCamt053 has a library read it, and check it against its rules, that nobody here wrote.
func TestAnotherLibraryReadsTheCamt053(t *testing.T) {
	reader := t.TempDir() + "/moov"
	build := exec.CommandContext(t.Context(), "go", "build", "-o", reader, ".")
	build.Dir = "testdata/moov"
	out, err := build.CombinedOutput()
	testenv.Require(t, "moov", err == nil, "go build in bank/testdata/moov: "+string(out))
	negative := report()
	negative.Account.ID, negative.Account.Currency, negative.Opening, negative.Closing = "issuance-JPY", "JPY", -5000, -5000+955
	for name, tc := range map[string]struct {
		report api.Report
		want   string
	}{
		"a payee's":    {report(), "OPBD 1 CRDT, CLBD 10.55 CRDT, 12.5 CRDT pay_AAAAAAAAAAAAAAAAAAAAAA, 0.05 CRDT pay_b, 3 DBIT ref_a"},
		"overdrawn":    {negative, "OPBD 5000 DBIT, CLBD 4045 DBIT, 1250 CRDT pay_AAAAAAAAAAAAAAAAAAAAAA, 5 CRDT pay_b, 300 DBIT ref_a"},
		"empty":        {api.Report{Account: report().Account, From: report().From, Until: report().Until}, "OPBD 0 CRDT, CLBD 0 CRDT"},
		"with no time": {api.Report{Account: report().Account}, "OPBD 0 CRDT, CLBD 0 CRDT"},
	} {
		t.Run(name, func(t *testing.T) {
			read := exec.CommandContext(t.Context(), reader)
			read.Stdin = bytes.NewReader(bank.Camt053(tc.report, made))
			out, err := read.Output()
			if err != nil {
				failed, _ := errors.AsType[*exec.ExitError](err)
				t.Fatalf("%v: %s\n%s", err, failed.Stderr, bank.Camt053(tc.report, made))
			}
			if got := facts(t, out, tc.report); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// facts are what the other library has read: balances and entries.
func facts(t *testing.T, text []byte, r api.Report) string {
	t.Helper()
	type amount struct {
		Value float64
		Ccy   string
	}
	var read struct {
		GrpHdr struct{ MsgId string }
		Stmt   []struct {
			Acct struct {
				Id  struct{ Othr struct{ Id string } }
				Ccy string
			}
			Bal []struct {
				Tp        struct{ CdOrPrtry struct{ Cd string } }
				Amt       amount
				CdtDbtInd string
			}
			Ntry []struct {
				Amt       amount
				CdtDbtInd string
				Sts       struct{ Cd string }
				NtryDtls  []struct {
					TxDtls []struct{ Refs struct{ EndToEndId string } }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	s := read.Stmt[0]
	if read.GrpHdr.MsgId != made.ID || s.Acct.Id.Othr.Id != r.Account.ID || s.Acct.Ccy != string(r.Account.Currency) {
		t.Errorf("it is message %s of account %s in %s", read.GrpHdr.MsgId, s.Acct.Id.Othr.Id, s.Acct.Ccy)
	}
	var all []string
	number := func(a amount) string {
		if a.Ccy != string(r.Account.Currency) {
			t.Errorf("an amount is in %q", a.Ccy)
		}
		n, _ := json.Marshal(a.Value)
		return string(n)
	}
	for _, b := range s.Bal {
		all = append(all, b.Tp.CdOrPrtry.Cd+" "+number(b.Amt)+" "+b.CdtDbtInd)
	}
	for _, e := range s.Ntry {
		if e.Sts.Cd != "BOOK" {
			t.Errorf("an entry is %s", e.Sts.Cd)
		}
		all = append(all, number(e.Amt)+" "+e.CdtDbtInd+" "+e.NtryDtls[0].TxDtls[0].Refs.EndToEndId)
	}
	return strings.Join(all, ", ")
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	s, err := bank.Read(bank.Camt053(report(), made), "")
	if err != nil {
		t.Fatal(err)
	}
	date := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	cny := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }
	pay := "pay_" + strings.Repeat("A", 22)
	want := bank.Statement{From: date, Until: date.AddDate(0, 0, 3), Lines: []bank.Line{
		{Date: date, Amount: cny(1250), In: true, Reference: pay + "/post 2 " + pay, Text: "acc_c"},
		{Date: date, Amount: cny(5), In: true, Reference: "pay_b/post 3 pay_b", Text: "acc_<&d>"},
		{Date: date, Amount: cny(300), Reference: "ref_a/post 4 ref_a", Text: "acc_c"},
	}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
