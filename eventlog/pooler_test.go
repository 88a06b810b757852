package eventlog_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/pooler"
)

// What a Log knows of its sessions (the server's life, who holds it back) is of server
// processes that a sharing pooler would change under it. A program that opens a pool by
// itself is told, too.
func TestOpenRefusesASharingPooler(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	for mode, refused := range map[string]bool{"session": false, "transaction": true} {
		pool, err := pgxpool.New(t.Context(), db.PgBouncer(t, mode, "", "readside_projector")("readside_projector"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := eventlog.Open(t.Context(), pool); pooler.Refused(err) != refused || refused != (err != nil) {
			t.Errorf("through a pool in %s mode: %v", mode, err)
		}
		pool.Close()
	}
}
