package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// errDefinition marks errors that trying again does not mend.
var errDefinition = errors.New("projector")

// explain marks Postgres' "no such table", which trying again does not mend.
func explain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "3F000" || pg.Code == "42P01") {
		return fmt.Errorf("%w: %w", errDefinition, err)
	}
	return err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
