package pcsc

import "context"

// Winscard opens a C library's PC/SC interface to tests.
type Winscard = winscard

// NewWinscard is the interface of a library.
func NewWinscard(call func(string, ...uintptr) Code, word, atr int, packed bool) *Winscard {
	return &winscard{call: call, word: word, atr: atr, packed: packed}
}

// StateSize is that of a SCARD_READERSTATE.
func (w *winscard) StateSize() int { return w.stateSize() }

// Readers lists the readers.
func (w *winscard) Readers() ([]Reader, error) { return w.readers() }

// WaitFor waits until a card is in any reader, or none is.
func (w *winscard) WaitFor(ctx context.Context, present bool) (Reader, error) {
	return w.wait(ctx, "wait", func(readers []Reader) (Reader, bool, error) {
		for _, r := range readers {
			if r.Present {
				return r, present, nil
			}
		}
		return Reader{}, !present, nil
	})
}

// Connect connects to the card in a reader.
func (w *winscard) Connect(ctx context.Context, name ReaderName, ended func() error) (*systemCard, error) {
	return w.connect(ctx, name, ended)
}
