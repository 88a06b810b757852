// Package install finds the Postgres and the ClickHouse library that Readside runs
// by itself, and installs what is missing.
//
// Postgres is the machine's own package. ClickHouse is libchdb, fetched once per
// user through npm into the cache folder, at a pinned version whose hash is pinned
// too, or a `clickhouse` program on PATH where no libchdb is pinned. An interrupted set-up leaves nothing that a later one would take for whole,
// and two at once wait for each other. What cannot be installed is told in one
// message, with the command that would and the alternative.
package install

import (
	"context"
	"errors"
	"io"
	"os"
)

// All installs what is missing for both stores and tells every problem at once. A
// store that the environment names is the user's own and nothing is installed for it,
// unless a version of Postgres is asked for.
func All(ctx context.Context, progress io.Writer, postgres string) error {
	var problems []error
	if os.Getenv("READSIDE_POSTGRES_URL") == "" || postgres != "" {
		_, err := Postgres(ctx, progress, postgres)
		problems = append(problems, err)
	}
	if os.Getenv("READSIDE_CLICKHOUSE_URL") == "" {
		problems = append(problems, SetupClickHouse(ctx, progress))
	}
	return errors.Join(problems...)
}
