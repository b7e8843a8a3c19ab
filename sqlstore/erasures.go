package sqlstore

import (
	"time"

	"tapline/ledger"
	"tapline/processor"
)

var erasures = newTable("erasures", 1,
	text("account", func(e *processor.Erasure) *ledger.AccountID { return &e.Account }),
	text("asked_by", func(e *processor.Erasure) *processor.OperatorID { return &e.AskedBy }),
	instant("asked_at", func(e *processor.Erasure) *time.Time { return &e.AskedAt }),
	reference("erased_by", func(e *processor.Erasure) *processor.OperatorID { return &e.ErasedBy }),
	instant("erased_at", func(e *processor.Erasure) *time.Time { return &e.ErasedAt }),
).seldomChanged()

const (
	holdersCards = "SELECT id FROM cards WHERE account = $1"
	// A device is found by its bindings, those that ended as well.
	holdersDevices = "SELECT d.device FROM card_devices d JOIN cards c ON c.id = d.card WHERE c.account = $1"
	// Of a device that is bound to somebody else's card by now, nothing is erased.
	holdersOwn = holdersDevices + " AND NOT EXISTS (SELECT 1 FROM card_devices o JOIN cards x ON x.id = o.card" +
		" WHERE o.device = d.device AND o.removed_at = 0 AND x.account <> $1)"
	// A card's payments are those that its own devices have made or were asked about.
	holdersPayments = "SELECT p.id FROM payments p WHERE p.card IN (" + holdersCards + ") AND p.id IN (" +
		"SELECT m.id FROM payments m WHERE m.initiator IN (" + holdersDevices + ")" +
		" UNION SELECT a.id FROM payments a WHERE a.associated <> a.initiator AND a.associated IN (" + holdersDevices + "))"
)

// erase are the statements that erase what is personal of an account's holder, in the order of what they look at.
var erase = []*statement{
	plain("UPDATE notes SET text = '' WHERE subject = 'account:' || $1 OR subject IN (SELECT 'card:' || id FROM cards WHERE account = $1)"+
		" OR subject IN (SELECT 'payment:' || h.id FROM ("+holdersPayments+") AS h)", isText),
	plain("UPDATE payments SET card_label = '' WHERE id IN ("+holdersPayments+")", isText),
	// An open payment of somebody else's card is as its payer is shown it.
	plain("UPDATE payments SET initiator_label = '' WHERE ended_at > 0 AND initiator IN ("+holdersOwn+")", isText),
	plain("DELETE FROM wake_ups WHERE device IN ("+holdersOwn+")", isText),
	plain("UPDATE devices SET label = '', push_endpoint = '', push_key = $2, push_auth = $2, push_version = 0, push_debits = 0, push_since = 0"+
		" WHERE id IN ("+holdersOwn+")", isText, isBytes),
	plain("UPDATE passkeys SET label = '', removed_at = CASE removed_at WHEN 0 THEN $2 ELSE removed_at END WHERE card IN ("+holdersCards+")", isText, isInteger),
	plain("DELETE FROM mails WHERE account = $1", isText),
	plain("DELETE FROM mail_changes WHERE account = $1", isText),
	plain("UPDATE cards SET label = '', rules = '', level = 0, passkeys = 0, pin_salt = $2, pin_sum = $2, pin_pepper = 0, pin_memory = 0, pin_passes = 0, pin_lanes = 0,"+
		" code_purpose = '', code_mac = '', code_not_before = 0, code_expires_at = 0, mail_address = '', mail_language = '', mail_since = 0"+
		" WHERE account = $1", isText, isBytes),
}

// eraseHolders erases what is personal of the holders of those accounts whose erasure is done.
func (t *tx) eraseHolders(lists ...[]processor.Erasure) {
	for _, list := range lists {
		for _, e := range list {
			if e.ErasedAt.IsZero() || t.err != nil {
				continue
			}
			for _, s := range erase {
				if t.err != nil {
					break
				}
				_, t.err = t.run(s, 1, func(_ int, to binder) {
					to.text(string(e.Account))
					for _, k := range s.kinds[1:] {
						if k == isBytes {
							to.bytes(nil)
						} else {
							to.integer(micros(e.ErasedAt))
						}
					}
				}, nil)
			}
			if t.err == nil {
				t.err = t.scrub()
			}
		}
	}
}
