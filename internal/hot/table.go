package hot

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/readside/readside/internal/hot/cell"
	"github.com/readside/readside/internal/hot/image"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
)

// Table is a view's rows in one table. Its methods queue on a Session.
type Table struct {
	*Layout
	Name string

	updates map[image.Columns]string
}

// NewTable names a table that holds rows in the layout.
func NewTable(l *Layout, name string) *Table {
	return &Table{Layout: l, Name: name, updates: map[image.Columns]string{}}
}

// Stored is a row as the table has it.
type Stored struct {
	*projections.Row
	Image Image
}

// LoadOwn queues the loading of rows with their own columns only, for handlers.
func (t *Table) LoadOwn(s *pipeline.Session, keys []string, each func(Stored)) {
	t.load(s, keys, own, each)
}

// LoadWhole queues the loading of rows with their joined columns, for joins.
func (t *Table) LoadWhole(s *pipeline.Session, keys []string, each func(Stored)) {
	t.load(s, keys, whole, each)
}

func (t *Table) load(s *pipeline.Session, keys []string, p part, each func(Stored)) {
	sql := fmt.Sprintf("select %s from %s where %s = any($1::text[])", t.names(), qualified(t.Name), quote(t.key()))
	for chunk := range statements(keys, textBytes) {
		s.Add(pipeline.Op{SQL: sql, Params: [][]byte{texts(chunk)}, Rows: pipeline.AnyRows, Each: t.rows(p, each)})
	}
}

func (t *Table) rows(p part, each func(Stored)) func([][]byte) error {
	return func(values [][]byte) error {
		img := image.Of(values)
		r, err := t.decode(img, p)
		if err != nil {
			return err
		}
		each(Stored{Row: r, Image: img})
		return nil
	}
}

func textBytes(text string) int { return len(text) + 4 }

// texts is a text[] parameter. Keys were checked when they were read.
func texts(keys []string) []byte {
	buf, err := cell.AppendTexts(nil, keys)
	if err != nil {
		panic(err)
	}
	return buf[4:]
}

// smallWrite is how many rows are written one statement each, all in one round trip;
// more go by COPY and by arrays.
const smallWrite = 24

// Write queues the changes: new rows by COPY, changed ones by one UPDATE for each
// set of columns that changed.
func (t *Table) Write(s *pipeline.Session, changes []Change) {
	var added []Image
	changed := updates{}
	for _, c := range changes {
		if c.Old.IsZero() {
			added = append(added, c.New)
		} else if set := c.set(); set != 0 {
			changed.add(updateGroup{set, c.kept}, c.New)
		}
	}
	t.insert(s, added)
	t.update(s, changed)
}

func (t *Table) insert(s *pipeline.Session, rows []Image) {
	if len(rows) > smallWrite {
		t.copyRows(s, rows)
		return
	}
	sql := t.insertOne()
	for _, img := range rows {
		s.Add(pipeline.Op{SQL: sql, Params: t.params(img), Rows: 1})
	}
}

func (t *Table) copyRows(s *pipeline.Session, rows []Image) {
	s.Add(pipeline.Op{SQL: fmt.Sprintf("copy %s (%s) from stdin (format binary)", qualified(t.Name), t.names()), Rows: len(rows),
		Copy: func() io.Reader { return image.NewCopy(len(t.columns), rows) }})
}

func (t *Table) insertOne() string {
	places := make([]string, len(t.columns))
	for i, c := range t.columns {
		places[i] = fmt.Sprintf("$%d::%s", i+1, c.Name)
	}
	return fmt.Sprintf("insert into %s (%s) values (%s)", qualified(t.Name), t.names(), strings.Join(places, ", "))
}

func (t *Table) params(img Image) [][]byte {
	out := make([][]byte, len(t.columns))
	for i := range t.columns {
		out[i] = img.Value(i)
	}
	return out
}

// maxUpdates bounds the UPDATEs of one write: a few more columns written are cheaper
// than many statements.
const maxUpdates = 8

// updateGroup is rows that one UPDATE writes: those of one set of changed columns.
// Images that kept joined columns are written apart from the others, since what they
// kept may not be what the table has.
type updateGroup struct {
	set  image.Columns
	kept bool
}

type updates map[updateGroup][]Image

func (u updates) add(g updateGroup, rows ...Image) { u[g] = append(u[g], rows...) }

func (u updates) sorted() []updateGroup {
	return slices.SortedFunc(maps.Keys(u), func(a, b updateGroup) int {
		if c := cmp.Compare(a.set, b.set); c != 0 || a.kept == b.kept {
			return c
		}
		if a.kept {
			return -1
		}
		return 1
	})
}

// merged is one group of rows that kept joined columns and one of the others.
func (u updates) merged() updates {
	union := map[bool]image.Columns{}
	for g := range u {
		union[g.kept] |= g.set
	}
	out := updates{}
	for _, g := range u.sorted() {
		out.add(updateGroup{union[g.kept], g.kept}, u[g]...)
	}
	return out
}

func (t *Table) update(s *pipeline.Session, changed updates) {
	if len(changed) > maxUpdates {
		changed = changed.merged()
	}
	for _, g := range changed.sorted() {
		rows := changed[g]
		if len(rows) <= smallWrite || g.set&t.linkSet() != 0 {
			t.updateEach(s, g.set, rows)
		} else {
			t.updateAll(s, g.set, rows)
		}
	}
}

func (t *Table) updateEach(s *pipeline.Session, set image.Columns, rows []Image) {
	sql := t.updateSQL(set, false)
	for _, img := range rows {
		params := [][]byte{img.Value(t.Model.Key)}
		for c := range t.columns {
			if set.Has(c) {
				params = append(params, img.Value(c))
			}
		}
		s.Add(pipeline.Op{SQL: sql, Params: params, Rows: 1})
	}
}

func (t *Table) updateAll(s *pipeline.Session, set image.Columns, rows []Image) {
	sql := t.updateSQL(set, true)
	for chunk := range statements(rows, func(img Image) int { return len(img.Bytes()) }) {
		params := [][]byte{t.array(chunk, t.Model.Key)}
		for c := range t.columns {
			if set.Has(c) {
				params = append(params, t.array(chunk, c))
			}
		}
		s.Add(pipeline.Op{SQL: sql, Params: params, Rows: len(chunk)})
	}
}

// How much goes into one statement at most, however large a batch is: arrays of 1 GiB are
// refused by Postgres, and much smaller ones need their memory several times over.
const (
	statementBytes = 32 << 20
	statementRows  = 20_000
)

// statements splits rows into runs for one statement each, by their number and their
// bytes. One row that is larger stands alone.
func statements[R any](rows []R, size func(R) int) iter.Seq[[]R] {
	return statementsOf(rows, statementRows, size)
}

// statementsOf is statements with another bound of rows.
func statementsOf[R any](rows []R, most int, size func(R) int) iter.Seq[[]R] {
	return func(yield func([]R) bool) {
		for len(rows) > 0 {
			n, bytes := 0, 0
			for n < len(rows) && n < most {
				if bytes += size(rows[n]); n > 0 && bytes > statementBytes {
					break
				}
				n++
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// array is one column of rows as an array parameter.
func (t *Table) array(rows []Image, column int) []byte {
	n, nulls := 20, false
	for _, img := range rows {
		one := img.Cell(column)
		n += len(one)
		nulls = nulls || be.Uint32(one) == cell.Null
	}
	buf := cell.AppendArrayHeader(make([]byte, 0, n), t.columns[column].OID, len(rows), nulls)
	for _, img := range rows {
		buf = append(buf, img.Cell(column)...)
	}
	return buf
}

// updateSQL updates the columns of set, of one row or of many given as arrays.
func (t *Table) updateSQL(set image.Columns, arrays bool) string {
	memo := set
	if arrays {
		memo |= 1 << image.MaxColumns
	}
	if sql, ok := t.updates[memo]; ok {
		return sql
	}
	assign := make([]string, 0, bits.OnesCount64(uint64(set)))
	places := []string{"$1::text[]"}
	names := []string{"k"}
	for c, col := range t.columns {
		if !set.Has(c) {
			continue
		}
		n := len(names)
		places = append(places, fmt.Sprintf("$%d::%s[]", n+1, col.Name))
		names = append(names, fmt.Sprintf("c%d", n))
		if arrays {
			assign = append(assign, fmt.Sprintf("%s = u.c%d", quote(col.name), n))
		} else {
			assign = append(assign, fmt.Sprintf("%s = $%d::%s", quote(col.name), n+1, col.Name))
		}
	}
	sql := fmt.Sprintf("update %s t set %s where %s = $1", qualified(t.Name), strings.Join(assign, ", "), quote(t.key()))
	if arrays {
		sql = fmt.Sprintf("update %s t set %s from unnest(%s) u(%s) where t.%s = u.k", qualified(t.Name),
			strings.Join(assign, ", "), strings.Join(places, ", "), strings.Join(names, ", "), quote(t.key()))
	}
	t.updates[memo] = sql
	return sql
}

// Replace queues that row takes the place of what is stored under the key; a zero
// image leaves nothing there.
func (t *Table) Replace(s *pipeline.Session, key string, row Image) {
	s.Queue(fmt.Sprintf("delete from %s where %s = $1::text", qualified(t.Name), quote(t.key())), []byte(key))
	if !row.IsZero() {
		t.insert(s, []Image{row})
	}
}
