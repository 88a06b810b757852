package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections/hot"
)

// Difference is a row that is not what the log says.
type Difference struct {
	View string `json:"view"`
	Key  string `json:"key"`
	// Kind is "differs", "missing" (the table has no such row) or "surplus" (the log knows none).
	Kind string `json:"kind"`
	// Columns are those that differ.
	Columns []string `json:"columns,omitempty"`
	// Stored and Folded are the first differing column's values, as text.
	Stored string `json:"stored,omitempty"`
	Folded string `json:"folded,omitempty"`
}

// maxDifferences bounds the differences that are kept; all are counted.
const maxDifferences = 100

// Differences counts differing rows and keeps the first of them.
type Differences struct {
	Count int          `json:"count"`
	First []Difference `json:"first,omitempty"`
}

func (d *Differences) add(x Difference) {
	d.Count++
	if len(d.First) < maxDifferences {
		d.First = append(d.First, x)
	}
}

// compareTable walks a table in the order of its keys beside the rows that it should hold.
func compareTable(ctx context.Context, tx pgx.Tx, t *hot.Table, want []image) (rows int, d Differences, err error) {
	err = t.Scan(ctx, tx, func(key string, stored hot.Image) error {
		rows++
		for len(want) > 0 && want[0].key < key {
			d.add(Difference{View: t.Model.Name, Key: want[0].key, Kind: "missing"})
			want = want[1:]
		}
		if len(want) == 0 || want[0].key != key {
			d.add(Difference{View: t.Model.Name, Key: key, Kind: "surplus"})
			return nil
		}
		if columns := t.Differing(want[0].image, stored); len(columns) > 0 {
			d.add(Difference{
				View: t.Model.Name, Key: key, Kind: "differs", Columns: columns,
				Stored: t.Text(stored, columns[0]), Folded: t.Text(want[0].image, columns[0]),
			})
		}
		want = want[1:]
		return nil
	})
	for _, w := range want {
		d.add(Difference{View: t.Model.Name, Key: w.key, Kind: "missing"})
	}
	slices.SortFunc(d.First, func(a, b Difference) int { return cmp.Compare(a.Key, b.Key) })
	return rows, d, err
}
