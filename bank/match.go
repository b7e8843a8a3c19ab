package bank

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"tapline/money"
	"tapline/payout"
)

// Movement is money that came in from outside or went out, as the books have it.
type Movement struct {
	Entry     string       `json:"entry"`
	Reference string       `json:"reference"` // the top-up's or payout's id
	Account   string       `json:"account"`   // the account that got the money, or paid it
	At        time.Time    `json:"at"`
	Amount    money.Amount `json:"amount"`
	In        bool         `json:"in"`              // from outside
	Notes     []string     `json:"notes,omitempty"` // of the operators who entered it

	// Sent is whether it is a payout that was sent to the bank at that time, which may take some days. When it was posted says nothing
	// of when the bank paid. Underway is whether it is not confirmed: nothing is posted yet.
	Sent     bool `json:"sent,omitempty"`
	Underway bool `json:"underway,omitempty"`
}

// Booking is a line of a bank's statement.
type Booking struct {
	Line      int          `json:"line"` // from 1
	Date      string       `json:"date"`
	Amount    money.Amount `json:"amount"`
	In        bool         `json:"in"`
	Reference string       `json:"reference,omitempty"`
	Text      string       `json:"text,omitempty"`
}

// How a line and a movement were found to be the same.
const (
	ByReference = "reference"       // one names the other
	ByAmount    = "amount and date" // they have the same amount, and are days apart at most
)

// Matched is a line and the movement that it is.
type Matched struct {
	By    string   `json:"by" enum:"reference,amount and date"`
	Bank  Booking  `json:"bank"`
	Books Movement `json:"books"`
}

// What is wrong where bank and books do not agree.
const (
	NotInBooks    = "not in the books"
	NotAtBank     = "not at the bank"
	AmountDiffers = "the amount differs"
	Ambiguous     = "it names several"
)

// Break is where bank and books do not agree.
type Break struct {
	Why   string    `json:"why" enum:"not in the books,not at the bank,the amount differs,it names several"`
	Bank  *Booking  `json:"bank,omitempty"`
	Books *Movement `json:"books,omitempty"`
}

// Reconciled is what became of every line and every movement: each is in one pair, or in one break.
type Reconciled struct {
	Matched []Matched `json:"matched"`
	Breaks  []Break   `json:"breaks"`
}

// reconciling is a reconciliation under way.
type reconciling struct {
	Reconciled
	lines     []Booking
	dates     []time.Time
	tokens    [][]string // of the lines
	movements []Movement
	done      []bool // of the movements
	lineDone  []bool
}

// Reconcile finds for each line of a statement the movement that it is: first by reference, if the line names the
// movement's id or the movement's notes name the line's reference, then by amount and date, if they are at most some days
// apart. A movement at a time outside the statement's days may be matched, but is no break if it is not; nor is a payout that
// was sent so few days before the statement ends.
func Reconcile(s Statement, movements []Movement, days int) Reconciled {
	r := &reconciling{
		Reconciled: Reconciled{Matched: []Matched{}, Breaks: []Break{}},
		movements:  movements, done: make([]bool, len(movements)), lineDone: make([]bool, len(s.Lines)),
	}
	for i, l := range s.Lines {
		r.lines = append(r.lines, Booking{i + 1, l.Date.Format(time.DateOnly), l.Amount, l.In, l.Reference, l.Text})
		r.dates = append(r.dates, l.Date)
		r.tokens = append(r.tokens, words(l.Reference+" "+l.Text))
	}
	r.byReference()
	r.byAmount(time.Duration(days) * 24 * time.Hour)
	for i := range r.lines {
		if !r.lineDone[i] {
			r.Breaks = append(r.Breaks, Break{Why: NotInBooks, Bank: &r.lines[i]})
		}
	}
	for i, m := range movements {
		until := s.Until
		if m.Sent {
			until = until.AddDate(0, 0, -days)
		}
		if !r.done[i] && !m.At.Before(s.From) && m.At.Before(until) {
			r.Breaks = append(r.Breaks, Break{Why: NotAtBank, Books: &movements[i]})
		}
	}
	return r.Reconciled
}

// byReference pairs what one side names of the other. A reference that fits several movements counts only where the amount
// tells which.
func (r *reconciling) byReference() {
	named := map[string][]int{}
	for i, m := range r.movements {
		tokens := []string{m.Reference, payout.ID(m.Reference).EndToEnd()}
		for _, note := range m.Notes {
			tokens = append(tokens, words(note)...)
		}
		for _, t := range tokens {
			if !slices.Contains(named[t], i) {
				named[t] = append(named[t], i)
			}
		}
	}
	// A cent that somebody sends with another's reference must not keep the true line from its movement.
	for _, exact := range []bool{true, false} {
		for i := range r.lines {
			if !r.lineDone[i] {
				r.namedBy(i, named, exact)
			}
		}
	}
}

// namedBy pairs a line with the one movement that it names: of its amount and direction, or, unless exact, of others.
func (r *reconciling) namedBy(i int, named map[string][]int, exact bool) {
	l := &r.lines[i]
	var same, other []int
	for _, t := range r.tokens[i] {
		for _, m := range named[t] {
			switch {
			case r.done[m] || slices.Contains(same, m) || slices.Contains(other, m):
			case r.movements[m].Amount == l.Amount && r.movements[m].In == l.In:
				same = append(same, m)
			default:
				other = append(other, m)
			}
		}
	}
	switch {
	case len(same) == 1:
		r.pair(i, same[0], ByReference)
	case len(same) > 1:
		r.lineDone[i] = true
		r.Breaks = append(r.Breaks, Break{Why: Ambiguous, Bank: l})
	case len(other) == 1 && !exact:
		r.lineDone[i], r.done[other[0]] = true, true
		r.Breaks = append(r.Breaks, Break{Why: AmountDiffers, Bank: l, Books: &r.movements[other[0]]})
	}
}

// Named are the payouts that the lines of a statement name.
func (s Statement) Named() (ids []payout.ID) {
	for _, l := range s.Lines {
		for _, w := range words(l.Reference + " " + l.Text) {
			if id, told := payout.FromEndToEnd(w); told && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// byAmount pairs what is left, the pairs that are the least time apart first.
func (r *reconciling) byAmount(most time.Duration) {
	type alike struct {
		amount money.Amount
		in     bool
	}
	open := map[alike][]int{}
	for m, x := range r.movements {
		if !r.done[m] {
			key := alike{x.Amount, x.In}
			open[key] = append(open[key], m)
		}
	}
	type candidate struct {
		line, movement int
		apart          time.Duration
	}
	var all []candidate
	for i, l := range r.lines {
		if r.lineDone[i] {
			continue
		}
		for _, m := range open[alike{l.Amount, l.In}] {
			if apart := r.dates[i].Sub(day(r.movements[m].At.UTC())).Abs(); apart <= most {
				all = append(all, candidate{i, m, apart})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.apart, b.apart), cmp.Compare(a.line, b.line), cmp.Compare(a.movement, b.movement))
	})
	for _, c := range all {
		if !r.lineDone[c.line] && !r.done[c.movement] {
			r.pair(c.line, c.movement, ByAmount)
		}
	}
	slices.SortStableFunc(r.Matched, func(a, b Matched) int { return cmp.Compare(a.Bank.Line, b.Bank.Line) })
}

func (r *reconciling) pair(line, movement int, by string) {
	r.lineDone[line], r.done[movement] = true, true
	r.Matched = append(r.Matched, Matched{by, r.lines[line], r.movements[movement]})
}

// shortest is the length of the shortest word that can be a reference.
const shortest = 6

// words are the words of a text that can be references: long enough, and with a digit or as an id is written.
func words(text string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(text, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' && c != '-'
	}) {
		_, told := payout.FromEndToEnd(w) // one without a digit is rare, and there
		if len(w) >= shortest && (told || strings.ContainsFunc(w, unicode.IsDigit) || strings.Contains(w, "_")) && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
