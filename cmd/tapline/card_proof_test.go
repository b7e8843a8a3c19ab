package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/oda"
	"tapline/internal/testenv"
)

// vpcdCard is a card on the other end of vpcd's protocol.
type vpcdCard struct{ net.Conn }

func (c vpcdCard) Transmit(_ context.Context, command []byte) ([]byte, error) {
	var length [2]byte
	_, err := c.Write(append([]byte{byte(len(command) >> 8), byte(len(command))}, command...))
	if err == nil {
		_, err = io.ReadFull(c, length[:])
	}
	answer := make([]byte, int(length[0])<<8|int(length[1]))
	if err == nil {
		_, err = io.ReadFull(c, answer)
	}
	return answer, err
}

func TestEmulatedCardProvesItselfByTheKeyThatWasWritten(t *testing.T) {
	for _, method := range []oda.Method{oda.DDA, oda.FDDA, oda.CDA} {
		vpcd, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer vpcd.Close()
		ctx, takeOut := context.WithCancel(t.Context())
		file := filepath.Join(t.TempDir(), "capk.json")
		done := make(chan int, 1)
		go func() {
			code, _, _ := runQuietly(ctx, "card", "emulate", "--proof", string(method), "--capk-out", file, "--vpcd", vpcd.Addr().String())
			done <- code
		}()
		conn, err := vpcd.Accept()
		if err != nil {
			t.Fatal(err)
		}
		challenge := oda.Challenge{UnpredictableNumber: [4]byte{1, 2, 3, 4}, Amount: 1250, Currency: 978}
		reading, err := card.Read(t.Context(), vpcdCard{conn}, card.Terminal{Prove: true,
			UnpredictableNumber: challenge.UnpredictableNumber, Amount: challenge.Amount, Currency: challenge.Currency})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := proofFlags{CAPK: file, CAPKTest: true}.authorities()
		if err != nil {
			t.Fatal(err)
		}
		got, err := oda.Examine(reading.Transcript, challenge, keys, time.Now())
		if err != nil || !got.Authentic || got.Method != method {
			t.Errorf("%s: got %+v, %v", method, got, err)
		}
		takeOut()
		conn.Close()
		if code := <-done; code != 0 {
			t.Errorf("%s: exit code %d", method, code)
		}
	}
}

func TestCardProvesItselfOnARealReader(t *testing.T) {
	reader, err := cardtest.StartReader(t.Context())
	if unavailable, missing := errors.AsType[*cardtest.UnavailableError](err); missing {
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
	t.Setenv("PCSCLITE_CSOCK_NAME", reader.Socket())
	virtual := &cardtest.EMV{AID: "A0000000031010", Number: cardtest.Number("4111111111111111"), Proof: cardtest.NewProof(oda.FDDA)}
	if err := reader.Insert(t.Context(), virtual); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "capk.json")
	if err := os.WriteFile(file, virtual.Proof.Authorities(virtual), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--json", "--capk", file, "--capk-test"}, `"assurance":"authentic"`},
		{[]string{"--json", "--capk", file, "--capk-test"}, `"proof":{"method":"fdda","authentic":true,"amount_signed":true}`},
		{[]string{"--json"}, `"proof":{"method":"fdda","authentic":false,"amount_signed":false,"why":"the authority's key 00 of A000000003 is not known"}`},
		{[]string{"--json"}, `"assurance":"identified"`},
		{[]string{"--capk", file, "--capk-test"}, "with amount and currency"},
	} {
		code, out, errs := runQuietly(t.Context(), append([]string{"card", "read", "--prove"}, c.args...)...)
		if code != 0 || !strings.Contains(out, c.want) || strings.Contains(out+errs, "411111") {
			t.Errorf("%q: %d, want %s\n%s%s", c.args, code, c.want, out, errs)
		}
	}
}
