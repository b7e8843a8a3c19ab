package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// deprecation is when something began to be deprecated, and when it will work no longer: docs/versioning.md.
type deprecation struct{ since, until time.Time }

// former is a name that a parameter had.
type former struct {
	name string
	deprecation
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

// tell says in an answer that what was asked for is deprecated (RFC 9745 §2), when it ends (RFC 8594 §3), and where that is
// explained. policy is the address of the policy.
func (d deprecation) tell(h http.Header, policy string) {
	h.Set("Deprecation", "@"+strconv.FormatInt(d.since.Unix(), 10))
	h.Set("Sunset", d.until.Format(http.TimeFormat))
	h.Add("Link", "<"+policy+`>; rel="deprecation"; type="text/html"`)
}

// text is what the document says of it.
func (d deprecation) text() string {
	return "Deprecated since " + d.since.Format(time.DateOnly) + "; works until " + d.until.Format(time.DateOnly) + "."
}

// policyPath is where the policy is explained to people.
const policyPath = "/docs#versioning"

// policy is it in short.
const policy = "What begins with /v1 goes on working. Operations, parameters, fields, events and problem codes may be added at any time: ignore " +
	"what you do not know. What is to go is deprecated first: the document says so, and every answer to it has the headers Deprecation (RFC 9745) " +
	"and Sunset (RFC 8594), a year ahead at least."

// renamedParams puts the names that parameters have now in the place of those that they had. old is the deprecation of one that was
// used; nil for none. Whoever uses both names has sent a parameter twice.
func renamedParams(known []param, raw string) (query string, old *deprecation, err error) {
	for _, p := range known {
		if p.was.name == "" {
			continue
		}
		values, err := url.ParseQuery(raw)
		if err != nil {
			return "", nil, refuse("malformed")
		}
		if list, used := values[p.was.name]; used {
			values[p.name] = append(values[p.name], list...)
			delete(values, p.was.name)
			raw, old = values.Encode(), &p.was.deprecation
		}
	}
	return raw, old, nil
}
