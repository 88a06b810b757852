package install

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// postgresVersionMin is the oldest major version of Postgres that Readside runs on.
const postgresVersionMin = 14

// ErrNoPostgres says that no Postgres is installed here, and what to do.
var ErrNoPostgres = errors.New("no Postgres 14 or newer is installed: run `make setup` (as root it installs Debian's package), or `" +
	postgresInstallCommand() + "`, or set READSIDE_POSTGRES_URL to a server of yours")

func postgresInstallCommand() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@17"
	}
	return "sudo apt-get install -y postgresql"
}

// FindPostgres is the folder of the newest Postgres server found, on PATH or where
// Debian and Homebrew put it.
func FindPostgres() (string, error) {
	var best string
	newest := postgresVersionMin - 1
	for _, bin := range postgresPlaces() {
		if major := postgresMajor(bin); major > newest {
			best, newest = bin, major
		}
	}
	if best == "" {
		return "", ErrNoPostgres
	}
	return best, nil
}

func postgresPlaces() []string {
	var places []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target // initdb stands beside the real file
		}
		places = append(places, filepath.Dir(path))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		places = append(places, found...)
	}
	return places
}

// postgresMajor is 0 for a folder without both binaries.
func postgresMajor(bin string) int {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return 0
	}
	out, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	// "postgres (PostgreSQL) 15.4 (Debian …)", "… 17beta1"
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		return 0
	}
	digits := strings.IndexFunc(fields[2], func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(fields[2])
	}
	major, _ := strconv.Atoi(fields[2][:digits])
	return major
}
