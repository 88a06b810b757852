package session

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/pooler"
)

// Class is what an error of Postgres asks of the caller.
type Class int

const (
	// None is no error of Postgres: the network's, the program's, or none at all.
	None Class = iota
	// Transient errors pass: the server restarts, has no room, or let another transaction
	// go first. The same statement may succeed later.
	Transient
	// Data errors are of the values: the same statement fails with them for ever.
	Data
	// Constraint errors are of what is stored already.
	Constraint
	// Permanent errors do not pass until somebody mends the database, its rights or the
	// program: a missing table, a missing right, a wrong password. To try again is of use
	// only to a program that says meanwhile what is wrong.
	Permanent
)

func (c Class) String() string {
	return [...]string{"none", "transient", "data", "constraint", "permanent"}[c]
}

// classes are the SQLSTATEs by their longest beginning that is listed.
var classes = map[string]Class{
	"08":    Transient,  // connection
	"0A":    Permanent,  // feature not supported
	"22":    Data,       // data exception
	"22023": Permanent,  // invalid parameter value: a role that is not there
	"23":    Constraint, // integrity constraint violation
	"25":    Permanent,  // invalid transaction state
	"25006": Permanent,  // read only transaction
	"25P03": Transient,  // idle in transaction for too long
	"25P04": Transient,  // transaction for too long
	"26":    Transient,  // a prepared statement that is gone: of another server process
	"28":    Permanent,  // invalid authorization
	"3D":    Permanent,  // no such database
	"3F":    Permanent,  // no such schema
	"40":    Transient,  // rolled back for another transaction's sake
	"42":    Permanent,  // syntax error, missing right, table or column
	"44":    Constraint, // with check option
	"53":    Transient,  // out of connections, memory or disk
	"54":    Data,       // a value or statement over a limit of the server
	"55":    Transient,  // object not in the state needed, lock not available
	"57":    Transient,  // operator's intervention
	"57P04": Permanent,  // the database was dropped
	"58":    Transient,  // system error
	"F0":    Permanent,  // configuration file
	"XX":    Transient,  // internal error
}

// ClassOf is the class of an error of Postgres, and its code; None for others. A code
// that is not listed is Permanent: nobody knows that it passes.
func ClassOf(err error) (Class, string) {
	var refused *Error
	if errors.As(err, &refused) || pooler.Refused(err) {
		return Permanent, ""
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return None, ""
	}
	for _, length := range []int{5, 2} {
		if class, listed := classes[pg.Code[:min(length, len(pg.Code))]]; listed {
			return class, pg.Code
		}
	}
	return Permanent, pg.Code
}
