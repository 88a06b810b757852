package hot

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/readside/readside/projections"
)

// Table is a view's rows in one table. Its methods queue on a Session.
type Table struct {
	*Layout
	Name string

	updates map[columnSet]string
}

// NewTable names a table that holds rows in the layout.
func NewTable(l *Layout, name string) *Table {
	return &Table{Layout: l, Name: name, updates: map[columnSet]string{}}
}

// Stored is a row as the table has it.
type Stored struct {
	*projections.Row
	Image Image
}

// LoadOwn queues the loading of rows with their own columns only, for handlers.
func (t *Table) LoadOwn(s *Session, keys []string, each func(Stored)) {
	t.load(s, keys, own, "", each)
}

// LoadSources queues the loading of live rows, whole, for joins.
func (t *Table) LoadSources(s *Session, keys []string, each func(Stored)) {
	t.load(s, keys, whole, fmt.Sprintf(" and %s = %d", StateColumn, projections.Live), each)
}

func (t *Table) load(s *Session, keys []string, p part, where string, each func(Stored)) {
	sql := fmt.Sprintf("select %s from %s where %s = any($1::text[])%s", t.names(), qualified(t.Name), quote(t.key()), where)
	s.Add(Op{SQL: sql, Params: [][]byte{texts(keys)}, Rows: anyRows, Each: t.rows(p, each)})
}

func (t *Table) rows(p part, each func(Stored)) func([][]byte) error {
	return func(values [][]byte) error {
		img := t.image(values)
		r, err := t.decode(img, p)
		if err != nil {
			return err
		}
		each(Stored{Row: r, Image: img})
		return nil
	}
}

// texts is a text[] parameter. Keys were checked when they were read.
func texts(keys []string) []byte {
	buf, err := appendTexts(nil, keys)
	if err != nil {
		panic(err)
	}
	return buf[4:]
}

// Change is a row that was Old and becomes New; Old is zero for a new row.
type Change struct {
	Old, New Image
}

// Changed says whether anything differs.
func (c Change) Changed() bool { return c.Old.IsZero() || differing(c.Old, c.New) != 0 }

// smallWrite is how many rows are written one statement each, all in one round trip;
// more go by COPY and by arrays.
const smallWrite = 24

// Write queues the changes: new rows by COPY, changed ones by one UPDATE for each
// set of columns that changed.
func (t *Table) Write(ctx context.Context, s *Session, changes []Change) error {
	var added []Image
	changed := map[columnSet][]Image{}
	for _, c := range changes {
		if c.Old.IsZero() {
			added = append(added, c.New)
		} else if set := differing(c.Old, c.New); set != 0 {
			changed[set] = append(changed[set], c.New)
		}
	}
	if err := t.insert(ctx, s, added); err != nil {
		return err
	}
	t.update(s, changed)
	return nil
}

func (t *Table) insert(ctx context.Context, s *Session, rows []Image) error {
	if len(rows) <= smallWrite {
		sql := t.insertOne()
		for _, img := range rows {
			s.Add(Op{SQL: sql, Params: t.params(img), Rows: 1})
		}
		return nil
	}
	return t.copyRows(ctx, s, rows)
}

func (t *Table) copyRows(ctx context.Context, s *Session, rows []Image) error {
	return s.copyIn(ctx, fmt.Sprintf("copy %s (%s) from stdin (format binary)", qualified(t.Name), t.names()), t.copyData(rows), len(rows))
}

func (t *Table) insertOne() string {
	places := make([]string, len(t.columns))
	for i, c := range t.columns {
		places[i] = fmt.Sprintf("$%d::%s", i+1, c.sqlType.name)
	}
	return fmt.Sprintf("insert into %s (%s) values (%s)", qualified(t.Name), t.names(), strings.Join(places, ", "))
}

func (t *Table) params(img Image) [][]byte {
	out := make([][]byte, len(t.columns))
	for i := range t.columns {
		out[i] = img.value(i)
	}
	return out
}

const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func (t *Table) copyData(rows []Image) []byte {
	n := len(copyHeader) + 2
	for _, img := range rows {
		n += 2 + len(img.cells)
	}
	buf := append(make([]byte, 0, n), copyHeader...)
	for _, img := range rows {
		buf = append(be.AppendUint16(buf, uint16(len(t.columns))), img.cells...)
	}
	return be.AppendUint16(buf, 0xffff)
}

// maxUpdates bounds the UPDATEs of one write: a few more columns written are cheaper
// than many statements.
const maxUpdates = 8

func (t *Table) update(s *Session, changed map[columnSet][]Image) {
	if len(changed) > maxUpdates {
		changed = merged(changed)
	}
	for _, set := range sortedSets(changed) {
		rows := changed[set]
		if len(rows) <= smallWrite || set&t.linkSet() != 0 {
			t.updateEach(s, set, rows)
		} else {
			t.updateAll(s, set, rows)
		}
	}
}

func merged(changed map[columnSet][]Image) map[columnSet][]Image {
	var union columnSet
	var rows []Image
	for _, set := range sortedSets(changed) {
		union |= set
		rows = append(rows, changed[set]...)
	}
	return map[columnSet][]Image{union: rows}
}

func sortedSets(changed map[columnSet][]Image) []columnSet {
	sets := make([]columnSet, 0, len(changed))
	for set := range changed {
		sets = append(sets, set)
	}
	slices.Sort(sets)
	return sets
}

func (t *Table) updateEach(s *Session, set columnSet, rows []Image) {
	sql := t.updateSQL(set, false)
	for _, img := range rows {
		params := [][]byte{img.value(t.Model.Key)}
		for c := range t.columns {
			if set.has(c) {
				params = append(params, img.value(c))
			}
		}
		s.Add(Op{SQL: sql, Params: params, Rows: 1})
	}
}

func (t *Table) updateAll(s *Session, set columnSet, rows []Image) {
	params := [][]byte{t.array(rows, t.Model.Key)}
	for c := range t.columns {
		if set.has(c) {
			params = append(params, t.array(rows, c))
		}
	}
	s.Add(Op{SQL: t.updateSQL(set, true), Params: params, Rows: len(rows)})
}

// array is one column of rows as an array parameter.
func (t *Table) array(rows []Image, column int) []byte {
	n, nulls := 20, false
	for _, img := range rows {
		cell := img.cell(column)
		n += len(cell)
		nulls = nulls || be.Uint32(cell) == nullLength
	}
	buf := appendArrayHeader(make([]byte, 0, n), t.columns[column].oid, len(rows), nulls)
	for _, img := range rows {
		buf = append(buf, img.cell(column)...)
	}
	return buf
}

// updateSQL updates the columns of set, of one row or of many given as arrays.
func (t *Table) updateSQL(set columnSet, arrays bool) string {
	memo := set
	if arrays {
		memo |= 1 << maxColumns
	}
	if sql, ok := t.updates[memo]; ok {
		return sql
	}
	assign := make([]string, 0, bits.OnesCount64(uint64(set)))
	places := []string{"$1::text[]"}
	names := []string{"k"}
	for c, col := range t.columns {
		if !set.has(c) {
			continue
		}
		n := len(names)
		places = append(places, fmt.Sprintf("$%d::%s[]", n+1, col.sqlType.name))
		names = append(names, fmt.Sprintf("c%d", n))
		if arrays {
			assign = append(assign, fmt.Sprintf("%s = u.c%d", quote(col.name), n))
		} else {
			assign = append(assign, fmt.Sprintf("%s = $%d::%s", quote(col.name), n+1, col.sqlType.name))
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
