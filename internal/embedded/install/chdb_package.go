package install

import (
	"fmt"
	"os"
	"path/filepath"
)

// ChdbVersion is the version of libchdb that the embedded ClickHouse is written for.
const ChdbVersion = "26.7.3-stable.1"

// What one installation needs for a moment: the package, npm's copy of it and the
// library that comes out.
const chdbSpaceBytesMin = 1_100_000_000

// chdbPackage is the npm package that carries libchdb for one platform.
type chdbPackage struct {
	name string
	// integrity is the pinned hash of the package in npm's notation. Where it is
	// empty the package is not fetched: native code of unknown content is not run.
	integrity string
}

// chdbPackages are those of ChdbVersion by platform.
var chdbPackages = map[string]chdbPackage{
	"linux-x64-gnu": {
		name:      "@chdb/lib-linux-x64-gnu",
		integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
	},
	"linux-arm64-gnu": {name: "@chdb/lib-linux-arm64-gnu"},
	"darwin-arm64":    {name: "@chdb/lib-darwin-arm64"},
	"darwin-x64":      {name: "@chdb/lib-darwin-x64"},
}

// chdbVariable names a libchdb to use in place of the installed one.
const chdbVariable = "READSIDE_CHDB_LIB"

// FindChdb is the path of libchdb, or an error that says how to get it.
func FindChdb() (string, error) {
	if path := os.Getenv(chdbVariable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s: %w; unset it to use the pinned library", chdbVariable, err)
		}
		return path, nil
	}
	path, err := chdbPath(chdbPlatform())
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the ClickHouse library %s is not installed: run `make setup`, or %s", path, chdbAlternative)
	}
	return path, nil
}

const chdbAlternative = "set " + chdbVariable + " to a libchdb of version " + ChdbVersion +
	", or READSIDE_CLICKHOUSE_URL to a ClickHouse server of yours (25 or newer)"

func chdbPath(platform string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "libchdb-"+ChdbVersion+"-"+platform, "libchdb.so"), nil
}
