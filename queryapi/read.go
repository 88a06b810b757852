package queryapi

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi/refusal"
)

// read is one statement of a plan: a row by key or a page of a list, with the columns
// that the operation asks for and no others.
type read struct {
	path    []string
	view    *view
	columns []int // of the model, in the order of the statement
	where   []condition
	list    bool
	order   order
	after   []any // the cursor's values
	first   int
	// key is set for a row by its key; degraded says that rows are asked whether they are.
	key      string
	degraded bool
}

// condition compares a column; op is one of =, >=, <, =any and isNullOp. A comparison
// with nil is true of no row.
type condition struct {
	column int
	op     string
	value  any
}

// isNullOp asks whether a column is null; its value says which of both is wanted.
const isNullOp = "is null"

const stateLive = 2 // the _state of rows that readers see

// need adds a column to those that are read.
func (r *read) need(column int) {
	if !slices.Contains(r.columns, column) {
		r.columns = append(r.columns, column)
	}
}

// needCursor adds what a cursor is made of.
func (r *read) needCursor() {
	r.need(r.order.column)
	r.need(r.view.model.Key)
}

// sql is the statement against a generation's table for a stretch of the page. Every value
// is a parameter, so one statement serves all pages of a list.
func (r *read) sql(from *candidate, s stretch) (string, []any) {
	var b strings.Builder
	b.WriteString("select ")
	for i, c := range r.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(r.column(c))
		if r.asText(c) {
			b.WriteString("::text")
		}
	}
	var args []any
	if r.degraded && r.list {
		args = append(args, from.projector, r.view.model.Name)
		fmt.Fprintf(&b, ", exists (select from readside.degraded d where d.projector = $1 and d.view = $2 and d.key = r.%s)", r.column(r.view.model.Key))
	}
	fmt.Fprintf(&b, " from %s r where _state = %d", pgx.Identifier{"views", from.table}.Sanitize(), stateLive)
	args = r.writeWhere(&b, args)
	if r.list {
		args = r.writeAfter(&b, args, s)
		direction := ""
		if r.order.desc {
			direction = " desc"
		}
		// With r in front it is the table's column: without, it would be the text in the answer.
		b.WriteString(" order by r." + r.column(r.order.column) + direction)
		if r.order.column != r.view.model.Key {
			b.WriteString(", r." + r.column(r.view.model.Key) + direction)
		}
		// One more than asked for shows whether rows follow.
		args = append(args, r.first+1)
		fmt.Fprintf(&b, " limit $%d", len(args))
	}
	return b.String(), args
}

func (r *read) writeWhere(b *strings.Builder, args []any) []any {
	for _, c := range r.where {
		args = append(args, c.value)
		switch c.op {
		case "=any":
			fmt.Fprintf(b, " and %s = any(%s)", r.column(c.column), r.place(c.column, len(args), "[]"))
		case isNullOp:
			fmt.Fprintf(b, " and (%s is null) = $%d", r.column(c.column), len(args))
		default:
			fmt.Fprintf(b, " and %s %s %s", r.column(c.column), c.op, r.place(c.column, len(args), ""))
		}
	}
	return args
}

// asText reports whether a column's values are read, and passed, as texts.
func (r *read) asText(column int) bool {
	k := r.view.model.Columns[column].Kind
	return k == projections.UUID || k == projections.Decimal
}

// place is the n-th parameter, which a column is compared with; list is "[]" for many.
func (r *read) place(column, n int, list string) string {
	switch r.view.model.Columns[column].Kind {
	case projections.UUID:
		return fmt.Sprintf("$%d::text%s::uuid%[2]s", n, list)
	case projections.Decimal:
		return fmt.Sprintf("$%d::text%s::numeric%[2]s", n, list)
	}
	return fmt.Sprintf("$%d", n)
}

func (r *read) column(i int) string {
	return pgx.Identifier{r.view.model.Columns[i].Name}.Sanitize()
}

// checkTexts refuses what no stored text can equal, and Postgres would not take.
func (r *read) checkTexts() *refusal.Refusal {
	for _, c := range r.where {
		texts, ok := c.value.([]string)
		if text, single := c.value.(string); single {
			texts, ok = []string{text}, true
		}
		if ok && !slices.ContainsFunc(texts, unstorable) {
			continue
		}
		if ok {
			return refusal.New(refusal.BadVariables, "take the byte out: no stored text has one", "the value for %s has a NUL byte or is not UTF-8", r.view.model.Columns[c.column].Name)
		}
	}
	for _, v := range r.after {
		if text, ok := v.(string); ok && unstorable(text) {
			return refusal.New(refusal.BadCursor, "pass on a cursor unchanged", "the cursor is not one of this list")
		}
	}
	return nil
}

func unstorable(text string) bool {
	return strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text)
}

// array makes a typed slice of filter values, as Postgres takes it.
func array(k projections.Kind, values []any) any {
	switch k {
	case projections.Text, projections.UUID, projections.Decimal:
		return typed[string](values)
	case projections.Bool:
		return typed[bool](values)
	case projections.Int32:
		return typed[int](values)
	case projections.Int64:
		return typed[int64](values)
	case projections.Float64:
		return typed[float64](values)
	}
	return typed[time.Time](values)
}

// typed returns the values as a slice of their type. Lists of filters have no nulls: the
// schema says so.
func typed[T any](values []any) []T {
	out := make([]T, 0, len(values))
	for _, v := range values {
		if t, ok := v.(T); ok {
			out = append(out, t)
		}
	}
	return out
}
