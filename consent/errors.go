// Package consent decides who agreed to what: messages that devices sign, statements that people confirm, PINs, codes,
// receipts and read tokens.
//
// Nothing here stores anything or reads a clock: keys come from package keyring, the time is an argument. What is
// refused is refused with an *Error, which names a code and at most a field, never a value.
package consent

// Error is why something was refused. Compare with errors.Is and the sentinels below: only the code counts.
type Error struct {
	// Code is stable and for programs, such as "bad_signature".
	Code string
	// Field is the dotted JSON name of the field at fault, such as "order.number"; "" if it is the whole.
	Field string

	text  string
	cause error
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.text
	}
	return e.text + ": " + e.Field
}

// Is holds for errors of the same code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// Unwrap is what tells more about it, if anything does: for ErrMalformed, the *strictjson.Error of signed claims.
func (e *Error) Unwrap() error { return e.cause }

// at is e with the field at fault.
func (e *Error) at(field string) *Error {
	return &Error{Code: e.Code, Field: field, text: e.text}
}

// Refusals of signed messages, receipts and tokens.
var (
	ErrMalformed  = &Error{Code: "malformed", text: "malformed message"}
	ErrType       = &Error{Code: "wrong_type", text: "message of another type"}
	ErrAlgorithm  = &Error{Code: "wrong_algorithm", text: "algorithm or key not allowed"}
	ErrKeyUnknown = &Error{Code: "unknown_key", text: "signed by an unknown key"}
	ErrSignature  = &Error{Code: "bad_signature", text: "signature does not match"}
	ErrAudience   = &Error{Code: "wrong_audience", text: "meant for another service or environment"}
	ErrStale      = &Error{Code: "stale", text: "signed too long ago or in the future; hint: set the device's clock"}
	ErrExpired    = &Error{Code: "expired", text: "expired"}
	ErrInvalid    = &Error{Code: "invalid", text: "invalid field"}
)

// Refusals of what people type and of what strangers write.
var (
	ErrPIN     = &Error{Code: "pin_format", text: "a PIN is 4 to 12 digits"}
	ErrPINWeak = &Error{Code: "pin_weak", text: "a PIN of one repeated digit or a straight run is too easy to guess"}
	ErrCode    = &Error{Code: "code_format", text: "mistyped code"}
	ErrText    = &Error{Code: "text", text: "text too long or with characters that cannot be shown"}
	ErrHandle  = &Error{Code: "handle", text: "malformed payee handle; hint: such as shop@example"}
)

// Refusals for the moment: the same may be taken later.
var (
	ErrBusy   = &Error{Code: "busy", text: "too many PINs are being checked"}
	ErrPaused = &Error{Code: "paused", text: "too many wrong tries; wait"}
	ErrLocked = &Error{Code: "locked", text: "too many wrong tries; locked"}
)
