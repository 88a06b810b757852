package status

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
)

// checkpointsSQL reads all checkpoints in one snapshot with the head of the log, and
// when the first event that each has still to fold was appended: a probe of the log's
// primary key each.
const checkpointsSQL = `
with checkpoints as (
  select name, 'hot' as kind, log, incarnation, place, state, fault::text, updated_at from readside.projectors
  union all
  select name, 'cold', log, incarnation, place, state, fault::text, updated_at from readside.cold_checkpoint)
select c.name, c.kind, c.log::text, c.incarnation, c.place, c.state, c.fault, c.updated_at,
       (select e.time from eventlog.events e where e.position > c.place order by e.position limit 1)
  from checkpoints c order by c.kind desc, c.name`

const headSQL = `select coalesce((select position from eventlog.events order by position desc limit 1), 0), now()`

// A view's table is of the version that stands highest: older ones are of older code.
const viewsSQL = `
select distinct on (view) view, version, generation, table_name, projector
  from readside.views where state = 'live' order by view, version desc`

// The tables of the generation that analysts see; during a rebuild there is another.
const coldSQL = `
select w.table_name, w.fact, w.generation, w.rows, w.place, w.projector, w.updated_at
  from readside.cold_watermarks w
  join readside.cold_checkpoint c on c.name = w.projector and c.shown_generation = w.generation
 order by w.table_name`

// checkpoint is a row of checkpointsSQL.
type checkpoint struct {
	name, kind   string
	position     eventlog.Position
	state        string
	fault        []byte
	updatedAt    time.Time
	waitingSince *time.Time
}

// reading is a report on its way.
type reading struct {
	tx          pgx.Tx
	report      *Report
	checkpoints map[string]checkpoint // by kind and name
}

// Read reads a report in one snapshot, on a connection that may read the projectors'
// tables and the log.
func Read(ctx context.Context, pool *pgxpool.Pool, log *eventlog.Log) (*Report, error) {
	report := &Report{Projectors: []Projector{}, Views: []View{}, Cold: []ColdTable{}}
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		r := &reading{tx: tx, report: report, checkpoints: map[string]checkpoint{}}
		return r.read(ctx, log.Start())
	})
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	holder, held, err := log.Blocker(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	if held {
		report.Log.Blocker, report.Log.BlockedSince = holder.String(), holder.Since
	}
	return report, nil
}

func (r *reading) read(ctx context.Context, start eventlog.Position) error {
	var head int64
	if err := r.tx.QueryRow(ctx, headSQL).Scan(&head, &r.report.At); err != nil {
		return err
	}
	r.report.Log.Position = start.At(head)
	for _, step := range []func(context.Context) error{r.projectors, r.views, r.cold} {
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
		p := Projector{Name: c.name, Kind: c.kind, Fault: fault(c.fault)}
		p.Progress = r.progress(c, c.position.Place())
		r.report.Projectors = append(r.report.Projectors, p)
	}
	return err
}

func scanCheckpoint(row pgx.CollectableRow) (c checkpoint, err error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	err = row.Scan(&c.name, &c.kind, &log, &incarnation, &place, &c.state, &c.fault, &c.updatedAt, &c.waitingSince)
	c.position = eventlog.NewPosition(log, incarnation, place)
	return c, err
}

// progress judges a checkpoint; one of another incarnation has read nothing of this log.
func (r *reading) progress(c checkpoint, place int64) Progress {
	head := r.report.Log.Position
	if c.position.SameLog(head) {
		return progress(head, r.report.At, c, place)
	}
	return Progress{Position: c.position, LagEvents: head.Place(), LagSeconds: r.report.At.Sub(c.updatedAt).Seconds(), State: "foreign", UpdatedAt: c.updatedAt}
}

func (r *reading) views(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, viewsSQL)
	if err != nil {
		return err
	}
	r.report.Views, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (v View, err error) {
		err = row.Scan(&v.View, &v.Version, &v.Generation, &v.Table, &v.Projector)
		c := r.checkpoints["hot "+v.Projector]
		v.Progress = r.progress(c, c.position.Place())
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
		err = row.Scan(&t.Table, &t.Fact, &t.Generation, &t.Rows, &place, &t.Projector, &updatedAt)
		c := r.checkpoints["cold "+t.Projector]
		c.updatedAt = updatedAt
		t.Progress = r.progress(c, place)
		return t, err
	})
	return err
}
