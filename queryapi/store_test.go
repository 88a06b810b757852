package queryapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

// store is a database with the views' tables, written by hand as a projector would.
type store struct {
	t     testing.TB
	db    *dbtest.DB
	query *pgxpool.Pool // as the role of the query API
	log   uuid.UUID
	set   *projections.Set
	// worker is the server process that writes for the owners of all projectors.
	worker *pgx.Conn
}

const testProjector = "main"

func newStore(t testing.TB) *store {
	t.Helper()
	db := dbtest.Postgres(t)
	s := &store{t: t, db: db, query: db.Role(t, "readside_query"), log: uuid.New(), set: views(t)}
	worker, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = worker.Close(context.Background()) })
	s.worker = worker
	s.projector(testProjector, 0)
	s.exec(`update eventlog.log set identity = $1, incarnation = 7`, s.log)
	for _, m := range s.set.Views() {
		s.generation(m, 1, "live")
	}
	return s
}

func (s *store) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Pool.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

var sqlTypes = map[projections.Kind]string{
	projections.Text: "text", projections.Bool: "boolean", projections.Int32: "integer", projections.Int64: "bigint",
	projections.Float64: "double precision", projections.Time: "timestamptz", projections.JSON: "json",
	projections.UUID: "uuid", projections.Decimal: "numeric(38, %d)",
}

// generation makes a generation's table and its row in readside.views.
func (s *store) generation(m *projections.Model, number int, state string) string {
	s.t.Helper()
	return s.owned(testProjector, m, number, state)
}

// owned is a generation of the projector named.
func (s *store) owned(projector string, m *projections.Model, number int, state string) string {
	s.t.Helper()
	table := fmt.Sprintf("%s_g%d", m.Table(), number)
	var b strings.Builder
	fmt.Fprintf(&b, "set role readside_projector; create table views.%s (", table)
	for _, c := range m.Columns {
		sql := sqlTypes[c.Kind]
		if c.Kind == projections.Decimal {
			sql = fmt.Sprintf(sql, c.Scale)
		}
		fmt.Fprintf(&b, "%s %s, ", c.Name, sql)
	}
	fmt.Fprintf(&b, "_state smallint not null default 2, primary key (%s)); reset role", m.Columns[m.Key].Name)
	s.exec(b.String())
	s.exec(`insert into readside.views (view, version, generation, projector, table_name, fingerprint, state)
		values ($1, $2, $3, $4, $5, $6, $7)`, m.Name, m.Version, number, projector, table, m.Fingerprint(), state)
	return table
}

// projector adds a live projector with somebody who works for it.
func (s *store) projector(name string, place int64) {
	s.t.Helper()
	s.exec(`insert into readside.projectors (name, base, log, incarnation, place, state) values ($1, 'main', $2, 7, $3, 'live')`, name, s.log, place)
	s.exec(`insert into readside.leases (projector, owner, host, process, backend_pid, backend_start, expires_at)
		values ($1, gen_random_uuid(), 'here', 1, $2, now(), now() + interval '1 hour')`, name, int(s.worker.PgConn().PID()))
}

func (s *store) addBook(b book) {
	s.t.Helper()
	s.addBookTo("book_v2_g1", b, 2)
}

func (s *store) addBookTo(table string, b book, state int) {
	s.t.Helper()
	editions, err := json.Marshal(b.Editions)
	if err != nil {
		s.t.Fatal(err)
	}
	first, err := json.Marshal(b.First)
	if err != nil {
		s.t.Fatal(err)
	}
	s.exec(`insert into views.`+table+` (id, author_id, title, pages, sold, rating, in_print, subtitle, seen, out, editions, first, secret, _state, code, cost, bound, rebound, sequel, award)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::text::numeric, $17, $18, $19, $20::text::numeric)`,
		b.ID, b.AuthorID, b.Title, b.Pages, b.Sold, b.Rating, b.InPrint, b.Subtitle, b.Seen, b.Out, string(editions), string(first), b.Secret, state,
		b.Code, b.Cost.String(), string(b.Bound), (*string)(b.Rebound), b.Sequel, textOf(b.Award))
}

func textOf(d *decimal.Decimal) *string {
	if d == nil {
		return nil
	}
	text := d.String()
	return &text
}

func (s *store) addAuthor(id, name string) {
	s.t.Helper()
	s.exec(`insert into views.author_v1_g1 (author_id, name) values ($1, $2)`, id, name)
}

// checkpoint moves the projector, as its transaction would.
func (s *store) checkpoint(place int64) {
	s.t.Helper()
	s.exec(`update readside.projectors set place = $1 where name = $2`, place, testProjector)
}

func (s *store) position(place int64) string {
	return eventlog.NewPosition(s.log, 7, place).String()
}

func (s *store) appendEvents(n int) {
	s.t.Helper()
	s.exec(`insert into eventlog.events (version, time, appended_at, schema_version, id, source, type, stream, data)
		select i, now() - interval '3 years', now() - interval '3 seconds', 1, gen_random_uuid()::text, 'press', 'press.Printed', gen_random_uuid()::text, '{}' from generate_series(1, $1::int) i`, n)
}

func (s *store) api(options queryapi.Options) *queryapi.API {
	s.t.Helper()
	if options.Pool == nil {
		options.Pool = s.query
	}
	a, err := queryapi.New(schema(s.t), options)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// ask returns the data and extensions of a request as a client sees them, and fails
// the test on errors.
func ask(t testing.TB, a *queryapi.API, query string) map[string]any {
	t.Helper()
	answer := plain(t, a.Do(context.Background(), queryapi.Request{Query: query}))
	if answer["errors"] != nil {
		t.Fatalf("%s\nanswers %v", query, answer["errors"])
	}
	return answer["data"].(map[string]any)
}

func plain(t testing.TB, answer *queryapi.Answer) map[string]any {
	t.Helper()
	data, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// refusalOf returns the code of a request's first error.
func refusalOf(t testing.TB, answer *queryapi.Answer) (string, queryapi.Error) {
	t.Helper()
	if len(answer.Errors) == 0 {
		t.Fatalf("answered %v, want an error", answer.Data)
	}
	return answer.Errors[0].Code(), answer.Errors[0]
}

var day = time.Date(2026, 3, 1, 9, 30, 0, 250_000_000, time.UTC)

func aBook(i int) book {
	subtitle := fmt.Sprintf("part %d", i)
	award := decimal.New(int64(i%4-2)*11250, -3)
	sequel, rebound := int64(i%5), binding("spiral")
	b := book{
		ID: fmt.Sprintf("b%03d", i), AuthorID: fmt.Sprintf("a%d", i%3), Title: fmt.Sprintf("Title %d", i/2),
		Pages: int32(100 + i%5), Sold: int64(i%7) * 1000, Rating: float64(i) / 4, InPrint: i%2 == 0,
		Subtitle: &subtitle, Out: day.Add(time.Duration(i/3) * time.Hour),
		Editions: []edition{{Number: i, Price: price{int64(i) * 100, "EUR"}, Notes: []string{"n"}, Printed: day}}, Secret: "x",
		Code: uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, i)), Cost: decimal.New(int64(i%6)*4999, -2), Bound: []binding{"hard", "paper"}[i%2],
	}
	if i%3 > 0 {
		b.Sequel, b.Rebound = &sequel, &rebound
	}
	if i%4 > 1 {
		b.Award = &award
	}
	return b
}
