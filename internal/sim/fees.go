package sim

import (
	"tapline/payment"
	"tapline/processor"
)

// feeOf is the tariff of a payee: its own before that of all.
func (m *model) feeOf(payee string) mFee {
	if own, ok := m.fees[payee]; ok {
		return own
	}
	return m.fees[""]
}

// of is the fee of an amount: docs/payment.md, "Fees".
func (f mFee) of(minor int64) int64 {
	fee, left := f.fixed+minor*f.points/10_000, minor*f.points%10_000
	if left >= 5_000 {
		fee++
	}
	if !f.byPayer && fee > minor {
		return minor
	}
	return fee
}

// total is what the payer pays.
func (p mPayment) total() int64 {
	if p.byPayer {
		return p.minor + p.fee
	}
	return p.minor
}

// feePart tells the fee's posting in the model's entries from the payee's.
const feePart = " fee"

// enterPayment moves what the payee gets, and what the operator takes.
func (m *model) enterPayment(id, kind string, p mPayment) {
	if net := p.total() - p.fee; net > 0 {
		m.enter(id, kind, p.cardAccount, p.payeeAccount, net)
	}
	if p.fee > 0 {
		m.enter(id+feePart, kind, p.cardAccount, "fees-CNY", p.fee)
	}
}

func (m *model) setFee(payee string, f *mFee) string {
	if _, set := m.fees[payee]; !set && f == nil {
		return refused(processor.ErrUnknownTariff)
	}
	if f == nil {
		delete(m.fees, payee)
		return "done"
	}
	m.fees[payee] = *f
	if _, there := m.accounts["fees-CNY"]; !there {
		m.accounts["fees-CNY"] = mAccount{}
	}
	return "done"
}

// shown is the fee that a device shows, which is mostly the one that is taken.
func (r *run) shown(in instruction) int64 {
	f := r.model.feeOf(in.payee)
	if r.rng.IntN(40) == 0 {
		return []int64{0, 1, 30}[r.rng.IntN(3)]
	}
	if !f.byPayer {
		return 0
	}
	return f.of(in.minor)
}

// newFee sets a fee of a payee or of all, or removes it.
func (r *run) newFee() *request {
	who, payee := any1(r, r.operators), any1(r, append([]string{""}, r.payees...))
	command := &processor.SetTariff{Operated: by(who), ID: processor.TariffID{Payee: payment.Handle(payee), Currency: "CNY"}}
	var set *mFee
	if r.rng.IntN(4) > 0 {
		set = &mFee{points: []int64{0, 0, 50, 150, 10_000}[r.rng.IntN(5)], fixed: []int64{0, 1, 30, 2_00}[r.rng.IntN(4)], byPayer: r.rng.IntN(2) == 0}
		bearer := map[bool]payment.Bearer{false: payment.PayeeBears, true: payment.PayerBears}[set.byPayer]
		command.Tariff = &payment.Tariff{Points: int(set.points), Fixed: set.fixed, Bearer: bearer}
	}
	q := r.operator(who, "sets the fee of %q to %+v", payee, set)
	q.make = func() processor.Command { c := *command; return &c }
	return r.plain(q, func(m *model) string { return m.setFee(payee, set) })
}
