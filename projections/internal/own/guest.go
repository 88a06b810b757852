package own

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/fold"
)

// Guest writes rows of a projector whose lease it does not hold: in a transaction that locks
// the projector's row first and raises the epoch.
type Guest struct {
	Conn *pgx.Conn
	// Turn is replaced whole by Lock and Look.
	Turn *fold.Turn

	cfg     *Config
	session *pipeline.Session
}

// NewGuest makes a guest that writes over conn.
func NewGuest(cfg *Config, conn *pgx.Conn) *Guest { return &Guest{cfg: cfg, Conn: conn} }

// guestPause ends the transaction of a guest that does nothing, such as a stopped
// process: everybody waits for it.
const guestPause = `set local idle_in_transaction_session_timeout = '1min'`

// Lock begins the guest's transaction: it locks the projector's row, and only
// then reads where everything stands. (At this level every statement sees what was
// committed before it, whatever the role's default is.)
func (g *Guest) Lock(ctx context.Context) error {
	for _, sql := range []string{"begin isolation level read committed", guestPause} {
		if _, err := g.Conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return g.look(ctx, control.ForChange)
}

// Look reads where the projector stands, without a lock.
func (g *Guest) Look(ctx context.Context) error { return g.look(ctx, "") }

func (g *Guest) look(ctx context.Context, lock string) error {
	name := g.cfg.Projector.Name
	epoch, err := control.ReadEpoch(ctx, g.Conn, name, lock)
	if err != nil {
		return err
	}
	if err := control.CheckBuilt(ctx, g.Conn, name); err != nil {
		return err
	}
	g.Turn, g.session, err = g.cfg.openTurn(ctx, g.Conn, g.session, epoch)
	return err
}

// Rollback ends the guest's transaction where one is open.
func (g *Guest) Rollback(ctx context.Context) {
	if !g.Conn.IsClosed() {
		_, _ = g.Conn.Exec(ctx, "rollback")
	}
}
