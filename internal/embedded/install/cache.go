package install

import (
	"fmt"
	"os"
	"path/filepath"
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
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w; set XDG_CACHE_HOME to a folder that you may write", err)
	}
	return dir, nil
}
