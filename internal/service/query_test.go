package service

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/shop"
	"github.com/readside/readside/queryapi"
	screens "github.com/readside/readside/queryapi/shop"
)

// said keeps what is logged, and lets a test wait for it.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newSaid() *said { return &said{more: make(chan struct{}, 1)} }

func (s *said) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.text.Write(line)
}

func (s *said) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *said) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s, nil)) }

// wait waits until all parts were said.
func (s *said) wait(t *testing.T, parts ...string) {
	t.Helper()
	late := time.After(time.Minute)
	for _, part := range parts {
		for !strings.Contains(s.all(), part) {
			select {
			case <-s.more:
			case <-late:
				t.Fatalf("nobody said %q:\n%s", part, s.all())
			}
		}
	}
}

// openQuery opens the query service of the shop at a Postgres.
func openQuery(t *testing.T, postgres string, logger *slog.Logger) (*Query, error) {
	t.Helper()
	set, err := shop.Set()
	if err != nil {
		t.Fatal(err)
	}
	config := queryapi.Config{RequestTimeout: 5 * time.Second, DrainTimeout: time.Second, InFlightMax: 4, ReportTZ: "UTC"}
	stores := Stores{Application: dbtest.Application, QueryURL: postgres, ClickHouseURL: "http://nobody@127.0.0.1:1/readside"}
	return OpenQuery(t.Context(), stores, screens.Definition(set), config, Address{Variable: "X", HostPort: "127.0.0.1:0"}, logger, func(string) {})
}

// What Postgres refuses for good ends serve at its start, with a hint.
func TestServeEndsAtWhatDoesNotPass(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	address := func(change func(*url.URL)) string { return changed(t, db.URL, change) }
	for name, c := range map[string]struct{ address, hint string }{
		"a wrong password": {address(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wrong") }), "password"},
		"no such role":     {address(func(u *url.URL) { u.RawQuery += "&role=nobody_has_this" }), "conference migrate up"},
		"no such database": {address(func(u *url.URL) { u.Path = "/no_such_database" }), "create the database"},
	} {
		query, err := openQuery(t, c.address, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = query.Close()
		}
		if err == nil || !strings.Contains(Hinted("conference", err).Error(), c.hint) {
			t.Errorf("%s: %v, want %q", name, err, c.hint)
		}
	}
}

// gate is before a Postgres: shut, it ends every connection at once.
type gate struct {
	net.Listener
	target string
	open   atomic.Bool
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	g := &gate{Listener: l, target: target}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(near)
		}
	}()
	return g
}

func (g *gate) pass(near net.Conn) {
	defer near.Close()
	if !g.open.Load() {
		return
	}
	far, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer far.Close()
	go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
	_, _ = io.Copy(near, far)
}

// A Postgres that is away is waited for, and said once. When it comes and refuses for good
// what serve needs, serve ends.
func TestServeWaitsForPostgresAndEndsAtWhatItRefuses(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, u.Host)
	u.Host, u.Path = g.Addr().String(), "/no_such_database"
	log := newSaid()
	query, err := openQuery(t, u.String(), log.logger())
	if err != nil {
		t.Fatalf("Postgres is away, and %v", err)
	}
	defer query.Close()
	ended := make(chan error, 1)
	go func() { ended <- query.Run(t.Context()) }()
	log.wait(t, "waiting for it")
	g.open.Store(true)
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(Hinted("conference", err).Error(), "create the database") {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Errorf("it goes on though there is no such database:\n%s", log.all())
	}
}

// A report that cannot work is said when the program starts, once, and one that can is not.
func TestReportsThatCannotWorkAreSaid(t *testing.T) {
	t.Parallel()
	number := []queryapi.ReportColumn{{Name: "n", Kind: projections.Int64}}
	reports := []queryapi.Report{
		{Name: "good", SQL: "SELECT toInt64(1) AS n", Columns: number},
		{Name: "misspelt", SQL: "SELECT tooInt64(1) AS n", Columns: number},
		{Name: "of_texts", SQL: "SELECT 'a' AS n", Columns: number},
		{Name: "early", SQL: "SELECT n FROM nobody_made_this", Columns: number},
	}
	log := newSaid()
	ctx, cancel := context.WithCancel(t.Context())
	var checking sync.WaitGroup
	checking.Go(func() {
		checkReports(ctx, queryapi.NewCold(dbtest.ClickHouse(t).Conn, nil, "UTC"), reports, log.logger())
	})
	cannot, early := `level=ERROR msg="a report CANNOT WORK as it is" report=`, `level=WARN msg="a report waits for tables that nobody has made yet" report=early`
	log.wait(t, cannot+"misspelt", cannot+"of_texts", early)
	cancel()
	checking.Wait()
	for _, part := range []string{"report=misspelt", "report=of_texts", early} {
		if n := strings.Count(log.all(), part); n != 1 {
			t.Errorf("%q was said %d times:\n%s", part, n, log.all())
		}
	}
	if strings.Contains(log.all(), "report=good") {
		t.Errorf("a good report:\n%s", log.all())
	}

	away := newSaid()
	conn, err := ClickHouse("http://nobody@127.0.0.1:1/readside")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel = context.WithCancel(t.Context())
	checking.Go(func() { checkReports(ctx, queryapi.NewCold(conn, nil, "UTC"), reports[:1], away.logger()) })
	away.wait(t, `level=WARN msg="a report waits for ClickHouse" report=good`)
	cancel()
	checking.Wait()
}
