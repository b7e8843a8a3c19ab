package operator

import (
	"context"
	"net/url"
	"strconv"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
)

// MakePayout has money of a payee's paid out to its bank account. It may wait for another operator's approval.
func (c *Client) MakePayout(ctx context.Context, in api.NewPayeePayout) (api.Payout, error) {
	if in.Amount != nil && !in.Amount.Valid() {
		return api.Payout{}, money.ErrAmount
	}
	return write[api.Payout](ctx, c, "/v1/admin/payouts", in)
}

// PayOutCard has what is left on the account of a closed card paid out to its holder.
func (c *Client) PayOutCard(ctx context.Context, card string, in api.NewCardPayout) (api.Payout, error) {
	return write[api.Payout](ctx, c, "/v1/admin/cards/"+url.PathEscape(card)+"/pay-out", in)
}

// PayoutQuery selects payouts. The zero value selects all.
type PayoutQuery struct {
	Payee    string // its handle
	State    string
	Currency money.Currency
	Before   string // the Next of the page before
	Limit    int    // 0 leaves it to the service
}

// Payouts is a page of payouts, newest first.
func (c *Client) Payouts(ctx context.Context, q PayoutQuery) (api.Payouts, error) {
	query := url.Values{}
	for name, value := range map[string]string{"payee": q.Payee, "state": q.State, "currency": string(q.Currency), "before": q.Before} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	return read[api.Payouts](ctx, c, "/v1/admin/payouts", query)
}

// Payout is one payout.
func (c *Client) Payout(ctx context.Context, id string) (api.Payout, error) {
	return read[api.Payout](ctx, c, payoutPath(id), nil)
}

// ApprovePayout approves what somebody else has asked for.
func (c *Client) ApprovePayout(ctx context.Context, id, note string) (api.Payout, error) {
	return c.onPayout(ctx, id, "approve", note)
}

// CancelPayout takes a payout back that is in no file yet.
func (c *Client) CancelPayout(ctx context.Context, id, note string) (api.Payout, error) {
	return c.onPayout(ctx, id, "cancel", note)
}

// ConfirmPayout says that the bank has paid it.
func (c *Client) ConfirmPayout(ctx context.Context, id, note string) (api.Payout, error) {
	return c.onPayout(ctx, id, "confirm", note)
}

// ReturnPayout says that the bank has not paid it, or got it back. If the payout is not returned then, another operator has to say so, too.
func (c *Client) ReturnPayout(ctx context.Context, id, note string) (api.Payout, error) {
	return c.onPayout(ctx, id, "return", note)
}

func (c *Client) onPayout(ctx context.Context, id, what, note string) (api.Payout, error) {
	return write[api.Payout](ctx, c, payoutPath(id)+"/"+what, api.Noted{Note: note})
}

func payoutPath(id string) string { return "/v1/admin/payouts/" + url.PathEscape(id) }

// MakePayoutFile puts the payouts of a currency that are ready into a file for a bank. Package bank writes it.
func (c *Client) MakePayoutFile(ctx context.Context, in api.NewPayoutFile) (api.PayoutFile, error) {
	return write[api.PayoutFile](ctx, c, "/v1/admin/payout-files", in)
}

// PayoutFile is a file that was made before, with its payouts.
func (c *Client) PayoutFile(ctx context.Context, id string) (api.PayoutFile, error) {
	return read[api.PayoutFile](ctx, c, "/v1/admin/payout-files/"+url.PathEscape(id), nil)
}

// PayoutFiles lists all files, without their payouts.
func (c *Client) PayoutFiles(ctx context.Context) ([]api.PayoutFile, error) {
	return all(func(after string) ([]api.PayoutFile, string, error) {
		list, err := read[api.PayoutFiles](ctx, c, "/v1/admin/payout-files", page(after))
		return list.Files, list.Next, err
	})
}

// PayoutPlans says where a payee is paid out to, and when.
func (c *Client) PayoutPlans(ctx context.Context, handle string) (api.PayoutPlans, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.PayoutPlans{}, err
	}
	return read[api.PayoutPlans](ctx, c, payeePath(handle)+"/payout-plans", nil)
}

// SetBankAccount asks for another bank account of a payee.
func (c *Client) SetBankAccount(ctx context.Context, handle string, in api.NewBankAccount) (api.PayoutPlan, error) {
	return c.onPlan(ctx, handle, "bank-account", in)
}

// ConfirmBankAccount confirms what another operator has asked for, as it was seen.
func (c *Client) ConfirmBankAccount(ctx context.Context, handle string, in api.BankAccountDecision) (api.PayoutPlan, error) {
	return c.onPlan(ctx, handle, "bank-account/confirm", in)
}

// RejectBankAccount rejects a change of a bank account that does not count yet.
func (c *Client) RejectBankAccount(ctx context.Context, handle string, in api.BankAccountDecision) (api.PayoutPlan, error) {
	return c.onPlan(ctx, handle, "bank-account/reject", in)
}

// SetPayoutSchedule says when a payee is paid out.
func (c *Client) SetPayoutSchedule(ctx context.Context, handle string, in api.NewPayoutSchedule) (api.PayoutPlan, error) {
	return c.onPlan(ctx, handle, "payout-schedule", in)
}

func (c *Client) onPlan(ctx context.Context, handle, what string, in any) (api.PayoutPlan, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.PayoutPlan{}, err
	}
	return write[api.PayoutPlan](ctx, c, payeePath(handle)+"/"+what, in)
}
