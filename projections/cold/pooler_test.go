package cold

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/pooler"
)

// A lock that a server process of a sharing pooler holds would be everybody's: the
// projector ends with the reason instead of retrying.
func TestAProjectorRefusesASharingPooler(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pool, err := pgxpool.New(bounded(t), b.db.PgBouncer(t, "transaction", "", "readside_projector")("readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	p := b.open(func(c *Config) { c.Pool = pool })
	if err := p.Run(bounded(t)); !pooler.Refused(err) {
		t.Errorf("it ended with %v", err)
	}
}
