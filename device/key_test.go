package device_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"tapline/device"
)

func TestKeyFileIsForItsOwnerOnlyAndNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "device.pem")
	key, err := device.MakeKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	loaded, err := device.LoadKey(path)
	if err != nil || loaded.ID() != key.ID() {
		t.Errorf("loaded %v, %v; want %v", loaded, err, key)
	}
	if _, err := device.MakeKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second key in the same file: %v, want fs.ErrExist", err)
	}
	if again, err := device.LoadKey(path); err != nil || again.ID() != key.ID() {
		t.Errorf("the first key is gone: %v, %v", again, err)
	}
}

func TestKeyThatOthersCanReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.pem")
	if _, err := device.MakeKey(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o666, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := device.LoadKey(path); !errors.Is(err, device.ErrKeyReadable) {
			t.Errorf("mode %v: got %v, want ErrKeyReadable", mode, err)
		}
	}
}

func TestFileThatIsNoKeyIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.pem")
	if err := os.WriteFile(path, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := device.LoadKey(path); err == nil {
		t.Errorf("got %v", key)
	}
	if _, err := device.LoadKey(filepath.Dir(path)); err == nil {
		t.Error("a folder was taken for a key")
	}
	if _, err := device.LoadKey(path + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}
