package hot

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/readside/readside/projections"
)

// Encoder makes images of rows, one after the other, in memory that it uses again.
type Encoder struct {
	// Together lets images share blocks of memory: for those that are let go together,
	// since one that is kept keeps a block.
	Together bool

	cells []byte
	ends  []int32

	cellBlock []byte
	endBlock  []int32
}

// How much the blocks hold that images share.
const (
	cellBlockBytes = 64 << 10
	endBlockCount  = 4 << 10
)

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
			e.cells = append(e.cells, old.cell(i)...)
		} else if e.cells, err = appendCell(e.cells, c, base); err != nil {
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
	if bytes.Equal(e.cells, old.cells) {
		return old, nil
	}
	if e.Together {
		return Image{cells: inBlock(&e.cellBlock, e.cells, cellBlockBytes), ends: inBlock(&e.endBlock, e.ends, endBlockCount)}, nil
	}
	return Image{cells: slices.Clone(e.cells), ends: slices.Clone(e.ends)}, nil
}

// inBlock copies v into a block, or into a new one where it does not fit. What is large
// stands by itself: with it, most of a block would stay empty.
func inBlock[T any](block *[]T, v []T, size int) []T {
	if len(v) > size/8 {
		return slices.Clone(v)
	}
	if cap(*block)-len(*block) < len(v) {
		*block = make([]T, 0, size)
	}
	start := len(*block)
	*block = append(*block, v...)
	return (*block)[start:len(*block):len(*block)]
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
		if e.cells, err = appendTexts(e.cells, keys); err != nil {
			return fmt.Errorf("keys of the join with %s: %w", j.Source.Name, err)
		}
		e.ends = append(e.ends, int32(len(e.cells)))
	}
	return nil
}
