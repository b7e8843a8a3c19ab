package httpapi

import (
	"net/http"
	"slices"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// feeRoutes are an operator's.
func feeRoutes() []*route {
	return []*route{
		adminRead("/fees", "listFees", "List the fees of payments", typeOf[api.Tariffs](), (*call).listFees, page...),
		adminWrite("/fees", "setFee", "Set the fee of payments to a payee, or to all", typeOf[api.NewTariff](), typeOf[api.Tariff](), http.StatusOK, (*call).setFee, "handle_format", "unknown_payee", "wrong_currency"),
		adminWrite("/fees/remove", "removeFee", "Remove the fee of payments to a payee, or to all", typeOf[api.TariffRemoval](), typeOf[api.Tariff](), http.StatusOK, (*call).removeFee, "handle_format", "unknown_payee", "unknown_fee"),
	}
}

// payerFee is what payers pay besides the amount to a payee in a currency; nil for nothing. It says nothing of what the payee pays.
func (c *call) payerFee(payee payment.Handle, currency money.Currency) (*api.Fee, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Tariffs: processor.TariffsFor(payee, currency)})
	if err != nil {
		return nil, err
	}
	t := processor.TariffOf(payee, currency, rows.Tariffs)
	if t.Bearer != payment.PayerBears {
		return nil, nil
	}
	f := feeView(t)
	return &f, nil
}

func feeView(t payment.Tariff) api.Fee {
	return api.Fee{BasisPoints: t.Points, Fixed: t.Fixed, Least: t.Least, Most: t.Most}
}

// amountOf is an amount of a payment's currency; nil for nothing.
func amountOf(minor int64, of payment.Payment) *money.Amount {
	if minor == 0 {
		return nil
	}
	return &money.Amount{Minor: minor, Currency: of.Amount.Currency}
}

// showFee adds what a role is told of a payment's fee: one that the payer bears to everybody, one that the payee bears to the payee.
func showFee(v *api.Payment, p payment.Payment, role string) {
	if v.Fee = amountOf(p.PayerFee(), p); v.Fee != nil {
		total := p.Total()
		v.Total = &total
	}
	if v.PayeeFee = amountOf(p.PayeeFee(), p); v.PayeeFee != nil {
		net := p.Net().Minor
		v.Net = &net
	}
	if role != api.RolePayee {
		v.PayeeFee, v.Net = nil, nil
	}
}

// receiptFor is a settled payment's receipt for a role.
func (s *Service) receiptFor(p payment.Payment, role string) consent.Receipt {
	r := s.receiptOf(p)
	if fee := amountOf(p.PayerFee(), p); fee != nil {
		r.Fee = *fee
	}
	if role != api.RolePayee {
		return r
	}
	r = r.PayeeCopy()
	if fee := amountOf(p.PayeeFee(), p); fee != nil {
		r.PayeeFee = *fee
	}
	return r
}

// tariffID names a tariff as an operator does.
func tariffID(payee string, currency money.Currency) (processor.TariffID, error) {
	if payee != "" && consent.CheckHandle(payee) != nil {
		return processor.TariffID{}, refuseField("handle_format", "payee")
	}
	return processor.TariffID{Payee: payment.Handle(payee), Currency: currency}, knownCurrency(currency)
}

// setFee is POST /v1/admin/fees.
func (c *call) setFee() (answer, error) {
	var in api.NewTariff
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	id, err := tariffID(in.Payee, in.Currency)
	if err != nil {
		return answer{}, err
	}
	t := payment.Tariff{Points: in.BasisPoints, Fixed: in.Fixed, Least: in.Least, Most: in.Most, Bearer: payment.Bearer(in.BorneBy)}
	if !t.Valid() {
		return answer{}, refuseField("invalid_field", "most") // the schema has found all else
	}
	return c.setTariff(in, in.Note, &processor.SetTariff{ID: id, Tariff: &t})
}

// removeFee is POST /v1/admin/fees/remove.
func (c *call) removeFee() (answer, error) {
	var in api.TariffRemoval
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	id, err := tariffID(in.Payee, in.Currency)
	if err != nil {
		return answer{}, err
	}
	return c.setTariff(in, in.Note, &processor.SetTariff{ID: id})
}

func (c *call) setTariff(in any, note string, command *processor.SetTariff) (answer, error) {
	who, err := c.operated(note)
	if err != nil {
		return answer{}, err
	}
	command.Operated = who
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(tariffView(command.After)) })
}

func tariffView(t processor.Tariff) api.Tariff {
	return api.Tariff{
		Payee: string(t.Payee), Currency: t.Currency, Fee: feeView(t.Tariff), BorneBy: string(t.Bearer), Removed: t.Removed, ChangedAt: t.ChangedAt,
	}
}

// listFees is GET /v1/admin/fees.
func (c *call) listFees() (answer, error) {
	rows, limit, err := c.list("tariffs")
	if err != nil {
		return answer{}, err
	}
	list := api.Tariffs{Tariffs: []api.Tariff{}}
	for _, t := range rows.Tariffs {
		list.Tariffs = append(list.Tariffs, tariffView(t))
	}
	list.Next = after(rows.Tariffs, limit, func(t processor.Tariff) string { return string(t.Payee) + " " + string(t.Currency) })
	return ok(list)
}

// taken is what an entry moves to an account of fees, whoever bears it.
func taken(e ledger.Entry) int64 {
	for _, p := range e.Postings {
		if p.Credit == payment.FeeAccount(p.Amount.Currency) {
			return p.Amount.Minor
		}
	}
	return 0
}

// bornFees leaves of the fees in the lines of a payee's account those that the payee bore. Entries do not say who did; payments do.
func bornFees(r processor.Reader, lines []api.ReportLine) error {
	var of []payment.ID
	for _, l := range lines {
		if l.Fee > 0 {
			of = append(of, payment.ID(l.Reference))
		}
	}
	fees := map[string]int64{}
	for ids := range slices.Chunk(of, entriesRead) {
		rows, err := r.Load(processor.Wants{Payments: ids})
		if err != nil {
			return err
		}
		for _, p := range rows.Payments {
			fees[string(p.ID)] = p.PayeeFee()
		}
	}
	for i := range lines {
		if lines[i].Fee > 0 {
			lines[i].Fee = fees[lines[i].Reference]
		}
	}
	return nil
}
