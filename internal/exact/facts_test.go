package exact_test

import (
	"embed"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// The oracles of the cold tables: plain SQL over the log, a line of text per row.
//
//go:embed facts/*.sql
var factOracles embed.FS

// factColumns are the columns of a fact in the order of its oracle's line.
var factColumns = map[string]string{
	"order_lines":   "order_id, buyer_id, product_id, category, country, step, line, quantity, unit_price, currency",
	"payments":      "payment_id, order_id, buyer_id, method, outcome, reason, amount, currency",
	"price_changes": "product_id, old, old_currency, new, currency",
	"basket_events": "buyer_id, product_id, kind, quantity, unit_price, currency, order_id",
}

// checkFacts compares every cold table with SQL over the log.
func (x *experiment) checkFacts() {
	x.t.Helper()
	set, err := x.program(true).set()
	if err != nil {
		x.t.Fatal(err)
	}
	lost := slices.AppendSeq([]int64{}, maps.Keys(x.lostPlaces()))
	if len(set.Facts()) != len(factColumns) {
		x.t.Errorf("the shop has %d facts and %d oracles", len(set.Facts()), len(factColumns))
	}
	for _, m := range set.Facts() {
		want, got := x.factsOfLog(m.Name, lost), x.factsStored(x.factTable(m.Name), factColumns[m.Name])
		if len(want) == 0 {
			x.t.Errorf("the story has nothing for %s", m.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			x.t.Errorf("fact %s: %d rows, the log says %d (-log +table):\n%.2000s", m.Name, len(got), len(want), diff)
		}
	}
}

// keptSQL is the log without the events at $1, which others may not even be able to read.
const keptSQL = `with kept as materialized (select * from eventlog.events where not position = any($1::bigint[])) `

// factTable is the table that analysts see: a worker that is killed while it makes the
// first generation leaves it, and the next makes another.
func (x *experiment) factTable(fact string) (table string) {
	x.t.Helper()
	err := x.db.Pool.QueryRow(x.t.Context(), `select w.table_name from readside.cold_watermarks w
join readside.cold_checkpoint c on c.name = w.projector and c.shown_generation = w.generation where w.fact = $1`, fact).Scan(&table)
	if err != nil {
		x.t.Fatal(err)
	}
	return table
}

// factsOfLog are the rows of a fact that the log has, without those of events that were lost.
func (x *experiment) factsOfLog(name string, lost []int64) []string {
	x.t.Helper()
	sql, err := factOracles.ReadFile("facts/" + name + ".sql")
	if err != nil {
		x.t.Fatal(err)
	}
	rows, err := x.db.Pool.Query(x.t.Context(), keptSQL+strings.ReplaceAll(string(sql), "eventlog.events e", "kept e"), lost)
	if err != nil {
		x.t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		x.t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func (x *experiment) factsStored(table, columns string) []string {
	x.t.Helper()
	texts := "toString(" + strings.ReplaceAll(columns, ", ", "), '|', toString(") + ")"
	rows, err := x.ch.Conn.Query(x.t.Context(), "select concat(toString(_position), '|', "+texts+", '|', toString(toUnixTimestamp64Micro(at))) from "+table)
	if err != nil {
		x.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			x.t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		x.t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}
