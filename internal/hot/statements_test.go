package hot

import (
	"slices"
	"testing"
)

func TestStatementsAreBoundedByBytesAndRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ rows, want []int }{
		"none":            {nil, nil},
		"small":           {[]int{1, 2, 3}, []int{3}},
		"one is too much": {[]int{statementBytes + 1, 1, statementBytes + 1}, []int{1, 1, 1}},
		"exactly full":    {[]int{statementBytes - 1, 1, 1}, []int{2, 1}},
		"many":            {make([]int, 2*statementRows+1), []int{statementRows, statementRows, 1}},
	} {
		var got []int
		for chunk := range statements(c.rows, func(size int) int { return size }) {
			got = append(got, len(chunk))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}
