package device

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"tapline/consent"
)

// ErrKeyFile means a file that holds no key.
var ErrKeyFile = errors.New("not a key file")

// ErrKeyReadable means a key file that others may read. Whoever read it can do all that the key can.
var ErrKeyReadable = errors.New("others may read the key file")

// maxKeyFile bounds a key file, in bytes.
const maxKeyFile = 16 << 10

// MakeKey makes a key and saves it in a new file.
func MakeKey(path string) (*consent.DeviceKey, error) {
	key, err := consent.NewDeviceKey()
	if err != nil {
		return nil, err
	}
	return key, SaveKey(path, key)
}

// SaveKey writes a key into a new file that only its owner can read (0600), durably, and makes the folder if need be.
// An error that is fs.ErrExist if there is a file: a key that is overwritten is lost.
func SaveKey(path string, key *consent.DeviceKey) error {
	text, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// LoadKey reads the file of a key. ErrKeyReadable if others may read it, an error that is fs.ErrNotExist if there is
// none.
func LoadKey(path string) (*consent.DeviceKey, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular() || info.Size() > maxKeyFile:
		return nil, &fs.PathError{Op: "load key", Path: path, Err: fs.ErrInvalid}
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%w: %s has mode %04o, want 0600", ErrKeyReadable, path, info.Mode().Perm())
	}
	text := make([]byte, info.Size())
	if _, err := file.ReadAt(text, 0); err != nil {
		return nil, err
	}
	key, err := consent.ParseDeviceKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, path, err)
	}
	return key, nil
}
