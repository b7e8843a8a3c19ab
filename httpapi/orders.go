package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"rsc.io/qr"

	"tapline/api"
	"tapline/consent"
	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

// defaultLife is how long an order can be paid if its payee does not say.
const defaultLife = 24 * time.Hour

// makeOrder is POST /v1/orders.
func (c *call) makeOrder() (answer, error) {
	var in api.NewOrder
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	o, err := c.newOrder(in)
	if err != nil {
		return answer{}, err
	}
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	command := &processor.MakeOrder{Order: o, Life: defaultLife}
	if in.ExpiresIn > 0 {
		command.Life = time.Duration(in.ExpiresIn) * time.Second
	}
	a, err := c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: func(now time.Time) (int, []byte) {
		return http.StatusCreated, encode(c.orderView(command.Order, command.Payee, now))
	}})
	return a, err
}

// newOrder is an order as it was asked for, with texts made fit to be shown.
func (c *call) newOrder(in api.NewOrder) (o order.Order, err error) {
	o.Terms, err = consent.CleanTerms(order.Terms{
		ID: consent.NewOrderID(), Payee: c.by.payee, Amount: in.Amount, Reference: in.Reference, Description: in.Description,
		Lines: in.Lines, Tip: in.Tip, Tax: in.Tax,
	})
	if err != nil {
		return o, err
	}
	for field, link := range map[string]string{"success_url": in.SuccessURL, "cancel_url": in.CancelURL} {
		if link != "" && !c.mayLink(link) {
			return o, refuseField("invalid_field", field)
		}
	}
	o.SuccessURL, o.CancelURL = in.SuccessURL, in.CancelURL
	for name, text := range in.Metadata {
		clean, err := consent.CleanText(text, 500)
		if err != nil {
			return o, refuseField("text_not_shown", "metadata")
		}
		if !metadataName.MatchString(name) || clean != text {
			return o, refuseField("invalid_field", "metadata")
		}
	}
	o.Metadata = in.Metadata
	return o, nil
}

var (
	metadataName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)
	linkForm     = regexp.MustCompile(`^https?://[!-~]+$`)
)

// mayLink reports whether a page for payers may lead to an address: https, or, to try things out, http on the same machine.
func (c *call) mayLink(link string) bool {
	u, err := url.Parse(link)
	if err != nil || !linkForm.MatchString(link) || u.Hostname() == "" || u.User != nil || strings.ContainsAny(link, `\"<>`) {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	address, err := netip.ParseAddr(u.Hostname())
	return c.Environment == "test" && (u.Hostname() == "localhost" || err == nil && address.IsLoopback())
}

// orderView is an order as its payee sees it. See payerView.
func (s *Service) orderView(o order.Order, p processor.Payee, now time.Time) api.PayeeOrder {
	v := api.PayeeOrder{
		ID: string(o.ID), URL: s.payURL(o.ID), State: string(o.State), Version: o.Version,
		Payee:  payeeView(p.Handle, p.Name, string(p.Account), p.Currency),
		Amount: o.Amount, Reference: o.Reference, Description: o.Description, Lines: o.Lines, Tip: o.Tip, Tax: o.Tax,
		Hash: consent.TermsHash(o.Terms), Payment: string(o.Payment), SuccessURL: o.SuccessURL, CancelURL: o.CancelURL,
		CreatedAt: o.CreatedAt, ExpiresAt: o.ExpiresAt, Metadata: o.Metadata,
	}
	if account, takes := p.In(o.Amount.Currency); takes {
		v.Payee = payeeView(p.Handle, p.Name, string(account), o.Amount.Currency)
	}
	if v.Lines == nil {
		v.Lines = []order.Line{}
	}
	if o.State.Ended() {
		v.EndedAt = &o.EndedAt
	} else {
		v.ExpiresIn = max(0, int(o.ExpiresAt.Sub(now)/time.Second))
	}
	return v
}

func (s *Service) payURL(id payment.OrderID) string { return s.PublicURL + "/pay/" + string(id) }

// payerView is an order as a device sees it that knows its id: without what is the payee's own, and naming the payment, and
// where to go after it, only if it is the device's.
func payerView(v api.PayeeOrder, mine bool) api.PayeeOrder {
	v.Metadata = nil
	if !mine {
		v.Payment = ""
	}
	if !mine || v.State != string(order.Paid) {
		v.SuccessURL = ""
	}
	return v
}

// getOrder is GET /v1/orders/{id}.
func (c *call) getOrder() (answer, error) {
	v, err := c.readOrder(payment.OrderID(c.r.PathValue("id")))
	if err != nil {
		return answer{}, err
	}
	return ok(v)
}

// readOrder reads an order as the caller may see it, and ends it first if its time is over.
func (c *call) readOrder(id payment.OrderID) (api.PayeeOrder, error) {
	for touched := false; ; touched = true {
		o, payee, mine, err := c.findOrder(id)
		if err != nil {
			return api.PayeeOrder{}, err
		}
		if !touched && o.Due(c.now()) {
			if _, err := c.Processor.Do(c.r.Context(), processor.Request{Command: processor.Touch{Orders: []payment.OrderID{id}}}); err != nil {
				return api.PayeeOrder{}, err
			}
			continue
		}
		v := c.orderView(o, payee, c.now())
		if c.by.who == byDevice {
			v = payerView(v, mine)
			v.Payee.Fee, err = c.payerFee(o.Payee, o.Amount.Currency)
		}
		return v, err
	}
}

// findOrder reads an order that the caller may see: its payee's key, or any device. For others it does not exist. mine tells
// that the calling device's payment has it.
func (c *call) findOrder(id payment.OrderID) (o order.Order, payee processor.Payee, mine bool, err error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Orders: []payment.OrderID{id}})
	if err != nil {
		return o, payee, false, err
	}
	if len(rows.Orders) == 0 || c.by.who == byPayee && rows.Orders[0].Payee != c.by.payee {
		return o, payee, false, processor.ErrUnknownOrder
	}
	o = rows.Orders[0]
	wants := processor.Wants{Payees: []payment.Handle{o.Payee}}
	if o.Payment != "" && c.by.who == byDevice {
		wants.Payments = []payment.ID{o.Payment}
	}
	if rows, err = c.load(c.r.Context(), wants); err != nil {
		return o, payee, false, err
	}
	if len(rows.Payees) == 0 {
		return o, payee, false, processor.ErrUnknownPayee
	}
	mine = len(rows.Payments) == 1 && rows.Payments[0].Initiator == c.by.device
	return o, rows.Payees[0], mine, nil
}

// listOrders is GET /v1/orders.
func (c *call) listOrders() (answer, error) {
	s, err := c.span(func(id string) error { return consent.CheckOrderID(payment.OrderID(id)) })
	if err != nil {
		return answer{}, err
	}
	found, payee, err := c.findOrders(processor.OrderQuery{
		Payee: c.by.payee, State: order.State(c.query["state"]), Reference: c.query["reference"], Minor: c.number("minor", 0),
		Least: c.number("least", 0), Most: c.number("most", 0), From: s.from, Before: s.before, BeforeID: payment.OrderID(s.beforeID),
		Oldest: s.oldest, AfterID: payment.OrderID(s.afterID), Limit: s.limit,
	})
	if err != nil {
		return answer{}, err
	}
	who := payeeView(payee.Handle, payee.Name, string(payee.Account), payee.Currency)
	page, now := api.PayeeOrders{Orders: []api.PayeeOrder{}, Payee: who}, c.now()
	for _, o := range found {
		page.Orders = append(page.Orders, c.orderView(o, payee, now))
	}
	if len(found) > 0 {
		last := found[len(found)-1]
		page.Next = s.next(len(found), last.CreatedAt, string(last.ID))
	}
	return ok(page)
}

// findOrders lists orders, and ends those first whose time is over.
func (c *call) findOrders(q processor.OrderQuery) (found []order.Order, payee processor.Payee, err error) {
	for touched := false; ; touched = true {
		err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
			rows, err := r.Load(processor.Wants{Payees: []payment.Handle{q.Payee}})
			if err != nil {
				return err
			}
			if len(rows.Payees) == 0 {
				return processor.ErrUnknownPayee
			}
			payee = rows.Payees[0]
			found, err = r.Orders(q)
			return err
		})
		if err != nil {
			return nil, payee, err
		}
		var due []payment.OrderID
		for _, o := range found {
			if o.Due(c.now()) {
				due = append(due, o.ID)
			}
		}
		if touched || len(due) == 0 {
			return found, payee, nil
		}
		if _, err := c.Processor.Do(c.r.Context(), processor.Request{Command: processor.Touch{Orders: due}}); err != nil {
			return nil, payee, err
		}
	}
}

// cancelOrder is POST /v1/orders/{id}/cancel.
func (c *call) cancelOrder() (answer, error) {
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	command := &processor.CancelOrder{ID: payment.OrderID(c.r.PathValue("id")), Payee: c.by.payee}
	return c.do(processor.Request{Key: key, Digest: c.digest(nil), Command: command, Answer: func(now time.Time) (int, []byte) {
		return http.StatusOK, encode(c.orderView(command.After, command.Of, now))
	}})
}

// orderQR is GET /pay/{order}/qr.svg: the address of the page of an order, or a template, to be scanned. It tells nothing but what
// it was asked with, so it is there for every id, of an order or not.
func (s *Service) orderQR(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("order")
	if consent.CheckOrderID(payment.OrderID(id)) != nil && consent.CheckTemplateID(order.TemplateID(id)) != nil {
		writeProblem(w, s.problem(&refusal{code: "unknown_order"}, traceOf(r.Context())))
		return
	}
	code, err := qr.Encode(s.payURL(payment.OrderID(id)), qr.M)
	if err != nil {
		writeProblem(w, s.problem(&refusal{code: "internal"}, traceOf(r.Context())))
		return
	}
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin") // for the payee's own pages
	public(w, "image/svg+xml", svg(code))
}

// quietZone is the margin that readers want, in modules (ISO/IEC 18004 §9.1).
const quietZone = 4

// svg draws a QR code, dark on light whatever the colours around it.
func svg(code *qr.Code) []byte {
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if n := strconv.Itoa(x - from); x > from {
				path.WriteString("M" + strconv.Itoa(from+quietZone) + " " + strconv.Itoa(y+quietZone) + "h" + n + "v1h-" + n + "z")
			}
		}
	}
	side := strconv.Itoa(code.Size + 2*quietZone)
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + side + ` ` + side + `" shape-rendering="crispEdges">` +
		`<path fill="#fff" d="M0 0h` + side + `v` + side + `H0z"/><path d="` + path.String() + `"/></svg>` + "\n")
}
