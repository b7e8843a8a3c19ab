package pcsc

import (
	"errors"
	"fmt"
	"strings"

	"tapline/card"
)

// ErrClosed means that the Client was closed.
var ErrClosed = errors.New("pcsc: the client is closed")

// Code is a PC/SC error code (PC/SC Part 5, pcsclite.h).
type Code uint32

// The codes that Tapline acts on or explains.
const (
	InvalidHandle     Code = 0x80100003
	UnknownReader     Code = 0x80100009
	SharingViolation  Code = 0x8010000B
	NoCard            Code = 0x8010000C
	ProtocolMismatch  Code = 0x8010000F
	SystemCancelled   Code = 0x80100012
	CommError         Code = 0x80100013
	NotTransacted     Code = 0x80100016
	ReaderUnavailable Code = 0x80100017
	NoService         Code = 0x8010001D
	ServiceStopped    Code = 0x8010001E
	NoReaders         Code = 0x8010002E
	UnresponsiveCard  Code = 0x80100066
	UnpoweredCard     Code = 0x80100067
	ResetCard         Code = 0x80100068
	RemovedCard       Code = 0x80100069
	SecurityViolation Code = 0x8010006A
)

var explanations = map[Code]struct{ name, text string }{
	InvalidHandle:     {"SCARD_E_INVALID_HANDLE", "the card is not connected any more; connect again"},
	UnknownReader:     {"SCARD_E_UNKNOWN_READER", "there is no such reader; list the readers and check the cable"},
	SharingViolation:  {"SCARD_E_SHARING_VIOLATION", "another program uses the card; close it and try again"},
	NoCard:            {"SCARD_E_NO_SMARTCARD", "there is no card in the reader; tap it again"},
	ProtocolMismatch:  {"SCARD_E_PROTO_MISMATCH", "the card's answer to reset cannot be understood; keep other cards away, or use another"},
	SystemCancelled:   {"SCARD_E_SYSTEM_CANCELLED", "pcscd stopped the command; try again"},
	CommError:         {"SCARD_F_COMM_ERROR", "contact with the card was lost; hold it still and try again"},
	NotTransacted:     {"SCARD_E_NOT_TRANSACTED", "contact with the card was lost; hold it still and try again"},
	ReaderUnavailable: {"SCARD_E_READER_UNAVAILABLE", "the reader was unplugged; plug it in and try again"},
	NoService:         {"SCARD_E_NO_SERVICE", serviceHint},
	ServiceStopped:    {"SCARD_E_SERVICE_STOPPED", "pcscd stopped; try: systemctl start pcscd"},
	NoReaders:         {"SCARD_E_NO_READERS_AVAILABLE", "no reader is plugged in; plug one in"},
	UnresponsiveCard:  {"SCARD_W_UNRESPONSIVE_CARD", "the card does not answer; turn it, keep other cards away, or use another"},
	UnpoweredCard:     {"SCARD_W_UNPOWERED_CARD", "the card lost its power; tap it again"},
	ResetCard:         {"SCARD_W_RESET_CARD", "another program reset the card; tap it again"},
	RemovedCard:       {"SCARD_W_REMOVED_CARD", "the card was removed; tap it again"},
	SecurityViolation: {"SCARD_W_SECURITY_VIOLATION",
		"this user may not use the reader; ask the administrator for access to pcscd (polkit)"},
}

// String is the code's PC/SC name.
func (c Code) String() string {
	if e, ok := explanations[c]; ok {
		return e.name
	}
	return fmt.Sprintf("SCARD error 0x%08X", uint32(c))
}

// Error is what pcscd, or its absence, says about an operation.
type Error struct {
	Op    string // what was tried
	Code  Code
	Cause error // below PC/SC, may be nil
}

// Error names the operation, the code and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Op, e.Code)
	if x, ok := explanations[e.Code]; ok {
		fmt.Fprintf(&b, " (%s)", x.text)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports an Error of the same code, whatever its operation; and card.ErrRemoved for every code that a card leaves
// behind: readers without contacts tell its removal and a bad contact the same way.
func (e *Error) Is(target error) bool {
	if other, ok := target.(*Error); ok {
		return other.Code == e.Code && (other.Op == "" || other.Op == e.Op)
	}
	if target != card.ErrRemoved {
		return false
	}
	switch e.Code {
	case RemovedCard, NoCard, UnpoweredCard, ReaderUnavailable, NotTransacted, CommError:
		return true
	}
	return false
}
