package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Process is a Serve that runs beside: in a process of its own, so that what it uses can be told from what the clients use.
type Process struct {
	In   io.WriteCloser // closing it ends the process
	Out  io.Reader
	Wait func() error // returns when it has ended
}

// peer is a Process that serves.
type peer struct {
	Process
	url  string
	say  *json.Encoder
	hear *json.Decoder
}

// startPeer starts a process and tells it what to serve.
func startPeer(ctx context.Context, start func(context.Context) (Process, error), s Spec) (*peer, error) {
	process, err := start(ctx)
	if err != nil {
		return nil, err
	}
	p := &peer{Process: process, say: json.NewEncoder(process.In), hear: json.NewDecoder(process.Out)}
	err = p.say.Encode(s)
	var first Report
	if err == nil {
		err = p.hear.Decode(&first)
	}
	if err == nil && first.Error != "" {
		err = errors.New(first.Error)
	}
	if err != nil {
		return nil, errors.Join(err, p.In.Close(), p.Wait())
	}
	p.url = first.URL
	return p, nil
}

func (p *peer) order(what string) (Usage, error) {
	var r Report
	err := p.say.Encode(Order{Do: what})
	if err == nil {
		err = p.hear.Decode(&r)
	}
	if err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("the service that is measured: %w", err)
	}
	return r.Usage, nil
}

// stop ends the process and waits for it.
func (p *peer) stop() error { return errors.Join(p.In.Close(), p.Wait()) }
