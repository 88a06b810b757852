package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CacheDir is where what is made or fetched once per user is kept.
func CacheDir() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if filepath.IsAbs(base) {
		return ownedDir(base)
	}
	if base, err := os.UserCacheDir(); err == nil {
		return ownedDir(base)
	}
	// No HOME either. The temporary folder is everybody's: another user may have made
	// this one, and could put another in its place.
	base = filepath.Join(os.TempDir(), fmt.Sprintf("cache-%d", os.Getuid()))
	if err := os.Mkdir(base, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the cache folder: %w; set XDG_CACHE_HOME to a folder of yours", err)
	}
	info, err := os.Lstat(base)
	if err == nil {
		err = owned(base, info)
	}
	if err != nil {
		return "", fmt.Errorf("make the cache folder: %w; set XDG_CACHE_HOME to a folder of yours", err)
	}
	return ownedDir(base)
}

// rootPrograms is the cache of programs that root fetches and another account runs:
// that account may not enter root's home.
const rootPrograms = "/var/cache"

// programsDir is where fetched programs are kept that Postgres's account runs.
func programsDir() (string, error) {
	if os.Geteuid() == 0 && !filepath.IsAbs(os.Getenv("XDG_CACHE_HOME")) {
		return ownedDir(rootPrograms)
	}
	return CacheDir()
}

// ownedDir makes our folder in base.
func ownedDir(base string) (string, error) {
	dir := filepath.Join(base, "readside")
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = ownFolder(dir)
	}
	if err != nil {
		return "", fmt.Errorf("make the cache folder: %w; set XDG_CACHE_HOME to a folder of yours", err)
	}
	return dir, nil
}

// ownFolder refuses a folder that another user put there: programs are run from it.
func ownFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return owned(dir, info)
}

func owned(dir string, info fs.FileInfo) error {
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if owner, known := info.Sys().(*syscall.Stat_t); known && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user (uid %d)", dir, owner.Uid)
	}
	return nil
}
