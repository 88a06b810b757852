package embedded_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside/internal/embedded"
)

// A process that starts both stores is killed, and so cannot clean up.
func TestKilledOwnerLeavesNothing(t *testing.T) {
	t.Parallel()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerVariable+"=1")
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var it owned
	if err := json.NewDecoder(out).Decode(&it); err != nil {
		t.Fatal(err)
	}
	for i := range it.Dirs {
		if !exists(it.Dirs[i]) || !runs(it.PIDs[i]) {
			t.Fatalf("store %d of %+v does not run", i, it)
		}
	}
	if err := owner.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // its error is that it was killed
	for i := range it.Dirs {
		eventually(t, "the store's process is gone", func() bool { return !runs(it.PIDs[i]) })
		eventually(t, "the store's folder is gone", func() bool { return !exists(it.Dirs[i]) })
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	postgres := startPostgres(t, embedded.PostgresOptions{})
	clickHouse := startClickHouse(t, embedded.ClickHouseOptions{})
	type store interface {
		Dir() string
		PID() int
		Stop() error
	}
	for _, s := range []store{postgres, clickHouse} {
		dir, pid := s.Dir(), s.PID()
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if exists(dir) || runs(pid) {
			t.Errorf("after Stop: folder %s exists: %v, process %d runs: %v", dir, exists(dir), pid, runs(pid))
		}
		if err := s.Stop(); err != nil {
			t.Errorf("second Stop: %v", err)
		}
	}
}

// A keeper that was killed with its owner leaves a folder; the next start removes it.
func TestStaleFolderIsRemoved(t *testing.T) {
	temporary := reachableDir(t)
	if err := os.Chmod(temporary, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temporary)
	stale := filepath.Join(temporary, "readside-store-stale")
	young := filepath.Join(temporary, "readside-store-young")
	for _, dir := range []string{stale, young} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(stale, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	foreign, target := plantLock(t, temporary)
	if err := os.Chtimes(foreign, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	running := startClickHouse(t, embedded.ClickHouseOptions{})
	if exists(target) {
		t.Error("another user's link was followed")
	}
	if exists(stale) {
		t.Error("the stale folder is still there")
	}
	if !exists(young) {
		t.Error("a folder whose keeper may just be starting was removed")
	}
	if err := os.Chtimes(running.Dir(), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	startClickHouse(t, embedded.ClickHouseOptions{})
	if !exists(running.Dir()) {
		t.Error("the folder of a running store was removed")
	}
}

// plantLock makes a folder as another user would who wants root to write the target.
func plantLock(t *testing.T, temporary string) (dir, target string) {
	t.Helper()
	dir, target = filepath.Join(temporary, "readside-store-foreign"), filepath.Join(temporary, "target")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "readside.lock")); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		const nobody = 65534
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir, target
}

func TestFolderInUseIsRefused(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	startClickHouse(t, embedded.ClickHouseOptions{Dir: dir})
	second, err := embedded.StartClickHouse(timeout(t), embedded.ClickHouseOptions{Dir: dir})
	if err == nil {
		_ = second.Stop()
		t.Fatal("two servers share one folder")
	}
	if !strings.Contains(err.Error(), "the lock is held") {
		t.Errorf("the error does not tell why: %v", err)
	}
}
