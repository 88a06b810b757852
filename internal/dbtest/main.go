// Package dbtest gives each test real stores of its own: a fresh, migrated
// Postgres database and a fresh ClickHouse database, safe in parallel tests.
//
// A package that uses it hands its TestMain over:
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		db := dbtest.Postgres(t)
//		...
//
// The servers are embedded ones, started when a test first asks and shared by the
// tests of one binary; READSIDE_POSTGRES_URL and READSIDE_CLICKHOUSE_URL name
// others. READSIDE_EMBEDDED_POSTGRES is the version of embedded ones, and
// READSIDE_TEST_LOCALE puts them on foreign ground: see ground.go. A store that is
// missing fails the test, it never skips it.
package dbtest

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside/internal/embedded"
)

// startWait bounds the start of a server, queryWait what a test's set-up asks of it.
const (
	startWait = 90 * time.Second
	queryWait = 60 * time.Second
)

// servers are those of this test binary; Main stops them.
var servers struct {
	postgres   lazy[*postgresServer]
	clickHouse lazy[*clickHouseServer]
}

// lazy is a server that starts at its first use, once.
type lazy[T interface{ stop() error }] struct {
	mu    sync.Mutex
	tried bool
	value T
	err   error
}

func (l *lazy[T]) get(start func() (T, error)) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tried {
		l.tried = true
		l.value, l.err = start()
	}
	return l.value, l.err
}

func (l *lazy[T]) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tried || l.err != nil {
		return nil
	}
	return l.value.stop()
}

// Main is the body of TestMain: it runs the tests, stops what they started and exits.
func Main(m *testing.M) {
	embedded.RunIfChild()
	code := m.Run()
	for _, stop := range []func() error{servers.postgres.stop, servers.clickHouse.stop} {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, "dbtest:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// unused tells names made at the same time apart.
func unused(prefix string) string {
	return fmt.Sprintf("%s_%d_%s", prefix, os.Getpid(), randomHex())
}
