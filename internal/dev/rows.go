package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// What is kept of a view's rows, and what is told of their changes.
const (
	rowsMax  = 5_000
	linesMax = 10
	valueMax = 60
)

// snapshot is the rows of all views, or the first rowsMax of each by key.
type snapshot struct {
	views map[string]map[string]row
	// cut are the views that have more rows.
	cut map[string]bool
}

// row is a row's columns as JSON.
type row map[string]json.RawMessage

// keySQL names the key of a table.
const keySQL = `select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
where i.indrelid = $1::text::regclass and i.indisprimary`

// read reads the live rows of the views that the running program keeps.
func read(ctx context.Context, binary string, cfg Config) (*snapshot, error) {
	s, err := ask[status](ctx, binary, cfg, "status", "--json")
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, cfg.PostgresURL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	all := &snapshot{views: map[string]map[string]row{}, cut: map[string]bool{}}
	own, _ := s.own()
	for _, v := range own {
		rows, err := readTable(ctx, conn, pgx.Identifier{"views", v.Table}.Sanitize())
		if err != nil {
			return nil, fmt.Errorf("read the rows of %s: %w", v.View, err)
		}
		all.views[v.View], all.cut[v.View] = rows, len(rows) == rowsMax
	}
	return all, nil
}

func readTable(ctx context.Context, conn *pgx.Conn, table string) (map[string]row, error) {
	var key string
	if err := conn.QueryRow(ctx, keySQL, table).Scan(&key); err != nil {
		return nil, err
	}
	const live = 2 // of the column _state
	quoted := pgx.Identifier{key}.Sanitize()
	rows, err := conn.Query(ctx, fmt.Sprintf(`select %s::text, to_jsonb(t) from %s t where _state = $1 order by %s limit $2`, quoted, table, quoted), live, rowsMax)
	if err != nil {
		return nil, err
	}
	found := map[string]row{}
	var of string
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&of, &text}, func() error {
		r := row{}
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		maps.DeleteFunc(r, func(column string, _ json.RawMessage) bool { return strings.HasPrefix(column, "_") || column == key })
		found[of] = r
		return nil
	})
	return found, err
}

// difference tells what is not the same in two snapshots, a line for each row.
func difference(before, after *snapshot) string {
	var b strings.Builder
	for _, view := range slices.Sorted(maps.Keys(after.views)) {
		old, had := before.views[view]
		if !had {
			fmt.Fprintf(&b, "%s is new: %d rows.\n", view, len(after.views[view]))
			continue
		}
		lines := rowLines(old, after.views[view])
		for _, line := range lines[:min(len(lines), linesMax)] {
			fmt.Fprintf(&b, "  %s %s\n", view, line)
		}
		fmt.Fprintf(&b, "%s: %s changed%s.\n", view, counted(len(lines)), within(after.cut[view]))
	}
	for _, view := range slices.Sorted(maps.Keys(before.views)) {
		if _, has := after.views[view]; !has {
			fmt.Fprintf(&b, "%s is gone.\n", view)
		}
	}
	return b.String()
}

func counted(rows int) string {
	switch rows {
	case 0:
		return "no row"
	case 1:
		return "1 row"
	}
	return fmt.Sprintf("%d rows", rows)
}

func within(cut bool) string {
	if cut {
		return fmt.Sprintf(" of the first %d by key", rowsMax)
	}
	return ""
}

// rowLines has a line for each row that differs, by key.
func rowLines(old, now map[string]row) (lines []string) {
	keys := maps.Clone(old)
	maps.Copy(keys, now)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		o, had := old[key]
		n, has := now[key]
		switch {
		case !had:
			lines = append(lines, key+": new")
		case !has:
			lines = append(lines, key+": gone")
		default:
			if changes := columnChanges(o, n); len(changes) > 0 {
				lines = append(lines, key+": "+strings.Join(changes, ", "))
			}
		}
	}
	return lines
}

// columnChanges has a change for each column that differs, by name. A column of only one
// side counts as well.
func columnChanges(o, n row) (changes []string) {
	columns := maps.Clone(o)
	maps.Copy(columns, n)
	for _, c := range slices.Sorted(maps.Keys(columns)) {
		switch {
		case o[c] == nil:
			changes = append(changes, fmt.Sprintf("%s %s (new column)", c, short(n[c])))
		case n[c] == nil:
			changes = append(changes, c+" is gone")
		case !bytes.Equal(o[c], n[c]):
			changes = append(changes, fmt.Sprintf("%s %s → %s", c, short(o[c]), short(n[c])))
		}
	}
	return changes
}

// short is a value that fits a line.
func short(value json.RawMessage) string {
	text := string(value)
	if utf8.RuneCountInString(text) <= valueMax {
		return text
	}
	return string([]rune(text)[:valueMax]) + "…"
}
