package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"tapline/sqlstore"
)

// checkCmd is "tapline check".
type checkCmd struct {
	databaseFlags `embed:""`
	Heads         string   `placeholder:"FILE|URL" help:"Hold the history against heads that were kept: a file of \"tapline heads follow\", or a service that publishes them."`
	JWKS          string   `name:"jwks" type:"existingfile" placeholder:"FILE" help:"The service's public keys, for --heads; those of --keys, or of the service, if left out."`
	Keys          string   `env:"TAPLINE_KEYS" type:"path" placeholder:"FOLDER" help:"Folder of secret keys, for --heads without --jwks. Default: the database file's name with -keys, or tapline-keys."`
	Restored      []string `placeholder:"EPOCH" help:"A restore that you know of, for --heads."`
	Insecure      bool     `env:"TAPLINE_INSECURE" help:"Allow plain http to another machine, for --heads."`
	JSON          bool     `help:"Print the findings as JSON."`
}

// Help is what the command's --help says.
func (checkCmd) Help() string {
	return `Proves the books of a database, also while a service runs on it: per currency the sum of all balances is zero; each
account's totals equal its postings; nothing is held without a payout, or a payment that awaits approval or may be undone; no payment is settled
without its posting, and no other has one; the database itself is sound; what was sealed of entries and of the audit log is
as it was.

With --heads it proves that history was not rewritten by somebody who could change everything in the database: it makes the
Merkle trees anew from all entries and actions of operators, and compares them with the heads that were kept elsewhere, and
all signatures with the service's keys. A restore from a backup has given up what came after the backup: the check fails
until it is told with --restored.

Exits with 1 and names the ids concerned if anything is wrong.`
}

// checkCache is enough MiB for the upper parts of the indexes of some millions of payments.
const checkCache = 256

// errBooks means that check found something; what it found has been printed.
var errBooks = errors.New("the books are wrong")

// Run checks the books.
func (c *checkCmd) Run(a *app) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	store, err := sqlstore.Open(a.ctx, c.DB, c.options(sqlstore.Options{ReadOnly: true, Cache: checkCache}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	findings, err := a.findings(store)
	if err != nil {
		return err
	}
	if c.Heads != "" {
		past, err := c.verify(a, store)
		if err != nil {
			return err
		}
		findings = mergeFindings(findings, past)
	}
	if err := c.print(a.stdout, findings); err != nil {
		return err
	}
	if len(findings) > 0 {
		return withHint(errBooks, "stop the service, keep a copy of the database, and compare it with the last backup")
	}
	return nil
}

// findings checks the books, and shows a person how far that is.
func (a *app) findings(store *sqlstore.Store) ([]sqlstore.Finding, error) {
	line := progressLine{out: a.stderr, shown: a.isTerminal}
	defer line.clear()
	return store.Check(a.ctx, func(step string, done, of int) { line.tell("checking: "+step, done, of) })
}

func (c *checkCmd) print(out io.Writer, findings []sqlstore.Finding) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(struct {
			OK       bool               `json:"ok"`
			Findings []sqlstore.Finding `json:"findings"`
		}{len(findings) == 0, append([]sqlstore.Finding{}, findings...)})
	}
	if len(findings) == 0 {
		_, err := fmt.Fprintln(out, "the books are right")
		return err
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(out, f); err != nil {
			return err
		}
	}
	return nil
}
