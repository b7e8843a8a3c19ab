package bank_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/bank"
	"tapline/money"
)

func march(day int) time.Time { return time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC) }

func movement(reference string, day int, minor int64, in bool, notes ...string) bank.Movement {
	return bank.Movement{Reference: reference, Entry: reference + "/post", At: march(day).Add(15 * time.Hour),
		Amount: money.Amount{Minor: minor, Currency: "CNY"}, In: in, Notes: notes}
}

// outcome is a reconciliation in short: what each line and movement became.
func outcome(r bank.Reconciled) []string {
	out := []string{}
	for _, m := range r.Matched {
		out = append(out, string(rune('0'+m.Bank.Line))+" is "+m.Books.Reference+" by "+m.By)
	}
	for _, b := range r.Breaks {
		text := b.Why
		if b.Bank != nil {
			text += " " + string(rune('0'+b.Bank.Line))
		}
		if b.Books != nil {
			text += " " + b.Books.Reference
		}
		out = append(out, text)
	}
	return out
}

func TestReconcilingFindsEachMovementAndEachBreak(t *testing.T) {
	const heading = "date,amount,currency,reference,description\n"
	for name, tc := range map[string]struct {
		file  string
		books []bank.Movement
		want  []string
	}{
		"the bank names the top-up": {"2026-03-09,100.00,CNY,,for top_aaaaaa thanks\n", []bank.Movement{movement("top_aaaaaa", 2, 10000, true)},
			[]string{"1 is top_aaaaaa by reference"}},
		"the operator named the bank's reference": {"2026-03-05,100.00,CNY,FT26064/123456,\n", []bank.Movement{
			movement("top_b", 5, 10000, true), movement("top_c", 5, 10000, true, "letter FT26064/123456, seen")}, []string{"1 is top_c by reference", "not at the bank top_b"}},
		"nobody names anything": {"2026-03-05,100.00,CNY,,\n2026-03-08,-7,CNY,,\n", []bank.Movement{movement("top_b", 4, 10000, true), movement("out_a", 6, 700, false)},
			[]string{"1 is top_b by amount and date", "2 is out_a by amount and date"}},
		"the nearest day first": {"2026-03-06,1,CNY,,\n2026-03-04,1,CNY,,\n", []bank.Movement{movement("top_4", 4, 100, true), movement("top_5", 5, 100, true)},
			[]string{"1 is top_5 by amount and date", "2 is top_4 by amount and date"}},
		"too long ago":                   {"2026-03-09,1,CNY,,\n2026-03-01,2,CNY,,\n", []bank.Movement{movement("top_a", 5, 100, true)}, []string{"not in the books 1", "not in the books 2", "not at the bank top_a"}},
		"out is not in":                  {"2026-03-05,-1,CNY,,\n", []bank.Movement{movement("top_a", 5, 100, true)}, []string{"not in the books 1", "not at the bank top_a"}},
		"another currency":               {"2026-03-05,100,JPY,,\n", []bank.Movement{movement("top_a", 5, 100, true)}, []string{"not in the books 1", "not at the bank top_a"}},
		"a named one of another amount":  {"2026-03-05,99.00,CNY,top_aaaaaa,\n", []bank.Movement{movement("top_aaaaaa", 5, 10000, true)}, []string{"the amount differs 1 top_aaaaaa"}},
		"a cent with its name before it": {"2026-03-05,0.01,CNY,top_aaaaaa,\n2026-03-05,100.00,CNY,top_aaaaaa,\n", []bank.Movement{movement("top_aaaaaa", 5, 10000, true)}, []string{"2 is top_aaaaaa by reference", "not in the books 1"}},
		"the same line twice":            {"2026-03-05,1,CNY,top_aaaaaa,\n2026-03-05,1,CNY,top_aaaaaa,\n", []bank.Movement{movement("top_aaaaaa", 5, 100, true)}, []string{"1 is top_aaaaaa by reference", "not in the books 2"}},
		"two that are named":             {"2026-03-05,1,CNY,,top_aaaaaa top_bbbbbb\n", []bank.Movement{movement("top_aaaaaa", 5, 100, true), movement("top_bbbbbb", 5, 100, true)}, []string{"it names several 1", "not at the bank top_aaaaaa", "not at the bank top_bbbbbb"}},
		"beyond the statement's days":    {"2026-03-05,1,CNY,,\n", []bank.Movement{movement("top_a", 6, 100, true), movement("top_b", 6, 999, true)}, []string{"1 is top_a by amount and date"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := bank.Read([]byte(heading+tc.file), "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, outcome(bank.Reconcile(s, tc.books, 3))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCSVOfBanksIsReadInItsForms(t *testing.T) {
	want := bank.Line{Date: march(5), Amount: money.Amount{Minor: 1250, Currency: "EUR"}, Reference: "E2E-1"}
	for name, text := range map[string]string{
		"commas":         "Date,Amount,Currency,Reference\n2026-03-05,-12.50,EUR,E2E-1\n",
		"decimal commas": "\xef\xbb\xbfDate;Reference;Amount\r\n05.03.2026;E2E-1;-12,50\r\n",
		"two sides":      "booking date\treference\tdebit\tcredit\n20260305\tE2E-1\t12.5\t\n",
		"times":          "time,reference,amount\n2026-03-05T23:59:59+08:00,E2E-1,-12.500\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := bank.Read([]byte(text), "EUR")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]bank.Line{want}, s.Lines); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for name, text := range map[string]string{
		"no date":          "amount\n1\n",
		"one side":         "date,debit\n2026-03-05,1\n",
		"an unclear date":  "date,amount\n03/05/2026,1\n",
		"thousands":        "date,amount\n2026-03-05,\"1,000.00\"\n",
		"too many digits":  "date,amount\n2026-03-05,1.005\n",
		"no currency":      "date,amount,currency\n2026-03-05,1,XXX\n",
		"both sides":       "date,debit,credit\n2026-03-05,1,2\n",
		"nothing":          "",
		"not UTF-8":        "date,amount,text\n2026-03-05,1,\xff\n",
		"another document": "<Document><CstmrCdtTrfInitn/></Document>",
		"no XML":           "<Document",
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := bank.Read([]byte(text), "EUR"); !errors.Is(err, bank.ErrFile) {
				t.Errorf("it was read: %v, %v", s, err)
			}
		})
	}
}

// camt is a bank's camt.053 of an old version, with an entry that books two at once, and one that is only announced.
const camt = `<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><Stmt>
<FrToDt><FrDtTm>2026-03-05T00:00:00</FrDtTm><ToDtTm>2026-03-05T23:59:59</ToDtTm></FrToDt>
<Ntry><Amt Ccy="CNY">3.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-05</Dt></BookgDt><NtryDtls>
<TxDtls><Refs><EndToEndId>top_aaaaaa</EndToEndId></Refs><Amt Ccy="CNY">1</Amt></TxDtls>
<TxDtls><Amt Ccy="CNY">2.0</Amt><RmtInf><Ustrd>top_bbbbbb</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="CNY">4.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts><BookgDt><Dt>2026-03-05</Dt></BookgDt></Ntry>
<Ntry><Amt Ccy="CNY">5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><DtTm>2026-03-05T08:00:00+08:00</DtTm></BookgDt>
<NtryDtls><TxDtls><Refs><EndToEndId>out_cccccc</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>
</Stmt></BkToCstmrStmt></Document>`

func TestCamt053OfABankIsReconciled(t *testing.T) {
	s, err := bank.Read([]byte(camt), "")
	if err != nil {
		t.Fatal(err)
	}
	got := outcome(bank.Reconcile(s, []bank.Movement{movement("top_aaaaaa", 1, 100, true), movement("top_bbbbbb", 5, 200, true),
		movement("out_cccccc", 4, 500, false), movement("top_late", 5, 400, true)}, 0))
	want := []string{"1 is top_aaaaaa by reference", "2 is top_bbbbbb by reference", "3 is out_cccccc by reference", "not at the bank top_late"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(camt))
	f.Add(bank.Camt053(report(), made))
	f.Add(bank.CSV(report()))
	f.Add([]byte("date;amount\n2026-03-05;-12,50\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := bank.Read(text, "CNY")
		if err != nil {
			if !errors.Is(err, bank.ErrFile) {
				t.Errorf("the error is another: %v", err)
			}
			return
		}
		r := bank.Reconcile(s, []bank.Movement{movement("top_aaaaaa", 5, 100, true)}, 3)
		lines := 0
		for _, b := range r.Breaks {
			if b.Bank != nil {
				lines++
			}
		}
		if lines+len(r.Matched) != len(s.Lines) {
			t.Errorf("%d lines became %s", len(s.Lines), strings.Join(outcome(r), ", "))
		}
		for _, l := range s.Lines {
			if !l.Amount.Valid() {
				t.Errorf("an amount is %v", l.Amount)
			}
		}
	})
}
