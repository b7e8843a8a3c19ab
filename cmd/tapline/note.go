package main

import (
	"fmt"
	"strings"

	"tapline/api"
	"tapline/consent"
	"tapline/processor"
)

// noteCmd is about notes of operators.
type noteCmd struct {
	Add  noteAddCmd  `cmd:"" help:"Write a note (operator)."`
	List noteListCmd `cmd:"" help:"List the notes about something (operator)."`
}

// noteAddCmd writes a note.
type noteAddCmd struct {
	operatorFlags
	Subject        string `arg:"" help:"What it is about: a card's, an account's or a payment's id, or a payee's handle."`
	Text           string `arg:"" help:"What to note: at most 2000 characters."`
	IdempotencyKey string `placeholder:"KEY" help:"Send again, under the key that was told, what was not answered: it is done once."`
	jsonFlag
}

// Help says who sees it.
func (*noteAddCmd) Help() string {
	return `Other operators see it, nobody changes it, and the person whom it is about gets it with an export. Write what you would say to
that person.`
}

// Run writes the note.
func (cmd *noteAddCmd) Run(a *app) error {
	subject, err := noteSubject(cmd.Subject)
	if err != nil {
		return err
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return writeFlags{IdempotencyKey: cmd.IdempotencyKey}.once(a, func(a *app) error {
		n, err := client.WriteNote(a.ctx, api.NewNote{Subject: subject, Text: cmd.Text})
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, n, pair{"note", n.ID}, pair{"about", n.Subject}, pair{"at", when(n.At)}, pair{"text", n.Text})
	})
}

// noteListCmd lists notes.
type noteListCmd struct {
	operatorFlags
	Subject string `arg:"" help:"What they are about: a card's, an account's or a payment's id, or a payee's handle."`
	jsonFlag
}

// Run lists the notes, the newest first.
func (cmd *noteListCmd) Run(a *app) error {
	subject, err := noteSubject(cmd.Subject)
	if err != nil {
		return err
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	notes, err := client.Notes(a.ctx, subject)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, n := range notes {
		rows = append(rows, []string{when(n.At), n.By, n.Text})
	}
	return a.list(cmd.JSON, api.Notes{Notes: notes}, []string{"AT", "BY", "NOTE"}, rows)
}

// noteSubject is what a note is about in the API's form, such as card:card_x: that is what was typed, or else is a bare id or handle.
func noteSubject(text string) (string, error) {
	if processor.CheckNoteSubject(processor.NoteSubject(text)) {
		return text, nil
	}
	for prefix, kind := range map[string]string{"card_": "card:", "acc_": "account:", "pay_": "payment:"} {
		if strings.HasPrefix(text, prefix) {
			return kind + text, nil
		}
	}
	if consent.CheckHandle(text) == nil {
		return "payee:" + text, nil
	}
	return "", &usageError{fmt.Sprintf("a note cannot be about %q", text), "write it like card_x, acc_x, pay_x, books@shop, or with its kind: account:fees-CNY"}
}

// cardExportCmd hands out what is kept about a card's holder.
type cardExportCmd struct {
	operatorFlags
	writeFlags
	Card string `arg:"" help:"The card's id."`
}

// Help says what is in it.
func (*cardExportCmd) Help() string {
	return `Prints one JSON object for the person whose card it is: docs/privacy.md has its fields. The holder is told that it was handed out,
and the audit log has who did it. Redirect it to a file that only you can read, hand it over, and delete it.`
}

// Run prints the export.
func (cmd *cardExportCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		e, err := client.ExportCard(a.ctx, consent.CardID(cmd.Card), cmd.Note)
		if err != nil {
			return err
		}
		return a.printJSON(e)
	})
}
