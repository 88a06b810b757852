package install

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// debiansPgBouncer is where Debian puts it, which is not on every PATH.
const debiansPgBouncer = "/usr/sbin/pgbouncer"

// PgBouncer makes sure that the pooler that tests run is installed, where root can with
// Debian's packages. Elsewhere the tests that need it say what to do.
func PgBouncer(ctx context.Context, progress io.Writer) error {
	if _, err := exec.LookPath("pgbouncer"); err == nil || os.Geteuid() != 0 {
		return nil
	}
	if _, err := os.Stat(debiansPgBouncer); err == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, aptWait)
	defer cancel()
	fmt.Fprintln(progress, "Installing PgBouncer for the tests (apt-get install pgbouncer) …")
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	return apt(ctx, "install", "-y", "--no-install-recommends", "pgbouncer")
}
