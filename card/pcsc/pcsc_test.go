//go:build linux

package pcsc_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/pcsc"
	"tapline/internal/testenv"
)

// startReader starts a private pcscd. Without one it skips, unless TAPLINE_REQUIRE names pcscd.
func startReader(t testing.TB) (*cardtest.Reader, *pcsc.Client) {
	t.Helper()
	reader, err := cardtest.StartReader(t.Context())
	var unavailable *cardtest.UnavailableError
	if errors.As(err, &unavailable) {
		testenv.Require(t, "pcscd", false, unavailable.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	client, err := pcsc.Dial(t.Context(), reader.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return reader, client
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func connect(t testing.TB, client *pcsc.Client, name pcsc.ReaderName) (pcsc.Reader, *pcsc.Card) {
	t.Helper()
	reader, err := client.WaitForCard(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Connect(deadline(t), reader.Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Disconnect() })
	return reader, c
}

func TestCardIsInsertedReadAndRemoved(t *testing.T) {
	reader, client := startReader(t)
	ctx := deadline(t)
	for _, kind := range []cardtest.Kind{cardtest.KindEMV, cardtest.KindTUnion, cardtest.KindStorage} {
		virtual, err := cardtest.New(kind, card.Number{})
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Insert(ctx, virtual); err != nil {
			t.Fatal(err)
		}
		in, c := connect(t, client, "")
		if in.Name != "Virtual PCD 00 00" || !in.Present {
			t.Errorf("%s: found in %+v", kind, in)
		}
		if err := c.Begin(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := card.Read(ctx, c, card.Terminal{})
		if kind == cardtest.KindStorage {
			if !errors.Is(err, card.ErrNoAccount) {
				t.Errorf("%s: read %v, %v; want ErrNoAccount", kind, got, err)
			}
		} else if err != nil || got.Number.IsZero() {
			t.Errorf("%s: read %v, %v", kind, got, err)
		}
		if err := c.End(ctx); err != nil {
			t.Error(err)
		}
		if err := c.Disconnect(); err != nil {
			t.Error(err)
		}
		reader.Remove()
		if err := client.WaitForRemoval(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnyReaderFindsTheCardInTheSecondSlot(t *testing.T) {
	reader, client := startReader(t)
	ctx := deadline(t)
	if err := reader.InsertAt(ctx, 1, &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	if in, _ := connect(t, client, ""); in.Name != "Virtual PCD 00 01" {
		t.Errorf("any reader: found in %q", in.Name)
	}
	if err := reader.InsertAt(ctx, 0, &cardtest.TUnion{}); err != nil {
		t.Fatal(err)
	}
	_, c := connect(t, client, "Virtual PCD 00 00")
	got, err := card.Read(ctx, c, card.Terminal{})
	if err != nil || got.Scheme != card.TUnion {
		t.Errorf("named reader: read %v, %v; want the card in its slot", got, err)
	}
}

func TestUnknownReaderIsNamedAsSuch(t *testing.T) {
	_, client := startReader(t)
	_, err := client.WaitForCard(deadline(t), "Nobody 00 00")
	if !errors.Is(err, &pcsc.Error{Code: pcsc.UnknownReader}) {
		t.Errorf("wait: got %v", err)
	}
	if _, err = client.Connect(deadline(t), "Virtual PCD 00 00"); !errors.Is(err, card.ErrRemoved) {
		t.Errorf("connect without card: got %v, want one that is card.ErrRemoved", err)
	}
}

// pulled is a card that leaves the reader at its third command.
type pulled struct {
	cardtest.EMV
	commands int
	pull     func()
}

func (p *pulled) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	p.commands++
	if p.commands == 3 {
		p.pull()
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return p.EMV.Transmit(ctx, command)
}

func TestCardPulledInTheMiddleOfReadingIsARemovedCard(t *testing.T) {
	reader, client := startReader(t)
	ctx := deadline(t)
	virtual := &pulled{}
	out := make(chan struct{})
	virtual.pull = func() { go func() { defer close(out); reader.Remove() }() }
	if err := reader.Insert(ctx, virtual); err != nil {
		t.Fatal(err)
	}
	_, c := connect(t, client, "")
	got, err := card.Read(ctx, c, card.Terminal{})
	if !errors.Is(err, card.ErrRemoved) || got.APDUs != 3 {
		t.Errorf("read %v, %v; want an error that is card.ErrRemoved at command 3", got, err)
	}
	t.Log(err)
	<-out
}

func TestWithoutPcscdDialSaysWhatToDo(t *testing.T) {
	_, err := pcsc.Dial(t.Context(), t.TempDir()+"/none")
	if !errors.Is(err, &pcsc.Error{Code: pcsc.NoService}) || !strings.Contains(err.Error(), "apt-get install pcscd") {
		t.Errorf("got %v", err)
	}
}

func TestVirtualReadersDoNotMeet(t *testing.T) {
	one, first := startReader(t)
	_, second := startReader(t)
	ctx := deadline(t)
	if err := one.Insert(ctx, &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.WaitForCard(ctx, ""); err != nil {
		t.Fatal(err)
	}
	readers, err := second.Readers(ctx)
	if err != nil || len(readers) != cardtest.Slots || readers[0].Present || readers[1].Present {
		t.Errorf("the other reader has %+v, %v; want two empty slots", readers, err)
	}
	if err := one.Insert(ctx, &cardtest.EMV{}); err == nil {
		t.Error("a second card fits into a slot")
	}
	if err := one.InsertAt(ctx, cardtest.Slots, &cardtest.EMV{}); err == nil {
		t.Error("a card fits where no slot is")
	}
}

func TestClosedVirtualReaderLeavesNoProcess(t *testing.T) {
	reader, client := startReader(t)
	if err := reader.Insert(deadline(t), &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(reader.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d: %v, want none", reader.PID(), err)
	}
	if _, err := client.Readers(t.Context()); !errors.Is(err, &pcsc.Error{Code: pcsc.NoService}) {
		t.Errorf("readers afterwards: %v, want no service", err)
	}
}
