package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// world is a whole installation of a test's own: both servers, each behind a wire that can
// be cut, and the three programs as processes.
type world struct {
	t          *testing.T
	postgres   *embedded.Postgres
	clickHouse *embedded.ClickHouse
	// toPostgres and toClickHouse are the only ways that programs know.
	toPostgres, toClickHouse *wire
	admin                    *pgxpool.Pool // around the wire, as superuser
	env                      []string
	project, serve, shop     *daemon
	commands                 string
	holding                  pgx.Tx // holds the log back
	disk                     disk
	said                     atomic.Value // string: what the status said last
}

// truthTTL is the lease's time to live.
const truthTTL = time.Second

func newWorld(t *testing.T) *world {
	t.Helper()
	noStores(t)
	w := &world{t: t, postgres: dbtest.PostgresServer(t, embedded.PostgresOptions{}), clickHouse: dbtest.ClickHouseServer(t, embedded.ClickHouseOptions{})}
	w.toPostgres, w.toClickHouse = newWire(t), newWire(t)
	super := w.postgres.URL("postgres", embedded.Superuser)
	t.Setenv("READSIDE_POSTGRES_URL", super)
	must(t, readside.ExitOK, "migrate", "up")
	if err := w.postgres.AllowLogins(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.admin, err = pgxpool.New(t.Context(), super); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.holding != nil { // the test failed meanwhile, and the pool waits for it
			_ = w.holding.Rollback(context.Background())
		}
		w.admin.Close()
	})
	w.configure()
	w.project = w.start("project", "health")
	w.serve = w.start("serve", "url")
	w.shop = w.start("shop", "health")
	w.commands = strings.TrimSuffix(w.shop.logged(t, "address"), "/v1/")
	return w
}

// configure gives each program a login of its own, through the wires.
func (w *world) configure() {
	as := func(role string) string { return w.toPostgres.through(w.t, w.postgres.URL("postgres", role)) }
	set := map[string]string{
		"READSIDE_POSTGRES_URL": as(embedded.Superuser), "READSIDE_PROJECTOR_URL": as("readside_projector"), "READSIDE_QUERY_URL": as("readside_query"),
		"READSIDE_CLICKHOUSE_URL": w.toClickHouse.through(w.t, w.clickHouse.URL("readside", embedded.ClickHouseUser)),
		"READSIDE_HTTP_ADDR":      "127.0.0.1:0", "READSIDE_SHOP_ADDR": "127.0.0.1:0", "READSIDE_SHOP_STATUS_ADDR": "127.0.0.1:0", "READSIDE_PROJECT_ADDR": "127.0.0.1:0",
		"READSIDE_LEASE_TTL": truthTTL.String(), "READSIDE_QUERY_TIMEOUT": "3s", "READSIDE_SHOP_GRACE": "100ms",
	}
	for _, service := range []string{"identity", "catalog", "basket", "ordering", "payment"} {
		set["READSIDE_"+strings.ToUpper(service)+"_URL"] = as("shop_" + service)
	}
	for name, value := range set {
		w.t.Setenv(name, value)
	}
}

func (w *world) start(command, field string, env ...string) *daemon {
	w.t.Helper()
	return startDaemon(w.t, command, field, env...)
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.admin.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// sessions is what Postgres is doing, for a test that failed.
func (w *world) sessions() string {
	ctx, cancel := context.WithTimeout(context.Background(), lookWait)
	defer cancel()
	rows, err := w.admin.Query(ctx, `select pid || ' ' || application_name || ' ' || state || ' ' || coalesce(wait_event, '') || ' blocked by ' || pg_blocking_pids(pid)::text || ' ' || left(query, 200)
from pg_stat_activity where state <> 'idle' and pid <> pg_backend_pid()`)
	if err != nil {
		return err.Error()
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err.Error()
	}
	return strings.Join(lines, "\n")
}

// put sends a command to the shop.
func (w *world) put(path, body string) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.commands+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		w.t.Fatalf("%s: %d %s", path, response.StatusCode, answer)
	}
}

// event appends an event around the shop; of version 99 nobody can read it.
func (w *world) event(version int) {
	w.t.Helper()
	w.exec(`insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
values (1, now(), $1, gen_random_uuid()::text, 'postgres', 'ordering.OrderSubmitted', 'order-' || gen_random_uuid(), '{}')`, version)
}

// daemon is a program as a process of its own.
type daemon struct {
	*exec.Cmd
	base string // the address of its health

	mu    sync.Mutex
	lines []string
	errs  bytes.Buffer
	ended chan struct{}
}

// startDaemon starts a service and waits until it says, in a field of its log, where its
// health is.
func startDaemon(t *testing.T, command, field string, env ...string) *daemon {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{Cmd: exec.Command(self, command), ended: make(chan struct{})}
	d.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	d.Stderr = &d.errs
	out, err := d.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			d.mu.Lock()
			d.lines = append(d.lines, lines.Text())
			d.mu.Unlock()
		}
	}()
	t.Cleanup(func() { d.end(); d.show(t) })
	u, err := url.Parse(d.logged(t, field))
	if err != nil {
		t.Fatal(err)
	}
	d.base = "http://" + u.Host
	return d
}

// show shows what the program said, for a test that failed.
func (d *daemon) show(t *testing.T) {
	if t.Failed() {
		d.mu.Lock()
		defer d.mu.Unlock()
		t.Logf("%v said:\n%s\n%s", d.Args[1:], strings.Join(d.lines[max(0, len(d.lines)-15):], "\n"), d.errs.String())
	}
}

// end kills the process and waits for it.
func (d *daemon) end() {
	_ = d.Process.Kill()
	<-d.ended
	_ = d.Wait()
}

// logged waits for a JSON line that has the field, and returns the field's value.
func (d *daemon) logged(t *testing.T, field string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testWait)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if value, ok := d.find(field); ok {
			return value
		}
		select {
		case <-tick.C:
		case <-d.ended:
			t.Fatalf("%v ended before it logged %q: %s", d.Args[1:], field, d.errs.String())
		case <-ctx.Done():
			t.Fatalf("%v does not log %q: %v %s", d.Args[1:], field, d.lines, d.errs.String())
		}
	}
}

func (d *daemon) find(field string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, line := range d.lines {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil {
			continue
		}
		if value, ok := fields[field].(string); ok {
			return value, true
		}
	}
	return "", false
}

// wire passes bytes between a loopback port and a server, until it is cut: then it takes
// connections and passes nothing, as a network does that loses every packet.
type wire struct {
	listener net.Listener
	target   atomic.Pointer[string]
	mu       sync.Mutex
	whole    chan struct{} // closed while bytes pass
}

func newWire(t *testing.T) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, whole: make(chan struct{})}
	close(w.whole)
	t.Cleanup(func() { w.mend(); _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.join(conn)
		}
	}()
	return w
}

// through is an address by way of the wire.
func (w *wire) through(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	host := u.Host
	w.target.Store(&host)
	u.Host = w.listener.Addr().String()
	return u.String()
}

func (w *wire) join(near net.Conn) {
	defer near.Close()
	<-w.passing()
	far, err := net.Dial("tcp", *w.target.Load())
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { w.pass(far, near); _ = far.Close(); _ = near.Close() })
	both.Go(func() { w.pass(near, far); _ = far.Close(); _ = near.Close() })
	both.Wait()
}

func (w *wire) pass(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		<-w.passing()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (w *wire) passing() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.whole
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = make(chan struct{})
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.whole:
	default:
		close(w.whole)
	}
}
