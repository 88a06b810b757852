package hot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/readside/readside/internal/hot/image"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
)

// Source is a row of a join's source that changed: whole while it lives, zero
// (an Image of zero columns) when it does not.
type Source struct {
	Key   string
	Image Image

	changed image.Columns
}

// ConcernedBy are those of the changed sources that join j looks at.
func ConcernedBy(j *projections.JoinModel, changed []Source) []Source {
	var reads image.Columns
	for _, c := range j.Reads {
		reads |= 1 << c
	}
	var out []Source
	for _, s := range changed {
		if s.changed&reads != 0 {
			out = append(out, s)
		}
	}
	return out
}

// FanCopy queues the UPDATE that brings changed sources to all rows that copy from them,
// or several, where there are many. returned, unless nil, is called with the key of every row that changed;
// affected grows by how many those are.
func (t *Table) FanCopy(s *pipeline.Session, j *projections.JoinModel, source *Layout, changed []Source, affected *int, returned func(key string)) {
	sql := t.fanCopySQL(j, returned != nil)
	from := &Table{Layout: source}
	for chunk := range statements(changed, Source.bytes) {
		keys := make([]string, len(chunk))
		images := make([]Image, len(chunk))
		for i, c := range chunk {
			keys[i], images[i] = c.Key, c.Image
		}
		params := [][]byte{texts(keys)}
		for _, p := range j.Pairs {
			params = append(params, from.array(images, p.From))
		}
		op := pipeline.Op{SQL: sql, Params: params, Rows: pipeline.AnyRows, Affected: affected}
		if returned != nil {
			op.Each = func(values [][]byte) error {
				returned(string(values[0]))
				return nil
			}
		}
		s.Add(op)
	}
}

func (s Source) bytes() int { return len(s.Image.Bytes()) }

func (t *Table) fanCopySQL(j *projections.JoinModel, returning bool) string {
	places, names := []string{"$1::text[]"}, []string{"k"}
	var assign, old, now []string
	for i, p := range j.Pairs {
		col := t.columns[p.To]
		places = append(places, fmt.Sprintf("$%d::%s[]", i+2, col.Name))
		names = append(names, fmt.Sprintf("c%d", i))
		assign = append(assign, fmt.Sprintf("%s = u.c%d", quote(col.name), i))
		exact := "%s"
		switch col.model.Kind {
		case projections.JSON:
			exact = "%s::text" // json has no equality
		case projections.Float64:
			exact = "float8send(%s)" // 0 equals -0
		}
		old = append(old, fmt.Sprintf(exact, "t."+quote(col.name)))
		now = append(now, fmt.Sprintf(exact, fmt.Sprintf("u.c%d", i)))
	}
	sql := fmt.Sprintf("update %s t set %s from unnest(%s) u(%s) where t.%s = u.k and t.%s = %d and (%s) is distinct from (%s)",
		qualified(t.Name), strings.Join(assign, ", "), strings.Join(places, ", "), strings.Join(names, ", "),
		quote(t.columns[j.On].name), StateColumn, projections.Live, strings.Join(old, ", "), strings.Join(now, ", "))
	if returning {
		sql += " returning t." + quote(t.key())
	}
	return sql
}

// everyColumn is changed in a row that came or went.
const everyColumn = ^image.Columns(0)

// Source is what joins see of row r, which changed by c: nothing, unless it lives.
// visible reports whether joins see a difference at all. A row that was not live and is
// not has changed for nobody: without this, every event of a product that was never added
// would touch all orders that name it.
func (l *Layout) Source(r *projections.Row, c Change) (s Source, visible bool) {
	was := !c.Old.IsZero() && l.stateOf(c.Old) == projections.Live
	is := r.State == projections.Live
	switch {
	case was && is:
		changed := c.set()
		return Source{Key: r.Key, Image: c.New, changed: changed}, changed != 0
	case is:
		return Source{Key: r.Key, Image: c.New, changed: everyColumn}, true
	}
	return Source{Key: r.Key, Image: l.zeroImage(r.Key), changed: everyColumn}, was
}

func (l *Layout) zeroImage(key string) Image {
	zero, err := l.Encode(l.Model.NewRow(key))
	if err != nil {
		panic(fmt.Sprintf("view %s: a zero row cannot be stored: %v", l.Model.Name, err)) // zero values always can
	}
	return zero
}

// Rejoined collects the live rows that were changed by their own joins only, each with
// the columns that changed: views further down read some of them, or none.
type Rejoined struct{ columns map[string]image.Columns }

// CopiedFrom returns the columns that the copy j changes where these sources changed.
func CopiedFrom(j *projections.JoinModel, changed []Source) (out Columns) {
	var all image.Columns
	for _, s := range changed {
		all |= s.changed
	}
	for _, p := range j.Pairs {
		if all.Has(p.From) {
			out |= 1 << p.To
		}
	}
	return out
}

// Copied notes that a copy changed the row, in some of these columns.
func (r *Rejoined) Copied(key string, columns Columns) { r.note(key, columns) }

// Computed notes a row that was computed anew.
func (r *Rejoined) Computed(key string, c Change) { r.note(key, c.set()) }

func (r *Rejoined) note(key string, set image.Columns) {
	if r.columns == nil {
		r.columns = map[string]image.Columns{}
	}
	r.columns[key] |= set
}

// Keys returns the keys of the rows, sorted.
func (r *Rejoined) Keys() []string { return slices.Sorted(maps.Keys(r.columns)) }

// Source is what joins of other views see of the row.
func (r *Rejoined) Source(st Stored) Source {
	return Source{Key: st.Key, Image: st.Image, changed: r.columns[st.Key]}
}
