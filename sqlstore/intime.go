package sqlstore

import (
	"math"
	"time"
)

// inTime is a list that can be read from either end. A page begins after the time $2 and the id $3 where the last one ended, and
// goes on to a far end.
type inTime struct{ newest, oldest *statement }

// bothWays makes a list by a column of time, whose far end is a parameter. build adds what else there is to the condition.
func bothWays(column, far string, build func(span, order string) *statement) inTime {
	return inTime{
		newest: build(column+" <= $2 AND ("+column+" < $2 OR id < $3) AND "+column+" >= "+far, " ORDER BY "+column+" DESC, id DESC"),
		oldest: build(column+" >= $2 AND ("+column+" > $2 OR id > $3) AND "+column+" < "+far, " ORDER BY "+column+", id"),
	}
}

// way is the list from one end.
func (l inTime) way(oldest bool) *statement {
	if oldest {
		return l.oldest
	}
	return l.newest
}

// edges are where a page begins, and the far end of its list.
type edges struct {
	at  int64
	id  string
	far int64
}

// edgesOf are those of a query for what was from a time until another, zero for any.
func edgesOf(from, before time.Time, beforeID, afterID string, oldest bool) edges {
	until := int64(math.MaxInt64)
	if !before.IsZero() {
		until = micros(before)
	}
	if oldest {
		return edges{micros(from), afterID, until}
	}
	return edges{until, beforeID, micros(from)}
}
