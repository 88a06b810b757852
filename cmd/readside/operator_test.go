package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/shopload"
	"github.com/readside/readside/internal/status"
)

// background is a service command that runs beside the test.
type background struct {
	cancel context.CancelFunc
	ended  chan int

	mu    sync.Mutex
	lines []string
	more  chan struct{} // holds one token when lines came
}

// start runs a service command until stop, or the test's end.
func start(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{cancel: cancel, ended: make(chan int, 1), more: make(chan struct{}, 1)}
	reader, writer := io.Pipe()
	go b.read(reader)
	go func() {
		var errs bytes.Buffer
		code := readside.Run(ctx, theShop(), args, strings.NewReader(""), writer, &errs)
		_ = writer.Close()
		if code != readside.ExitOK {
			t.Errorf("readside %v: exit code %d: %s", args, code, errs.String())
		}
		b.ended <- code
	}()
	t.Cleanup(func() { b.stop(t) })
	return b
}

func (b *background) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		b.mu.Lock()
		b.lines = append(b.lines, lines.Text())
		b.mu.Unlock()
		select {
		case b.more <- struct{}{}:
		default:
		}
	}
}

// stop ends the command as SIGTERM does, and waits for it.
func (b *background) stop(t *testing.T) {
	if b.ended == nil {
		return
	}
	b.cancel()
	select {
	case <-b.ended:
	case <-time.After(testWait):
		t.Error("a service did not end when it was told to")
	}
	b.ended = nil
}

// logged waits for a JSON line that has the field, and returns the field's value.
func (b *background) logged(t *testing.T, field string) string {
	t.Helper()
	deadline := time.After(testWait)
	for {
		if value, ok := b.find(field); ok {
			return value
		}
		select {
		case <-b.more:
		case <-deadline:
			t.Fatalf("no log line with %q: %v", field, b.lines)
		}
	}
}

func (b *background) find(field string) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.lines {
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

// useStores points the program at fresh stores of the test's own.
func useStores(t *testing.T) (*dbtest.DB, *dbtest.CH) {
	t.Helper()
	noStores(t)
	db, ch := dbtest.EmptyPostgres(t), dbtest.ClickHouse(t)
	t.Setenv("READSIDE_POSTGRES_URL", db.URL)
	t.Setenv("READSIDE_CLICKHOUSE_URL", ch.URL)
	for _, address := range []string{"READSIDE_SHOP_ADDR", "READSIDE_SHOP_STATUS_ADDR", "READSIDE_PROJECT_ADDR"} {
		t.Setenv(address, "127.0.0.1:0")
	}
	t.Setenv("READSIDE_HTTP_ADDR", "127.0.0.1:0")
	t.Setenv("READSIDE_SHOP_GRACE", "100ms")
	return db, ch
}

func statusNow(t *testing.T) (r status.Report) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, readside.ExitOK, "status", "--json").out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// untilCaughtUp waits until every view and fact is there and lags behind in nothing.
func untilCaughtUp(t *testing.T) status.Report {
	t.Helper()
	const views, facts = 6, 4
	deadline := time.Now().Add(testWait)
	for {
		r := statusNow(t)
		if len(r.Views) == views && len(r.Cold) == facts && r.Log.Position.Place() > 0 && r.CaughtUp() {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("not caught up: %+v", r)
		}
	}
}

// A whole day of an operator on servers of his own, with only the two URLs set.
func TestAnOperatorsDay(t *testing.T) {
	db, ch := useStores(t)
	migrateAndBack(t)
	contains(t, must(t, readside.ExitOK, "status").out, "run `readside project`")

	shop, projector, query := start(t, "shop"), start(t, "project"), start(t, "serve")
	buy(t, strings.TrimSuffix(shop.logged(t, "address"), "/v1/"))
	shop.stop(t)
	report := untilCaughtUp(t)
	contains(t, must(t, readside.ExitOK, "status").out, "order", "order_lines", "LAG")
	asks(t, query.logged(t, "url"))

	o := must(t, readside.ExitOK, "verify")
	contains(t, o.out, "view order version", "fact order_lines", "equals")
	damage(t, db)
	mend(t)
	damageFact(t, ch, report)
	mendFacts(t)
	copyTheLog(t, report)
	projector.stop(t)
	query.stop(t)
}

func migrateAndBack(t *testing.T) {
	t.Helper()
	contains(t, must(t, readside.ExitOK, "migrate", "status").out, "0001_eventlog.sql", "no")
	contains(t, must(t, readside.ExitNo, "status").err, "readside migrate up")
	up := must(t, readside.ExitOK, "migrate", "up").out
	contains(t, must(t, readside.ExitOK, "migrate", "down").out, "no")
	again := must(t, readside.ExitOK, "migrate", "up").out
	for _, out := range []string{up, again} {
		if strings.Contains(out, " no\n") {
			t.Errorf("not all migrations were applied:\n%s", out)
		}
	}
}

func buy(t *testing.T, url string) {
	t.Helper()
	r, err := shopload.Run(t.Context(), shopload.Config{BaseURL: url, Seed: 3, Rounds: 15, Workers: 4, Customers: 20, Products: 80}, shopload.Observer{})
	if err != nil || len(r.Unexpected) > 0 {
		t.Fatalf("the load: %v, unexpected %v: %s", err, r.Unexpected, r.FirstUnexpected)
	}
}

func asks(t *testing.T, url string) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(`{"query":"{ orders(first: 3) { nodes { id status } } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(body), `"status"`)
	if strings.Contains(string(body), `"errors"`) {
		t.Errorf("the query was refused: %s", body)
	}
}

// damage changes a row behind everybody's back: verify names it.
func damage(t *testing.T, db *dbtest.DB) {
	t.Helper()
	var table, key string
	if err := db.Pool.QueryRow(t.Context(), `select table_name from readside.views where view = 'order' and state = 'live'`).Scan(&table); err != nil {
		t.Fatal(err)
	}
	err := db.Pool.QueryRow(t.Context(), `update views."`+table+`" set status = 'lost' where id = (select min(id) from views."`+table+`") returning id`).Scan(&key)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify"}, {"verify", "order"}, {"verify", "--json"}} {
		contains(t, must(t, readside.ExitNo, args...).out, key, "status", "lost")
	}
	must(t, readside.ExitOK, "verify", "customer")
	plan := must(t, readside.ExitOK, "rebuild", "order", "--dry-run").out
	contains(t, plan, "ordering.OrderSubmitted", "connections", "nothing was changed")
	counts, _, _ := strings.Cut(plan, "\n\n")
	for line := range strings.SplitSeq(counts, "\n") {
		if head, _, _ := strings.Cut(counts, "\n"); len(line) != len(head) {
			t.Errorf("the numbers of events do not stand digit under digit:\n%s", counts)
			break
		}
	}
	contains(t, must(t, readside.ExitNo, "verify", "order").out, key)
	contains(t, must(t, readside.ExitOK, "rebuild", "order", "--key", key).out, key, "mended", `status was "lost" and is "`)
	must(t, readside.ExitOK, "verify", "order")
	contains(t, must(t, readside.ExitOK, "rebuild", "order", "--key", key).out, "nothing was changed")
	unknown := must(t, readside.ExitNo, "rebuild", "order", "--key", "nobody")
	contains(t, unknown.err, `view order has no row with the key "nobody": no event up to place`, "touches it")
	if unknown.out != "" {
		t.Errorf("of a row that nobody knows it says %q", unknown.out)
	}
	if _, err := db.Pool.Exec(t.Context(), `update views."`+table+`" set status = 'lost' where id = $1`, key); err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, readside.ExitNo, "verify", "nonsense").err, "nonsense", "order_lines")
	contains(t, must(t, readside.ExitNo, "rebuild", "nonsense").err, "nonsense", "order")
}

func mend(t *testing.T) {
	t.Helper()
	contains(t, must(t, readside.ExitOK, "rebuild", "order").out, "generation 2", "is live", "mends 1 row of")
	must(t, readside.ExitOK, "verify", "order")
	contains(t, must(t, readside.ExitOK, "verify", "--json").out, `"verified":true`)
}

// mendFacts orders new tables for the facts; the running projector fills them.
func mendFacts(t *testing.T) {
	t.Helper()
	for _, flags := range [][]string{{"--dry-run"}, {"--key", "o-1"}, {"--full-speed"}, {"--max-rate", "5"}} {
		contains(t, must(t, readside.ExitUsage, append([]string{"rebuild", "facts"}, flags...)...).err, flags[0], "for views")
	}
	contains(t, must(t, readside.ExitOK, "rebuild", "facts").out, "ordered")
	deadline := time.Now().Add(testWait)
	for run(t, "verify", "order_lines").code != readside.ExitOK {
		if time.Now().After(deadline) {
			t.Fatal("the facts are not mended")
		}
	}
}

// damageFact takes a row out of ClickHouse: verify names its table.
func damageFact(t *testing.T, ch *dbtest.CH, r status.Report) {
	t.Helper()
	for _, c := range r.Cold {
		if c.Fact != "order_lines" {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), testWait)
		defer cancel()
		if err := ch.Conn.Exec(ctx, "ALTER TABLE `"+c.Table+"` DELETE WHERE (_position, _row) = (SELECT min((_position, _row)) FROM `"+c.Table+"`) SETTINGS mutations_sync = 1"); err != nil {
			t.Fatal(err)
		}
		contains(t, must(t, readside.ExitNo, "verify", "order_lines").out, c.Table, "DIFFERS", "missing")
		return
	}
	t.Fatal("no table order_lines")
}

// copyTheLog writes the log out and into another database, twice.
func copyTheLog(t *testing.T, r status.Report) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "events.jsonl")
	contains(t, must(t, readside.ExitOK, "events", "export", file).err, "events exported")
	tail := must(t, readside.ExitOK, "events", "tail", "--from", "start", "--until-head").out
	exported, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	events := bytes.Count(exported, []byte("\n"))
	if got := strings.Count(tail, "\n"); got != events || events == 0 {
		t.Errorf("tail printed %d events, %d were exported", got, events)
	}
	if out := must(t, readside.ExitOK, "events", "tail", "--from", r.Log.Position.String(), "--until-head").out; out != "" {
		t.Errorf("there are events after the head: %s", out)
	}
	other := dbtest.Postgres(t)
	t.Setenv("READSIDE_POSTGRES_URL", other.URL)
	contains(t, must(t, readside.ExitOK, "events", "import", file).out, "0 were there already")
	if again := runWith(t, string(exported), "events", "import"); again.code != readside.ExitOK || !strings.Contains(again.out, " 0 appended") {
		t.Errorf("the second import: %+v", again)
	}
	if out := must(t, readside.ExitOK, "events", "export").out; out != string(exported) {
		t.Error("the copy of the log differs from the log")
	}
	contains(t, runWith(t, "{}\n", "events", "import").err, "line 1")
}
