package cold

import (
	"context"
	"errors"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// newer is an event of a version that no upcaster knows.
type newer struct{ measured }

func (newer) EventType() (string, int) { return "test.Measured", 9 }

func faulty(kind string) measured {
	return measured{Gauge: "f", Values: []int64{1, 2}, At: january, Since: january, Fault: kind}
}

func (b *bench) desk() *Desk { return NewDesk(b.cfg.Name, b.log, b.pool, b.cfg.Set) }

func (b *bench) parked(want int) []Parked {
	b.t.Helper()
	entries, err := b.desk().Parked(bounded(b.t), "")
	if err != nil {
		b.t.Fatal(err)
	}
	if len(entries) != want {
		b.t.Fatalf("%d events are parked, want %d: %+v", len(entries), want, entries)
	}
	return entries
}

// shows fails unless the mart has so many rows of readings and tells of so many parked events.
func (b *bench) shows(p *Projector, rows, parked uint64) {
	b.t.Helper()
	if n := b.count(qualified(p.Mart(), "readings")); n != rows {
		b.t.Errorf("the mart shows %d readings, want %d", n, rows)
	}
	var told uint64
	var degraded bool
	err := b.cfg.ClickHouse.QueryRow(bounded(b.t), "SELECT parked, degraded FROM "+qualified(p.Mart(), martWatermarks)+" WHERE fact = 'readings'").Scan(&told, &degraded)
	if err != nil || told != parked || degraded != (parked > 0) {
		b.t.Errorf("the mart tells of %d parked events (degraded: %t, %v), want %d", told, degraded, err, parked)
	}
}

// An event that one fact cannot write is parked for that fact. Its other facts and all later
// events go on, and nobody takes the tables for whole.
func TestAFaultyEventIsParked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.append(measurements(3)...)
	var at []eventlog.Position
	for _, kind := range []string{"error", "panic", "unstorable"} {
		at = append(at, b.append(faulty(kind)))
	}
	at = append(at, b.append(newer{faulty("")}))
	p := b.runTo(b.append(measurements(2)...))
	entries := b.parked(5) // the last is parked for both facts
	for i, reason := range []string{projections.ReasonHandler, projections.ReasonPanic, projections.ReasonUnstorable, projections.ReasonUndecodable} {
		e := entries[i]
		if e.Fact != "readings" || e.Position != at[i] || e.Reason != reason || e.State != stateParked || e.Error == "" || e.Hint == "" || e.Type != "test.Measured" {
			t.Errorf("parked: %+v, want %s at place %d", e, reason, at[i].Place())
		}
	}
	b.shows(p, 10, 4)
	if n := b.count(qualified(p.Mart(), "totals")); n != 8 {
		t.Errorf("the mart shows %d totals, want 8", n)
	}
	b.exact(p)
	report, err := p.Verify(bounded(t))
	if err != nil || report.Tables[0].Parked != 4 || report.Tables[1].Parked != 1 {
		t.Errorf("verified %+v, %v: want 4 and 1 parked", report.Tables, err)
	}
	s, err := p.Status(bounded(t))
	if err != nil || s.State == StateHalted || s.Parked != 5 {
		t.Errorf("status %+v, %v", s, err)
	}
}

func TestTooManyParkedEventsHalt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.append(faulty("error"), faulty("error"))
	over := b.append(faulty("error"))
	err := b.open(func(c *Config) { c.ParkedMax = 2 }).Run(bounded(t))
	var fault *projections.FoldError
	if !errors.As(err, &fault) || fault.Position != over {
		t.Fatalf("run returned %v, want a fault at place %d", err, over.Place())
	}
	b.parked(2)
	b.runTo(over, func(c *Config) { c.ParkedMax = 3 })
	b.parked(3)
}

// A retried event counts once, at whatever step the worker dies that tries it.
func TestARetriedFactCountsOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.append(measurements(2)...)
	rows := uint64(4)
	for _, at := range []step{stepPlanned, stepSent, stepInserted, stepDone} {
		place := b.append(faulty("error"))
		b.runTo(place)
		r, err := b.desk().Retry(bounded(t), Waiting{Fact: "readings", Place: place.Place()})
		if err != nil || r.Ordered != 1 {
			t.Fatalf("retry: %+v, %v", r, err)
		}
		b.dieAt(at, 1, mended(t))
		p := b.runTo(place, mended(t))
		rows += 2
		b.parked(0)
		b.shows(p, rows, 0)
		b.exact(b.open(mended(t)))
	}
	// A handler that is not mended leaves it where it was.
	place := b.append(faulty("error"))
	b.runTo(place)
	if _, err := b.desk().Retry(bounded(t), Waiting{Fact: "readings"}); err != nil {
		t.Fatal(err)
	}
	p := b.runTo(place)
	if e := b.parked(1)[0]; e.State != stateParked || e.Attempts != 2 {
		t.Errorf("after a retry in vain: %+v", e)
	}
	b.shows(p, rows, 1)
}

// A worker that planned a retry is relieved; another one finishes it, and the first, when it
// goes on, adds nothing.
func TestARetryOfTwoWorkersCountsOnce(t *testing.T) {
	t.Parallel()
	for _, at := range []step{stepPlanned, stepSent} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.append(measurements(2)...)
			place := b.append(faulty("error"))
			b.runTo(place)
			if _, err := b.desk().Retry(bounded(t), Waiting{Fact: "readings"}); err != nil {
				t.Fatal(err)
			}
			b.relieveAt(at, func() { b.runTo(place, mended(t)) }, mended(t))
			b.parked(0)
			b.shows(b.open(), 6, 0)
			b.exact(b.open(mended(t)))
		})
	}
}

// A rebuild tries parked events again. One that was retried or discarded meanwhile is in the
// new tables what it is in the old ones.
func TestARebuildTriesParkedEventsAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		at   step // of the rebuild, when the operator acts
		act  func(*Desk, context.Context, int64) error
		rows uint64
		left int
	}{
		{"alone", "", nil, 8, 0},
		{"retried before", stepPlanned, retryAt, 8, 0},
		{"retried after", stepDone, retryAt, 8, 0},
		{"discarded before", stepPlanned, discardAt, 6, 1},
		{"discarded after", stepDone, discardAt, 6, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.append(measurements(2)...)
			place := b.append(faulty("error"))
			to := b.append(measurements(1)...)
			b.runTo(to)
			if err := b.open().Rebuild(bounded(t)); err != nil {
				t.Fatal(err)
			}
			acted := false
			p := b.open(mended(t))
			ctx, cancel := context.WithCancel(bounded(t))
			defer cancel()
			p.atRebuild = func(s step) error {
				if s != c.at || acted {
					return nil
				}
				acted = true
				return c.act(b.desk(), ctx, place.Place())
			}
			p.at = func(s step) error {
				if s == stepRested && b.reached(to) {
					cancel()
				}
				return nil
			}
			if err := p.Run(ctx); err != nil {
				t.Fatal(err)
			}
			if acted != (c.at != "") {
				t.Fatal("nobody acted")
			}
			p = b.runTo(to, mended(t))
			b.parked(c.left)
			b.shows(p, c.rows, 0)
			b.exact(b.open(mended(t)))
		})
	}
}

// retryAt only orders: the test holds the rebuild that would have to go on.
func retryAt(d *Desk, ctx context.Context, place int64) error {
	_, err := d.pool.Exec(ctx, `update readside.cold_parked set state = 'retrying' where state = 'parked' and place = $1`, place)
	return err
}

func discardAt(d *Desk, ctx context.Context, place int64) error {
	return d.Discard(ctx, Waiting{Fact: "readings", Place: place})
}

// Discarded events stay so through a rebuild, and verify leaves them out.
func TestADiscardedFactStaysDiscarded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.append(measurements(2)...)
	to := b.append(faulty("error"), faulty("panic"))
	b.runTo(to)
	if err := b.desk().Discard(bounded(t), Waiting{Fact: "readings"}); err == nil {
		t.Error("all events of a view were discarded")
	}
	if err := b.desk().Discard(bounded(t), Waiting{Fact: "readings", Stream: "gauges"}); err != nil {
		t.Fatal(err)
	}
	entries := b.parked(2)
	if entries[0].State != stateDiscarded || entries[1].State != stateParked {
		t.Fatalf("the first of the stream was to be discarded: %+v", entries)
	}
	b.orderRebuild()
	p := b.runTo(to, mended(t))
	if e := b.parked(1)[0]; e.State != stateDiscarded {
		t.Errorf("after the rebuild: %+v", e)
	}
	b.shows(p, 6, 0)
	b.exact(b.open(mended(t)))
	if err := b.desk().Discard(bounded(t), Waiting{Fact: "readings", Place: entries[1].Position.Place()}); err == nil {
		t.Error("an event was discarded that is not parked")
	}
}

// What ClickHouse refuses is found in its block, parked, and the others are written.
func TestARefusedRowIsFoundAndParked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(2)...))
	b.exec("ALTER TABLE readings_v1_g1 ADD CONSTRAINT no_seventy CHECK value != 70")
	events := measurements(20)
	for _, i := range []int{4, 17} {
		e := events[i].(measured)
		e.Values = []int64{3, 70}
		events[i] = e
	}
	to := b.append(events...)
	p := b.runTo(to)
	for i, e := range b.parked(2) {
		if want := int64([]int{7, 20}[i]); e.Position.Place() != want || e.Fact != "readings" || e.Reason != projections.ReasonUnstorable {
			t.Errorf("parked %+v, want the event at place %d", e, want)
		}
	}
	b.shows(p, 40, 2)
	b.exact(p)

	// It is retried in vain, and then with the constraint gone.
	retry := func() {
		t.Helper()
		if _, err := b.desk().Retry(bounded(t), Waiting{Fact: "readings"}); err != nil {
			t.Fatal(err)
		}
		p = b.runTo(to)
	}
	retry()
	b.shows(p, 40, 2)
	b.exec("ALTER TABLE readings_v1_g1 DROP CONSTRAINT no_seventy")
	retry()
	b.parked(0)
	b.shows(p, 44, 0)
	b.exact(p)
}

// A retry is carried out by the projector that runs, and waited for.
func TestARetryWaitsForTheProjector(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(faulty("error"), faulty("panic"))
	b.runTo(to)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	p := b.open(mended(t))
	ready, ended := make(chan struct{}), make(chan error, 1)
	p.at = func(s step) error {
		if s == stepReady {
			close(ready)
		}
		return nil
	}
	go func() { ended <- p.Run(ctx) }()
	<-ready
	r, err := b.desk().Retry(ctx, Waiting{Fact: "readings"})
	if err != nil || r != (Retried{Written: 2}) {
		t.Errorf("retry: %+v, %v", r, err)
	}
	if _, err := b.desk().Retry(ctx, Waiting{Fact: "readings"}); err == nil {
		t.Error("nothing was parked, and retried")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	b.exact(b.open(mended(t)))
}
