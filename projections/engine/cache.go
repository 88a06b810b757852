package engine

import (
	"slices"
	"strings"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// cache is the rows that the owner of a projector has folded or loaded, value and
// image, as the tables have them once the batches under way are committed. It is
// right for as long as no guest changes rows, and a guest that does raises the
// projector's epoch: so it lives and dies with a worker, and an aborted batch ends
// both. That a key has no row is known too.
//
// Own columns are what the tables have. Copied columns need not be: see
// hot.Layout.Change. It belongs to one goroutine at a time.
type cache struct {
	// most bounds the bytes held between batches; a batch may need more.
	most, held int
	views      []*cachedView
	// batch is the number of the batch that is being folded.
	batch int64
	// watch, unless nil, is told of every row that is folded or whose joins are computed.
	watch func(m *projections.Model, key string)
	// oldest and newest are the ends of a list in the order of use.
	oldest, newest *cached
}

// cachedView is what the cache knows of a view.
type cachedView struct {
	index int
	model *projections.Model
	table *hot.Table
	rows  map[string]*cached
	// sources are those of the model's joins, in their order.
	sources []*cachedView
	// isSource reports whether other views join this one.
	isSource bool
	// lazy views compute copied columns only where they change: nobody joins them, and
	// they join by copies only.
	lazy bool
}

// cached is a row, or a key that is known to have none.
type cached struct {
	hot.Stored
	view *cachedView
	// batch is the last that used it.
	batch int64
	// touched reports whether the batch's events concern the row; others are sources only.
	touched      bool
	bytes        int
	older, newer *cached
}

func newCache(set *projections.Set, tables []*hot.Table, most int) *cache {
	c := &cache{most: most}
	for i, m := range set.Views() {
		c.views = append(c.views, &cachedView{index: i, model: m, table: tables[i], rows: map[string]*cached{}, lazy: true})
	}
	for _, v := range c.views {
		for _, j := range v.model.Joins {
			source := c.views[slices.Index(set.Views(), j.Source)]
			source.isSource, source.lazy = true, false
			v.sources = append(v.sources, source)
			v.lazy = v.lazy && !j.ByFunction()
		}
	}
	return c
}

// flat reports whether a batch can be folded without a look at what it writes: nothing is
// joined by a function, and nothing that is joined has joins.
func (c *cache) flat() bool {
	for _, v := range c.views {
		for _, j := range v.model.Joins {
			if j.ByFunction() || len(j.Source.Joins) > 0 {
				return false
			}
		}
	}
	return true
}

// use finds a row for the batch under way; known is false for one to be loaded, which
// stands for a key without a row until then.
func (c *cache) use(v *cachedView, key string) (e *cached, known bool) {
	e = v.rows[key]
	if e == nil {
		key = strings.Clone(key) // not with the event that it came in
		e = &cached{Stored: hot.Stored{Row: v.model.NewRow(key)}, view: v, batch: c.batch}
		v.rows[key] = e
		c.append(e)
		c.weigh(e)
		return e, false
	}
	if e.batch != c.batch {
		e.batch, e.touched, e.Touched = c.batch, false, -1
		c.remove(e)
		c.append(e)
	}
	return e, true
}

// seen tells the watcher of a row.
func (c *cache) seen(v *cachedView, key string) {
	if c.watch != nil {
		c.watch(v.model, key)
	}
}

// fill takes what was loaded for an entry.
func (c *cache) fill(e *cached, st hot.Stored) {
	*e.Row, e.Image = *st.Row, st.Image
	c.weigh(e)
}

// settle readies a row that changed to be kept.
func (c *cache) settle(e *cached) {
	e.view.table.Settle(e.Row, e.Image)
	c.weigh(e)
}

// entryBytes is what maps and the list add to a row.
const entryBytes = 200

// weigh counts what an entry holds.
func (c *cache) weigh(e *cached) {
	bytes := entryBytes + len(e.Key) + e.view.table.Footprint(e.Image)
	c.held += bytes - e.bytes
	e.bytes = bytes
}

// trim lets the least recently used rows go, of those that no batch after the
// committed one used.
func (c *cache) trim(committed int64) {
	for e := c.oldest; e != nil && c.held > c.most && e.batch <= committed; e = c.oldest {
		c.remove(e)
		delete(e.view.rows, e.Key)
		c.held -= e.bytes
	}
}

// forget lets go of one row, whose value is not what is stored.
func (c *cache) forget(e *cached) {
	if e.view.rows[e.Key] == e {
		c.remove(e)
		delete(e.view.rows, e.Key)
		c.held -= e.bytes
	}
}

// drop forgets everything: rows were changed that no commit may ever confirm.
func (c *cache) drop() {
	for _, v := range c.views {
		clear(v.rows)
	}
	c.oldest, c.newest, c.held = nil, nil, 0
}

func (c *cache) append(e *cached) {
	e.older, e.newer = c.newest, nil
	if c.newest != nil {
		c.newest.newer = e
	} else {
		c.oldest = e
	}
	c.newest = e
}

func (c *cache) remove(e *cached) {
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
