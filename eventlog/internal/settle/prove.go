package settle

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog/internal/life"
)

// holdersStatement is step 2. It has to see the locks after lookStatement saw the log.
const holdersStatement = `
select ` + life.Columns + `, coalesce(array_agg(h.virtualtransaction), '{}')
  from pg_locks h
 where h.locktype = 'relation' and h.relation = 'eventlog.events'::regclass
   and h.database = (select d.oid from pg_database d where d.datname = current_database())
   and h.mode = 'RowExclusiveLock' and h.granted`

// proof waits for the holders seen after the log's end was at target.
type proof struct {
	target  int64
	holders []string
}

// Prove goes on with the proof under way over a connection, without a look before it.
func (s *Settler) Prove(ctx context.Context, conn *pgxpool.Conn, end int64) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	return s.prove(ctx, conn, end)
}

// prove goes on with the proof under way, or begins one for end. The holders are
// seen after end was, so that one look serves the old proof and the new.
func (s *Settler) prove(ctx context.Context, conn *pgxpool.Conn, end int64) error {
	var scan life.Scan
	var holders []string
	if err := conn.QueryRow(ctx, holdersStatement).Scan(&scan.Postmaster, &scan.Statistics, &holders); err != nil {
		return fmt.Errorf("look who is appending: %w", err)
	}
	if scan.Life() != *s.life.Load() { // begin anew with the next look
		s.proof = nil
		return nil
	}
	if s.proof != nil {
		s.proof.holders = slices.DeleteFunc(s.proof.holders, func(h string) bool { return !slices.Contains(holders, h) })
		if len(s.proof.holders) > 0 {
			return nil
		}
		s.raise(s.proof.target)
		s.proof = nil
	}
	switch {
	case s.settled.Load() >= end:
	case len(holders) == 0:
		s.raise(end)
	default:
		s.proof = &proof{target: end, holders: holders}
	}
	return nil
}

// Waiting returns the virtual transactions that the proof under way waits for.
func (s *Settler) Waiting(ctx context.Context) ([]string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if s.proof == nil {
		return nil, nil
	}
	return slices.Clone(s.proof.holders), nil
}
