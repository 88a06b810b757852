package hot

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/readside/readside/internal/hot/cell"
	"github.com/readside/readside/internal/hot/image"
	"github.com/readside/readside/projections"
)

// Encoder makes images of rows, one after the other, in memory that it uses again.
type Encoder struct {
	// Blocks, unless nil, is where images go; else each has memory of its own.
	Blocks *Blocks

	cells []byte
	ends  []int32
}

// maxRowBytes is what a row has at most: Postgres takes no message of 1 GiB, and would
// refuse it again and again.
const maxRowBytes = 64 << 20

// Encode is the image of r. An error says which column cannot be stored and why.
func (l *Layout) Encode(r *projections.Row) (Image, error) {
	var e Encoder
	return e.Encode(l, r, Image{}, false)
}

// Encode is the image of r, which is old if nothing differs. With keep the joined
// columns are old's instead of r's.
func (e *Encoder) Encode(l *Layout, r *projections.Row, old Image, keep bool) (Image, error) {
	e.cells, e.ends = e.cells[:0], e.ends[:0]
	base := l.Model.Base(r.Value)
	var err error
	for i := range l.Model.Columns {
		c := &l.Model.Columns[i]
		start := len(e.cells)
		if keep && c.Join {
			e.cells = append(e.cells, old.Cell(i)...)
		} else if e.cells, err = cell.Append(e.cells, c, base); err != nil {
			return Image{}, fmt.Errorf("column %s: %w", c.Name, err)
		}
		if n := len(e.cells) - start - 4; n > maxIndexedBytes && l.columns[i].indexed {
			return Image{}, fmt.Errorf("column %s: %d bytes are too many for a column with an index: at most %d", c.Name, n, maxIndexedBytes)
		}
		e.ends = append(e.ends, int32(len(e.cells)))
	}
	e.cells = be.AppendUint16(be.AppendUint32(e.cells, 2), uint16(r.State))
	e.ends = append(e.ends, int32(len(e.cells)))
	if err := e.links(l, r); err != nil {
		return Image{}, err
	}
	if len(e.cells) > maxRowBytes {
		return Image{}, fmt.Errorf("the row has %d bytes, and a row has at most %d: keep less in it", len(e.cells), maxRowBytes)
	}
	if bytes.Equal(e.cells, old.Bytes()) {
		return old, nil
	}
	if e.Blocks != nil {
		return e.Blocks.Image(e.cells, e.ends), nil
	}
	return image.New(slices.Clone(e.cells), slices.Clone(e.ends)), nil
}

// links appends the source keys of the joins by a function.
func (e *Encoder) links(l *Layout, r *projections.Row) (err error) {
	for _, j := range l.links {
		var keys []string
		if r.State == projections.Live {
			if keys, err = j.SourceKeys(nil, l.Model, r); err != nil {
				return err
			}
		}
		if e.cells, err = cell.AppendTexts(e.cells, keys); err != nil {
			return fmt.Errorf("keys of the join with %s: %w", j.Source.Name, err)
		}
		e.ends = append(e.ends, int32(len(e.cells)))
	}
	return nil
}
