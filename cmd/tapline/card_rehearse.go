package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"tapline/card/cardtest"
	"tapline/card/ntag"
	"tapline/card/sun"
)

// sentCommand is a command of a dry run. What hides a key is replaced by the number of its bytes, unless keys are shown.
type sentCommand struct {
	Step    string `json:"step"`
	Command string `json:"command"`
	Answer  string `json:"answer"`
}

// rehearse writes to a virtual card, and shows what it was sent.
func (j *personaliseJob) rehearse() error {
	if j.issued == nil {
		j.say("Without --from, the keys and the UID of this dry run are made up.")
		j.setup = ntag.Setup{
			UID: sun.UID{0x04}, Version: 1, URL: strings.TrimRight(j.cmd.URL, "/") + "/t#e=" + strings.Repeat("0", 32) + "&c=" + strings.Repeat("0", 16),
		}
		for i := range j.setup.Keys {
			var raw [16]byte
			rand.Read(raw[:]) // never fails: crypto/rand
			j.setup.Keys[i] = sun.NewKey(raw)
		}
	}
	wire := &listener{NTAG424: cardtest.NewNTAG424(j.setup.UID), mask: !j.cmd.ShowKeys, step: "looking at the card"}
	tag, version, err := ntag.Open(j.ctx, wire)
	if err == nil {
		_, err = tag.Personalise(j.ctx, version, j.setup, func(what string) { wire.step = what })
	}
	if err != nil {
		return err
	}
	j.say("Random numbers, and all that is made of them, are others each time.")
	if j.cmd.JSON {
		return j.printJSON(map[string]any{"commands": wire.sent})
	}
	last := ""
	for _, c := range wire.sent {
		if c.Step != last {
			if err := j.print("# %s%s", c.Step, j.keyIn(c.Step)); err != nil {
				return err
			}
		}
		last = c.Step
		if err := j.print("> %s\n< %s", c.Command, c.Answer); err != nil {
			return err
		}
	}
	return nil
}

// keyIn is the key that a step writes, where keys are shown.
func (j *personaliseJob) keyIn(step string) string {
	for i, key := range j.setup.Keys {
		if j.cmd.ShowKeys && step == fmt.Sprintf("changing key %d", i) {
			return " to " + key.Reveal()
		}
	}
	return ""
}

// listener is a virtual card that remembers what it was sent.
type listener struct {
	*cardtest.NTAG424
	mask bool
	step string
	sent []sentCommand
}

// Transmit answers, and remembers.
func (l *listener) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := l.NTAG424.Transmit(ctx, command)
	line := sentCommand{Step: l.step, Command: fmt.Sprintf("%X", command), Answer: fmt.Sprintf("%X", answer)}
	const head = 6 // class, instruction, parameters, length, key number
	// ChangeKey: its key is encrypted under one that the factory's, which everybody knows, and this transcript give.
	if l.mask && len(command) > head && command[0] == 0x90 && command[1] == 0xC4 {
		line.Command = fmt.Sprintf("%X [%d bytes: the key, encrypted, and a MAC]", command[:head], len(command)-head)
	}
	l.sent = append(l.sent, line)
	return answer, err
}
