package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// backupCmd is "tapline backup".
type backupCmd struct {
	databaseFlags `embed:""`
	File          string `arg:"" help:"File to write; it must not be there yet." type:"path"`
	NoCheck       bool   `help:"Do not prove the copy's books; that reads all of it."`
	jsonFlag
}

// Help says what belongs to a backup.
func (backupCmd) Help() string {
	return `Copies the database as it is at this moment, while a service runs on it, and proves the copy's books. The keys are not in
it: "tapline keys backup" is for them, and without them no card can be found and no PIN checked.

On PostgreSQL use pg_basebackup with its log, or pg_dump: see docs/operate.md.`
}

// Run copies the database.
func (cmd *backupCmd) Run(a *app) error {
	if err := cmd.check(); err != nil {
		return err
	}
	if sqlstore.IsServer(cmd.DB) {
		return &usageError{"tapline backup copies SQLite databases", "for PostgreSQL use pg_basebackup or pg_dump: docs/operate.md, Backup and restore"}
	}
	began := a.now()
	if err := sqlstore.Backup(a.ctx, cmd.DB, cmd.File, a.copied); err != nil {
		return err
	}
	checked := "no"
	if !cmd.NoCheck {
		if err := a.prove(cmd.File, databaseFlags{}); err != nil {
			return errors.Join(err, os.Rename(cmd.File, cmd.File+".wrong"))
		}
		checked = "the books are right"
	}
	info, err := os.Stat(cmd.File)
	if err != nil {
		return err
	}
	took := a.now().Sub(began).Round(time.Millisecond)
	return a.result(cmd.JSON,
		map[string]any{"file": cmd.File, "bytes": info.Size(), "seconds": took.Seconds(), "checked": !cmd.NoCheck},
		pair{"written", cmd.File}, pair{"bytes", strconv.FormatInt(info.Size(), 10)}, pair{"took", took.String()}, pair{"checked", checked})
}

// copied shows a person how far a copy has come.
func (a *app) copied(done, all int) {
	if a.isTerminal && all > 0 {
		end := "\r"
		if done == all {
			end = "\n"
		}
		fmt.Fprintf(a.stderr, "copied %3d %%%s", 100*done/all, end)
	}
}

// prove checks the books of a database.
func (a *app) prove(database string, flags databaseFlags) (err error) {
	store, err := sqlstore.Open(a.ctx, database, flags.options(sqlstore.Options{ReadOnly: true, Cache: checkCache}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	findings, err := a.findings(store)
	if err != nil || len(findings) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", errBooks, findings[0])
}

// restoreCmd is "tapline restore".
type restoreCmd struct {
	databaseFlags `embed:""`
	File          string `arg:"" optional:"" help:"Backup to restore, into the new file that --db names. Without it, the database of --db has been restored by other means, such as PostgreSQL's." type:"existingfile"`
	Keys          string `help:"Folder of secret keys. Default: the database file's name with -keys, or tapline-keys." env:"TAPLINE_KEYS" type:"path" placeholder:"FOLDER"`
	Environment   string `help:"live, test or sandbox: what the database is for." enum:"live,test,sandbox" default:"test" env:"TAPLINE_ENVIRONMENT"`
	Lost          string `help:"The database that was lost, if it can still be read: what it has and the backup has not is listed." type:"database" placeholder:"FILE|URL"`
	CounterMargin int64  `help:"By how much the counters of cards that prove themselves rise: as often as a card may have been tapped since the backup. So many of its taps are refused afterwards." default:"20" placeholder:"N"`
	jsonFlag
}

// Help says what a restore changes.
func (restoreCmd) Help() string {
	return `A backup does not know what happened after it was made. So a restored database begins a new epoch:

- payments that were open are cancelled, and what they held is released: their devices may show another state;
- tokens of devices and operators are void;
- counters of cards that prove themselves rise by --counter-margin, so that taps of the lost time cannot be used again;
- payments, top-ups, revoked devices and keys, frozen cards and new PINs of the lost time are not in it: --lost lists entries
  and what operators did. One-use codes that were used in that time open once more: revoke them by giving new ones.

No service may run on the database. It appears under its name when all of that is done and its books are proved.`
}

// restored is what a restore did.
type restored struct {
	Database  string          `json:"database"`
	Epoch     string          `json:"epoch"`
	Cancelled int             `json:"cancelled_payments"`
	Advanced  int             `json:"advanced_cards"`
	Lost      []sqlstore.Lost `json:"lost"`
	More      bool            `json:"more_lost"`
}

// lostLimit is how much of what was lost is listed, of each kind.
const lostLimit = 1000

// Run restores the database.
func (cmd *restoreCmd) Run(a *app) (err error) {
	if err := cmd.check(); err != nil {
		return err
	}
	if cmd.CounterMargin < 0 || cmd.CounterMargin > 1<<24 {
		return &usageError{"--counter-margin: want 0 to 16777216", "as often as one card may have been tapped since the backup"}
	}
	if (cmd.File == "") != sqlstore.IsServer(cmd.DB) {
		return &usageError{"want a backup and a new --db file, or a restored PostgreSQL database and no backup", "tapline restore --help"}
	}
	if cmd.Keys == "" {
		options := serviceOptions{databaseFlags: cmd.databaseFlags}
		cmd.Keys = options.besideDB("-keys")
	}
	at := cmd.DB
	if cmd.File != "" {
		if _, err := os.Lstat(cmd.DB); err == nil {
			return withHint(fmt.Errorf("%s is there already", cmd.DB), "move it, its -wal and -shm files away; name it with --lost")
		}
		folder, err := os.MkdirTemp(filepath.Dir(cmd.DB), ".restore-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		at = filepath.Join(folder, filepath.Base(cmd.DB))
		if err := sqlstore.Backup(a.ctx, cmd.File, at, a.copied); err != nil {
			return err
		}
	}
	result, err := cmd.begin(a, at)
	if err != nil {
		return err
	}
	if at != cmd.DB {
		if err := os.Link(at, cmd.DB); err != nil {
			return err
		}
	}
	return cmd.tell(a, result)
}

// begin begins a new epoch in the database at a place, and proves its books.
func (cmd *restoreCmd) begin(a *app, at string) (r restored, err error) {
	r = restored{Database: cmd.DB, Lost: []sqlstore.Lost{}}
	keys, err := openKeys(cmd.Keys, false)
	if err != nil {
		return r, err
	}
	store, err := sqlstore.Open(a.ctx, at, cmd.options(sqlstore.Options{Environment: cmd.Environment}))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := belong(a.ctx, store, keys); err != nil {
		return r, err
	}
	if err := cmd.findLost(a.ctx, store, &r); err != nil {
		return r, err
	}
	if r.Advanced, err = store.BeginEpoch(a.ctx, cmd.CounterMargin); err != nil {
		return r, err
	}
	if r.Epoch, err = store.Epoch(a.ctx); err != nil {
		return r, err
	}
	p := processor.New(processor.Config{Store: store, Keys: keys, Log: newLog(a.stderr, 0)})
	defer p.Close()
	if r.Cancelled, err = p.CancelAll(a.ctx, payment.Restored); err != nil {
		return r, err
	}
	findings, err := a.findings(store)
	if err == nil && len(findings) > 0 {
		err = withHint(fmt.Errorf("%w: %s", errBooks, findings[0]), "this backup cannot be used; take an earlier one")
	}
	return r, err
}

// findLost reads what the lost database has that the backup has not.
func (cmd *restoreCmd) findLost(ctx context.Context, backup *sqlstore.Store, r *restored) (err error) {
	if cmd.Lost == "" {
		return nil
	}
	mark, err := backup.Mark(ctx)
	if err != nil {
		return err
	}
	lost, err := sqlstore.Open(ctx, cmd.Lost, cmd.options(sqlstore.Options{ReadOnly: true}))
	if err != nil {
		return withHint(fmt.Errorf("--lost: %w", err), "without --lost the restore goes on, and what was lost is not listed")
	}
	defer func() { err = errors.Join(err, lost.Close()) }()
	r.Lost, err = lost.LostAfter(ctx, mark, lostLimit)
	r.Lost = append([]sqlstore.Lost{}, r.Lost...)
	r.More = len(r.Lost) >= lostLimit
	return err
}

func (cmd *restoreCmd) tell(a *app, r restored) error {
	if !cmd.JSON {
		for _, l := range r.Lost {
			if err := a.print("lost  %s  %s %s", time.UnixMicro(l.At).UTC().Format(time.RFC3339), l.Name, l.Detail); err != nil {
				return err
			}
		}
		if r.More {
			a.say("Only the first %d of each kind are listed.", lostLimit)
		}
		a.say("What was revoked, frozen or changed after the backup was made is not in it: do it again where needed.")
	}
	return a.result(cmd.JSON, r, pair{"restored", r.Database}, pair{"epoch", r.Epoch}, pair{"cancelled payments", strconv.Itoa(r.Cancelled)},
		pair{"cards with advanced counters", strconv.Itoa(r.Advanced)}, pair{"lost", strconv.Itoa(len(r.Lost))}, pair{"books", "right"})
}
