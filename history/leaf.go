// Package history makes it seen if the past is changed: all entries of the books, and all actions of operators, are the
// leaves of Merkle trees (RFC 9162 §2.1), whose roots the service signs and publishes as heads. See decisions/0030.
package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/transparency-dev/merkle/rfc6962"

	"tapline/ledger"
	"tapline/processor"
)

// Log is one of the trees.
type Log string

// The logs. The leaves of each are in the order of their numbers, which begin with 1 and have no gaps.
const (
	Entries Log = "entries"
	Audit   Log = "audit"
)

// Logs lists every log.
var Logs = []Log{Entries, Audit}

// Leaf is a leaf of a log: what is at a place in it, by name and hash.
type Leaf struct {
	Number int64
	Name   string
	Hash   []byte
}

// text is what a leaf is the hash of: a line that says what it is, and JSON without HTML's escapes.
func text(kind string, what any) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tapline %s 1\n", kind)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(what); err != nil {
		panic(err) // it is text and numbers
	}
	return b.Bytes()
}

type leafPosting struct {
	Debit    string `json:"debit"`
	Credit   string `json:"credit"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// EntryLeaf is the leaf of an entry: everything that the books have of it.
func EntryLeaf(number int64, e ledger.Entry) Leaf {
	postings := make([]leafPosting, len(e.Postings))
	for i, p := range e.Postings {
		postings[i] = leafPosting{string(p.Debit), string(p.Credit), p.Amount.Minor, string(p.Amount.Currency)}
	}
	return Leaf{number, string(e.ID), rfc6962.DefaultHasher.HashLeaf(text("entry", struct {
		Number    int64         `json:"number"`
		ID        string        `json:"id"`
		Action    string        `json:"action"`
		Reference string        `json:"reference"`
		At        int64         `json:"at"`
		Postings  []leafPosting `json:"postings"`
	}{number, string(e.ID), string(e.Action), e.Reference, e.At.UnixMicro(), postings}))}
}

// AuditLeaf is the leaf of an operator's action: who, what, when and why.
func AuditLeaf(a processor.Audit) Leaf {
	return Leaf{a.Seq, a.Action, rfc6962.DefaultHasher.HashLeaf(text("audit", struct {
		Number   int64  `json:"number"`
		Operator string `json:"operator"`
		Action   string `json:"action"`
		Subject  string `json:"subject"`
		Note     string `json:"note"`
		At       int64  `json:"at"`
	}{a.Seq, string(a.Operator), a.Action, a.Subject, a.Note, a.At.UnixMicro()}))}
}

// DayDigest stands for what a day was closed with.
func DayDigest(d processor.ClosedDay) string {
	type total struct {
		Kind        string `json:"kind"`
		Currency    string `json:"currency"`
		Opening     int64  `json:"opening"`
		Debits      int64  `json:"debits"`
		Credits     int64  `json:"credits"`
		HeldDebits  int64  `json:"held_debits"`
		HeldCredits int64  `json:"held_credits"`
	}
	totals := make([]total, len(d.Totals))
	for i, t := range d.Totals {
		totals[i] = total{string(t.Kind), string(t.Currency), t.Opening, t.Debits, t.Credits, t.HeldDebits, t.HeldCredits}
	}
	sum := sha256.Sum256(text("day", struct {
		Day      string  `json:"day"`
		Previous string  `json:"previous"`
		After    int64   `json:"after"`
		Last     int64   `json:"last"`
		Entries  int64   `json:"entries"`
		By       string  `json:"closed_by"`
		Note     string  `json:"note"`
		At       int64   `json:"closed_at"`
		Totals   []total `json:"totals"`
	}{d.Day, d.Previous, d.After, d.Last, d.Entries, string(d.By), d.Note, d.At.UnixMicro(), totals}))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
