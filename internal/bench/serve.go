package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/pprof"
	"time"

	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
)

// Spec says what a Serve is to serve. It comes as the first line of its input, in JSON.
type Spec struct {
	Floor    bool              `json:"floor"`
	DB       string            `json:"db,omitempty"` // none for a floor
	Password string            `json:"password_file,omitempty"`
	Keys     string            `json:"keys"` // folder
	Level    string            `json:"level"`
	PINQueue int               `json:"pin_queue"`
	Town     Town              `json:"town"`
	Answers  map[string][]byte `json:"answers,omitempty"` // of a floor, by step
	Profile  string            `json:"profile,omitempty"` // file for a profile of its CPU time
}

// Opened is a service that was opened, on an address of this machine.
type Opened struct {
	URL   string
	Store processor.Store
	Close func() error
}

// Stage opens what is measured, behind the same kind of server.
type Stage struct {
	Service func(context.Context, Spec) (Opened, error)
	// Handler serves a handler that is made once its origin is known.
	Handler func(ctx context.Context, h func(origin string) (http.Handler, error)) (Opened, error)
}

// Order is what a Serve may be told, a line of JSON each. It answers each with a Report.
type Order struct {
	Do string `json:"do"` // "usage", or "reset"
}

// Report is what a Serve says: first where it is, then its answer to each order.
type Report struct {
	URL   string `json:"url,omitempty"`
	Error string `json:"error,omitempty"`
	Usage Usage  `json:"usage"`
}

// Serve serves what the first line of in asks for until in ends, and so never outlives whoever started it.
func Serve(ctx context.Context, in io.Reader, out io.Writer, s Stage) (err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	var spec Spec
	if !lines.Scan() {
		return errors.Join(errors.New("nothing was asked for"), lines.Err())
	}
	if err := json.Unmarshal(lines.Bytes(), &spec); err != nil {
		return err
	}
	say := json.NewEncoder(out)
	o, err := s.open(ctx, spec)
	if err != nil {
		return errors.Join(err, say.Encode(Report{Error: err.Error()}))
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	stop, err := profile(spec.Profile)
	if err != nil {
		return errors.Join(err, say.Encode(Report{Error: err.Error()}))
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := say.Encode(Report{URL: o.URL, Usage: usage()}); err != nil {
		return err
	}
	for lines.Scan() {
		var order Order
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			return err
		}
		r := Report{Usage: usage()}
		if order.Do == "reset" && !spec.Floor {
			if err := forget(ctx, o.Store, spec.Town, spec.Town.PINs); err != nil {
				r.Error = err.Error()
			}
		}
		if err := say.Encode(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (s Stage) open(ctx context.Context, spec Spec) (Opened, error) {
	if !spec.Floor {
		return s.Service(ctx, spec)
	}
	keys, err := keyring.Open(spec.Keys)
	if err != nil {
		return Opened{}, err
	}
	return s.Handler(ctx, func(origin string) (http.Handler, error) { return newFloor(spec.Town, keys, origin, spec.Answers) })
}

// profile writes a profile of this process's CPU time into a file until stop is called; "" for none.
func profile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

// forget lets the first cards without a passkey ask for approvals as if an hour had passed.
func forget(ctx context.Context, store processor.Store, t Town, cards int) error {
	for from := 0; from < cards; from += perFill {
		var w processor.Wants
		for i := from; i < min(from+perFill, cards); i++ {
			w.Cards = append(w.Cards, t.card(2*i))
		}
		err := store.Update(ctx, func(tx processor.Tx) error {
			rows, err := tx.Load(w)
			if err != nil {
				return err
			}
			var c processor.Changes
			for _, card := range rows.Cards {
				card.ApprovalsSince, card.Approvals = time.Time{}, 0
				c.Changed.Cards = append(c.Changed.Cards, card)
			}
			return tx.Save(c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// counters are the counters of the cards' taps, as a database has them.
func counters(ctx context.Context, store processor.Store, t Town) ([]uint32, error) {
	out := make([]uint32, t.Accounts)
	number := map[payment.CardID]int{}
	for from := 0; from < t.Accounts; from += perFill {
		clear(number)
		var w processor.Wants
		for i := from; i < min(from+perFill, t.Accounts); i++ {
			number[t.card(i)] = i
			w.Cards = append(w.Cards, t.card(i))
		}
		err := store.View(ctx, func(r processor.Reader) error {
			rows, err := r.Load(w)
			for _, c := range rows.Cards {
				out[number[c.ID]] = uint32(c.SUNCounter)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// settled is how many payments the payees have been paid in all: each is of one minor unit.
func settled(ctx context.Context, store processor.Store, t Town) (sum int64, err error) {
	for from := 0; from < t.Payees; from += perFill {
		var w processor.Wants
		for i := from; i < min(from+perFill, t.Payees); i++ {
			w.Accounts = append(w.Accounts, t.shop(i))
		}
		err := store.View(ctx, func(r processor.Reader) error {
			rows, err := r.Load(w)
			for _, a := range rows.Accounts {
				sum += a.CreditsPosted
			}
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("payees' balances: %w", err)
		}
	}
	return sum, nil
}
