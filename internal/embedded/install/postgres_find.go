package install

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// postgresVersionMin is the oldest major version of Postgres that Readside runs on.
const postgresVersionMin = 14

// postgresVariable chooses the version of the embedded Postgres.
const postgresVariable = "READSIDE_EMBEDDED_POSTGRES"

// ErrNoPostgres is returned when no Postgres is installed here; its text has what to do.
var ErrNoPostgres = errors.New("no Postgres 14 or newer is installed: run `make setup` or `readside setup` (it fetches one), or " + postgresAlternative())

// ErrUnknownPostgres is returned for a version that cannot be had.
var ErrUnknownPostgres = errors.New("unknown version of Postgres")

func postgresAlternative() string {
	command := "sudo apt-get install -y postgresql"
	if runtime.GOOS == "darwin" {
		command = "brew install postgresql@17"
	}
	return "`" + command + "`, or set READSIDE_POSTGRES_URL to a server of yours"
}

// postgresVersion is the major version asked for, or the environment's; empty is any.
func postgresVersion(version string) string {
	if version == "" {
		version = os.Getenv(postgresVariable)
	}
	return version
}

// FindPostgres returns the folder of an installed Postgres server's programs. Version
// is a major version such as "17"; empty is the one that READSIDE_EMBEDDED_POSTGRES
// names, or else the newest on PATH or where Debian and Homebrew put it, or at last
// what Postgres has fetched.
func FindPostgres(version string) (string, error) {
	return postgresSetup{platform: npmPlatform(), packages: postgresPackages, machine: machinePostgres}.find(postgresVersion(version))
}

func (p postgresSetup) find(version string) (string, error) {
	own := p.machine()
	if version == "" {
		if len(own) > 0 {
			return own[slices.Max(slices.Collect(maps.Keys(own)))], nil
		}
		if bin, err := p.fetched(postgresPackageDefault); err == nil {
			return bin, nil
		}
		return "", ErrNoPostgres
	}
	if major, err := strconv.Atoi(version); err == nil && own[major] != "" {
		return own[major], nil
	}
	if p.packages[version][p.platform].version == "" {
		return "", fmt.Errorf("%w: %q; there are %s", ErrUnknownPostgres, version, strings.Join(p.versions(own), ", "))
	}
	return p.fetched(version)
}

// fetched returns the folder of a package's programs if it is installed.
func (p postgresSetup) fetched(version string) (string, error) {
	dir, err := p.folder(version)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "bin")
	if _, err := os.Stat(filepath.Join(bin, "postgres")); err != nil {
		return "", fmt.Errorf("Postgres %s is not installed: run `make setup POSTGRES=%s` or `readside setup --postgres %s`", version, version, version)
	}
	return bin, nil
}

// versions lists what may be asked for on this machine.
func (p postgresSetup) versions(own map[int]string) []string {
	majors := slices.Collect(maps.Keys(own))
	for version, platforms := range p.packages {
		if major, err := strconv.Atoi(version); err == nil && platforms[p.platform].version != "" && own[major] == "" {
			majors = append(majors, major)
		}
	}
	slices.Sort(majors)
	var names []string
	for _, major := range majors {
		names = append(names, strconv.Itoa(major))
	}
	return names
}

// machinePostgres is where the machine's own Postgres servers are, by major version.
func machinePostgres() map[int]string {
	own := map[int]string{}
	for _, bin := range postgresPlaces() {
		if major := postgresMajor(bin); major >= postgresVersionMin && own[major] == "" {
			own[major] = bin
		}
	}
	return own
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
