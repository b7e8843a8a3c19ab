package history

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/processor"
)

// mth is the hash of a list as RFC 9162 §2.1.1 defines it, of hashes of leaves.
func mth(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		sum := sha256.Sum256(nil)
		return sum[:]
	case 1:
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	sum := sha256.Sum256(append(append([]byte{1}, mth(leaves[:k])...), mth(leaves[k:])...))
	return sum[:]
}

// tiled is a reader of tiles alone.
type tiled struct {
	Reader
	tiles map[TileID][]byte
}

func (t tiled) Tile(id TileID) ([]byte, error) { return t.tiles[id], nil }

// TestTheTreeIsThatOfTheRFC compares roots with a definition that is written down twice.
func TestTheTreeIsThatOfTheRFC(t *testing.T) {
	stored := tiled{tiles: map[TileID][]byte{}}
	var leaves [][]byte
	sizes := []int64{0, 1, 2, 3, 7, 255, 256, 257, 511, 512, 600, 256*3 + 1, 1500}
	for _, size := range sizes {
		grown := newTree(Entries, stored.Tile)
		for i := int64(len(leaves)); i < size; i++ {
			leaf := sha256.Sum256(fmt.Append(nil, i))
			leaves = append(leaves, leaf[:])
			if err := grown.add(0, i, leaf[:]); err != nil {
				t.Fatal(err)
			}
		}
		for _, tile := range grown.written() {
			stored.tiles[tile.TileID] = tile.Hashes
		}
	}
	for _, size := range sizes {
		root, err := newTree(Entries, stored.Tile).root(size)
		if err != nil {
			t.Fatal(err)
		}
		if want := encode(mth(leaves[:size])); root != want {
			t.Errorf("of %d leaves the root is %s, want %s", size, root, want)
		}
		for _, from := range sizes {
			if from > size {
				break
			}
			proof, err := Consistency(stored, Entries, from, size)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyConsistency(from, size, proof, encode(mth(leaves[:from])), root); err != nil {
				t.Errorf("from %d to %d: %v", from, size, err)
			}
		}
	}
	if _, err := Consistency(stored, Entries, 10, 1501); err == nil {
		t.Error("a tree that is not there was proved")
	}
}

// TestEveryFactOfALeafCounts changes each of them.
func TestEveryFactOfALeafCounts(t *testing.T) {
	seen := map[string]string{}
	once := func(what string, l Leaf) {
		if other, there := seen[string(l.Hash)]; there {
			t.Errorf("%s and %s have one leaf", what, other)
		}
		seen[string(l.Hash)] = what
	}
	at := time.UnixMicro(1)
	entry := func(change func(*ledger.Entry)) ledger.Entry {
		e := ledger.Entry{ID: "a", Action: ledger.Post, Reference: "b", At: at, Postings: []ledger.Posting{
			{Debit: "c", Credit: "d", Amount: money.Amount{Minor: 1, Currency: "CNY"}}}}
		change(&e)
		return e
	}
	once("an entry", EntryLeaf(1, entry(func(*ledger.Entry) {})))
	once("its number", EntryLeaf(2, entry(func(*ledger.Entry) {})))
	for what, change := range map[string]func(*ledger.Entry){
		"its id": func(e *ledger.Entry) { e.ID = "x" }, "its action": func(e *ledger.Entry) { e.Action = ledger.Hold },
		"its reference": func(e *ledger.Entry) { e.Reference = "x" }, "its time": func(e *ledger.Entry) { e.At = at.Add(time.Microsecond) },
		"who pays": func(e *ledger.Entry) { e.Postings[0].Debit = "x" }, "who gets": func(e *ledger.Entry) { e.Postings[0].Credit = "x" },
		"how much": func(e *ledger.Entry) { e.Postings[0].Amount.Minor = 2 }, "of what": func(e *ledger.Entry) { e.Postings[0].Amount.Currency = "EUR" },
		"no posting": func(e *ledger.Entry) { e.Postings = nil }, "two postings": func(e *ledger.Entry) { e.Postings = append(e.Postings, e.Postings[0]) },
		"quotes": func(e *ledger.Entry) { e.ID, e.Reference = `a","action":"post`, "" },
	} {
		once(what, EntryLeaf(1, entry(change)))
	}
	action := processor.Audit{Seq: 1, Operator: "a", Action: "b", Subject: "c", Note: "d", At: at}
	once("an action", AuditLeaf(action))
	for what, change := range map[string]func(*processor.Audit){
		"an action's number": func(a *processor.Audit) { a.Seq = 2 }, "who": func(a *processor.Audit) { a.Operator = "x" },
		"what": func(a *processor.Audit) { a.Action = "x" }, "on what": func(a *processor.Audit) { a.Subject = "x" },
		"why": func(a *processor.Audit) { a.Note = "x" }, "when": func(a *processor.Audit) { a.At = at.Add(time.Microsecond) },
	} {
		changed := action
		change(&changed)
		once(what, AuditLeaf(changed))
	}
}
