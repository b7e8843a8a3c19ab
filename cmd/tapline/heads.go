package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"tapline/api"
	"tapline/consent"
	"tapline/history"
	"tapline/internal/client"
)

// headsCmd is for whoever watches that the past stays as it is.
type headsCmd struct {
	Follow headsFollowCmd `cmd:"" help:"Have it proved that the history has only grown since the heads in a file, and add the latest."`
	List   headsListCmd   `cmd:"" help:"List the heads of a service, newest first."`
}

// conn connects to a service without a key.
func (f serviceFlags) conn(a *app) (*client.Conn, error) {
	return client.New(client.Config{URL: f.URL, Now: a.now, Insecure: f.Insecure})
}

// headsListCmd lists heads.
type headsListCmd struct {
	serviceFlags
	Limit int `default:"20" placeholder:"N" help:"How many (${default})."`
	jsonFlag
}

// Run lists the heads.
func (cmd *headsListCmd) Run(a *app) error {
	conn, err := cmd.conn(a)
	if err != nil {
		return err
	}
	heads, err := fetchHeads(a, conn, cmd.Limit)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return a.printJSON(api.Heads{Heads: heads})
	}
	var rows [][]string
	for _, h := range heads {
		c, err := consent.ReadHead(h.Head)
		if err != nil {
			return err
		}
		rows = append(rows, []string{strconv.FormatInt(c.Number, 10), when(c.At()), c.Day, strconv.FormatInt(c.Entries.Size, 10), strconv.FormatInt(c.Audit.Size, 10), c.Entries.Root})
	}
	return a.list(false, nil, []string{"HEAD", "SIGNED", "DAY", "ENTRIES", "AUDIT", "ROOT OF ENTRIES"}, rows)
}

// fetchHeads reads up to limit heads of a service, newest first; all for 0.
func fetchHeads(a *app, conn *client.Conn, limit int) (all []api.Head, err error) {
	for before := ""; ; {
		query := url.Values{"limit": {"100"}}
		if before != "" {
			query.Set("before", before)
		}
		var page api.Heads
		if err := conn.Get(a.ctx, "/v1/heads?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Heads...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if page.Next == "" || page.Next == before {
			return all, nil
		}
		before = page.Next
	}
}

// headsFollowCmd keeps a file of heads, on another machine than the service's.
type headsFollowCmd struct {
	serviceFlags
	File     string   `arg:"" type:"path" help:"The file: a head a line. It is made if there is none."`
	JWKS     string   `name:"jwks" type:"existingfile" placeholder:"FILE" help:"The service's public keys; those that it serves now, if left out."`
	Restored []string `placeholder:"EPOCH" help:"A restore that its operator has told you of."`
	jsonFlag
}

// Help says who does this, and what it proves.
func (*headsFollowCmd) Help() string {
	return `For auditors, and for operators from another machine, say once a day. It needs no account at the service. It fetches the
latest head, checks its signature, and has the service prove (RFC 9162 §2.1.4) that each tree of the last head in the file
is the beginning of the latest one: nothing in it was changed, taken out or moved. Then it adds the latest head.

  tapline heads follow pay.example.heads --url https://pay.example

If the service has been restored from a backup since, it says so and fails, until you name the epoch with --restored. Ask
its operator why, and what was lost. "tapline check --heads FILE" proves the same on the database itself.`
}

// errRewritten means that a history is not the one that was seen before.
var errRewritten = errors.New("the history is not the one that was kept")

// Run proves and keeps.
func (cmd *headsFollowCmd) Run(a *app) error {
	kept, err := readHeads(cmd.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	conn, err := cmd.conn(a)
	if err != nil {
		return err
	}
	jwks, err := publicKeys(a, conn, cmd.JWKS)
	if err != nil {
		return err
	}
	var got api.Head
	if err := conn.Get(a.ctx, "/v1/heads/latest", &got); err != nil {
		return err
	}
	latest, err := consent.VerifyHead(jwks, got.Head)
	if err != nil {
		return fmt.Errorf("the latest head: %w", err)
	}
	proved := false
	for _, compact := range slices.Backward(kept) {
		before, err := consent.ReadHead(compact) // its signature was checked when it was kept
		if err != nil {
			return withHint(fmt.Errorf("%s: %w", cmd.File, err), "it has one head a line")
		}
		if proved, err = cmd.prove(a, conn, before, latest); err != nil {
			return withHint(err, "keep the file, and a copy of the database if you can; ask the operator, and do not trust what the service says of the past")
		}
		if proved {
			break
		}
	}
	if len(kept) == 0 || kept[len(kept)-1] != got.Head {
		if err := addLine(cmd.File, got.Head); err != nil {
			return err
		}
	}
	since := "the first head of this file"
	if proved {
		since = "only added to since the last head of this file"
	}
	return a.result(cmd.JSON, map[string]any{"number": latest.Number, "entries": latest.Entries, "audit": latest.Audit, "proved": proved, "head": got.Head},
		pair{"head", strconv.FormatInt(latest.Number, 10)}, pair{"signed", when(latest.At())}, pair{"entries", strconv.FormatInt(latest.Entries.Size, 10)},
		pair{"actions", strconv.FormatInt(latest.Audit.Size, 10)}, pair{"history", since})
}

// prove has the service prove that a head is of the beginning of the latest one. It is false where a restore has given it
// up that one was told of.
func (cmd *headsFollowCmd) prove(a *app, conn *client.Conn, before, latest consent.Head) (bool, error) {
	if before.Issuer != latest.Issuer || before.Environment != latest.Environment {
		return false, fmt.Errorf("%w: the file is of %s (%s), and this is %s (%s)", errRewritten, before.Issuer, before.Environment, latest.Issuer, latest.Environment)
	}
	if len(before.Restores) > len(latest.Restores) || !slices.Equal(before.Restores, latest.Restores[:len(before.Restores)]) {
		return false, fmt.Errorf("%w: a restore that was told before is not told any more", errRewritten)
	}
	for _, r := range latest.Restores[len(before.Restores):] {
		if r.Entries >= before.Entries.Size && r.Audit >= before.Audit.Size {
			continue
		}
		if !slices.Contains(cmd.Restored, r.Epoch) {
			return false, fmt.Errorf("%w: the database was restored (epoch %s), and has %d entries of the %d that there were", errRewritten, r.Epoch, r.Entries, before.Entries.Size)
		}
		return false, nil
	}
	for log, x := range map[history.Log][2]consent.TreeHead{
		history.Entries: {before.Entries, latest.Entries}, history.Audit: {before.Audit, latest.Audit},
	} {
		if x[0].Size > x[1].Size {
			return false, fmt.Errorf("%w: there were %d %s, and there are %d", errRewritten, x[0].Size, log, x[1].Size)
		}
		var proof api.ConsistencyProof
		path := fmt.Sprintf("/v1/heads/consistency?log=%s&from=%d&to=%d", log, x[0].Size, x[1].Size)
		if err := conn.Get(a.ctx, path, &proof); err != nil {
			return false, err
		}
		if err := history.VerifyConsistency(x[0].Size, x[1].Size, proof.Hashes, x[0].Root, x[1].Root); err != nil {
			return false, fmt.Errorf("%w: its first %d %s are others than in head %d: %w", errRewritten, x[0].Size, log, before.Number, err)
		}
	}
	return true, nil
}

// publicKeys are a service's public keys: those in a file, or those that it serves.
func publicKeys(a *app, conn *client.Conn, file string) (jwks []byte, err error) {
	if file != "" {
		return os.ReadFile(file)
	}
	err = conn.Get(a.ctx, "/.well-known/jwks.json", &jwks)
	return jwks, err
}

// readHeads reads a file of heads, one a line.
func readHeads(path string) (heads []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			heads = append(heads, line)
		}
	}
	return heads, lines.Err()
}

// addLine adds a line to a file, durably.
func addLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(line + "\n")
	return errors.Join(err, file.Sync(), file.Close())
}
