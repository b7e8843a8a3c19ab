package sqlstore

import (
	"time"

	"tapline/processor"
)

var notes = newTable("notes", 1,
	text("id", func(n *processor.Note) *string { return &n.ID }),
	fixed(text("subject", func(n *processor.Note) *processor.NoteSubject { return &n.Subject })),
	text("text", func(n *processor.Note) *string { return &n.Text }),
	fixed(text("written_by", func(n *processor.Note) *processor.OperatorID { return &n.By })),
	fixed(instant("at", func(n *processor.Note) *time.Time { return &n.At })),
)

var notesOf = notes.by("", "subject")
