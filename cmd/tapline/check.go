package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"tapline/sqlstore"
)

// checkCmd is "tapline check".
type checkCmd struct {
	DB   string `help:"SQLite database file." default:"tapline.db" env:"TAPLINE_DB" type:"path" placeholder:"FILE"`
	JSON bool   `help:"Print the findings as JSON."`
}

// Help is what the command's --help says.
func (checkCmd) Help() string {
	return `Proves the books of a database, also while a service runs on it: per currency the sum of all balances is zero; each
account's totals equal its postings; nothing is held without a payment that awaits approval; no payment is settled
without its posting, and no other has one; the file itself is sound.

Exits with 1 and names the ids concerned if anything is wrong.`
}

// errBooks means that check found something; what it found has been printed.
var errBooks = errors.New("the books are wrong; stop the service, keep a copy of the database, and compare it with the last backup")

// Run checks the books.
func (c *checkCmd) Run(a *app) (err error) {
	store, err := sqlstore.Open(a.ctx, c.DB, sqlstore.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	findings, err := store.Check(a.ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		out := struct {
			OK       bool               `json:"ok"`
			Findings []sqlstore.Finding `json:"findings"`
		}{len(findings) == 0, findings}
		if err := json.NewEncoder(a.stdout).Encode(out); err != nil {
			return err
		}
	} else if len(findings) == 0 {
		fmt.Fprintln(a.stdout, "the books are right")
	} else {
		for _, f := range findings {
			fmt.Fprintln(a.stdout, f)
		}
	}
	if len(findings) > 0 {
		return errBooks
	}
	return nil
}
