package sqlstore

import (
	"errors"
	"math"
	"time"

	"tapline/money"
	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

// The terms of an order never change.
var orders = newTable("orders", 1,
	text("id", func(o *order.Order) *payment.OrderID { return &o.ID }),
	fixed(text("payee", func(o *order.Order) *payment.Handle { return &o.Payee })),
	fixed(integer("amount", func(o *order.Order) *int64 { return &o.Amount.Minor })),
	fixed(text("currency", func(o *order.Order) *money.Currency { return &o.Amount.Currency })),
	fixed(text("reference", func(o *order.Order) *string { return &o.Reference })),
	fixed(text("description", func(o *order.Order) *string { return &o.Description })),
	fixed(encoded("lines", func(o *order.Order) *[]order.Line { return &o.Lines },
		func(lines []order.Line) bool { return len(lines) == 0 })),
	fixed(integer("tip", func(o *order.Order) *int64 { return &o.Tip })),
	fixed(integer("tax", func(o *order.Order) *int64 { return &o.Tax })),
	fixed(reference("template", func(o *order.Order) *order.TemplateID { return &o.Template })),
	fixed(text("success_url", func(o *order.Order) *string { return &o.SuccessURL })),
	fixed(text("cancel_url", func(o *order.Order) *string { return &o.CancelURL })),
	fixed(encoded("metadata", func(o *order.Order) *map[string]string { return &o.Metadata },
		func(m map[string]string) bool { return len(m) == 0 })),
	text("state", func(o *order.Order) *order.State { return &o.State }),
	reference("payment", func(o *order.Order) *payment.ID { return &o.Payment }),
	integer("version", func(o *order.Order) *int64 { return &o.Version }),
	fixed(instant("created_at", func(o *order.Order) *time.Time { return &o.CreatedAt })),
	fixed(instant("expires_at", func(o *order.Order) *time.Time { return &o.ExpiresAt })),
	instant("ended_at", func(o *order.Order) *time.Time { return &o.EndedAt }),
)

// The terms of a template never change.
var templates = newTable("order_templates", 1,
	text("id", func(t *order.Template) *order.TemplateID { return &t.ID }),
	fixed(text("payee", func(t *order.Template) *payment.Handle { return &t.Payee })),
	fixed(text("currency", func(t *order.Template) *money.Currency { return &t.Currency })),
	fixed(integer("amount", func(t *order.Template) *int64 { return &t.Minor })),
	fixed(integer("least", func(t *order.Template) *int64 { return &t.Least })),
	fixed(integer("most", func(t *order.Template) *int64 { return &t.Most })),
	fixed(text("prefix", func(t *order.Template) *string { return &t.Prefix })),
	fixed(text("description", func(t *order.Template) *string { return &t.Description })),
	fixed(encoded("lines", func(t *order.Template) *[]order.Line { return &t.Lines },
		func(lines []order.Line) bool { return len(lines) == 0 })),
	fixed(integer("tax", func(t *order.Template) *int64 { return &t.Tax })),
	fixed(boolean("tip", func(t *order.Template) *bool { return &t.Tip })),
	fixed(seconds("life", func(t *order.Template) *time.Duration { return &t.Life })),
	integer("version", func(t *order.Template) *int64 { return &t.Version }),
	fixed(instant("created_at", func(t *order.Template) *time.Time { return &t.CreatedAt })),
	instant("disabled_at", func(t *order.Template) *time.Time { return &t.DisabledAt }),
).seldomChanged()

// templatesOf are the active templates of payees.
var templatesOf = templates.by("disabled_at = 0", "payee")

// ordersWhere lists orders of a payee of which a column has a value.
func ordersWhere(more string, kinds ...kind) inTime {
	return bothWays("created_at", "$7", func(span, order string) *statement {
		return plain("SELECT "+orders.list()+" FROM orders WHERE payee = $1 AND "+span+
			" AND ($4 = '' OR state = $4) AND amount >= $5 AND amount <= $8"+more+order+" LIMIT $6",
			append([]kind{isText, isInteger, isText, isText, isInteger, isInteger, isInteger, isInteger}, kinds...)...)
	})
}

var (
	ordersByPayee     = ordersWhere("")
	ordersByReference = ordersWhere(" AND reference = $9", isText)
	dueOrders         = plain("SELECT id FROM orders WHERE state = 'open' AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2",
		isInteger, isInteger)
)

// Orders lists by the time of making; see processor.Reader.
func (r *reader) Orders(q processor.OrderQuery) ([]order.Order, error) {
	if q.Payee == "" {
		return nil, errors.New("orders are listed by payee")
	}
	if q.Limit < 1 {
		return nil, errNoLimit
	}
	s, least, most := ordersByPayee, q.Least, q.Most
	if most == 0 {
		most = math.MaxInt64
	}
	if q.Minor != 0 {
		least, most = max(least, q.Minor), min(most, q.Minor)
	}
	e := edgesOf(q.From, q.Before, string(q.BeforeID), string(q.AfterID), q.Oldest)
	if q.Reference != "" {
		s = ordersByReference
	}
	found := collect(&r.rows, orders, s.way(q.Oldest), func(to binder) {
		to.text(string(q.Payee))
		to.integer(e.at)
		to.text(e.id)
		to.text(string(q.State))
		to.integer(least)
		to.integer(int64(q.Limit))
		to.integer(e.far)
		to.integer(most)
		if q.Reference != "" {
			to.text(q.Reference)
		}
	})
	return found, r.err
}
