package exact_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/writemodels/contract"
)

// A service that reacts to the shop's events: its effects are rows, which nothing keeps
// from being there twice.
const (
	serviceRole = "readside_appender"
	serviceSQL  = `create schema exact;
		select eventlog.create_reaction_tables('exact');
		create table exact.effects (what text not null, stream text not null, version bigint not null);
		grant usage on schema exact to readside_appender;
		grant select, insert, update, delete on all tables in schema exact to readside_appender`
)

// reactor is the service's reaction, whose handlers fail as the program does.
func (p program) reactor(log *eventlog.Log, pool *pgxpool.Pool) (*reaction.Reactor, error) {
	config := reaction.Config{Log: log, Pool: pool, Schema: "exact", Name: "exact", RetriesMax: 1, RetryFirst: time.Millisecond,
		DeadInRowMax: 1000, Logger: slog.New(slog.DiscardHandler)}
	return reaction.New(config, on[contract.OrderSubmitted](p), on[contract.OrderPaid](p), on[contract.BasketCheckedOut](p), on[contract.StockConfirmed](p))
}

func on[E eventlog.Typed](p program) reaction.Handler {
	return reaction.On(func(ctx context.Context, tx pgx.Tx, _ E, e eventlog.Event) error {
		if _, err := tx.Exec(ctx, `insert into exact.effects values ($1, $2, $3)`, e.Type, e.Stream, e.StreamVersion); err != nil {
			return err
		}
		return p.try(e.Stream, e.Time) // behind its effect, which must go with it
	})
}

// reactsTo reports whether the service reacts to an event.
func reactsTo(e contract.Event) bool {
	switch e.(type) {
	case contract.OrderSubmitted, contract.OrderPaid, contract.BasketCheckedOut, contract.StockConfirmed:
		return true
	}
	return false
}

// checkEffects compares the effects with the story: one for each event that was not given up.
func (x *experiment) checkEffects() {
	x.t.Helper()
	var want []string
	versions := map[string]int{}
	for _, e := range x.story {
		versions[e.Stream]++
		if name, _ := e.Data.EventType(); reactsTo(e.Data) && !x.fates.lost(e.Stream, e.Time) {
			want = append(want, fmt.Sprintf("%s %s %d", name, e.Stream, versions[e.Stream]))
		}
	}
	rows, err := x.db.Pool.Query(x.t.Context(), `select concat_ws(' ', what, stream, version) from exact.effects`)
	if err != nil {
		x.t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		x.t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		x.t.Errorf("effects of the reaction: %d, the story says %d (-story +table):\n%.2000s", len(got), len(want), diff)
	}
}

// reacted reports whether the reaction has passed all that it reacts to.
func (x *experiment) reacted(ctx context.Context) (bool, error) {
	var passed bool
	err := x.db.Pool.QueryRow(ctx, `select coalesce((select place from exact.reaction_checkpoints where reaction = 'exact'), 0) >=
  coalesce((select max(position) from eventlog.events where type = any($1)), 0)`, []string{"ordering.OrderSubmitted", "ordering.OrderPaid", "basket.CheckedOut", "catalog.StockConfirmed"}).Scan(&passed)
	return passed, err
}
