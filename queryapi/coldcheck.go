package queryapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
)

// checked are the reports whose SQL ClickHouse has taken as it stands.
type checked struct {
	mu   sync.Mutex
	good map[string]bool
}

// Check says which reports would not be answered, and why: ClickHouse does not take their
// SQL or answers with other columns, a table has no watermark or cannot be read, or the
// facts stand still. SQL that was found good once is not looked at again.
func (c *Cold) Check(ctx context.Context, reports []*Report) []Trouble {
	if len(reports) == 0 {
		return nil
	}
	if err := c.conn.Ping(ctx); err != nil {
		return []Trouble{trouble(clickHouseCause(err), "the reports cannot be answered: ClickHouse does not answer: %s", exceptionOf(err))}
	}
	var found []Trouble
	tables := map[string]bool{}
	for _, r := range reports {
		for _, t := range r.Tables {
			tables[t] = true
		}
		var fault *ReportError
		if errors.As(c.CheckReport(ctx, r), &fault) {
			found = append(found, trouble(fault.Cause, "%s", fault.Error()))
		}
	}
	return append(found, c.checkTables(ctx, tables)...)
}

func (c *Cold) checkTables(ctx context.Context, tables map[string]bool) []Trouble {
	var names []string
	var found []Trouble
	for t := range tables {
		names = append(names, t)
	}
	slices.Sort(names)
	marks, err := c.marks.Watermarks(ctx, names)
	if err != nil {
		cause, text := why(err)
		return []Trouble{trouble(cause, "the watermarks of the reports' tables cannot be read: %s", text)}
	}
	for _, name := range names {
		i := slices.IndexFunc(marks, func(m *Watermark) bool { return m.Table == name })
		switch {
		case i < 0:
			found = append(found, trouble(control.NotThere, "table %s of the reports has no watermark yet: nobody has written it", name))
			continue
		case marks[i].reason != "":
			state := strings.ToLower(marks[i].State)
			found = append(found, trouble(control.Cause(state), "table %s of the reports is %s: %s", name, state, marks[i].reason))
		default:
			if err := c.readOne(ctx, name); err != nil {
				found = append(found, trouble(clickHouseCause(err), "table %s of the reports cannot be read: %s", name, exceptionOf(err)))
			}
		}
		found = append(found, rowTroubles("fact "+name, marks[i].Parked, marks[i].Differs)...)
	}
	return found
}

// clickHouseCause is what an error of ClickHouse says of the server.
func clickHouseCause(err error) control.Cause {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return control.ClickHouseRefuses
	}
	return control.ClickHouseUnreachable
}

func (c *Cold) readOne(ctx context.Context, table string) error {
	rows, err := c.conn.Query(ctx, "select 1 from `"+strings.ReplaceAll(table, "`", "")+"` limit 1")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		continue // it is there, or empty
	}
	return rows.Err()
}

// ReportError is why a report would not be answered.
type ReportError struct {
	Report string
	// Cause is that ClickHouse is not there, or that it does not take the report as it is.
	Cause control.Cause
	// Err is what ClickHouse answered, or how the columns differ.
	Err error
}

func (e *ReportError) Error() string {
	var exception *clickhouse.Exception
	switch {
	case errors.As(e.Err, &exception):
		return fmt.Sprintf("report %s: ClickHouse does not take its SQL: %s", e.Report, exceptionOf(e.Err))
	case e.Cause == control.ClickHouseUnreachable:
		return fmt.Sprintf("report %s: ClickHouse does not answer: %s", e.Report, exceptionOf(e.Err))
	}
	return fmt.Sprintf("report %s: %v", e.Report, e.Err)
}

func (e *ReportError) Unwrap() error { return e.Err }

// CheckReport asks ClickHouse what a report's SQL returns, and compares it with the
// columns that the report declares. It runs nothing, and returns a *ReportError.
func (c *Cold) CheckReport(ctx context.Context, r *Report) error {
	c.checked.mu.Lock()
	good := c.checked.good[r.Name]
	c.checked.mu.Unlock()
	if good {
		return nil
	}
	columns, err := c.describe(ctx, r)
	if err != nil {
		return &ReportError{r.Name, clickHouseCause(err), err}
	}
	if err := sameColumns(r, columns); err != nil {
		return &ReportError{r.Name, control.ClickHouseRefuses, err}
	}
	c.checked.mu.Lock()
	defer c.checked.mu.Unlock()
	if c.checked.good == nil {
		c.checked.good = map[string]bool{}
	}
	c.checked.good[r.Name] = true
	return nil
}

// described is a column of a statement.
type described struct{ name, kind string }

func (c *Cold) describe(ctx context.Context, r *Report) ([]described, error) {
	parameters := clickhouse.Parameters{"time_zone": c.zone, "rows_max": "1"}
	for _, a := range r.Args {
		parameters[a.Name] = sample(a.Kind)
	}
	rows, err := c.conn.Query(clickhouse.Context(ctx, clickhouse.WithParameters(parameters)), "describe table ("+r.SQL+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []described
	for rows.Next() {
		texts := make([]string, len(rows.Columns()))
		targets := make([]any, len(texts))
		for i := range texts {
			targets[i] = &texts[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		out = append(out, described{texts[0], texts[1]})
	}
	return out, rows.Err()
}

func sameColumns(r *Report, columns []described) error {
	if len(columns) != len(r.Columns) {
		return fmt.Errorf("its SQL answers %d columns, and it declares %d", len(columns), len(r.Columns))
	}
	for i, c := range columns {
		if want := &r.Columns[i]; !want.holds(parseColdType(c.kind)) {
			return fmt.Errorf("column %d, %s, is of the type %s, and is declared as %s of the %s: convert it in the SQL, or declare another kind",
				i+1, c.name, c.kind, want.Name, want)
		}
	}
	return nil
}

// sample is a value of an argument with which SQL can be described.
func sample(k projections.Kind) string {
	switch k {
	case projections.Text:
		return ""
	case projections.Time:
		return "2026-01-01 00:00:00.000000"
	case projections.UUID:
		return uuid.Nil.String()
	}
	return "1" // numbers and truth
}

// exceptionOf is what ClickHouse says in one line.
func exceptionOf(err error) string {
	var exception *clickhouse.Exception
	text := err.Error()
	if errors.As(err, &exception) {
		text = fmt.Sprintf("%s (code %d)", exception.Message, exception.Code)
	}
	line, _, _ := strings.Cut(text, "\n")
	const most = 300
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}
