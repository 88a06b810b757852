package image

import (
	"io"
)

// Copy is rows in COPY's binary form, read from their images: nothing is put
// together first, so that a COPY takes no memory of its own.
type Copy struct {
	rows []Image
	// rest is what comes next; then a row's cells, if its count of columns was it.
	rest         []byte
	cells, ended bool
	count        [2]byte
}

const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	copyTrailer = "\xff\xff"
)

// NewCopy returns the stream of rows with so many columns each.
func NewCopy(columns int, rows []Image) *Copy {
	c := &Copy{rows: rows, rest: []byte(copyHeader)}
	be.PutUint16(c.count[:], uint16(columns))
	return c
}

// Read implements io.Reader.
func (c *Copy) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(c.rest) == 0 && !c.next() {
			return n, io.EOF
		}
		m := copy(p[n:], c.rest)
		c.rest, n = c.rest[m:], n+m
	}
	return n, nil
}

func (c *Copy) next() bool {
	switch {
	case c.cells:
		c.rest, c.rows, c.cells = c.rows[0].cells, c.rows[1:], false
	case len(c.rows) > 0:
		c.rest, c.cells = c.count[:], true
	case !c.ended:
		c.rest, c.ended = []byte(copyTrailer), true
	default:
		return false
	}
	return true
}
