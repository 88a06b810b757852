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
