package httpapi

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"tapline/api"
	"tapline/bank"
	"tapline/consent"
	"tapline/money"
	"tapline/payout"
	"tapline/processor"
)

// makePayoutFile is POST /v1/admin/payout-files: the payouts that are ready, the oldest first if they are too many for a file.
func (c *call) makePayoutFile() (answer, error) {
	var in api.NewPayoutFile
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if err := knownCurrency(in.Currency); err != nil {
		return answer{}, err
	}
	from, err := bankAccount("from", in.From)
	if err == nil && from.Cash {
		err = refuseField("bank_account", "from")
	}
	if err != nil {
		return answer{}, err
	}
	on := cmp.Or(in.On, c.now().UTC().Format(time.DateOnly))
	if _, err := time.Parse(time.DateOnly, on); err != nil {
		return answer{}, refuseField("invalid_field", "on")
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	ready, more, err := c.ready(in.Currency)
	if err != nil {
		return answer{}, err
	}
	command := &processor.SendPayouts{Operated: who, Payouts: ready, File: processor.PayoutFile{ID: consent.NewPayoutFileID(), Currency: in.Currency, From: from, On: on}}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		view := c.payoutFileView(command.File, command.Sent)
		view.More = more
		return http.StatusCreated, encode(view)
	})
}

// ready names the payouts of a currency that may be sent, and says whether there are more than a file has.
func (c *call) ready(currency money.Currency) (ids []payout.ID, more bool, err error) {
	err = c.Store.View(c.r.Context(), func(r processor.Reader) error {
		ids, more = nil, false
		q := processor.PayoutQuery{State: payout.Ready, Currency: currency, Oldest: true, Limit: processor.MaxInFile + 1}
		for {
			found, err := r.Payouts(q)
			if err != nil {
				return err
			}
			for _, p := range found {
				q.From, q.AfterID = p.MadeAt, p.ID
				if p.To.Cash {
					continue
				}
				if more = len(ids) == processor.MaxInFile; more {
					return nil
				}
				ids = append(ids, p.ID)
			}
			if len(found) < q.Limit {
				return nil
			}
		}
	})
	return ids, more, err
}

func (c *call) payoutFileView(f processor.PayoutFile, payouts []payout.Payout) api.PayoutFile {
	v := api.PayoutFile{
		ID: string(f.ID), Message: f.ID.Message(), From: f.From, On: f.On, Count: f.Payouts, Total: money.Amount{Minor: f.Total, Currency: f.Currency},
		MadeBy: string(f.By), MadeAt: f.At, Note: f.Note,
	}
	for _, p := range payouts {
		v.Payouts = append(v.Payouts, c.payoutView(p))
	}
	return v
}

// listPayoutFiles is GET /v1/admin/payout-files.
func (c *call) listPayoutFiles() (answer, error) {
	rows, limit, err := c.list("payout_files")
	if err != nil {
		return answer{}, err
	}
	list := api.PayoutFiles{Files: []api.PayoutFile{}}
	for _, f := range rows.PayoutFiles {
		list.Files = append(list.Files, c.payoutFileView(f, nil))
	}
	list.Next = after(rows.PayoutFiles, limit, func(f processor.PayoutFile) string { return string(f.ID) })
	return ok(list)
}

// getPayoutFile is GET /v1/admin/payout-files/{id}.
func (c *call) getPayoutFile() (answer, error) {
	id := payout.FileID(c.r.PathValue("id"))
	var view api.PayoutFile
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{PayoutFiles: []payout.FileID{id}})
		if err != nil {
			return err
		}
		if len(rows.PayoutFiles) == 0 {
			return refuse("unknown_payout_file")
		}
		payouts, err := r.Payouts(processor.PayoutQuery{File: id, Limit: processor.MaxInFile})
		slices.SortFunc(payouts, func(a, b payout.Payout) int { return strings.Compare(string(a.ID), string(b.ID)) })
		view = c.payoutFileView(rows.PayoutFiles[0], payouts)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	switch c.query["format"] {
	case "csv":
		return download("text/csv; charset=utf-8", view.Message+".csv", bank.PayoutsCSV(view))
	case "pain.001":
		return download("application/xml", view.Message+".xml", bank.Pain001(view))
	}
	return ok(view)
}
