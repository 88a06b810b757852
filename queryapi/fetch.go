package queryapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/queryapi/refusal"
)

// fetcher runs plans against Postgres.
type fetcher struct {
	pool    *pgxpool.Pool
	sources *sources
	holders holders
}

const (
	beginSnapshot = "begin isolation level repeatable read read only"
	endSnapshot   = "commit"
)

// stateSQL reads, for the views given and the projectors that they are read from,
// the live table, the checkpoint and what its liveness is judged by: whether anybody
// works for it, when it moved, how far the log is ahead of it (two probes of the log's
// primary key), and which transactions hold the log back where it stands still. Then how
// many events are parked, whether continuous verification found a row that differs, and
// which of the keys that the operation asks for are degraded.
var stateSQL = `
select v.view, v.table_name, p.name, p.log, p.incarnation, p.place,
       p.state, coalesce(p.log = l.identity and p.incarnation = l.incarnation, l.identity is null),
       exists (select from readside.leases l where l.projector = p.name and ` + control.LeaseHeldSQL + `),
       greatest(p.updated_at, (select b.updated_at from readside.builds b where b.projector = p.name)),
       coalesce((select e.position from eventlog.events e order by e.position desc limit 1), 0),
       ` + eventlog.WaitingSQL(`p.place`) + `,
       now(), ` + control.ReplicaSQL + `,
       case when p.updated_at < now() - ` + holdersAfter + ` and not pg_is_in_recovery() then` + holdersSQL + `end,
       (select count(*) from (select from readside.parked w where w.projector = p.name and w.view = v.view and w.state <> 'discarded' limit 1000) waiting),
       exists (select from readside.verified c where c.projector = p.name and c.kind = 'view' and c.name = v.view and c.generation = v.generation and c.found_at is not null),
       array(select d.key from unnest($5::text[], $6::text[]) as k (view, key)
               join readside.degraded d on d.projector = p.name and d.view = k.view and d.key = k.key
              where k.view = v.view)
  from unnest($1::text[], $2::int[], $3::text[], $4::text[]) as wanted (view, version, fingerprint, projector)
  join readside.views v on v.view = wanted.view and v.version = wanted.version
       and v.fingerprint = wanted.fingerprint and v.projector = wanted.projector and v.state = 'live'
  join readside.projectors p on p.name = v.projector
 cross join eventlog.log l`

// holdersSQL names the transactions that may append to the log: they hold it back. A
// standby has no such locks: there it is not known.
const holdersSQL = `
       array(select distinct k.virtualtransaction from pg_locks k
              where k.locktype = 'relation' and k.relation = 'eventlog.events'::regclass and k.mode = 'RowExclusiveLock' and k.granted
                and k.database = (select d.oid from pg_database d where d.datname = current_database()))
       `

// rereadsMax bounds how often an operation is read again because a view was not where
// it was thought to be. Switches are rare: a second one in a row is a surprise.
const rereadsMax = 5

// errMoved is returned when a view is live elsewhere than the plan's statements named.
var errMoved = errors.New("the live generation of a view changed")

// fetch reads a plan in one batch and one snapshot.
func (f *fetcher) fetch(ctx context.Context, p *plan) (*results, error) {
	for range rereadsMax {
		from, err := f.sources.of(ctx, f.pool, p.views)
		if err == nil {
			var r *results
			if r, err = f.snapshot(ctx, p, from); err == nil {
				return r, nil
			}
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
		f.sources.forget()
	}
	return nil, refusal.New(refusal.NotReady, "ask again in a moment", "the generations of the views changed %d times while they were read", rereadsMax)
}

func (f *fetcher) snapshot(ctx context.Context, p *plan, from choice) (*results, error) {
	conn, err := f.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	// A connection in a failed transaction is closed by Release, not handed on.
	defer conn.Release()

	look := f.sources.due()
	answers := conn.SendBatch(ctx, f.batch(conn.Conn(), p, from, look))
	r, err := f.readAnswers(conn.Conn(), answers, p, from, look)
	if closing := answers.Close(); err == nil {
		err = closing
	}
	if isMoved(err) {
		return nil, errMoved
	}
	return r, err
}

// batch is all that one snapshot is asked. To look is to see whether the views are
// read from where they are best.
func (f *fetcher) batch(conn *pgx.Conn, p *plan, from choice, look bool) *pgx.Batch {
	views, versions, fingerprints := keysOf(p.views)
	projectors := make([]string, len(p.views))
	for i, v := range p.views {
		projectors[i] = from[v].projector
	}
	keyViews, keys := p.keys()
	batch := &pgx.Batch{}
	batch.Queue(beginSnapshot)
	queueSettings(batch, conn)
	batch.Queue(stateSQL, views, versions, fingerprints, projectors, keyViews, keys)
	for _, r := range p.reads {
		for _, s := range r.stretches() {
			sql, args := r.sql(from[r.view], s)
			batch.Queue(sql, args...)
		}
	}
	if look {
		all, versions, fingerprints := keysOf(f.sources.views)
		batch.Queue(candidatesSQL, all, versions, fingerprints)
	}
	batch.Queue(endSnapshot)
	return batch
}

// isMoved recognises that a generation's table is gone: retired ones are dropped in
// the end, and a cached name may be older than that.
func isMoved(err error) bool {
	var pg *pgconn.PgError
	const undefinedTable, changedResult = "42P01", "0A000"
	return errors.Is(err, errMoved) || errors.As(err, &pg) && (pg.Code == undefinedTable || pg.Code == changedResult)
}

func (f *fetcher) readAnswers(conn *pgx.Conn, answers pgx.BatchResults, p *plan, from choice, look bool) (*results, error) {
	if _, err := answers.Exec(); err != nil {
		return nil, err
	}
	if err := skipSettings(answers, conn); err != nil {
		return nil, err
	}
	r := &results{pages: map[string]*page{}, reports: map[string]*ReportRows{}}
	state, err := answers.Query()
	if err != nil {
		return nil, err
	}
	states, err := r.loadState(state, p, from, &f.holders)
	if err != nil {
		return nil, err
	}
	for _, read := range p.reads {
		if err := r.loadPage(answers, read, states[read.view]); err != nil {
			return nil, err
		}
	}
	if look {
		if err := f.looked(answers); err != nil {
			return nil, err
		}
	}
	_, err = answers.Exec()
	return r, err
}

func (r *results) loadPage(answers pgx.BatchResults, read *read, state *viewState) error {
	page := newPage(read)
	page.fresh, page.degraded = state.fresh, state.degraded
	for range read.stretches() {
		rows, err := answers.Query()
		if err != nil {
			return err
		}
		if err := page.load(rows); err != nil {
			return fmt.Errorf("read %s: %w", strings.Join(read.path, "."), err)
		}
	}
	r.pages[joined(read.path)] = page
	return nil
}

func (f *fetcher) looked(answers pgx.BatchResults) error {
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	found, err := f.sources.candidates(rows)
	if err != nil {
		return err
	}
	f.sources.choose(found)
	return nil
}

// viewState is a row of stateSQL.
type viewState struct {
	fresh    *Freshness
	table    string
	degraded []string // of the keys that the operation asks for
}

// loadState reads stateSQL's answer, and compares the live tables with those that the
// statements name.
func (r *results) loadState(rows pgx.Rows, p *plan, from choice, held *holders) (map[*view]*viewState, error) {
	defer rows.Close()
	found := map[string]*viewState{}
	for rows.Next() {
		s, err := scanState(rows, held)
		if err != nil {
			return nil, err
		}
		found[s.fresh.View] = s
		if head := s.fresh.Position.At(s.fresh.Position.Place() + s.fresh.LagEvents); r.head.Place() < head.Place() {
			r.head = head
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	states := make(map[*view]*viewState, len(p.views))
	for _, v := range p.views {
		s := found[v.model.Name]
		if s == nil || s.table != from[v].table {
			return nil, errMoved
		}
		s.fresh.Version = v.model.Version
		states[v] = s
		r.fresh = append(r.fresh, s.fresh)
		r.noteDegraded(s)
	}
	return states, nil
}

func scanState(rows pgx.Rows, held *holders) (*viewState, error) {
	var (
		f           Freshness
		s           viewState
		log         uuid.UUID
		incarnation int32
		waiting     *time.Duration
		holding     []string
		facts       = control.Facts{Kind: control.Hot}
	)
	fields := []any{&f.View, &s.table, &f.projector, &log, &incarnation, &facts.Place, &facts.State, &facts.SameLog, &facts.WorkedFor, &facts.Moved,
		&facts.Head, &waiting, &facts.Now}
	err := rows.Scan(append(append(fields, facts.Replica.Fields()...), &holding, &f.Parked, &f.Differs, &s.degraded)...)
	if err != nil {
		return nil, err
	}
	f.Position = eventlog.NewPosition(log, incarnation, facts.Place)
	f.LagEvents = max(0, facts.Head-facts.Place)
	if waiting != nil {
		facts.WaitingSince = facts.Now.Add(-*waiting)
		f.AgeMs = waiting.Milliseconds()
	}
	f.AgeMs = max(f.AgeMs, facts.Replica.Behind.Milliseconds())
	facts.HeldBack = held.see(facts.Now, holding)
	l := control.Judge(facts)
	f.State, f.reason = strings.ToUpper(string(l.State)), l.Reason
	s.fresh = &f
	return &s, nil
}
