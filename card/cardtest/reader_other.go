//go:build !linux

package cardtest

import "context"

// Reader is a virtual reader. It exists on Linux only.
type Reader struct{}

// StartReader returns an *UnavailableError.
func StartReader(context.Context) (*Reader, error) {
	return nil, &UnavailableError{Reason: "it needs the namespaces of Linux"}
}

// Socket is empty.
func (*Reader) Socket() string { return "" }

// Insert fails.
func (*Reader) Insert(context.Context, Card) error { return &UnavailableError{Reason: "no Linux"} }

// InsertAt fails.
func (*Reader) InsertAt(context.Context, int, Card) error {
	return &UnavailableError{Reason: "no Linux"}
}

// Remove does nothing.
func (*Reader) Remove() {}

// RemoveAt does nothing.
func (*Reader) RemoveAt(int) {}

// Close does nothing.
func (*Reader) Close() error { return nil }

// PID is zero.
func (*Reader) PID() int { return 0 }
