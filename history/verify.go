package history

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"tapline/consent"
)

// Finding is something in a history that is not as it was.
type Finding struct {
	Rule    string // what should hold
	Subject string // what breaks it
	Detail  string // how
}

// Rules, as findings name them.
const (
	ruleLeaf    = "what was sealed is as it was"
	ruleNumbers = "a history has no gaps"
	ruleHead    = "a head is of the history that is there"
	ruleChain   = "each head names the one before it"
	ruleSigned  = "a head is signed by the service"
	ruleKept    = "a head that was kept is of the history that is there"
	ruleRestore = "history is given up only by a restore that one was told of"
	ruleDay     = "a closed day is as its head says"
)

// mostFindings bounds what is told of each rule.
const mostFindings = 20

// Verification is what a history is to be held against.
type Verification struct {
	JWKS     []byte   // the service's public keys; nil leaves signatures unchecked
	Kept     []string // heads that somebody kept, in compact form
	Restored []string // epochs that one was told of
}

// Verified is what was found.
type Verified struct {
	Findings []Finding
	Heads    int   // that are kept in the database
	Kept     int   // of those given, how many are of this history
	Entries  int64 // in the history, sealed or not
	Audit    int64
	Unsealed int64 // entries that are not sealed yet
	Newest   consent.Head
}

// verifying is a verification under way.
type verifying struct {
	Verification
	Verified
	r      Reader
	heads  []Head
	claims []consent.Head
	kept   []consent.Head
	roots  map[Log]map[int64]string // by size; those that are wanted
	counts map[string]int
}

// Verify makes all leaves anew from the books and the audit log, and compares them with what was sealed, and the roots of
// the trees with what heads say: those in the database, and those that were kept elsewhere. An error means that it could not look.
func Verify(r Reader, what Verification) (Verified, error) {
	v := &verifying{Verification: what, r: r, counts: map[string]int{},
		roots: map[Log]map[int64]string{Entries: {}, Audit: {}}}
	if err := v.readHeads(); err != nil {
		return v.Verified, err
	}
	v.readKept()
	var err error
	if v.Entries, err = v.walk(Entries); err != nil {
		return v.Verified, err
	}
	if v.Audit, err = v.walk(Audit); err != nil {
		return v.Verified, err
	}
	v.checkHeads()
	v.checkKept()
	_, sealed, _, err := r.Sealed()
	if v.Unsealed = v.Entries - sealed; err == nil {
		err = v.checkDays()
	}
	return v.Verified, err
}

func (v *verifying) find(rule, subject, format string, args ...any) {
	if v.counts[rule]++; v.counts[rule] <= mostFindings {
		v.Findings = append(v.Findings, Finding{rule, subject, fmt.Sprintf(format, args...)})
	}
}

// headName names a head for people.
func headName(h consent.Head) string {
	if h.Day != "" {
		return fmt.Sprintf("head %d, of %s", h.Number, h.Day)
	}
	return fmt.Sprintf("head %d, of %s", h.Number, h.At().Format("2006-01-02 15:04:05"))
}

// readHeads reads all heads of the database, and takes note of the roots that they are about.
func (v *verifying) readHeads() error {
	const page = 1000
	for after := int64(0); ; {
		heads, err := v.r.Heads(Query{Oldest: true, After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, h := range heads {
			after = h.Number
			c, err := v.signed(h.JWS)
			if err != nil {
				v.find(ruleSigned, "head "+strconv.FormatInt(h.Number, 10), "%v", err)
			}
			v.heads, v.claims = append(v.heads, h), append(v.claims, c)
			v.want(c)
		}
		if len(heads) < page {
			v.Heads = len(v.heads)
			if v.Heads > 0 {
				v.Newest = v.claims[v.Heads-1]
			}
			return nil
		}
	}
}

func (v *verifying) signed(compact string) (consent.Head, error) {
	if v.JWKS == nil {
		return consent.ReadHead(compact)
	}
	return consent.VerifyHead(v.JWKS, compact)
}

func (v *verifying) want(c consent.Head) {
	v.roots[Entries][c.Entries.Size], v.roots[Audit][c.Audit.Size] = "", ""
}

func (v *verifying) readKept() {
	for i, compact := range v.Verification.Kept {
		c, err := v.signed(compact)
		if err != nil {
			v.find(ruleSigned, fmt.Sprintf("kept head %d", i+1), "%v", err)
			continue
		}
		v.kept = append(v.kept, c)
		v.want(c)
	}
}

// walk makes all leaves of a log anew, compares them with the tiles of level 0, and makes the roots that are wanted.
func (v *verifying) walk(log Log) (size int64, err error) {
	sizes := make([]int64, 0, len(v.roots[log]))
	for n := range v.roots[log] {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	tree, whole := newTree(log, v.r.Tile), ranges.NewEmptyRange(0)
	var tile []byte
	for {
		for len(sizes) > 0 && sizes[0] <= size {
			if sizes[0] == size {
				if v.roots[log][size], err = rootOf(whole); err != nil {
					return size, err
				}
			}
			sizes = sizes[1:]
		}
		leaves, err := v.r.Leaves(log, size, int(min(sealedAtOnce, firstOr(sizes, size+sealedAtOnce)-size)))
		if err != nil || len(leaves) == 0 {
			return size, err
		}
		for _, l := range leaves {
			if l.Number != size+1 {
				v.find(ruleNumbers, string(log), "number %d is missing: there is %s after %d", size+1, l.Name, size)
				return size, nil
			}
			if size%tileWidth == 0 {
				if tile, err = tree.read(TileID{log, 0, size / tileWidth}); err != nil {
					return size, err
				}
			}
			if at := size % tileWidth * hashSize; int64(len(tile)) >= at+hashSize && !bytes.Equal(tile[at:at+hashSize], l.Hash) {
				v.find(ruleLeaf, l.Name, "number %d of %s was changed after it was sealed", l.Number, log)
			}
			if err := whole.Append(l.Hash, nil); err != nil {
				return size, err
			}
			size++
		}
	}
}

func firstOr(sizes []int64, otherwise int64) int64 {
	if len(sizes) > 0 {
		return sizes[0]
	}
	return otherwise
}

// holds tells how a head differs from the history, "" if it does not.
func (v *verifying) holds(c consent.Head) string {
	for _, x := range []struct {
		log  Log
		of   consent.TreeHead
		have int64
	}{{Entries, c.Entries, v.Entries}, {Audit, c.Audit, v.Audit}} {
		switch root := v.roots[x.log][x.of.Size]; {
		case x.of.Size > x.have:
			return fmt.Sprintf("it is of %d %s, and there are %d", x.of.Size, x.log, x.have)
		case root != x.of.Root:
			return fmt.Sprintf("the first %d %s are not those that it was of", x.of.Size, x.log)
		}
	}
	return ""
}

func (v *verifying) checkHeads() {
	before := Head{}
	for i, h := range v.heads {
		c := v.claims[i]
		if c.Number == 0 {
			continue // it could not be read, which was told
		}
		name := headName(c)
		if h.Number != before.Number+1 {
			v.find(ruleChain, name, "there is no head %d", h.Number-1)
		} else if h.Number > 1 && c.Previous != consent.HeadDigest(before.JWS) {
			v.find(ruleChain, name, "it names another than head %d", before.Number)
		}
		before = h
		if c.Number != h.Number || c.Day != h.Day || c.Entries.Size != h.Entries || c.Audit.Size != h.Audit {
			v.find(ruleHead, name, "it is kept as head %d with %d entries", h.Number, h.Entries)
		}
		if detail := v.holds(c); detail != "" {
			v.find(ruleHead, name, "%s", detail)
		}
	}
}

// checkKept compares what was kept elsewhere. What is of a history that a restore has given up cannot be looked at: that is
// for whoever kept it to know of.
func (v *verifying) checkKept() {
	slices.SortStableFunc(v.kept, func(a, b consent.Head) int { return cmp.Compare(a.Number, b.Number) })
	restores, err := v.r.Restores()
	if err != nil {
		v.find(ruleRestore, "restores", "%v", err)
	}
	for _, c := range v.kept {
		name := headName(c)
		since, ok := added(c.Restores, restores)
		if !ok {
			v.find(ruleRestore, name, "it knows of a restore that this database does not: %s", epochs(c.Restores))
			continue
		}
		if given := slices.IndexFunc(since, func(r Restore) bool { return r.Entries < c.Entries.Size || r.Audit < c.Audit.Size }); given >= 0 {
			if r := since[given]; !slices.Contains(v.Restored, r.Epoch) {
				v.find(ruleRestore, name, "the database was restored (epoch %s) to its first %d entries and %d actions of operators, and this head is of %d and %d",
					r.Epoch, r.Entries, r.Audit, c.Entries.Size, c.Audit.Size)
			}
			continue
		}
		if detail := v.holds(c); detail != "" {
			v.find(ruleKept, name, "%s", detail)
			continue
		}
		if len(since) == 0 && !v.has(c) {
			v.find(ruleKept, name, "it is not among the heads any more")
			continue
		}
		v.Verified.Kept++
	}
}

// has reports whether a head that was kept is still there.
func (v *verifying) has(c consent.Head) bool {
	i, there := slices.BinarySearchFunc(v.heads, c.Number, func(h Head, n int64) int { return cmp.Compare(h.Number, n) })
	return there && v.claims[i].Entries == c.Entries && v.claims[i].Audit == c.Audit && v.claims[i].Day == c.Day && v.claims[i].IssuedAt == c.IssuedAt
}

// added are the restores that came after those that are known; false if these are not among them.
func added(known, all []Restore) ([]Restore, bool) {
	if len(known) > len(all) || !slices.Equal(known, all[:len(known)]) {
		return nil, false
	}
	return all[len(known):], true
}

func epochs(all []Restore) string {
	if len(all) == 0 {
		return "none"
	}
	return all[len(all)-1].Epoch
}

// checkDays compares closed days with what their heads say of them.
func (v *verifying) checkDays() error {
	digests := map[string]string{}
	for _, c := range v.claims {
		if c.Day != "" {
			digests[c.Day] = c.DayDigest
		}
	}
	days, err := v.r.Days()
	if err != nil {
		return err
	}
	for _, d := range days {
		if digest, sealed := digests[d.Day]; sealed && digest != DayDigest(d) {
			v.find(ruleDay, d.Day, "it is not what was closed")
		}
		delete(digests, d.Day)
	}
	for day := range digests {
		v.find(ruleDay, day, "it was closed, and is not any more")
	}
	return nil
}
