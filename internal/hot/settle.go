package hot

import (
	"reflect"
	"time"
	"unsafe"

	"github.com/readside/readside/projections"
)

// Settle readies a row to be kept for long, beside its image: text points into the
// image instead of an event's memory, and nullable columns get values of their own.
// What json columns hold stays.
func (l *Layout) Settle(r *projections.Row, img Image) {
	base := l.Model.Base(r.Value)
	for i := range l.Model.Columns {
		c := &l.Model.Columns[i]
		switch {
		case c.Nullable:
			settleNullable(c, base, img.Value(i))
		case c.Kind == projections.Text:
			if p := (*string)(c.At(base)); *p != "" { // a joined column may be zero here and kept in the image
				*p = textOf(img.Value(i))
			}
		}
	}
}

func settleNullable(c *projections.Column, base unsafe.Pointer, value []byte) {
	p := (*unsafe.Pointer)(c.At(base))
	if *p == nil {
		return
	}
	switch {
	case c.Kind == projections.Time:
		t := *(*time.Time)(*p)
		*p = unsafe.Pointer(&t)
	case c.Kind == projections.Text:
		text := textOf(value)
		*p = unsafe.Pointer(&text)
	default:
		v := reflect.New(c.Type)
		v.Elem().Set(reflect.NewAt(c.Type, *p).Elem())
		*p = v.UnsafePointer()
	}
}

// textOf is text that lies in an image, which never changes.
func textOf(value []byte) string { return unsafe.String(unsafe.SliceData(value), len(value)) }

// Footprint estimates the memory of a settled row and its image, without what maps and
// lists add.
func (l *Layout) Footprint(img Image) int {
	n := int(l.Model.Type.Size()) + cap(img.Bytes()) + 4*cap(img.Ends()) + rowBytes
	if img.IsZero() {
		return n
	}
	for i := range l.Model.Columns {
		if c := &l.Model.Columns[i]; c.Kind == projections.JSON {
			n += jsonTimes * len(img.Cell(i))
		} else if c.Nullable {
			n += int(c.Type.Size())
		}
	}
	return n
}

const (
	// rowBytes is a projections.Row.
	rowBytes = 64
	// jsonTimes is how many times the text of a json value its Go value takes.
	jsonTimes = 3
)
