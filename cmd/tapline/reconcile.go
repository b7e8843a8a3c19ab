package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"tapline/api"
	"tapline/bank"
	"tapline/money"
	"tapline/operator"
	"tapline/payout"
)

// reconcileCmd compares a bank's statement with the books.
type reconcileCmd struct {
	operatorFlags
	File     string `arg:"" help:"The bank's statement: camt.053 or CSV; - for standard input."`
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"The currency of a CSV file that does not tell it (${default})."`
	Days     int    `default:"3" placeholder:"N" help:"How many days apart bank and books may be where no reference tells that they mean the same (${default})."`
	Confirm  bool   `help:"Confirm the payouts under way that the statement names."`
	jsonFlag
}

// Help says what is compared, and in which form CSV has to be.
func (*reconcileCmd) Help() string {
	return `Finds for each line of the bank's statement the top-up or payout that it is, and lists where bank and books do not agree.
By reference first: the line names the id of the top-up (top_…), or the end-to-end id of the payout (OUT…), or the note with which
an operator entered it names a reference of the line. Then by amount and date. What the operator wrote with

  tapline account top-up ACCOUNT --amount 100 --note 'bank reference FT26064123456'

is what makes this sure: two top-ups of one amount cannot be told apart otherwise.

CSV needs a heading with the columns date and amount (with a minus where money went out), or date, credit and debit;
currency, reference and description are read where they are. Times in the books are UTC.

With --confirm, payouts that were sent to the bank and that a line names with the right amount are confirmed. Those that are found by
amount and date only are listed, for somebody to look at.

Exits with 1 if there are breaks.`
}

// errBreaks means that bank and books do not agree; where has been printed.
var errBreaks = errors.New("bank and books do not agree")

// maxStatement bounds a bank's statement, in bytes.
const maxStatement = 64 << 20

// Run compares them.
func (cmd *reconcileCmd) Run(a *app) error {
	if cmd.Days < 0 || cmd.Days > 60 {
		return &usageError{"--days: want 0 to 60", "bank and books are rarely more than three days apart"}
	}
	statement, err := cmd.read(a)
	if err != nil {
		return err
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	around := time.Duration(cmd.Days+1) * 24 * time.Hour
	moves, err := movements(a, client, statement.From.Add(-around), statement.Until.Add(around), currencies(statement))
	if err != nil {
		return err
	}
	sent, err := underway(a, client, currencies(statement))
	if err != nil {
		return err
	}
	if moves, err = asSent(a, client, append(moves, sent...), statement.Named()); err != nil {
		return err
	}
	result := bank.Reconcile(statement, moves, cmd.Days)
	if err := cmd.tell(a, statement, result); err != nil {
		return err
	}
	if err := cmd.confirm(a, client, result); err != nil {
		return err
	}
	if len(result.Breaks) > 0 {
		return withHint(errBreaks, `what the bank has and the books have not is entered with "tapline account top-up"`)
	}
	return nil
}

func (cmd *reconcileCmd) read(a *app) (s bank.Statement, err error) {
	in := a.stdin
	if cmd.File != "-" {
		file, err := os.Open(cmd.File)
		if err != nil {
			return s, err
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxStatement+1))
	if err != nil {
		return s, err
	}
	if len(text) > maxStatement {
		return s, withHint(errors.New("the statement is larger than 64 MB"), "give it in parts")
	}
	if s, err = bank.Read(text, money.Currency(cmd.Currency)); err != nil {
		return s, withHint(err, `"tapline reconcile --help" says which columns CSV needs`)
	}
	if len(s.Lines) == 0 {
		return s, withHint(errors.New("there is nothing booked in the statement"), "is it the right file?")
	}
	return s, nil
}

// currencies are those of a statement.
func currencies(s bank.Statement) (all []money.Currency) {
	for _, l := range s.Lines {
		if !slices.Contains(all, l.Amount.Currency) {
			all = append(all, l.Amount.Currency)
		}
	}
	return all
}

// movements are what came in from outside and went out, as the accounts on the other side of it have it: those of kind issuance.
// So payouts are among them as top-ups are.
func movements(a *app, client *operator.Client, from, until time.Time, in []money.Currency) (all []bank.Movement, err error) {
	accounts, err := client.Accounts(a.ctx)
	if err != nil {
		return nil, err
	}
	notes, err := notesOfTopUps(a, client, from)
	if err != nil {
		return nil, err
	}
	for _, account := range accounts {
		if account.Kind != "issuance" || strings.HasPrefix(account.ID, "adjustment-") || !slices.Contains(in, account.Currency) {
			continue
		}
		lines, err := reportLines(a, client, account.ID, from, until)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if l.Action != "post" && l.Action != "post_hold" {
				continue
			}
			all = append(all, bank.Movement{
				Entry: l.Entry, Reference: l.Reference, Account: l.Other, At: l.At, In: l.Debit > 0,
				Amount: money.Amount{Minor: l.Debit + l.Credit, Currency: account.Currency},
				Notes:  append(slices.Clone(notes[noted{subject: l.Reference}]), notes[noted{l.Other, l.At.UnixMicro()}]...),
			})
		}
	}
	return all, nil
}

// underway are the payouts that were sent to the bank and are not confirmed.
func underway(a *app, client *operator.Client, in []money.Currency) (all []bank.Movement, err error) {
	for q := (operator.PayoutQuery{State: string(payout.Sent)}); ; {
		page, err := client.Payouts(a.ctx, q)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Payouts {
			if slices.Contains(in, p.Amount.Currency) {
				all = append(all, bank.Movement{Entry: p.ID + "/hold", Reference: p.ID, Account: p.Account, At: *p.SentAt, Amount: p.Amount, Sent: true, Underway: true})
			}
		}
		if page.Next == "" {
			return all, nil
		}
		q.Before = page.Next
	}
}

// asSent has payouts that were posted at the time at which they were sent to the bank, and adds those that were posted at another time than
// that of the statement, which names them.
func asSent(a *app, client *operator.Client, moves []bank.Movement, named []payout.ID) ([]bank.Movement, error) {
	there := map[payout.ID]bool{}
	for i, m := range moves {
		if m.In || !strings.HasPrefix(m.Reference, "out_") {
			continue
		}
		there[payout.ID(m.Reference)] = true
		if m.Underway {
			continue
		}
		p, err := client.Payout(a.ctx, m.Reference)
		if err != nil {
			return nil, err
		}
		if p.SentAt != nil { // none of cash
			moves[i].At, moves[i].Sent = *p.SentAt, true
		}
	}
	for _, id := range named {
		if there[id] {
			continue
		}
		p, err := client.Payout(a.ctx, string(id))
		switch {
		case errors.Is(err, api.CodeUnknownPayout):
			continue // another service's, perhaps
		case err != nil:
			return nil, err
		case p.ConfirmedAt != nil && p.SentAt != nil:
			moves = append(moves, bank.Movement{Entry: p.ID + "/post", Reference: p.ID, Account: p.Account, At: *p.SentAt, Amount: p.Amount, Sent: true})
		}
	}
	return moves, nil
}

// confirm confirms the payouts under way that the statement names, if it is to; else it says which they are.
func (cmd *reconcileCmd) confirm(a *app, client *operator.Client, r bank.Reconciled) error {
	named := 0
	for _, m := range r.Matched {
		switch {
		case !m.Books.Underway:
		case m.By != bank.ByReference:
			a.say("Line %d may be payout %s, but does not name it. Look, and run: tapline payout confirm %s", m.Bank.Line, m.Books.Reference, m.Books.Reference)
		case !cmd.Confirm:
			named++
		default:
			note := "in the bank's statement on " + m.Bank.Date
			if _, err := client.ConfirmPayout(a.ctx, m.Books.Reference, note); err != nil {
				return withHint(fmt.Errorf("confirming %s: %w", m.Books.Reference, err), hintFor(err))
			}
			named++
		}
	}
	switch {
	case named > 0 && cmd.Confirm:
		a.say("Confirmed %d payouts.", named)
	case named > 0:
		a.say("%d payouts under way are at the bank: --confirm confirms them.", named)
	}
	return nil
}

// reportLines reads an account's report in as many pieces as it takes.
func reportLines(a *app, client *operator.Client, account string, from, until time.Time) ([]api.ReportLine, error) {
	report, err := client.Report(a.ctx, account, from, until)
	if p, ok := errors.AsType[*api.Problem](err); ok && p.Code == "report_too_long" && until.Sub(from) > time.Second {
		middle := from.Add(until.Sub(from) / 2).Truncate(time.Microsecond)
		first, err := reportLines(a, client, account, from, middle)
		if err != nil {
			return nil, err
		}
		second, err := reportLines(a, client, account, middle, until)
		return append(first, second...), err
	}
	return report.Lines, err
}

// noted is what an operator's note is of: a top-up by its id, or one by its account and time.
type noted struct {
	subject string
	at      int64 // microseconds; 0 where the subject tells
}

// notesOfTopUps are what operators wrote when they entered money, since a time.
func notesOfTopUps(a *app, client *operator.Client, since time.Time) (map[noted][]string, error) {
	since = since.AddDate(0, 0, -2) // what waited for a second operator was asked for a day before
	notes := map[noted][]string{}
	for after := ""; ; {
		page, err := client.Audit(a.ctx, after)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			if r.At.Before(since) {
				return notes, nil
			}
			key := noted{subject: r.Subject}
			if r.Action == "account.top_up" {
				key.at = r.At.UnixMicro()
			}
			if r.Note != "" {
				notes[key] = append(notes[key], r.Note)
			}
		}
		if page.Next == "" || page.Next == after {
			return notes, nil
		}
		after = page.Next
	}
}

func (cmd *reconcileCmd) tell(a *app, s bank.Statement, r bank.Reconciled) error {
	first, last := s.From.Format(time.DateOnly), s.Until.AddDate(0, 0, -1).Format(time.DateOnly)
	if cmd.JSON {
		return a.printJSON(struct {
			From  string `json:"from"`
			Until string `json:"until"`
			bank.Reconciled
		}{first, last, r})
	}
	var rows [][]string
	for _, b := range r.Breaks {
		rows = append(rows, breakRow(b))
	}
	if len(rows) > 0 {
		if err := a.list(false, nil, []string{"BREAK", "LINE", "DATE", "", "AMOUNT", "WHAT"}, rows); err != nil {
			return err
		}
	}
	by := map[string]int{}
	for _, m := range r.Matched {
		by[m.By]++
	}
	return a.print("%s to %s: %d of %d lines are in the books, %d by reference and %d by amount and date; %d breaks", first, last,
		len(r.Matched), len(s.Lines), by[bank.ByReference], by[bank.ByAmount], len(r.Breaks))
}

func breakRow(b bank.Break) []string {
	direction := map[bool]string{true: "in", false: "out"}
	switch {
	case b.Bank == nil:
		return []string{b.Why, "", b.Books.At.UTC().Format(time.DateOnly), direction[b.Books.In], b.Books.Amount.String(),
			b.Books.Reference + " " + b.Books.Account}
	case b.Books == nil:
		return []string{b.Why, strconv.Itoa(b.Bank.Line), b.Bank.Date, direction[b.Bank.In], b.Bank.Amount.String(), b.Bank.Reference + " " + b.Bank.Text}
	}
	return []string{b.Why, strconv.Itoa(b.Bank.Line), b.Bank.Date, direction[b.Bank.In], b.Bank.Amount.String(),
		fmt.Sprintf("%s has %s %s", b.Books.Reference, direction[b.Books.In], b.Books.Amount)}
}
