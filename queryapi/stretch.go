package queryapi

import (
	"fmt"
	"strings"
)

// A page of an order that may be null is read in up to two stretches: the rows behind a
// value and those without one are both found by the order's index, but not by one look
// into it. Rows without a value come last, and first where the order is descending, which
// is how Postgres keeps them in the index.

// stretch says which rows of a page a statement reads.
type stretch uint8

const (
	// onward reads from the beginning, or on behind the cursor's value and key.
	onward stretch = iota
	// nulls reads the rows without a value, from the first.
	nulls
	// nullsOnward reads on behind the key of one without a value.
	nullsOnward
	// values reads the rows that have a value, from the first.
	values
)

// stretches are those that the page may be in, in their order.
func (r *read) stretches() []stretch {
	if len(r.after) < 2 || !r.view.model.Columns[r.order.column].Nullable {
		return []stretch{onward}
	}
	atNull := r.after[0] == nil
	switch {
	case atNull && r.order.desc:
		return []stretch{nullsOnward, values}
	case atNull:
		return []stretch{nullsOnward}
	case r.order.desc:
		return []stretch{onward}
	}
	return []stretch{onward, nulls}
}

// writeAfter writes where a stretch begins.
func (r *read) writeAfter(b *strings.Builder, args []any, s stretch) []any {
	order, key := r.order.column, r.view.model.Key
	op := ">"
	if r.order.desc {
		op = "<"
	}
	switch {
	case s == nulls:
		fmt.Fprintf(b, " and %s is null", r.column(order))
	case s == values:
		fmt.Fprintf(b, " and %s is not null", r.column(order))
	case s == nullsOnward:
		args = append(args, r.after[1])
		fmt.Fprintf(b, " and %s is null and %s %s $%d", r.column(order), r.column(key), op, len(args))
	case len(r.after) == 1:
		args = append(args, r.after...)
		fmt.Fprintf(b, " and %s %s $%d", r.column(key), op, len(args))
	case len(r.after) == 2:
		args = append(args, r.after...)
		fmt.Fprintf(b, " and (%s, %s) %s (%s, $%d)", r.column(order), r.column(key), op, r.place(order, len(args)-1, ""), len(args))
	}
	return args
}
