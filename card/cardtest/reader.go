package cardtest

import "fmt"

// Slots is how many cards a Reader holds: "Virtual PCD 00 00" and "Virtual PCD 00 01".
const Slots = 2

// UnavailableError says why this machine has no virtual reader; the caller can do without.
type UnavailableError struct {
	Reason string // what is missing and how to get it
	Cause  error  // may be nil
}

// Error is reason and cause.
func (e *UnavailableError) Error() string {
	if e.Cause == nil {
		return "no virtual reader: " + e.Reason
	}
	return fmt.Sprintf("no virtual reader: %s: %v", e.Reason, e.Cause)
}

// Unwrap is the cause.
func (e *UnavailableError) Unwrap() error { return e.Cause }
