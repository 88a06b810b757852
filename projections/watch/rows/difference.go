package rows

import (
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/watch"
)

// difference is how a stored row differs from the folded one; nil where it does not.
func (x *comparison) difference(key string, stored, folded hot.Image) *watch.Difference {
	found := x.table.Compare(stored, folded)
	if found == nil {
		return nil
	}
	d := &watch.Difference{
		View: x.slice.view.model.Name, Key: key, Kind: found.Kind, Columns: found.Columns, Stored: found.Stored, Expected: found.Folded,
	}
	if found.Kind != hot.Differs {
		return d
	}
	joined := x.onlyJoined(d.Columns)
	if joined && x.footing.parked.waits[key] {
		return nil // its joins may have failed, by a program that was replaced since
	}
	if joined {
		for _, j := range x.slice.view.model.Joins {
			d.Joins = append(d.Joins, j.Source.Name)
			x.noteSources(j, key)
		}
	}
	return d
}

// onlyJoined reports whether all of the columns are computed from other views' rows.
func (x *comparison) onlyJoined(columns []string) bool {
	joined := map[string]bool{}
	for i := range x.slice.view.model.Columns {
		joined[x.slice.view.model.Columns[i].Name] = x.slice.view.model.Columns[i].Join
	}
	for _, c := range columns {
		if !joined[c] {
			return false
		}
	}
	return true
}

// noteSources notes the rows that join j of a row looks at: one of them may be the one that
// is wrong, and they are compared with their view's next slice.
func (x *comparison) noteSources(j *projections.JoinModel, key string) {
	keys, err := j.SourceKeys(nil, x.slice.view.model, x.slice.rows[key])
	if err != nil || len(x.slice.sourceKeys[j.Source.Name])+len(keys) > suspectsMost {
		return
	}
	if x.slice.sourceKeys == nil {
		x.slice.sourceKeys = map[string][]string{}
	}
	x.slice.sourceKeys[j.Source.Name] = append(x.slice.sourceKeys[j.Source.Name], keys...)
}
