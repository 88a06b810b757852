// Package cache keeps rows in memory from batch to batch: those that a worker has folded or
// loaded while it holds its projector's lease.
package cache

import (
	"slices"
	"strings"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

// Cache is the rows that the holder of a projector's lease has folded or loaded, value and
// image, as the tables have them once the batches under way are committed. It is
// right for as long as nobody else changes rows, and everybody who does raises the
// projector's epoch: so it lives and dies with one ownership, and an aborted batch ends
// both. That a key has no row is known too.
//
// Own columns are what the tables have. Copied columns need not be: see
// hot.Layout.Change. It belongs to one goroutine at a time.
//
// Three batches with room for two rows: batch 1 folds a and b; batch 2 folds c while batch
// 1 is being written, and nothing is let go, since a and b may not be in the tables yet;
// when batch 1 is committed, Trim(1) lets a go, the least recently used.
type Cache struct {
	Views []*View
	// Batch is the number of the batch that is being folded.
	Batch int64
	// Watch, unless nil, is called with every row that is folded or whose joins are computed.
	Watch func(m *projections.Model, key string)

	// most bounds the bytes held between batches; a batch may need more.
	most, held int
	// oldest and newest are the ends of a list in the order of use.
	oldest, newest *Row
}

// View is what the cache knows of a view.
type View struct {
	Index int
	Model *projections.Model
	Table *hot.Table
	Rows  map[string]*Row
	// Sources are those of the model's joins, in their order.
	Sources []*View
	// IsSource reports whether other views join this one.
	IsSource bool
	// Lazy views compute copied columns only where they change: nobody joins them, and
	// they join by copies only.
	Lazy bool
}

// Row is a row, or a key that is known to have none.
type Row struct {
	hot.Stored
	View *View
	// Batch is the last that used it.
	Batch int64
	// Concerned reports whether the batch's events concern the row; others are sources only.
	Concerned    bool
	bytes        int
	older, newer *Row
}

// New returns an empty cache, which keeps most bytes of rows between batches.
func New(set *projections.Set, tables []*hot.Table, most int) *Cache {
	c := &Cache{most: most}
	for i, m := range set.Views() {
		c.Views = append(c.Views, &View{Index: i, Model: m, Table: tables[i], Rows: map[string]*Row{}, Lazy: true})
	}
	for _, v := range c.Views {
		for _, j := range v.Model.Joins {
			source := c.Views[slices.Index(set.Views(), j.Source)]
			source.IsSource, source.Lazy = true, false
			v.Sources = append(v.Sources, source)
			v.Lazy = v.Lazy && !j.ByFunction()
		}
	}
	return c
}

// Flat reports whether a batch can be folded without a look at what it writes: nothing is
// joined by a function, and nothing that is joined has joins.
func (c *Cache) Flat() bool {
	for _, v := range c.Views {
		for _, j := range v.Model.Joins {
			if j.ByFunction() || len(j.Source.Joins) > 0 {
				return false
			}
		}
	}
	return true
}

// Use finds a row for the batch under way; known is false for one to be loaded, which
// stands for a key without a row until then.
func (c *Cache) Use(v *View, key string) (e *Row, known bool) {
	e = v.Rows[key]
	if e == nil {
		key = strings.Clone(key) // not with the event that it came in
		e = &Row{Stored: hot.Stored{Row: v.Model.NewRow(key)}, View: v, Batch: c.Batch}
		v.Rows[key] = e
		c.append(e)
		c.weigh(e)
		return e, false
	}
	if e.Batch != c.Batch {
		e.Batch, e.Concerned, e.Touched = c.Batch, false, -1
		c.remove(e)
		c.append(e)
	}
	return e, true
}

// Seen calls Watch with a row.
func (c *Cache) Seen(v *View, key string) {
	if c.Watch != nil {
		c.Watch(v.Model, key)
	}
}

// Fill takes what was loaded for an entry.
func (c *Cache) Fill(e *Row, st hot.Stored) {
	*e.Row, e.Image = *st.Row, st.Image
	c.weigh(e)
}

// Settle readies a row that changed to be kept.
func (c *Cache) Settle(e *Row) {
	e.View.Table.Settle(e.Row, e.Image)
	c.weigh(e)
}

// entryBytes is what maps and the list add to a row.
const entryBytes = 200

// weigh counts what an entry holds.
func (c *Cache) weigh(e *Row) {
	bytes := entryBytes + len(e.Key) + e.View.Table.Footprint(e.Image)
	c.held += bytes - e.bytes
	e.bytes = bytes
}

// Trim lets the least recently used rows go, of those that no batch after the
// committed one used.
func (c *Cache) Trim(committed int64) {
	for e := c.oldest; e != nil && c.held > c.most && e.Batch <= committed; e = c.oldest {
		c.remove(e)
		delete(e.View.Rows, e.Key)
		c.held -= e.bytes
	}
}

// Forget lets go of one row, whose value is not what is stored.
func (c *Cache) Forget(e *Row) {
	if e.View.Rows[e.Key] == e {
		c.remove(e)
		delete(e.View.Rows, e.Key)
		c.held -= e.bytes
	}
}

// Drop forgets everything: rows were changed that may never be committed.
func (c *Cache) Drop() {
	for _, v := range c.Views {
		clear(v.Rows)
	}
	c.oldest, c.newest, c.held = nil, nil, 0
}

func (c *Cache) append(e *Row) {
	e.older, e.newer = c.newest, nil
	if c.newest != nil {
		c.newest.newer = e
	} else {
		c.oldest = e
	}
	c.newest = e
}

func (c *Cache) remove(e *Row) {
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		c.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		c.newest = e.older
	}
}
