package sqlstore

import (
	"context"
	"time"

	"tapline/processor"
)

// How long is kept what Purge forgets.
const (
	EventsKept = 30 * 24 * time.Hour // since they happened
	TriesKept  = 30 * 24 * time.Hour // since the last try, unless paused or locked
	OrdersKept = time.Hour           // since they expired, if they were made from a template and no payment names them
)

// purgedAtOnce bounds how many rows of each table one Purge deletes, and so how long others wait for it.
const purgedAtOnce = 500

var (
	// A key may name the payment that its request made: it is kept until that has ended.
	purgeKeys = plain(`DELETE FROM idempotency_keys WHERE (key, principal) IN (
		SELECT k.key, k.principal FROM idempotency_keys k WHERE k.keep_till <= $1
			AND NOT EXISTS (SELECT p.id FROM payments p WHERE p.id = k.key AND p.ended_at = 0)
		ORDER BY k.keep_till LIMIT $2)`, isInteger, isInteger)
	purgeAbandoned = plain(`DELETE FROM idempotency_keys WHERE status = 0 AND at >= 0`)
	purgeTries     = plain(`DELETE FROM tries WHERE (card_key, tried_by) IN (
		SELECT card_key, tried_by FROM tries WHERE locked = 0 AND updated_at < $1 AND paused_until <= $2
		ORDER BY updated_at LIMIT $3)`, isInteger, isInteger, isInteger)
	purgeChallenges = plain(`DELETE FROM tap_challenges WHERE (device, id) IN (
		SELECT device, id FROM tap_challenges WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, isInteger, isInteger)
	purgeAPIKeys = plain(`DELETE FROM api_keys WHERE mac IN (
		SELECT mac FROM api_keys WHERE revoked_at BETWEEN 1 AND $1 OR expires_at BETWEEN 1 AND $1 LIMIT $2)`, isInteger, isInteger)
	// A stranger has made it, and nobody pays it any more.
	purgeOrders = plain(`DELETE FROM orders WHERE id IN (
		SELECT o.id FROM orders o WHERE o.template IS NOT NULL AND o.state = 'expired' AND o.ended_at <= $1
			AND NOT EXISTS (SELECT p.id FROM payments p WHERE p.order_id = o.id)
		ORDER BY o.ended_at LIMIT $2)`, isInteger, isInteger)
	// The oldest are looked at, and no others: they come in order of their numbers.
	oldEvents = plain("SELECT "+events.list()+" FROM (SELECT "+events.list()+" FROM events ORDER BY number LIMIT $2) AS oldest"+
		" WHERE at < $1", isInteger, isInteger)
	purgeEvents     = plain("DELETE FROM events WHERE number = $1", isInteger)
	purgeRecipients = plain("DELETE FROM event_recipients WHERE principal = $1 AND event = $2", isText, isInteger)
)

// Purge forgets idempotency keys that need no longer be kept, expired tap challenges, old events, webhook deliveries and removed
// endpoints, API keys that ended long ago, orders from templates that nobody has paid, and old counts of tries. It returns how many of
// them it deleted: while there are any, there may be more.
func (s *Store) Purge(ctx context.Context, now time.Time) (deleted int, err error) {
	err = s.db.update(ctx, func(c session) error {
		r := &rows{session: c, err: c.alone("purge")}
		deleted = r.delete(purgeKeys, func(to binder) {
			to.integer(micros(now))
			to.integer(purgedAtOnce)
		})
		deleted += r.delete(purgeTries, func(to binder) {
			to.integer(micros(now.Add(-TriesKept)))
			to.integer(micros(now))
			to.integer(purgedAtOnce)
		})
		deleted += r.delete(purgeChallenges, func(to binder) {
			to.integer(micros(now))
			to.integer(purgedAtOnce)
		})
		deleted += r.delete(purgeAPIKeys, func(to binder) {
			to.integer(micros(now.Add(-processor.APIKeysKept)))
			to.integer(purgedAtOnce)
		})
		deleted += r.delete(purgeDeliveries, func(to binder) {
			to.integer(micros(now.Add(-processor.DeliveriesKept)))
			to.integer(purgedAtOnce)
		})
		deleted += r.delete(purgeWebhooks, func(to binder) {
			to.integer(micros(now.Add(-processor.DeliveriesKept)))
			to.integer(purgedAtOnce)
		})
		deleted += r.delete(purgeMails, func(to binder) {
			to.integer(micros(now.Add(-processor.MailsKept)))
			to.integer(purgedAtOnce)
		})
		deleted += r.delete(purgeOrders, func(to binder) {
			to.integer(micros(now.Add(-OrdersKept)))
			to.integer(purgedAtOnce)
		})
		old := collect(r, events, oldEvents, func(to binder) {
			to.integer(micros(now.Add(-EventsKept)))
			to.integer(purgedAtOnce)
		})
		deleted += r.deleteEvents(old)
		return r.err
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}

// forgetAbandoned forgets requests that are marked as in progress. It is for a database that nobody else writes: whoever
// took them died before the answer, and their senders may repeat them at once. Where others write, too, they have to
// wait until the processor takes the request for abandoned.
func (s *Store) forgetAbandoned(ctx context.Context) error {
	return s.db.update(ctx, func(c session) error {
		r := &rows{session: c}
		r.delete(purgeAbandoned, func(binder) {})
		return r.err
	})
}

func (r *rows) delete(s *statement, bind func(binder)) (deleted int) {
	if r.err == nil {
		deleted, r.err = r.run(s, 1, func(_ int, to binder) { bind(to) }, nil)
	}
	return deleted
}

func (r *rows) deleteEvents(old []processor.Event) (deleted int) {
	var to []recipient
	for _, e := range old {
		for _, p := range e.To {
			to = append(to, recipient{p, e.Seq})
		}
	}
	if r.err == nil {
		_, r.err = r.run(purgeRecipients, len(to), func(i int, args binder) {
			args.text(string(to[i].principal))
			args.integer(to[i].event)
		}, nil)
	}
	if r.err == nil {
		deleted, r.err = r.run(purgeEvents, len(old), func(i int, args binder) { args.integer(old[i].Seq) }, nil)
	}
	return deleted
}
