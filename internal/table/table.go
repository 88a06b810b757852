// Package table prints tables for people.
package table

import (
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// Print prints rows with aligned columns; the first row is the head. The columns with
// the heads right hold numbers, which are compared digit under digit.
func Print(w io.Writer, rows [][]string, right ...string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	widths := widthsOf(rows)
	for _, row := range rows {
		cells := slices.Clone(row)
		for i, cell := range row {
			if slices.Contains(right, rows[0][i]) {
				cells[i] = strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + cell
			}
		}
		if _, err := io.WriteString(t, strings.Join(cells, "\t")+"\n"); err != nil {
			return err
		}
	}
	return t.Flush()
}

// widthsOf are the columns' widths, in characters.
func widthsOf(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}
