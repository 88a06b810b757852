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

// The states of a reaction.
const (
	// StateLive: it has handled all that the log holds.
	StateLive = "live"
	// StateCatchingUp: it has events to handle, and handles them.
	StateCatchingUp = "catching_up"
	// StateFailing: it tries the same event again and again; Error says why.
	StateFailing = "failing"
	// StateStalled: nobody runs it.
	StateStalled = "stalled"
	// StateForeign: its checkpoint is of another log or incarnation.
	StateForeign = "foreign"
)

// Status is what an operator wants to know of a reaction.
type Status struct {
	// Schema is the service's, Reaction its reaction's name.
	Schema    string            `json:"schema"`
	Reaction  string            `json:"reaction"`
	Position  eventlog.Position `json:"position"`
	LagEvents int64             `json:"lag_events"`
	State     string            `json:"state"`
	// Error is why it fails, and FailingSince when it began to.
	Error        string     `json:"error,omitempty"`
	FailingSince *time.Time `json:"failing_since,omitempty"`
	// DeadLetters are events that wait for an operator, Discarded those given up.
	DeadLetters int64 `json:"dead_letters"`
	Discarded   int64 `json:"discarded"`
	// SeenAt is when the running reaction last wrote down how it does.
	SeenAt *time.Time `json:"seen_at,omitempty"`
}

// Healthy reports whether nobody has to look at the reaction.
func (s Status) Healthy() bool {
	return (s.State == StateLive || s.State == StateCatchingUp) && s.DeadLetters == 0
}

// Querier is what a pool, a connection and a transaction have in common.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// A checkpoint of a former incarnation is as good as one of this, where the log has its
// place still: the reaction takes it along when it runs.
const statusSQL = `select service_schema, reaction, log::text,
       case when log = l.identity and place <= least(eventlog.bound_of(r.incarnation), eventlog.last_place()) then l.incarnation else r.incarnation end,
       place, alive, error, failing_since, updated_at, dead_letters, discarded
  from eventlog.reactions() r cross join eventlog.log l`

// ReadStatus reads how all reactions of all services do, against the log's head. The
// connection's role is a reader of the log.
func ReadStatus(ctx context.Context, q Querier, head eventlog.Position) ([]Status, error) {
	rows, err := q.Query(ctx, statusSQL)
	if err != nil {
		return nil, fmt.Errorf("read the status of the reactions: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Status, err error) {
		var log uuid.UUID
		var incarnation int32
		var place int64
		var alive bool
		err = row.Scan(&s.Schema, &s.Reaction, &log, &incarnation, &place, &alive, &s.Error, &s.FailingSince, &s.SeenAt, &s.DeadLetters, &s.Discarded)
		s.Position = eventlog.NewPosition(log, incarnation, place)
		s.judge(head, alive)
		return s, err
	})
}

func (s *Status) judge(head eventlog.Position, alive bool) {
	foreign := !s.Position.SameLog(head)
	s.LagEvents = head.Place()
	if !foreign {
		s.LagEvents = max(0, head.Place()-s.Position.Place())
	}
	switch {
	case foreign:
		s.State = StateForeign
	case !alive:
		s.State = StateStalled
	case s.FailingSince != nil:
		s.State = StateFailing
	case s.LagEvents > 0:
		s.State = StateCatchingUp
	default:
		s.State = StateLive
	}
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
	_, err := r.config.Pool.Exec(ctx, r.tables.beat, r.config.Name, ttl.Seconds(), failing, text)
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
