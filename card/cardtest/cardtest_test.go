package cardtest_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"tapline/card"
	"tapline/card/cardtest"
)

func send(t *testing.T, c card.Transmitter, command string) string {
	t.Helper()
	raw, err := hex.DecodeString(command)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Transmit(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%X", answer)
}

func TestEveryKindIsMadeAndReads(t *testing.T) {
	for _, kind := range cardtest.Kinds() {
		c, err := cardtest.New(kind, card.Number{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = card.Read(t.Context(), c, card.Terminal{})
		want := map[cardtest.Kind]error{cardtest.KindStorage: card.ErrNoAccount, cardtest.KindSUN: card.ErrNoApplication}[kind]
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", kind, err, want)
		}
		if n := len(c.ATR()); n < 2 || n > 33 {
			t.Errorf("%s: ATR of %d bytes", kind, n)
		}
	}
	if _, err := cardtest.New("paper", card.Number{}); err == nil || !strings.Contains(err.Error(), "emv, sun, tunion, storage") {
		t.Errorf("unknown kind: %v, want the choice", err)
	}
	if _, err := cardtest.New(cardtest.KindTUnion, cardtest.Number("12345678")); err == nil {
		t.Error("a transport card with 8 digits was made")
	}
}

func TestVirtualPaymentCardHasAnHonestStatusForEverything(t *testing.T) {
	c := &cardtest.EMV{}
	const selectIt = "00A4040008A00000033301010100"
	for _, step := range []struct{ command, status string }{
		{"00B2010C00", "6985"},                 // nothing selected
		{"80A8000002830000", "6985"},           // nothing selected
		{"00A4040007A000000003101000", "6A82"}, // another's application
		{"00A4000002200000", "6A86"},           // SELECT by file identifier
		{"00A404", "6700"},                     // cut short
		{selectIt, "9000"},                     //
		{"00B2010C00", "6985"},                 // not started
		{"80A8000002830000", "6700"},           // PDOL data missing
		{"80A800001083" + "0E" + strings.Repeat("00", 14) + "00", "9000"}, //
		{"80A800001083" + "0E" + strings.Repeat("00", 14) + "00", "6985"}, // started
		{"00B2021400", "6A82"}, // no such file
		{"00B2020C00", "6A83"}, // no such record
		{"80CA9F3600", "6D00"}, // no counter: it is no payment card
		{"A0A4000000", "6E00"}, //
		{"00B2010C00", "9000"}, //
	} {
		if got := send(t, c, step.command); got[len(got)-4:] != step.status {
			t.Errorf("%s: got %s, want %s", step.command, got, step.status)
		}
	}
	c.Reset()
	if got := send(t, c, "00B2010C00"); got != "6985" {
		t.Errorf("after reset: got %s, want 6985", got)
	}
}

func TestStorageCardTellsItsSerialNumberAndItsPages(t *testing.T) {
	c := &cardtest.Storage{}
	for command, want := range map[string]string{
		"FFCA000000": "041122334455809000", "00A4040000": "6E00", "FFB0000310": "E11012000103A00C340300FE000000009000",
		"FFB0000300": "6C10", "FFB0002D10": "6A82", "FFB0002C10": "00000000041122BF33445580A24800009000", "FFD6000404": "6D00",
		"FF": "6700",
	} {
		if got := send(t, c, command); got != want {
			t.Errorf("%s: got %s, want %s", command, got, want)
		}
	}
}

func TestPlayerFollowsTheRulesOfTranscripts(t *testing.T) {
	transcript, err := cardtest.ParseTranscript([]byte(`{"atr":"3B00","exchanges":[
		{"c":"00A4040001AA","r":"019000"}, {"c":"80a8000002830000","r":"029000"}, {"c":"","r":"039000"},
		{"c":"00B2010C00","r":"049000"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := transcript.Player()
	for _, step := range []struct{ command, answer string }{
		{"00A4040001BB00", "039000"}, // the one for any command; those before it are passed over
		{"00A4040001CC00", "6A82"},
		{"00B2010C00", "049000"},
		{"00B2010C00", "6A83"},
		{"80CA9F3600", "6D00"},
	} {
		if got := send(t, p, step.command); got != step.answer {
			t.Errorf("%s: got %s, want %s", step.command, got, step.answer)
		}
	}
	p.Reset()
	for _, step := range []struct{ command, answer string }{
		{"00A4040001AA00", "019000"}, {"80A80000048302112200", "029000"}, {"FFFF", "039000"},
	} {
		if got := send(t, p, step.command); got != step.answer {
			t.Errorf("after reset %s: got %s, want %s", step.command, got, step.answer)
		}
	}
	if len(p.Missed) != 3 || fmt.Sprintf("%X", p.ATR()) != "3B00" {
		t.Errorf("missed %q, ATR %X", p.Missed, p.ATR())
	}
}

func TestPlayerAnswersReadersOfOtherHabits(t *testing.T) {
	transcript, err := cardtest.ParseTranscript([]byte(`{"exchanges":[
		{"c":"00A4040001AA","r":"6700"}, {"c":"00A4040001AA00","r":"019000"}, {"c":"00B2010C","r":"029000"},
		{"c":"00A4040001BB00","r":"039000"}, {"c":"00B2010C00","r":"049000"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := transcript.Player()
	for _, step := range []struct{ command, answer string }{
		{"00A4040001BB00", "039000"},
		{"00B2010C00", "049000"},
		{"00B2010C00", "6A83"},       // records belong to the application that is selected
		{"00A4040001AA00", "019000"}, // back to the application that was passed over
		{"00B2010C00", "029000"},
	} {
		if got := send(t, p, step.command); got != step.answer {
			t.Errorf("%s: got %s, want %s", step.command, got, step.answer)
		}
	}
	p.Reset()
	if got := send(t, p, "00A4040001AA00"); got != "019000" {
		t.Errorf("a card that insists on Le, asked with Le: got %s", got)
	}
}

func TestTranscriptThatIsNotHexIsRefused(t *testing.T) {
	for _, text := range []string{`{`, `{"exchanges":[{"c":"0","r":"9000"}]}`, `{"exchanges":[{"c":"","r":"90"}]}`} {
		if _, err := cardtest.ParseTranscript([]byte(text)); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
	if _, err := cardtest.ReadTranscript(t.TempDir() + "/none"); err == nil {
		t.Error("a missing file: accepted")
	}
}

// listen plays vpcd's side of one connection.
func listen(t *testing.T, play func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		play(conn)
	}()
	return listener.Addr().String()
}

func TestServedCardSpeaksVpcd(t *testing.T) {
	var answers [2]string
	ctx, cancel := context.WithCancel(t.Context())
	addr := listen(t, func(conn net.Conn) {
		io.WriteString(conn, "\x00\x01\x01"+"\x00\x01\x04")
		atr := make([]byte, 7)
		io.ReadFull(conn, atr)
		io.WriteString(conn, "\x00\x05\x00\xB2\x01\x0C\x00")
		answer := make([]byte, 4)
		io.ReadFull(conn, answer)
		answers = [2]string{fmt.Sprintf("%X", atr), fmt.Sprintf("%X", answer)}
		cancel()
		io.Copy(io.Discard, conn) // ends when the card is removed
	})
	if err := cardtest.ServeVPCD(ctx, addr, &cardtest.EMV{}); err != nil {
		t.Errorf("removed: %v", err)
	}
	if answers != [2]string{"00053B80800101", "00026985"} {
		t.Errorf("answered %q", answers)
	}
}

func TestReaderThatGoesAwayIsAnError(t *testing.T) {
	addr := listen(t, func(net.Conn) {})
	if err := cardtest.ServeVPCD(t.Context(), addr, &cardtest.EMV{}); err == nil {
		t.Error("no error")
	}
	if err := cardtest.ServeVPCD(t.Context(), "127.0.0.1:1", &cardtest.EMV{}); err == nil || !strings.Contains(err.Error(), "vsmartcard-vpcd") {
		t.Errorf("no reader: %v, want what to do", err)
	}
}

// FuzzVPCD: whatever a reader sends, the card's side neither panics nor hangs.
func FuzzVPCD(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x00\x01\x04\x00\x05\x00\xB2\x01\x0C\x00"))
	f.Add([]byte("\x00\x00\xFF\xFF\x00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		near, far := net.Pipe()
		go func() { far.Write(sent); far.Close() }()
		go io.Copy(io.Discard, far)
		if err := cardtest.Serve(t.Context(), near, &cardtest.EMV{}); err == nil {
			t.Error("no error at the end of the reader")
		}
	})
}

// FuzzTranscript: any text is a transcript whose player answers every command, or an error.
func FuzzTranscript(f *testing.F) {
	f.Add([]byte(`{"exchanges":[{"c":"80A80000","r":"6A82"},{"c":"","r":"9000"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		transcript, err := cardtest.ParseTranscript(text)
		if err != nil {
			return
		}
		p := transcript.Player()
		for range len(transcript.Exchanges) + 1 {
			if answer, err := p.Transmit(t.Context(), []byte{0x80, 0xA8, 0, 0, 0}); err != nil || len(answer) < 2 {
				t.Fatalf("answered %X, %v", answer, err)
			}
		}
	})
}
