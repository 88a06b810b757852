package queryapi

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/control"
)

// Ledger reads the watermarks that the cold projector publishes in Postgres.
type Ledger struct {
	pool    *pgxpool.Pool
	holders holders
}

// NewLedger makes a Ledger over a pool that may read readside.cold_watermarks.
func NewLedger(pool *pgxpool.Pool) *Ledger { return &Ledger{pool: pool} }

// The documented views read the shown generation, so its watermark is theirs. A reader that
// writes facts holds a lock, which a standby does not show: there it is judged by what it moves.
var watermarksSQL = `
select w.fact, c.log, c.incarnation, w.place, w.updated_at, greatest(w.updated_at, c.updated_at), c.state,
       coalesce(c.log = l.identity and c.incarnation = l.incarnation, l.identity is null),
       ` + control.ColdHeldSQL + `,
       coalesce((select e.position from eventlog.events e order by e.position desc limit 1), 0),
       ` + eventlog.WaitingSQL(`w.place`) + `,
       now(), ` + control.ReplicaSQL + `,
       case when w.updated_at < now() - ` + holdersAfter + ` and not pg_is_in_recovery() then` + holdersSQL + `end,
       (select count(*) from (select from readside.cold_parked k where k.projector = c.name and k.generation = w.generation
                                 and k.fact = w.fact and k.state <> 'discarded' limit 1000) parked),
       exists (select from readside.verified v where v.projector = c.name and v.kind = 'fact' and v.name = w.fact and v.generation = w.generation and v.found_at is not null)
  from readside.cold_watermarks w
  join readside.cold_checkpoint c on c.name = w.projector and c.shown_generation = w.generation
 cross join eventlog.log l
 where w.fact = any($1)
 order by w.fact`

// Watermarks returns those of the facts named by tables.
func (l *Ledger) Watermarks(ctx context.Context, tables []string) ([]*Watermark, error) {
	rows, err := l.pool.Query(ctx, watermarksSQL, tables)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var marks []*Watermark
	for rows.Next() {
		var (
			m           Watermark
			log         uuid.UUID
			incarnation int32
			waiting     *time.Duration
			holding     []string
			facts       = control.Facts{Kind: control.Cold}
		)
		fields := []any{&m.Table, &log, &incarnation, &facts.Place, &m.At, &facts.Moved, &facts.State, &facts.SameLog, &facts.WorkedFor,
			&facts.Head, &waiting, &facts.Now}
		if err := rows.Scan(append(append(fields, facts.Replica.Fields()...), &holding, &m.Parked, &m.Differs)...); err != nil {
			return nil, err
		}
		m.At = m.At.UTC()
		m.Position = eventlog.NewPosition(log, incarnation, facts.Place)
		if waiting != nil {
			facts.WaitingSince = facts.Now.Add(-*waiting)
		}
		facts.HeldBack = l.holders.see(facts.Now, holding)
		judged := control.Judge(facts)
		m.State, m.reason = strings.ToUpper(string(judged.State)), judged.Reason
		marks = append(marks, &m)
	}
	return marks, rows.Err()
}
