package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
)

// Version is a key that a folder has.
type Version struct {
	Purpose Purpose `json:"purpose"`
	Version int     `json:"version"`
	Current bool    `json:"current"`
	ID      string  `json:"id,omitempty"` // of receipt keys: the kid of the receipts that it signs
}

// Versions lists every key, purpose by purpose, newest first. It tells no key.
func (k *Keyring) Versions() []Version {
	var all []Version
	for _, p := range Purposes {
		for _, version := range newestFirst(k.secrets[p]) {
			all = append(all, Version{Purpose: p, Version: version, Current: version == k.current[p]})
		}
	}
	for i, version := range newestFirst(k.signers) {
		all = append(all, Version{receipt, version, i == 0, k.signers[version].id})
	}
	return all
}

// Rotatable lists the purposes whose keys can be rotated, those of receipts among them.
func Rotatable() []Purpose { return append(slices.Clone(Purposes), receipt) }

// Rotate adds a new version of the purposes' keys to the folder, which makes it the current one wherever the folder is
// opened next. Older versions stay: they go on checking what they made. The files are on disk when it returns.
//
// An error for a purpose that is not Rotatable or has MaxVersion versions; nothing is added then.
func Rotate(dir string, purposes ...Purpose) ([]Version, error) {
	k, err := Open(dir)
	if err != nil {
		return nil, err
	}
	var added []Version
	for _, p := range purposes {
		if !slices.Contains(Rotatable(), p) {
			return nil, fmt.Errorf("there is no key for %q; hint: it is one of %v", p, Rotatable())
		}
		next := Version{Purpose: p, Version: k.newest(p) + 1, Current: true}
		if next.Version > MaxVersion {
			return nil, fmt.Errorf("the key for %s has had %d versions, which is all there can be", p, MaxVersion)
		}
		added = append(added, next)
	}
	for _, v := range added {
		if err := writeNew(dir, v.Purpose, v.Version); err != nil {
			return nil, err
		}
	}
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	_, err = Open(dir)
	return added, err
}

func (k *Keyring) newest(p Purpose) int {
	if p == receipt {
		return newestFirst(k.signers)[0]
	}
	return k.current[p]
}

// writeNew writes a new random key.
func writeNew(dir string, p Purpose, version int) error {
	name, text := string(p)+"."+strconv.Itoa(version), []byte(nil)
	if p == receipt {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		name, text = name+".pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	} else {
		var key secret
		rand.Read(key[:])
		name, text = name+".key", []byte(base64.StdEncoding.EncodeToString(key[:])+"\n")
	}
	return writeFile(filepath.Join(dir, name), text)
}
