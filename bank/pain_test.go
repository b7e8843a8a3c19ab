package bank_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/bank"
	"tapline/internal/testenv"
	"tapline/money"
	"tapline/payout"
)

// file is one of two payouts.
func file() api.PayoutFile {
	pay := func(id string, minor int64, to payout.BankAccount) api.Payout {
		return api.Payout{ID: id, EndToEnd: payout.ID(id).EndToEnd(), Amount: money.Amount{Minor: minor, Currency: "CNY"}, To: to}
	}
	return api.PayoutFile{
		ID: "pof_" + strings.Repeat("a2", 13), Message: payout.FileID("pof_" + strings.Repeat("a2", 13)).Message(), On: "2026-03-02", Count: 2,
		From: payout.BankAccount{Name: "Campus & Co", IBAN: "GB82WEST12345698765432"}, MadeAt: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC),
		Total: money.Amount{Minor: 101250, Currency: "CNY"},
		Payouts: []api.Payout{
			pay("out_"+strings.Repeat("b3", 13), 1250, payout.BankAccount{Name: "书店 <Books>", IBAN: "DE89370400440532013000", BIC: "COBADEFFXXX"}),
			pay("out_"+strings.Repeat("c4", 13), 100000, payout.BankAccount{Name: "=Tea", Other: "0012-3456"}),
		},
	}
}

// TestAnotherLibraryReadsThePain001 has a library read it that nobody here wrote. It knows version 10 of the message, which has all
// elements that are written here in the same places as version 9; so it is told that it is one.
func TestAnotherLibraryReadsThePain001(t *testing.T) {
	reader := t.TempDir() + "/moov"
	build := exec.CommandContext(t.Context(), "go", "build", "-o", reader, ".")
	build.Dir = "testdata/moov"
	out, err := build.CombinedOutput()
	testenv.Require(t, "moov", err == nil, "go build in bank/testdata/moov: "+string(out))
	text := bank.Pain001(file())
	if !bytes.Equal(text, bank.Pain001(file())) {
		t.Error("made twice it has other bytes")
	}
	const version = "urn:iso:std:iso:20022:tech:xsd:pain.001.001."
	if !bytes.Contains(text, []byte(`xmlns="`+version+`09"`)) {
		t.Errorf("it is no pain.001.001.09:\n%s", text)
	}
	read := exec.CommandContext(t.Context(), reader)
	read.Stdin = bytes.NewReader(bytes.Replace(text, []byte(version+"09"), []byte(version+"10"), 1))
	if out, err = read.Output(); err != nil {
		failed, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("%v: %s\n%s", err, failed.Stderr, text)
	}
	facts := painFacts(t, out)
	first, second := "OUT"+strings.Repeat("B3", 13), "OUT"+strings.Repeat("C4", 13)
	want := []any{"POF" + strings.Repeat("A2", 13), "2", 1012.5, "Campus & Co", "TRF", "2026-03-02", "Campus & Co", "GB82WEST12345698765432", "CNY", "NOTPROVIDED",
		first, 12.5, "CNY", "COBADEFFXXX", "书店 <Books>", "DE89370400440532013000", "", first,
		second, 1000.0, "CNY", "", "=Tea", "", "0012-3456", second}
	if diff := cmp.Diff(want, facts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// painFacts are what the other library has read.
func painFacts(t *testing.T, out []byte) []any {
	t.Helper()
	type account struct {
		IBAN string
		Othr struct{ Id string }
	}
	type agent struct {
		FinInstnId struct {
			BICFI string
			Othr  struct{ Id string }
		}
	}
	var got struct {
		GrpHdr struct {
			MsgId, NbOfTxs string
			CtrlSum        float64
			InitgPty       struct{ Nm string }
		}
		PmtInf []struct {
			PmtInfId, PmtMtd string
			ReqdExctnDt      struct{ Dt string }
			Dbtr             struct{ Nm string }
			DbtrAcct         struct {
				Id  account
				Ccy string
			}
			DbtrAgt     agent
			CdtTrfTxInf []struct {
				PmtId struct{ EndToEndId string }
				Amt   struct {
					InstdAmt struct {
						Value float64
						Ccy   string
					}
				}
				CdtrAgt  *agent
				Cdtr     struct{ Nm string }
				CdtrAcct struct{ Id account }
				RmtInf   struct{ Ustrd []string }
			}
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	b := got.PmtInf[0]
	facts := []any{got.GrpHdr.MsgId, got.GrpHdr.NbOfTxs, got.GrpHdr.CtrlSum, got.GrpHdr.InitgPty.Nm, b.PmtMtd, b.ReqdExctnDt.Dt, b.Dbtr.Nm, b.DbtrAcct.Id.IBAN,
		b.DbtrAcct.Ccy, b.DbtrAgt.FinInstnId.Othr.Id}
	for _, p := range b.CdtTrfTxInf {
		bic := ""
		if p.CdtrAgt != nil {
			bic = p.CdtrAgt.FinInstnId.BICFI
		}
		facts = append(facts, p.PmtId.EndToEndId, p.Amt.InstdAmt.Value, p.Amt.InstdAmt.Ccy, bic, p.Cdtr.Nm, p.CdtrAcct.Id.IBAN, p.CdtrAcct.Id.Othr.Id, p.RmtInf.Ustrd[0])
	}
	return facts
}

func TestPayoutsAsCSV(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(bank.PayoutsCSV(file()))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"end_to_end_id", "amount", "currency", "name", "iban", "bic", "account", "on", "payout"},
		{"OUT" + strings.Repeat("B3", 13), "12.50", "CNY", "书店 <Books>", "DE89370400440532013000", "COBADEFFXXX", "", "2026-03-02", "out_" + strings.Repeat("b3", 13)},
		{"OUT" + strings.Repeat("C4", 13), "1000.00", "CNY", "'=Tea", "", "", "0012-3456", "2026-03-02", "out_" + strings.Repeat("c4", 13)}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPayoutsAreFoundInTheBanksStatement has a payout that was sent and is at the bank, one that is not, one that is confirmed, and one
// that came back.
func TestPayoutsAreFoundInTheBanksStatement(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	cny := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }
	id := func(c string) string { return "out_" + strings.Repeat(c, 26) }
	told := func(c string) string { return "OUT" + strings.Repeat(strings.ToUpper(c), 26) }
	moves := []bank.Movement{
		{Reference: id("a"), At: day(1), Amount: cny(100), Sent: true}, {Reference: id("b"), At: day(1), Amount: cny(100), Sent: true},
		{Reference: id("c"), At: day(6), Amount: cny(200), Sent: true}, {Reference: id("d"), At: day(2), Amount: cny(300)},
		{Reference: id("e"), At: day(3), Amount: cny(400)}, {Reference: id("e"), At: day(4), Amount: cny(400), In: true},
	}
	s := bank.Statement{From: day(1), Until: day(8), Lines: []bank.Line{
		{Date: day(2), Amount: cny(100), Reference: told("a")}, {Date: day(3), Amount: cny(300), Text: "SEPA " + told("d")},
		{Date: day(3), Amount: cny(400), Reference: told("e")}, {Date: day(4), Amount: cny(400), In: true, Reference: told("e")},
	}}
	if got := fmt.Sprint(s.Named()); got != fmt.Sprint([]string{id("a"), id("d"), id("e")}) {
		t.Errorf("the statement names %s", got)
	}
	r := bank.Reconcile(s, moves, 3)
	var got []string
	for _, m := range r.Matched {
		got = append(got, m.By+" "+m.Books.Reference[4:5])
	}
	for _, b := range r.Breaks {
		got = append(got, b.Why+" "+b.Books.Reference[4:5])
	}
	// c was sent two days before the statement ends: the bank may take so long.
	want := []string{"reference a", "reference d", "reference e", "reference e", "not at the bank b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
