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
	partialPrefix    = "partial-libchdb-"
)

// errIntegrity says that a package is not the pinned one.
var errIntegrity = errors.New("the package's sha512 is not the pinned one")

// chdb installs one libchdb; the fields are what its tests replace.
type chdb struct {
	platform string
	pack     chdbPackage
	progress io.Writer
}

// Chdb makes sure that libchdb is installed and returns its path.
func Chdb(ctx context.Context, progress io.Writer) (string, error) {
	if path, err := FindChdb(); err == nil || os.Getenv(chdbVariable) != "" {
		return path, err
	}
	platform := chdbPlatform()
	return chdb{platform: platform, pack: chdbPackages[platform], progress: progress}.install(ctx)
}

func (c chdb) install(ctx context.Context) (string, error) {
	path, err := chdbPath(c.platform)
	if err != nil {
		return "", err
	}
	if err := c.possible(filepath.Dir(path)); err != nil {
		return "", err
	}
	cache := filepath.Dir(filepath.Dir(path))
	lock, err := filelock.Wait(ctx, filepath.Join(cache, "libchdb.lock"))
	if err != nil {
		return "", err
	}
	defer lock.Release()
	if _, err := os.Stat(path); err == nil {
		return path, nil // another set-up was faster
	}
	if err := removePartial(cache); err != nil {
		return "", err
	}
	if err := enoughSpace(cache, chdbSpaceBytesMin); err != nil {
		return "", err
	}
	return path, c.fetch(ctx, path)
}

// possible refuses at once what no download could mend.
func (c chdb) possible(dir string) error {
	if c.pack.name == "" {
		return fmt.Errorf("there is no libchdb for %s: %s", c.platform, chdbAlternative)
	}
	if c.pack.integrity == "" {
		return fmt.Errorf("no hash is pinned yet for libchdb on %s: check `npm pack %s@%s` yourself and unpack its libchdb.so into %s, or %s",
			c.platform, c.pack.name, ChdbVersion, dir, chdbAlternative)
	}
	return needNpm()
}

// removePartial deletes what killed set-ups left; the lock says that none runs.
func removePartial(cache string) error {
	stale, err := filepath.Glob(filepath.Join(cache, partialPrefix+"*"))
	for _, dir := range stale {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// fetch tries the download a few times and puts the library in its place at last.
func (c chdb) fetch(ctx context.Context, path string) error {
	started := time.Now()
	var err error
	for try := 1; try <= downloadTriesMax && ctx.Err() == nil; try++ {
		fmt.Fprintf(c.progress, "Fetching ClickHouse as a library (libchdb %s, about 180 MB, once per user), try %d of %d …\n", ChdbVersion, try, downloadTriesMax)
		if err = c.fetchOnce(ctx, path); err == nil {
			fmt.Fprintf(c.progress, "ClickHouse is installed in %s (%.0f s).\n", path, time.Since(started).Seconds())
			return nil
		}
		fmt.Fprintf(c.progress, "That failed: %v\n", err)
	}
	return fmt.Errorf("fetch libchdb: %w; run `make setup` again, or %s", errors.Join(err, ctx.Err()), chdbAlternative)
}

func (c chdb) fetchOnce(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, downloadWait)
	defer cancel()
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Dir(path)), partialPrefix)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	tarball, err := npmPack(ctx, dir, c.pack.name+"@"+ChdbVersion)
	if err != nil {
		return err
	}
	if err := checkIntegrity(tarball, c.pack.integrity); err != nil {
		return err
	}
	whole := filepath.Join(dir, "whole")
	if err := os.Mkdir(whole, 0o755); err != nil {
		return err
	}
	if err := extract(tarball, "package/libchdb.so", filepath.Join(whole, filepath.Base(path))); err != nil {
		return err
	}
	return os.Rename(whole, filepath.Dir(path))
}
