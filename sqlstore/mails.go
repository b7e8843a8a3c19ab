package sqlstore

import (
	"time"

	"tapline/ledger"
	"tapline/processor"
)

var mails = newTable("mails", 1,
	text("id", func(m *processor.Mail) *string { return &m.ID }),
	fixed(text("account", func(m *processor.Mail) *ledger.AccountID { return &m.Account })),
	fixed(text("kind", func(m *processor.Mail) *string { return &m.Kind })),
	fixed(text("subject", func(m *processor.Mail) *string { return &m.Subject })),
	fixed(text("language", func(m *processor.Mail) *string { return &m.Language })),
	text("address", func(m *processor.Mail) *string { return &m.Address }),
	encoded("facts", func(m *processor.Mail) *processor.MailFacts { return &m.Facts },
		func(f processor.MailFacts) bool { return f == processor.MailFacts{} }),
	fixed(instant("at", func(m *processor.Mail) *time.Time { return &m.At })),
	fixed(instant("until", func(m *processor.Mail) *time.Time { return &m.Until })),
	text("state", func(m *processor.Mail) *processor.MailState { return &m.State }),
	instant("next_at", func(m *processor.Mail) *time.Time { return &m.NextAt }),
	integer("attempts", func(m *processor.Mail) *int { return &m.Attempts }),
	instant("tried_at", func(m *processor.Mail) *time.Time { return &m.TriedAt }),
	text("failure", func(m *processor.Mail) *string { return &m.Failure }),
	integer("status", func(m *processor.Mail) *int { return &m.Status }),
)

var mailChanges = newTable("mail_changes", 1,
	text("account", func(c *processor.MailChange) *ledger.AccountID { return &c.Account }),
	text("address", func(c *processor.MailChange) *string { return &c.Address }),
	text("language", func(c *processor.MailChange) *string { return &c.Language }),
	text("code", func(c *processor.MailChange) *string { return &c.Code }),
	instant("expires_at", func(c *processor.MailChange) *time.Time { return &c.ExpiresAt }),
)

var (
	dueMails = plain("SELECT id FROM mails WHERE next_at > 0 AND next_at <= $1 ORDER BY next_at, id LIMIT $2", isInteger, isInteger)

	purgeMails = plain(`DELETE FROM mails WHERE id IN (
		SELECT id FROM mails WHERE at < $1 ORDER BY at LIMIT $2)`, isInteger, isInteger)
)
