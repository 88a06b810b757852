package control

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrMoved is returned when the checkpoint is not where the batch was read from.
var ErrMoved = errors.New("the checkpoint was moved by another worker")

// ErrFenced is returned when the rows are not this worker's to write any more: another took
// over, or an operator repaired rows and raised the epoch.
var ErrFenced = errors.New("another worker took over, or rows were repaired by an operator")

// ErrOwned is returned when another worker holds the lease and the caller asked not to wait.
var ErrOwned = errors.New("another process works at it")

// ErrNoProjector is returned for a projector that has no checkpoint.
var ErrNoProjector = errors.New("no worker has run with these definitions")

// ErrNotLive is returned for a view that cannot be rebuilt or verified before its first
// build has ended.
var ErrNotLive = errors.New("no live generation yet")

// ErrDefinition marks errors that trying again does not repair.
var ErrDefinition = errors.New("projector")

// Explain marks Postgres' "no such table" as an ErrDefinition.
func Explain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "3F000" || pg.Code == "42P01") {
		return fmt.Errorf("%w: %w", ErrDefinition, err)
	}
	return err
}

// maxErrorBytes bounds what is stored of an error's text.
const maxErrorBytes = 2_000

// FirstLine returns an error's first line as Postgres takes it: at most 2,000 bytes of
// valid UTF-8 without NUL.
func FirstLine(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	line = strings.ToValidUTF8(strings.ReplaceAll(line, "\x00", "\uFFFD"), "\uFFFD")
	if len(line) > maxErrorBytes {
		line = strings.ToValidUTF8(line[:maxErrorBytes], "") + "…"
	}
	return line
}
