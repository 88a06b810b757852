// Package schema recognises a database that has no log.
package schema

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrMissing is returned when the database has no log.
var ErrMissing = errors.New("the log's tables are missing in this database: it is not migrated")

// Explain turns Postgres' "no such function" into what to do about it.
func Explain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "3F000" || pg.Code == "42883" || pg.Code == "42P01") {
		return fmt.Errorf("%w (%s)", ErrMissing, pg.Message)
	}
	return err
}
