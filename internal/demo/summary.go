package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/status"
)

// Summary is the last line of a demo: what scripts read.
type Summary struct {
	Events   int64             `json:"events"`
	Commands int64             `json:"commands"`
	Position eventlog.Position `json:"position"`
	// Types are the events by type.
	Types    map[string]int64       `json:"types"`
	Views    map[string]ViewSummary `json:"views"`
	Cold     map[string]FactSummary `json:"cold"`
	GraphQL  string                 `json:"graphql"`
	Verified bool                   `json:"verified"`
}

// ViewSummary is a view's end. Rows are those that readers see.
type ViewSummary struct {
	Rows     int64             `json:"rows"`
	Position eventlog.Position `json:"position"`
	Lag      int64             `json:"lag_events"`
}

// FactSummary is a cold table's end.
type FactSummary struct {
	Rows     int64             `json:"rows"`
	Position eventlog.Position `json:"position"`
	Lag      int64             `json:"lag_events"`
}

// OK reports whether everything has come to the end of the log and is what the log says.
func (s Summary) OK() bool {
	for _, v := range s.Views {
		if v.Lag > 0 {
			return false
		}
	}
	for _, f := range s.Cold {
		if f.Lag > 0 {
			return false
		}
	}
	return s.Verified
}

// summarize counts.
func summarize(ctx context.Context, log *service.OpenLog, accepted map[string]int64) (Summary, error) {
	report, err := status.Read(ctx, log.Pool, log.Log)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Position: report.Log.Position, Types: map[string]int64{}, Views: map[string]ViewSummary{}, Cold: map[string]FactSummary{}}
	for _, n := range accepted {
		s.Commands += n
	}
	for _, v := range report.Views {
		rows, err := count(ctx, log, v.Table)
		if err != nil {
			return s, err
		}
		s.Views[v.View] = ViewSummary{Rows: rows, Position: v.Position, Lag: v.LagEvents}
	}
	for _, t := range report.Cold {
		s.Cold[t.Fact] = FactSummary{Rows: t.Rows, Position: t.Position, Lag: t.LagEvents}
	}
	return s, s.countTypes(ctx, log)
}

// count counts the rows that readers see: not those unborn, nor tombstones.
func count(ctx context.Context, log *service.OpenLog, table string) (n int64, err error) {
	err = log.Pool.QueryRow(ctx, "select count(*) from "+pgx.Identifier{"views", table}.Sanitize()+" where _state = 2").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", table, err)
	}
	return n, nil
}

func (s *Summary) countTypes(ctx context.Context, log *service.OpenLog) error {
	rows, err := log.Pool.Query(ctx, `select type, count(*) from eventlog.events group by type`)
	if err != nil {
		return fmt.Errorf("count the events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return fmt.Errorf("count the events: %w", err)
		}
		s.Types[name] = n
		s.Events += n
	}
	return rows.Err()
}
