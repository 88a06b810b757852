package queryapi

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
)

// Ledger reads the watermarks that the cold projector publishes in Postgres.
type Ledger struct{ pool *pgxpool.Pool }

// NewLedger makes a Ledger over a pool that may read readside.cold_watermarks.
func NewLedger(pool *pgxpool.Pool) *Ledger { return &Ledger{pool: pool} }

// The documented views read the shown generation, so its watermark is theirs. Whoever
// writes facts holds a lock.
const watermarksSQL = `
select w.fact, c.log, c.incarnation, w.place, w.updated_at,
       case when c.state = 'halted'
              or exists (select from pg_locks k where k.locktype = 'advisory' and k.objsubid = 1 and k.granted
                           and k.database = (select d.oid from pg_database d where d.datname = current_database())
                           and (k.classid::bigint << 32 | k.objid::bigint) = hashtextextended('readside.cold:' || c.name, 0))
            then c.state else 'stalled' end,
       (select count(*) from (select from readside.cold_parked k where k.projector = c.name and k.generation = w.generation
                                 and k.fact = w.fact and k.state <> 'discarded' limit 1000) parked)
  from readside.cold_watermarks w
  join readside.cold_checkpoint c on c.name = w.projector and c.shown_generation = w.generation
 where w.fact = any($1)
 order by w.fact`

// Watermarks answers those of the facts named by tables.
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
			place       int64
		)
		if err := rows.Scan(&m.Table, &log, &incarnation, &place, &m.At, &m.State, &m.Parked); err != nil {
			return nil, err
		}
		m.Position = eventlog.NewPosition(log, incarnation, place)
		m.State = strings.ToUpper(m.State)
		marks = append(marks, &m)
	}
	return marks, rows.Err()
}
