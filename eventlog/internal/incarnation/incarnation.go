// Package incarnation reads which log is in a database, and in which incarnation: it begins
// a new one wherever it is started from a copy (a promoted standby, a restore, a dump).
package incarnation

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog/internal/schema"
)

// Querier is what Pool, Conn and Tx have in common.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Incarnation is one of a log.
type Incarnation struct {
	Log    uuid.UUID
	Number int32
	// bounds are, of each former incarnation, the last place that the log still has of it.
	bounds map[int32]int64
}

// Bound returns the last place that the log still has of a former incarnation, and reports
// whether the log comes from it.
func (i *Incarnation) Bound(former int32) (place int64, known bool) {
	place, known = i.bounds[former]
	return place, known
}

const boundsStatement = `select coalesce(array_agg(i.incarnation), '{}'), coalesce(array_agg(eventlog.bound_of(i.incarnation)), '{}')
  from eventlog.incarnations i where i.incarnation <> $1`

// Open opens the log on the server: it may begin a new incarnation there.
func Open(ctx context.Context, q Querier) (*Incarnation, error) {
	here := &Incarnation{bounds: map[int32]int64{}}
	var formers []int32
	var bounds []int64
	// The function runs before the incarnations are read, in a statement of its own.
	err := q.QueryRow(ctx, `select identity::text, incarnation from eventlog.open_log()`).Scan(&here.Log, &here.Number)
	if err == nil {
		err = q.QueryRow(ctx, boundsStatement, here.Number).Scan(&formers, &bounds)
	}
	if err != nil {
		return nil, schema.Explain(err)
	}
	for i, former := range formers {
		here.bounds[former] = bounds[i]
	}
	return here, nil
}

// findStatement reads what becomes of a place of an incarnation. A place is there as long as
// its event is, or was archived: what a client was told of stands at a place with an event.
const findStatement = `
select l.identity::text, l.incarnation, coalesce(eventlog.bound_of($1), $2) >= $2
       and ($2 < l.kept_from or exists (select from eventlog.events e where e.position = $2))
  from eventlog.log l where l.identity is not null`

// Find returns the incarnation that is in a database, without opening the log, and reports
// whether it has a place of a former one. Its error is pgx.ErrNoRows where the log was never
// opened.
func Find(ctx context.Context, q Querier, former int32, place int64) (here Incarnation, there bool, err error) {
	err = q.QueryRow(ctx, findStatement, former, place).Scan(&here.Log, &here.Number, &there)
	return here, there, schema.Explain(err)
}
