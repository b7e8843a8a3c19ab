package main

import (
	"slices"
	"strings"

	"tapline/history"
	"tapline/internal/client"
	"tapline/sqlstore"
)

// verify holds the history of a database against heads that were kept, and against the service's keys.
func (c *checkCmd) verify(a *app, store *sqlstore.Store) (found []sqlstore.Finding, err error) {
	what := history.Verification{Restored: c.Restored}
	var conn *client.Conn
	if strings.HasPrefix(c.Heads, "https://") || strings.HasPrefix(c.Heads, "http://") {
		if conn, err = (serviceFlags{URL: c.Heads, Insecure: c.Insecure}).conn(a); err != nil {
			return nil, err
		}
		published, err := fetchHeads(a, conn, 0)
		if err != nil {
			return nil, err
		}
		for _, h := range published {
			what.Kept = append(what.Kept, h.Head)
		}
	} else if what.Kept, err = readHeads(c.Heads); err != nil {
		return nil, err
	}
	if what.JWKS, err = c.jwks(a, conn); err != nil {
		return nil, err
	}
	var v history.Verified
	err = store.History(a.ctx, func(r history.Reader) (err error) {
		v, err = history.Verify(r, what)
		return err
	})
	for _, f := range v.Findings {
		found = append(found, sqlstore.Finding(f))
	}
	if err == nil {
		c.tellHistory(a, v, len(what.Kept))
	}
	return found, err
}

// jwks are the public keys that heads are checked with.
func (c *checkCmd) jwks(a *app, conn *client.Conn) ([]byte, error) {
	if c.JWKS != "" || conn != nil {
		return publicKeys(a, conn, c.JWKS)
	}
	if c.Keys == "" {
		options := serviceOptions{databaseFlags: c.databaseFlags}
		c.Keys = options.besideDB("-keys")
	}
	keys, err := openKeys(c.Keys, false)
	if err != nil {
		return nil, withHint(err, "give the service's public keys, as it serves them at /.well-known/jwks.json, with --jwks")
	}
	return keys.PublicJWKS(), nil
}

// tellHistory says what was compared.
func (c *checkCmd) tellHistory(a *app, v history.Verified, kept int) {
	a.say("History: %d entries and %d actions of operators; %d heads in the database; %d of %d heads that were kept are of this history; %d entries are not sealed yet.",
		v.Entries, v.Audit, v.Heads, v.Kept, kept, v.Unsealed)
	if given := kept - v.Kept; given > 0 && len(v.Findings) == 0 {
		a.say("%d of them are of history that was given up by a restore.", given)
	}
	if v.Newest.Number > 0 {
		a.say("The newest head is %d, signed %s by %s.", v.Newest.Number, when(v.Newest.At()), v.Newest.Issuer)
	}
}

// mergeFindings adds to some findings those that they do not have yet.
func mergeFindings(found, more []sqlstore.Finding) []sqlstore.Finding {
	for _, f := range more {
		if !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	return found
}
