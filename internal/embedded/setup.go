package embedded

import (
	"context"
	"errors"
	"io"

	"github.com/readside/readside/internal/embedded/install"
)

// Setup installs what the embedded stores need and is missing; it tells its steps
// on progress. When nothing is missing it does nothing. Postgres is a major version
// such as "17", or empty for the machine's own.
func Setup(ctx context.Context, progress io.Writer, postgres string) error {
	return install.All(ctx, progress, postgres)
}

// SetupPostgres makes sure that a version of Postgres is installed.
func SetupPostgres(ctx context.Context, progress io.Writer, version string) error {
	_, err := install.Postgres(ctx, progress, version)
	return err
}

// SetupClickHouse makes sure that the ClickHouse library, or a ClickHouse, is installed.
func SetupClickHouse(ctx context.Context, progress io.Writer) error {
	return install.SetupClickHouse(ctx, progress)
}

// SetupStores installs what stores of our own need, whatever the environment names.
func SetupStores(ctx context.Context, progress io.Writer, postgres string) error {
	return errors.Join(SetupPostgres(ctx, progress, postgres), SetupClickHouse(ctx, progress))
}
