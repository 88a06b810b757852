package reaction

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction/internal/fault"
)

// tables are the statements over the service's own tables.
type tables struct {
	load, create, take, move, bury, deadLetters      string
	beat, own, listDead, takeDead, noteDead, discard string
}

func newTables(schema string) tables {
	name := func(table string) string { return pgx.Identifier{schema, table}.Sanitize() }
	checkpoints, inbox, dead := name("reaction_checkpoints"), name("inbox"), name("dead_letters")
	return tables{
		deadLetters: dead,
		load:        `select log, incarnation, place, ` + eventlog.LifeSQL + ` from ` + checkpoints + ` where reaction = $1`,
		// It changes what was read and nothing else: another process may have moved on meanwhile.
		create: `insert into ` + checkpoints + ` as c (reaction, log, incarnation, place) values ($1, $2, $3, $4)
			on conflict (reaction) do update set log = excluded.log, incarnation = excluded.incarnation, place = excluded.place
			where c.log = $5 and c.incarnation = $6`,
		// One statement for a whole run: the checkpoint moves, which makes a second
		// process wait here, and the inbox says which events are new. It never goes back.
		// Events that the log has lost since they were read have no effect: it was restored,
		// or another server took over which did not get them. Nor does the checkpoint move in
		// another life of the server: it passes events of other types, too, which a crash may
		// have lost, and others that have come since may stand at their places.
		take: `with moved as (
			update ` + checkpoints + ` set place = greatest(place, $4)
			 where reaction = $1 and log = $2 and incarnation = $3
			   and (select count(*) from unnest($5::text[], $6::text[], $7::bigint[]) as i(source, event_id, place)
			          join eventlog.events e on e.position = i.place and e.id = i.event_id and e.source = i.source) = cardinality($7::bigint[])
			   and $8 = ` + eventlog.LifeSQL + `
			returning 1
		), taken as (
			insert into ` + inbox + ` (reaction, source, event_id)
			select $1, i.source, i.event_id from unnest($5::text[], $6::text[]) as i(source, event_id)
			 where exists (select from moved)
			on conflict do nothing returning source, event_id
		)
		select (select count(*) from moved), array(select source from taken), array(select event_id from taken)`,
		move: `update ` + checkpoints + ` set place = $4
			where reaction = $1 and log = $2 and incarnation = $3 and place < $4 and $5 = ` + eventlog.LifeSQL,
		bury: `insert into ` + dead + ` (reaction, source, event_id, type, stream, place, error)
			values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
		// updated_at is when the checkpoint moved last, alive_until how long the word holds.
		beat: `insert into ` + name("reaction_states") + ` as s (reaction, alive_until, failing_since, error, updated_at)
			values ($1, clock_timestamp() + make_interval(secs => $2), clock_timestamp() - make_interval(secs => $3), $4, clock_timestamp() - make_interval(secs => $5))
			on conflict (reaction) do update set alive_until = excluded.alive_until, failing_since = excluded.failing_since,
			  error = excluded.error, updated_at = excluded.updated_at`,
		own: `select $1::text, c.reaction, c.log::text, c.incarnation, c.place, coalesce(t.alive_until > clock_timestamp(), false),
			coalesce(t.error, ''), t.failing_since, t.updated_at,
			(select count(*) from ` + dead + ` d where d.reaction = c.reaction and d.discarded_at is null),
			(select count(*) from ` + dead + ` d where d.reaction = c.reaction and d.discarded_at is not null),
			` + eventlog.WaitingSQL(`c.place`) + `
			from ` + checkpoints + ` c left join ` + name("reaction_states") + ` t on t.reaction = c.reaction where c.reaction = $2`,
		listDead: `select source, event_id, type, stream, place, error, died_at, discarded_at from ` + dead + `
			where reaction = $1 order by place, event_id`,
		takeDead: `delete from ` + dead + ` where reaction = $1 and source = $2 and event_id = $3 and discarded_at is null`,
		noteDead: `update ` + dead + ` set error = $4 where reaction = $1 and source = $2 and event_id = $3 and discarded_at is null`,
		discard: `update ` + dead + ` set discarded_at = clock_timestamp()
			where reaction = $1 and source = $2 and event_id = $3 and discarded_at is null`,
	}
}

// load is where the reactor goes on. A checkpoint of a former incarnation of the log, at a
// place that the log still has, goes along into the one that is here. Any other is of no
// use any more; the inbox is: reading from the start again finds there what was handled,
// and handles the rest. The life is that of the server which had the checkpoint, empty for
// the start of the log: a crash may take the checkpoint back.
func (r *Reactor) load(ctx context.Context) (at eventlog.Position, life string, err error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	err = r.config.Pool.QueryRow(ctx, r.tables.load, r.config.Name).Scan(&log, &incarnation, &place, &life)
	known := err == nil
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return at, "", fmt.Errorf("reaction %s: read its checkpoint (the tables come from `select eventlog.create_reaction_tables('%s')`): %w",
			r.config.Name, r.config.Schema, err)
	}
	stored := eventlog.NewPosition(log, incarnation, place)
	at, err = r.config.Log.Current(ctx, stored)
	switch {
	case errors.Is(err, eventlog.ErrForeignPosition):
		r.logger.WarnContext(ctx, "the checkpoint is of a place that this log does not have: reading from its start, what was handled is known from the inbox", "error", err)
		at, life = r.config.Log.Start(), ""
	case err != nil:
		return at, "", fmt.Errorf("reaction %s: %w", r.config.Name, err)
	case !known:
		at, life = r.config.Log.Start(), ""
	}
	if !known || at != stored {
		ownLog, ownIncarnation, from := at.Parts()
		if _, err := r.config.Pool.Exec(ctx, r.tables.create, r.config.Name, ownLog, ownIncarnation, from, log, incarnation); err != nil {
			return at, "", fmt.Errorf("reaction %s: write its checkpoint: %w", r.config.Name, err)
		}
	}
	r.moved(at)
	return at, life, nil
}

// take moves the checkpoint and enters the events into the inbox, and returns those
// that were not there yet.
func (r *Reactor) take(ctx context.Context, tx pgx.Tx, d *delivery) ([]eventlog.Event, error) {
	sources, ids, places := make([]string, len(d.events)), make([]string, len(d.events)), make([]int64, len(d.events))
	for i := range d.events {
		sources[i], ids[i], places[i] = d.events[i].Source, d.events[i].ID, d.events[i].Position.Place()
	}
	log, incarnation, place := d.next.Parts()
	d.stale = false
	var moved int
	var takenSources, takenIDs []string
	err := tx.QueryRow(ctx, r.tables.take, r.config.Name, log, incarnation, place, sources, ids, places, d.life).
		Scan(&moved, &takenSources, &takenIDs)
	if err != nil {
		return nil, fmt.Errorf("%w: take events from the log: %w", fault.ErrConnection, err)
	}
	if moved == 0 {
		d.stale = true
		return nil, fmt.Errorf("%w: reaction %s: the checkpoint is gone or of another incarnation of the log, or the server restarted: the events are read anew", fault.ErrConnection, r.config.Name)
	}
	if len(takenIDs) == len(d.events) {
		return d.events, nil
	}
	type key struct{ source, id string }
	fresh := make(map[key]bool, len(takenIDs))
	for i, id := range takenIDs {
		fresh[key{takenSources[i], id}] = true
	}
	var events []eventlog.Event
	for _, e := range d.events {
		if fresh[key{e.Source, e.ID}] {
			events = append(events, e)
		}
	}
	return events, nil
}

// pass stores a checkpoint that moved over events of other types, in the life of the server
// in which they were read; in another, the log is read again from what is stored.
func (r *Reactor) pass(ctx context.Context, to eventlog.Position, life string) error {
	log, incarnation, place := to.Parts()
	_, err := r.config.Pool.Exec(ctx, r.tables.move, r.config.Name, log, incarnation, place, life)
	return err
}
