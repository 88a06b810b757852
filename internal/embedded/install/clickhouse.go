package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
)

// clickHouseMajorMin is the oldest ClickHouse that the driver and the facts work with.
const clickHouseMajorMin = 25

// ClickHouse is what serves as the embedded ClickHouse: the library, or a program.
type ClickHouse struct {
	Library string // the path of libchdb
	Program string // the path of `clickhouse`, where there is no library
}

// SetupClickHouse makes sure that a ClickHouse can be embedded. Where libchdb has no pinned
// build for this platform, a `clickhouse` program on PATH serves, and nothing is fetched.
func SetupClickHouse(ctx context.Context, progress io.Writer) error {
	if _, err := FindClickHouse(); err == nil {
		return nil
	}
	_, err := Chdb(ctx, progress)
	return err
}

// FindClickHouse returns libchdb, or else, where it has no pinned build for this platform,
// the `clickhouse` program on PATH.
func FindClickHouse() (ClickHouse, error) {
	return clickHouseFinder{pinned: chdbPackages[chdbPlatform()].integrity != "", library: FindChdb, program: clickHouseProgram}.find()
}

// clickHouseFinder finds one; the fields are what its tests replace.
type clickHouseFinder struct {
	pinned           bool // libchdb can be fetched here
	library, program func() (string, error)
}

func (f clickHouseFinder) find() (ClickHouse, error) {
	library, libraryErr := f.library()
	if libraryErr == nil {
		return ClickHouse{Library: library}, nil
	}
	if f.pinned || os.Getenv(chdbVariable) != "" {
		return ClickHouse{}, libraryErr
	}
	program, err := f.program()
	if err != nil {
		return ClickHouse{}, errors.Join(err, libraryErr)
	}
	return ClickHouse{Program: program}, nil
}

// clickHouseProgram finds the program as its installer or Homebrew leaves it.
func clickHouseProgram() (string, error) {
	path, err := exec.LookPath("clickhouse")
	if err != nil {
		return "", fmt.Errorf("there is no ClickHouse for %s/%s: %s", runtime.GOOS, runtime.GOARCH, clickHouseAlternative())
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	return path, CheckClickHouse(path)
}

func clickHouseAlternative() string {
	return clickHouseProgramHint() + ", or set READSIDE_CLICKHOUSE_URL to a ClickHouse server of yours (25 or newer)"
}

// clickHouseProgramHint says how to get a program.
func clickHouseProgramHint() string {
	get := "`curl https://clickhouse.com/ | sh`, and move `clickhouse` to a folder on PATH"
	if runtime.GOOS == "darwin" {
		get = "`brew install --cask clickhouse`"
	}
	return "install the program `clickhouse` (" + get + ")"
}

// "ClickHouse local version 26.7.1.1 (official build)."
var clickHouseVersion = regexp.MustCompile(`version (\d+)\.`)

// CheckClickHouse returns an error for a program that is no ClickHouse, or too old.
func CheckClickHouse(path string) error {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w: %s", path, err, clickHouseAlternative())
	}
	found := clickHouseVersion.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("%s does not say that it is a ClickHouse, but %q: %s", path, out, clickHouseAlternative())
	}
	if major, _ := strconv.Atoi(string(found[1])); major < clickHouseMajorMin {
		return fmt.Errorf("%s is ClickHouse %s, and %d or newer is needed: %s", path, found[1], clickHouseMajorMin, clickHouseAlternative())
	}
	return nil
}
