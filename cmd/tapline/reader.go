package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"tapline/card"
	"tapline/card/bridge"
	"tapline/card/pcsc"
	"tapline/consent"
	"tapline/internal/client"
)

// readerCmd is "tapline reader".
type readerCmd struct {
	Origin []string `required:"" placeholder:"URL" help:"Whose pages may wait for a tap, such as https://shop.example. May be given more than once."`
	Reader string   `env:"TAPLINE_READER" placeholder:"NAME" help:"The reader to tap on, as \"tapline card readers\" names it; any by default."`
	Listen string   `default:"127.0.0.1:0" placeholder:"127.0.0.1:PORT" help:"Where to listen on this computer; a free port by default."`
	jsonFlag
}

// Help explains who gets in.
func (*readerCmd) Help() string {
	return `Lets web pages of the named origins, and no others, wait for a tap on a reader of this computer, until Ctrl-C. It prints a
reader code, once: paste it into the page, or open the address that is printed. The code is for that page only. Whoever has
it, and runs a program on this computer, can read the cards that are tapped.

docs/reader.md is for authors of pages.`
}

// Run serves pages until it is told to stop.
func (cmd *readerCmd) Run(a *app) error {
	origins, err := cmd.origins()
	if err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(cmd.Listen); err != nil || host != "127.0.0.1" {
		return &usageError{fmt.Sprintf("--listen %s: a reader is for the pages on this computer only", cmd.Listen), "give 127.0.0.1:PORT"}
	}
	readers, err := pcsc.Dial(a.ctx, "")
	if err != nil {
		return err
	}
	defer readers.Close()
	if err := (readerFlags{Reader: cmd.Reader}).check(a.ctx, a, readers); err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", cmd.Listen)
	if err != nil {
		return withHint(err, "another program may listen there; leave --listen out for a free port")
	}
	b, err := bridge.New(bridge.Config{
		Origins: origins, Address: listener.Addr().String(), Token: bridge.NewToken(), Version: version,
		Reader: &tapPad{readers: readers, name: pcsc.ReaderName(cmd.Reader), say: a.say},
		Say:    func(text string) { a.say("%s", text) },
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := cmd.announce(a, b); err != nil {
		return errors.Join(err, listener.Close())
	}
	return b.Serve(a.ctx, listener)
}

// origins are those of the flag, as browsers send them.
func (cmd *readerCmd) origins() ([]string, error) {
	var origins []string
	for _, address := range cmd.Origin {
		origin, err := client.Origin(address, false)
		if err == nil {
			err = bridge.CheckOrigin(origin)
		}
		if err != nil {
			return nil, &usageError{"--origin " + address + ": " + err.Error(), "give scheme and host as the page's address shows them, such as https://shop.example"}
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// announce tells where the reader is and, this once, the code that opens it.
func (cmd *readerCmd) announce(a *app, b *bridge.Bridge) error {
	_, port, err := net.SplitHostPort(b.Address)
	if err != nil {
		return err
	}
	code := port + "." + b.Token
	return a.result(cmd.JSON, map[string]any{"address": "http://" + b.Address, "origins": b.Origins, "code": code},
		pair{"reader code", code}, pair{"for pages of", strings.Join(b.Origins, ", ")},
		pair{"or open", b.Origins[0] + "/#reader=" + code})
}

// readLimit is how long the reading of a card may take that is there.
const readLimit = 15 * time.Second

// tapPad is the reader of this computer as pages have it.
type tapPad struct {
	readers *pcsc.Client
	name    pcsc.ReaderName // empty for any
	say     func(string, ...any)
	used    *pcsc.Reader // with a card that has had its answer
}

// Tap waits for a card that has not been read yet: one tap is for one page, and a card that is left on the reader is not
// read again before it has been lifted.
func (p *tapPad) Tap(ctx context.Context, request bridge.Request) (bridge.Tap, error) {
	terminal, err := request.Challenge.Terminal()
	if err != nil {
		return bridge.Tap{}, err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, request.Wait, bridge.ErrNoTap)
	defer cancel()
	for {
		if err := p.lifted(waiting); err != nil {
			return bridge.Tap{}, err
		}
		in, err := p.readers.AwaitCard(waiting, p.name, func(err error) { p.say("%v. Still waiting.", err) })
		if err == nil {
			err = readerFlags{Reader: string(p.name)}.alone(waiting, p.readers)
		}
		if err != nil {
			return bridge.Tap{}, err
		}
		p.used = &in
		reading, err := p.read(ctx, in, terminal)
		if errors.Is(err, card.ErrRemoved) {
			p.say("%v", card.ErrRemoved)
			continue
		}
		if err != nil {
			return bridge.Tap{}, err
		}
		return tapOf(reading, request.Challenge)
	}
}

// lifted waits until the card that was read last is gone.
func (p *tapPad) lifted(ctx context.Context) error {
	if p.used == nil {
		return nil
	}
	err := p.readers.WaitForRemoval(ctx, *p.used)
	if _, broken := errors.AsType[*pcsc.Error](err); err != nil && !broken { // who lost the reader lost the card
		return err
	}
	p.used = nil
	return nil
}

// read reads the card that is there.
func (p *tapPad) read(ctx context.Context, in pcsc.Reader, terminal card.Terminal) (card.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	return readIn(ctx, p.readers, in, func(ctx context.Context, t card.Transmitter, atr []byte) (card.Reading, error) {
		return card.ReadAny(ctx, t, terminal, atr)
	})
}

// tapOf is what a page gets of a reading: what the service takes, and what it may show.
func tapOf(reading card.Reading, challenge *bridge.Challenge) (bridge.Tap, error) {
	var id consent.ChallengeID
	if challenge != nil {
		id = challenge.ID
	}
	tap, err := tapFrom(reading, id)
	if err != nil {
		return bridge.Tap{}, err
	}
	return bridge.Tap{
		Scheme: reading.Scheme, Label: reading.Label, Last4: reading.Number.Last4(), Assurance: reading.Assurance, Tap: tap,
	}, tap.Validate()
}

// Readers lists the readers that pages may tap on.
func (p *tapPad) Readers(ctx context.Context) ([]bridge.Status, error) {
	all, err := p.readers.Readers(ctx)
	var list []bridge.Status
	for _, r := range all {
		if p.name == "" || p.name == r.Name {
			list = append(list, bridge.Status{Name: string(r.Name), Card: r.Present})
		}
	}
	return list, err
}
