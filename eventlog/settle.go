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
// (from Postgres 14.1 on) and which never comes again while the server lives; a proof
// does not outlive a restart of the server. Locks in other databases are of no
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

	// start is when the server that was looked at started, in microseconds. An append, too,
	// may be the first to meet another one: Log.serverStart does not say what was proved
	// on which.
	start int64

	proof       *proof
	persisted   int64
	persistedAt time.Time
	mayPersist  *bool
}

// proof waits for the holders seen after the log's end was at target.
type proof struct {
	target      int64
	holders     []string
	serverStart int64
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
select pg_postmaster_start_time(), l.kept_from, s.position,
       coalesce((select max(position) from eventlog.events), 0),
       coalesce((select max(r.position) from (
           select e.position, row_number() over (order by e.position) as n
             from (select position from eventlog.events where position > $1 order by position limit $2) e
       ) r where r.position = $1 + r.n), $1)
  from eventlog.log l, eventlog.settled s`

// holdersStatement is step 2. It has to see the locks after lookStatement saw the log.
const holdersStatement = `
select pg_postmaster_start_time(), coalesce(array_agg(h.virtualtransaction), '{}')
  from pg_locks h
 where h.locktype = 'relation' and h.relation = 'eventlog.events'::regclass
   and h.database = (select d.oid from pg_database d where d.datname = current_database())
   and h.mode = 'RowExclusiveLock' and h.granted`

// look is what lookStatement saw.
type look struct {
	start                       time.Time
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
	if at := seen.start.UnixMicro(); at != s.start {
		// Restarted. With synchronous_commit off it may have lost its last commits, and
		// gives their places away again: only what was written down is still proved.
		s.proof, p.read = nil, false
		s.settled.Store(seen.settled)
		s.persisted = seen.settled
		seen.run = seen.settled
		if err := l.identify(ctx, conn); err != nil {
			return look{}, err
		}
		s.start = at
	}
	s.keptFrom.Store(seen.keptFrom)
	s.head.Store(seen.end)
	s.seen.Store(time.Now().UnixMicro())
	s.raise(seen.settled)
	s.raise(seen.run)
	s.persisted = max(s.persisted, seen.settled)
	return seen, nil
}

func scanLook(row pgx.Row) (seen look, err error) {
	err = row.Scan(&seen.start, &seen.keptFrom, &seen.settled, &seen.end, &seen.run)
	return seen, err
}

// prove goes on with the proof under way, or begins one for end. The holders are
// seen after end was, so that one look serves the old proof and the new.
func (l *Log) prove(ctx context.Context, conn *pgxpool.Conn, end int64) error {
	s := &l.settler
	var start time.Time
	var holders []string
	if err := conn.QueryRow(ctx, holdersStatement).Scan(&start, &holders); err != nil {
		return fmt.Errorf("look who is appending: %w", err)
	}
	at := start.UnixMicro()
	if s.proof != nil && s.proof.serverStart != at {
		s.proof = nil
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
	case at != s.start: // restarted between the two looks: begin anew with the next
	case s.settled.Load() >= end:
	case len(holders) == 0:
		s.raise(end)
	default:
		s.proof = &proof{target: end, holders: holders, serverStart: at}
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
