package control

import (
	"errors"

	"github.com/readside/readside/internal/session"
)

// Cause names in a word what is wrong, for alarms. A State is a cause, too.
type Cause string

// The causes that are no state of a worker.
const (
	PostgresUnreachable   Cause = "postgres_unreachable"   // it does not answer, or not in time
	PostgresRefuses       Cause = "postgres_refuses"       // a right, role, table or database is missing, or another application's
	PostgresConnections   Cause = "postgres_connections"   // it takes no more connections
	PostgresFull          Cause = "postgres_full"          // it is out of disk or memory
	ClickHouseUnreachable Cause = "clickhouse_unreachable" // it does not answer, or not in time
	ClickHouseRefuses     Cause = "clickhouse_refuses"     // it returns an error
	NotThere              Cause = "not_there"              // nobody has begun to work yet
	Parked                Cause = "parked"                 // events wait for an operator
	DeadLetters           Cause = "dead_letters"           // events that reactions could not handle
	Differs               Cause = "differs"                // continuous verification found a row that is not what the log gives
	NotCompared           Cause = "not_compared"           // continuous verification cannot fold what it is to compare
)

// Degraded reports whether everything continues in spite of it, and names itself what is
// missing or wrong in what it gives. Degraded causes leave /readyz ready: one event or one
// row must not take all readers out of a load balancer.
func (c Cause) Degraded() bool {
	return c == Parked || c == DeadLetters || c == Differs || c == NotCompared
}

// CauseOf is the cause that an error of Postgres, or of the way to it, points to.
func CauseOf(err error) Cause {
	class, code := session.ClassOf(err)
	var refused *session.Error
	switch {
	case errors.As(err, &refused):
		return PostgresRefuses
	case code == "53300":
		return PostgresConnections
	case code == "53100" || code == "53200":
		return PostgresFull
	case class == session.Permanent:
		return PostgresRefuses
	}
	return PostgresUnreachable
}
