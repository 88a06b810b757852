package reaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
)

// Status is what is written down of a reaction. What that means (alive, stalled, failing)
// is judged where the states of views and facts are judged, by the same definition.
type Status struct {
	// Schema is the service's, Reaction its reaction's name.
	Schema   string            `json:"schema"`
	Reaction string            `json:"reaction"`
	Position eventlog.Position `json:"position"`
	// Alive reports whether a process runs the reaction.
	Alive bool `json:"alive"`
	// FailingSince is since when it tries the same event again and again, and Error why.
	FailingSince *time.Time `json:"failing_since,omitempty"`
	Error        string     `json:"error,omitempty"`
	// MovedAt is when the running reaction last moved its checkpoint.
	MovedAt *time.Time `json:"moved_at,omitempty"`
	// DeadLetters are events that wait for an operator, Discarded those given up.
	DeadLetters int64 `json:"dead_letters"`
	Discarded   int64 `json:"discarded"`
	// Waiting is for how long the first event that is not handled has been in the log; nil
	// where there is none.
	Waiting *time.Duration `json:"-"`
}

// Querier is what a pool, a connection and a transaction have in common.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// A checkpoint of a former incarnation is as good as one of this, where the log has its
// place still: the reaction takes it along when it runs.
var statusSQL = `select r.service_schema, r.reaction, r.log::text,
       case when r.log = l.identity and r.place <= least(eventlog.bound_of(r.incarnation), eventlog.last_place()) then l.incarnation else r.incarnation end,
       r.place, r.alive, r.error, r.failing_since, r.updated_at, r.dead_letters, r.discarded,
` + eventlog.WaitingSQL(`r.place`) + `
  from eventlog.reactions() r cross join eventlog.log l`

// ReadStatus reads how all reactions of all services do. The connection's role is a
// reader of the log.
func ReadStatus(ctx context.Context, q Querier) ([]Status, error) {
	rows, err := q.Query(ctx, statusSQL)
	if err != nil {
		return nil, fmt.Errorf("read the status of the reactions: %w", err)
	}
	return pgx.CollectRows(rows, scanStatus)
}

// Status reads how the reaction does, with the service's own rights. Nothing is returned
// before the reaction has run for the first time.
func (r *Reactor) Status(ctx context.Context, q Querier) ([]Status, error) {
	rows, err := q.Query(ctx, r.tables.own, r.config.Schema, r.config.Name)
	if err != nil {
		return nil, fmt.Errorf("read the status of reaction %s: %w", r.config.Name, err)
	}
	return pgx.CollectRows(rows, scanStatus)
}

// Name is the reaction's name.
func (r *Reactor) Name() string { return r.config.Name }

func scanStatus(row pgx.CollectableRow) (s Status, err error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	err = row.Scan(&s.Schema, &s.Reaction, &log, &incarnation, &place, &s.Alive, &s.Error, &s.FailingSince, &s.MovedAt, &s.DeadLetters, &s.Discarded, &s.Waiting)
	s.Position = eventlog.NewPosition(log, incarnation, place)
	s.FailingSince, s.MovedAt = inUTC(s.FailingSince), inUTC(s.MovedAt)
	return s, err
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}

// trouble is why the event at hand is tried again.
type trouble struct {
	since time.Time
	err   string
}

// troubled notes that an attempt failed; a first failure counts from now.
func (r *Reactor) troubled(err error) {
	since := time.Now()
	if before := r.trouble.Load(); before != nil {
		since = before.since
	}
	r.trouble.Store(&trouble{since: since, err: stored(err.Error())})
}

const (
	// beatEvery is how often a running reaction writes down how it does; beatTTL is how
	// long others believe it.
	beatEvery = time.Second
	beatTTL   = 3 * time.Second
)

// beat writes down that the reaction runs, and what it stands at, until ctx ends.
func (r *Reactor) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		if err := r.beatOnce(ctx, beatTTL); err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			r.logger.WarnContext(ctx, "the reaction could not write down how it does", "error", err)
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatEvery)
			defer cancel()
			_ = r.beatOnce(last, 0) // where this fails its word runs out
			return
		case <-tick.C:
		}
	}
}

func (r *Reactor) beatOnce(ctx context.Context, ttl time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, beatTTL)
	defer cancel()
	var failing *float64
	var text string
	// One attempt that failed is no trouble yet.
	if t := r.trouble.Load(); t != nil && time.Since(t.since) > beatEvery {
		seconds := time.Since(t.since).Seconds()
		failing, text = &seconds, t.err
	}
	still := 0.0
	if p := r.position.Load(); p != nil {
		still = time.Since(p.since).Seconds()
	}
	_, err := r.config.Pool.Exec(ctx, r.tables.beat, r.config.Name, ttl.Seconds(), failing, text, still)
	return err
}

// Trouble returns since when the running reaction tries the same event again and why; the
// time is zero where it does not.
func (r *Reactor) Trouble() (since time.Time, why string) {
	if t := r.trouble.Load(); t != nil {
		return t.since, t.err
	}
	return time.Time{}, ""
}
