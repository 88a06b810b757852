package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside/internal/embedded"
)

// waitMax bounds every wait of these tests.
const waitMax = 60 * time.Second

// ownerVariable makes this test binary a process that starts both stores, tells
// about them and waits to be killed.
const ownerVariable = "READSIDE_TEST_OWNER"

func TestMain(m *testing.M) {
	embedded.RunIfChild()
	if filepath.Base(os.Args[0]) == programName {
		os.Exit(beClickHouse(os.Args[1:]))
	}
	if os.Getenv(ownerVariable) != "" {
		os.Exit(ownStores())
	}
	if address := os.Getenv(strangerVariable); address != "" {
		os.Exit(beStranger(address))
	}
	os.Exit(m.Run())
}

// owned is what the owning process tells.
type owned struct {
	Dirs []string
	PIDs []int
}

func ownStores() int {
	ctx := context.Background()
	postgres, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{})
	clickHouse, err2 := embedded.StartClickHouse(ctx, embedded.ClickHouseOptions{})
	if err := errors.Join(err, err2); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(owned{
		Dirs: []string{postgres.Dir(), clickHouse.Dir()},
		PIDs: []int{postgres.PID(), clickHouse.PID()},
	})
	select {}
}

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitMax)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until the condition holds, at most waitMax.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(waitMax)
	for !condition() {
		select {
		case <-late:
			t.Fatalf("after %s still not: %s", waitMax, what)
		case <-tick.C:
		}
	}
}

func runs(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
