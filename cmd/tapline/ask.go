package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"tapline/consent"
)

// errNobody means that a question has nobody to answer it.
var errNobody = errors.New("there is no terminal to ask at")

// ask asks for a line. Standard input must be a terminal.
func (a *app) ask(question string) (string, error) {
	if !a.isTerminal {
		return "", errNobody
	}
	fmt.Fprint(a.stderr, plain(question)+" ")
	return a.answer(func() (string, error) { return readLine(a.stdin) })
}

// askSecret asks for a line that is not shown while it is typed.
func (a *app) askSecret(question string) (string, error) {
	file, ok := a.stdin.(*os.File)
	if !a.isTerminal || !ok {
		return "", errNobody
	}
	before, err := term.GetState(int(file.Fd()))
	if err != nil {
		return "", err
	}
	text, err := a.answer(func() (string, error) {
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			waitSilent(int(file.Fd()), *before)
			fmt.Fprint(a.stderr, plain(question)+" ")
		}()
		line, err := term.ReadPassword(int(file.Fd()))
		<-asked
		return string(line), err
	})
	fmt.Fprintln(a.stderr)
	if a.ctx.Err() != nil { // the read goes on, but nobody waits for it
		return "", errors.Join(err, term.Restore(int(file.Fd()), before))
	}
	return text, err
}

// waitSilent waits until a terminal is no longer in the state in which it shows what is typed: a question that came
// earlier could be answered in plain sight. It gives up after a second, with a terminal that was silent before.
func waitSilent(fd int, before term.State) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if now, err := term.GetState(fd); err != nil || *now != before {
			return
		}
		<-tick.C
	}
}

// confirm asks a question that is answered with yes or, by anything else, with no.
func (a *app) confirm(question string) (bool, error) {
	text, err := a.ask(question + " [y/N]")
	text = strings.ToLower(strings.TrimSpace(text))
	return text == "y" || text == "yes", err
}

// answer waits for what read reads, or for an interrupt. A read from a terminal cannot be called off: after an
// interrupt it ends with the program, which asks nothing more.
func (a *app) answer(read func() (string, error)) (string, error) {
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1)
	go func() {
		text, err := read()
		lines <- line{text, err}
	}()
	select {
	case <-a.ctx.Done():
		return "", context.Cause(a.ctx)
	case l := <-lines:
		return l.text, l.err
	}
}

// readLine reads one line, byte by byte: what comes after it is for the next question.
func readLine(r io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for len(line) < 4096 {
		n, err := r.Read(b[:])
		if n > 0 && b[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b[:n]...)
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("that line is too long")
}

// readSecret reads the first line of a file, "-" being standard input.
func (a *app) readSecret(path string) (string, error) {
	r := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer file.Close()
		r = file
	}
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return line, nil
}

// pin is the PIN in a file or, without one, as it is typed.
func (a *app) pin(path, question string) (consent.PIN, error) {
	if path != "" {
		text, err := a.readSecret(path)
		return consent.PIN(text), err
	}
	text, err := a.askSecret(question)
	if errors.Is(err, errNobody) {
		err = withHint(err, "give the PIN with --pin-file FILE, or - for standard input")
	}
	return consent.PIN(strings.TrimSpace(text)), err
}

// newPIN is a PIN that is being set: from a file, or typed twice.
func (a *app) newPIN(path, question string) (consent.PIN, error) {
	if path != "" {
		pin, err := a.pin(path, "")
		if err != nil {
			return "", err
		}
		return pin, pin.CheckNew()
	}
	for {
		pin, err := a.pin("", question)
		if err != nil {
			return "", err
		}
		if err := pin.CheckNew(); err != nil {
			a.say("%v", err)
			continue
		}
		again, err := a.pin("", "Again:")
		if err != nil {
			return "", err
		}
		if again == pin {
			return pin, nil
		}
		a.say("These are not the same.")
	}
}

// code is a code in a file or, without one, as it is typed.
func (a *app) code(path, question string) (consent.Code, error) {
	if path != "" {
		text, err := a.readSecret(path)
		return consent.Code(text), err
	}
	text, err := a.ask(question)
	if errors.Is(err, errNobody) {
		err = withHint(err, "give the code with --code-file FILE, or - for standard input")
	}
	return consent.Code(strings.TrimSpace(text)), err
}
