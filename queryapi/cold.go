package queryapi

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/readside/readside/queryapi/refusal"
)

// Watermarks says how far tables of the cold store have come.
type Watermarks interface {
	// Watermarks answers those of the tables given that there are.
	Watermarks(ctx context.Context, tables []string) ([]*Watermark, error)
}

const (
	// reportsRunningMax bounds reports at the same time: each may use all of a machine.
	reportsRunningMax = 4
	// reportsMax bounds them together with those that wait for one to end, so that a
	// ClickHouse that hangs does not take all places of requests: views go on.
	reportsMax = 32
)

// Cold runs reports in ClickHouse, as a user who may only read and in the database of
// the documented views.
type Cold struct {
	conn    driver.Conn
	marks   Watermarks
	zone    string
	here    chan struct{} // those that wait and those that run
	running chan struct{}
	checked checked
}

// NewCold makes a Cold. zone is an IANA name: the months of reports are cut in it.
func NewCold(conn driver.Conn, marks Watermarks, zone string) *Cold {
	return &Cold{conn: conn, marks: marks, zone: zone, here: make(chan struct{}, reportsMax), running: make(chan struct{}, reportsRunningMax)}
}

// Run answers a report. Its watermarks are read first, so that the rows are at least
// as fresh as they say.
func (c *Cold) Run(ctx context.Context, r *Report, args map[string]any) (*ReportRows, error) {
	select {
	case c.here <- struct{}{}:
		defer func() { <-c.here }()
	default:
		return nil, refusal.New(refusal.Busy, "ask again later", "%d reports run or wait already", reportsMax)
	}
	select {
	case c.running <- struct{}{}:
		defer func() { <-c.running }()
	case <-ctx.Done():
		return nil, refusal.New(refusal.Busy, "ask again later", "%d reports are running already", reportsRunningMax).Because(ctx.Err())
	}
	marks, err := c.marks.Watermarks(ctx, r.Tables)
	if err != nil {
		return nil, fmt.Errorf("read the watermarks of report %s: %w", r.Name, err)
	}
	if len(marks) < len(r.Tables) {
		return nil, refusal.New(refusal.NotReady, "start the projector and wait until the tables are there",
			"the tables of the report %s have no watermark yet", r.Name)
	}
	out := &ReportRows{Rows: [][]any{}, TimeZone: c.zone, Watermarks: marks}
	err = c.load(ctx, r, args, out)
	if isBadParameter(err) {
		return nil, refusal.New(refusal.BadVariables, "check the values of arguments", "an argument of the report %s is out of its range", r.Name).Because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("report %s: %w", r.Name, err)
	}
	return out, nil
}

// isBadParameter recognises that the server could not read a parameter as the type that
// the report's SQL gives it, such as a negative number of rows.
func isBadParameter(err error) bool {
	var exception *clickhouse.Exception
	const badQueryParameter = 457
	return errors.As(err, &exception) && exception.Code == badQueryParameter
}

func (c *Cold) load(ctx context.Context, r *Report, args map[string]any, out *ReportRows) error {
	// One more than allowed says that there are more.
	parameters := clickhouse.Parameters{"time_zone": c.zone, "rows_max": strconv.Itoa(r.RowsMax + 1)}
	for _, a := range r.Args {
		parameters[a.Name] = parameter(args[a.Name])
	}
	rows, err := c.conn.Query(clickhouse.Context(ctx, clickhouse.WithParameters(parameters)), r.SQL)
	if err != nil {
		return err
	}
	defer rows.Close()
	cells := reportCells(rows.ColumnTypes(), r.Columns)
	for rows.Next() {
		if len(out.Rows) == r.RowsMax {
			out.Truncated = true
			break
		}
		row, err := scanReportRow(rows, cells)
		if err != nil {
			return err
		}
		out.Rows = append(out.Rows, row)
	}
	return rows.Err()
}

// parameterEscapes: the server reads parameters as its tab-separated format does.
var parameterEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// parameter writes an argument as a query parameter.
func parameter(v any) string {
	switch v := v.(type) {
	case string:
		return parameterEscapes.Replace(v)
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000")
	}
	return fmt.Sprint(v)
}
