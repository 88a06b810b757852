package engine

import (
	"fmt"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

type noted struct{ ID string }

func (noted) EventType() (string, int) { return "test.Noted", 1 }

type note struct {
	ID string `view:"id,key"`
}

func newTestCache(t *testing.T, most int) *cache {
	t.Helper()
	set, err := projections.NewSet(&projections.View[note]{Name: "note", Version: 1, Handlers: []projections.Handler[note]{
		projections.Create(func(e noted) string { return e.ID }, func(*note, noted, projections.Meta) error { return nil }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := hot.NewLayout(set.Views()[0])
	if err != nil {
		t.Fatal(err)
	}
	return newCache(set, []*hot.Table{hot.NewTable(l, "note_v1_g1")}, most)
}

// The least recently used rows go, and none that a batch used which is not committed:
// the table does not have those yet.
func TestCacheLetsTheLeastRecentlyUsedGo(t *testing.T) {
	t.Parallel()
	const rows = 100
	c := newTestCache(t, 0)
	v := c.views[0]
	for i := range rows {
		c.batch++
		c.use(v, fmt.Sprint("k", i))
	}
	all := c.held
	c.batch++
	c.use(v, "k0")

	c.trim(0)
	if len(v.rows) != rows {
		t.Errorf("%d rows are left before any batch is committed, want %d", len(v.rows), rows)
	}
	c.most = all / 4
	c.trim(c.batch)
	if c.held > c.most || len(v.rows) < rows/8 {
		t.Errorf("%d rows of %d bytes are left, want at most %d bytes", len(v.rows), c.held, c.most)
	}
	for _, key := range []string{"k0", "k99"} {
		if _, known := c.use(v, key); !known {
			t.Errorf("%s is gone, though it was used last", key)
		}
	}
	c.most = -1
	c.trim(c.batch)
	if len(v.rows) != 0 || c.held != 0 || c.oldest != nil || c.newest != nil {
		t.Errorf("%d rows of %d bytes are left of none", len(v.rows), c.held)
	}
}

// Small batches that wait become one; the events of each touch stay its own.
func TestWaitingBatchesBecomeOne(t *testing.T) {
	t.Parallel()
	start := eventlog.Position{}
	a := &batch{from: start, events: make([]projections.Event, 2), touches: []projections.Touch{{Key: "a", Event: 1}}}
	b := &batch{caughtUp: true, events: make([]projections.Event, 3), touches: []projections.Touch{{Key: "b", Event: 0}, {Key: "c", Event: 2}}}
	b.broken = []projections.Broken{{}}
	got := a.with(b)
	if len(got.events) != 5 || !got.caughtUp || len(got.broken) != 1 {
		t.Errorf("the batch is %+v", got)
	}
	for i, want := range []int{1, 2, 4} {
		if got.touches[i].Event != want {
			t.Errorf("touch %d is of event %d, want %d", i, got.touches[i].Event, want)
		}
	}
}
