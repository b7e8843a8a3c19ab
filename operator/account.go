package operator

import (
	"context"
	"net/url"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
)

// AddPayee adds a payee with a payee account. Its API key is told once.
func (c *Client) AddPayee(ctx context.Context, payee api.NewPayee) (api.AdminPayee, error) {
	if err := consent.CheckHandle(payee.Handle); err != nil {
		return api.AdminPayee{}, err
	}
	return write[api.AdminPayee](ctx, c, "/v1/admin/payees", payee)
}

// Payees lists all payees.
func (c *Client) Payees(ctx context.Context) ([]api.AdminPayee, error) {
	return all(func(after string) ([]api.AdminPayee, string, error) {
		list, err := read[api.Payees](ctx, c, "/v1/admin/payees", page(after))
		return list.Payees, list.Next, err
	})
}

// SetRehearsals says whether payments to a payee may be rehearsed. Open only a payee that wants it, and whose programs know
// a rehearsal from money.
func (c *Client) SetRehearsals(ctx context.Context, handle string, allowed bool, note string) (api.AdminPayee, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.AdminPayee{}, err
	}
	return write[api.AdminPayee](ctx, c, "/v1/admin/payees/"+url.PathEscape(handle)+"/rehearsals",
		api.NewRehearsals{Allowed: allowed, Note: note})
}

// Accounts lists all accounts.
func (c *Client) Accounts(ctx context.Context) ([]api.Account, error) {
	return c.UnusedAccounts(ctx, time.Time{})
}

// UnusedAccounts lists the accounts of cards and payees that had no payment since a time; all accounts since the zero Time.
func (c *Client) UnusedAccounts(ctx context.Context, since time.Time) ([]api.Account, error) {
	return all(func(after string) ([]api.Account, string, error) {
		query := url.Values{}
		if after != "" {
			query.Set("before", after)
		}
		if !since.IsZero() {
			query.Set("unused_since", since.UTC().Format(time.RFC3339Nano))
		}
		list, err := read[api.Accounts](ctx, c, "/v1/admin/accounts", query)
		return list.Accounts, list.Next, err
	})
}

// Account is one account of the ledger, such as api.Card.Account. Its id is not the number on a card.
func (c *Client) Account(ctx context.Context, id string) (api.Account, error) {
	return read[api.Account](ctx, c, accountPath(id), nil)
}

// Report lists an account's entries from a time until another, with the posted balances before and after. A zero time
// leaves that end to the service.
func (c *Client) Report(ctx context.Context, id string, from, until time.Time) (api.Report, error) {
	query := url.Values{}
	span(query, from, until)
	return read[api.Report](ctx, c, accountPath(id)+"/report", query)
}

// SetLimits sets the limits of the payments of a card's or a payee's account, in the place of all that it had.
func (c *Client) SetLimits(ctx context.Context, id string, limits api.NewLimits) (api.Account, error) {
	if err := limits.Limits.Check("limits."); err != nil {
		return api.Account{}, err
	}
	return write[api.Account](ctx, c, accountPath(id)+"/limits", limits)
}

// TopUp credits a card account with money that came in from outside, and returns the account after it. If that has a held
// top-up, nothing has moved: another operator has to confirm it.
func (c *Client) TopUp(ctx context.Context, id string, topUp api.NewTopUp) (api.Account, error) {
	if !topUp.Amount.Valid() {
		return api.Account{}, money.ErrAmount
	}
	return write[api.Account](ctx, c, accountPath(id)+"/top-ups", topUp)
}

// Adjust corrects the balance of a card's or a payee's account, and returns the account after it. If that has a held top-up, nothing
// has moved: another operator has to confirm it, as a top-up.
func (c *Client) Adjust(ctx context.Context, id string, adjustment api.NewAdjustment) (api.Account, error) {
	if !adjustment.Amount.Valid() {
		return api.Account{}, money.ErrAmount
	}
	return write[api.Account](ctx, c, accountPath(id)+"/adjustments", adjustment)
}

// TopUps lists the top-ups that wait for a second operator, and those whose time to be confirmed is over.
func (c *Client) TopUps(ctx context.Context) ([]api.TopUp, error) {
	return all(func(after string) ([]api.TopUp, string, error) {
		list, err := read[api.TopUps](ctx, c, "/v1/admin/top-ups", page(after))
		return list.TopUps, list.Next, err
	})
}

// ConfirmTopUp confirms what another operator asked for: the money is on the account then.
func (c *Client) ConfirmTopUp(ctx context.Context, id, note string) (api.TopUp, error) {
	return write[api.TopUp](ctx, c, "/v1/admin/top-ups/"+url.PathEscape(id)+"/confirm", api.Noted{Note: note})
}

// RejectTopUp rejects what another operator asked for, or takes back what this one did.
func (c *Client) RejectTopUp(ctx context.Context, id, note string) (api.TopUp, error) {
	return write[api.TopUp](ctx, c, "/v1/admin/top-ups/"+url.PathEscape(id)+"/reject", api.Noted{Note: note})
}

func accountPath(id string) string { return "/v1/admin/accounts/" + url.PathEscape(id) }
