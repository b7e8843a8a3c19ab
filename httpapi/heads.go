package httpapi

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"tapline/api"
	"tapline/history"
)

// headRoutes publish the service's history.
func headRoutes() []*route {
	return []*route{
		{
			method: "GET", path: "/v1/heads", id: "listHeads", summary: "List the signed heads of the service's history, newest first",
			text: "A head is signed every ten seconds in which there was something new, and at the end of each closed day. It has the roots of " +
				"Merkle trees (RFC 9162 §2.1) over all entries of the books and all actions of operators.",
			status: http.StatusOK, out: typeOf[api.Heads](), handle: (*call).listHeads,
			query: []param{
				{name: "before", doc: "The next of the page before.", integer: true, min: 1, max: 1 << 53},
				{name: "limit", doc: "How many; 50 if left out.", integer: true, min: 1, max: maxPage},
			},
		}, {
			method: "GET", path: "/v1/heads/{which}", id: "getHead", summary: "Read a head: the latest, that of a closed day, or of a size",
			text:   "which is latest, a day such as 2026-03-01, or a number of entries: then it is the first head of at least as many.",
			status: http.StatusOK, out: typeOf[api.Head](), handle: (*call).getHead, codes: []string{"unknown_head"},
		}, {
			method: "GET", path: "/v1/heads/consistency", id: "getConsistency", summary: "Prove that the history only grew between two sizes",
			text:   "Of a tree as heads have them. Check it against the roots of two heads that you have (RFC 9162 §2.1.4.2).",
			status: http.StatusOK, out: typeOf[api.ConsistencyProof](), handle: (*call).getConsistency, codes: []string{"unknown_head"},
			query: []param{
				{name: "log", doc: "entries if left out, or audit.", enum: []string{string(history.Entries), string(history.Audit)}},
				{name: "from", doc: "Size of the earlier tree.", integer: true, min: 0, max: 1 << 53, required: true},
				{name: "to", doc: "Size of the later tree.", integer: true, min: 0, max: 1 << 53, required: true},
			},
		},
	}
}

// past reads the history, if the service has one.
func (c *call) past(f func(history.Reader) error) error {
	if c.History == nil {
		return refuse("unknown_head")
	}
	return c.History.Store.History(c.r.Context(), f)
}

// listHeads is GET /v1/heads.
func (c *call) listHeads() (answer, error) {
	limit := int(c.number("limit", defaultPage))
	list := api.Heads{Heads: []api.Head{}}
	if c.History == nil {
		return ok(list)
	}
	err := c.past(func(r history.Reader) error {
		heads, err := r.Heads(history.Query{Before: c.number("before", 0), Limit: limit})
		for _, h := range heads {
			list.Heads = append(list.Heads, headView(h))
		}
		list.Next = after(heads, limit, func(h history.Head) string { return seq(h.Number) })
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(list)
}

func headView(h history.Head) api.Head { return api.Head{Number: h.Number, Day: h.Day, Head: h.JWS} }

var sizeForm = regexp.MustCompile(`^[1-9]\d{0,15}$`)

// getHead is GET /v1/heads/{which}.
func (c *call) getHead() (answer, error) {
	which := c.r.PathValue("which")
	q := history.Query{Limit: 1}
	if _, err := time.Parse(time.DateOnly, which); err == nil {
		q.Day = which
	} else if sizeForm.MatchString(which) {
		q.Size, _ = strconv.ParseInt(which, 10, 64) // it fits
	} else if q.Latest = which == "latest"; !q.Latest {
		return answer{}, refuse("unknown_head")
	}
	var heads []history.Head
	err := c.past(func(r history.Reader) (err error) {
		heads, err = r.Heads(q)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	if len(heads) == 0 {
		return answer{}, refuse("unknown_head")
	}
	return ok(headView(heads[0]))
}

// getConsistency is GET /v1/heads/consistency.
func (c *call) getConsistency() (answer, error) {
	log := history.Entries
	if c.query["log"] == string(history.Audit) {
		log = history.Audit
	}
	proof := api.ConsistencyProof{Log: string(log), From: c.number("from", 0), To: c.number("to", 0), Hashes: []string{}}
	if proof.From > proof.To {
		return answer{}, refuseField("invalid_field", "from")
	}
	err := c.past(func(r history.Reader) error {
		_, entries, audit, err := r.Sealed()
		if err != nil {
			return err
		}
		if proof.To > map[history.Log]int64{history.Entries: entries, history.Audit: audit}[log] {
			return refuse("unknown_head")
		}
		hashes, err := history.Consistency(r, log, proof.From, proof.To)
		proof.Hashes = append(proof.Hashes, hashes...)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(proof)
}

// sealNow seals at once what would be sealed within seconds anyway: a closed day has its head when its operator is told.
func (c *call) sealNow() {
	if c.History == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), history.SealEvery)
	defer cancel()
	if err := c.History.Seal(ctx); err != nil {
		c.Log.Warn("the history was not sealed", "trace_id", c.trace, "error", err)
	}
}
