package pcsc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
	"unsafe"
)

// winscard is the PC/SC interface of a C library: winscard.dll of Windows, PCSC.framework of macOS, libpcsclite elsewhere.
// They share names and arguments (PC/SC Part 5, winscard.h), and differ in the sizes of numbers. Numbers are little endian
// on every machine that these run on.
type winscard struct {
	call   func(function string, arguments ...uintptr) Code
	word   int    // bytes of a DWORD
	atr    int    // bytes of the ATR in a SCARD_READERSTATE
	packed bool   // SCARD_READERSTATE has no padding
	suffix string // of functions that take text
	idle   []Code // how a system without readers refuses, besides NoReaders
}

// Values of winscard.h.
const (
	systemScope     = 2
	sharedUse       = 2
	anyProtocol     = 3 // T=0 or T=1
	onlyT0          = 1
	leaveAsItIs     = 0
	resetOnLeaving  = 1
	stateUnaware    = 0
	stateChanged    = 0x02
	statePresent    = 0x20
	longestResponse = 65548
	readerNamesRoom = 8192
	codeTimeout     = Code(0x8010000A)
	codeCancelled   = Code(0x80100002)
)

// Each wait in the library is a slice: a reader that is plugged in meanwhile is seen after it, since not every system
// reports that, and a cancellation that came a moment too early is made up for.
const waitSlice = 500 * time.Millisecond

// do calls a function. Arguments are numbers, and bytes that the library gets the address of.
func (w *winscard) do(op, function string, arguments ...any) error {
	var pins runtime.Pinner
	defer pins.Unpin()
	raw := make([]uintptr, len(arguments))
	for i, argument := range arguments {
		switch a := argument.(type) {
		case int:
			raw[i] = uintptr(a)
		case uintptr:
			raw[i] = a
		case []byte:
			raw[i] = address(&pins, a)
		default:
			panic(fmt.Sprintf("pcsc: %s: an argument of type %T", function, argument))
		}
	}
	if code := w.call(function, raw...); code != 0 {
		return &Error{Op: op, Code: code}
	}
	return nil
}

// address is that of the first byte, which stays where it is until it is unpinned; zero if there is none.
func address(pins *runtime.Pinner, b []byte) uintptr {
	if len(b) == 0 {
		return 0
	}
	pins.Pin(&b[0])
	return uintptr(unsafe.Pointer(&b[0]))
}

// number is a DWORD, or a handle of any length, for the library to write.
func number(v uint32) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) }

// handle is what the library wrote: 32 bits on macOS, where the rest is zero.
func handle(raw []byte) uintptr { return uintptr(binary.LittleEndian.Uint64(raw)) }

func (w *winscard) establish(op string) (uintptr, error) {
	context := number(0)
	err := w.do(op, "SCardEstablishContext", systemScope, 0, 0, context)
	return handle(context), err
}

func (w *winscard) release(context uintptr) { _ = w.do("", "SCardReleaseContext", context) } // gone already

// absent reports that the system has no reader.
func (w *winscard) absent(err error) bool {
	return slices.ContainsFunc(append([]Code{NoReaders}, w.idle...), func(c Code) bool {
		return errors.Is(err, &Error{Code: c})
	})
}

// names lists the readers.
func (w *winscard) names(op string, context uintptr) ([]ReaderName, error) {
	room, length := make([]byte, readerNamesRoom), number(readerNamesRoom)
	if err := w.do(op, "SCardListReaders"+w.suffix, context, 0, room, length); err != nil {
		if w.absent(err) {
			err = nil
		}
		return nil, err
	}
	var names []ReaderName
	for name := range bytes.SplitSeq(room[:min(handle(length), readerNamesRoom)], []byte{0}) {
		if len(name) == 0 { // the list ends with an empty name
			break
		}
		names = append(names, ReaderName(name))
	}
	return names, nil
}

// stateSize is that of a SCARD_READERSTATE: two pointers, three numbers, the ATR.
func (w *winscard) stateSize() int {
	const pointer = int(unsafe.Sizeof(uintptr(0)))
	size := 2*pointer + 3*w.word + w.atr
	if align := max(pointer, w.word); !w.packed {
		size = (size + align - 1) / align * align
	}
	return size
}

// change asks for the states of readers, waiting until one differs from what is known of it, for a slice at most. Of
// nothing known, it returns at once.
func (w *winscard) change(op string, context uintptr, names []ReaderName, known []uint32, wait time.Duration) ([]Reader, []uint32, error) {
	var pins runtime.Pinner
	defer pins.Unpin()
	const pointer = int(unsafe.Sizeof(uintptr(0)))
	size := w.stateSize()
	states := make([]byte, size*len(names))
	for i, name := range names {
		state := states[i*size:]
		at := address(&pins, append([]byte(name), 0))
		if pointer == 8 {
			binary.LittleEndian.PutUint64(state, uint64(at))
		} else {
			binary.LittleEndian.PutUint32(state, uint32(at))
		}
		if known != nil {
			binary.LittleEndian.PutUint32(state[2*pointer:], known[i]&^stateChanged)
		}
	}
	if err := w.do(op, "SCardGetStatusChange"+w.suffix, context, int(wait/time.Millisecond), states, len(names)); err != nil {
		return nil, nil, err
	}
	var readers []Reader
	var events []uint32
	for i, name := range names {
		state := states[i*size:]
		event := binary.LittleEndian.Uint32(state[2*pointer+w.word:])
		length := int(binary.LittleEndian.Uint32(state[2*pointer+2*w.word:]))
		reader := Reader{Name: name, Present: event&statePresent != 0, events: event >> 16} // the upper half counts
		if atr := state[2*pointer+3*w.word:]; reader.Present && length > 0 && length <= w.atr {
			reader.ATR = bytes.Clone(atr[:length])
		}
		readers, events = append(readers, reader), append(events, event)
	}
	return readers, events, nil
}

// now is the state of all readers.
func (w *winscard) now(op string, context uintptr) ([]Reader, []ReaderName, []uint32, error) {
	names, err := w.names(op, context)
	if err != nil || len(names) == 0 {
		return nil, nil, nil, err
	}
	readers, events, err := w.change(op, context, names, nil, 0)
	return readers, names, events, err
}

// readers lists the readers.
func (w *winscard) readers() ([]Reader, error) {
	const op = "list readers"
	context, err := w.establish(op)
	if w.absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer w.release(context)
	readers, _, _, err := w.now(op, context)
	return readers, err
}

// wait returns what done accepts, asking again at each change. The end of ctx releases it.
func (w *winscard) wait(ctx context.Context, op string, done func([]Reader) (Reader, bool, error)) (Reader, error) {
	for {
		reader, ok, err := w.waitAwhile(ctx, op, done)
		switch {
		case ctx.Err() != nil:
			return Reader{}, fmt.Errorf("%s: %w", op, context.Cause(ctx))
		case ok || err != nil && !w.absent(err):
			return reader, err
		case w.absent(err): // the service of Windows runs while there are readers
			if reader, ok, err = done(nil); ok || err != nil {
				return reader, err
			}
			pause(ctx)
		}
	}
}

// waitAwhile waits within one context of the library, until it breaks or a slice passes without a reader.
func (w *winscard) waitAwhile(ctx context.Context, op string, done func([]Reader) (Reader, bool, error)) (Reader, bool, error) {
	library, err := w.establish(op)
	if err != nil {
		return Reader{}, false, err
	}
	cancelled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cancelled)
		_ = w.do(op, "SCardCancel", library) // nothing waited: the slice ends by itself
	})
	defer func() {
		if !stop() {
			<-cancelled
		}
		w.release(library)
	}()
	for ctx.Err() == nil {
		readers, names, events, err := w.now(op, library)
		if errors.Is(err, &Error{Code: UnknownReader}) {
			pause(ctx) // unplugged between the two questions
			continue
		}
		if err != nil {
			return Reader{}, false, err
		}
		if reader, ok, err := done(readers); ok || err != nil {
			return reader, ok, err
		}
		if len(names) == 0 {
			pause(ctx)
			continue
		}
		_, _, err = w.change(op, library, names, events, waitSlice)
		for _, expected := range []Code{codeTimeout, codeCancelled, UnknownReader} {
			if errors.Is(err, &Error{Code: expected}) {
				err = nil
			}
		}
		if err != nil {
			return Reader{}, false, err
		}
	}
	return Reader{}, false, nil
}

// pause waits for a slice, or for the end of ctx.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(waitSlice):
	}
}

// systemCard is a connected card. The library cannot be interrupted while a card answers: the end of a context is seen
// when it has.
type systemCard struct {
	library  *winscard
	context  uintptr
	card     uintptr
	protocol uint32
	ended    func() error // of the client
	response []byte
}

// connect powers the card in a reader and shares it with other programs.
func (w *winscard) connect(ctx context.Context, reader ReaderName, ended func() error) (*systemCard, error) {
	if reader == "" || strings.ContainsRune(string(reader), 0) {
		return nil, &Error{Op: fmt.Sprintf("connect to reader %q", string(reader)), Code: UnknownReader}
	}
	op := "connect to the card in " + string(reader)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	library, err := w.establish(op)
	if err != nil {
		return nil, err
	}
	card, protocol := number(0), number(0)
	err = w.do(op, "SCardConnect"+w.suffix, library, append([]byte(reader), 0), sharedUse, anyProtocol, card, protocol)
	if err != nil {
		w.release(library)
		return nil, err
	}
	return &systemCard{library: w, context: library, card: handle(card), protocol: uint32(handle(protocol)), ended: ended}, nil
}

// Transmit sends one command APDU and returns the response with its status word. Errors are *Error, card.ErrRemoved
// among them (errors.Is), or the cause of ctx.
func (c *systemCard) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	const op = "transmit to the card"
	if c.protocol == onlyT0 && len(command) > 5 && len(command) == 5+int(command[4])+1 {
		command = command[:len(command)-1] // T=0 has no Le behind data; the answer is 61xx (ISO/IEC 7816-3 §12.2)
	}
	if c.response == nil {
		c.response = make([]byte, longestResponse)
	}
	control := make([]byte, 2*c.library.word) // SCARD_IO_REQUEST: the protocol and its own length
	binary.LittleEndian.PutUint32(control, c.protocol)
	binary.LittleEndian.PutUint32(control[c.library.word:], uint32(len(control)))
	var length uintptr
	err := c.patiently(ctx, op, func() error {
		room := number(longestResponse)
		err := c.library.do(op, "SCardTransmit", c.card, control, command, len(command), 0, c.response, room)
		length = handle(room)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case length > longestResponse:
		return nil, &Error{Op: op, Code: CommError, Cause: fmt.Errorf("response of %d bytes", length)}
	case length < 2:
		return nil, &Error{Op: op, Code: NotTransacted} // drivers say so of a card that left meanwhile
	}
	return bytes.Clone(c.response[:length]), nil
}

// Begin keeps other programs from the card until End. It waits for the one that has it.
func (c *systemCard) Begin(ctx context.Context) error {
	const op = "begin to use the card"
	return c.patiently(ctx, op, func() error { return c.library.do(op, "SCardBeginTransaction", c.card) })
}

// End lets other programs use the card again.
func (c *systemCard) End(ctx context.Context) error {
	const op = "end to use the card"
	return c.patiently(ctx, op, func() error { return c.library.do(op, "SCardEndTransaction", c.card, leaveAsItIs) })
}

// Disconnect resets the card, so that the next reading begins afresh, and releases it.
func (c *systemCard) Disconnect() error {
	err := c.library.do("disconnect the card", "SCardDisconnect", c.card, resetOnLeaving)
	c.library.release(c.context)
	if errors.Is(err, &Error{Code: NoService}) || c.ended() != nil {
		return nil // the system let go of it
	}
	return err
}

// patiently tries again while another program holds the card.
func (c *systemCard) patiently(ctx context.Context, op string, try func() error) error {
	for {
		if err := c.ended(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", op, context.Cause(ctx))
		}
		err := try()
		if !errors.Is(err, &Error{Code: SharingViolation}) {
			return err
		}
		pause(ctx)
	}
}
