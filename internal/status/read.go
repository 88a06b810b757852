package status

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/projections/control"
)

// checkpointsSQL reads all checkpoints in one snapshot with the head of the log: who
// works for each, how far its first build is, and for how long the first event that it
// has still to fold has been in the log.
var checkpointsSQL = `
with checkpoints as (
  select p.name, 'hot' as kind, p.log, p.incarnation, p.place, p.state, p.fault::text, greatest(p.updated_at, b.updated_at) as updated_at,
         coalesce(p.rebuilds, '') as rebuilds, coalesce(b.read, 0) as read, l.host, l.process, 0::bigint as open_blocks,
         extract(epoch from greatest(l.expires_at, clock_timestamp()) - clock_timestamp())::float8 as lease_left,
         coalesce(` + control.LeaseHeldSQL + `, false) as worked_for
    from readside.projectors p
    left join readside.leases l on l.projector = p.name
    left join readside.builds b on b.projector = p.name and p.state = 'building'
  union all
  select c.name, 'cold', c.log, c.incarnation, c.place, c.state, c.fault::text, c.updated_at, coalesce(c.rebuilds, ''), 0, null, null,
         (select count(*) from readside.cold_ledger b where b.projector = c.name and b.state <> 'done'), null,
         ` + control.ColdHeldSQL + `
    from readside.cold_checkpoint c)
select c.name, c.kind, c.log::text, c.incarnation, c.place, c.state, c.fault, c.updated_at, c.rebuilds, c.read, c.host, c.process, c.open_blocks, c.lease_left, c.worked_for,
       ` + eventlog.WaitingSQL(`c.place`) + `
  from checkpoints c order by c.kind desc, c.name`

const headSQL = `select coalesce((select position from eventlog.events order by position desc limit 1), 0), now()`

// Every generation that is read or written, with the events that wait in it.
const viewsSQL = `
select v.view, v.version, v.generation, v.table_name, v.projector, v.state = 'building',
       (select count(*) from readside.parked w where w.projector = v.projector and w.view = v.view and w.state <> 'discarded')
  from readside.views v where v.state <> 'retired' order by v.view, v.version desc, v.projector`

// The tables of the generation that analysts see; during a rebuild there is another.
const coldSQL = `
select w.table_name, w.fact, w.generation, w.rows, w.place, w.projector, greatest(w.updated_at, c.updated_at),
       (select count(*) from readside.cold_parked k where k.projector = w.projector and k.generation = w.generation and k.fact = w.fact and k.state <> 'discarded')
  from readside.cold_watermarks w
  join readside.cold_checkpoint c on c.name = w.projector and c.shown_generation = w.generation
 order by w.table_name`

// checkpoint is a row of checkpointsSQL.
type checkpoint struct {
	name, kind string
	position   eventlog.Position
	state      string
	fault      []byte
	updatedAt  time.Time
	waiting    *time.Duration // of the first event that is not folded
	rebuilds   string
	read       int64 // by a first build
	workedFor  bool
	openBlocks int64
	owner      *Owner
}

// reading is a report on its way.
type reading struct {
	tx          pgx.Tx
	report      *Report
	checkpoints map[string]checkpoint // by kind and name
}

// Read reads a report in one snapshot, on a connection that may read the projectors'
// tables and the log, and asks the other stores meanwhile. With its error it returns what
// these say.
func Read(ctx context.Context, pool *pgxpool.Pool, log *eventlog.Log, probes ...Probe) (*Report, error) {
	asked := ask(ctx, probes)
	report, err := read(ctx, pool, log)
	if report == nil {
		report = &Report{}
	}
	report.Stores = asked()
	return report, err
}

func read(ctx context.Context, pool *pgxpool.Pool, log *eventlog.Log) (*Report, error) {
	report := &Report{Projectors: []Projector{}, Views: []View{}, Cold: []ColdTable{}, Reactions: []Reaction{}}
	// Before the snapshot: what it holds back is judged with it.
	if err := report.Log.ReadBlocker(ctx, log); err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		r := &reading{tx: tx, report: report, checkpoints: map[string]checkpoint{}}
		return r.read(ctx, log.Start())
	})
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	return report, nil
}

// ReadBlocker reads which transaction holds the log back at the moment.
func (l *Log) ReadBlocker(ctx context.Context, log *eventlog.Log) error {
	holder, held, err := log.Blocker(ctx)
	if err == nil && held {
		l.Blocker, l.BlockedSince = holder.String(), holder.Since.UTC()
		l.BlockerRole, l.BlockerProgram = holder.Role, holder.Application
	}
	return err
}

func (r *reading) read(ctx context.Context, start eventlog.Position) error {
	var head int64
	if err := r.tx.QueryRow(ctx, headSQL).Scan(&head, &r.report.At); err != nil {
		return err
	}
	r.report.At = r.report.At.UTC()
	r.report.Log.Position = start.At(head)
	for _, step := range []func(context.Context) error{r.projectors, r.views, r.cold, r.verified, r.reactions} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) projectors(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, checkpointsSQL)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, scanCheckpoint)
	for _, c := range found {
		r.checkpoints[c.kind+" "+c.name] = c
		p := Projector{Name: c.name, Kind: c.kind, Rebuilds: c.rebuilds, Owner: c.owner, OpenBlocks: c.openBlocks}
		p.Progress = r.progress(c, c.position.Place())
		if p.Reason != "" { // one that works has got over it
			p.Fault = fault(c.fault)
		}
		r.report.Projectors = append(r.report.Projectors, p)
	}
	return err
}

func scanCheckpoint(row pgx.CollectableRow) (c checkpoint, err error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	var host *string
	var process *int
	var left *float64
	err = row.Scan(&c.name, &c.kind, &log, &incarnation, &place, &c.state, &c.fault, &c.updatedAt,
		&c.rebuilds, &c.read, &host, &process, &c.openBlocks, &left, &c.workedFor, &c.waiting)
	if c.workedFor && host != nil && process != nil && left != nil {
		c.owner = &Owner{Host: *host, Process: *process, LeaseLeftSeconds: *left}
	}
	c.position = eventlog.NewPosition(log, incarnation, place)
	return c, err
}

func (r *reading) progress(c checkpoint, place int64) Progress {
	return progress(r.report.Log.Position, r.report.At, c, place, r.report.HeldBack())
}

func (r *reading) views(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, viewsSQL)
	if err != nil {
		return err
	}
	r.report.Views, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (v View, err error) {
		var building bool
		err = row.Scan(&v.View, &v.Version, &v.Generation, &v.Table, &v.Projector, &building, &v.Parked)
		c := r.checkpoints["hot "+v.Projector]
		v.Progress = r.progress(c, c.position.Place())
		v.Live = !building
		return v, err
	})
	return err
}

func (r *reading) cold(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, coldSQL)
	if err != nil {
		return err
	}
	r.report.Cold, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t ColdTable, err error) {
		var place int64
		var updatedAt time.Time
		err = row.Scan(&t.Table, &t.Fact, &t.Generation, &t.Rows, &place, &t.Projector, &updatedAt, &t.Parked)
		c := r.checkpoints["cold "+t.Projector]
		c.updatedAt = updatedAt
		t.Progress = r.progress(c, place)
		return t, err
	})
	return err
}

func (r *reading) reactions(ctx context.Context) error {
	all, err := reaction.ReadStatus(ctx, r.tx)
	for _, s := range all {
		r.report.Reactions = append(r.report.Reactions, Reacting(s, r.report.Log.Position, r.report.At, r.report.HeldBack()))
	}
	return err
}
