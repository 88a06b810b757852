package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/operate/rebuild"
)

func TestVerifyNamesADamagedRowAndRebuildMendsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := f.append(randomEvents(rand.New(rand.NewPCG(3, 3)), 300)...)
	f.catchUp(set, 100, last)
	f.exec(`update views.talk_v1_g1 set title = 'damaged' where id = (select min(id) from views.talk_v1_g1 where _state = 2)`)
	f.exec(`delete from views.talk_v1_g1 where id = (select max(id) from views.talk_v1_g1)`)
	f.exec(`insert into views.room_v1_g1 values ('stray', 'stray', 0, 2)`)

	found := map[string]string{}
	for _, v := range f.verify(set) {
		for _, d := range v.Differences.First {
			found[d.View+" "+d.Kind] = fmt.Sprint(d.Key, d.Columns)
		}
	}
	if len(found) != 3 || found["talk differs"] == "" || found["talk missing"] == "" || found["room surplus"] == "" {
		t.Fatalf("verify found %v", found)
	}
	for view, repaired := range map[string]int{"talk": 2, "room": 1, "badge": 0} {
		r, err := f.projector(set, 100, nil).Rebuild(t.Context(), view, rebuild.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Generation != 2 || r.Repaired.Count != repaired {
			t.Errorf("rebuilding %s: %+v", view, r)
		}
	}
	f.mustVerify(set)
	last = f.append(randomEvents(rand.New(rand.NewPCG(4, 4)), 300)...)
	f.catchUp(set, 100, last)
	f.mustVerify(set)
}

// Readers that look all the time see no error, no empty view and no position that
// goes back while views are rebuilt under traffic.
func TestReadersSeeNothingOfARebuild(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	r := rand.New(rand.NewPCG(5, 5))
	f.catchUp(set, 100, f.append(randomEvents(r, 500)...))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	folded := make(chan eventlog.Position, 10_000)
	projecting := make(chan error, 1)
	go func() { projecting <- f.projector(set, 50, folded).Run(ctx) }()
	var reads atomic.Int64
	reading := make(chan error, 1)
	go func() { reading <- f.readAllTheTime(ctx, &reads) }()

	var last eventlog.Position
	for round := range 3 {
		for _, view := range []string{"talk", "person", "badge", "room"} {
			last = f.append(randomEvents(r, 40)...)
			before := reads.Load()
			got, err := f.projector(set, 100, nil).Rebuild(t.Context(), view, rebuild.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Generation != round+2 || got.Repaired.Count != 0 {
				t.Errorf("rebuilding %s: %+v", view, got)
			}
			f.until("readers have read", func() bool { return reads.Load() > before })
		}
	}
	for at := range folded {
		if at.Place() >= last.Place() {
			break
		}
	}
	cancel()
	if err := <-reading; err != nil {
		t.Error(err)
	}
	if err := <-projecting; err != nil {
		t.Error(err)
	}
	f.mustVerify(set)
}

func (f *fixture) readAllTheTime(ctx context.Context, reads *atomic.Int64) error {
	var highest int64
	for ctx.Err() == nil {
		place, rows, err := f.readOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case rows == 0:
			return fmt.Errorf("a reader saw an empty view at place %d", place)
		case place < highest:
			return fmt.Errorf("a reader saw place %d after %d", place, highest)
		}
		highest = place
		reads.Add(1)
	}
	return nil
}

func (f *fixture) readOnce(ctx context.Context) (place, rows int64, err error) {
	tx, err := f.db.Pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var table string
	err = tx.QueryRow(ctx, `select p.place, v.table_name from readside.projectors p join readside.views v on v.projector = p.name where v.view = 'talk' and v.state = 'live'`).Scan(&place, &table)
	if err != nil {
		return 0, 0, err
	}
	err = tx.QueryRow(ctx, `select count(*) from views.`+table).Scan(&rows)
	return place, rows, err
}
