package install

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

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
	return path, npmInstallation{
		name: "ClickHouse as a library", size: "libchdb " + ChdbVersion + ", about 180 MB, once per user",
		spec: c.pack.name + "@" + ChdbVersion, integrity: c.pack.integrity,
		dir: filepath.Dir(path), probe: path, family: "libchdb", bytesMin: chdbSpaceBytesMin,
		unpack: func(tarball, folder string) error {
			return extract(tarball, "package/libchdb.so", filepath.Join(folder, filepath.Base(path)))
		},
		alternative: chdbAlternative, progress: c.progress,
	}.install(ctx)
}

// possible refuses at once what no download could mend.
func (c chdb) possible(dir string) error {
	if c.pack.name == "" {
		return fmt.Errorf("there is no libchdb for %s: %s, or %s", c.platform, clickHouseProgramHint(), chdbAlternative)
	}
	if c.pack.integrity == "" {
		return fmt.Errorf("no hash is pinned yet for libchdb on %s: %s, or check `npm pack %s@%s` yourself and unpack its libchdb.so into %s, or %s",
			c.platform, clickHouseProgramHint(), c.pack.name, ChdbVersion, dir, chdbAlternative)
	}
	return nil
}
