package apdu_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card/apdu"
)

func TestCommandsAreEncodedAsTheStandardsShow(t *testing.T) {
	for want, command := range map[string]apdu.Command{
		"00A4040002414200":                 apdu.Select([]byte("AB")),
		"00B2020C00":                       apdu.ReadRecord(1, 2),
		"00B2FFF400":                       apdu.ReadRecord(30, 255),
		"80A8000002830000":                 apdu.GetProcessingOptions([]byte{0x83, 0}),
		"00C0000015":                       apdu.GetResponse(0x15),
		"805C000204":                       {Class: 0x80, Instruction: apdu.InsGetBalance, P2: 2, Le: 4},
		"00A40400024142":                   {Instruction: apdu.InsSelect, P1: 4, Data: []byte("AB")},
		"00A40400":                         {Instruction: apdu.InsSelect, P1: 4},
		"00B0000000":                       {Instruction: apdu.InsReadBinary, Le: apdu.AnyLength},
		"00A404000A3132333435363738393000": apdu.Select([]byte("1234567890")),
	} {
		encoded := command.Bytes()
		if got := fmt.Sprintf("%X", encoded); got != want {
			t.Errorf("%+v: got %s, want %s", command, got, want)
		}
		again, err := apdu.ParseCommand(encoded)
		if diff := cmp.Diff(command, again); diff != "" || err != nil {
			t.Errorf("%s read again: %v (-want +got)\n%s", want, err, diff)
		}
	}
}

func TestWhatIsNoCommandIsRefused(t *testing.T) {
	for _, raw := range [][]byte{nil, {0, 0xA4, 4}, {0, 0xA4, 4, 0, 2, 1}, {0, 0xA4, 4, 0, 1, 1, 0, 0}, {0, 0xA4, 4, 0, 0, 0, 1}} {
		if got, err := apdu.ParseCommand(raw); !errors.Is(err, apdu.ErrMalformed) {
			t.Errorf("%X: got %+v, %v; want ErrMalformed", raw, got, err)
		}
	}
}

func TestCommandThatDoesNotFitPanics(t *testing.T) {
	for _, command := range []apdu.Command{{Data: make([]byte, 256)}, {Le: 257}, {Le: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d bytes, Le %d: encoded", len(command.Data), command.Le)
				}
			}()
			command.Bytes()
		}()
	}
}

func TestStatusSaysWhatToDo(t *testing.T) {
	for status, want := range map[apdu.Status]string{
		0x9000: "9000 (success) ok", 0x6100: "6100 more 256", 0x6115: "6115 more 21", 0x6C00: "6C00 again 256",
		0x6C0F: "6C0F again 15", 0x6283: "6283 (selected file invalidated) warning", 0x63C2: "63C2 warning",
		0x6A82: "6A82 (file or application not found)",
	} {
		got := status.String()
		if status.OK() {
			got += " ok"
		}
		if status.Warning() {
			got += " warning"
		}
		if n, ok := status.More(); ok {
			got += fmt.Sprintf(" more %d", n)
		}
		if n, ok := status.WrongLe(); ok {
			got += fmt.Sprintf(" again %d", n)
		}
		if got != want {
			t.Errorf("%04X: got %q, want %q", uint16(status), got, want)
		}
	}
}

// FuzzResponse: an answer is data and status word, 2 to 258 bytes, and nothing is lost.
func FuzzResponse(f *testing.F) {
	for _, raw := range [][]byte{nil, {0x90}, {0x90, 0}, {1, 2, 0x61, 0x10}, make([]byte, 258), make([]byte, 259)} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		response, err := apdu.ParseResponse(raw)
		if good := len(raw) >= 2 && len(raw) <= 258; (err == nil) != good || (err != nil && !errors.Is(err, apdu.ErrMalformed)) {
			t.Fatalf("%d bytes: %v", len(raw), err)
		}
		if err == nil && !bytes.Equal(response.Bytes(), raw) {
			t.Errorf("%X became %X", raw, response.Bytes())
		}
	})
}

// FuzzCommand: what can be read is written the same.
func FuzzCommand(f *testing.F) {
	for _, raw := range [][]byte{nil, {0, 0xA4, 4, 0}, {0, 0xA4, 4, 0, 1, 0x55, 0}, {0, 0xB2, 1, 12, 0}} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		command, err := apdu.ParseCommand(raw)
		if err != nil {
			if !errors.Is(err, apdu.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		if got := command.Bytes(); !bytes.Equal(got, raw) {
			t.Errorf("%X became %X", raw, got)
		}
	})
}
