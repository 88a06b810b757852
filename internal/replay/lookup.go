package replay

import (
	"slices"

	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/internal/replay/rowtable"
	"github.com/readside/readside/projections"
)

// lookUpRows is how many rows' sources are found at a time: so many rows stay in the
// processor's cache until they are finished.
const lookUpRows = 128

// foundSources are the rows that some rows most likely copy from, join by join.
type foundSources struct {
	joins []*projections.JoinModel
	rows  int
	found []rowtable.Found
}

// of is what row i most likely copies by j; nothing where that is not known.
func (s *foundSources) of(j *projections.JoinModel, i int) rowtable.Found {
	if at := slices.Index(s.joins, j); at >= 0 {
		return s.found[at*s.rows+i]
	}
	return rowtable.Found{}
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
			s.found = append(s.found, rowtable.Found{Key: j.KeyIn(v.model, row)})
		}
		for i := range rows {
			f := &s.found[from+i]
			hash := keyhash.Of(f.Key)
			f.Row, f.Key = r.all.At(r.part(source, r.slice(hash))).Rows.WithHash(hash), ""
		}
		rowtable.ReadKeys(s.found[from:])
	}
	return s
}
