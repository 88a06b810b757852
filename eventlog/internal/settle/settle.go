// Package settle knows how far the log can be read without skipping an event.
//
// Positions come from a sequence, so a later position can commit first, and a
// missing one is either still on its way or dead (its transaction was rolled back).
// A transaction that draws a position holds, from before the draw until it has
// become visible or void, a row-exclusive lock on eventlog.events. So:
//
//  1. see the log's last position h;
//  2. then see the holders of that lock: every transaction that drew a position below h
//     and has not ended is among them;
//  3. wait until those have ended; one that comes later draws above h.
//
// From then on, every snapshot shows all that will ever stand up to h: h is settled.
// A run without a missing number needs no proof. The proof is about the log and not
// about a reader, so that all readers of a process share it, and a replay proves
// nothing twice.
//
// Holders are known by their virtual transaction, which PREPARE TRANSACTION keeps
// (from Postgres 14.1 on) and which never comes again during a life of the server; a proof
// does not outlive that (see package life). Locks in other databases are of no
// interest. The reader never runs inside a transaction that appends: it would wait
// for itself.
package settle

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog/internal/life"
	"github.com/readside/readside/eventlog/internal/schema"
)

// settledRunMax is how many positions one look checks for a run without gaps.
const settledRunMax = 512

// Settler knows how far the log is settled. It is safe for concurrent use.
type Settler struct {
	// renew is called when another life of the server was met, or a log that was set back.
	renew func(context.Context, *pgxpool.Conn) error

	// turn holds one token: its holder may look and change what stands below it.
	turn chan struct{}

	// settled is the last settled place; it only grows. keptFrom is the first place
	// that was not archived, head the last place seen.
	settled, keptFrom, head atomic.Int64
	// seen is when the log was last looked at, in Unix microseconds.
	seen atomic.Int64

	// life is the one of the server that was looked at.
	life atomic.Pointer[life.Life]

	proof       *proof
	persisted   int64
	persistedAt time.Time
	mayPersist  *bool
}

// New begins in a life of the server. It calls renew when it has met another one, or a log
// that was set back, over the connection that met it.
func New(began life.Life, renew func(context.Context, *pgxpool.Conn) error) *Settler {
	s := &Settler{renew: renew, turn: make(chan struct{}, 1)}
	s.life.Store(&began)
	return s
}

// Settled is the last place that is known to be settled.
func (s *Settler) Settled() int64 { return s.settled.Load() }

// KeptFrom is the first place that was not archived, as it was last seen.
func (s *Settler) KeptFrom() int64 { return s.keptFrom.Load() }

// Head is the last place that has an event, as it was last seen.
func (s *Settler) Head() int64 { return s.head.Load() }

// Seen is when the log's end was last looked at.
func (s *Settler) Seen() time.Time { return time.UnixMicro(s.seen.Load()) }

// Looked notes when the log's end was looked at.
func (s *Settler) Looked(at time.Time) { s.seen.Store(at.UnixMicro()) }

// Holds reports whether what is settled was proved in the life of the connection's server.
// On a connection of another life it means nothing.
func (s *Settler) Holds(conn *pgxpool.Conn) bool { return life.Of(conn) == *s.life.Load() }

func (s *Settler) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Settler) unlock() { <-s.turn }

func (s *Settler) raise(place int64) {
	if place > s.settled.Load() {
		s.settled.Store(place)
	}
}

// lookStatement is steps 1 and, by its run, the case without a gap: run is the end
// of the unbroken run of positions after $1, since the n-th of it is $1 + n.
const lookStatement = `
select ` + life.Columns + `, l.kept_from, s.position,
       greatest(l.kept_from - 1, (select max(position) from eventlog.events)),
       coalesce((select max(r.position) from (
           select e.position, row_number() over (order by e.position) as n
             from (select position from eventlog.events where position > $1 order by position limit $2) e
       ) r where r.position = $1 + r.n), $1)
  from eventlog.log l, eventlog.settled s`

// look is what lookStatement saw.
type look struct {
	life                        life.Life
	keptFrom, settled, end, run int64
	// read reports whether a Reading was read beside it.
	read bool
}

// Result is what an Advance has come to.
type Result struct {
	// Open reports whether places beyond the settled one are taken already: then a transaction
	// holds the log back, or a proof is under way, and asking again in a few milliseconds
	// makes sense.
	Open bool
	// Read reports whether the Reading was read, all events of it up to Settled.
	Read    bool
	Settled int64
}

// Advance moves the settled place as far as it goes without waiting. It reads beside its
// look what the caller wants to read, nil for nothing, if that is worthwhile.
func (s *Settler) Advance(ctx context.Context, conn *pgxpool.Conn, beside *Reading) (r Result, err error) {
	if err := s.lock(ctx); err != nil {
		return r, err
	}
	defer s.unlock()
	seen, err := s.see(ctx, conn, beside)
	if err != nil {
		return r, err
	}
	r.Read, r.Settled = seen.read, s.settled.Load()
	if r.Settled < seen.end {
		if err := s.prove(ctx, conn, seen.end); err != nil {
			return r, err
		}
		r.Read = r.Read && s.settled.Load() == r.Settled
	} else {
		s.proof = nil // a run without gaps has overtaken it
	}
	s.persist(ctx, conn)
	r.Open = s.settled.Load() < seen.end
	return r, nil
}

// see looks at the log's end and takes over what needs no proof.
func (s *Settler) see(ctx context.Context, conn *pgxpool.Conn, beside *Reading) (seen look, err error) {
	if s.worthwhile(beside) {
		seen, err = s.lookAndRead(ctx, conn, beside)
	} else {
		seen, err = scanLook(conn.QueryRow(ctx, lookStatement, s.settled.Load(), settledRunMax))
	}
	if err != nil {
		return look{}, fmt.Errorf("look at the log's end: %w", schema.Explain(err))
	}
	if seen.life != *s.life.Load() || s.settled.Load() > seen.end {
		// Restarted, or set back. With synchronous_commit off a crash loses the last commits,
		// and their places are given away again: only what was written down is still proved.
		s.proof, seen.read = nil, false
		s.settled.Store(seen.settled)
		s.persisted = seen.settled
		seen.run = seen.settled
		if err := s.renew(ctx, conn); err != nil {
			return look{}, err
		}
		s.life.Store(&seen.life)
	}
	life.Remember(conn, seen.life)
	s.keptFrom.Store(seen.keptFrom)
	s.head.Store(seen.end)
	s.Looked(time.Now())
	s.raise(seen.settled)
	s.raise(seen.run)
	s.persisted = max(s.persisted, seen.settled)
	return seen, nil
}

func scanLook(row pgx.Row) (seen look, err error) {
	var scan life.Scan
	err = row.Scan(&scan.Postmaster, &scan.Statistics, &seen.keptFrom, &seen.settled, &seen.end, &seen.run)
	seen.life = scan.Life()
	if seen.settled > seen.end {
		// Nothing past the end can have been proved: the log was set back, or emptied, and
		// new events will get these places. eventlog.open_log corrects what is written down.
		seen.settled = 0
	}
	return seen, err
}
