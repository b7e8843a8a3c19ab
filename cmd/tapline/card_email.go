package main

import (
	"tapline/api"
	"tapline/consent"
	"tapline/operator"
)

// cardEmailCmd is where a card's holder is told by e-mail.
type cardEmailCmd struct {
	holderFlags
	cardArg
	Set      string `placeholder:"ADDRESS" xor:"what" help:"Have a code mailed to this address; it is taken once the code is typed."`
	Language string `enum:"en,zh" default:"en" help:"Language of what is mailed: en or zh."`
	Confirm  bool   `xor:"what" help:"Type the code that was mailed."`
	CodeFile string `placeholder:"FILE" help:"Take the mailed code from a file, - for standard input; implies --confirm."`
	Remove   bool   `xor:"what" help:"Be told by e-mail no more."`
	PINFile  string `name:"pin-file" placeholder:"FILE" help:"Take the PIN from a file, - for standard input."`
	jsonFlag
}

// Help explains the steps.
func (*cardEmailCmd) Help() string {
	return `Without an option it shows where, masked. On the card's associated device, --set asks for the PIN and has a code mailed to the
address; --confirm takes that. From then on every debit, refund and change of the card is mailed there. An address before it is told
that there is another one. With --operator no PIN is needed, but the code is: the cardholder tells it.`
}

// Run shows or changes it.
func (cmd *cardEmailCmd) Run(a *app) error {
	show := func(e api.Email) error { return a.result(cmd.JSON, e, emailFacts(e)...) }
	if cmd.Operator {
		return cmd.operated(a, show)
	}
	client, err := cmd.device(a)
	if err != nil {
		return err
	}
	id, err := cmd.of(a, client)
	if err != nil {
		return err
	}
	var e api.Email
	switch {
	case cmd.Set != "" || cmd.Remove:
		var pin consent.PIN
		if pin, err = a.pin(cmd.PINFile, "PIN of the card:"); err != nil {
			return err
		}
		if cmd.Remove {
			e, err = client.RemoveEmail(a.ctx, id, pin)
		} else {
			e, err = client.AskEmail(a.ctx, id, pin, cmd.Set, cmd.Language)
		}
	case cmd.Confirm || cmd.CodeFile != "":
		var code consent.Code
		if code, err = a.code(cmd.CodeFile, "Code that was mailed:"); err != nil {
			return err
		}
		e, err = client.ConfirmEmail(a.ctx, id, code)
	default:
		e, err = client.Email(a.ctx, id)
	}
	if err != nil {
		return err
	}
	return show(e)
}

func (cmd *cardEmailCmd) operated(a *app, show func(api.Email) error) error {
	id, err := cmd.named()
	if err != nil {
		return err
	}
	if cmd.Set == "" && !cmd.Confirm && cmd.CodeFile == "" && !cmd.Remove {
		client, err := cmd.operatorFlags.client(a)
		if err != nil {
			return err
		}
		e, err := client.Email(a.ctx, id)
		if err != nil {
			return err
		}
		return show(e)
	}
	var code consent.Code
	if cmd.Confirm || cmd.CodeFile != "" {
		if code, err = a.code(cmd.CodeFile, "Code that was mailed:"); err != nil {
			return err
		}
	}
	return operated(a, cmd.holderFlags, func(a *app, o *operator.Client) (api.Email, error) {
		switch {
		case cmd.Set != "":
			return o.AskEmail(a.ctx, id, api.NewEmail{Address: cmd.Set, Language: cmd.Language, Note: cmd.Note})
		case cmd.Remove:
			return o.RemoveEmail(a.ctx, id, cmd.Note)
		}
		return o.ConfirmEmail(a.ctx, id, api.EmailCode{Code: string(code), Note: cmd.Note})
	}, show)
}

func emailFacts(e api.Email) []pair {
	facts := []pair{{"address", e.Address}, {"language", e.Language}}
	if e.Address == "" {
		facts = []pair{{"address", "none"}}
	}
	if e.Since != nil {
		facts = append(facts, pair{"since", when(*e.Since)})
	}
	if e.Pending != nil {
		facts = append(facts, pair{"waits for its code", e.Pending.Address}, pair{"until", when(e.Pending.ExpiresAt)})
	}
	if !e.Sends {
		facts = append(facts, pair{"e-mail", "this service sends none"})
	}
	return facts
}
