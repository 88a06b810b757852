package hot

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
)

type (
	partMade  struct{ ID string }
	boxPacked struct {
		ID    string
		Parts []string
	}
	boxPart struct {
		ID string `view:"id,key"`
	}
	box struct {
		ID    string   `view:"id,key"`
		Parts []string `view:"parts"`
		Found int64    `view:"found,join"`
	}
)

func (partMade) EventType() (string, int)  { return "hot.PartMade", 1 }
func (boxPacked) EventType() (string, int) { return "hot.BoxPacked", 1 }

func boxTable(t *testing.T) (*Table, *projections.JoinModel) {
	t.Helper()
	parts := &projections.View[boxPart]{Name: "part", Version: 1, Handlers: []projections.Handler[boxPart]{
		projections.Create(func(e partMade) string { return e.ID }, func(*boxPart, partMade, projections.Meta) error { return nil })}}
	boxes := &projections.View[box]{Name: "box", Version: 1,
		Handlers: []projections.Handler[box]{projections.Create(func(e boxPacked) string { return e.ID }, func(b *box, e boxPacked, _ projections.Meta) error {
			b.Parts = e.Parts
			return nil
		})},
		Joins: []projections.Join[box]{projections.JoinOn(parts, func(b *box) []string { return b.Parts }, func(b *box, get func(string) *boxPart) {
			for _, p := range b.Parts {
				if get(p) != nil {
					b.Found++
				}
			}
		})}}
	set, err := projections.NewSet(parts, boxes)
	if err != nil {
		t.Fatal(err)
	}
	m := set.View("box")
	l, err := NewLayout(m)
	if err != nil {
		t.Fatal(err)
	}
	return NewTable(l, TableName(m, 1)), m.Joins[0]
}

// The rows that depend on many changed sources are found in a time that grows with the
// keys and the rows that are found, not with their product: one search of the index for
// 20,000 keys that 200,000 rows name takes minutes, and even here several times as long.
// Each row is found once, also one that names all of the keys. The
// statement finds them by the index of the links when the table is nearly empty, too.
func TestDependentsOfManySources(t *testing.T) {
	t.Parallel()
	const rows, sources = 30_000, 20_000
	db := dbtest.Postgres(t)
	ctx := t.Context()
	table, join := boxTable(t)
	for _, sql := range append([]string{table.CreateTable(table.Name)}, table.CreateIndexes(table.Name)...) {
		if _, err := db.Pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(ctx, db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	session, err := pipeline.NewSession(ctx, conn.PgConn())
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]string, sources)
	for i := range keys {
		keys[i] = fmt.Sprint("p", i)
	}
	var took time.Duration
	find := func() (found []string) {
		t.Helper()
		found, took = dependentsOf(t, session, table, join, keys)
		return found
	}
	insert := `insert into ` + table.Qualified() + ` (id, parts, found, _state, _link_0) `
	if _, err := db.Pool.Exec(ctx, insert+`select 'all', '[]'::json, 0, $1::smallint, array(select 'x' || n from generate_series(1, 80000) n) || $2::text[]`, projections.Live, keys[len(keys)-1:]); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool.Exec(ctx, `analyze `+table.Qualified()); err != nil {
		t.Fatal(err)
	}
	if found := find(); !slices.Equal(found, []string{"all"}) {
		t.Errorf("found %q", found)
	}
	if _, err := db.Pool.Exec(ctx, insert+`select 'b' || g, '[]'::json, 0, $1::smallint, array['p' || g % $2::int, 'p' || (g * 7) % $2::int] from generate_series(1, $3::int) g
union all select 'unborn', '[]'::json, 0, 1::smallint, array['p1'] union all select 'other', '[]'::json, 0, $1::smallint, array['q1']`, projections.Live, sources, rows); err != nil {
		t.Fatal(err)
	}
	want := []string{"all"}
	for i := range rows {
		want = append(want, fmt.Sprint("b", i+1))
	}
	slices.Sort(want)
	if found := find(); !slices.Equal(found, want) {
		t.Errorf("found %d rows, not %d", len(found), len(want))
	}
	// One search for all keys has twice that time, and is not done by then.
	if _, err := conn.Exec(ctx, fmt.Sprint("set statement_timeout = ", (2*took).Milliseconds())); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := conn.QueryRow(ctx, `select count(*) from `+table.Qualified()+` where _link_0 && $1::text[]`, pgx.QueryExecModeExec, keys).Scan(&n); err == nil {
		t.Errorf("it took %s, and one search for all keys, which finds %d rows, not twice as long", took, n)
	} else if fault := (*pgconn.PgError)(nil); !errors.As(err, &fault) || fault.Code != "57014" {
		t.Error(err)
	}
}

// dependentsOf are the rows that Dependents finds, in order, and how long it took.
func dependentsOf(t *testing.T, session *pipeline.Session, table *Table, join *projections.JoinModel, keys []string) (found []string, took time.Duration) {
	t.Helper()
	const most = 2000
	began := time.Now()
	session.Queue("begin")
	err := table.Dependents(t.Context(), session, join, keys, most, func(keys []string) error {
		if len(keys) > most {
			t.Errorf("%d keys are handed out at once", len(keys))
		}
		found = append(found, keys...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	session.Queue("commit")
	if err := session.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	took = time.Since(began)
	t.Logf("%d keys, %d rows found in %s", len(keys), len(found), took)
	slices.Sort(found)
	return found, took
}
