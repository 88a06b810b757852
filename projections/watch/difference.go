package watch

import (
	"fmt"
	"strings"
)

// Difference is a row that is not what the log says.
type Difference struct {
	// View or Fact is what the row belongs to.
	View string `json:"view,omitempty"`
	Fact string `json:"fact,omitempty"`
	// Kind is "differs", "missing" (the table has no such row) or "surplus" (the log knows
	// none); of facts "other values", "missing", "not in the log" or "twice".
	Kind string `json:"kind"`

	// Key is the view's row; Columns are those that differ, Stored and Expected the first
	// one's values, as text.
	Key      string   `json:"key,omitempty"`
	Columns  []string `json:"columns,omitempty"`
	Stored   string   `json:"stored,omitempty"`
	Expected string   `json:"expected,omitempty"`
	// Joins, unless empty, are the views that all differing columns are computed from: then
	// Expected is computed from their rows as they are stored, and one of those may be the
	// one that is wrong.
	Joins []string `json:"joins,omitempty"`

	// Partition, Place, Row and Batch name a fact's row, as verifying facts does.
	Partition int   `json:"partition,omitempty"`
	Place     int64 `json:"place,omitempty"`
	Row       int   `json:"row,omitempty"`
	Batch     int64 `json:"batch,omitempty"`
}

// SameRow reports whether two differences are of one row.
func (d *Difference) SameRow(e *Difference) bool {
	return d != nil && e != nil && d.View == e.View && d.Fact == e.Fact && d.Key == e.Key &&
		d.Partition == e.Partition && d.Place == e.Place && d.Row == e.Row
}

// RowText names the row and how it differs, without the values that it holds.
func (d *Difference) RowText() string {
	switch {
	case d.Fact != "":
		return fmt.Sprintf("%s partition %d, place %d, row %d: %s", d.Fact, d.Partition, d.Place, d.Row, d.Kind)
	case d.Kind != "differs":
		return fmt.Sprintf("%s %s is %s", d.View, d.Key, d.Kind)
	case len(d.Columns) == 0:
		return fmt.Sprintf("%s %s differs", d.View, d.Key)
	}
	return fmt.Sprintf("%s %s differs in %s", d.View, d.Key, strings.Join(d.Columns, ", "))
}

// String is RowText with the values of the first column that differs.
func (d *Difference) String() string {
	if d.Fact != "" || d.Kind != "differs" || len(d.Columns) == 0 {
		return d.RowText()
	}
	expected := "the log says"
	if len(d.Joins) > 0 {
		expected = "computed from " + strings.Join(d.Joins, ", ") + " it is"
	}
	return fmt.Sprintf("%s %s column %s is %s, %s %s", d.View, d.Key, d.Columns[0], d.Stored, expected, d.Expected)
}
