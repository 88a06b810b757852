package embedded

import (
	"context"
	"io"

	"github.com/readside/readside/internal/embedded/install"
)

// Setup installs what the embedded stores need and is missing; it tells its steps
// on progress. When nothing is missing it does nothing.
func Setup(ctx context.Context, progress io.Writer) error {
	return install.All(ctx, progress)
}
