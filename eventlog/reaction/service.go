package reaction

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
)

// Service is a service that appends events, as those who watch it see it.
type Service struct {
	Name string
	// Role is the Postgres role that Pool connects as.
	Role string
	Pool *pgxpool.Pool
	Log  *eventlog.Log
	// Reactor is nil where the service reacts to nothing.
	Reactor *Reactor
}
