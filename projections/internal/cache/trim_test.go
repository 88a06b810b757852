package cache

import (
	"fmt"
	"testing"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

type noted struct{ ID string }

func (noted) EventType() (string, int) { return "test.Noted", 1 }

type note struct {
	ID string `view:"id,key"`
}

func newTestCache(t *testing.T, most int) *Cache {
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
	return New(set, []*hot.Table{hot.NewTable(l, "note_v1_g1")}, most)
}

// The least recently used rows go, and none that a batch used which is not committed:
// the table does not have those yet.
func TestCacheLetsTheLeastRecentlyUsedGo(t *testing.T) {
	t.Parallel()
	const rows = 100
	c := newTestCache(t, 0)
	v := c.Views[0]
	for i := range rows {
		c.Batch++
		c.Use(v, fmt.Sprint("k", i))
	}
	all := c.held
	c.Batch++
	c.Use(v, "k0")

	c.Trim(0)
	if len(v.Rows) != rows {
		t.Errorf("%d rows are left before any batch is committed, want %d", len(v.Rows), rows)
	}
	c.most = all / 4
	c.Trim(c.Batch)
	if c.held > c.most || len(v.Rows) < rows/8 {
		t.Errorf("%d rows of %d bytes are left, want at most %d bytes", len(v.Rows), c.held, c.most)
	}
	for _, key := range []string{"k0", "k99"} {
		if _, known := c.Use(v, key); !known {
			t.Errorf("%s is gone, though it was used last", key)
		}
	}
	c.most = -1
	c.Trim(c.Batch)
	if len(v.Rows) != 0 || c.held != 0 || c.oldest != nil || c.newest != nil {
		t.Errorf("%d rows of %d bytes are left of none", len(v.Rows), c.held)
	}
}
