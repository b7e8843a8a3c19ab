package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tapline/keyring"
)

// keysCmd is "tapline keys".
type keysCmd struct {
	List    keysListCmd    `cmd:"" help:"List the keys by purpose and version; no key is shown."`
	Rotate  keysRotateCmd  `cmd:"" help:"Add new versions of keys; old ones go on checking what they made."`
	Backup  keysBackupCmd  `cmd:"" help:"Write all keys to a file that a passphrase protects."`
	Restore keysRestoreCmd `cmd:"" help:"Make a folder of keys of such a file."`
}

// keysFlag names the folder.
type keysFlag struct {
	Keys string `help:"Folder of secret keys." default:"tapline-keys" env:"TAPLINE_KEYS" type:"path" placeholder:"FOLDER"`
}

// passphraseFlag says where a passphrase comes from.
type passphraseFlag struct {
	PassphraseFile string `help:"File (0600) whose first line is the passphrase; without it you are asked." type:"path" placeholder:"FILE"`
}

type keysListCmd struct {
	keysFlag
	jsonFlag
}

// Run lists the keys.
func (cmd *keysListCmd) Run(a *app) error {
	k, err := keyring.Open(cmd.Keys)
	if err != nil {
		return err
	}
	return a.versions(cmd.JSON, k.Versions())
}

func (a *app) versions(asJSON bool, all []keyring.Version) error {
	var rows [][]string
	for _, v := range all {
		current := ""
		if v.Current {
			current = "current"
		}
		rows = append(rows, []string{string(v.Purpose), strconv.Itoa(v.Version), current, v.ID})
	}
	return a.list(asJSON, all, []string{"PURPOSE", "VERSION", "", "ID"}, rows)
}

type keysRotateCmd struct {
	keysFlag
	Purposes []string `arg:"" optional:"" help:"What for: number, pepper, digest, seal, token, code, apikey, sun, push, receipt. Default: all." placeholder:"PURPOSE"`
	jsonFlag
}

// Help says what to do around it.
func (keysRotateCmd) Help() string {
	return `Adds a new version of each key. Services take it up when they are started again: copy the folder to every node,
then stop all of them, and start them. Old versions stay in the folder: PINs, cards, API keys, answers and receipts that they made
go on working. Make a backup of the keys afterwards: the one before lacks the new ones.

"sun" is the master key of cards that prove themselves: cards that are written from then on get keys of the new one.`
}

// Run rotates keys.
func (cmd *keysRotateCmd) Run(a *app) error {
	purposes := keyring.Rotatable()
	if len(cmd.Purposes) > 0 {
		purposes = nil
		for _, p := range cmd.Purposes {
			if !slices.Contains(keyring.Rotatable(), keyring.Purpose(p)) {
				return &usageError{fmt.Sprintf("there is no key for %q", p), fmt.Sprintf("one of %v", keyring.Rotatable())}
			}
			if !slices.Contains(purposes, keyring.Purpose(p)) {
				purposes = append(purposes, keyring.Purpose(p))
			}
		}
	}
	added, err := keyring.Rotate(cmd.Keys, purposes...)
	if err != nil {
		return err
	}
	if !cmd.JSON {
		a.say("Copy the folder to every node, start the services again, and make a backup: tapline keys backup FILE --keys %s", cmd.Keys)
	}
	return a.versions(cmd.JSON, added)
}

type keysBackupCmd struct {
	keysFlag
	passphraseFlag
	File string `arg:"" help:"File to write; it must not be there yet." type:"path"`
	jsonFlag
}

// Help says how it can be opened.
func (keysBackupCmd) Help() string {
	return `Keep the file apart from backups of the database, and the passphrase apart from both: all three together tell every
card number and PIN to who tries them all. The file is in the format of age (age-encryption.org/v1): besides "tapline keys
restore", "age --decrypt FILE | tar -t" opens it.`
}

// Run writes the archive, which appears when it is whole.
func (cmd *keysBackupCmd) Run(a *app) (err error) {
	passphrase, err := cmd.passphrase(a, true)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(cmd.File); err == nil {
		return withHint(fmt.Errorf("%s is there already", cmd.File), "name a new file")
	}
	f, err := os.CreateTemp(filepath.Dir(cmd.File), "."+filepath.Base(cmd.File)+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone if all went well
	n, err := keyring.Archive(cmd.Keys, passphrase, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return passphraseHint(err)
	}
	if err := os.Link(f.Name(), cmd.File); err != nil {
		return err
	}
	return a.result(cmd.JSON, map[string]any{"file": cmd.File, "keys": n}, pair{"written", cmd.File}, pair{"keys", strconv.Itoa(n)})
}

type keysRestoreCmd struct {
	keysFlag
	passphraseFlag
	File string `arg:"" help:"File that tapline keys backup wrote." type:"existingfile"`
	jsonFlag
}

// Run makes the folder.
func (cmd *keysRestoreCmd) Run(a *app) error {
	f, err := os.Open(cmd.File)
	if err != nil {
		return err
	}
	defer f.Close()
	passphrase, err := cmd.passphrase(a, false)
	if err != nil {
		return err
	}
	k, err := keyring.Unarchive(f, passphrase, cmd.Keys)
	if err != nil {
		return passphraseHint(err)
	}
	return a.versions(cmd.JSON, k.Versions())
}

// passphrase reads the passphrase, or asks for it; a new one twice.
func (f passphraseFlag) passphrase(a *app, isNew bool) (string, error) {
	if f.PassphraseFile != "" {
		info, err := os.Stat(f.PassphraseFile)
		if err != nil {
			return "", err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return "", withHint(fmt.Errorf("%s can be read by others", f.PassphraseFile), "chmod 600 "+f.PassphraseFile)
		}
		text, err := os.ReadFile(f.PassphraseFile)
		line, _, _ := strings.Cut(string(text), "\n")
		return strings.TrimSuffix(line, "\r"), err
	}
	first, err := a.askSecret("Passphrase:")
	if errors.Is(err, errNobody) {
		return "", withHint(err, "give the passphrase in a file: --passphrase-file FILE")
	}
	if err != nil || !isNew {
		return first, err
	}
	again, err := a.askSecret("Once more:")
	if err == nil && again != first {
		err = errors.New("the two passphrases differ; nothing was written")
	}
	return first, err
}

func passphraseHint(err error) error {
	if errors.Is(err, keyring.ErrPassphrase) {
		return withHint(err, "several random words are easy to type and hard to guess")
	}
	return err
}
