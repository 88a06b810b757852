package install

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakePlatform has packages of a few bytes, handed out by a script named npm.
const fakePlatform = "test-platform"

// fakeNpm stands for npm: it fails or cuts the package short for the first calls
// and counts them.
const fakeNpm = `#!/bin/sh
printf x >> "$FAKE_DIR/calls"
calls=$(wc -c < "$FAKE_DIR/calls")
while [ $# -gt 0 ]; do
	case "$1" in --pack-destination) to=$2 ;; esac
	shift
done
if [ "$calls" -le "$FAKE_ERRORS" ]; then echo "no network" >&2; exit 1; fi
if [ "$calls" -le "$FAKE_CUTS" ]; then head -c 50 "$FAKE_DIR/whole.tgz" > "$to/lib.tgz"; exit 0; fi
cp "$FAKE_DIR/whole.tgz" "$to/lib.tgz"
`

// fixture is an empty cache and a fake registry of one package.
type fixture struct {
	chdb  chdb
	cache string
	fake  string
	said  *bytes.Buffer
}

func newFixture(t *testing.T, downloadErrors, cuts int) *fixture {
	t.Helper()
	f := &fixture{cache: t.TempDir(), fake: t.TempDir(), said: new(bytes.Buffer)}
	t.Setenv("XDG_CACHE_HOME", f.cache)
	t.Setenv(chdbVariable, "")
	t.Setenv("FAKE_DIR", f.fake)
	t.Setenv("FAKE_ERRORS", fmt.Sprint(downloadErrors))
	t.Setenv("FAKE_CUTS", fmt.Sprint(cuts))
	t.Setenv("PATH", f.fake+":"+os.Getenv("PATH"))
	write(t, filepath.Join(f.fake, "npm"), []byte(fakeNpm))
	tarball := packageOf(t, "package/libchdb.so", "the library")
	write(t, filepath.Join(f.fake, "whole.tgz"), tarball)
	hash := sha512.Sum512(tarball)
	f.chdb = chdb{
		platform: fakePlatform,
		pack:     chdbPackage{name: "lib", integrity: "sha512-" + base64.StdEncoding.EncodeToString(hash[:])},
		progress: f.said,
	}
	return f
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

func packageOf(t *testing.T, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	members := tar.NewWriter(zipped)
	if err := members.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := members.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := members.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (f *fixture) downloads(t *testing.T) int {
	t.Helper()
	calls, err := os.ReadFile(filepath.Join(f.fake, "calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(calls)
}

// left lists what stands in the cache, without the lock.
func (f *fixture) left(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(f.cache, "readside", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range found {
		if name := filepath.Base(path); name != "libchdb.lock" {
			names = append(names, name)
		}
	}
	return names
}

func (f *fixture) wantInstalled(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "the library" {
		t.Errorf("installed %q, %v", content, err)
	}
	if left := f.left(t); len(left) != 1 {
		t.Errorf("the cache holds %v, want the library alone", left)
	}
}

func TestChdbIsInstalledOnce(t *testing.T) {
	f := newFixture(t, 0, 0)
	for range 2 {
		path, err := f.chdb.install(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		f.wantInstalled(t, path)
	}
	if n := f.downloads(t); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
}

func TestFailedAndTruncatedDownloadsAreTriedAgain(t *testing.T) {
	f := newFixture(t, 1, 2) // an error, a package cut short, then a whole one
	path, err := f.chdb.install(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f.wantInstalled(t, path)
	if n := f.downloads(t); n != 3 {
		t.Errorf("%d downloads, want 3", n)
	}
	for _, reason := range []string{"no network", errIntegrity.Error()} {
		if !strings.Contains(f.said.String(), reason) {
			t.Errorf("the progress does not tell %q:\n%s", reason, f.said)
		}
	}
}

func TestThirdFailureIsTheLast(t *testing.T) {
	f := newFixture(t, 0, 99)
	path, err := f.chdb.install(context.Background())
	if err == nil || !strings.Contains(err.Error(), "make setup") || !strings.Contains(err.Error(), chdbVariable) {
		t.Errorf("the error names no way out: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a truncated library was installed")
	}
	if left := f.left(t); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
	if n := f.downloads(t); n != downloadTriesMax {
		t.Errorf("%d downloads, want %d", n, downloadTriesMax)
	}
}

func TestAnotherPackageIsRefused(t *testing.T) {
	f := newFixture(t, 0, 0)
	write(t, filepath.Join(f.fake, "whole.tgz"), packageOf(t, "package/libchdb.so", "another library"))
	if _, err := f.chdb.install(context.Background()); err == nil {
		t.Error("a package of another hash was installed")
	}
	if left := f.left(t); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

// A set-up that was killed left a half download; the next one removes it.
func TestLeftoversOfAKilledSetupAreRemoved(t *testing.T) {
	f := newFixture(t, 0, 0)
	half := filepath.Join(f.cache, "readside", "partial-libchdb-killed")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(half, "lib.tgz"), []byte("half"))
	path, err := f.chdb.install(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f.wantInstalled(t, path)
}

func TestTwoSetupsAtOnceDownloadOnce(t *testing.T) {
	f := newFixture(t, 0, 0)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			one := f.chdb
			one.progress = new(bytes.Buffer)
			if _, err := one.install(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if n := f.downloads(t); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
}

func TestInterruptedDownloadLeavesNothing(t *testing.T) {
	f := newFixture(t, 0, 0)
	write(t, filepath.Join(f.fake, "npm"), []byte("#!/bin/sh\nprintf x >> \"$FAKE_DIR/calls\"\nexec sleep 60\n"))
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			// Not when the file is there: the call is written into it a moment later.
			if calls, err := os.Stat(filepath.Join(f.fake, "calls")); err == nil && calls.Size() > 0 {
				interrupt()
			}
			<-tick.C
		}
	}()
	if _, err := f.chdb.install(ctx); err == nil {
		t.Error("an interrupted installation succeeded")
	}
	if left := f.left(t); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
	if n := f.downloads(t); n != 1 {
		t.Errorf("%d downloads, want no further one after the interruption", n)
	}
}

func TestWhatCannotBeInstalledSaysWhatToDo(t *testing.T) {
	f := newFixture(t, 0, 0)
	unpinned, unknown := f.chdb, f.chdb
	unpinned.pack.integrity = ""
	unknown.pack = chdbPackage{}
	for name, install := range map[string]func() error{
		"without space": func() error {
			return npmInstallation{bytesMin: 1 << 62, alternative: chdbAlternative}.enoughSpace(f.cache)
		},
		"without a pinned hash": func() error {
			_, err := unpinned.install(context.Background())
			return err
		},
		"on an unknown platform": func() error {
			_, err := unknown.install(context.Background())
			return err
		},
		"without npm": func() error {
			t.Setenv("PATH", t.TempDir())
			_, err := f.chdb.install(context.Background())
			return err
		},
	} {
		err := install()
		if err == nil || !strings.Contains(err.Error(), chdbVariable) || !strings.Contains(err.Error(), "READSIDE_CLICKHOUSE_URL") {
			t.Errorf("%s: the error names no way out: %v", name, err)
		}
	}
	if n := f.downloads(t); n != 0 {
		t.Errorf("%d downloads", n)
	}
}

func TestOwnLibraryIsUsed(t *testing.T) {
	f := newFixture(t, 99, 0)
	own := filepath.Join(f.fake, "own.so")
	write(t, own, nil)
	t.Setenv(chdbVariable, own)
	if path, err := Chdb(context.Background(), f.said); err != nil || path != own {
		t.Errorf("got %s, %v; want %s", path, err, own)
	}
	t.Setenv(chdbVariable, own+".missing")
	if _, err := Chdb(context.Background(), f.said); err == nil || !strings.Contains(err.Error(), chdbVariable) {
		t.Errorf("a missing library of one's own: %v", err)
	}
	if n := f.downloads(t); n != 0 {
		t.Errorf("%d downloads", n)
	}
}
