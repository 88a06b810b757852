package install

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeApt records its arguments and whether a cluster was forbidden meanwhile.
const fakeApt = `#!/bin/sh
echo "$@" >> "$FAKE_DIR/apt"
cat "$FAKE_DIR/etc/createcluster.conf" >> "$FAKE_DIR/apt"
`

func TestDebiansPostgresIsInstalledWithoutACluster(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("FAKE_DIR", dir)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	write(t, filepath.Join(dir, "apt-get"), []byte(fakeApt))
	conf := filepath.Join(dir, "etc", "createcluster.conf")
	if err := aptInstallPostgres(context.Background(), new(bytes.Buffer), conf); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "apt"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "update\ncreate_main_cluster = false\n" +
		"install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql\ncreate_main_cluster = false\n"
	if string(got) != want {
		t.Errorf("apt-get was asked\n%s\nwant\n%s", got, want)
	}
	if _, err := os.Stat(conf); err == nil {
		t.Error("the machine's configuration stays changed")
	}
}

func TestFailedInstallationTellsAptsOutput(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	write(t, filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\necho no archive; exit 100\n"))
	err := aptInstallPostgres(context.Background(), new(bytes.Buffer), filepath.Join(dir, "createcluster.conf"))
	if err == nil || !strings.Contains(err.Error(), "no archive") {
		t.Errorf("got %v", err)
	}
}

func TestNewestPostgresIsRecognised(t *testing.T) {
	for version, want := range map[string]int{
		"postgres (PostgreSQL) 15.4 (Debian 15.4-1)": 15,
		"postgres (PostgreSQL) 18beta1":              18,
		"postgres (PostgreSQL) 17":                   17,
		"something else":                             0,
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "initdb"), nil)
		write(t, filepath.Join(dir, "postgres"), []byte("#!/bin/sh\necho '"+version+"'\n"))
		if got := postgresMajor(dir); got != want {
			t.Errorf("%s: got %d, want %d", version, got, want)
		}
	}
}

func TestPostgresOnPathIsFound(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "initdb"), nil)
	write(t, filepath.Join(dir, "postgres"), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n"))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := FindPostgres(""); err != nil || got != resolved {
		t.Errorf("found %s, %v; want %s", got, err, resolved)
	}
}

func TestCacheWithoutHome(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Errorf("%s: %v", dir, err)
	}
}

// In a folder that all may write, someone else may have been there first.
func TestCacheOfAnotherUserIsRefused(t *testing.T) {
	if err := ownFolder(t.TempDir()); err != nil {
		t.Errorf("a folder of ours: %v", err)
	}
	other := "/"
	if os.Geteuid() == 0 {
		other = t.TempDir()
		if err := os.Chown(other, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	if err := ownFolder(other); err == nil {
		t.Errorf("%s, a folder of another user, was accepted", other)
	}
}
