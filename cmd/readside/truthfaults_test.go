package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/readside/readside/projections/control"
)

// stands is when a standstill, or a cold worker's silence, counts.
const stands = control.StalledAfter

func asProject(w *world) *daemon { return w.project }
func asShop(w *world) *daemon    { return w.shop }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// truths are the faults. The last ones leave the installation broken.
func truths() []fault {
	return append(append(workerTruths(), storeTruths()...), eventTruths()...)
}

func workerTruths() []fault {
	both := "views STALLED, facts STALLED"
	return []fault{
		{name: "owner killed", often: true,
			inject: func(w *world) { w.project.end() },
			undo:   func(w *world) { w.project = w.start("project", "health") },
			want:   faces{"stalled", both, "503 stalled", "stalled"}, says: "no worker holds its lease"},
		{name: "owner stopped (lease)", grace: truthTTL,
			inject: func(w *world) { w.must(w.project.Process.Signal(syscall.SIGSTOP)) },
			undo:   func(*world) {},
			want:   faces{"stalled", "views STALLED", "503 stalled", "stalled"}, says: "no worker holds its lease"},
		{name: "owner stopped (facts)", grace: stands, goesOn: true, // still stopped: a cold worker has no lease
			inject: func(*world) {},
			undo:   func(w *world) { w.must(w.project.Process.Signal(syscall.SIGCONT)) },
			want:   faces{"stalled", both, "503 stalled", "stalled"}, says: "has not been heard of"},
		{name: "log held back", grace: stands, by: asProject,
			inject: func(w *world) {
				tx, err := w.admin.Begin(w.t.Context())
				w.must(err)
				w.holding = tx
				const held = `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
values (1, now(), 1, gen_random_uuid()::text, 'postgres', 'noise', gen_random_uuid()::text, '{}')`
				_, err = tx.Exec(w.t.Context(), held)
				w.must(err)
				w.exec(held)
			},
			undo: func(w *world) { w.must(w.holding.Rollback(w.t.Context())) },
			want: faces{"held_back", "views HELD_BACK, facts HELD_BACK", "503 held_back", "held_back"}, says: "by process "},
	}
}

// connections takes or gives the connections that the programs' roles may have. Members
// of a superuser's session have no limit, so each program has a login of its own.
func (w *world) connections(limit int) {
	for _, role := range []string{"readside_projector", "readside_query"} {
		w.exec(fmt.Sprintf("alter role %s connection limit %d", role, limit))
	}
	w.exec(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename in ('readside_projector', 'readside_query') and $1 = 0`, limit)
}

func storeTruths() []fault {
	const unreachable, refused = "STORE_UNAVAILABLE", "views STORE_UNAVAILABLE, facts STORE_UNAVAILABLE"
	background := context.Background()
	away := faces{"postgres_unreachable", refused, "503 postgres_unreachable", "postgres_unreachable"}
	cold := func(cause string) faces {
		return faces{cause, "views LIVE, facts " + unreachable, "503 " + cause, cause}
	}
	return []fault{
		{name: "Postgres down", grace: lookWait, by: asProject,
			inject: func(w *world) { w.must(w.postgres.Kill(background)) },
			undo:   func(w *world) { w.must(w.postgres.Restart(background)) }, want: away},
		{name: "Postgres restarted", grace: stands, // all recover by themselves
			inject: func(w *world) { w.must(w.postgres.Kill(background)); w.must(w.postgres.Restart(background)) },
			undo:   func(*world) {}, want: well},
		{name: "Postgres unreachable", grace: lookWait,
			inject: func(w *world) { w.toPostgres.cut() },
			undo:   func(w *world) { w.toPostgres.mend() }, want: away},
		{name: "connection limit", by: asProject,
			inject: func(w *world) { w.connections(0) },
			undo:   func(w *world) { w.connections(-1) },
			want:   faces{"postgres_connections", refused, "503 postgres_connections", "postgres_connections"}},
		{name: "wrong permissions", often: true,
			inject: func(w *world) { w.exec(`revoke select on readside.projectors from readside_query, readside_projector`) },
			undo: func(w *world) {
				w.exec(`grant select on readside.projectors to readside_projector`)
				w.exec(`grant select (name, base, rebuilds, program, log, incarnation, place, epoch, state, folded, event_time, updated_at) on readside.projectors to readside_query`)
			},
			want: faces{"postgres_refuses", "views STORE_UNAVAILABLE", "503 postgres_refuses", "postgres_refuses"}},
		{name: "ClickHouse down", often: true,
			inject: func(w *world) { w.must(w.clickHouse.Kill(background)) },
			undo:   func(w *world) { w.must(w.clickHouse.Restart(background)) }, want: cold("clickhouse_unreachable")},
		{name: "ClickHouse unreachable", grace: 15 * time.Second, // a report's own time limit
			inject: func(w *world) { w.toClickHouse.cut() },
			undo:   func(w *world) { w.toClickHouse.mend() }, want: cold("clickhouse_unreachable")},
	}
}

const noRoom = `create or replace function public.no_room() returns trigger language plpgsql as
$$ begin raise exception 'could not extend file: No space left on device' using errcode = '%s'; end $$`

// failing lets every write to tables fail with a code.
func (w *world) failing(code, tables string) {
	w.exec(fmt.Sprintf(noRoom, code))
	w.exec(`do $$ declare t text; begin
for t in select format('%I.%I', schemaname, tablename) from pg_tables where ` + tables + ` loop
  execute 'create trigger no_room before insert or update on ' || t || ' for each statement execute function public.no_room()';
end loop; end $$`)
}

func (w *world) mend() { w.exec(`drop function public.no_room() cascade`) }

func (w *world) product(id string) {
	w.put("catalog/products", fmt.Sprintf(product, id))
}

const product = `{"id":"%s","name":"Thing","brand":"B","category":"things","price":{"amount":100,"currency":"EUR"},"stock":10}`

func eventTruths() []fault {
	return []fault{
		{name: "a reaction stuck", often: true, grace: time.Second, by: asShop,
			inject: func(w *world) {
				w.failing("55P03", `schemaname = 'shop_basket' and tablename = 'inbox'`)
				w.product("p1")
			},
			undo: func(w *world) { w.mend() },
			// The views have all events that there are: what they promise holds.
			want: faces{"failing", well.fresh, "503 failing", "failing"}, says: "No space left"},
		{name: "disk full (views)", grace: stands, by: asProject,
			inject: func(w *world) {
				w.disk = w.smallDisk()
				w.disk.fill()
				for i := range pageful {
					w.product(fmt.Sprintf("full%d", i))
				}
			},
			undo: func(w *world) { w.disk.free() },
			want: faces{"stalled", "views STALLED", "503 postgres_full", "postgres_full"}, says: "No space left on device"},
		// Which row continuous verification compares next nobody knows: all are soon.
		{name: "a row changed by hand", grace: 60 * time.Second,
			inject: func(w *world) { w.exec(w.ofProducts(`update %s set name = 'Thong' where id = 'p0'`)) },
			undo:   func(w *world) { w.exec(w.ofProducts(`update %s set name = 'Thing' where id = 'p0'`)) },
			want:   faces{"differs", well.fresh, "200 differs", "differs"}, says: "product p0 differs in name"},
		{name: "facts parked", often: true,
			inject: func(w *world) { w.event(99) },
			undo: func(w *world) { // given up, as an operator may
				w.exec(`update readside.cold_parked set state = 'discarded'`)
				w.exec(`update readside.parked set state = 'discarded'`)
				w.exec(`update readside.projectors set epoch = epoch + 1`)
			},
			want: faces{"parked", "views LIVE parked, facts LIVE parked", "200 parked", "parked"}},
		{name: "views halted",
			inject: func(w *world) {
				w.project.end()
				w.project = w.start("project", "health", "READSIDE_PARKED_MAX=-1")
				w.mustShow("a project that halts at the first", well, w.serve, testWait)
				w.event(99)
			},
			undo: func(*world) {},
			want: faces{"halted", "views HALTED, facts HALTED", "503 halted", "halted"}, says: "version 99"},
	}
}
