package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
)

// operatorCmd is about operators.
type operatorCmd struct {
	Make  operatorMakeCmd  `cmd:"" help:"Make your key as an operator."`
	Enrol operatorEnrolCmd `cmd:"" help:"Enrol as the first operator, or with an invite."`
	Add   operatorAddCmd   `cmd:"" help:"Enrol another operator."`
	List  operatorListCmd  `cmd:"" help:"List the operators."`

	Invite  operatorInviteCmd  `cmd:"" help:"Invite somebody to enrol as an operator."`
	Confirm operatorConfirmCmd `cmd:"" help:"Confirm an operator whom another one has enrolled, where that takes two."`
	Remove  operatorRemoveCmd  `cmd:"" help:"Remove an operator, for ever."`
}

// operatorMakeCmd makes an operator's key.
type operatorMakeCmd struct {
	operatorKeyFlag
	jsonFlag
}

// Help explains what to do with the key.
func (*operatorMakeCmd) Help() string {
	return `The key is you: every action is recorded under it. Give the public key to an operator, who enrols you:

  tapline operator make --json > me.json
  tapline operator add --name "Your name" --public-key me.json`
}

// Run makes the key.
func (cmd *operatorMakeCmd) Run(a *app) error {
	path, err := cmd.path()
	if err != nil {
		return err
	}
	key, err := device.MakeKey(path)
	if errors.Is(err, fs.ErrExist) {
		return withHint(fmt.Errorf("there is a key already: %s", path), "name another file with --operator-key")
	}
	if err != nil {
		return err
	}
	return showKey(a, cmd.JSON, path, key)
}

// operatorEnrolCmd enrols the first operator.
type operatorEnrolCmd struct {
	operatorFlags
	writeFlags
	Name      string `required:"" placeholder:"TEXT" help:"Who you are, for the audit log."`
	TokenFile string `required:"" placeholder:"FILE" help:"The token that the service made at its first start, or an invite; - for standard input."`
	jsonFlag
}

// Help explains who enrols whom.
func (*operatorEnrolCmd) Help() string {
	return `The token that "tapline serve" makes at its first start enrols one operator, and is worth nothing after that. Your key
is made, if you have none. All other operators are enrolled by one who is: with an invite ("tapline operator invite"), or see
"tapline operator make".`
}

// Run enrols the first operator.
func (cmd *operatorEnrolCmd) Run(a *app) error {
	token, err := a.readSecret(cmd.TokenFile)
	if err != nil {
		return err
	}
	path, err := cmd.path()
	if err != nil {
		return err
	}
	key, err := device.LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = device.MakeKey(path)
		a.say("Your key as an operator is in %s.", path)
	}
	if err != nil {
		return err
	}
	client := cmd.as(a, key)
	return cmd.once(a, func(a *app) error {
		o, err := client.EnrolFirst(a.ctx, token, cmd.Name)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, o, operatorFacts(o)...)
	})
}

func operatorFacts(o api.Operator) []pair {
	return []pair{{"id", o.ID}, {"name", o.Name}, {"state", o.State}, {"enrolled", when(o.CreatedAt)}}
}

// operatorAddCmd enrols another operator.
type operatorAddCmd struct {
	operatorFlags
	writeFlags
	Name      string `required:"" placeholder:"TEXT" help:"Who it is, for the audit log."`
	PublicKey string `required:"" placeholder:"FILE" help:"The new operator's public key: what \"tapline operator make --json\" printed for him, or a JWK."`
	jsonFlag
}

// Run enrols the operator.
func (cmd *operatorAddCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	key, err := readPublicKey(cmd.PublicKey)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		o, err := client.Enrol(a.ctx, cmd.Name, key)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, o, operatorFacts(o)...)
	})
}

// readPublicKey reads a JWK, alone or as "operator make --json" writes it.
func readPublicKey(path string) (consent.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return consent.PublicKey{}, err
	}
	var shown struct {
		PublicKey json.RawMessage `json:"public_key"`
	}
	if json.Unmarshal(text, &shown) == nil && shown.PublicKey != nil {
		text = shown.PublicKey
	}
	key, err := consent.ParsePublicJWK(text)
	if err != nil {
		return consent.PublicKey{}, withHint(fmt.Errorf("%s is no public key: %w", path, err), `the new operator makes it with "tapline operator make --json"`)
	}
	return key, nil
}

// operatorListCmd lists operators.
type operatorListCmd struct {
	operatorFlags
	jsonFlag
}

// Run lists the operators.
func (cmd *operatorListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	operators, err := client.Operators(a.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, o := range operators {
		rows = append(rows, []string{o.ID, o.Name, o.State, when(o.CreatedAt)})
	}
	return a.list(cmd.JSON, api.Operators{Operators: operators}, []string{"ID", "NAME", "STATE", "ENROLLED"}, rows)
}

// auditCmd lists what operators did.
type auditCmd struct {
	operatorFlags
	Since time.Duration `placeholder:"24h" help:"Only what is younger than this."`
	jsonFlag
}

// Run lists the records, newest first.
func (cmd *auditCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	var records []api.AuditRecord
	for after := ""; ; {
		page, err := client.Audit(a.ctx, after)
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			if cmd.Since > 0 && a.now().Sub(r.At) > cmd.Since {
				page.Next = ""
				break
			}
			records = append(records, r)
		}
		if page.Next == "" || page.Next == after {
			break
		}
		after = page.Next
	}
	var rows [][]string
	for _, r := range records {
		rows = append(rows, []string{when(r.At), r.Operator, r.Action, r.Subject, r.Note})
	}
	return a.list(cmd.JSON, api.AuditLog{Records: records}, []string{"TIME", "OPERATOR", "ACTION", "SUBJECT", "NOTE"}, rows)
}
