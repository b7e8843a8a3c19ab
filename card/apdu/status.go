package apdu

import "fmt"

// Status is the status word at the end of a response (ISO/IEC 7816-4 §5.6).
type Status uint16

// Status words that Tapline acts on or answers with.
const (
	StatusOK                Status = 0x9000
	StatusNoInformation     Status = 0x6300
	StatusInvalidated       Status = 0x6283
	StatusWrongLength       Status = 0x6700
	StatusNotAllowed        Status = 0x6900
	StatusIncompatible      Status = 0x6981
	StatusConditions        Status = 0x6985
	StatusNotSupported      Status = 0x6A81
	StatusNotFound          Status = 0x6A82
	StatusNoRecord          Status = 0x6A83
	StatusWrongParameters   Status = 0x6A86
	StatusNoSuchInstruction Status = 0x6D00
	StatusNoSuchClass       Status = 0x6E00
	StatusUnknown           Status = 0x6F00
)

var meanings = map[Status]string{
	StatusOK:                "success",
	StatusNoInformation:     "warning without information",
	StatusInvalidated:       "selected file invalidated",
	StatusWrongLength:       "wrong length",
	StatusNotAllowed:        "command not allowed",
	StatusIncompatible:      "command incompatible with file",
	StatusConditions:        "conditions of use not satisfied",
	StatusNotSupported:      "function not supported",
	StatusNotFound:          "file or application not found",
	StatusNoRecord:          "record not found",
	StatusWrongParameters:   "wrong parameters",
	StatusNoSuchInstruction: "instruction not supported",
	StatusNoSuchClass:       "class not supported",
	StatusUnknown:           "no precise diagnosis",
}

// OK reports success: 9000.
func (s Status) OK() bool { return s == StatusOK }

// Warning reports 62xx and 63xx: the answer may be used, something about the card is unusual.
func (s Status) Warning() bool { return s>>8 == 0x62 || s>>8 == 0x63 }

// More reports 61xx: n more bytes, 1 to 256, wait for GET RESPONSE.
func (s Status) More() (n int, ok bool) { return s.length(0x61) }

// WrongLe reports 6Cxx: the same command must be sent again with Le = n, 1 to 256.
func (s Status) WrongLe() (n int, ok bool) { return s.length(0x6C) }

func (s Status) length(sw1 Status) (int, bool) {
	if s>>8 != sw1 {
		return 0, false
	}
	if s&0xFF == 0 {
		return AnyLength, true
	}
	return int(s & 0xFF), true
}

// String is the status in hex, with its meaning if known.
func (s Status) String() string {
	if text, ok := meanings[s]; ok {
		return fmt.Sprintf("%04X (%s)", uint16(s), text)
	}
	return fmt.Sprintf("%04X", uint16(s))
}
