package hot

import (
	"fmt"
	"slices"

	"github.com/readside/readside/internal/hot/cell"
	"github.com/readside/readside/internal/hot/image"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
)

// The kinds of differences.
const (
	// Differs is a row of which some columns differ.
	Differs = "differs"
	// Missing is a row that the table does not have.
	Missing = "missing"
	// Surplus is a row that the log does not know.
	Surplus = "surplus"
)

// Difference is how a stored row differs from the row that was folded from the log.
type Difference struct {
	// Kind is Differs, Missing or Surplus.
	Kind string
	// Columns are those that differ; Stored and Folded are the first one's values, as text.
	Columns        []string
	Stored, Folded string
}

// Compare returns how a stored row differs from the folded one; nil where it does not.
func (t *Table) Compare(stored, folded Image) *Difference {
	switch {
	case stored.IsZero() && folded.IsZero():
		return nil
	case stored.IsZero():
		return &Difference{Kind: Missing}
	case folded.IsZero():
		return &Difference{Kind: Surplus}
	}
	columns := t.Differing(folded, stored)
	if len(columns) == 0 {
		return nil
	}
	return &Difference{Kind: Differs, Columns: columns, Stored: t.Text(stored, columns[0]), Folded: t.Text(folded, columns[0])}
}

// Differing returns the names of the columns in which two images of the table's rows differ.
func (t *Table) Differing(a, b Image) []string {
	set := image.Differing(a, b)
	var names []string
	for i, c := range t.columns {
		if set.Has(i) {
			names = append(names, c.name)
		}
	}
	return names
}

// Text is a column's value as a person reads it, shortened.
func (t *Table) Text(img Image, column string) string {
	i := slices.IndexFunc(t.columns, func(c tableColumn) bool { return c.name == column })
	v := img.Value(i)
	if v == nil {
		return "NULL"
	}
	c := t.columns[i].model
	if c == nil {
		if i == t.state {
			return projections.State(be.Uint16(v)).String()
		}
		return fmt.Sprintf("%q", v)
	}
	row := t.Model.New()
	if err := cell.Set(c, t.Model.Base(row), v); err != nil {
		return err.Error()
	}
	return pipeline.Abridge(fmt.Sprint(c.Value(t.Model.Base(row))))
}
