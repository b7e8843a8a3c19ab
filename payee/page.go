package payee

import (
	"fmt"
	"iter"
	"net/url"
	"strconv"
)

// listing is the query of a page: its bounds, and pairs of names and values, of which empty ones are left out.
func listing(before string, limit int, pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	if before != "" {
		query.Set("before", before)
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	return query
}

// each gives what is on all pages, from one on. page gets the next of the page before. A page may be empty and still have a next.
func each[T any](first string, page func(before string) (list []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for before := first; ; {
			list, next, err := page(before)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range list {
				if !yield(item, nil) {
					return
				}
			}
			switch next {
			case "":
				return
			case before:
				var none T
				yield(none, fmt.Errorf("%w: a page is followed by itself", ErrAnswer))
				return
			}
			before = next
		}
	}
}
