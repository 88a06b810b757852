package replay

import (
	"slices"

	"github.com/readside/readside/projections"
)

// To find a row is to wait for memory three times: for the place of its hash, for the
// row, for its key. So many are found at a time: all hashes are asked for, then all rows,
// then the keys are compared. Where no step waits for the one before, the processor waits
// for many at once.

// foundRow is a row that has the hash looked for, and its key, which tells whether it is
// the one.
type foundRow struct {
	row *projections.Row
	key string
}

// readKeys reads the keys of rows that were found by their hashes.
func readKeys(found []foundRow) {
	for i := range found {
		if found[i].row != nil {
			found[i].key = found[i].row.Key
		}
	}
}

// lookUpRows is how many rows' sources are found at a time: so many rows stay in the
// processor's cache until they are finished.
const lookUpRows = 128

// foundSources are the rows that some rows most likely copy from, join by join.
type foundSources struct {
	joins []*projections.JoinModel
	rows  int
	found []foundRow
}

// of is what row i most likely copies by j; nothing where that is not known.
func (s *foundSources) of(j *projections.JoinModel, i int) foundRow {
	if at := slices.Index(s.joins, j); at >= 0 {
		return s.found[at*s.rows+i]
	}
	return foundRow{}
}

// findSources finds what rows of v copy from, as far as it is in memory.
func (r *replay) findSources(v *view, rows []*projections.Row) *foundSources {
	s := &r.sources
	s.joins, s.rows, s.found = s.joins[:0], len(rows), s.found[:0]
	for _, j := range v.model.Joins {
		if j.ByFunction() {
			continue
		}
		s.joins = append(s.joins, j)
		source, from := r.index[j.Source], len(s.found)
		for _, row := range rows {
			s.found = append(s.found, foundRow{key: j.KeyIn(v.model, row)})
		}
		for i := range rows {
			f := &s.found[from+i]
			hash := Hash(f.key)
			f.row, f.key = r.all[r.part(source, r.slice(hash))].rows.withHash(hash), ""
		}
		readKeys(s.found[from:])
	}
	return s
}
