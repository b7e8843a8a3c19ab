package bank

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"tapline/money"
)

// ErrFile means that a file is no statement of a bank.
var ErrFile = errors.New("not a bank's statement")

// Read reads a bank's statement: ISO 20022 camt.053 of any version, or CSV. currency is for CSV that does not tell it.
func Read(text []byte, currency money.Currency) (Statement, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // a byte order mark
	if !utf8.Valid(text) {
		return Statement{}, fmt.Errorf("%w: it is not in UTF-8", ErrFile)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
		return readCamt(text)
	}
	return readCSV(text, currency)
}

// readDocument and what follows are the elements that are read, by their names in all versions since camt.053.001.02.
type readDocument struct {
	Statements []struct {
		From  string `xml:"FrToDt>FrDtTm"`
		Until string `xml:"FrToDt>ToDtTm"`

		Entries []readEntry `xml:"Ntry"`
	} `xml:"BkToCstmrStmt>Stmt"`
}

type readEntry struct {
	Amount camtAmount `xml:"Amt"`
	Side   string     `xml:"CdtDbtInd"`
	Status struct {
		Code string `xml:"Cd"` // since version 8
		Text string `xml:",chardata"`
	} `xml:"Sts"`
	Date      string   `xml:"BookgDt>Dt"`
	Time      string   `xml:"BookgDt>DtTm"`
	Reference string   `xml:"NtryRef"`
	Service   string   `xml:"AcctSvcrRef"`
	More      string   `xml:"AddtlNtryInf"`
	Details   []detail `xml:"NtryDtls>TxDtls"`
}

type detail struct {
	Amount   camtAmount `xml:"Amt"`
	Side     string     `xml:"CdtDbtInd"`
	EndToEnd string     `xml:"Refs>EndToEndId"`
	ID       string     `xml:"Refs>TxId"`
	Instr    string     `xml:"Refs>InstrId"`
	Service  string     `xml:"Refs>AcctSvcrRef"`
	Free     []string   `xml:"RmtInf>Ustrd"`
	Creditor []string   `xml:"RmtInf>Strd>CdtrRefInf>Ref"`
	More     string     `xml:"AddtlTxInf"`
}

func readCamt(text []byte) (Statement, error) {
	var d readDocument
	if err := xml.Unmarshal(text, &d); err != nil {
		return Statement{}, fmt.Errorf("%w: its XML cannot be read: %w", ErrFile, err)
	}
	if len(d.Statements) == 0 {
		return Statement{}, fmt.Errorf("%w: there is no BkToCstmrStmt/Stmt in it, so it is no camt.053", ErrFile)
	}
	var s Statement
	for _, part := range d.Statements {
		if from, err := camtDay(part.From); err == nil && (s.From.IsZero() || from.Before(s.From)) {
			s.From = from
		}
		if until, err := camtDay(part.Until); err == nil && until.AddDate(0, 0, 1).After(s.Until) {
			s.Until = until.AddDate(0, 0, 1) // a statement of a day ends on it
		}
		for _, e := range part.Entries {
			if e.Status.Code+strings.TrimSpace(e.Status.Text) != "BOOK" {
				continue // announced, and not there yet
			}
			lines, err := e.lines()
			if err != nil {
				return Statement{}, fmt.Errorf("%w: entry %d: %w", ErrFile, len(s.Lines)+1, err)
			}
			s.Lines = append(s.Lines, lines...)
		}
	}
	s.span()
	return s, nil
}

// lines are those of an entry: one for each of its details, if it books several at once and tells the amount of each.
func (e *readEntry) lines() ([]Line, error) {
	date, err := camtDay(e.Date + e.Time)
	if err != nil {
		return nil, err
	}
	whole, in, err := sided(e.Amount, e.Side)
	if err != nil {
		return nil, err
	}
	all := Line{Date: date, Amount: whole, In: in, Reference: joined(e.Service, e.Reference), Text: e.More}
	var each []Line
	left := whole.Minor
	for _, d := range e.Details {
		l := Line{Date: date, Reference: joined(d.EndToEnd, d.ID, d.Instr, d.Service), Text: joined(append(append(d.Free, d.Creditor...), d.More)...)}
		all.Reference, all.Text = joined(all.Reference, l.Reference), joined(all.Text, l.Text)
		if d.Side == "" {
			d.Side = e.Side
		}
		if l.Amount, l.In, err = sided(d.Amount, d.Side); err != nil {
			left = -1 // it does not tell
			continue
		}
		if l.In == in {
			left -= l.Amount.Minor
		} else {
			left += l.Amount.Minor
		}
		each = append(each, l)
	}
	if len(each) > 1 && len(each) == len(e.Details) && left == 0 {
		return each, nil
	}
	return []Line{all}, nil
}

func sided(a camtAmount, side string) (amount money.Amount, in bool, err error) {
	currency, err := money.ParseCurrency(a.Currency)
	if err != nil {
		return amount, false, err
	}
	if amount, err = exact(a.Amount, currency); err != nil {
		return amount, false, err
	}
	switch side {
	case "CRDT":
		return amount, true, nil
	case "DBIT":
		return amount, false, nil
	}
	return amount, false, errors.New("CdtDbtInd is neither CRDT nor DBIT")
}

// exact reads an amount that may have more or fewer decimals than its currency, as long as they are zeros.
func exact(text string, currency money.Currency) (money.Amount, error) {
	text = strings.TrimSpace(text)
	if whole, decimals, ok := strings.Cut(text, "."); ok {
		for len(decimals) > currency.Decimals() && strings.HasSuffix(decimals, "0") {
			decimals = decimals[:len(decimals)-1]
		}
		for len(decimals) > 0 && len(decimals) < currency.Decimals() {
			decimals += "0"
		}
		if text = whole; decimals != "" {
			text += "." + decimals
		}
	}
	return money.Parse(text, currency)
}

// camtDay is the day of an ISODate or ISODateTime, as it is written.
func camtDay(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	return time.Parse(time.DateOnly, text[:min(len(text), len(time.DateOnly))])
}

// columnNames are the headings by which a column of CSV is known, in lower case.
var columnNames = map[string][]string{
	"date":      {"date", "booking date", "booking_date", "booked", "time"},
	"amount":    {"amount"},
	"credit":    {"credit", "in", "paid in"},
	"debit":     {"debit", "out", "paid out"},
	"currency":  {"currency", "ccy"},
	"reference": {"reference", "ref", "end to end id", "end_to_end_id", "bank reference"},
	"text":      {"text", "description", "details", "narrative", "remittance information"},
}

// readCSV reads rows below a heading, separated by commas, semicolons or tabs. It needs a date and either an amount, with
// a minus where money went out, or a credit and a debit.
func readCSV(text []byte, currency money.Currency) (Statement, error) {
	r := csv.NewReader(bytes.NewReader(text))
	heading, _, _ := strings.Cut(string(text), "\n")
	for _, separator := range ";\t" {
		if strings.ContainsRune(heading, separator) {
			r.Comma = separator
		}
	}
	names, err := r.Read()
	if err != nil {
		return Statement{}, fmt.Errorf("%w: it has no heading that can be read: %w", ErrFile, err)
	}
	columns := map[string]int{}
	for i, name := range names {
		for column, known := range columnNames {
			for _, k := range known {
				if _, there := columns[column]; !there && strings.EqualFold(strings.TrimSpace(name), k) {
					columns[column] = i
				}
			}
		}
	}
	_, amount := columns["amount"]
	_, credit := columns["credit"]
	_, debit := columns["debit"]
	if _, date := columns["date"]; !date || !(amount || credit && debit) {
		return Statement{}, fmt.Errorf("%w: its first row has to name the columns date, and amount or credit and debit", ErrFile)
	}
	var s Statement
	for row := 2; ; row++ {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			s.span()
			return s, nil
		}
		if err != nil {
			return Statement{}, fmt.Errorf("%w: %w", ErrFile, err)
		}
		cell := func(column string) string {
			if i, ok := columns[column]; ok {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}
		l, err := csvLine(cell, currency, r.Comma == ';')
		if err != nil {
			return Statement{}, fmt.Errorf("%w: row %d: %w", ErrFile, row, err)
		}
		s.Lines = append(s.Lines, l)
	}
}

func csvLine(cell func(string) string, currency money.Currency, decimalComma bool) (l Line, err error) {
	if l.Date, err = csvDay(cell("date")); err != nil {
		return l, err
	}
	if named := cell("currency"); named != "" {
		currency = money.Currency(named)
	}
	if currency, err = money.ParseCurrency(string(currency)); err != nil {
		return l, err
	}
	text := cell("amount")
	l.In = !strings.HasPrefix(text, "-")
	if text == "" {
		credit, debit := cell("credit"), cell("debit")
		if (credit == "") == (debit == "") {
			return l, errors.New("it needs one amount")
		}
		l.In, text = credit != "", credit+debit
	}
	text = strings.TrimLeft(text, "+-")
	if decimalComma && !strings.Contains(text, ".") {
		text = strings.Replace(text, ",", ".", 1)
	}
	l.Amount, err = exact(text, currency)
	l.Reference, l.Text = cell("reference"), cell("text")
	return l, err
}

// csvDay reads a day in a form that can be understood in one way only.
func csvDay(text string) (time.Time, error) {
	for _, form := range []string{time.DateOnly, time.RFC3339, "20060102", "02.01.2006", "2006-01-02 15:04:05", "2006/01/02"} {
		if t, err := time.Parse(form, text); err == nil {
			return day(t), nil
		}
	}
	return time.Time{}, errors.New("its date is not one like 2026-01-31")
}
