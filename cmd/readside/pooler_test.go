package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/dbtest"
)

// throughSharing are the commands that need sessions, as they are tried through a pooler
// that has none.
var throughSharing = []string{
	"migrate up", "migrate down", "migrate down --set shop --to 0", "migrate status",
	"up", "shop", "project", "demo --for 1s", "status", "status --json", "verify", "verify order_lines",
	"rebuild order", "rebuild order --dry-run", "rebuild order --key o-1", "rebuild facts", "facts take-over",
	"parked list", "parked show order 1", "parked retry order", "parked discard order o-1",
	"deadletters list", "deadletters show ordering e-1", "deadletters retry ordering", "deadletters discard ordering e-1",
	"explain order o-1", "events export", "events import", "events tail --until-head",
}

// elsewhere are the commands that are not tried, with the reason.
var elsewhere = map[string]string{
	"serve":          "works through such a pooler: TestServeWorksThroughASharingPooler",
	"stores":         "starts a Postgres of its own",
	"bench":          "measures a Postgres of its own, or opens the log, as all of those do",
	"setup":          "connects to nothing",
	"schema graphql": "connects to nothing",
	"schema sql":     "connects to nothing",
	"schema check":   "connects to nothing",
	"config":         "is a page of the help",
	"new":            "writes a module and connects to nothing",
}

// Programs that need sessions refuse a pooler that shares server processes, also one
// that drops what it does not know without a word.
func TestProgramsRefuseASharingPooler(t *testing.T) {
	_, ch := useStores(t)
	db := dbtest.Postgres(t)
	const dropped = "role,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,plan_cache_mode,extra_float_digits"
	for _, ignored := range []string{"", dropped} {
		t.Setenv("READSIDE_POSTGRES_URL", db.PgBouncer(t, "transaction", ignored)("postgres"))
		t.Setenv("READSIDE_CLICKHOUSE_URL", ch.URL)
		for _, args := range throughSharing {
			o := run(t, strings.Fields(args)...)
			if o.code != readside.ExitNo || !strings.Contains(o.err, "shares server processes among transactions") || !strings.Contains(o.err, "session mode") {
				t.Errorf("readside %s (ignored: %q): exit code %d, standard error %q", args, ignored, o.code, o.err)
			}
		}
	}
	var projectors, applied int
	err := db.Pool.QueryRow(t.Context(), `select (select count(*) from readside.projectors), (select count(*) from public.readside_shop_migrations where version_id > 0)`).Scan(&projectors, &applied)
	if err != nil || projectors != 0 || applied < 5 {
		t.Errorf("they left %d projectors and %d of the shop's migrations, %v", projectors, applied, err)
	}
}

// A command that is added is tried through such a pooler, or there is a reason.
func TestEveryCommandIsTriedThroughASharingPooler(t *testing.T) {
	for _, path := range everyCommand(t, nil) {
		tried := slices.ContainsFunc(throughSharing, func(args string) bool { return args == path || strings.HasPrefix(args, path+" ") })
		if elsewhere[path] == "" && !tried {
			t.Errorf("readside %s is not tried through a pooler that shares server processes", path)
		}
	}
}

// everyCommand lists the commands below one that do something, as the help prints them.
func everyCommand(t *testing.T, below []string) (all []string) {
	t.Helper()
	_, listed, has := strings.Cut(must(t, readside.ExitOK, append(slices.Clone(below), "--help")...).out, "Available Commands:\n")
	if !has {
		return []string{strings.Join(below, " ")}
	}
	listed, _, _ = strings.Cut(listed, "\n\n")
	for line := range strings.Lines(listed) {
		if name := strings.Fields(line)[0]; name != "help" {
			all = append(all, everyCommand(t, append(slices.Clone(below), name))...)
		}
	}
	return all
}

// The query service has a login of its own there, and brings its settings with each
// transaction.
func TestServeWorksThroughASharingPooler(t *testing.T) {
	useStores(t)
	db := dbtest.Postgres(t)
	t.Setenv("READSIDE_POSTGRES_URL", db.URL)
	shop, projector := start(t, "shop"), start(t, "project")
	buy(t, strings.TrimSuffix(shop.logged(t, "address"), "/v1/"))
	untilCaughtUp(t)
	member, other := db.NewRole(t, ""), db.NewRole(t, "")
	for _, sql := range []string{"grant readside_query to " + member + ", " + other, "alter role " + member + " set role = readside_query"} {
		if _, err := db.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	pooled := db.PgBouncer(t, "transaction", "", "readside_query", member, other)
	t.Setenv("READSIDE_QUERY_URL", pooled(other))
	contains(t, must(t, readside.ExitNo, "serve").err, "no session can act as role readside_query", "SET role")
	for _, login := range []string{"readside_query", member} {
		t.Setenv("READSIDE_QUERY_URL", pooled(login))
		query := start(t, "serve")
		for range 5 {
			asks(t, query.logged(t, "url"))
		}
		query.stop(t)
	}
	shop.stop(t)
	projector.stop(t)
}

// A pool in session mode gives each connection a server process of its own: a whole day
// of an operator goes through one.
func TestEveryProgramWorksThroughAPoolInSessionMode(t *testing.T) {
	db, _ := useStores(t)
	pooled := db.PgBouncer(t, "session", "")("postgres")
	t.Setenv("READSIDE_POSTGRES_URL", pooled)
	migrateAndBack(t)
	shop, projector, query := start(t, "shop"), start(t, "project"), start(t, "serve")
	buy(t, strings.TrimSuffix(shop.logged(t, "address"), "/v1/"))
	report := untilCaughtUp(t)
	asks(t, query.logged(t, "url"))
	contains(t, must(t, readside.ExitOK, "verify").out, "view order version", "fact order_lines", "equals")
	damage(t, db)
	mend(t)
	mendFacts(t)
	contains(t, must(t, readside.ExitOK, "parked", "list").out, "nothing")
	must(t, readside.ExitOK, "deadletters", "list")
	must(t, readside.ExitOK, "facts", "take-over")
	var order string
	if err := db.Pool.QueryRow(t.Context(), `select stream from eventlog.events where type = 'ordering.OrderSubmitted' limit 1`).Scan(&order); err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, readside.ExitOK, "explain", "order", strings.TrimPrefix(order, "order-")).out, "ordering.OrderSubmitted")
	for _, b := range []*background{shop, projector, query} {
		b.stop(t)
	}
	copyTheLog(t, report)

	fresh := dbtest.EmptyPostgres(t)
	t.Setenv("READSIDE_POSTGRES_URL", strings.Replace(pooled, db.Name, fresh.Name, 1))
	t.Setenv("READSIDE_CLICKHOUSE_URL", dbtest.ClickHouse(t).URL)
	contains(t, must(t, readside.ExitOK, "demo", "--for", "2s", "--summary", "json").out, `"verified":true`)
}
