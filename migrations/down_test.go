package migrations_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/migrations"
)

func versions(t *testing.T, url string) (engine, shop int64) {
	t.Helper()
	engine, err := migrations.Version(t.Context(), url, migrations.Engine)
	if err != nil {
		t.Fatal(err)
	}
	shop, err = migrations.Version(t.Context(), url, migrations.Shop)
	if err != nil {
		t.Fatal(err)
	}
	return engine, shop
}

func TestDownIsOneStep(t *testing.T) {
	ctx := context.Background()
	db := dbtest.EmptyPostgres(t)
	if err := migrations.Up(ctx, db.URL, sets...); err != nil {
		t.Fatal(err)
	}
	engine, shop := versions(t, db.URL)
	for {
		e, s := versions(t, db.URL)
		undone, err := migrations.StepDown(ctx, db.URL, migrations.Permission{}, sets...)
		if err != nil {
			t.Fatal(err)
		}
		nextE, nextS := versions(t, db.URL)
		switch {
		case s > 0 && (nextE != e || nextS != migrations.Previous(migrations.Shop, s)),
			s == 0 && e > 0 && nextE != migrations.Previous(migrations.Engine, e):
			t.Fatalf("a step from engine %d, shop %d came to engine %d, shop %d", e, s, nextE, nextS)
		case undone != (e+s > 0):
			t.Fatalf("a step from engine %d, shop %d was undone: %v", e, s, undone)
		}
		if !undone {
			break
		}
	}
	if err := migrations.Up(ctx, db.URL, sets...); err != nil {
		t.Fatal(err)
	}
	if err := migrations.DownTo(ctx, db.URL, migrations.Engine, 3, migrations.Permission{}, sets...); err != nil {
		t.Fatal(err)
	}
	if e, s := versions(t, db.URL); e != 3 || s != shop || engine <= 3 {
		t.Errorf("--to 3 came to engine %d, shop %d", e, s)
	}
	var needed *migrations.NeededError
	if err := migrations.DownTo(ctx, db.URL, migrations.Engine, 0, migrations.Permission{}, sets...); !errors.As(err, &needed) {
		t.Errorf("the engine under the shop was removed: %v", err)
	}
}

// A log with events, and a service's rows, go only where the operator names the database.
func TestDownKeepsRowsThatNobodyNamed(t *testing.T) {
	ctx := context.Background()
	db := dbtest.Postgres(t)
	for _, sql := range []string{
		`insert into eventlog.events (version, time, schema_version, id, source, type, stream, data) values (1, now(), 1, 'e', 's', 't.T', 'x', '{}')`,
		`insert into shop_payment.payments (order_id, version, state, payment_id, buyer_id, amount, currency, method) values ('o', 1, 'barred', '', '', 0, '', '')`,
	} {
		if _, err := db.Pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(set migrations.Set, to int64, drop, table string) {
		t.Helper()
		before, beforeShop := versions(t, db.URL)
		err := migrations.DownTo(ctx, db.URL, set, to, migrations.Permission{DropData: drop}, sets...)
		var holds *migrations.HoldsDataError
		if !errors.As(err, &holds) || !slices.Contains(holds.Tables, table) || holds.Database != db.Name {
			t.Errorf("%s to %d with %q: %v", set, to, drop, err)
		}
		if after, afterShop := versions(t, db.URL); after != before || afterShop != beforeShop {
			t.Errorf("%s to %d with %q was half done", set, to, drop)
		}
	}
	if err := migrations.Down(ctx, db.URL, sets...); err == nil {
		t.Error("everything was removed unasked")
	}
	refused(migrations.Shop, 0, "", "shop_payment.payments")
	refused(migrations.Shop, 4, "another", "shop_payment.payments")
	if err := migrations.DownTo(ctx, db.URL, migrations.Shop, 0, migrations.Permission{DropData: db.Name}, sets...); err != nil {
		t.Fatal(err)
	}
	refused(migrations.Engine, 0, "", "eventlog.events")
	var events int
	if err := db.Pool.QueryRow(ctx, `select count(*) from eventlog.events`).Scan(&events); err != nil || events != 1 {
		t.Fatalf("%d events are left, %v", events, err)
	}
	if err := migrations.DownTo(ctx, db.URL, migrations.Engine, 0, migrations.Permission{DropData: db.Name}, sets...); err != nil {
		t.Error(err)
	}
}

// When a migration was applied is right on a server of any time zone.
func TestAppliedAtIsRightInEveryTimeZone(t *testing.T) {
	db := dbtest.EmptyPostgres(t)
	if _, err := db.Pool.Exec(t.Context(), `alter database `+db.Name+` set timezone = 'Asia/Kolkata'`); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Up(t.Context(), db.URL, migrations.Engine); err != nil {
		t.Fatal(err)
	}
	rows, err := migrations.Status(t.Context(), db.URL, migrations.Engine)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if age := time.Since(row.AppliedAt); age < -time.Minute || age > time.Hour {
			t.Errorf("%s was applied at %s", row.File, row.AppliedAt)
		}
	}
}

// Attributes of other systems' events are not lost by going back to the version before them.
func TestGoingBackKeepsAttributesOfOtherSystems(t *testing.T) {
	db := dbtest.Postgres(t)
	ctx := t.Context()
	back := func() error {
		return migrations.DownTo(ctx, db.URL, migrations.Engine, 13, migrations.Permission{}, migrations.Engine)
	}
	if _, err := db.Pool.Exec(ctx, `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data, extensions)
values (1, '2026-01-01Z', 1, '1', 's', 't', 'x', '{}', '{"partitionkey":"eu"}')`); err != nil {
		t.Fatal(err)
	}
	if err := back(); err == nil || !strings.Contains(err.Error(), "attributes that the version before would lose") {
		t.Errorf("going back: %v", err)
	}
	if _, err := db.Pool.Exec(ctx, `update eventlog.events set extensions = null`); err != nil {
		t.Fatal(err)
	}
	if err := back(); err != nil {
		t.Error(err)
	}
	if err := migrations.Up(ctx, db.URL, migrations.Engine); err != nil {
		t.Error(err)
	}
}
