package status

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// desk is a database whose projectors' rows are written by hand.
type desk struct {
	t    *testing.T
	db   *dbtest.DB
	pool *pgxpool.Pool
	log  *eventlog.Log
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db := dbtest.Postgres(t)
	pool := db.Role(t, "readside_projector")
	log, err := eventlog.Open(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, db: db, pool: pool, log: log}
	d.exec(`insert into eventlog.events (version, time, appended_at, schema_version, id, source, type, stream, data)
		select 1, now() - interval '3 years', now() - interval '3 seconds', 1, i::text, 's', 't', i::text, '{}' from generate_series(1, 10) i`)
	return d
}

func (d *desk) exec(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.db.Pool.Exec(d.t.Context(), sql, args...); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

func (d *desk) projector(name, state string, place int64) {
	d.t.Helper()
	log, incarnation, _ := d.log.Start().Parts()
	d.exec(`insert into readside.projectors (name, base, log, incarnation, place, state) values ($1, 'main', $2, $3, $4, $5)`, name, log.String(), incarnation, place, state)
	d.exec(`insert into readside.views (view, version, generation, projector, table_name, fingerprint, state)
		values ('order', 3, (select count(*) + 1 from readside.views), $1, 'order_of_' || $1, '', case $2 when 'building' then 'building' else 'live' end)`, name, state)
}

// lease lets somebody work for a projector: the server process behind conn.
func (d *desk) lease(projector string, conn *pgxpool.Conn) {
	d.t.Helper()
	d.exec(`insert into readside.leases (projector, owner, host, process, backend_pid, backend_start, expires_at)
		select $1, gen_random_uuid(), 'near', 42, pid, backend_start, clock_timestamp() + interval '1 hour' from pg_stat_activity where pid = $2`,
		projector, int(conn.Conn().PgConn().PID()))
}

func (d *desk) backend() *pgxpool.Conn {
	d.t.Helper()
	conn, err := d.pool.Acquire(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return conn
}

func (d *desk) read() *Report {
	d.t.Helper()
	r, err := Read(d.t.Context(), d.pool, d.log)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// hot finds the only view of a hot projector, and the projector.
func (r *Report) hot(t *testing.T, name string) (Projector, View) {
	t.Helper()
	for _, p := range r.Projectors {
		for _, v := range r.Views {
			if p.Name == name && p.Kind == "hot" && v.Projector == name {
				return p, v
			}
		}
	}
	t.Fatalf("no projector %s with a view in %+v", name, r)
	return Projector{}, View{}
}

// A process that died is seen to be dead, however far it had come: by its lease that ran out,
// and at once by its server process that is gone.
func TestADeadReaderIsStalled(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, name := range []string{"works", "ran out", "gone", "never"} {
		d.projector(name, "live", 10)
	}
	working, gone := d.backend(), d.backend()
	defer working.Release()
	d.lease("works", working)
	d.lease("ran out", working)
	d.lease("gone", gone)
	d.exec(`update readside.leases set expires_at = now() - interval '1 second' where projector = 'ran out'`)
	if err := gone.Conn().Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone.Release()
	d.exec(`update readside.leases set backend_start = '-infinity' where projector = 'gone'`) // its number may be another's by now

	r := d.read()
	for name, want := range map[string]string{"works": "live", "ran out": Stalled, "gone": Stalled, "never": Stalled} {
		p, v := r.hot(t, name)
		if p.State != want || v.State != want || (p.Owner != nil) != (want == "live") {
			t.Errorf("%s: the projector is %s with owner %v, the view is %s, want %s", name, p.State, p.Owner, v.State, want)
		}
	}
	if p, _ := r.hot(t, "works"); p.Owner.Host != "near" || p.Owner.Process != 42 || p.Owner.LeaseLeftSeconds < 3000 || p.Owner.LeaseLeftSeconds > 3600 {
		t.Errorf("the owner is %+v", p.Owner)
	}
	d.exec(`insert into eventlog.events (version, time, schema_version, id, source, type, stream, data) values (1, now(), 1, 'x', 's', 't', 'x', '{}')`)
	if _, v := d.read().hot(t, "never"); v.LagEvents != 1 {
		t.Errorf("a dead reader lags by %d events, want 1", v.LagEvents)
	}
}

func TestABuildAndParkedEventsAreTold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.projector("old", "live", 8)
	d.projector("new", "building", 0)
	d.exec(`insert into readside.builds (projector, until, slices, read) values ('new', 10, 1, 4)`)
	conn := d.backend()
	defer conn.Release()
	d.lease("old", conn)
	d.lease("new", conn)
	for place, state := range []string{"parked", "queued", "discarded"} {
		d.exec(`insert into readside.parked (projector, view, place, key, stream, event_type, state) values ('old', 'order', $1, 'k', 's', 't', $2)`, place, state)
	}
	r := d.read()
	if _, v := r.hot(t, "old"); v.Parked != 2 || v.State != "live" || !v.Live || v.LagEvents != 2 || v.LagSeconds < 3 || v.LagSeconds > 3600 {
		t.Errorf("the live view is %+v", v)
	}
	p, v := r.hot(t, "new")
	if v.State != building || v.Live || v.BuiltPercent == nil || *v.BuiltPercent != 40 || p.done != 4 {
		t.Errorf("the view that is being built is %+v", v)
	}
	d.exec(`update readside.projectors set place = 10`)
	if d.read().CaughtUp() {
		t.Error("caught up, though a view cannot be read yet")
	}
	d.exec(`update readside.views set state = 'live'`)
	if !d.read().CaughtUp() {
		t.Error("not caught up")
	}
}

func TestAColdProjectorWithoutItsLockIsStalled(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	log, incarnation, _ := d.log.Start().Parts()
	for _, name := range []string{"main", "other"} {
		d.exec(`insert into readside.cold_checkpoint (name, log, incarnation, place, state, fingerprint) values ($1, $2, $3, 10, 'live', '')`, name, log.String(), incarnation)
	}
	conn := d.backend()
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `select pg_advisory_lock(hashtextextended('readside.cold:' || 'main', 0))`); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.read().Projectors {
		if want := map[string]string{"main": "live", "other": Stalled}[p.Name]; p.State != want {
			t.Errorf("the cold projector %s is %s, want %s", p.Name, p.State, want)
		}
	}
	if _, err := conn.Exec(t.Context(), `select pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
	if p := d.read().Projectors[0]; p.State != Stalled {
		t.Errorf("without its lock the cold projector is %s", p.State)
	}
}
