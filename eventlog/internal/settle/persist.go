package settle

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// persistEvery is how often the settled place is written down, at most.
const persistEvery = 2 * time.Second

// persist writes the settled place down every so often, where the role may: it
// saves the next process a proof, nothing more, so that its failure is no error.
func (s *Settler) persist(ctx context.Context, conn *pgxpool.Conn) {
	place := s.settled.Load()
	if place <= s.persisted || time.Since(s.persistedAt) < persistEvery {
		return
	}
	s.persistedAt = time.Now()
	if s.mayPersist == nil {
		var may bool
		err := conn.QueryRow(ctx, `select has_function_privilege('eventlog.settle(bigint)', 'execute')`).Scan(&may)
		if err != nil {
			return
		}
		s.mayPersist = &may
	}
	if !*s.mayPersist {
		return
	}
	if _, err := conn.Exec(ctx, `select eventlog.settle($1)`, place); err == nil {
		s.persisted = place
	}
}
