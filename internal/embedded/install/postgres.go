package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// aptWait bounds Debian's installation of Postgres.
const aptWait = 15 * time.Minute

// createClusterFile tells Debian's package whether to make and start a cluster of
// its own. Readside needs the programs only.
const createClusterFile = "/etc/postgresql-common/createcluster.conf"

// Postgres makes sure that the Postgres server's programs are installed and
// returns their folder.
func Postgres(ctx context.Context, progress io.Writer) (string, error) {
	if bin, err := FindPostgres(); err == nil {
		return bin, nil
	}
	if os.Geteuid() != 0 {
		return "", ErrNoPostgres
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", ErrNoPostgres
	}
	if err := aptInstallPostgres(ctx, progress, createClusterFile); err != nil {
		return "", fmt.Errorf("install Postgres: %w; or set READSIDE_POSTGRES_URL to a server of yours", err)
	}
	return FindPostgres()
}

func aptInstallPostgres(ctx context.Context, progress io.Writer, noCluster string) error {
	ctx, cancel := context.WithTimeout(ctx, aptWait)
	defer cancel()
	fmt.Fprintln(progress, "Installing Postgres (apt-get install postgresql) …")
	undo, err := forbidCluster(noCluster)
	if err != nil {
		return err
	}
	defer undo()
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	// confold: our answer about the cluster stays, without a question.
	err = apt(ctx, "install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "postgresql")
	if err == nil {
		fmt.Fprintln(progress, "Postgres is installed.")
	}
	return err
}

// forbidCluster writes the file unless the machine's owner has one.
func forbidCluster(path string) (undo func(), err error) {
	if _, err := os.Stat(path); err == nil {
		return func() {}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, []byte("create_main_cluster = false\n"), 0o644); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(path) }, nil
}

func apt(ctx context.Context, args ...string) error {
	const outputBytesMax = 2000
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	// Interrupted, it may still bring its database in order.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(out))
	text = text[max(0, len(text)-outputBytesMax):]
	return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), errors.Join(err, ctx.Err()), text)
}
