package card

import (
	"context"
	"errors"
	"fmt"

	"tapline/card/apdu"
)

// Bounds on what a card can make the reader do.
const (
	maxCommands = 128  // in one reading; the longest honest one needs fewer than 60
	maxAnswer   = 4096 // bytes of one answer put together with GET RESPONSE
)

type statusWord = apdu.Status

const statusInvalidated = apdu.StatusInvalidated

// errTooMany ends a reading at once: no further application is tried.
var errTooMany = fmt.Errorf("%w: its reading takes more than %d commands", ErrMalformed, maxCommands)

// session is one reading of one card.
type session struct {
	transmitter Transmitter
	sent        int

	recording  bool
	transcript Transcript // since the last start
}

// start begins the transcript of one application.
func (s *session) start(record bool) { s.recording, s.transcript = record, nil }

// send transmits a command and completes its answer: 6Cxx is asked again with the right Le, 61xx is fetched with GET
// RESPONSE (ISO/IEC 7816-4 §5.6). The status is 9000 if all is well, or if the card warns (62xx,
// 63xx) but gives data; 6283, a blocked application, stays (EMV Book 1 §11.3).
func (s *session) send(ctx context.Context, command apdu.Command) ([]byte, statusWord, error) {
	answer, err := s.exchange(ctx, command)
	if err != nil {
		return nil, 0, err
	}
	if le, ok := answer.Status.WrongLe(); ok {
		command.Le = le
		if answer, err = s.exchange(ctx, command); err != nil {
			return nil, 0, err
		}
	}
	data := answer.Data
	for {
		n, more := answer.Status.More()
		if !more {
			break
		}
		if answer, err = s.exchange(ctx, apdu.GetResponse(n)); err != nil {
			return nil, 0, err
		}
		if le, ok := answer.Status.WrongLe(); ok {
			if answer, err = s.exchange(ctx, apdu.GetResponse(le)); err != nil {
				return nil, 0, err
			}
		}
		data = append(data, answer.Data...) // copies: data is clipped
		if len(data) > maxAnswer {
			return nil, 0, fmt.Errorf("%w: one answer is longer than %d bytes", ErrMalformed, maxAnswer)
		}
	}
	if answer.Status.Warning() && answer.Status != statusInvalidated && len(data) > 0 {
		return data, apdu.StatusOK, nil
	}
	return data, answer.Status, nil
}

func (s *session) exchange(ctx context.Context, command apdu.Command) (apdu.Response, error) {
	if err := context.Cause(ctx); err != nil {
		return apdu.Response{}, err
	}
	if s.sent >= maxCommands {
		return apdu.Response{}, errTooMany
	}
	s.sent++
	sent := command.Bytes()
	raw, err := s.transmitter.Transmit(ctx, sent)
	if err != nil {
		return apdu.Response{}, fmt.Errorf("command %d: %w", s.sent, err)
	}
	answer, err := apdu.ParseResponse(raw)
	if errors.Is(err, apdu.ErrMalformed) {
		return apdu.Response{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err == nil && s.recording {
		s.transcript = append(s.transcript, Exchange{Command: sent, Response: raw})
	}
	return answer, err
}

// refusesUse reports status words of a card or application that is there but locked.
func refusesUse(status statusWord) bool {
	return status == apdu.StatusConditions || status == apdu.StatusInvalidated || status == apdu.StatusNotAllowed
}

// unknownCommand reports status words of cards, or of readers on behalf of storage cards, that do not know SELECT
// (PC/SC Part 3 §3.2.2.1).
func unknownCommand(status statusWord) bool {
	switch status {
	case apdu.StatusNoSuchInstruction, apdu.StatusNoSuchClass, apdu.StatusNotSupported, apdu.StatusNoInformation,
		apdu.StatusNotAllowed, apdu.StatusIncompatible, apdu.StatusUnknown:
		return true
	}
	return false
}
