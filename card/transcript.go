package card

import (
	"fmt"
	"log/slog"
)

// Exchange is one command APDU and the response to it, status word last, as they went over the air.
type Exchange struct {
	Command, Response []byte
}

// Transcript is what a reader and a card said to each other, in order. It holds the account number: however it is
// printed, logged or encoded, only the count of its exchanges shows.
type Transcript []Exchange

// String tells how many exchanges there are.
func (t Transcript) String() string { return fmt.Sprintf("transcript of %d exchanges", len(t)) }

// Format writes what String tells, whatever the verb.
func (t Transcript) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// LogValue is what String tells.
func (t Transcript) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText is what String tells, and so are its JSON and XML. What carries a transcript to a service encodes the
// exchanges by itself.
func (t Transcript) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// String hides the exchange.
func (e Exchange) String() string { return "one exchange" }

// Format hides the exchange, whatever the verb.
func (e Exchange) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.String()) }

// LogValue hides the exchange.
func (e Exchange) LogValue() slog.Value { return slog.StringValue(e.String()) }

// MarshalText hides the exchange.
func (e Exchange) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
