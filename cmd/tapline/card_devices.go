package main

import "tapline/consent"

// cardRemoveDeviceCmd ends what a former associated device is to a card.
type cardRemoveDeviceCmd struct {
	deviceFlags
	cardArg
	Device  string `required:"" placeholder:"ID" help:"The device's id, as \"tapline card show\" tells it."`
	PINFile string `name:"pin-file" placeholder:"FILE" help:"Take the PIN from a file, - for standard input."`
	jsonFlag
}

// Help is what the command's --help says.
func (cardRemoveDeviceCmd) Help() string {
	return `On the card's associated device, with the PIN, for a device that was the associated one before, such as a phone that was
sold or stolen. It cannot see or freeze the card any more, and is told nothing more of it; its passkeys for the card are
removed. The card's open payments are cancelled. What it has paid and approved itself, it can still read: an operator ends
that, too, with "tapline device revoke".`
}

// Run removes the device.
func (cmd *cardRemoveDeviceCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	id, err := cmd.of(a, client)
	if err != nil {
		return err
	}
	pin, err := a.pin(cmd.PINFile, "PIN of the card:")
	if err != nil {
		return err
	}
	c, err := client.RemoveDevice(a.ctx, id, pin, consent.DeviceID(cmd.Device))
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, c, cardFacts(c)...)
}
