//go:build linux

package pcsc_test

import (
	"context"
	"errors"
	"testing"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/pcsc"
	"tapline/internal/testenv"
)

func TestReaderStatesHaveTheSizesOfTheSystems(t *testing.T) {
	for system, c := range map[string]struct {
		word, atr int
		packed    bool
		want      int
	}{
		"Windows": {4, 36, false, 64}, "macOS": {4, 33, true, 61}, "Linux": {8, 33, false, 80},
	} {
		if got := pcsc.NewWinscard(nil, c.word, c.atr, c.packed).StateSize(); got != c.want {
			t.Errorf("%s: %d bytes, want %d", system, got, c.want)
		}
	}
}

// pcsclite is the C library of pcsc-lite, whose pcscd is at socket. The library keeps that for the life of the process.
func pcsclite(t *testing.T, socket string) *pcsc.Winscard {
	t.Helper()
	library, err := purego.Dlopen("libpcsclite.so.1", purego.RTLD_NOW)
	testenv.Require(t, "pcscd", err == nil, "libpcsclite1 is not installed; try: apt-get install libpcsclite1")
	setenv, err := purego.Dlsym(purego.RTLD_DEFAULT, "setenv")
	if err != nil {
		t.Fatal(err)
	}
	name, value := []byte("PCSCLITE_CSOCK_NAME\x00"), append([]byte(socket), 0)
	if failed, _, _ := purego.SyscallN(setenv, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&value[0])), 1); int32(failed) != 0 {
		t.Fatal("setenv failed")
	}
	return pcsc.NewWinscard(func(function string, arguments ...uintptr) pcsc.Code {
		symbol, err := purego.Dlsym(library, function)
		if err != nil {
			t.Error(err)
			return pcsc.NoService
		}
		result, _, _ := purego.SyscallN(symbol, arguments...)
		return pcsc.Code(result)
	}, 8, 33, false)
}

// What runs here on libpcsclite is what runs on the libraries of Windows and macOS, but for sizes and loading.
func TestACLibraryDoesWhatTheSocketDoes(t *testing.T) {
	reader, client := startReader(t)
	library := pcsclite(t, reader.Socket())
	ctx := deadline(t)

	none, err := library.Readers()
	if err != nil || len(none) != cardtest.Slots || none[0].Present || none[0].Name != "Virtual PCD 00 00" {
		t.Fatalf("readers without a card: %+v, %v", none, err)
	}
	gone := errors.New("the page went away")
	giveUp, cancel := context.WithCancelCause(ctx)
	released := make(chan error, 1)
	go func() {
		_, err := library.WaitFor(giveUp, true)
		released <- err
	}()
	began := time.Now()
	cancel(gone)
	if err := <-released; !errors.Is(err, gone) || time.Since(began) > 3*time.Second {
		t.Errorf("the end of a context released a wait with %v after %s", err, time.Since(began))
	}

	waited := make(chan pcsc.Reader, 1)
	go func() {
		in, err := library.WaitFor(ctx, true)
		if err != nil {
			t.Error(err)
		}
		waited <- in
	}()
	if err := reader.Insert(ctx, &cardtest.EMV{Number: cardtest.Number("6200000000000005")}); err != nil {
		t.Fatal(err)
	}
	in := <-waited
	if _, err := client.WaitForCard(ctx, in.Name); err != nil {
		t.Fatal(err)
	}
	bySocket, err := client.Readers(ctx)
	byLibrary, libraryErr := library.Readers()
	if diff := cmp.Diff(bySocket, byLibrary, cmpopts.IgnoreUnexported(pcsc.Reader{})); diff != "" || err != nil || libraryErr != nil {
		t.Errorf("%v, %v; by socket and by library (-socket +library):\n%s", err, libraryErr, diff)
	}
	readByLibrary(ctx, t, library, reader, in.Name)
	if _, err := library.WaitFor(ctx, false); err != nil {
		t.Errorf("waiting for the removal: %v", err)
	}
	if _, err := library.Connect(ctx, in.Name, alive); !errors.Is(err, card.ErrRemoved) {
		t.Errorf("connecting without a card: got %v, want no card", err)
	}
}

func alive() error { return nil }

// readByLibrary reads the card in a reader, and again when it has been taken out.
func readByLibrary(ctx context.Context, t *testing.T, library *pcsc.Winscard, reader *cardtest.Reader, name pcsc.ReaderName) {
	t.Helper()
	c, err := library.Connect(ctx, name, alive)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Begin(ctx); err != nil {
		t.Error(err)
	}
	reading, err := card.Read(ctx, c, card.Terminal{})
	if err != nil || reading.Number != cardtest.Number("6200000000000005") {
		t.Errorf("read %v, %v", reading.Number, err)
	}
	if err := c.End(ctx); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := card.Read(ended, c, card.Terminal{}); !errors.Is(err, context.Canceled) {
		t.Errorf("reading after the end of the context: got %v", err)
	}
	reader.Remove()
	if _, err := card.Read(ctx, c, card.Terminal{}); !errors.Is(err, card.ErrRemoved) {
		t.Errorf("reading a card that was removed: got %v, want ErrRemoved", err)
	}
	if err := c.Disconnect(); err != nil && !errors.Is(err, card.ErrRemoved) {
		t.Errorf("disconnecting a card that was removed: %v", err)
	}
}
