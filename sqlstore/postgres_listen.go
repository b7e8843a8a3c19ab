package sqlstore

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// How long listen waits before it connects again: at first, and at most.
const (
	listenPause    = 100 * time.Millisecond
	listenMaxPause = 5 * time.Second
)

// listen tells newest the number of the newest event as soon as its transaction has committed on any node, until ctx is
// done. While its connection is lost it tells nothing, and then what was missed.
func (d *postgresDB) listen(ctx context.Context, newest func(int64)) {
	for pause := listenPause; ctx.Err() == nil; {
		began := time.Now()
		d.listenOnce(ctx, newest)
		if time.Since(began) > listenMaxPause {
			pause = listenPause // it worked for a while
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		pause = min(2*pause, listenMaxPause)
	}
}

// listenOnce listens until the connection is lost. Nobody needs to know why: Wait asks the database now and then, and
// tells what is wrong with it.
func (d *postgresDB) listenOnce(ctx context.Context, newest func(int64)) {
	config := d.config.Copy()
	config.DialFunc = new(postgresDial).dial
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		if number, err := strconv.ParseInt(n.Payload, 10, 64); err == nil {
			newest(number)
		}
	}
	// There is nothing that the server could be asked to stop.
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollBackPatience)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	// What was committed before LISTEN is read; what is committed after is told.
	if err := conn.Exec(ctx, "LISTEN "+d.channel).Close(); err != nil {
		return
	}
	results, err := conn.Exec(ctx, "SELECT last FROM counters WHERE name = 'events'").ReadAll()
	if err != nil {
		return
	}
	for _, row := range results[len(results)-1].Rows {
		if number, err := strconv.ParseInt(string(row[0]), 10, 64); err == nil {
			newest(number)
		}
	}
	for err == nil {
		err = conn.WaitForNotification(ctx)
	}
}
