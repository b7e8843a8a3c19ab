package consent

import (
	"regexp"

	"tapline/money"
	"tapline/order"
	"tapline/payment"
)

var (
	orderForm    = regexp.MustCompile(`^ord_[A-Za-z0-9_-]{22,60}$`)
	templateForm = regexp.MustCompile(`^tpl_[A-Za-z0-9_-]{22,60}$`)
)

// MaxLine bounds the description of a line of an order, in characters.
const MaxLine = 128

// NewOrderID is a fresh id of an order, of 128 random bits: whoever knows it may see what is to be paid.
func NewOrderID() payment.OrderID { return payment.OrderID("ord_" + NewID()) }

// CheckOrderID reports ErrInvalid unless id has the form of an order's id.
func CheckOrderID(id payment.OrderID) error {
	if !orderForm.MatchString(string(id)) {
		return ErrInvalid.at("order")
	}
	return nil
}

// NewTemplateID is a fresh id of an order template, of 128 random bits: whoever knows it may see its terms and pay by them.
func NewTemplateID() order.TemplateID { return order.TemplateID("tpl_" + NewID()) }

// CheckTemplateID reports ErrInvalid unless id has the form of a template's id.
func CheckTemplateID(id order.TemplateID) error {
	if !templateForm.MatchString(string(id)) {
		return ErrInvalid.at("template")
	}
	return nil
}

// CleanTemplate is a template with its texts made fit to be shown. ErrInvalid if something else of it cannot be.
func CleanTemplate(t order.Template) (order.Template, error) {
	prefix, err := CleanText(t.Prefix, order.MaxPrefix)
	if err != nil {
		return order.Template{}, ErrText.at("reference")
	}
	terms := order.Terms{ID: NewOrderID(), Payee: t.Payee, Amount: money.Amount{Minor: t.Minor, Currency: t.Currency},
		Description: t.Description, Lines: t.Lines, Tax: t.Tax}
	if t.Minor == 0 { // what else is open is for Check to say
		terms.Amount.Minor, terms.Lines, terms.Tax = 1, nil, 0
	}
	if terms, err = CleanTerms(terms); err != nil {
		return order.Template{}, err
	}
	t.Prefix, t.Description = prefix, terms.Description
	if t.Minor != 0 {
		t.Lines = terms.Lines
	}
	return t, t.Check()
}

// FromTemplate asks for an order from a payee's template, to be paid by the device that signs it.
type FromTemplate struct {
	Claims
	Template order.TemplateID `json:"template" pattern:"^tpl_[A-Za-z0-9_-]{22,60}$"`
	Amount   money.Amount     `json:"amount" doc:"All that is to be paid, the tip included: what the template asks for, or what the payer has chosen within its bounds."`
	Tip      int64            `json:"tip,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Part of the amount, in minor units, if the template takes tips; at most as much as the rest."`
}

func (*FromTemplate) fits(t Typ) bool { return t == TypFromTemplate }

// Validate checks the form of all parts.
func (m *FromTemplate) Validate() error {
	if err := CheckTemplateID(m.Template); err != nil {
		return err
	}
	if !m.Amount.Valid() {
		return ErrInvalid.at("amount")
	}
	if m.Tip < 0 || m.Tip >= m.Amount.Minor {
		return ErrInvalid.at("tip")
	}
	return nil
}

// CleanTerms is an order's terms with their texts made fit to be shown. ErrInvalid if something else of them cannot be.
func CleanTerms(t order.Terms) (order.Terms, error) {
	for _, text := range []struct {
		field string
		of    *string
		most  int
	}{{"reference", &t.Reference, MaxOrderNumber}, {"description", &t.Description, MaxOrderDescription}} {
		clean, err := CleanText(*text.of, text.most)
		if err != nil {
			return order.Terms{}, ErrText.at(text.field)
		}
		*text.of = clean
	}
	if CheckOrderID(t.ID) != nil {
		return order.Terms{}, ErrInvalid.at("order")
	}
	if CheckHandle(string(t.Payee)) != nil {
		return order.Terms{}, ErrInvalid.at("payee")
	}
	lines := make([]order.Line, len(t.Lines))
	for i, l := range t.Lines {
		clean, err := CleanText(l.Description, MaxLine)
		if err != nil {
			return order.Terms{}, ErrText.at("lines")
		}
		if clean == "" {
			return order.Terms{}, ErrInvalid.at("lines")
		}
		l.Description, lines[i] = clean, l
	}
	t.Lines = lines
	return t, t.Check()
}

// TermsHash is the SHA-256, in base64url, of all the terms of an order that a payee made, in their one written form. The
// payer's device makes it of the terms that it has shown, the payee's programs of those they know; statements and receipts
// have it in the place of OrderHash.
func TermsHash(t order.Terms) string {
	lines := t.Lines
	if lines == nil {
		lines = []order.Line{} // written as [], like an empty list
	}
	return digest(compactJSON(struct {
		Version     string          `json:"v"`
		ID          payment.OrderID `json:"order"`
		Payee       payment.Handle  `json:"payee"`
		Amount      money.Amount    `json:"amount"`
		Reference   string          `json:"reference"`
		Description string          `json:"description"`
		Lines       []order.Line    `json:"lines"`
		Tip         int64           `json:"tip"`
		Tax         int64           `json:"tax"`
	}{"tapline-order/2", t.ID, t.Payee, t.Amount, t.Reference, t.Description, lines, t.Tip, t.Tax}))
}
