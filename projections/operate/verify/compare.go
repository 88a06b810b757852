package verify

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/internal/replay/spill"
)

// Difference is a row that is not what the log gives.
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

// difference is how a stored row differs from the folded one; nil where it does not.
func difference(t *hot.Table, key string, stored, folded hot.Image) *Difference {
	d := t.Compare(stored, folded)
	if d == nil {
		return nil
	}
	return &Difference{View: t.Model.Name, Key: key, Kind: d.Kind, Columns: d.Columns, Stored: d.Stored, Folded: d.Folded}
}

// String is the difference in one line.
func (d *Difference) String() string {
	if d.Kind != "differs" {
		return d.Kind
	}
	return fmt.Sprintf("%s is %s, folded again it is %s", d.Columns[0], d.Stored, d.Folded)
}

// maxDifferences bounds the differences that are kept; all are counted.
const maxDifferences = 100

// Differences counts differing rows and keeps the first of them.
type Differences struct {
	Count int          `json:"count"`
	First []Difference `json:"first,omitempty"`
}

// Add counts a difference.
func (d *Differences) Add(x Difference) {
	d.Count++
	if len(d.First) < maxDifferences {
		d.First = append(d.First, x)
	}
}

// rowByRow compares rows with rows: the table's rows are read once, into the slices of
// the fold, and each slice is compared when its fold is finished.
type rowByRow struct {
	v      *verification
	table  *table
	slices int
	stored *spill.Records
}

// tableShare is the part of the budget in which the table's rows wait in memory.
const tableShare = 8

func (c *rowByRow) begin(ctx context.Context) error {
	c.stored = spill.New(c.v.cfg.Dir, c.slices, int(c.v.cfg.Budget/tableShare))
	return c.table.ScanCells(ctx, c.v.tx, func(cells []byte) error {
		key, err := c.table.KeyOf(cells)
		if err != nil || !c.v.compared(string(key)) {
			return err
		}
		c.table.result.Rows++
		slice := int(keyhash.Of(string(key)) % uint64(c.slices))
		return c.stored.Append(slice, func(buf []byte) ([]byte, error) { return append(buf, cells...), nil })
	})
}

func (c *rowByRow) slice(s replay.Slice) error {
	want, joinless := make(map[string]hot.Image, len(s.Rows)), map[string]bool{}
	for _, row := range s.Rows {
		want[row.Key] = row.Image
		if row.Joinless {
			joinless[row.Key] = true
		}
	}
	err := c.stored.Each(s.Number, func(cells []byte) error {
		stored, err := c.table.ImageOf(cells)
		if err != nil {
			return err
		}
		key, err := c.table.KeyOf(cells)
		if err != nil {
			return err
		}
		if joinless[string(key)] {
			delete(want, string(key))
			return nil
		}
		if d := difference(c.table.Table, string(key), stored, want[string(key)]); d != nil {
			c.table.result.Differences.Add(*d)
		}
		delete(want, string(key))
		return nil
	})
	var missing []string
	for key := range want {
		missing = append(missing, key)
	}
	slices.Sort(missing)
	for _, key := range missing {
		c.table.result.Differences.Add(Difference{View: c.table.Model.Name, Key: key, Kind: "missing"})
	}
	return err
}

func (c *rowByRow) end() error {
	slices.SortFunc(c.table.result.Differences.First, func(a, b Difference) int { return cmp.Compare(a.Key, b.Key) })
	return c.stored.Close()
}

// Checksum is what comparing sums of rows found.
type Checksum struct {
	Equal bool `json:"equal"`
	// StoredRows and FoldedRows are how many the table has and should have.
	StoredRows int64 `json:"stored_rows"`
	FoldedRows int64 `json:"folded_rows"`
}

// sums compares sums: of both sides 128 bits of every row's hash are added up, in
// whatever order they come. The hash is another in every process, so that nobody can
// make rows whose sums are equal.
type sums struct {
	v              *verification
	table          *table
	seeds          [2]maphash.Seed
	stored, folded sum
}

type sum struct {
	high, low uint64
	rows      int64
}

func (s *sum) add(seeds [2]maphash.Seed, cells []byte) {
	var carry uint64
	s.low, carry = bits.Add64(s.low, maphash.Bytes(seeds[0], cells), 0)
	s.high, _ = bits.Add64(s.high, maphash.Bytes(seeds[1], cells), carry)
	s.rows++
}

func (c *sums) begin(ctx context.Context) error {
	c.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	return c.table.ScanCells(ctx, c.v.tx, func(cells []byte) error {
		key, err := c.table.KeyOf(cells)
		if err != nil || !c.v.compared(string(key)) {
			return err
		}
		c.stored.add(c.seeds, cells)
		return nil
	})
}

func (c *sums) slice(s replay.Slice) error {
	for _, row := range s.Rows {
		c.folded.add(c.seeds, row.Image.Bytes())
	}
	return nil
}

func (c *sums) end() error {
	c.table.result.Rows = int(c.stored.rows)
	c.table.result.Checksum = &Checksum{Equal: c.stored == c.folded, StoredRows: c.stored.rows, FoldedRows: c.folded.rows}
	return nil
}

// String is what the sums prove, in a few words.
func (c *Checksum) String() string {
	switch {
	case c.Equal:
		return "equal"
	case c.StoredRows != c.FoldedRows:
		return fmt.Sprintf("the table has %d rows, the log gives %d", c.StoredRows, c.FoldedRows)
	}
	return "as many rows, and not the same"
}
