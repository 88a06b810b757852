package hot

import (
	"errors"
	"fmt"

	"github.com/readside/readside/projections"
)

// What a private fold and a verification keep of rows outside of any table: own
// columns while they are being folded, whole images when they are finished.

// AppendOwn appends the own columns and the state of r, for ReadOwn. It does not
// check what an index can hold: the row is not finished.
func (l *Layout) AppendOwn(buf []byte, r *projections.Row) ([]byte, error) {
	buf = append(buf, byte(r.State))
	base := l.Model.Base(r.Value)
	var err error
	for i := range l.Model.Columns {
		c := &l.Model.Columns[i]
		if c.Join {
			continue
		}
		if buf, err = appendCell(buf, c, base); err != nil {
			return buf, fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return buf, nil
}

// ReadOwn is the row that AppendOwn wrote. Its texts point into data, which must not
// change any more.
func (l *Layout) ReadOwn(data []byte) (*projections.Row, error) {
	r := &projections.Row{Value: l.Model.New(), Touched: -1}
	base := l.Model.Base(r.Value)
	if len(data) == 0 {
		return nil, errTruncated
	}
	r.State = projections.State(data[0])
	data = data[1:]
	for i := range l.Model.Columns {
		c := &l.Model.Columns[i]
		if c.Join {
			continue
		}
		cell, n, err := firstCell(data)
		if err != nil {
			return nil, err
		}
		if err := setCell(c, base, cell); err != nil {
			return nil, fmt.Errorf("view %s: %w", l.Model.Name, err)
		}
		data = data[n:]
	}
	r.Key = *(*string)(l.Model.Field(r.Value, l.Model.Key))
	return r, nil
}

var errTruncated = errors.New("a stored row ends before its last column")

// firstCell is the value of the first cell in data, nil for NULL, and the cell's length.
func firstCell(data []byte) (value []byte, n int, err error) {
	if len(data) < 4 {
		return nil, 0, errTruncated
	}
	length := be.Uint32(data)
	if length == nullLength {
		return nil, 4, nil
	}
	n = 4 + int(length)
	if len(data) < n {
		return nil, 0, errTruncated
	}
	return data[4:n:n], n, nil
}

// Bytes are the image's cells, for ImageOf. They must not be changed.
func (i Image) Bytes() []byte { return i.cells }

// ImageOf is the image whose Bytes these are.
func (l *Layout) ImageOf(cells []byte) (Image, error) {
	img := Image{cells: cells, ends: make([]int32, 0, len(l.columns))}
	end := 0
	for range l.columns {
		_, n, err := firstCell(cells[end:])
		if err != nil {
			return Image{}, err
		}
		end += n
		img.ends = append(img.ends, int32(end))
	}
	if end != len(cells) {
		return Image{}, fmt.Errorf("a stored row of view %s has %d bytes behind its last column", l.Model.Name, len(cells)-end)
	}
	return img, nil
}

// KeyOf is the key of the row whose image has these cells; good as long as they are.
func (l *Layout) KeyOf(cells []byte) ([]byte, error) {
	for range l.Model.Key {
		_, n, err := firstCell(cells)
		if err != nil {
			return nil, err
		}
		cells = cells[n:]
	}
	key, _, err := firstCell(cells)
	return key, err
}

// Row is the row of an image, joined columns too.
func (l *Layout) Row(img Image) (*projections.Row, error) { return l.decode(img, whole) }
