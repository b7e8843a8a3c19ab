package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tapline/api"
	"tapline/card"
	"tapline/card/ntag"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/money"
	"tapline/operator"
)

// cardPersonaliseCmd issues an NTAG 424 DNA that lies on a reader.
type cardPersonaliseCmd struct {
	operatorFlags
	Reader     string        `env:"TAPLINE_READER" placeholder:"NAME" help:"The reader that the card is on, as \"tapline card readers\" names it; any by default."`
	TapTimeout time.Duration `default:"60s" help:"How long to wait for the card (${default})."`
	Label      string        `xor:"issue" placeholder:"TEXT" help:"What the card is called; its holder is shown it."`
	Currency   string        `default:"CNY" env:"TAPLINE_CURRENCY" help:"Of the card account (${default})."`
	Note       string        `placeholder:"TEXT" help:"Why, for the audit log."`
	Replaces   string        `xor:"from" placeholder:"CARD" help:"The card takes the place of this one, as with \"tapline card replace --operator\": that one is dead for ever, and this one is on its account. --label may be left out."`
	From       string        `xor:"issue,from" placeholder:"FILE" help:"Write what \"tapline card issue --sun UID --json\" printed, - for standard input, in place of issuing the card now."`
	DryRun     bool          `help:"Write nothing and ask the service nothing: show every command that a blank card would be sent, with what a virtual card answers."`
	ShowKeys   bool          `help:"With --dry-run, show the keys, and the commands that carry them, as they are."`
	jsonFlag
}

// Help explains what happens.
func (*cardPersonaliseCmd) Help() string {
	return `Makes a blank NTAG 424 DNA a card that proves itself: makes it known to the service by its UID, as "card issue --sun" does,
writes the URL and the settings, changes all five keys, reads a tap back and checks it. Prints the activation code: hand
it to the cardholder apart from the card.

If the card is pulled away, put it back: it goes on where it stopped. If the program ended, run the same command again with
the same card. The keys are kept until then in a file in tapline's folder of your settings that only you can read, and
the file is removed when the card is finished; without it a card that is half written cannot be finished by anybody.

The keys of a blank card are known to everybody, and the new ones are sent to it under them: do this where nobody can
listen at the reader.

  tapline card personalise --label "Campus card"
  tapline card personalise --replaces CARD --note "lost"`
}

// Run personalises the card.
func (cmd *cardPersonaliseCmd) Run(a *app) error {
	job := &personaliseJob{app: a, cmd: cmd}
	if cmd.ShowKeys && !cmd.DryRun {
		return &usageError{"--show-keys is for --dry-run", "keys are shown nowhere else"}
	}
	if cmd.From != "" {
		if err := job.load(); err != nil {
			return err
		}
	}
	if cmd.DryRun {
		return job.rehearse()
	}
	reader := readerFlags{Reader: cmd.Reader, TapTimeout: cmd.TapTimeout}
	_, err := reader.tap(a, func(ctx context.Context, t card.Transmitter, _ []byte) (card.Reading, error) {
		return card.Reading{}, job.personalise(ctx, t)
	})
	if err != nil {
		return job.explain(err)
	}
	return job.finish()
}

// personaliseJob is one card on its way. It outlives the card's leaving the reader.
type personaliseJob struct {
	*app
	cmd     *cardPersonaliseCmd
	kept    *keptIssue // unless the keys come from --from
	issued  *api.CardCode
	setup   ntag.Setup
	result  ntag.Result
	started bool // something may have been written
}

// personalise is one attempt with the card that is in the field.
func (j *personaliseJob) personalise(ctx context.Context, t card.Transmitter) error {
	tag, version, err := ntag.Open(ctx, t)
	if err != nil {
		return err
	}
	if j.issued == nil {
		if err := j.obtain(ctx, tag, version.UID); err != nil {
			return err
		}
	}
	j.started = true
	j.result, err = tag.Personalise(ctx, version, j.setup, func(what string) { j.say("%s ...", what) })
	return err
}

// obtain gets the keys of the card: those that an earlier attempt kept or, for a blank card, from the service.
func (j *personaliseJob) obtain(ctx context.Context, tag *ntag.Tag, uid sun.UID) (err error) {
	if j.kept, err = openKeptIssue(uid); err != nil {
		return err
	}
	if j.kept.URL != "" && j.kept.URL != j.cmd.URL {
		hint := "finish it with --url " + j.kept.URL
		if j.kept.Issued == nil { // nothing was written: there are no keys yet
			hint += "; or, if that is no service of yours, remove " + j.kept.path + ": nothing is written on the card yet"
		}
		return withHint(fmt.Errorf("this card is half way to another service, %s", j.kept.URL), hint)
	}
	if j.kept.IdempotencyKey != "" && j.cmd.Replaces != "" && j.kept.Replaces != j.cmd.Replaces {
		return withHint(errors.New("this card is half way to something else than taking the place of "+j.cmd.Replaces),
			"take another blank card; this one is finished without --replaces")
	}
	if j.kept.Issued == nil {
		if err := j.issue(ctx, tag, uid); err != nil {
			return err
		}
	} else if j.cmd.Label != "" && j.cmd.Label != j.kept.Request.Label {
		j.say("The card was issued as %q before; that stays.", j.kept.Request.Label)
	}
	return j.use(*j.kept.Issued)
}

// issue makes a blank card known. Under which idempotency key is kept before it is asked, so that an answer that is lost
// is got by asking again.
func (j *personaliseJob) issue(ctx context.Context, tag *ntag.Tag, uid sun.UID) error {
	if err := tag.Blank(ctx); err != nil {
		return err
	}
	client, err := j.cmd.client(j.app)
	if err != nil {
		return err
	}
	begun := j.kept.IdempotencyKey != ""
	if !begun {
		if err := j.begin(uid); err != nil {
			return err
		}
	}
	j.say("The card is blank. Making it known to %s ...", j.kept.URL)
	issued, err := j.kept.ask(operator.WithIdempotencyKey(ctx, j.kept.IdempotencyKey), client)
	if problem, is := errors.AsType[*api.Problem](err); is && problem.Status < 500 { // refused: it was not done
		return errors.Join(err, j.kept.remove())
	}
	if errors.Is(err, operator.ErrNoAnswer) {
		return withHint(err, "it may have been done; run the same command again")
	}
	if !begun && errors.Is(err, operator.ErrNotSent) { // perhaps it is another address: the card is not bound to this one
		return errors.Join(err, j.kept.remove())
	}
	if err != nil {
		return err
	}
	j.kept.Issued = &issued
	return j.kept.save()
}

// begin keeps what the service is going to be asked.
func (j *personaliseJob) begin(uid sun.UID) error {
	currency, err := money.ParseCurrency(j.cmd.Currency)
	if err != nil {
		return err
	}
	if j.cmd.Label == "" && j.cmd.Replaces == "" {
		return &usageError{"--label is missing", "say what the card is called: --label \"Campus card\""}
	}
	j.kept.URL, j.kept.IdempotencyKey, j.kept.Replaces = j.cmd.URL, operator.NewIdempotencyKey(), j.cmd.Replaces
	j.kept.Request = api.NewCard{SUN: &api.NewSUN{UID: uid.String()}, Label: j.cmd.Label, Currency: currency, Note: j.cmd.Note}
	return j.kept.save()
}

// load takes the keys from --from.
func (j *personaliseJob) load() error {
	in := j.stdin
	if j.cmd.From != "-" {
		file, err := os.Open(j.cmd.From)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	var issued api.CardCode
	const most = 1 << 16
	if err := json.NewDecoder(io.LimitReader(in, most)).Decode(&issued); err != nil || issued.SUN == nil {
		return withHint(errors.New("--from: this is not what was printed"), "it is written by: tapline card issue --sun UID --json > FILE")
	}
	return j.use(issued)
}

// use takes what the service issued.
func (j *personaliseJob) use(issued api.CardCode) error {
	setup, err := setupOf(issued.SUN)
	if err != nil {
		return fmt.Errorf("what was issued cannot be written: %w", err)
	}
	j.issued, j.setup = &issued, setup
	if strings.HasPrefix(setup.URL, "http:") {
		j.say("The card will carry an address that is not https: phones do not open it. It is the service's --public-url.")
	}
	return nil
}

// setupOf is what a card is given.
func setupOf(in *api.SUNSetup) (ntag.Setup, error) {
	if in == nil {
		return ntag.Setup{}, errors.New("there are no keys")
	}
	uid, err := sun.ParseUID(in.UID)
	out := ntag.Setup{UID: uid, URL: in.URLTemplate, Version: ntag.VersionByte(in.KeyVersion)}
	for i, text := range []string{in.ApplicationKey, in.MetaKey, in.FileKey, in.DataKey, in.SpareKey} {
		key, wrong := sun.ParseKey(text)
		err = errors.Join(err, wrong)
		out.Keys[i] = key
	}
	if in.KeyVersion < 1 {
		err = errors.Join(err, errors.New("a key version is 1 or more"))
	}
	if err != nil {
		return ntag.Setup{}, err
	}
	return out, out.Check()
}

// explain says what to do about what keeps the card from being finished.
func (j *personaliseJob) explain(err error) error {
	again := "put the card back and run the same command: it goes on where it stopped"
	if hintFor(err) != "" && !j.started {
		return err
	}
	switch {
	case errors.Is(err, ntag.ErrNotNTAG), errors.Is(err, ntag.ErrRandomUID):
		return withHint(err, "use a blank NTAG 424 DNA")
	case errors.Is(err, ntag.ErrOtherUID):
		return withHint(err, "put the card with UID "+j.setup.UID.String()+" on the reader")
	case errors.Is(err, ntag.ErrOtherKeys), errors.Is(err, ntag.ErrOtherSettings):
		return withHint(err, "use a blank card; one that was issued and not finished is finished with --from, or by whoever began")
	case errors.Is(err, ntag.ErrNotProven):
		return withHint(err, "run the same command again; if it says so again, use another card")
	case errors.Is(err, card.ErrRemoved), j.started:
		return withHint(err, again)
	}
	return err
}

// finish forgets the keys and tells the code.
func (j *personaliseJob) finish() error {
	if j.kept != nil {
		if err := j.kept.remove(); err != nil {
			j.say("The card is finished, but its keys could not be removed: %v. Remove them.", err)
		}
	} else if j.cmd.From != "-" {
		j.say("The card is finished. Remove %s: it has the card's keys in it.", j.cmd.From)
	}
	sayWhoFinishes(j.app, *j.issued)
	j.say("The code is told this once. Hand it to the cardholder apart from the card.")
	out := struct {
		api.CardCode
		Personalised personalised `json:"personalised"`
	}{*j.issued, personalised{j.setup.UID.String(), j.setup.Version, j.result.Counter, j.result.APDUs}}
	out.SUN = nil // the keys are in the card, and nowhere else
	facts := append(codeFacts(out.CardCode), pair{"UID", out.Personalised.UID},
		pair{"taps so far", fmt.Sprint(out.Personalised.Counter)}, pair{"commands", fmt.Sprint(out.Personalised.APDUs)})
	return j.app.result(j.cmd.JSON, out, facts...)
}

// personalised is what the card says about itself.
type personalised struct {
	UID        string `json:"uid"`
	KeyVersion byte   `json:"key_version"`
	Counter    uint32 `json:"counter"`
	APDUs      int    `json:"apdus"`
}

// keptIssue is what is kept of a card's issuing until the card is finished, in a file that only its owner can read.
type keptIssue struct {
	path string

	URL            string        `json:"url"`
	IdempotencyKey string        `json:"idempotency_key"`
	Request        api.NewCard   `json:"request"`
	Replaces       string        `json:"replaces,omitempty"` // the card that it takes the place of
	Issued         *api.CardCode `json:"issued,omitempty"`
}

// openKeptIssue is what was kept of a card, or an empty one that can be saved.
func openKeptIssue(uid sun.UID) (*keptIssue, error) {
	path, err := settingsFile("", "unfinished-card-"+strings.ToLower(uid.String())+".json")
	if err != nil {
		return nil, err
	}
	k := &keptIssue{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return k, os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = json.Unmarshal(text, k)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// save keeps it, durably.
func (k *keptIssue) save() error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return writeWhole(k.path, string(text)+"\n")
}

// ask asks the service for the card.
func (k *keptIssue) ask(ctx context.Context, client *operator.Client) (api.CardCode, error) {
	if k.Replaces == "" {
		return client.IssueCard(ctx, k.Request)
	}
	return client.ReplaceCard(ctx, consent.CardID(k.Replaces),
		api.Replacement{SUN: k.Request.SUN, Label: k.Request.Label, Note: k.Request.Note})
}

func (k *keptIssue) remove() error { return os.Remove(k.path) }
