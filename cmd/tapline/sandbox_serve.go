package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tapline/keyring"
	"tapline/sandbox"
	"tapline/sqlstore"
)

// checkSandbox brings the two ways to ask for a sandbox together.
func (o *serviceOptions) checkSandbox() error {
	if o.Sandbox && o.Environment == "live" {
		return &usageError{"--sandbox is refused in the live environment", "a sandbox is a service of its own, with a database and keys of its own"}
	}
	if o.Sandbox {
		o.Environment = sqlstore.Sandbox
	}
	return nil
}

func (o serviceOptions) isSandbox() bool { return o.Environment == sqlstore.Sandbox }

// said is the environment in all that is signed: a sandbox's is test.
func (o serviceOptions) said() string {
	if o.isSandbox() {
		return "test"
	}
	return o.Environment
}

// sandboxMark is the file that marks a folder of keys as a sandbox's. Names that begin with a dot are no keys.
const sandboxMark = ".sandbox"

// openKeys is openKeys, with keys of its own for a sandbox: so that nothing it signs can be verified as another service's, even
// if both were given the same folder by mistake.
func (o serviceOptions) openKeys(newDB bool) (*keyring.Keyring, error) {
	mark := filepath.Join(o.Keys, sandboxMark)
	_, err := os.Lstat(mark)
	marked := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if !o.isSandbox() {
		if marked {
			return nil, withHint(fmt.Errorf("%s has the keys of a sandbox", o.Keys), "name another folder with --keys")
		}
		return openKeys(o.Keys, newDB)
	}
	if entries, err := os.ReadDir(o.Keys); newDB && !marked && err == nil && len(entries) > 0 {
		return nil, withHint(fmt.Errorf("%s has the keys of another service", o.Keys), "a sandbox has keys of its own: name a new folder with --keys")
	}
	keys, err := openKeys(o.Keys, newDB)
	if err == nil && newDB && !marked {
		err = os.WriteFile(mark, nil, 0o600)
	}
	return keys, err
}

// makeSandbox makes the service a sandbox, if its database is one's.
func (s *service) makeSandbox(o serviceOptions, keys *keyring.Keyring) {
	if !o.isSandbox() {
		return
	}
	s.sandbox = sandbox.New(sandbox.Config{
		Store: s.store, Processor: s.processor, Keys: keys, URL: s.url, Log: o.log,
		OnForward: func() { s.courier.Kick(); s.waker.Kick() },
	})
	s.sealer.Now = s.store.Clock
	s.courier.Now = time.Now // whoever receives webhooks lives in the world
}

// clock is the clock that payments are judged by; nil for the world's.
func (s *service) clock() func() time.Time {
	if s.sandbox == nil {
		return nil
	}
	return s.store.Clock
}
