package clickhousehttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/readside/readside/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// waitMax bounds every wait of these tests.
const waitMax = 30 * time.Second

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

func execute(t *testing.T, conn driver.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := conn.Exec(timeout(t), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func count(t *testing.T, conn driver.Conn, query string) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(timeout(t), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// wantCode checks an error's ClickHouse code.
func wantCode(t *testing.T, what string, err error, code int32) {
	t.Helper()
	var refused *clickhouse.Exception
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("%s: got %v, want an exception of code %d", what, err, code)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	execute(t, db.Conn, "CREATE TABLE t (n UInt8, CONSTRAINT small CHECK n < 10) ENGINE = MergeTree ORDER BY n")
	for _, c := range []struct {
		statement string
		code      int32
	}{
		{"SELECT * FROM missing", 60},
		{"SELEC 1", 62},
		{"SELECT missing FROM t", 47},
		{"SELECT throwIf(1)", 395},
		{"INSERT INTO t VALUES (11)", 469},
		{"SELECT sleep(3) SETTINGS max_execution_time = 0.1, function_sleep_max_microseconds_per_block = 10000000", 159},
	} {
		wantCode(t, c.statement, db.Conn.Exec(timeout(t), c.statement), c.code)
	}
	batch, err := db.Conn.PrepareBatch(timeout(t), "INSERT INTO t")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(batch.Append(uint8(1)), batch.Append(uint8(11))); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a batch against a constraint", batch.Send(), 469)
	if n := count(t, db.Conn, "SELECT count() FROM t"); n != 0 {
		t.Errorf("%d rows of the refused batch are there", n)
	}
}

func TestErrorInTheMiddleOfAnAnswer(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	const query = "SELECT throwIf(number = 3000000) FROM numbers(10000000) SETTINGS max_threads = 1"
	rows, err := db.Conn.Query(timeout(t), query)
	if err != nil {
		t.Fatalf("the answer did not begin: %v", err)
	}
	defer rows.Close()
	var n int
	for rows.Next() {
		n++
	}
	wantCode(t, query, rows.Err(), 395)
	if n == 0 {
		t.Error("no row came before the error")
	}
}

const endless = "SELECT count() FROM numbers(100000000000000)"

// running counts the statements with an id.
func running(t *testing.T, conn driver.Conn, id string) uint64 {
	t.Helper()
	return count(t, conn, "SELECT count() FROM system.processes WHERE query_id = '"+id+"'")
}

// begin runs the endless query under an id and returns when the engine has it.
func begin(t *testing.T, ctx context.Context, db *dbtest.CH, id string) (ended <-chan error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- db.Conn.Exec(clickhouse.Context(ctx, clickhouse.WithQueryID(id)), endless) }()
	eventually(t, "the query runs", func() bool { return running(t, db.Conn, id) == 1 })
	return done
}

func TestQueryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	ctx, cancel := context.WithCancel(timeout(t))
	id := db.Database + "-cancelled"
	ended := begin(t, ctx, db, id)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v, want that it was cancelled", err)
	}
	eventually(t, "the engine has ended the query", func() bool { return running(t, db.Conn, id) == 0 })
}

func TestQueryIsKilledByItsID(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	id := db.Database + "-killed"
	ended := begin(t, timeout(t), db, id)
	again := db.Conn.Exec(clickhouse.Context(timeout(t), clickhouse.WithQueryID(id)), "SELECT 1")
	wantCode(t, "a second query of the same id", again, 216)
	execute(t, db.Conn, "KILL QUERY WHERE query_id = '"+id+"' SYNC")
	wantCode(t, "the killed query", <-ended, 394)
	if n := running(t, db.Conn, id); n != 0 {
		t.Errorf("%d queries run after KILL SYNC", n)
	}
}

func TestReaderStaysReader(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	execute(t, db.Conn, "CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n")
	const readonly = 164
	reader := dbtest.OpenClickHouse(t, db.ReaderURL())
	for _, statement := range []string{
		"INSERT INTO t VALUES (1)", "DROP TABLE t", "CREATE TABLE u (n UInt8) ENGINE = Memory", "SET readonly = 0",
		"SELECT 1 SETTINGS readonly = 0",
		"KILL QUERY WHERE query_id = 'of-another'", "/* x */ KILL QUERY WHERE 1",
	} {
		wantCode(t, statement, reader.Exec(timeout(t), statement), readonly)
	}
	batch, err := reader.PrepareBatch(timeout(t), "INSERT INTO t")
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.Append(uint8(1)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a reader's batch", batch.Send(), readonly)
	wantCode(t, "a reader's batch after SET",
		dbtest.OpenClickHouse(t, db.ReaderURL()+"?readonly=0").Exec(timeout(t), "INSERT INTO t VALUES (1)"), readonly)
	if n := count(t, db.Conn, "SELECT count() FROM t"); n != 0 {
		t.Errorf("the reader wrote %d rows", n)
	}
}

// request sends one request by hand and returns the answer's status and exception.
func request(t *testing.T, method, address string, body string) (status int, code string) {
	t.Helper()
	r, err := http.NewRequestWithContext(timeout(t), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode, response.Header.Get("X-ClickHouse-Exception-Code")
}

func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	base, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	address := func(user, path, query string) string {
		u := *base
		u.Path, u.RawQuery = path, query
		if user != u.User.Username() {
			u.User = url.UserPassword(user, "guessed")
		}
		return u.String()
	}
	create := url.Values{"query": {"CREATE TABLE " + db.Database + ".t (n UInt8) ENGINE = Memory"}}.Encode()
	for _, c := range []struct {
		name, method, address string
		status                int
		code                  string
	}{
		{"ping", http.MethodGet, address("default", "/ping", ""), 200, ""},
		{"elsewhere", http.MethodGet, address("default", "/play", ""), 404, ""},
		{"a stranger", http.MethodPost, address("eve", "/", create), 403, "516"},
		{"a link that writes", http.MethodGet, address("default", "/", create), 403, "164"},
		{"a post that writes", http.MethodPost, address("default", "/", create), 200, ""},
		{"an unknown setting", http.MethodPost, address("default", "/", "query=SELECT+1&no_such=1"), 404, "115"},
		{"a setting that is none", http.MethodPost, address("default", "/", "query=SELECT+1&a%3D1,b=1"), 404, "115"},
	} {
		if status, code := request(t, c.method, c.address, ""); status != c.status || code != c.code {
			t.Errorf("%s: got %d with exception %q, want %d with %q", c.name, status, code, c.status, c.code)
		}
	}
}
