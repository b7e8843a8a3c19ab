package httpapi

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

// templateRoutes are the templates from which payers make orders: see docs/decisions/0034-templates.md.
func templateRoutes() []*route {
	template, one := typeOf[api.OrderTemplate](), "/v1/order-templates/{id}"
	return []*route{
		{
			method: "POST", path: "/v1/order-templates", id: "makeOrderTemplate", summary: "Keep a template that payers make orders from",
			text: "Its url is for a static link, a printed QR code or an NFC tag. The amount is fixed (minor), or open from least to " +
				"most. A payee has at most 200 active ones.",
			by: []credential{byPayee}, scope: processor.ScopeOrders, in: typeOf[api.NewOrderTemplate](), status: http.StatusCreated, out: template,
			handle: (*call).makeTemplate, codes: []string{"idempotency_key_required", "unknown_payee", "payee_closed", "wrong_currency", "order_sum",
				"order_template_terms", "too_many_order_templates"},
		}, {
			method: "GET", path: "/v1/order-templates", id: "listOrderTemplates", summary: "List a payee's active order templates",
			text: "Those that are disabled can be read by their ids.",
			by:   []credential{byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.OrderTemplates](), handle: (*call).listTemplates,
			codes: []string{"unknown_payee"},
		}, {
			method: "GET", path: one, id: "getOrderTemplate", summary: "Read an order template",
			text:  "For its payee, and for any device that knows the id. A device, and an address, may ask so often a minute.",
			limit: limitTemplates, by: []credential{byDevice, byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: template,
			handle: (*call).getTemplate, codes: []string{"unknown_order_template"},
		}, {
			method: "POST", path: one + "/disable", id: "disableOrderTemplate", summary: "Make no more orders from a template",
			text: "For ever. Orders that were made from it can be paid while their time lasts. No body.",
			by:   []credential{byPayee}, scope: processor.ScopeOrders, status: http.StatusOK, out: template, handle: (*call).disableTemplate,
			codes: []string{"idempotency_key_required", "unknown_order_template"},
		}, {
			method: "POST", path: one + "/orders", id: "makeOrderFromTemplate", summary: "Make an order from a template, to pay it",
			text: "By any device. The amount is that of the template, or one within its bounds, with the tip. What becomes of the order is " +
				"as of any other, but that it is soon over, and forgotten if nobody has begun to pay it.",
			limit: limitTemplates, by: []credential{bySignature}, typ: consent.TypFromTemplate, claims: typeOf[consent.FromTemplate](),
			status: http.StatusCreated, out: typeOf[api.PayeeOrder](), handle: (*call).orderFromTemplate,
			codes: []string{"id_mismatch", "unknown_order_template", "wrong_currency", "order_template_disabled", "order_template_amount"},
		},
	}
}

// makeTemplate is POST /v1/order-templates.
func (c *call) makeTemplate() (answer, error) {
	var in api.NewOrderTemplate
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	t := order.Template{
		ID: consent.NewTemplateID(), Payee: c.by.payee, Currency: in.Currency, Minor: in.Minor, Least: in.Least, Most: in.Most,
		Prefix: in.Reference, Description: in.Description, Lines: in.Lines, Tax: in.Tax, Tip: in.Tip, Life: order.TemplateLife,
	}
	if in.ExpiresIn > 0 {
		t.Life = time.Duration(in.ExpiresIn) * time.Second
	}
	if t.Minor == 0 && t.Least == 0 {
		t.Least = 1
	}
	t, err := consent.CleanTemplate(t)
	if errors.Is(err, money.ErrAmount) {
		err = refuseField("invalid_field", "minor")
	}
	if err != nil {
		return answer{}, err
	}
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	command := &processor.MakeTemplate{Template: t}
	return c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(c.templateView(command.Template, command.Payee))
	}})
}

// templateView is a template as everybody sees it who knows its id.
func (s *Service) templateView(t order.Template, p processor.Payee) api.OrderTemplate {
	account, _ := p.In(t.Currency)
	v := api.OrderTemplate{
		ID: string(t.ID), URL: s.templateURL(t.ID), State: "active", Payee: payeeView(p.Handle, p.Name, string(account), t.Currency),
		Currency: t.Currency, Minor: t.Minor, Least: t.Least, Most: t.Most, Reference: t.Prefix, Description: t.Description,
		Lines: t.Lines, Tax: t.Tax, Tip: t.Tip, ExpiresIn: int64(t.Life / time.Second), CreatedAt: t.CreatedAt,
	}
	if v.Lines == nil {
		v.Lines = []order.Line{}
	}
	if !t.Active() {
		v.State, v.DisabledAt = "disabled", &t.DisabledAt
	}
	return v
}

func (s *Service) templateURL(id order.TemplateID) string {
	return s.PublicURL + "/pay/" + string(id)
}

// getTemplate is GET /v1/order-templates/{id}. That of a closed payee is for the payee alone, as its handle is.
func (c *call) getTemplate() (answer, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Templates: []order.TemplateID{order.TemplateID(c.r.PathValue("id"))}})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Templates) == 0 || c.by.who == byPayee && rows.Templates[0].Payee != c.by.payee {
		return answer{}, processor.ErrUnknownTemplate
	}
	t := rows.Templates[0]
	if rows, err = c.load(c.r.Context(), processor.Wants{Payees: []payment.Handle{t.Payee}}); err != nil {
		return answer{}, err
	}
	if len(rows.Payees) == 0 || rows.Payees[0].Closed && c.by.who == byDevice {
		return answer{}, processor.ErrUnknownTemplate
	}
	v := c.templateView(t, rows.Payees[0])
	v.Payee.Fee, err = c.payerFee(t.Payee, t.Currency)
	if err != nil {
		return answer{}, err
	}
	return ok(v)
}

// listTemplates is GET /v1/order-templates.
func (c *call) listTemplates() (answer, error) {
	mine := []payment.Handle{c.by.payee}
	rows, err := c.load(c.r.Context(), processor.Wants{Payees: mine, TemplatesOf: mine})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Payees) == 0 {
		return answer{}, processor.ErrUnknownPayee
	}
	slices.SortFunc(rows.Templates, func(a, b order.Template) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	all := api.OrderTemplates{Templates: []api.OrderTemplate{}}
	for _, t := range rows.Templates {
		all.Templates = append(all.Templates, c.templateView(t, rows.Payees[0]))
	}
	return ok(all)
}

// disableTemplate is POST /v1/order-templates/{id}/disable.
func (c *call) disableTemplate() (answer, error) {
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	command := &processor.DisableTemplate{ID: order.TemplateID(c.r.PathValue("id")), Payee: c.by.payee}
	return c.do(processor.Request{Key: key, Digest: c.digest(nil), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusOK, encode(c.templateView(command.After, command.Of))
	}})
}

// referenceDigits is how many characters tell the orders of a template apart for its payee: 40 random bits.
const referenceDigits = 8

// orderFromTemplate is POST /v1/order-templates/{id}/orders.
func (c *call) orderFromTemplate() (answer, error) {
	var m consent.FromTemplate
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if string(m.Template) != c.r.PathValue("id") {
		return answer{}, refuse("id_mismatch")
	}
	command := &processor.OrderFromTemplate{
		ID: consent.NewOrderID(), Template: m.Template, Device: device, Amount: m.Amount, Tip: m.Tip, Reference: rand.Text()[:referenceDigits],
	}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(now time.Time) (int, []byte) {
		return http.StatusCreated, encode(payerView(c.orderView(command.Order, command.Payee, now), false))
	}})
}
