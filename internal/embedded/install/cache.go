package install

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// CacheDir is where what is made or fetched once per user is kept.
func CacheDir() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) {
		var err error
		if base, err = os.UserCacheDir(); err != nil { // no HOME either
			base = filepath.Join(os.TempDir(), fmt.Sprintf("cache-%d", os.Getuid()))
		}
	}
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

// ownFolder refuses a folder that someone else put there: programs are run from it.
func ownFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, known := info.Sys().(*syscall.Stat_t); known && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user (uid %d)", dir, owner.Uid)
	}
	return nil
}
