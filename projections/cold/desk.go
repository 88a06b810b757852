package cold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Desk is where an operator looks after parked events of the facts. It needs Postgres
// alone: what has to happen in ClickHouse the projector does, which owns the tables.
type Desk struct {
	name string
	log  *eventlog.Log
	pool *pgxpool.Pool
	set  *projections.Set
}

// NewDesk is the desk of the cold projector of a name, which is "cold" where it is empty.
func NewDesk(name string, log *eventlog.Log, pool *pgxpool.Pool, set *projections.Set) *Desk {
	if name == "" {
		name = defaultName
	}
	return &Desk{name, log, pool, set}
}

// Parked is an event that a fact has no rows of.
type Parked struct {
	Fact     string            `json:"fact"`
	Position eventlog.Position `json:"position"`
	Stream   string            `json:"stream"`
	Type     string            `json:"type"`
	// State is parked, retrying (another try is ordered) or discarded.
	State    string    `json:"state"`
	Reason   string    `json:"reason"`
	Error    string    `json:"error"`
	Hint     string    `json:"hint"`
	Attempts int       `json:"attempts"`
	ParkedAt time.Time `json:"parked_at"`
}

// Waiting chooses among what is parked of a fact: one event by its place, those of one
// stream, or, with both empty, all.
type Waiting struct {
	Fact   string
	Place  int64
	Stream string
}

func (w Waiting) String() string {
	switch {
	case w.Place > 0:
		return fmt.Sprintf("the event at place %d", w.Place)
	case w.Stream != "":
		return fmt.Sprintf("the stream %q", w.Stream)
	}
	return "any event"
}

// Retried is what a retry came to.
type Retried struct {
	// Written events have their rows now, Waiting ones failed again.
	Written, Waiting int
	// Ordered ones are tried when a projector runs.
	Ordered int
}

// Parked lists what is parked and discarded in the order of the log; fact may be empty for all.
func (d *Desk) Parked(ctx context.Context, fact string) ([]Parked, error) {
	if fact != "" && factIndex(d.set, fact) < 0 {
		return nil, fmt.Errorf("there is no fact %q", fact)
	}
	rows, err := d.pool.Query(ctx, `select k.fact, k.place, k.stream, k.event_type, k.state, k.reason, k.error, k.hint, k.attempts, k.parked_at
  from readside.cold_parked k join readside.cold_checkpoint c on c.name = k.projector and c.generation = k.generation
 where c.name = $1 and (k.fact = $2 or $2 = '') order by k.place, k.fact`, d.name, fact)
	if err != nil {
		return nil, fmt.Errorf("list the facts that are parked: %w", explain(err))
	}
	parked, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (e Parked, err error) {
		var place int64
		err = r.Scan(&e.Fact, &place, &e.Stream, &e.Type, &e.State, &e.Reason, &e.Error, &e.Hint, &e.Attempts, &e.ParkedAt)
		e.ParkedAt = e.ParkedAt.UTC()
		e.Position = d.log.Start().At(place)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the facts that are parked: %w", explain(err))
	}
	return parked, nil
}

// chosen are the entries that a Waiting means, among those of $1: it and what builds its
// tables anew beside it.
const chosen = ` from readside.cold_checkpoint c where c.name = k.projector and c.generation = k.generation
  and (c.name = $1 or c.rebuilds = $1) and k.fact = $2 and ($3::bigint = 0 or k.place = $3) and ($4::text = '' or k.stream = $4)`

// deskPoll is how often a retry that waits for the projector looks.
const deskPoll = 50 * time.Millisecond

// Retry orders another try of what is parked, by the handlers of the projector that runs,
// and waits until it has tried. Where none runs, the order stands until one does. What
// fails again stays parked.
func (d *Desk) Retry(ctx context.Context, w Waiting) (out Retried, err error) {
	var places []int64
	rows, err := d.pool.Query(ctx, `update readside.cold_parked k set state = 'retrying'`+chosen+
		` and k.state <> 'discarded' returning case when k.projector = $1 then k.place end`, d.name, w.Fact, w.Place, w.Stream)
	if err == nil {
		places, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (place int64, err error) {
			var p *int64 // null for what is built beside
			if err = r.Scan(&p); p != nil {
				place = *p
			}
			return place, err
		})
	}
	if err != nil {
		return out, fmt.Errorf("retry what is parked of fact %s: %w", w.Fact, explain(err))
	}
	if len(places) == 0 {
		return out, d.nothing("retry", w)
	}
	return d.await(ctx, w, places)
}

func (d *Desk) nothing(what string, w Waiting) error {
	return fmt.Errorf("%s: nothing is parked of fact %s for %s", what, w.Fact, w)
}

func (d *Desk) await(ctx context.Context, w Waiting, places []int64) (out Retried, err error) {
	own := 0
	for _, place := range places {
		if place > 0 {
			own++
		}
	}
	for {
		var working bool
		err := d.pool.QueryRow(ctx, `select count(*) filter (where k.state = 'retrying'), count(*) filter (where k.state = 'parked'),
       exists (select from pg_locks l where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
                 and l.database = (select d.oid from pg_database d where d.datname = current_database())
                 and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('readside.cold:' || $1, 0))
  from readside.cold_parked k where k.projector = $1 and k.fact = $2 and k.place = any($3)
   and k.generation = (select c.generation from readside.cold_checkpoint c where c.name = $1)`, d.name, w.Fact, places).
			Scan(&out.Ordered, &out.Waiting, &working)
		if err != nil {
			return out, fmt.Errorf("wait until what is parked of fact %s was tried again: %w", w.Fact, err)
		}
		if out.Ordered == 0 || !working {
			out.Written = own - out.Waiting - out.Ordered
			return out, nil
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-time.After(deskPoll):
		}
	}
}

// Discard gives up the first event that is parked of what is chosen, for ever: no rebuild
// writes it into this fact.
func (d *Desk) Discard(ctx context.Context, w Waiting) error {
	if w.Place == 0 && w.Stream == "" {
		return fmt.Errorf("discard: say which event or stream of fact %s: events are given up one by one", w.Fact)
	}
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error { return d.discard(ctx, tx, w) })
	if err != nil {
		return fmt.Errorf("discard what is parked of fact %s: %w", w.Fact, explain(err))
	}
	return nil
}

func (d *Desk) discard(ctx context.Context, tx pgx.Tx, w Waiting) error {
	if _, err := tx.Exec(ctx, `select from readside.cold_checkpoint where name = $1 for update`, d.name); err != nil {
		return err
	}
	var place int64
	err := tx.QueryRow(ctx, `update readside.cold_parked k set state = 'discarded'
 where k.projector = $1 and k.fact = $2 and k.state <> 'discarded' and k.generation = (select c.generation from readside.cold_checkpoint c where c.name = $1)
   and k.place = (select min(f.place) from readside.cold_parked f where f.projector = k.projector and f.generation = k.generation
                   and f.fact = k.fact and f.state <> 'discarded' and ($3::bigint = 0 or f.place = $3) and ($4::text = '' or f.stream = $4))
returning k.place`, d.name, w.Fact, w.Place, w.Stream).Scan(&place)
	if errors.Is(err, pgx.ErrNoRows) {
		return d.nothing("discard", w)
	}
	if err != nil {
		return err
	}
	var underway bool
	err = tx.QueryRow(ctx, `select exists (select from readside.cold_ledger l join readside.cold_checkpoint c on c.name = l.projector
 where (c.name = $1 or c.rebuilds = $1) and l.retries = $2 and l.state <> 'done')`, d.name, place).Scan(&underway)
	if err == nil && underway {
		err = fmt.Errorf("the event at place %d is being tried again: wait until that is done", place)
	}
	if err != nil {
		return err
	}
	return d.discardBeside(ctx, tx, w.Fact, place)
}

// discardBeside gives the event up in the tables that are built meanwhile. Where those have
// its rows already, written by a mended handler, they are begun anew.
func (d *Desk) discardBeside(ctx context.Context, tx pgx.Tx, fact string, place int64) error {
	var passed bool
	err := tx.QueryRow(ctx, `select place >= $2 from readside.cold_checkpoint where rebuilds = $1 for update`, d.name, place).Scan(&passed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `update readside.cold_parked k set state = 'discarded' from readside.cold_checkpoint c
 where c.rebuilds = $1 and k.projector = c.name and k.generation = c.generation and k.fact = $2 and k.place = $3`, d.name, fact, place)
	if err != nil || tag.RowsAffected() == 1 {
		return err
	}
	if passed {
		return orderRebuild(ctx, tx, d.name)
	}
	if err := keepDiscarded(ctx, tx, d.name); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update readside.cold_checkpoint set epoch = epoch + 1 where rebuilds = $1`, d.name)
	return err
}
