package main

import (
	"strconv"
	"strings"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
)

// spendingFlags change limits; what is left out stays as it is.
type spendingFlags struct {
	Payment    string `placeholder:"100.00" help:"The greatest payment; 0 for no limit, here and below."`
	DayCount   string `placeholder:"NUMBER" help:"How many payments in a UTC day."`
	DaySum     string `placeholder:"100.00" help:"The sum of payments in a UTC day."`
	MonthCount string `placeholder:"NUMBER" help:"How many payments in a UTC month."`
	MonthSum   string `placeholder:"100.00" help:"The sum of payments in a UTC month."`
}

// given reports whether any of them is to change.
func (f spendingFlags) given() bool { return f != spendingFlags{} }

// change changes what was given.
func (f spendingFlags) change(l *consent.SpendingLimits, currency money.Currency) error {
	for _, sum := range []struct {
		flag, text string
		to         *int64
	}{{"--payment", f.Payment, &l.Payment}, {"--day-sum", f.DaySum, &l.DaySum}, {"--month-sum", f.MonthSum, &l.MonthSum}} {
		if err := changeSum(sum.flag, sum.text, currency, sum.to); err != nil {
			return err
		}
	}
	for _, count := range []struct {
		flag, text string
		to         *int64
	}{{"--day-count", f.DayCount, &l.DayCount}, {"--month-count", f.MonthCount, &l.MonthCount}} {
		if count.text == "" {
			continue
		}
		n, err := strconv.ParseInt(count.text, 10, 32)
		if err != nil || n < 0 {
			return &usageError{count.flag + ": want a number of payments", "0 is for no limit"}
		}
		*count.to = n
	}
	return nil
}

// changeSum reads an amount that may be 0; an empty text changes nothing.
func changeSum(flag, text string, currency money.Currency, to *int64) error {
	if text == "" {
		return nil
	}
	amount, err := money.Parse(text, currency)
	if err != nil {
		return &usageError{flag + ": " + err.Error(), "write it like " + flag + " 12.50; 0 is for no limit"}
	}
	*to = amount.Minor
	return nil
}

// limitFacts show limits and what counts for them.
func limitFacts(whose string, l *consent.SpendingLimits, currency money.Currency) (facts []pair) {
	if l == nil {
		return nil
	}
	sum := func(name string, minor int64) {
		if minor > 0 {
			facts = append(facts, pair{whose + " " + name, money.FormatMinor(minor, currency) + " " + string(currency)})
		}
	}
	count := func(name string, n int64) {
		if n > 0 {
			facts = append(facts, pair{whose + " " + name, strconv.FormatInt(n, 10) + " payments"})
		}
	}
	sum("a payment", l.Payment)
	sum("a day", l.DaySum)
	count("a day", l.DayCount)
	sum("a month", l.MonthSum)
	count("a month", l.MonthCount)
	return facts
}

// ruleFacts show a card's limits and rules.
func ruleFacts(c api.Card) []pair {
	facts := limitFacts("at most", c.Limits, c.Currency)
	if r := c.Rules; r != nil {
		facts = append(facts, limitFacts("own limit", &r.Limits, c.Currency)...)
		if r.Night != nil {
			facts = append(facts, pair{"not from", r.Night.From + " until " + r.Night.Until + ", " + r.Night.Zone})
		}
		if r.KnownPayees > 0 {
			facts = append(facts, pair{"known payees up to", money.FormatMinor(r.KnownPayees, c.Currency) + " " + string(c.Currency)})
		}
	}
	return facts
}

// cardLimitsCmd sets the cardholder's own rules.
type cardLimitsCmd struct {
	deviceFlags
	cardArg
	Level string `enum:",tap,authenticate,confirm,approve" default:"" help:"The least a payment needs: tap (the operator's policy decides), authenticate, confirm or approve."`
	spendingFlags
	Night       string `placeholder:"22:00-06:00" help:"When the card does not pay; never for at any time."`
	Zone        string `placeholder:"Asia/Shanghai" help:"The time zone of --night."`
	KnownPayees string `placeholder:"20.00" help:"Up to this, payments on this device to payees that the card has paid before need what the operator's policy asks for, whatever --level says; 0 for none."`
	PINFile     string `name:"pin-file" placeholder:"FILE" help:"Take the PIN from a file, - for standard input."`
	jsonFlag
}

// Help is what the command's --help says.
func (cardLimitsCmd) Help() string {
	return `On the card's associated device, with the PIN. You can ask for more than the operator's policy and limits, never for less.
What is left out stays as it is. Payments that are under way keep the steps that they need; limits count for them, too, until
their money is set aside.`
}

// Run sets what was given.
func (cmd *cardLimitsCmd) Run(a *app) error {
	ruled := cmd.given() || cmd.Night != "" || cmd.Zone != "" || cmd.KnownPayees != ""
	if cmd.Level == "" && !ruled {
		return &usageError{"nothing to set", "give --level, a limit such as --day-sum 100, --night or --known-payees"}
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	id, err := cmd.of(a, client)
	if err != nil {
		return err
	}
	card, err := client.Card(a.ctx, id)
	if err != nil {
		return err
	}
	rules, err := cmd.rules(card)
	if err != nil {
		return err
	}
	pin, err := a.pin(cmd.PINFile, "PIN of the card:")
	if err != nil {
		return err
	}
	if ruled {
		if card, err = client.SetRules(a.ctx, id, pin, rules); err != nil {
			return err
		}
	}
	if cmd.Level != "" {
		if card, err = client.SetLevel(a.ctx, id, pin, cmd.Level); err != nil {
			return err
		}
	}
	return a.result(cmd.JSON, card, cardFacts(card)...)
}

// rules are those that the card has, with what was given changed.
func (cmd *cardLimitsCmd) rules(card api.Card) (r consent.SpendingRules, err error) {
	if card.Rules != nil {
		r = *card.Rules
	}
	if err := cmd.change(&r.Limits, card.Currency); err != nil {
		return r, err
	}
	if err := changeSum("--known-payees", cmd.KnownPayees, card.Currency, &r.KnownPayees); err != nil {
		return r, err
	}
	switch {
	case cmd.Night == "never":
		r.Night = nil
	case cmd.Night != "" || cmd.Zone != "":
		from, until, _ := strings.Cut(cmd.Night, "-")
		r.Night = &consent.Night{From: from, Until: until, Zone: cmd.Zone}
	}
	if err := r.Check(); err != nil {
		return r, &usageError{err.Error(), "write it like --night 22:00-06:00 --zone Asia/Shanghai"}
	}
	return r, nil
}

// accountLimitsCmd sets an account's limits.
type accountLimitsCmd struct {
	operatorFlags
	writeFlags
	Account string `arg:"" help:"The account's id, as \"tapline card list --operator\" or \"tapline payee list\" shows it."`
	spendingFlags
	jsonFlag
}

// Help is what the command's --help says.
func (accountLimitsCmd) Help() string {
	return `Of the payments from a card's account, or to a payee's. What is left out stays as it is. Where an account has no limit, that of
"tapline serve --card-limits" or --payee-limits counts. Limits are looked at when a payment's money is set aside or moves.`
}

// Run sets what was given.
func (cmd *accountLimitsCmd) Run(a *app) error {
	if !cmd.given() {
		return &usageError{"nothing to set", "give a limit such as --day-sum 100"}
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	account, err := client.Account(a.ctx, cmd.Account)
	if err != nil {
		return err
	}
	limits := api.NewLimits{Note: cmd.Note}
	if account.Limits != nil {
		limits.Limits = *account.Limits
	}
	if err := cmd.change(&limits.Limits, account.Currency); err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		account, err := client.SetLimits(a.ctx, cmd.Account, limits)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, account, append(accountFacts(account), limitFacts("at most", account.Limits, account.Currency)...)...)
	})
}
