package payee

import (
	"context"
	"net/url"
	"time"

	"tapline/api"
)

// Report is the payee's account in a currency, or in its first if that is empty, in a half-open span of time. Zero times leave
// it open.
func (c *Client) Report(ctx context.Context, currency string, from, until time.Time) (report api.Report, err error) {
	err = c.read(ctx, "/v1/report", spanOf(currency, from, until), &report)
	return report, err
}

// ReportFile is Report in another form: "csv", or "camt.053" for the ISO 20022 message that bank programs read.
func (c *Client) ReportFile(ctx context.Context, format, currency string, from, until time.Time) (file []byte, err error) {
	query := spanOf(currency, from, until)
	query.Set("format", format)
	err = c.read(ctx, "/v1/report", query, &file)
	return file, err
}

func spanOf(currency string, from, until time.Time) url.Values {
	query := url.Values{}
	if currency != "" {
		query.Set("currency", currency)
	}
	for name, at := range map[string]time.Time{"from": from, "until": until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return query
}
