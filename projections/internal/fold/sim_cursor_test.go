package fold_test

import (
	"bytes"
	"slices"
)

// simDepending declares the cursor over the rows that depend on any of the keys.
func simDepending(table string, link, state int) *simStatement {
	return &simStatement{reads: true, run: func(c *simConn, s *simState, p [][]byte) ([][][]byte, int) {
		c.cursor = nil
		wanted := simArray(p[0])
		for key, row := range s.table(table) {
			links := simArray(row[link])
			if row[state][1] == 2 && slices.ContainsFunc(links, func(l []byte) bool {
				return slices.ContainsFunc(wanted, func(w []byte) bool { return bytes.Equal(w, l) })
			}) {
				c.cursor = append(c.cursor, [][]byte{[]byte(key)})
			}
		}
		slices.SortFunc(c.cursor, func(a, b [][]byte) int { return bytes.Compare(a[0], b[0]) })
		return nil, 0
	}}
}

// simFetching hands out the next rows of the cursor.
func simFetching(most int) *simStatement {
	return &simStatement{reads: true, run: func(c *simConn, _ *simState, _ [][]byte) ([][][]byte, int) {
		n := min(most, len(c.cursor))
		rows := c.cursor[:n]
		c.cursor = c.cursor[n:]
		return rows, n
	}}
}

// simNothing is a statement that changes no row.
var simNothing = &simStatement{reads: true, run: func(*simConn, *simState, [][]byte) ([][][]byte, int) { return nil, 0 }}
