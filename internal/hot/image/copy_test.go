package image

import (
	"bytes"
	"testing"
	"testing/iotest"
)

// However little is read at a time, a COPY is its header, its rows and its end.
func TestACopyIsReadInAnyPieces(t *testing.T) {
	t.Parallel()
	rows := []Image{{cells: []byte("one")}, {cells: bytes.Repeat([]byte("two"), 3000)}, {cells: []byte("three")}}
	for n := range len(rows) + 1 {
		want := []byte(copyHeader)
		for _, row := range rows[:n] {
			want = append(append(want, 0, 7), row.cells...)
		}
		if err := iotest.TestReader(NewCopy(7, rows[:n]), append(want, 0xff, 0xff)); err != nil {
			t.Errorf("%d rows: %v", n, err)
		}
	}
}
