package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tapline/card/cardtest"
)

// runQuietly runs a command with nobody at a terminal.
func runQuietly(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	a := &app{ctx: ctx, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now}
	code = run(a, args)
	return code, out.String(), errs.String()
}

// curiousCard keeps what it was told about the reader.
type curiousCard struct {
	cardtest.EMV
	options []byte
}

func (c *curiousCard) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if bytes.HasPrefix(command, []byte{0x80, 0xA8}) {
		c.options = bytes.Clone(command)
	}
	return c.EMV.Transmit(ctx, command)
}

func TestCardIsReadOnARealReader(t *testing.T) {
	reader := startReader(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", reader.Socket())
	if code, out, errs := runQuietly(t.Context(), "card", "readers"); code != 0 || !strings.Contains(out, "Virtual PCD 00 00  no") {
		t.Errorf("readers: %d\n%s%s", code, out, errs)
	}
	if code, _, errs := runQuietly(t.Context(), "card", "read", "--reader", "Nobody"); code != 1 || !strings.Contains(errs, `hint: list them with "tapline card readers"`) {
		t.Errorf("unknown reader: %d\n%s", code, errs)
	}
	if code, _, errs := runQuietly(t.Context(), "card", "read", "--tap-timeout", "50ms"); code != 1 || !strings.Contains(errs, "no card was tapped") {
		t.Errorf("no card: %d\n%s", code, errs)
	}
	curious := &curiousCard{}
	if err := reader.Insert(t.Context(), curious); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runQuietly(t.Context(), "card", "read", "--json", "--show-account", "--reader", "Virtual PCD 00 00",
		"--country", "826", "--currency", "978")
	if told := curious.options; !bytes.Contains(told, []byte{0x08, 0x26, 0x09, 0x78}) {
		t.Errorf("the card was told %X, not country 826 and currency 978", told)
	}
	var reading struct {
		Last4   string `json:"account_last4"`
		Account string `json:"account"`
	}
	if err := json.Unmarshal([]byte(out), &reading); code != 0 || err != nil ||
		reading.Last4 != "0005" || reading.Account != "6200000000000005" {
		t.Errorf("read: %d, %v\n%s%s", code, err, out, errs)
	}
	if !strings.Contains(errs, "Tap the card on the reader.") {
		t.Errorf("nobody was asked to tap: %s", errs)
	}
}

func TestEmulatedCardAnswersAVirtualReaderUntilItIsTakenOut(t *testing.T) {
	vpcd, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer vpcd.Close()
	ctx, takeOut := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		code, _, _ := runQuietly(ctx, "card", "emulate", "--kind", "tunion", "--vpcd", vpcd.Addr().String())
		done <- code
	}()
	conn, err := vpcd.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(message ...byte) []byte {
		t.Helper()
		var length [2]byte
		_, err := conn.Write(append([]byte{0, byte(len(message))}, message...))
		if err == nil {
			_, err = io.ReadFull(conn, length[:])
		}
		answer := make([]byte, int(length[0])<<8|int(length[1]))
		if err == nil {
			_, err = io.ReadFull(conn, answer)
		}
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if atr := ask(4); len(atr) == 0 || atr[0] != 0x3B {
		t.Errorf("ATR %X", atr)
	}
	selected := ask(0x00, 0xA4, 0x04, 0x00, 0x08, 0xA0, 0, 0, 0x06, 0x32, 0x01, 0x01, 0x05, 0x00)
	if !bytes.HasSuffix(selected, []byte{0x90, 0x00}) {
		t.Errorf("SELECT answers %X", selected)
	}
	takeOut()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d", code)
	}
}
