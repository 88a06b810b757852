package eventlog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ProveOn goes on with the proof under way over conn, without a look before it, and
// returns the place that is settled then.
func ProveOn(ctx context.Context, l *Log, conn *pgxpool.Conn, end int64) (settled int64, err error) {
	err = l.settler.Prove(ctx, conn, end)
	return l.settler.Settled(), err
}

// LookedNow makes the log believe that its end was looked at just now.
func LookedNow(l *Log) { l.settler.Looked(time.Now()) }
