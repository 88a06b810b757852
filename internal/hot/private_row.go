package hot

import (
	"fmt"

	"github.com/readside/readside/internal/hot/cell"
	"github.com/readside/readside/internal/hot/image"
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
		if buf, err = cell.Append(buf, c, base); err != nil {
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
		return nil, image.ErrTruncated
	}
	r.State = projections.State(data[0])
	data = data[1:]
	for i := range l.Model.Columns {
		c := &l.Model.Columns[i]
		if c.Join {
			continue
		}
		value, n, err := image.First(data)
		if err != nil {
			return nil, err
		}
		if err := cell.Set(c, base, value); err != nil {
			return nil, fmt.Errorf("view %s: %w", l.Model.Name, err)
		}
		data = data[n:]
	}
	r.Key = *(*string)(l.Model.Field(r.Value, l.Model.Key))
	return r, nil
}

// ImageOf is the image whose Bytes these are.
func (l *Layout) ImageOf(cells []byte) (Image, error) {
	ends := make([]int32, 0, len(l.columns))
	end := 0
	for range l.columns {
		_, n, err := image.First(cells[end:])
		if err != nil {
			return Image{}, err
		}
		end += n
		ends = append(ends, int32(end))
	}
	if end != len(cells) {
		return Image{}, fmt.Errorf("a stored row of view %s has %d bytes behind its last column", l.Model.Name, len(cells)-end)
	}
	return image.New(cells, ends), nil
}

// KeyOf is the key of the row whose image has these cells; good as long as they are.
func (l *Layout) KeyOf(cells []byte) ([]byte, error) {
	for range l.Model.Key {
		_, n, err := image.First(cells)
		if err != nil {
			return nil, err
		}
		cells = cells[n:]
	}
	key, _, err := image.First(cells)
	return key, err
}

// Row is the row of an image, joined columns too.
func (l *Layout) Row(img Image) (*projections.Row, error) { return l.decode(img, whole) }
