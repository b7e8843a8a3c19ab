package main

import (
	"fmt"

	"tapline/api"
	"tapline/device"
)

// rehearse makes a rehearsal of an order, if the service knows rehearsals and the payee takes them.
func rehearse(order device.Order, service api.Service) (device.Order, error) {
	if !service.Rehearsals {
		return order, fmt.Errorf("%w: %s", device.ErrNoRehearsals, service.Audience)
	}
	return order.Rehearse()
}

// rehearsed tells the result of a rehearsal.
func (p *payer) rehearsed(view api.Payment) error {
	switch {
	case view.State == "settled":
		return withHint(fmt.Errorf("MONEY HAS MOVED: the service has settled payment %s in place of a rehearsal", view.ID),
			"rehearse nothing more on this service, and tell its operator")
	case view.State != "rehearsed" || !view.Rehearsal:
		return fmt.Errorf("the rehearsal did not come to its end: %s", ending(view))
	case p.cmd.JSON:
		return nil
	}
	return p.print("rehearsed %s to %s (%s), payment %s: everything works, and no money has moved",
		view.Amount, view.Payee.Name, view.Payee.Handle, view.ID)
}
