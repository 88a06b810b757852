package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/readside/readside/internal/session"
)

const (
	// leaseChannel announces leases that were given back.
	leaseChannel = "readside_leases"
	// leasePoll is how often a worker in waiting looks whether the holder's server process
	// is gone: a killed holder announces nothing.
	leasePoll = 250 * time.Millisecond
)

// Lease is the right to write a projector's rows, renewed in the background over a
// connection of its own. It is over when it was not renewed for its time to live, by
// the database's clock, or when the server process that writes for its holder is gone.
//
// The worker that takes over raises the projector's epoch, which every batch compares under
// the lock of the projector's row, and ends the former holder's server process: one
// that is stopped inside a COPY would keep its locks for as long as it likes.
type Lease struct {
	// Owner names its holder. Epoch is what the projector's row must still have.
	Owner string
	Epoch int64

	projector string
	ttl       time.Duration
	config    *pgx.ConnConfig
	conn      *pgx.Conn

	stop context.CancelFunc
	done sync.WaitGroup
}

// TakeLease waits until the lease of a projector is free and takes it for the server
// process behind writer. logWaiting is called with the worker that has it, once before
// each wait; where it is nil, nobody waits, and ErrOwned is returned.
func TakeLease(ctx context.Context, config *pgx.ConnConfig, projector string, ttl time.Duration, writer *pgx.Conn, logWaiting func(owner string)) (*Lease, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect the lease of projector %s: %w", projector, err)
	}
	l := &Lease{Owner: uuid.NewString(), projector: projector, ttl: ttl, config: config, conn: conn}
	if err := l.take(ctx, writer, logWaiting); err != nil {
		session.Close(conn)
		return nil, fmt.Errorf("take the lease of projector %s: %w", projector, Explain(err))
	}
	return l, nil
}

func (l *Lease) take(ctx context.Context, writer *pgx.Conn, logWaiting func(owner string)) error {
	if _, err := l.conn.Exec(ctx, "listen "+leaseChannel+"; set application_name = 'readside lease'"); err != nil {
		return err
	}
	var pid int32
	var start *time.Time
	if err := writer.QueryRow(ctx, `select pg_backend_pid(), readside.own_backend_start()`).Scan(&pid, &start); err != nil {
		return err
	}
	if start == nil {
		return errors.New("it cannot be seen when a server process began: grant pg_read_all_stats to the owner of the function readside.own_backend_start")
	}
	for {
		holder, err := l.try(ctx, pid, *start)
		switch {
		case err != nil:
			return err
		case holder == nil:
			return nil
		case logWaiting == nil:
			return fmt.Errorf("%w: %s", ErrOwned, holder.name)
		}
		logWaiting(holder.name)
		if err := l.waitFor(ctx, min(leasePoll, holder.left)); err != nil {
			return err
		}
	}
}

// EpochOf returns the epoch of a projector whose lease its holder still has, and ErrFenced
// where it has it no more.
func (l *Lease) EpochOf(ctx context.Context, conn *pgx.Conn) (epoch int64, err error) {
	err = conn.QueryRow(ctx, `select p.epoch from readside.projectors p join readside.leases l on l.projector = p.name where p.name = $1 and l.owner = $2`,
		l.projector, l.Owner).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrFenced
	}
	return epoch, err
}

// Second connects a second server process that works for the lease's holder. It is named in
// the lease, so that the worker that takes over ends it too.
func (l *Lease) Second(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return nil, err
	}
	tag, err := conn.Exec(ctx, `update readside.leases set second_pid = pg_backend_pid(), second_start = readside.own_backend_start() where projector = $1 and owner = $2`, l.projector, l.Owner)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrFenced
	}
	if err != nil {
		session.Close(conn)
		return nil, fmt.Errorf("name a second server process in the lease of projector %s: %w", l.projector, err)
	}
	return conn, nil
}

// holder is who has the lease now.
type holder struct {
	name string
	left time.Duration
}

// try takes the lease if it is free, and else returns who has it.
func (l *Lease) try(ctx context.Context, pid int32, start time.Time) (h *holder, err error) {
	err = pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		if h, err = l.look(ctx, tx); h != nil || err != nil {
			return err
		}
		return l.takeOver(ctx, tx, pid, start)
	})
	return h, err
}

// look locks the lease; it returns nil where nobody has it, or nobody any more. A
// projector that never had a holder gets a lease that is over, since a row that does not
// exist cannot be locked: of two first workers, the second would see nobody.
func (l *Lease) look(ctx context.Context, tx pgx.Tx) (*holder, error) {
	if _, err := tx.Exec(ctx, `insert into readside.leases (projector, owner, host, process, backend_pid, backend_start, expires_at)
values ($1, $2, '', 0, 0, '-infinity', '-infinity') on conflict (projector) do nothing`, l.projector, uuid.Nil.String()); err != nil {
		return nil, err
	}
	var left float64
	var process int
	var host string
	err := tx.QueryRow(ctx, `select host, process, extract(epoch from greatest(expires_at, clock_timestamp() - interval '1 hour') - clock_timestamp())::float8
from readside.leases where projector = $1 for update`, l.projector).Scan(&host, &process, &left)
	if err != nil || left <= 0 {
		return nil, err
	}
	var lives bool
	if err := tx.QueryRow(ctx, `select readside.owner_lives($1)`, l.projector).Scan(&lives); err != nil || !lives {
		return nil, err
	}
	return &holder{fmt.Sprintf("%s:%d", host, process), time.Duration(left * float64(time.Second))}, nil
}

// takeOver ends the former holder's server processes, and with it the locks that it
// holds, and only then raises the epoch.
func (l *Lease) takeOver(ctx context.Context, tx pgx.Tx, pid int32, start time.Time) error {
	var ended bool
	if err := tx.QueryRow(ctx, `select readside.end_owner($1)`, l.projector).Scan(&ended); err != nil {
		return fmt.Errorf("end the server process of the former holder: %w (the role that migrates needs pg_signal_backend and pg_read_all_stats)", err)
	}
	if !ended {
		return errors.New("the server process of the former holder does not end; it is asked again")
	}
	err := tx.QueryRow(ctx, `update readside.projectors set epoch = epoch + 1 where name = $1 returning epoch`, l.projector).Scan(&l.Epoch)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // for people to read: empty is no harm
	_, err = tx.Exec(ctx, `update readside.leases set owner = $2, host = $3, process = $4, backend_pid = $5, backend_start = $6, second_pid = null, second_start = null,
  acquired_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => $7) where projector = $1`,
		l.projector, l.Owner, host, os.Getpid(), pid, start, l.ttl.Seconds())
	return err
}

// waitFor returns when a lease is given back, or after the time.
func (l *Lease) waitFor(ctx context.Context, most time.Duration) error {
	timed, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	_, err := l.conn.WaitForNotification(timed)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if timed.Err() != nil {
		return nil
	}
	return err
}

// Keep renews the lease until Release; the context that it returns ends when that
// fails, with the reason as its cause.
func (l *Lease) Keep(ctx context.Context) context.Context {
	ctx, lost := context.WithCancelCause(ctx)
	renewing, stop := context.WithCancel(ctx)
	l.stop = stop
	l.done.Go(func() { lost(l.renew(renewing)) })
	return ctx
}

// renewals is how many times a lease is renewed in its time to live.
const renewals = 3

func (l *Lease) renew(ctx context.Context) error {
	tick := time.NewTicker(l.ttl / renewals)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := l.renewOnce(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (l *Lease) renewOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.ttl)
	defer cancel()
	tag, err := l.conn.Exec(ctx, `update readside.leases set expires_at = clock_timestamp() + make_interval(secs => $3) where projector = $1 and owner = $2`,
		l.projector, l.Owner, l.ttl.Seconds())
	if err != nil {
		return fmt.Errorf("renew the lease of projector %s: %w", l.projector, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrFenced
	}
	return nil
}

// Release gives the lease back, so that a worker in waiting takes over at once. The worker's
// own transaction must have ended.
func (l *Lease) Release() {
	if l.stop != nil {
		l.stop()
		l.done.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// Where this fails, the lease runs out. The time stays: a rollback counts from it.
	_, _ = l.conn.Exec(ctx, `update readside.leases set expires_at = clock_timestamp() where projector = $1 and owner = $2`, l.projector, l.Owner)
	_, _ = l.conn.Exec(ctx, "notify "+leaseChannel)
	session.Close(l.conn)
}
