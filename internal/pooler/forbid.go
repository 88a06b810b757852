package pooler

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// Forbid makes connections of a configuration fail with an *Error where they share
// their server processes. It looks before whatever else validates the connection, which
// may change the session. Once one connection was found well, later ones are taken to
// be like it: they cost one look less.
func Forbid(config *pgconn.Config) {
	var well atomic.Bool
	before := config.ValidateConnect
	plain := config.Copy()
	plain.ValidateConnect = nil
	config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if !well.Load() {
			mode, err := Detect(ctx, conn, opening(plain))
			if err != nil {
				return err
			}
			if mode == Transaction {
				return refused()
			}
			well.Store(true)
		}
		if before == nil {
			return nil
		}
		return before(ctx, conn)
	}
}
