package main

// triggerCmd makes a test event.
type triggerCmd struct {
	payeeFlags
	payeeWriteFlags
	Type string `arg:"" help:"Of a payment or an order, such as payment.settled."`
	jsonFlag
}

// Help explains what it makes, and what not.
func (*triggerCmd) Help() string {
	return `The event goes wherever a real one would: to your webhooks, and to "tapline listen". It says "test": true and names nothing that
there is: to have a real payment of the test environment, make one with a test card. Only in the test environment.

  tapline trigger payment.settled`
}

// Run makes the event.
func (cmd *triggerCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		e, err := client.MakeTestEvent(a.ctx, cmd.Type)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, e, pair{"event", e.Type}, pair{"of", e.Subject})
	})
}
