package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestStatementsUseAnIndex asks SQLite how it would run what is run often. Reading a whole table would go unnoticed
// until the table is large.
func TestStatementsUseAnIndex(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "tapline.db"))
	for name, statement := range oftenRun() {
		var plan []string
		err := s.db.view(t.Context(), func(c session) error {
			_, err := c.run(plain("EXPLAIN QUERY PLAN "+sqliteText(statement)), 1, nil,
				func(from scanner) { plan = append(plan, from.text(3)) })
			return err
		})
		if err != nil || len(plan) == 0 {
			t.Errorf("%s: %v, plan %v", name, err, plan)
		}
		for _, step := range plan {
			// What another step has found may be read as a whole.
			scans := strings.HasPrefix(step, "SCAN ") && !strings.HasPrefix(step, "SCAN debits") && !strings.HasPrefix(step, "SCAN credits") &&
				!strings.HasPrefix(step, "SCAN both_sides") && step != "SCAN n"
			sorts := strings.Contains(step, "TEMP B-TREE FOR ORDER BY")
			if scans || sorts && !strings.HasPrefix(name, "entries") && !strings.HasPrefix(name, "payments by card") {
				t.Errorf("%s reads or sorts a whole table:\n%s\n%s", name, sqliteText(statement), strings.Join(plan, "\n"))
				break
			}
		}
	}
}

// oftenRun are the statements that are run often.
func oftenRun() map[string]*statement {
	return map[string]*statement{
		"payments by id": payments.byKey, "cards by id": cards.byKey, "accounts by id": accounts.byKey,
		"devices by id": devices.byKey, "bindings by id": bindings.byKey, "tries by id": tries.byKey,
		"payees by handle": payees.byKey, "API keys by MAC": apiKeys.byKey, "API keys of a payee": apiKeysOf, "operators by id": operators.byKey, "aliases": aliases.byKey, "aliases of a payee": aliasesOf, "last paid": lastPaid,
		"order templates by id": templates.byKey, "order templates of a payee": templatesOf, "purge orders": purgeOrders,
		"keys by id": keys.byKey, "evidence by payment": ofPayment, "open payments of a card": openOf,
		"cards by number": cardsByNo, "bindings of a card": boundTo, "update payments": payments.update.statement,
		"update accounts": accounts.update.statement, "update cards": cards.update.statement, "update what cards count": cards.often.statement, "update keys": keys.update.statement,
		"update tries":          tries.update.statement,
		"payments by initiator": paymentsByInitiator.newest, "payments by initiator, oldest first": paymentsByInitiator.oldest, "payments by approver": paymentsByApprover.newest, "payments by approver, oldest first": paymentsByApprover.oldest,
		"payments by payee": paymentsByPayee.newest, "payments by payee, oldest first": paymentsByPayee.oldest, "payments by card": paymentsByCard.newest, "payments by card, oldest first": paymentsByCard.oldest, "payments of all": allPayments.newest, "payments of all, oldest first": allPayments.oldest,
		"sign-ins of an operator": ofOperator, "sign-ins of an API key": ofAPIKey,
		"list of events": eventsOfOperators, "list of top-ups": pendingTopUps, "top-ups by id": topUps.byKey,
		"payouts by id": payouts.byKey, "payouts by payee": payoutsByPayee.newest, "payouts by payee, oldest first": payoutsByPayee.oldest, "payouts by file": payoutsByFile.newest, "open payouts": payoutsOpen.newest,
		"open payouts, oldest first": payoutsOpen.oldest, "all payouts": allPayouts.newest, "all payouts, oldest first": allPayouts.oldest,
		"payout plans": payoutPlans.byKey, "payout plans of a payee": plansOf, "due payout plans": duePlans, "payout files": filesInOrder,
		"refunds by id": refunds.byKey, "refunds by payee": refundsByPayee.newest, "refunds by payee, oldest first": refundsByPayee.oldest, "refunds by payment": refundsByPayment.newest, "refunds by payment, oldest first": refundsByPayment.oldest,
		"orders by payee": ordersByPayee.newest, "orders by payee, oldest first": ordersByPayee.oldest,
		"orders by reference": ordersByReference.newest, "orders by reference, oldest first": ordersByReference.oldest,
		"due": due, "due wake-ups": dueWakeUps, "wake-ups by id": wakeUps.byKey, "newest event": lastNumber,
		"fresh webhooks": freshWebhooks, "due webhooks": dueWebhooks, "due deliveries": dueDeliveries, "sent deliveries": sentDeliveries.newest, "sent deliveries, oldest first": sentDeliveries.oldest,
		"due e-mail": dueMails, "notes by id": notes.byKey, "notes about something": notesOf, "e-mail by id": mails.byKey, "changes of addresses": mailChanges.byKey, "purge e-mail": purgeMails, "cards of an account": cardsOn,
		"webhooks by id": webhooks.byKey, "webhooks of a payee": webhooksOf, "deliveries by id": deliveries.byKey, "purge deliveries": purgeDeliveries,
		"purge webhooks": purgeWebhooks, "take numbers": takeNumbers,
		"events": eventsFor, "entries' last time": timeOfLast, "entries": linesOf, "list of audit": auditInOrder,
		"list of cards": cardsInOrder, "list of devices": devicesInOrder, "list of accounts": accountsInOrder,
		"list of payees": payeesInOrder, "list of operators": operatorsInOrder,
		"heads, newest first": headsNewest, "heads, oldest first": headsOldest,
		"head of a day": headOfDay, "head of a size": headOfSize, "a tile": oneTile, "audit to seal": auditFrom, "entry by id": entryByID,
		"first entry of a day": firstAfter, "last entry of a day": lastBefore, "entries of a day": countEntries,
		"purge keys": purgeKeys, "forget requests in progress": purgeAbandoned, "purge challenges": purgeChallenges, "challenges of a device": challengesOf, "purge tries": purgeTries, "purge events": purgeEvents, "purge recipients": purgeRecipients,
	}
}

// TestPaymentsMakeNoTemporaryTables asks SQLite what it does for what every payment writes. A temporary table for each row
// takes longer than the row.
func TestPaymentsMakeNoTemporaryTables(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "tapline.db"))
	for _, statement := range []*statement{
		payments.insert, payments.update.statement, keys.insert, keys.update.statement, entries.insert, postings.insert,
		accounts.update.statement, cards.often.statement, evidence.insert, events.insert, recipients.insert,
	} {
		err := s.db.view(t.Context(), func(c session) error {
			_, err := c.run(plain("EXPLAIN "+sqliteText(statement)), 1, nil, func(from scanner) {
				// https://www.sqlite.org/opcode.html
				if code := from.text(1); code == "OpenEphemeral" || code == "OpenAutoindex" || code == "SorterOpen" {
					t.Errorf("to %s, step %d is %s", statement.what(), from.integer(0), code)
				}
			})
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", statement.what(), err)
		}
	}
}
