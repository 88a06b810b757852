package pooler

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// soundKey marks connections that were found to have a server process of their own, so
// that nobody looks at one twice.
const soundKey = "readside.own_process"

// Forbid makes connections of a configuration fail with an *Error where they share
// their server processes. It looks before whatever else validates the connection, which
// may change the session. Once one connection was found well, later ones are taken to
// be like it: they cost one look less.
func Forbid(config *pgconn.Config) {
	var well atomic.Bool
	before := config.ValidateConnect
	plain := config.Copy()
	plain.ValidateConnect, plain.AfterConnect = nil, nil
	config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if !well.Load() {
			if err := check(ctx, conn, plain); err != nil {
				return err
			}
			well.Store(true)
		}
		conn.CustomData()[soundKey] = true
		if before == nil {
			return nil
		}
		return before(ctx, conn)
	}
}
