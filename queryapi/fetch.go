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
	"github.com/readside/readside/queryapi/refusal"
)

// fetcher runs plans against Postgres.
type fetcher struct {
	pool   *pgxpool.Pool
	tables *tables
}

const (
	beginSnapshot = "begin isolation level repeatable read read only"
	endSnapshot   = "commit"

	// stateSQL reads, for the views given, the live generation, its projector's
	// checkpoint, and how far the log is ahead of it: two probes of the log's primary
	// key per view.
	stateSQL = `
select v.view, v.version, v.table_name, p.name, p.log, p.incarnation, p.place, p.state,
       coalesce((select e.position from eventlog.events e order by e.position desc limit 1), 0),
       (select e.time from eventlog.events e where e.position > p.place order by e.position limit 1),
       now()
  from unnest($1::text[], $2::int[]) as wanted (view, version)
  join readside.views v on v.view = wanted.view and v.version = wanted.version and v.state = 'live'
  join readside.projectors p on p.name = v.projector`
)

// rereadsMax bounds how often an operation is read again because the live generation
// of a view changed under it. Switches are rare: a second one in a row is a surprise.
const rereadsMax = 5

// errMoved says that a live generation is another than the plan's statements named.
var errMoved = errors.New("the live generation of a view changed")

// fetch reads a plan in one batch and one snapshot.
func (f *fetcher) fetch(ctx context.Context, p *plan) (*results, error) {
	for range rereadsMax {
		names, err := f.tables.of(ctx, f.pool, p.views)
		if err != nil {
			return nil, err
		}
		r, err := f.snapshot(ctx, p, names)
		if !errors.Is(err, errMoved) {
			return r, err
		}
		f.tables.forget(p.views)
	}
	return nil, refusal.New(refusal.NotReady, "ask again in a moment", "the generations of the views changed %d times while they were read", rereadsMax)
}

func (f *fetcher) snapshot(ctx context.Context, p *plan, names map[*view]string) (*results, error) {
	conn, err := f.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	// A connection in a failed transaction is closed by Release, not handed on.
	defer conn.Release()

	views, versions := keysOf(p.views)
	batch := &pgx.Batch{}
	batch.Queue(beginSnapshot)
	batch.Queue(stateSQL, views, versions)
	for _, r := range p.reads {
		sql, args := r.sql(names[r.view])
		batch.Queue(sql, args...)
	}
	batch.Queue(endSnapshot)
	answers := conn.SendBatch(ctx, batch)
	r, err := readAnswers(answers, p, names)
	if closing := answers.Close(); err == nil {
		err = closing
	}
	if isMoved(err) {
		return nil, errMoved
	}
	return r, err
}

func keysOf(views []*view) (names []string, versions []int32) {
	for _, v := range views {
		names = append(names, v.model.Name)
		versions = append(versions, int32(v.model.Version))
	}
	return names, versions
}

// isMoved recognises that a generation's table is gone: retired ones are dropped in
// the end, and a cached name may be older than that.
func isMoved(err error) bool {
	var pg *pgconn.PgError
	const undefinedTable, changedResult = "42P01", "0A000"
	return errors.Is(err, errMoved) || errors.As(err, &pg) && (pg.Code == undefinedTable || pg.Code == changedResult)
}

func readAnswers(answers pgx.BatchResults, p *plan, names map[*view]string) (*results, error) {
	if _, err := answers.Exec(); err != nil {
		return nil, err
	}
	r := &results{pages: map[string]*page{}, reports: map[string]*ReportRows{}}
	state, err := answers.Query()
	if err != nil {
		return nil, err
	}
	fresh, err := r.loadState(state, p, names)
	if err != nil {
		return nil, err
	}
	for _, read := range p.reads {
		rows, err := answers.Query()
		if err != nil {
			return nil, err
		}
		page := newPage(read)
		page.fresh = fresh[read.view]
		if err := page.load(rows); err != nil {
			return nil, fmt.Errorf("read %s: %w", strings.Join(read.path, "."), err)
		}
		r.pages[joined(read.path)] = page
	}
	_, err = answers.Exec()
	return r, err
}

// loadState reads stateSQL's answer, and compares the live generations with those
// that the statements name.
func (r *results) loadState(rows pgx.Rows, p *plan, names map[*view]string) (map[*view]*Freshness, error) {
	defer rows.Close()
	found := map[string]*Freshness{}
	tables := map[string]string{}
	for rows.Next() {
		s, table, err := scanState(rows)
		if err != nil {
			return nil, err
		}
		found[s.View], tables[s.View] = s, table
		if head := s.Position.At(s.Position.Place() + s.LagEvents); r.head.Place() < head.Place() {
			r.head = head
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	fresh := map[*view]*Freshness{}
	for _, v := range p.views {
		f := found[v.model.Name]
		if f == nil {
			return nil, notReady(v)
		}
		if tables[v.model.Name] != names[v] {
			return nil, errMoved
		}
		fresh[v] = f
		r.fresh = append(r.fresh, f)
	}
	return fresh, nil
}

func notReady(v *view) error {
	return refusal.New(refusal.NotReady, "start the projector (readside project) and wait until the view is built",
		"view %s has no live generation of version %d", v.model.Name, v.model.Version)
}

func scanState(rows pgx.Rows) (*Freshness, string, error) {
	var (
		f           Freshness
		table       string
		log         uuid.UUID
		incarnation int32
		place, head int64
		behind      *time.Time
		now         time.Time
	)
	err := rows.Scan(&f.View, &f.Version, &table, &f.projector, &log, &incarnation, &place, &f.State, &head, &behind, &now)
	f.Position = eventlog.NewPosition(log, incarnation, place)
	f.State = strings.ToUpper(f.State)
	f.LagEvents = max(0, head-place)
	if behind != nil {
		f.AgeMs = max(0, now.Sub(*behind).Milliseconds())
	}
	return &f, table, err
}
