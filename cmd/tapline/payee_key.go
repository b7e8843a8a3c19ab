package main

import (
	"os"
	"strings"
	"time"

	"tapline/api"
	"tapline/operator"
	"tapline/payee"
)

// payeeKeyCmd is about the API keys of a payee.
type payeeKeyCmd struct {
	Make   payeeKeyMakeCmd   `cmd:"" help:"Make an API key. It is told this once."`
	List   payeeKeyListCmd   `cmd:"" help:"List the API keys, with what each may do and its last use."`
	Rotate payeeKeyRotateCmd `cmd:"" help:"Put a new API key in the place of one, which works on for a while."`
	Revoke payeeKeyRevokeCmd `cmd:"" help:"End an API key at once."`
}

// payeeKeyFlags are what the commands about API keys take: an operator names the payee, a payee has a key that may.
type payeeKeyFlags struct {
	operatorFlags
	Payee      string `placeholder:"HANDLE" help:"As an operator: whose keys. Without it, those of the payee whose API key is given."`
	APIKeyFile string `name:"api-key-file" env:"TAPLINE_API_KEY_FILE" placeholder:"FILE" help:"As a payee: your API key that may manage keys, - for standard input; without it, TAPLINE_API_KEY has the key itself."`
}

// asPayee is the client of the payee; nil if an operator asks.
func (f payeeKeyFlags) asPayee(a *app) (*payee.Client, error) {
	if f.Payee != "" {
		return nil, nil
	}
	if f.APIKeyFile == "" && os.Getenv("TAPLINE_API_KEY") == "" {
		return nil, &usageError{"whose keys?", "an operator gives --payee HANDLE; a payee gives its own key with --api-key-file"}
	}
	return payeeFlags{serviceFlags: f.serviceFlags, APIKeyFile: f.APIKeyFile}.client(a)
}

// work asks as whoever asks: the payee with its client, or the operator with theirs.
func (f payeeKeyFlags) work(a *app, w writeFlags, asPayee func(*app, *payee.Client) error, asOperator func(*app, *operator.Client) error) error {
	own, err := f.asPayee(a)
	if err != nil {
		return err
	}
	if own != nil {
		if w.Note != "" {
			return &usageError{"--note is for operators: it goes into their audit log", "leave it out"}
		}
		return payeeWriteFlags{w.IdempotencyKey}.once(a, func(a *app) error { return asPayee(a, own) })
	}
	theirs, err := f.client(a)
	if err != nil {
		return err
	}
	return w.once(a, func(a *app) error { return asOperator(a, theirs) })
}

// apiKeyFacts are what there is to tell of a key.
func apiKeyFacts(k api.APIKey) []pair {
	facts := []pair{{"id", k.ID}, {"name", k.Name}, {"scopes", strings.Join(k.Scopes, ", ")}, {"begins with", k.Hint}, {"made by", k.MadeBy}, {"made", when(k.CreatedAt)}}
	for _, t := range []struct {
		what string
		at   *time.Time
	}{{"ends", k.ExpiresAt}, {"revoked", k.RevokedAt}, {"last used", k.LastUsedAt}, {"old key ends", k.OldUntil}} {
		if t.at != nil {
			facts = append(facts, pair{t.what, when(*t.at)})
		}
	}
	return append(facts, pair{"in its place", k.ReplacedBy}, pair{"in place of", k.Replaces}, pair{"API key", k.Key})
}

const toldOnce = "The API key is told this once. Hand it to the payee's program and nobody else."

// payeeKeyMakeCmd makes an API key.
type payeeKeyMakeCmd struct {
	payeeKeyFlags
	writeFlags
	Name   string        `required:"" placeholder:"TEXT" help:"Which program has it, such as till."`
	Scope  []string      `required:"" enum:"orders,refunds,read,keys,webhooks,payouts" placeholder:"orders,read" help:"What it may do: orders, refunds, read, keys, webhooks, payouts. May be given again."`
	Expire time.Duration `name:"expires-in" placeholder:"720h" help:"After how long it ends by itself; it lasts if this is left out."`
	jsonFlag
}

// Help explains the scopes.
func (*payeeKeyMakeCmd) Help() string {
	return `orders makes and cancels orders, and cancels payments; refunds gives money back; read reads orders, payments and receipts, and
hears of events; keys makes, lists, rotates and revokes keys; webhooks says where events are sent. A payee's key that makes
another gives it no scope that it has not itself, and no longer life.

  tapline payee key make --payee books@shop --name till --scope orders,refunds,read`
}

// Run makes the key.
func (cmd *payeeKeyMakeCmd) Run(a *app) error {
	in := api.NewAPIKey{Name: cmd.Name, Scopes: cmd.Scope, ExpiresIn: int64(cmd.Expire / time.Second), Note: cmd.Note}
	tell := func(a *app, k api.APIKey, err error) error {
		if err != nil {
			return err
		}
		a.say(toldOnce)
		return a.result(cmd.JSON, k, apiKeyFacts(k)...)
	}
	return cmd.work(a, cmd.writeFlags, func(a *app, c *payee.Client) error {
		k, err := c.MakeKey(a.ctx, in)
		return tell(a, k, err)
	}, func(a *app, c *operator.Client) error {
		k, err := c.MakePayeeKey(a.ctx, cmd.Payee, in)
		return tell(a, k, err)
	})
}

// payeeKeyListCmd lists API keys.
type payeeKeyListCmd struct {
	payeeKeyFlags
	jsonFlag
}

// Run lists the keys.
func (cmd *payeeKeyListCmd) Run(a *app) error {
	var list api.APIKeys
	err := cmd.work(a, writeFlags{}, func(a *app, c *payee.Client) (err error) {
		list.APIKeys, err = c.Keys(a.ctx)
		return err
	}, func(a *app, c *operator.Client) (err error) {
		list.APIKeys, err = c.PayeeKeys(a.ctx, cmd.Payee)
		return err
	})
	if err != nil {
		return err
	}
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return when(*t)
	}
	var rows [][]string
	for _, k := range list.APIKeys {
		state := "valid"
		switch {
		case k.RevokedAt != nil:
			state = "revoked " + at(k.RevokedAt)
		case k.ExpiresAt != nil && !a.now().Before(*k.ExpiresAt):
			state = "ended " + at(k.ExpiresAt)
		case k.ExpiresAt != nil:
			state = "until " + at(k.ExpiresAt)
		}
		rows = append(rows, []string{k.ID, k.Name, strings.Join(k.Scopes, ","), k.Hint, state, at(k.LastUsedAt), k.MadeBy})
	}
	return a.list(cmd.JSON, list, []string{"ID", "NAME", "SCOPES", "BEGINS WITH", "STATE", "LAST USED", "MADE BY"}, rows)
}

// payeeKeyRotateCmd rotates an API key.
type payeeKeyRotateCmd struct {
	payeeKeyFlags
	writeFlags
	ID      string        `arg:"" help:"The key's id."`
	Overlap time.Duration `default:"24h" help:"How long the old key works on, at most 720h (${default})."`
	jsonFlag
}

// Help explains the overlap.
func (*payeeKeyRotateCmd) Help() string {
	return `The new key has the name and scopes of the old one. Give it to the program within the overlap; after that the old one is
refused. If a key has leaked, use --overlap 0s, and look with "tapline payee key list" at what it may have made.`
}

// Run rotates the key.
func (cmd *payeeKeyRotateCmd) Run(a *app) error {
	tell := func(a *app, k api.APIKey, err error) error {
		if err != nil {
			return err
		}
		a.say(toldOnce)
		return a.result(cmd.JSON, k, apiKeyFacts(k)...)
	}
	return cmd.work(a, cmd.writeFlags, func(a *app, c *payee.Client) error {
		k, err := c.RotateKey(a.ctx, cmd.ID, cmd.Overlap)
		return tell(a, k, err)
	}, func(a *app, c *operator.Client) error {
		k, err := c.RotatePayeeKey(a.ctx, cmd.Payee, cmd.ID, cmd.Overlap, cmd.Note)
		return tell(a, k, err)
	})
}

// payeeKeyRevokeCmd revokes an API key.
type payeeKeyRevokeCmd struct {
	payeeKeyFlags
	writeFlags
	ID string `arg:"" help:"The key's id."`
	jsonFlag
}

// Run revokes the key.
func (cmd *payeeKeyRevokeCmd) Run(a *app) error {
	tell := func(a *app, k api.APIKey, err error) error {
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, k, apiKeyFacts(k)...)
	}
	return cmd.work(a, cmd.writeFlags, func(a *app, c *payee.Client) error {
		k, err := c.RevokeKey(a.ctx, cmd.ID)
		return tell(a, k, err)
	}, func(a *app, c *operator.Client) error {
		k, err := c.RevokePayeeKey(a.ctx, cmd.Payee, cmd.ID, cmd.Note)
		return tell(a, k, err)
	})
}
