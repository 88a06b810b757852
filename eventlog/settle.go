package eventlog

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// How the log is read without skipping an event.
//
// Positions come from a sequence, so a later position can commit first, and a
// missing one is either still on its way or dead (its transaction was rolled back).
// Who draws a position holds, from before the draw until the transaction has
// become visible or void, a row-exclusive lock on eventlog.events. So:
//
//	1. see the log's last position h;
//	2. then see who holds that lock: everybody who drew a position below h and has
//	   not ended is among them;
//	3. wait until those have ended; who comes later draws above h.
//
// From then on, every snapshot shows all that will ever stand up to h: h is settled.
// A run without a missing number needs no proof. The proof is about the log and not
// about a reader, so that all readers of a process share it, and a replay proves
// nothing twice.
//
// Holders are known by their virtual transaction, which PREPARE TRANSACTION keeps
// (from Postgres 14.1 on) and which never comes again during a life of the server; a proof
// does not outlive that (see life). Locks in other databases are of no
// interest. The reader never runs inside a transaction that appends: it would wait
// for itself.

// settledRunMax is how many positions one look checks for a run without gaps.
const settledRunMax = 512

// persistEvery is how often the settled place is written down, at most.
const persistEvery = 2 * time.Second

// settler knows how far the log is settled.
type settler struct {
	// turn holds one token: who has it may look and change what stands below it.
	turn chan struct{}

	// settled is the last settled place; it only grows. keptFrom is the first place
	// that was not archived, head the last place seen.
	settled, keptFrom, head atomic.Int64
	// seen is when the log was last looked at, in Unix microseconds.
	seen atomic.Int64

	// life is the one of the server that was looked at. An append, too, may be the first
	// to meet another one: Log.life does not tell what was proved in which.
	life atomic.Pointer[life]

	proof       *proof
	persisted   int64
	persistedAt time.Time
	mayPersist  *bool
}

// proof waits for the holders seen after the log's end was at target.
type proof struct {
	target  int64
	holders []string
}

func newSettler() settler {
	return settler{turn: make(chan struct{}, 1)}
}

func (s *settler) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *settler) unlock() { <-s.turn }

func (s *settler) raise(place int64) {
	if place > s.settled.Load() {
		s.settled.Store(place)
	}
}

// lookStatement is steps 1 and, by its run, the case without a gap: run is the end
// of the unbroken run of positions after $1, since the n-th of it is $1 + n.
const lookStatement = `
select ` + lifeColumns + `, l.kept_from, s.position,
       greatest(l.kept_from - 1, (select max(position) from eventlog.events)),
       coalesce((select max(r.position) from (
           select e.position, row_number() over (order by e.position) as n
             from (select position from eventlog.events where position > $1 order by position limit $2) e
       ) r where r.position = $1 + r.n), $1)
  from eventlog.log l, eventlog.settled s`

// holdersStatement is step 2. It has to see the locks after lookStatement saw the log.
const holdersStatement = `
select ` + lifeColumns + `, coalesce(array_agg(h.virtualtransaction), '{}')
  from pg_locks h
 where h.locktype = 'relation' and h.relation = 'eventlog.events'::regclass
   and h.database = (select d.oid from pg_database d where d.datname = current_database())
   and h.mode = 'RowExclusiveLock' and h.granted`

// look is what lookStatement saw.
type look struct {
	life                        life
	keptFrom, settled, end, run int64
}

// advance moves the settled place as far as it goes without waiting, and says
// whether places beyond it are taken already: then a transaction holds the log back,
// or a proof is under way, and asking again in a few milliseconds makes sense.
func (l *Log) advance(ctx context.Context, conn *pgxpool.Conn) (open bool, err error) {
	return l.advanceAndPeek(ctx, conn, &peek{})
}

// advanceAndPeek advances, and reads beside the look what p wants, if that is worthwhile.
func (l *Log) advanceAndPeek(ctx context.Context, conn *pgxpool.Conn, p *peek) (open bool, err error) {
	s := &l.settler
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.unlock()
	seen, err := l.see(ctx, conn, p)
	if err != nil {
		return false, err
	}
	p.settled = s.settled.Load()
	if p.settled < seen.end {
		if err := l.prove(ctx, conn, seen.end); err != nil {
			return false, err
		}
		p.read = p.read && s.settled.Load() == p.settled
	} else {
		s.proof = nil // a run without gaps has overtaken it
	}
	l.persist(ctx, conn)
	return s.settled.Load() < seen.end, nil
}

// see looks at the log's end and takes over what needs no proof.
func (l *Log) see(ctx context.Context, conn *pgxpool.Conn, p *peek) (seen look, err error) {
	s := &l.settler
	if p.read = p.worthwhile(s); p.read {
		seen, err = l.lookAndRead(ctx, conn, p)
	} else {
		seen, err = scanLook(conn.QueryRow(ctx, lookStatement, s.settled.Load(), settledRunMax))
	}
	if err != nil {
		return look{}, fmt.Errorf("look at the log's end: %w", explainMissing(err))
	}
	if seen.life != *s.life.Load() || s.settled.Load() > seen.end {
		// Restarted, or set back. With synchronous_commit off a crash loses the last commits,
		// and their places are given away again: only what was written down is still proved.
		s.proof, p.read = nil, false
		s.settled.Store(seen.settled)
		s.persisted = seen.settled
		seen.run = seen.settled
		if err := l.identify(ctx, conn); err != nil {
			return look{}, err
		}
		s.life.Store(&seen.life)
	}
	rememberLife(conn, seen.life)
	s.keptFrom.Store(seen.keptFrom)
	s.head.Store(seen.end)
	s.seen.Store(time.Now().UnixMicro())
	s.raise(seen.settled)
	s.raise(seen.run)
	s.persisted = max(s.persisted, seen.settled)
	return seen, nil
}

func scanLook(row pgx.Row) (seen look, err error) {
	var scan lifeScan
	err = row.Scan(&scan.postmaster, &scan.statistics, &seen.keptFrom, &seen.settled, &seen.end, &seen.run)
	seen.life = scan.life()
	if seen.settled > seen.end {
		// Nothing past the end can have been proved: the log was set back, or emptied, and
		// new events will get these places. eventlog.open_log corrects what is written down.
		seen.settled = 0
	}
	return seen, err
}

// prove goes on with the proof under way, or begins one for end. The holders are
// seen after end was, so that one look serves the old proof and the new.
func (l *Log) prove(ctx context.Context, conn *pgxpool.Conn, end int64) error {
	s := &l.settler
	var scan lifeScan
	var holders []string
	if err := conn.QueryRow(ctx, holdersStatement).Scan(&scan.postmaster, &scan.statistics, &holders); err != nil {
		return fmt.Errorf("look who is appending: %w", err)
	}
	if scan.life() != *s.life.Load() { // begin anew with the next look
		s.proof = nil
		return nil
	}
	if s.proof != nil {
		s.proof.holders = slices.DeleteFunc(s.proof.holders, func(h string) bool { return !slices.Contains(holders, h) })
		if len(s.proof.holders) > 0 {
			return nil
		}
		s.raise(s.proof.target)
		s.proof = nil
	}
	switch {
	case s.settled.Load() >= end:
	case len(holders) == 0:
		s.raise(end)
	default:
		s.proof = &proof{target: end, holders: holders}
	}
	return nil
}

// persist writes the settled place down every so often, where the role may: it
// saves the next process a proof, nothing more, so that its failure is no error.
func (l *Log) persist(ctx context.Context, conn *pgxpool.Conn) {
	s := &l.settler
	place := s.settled.Load()
	if place <= s.persisted || time.Since(s.persistedAt) < persistEvery {
		return
	}
	s.persistedAt = time.Now()
	if s.mayPersist == nil {
		var may bool
		err := conn.QueryRow(ctx, `select has_function_privilege('eventlog.settle(bigint)', 'execute')`).Scan(&may)
		if err != nil {
			return
		}
		s.mayPersist = &may
	}
	if !*s.mayPersist {
		return
	}
	if _, err := conn.Exec(ctx, `select eventlog.settle($1)`, place); err == nil {
		s.persisted = place
	}
}
